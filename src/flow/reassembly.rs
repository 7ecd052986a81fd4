//! Puts one direction's payload in order: every byte once, holes waited for, memory bounded.

use std::collections::BTreeMap;

use crate::flow::Mark;

/// Payload that came before what precedes it.
#[derive(Clone, Debug)]
struct Early {
    bytes: Vec<u8>,
    cut: u32,
    mark: Mark,
    /// Offset of the other direction that it acknowledges, where that was not seen yet.
    awaits: u64,
}

/// What the reassembly hands out next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes in order.
    Bytes {
        /// Where they begin.
        at: Mark,
        /// The bytes.
        bytes: Vec<u8>,
        /// Further bytes that were on the wire but not captured.
        cut: u32,
    },
    /// Bytes that will never be handed out: the capture missed them.
    Gap {
        /// Where the data goes on.
        at: Mark,
        /// How many are missing.
        missing: u64,
    },
}

/// Holds what came early. Only used once a segment is out of order; the usual segment passes by.
#[derive(Clone, Debug, Default)]
pub struct Reassembly {
    early: BTreeMap<u64, Early>,
    held: usize,
}

impl Reassembly {
    /// Most bytes held for one direction.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// Most segments held for one direction.
    pub const MAX_SEGMENTS: usize = 128;

    /// Nothing is held.
    pub fn is_empty(&self) -> bool {
        self.early.is_empty()
    }

    /// `len` bytes at `offset` are held already, at least in part.
    pub fn holds(&self, offset: u64, len: u64) -> bool {
        self.early
            .range(..offset.saturating_add(len))
            .next_back()
            .is_some_and(|(start, early)| start + early.len() > offset)
    }

    /// Keeps a segment that begins beyond what has been handed out, or that waits for the other direction to be seen up to `awaits`.
    /// The first copy of a byte wins.
    pub fn keep(&mut self, mark: Mark, bytes: &[u8], cut: u32, awaits: u64) {
        if self.early.contains_key(&mark.offset) {
            return;
        }
        self.held += bytes.len();
        self.early.insert(
            mark.offset,
            Early {
                bytes: bytes.to_vec(),
                cut,
                mark,
                awaits,
            },
        );
    }

    /// The bounds are exceeded: the oldest hole has to be given up.
    pub fn is_full(&self) -> bool {
        self.held > Self::MAX_BYTES || self.early.len() > Self::MAX_SEGMENTS
    }

    /// Offset of the first byte held.
    pub fn first_offset(&self) -> Option<u64> {
        self.early.keys().next().copied()
    }

    /// Bytes held, those that were cut included.
    pub fn length(&self) -> u64 {
        self.early.values().map(Early::len).sum()
    }

    /// Takes the next piece if it begins at or before `next` and waits for nothing beyond `other`; drops what is old.
    pub fn take_ready(&mut self, next: u64, other: u64) -> Option<Piece> {
        loop {
            let entry = self.early.first_entry()?;
            if *entry.key() > next || entry.get().awaits > other {
                return None;
            }
            let (start, early) = (*entry.key(), entry.remove());
            self.held -= early.bytes.len();
            if let Some(piece) = early.starting_at(start, next) {
                return Some(piece);
            }
        }
    }

    /// Gives up the hole before the first segment held.
    pub fn skip_hole(&self, next: u64) -> Option<Piece> {
        let (&offset, early) = self.early.first_key_value()?;
        (offset > next).then_some(Piece::Gap {
            at: early.mark,
            missing: offset - next,
        })
    }
}

impl Early {
    fn len(&self) -> u64 {
        self.bytes.len() as u64 + u64::from(self.cut)
    }

    /// The part at and after `next`, or nothing if all of it is old.
    fn starting_at(self, start: u64, next: u64) -> Option<Piece> {
        let old = next.saturating_sub(start);
        if old >= self.len() && self.len() > 0 {
            return None;
        }
        let mut at = self.mark;
        at.offset = start + old;
        let captured_old = usize::try_from(old)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let cut_old = old.saturating_sub(self.bytes.len() as u64);
        Some(Piece::Bytes {
            at,
            bytes: self.bytes.get(captured_old..).unwrap_or_default().to_vec(),
            cut: self
                .cut
                .saturating_sub(u32::try_from(cut_old).unwrap_or(u32::MAX)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(offset: u64) -> Mark {
        Mark {
            offset,
            ..Mark::default()
        }
    }

    #[test]
    fn what_came_early_waits_for_the_hole() {
        let mut reassembly = Reassembly::default();
        reassembly.keep(mark(3), b"def", 0, 0);
        assert_eq!(reassembly.take_ready(0, 0), None);
        assert_eq!(
            reassembly.take_ready(3, 0),
            Some(Piece::Bytes {
                at: mark(3),
                bytes: b"def".to_vec(),
                cut: 0
            })
        );
        assert!(reassembly.is_empty());
    }

    #[test]
    fn what_acknowledges_the_other_side_waits_for_it() {
        let mut reassembly = Reassembly::default();
        reassembly.keep(mark(0), b"abc", 0, 7);
        assert_eq!(reassembly.take_ready(0, 6), None);
        assert!(reassembly.take_ready(0, 7).is_some());
    }

    #[test]
    fn overlap_is_handed_out_once() {
        let mut reassembly = Reassembly::default();
        reassembly.keep(mark(2), b"cdef", 0, 0);
        assert_eq!(
            reassembly.take_ready(4, 0),
            Some(Piece::Bytes {
                at: mark(4),
                bytes: b"ef".to_vec(),
                cut: 0
            })
        );
    }

    proptest! {
        /// Any order of arrival yields the same bytes.
        #[test]
        fn order_of_arrival_does_not_matter(order in Just((0usize..12).collect::<Vec<_>>()).prop_shuffle(), size in 1usize..9) {
            let text: Vec<u8> = (0..12 * size).map(|n| n as u8).collect();
            let mut reassembly = Reassembly::default();
            let (mut next, mut out) = (0u64, Vec::new());
            for index in order {
                let start = index * size;
                reassembly.keep(mark(start as u64), &text[start..start + size], 0, 0);
                while let Some(Piece::Bytes { bytes, .. }) = reassembly.take_ready(next, 0) {
                    next += bytes.len() as u64;
                    out.extend(bytes);
                }
            }
            prop_assert_eq!(out, text);
        }
    }
}
