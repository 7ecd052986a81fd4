//! The newest exchanges, in memory that serves one connection after the other.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::ExchangeId;
use super::at_once::AtOnce;
use crate::dialogue::exchange::{Dialogue, Exchange};
use crate::dialogue::turn::{Rest, Turn};
use crate::flow::{Listed, Packer};
use crate::time::Timestamp;

#[derive(Clone, Default)]
pub(super) struct Entry {
    pub(super) id: ExchangeId,
    pub(super) what: What,
}

/// An exchange as it was written down.
#[derive(Clone)]
pub(super) enum What {
    /// In few words.
    AtOnce(AtOnce),
    /// In full: it takes more than twice that memory, and most exchanges need it never.
    Full(Box<Written>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Written {
    /// Nothing more is expected of it: it may be forgotten first.
    pub(super) settled: bool,
    pub(super) exchange: Exchange,
}

impl Default for What {
    fn default() -> Self {
        Self::AtOnce(AtOnce::default())
    }
}

impl What {
    #[inline(never)]
    fn make_short(&mut self) {
        *self = Self::default();
    }

    /// In full, whatever was there before.
    fn write(&mut self, written: Written) {
        match self {
            Self::Full(before) => **before = written,
            Self::AtOnce(_) => *self = Self::Full(Box::new(written)),
        }
    }
}

impl From<&AtOnce> for Written {
    fn from(at_once: &AtOnce) -> Self {
        Self {
            settled: at_once.is_answered(),
            exchange: Exchange::from(at_once),
        }
    }
}

impl Entry {
    /// Nothing more is expected of it.
    pub(super) const fn is_settled(&self) -> bool {
        match &self.what {
            What::AtOnce(at_once) => at_once.is_answered(),
            What::Full(written) => written.settled,
        }
    }

    /// It is told in few words.
    pub(super) const fn is_at_once(&self) -> bool {
        matches!(self.what, What::AtOnce(_))
    }

    /// See [`Turn::answered`].
    #[inline(always)]
    pub(super) fn answered(&self) -> Option<Timestamp> {
        match &self.what {
            What::AtOnce(at_once) => at_once.answered(),
            What::Full(written) => written.exchange.answered(),
        }
    }

    /// In full, if it was written down so.
    pub(super) fn full_mut(&mut self) -> Option<&mut Written> {
        match &mut self.what {
            What::AtOnce(_) => None,
            What::Full(written) => Some(written),
        }
    }

    /// In full from here on.
    #[inline]
    pub(super) fn write(&mut self) -> Option<&mut Written> {
        if let What::AtOnce(at_once) = &self.what {
            self.what = What::Full(Box::new(at_once.into()));
        }
        self.full_mut()
    }

    /// In full, for reading.
    pub(super) fn written(&self) -> Cow<'_, Written> {
        match &self.what {
            What::AtOnce(at_once) => Cow::Owned(at_once.into()),
            What::Full(written) => Cow::Borrowed(written.as_ref()),
        }
    }
}

/// Its turn, packed: mostly not much is to be looked at.
impl Entry {
    #[inline(always)]
    pub(super) fn key(&self) -> u64 {
        match &self.what {
            What::AtOnce(at_once) => Turn::from(at_once).key(),
            What::Full(written) => Turn::from(&written.exchange).key(),
        }
    }

    #[inline(always)]
    pub(super) fn pack_turn(&self, into: &mut Packer) {
        match &self.what {
            What::AtOnce(at_once) if at_once.is_answered() => {
                if let Err(rest) = Turn::from(at_once).pack_as_last(into) {
                    pack_unlike(at_once, &rest, into);
                }
            }
            _ => pack_any(self, into),
        }
    }
}

#[inline(never)]
fn pack_unlike(at_once: &AtOnce, rest: &Rest, into: &mut Packer) {
    Turn::from(at_once).pack_in_full(rest, into);
}

#[inline(never)]
fn pack_any(entry: &Entry, into: &mut Packer) {
    Turn::from(entry).pack(into);
}

impl From<&Entry> for Turn {
    fn from(entry: &Entry) -> Self {
        match &entry.what {
            What::AtOnce(at_once) => at_once.into(),
            What::Full(written) => (&written.exchange).into(),
        }
    }
}

/// However it was written down.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.written() == other.written()
    }
}

/// However it was written down.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry")
            .field(&self.id)
            .field(&self.written())
            .finish()
    }
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
    /// As far as newer ones need no more slots and no room.
    limit: usize,
}

impl Entries {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.is_now(0, 0);
    }

    /// They are there now.
    fn is_now(&mut self, first: usize, end: usize) {
        (self.first, self.end) = (first, end);
        self.limit = self.slots.len().min(first + Dialogue::KEPT);
    }

    /// Adds the newest one, for writing a few words down: what was there before. Where there are too many, see [`push`](Self::push).
    #[inline(always)]
    pub(super) fn push_at_once(&mut self, id: ExchangeId) -> Option<&mut AtOnce> {
        let slot = self.next_slot()?;
        slot.id = id;
        if let What::Full(_) = slot.what {
            slot.what.make_short();
        }
        match &mut slot.what {
            What::AtOnce(at_once) => Some(at_once),
            What::Full(_) => None,
        }
    }

    /// Looks at where the next one is written down.
    #[inline(always)]
    pub(super) fn look(&self) -> u64 {
        match self.slots.get(self.end) {
            Some(Entry {
                id,
                what: What::AtOnce(at_once),
            }) => id.0 ^ at_once.look(),
            _ => 0,
        }
    }

    /// The newest one.
    #[inline(always)]
    pub(super) fn newest_mut(&mut self) -> Option<&mut Entry> {
        match self.end > self.first {
            true => self.slots.get_mut(self.end - 1),
            false => None,
        }
    }

    /// Adds the newest one. Where there are too many, the oldest settled one is forgotten, or the oldest if none is.
    #[inline(always)]
    pub(super) fn push(&mut self, id: ExchangeId, written: Written) {
        if let Some(slot) = self.next_slot() {
            slot.id = id;
            slot.what.write(written);
        }
    }

    /// The next one's; all slots are in use up to there.
    #[inline(always)]
    fn next_slot(&mut self) -> Option<&mut Entry> {
        if self.end >= self.limit {
            self.make_room();
        }
        let slot = self.slots.get_mut(self.end)?;
        self.end += 1;
        Some(slot)
    }

    #[inline(never)]
    fn make_room(&mut self) {
        if self.len() >= Dialogue::KEPT {
            let victim = self.iter().position(Entry::is_settled);
            self.remove(victim.unwrap_or(0));
        }
        if self.end < self.slots.len() {
            return;
        }
        match SLOTS.iter().find(|slots| **slots > self.end) {
            Some(slots) => {
                self.slots.reserve_exact(slots - self.end);
                self.slots.resize_with(*slots, Entry::default);
                self.is_now(self.first, self.end);
            }
            None => {
                self.slots.rotate_left(self.first);
                self.is_now(0, self.end - self.first);
            }
        }
    }

    /// Forgets that one.
    pub(super) fn remove(&mut self, index: usize) {
        if index + 1 == self.len() {
            self.end -= 1;
        } else if let Some(older) = self.get_mut(..=index) {
            older.rotate_right(1);
            self.is_now(self.first + 1, self.end);
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
        self.is_now(0, self.slots.len());
    }

    /// The exchanges of the newest ones.
    pub(super) fn into_newest(mut self, count: usize) -> Vec<Exchange> {
        self.slots.truncate(self.end);
        let others = self.end.saturating_sub(count);
        let newest = self.slots.drain(others..);
        newest
            .map(|entry| entry.written().into_owned().exchange)
            .collect()
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
            limit: slots.len(),
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
                        for entries in [&mut *entries, &mut *list] {
                            entries[index].write().unwrap().settled = true;
                        }
                    }
                    _ => {
                        let id = ExchangeId(id);
                        let what = What::Full(Box::default());
                        if list.len() >= Dialogue::KEPT {
                            list.remove(list.iter().position(Entry::is_settled).unwrap_or(0));
                        }
                        entries.push(id, Written::default());
                        list.push(Entry { id, what });
                    }
                }
                prop_assert_eq!(&*entries, &*list);
            }
            let newest = list.split_off(list.len() / 2);
            let newest: Vec<Exchange> = newest.iter().map(|entry| entry.written().into_owned().exchange).collect();
            prop_assert_eq!(entries.into_newest(newest.len()), newest);
        }
    }
}
