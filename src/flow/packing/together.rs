//! Numbers that are packed together: one look at all of them, then none has a length of its own.

use super::{Packer, Unpacker};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::time::Timestamp;

/// Bytes of each number of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// All of them are 0.
    None,
    One,
    Two,
    Four,
    /// Nanoseconds of more than four seconds and less than three days.
    Six,
    Eight,
}

impl Width {
    /// For numbers that have these bits.
    const fn of(bits: u64) -> Self {
        match bits {
            0 => Self::None,
            1..0x100 => Self::One,
            0x100..0x1_0000 => Self::Two,
            0x1_0000..0x1_0000_0000 => Self::Four,
            0x1_0000_0000..0x1_0000_0000_0000 => Self::Six,
            _ => Self::Eight,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Six => 6,
            Self::Eight => 8,
        }
    }

    fn from_bytes(bytes: u8) -> Self {
        match bytes {
            0 => Self::None,
            1 => Self::One,
            2 => Self::Two,
            4 => Self::Four,
            6 => Self::Six,
            _ => Self::Eight,
        }
    }
}

/// The lowest `W` bytes of each.
#[inline]
fn put<const W: usize>(numbers: &[u64], into: &mut [u8]) {
    let (places, _) = into.as_chunks_mut::<W>();
    for (place, number) in places.iter_mut().zip(numbers) {
        if let Some(low) = number.to_le_bytes().first_chunk() {
            *place = *low;
        }
    }
}

#[inline]
fn get<const W: usize>(bytes: &[u8], into: &mut [u64]) {
    let (places, _) = bytes.as_chunks::<W>();
    for (place, number) in places.iter().zip(into) {
        let mut all = [0; 8];
        if let Some(low) = all.first_chunk_mut() {
            *low = *place;
        }
        *number = u64::from_le_bytes(all);
    }
}

impl Packer {
    /// The first `kept` bytes of these words.
    #[inline]
    pub(crate) fn words<const N: usize>(&mut self, kept: usize, words: [u64; N]) {
        let end = self.end + 8 * N;
        if self.bytes.len() < end {
            self.bytes.resize((2 * end).max(1 << 10), 0);
        }
        let room = self.bytes.get_mut(self.end..end).unwrap_or_default();
        let (places, _) = room.as_chunks_mut::<8>();
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        self.end += kept;
    }

    /// Numbers of about the same size: each takes as many bytes as the largest needs.
    pub fn numbers(&mut self, numbers: &[u64]) {
        let width = Width::of(numbers.iter().fold(0, |bits, number| bits | number));
        self.array([width.bytes() as u8]);
        let length = width.bytes() * numbers.len();
        if self.bytes.len() < self.end + length {
            self.bytes.resize(2 * (self.end + length), 0);
        }
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        match width {
            Width::None => {}
            Width::One => put::<1>(numbers, room),
            Width::Two => put::<2>(numbers, room),
            Width::Four => put::<4>(numbers, room),
            Width::Six => put::<6>(numbers, room),
            Width::Eight => put::<8>(numbers, room),
        }
        self.end += length;
    }
}

impl Unpacker<'_> {
    /// So many whole words.
    #[inline]
    pub(crate) fn words<const N: usize>(&mut self) -> [u64; N] {
        let (bytes, rest) = self.bytes.split_at_checked(8 * N).unwrap_or_default();
        self.bytes = rest;
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }

    /// As many as were packed together.
    #[inline]
    pub fn numbers<const N: usize>(&mut self) -> [u64; N] {
        let mut numbers = [0; N];
        self.numbers_into(&mut numbers);
        numbers
    }

    pub(super) fn numbers_into(&mut self, numbers: &mut [u64]) {
        let [width] = self.array();
        let width = Width::from_bytes(width);
        let (bytes, rest) = self
            .bytes
            .split_at_checked(width.bytes() * numbers.len())
            .unwrap_or_default();
        self.bytes = rest;
        match width {
            Width::None => numbers.fill(0),
            Width::One => get::<1>(bytes, numbers),
            Width::Two => get::<2>(bytes, numbers),
            Width::Four => get::<4>(bytes, numbers),
            Width::Six => get::<6>(bytes, numbers),
            Width::Eight => get::<8>(bytes, numbers),
        }
    }
}

impl Packer {
    /// Nanoseconds since the time that was packed before this one, modulo 2^64.
    #[inline]
    pub(crate) const fn since_last(&mut self, time: Timestamp) -> u64 {
        let nanos = time.as_nanos();
        let since = nanos.wrapping_sub(self.newest.time);
        self.newest.time = nanos;
        since as u64
    }
}

impl Unpacker<'_> {
    /// The time so many nanoseconds after the one that was packed before it.
    #[inline]
    pub(crate) const fn after_last(&mut self, nanos: u64) -> Timestamp {
        self.newest.time = self.newest.time.wrapping_add(nanos as i64);
        Timestamp::from_nanos(self.newest.time)
    }
}

impl FrameId {
    /// Small where there is one capture.
    #[inline]
    pub(crate) const fn as_number(self) -> u64 {
        (self.capture.0 as u64) << 32 | self.number.0 as u64
    }

    /// The frame that was told as this number.
    #[inline]
    pub(crate) const fn from_number(number: u64) -> Self {
        Self {
            capture: CaptureId((number >> 32) as u16),
            number: FrameNumber(number as u32),
        }
    }
}
