//! Connections whole and packed: where they are, and when they change.

use super::Table;
use crate::flow::{Connection, Kept, StreamReader};

/// Connections that stay whole after their close: what comes late mostly comes at once.
const JUST_CLOSED: usize = 32;

/// Which connections are [packed](Kept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Those that have closed.
    Closed,
    /// None: connections are asked for at any time, which would unpack them each time.
    Nothing,
}

impl<R: StreamReader> Table<R> {
    pub(super) fn kept(&self, index: u32) -> Option<&Kept<R>> {
        self.kept.get(index as usize)?.as_ref()
    }

    pub(super) fn whole_ref(&self, index: u32) -> Option<&Connection<R>> {
        self.kept(index)?.as_whole()
    }

    /// A connection for changing; whole again if it was packed.
    pub(super) fn whole_mut(&mut self, index: u32) -> Option<&mut Connection<R>> {
        if let Some(Kept::Settled(_)) = self.kept(index) {
            self.unpack(index);
        }
        match self.kept.get_mut(index as usize)?.as_mut()? {
            Kept::Whole(connection) => Some(connection),
            Kept::Settled(_) => None,
        }
    }

    /// Makes a connection whole again, for a while.
    #[cold]
    pub(super) fn unpack(&mut self, index: u32) {
        if let Some(slot) = self.kept.get_mut(index as usize) {
            let archive = &mut self.archive;
            *slot = slot
                .take()
                .map(|kept| Kept::Whole(kept.into_whole(archive)));
            self.pack_later(index);
        }
    }

    pub(super) fn pack_later(&mut self, index: u32) {
        if self.packing == Packing::Nothing {
            return;
        }
        self.just_closed.push_back(index);
        if self.just_closed.len() > JUST_CLOSED
            && let Some(oldest) = self.just_closed.pop_front()
            && oldest != index
            && let Some(slot) = self.kept.get_mut(oldest as usize)
        {
            let archive = &mut self.archive;
            *slot = slot.take().map(|kept| kept.into_settled(archive));
        }
    }
}
