//! The words of a request, as far as they are kept.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Deref;

use super::fingerprint::Fingerprint;
use crate::flow::{Packed, Packer, Unpacker};

/// Text that is mostly short: 31 bytes of it lie in place. Of most requests nobody ever reads it, so that its bytes are checked to be
/// text where somebody does; but its hash is asked for of nearly every one.
#[derive(Clone)]
pub struct RequestSummary {
    text: Text,
    hash: NonZeroU64,
}

#[derive(Clone)]
enum Text {
    /// The first `len` bytes; zeros follow.
    Short { len: u8, bytes: Words },
    /// All else.
    Long(Box<str>),
}

/// Bytes that are copied as words.
#[derive(Clone)]
#[repr(align(8))]
struct Words([u8; 32]);

/// How many bytes lie in place.
pub(super) const SHORT: usize = 31;

/// ASCII of at most [`SHORT`] bytes, and its hash: all that there is of such a summary.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortWords {
    /// Behind the text there may be anything.
    bytes: [u8; 32],
    len: u8,
    hash: NonZeroU64,
}

/// None.
impl Default for ShortWords {
    fn default() -> Self {
        Self {
            bytes: [0; 32],
            len: 0,
            hash: NonZeroU64::MIN,
        }
    }
}

impl ShortWords {
    /// The first few of these bytes, at most [`SHORT`], in place of others.
    #[inline(always)]
    pub(super) fn become_text(&mut self, (bytes, len): (&[u8; 32], usize), hash: &Fingerprint) {
        self.bytes = *bytes;
        self.len = len as u8;
        self.hash = hash_of(hash);
    }

    /// How many bytes.
    pub(super) const fn len(&self) -> u8 {
        self.len
    }

    /// Hash of the bytes: that of the summary as well as that of a request that says no more.
    #[inline(always)]
    pub(super) const fn hash(&self) -> NonZeroU64 {
        self.hash
    }

    /// Packs all but the hash.
    pub(super) fn pack(&self, into: &mut Packer) {
        let len = usize::from(self.len);
        len.pack(into);
        let (words, _) = self.bytes.as_chunks::<8>();
        if let Some(words) = words.first_chunk::<4>() {
            into.words(len, words.map(u64::from_le_bytes));
        }
    }

    /// What was packed, which has this hash.
    pub(super) fn unpack(hash: u64, from: &mut Unpacker<'_>) -> Self {
        let text = from.text();
        let mut bytes = [0; 32];
        for (byte, kept) in bytes.iter_mut().zip(text.as_bytes().iter().take(SHORT)) {
            *byte = *kept;
        }
        Self {
            bytes,
            len: text.len().min(SHORT) as u8,
            hash: NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN),
        }
    }
}

impl From<&ShortWords> for RequestSummary {
    fn from(words: &ShortWords) -> Self {
        let ShortWords { bytes, len, hash } = *words;
        let mut bytes = Words(bytes);
        if let Some(behind) = bytes.0.get_mut(usize::from(len)..) {
            behind.fill(0);
        }
        Self {
            text: Text::Short { len, bytes },
            hash,
        }
    }
}

impl RequestSummary {
    /// Of ASCII.
    #[inline(always)]
    pub(super) fn ascii(text: &[u8]) -> Self {
        debug_assert!(text.is_ascii());
        match short(text) {
            Some(short) => Self::of(short, &Fingerprint::of(text)),
            None => Self::long(&String::from_utf8_lossy(text)),
        }
    }

    #[inline(always)]
    fn of(text: Text, hash: &Fingerprint) -> Self {
        Self {
            text,
            hash: hash_of(hash),
        }
    }

    #[inline(never)]
    fn long(text: &str) -> Self {
        Self::of(Text::Long(text.into()), &Fingerprint::of(text.as_bytes()))
    }

    /// Its bytes: UTF-8.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.text {
            Text::Short { len, bytes } => bytes.0.get(..usize::from(*len)).unwrap_or_default(),
            Text::Long(text) => text.as_bytes(),
        }
    }

    /// A hash that the same text always has, and other text hardly ever.
    #[inline]
    pub(super) const fn hash(&self) -> NonZeroU64 {
        self.hash
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.text {
            Text::Long(text) => text,
            Text::Short { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
        }
    }
}

#[inline(always)]
fn hash_of(text: &Fingerprint) -> NonZeroU64 {
    NonZeroU64::new(text.value()).unwrap_or(NonZeroU64::MIN)
}

#[inline(always)]
fn short(text: &[u8]) -> Option<Text> {
    let mut bytes = [0; 32];
    let kept = bytes.get_mut(..SHORT)?;
    kept.get_mut(..text.len())?.copy_from_slice(text);
    Some(Text::Short {
        len: text.len() as u8,
        bytes: Words(bytes),
    })
}

impl From<&str> for RequestSummary {
    fn from(text: &str) -> Self {
        match short(text.as_bytes()) {
            Some(short) => Self::of(short, &Fingerprint::of(text.as_bytes())),
            None => Self::long(text),
        }
    }
}

impl Deref for RequestSummary {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for RequestSummary {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for RequestSummary {}

impl fmt::Debug for RequestSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_takes_no_more_than_its_text_its_length_and_a_hash() {
        assert_eq!(size_of::<Option<RequestSummary>>(), 32 + 8 + 8);
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "\\PC{0,12}", ascii in "[ -~]{0,40}") {
            let summary = RequestSummary::from(text.as_str());
            prop_assert_eq!(summary.as_str(), text.as_str());
            let summary = RequestSummary::ascii(ascii.as_bytes());
            prop_assert_eq!(summary.as_str(), ascii.as_str());
            prop_assert_eq!(&summary, &RequestSummary::from(ascii.as_str()));
            let other = RequestSummary::from(text.as_str());
            prop_assert_eq!(summary.hash() == other.hash(), summary == other);
        }
    }
}
