//! Packets that were remembered and are needed once more: for the report.

use std::borrow::Cow;
use std::fmt;

use super::{History, Packet};
use crate::flow::Both;
use crate::flow::packing::{Packer, Unpacker};
use crate::time::Timestamp;

/// Fewer take little memory as they are.
const MANY: usize = 5;

/// Packets, oldest first: as they are, or in few bytes.
#[derive(Clone, Default)]
pub struct Packets {
    /// None while they are packed.
    whole: Vec<Packet>,
    packed: Option<Box<[u8]>>,
}

impl Packets {
    /// All of them.
    pub fn read(&self) -> Cow<'_, [Packet]> {
        match &self.packed {
            None => Cow::Borrowed(&self.whole),
            Some(bytes) => Cow::Owned(unpacked(bytes)),
        }
    }

    /// All of them, for changing.
    pub(in crate::flow) fn whole_mut(&mut self) -> &mut Vec<Packet> {
        if let Some(bytes) = self.packed.take() {
            self.whole = unpacked(&bytes);
        }
        &mut self.whole
    }

    /// Nothing more is expected of them: they take less memory from here on, where that pays.
    pub(in crate::flow) fn pack(&mut self, packer: &mut Packer) {
        if (MANY..=History::KEPT).contains(&self.whole.len()) {
            let history = History::from(std::mem::take(&mut self.whole));
            packer.pack(Timestamp::default(), |packer| {
                history.pack(&Both::default(), packer);
            });
            self.packed = Some(packer.packed().into());
        }
    }
}

fn unpacked(bytes: &[u8]) -> Vec<Packet> {
    let mut bytes = Unpacker::new(bytes, Timestamp::default());
    History::unpack(&Both::default(), &mut bytes).take()
}

impl From<Vec<Packet>> for Packets {
    fn from(whole: Vec<Packet>) -> Self {
        Self {
            whole,
            packed: None,
        }
    }
}

/// However they are kept.
impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}
