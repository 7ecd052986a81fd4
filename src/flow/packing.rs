//! Values in few bytes: what stays of a connection that has closed.
//!
//! Numbers that come together take as many bytes as the largest of them needs ([`Packer::numbers`]), times are told from the opening
//! on, and what mostly equals something else is told from that: all that does so takes a byte together ([`Sheet::rare`]). Nothing is
//! lost: what is unpacked equals what was packed.

mod sheet;
mod structs;
#[cfg(test)]
mod tests;
mod together;
mod values;

pub(crate) use sheet::Sheet;
pub(crate) use structs::{packed, packed_names};

use std::borrow::Cow;

use crate::time::Timestamp;

/// Small where the number is near zero, on either side.
#[inline]
const fn folded(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The number that was [folded].
#[inline]
const fn unfolded(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// What the next value is told as a difference from.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    /// When the connection was opened.
    opened: i64,
    time: i64,
    frame: u32,
    kind: u64,
}

impl From<Timestamp> for Newest {
    fn from(opened: Timestamp) -> Self {
        let opened = opened.as_nanos();
        Self {
            opened,
            time: opened,
            ..Self::default()
        }
    }
}

/// Takes values.
#[derive(Debug)]
pub struct Packer {
    /// What was packed up to `end`, and room beyond it.
    bytes: Vec<u8>,
    end: u32,
    /// Some of it was not written.
    lacks_room: bool,
    newest: Newest,
}

impl Default for Packer {
    fn default() -> Self {
        Self {
            bytes: vec![0; Self::ROOM],
            end: 0,
            lacks_room: false,
            newest: Newest::default(),
        }
    }
}

impl Packer {
    /// Bytes that are enough for most connections.
    const ROOM: usize = 1 << 15;

    /// What was packed.
    pub(crate) fn packed(&self) -> &[u8] {
        debug_assert!(!self.lacks_room);
        self.bytes.get(..self.end as usize).unwrap_or_default()
    }

    /// Packs this, in place of what was packed before: what is told from `opened` on. It is packed again where there was too little
    /// room, so that it need not be looked for at every value.
    pub(crate) fn pack<T>(&mut self, opened: Timestamp, mut what: impl FnMut(&mut Self) -> T) -> T {
        loop {
            self.begin(opened);
            let told = what(self);
            if !self.lacks_room {
                return told;
            }
            let more = 2 * self.bytes.len();
            self.bytes.resize(more, 0);
        }
    }

    /// Forgets what was packed, but not its memory: what follows is told from `opened` on.
    fn begin(&mut self, opened: Timestamp) {
        self.end = 0;
        self.lacks_room = false;
        self.begin_part(opened);
    }

    /// What follows is told from `opened` on, whatever was packed before: it can be unpacked alone. Returns where it begins.
    pub(super) fn begin_part(&mut self, opened: Timestamp) -> usize {
        self.newest = Newest::from(opened);
        self.end as usize
    }

    /// What times are told from.
    pub(super) const fn opened(&self) -> Timestamp {
        Timestamp::from_nanos(self.newest.opened)
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.array([byte]);
    }

    /// Bytes as they are.
    #[inline]
    pub fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.first_of(N, bytes);
    }

    /// Text as it is, its length before it.
    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        if let Some(room) = self.room(text.len()) {
            room.copy_from_slice(text.as_bytes());
        }
        self.keep(text.len());
    }

    /// The next so many bytes, for writing: they are not packed until they are [kept](Self::keep).
    #[inline(always)]
    fn room(&mut self, length: usize) -> Option<&mut [u8]> {
        let start = self.end as usize;
        let room = self.bytes.get_mut(start..start + length);
        if room.is_none() {
            self.lacks_room = true;
        }
        room
    }

    /// The next so many bytes are packed.
    #[inline(always)]
    const fn keep(&mut self, length: usize) {
        self.end += length as u32;
    }

    /// Writes all of the bytes and keeps the first ones.
    #[inline(always)]
    fn first_of<const N: usize>(&mut self, kept: usize, bytes: [u8; N]) {
        if let Some(room) = self.room(N).and_then(|room| room.first_chunk_mut()) {
            *room = bytes;
        }
        self.keep(kept);
    }

    /// Seven bits a byte; the zeros at the first byte's low end say how many bytes follow, so that all are written and read at once.
    #[inline]
    fn number(&mut self, number: u64) {
        if number < 0x80 {
            self.byte((number << 1 | 1) as u8);
        } else {
            self.long_number(number);
        }
    }

    fn long_number(&mut self, number: u64) {
        let length = (70 - (number | 1).leading_zeros()) / 7;
        if length > 8 {
            self.byte(0);
            self.array(number.to_le_bytes());
            return;
        }
        let word = number << length | 1 << (length - 1);
        self.first_of(length as usize, word.to_le_bytes());
    }

    /// [Folded](folded).
    #[inline]
    fn signed(&mut self, number: i64) {
        self.number(folded(number));
    }
}

/// Gives the values back, in the order in which they were packed.
#[derive(Clone, Debug)]
pub struct Unpacker<'a> {
    bytes: &'a [u8],
    newest: Newest,
}

impl<'a> Unpacker<'a> {
    /// Of what was packed from `opened` on.
    pub(crate) fn new(bytes: &'a [u8], opened: Timestamp) -> Self {
        Self {
            bytes,
            newest: Newest::from(opened),
        }
    }

    /// What times are told from.
    pub(super) const fn opened(&self) -> Timestamp {
        Timestamp::from_nanos(self.newest.opened)
    }

    /// 0 where nothing is left: that does not happen to what a [`Packer`] packed.
    #[inline]
    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// The next bytes as they are; zeros where there are not as many.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.bytes.split_first_chunk() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => [0; N],
        }
    }

    #[inline]
    fn number(&mut self) -> u64 {
        let word = match self.bytes.first_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => self.last_word(),
        };
        if word & 1 != 0 {
            self.bytes = self.bytes.get(1..).unwrap_or_default();
            return word >> 1 & 0x7f;
        }
        let length = (word as u8).trailing_zeros() + 1;
        if length > 8 {
            self.byte();
            return u64::from_le_bytes(self.array());
        }
        self.bytes = self.bytes.get(length as usize..).unwrap_or_default();
        (word & u64::MAX >> (64 - 8 * length)) >> length
    }

    /// The last bytes, where fewer than eight are left.
    #[cold]
    fn last_word(&self) -> u64 {
        let mut word = [0; 8];
        word.iter_mut()
            .zip(self.bytes)
            .for_each(|(byte, left)| *byte = *left);
        u64::from_le_bytes(word)
    }

    pub(crate) fn text(&mut self) -> Cow<'a, str> {
        let length = usize::try_from(self.number()).unwrap_or(usize::MAX);
        let (text, rest) = self.bytes.split_at_checked(length).unwrap_or_default();
        self.bytes = rest;
        String::from_utf8_lossy(text)
    }

    #[inline]
    fn signed(&mut self) -> i64 {
        unfolded(self.number())
    }
}

/// A value that can be packed.
pub trait Packed: Sized {
    /// Packs it.
    fn pack(&self, into: &mut Packer);
    /// Takes the next value, which has to be of this type.
    fn unpack(from: &mut Unpacker<'_>) -> Self;
}
