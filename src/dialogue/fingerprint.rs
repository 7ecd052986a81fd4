//! A hash for recognising the same request on another connection.

/// A streaming 64-bit hash that depends only on the bytes: not on how they were cut into segments, not on the machine and not on
/// the run. Eight bytes per step by multiply and fold. It resists accidents, not adversaries: it is compared, never trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    state: u64,
    tail: u64,
    tail_len: u8,
    bytes: u64,
}

/// Odd, half of its bits set; any such number does.
const MULTIPLIER: u64 = 0x9e6c_63d0_876a_3f6b;
const SEED: u64 = 0x2d35_8dcc_aa6c_78a5;

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            state: SEED,
            tail: 0,
            tail_len: 0,
            bytes: 0,
        }
    }
}

impl Fingerprint {
    /// Of these bytes.
    #[inline(always)]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut state = SEED;
        let mut rest = bytes;
        while let Some((word, after)) = rest.split_first_chunk::<8>() {
            state = mix(state, u64::from_le_bytes(*word));
            rest = after;
        }
        Self {
            state,
            // The last eight bytes are there at once, and some of them are of the tail.
            tail: match (bytes.last_chunk::<8>(), rest.len()) {
                (_, 0) => 0,
                (Some(last), some) => u64::from_le_bytes(*last) >> (64 - 8 * (some & 7)),
                (None, _) => few(rest),
            },
            tail_len: rest.len() as u8,
            bytes: bytes.len() as u64,
        }
    }

    /// Adds eight bytes to nothing but as many each.
    #[inline(always)]
    pub(super) fn add(&mut self, word: u64) {
        self.state = mix(self.state, word);
    }

    /// Adds fewer to those, as the last ones of so many bytes in all; zeros follow.
    #[inline(always)]
    pub(super) const fn end(&mut self, few: u64, len: usize) {
        self.tail = few;
        self.tail_len = (len % 8) as u8;
        self.bytes = len as u64;
    }

    /// Adds bytes.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if self.tail_len != 0 {
            let room = 8 - usize::from(self.tail_len & 7);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.push(now);
            bytes = later;
        }
        while let Some((word, rest)) = bytes.split_first_chunk::<8>() {
            self.state = mix(self.state, u64::from_le_bytes(*word));
            bytes = rest;
        }
        self.push(bytes);
    }

    /// Adds a number, and counts `bytes` bytes for it: where contents are encrypted, their sizes are all there is.
    pub(super) fn update_size(&mut self, size: u64) {
        self.state = mix(self.state, size);
        self.bytes = self.bytes.saturating_add(size);
    }

    /// The hash of all bytes so far: never 0.
    #[inline(always)]
    pub(super) fn value(&self) -> u64 {
        // The tail's highest byte is mostly free: it has seven at most.
        mix(self.state ^ self.bytes.rotate_right(8), self.tail).max(1)
    }

    /// How many bytes it covers.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds fewer than eight bytes, for which the tail has room.
    fn push(&mut self, bytes: &[u8]) {
        self.tail |= few(bytes) << (8 * u32::from(self.tail_len & 7));
        self.tail_len += bytes.len() as u8;
        if self.tail_len == 8 {
            self.state = mix(self.state, self.tail);
            self.tail = 0;
            self.tail_len = 0;
        }
    }
}

/// Fewer than eight bytes as a number, the first one lowest.
fn few(mut bytes: &[u8]) -> u64 {
    let mut word = 0;
    let mut shift = 0;
    if let Some((four, rest)) = bytes.split_first_chunk::<4>() {
        word = u64::from(u32::from_le_bytes(*four));
        shift = 32;
        bytes = rest;
    }
    if let Some((two, rest)) = bytes.split_first_chunk::<2>() {
        word |= u64::from(u16::from_le_bytes(*two)) << shift;
        shift += 16;
        bytes = rest;
    }
    match bytes.first() {
        Some(last) => word | u64::from(*last) << shift,
        None => word,
    }
}

#[inline(always)]
fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(MULTIPLIER);
    ((product >> 64) as u64 ^ product as u64).rotate_left(23) ^ state.wrapping_add(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> u64 {
        Fingerprint::of(bytes).value()
    }

    #[test]
    fn it_is_the_same_on_every_run_and_machine() {
        assert_eq!(of(b"POST /orders"), 11_565_935_841_596_125_919);
        assert_ne!(of(b"POST /orders"), of(b"POST /order"));
        assert_ne!(of(b"\0"), of(b""));
    }

    proptest! {
        #[test]
        fn cutting_differently_changes_nothing(bytes: Vec<u8>, cuts: Vec<u8>) {
            let mut fingerprint = Fingerprint::default();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (now, later) = rest.split_at(rest.len().min(usize::from(cut)));
                fingerprint.update(now);
                rest = later;
            }
            fingerprint.update(rest);
            prop_assert_eq!(fingerprint, Fingerprint::of(&bytes));
            prop_assert_eq!(fingerprint.bytes(), bytes.len() as u64);
        }
    }
}
