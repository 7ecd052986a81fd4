//! Connections whole and packed: where they are, and when they change.

use super::{Table, sender};
use crate::flow::{Connection, Kept, StreamReader};
use crate::wire::Segment;

/// Connections that stay whole after their close: what comes late mostly comes at once. More of them take longer to pack, not only for
/// being more: their memory is no longer at hand then. Measured: with 32, packing takes a third longer.
const JUST_CLOSED: usize = 4;
/// Packed connections whose memory waits for new ones: as many as close in a row before others open. Measured with 8,000 connections
/// open at once: with 256, threads wait for the allocator and a run takes a third longer.
const SPARE: usize = 2048;

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

    /// The same for changing.
    #[inline]
    pub(in crate::flow) fn unpacked_mut(&mut self, index: u32) -> Option<&mut Connection<R>> {
        match self.kept.get_mut(index as usize)?.as_mut()? {
            Kept::Whole(connection) => Some(connection),
            Kept::Settled(_) => None,
        }
    }

    /// A connection for changing; whole again if it was packed.
    pub(super) fn whole_mut(&mut self, index: u32) -> Option<&mut Connection<R>> {
        if let Some(Kept::Settled(_)) = self.kept(index) {
            self.unpack(index);
        }
        self.unpacked_mut(index)
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

    /// Of a connection that has closed or was reset: soon, nothing more is expected of it.
    pub(super) fn pack_later(&mut self, index: u32) {
        if self.packing == Packing::Nothing {
            return;
        }
        self.just_closed.push_back(index);
        if self.just_closed.len() > JUST_CLOSED
            && let Some(oldest) = self.just_closed.pop_front()
            && oldest != index
            && let Some(kept) = self.kept.get_mut(oldest as usize).and_then(Option::take)
        {
            let kept = self.packed(kept);
            if let Some(slot) = self.kept.get_mut(oldest as usize) {
                *slot = Some(kept);
            }
        }
    }

    /// Packed, if nothing more is expected of it.
    pub(super) fn packed(&mut self, kept: Kept<R>) -> Kept<R> {
        match kept {
            Kept::Whole(connection) if connection.can_be_packed() => {
                let settled = self.archive.pack(&connection);
                if self.spare.len() < SPARE {
                    self.spare.push(connection);
                }
                Kept::Settled(settled)
            }
            Kept::Whole(mut connection) => {
                if connection.is_quietly_closed() || !connection.episodes.is_empty() {
                    connection.give_back();
                    self.archive.pack_episodes(&mut connection);
                }
                Kept::Whole(connection)
            }
            settled @ Kept::Settled(_) => settled,
        }
    }

    /// A SYN that opens the 4-tuple of a connection anew.
    pub(super) fn is_reused(&self, index: u32, segment: &Segment<'_>) -> bool {
        match self.kept(index) {
            Some(Kept::Whole(connection)) => connection.is_reused_by(
                sender(connection, &segment.addresses, segment.src_port),
                segment.head.seq,
            ),
            Some(Kept::Settled(settled)) => {
                let from = (segment.addresses.src(), segment.src_port);
                self.archive.is_reused_by(settled, from, segment.head.seq)
            }
            None => false,
        }
    }
}
