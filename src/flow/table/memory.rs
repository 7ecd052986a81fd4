//! What is forgotten when there is too much, and what stays of it.

use super::{Table, key_of};
use crate::flow::key::Way;
use crate::flow::places::Place;
use crate::flow::remnants::Remnant;
use crate::flow::{Both, Connection, Held, Kept, StreamReader};
use crate::time::Timestamp;

/// Whether what stays is of a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Yes,
    No,
}

impl<R: StreamReader> Table<R> {
    /// Forgets connections that were reset, oldest first, while there are more than the limit; `may_go` says of which streams nothing more
    /// is to be learnt.
    pub fn forget_resets(&mut self, may_go: impl Fn(u32) -> bool) {
        while self.reset.len() > self.limits.reset_connections {
            let Some((index, stream)) = self.reset.front().copied() else {
                break;
            };
            if !may_go(stream) {
                break;
            }
            self.reset.pop_front();
            // Otherwise its 4-tuple was used again, or it was forgotten before.
            if self
                .kept(index)
                .is_some_and(|kept| self.held_as(kept).first_stream() == stream)
            {
                self.forget(index);
            }
        }
        if self.replaced.len() > self.limits.reset_connections {
            let older = self.replaced.len().div_ceil(2);
            let before = self.replaced.len();
            let mut place = 0;
            let archive = &self.archive;
            self.replaced.retain(|old| {
                place += 1;
                let first = Held { kept: old, archive }.first_stream();
                place > older || !may_go(first)
            });
            self.evicted += (before - self.replaced.len()) as u64;
        }
    }

    /// From now on holds at most so many, also of those that were reset, which [`forget_resets`](Self::forget_resets) forgets.
    pub fn hold(&mut self, connections: usize, reset_connections: usize) {
        self.limits.connections = connections;
        self.limits.reset_connections = reset_connections;
        self.make_room(u32::MAX);
    }

    /// Forgets connections while there are too many: quietly closed ones first, then the one that was silent longest.
    pub(super) fn make_room(&mut self, newest: u32) {
        while self.held() > self.limits.connections {
            let victim = match self.closed.pop_front() {
                Some(index)
                    if self.kept(index).is_some_and(|kept| {
                        // What is packed has closed.
                        kept.as_whole().is_none_or(Connection::is_quietly_closed)
                    }) =>
                {
                    Some(index)
                }
                Some(_) => continue,
                None => None,
            };
            if victim.is_none() && !self.replaced.is_empty() {
                let drop = self.replaced.len().div_ceil(2);
                for old in self.replaced.drain(..drop) {
                    if let Kept::Settled(settled) = old {
                        self.archive.remove(&settled);
                    }
                }
                self.evicted += drop as u64;
                continue;
            }
            let Some(index) = victim.or_else(|| self.longest_silent(newest)) else {
                return;
            };
            self.forget(index);
        }
    }

    fn longest_silent(&mut self, newest: u32) -> Option<u32> {
        // Rare: only when everything held is open. A sweep refills the queue of victims with a sixteenth of all.
        let mut open: Vec<(Timestamp, u32)> = self
            .kept
            .iter()
            .enumerate()
            .filter_map(|(index, kept)| Some((kept.as_ref()?.as_whole()?.last, index as u32)))
            .filter(|(_, index)| *index != newest)
            .collect();
        let wanted = open.len().div_ceil(16);
        if open.len() > wanted && wanted > 0 {
            open.select_nth_unstable(wanted - 1);
            open.truncate(wanted);
        }
        for &(_, index) in &open {
            self.forget(index);
        }
        None
    }

    fn forget(&mut self, index: u32) {
        if let Some(kept) = self.kept.get_mut(index as usize).and_then(Option::take) {
            self.free.push(index);
            self.evicted += 1;
            let connection = kept.into_whole(&mut self.archive);
            self.leave_remnant(&connection, Refused::No);
        }
    }

    pub(super) fn leave_remnant(&mut self, connection: &Connection<R>, refused: Refused) {
        let (key, way) = key_of(connection);
        let Both { client, server } = connection.bases();
        let bases = if way == Way::Forward {
            [client, server]
        } else {
            [server, client]
        };
        let first = connection.streams.first();
        let remnant = Remnant::new(first, bases);
        let place = self.keep_remnant(match refused {
            Refused::Yes => remnant.refused(),
            Refused::No => remnant,
        });
        self.places.remove(&key);
        self.places.insert(key, place);
    }

    pub(super) fn keep_remnant(&mut self, remnant: Remnant) -> Place {
        if self.remnants.len() >= self.limits.numbers.max(2) {
            self.forget_numbers(self.remnants.len() / 2);
        }
        Place::Remnant(self.remnants.push(remnant))
    }

    /// Forgets the oldest remnants. A later packet of theirs opens a stream that Wireshark would count to the old one.
    fn forget_numbers(&mut self, oldest: usize) {
        self.places.retain(|place| match place {
            Place::Kept(_) => Some(place),
            Place::Remnant(index) => index.checked_sub(oldest as u32).map(Place::Remnant),
        });
        self.remnants.forget(oldest);
        self.numbers_forgotten += oldest as u64;
    }
}
