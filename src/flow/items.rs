//! What a reader lists, wherever it is kept.

use std::borrow::Cow;

use crate::flow::packing::{Packed, Packer, Unpacker};
use crate::time::Timestamp;

/// What can be listed. Each has a key, by which it is looked for in many lists at once.
pub trait Listed: Clone {
    /// The same of all that are alike.
    fn key(&self) -> u64;

    /// Packs all but its key.
    fn pack(&self, into: &mut Packer);

    /// Takes the next one, which has this key.
    fn unpack(key: u64, from: &mut Unpacker<'_>) -> Self;
}

/// For readers that list nothing.
impl Listed for () {
    fn key(&self) -> u64 {
        0
    }

    fn pack(&self, _: &mut Packer) {}

    fn unpack(_: u64, _: &mut Unpacker<'_>) -> Self {}
}

impl Packer {
    /// Packs a list: how many there are, their keys, and the rest of each.
    #[inline(always)]
    pub fn list<T: Listed>(&mut self, items: impl ExactSizeIterator<Item = T> + Clone) {
        self.keys(items.clone().map(|item| item.key()));
        items.for_each(|item| item.pack(self));
    }

    /// Packs the beginning of a list: how many there are, and their keys. The rest of each has to follow.
    #[inline(always)]
    pub fn keys(&mut self, keys: impl ExactSizeIterator<Item = u64>) {
        let count = keys.len();
        count.pack(self);
        self.words_of(count, keys);
    }
}

/// A list, or one that was packed: then items are unpacked one by one as they are read.
#[derive(Clone, Debug)]
pub enum Items<'a, T: Clone> {
    /// As it is.
    List(Cow<'a, [T]>),
    /// What was packed of a connection that was opened then.
    Packed(&'a [u8], Timestamp),
}

impl<T: Clone> Default for Items<'_, T> {
    fn default() -> Self {
        Self::List(Cow::Borrowed(&[]))
    }
}

impl<T: Clone> FromIterator<T> for Items<'_, T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

impl<'a, T: Listed> Items<'a, T> {
    /// One by one.
    #[inline]
    pub fn iter(&self) -> ItemsIter<'_, T> {
        match self {
            Self::List(items) => ItemsIter::List(items.iter()),
            Self::Packed(bytes, opened) => {
                let mut from = Unpacker::new(bytes, *opened);
                let count = usize::unpack(&mut from);
                ItemsIter::Packed(from.words_of(count), from)
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self.iter() {
            ItemsIter::List(items) => items.len(),
            ItemsIter::Packed(keys, _) => keys.len(),
        }
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them has such a [key](Listed::key). Nothing is unpacked for that.
    #[inline]
    pub fn any_key(&self, mut is_wanted: impl FnMut(u64) -> bool) -> bool {
        match self.iter() {
            ItemsIter::List(mut items) => items.any(|item| is_wanted(item.key())),
            // They are few: without a way out, all are looked at at once.
            ItemsIter::Packed(keys, _) => keys.iter().fold(false, |found, key| {
                found | is_wanted(u64::from_le_bytes(*key))
            }),
        }
    }

    /// All at once.
    pub fn into_list(self) -> Cow<'a, [T]> {
        match self {
            Self::List(items) => items,
            packed @ Self::Packed(..) => packed.iter().collect(),
        }
    }
}

/// Goes through [`Items`].
#[derive(Clone, Debug)]
pub enum ItemsIter<'a, T> {
    /// Of a list.
    List(std::slice::Iter<'a, T>),
    /// The keys of those that are left, and the rest of them.
    Packed(&'a [[u8; 8]], Unpacker<'a>),
}

impl<T: Listed> Iterator for ItemsIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match self {
            Self::List(items) => items.next().cloned(),
            Self::Packed(keys, from) => {
                let (key, rest) = keys.split_first()?;
                *keys = rest;
                Some(T::unpack(u64::from_le_bytes(*key), from))
            }
        }
    }
}
