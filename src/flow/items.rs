//! What a reader lists, wherever it is kept.

use std::borrow::Cow;

use crate::flow::packing::{Packed, Unpacker};
use crate::time::Timestamp;

/// A list, or one that was packed: then items are unpacked one by one as they are read.
#[derive(Clone, Debug)]
pub enum Items<'a, T: Clone> {
    /// As it is.
    List(Cow<'a, [T]>),
    /// What was packed of a connection that was opened then: how many, and all of them.
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

impl<'a, T: Packed + Clone> Items<'a, T> {
    /// One by one.
    pub fn iter(&self) -> ItemsIter<'_, T> {
        match self {
            Self::List(items) => ItemsIter::List(items.iter()),
            Self::Packed(bytes, opened) => {
                let mut from = Unpacker::new(bytes, *opened);
                let left = usize::unpack(&mut from);
                ItemsIter::Packed(from, left)
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self.iter() {
            ItemsIter::List(items) => items.len(),
            ItemsIter::Packed(_, left) => left,
        }
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
    /// What is left, and how many those are.
    Packed(Unpacker<'a>, usize),
}

impl<T: Packed + Clone> Iterator for ItemsIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match self {
            Self::List(items) => items.next().cloned(),
            Self::Packed(from, left) => {
                *left = left.checked_sub(1)?;
                Some(T::unpack(from))
            }
        }
    }
}
