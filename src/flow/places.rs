//! Where connections are found by their addresses and ports.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::flow::key::{FamilyKey, Key, KeyV4, KeyV6};

/// Where a connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Kept(u32),
    Remnant(u32),
}

const REMNANT_BIT: u32 = 1 << 31;

impl Place {
    /// Where a connection is, and no remnant of one.
    pub(super) const fn kept(self) -> Option<u32> {
        match self {
            Self::Kept(index) => Some(index),
            Self::Remnant(_) => None,
        }
    }

    const fn pack(self) -> u32 {
        match self {
            Self::Kept(index) => index,
            Self::Remnant(index) => index | REMNANT_BIT,
        }
    }

    const fn unpack(word: u32) -> Self {
        if word & REMNANT_BIT == 0 {
            Self::Kept(word)
        } else {
            Self::Remnant(word & !REMNANT_BIT)
        }
    }
}

/// Places by 4-tuple.
#[derive(Debug)]
pub(super) struct Places {
    v4: Family<KeyV4>,
    v6: Family<KeyV6>,
}

impl Places {
    /// No places yet.
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            v4: Family::new(hasher.clone()),
            v6: Family::new(hasher),
        }
    }

    /// The place of this 4-tuple.
    #[inline]
    pub(super) fn find(&mut self, key: &Key) -> Option<Place> {
        let word = match key {
            Key::V4(key) => self.v4.find(key),
            Key::V6(key) => self.v6.find(key),
        };
        word.map(Place::unpack)
    }

    /// A 4-tuple that has no place yet gets one.
    pub(super) fn insert(&mut self, key: Key, place: Place) {
        match key {
            Key::V4(key) => self.v4.insert(key, place.pack()),
            Key::V6(key) => self.v6.insert(key, place.pack()),
        }
    }

    /// Forgets the place of this 4-tuple.
    pub(super) fn remove(&mut self, key: &Key) {
        match key {
            Key::V4(key) => self.v4.remove(key),
            Key::V6(key) => self.v6.remove(key),
        }
    }

    /// Changes every place, or forgets it.
    pub(super) fn retain(&mut self, change: impl Fn(Place) -> Option<Place>) {
        let kept = |word: &mut u32| match change(Place::unpack(*word)) {
            Some(place) => {
                *word = place.pack();
                true
            }
            None => false,
        };
        self.v4.retain(kept);
        self.v6.retain(kept);
    }
}

/// 4-tuples that are found without a search, if they were asked for lately: as many conversations go on at once in most captures.
const RECENT: usize = 1024;
/// No word of a place that is remembered as recent.
const NOWHERE: u32 = u32::MAX;

/// Places of one family's 4-tuples.
#[derive(Debug)]
struct Family<K> {
    hasher: RandomState,
    all: HashTable<(K, u32)>,
    /// One that was asked for lately for each remainder of its key's spread; [`RECENT`] once there is any.
    recent: Vec<(K, u32)>,
}

impl<K: FamilyKey> Family<K> {
    const fn new(hasher: RandomState) -> Self {
        Self {
            hasher,
            all: HashTable::new(),
            recent: Vec::new(),
        }
    }

    #[inline]
    fn find(&mut self, key: &K) -> Option<u32> {
        match self.recent.get(recent(key)) {
            Some((known, word)) if known == key && *word != NOWHERE => Some(*word),
            _ => self.search(key),
        }
    }

    /// Out of line, so that a look at the recent ones stays short.
    #[inline(never)]
    fn search(&mut self, key: &K) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let (_, word) = *self.all.find(hash, |(other, _)| other == key)?;
        self.remember(key, word);
        Some(word)
    }

    fn remember(&mut self, key: &K, word: u32) {
        if self.recent.is_empty() {
            self.recent = vec![(K::default(), NOWHERE); RECENT];
        }
        if let Some(slot) = self.recent.get_mut(recent(key)) {
            *slot = (*key, word);
        }
    }

    fn insert(&mut self, key: K, word: u32) {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(key);
        self.all
            .insert_unique(hash, (key, word), |(key, _)| hasher.hash_one(key));
        self.remember(&key, word);
    }

    fn remove(&mut self, key: &K) {
        self.remember(key, NOWHERE);
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.all.find_entry(hash, |(other, _)| other == key) {
            entry.remove();
        }
    }

    fn retain(&mut self, kept: impl Fn(&mut u32) -> bool) {
        self.recent.clear();
        self.all.retain(|(_, word)| kept(word));
    }
}

/// Where a key stands among the recent ones.
#[inline]
fn recent<K: FamilyKey>(key: &K) -> usize {
    (key.spread() >> (u64::BITS - RECENT.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::Addresses;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Find,
        Insert(u32),
        Remove,
        /// Forgets places with odd numbers and counts the others up by two.
        Retain,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => Just(Step::Find),
            4 => any::<u16>().prop_map(|index| Step::Insert(u32::from(index))),
            2 => Just(Step::Remove),
            1 => Just(Step::Retain),
        ]
    }

    fn key(end: u16, v6: bool) -> Key {
        let addresses = match v6 {
            true => Addresses::V6 {
                src: [u8::try_from(end % 7).unwrap_or(0); 16].into(),
                dst: [9; 16].into(),
            },
            false => Addresses::V4 {
                src: [10, 0, 0, u8::try_from(end % 7).unwrap_or(0)].into(),
                dst: [10, 0, 1, 1].into(),
            },
        };
        Key::new(&addresses, end, 80).0
    }

    proptest! {
        /// Enough keys for some to share a place among the recent ones.
        #[test]
        fn places_are_what_was_inserted(
            steps in proptest::collection::vec((0u16..5_000, any::<bool>(), step()), 0..3_000),
        ) {
            let mut places = Places::new(RandomState::with_seeds(1, 2, 3, 4));
            let mut expected = HashMap::new();
            for (end, v6, step) in steps {
                let key = key(end, v6);
                let name = (end, v6);
                match step {
                    Step::Find => prop_assert_eq!(places.find(&key), expected.get(&name).copied()),
                    Step::Insert(_) if expected.contains_key(&name) => {}
                    Step::Insert(index) => {
                        let place = Place::Kept(index);
                        places.insert(key, place);
                        expected.insert(name, place);
                    }
                    Step::Remove => {
                        places.remove(&key);
                        expected.remove(&name);
                    }
                    Step::Retain => {
                        let change = |place| match place {
                            Place::Kept(index) if index % 2 == 0 => Some(Place::Kept(index + 2)),
                            _ => None,
                        };
                        places.retain(change);
                        expected.retain(|_, place| {
                            let changed = change(*place);
                            *place = changed.unwrap_or(*place);
                            changed.is_some()
                        });
                    }
                }
            }
        }
    }
}
