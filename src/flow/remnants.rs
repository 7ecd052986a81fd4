//! What stays of connections that were folded or forgotten: enough to number later packets of their 4-tuples.

use std::collections::VecDeque;

use crate::capture::CaptureId;
use crate::flow::key::Way;
use crate::wire::SeqNumber;

/// Remnants in one piece of memory. Of a scan there are millions: pieces stay where they are, while one vector would be copied to twice
/// its size again and again.
const PIECE: usize = 4_096;

/// What stays of one connection, in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remnant {
    pub stream: u32,
    /// Base sequence numbers of the key's first and second end, where they are known.
    bases: [SeqNumber; 2],
    pub capture: CaptureId,
    what: u8,
}

const REFUSED: u8 = 1 << 2;
const QUOTED: u8 = 1 << 3;

impl Remnant {
    /// Of a connection with this number and these base sequence numbers of its key's first and second end (Wireshark's rule of port
    /// re-use).
    pub fn new((capture, stream): (CaptureId, u32), bases: [Option<SeqNumber>; 2]) -> Self {
        let [first, second] = bases;
        Self {
            stream,
            bases: bases.map(Option::unwrap_or_default),
            capture,
            what: u8::from(first.is_some()) | u8::from(second.is_some()) << 1,
        }
    }

    /// Of a connection that was quoted, and of which no packet was seen yet.
    pub fn quoted(stream: (CaptureId, u32)) -> Self {
        Self::unseen(stream, [None; 2])
    }

    /// Of a stream that no connection of its own was seen of yet.
    pub fn unseen(stream: (CaptureId, u32), bases: [Option<SeqNumber>; 2]) -> Self {
        let mut remnant = Self::new(stream, bases);
        remnant.what |= QUOTED;
        remnant
    }

    /// The connection was never seen itself.
    pub const fn is_quoted(&self) -> bool {
        self.what & QUOTED != 0
    }

    /// The same of a connection that was refused.
    pub const fn refused(mut self) -> Self {
        self.what |= REFUSED;
        self
    }

    /// The connection was refused.
    pub const fn is_refused(&self) -> bool {
        self.what & REFUSED != 0
    }

    /// The base sequence number of the end that sends this way.
    pub fn base(&self, way: Way) -> Option<SeqNumber> {
        let end = usize::from(way == Way::Backward);
        (self.what & 1 << end != 0).then_some(self.bases[end])
    }
}

/// Remnants, numbered from the oldest on.
#[derive(Debug, Default)]
pub(super) struct Remnants {
    pieces: VecDeque<Vec<Remnant>>,
    /// How many of the first piece were forgotten.
    forgotten: usize,
}

impl Remnants {
    /// How many there are.
    pub fn len(&self) -> usize {
        let newest = self.pieces.back().map_or(0, Vec::len);
        (self.pieces.len().saturating_sub(1) * PIECE + newest).saturating_sub(self.forgotten)
    }

    /// Adds one; returns its number.
    pub fn push(&mut self, remnant: Remnant) -> u32 {
        if self.pieces.back().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push_back(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.back_mut() {
            piece.push(remnant);
        }
        (self.len() - 1) as u32
    }

    /// The one with this number.
    pub fn get(&self, number: u32) -> Option<&Remnant> {
        let place = self.forgotten + number as usize;
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }

    /// Forgets the oldest; the others' numbers are so much lower then.
    pub fn forget(&mut self, oldest: usize) {
        self.forgotten += oldest.min(self.len());
        while self.forgotten >= PIECE && self.pieces.pop_front().is_some() {
            self.forgotten -= PIECE;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remnant(stream: u32) -> Remnant {
        Remnant::new((CaptureId(0), stream), [None, Some(SeqNumber(stream))])
    }

    #[test]
    fn a_remnant_is_small_and_whole() {
        assert_eq!(size_of::<Remnant>(), 16);
        let remnant = remnant(7).refused();
        assert!(remnant.is_refused() && !self::remnant(7).is_refused());
        assert_eq!(remnant.base(Way::Forward), None);
        assert_eq!(remnant.base(Way::Backward), Some(SeqNumber(7)));
    }

    proptest! {
        /// As a vector would do it.
        #[test]
        fn numbers_count_from_the_oldest(
            steps in prop::collection::vec((0..9_000_usize, 0..9_000_usize), 1..8),
        ) {
            let (mut remnants, mut plain) = (Remnants::default(), Vec::new());
            let mut next = 0;
            for (more, fewer) in steps {
                for _ in 0..more {
                    plain.push(remnant(next));
                    prop_assert_eq!(remnants.push(remnant(next)) as usize, plain.len() - 1);
                    next += 1;
                }
                let fewer = fewer.min(plain.len());
                plain.drain(..fewer);
                remnants.forget(fewer);
                prop_assert_eq!(remnants.len(), plain.len());
                let ends = [0, 1, 4_095, 4_096, plain.len().saturating_sub(1), plain.len()];
                for number in ends {
                    prop_assert_eq!(remnants.get(number as u32), plain.get(number));
                }
            }
        }
    }
}
