//! Where connections are found by their addresses and ports.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::flow::key::{Key, KeyV4, KeyV6};

/// Where a connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Kept(u32),
    Remnant(u32),
}

const REMNANT_BIT: u32 = 1 << 31;

impl Place {
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
    hasher: RandomState,
    v4: HashTable<(KeyV4, u32)>,
    v6: HashTable<(KeyV6, u32)>,
}

impl Places {
    /// No places yet.
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            hasher,
            v4: HashTable::new(),
            v6: HashTable::new(),
        }
    }

    /// The place of this 4-tuple.
    pub(super) fn find(&self, key: &Key) -> Option<Place> {
        let word = match key {
            Key::V4(key) => {
                self.v4
                    .find(self.hasher.hash_one(key), |(other, _)| other == key)?
                    .1
            }
            Key::V6(key) => {
                self.v6
                    .find(self.hasher.hash_one(key), |(other, _)| other == key)?
                    .1
            }
        };
        Some(Place::unpack(word))
    }

    /// A 4-tuple that has no place yet gets one.
    pub(super) fn insert(&mut self, key: Key, place: Place) {
        let hasher = &self.hasher;
        match key {
            Key::V4(key) => {
                self.v4
                    .insert_unique(hasher.hash_one(key), (key, place.pack()), |(key, _)| {
                        hasher.hash_one(key)
                    });
            }
            Key::V6(key) => {
                self.v6
                    .insert_unique(hasher.hash_one(key), (key, place.pack()), |(key, _)| {
                        hasher.hash_one(key)
                    });
            }
        }
    }

    /// Forgets the place of this 4-tuple.
    pub(super) fn remove(&mut self, key: &Key) {
        match key {
            Key::V4(key) => {
                if let Ok(entry) = self
                    .v4
                    .find_entry(self.hasher.hash_one(key), |(other, _)| other == key)
                {
                    entry.remove();
                }
            }
            Key::V6(key) => {
                if let Ok(entry) = self
                    .v6
                    .find_entry(self.hasher.hash_one(key), |(other, _)| other == key)
                {
                    entry.remove();
                }
            }
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
        self.v4.retain(|(_, word)| kept(word));
        self.v6.retain(|(_, word)| kept(word));
    }
}
