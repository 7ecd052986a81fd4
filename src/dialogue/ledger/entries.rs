//! The newest exchanges, in memory that serves one connection after the other.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::ExchangeId;
use crate::dialogue::exchange::{Dialogue, Exchange};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) id: ExchangeId,
    /// Nothing more is expected of it: it may be forgotten first.
    pub(super) settled: bool,
    pub(super) exchange: Exchange,
}

/// For how many there are slots, step by step: they are big, so that one is enough for connections that ask once, and doubling would
/// copy the others too often. In the few above those that are kept, entries move on while the oldest ones are forgotten.
const SLOTS: [usize; 5] = [1, 12, 20, Dialogue::KEPT, Dialogue::KEPT + 8];

/// At most [`Dialogue::KEPT`] entries, oldest first. What is forgotten stays in its slot until that is needed: nobody has to go there
/// before.
#[derive(Default)]
pub(super) struct Entries {
    slots: Vec<Entry>,
    /// Where the oldest one is.
    first: usize,
    /// Behind the newest one.
    end: usize,
}

impl Entries {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.first, self.end) = (0, 0);
    }

    /// Adds the newest one. Where there are too many, the oldest settled one is forgotten, or the oldest if none is.
    #[inline(always)]
    pub(super) fn push(&mut self, entry: Entry) {
        if self.end == self.slots.len() || self.end - self.first >= Dialogue::KEPT {
            self.make_room();
        }
        if let Some(slot) = self.slots.get_mut(self.end) {
            *slot = entry;
            self.end += 1;
        }
    }

    #[inline(never)]
    fn make_room(&mut self) {
        if self.len() >= Dialogue::KEPT {
            let victim = self.iter().position(|entry| entry.settled);
            self.remove(victim.unwrap_or(0));
        }
        if self.end < self.slots.len() {
            return;
        }
        match SLOTS.iter().find(|slots| **slots > self.end) {
            Some(slots) => {
                self.slots.reserve_exact(slots - self.end);
                self.slots.resize_with(*slots, Entry::default);
            }
            None => {
                self.slots.rotate_left(self.first);
                (self.first, self.end) = (0, self.end - self.first);
            }
        }
    }

    /// Forgets that one.
    pub(super) fn remove(&mut self, index: usize) {
        if index + 1 == self.len() {
            self.end -= 1;
        } else if let Some(older) = self.get_mut(..=index) {
            older.rotate_right(1);
            self.first += 1;
        }
    }

    /// Forgets all but the newest one, and gives back the memory that the others took.
    pub(super) fn keep_newest(&mut self) {
        *self = self.last_mut().map(std::mem::take).into_iter().collect();
    }

    /// Gives back the memory that none of them takes.
    pub(super) fn give_back(&mut self) {
        self.slots.truncate(self.end);
        self.slots.drain(..self.first);
        self.slots.shrink_to_fit();
        (self.first, self.end) = (0, self.slots.len());
    }

    /// The exchanges of the newest ones.
    pub(super) fn into_newest(mut self, count: usize) -> Vec<Exchange> {
        self.slots.truncate(self.end);
        let others = self.end.saturating_sub(count);
        let newest = self.slots.drain(others..);
        newest.map(|entry| entry.exchange).collect()
    }
}

impl Deref for Entries {
    type Target = [Entry];

    #[inline(always)]
    fn deref(&self) -> &[Entry] {
        self.slots.get(self.first..self.end).unwrap_or_default()
    }
}

impl DerefMut for Entries {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Entry] {
        self.slots.get_mut(self.first..self.end).unwrap_or_default()
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let slots: Vec<Entry> = entries.into_iter().take(Dialogue::KEPT).collect();
        Self {
            first: 0,
            end: slots.len(),
            slots,
        }
    }
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        self.iter().cloned().collect()
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_list(steps in prop::collection::vec((0..40_u8, any::<prop::sample::Index>()), 0..300)) {
            let mut entries = Entries::default();
            let mut list: Vec<Entry> = Vec::new();
            for (id, (step, index)) in (0..).zip(steps) {
                let some = (!list.is_empty()).then(|| index.index(list.len()));
                match (step, some) {
                    (0, _) => {
                        entries.clear();
                        list.clear();
                    }
                    (1, _) => entries = entries.clone(),
                    (39, _) => {
                        entries.give_back();
                        assert_eq!(entries.slots.len(), entries.len());
                    }
                    (2, _) => {
                        entries.keep_newest();
                        list.drain(..list.len().saturating_sub(1));
                    }
                    (3, Some(index)) => {
                        entries.remove(index);
                        list.remove(index);
                    }
                    (4..9, Some(index)) => {
                        entries[index].settled = true;
                        list[index].settled = true;
                    }
                    _ => {
                        let entry = Entry { id: ExchangeId(id), ..Entry::default() };
                        if list.len() >= Dialogue::KEPT {
                            list.remove(list.iter().position(|entry| entry.settled).unwrap_or(0));
                        }
                        entries.push(entry.clone());
                        list.push(entry);
                    }
                }
                prop_assert_eq!(&*entries, &*list);
            }
            let newest = list.split_off(list.len() / 2);
            let newest: Vec<Exchange> = newest.into_iter().map(|entry| entry.exchange).collect();
            prop_assert_eq!(entries.into_newest(newest.len()), newest);
        }
    }
}
