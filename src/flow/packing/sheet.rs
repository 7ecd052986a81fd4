//! A struct's values sorted by kind, so that those of about one size are packed together.

use super::{Packer, Unpacker};
use crate::capture::FrameId;
use crate::flow::{LastActivity, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::SeqNumber;

/// At most so many times, frames, counts and numbers of 32 bits, and 64 flags. What was added is taken out in the same order.
#[derive(Debug)]
pub(crate) struct Sheet<
    const TIMES: usize,
    const FRAMES: usize,
    const COUNTS: usize,
    const WORDS: usize,
> {
    opened: i64,
    flags: u64,
    flag: u32,
    times: Row<u64, TIMES>,
    frames: Row<u64, FRAMES>,
    counts: Row<u64, COUNTS>,
    words: Row<u32, WORDS>,
}

#[derive(Debug)]
struct Row<T, const N: usize> {
    values: [T; N],
    next: usize,
}

impl<T: Copy + Default, const N: usize> Default for Row<T, N> {
    fn default() -> Self {
        Self {
            values: [T::default(); N],
            next: 0,
        }
    }
}

impl<T: Copy + Default, const N: usize> Row<T, N> {
    fn added(&self) -> &[T] {
        self.values.get(..self.next).unwrap_or(&self.values)
    }

    fn first(&mut self, count: usize) -> &mut [T] {
        self.values.get_mut(..count).unwrap_or_default()
    }

    #[inline]
    fn add(&mut self, value: T) {
        debug_assert!(self.next < N, "no more than {N} of this kind");
        if let Some(place) = self.values.get_mut(self.next) {
            *place = value;
        }
        self.next += 1;
    }

    #[inline]
    fn take(&mut self) -> T {
        let value = self.values.get(self.next).copied();
        self.next += 1;
        value.unwrap_or_default()
    }
}

/// Adding.
impl<const TIMES: usize, const FRAMES: usize, const COUNTS: usize, const WORDS: usize>
    Sheet<TIMES, FRAMES, COUNTS, WORDS>
{
    /// An empty one.
    #[inline]
    pub(crate) fn begin(into: &Packer) -> Self {
        Self {
            opened: into.newest.opened,
            flags: 0,
            flag: 0,
            times: Row::default(),
            frames: Row::default(),
            counts: Row::default(),
            words: Row::default(),
        }
    }

    #[inline]
    pub(crate) fn flag(&mut self, yes: bool) {
        self.flags |= u64::from(yes) << self.flag;
        self.flag += 1;
    }

    /// Nanoseconds since the opening, modulo 2^64.
    #[inline]
    pub(crate) fn time(&mut self, time: Timestamp) {
        self.times
            .add(time.as_nanos().wrapping_sub(self.opened) as u64);
    }

    #[inline]
    pub(crate) fn some_time(&mut self, time: Option<Timestamp>) {
        self.flag(time.is_some());
        if let Some(time) = time {
            self.time(time);
        }
    }

    #[inline]
    pub(crate) fn some_interval(&mut self, interval: Option<Interval>) {
        self.flag(interval.is_some());
        if let Some(interval) = interval {
            self.times.add(interval.as_nanos() as u64);
        }
    }

    #[inline]
    pub(crate) fn frame(&mut self, frame: FrameId) {
        self.frames.add(frame.as_number());
    }

    #[inline]
    pub(crate) fn count(&mut self, count: impl Into<u64>) {
        self.counts.add(count.into());
    }

    #[inline]
    pub(crate) fn some_count(&mut self, count: Option<impl Into<u64>>) {
        self.flag(count.is_some());
        if let Some(count) = count {
            self.count(count);
        }
    }

    #[inline]
    pub(crate) fn some_seq(&mut self, seq: Option<SeqNumber>) {
        self.flag(seq.is_some());
        if let Some(seq) = seq {
            self.word(seq.0);
        }
    }

    /// Any number of 32 bits.
    #[inline]
    pub(crate) fn word(&mut self, word: u32) {
        self.words.add(word);
    }

    #[inline]
    pub(crate) fn peer(&mut self, peer: Peer) {
        self.flag(peer == Peer::Server);
    }

    #[inline]
    pub(crate) fn some_peer(&mut self, peer: Option<Peer>) {
        self.flag(peer.is_some());
        if let Some(peer) = peer {
            self.peer(peer);
        }
    }

    #[inline]
    pub(crate) fn some_activity(&mut self, activity: Option<LastActivity>) {
        self.flag(activity.is_some());
        if let Some(LastActivity { time, frame, from }) = activity {
            self.time(time);
            self.frame(frame);
            self.peer(from);
        }
    }

    /// Packs what was added.
    pub(crate) fn pack(&self, into: &mut Packer) {
        let (times, frames) = (self.times.added(), self.frames.added());
        let (counts, words) = (self.counts.added(), self.words.added());
        into.array(self.flags.to_le_bytes());
        into.array([times.len(), frames.len(), counts.len(), words.len()].map(|n| n as u8));
        into.numbers(times);
        into.numbers(frames);
        into.numbers(counts);
        for word in words {
            into.array(word.to_le_bytes());
        }
    }
}

/// Taking out.
impl<const TIMES: usize, const FRAMES: usize, const COUNTS: usize, const WORDS: usize>
    Sheet<TIMES, FRAMES, COUNTS, WORDS>
{
    /// What was packed.
    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Self {
        let flags = u64::from_le_bytes(from.array());
        let [times, frames, counts, words] = from.array().map(usize::from);
        let mut sheet = Self {
            opened: from.newest.opened,
            flags,
            flag: 0,
            times: Row::default(),
            frames: Row::default(),
            counts: Row::default(),
            words: Row::default(),
        };
        from.numbers_into(sheet.times.first(times));
        from.numbers_into(sheet.frames.first(frames));
        from.numbers_into(sheet.counts.first(counts));
        for word in sheet.words.first(words) {
            *word = u32::from_le_bytes(from.array());
        }
        sheet
    }

    #[inline]
    pub(crate) fn take_flag(&mut self) -> bool {
        let yes = self.flags & 1 != 0;
        self.flags >>= 1;
        yes
    }

    #[inline]
    pub(crate) fn take_time(&mut self) -> Timestamp {
        let nanos = self.times.take() as i64;
        Timestamp::from_nanos(self.opened.wrapping_add(nanos))
    }

    #[inline]
    pub(crate) fn take_some_time(&mut self) -> Option<Timestamp> {
        self.take_flag().then(|| self.take_time())
    }

    #[inline]
    pub(crate) fn take_some_interval(&mut self) -> Option<Interval> {
        self.take_flag()
            .then(|| Interval::from_nanos(self.times.take() as i64))
    }

    #[inline]
    pub(crate) fn take_frame(&mut self) -> FrameId {
        FrameId::from_number(self.frames.take())
    }

    #[inline]
    pub(crate) fn take_count(&mut self) -> u64 {
        self.counts.take()
    }

    #[inline]
    pub(crate) fn take_some_count(&mut self) -> Option<u64> {
        self.take_flag().then(|| self.take_count())
    }

    #[inline]
    pub(crate) fn take_some_seq(&mut self) -> Option<SeqNumber> {
        self.take_flag().then(|| SeqNumber(self.take_word()))
    }

    #[inline]
    pub(crate) fn take_word(&mut self) -> u32 {
        self.words.take()
    }

    #[inline]
    pub(crate) fn take_peer(&mut self) -> Peer {
        match self.take_flag() {
            true => Peer::Server,
            false => Peer::Client,
        }
    }

    #[inline]
    pub(crate) fn take_some_peer(&mut self) -> Option<Peer> {
        self.take_flag().then(|| self.take_peer())
    }

    #[inline]
    pub(crate) fn take_some_activity(&mut self) -> Option<LastActivity> {
        self.take_flag().then(|| LastActivity {
            time: self.take_time(),
            frame: self.take_frame(),
            from: self.take_peer(),
        })
    }
}
