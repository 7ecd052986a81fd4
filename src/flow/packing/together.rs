//! Numbers that are packed together: one look at all of them, then none has a length of its own.

use super::{Packer, Unpacker};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::time::Timestamp;
use crate::wire::MacAddress;

/// From which numbers on more than so many bytes are needed: 1, 2, 4, and 6 for nanoseconds of more than four seconds and less than three
/// days.
const BEYOND_ONE: u64 = 1 << 8;
const BEYOND_TWO: u64 = 1 << 16;
const BEYOND_FOUR: u64 = 1 << 32;
const BEYOND_SIX: u64 = 1 << 48;

impl Packer {
    /// The first `kept` bytes of these words.
    #[inline(always)]
    pub(crate) fn words<const N: usize>(&mut self, kept: usize, words: [u64; N]) {
        if let Some(room) = self.room(8 * N) {
            let (places, _) = room.as_chunks_mut::<8>();
            for (place, word) in places.iter_mut().zip(words) {
                *place = word.to_le_bytes();
            }
        }
        self.keep(kept);
    }

    /// Words of which it is not known before how many there are.
    #[inline(always)]
    pub(crate) fn words_of(&mut self, count: usize, words: impl Iterator<Item = u64>) {
        if let Some(room) = self.room(8 * count) {
            let (places, _) = room.as_chunks_mut::<8>();
            for (place, word) in places.iter_mut().zip(words) {
                *place = word.to_le_bytes();
            }
        }
        self.keep(8 * count);
    }

    /// Numbers of 32 bits.
    #[inline(always)]
    pub(crate) fn words32<const N: usize>(&mut self, words: &[u32; N]) {
        if let Some(room) = self.room(4 * N) {
            let (places, _) = room.as_chunks_mut::<4>();
            for (place, word) in places.iter_mut().zip(words) {
                *place = word.to_le_bytes();
            }
        }
        self.keep(4 * N);
    }

    /// Numbers of about the same size: each takes as many bytes as the largest needs.
    #[inline(always)]
    pub fn numbers<const N: usize>(&mut self, numbers: &[u64; N]) {
        if N == 0 {
            return;
        }
        match numbers.iter().fold(0, |bits, number| bits | number) {
            0 => self.byte(0),
            1..BEYOND_ONE => self.lowest::<1, N>(numbers),
            BEYOND_ONE..BEYOND_TWO => self.lowest::<2, N>(numbers),
            BEYOND_TWO..BEYOND_FOUR => self.lowest::<4, N>(numbers),
            BEYOND_FOUR..BEYOND_SIX => self.lowest::<6, N>(numbers),
            _ => self.lowest::<8, N>(numbers),
        }
    }

    /// Numbers that are nearly always 0: which of them are not, and those.
    #[inline(always)]
    pub(crate) fn rare<const N: usize>(&mut self, numbers: &[u64; N]) {
        match numbers.iter().fold(0, |bits, number| bits | number) {
            0 => self.number(0),
            _ => self.the_few(numbers),
        }
    }

    #[cold]
    fn the_few(&mut self, numbers: &[u64]) {
        debug_assert!(numbers.len() <= u64::BITS as usize);
        let places = (0..u64::BITS).zip(numbers);
        let bit = |(place, number): (u32, &u64)| u64::from(*number != 0) << place;
        self.number(places.map(bit).fold(0, |bits, bit| bits | bit));
        for number in numbers.iter().filter(|number| **number != 0) {
            self.number(*number);
        }
    }

    /// The lowest `W` bytes of each, behind a byte that says how many those are.
    #[inline(always)]
    fn lowest<const W: usize, const N: usize>(&mut self, numbers: &[u64; N]) {
        if let Some(room) = self.room(1 + W * N)
            && let Some((width, room)) = room.split_first_mut()
        {
            *width = W as u8;
            let (places, _) = room.as_chunks_mut::<W>();
            for (place, number) in places.iter_mut().zip(numbers) {
                if let Some(low) = number.to_le_bytes().first_chunk() {
                    *place = *low;
                }
            }
        }
        self.keep(1 + W * N);
    }
}

impl<'a> Unpacker<'a> {
    /// So many whole words.
    #[inline(always)]
    pub(crate) fn words<const N: usize>(&mut self) -> [u64; N] {
        self.lowest::<8, N>()
    }

    /// So many words, as they were packed.
    #[inline(always)]
    pub(crate) fn words_of(&mut self, count: usize) -> &'a [[u8; 8]] {
        let length = count.saturating_mul(8);
        let (bytes, rest) = self.bytes.split_at_checked(length).unwrap_or_default();
        self.bytes = rest;
        bytes.as_chunks().0
    }

    /// So many numbers of 32 bits.
    #[inline(always)]
    pub(crate) fn words32<const N: usize>(&mut self) -> [u32; N] {
        self.lowest::<4, N>().map(|word| word as u32)
    }

    /// As many as were packed together.
    #[inline(always)]
    pub fn numbers<const N: usize>(&mut self) -> [u64; N] {
        if N == 0 {
            return [0; N];
        }
        let [width] = self.array();
        match width {
            0 => [0; N],
            1 => self.lowest::<1, N>(),
            2 => self.lowest::<2, N>(),
            4 => self.lowest::<4, N>(),
            6 => self.lowest::<6, N>(),
            _ => self.lowest::<8, N>(),
        }
    }

    /// As many as were packed together, nearly all of them 0.
    #[inline(always)]
    pub(crate) fn rare<const N: usize>(&mut self) -> [u64; N] {
        let mut numbers = [0; N];
        let places = self.number();
        if places != 0 {
            self.the_few(places, &mut numbers);
        }
        numbers
    }

    #[cold]
    fn the_few(&mut self, places: u64, numbers: &mut [u64]) {
        for (place, number) in (0..u64::BITS).zip(numbers) {
            if places >> place & 1 != 0 {
                *number = self.number();
            }
        }
    }

    #[inline(always)]
    fn lowest<const W: usize, const N: usize>(&mut self) -> [u64; N] {
        let mut numbers = [0; N];
        let Some((bytes, rest)) = self.bytes.split_at_checked(W * N) else {
            self.bytes = &[];
            return numbers;
        };
        self.bytes = rest;
        let (places, _) = bytes.as_chunks::<W>();
        for (number, place) in numbers.iter_mut().zip(places) {
            let mut all = [0; 8];
            if let Some(low) = all.first_chunk_mut() {
                *low = *place;
            }
            *number = u64::from_le_bytes(all);
        }
        numbers
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

    /// The value before this one was of that kind, too; 0 before the first.
    #[inline]
    pub(crate) const fn is_like_last(&mut self, kind: u64) -> bool {
        let is_like_last = self.newest.kind == kind;
        if !is_like_last {
            self.newest.kind = kind;
        }
        is_like_last
    }

    /// Frames since the one that was packed before this one, modulo 2^32.
    #[inline]
    pub(crate) const fn frames_since_last(&mut self, frame: FrameNumber) -> u32 {
        let since = frame.0.wrapping_sub(self.newest.frame);
        self.newest.frame = frame.0;
        since
    }
}

impl Unpacker<'_> {
    /// The time so many nanoseconds after the one that was packed before it.
    #[inline]
    pub(crate) const fn after_last(&mut self, nanos: u64) -> Timestamp {
        self.newest.time = self.newest.time.wrapping_add(nanos as i64);
        Timestamp::from_nanos(self.newest.time)
    }

    /// The kind of the value before this one.
    #[inline]
    pub(crate) const fn last_kind(&self) -> u64 {
        self.newest.kind
    }

    /// This value is of that kind.
    #[inline]
    pub(crate) const fn next_kind(&mut self, kind: u64) {
        self.newest.kind = kind;
    }

    /// The frame so many behind the one that was packed before it.
    #[inline]
    pub(crate) const fn frames_after_last(&mut self, frames: u32) -> FrameNumber {
        self.newest.frame = self.newest.frame.wrapping_add(frames);
        FrameNumber(self.newest.frame)
    }
}

impl MacAddress {
    /// Its 48 bits.
    #[inline]
    pub(crate) const fn as_number(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// The address of these bits.
    #[inline]
    pub(crate) const fn from_number(number: u64) -> Self {
        let [a, b, c, d, e, f, ..] = number.to_le_bytes();
        Self([a, b, c, d, e, f])
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
