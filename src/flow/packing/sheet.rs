//! A struct's values sorted by kind, so that those of about one size are packed together.

use super::{Packer, Unpacker, folded, unfolded};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::{LastActivity, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::{MacAddress, SeqNumber};

/// So many times, numbers that mostly are of another size than those ([gaps](Sheet::gap), frames, addresses), counts, numbers of 32 bits
/// and [rare](Sheet::rare) ones, and at most 64 flags. Each has its place, also where there is no value: what is packed how is settled
/// when this is compiled. What was added is taken out in the same order.
#[derive(Debug)]
pub(crate) struct Sheet<
    const TIMES: usize,
    const OTHERS: usize,
    const COUNTS: usize,
    const WORDS: usize,
    const RARE: usize,
> {
    opened: i64,
    flags: u64,
    flag: u32,
    times: Row<u64, TIMES>,
    others: Row<u64, OTHERS>,
    counts: Row<u64, COUNTS>,
    words: Row<u32, WORDS>,
    rare: Row<u64, RARE>,
}

#[derive(Debug)]
struct Row<T, const N: usize> {
    values: [T; N],
    next: usize,
}

impl<T: Copy + Default, const N: usize> Default for Row<T, N> {
    #[inline(always)]
    fn default() -> Self {
        Self::of([T::default(); N])
    }
}

impl<T: Copy + Default, const N: usize> Row<T, N> {
    #[inline(always)]
    const fn of(values: [T; N]) -> Self {
        Self { values, next: 0 }
    }

    #[inline(always)]
    fn all(&self) -> &[T; N] {
        debug_assert_eq!(self.next, N, "as many of this kind as there are places");
        &self.values
    }

    #[inline(always)]
    fn add(&mut self, value: T) {
        debug_assert!(self.next < N, "no more than {N} of this kind");
        if let Some(place) = self.values.get_mut(self.next) {
            *place = value;
        }
        self.next += 1;
    }

    #[inline(always)]
    fn take(&mut self) -> T {
        let value = self.values.get(self.next).copied();
        self.next += 1;
        value.unwrap_or_default()
    }
}

/// Nanoseconds from one time to another, small where they are near.
#[inline(always)]
const fn since(time: Timestamp, other: Timestamp) -> u64 {
    folded(time.as_nanos().wrapping_sub(other.as_nanos()))
}

/// What is so many nanoseconds [since](since) another time.
#[inline(always)]
const fn later(other: Timestamp, since: u64) -> Timestamp {
    Timestamp::from_nanos(other.as_nanos().wrapping_add(unfolded(since)))
}

/// Values are added and packed, or unpacked and taken out in the same order.
impl<
    const TIMES: usize,
    const OTHERS: usize,
    const COUNTS: usize,
    const WORDS: usize,
    const RARE: usize,
> Sheet<TIMES, OTHERS, COUNTS, WORDS, RARE>
{
    /// An empty one.
    #[inline(always)]
    pub(crate) fn begin(into: &Packer) -> Self {
        Self {
            opened: into.newest.opened,
            flags: 0,
            flag: 0,
            times: Row::default(),
            others: Row::default(),
            counts: Row::default(),
            words: Row::default(),
            rare: Row::default(),
        }
    }

    /// What times are told from: packed as 0.
    #[inline(always)]
    pub(crate) const fn opened(&self) -> Timestamp {
        Timestamp::from_nanos(self.opened)
    }

    /// An activity that is packed as 0.
    #[inline(always)]
    pub(crate) const fn no_activity(&self) -> LastActivity {
        LastActivity {
            time: self.opened(),
            frame: FrameId::from_number(0),
            from: Peer::Client,
        }
    }

    #[inline(always)]
    pub(crate) fn flag(&mut self, yes: bool) {
        debug_assert!(self.flag < u64::BITS);
        self.flags |= u64::from(yes).wrapping_shl(self.flag);
        self.flag += 1;
    }

    /// Nanoseconds since the opening, modulo 2^64.
    #[inline(always)]
    pub(crate) fn time(&mut self, time: Timestamp) {
        self.times
            .add(time.as_nanos().wrapping_sub(self.opened) as u64);
    }

    #[inline(always)]
    pub(crate) fn some_time(&mut self, time: Option<Timestamp>) {
        self.flag(time.is_some());
        self.times
            .add(time.map_or(0, |time| time.as_nanos().wrapping_sub(self.opened) as u64));
    }

    /// Nanoseconds since another time, or before it.
    #[inline(always)]
    pub(crate) fn time_since(&mut self, time: Timestamp, other: Timestamp) {
        self.times.add(since(time, other));
    }

    /// The same where it is mostly next to nothing.
    #[inline(always)]
    pub(crate) fn gap(&mut self, time: Timestamp, other: Timestamp) {
        self.others.add(since(time, other));
    }

    #[inline(always)]
    pub(crate) fn some_gap(&mut self, interval: Option<Interval>) {
        self.flag(interval.is_some());
        let nanos = interval.map_or(0, Interval::as_nanos);
        self.others.add(nanos as u64);
    }

    #[inline(always)]
    pub(crate) fn frame(&mut self, frame: FrameId) {
        self.others.add(frame.as_number());
    }

    /// A frame that is not far from another one.
    #[inline(always)]
    pub(crate) fn near_frame(&mut self, frame: FrameId, other: FrameId) {
        let later = frame.as_number().wrapping_sub(other.as_number());
        self.counts.add(folded(later as i64));
    }

    #[inline(always)]
    pub(crate) fn some_mac(&mut self, mac: Option<MacAddress>) {
        self.flag(mac.is_some());
        self.others.add(mac.map_or(0, MacAddress::as_number));
    }

    #[inline(always)]
    pub(crate) fn count(&mut self, count: impl Into<u64>) {
        self.counts.add(count.into());
    }

    #[inline(always)]
    pub(crate) fn some_seq(&mut self, seq: Option<SeqNumber>) {
        self.flag(seq.is_some());
        self.word(seq.map_or(0, |seq| seq.0));
    }

    /// Any number of 32 bits.
    #[inline(always)]
    pub(crate) fn word(&mut self, word: u32) {
        self.words.add(word);
    }

    #[inline(always)]
    pub(crate) fn peer(&mut self, peer: Peer) {
        self.flag(peer == Peer::Server);
    }

    #[inline(always)]
    pub(crate) fn some_peer(&mut self, peer: Option<Peer>) {
        self.flag(peer.is_some());
        self.flag(peer == Some(Peer::Server));
    }

    #[inline(always)]
    pub(crate) fn some_activity(&mut self, activity: Option<LastActivity>) {
        self.flag(activity.is_some());
        let LastActivity { time, frame, from } = activity.unwrap_or(self.no_activity());
        self.time(time);
        self.word(frame.number.0);
        self.rare(frame.capture.0);
        self.peer(from);
    }

    /// An activity that nearly always equals another one.
    #[inline(always)]
    pub(crate) fn same_activity(&mut self, activity: Option<LastActivity>, other: LastActivity) {
        self.flag(activity.is_some());
        let LastActivity { time, frame, from } = activity.unwrap_or(other);
        self.same_time(time, other.time);
        self.same_frame(frame, other.frame);
        self.peer(from);
    }

    /// A number that is nearly always 0: all of them together take one byte then.
    #[inline(always)]
    pub(crate) fn rare(&mut self, number: impl Into<u64>) {
        self.rare.add(number.into());
    }

    #[inline(always)]
    pub(crate) fn some_rare(&mut self, number: Option<impl Into<u64>>) {
        self.flag(number.is_some());
        self.rare.add(number.map_or(0, Into::into));
    }

    /// A time that nearly always equals another one.
    #[inline(always)]
    pub(crate) fn same_time(&mut self, time: Timestamp, other: Timestamp) {
        self.rare(since(time, other));
    }

    /// A frame that nearly always equals another one.
    #[inline(always)]
    pub(crate) fn same_frame(&mut self, frame: FrameId, other: FrameId) {
        self.rare(frame.as_number() ^ other.as_number());
    }

    /// A number that is nearly always the one that is `expected`.
    #[inline(always)]
    pub(crate) fn same_seq(&mut self, seq: Option<SeqNumber>, expected: SeqNumber) {
        self.flag(seq.is_some());
        self.rare(seq.map_or(0, |seq| seq.0.wrapping_sub(expected.0)));
    }

    /// Packs what was added.
    #[inline(always)]
    pub(crate) fn pack(&self, into: &mut Packer) {
        into.numbers(&[self.flags]);
        into.words32(self.words.all());
        into.numbers(self.times.all());
        into.numbers(self.others.all());
        into.numbers(self.counts.all());
        into.rare(self.rare.all());
    }

    /// What was packed.
    #[inline(always)]
    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self {
            opened: from.newest.opened,
            flags: {
                let [flags] = from.numbers();
                flags
            },
            flag: 0,
            words: Row::of(from.words32()),
            times: Row::of(from.numbers()),
            others: Row::of(from.numbers()),
            counts: Row::of(from.numbers()),
            rare: Row::of(from.rare()),
        }
    }

    #[inline(always)]
    pub(crate) fn take_flag(&mut self) -> bool {
        let yes = self.flags.wrapping_shr(self.flag) & 1 != 0;
        self.flag += 1;
        yes
    }

    #[inline(always)]
    pub(crate) fn take_time(&mut self) -> Timestamp {
        let nanos = self.times.take() as i64;
        Timestamp::from_nanos(self.opened.wrapping_add(nanos))
    }

    #[inline(always)]
    pub(crate) fn take_some_time(&mut self) -> Option<Timestamp> {
        let (known, time) = (self.take_flag(), self.take_time());
        known.then_some(time)
    }

    #[inline(always)]
    pub(crate) fn take_time_since(&mut self, other: Timestamp) -> Timestamp {
        later(other, self.times.take())
    }

    #[inline(always)]
    pub(crate) fn take_gap(&mut self, other: Timestamp) -> Timestamp {
        later(other, self.others.take())
    }

    #[inline(always)]
    pub(crate) fn take_some_gap(&mut self) -> Option<Interval> {
        let (known, nanos) = (self.take_flag(), self.others.take());
        known.then_some(Interval::from_nanos(nanos as i64))
    }

    #[inline(always)]
    pub(crate) fn take_frame(&mut self) -> FrameId {
        FrameId::from_number(self.others.take())
    }

    #[inline(always)]
    pub(crate) fn take_near_frame(&mut self, other: FrameId) -> FrameId {
        let later = unfolded(self.counts.take()) as u64;
        FrameId::from_number(other.as_number().wrapping_add(later))
    }

    #[inline(always)]
    pub(crate) fn take_some_mac(&mut self) -> Option<MacAddress> {
        let (known, mac) = (self.take_flag(), self.others.take());
        known.then_some(MacAddress::from_number(mac))
    }

    #[inline(always)]
    pub(crate) fn take_count(&mut self) -> u64 {
        self.counts.take()
    }

    #[inline(always)]
    pub(crate) fn take_some_seq(&mut self) -> Option<SeqNumber> {
        let (known, word) = (self.take_flag(), self.take_word());
        known.then_some(SeqNumber(word))
    }

    #[inline(always)]
    pub(crate) fn take_word(&mut self) -> u32 {
        self.words.take()
    }

    #[inline(always)]
    pub(crate) fn take_peer(&mut self) -> Peer {
        match self.take_flag() {
            true => Peer::Server,
            false => Peer::Client,
        }
    }

    #[inline(always)]
    pub(crate) fn take_some_peer(&mut self) -> Option<Peer> {
        let (known, peer) = (self.take_flag(), self.take_peer());
        known.then_some(peer)
    }

    #[inline(always)]
    pub(crate) fn take_some_activity(&mut self) -> Option<LastActivity> {
        let known = self.take_flag();
        let activity = LastActivity {
            time: self.take_time(),
            frame: FrameId {
                number: FrameNumber(self.take_word()),
                capture: CaptureId(self.take_rare() as u16),
            },
            from: self.take_peer(),
        };
        known.then_some(activity)
    }

    #[inline(always)]
    pub(crate) fn take_rare(&mut self) -> u64 {
        self.rare.take()
    }

    #[inline(always)]
    pub(crate) fn take_some_rare(&mut self) -> Option<u64> {
        let (known, number) = (self.take_flag(), self.take_rare());
        known.then_some(number)
    }

    #[inline(always)]
    pub(crate) fn take_same_time(&mut self, other: Timestamp) -> Timestamp {
        later(other, self.take_rare())
    }

    #[inline(always)]
    pub(crate) fn take_same_frame(&mut self, other: FrameId) -> FrameId {
        FrameId::from_number(self.take_rare() ^ other.as_number())
    }

    #[inline(always)]
    pub(crate) fn take_same_activity(&mut self, other: LastActivity) -> Option<LastActivity> {
        let known = self.take_flag();
        let activity = LastActivity {
            time: self.take_same_time(other.time),
            frame: self.take_same_frame(other.frame),
            from: self.take_peer(),
        };
        known.then_some(activity)
    }

    #[inline(always)]
    pub(crate) fn take_same_seq(&mut self, expected: SeqNumber) -> Option<SeqNumber> {
        let beyond = self.take_some_rare()? as u32;
        Some(SeqNumber(expected.0.wrapping_add(beyond)))
    }
}
