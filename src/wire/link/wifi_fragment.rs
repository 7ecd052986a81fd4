//! Fragments of 802.11 frames (IEEE 802.11 clause 10.5): they come in order, each acknowledged before the next.

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashMap;

use super::super::fragment::Tail;

/// Frames waiting for fragments; a station sends one at a time.
const MAX_FRAMES: usize = 256;
/// No frame has more fragments: four bits number them.
const MAX_FRAGMENTS: u8 = 16;

/// What the fragments of one frame have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameKey {
    /// Receiver and transmitter, the header's first two addresses.
    pub addresses: [u8; 12],
    /// The sequence number.
    pub sequence: u16,
}

struct Waiting {
    serial: u64,
    /// Number of the fragment that comes next.
    next: u8,
    bytes: Vec<u8>,
}

/// What a fragment turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// Others are still to come, or one was missed, or it was seen before.
    Nothing,
    /// The last of a frame of which nothing else was seen: taken for a whole one, as Wireshark does.
    Alone,
    /// The last one: the frame's body.
    Whole(Vec<u8>),
}

/// Frames that are not whole yet; bounded, the oldest goes first.
#[derive(Default)]
pub struct WirelessFragments {
    waiting: HashMap<FrameKey, Waiting, RandomState>,
    /// Oldest first, with those already done.
    order: VecDeque<(u64, FrameKey)>,
    serial: u64,
    /// Frames given up for want of room.
    pub dropped: u64,
}

impl WirelessFragments {
    /// Adds a fragment by its number.
    pub fn add(&mut self, key: FrameKey, number: u8, tail: Tail, bytes: &[u8]) -> Joined {
        let Some(waiting) = self.waiting.get_mut(&key) else {
            return match (number, tail) {
                (0, _) => self.begin(key, bytes),
                (_, Tail::Last) => Joined::Alone,
                (_, Tail::More) => Joined::Nothing,
            };
        };
        if number != waiting.next {
            return Joined::Nothing;
        }
        waiting.bytes.extend_from_slice(bytes);
        waiting.next += 1;
        if tail == Tail::More && waiting.next < MAX_FRAGMENTS {
            return Joined::Nothing;
        }
        let whole = self.waiting.remove(&key);
        whole.map_or(Joined::Nothing, |waiting| Joined::Whole(waiting.bytes))
    }

    fn begin(&mut self, key: FrameKey, bytes: &[u8]) -> Joined {
        if self.order.len() >= MAX_FRAMES
            && let Some((serial, oldest)) = self.order.pop_front()
            && self
                .waiting
                .get(&oldest)
                .is_some_and(|w| w.serial == serial)
        {
            self.waiting.remove(&oldest);
            self.dropped += 1;
        }
        self.serial += 1;
        self.order.push_back((self.serial, key));
        let waiting = Waiting {
            serial: self.serial,
            next: 1,
            bytes: bytes.to_vec(),
        };
        self.waiting.insert(key, waiting);
        Joined::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sequence: u16) -> FrameKey {
        FrameKey {
            addresses: [2; 12],
            sequence,
        }
    }

    #[test]
    fn fragments_join_in_order_and_repetitions_are_left_out() {
        let mut frames = WirelessFragments::default();
        let more = Tail::More;
        assert_eq!(frames.add(key(1), 0, more, b"ab"), Joined::Nothing);
        assert_eq!(frames.add(key(1), 0, more, b"ab"), Joined::Nothing);
        assert_eq!(frames.add(key(1), 1, more, b"cd"), Joined::Nothing);
        let whole = Joined::Whole(b"abcdef".to_vec());
        assert_eq!(frames.add(key(1), 2, Tail::Last, b"ef"), whole);
        assert_eq!(frames.add(key(1), 2, Tail::Last, b"ef"), Joined::Alone);
    }

    #[test]
    fn the_oldest_frame_goes_when_there_are_too_many() {
        let mut frames = WirelessFragments::default();
        for sequence in 0..=MAX_FRAMES as u16 {
            frames.add(key(sequence), 0, Tail::More, b"x");
        }
        assert_eq!((frames.waiting.len(), frames.dropped), (MAX_FRAMES, 1));
    }
}
