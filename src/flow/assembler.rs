//! Where one direction's payload stands in its stream, and what to hand to the reader next.

use crate::capture::FrameId;
use crate::flow::connection::RestSheet;
use crate::flow::reassembly::{Piece, Reassembly};
use crate::flow::talk::HELD;
use crate::flow::{Activity, Direction, Mark, Peer, StreamBytes, StreamReader};
use crate::time::{Interval, Timestamp};
use crate::wire::{Head, Segment, SeqNumber};

/// How long a hole may last after its receiver acknowledged beyond it, before the capture is said to have missed it.
/// Captures on several queues or interfaces show an ACK a little before the data that it acknowledges; taps with clocks of their own
/// some milliseconds.
pub(super) const HOLE_PATIENCE: Interval = Interval::from_millis(50);

/// An acknowledgement further ahead than any window is of something else.
const FAR: i32 = 1 << 30;

/// Whether payload was new to the observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    /// At least one byte had not been seen; what the reader made of it.
    New(Activity),
    /// All of it had been seen.
    Old,
}

/// Acknowledged payload that was not seen.
#[derive(Clone, Copy, Debug)]
struct Hole {
    since: (Timestamp, FrameId),
    target: u64,
}

/// One direction's place in its stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembler {
    next: Option<(SeqNumber, u64)>,
    early: Option<Box<Reassembly>>,
    /// The receiver acknowledged up to this offset while bytes before it were missing.
    acked_hole: Option<Hole>,
    /// The furthest that it acknowledged then or while that hole was there.
    acked: u64,
    /// How far the other direction was seen, while something is held back, and since when that waits for more of it.
    other: u64,
    held_since: Option<Timestamp>,
    /// Its FIN, while payload before it is to come.
    fin: Option<Mark>,
    /// Bytes given up.
    pub missed: u64,
}

impl Assembler {
    /// The stream begins here (one past the SYN).
    pub fn begin(&mut self, first: SeqNumber) {
        if self.next.is_none() {
            self.next = Some((first, 0));
        }
    }

    /// Stream offset of a sequence number; `None` before anything was seen or for numbers before the start.
    pub fn offset_of(&self, seq: SeqNumber) -> Option<u64> {
        let (next_seq, next_offset) = self.next?;
        next_offset.checked_add_signed(i64::from(seq.offset_from(next_seq)))
    }

    /// Every byte of the range was seen before.
    pub fn has_seen(&self, seq: SeqNumber, len: u32) -> bool {
        let Some((_, next)) = self.next else {
            return false;
        };
        match self.offset_of(seq) {
            None => true,
            Some(start) => {
                let end = start.saturating_add(u64::from(len));
                end <= next
                    || self
                        .early
                        .as_ref()
                        .is_some_and(|early| start >= next && early.holds(start, u64::from(len)))
            }
        }
    }

    /// Bytes before `end` that were not seen (so far).
    pub fn hole_before(&self, end: SeqNumber) -> u64 {
        let (Some((_, next)), Some(end)) = (self.next, self.offset_of(end)) else {
            return 0;
        };
        let held = self.early.as_ref().map_or(0, |early| early.length());
        end.saturating_sub(next).saturating_sub(held)
    }

    /// The number after the newest byte that was seen.
    pub fn is_at(&self, seq: SeqNumber) -> bool {
        self.next.is_some_and(|(next, _)| next == seq)
    }

    /// Looks at what [that](Self::go_on) changes.
    #[inline(always)]
    pub fn look(&self) -> u64 {
        self.next.map_or(0, |(_, offset)| offset)
    }

    /// Takes payload that begins [here](Self::is_at), where nothing [is waited for](Self::is_at_rest).
    #[inline]
    pub fn go_on<R: StreamReader>(
        &mut self,
        from: Peer,
        head: &Head,
        payload: &[u8],
        reader: &mut R,
    ) -> Activity {
        let (seq, next) = self.next.get_or_insert((head.seq, 0));
        let (at, cut) = place(head, payload, *next);
        *seq = head.seq + head.payload_len;
        *next = next.wrapping_add(u64::from(head.payload_len));
        reader.data(StreamBytes {
            from,
            at,
            bytes: payload,
            cut,
        })
    }

    /// What is said now follows a hole that has been waited for long enough: whatever waits for the other side to learn of that comes
    /// before it.
    pub fn give_up_before<R: StreamReader>(&mut self, from: Peer, head: &Head, reader: &mut R) {
        if self.acked_hole.is_some() && !self.fills(head) {
            self.give_up_late(from, head.time, reader);
        }
    }

    /// It has bytes that are waited for.
    fn fills(&self, head: &Head) -> bool {
        self.next.is_some_and(|(next, _)| !head.seq.is_after(next))
    }

    /// Takes a segment's payload; the other direction was seen up to `other`.
    pub fn take<R: StreamReader>(
        &mut self,
        from: Peer,
        segment: &Segment<'_>,
        other: u64,
        reader: &mut R,
    ) -> Novelty {
        let seq = if segment.flags.is_some_and(|flags| flags.syn()) {
            segment.head.seq + 1
        } else {
            segment.head.seq
        };
        let (_, next) = *self.next.get_or_insert((seq, 0));
        let len = u64::from(segment.head.payload_len);
        let Some(start) = self.offset_of(seq) else {
            return Novelty::Old;
        };
        let end = start.saturating_add(len);
        if end <= next || len == 0 {
            return Novelty::Old;
        }
        let (at, cut) = place(&segment.head, segment.payload, start);
        if start > next {
            return self.take_early(from, at, (segment.payload, cut), (0, other), reader);
        }
        let old = next - start;
        let captured_old = usize::try_from(old)
            .unwrap_or(usize::MAX)
            .min(segment.payload.len());
        let cut_old = u32::try_from(old - captured_old as u64).unwrap_or(u32::MAX);
        let activity = reader.data(StreamBytes {
            from,
            at: Mark { offset: next, ..at },
            bytes: segment.payload.get(captured_old..).unwrap_or_default(),
            cut: cut.saturating_sub(cut_old),
        });
        self.advance(end);
        if self.early.is_some() {
            self.other = other;
        }
        if self.early.is_some() || self.fin.is_some() {
            self.drain(from, reader);
        }
        Novelty::New(activity)
    }

    /// Takes payload that acknowledges the other direction up to `offset`, where that was seen only up to `other` yet.
    pub fn hold<R: StreamReader>(
        &mut self,
        from: Peer,
        segment: &Segment<'_>,
        (offset, other): (u64, u64),
        reader: &mut R,
    ) -> Novelty {
        let (_, next) = *self.next.get_or_insert((segment.head.seq, 0));
        let end = self.offset_of(segment.head.seq).map(|start| {
            (
                start,
                start.saturating_add(u64::from(segment.head.payload_len)),
            )
        });
        let Some((start, _)) = end.filter(|(_, end)| *end > next) else {
            return Novelty::Old;
        };
        let (at, cut) = place(&segment.head, segment.payload, start);
        self.held_since.get_or_insert(segment.head.time);
        // One number less may be all of its payload, the last being a FIN's.
        let awaits = offset.saturating_sub(1);
        self.take_early(from, at, (segment.payload, cut), (awaits, other), reader)
    }

    /// Everything up to this offset was seen or given up.
    pub fn seen(&self) -> u64 {
        self.next.map_or(0, |(_, offset)| offset)
    }

    /// The offset of an acknowledgement that covers payload which was not seen; one number beyond it may be that of a FIN.
    pub fn beyond_seen(&self, ack: SeqNumber) -> Option<u64> {
        let (next_seq, _) = self.next?;
        ack.is_after(next_seq + 1)
            .then(|| self.offset_of(ack))
            .flatten()
            .filter(|_| ack.offset_from(next_seq) < FAR)
    }

    /// The other direction was seen up to `other`: what waited for that is handed on.
    pub fn release<R: StreamReader>(&mut self, from: Peer, other: u64, reader: &mut R) {
        if self.early.is_some() {
            self.other = other;
            self.drain(from, reader);
        }
    }

    /// Payload waits for what precedes it.
    pub fn holds_back(&self) -> bool {
        self.early.is_some()
    }

    /// Something was held back.
    pub fn is_waiting(&self) -> bool {
        self.acked_hole.is_some() || self.held_since.is_some() || self.fin.is_some()
    }

    /// Nothing is held back or waited for.
    pub fn is_at_rest(&self) -> bool {
        self.early.is_none() && !self.is_waiting()
    }

    /// What was acknowledged and not seen is not waited for any longer.
    pub fn give_up_acknowledged<R: StreamReader>(&mut self, from: Peer, reader: &mut R) {
        if let Some(hole) = self.acked_hole.take() {
            self.give_up_until(from, hole.target, hole.since, reader);
        }
    }

    /// Hands on whatever can be.
    pub fn stop_waiting<R: StreamReader>(&mut self, from: Peer, reader: &mut R) {
        self.let_go(from, reader);
        if let Some(at) = self.fin.take() {
            // What was acknowledged came, whoever has not seen it.
            let offset = match self.acked >= at.offset {
                true => at.offset.min(self.seen()),
                false => at.offset,
            };
            reader.fin(from, Mark { offset, ..at });
        }
    }

    /// What waits for the other direction does so no longer.
    fn let_go<R: StreamReader>(&mut self, from: Peer, reader: &mut R) {
        let other = std::mem::replace(&mut self.other, u64::MAX);
        self.drain(from, reader);
        self.other = if self.holds_back() { other } else { 0 };
        self.held_since = None;
    }

    /// The direction ends at `at`, once all before it is there.
    pub fn fin<R: StreamReader>(&mut self, from: Peer, at: Mark, reader: &mut R) {
        if self.next.is_some_and(|(_, next)| next < at.offset) {
            self.fin = Some(at);
        } else {
            reader.fin(from, at);
        }
    }

    fn take_early<R: StreamReader>(
        &mut self,
        from: Peer,
        at: Mark,
        (bytes, cut): (&[u8], u32),
        (awaits, other): (u64, u64),
        reader: &mut R,
    ) -> Novelty {
        self.other = other;
        let early = self.early.get_or_insert_default();
        if early.holds(at.offset, bytes.len() as u64 + u64::from(cut)) {
            return Novelty::Old;
        }
        early.keep(at, bytes, cut, awaits);
        if early.is_full() {
            self.let_go(from, reader);
            self.give_up_hole(from, reader);
        }
        HELD
    }

    /// The receiver acknowledged `ack`: a hole before it will not be filled any more.
    pub fn acknowledged<R: StreamReader>(
        &mut self,
        from: Peer,
        ack: SeqNumber,
        now: (Timestamp, FrameId),
        reader: &mut R,
    ) {
        let Some((next_seq, _)) = self.next else {
            return;
        };
        if self.acked_hole.is_none() && !ack.is_after(next_seq) {
            return;
        }
        let Some(acked) = self.offset_of(ack) else {
            return;
        };
        self.acked = self.acked.max(acked);
        let Some((_, next)) = self.next else { return };
        let hole = *self.acked_hole.get_or_insert(Hole {
            since: now,
            target: acked,
        });
        if next >= hole.target {
            self.acked_hole = None;
        }
        self.give_up_late(from, now.0, reader);
    }

    /// A hole is not waited for any longer than that.
    fn give_up_late<R: StreamReader>(&mut self, from: Peer, now: Timestamp, reader: &mut R) {
        if self
            .acked_hole
            .is_some_and(|hole| now - hole.since.0 >= HOLE_PATIENCE)
        {
            self.give_up_acknowledged(from, reader);
        }
    }

    /// What has waited long for the other direction waits no longer.
    pub fn let_go_late<R: StreamReader>(&mut self, from: Peer, now: Timestamp, reader: &mut R) {
        if self
            .held_since
            .is_some_and(|since| now - since >= HOLE_PATIENCE + HOLE_PATIENCE)
        {
            self.let_go(from, reader);
        }
    }

    fn give_up_until<R: StreamReader>(
        &mut self,
        from: Peer,
        target: u64,
        now: (Timestamp, FrameId),
        reader: &mut R,
    ) {
        loop {
            let Some((_, next)) = self.next else { return };
            if next >= target {
                return;
            }
            let held = self.early.as_ref().and_then(|early| early.first_offset());
            if held.is_some_and(|first| first <= next) {
                // It is there, and waits for the other direction.
                return;
            }
            if held.is_some_and(|first| first < target) {
                self.give_up_hole(from, reader);
            } else if target - next == 1 && self.fin.is_none_or(|fin| fin.offset != target) {
                // Most likely a FIN that was not captured.
                return;
            } else {
                let at = Mark {
                    time: now.0,
                    frame: now.1,
                    offset: target,
                };
                self.missed += target - next;
                reader.gap(from, at, target - next);
                self.advance(target);
                self.drain(from, reader);
                return;
            }
        }
    }

    fn give_up_hole<R: StreamReader>(&mut self, from: Peer, reader: &mut R) {
        let Some((_, next)) = self.next else { return };
        if let Some(Piece::Gap { at, missing }) =
            self.early.as_ref().and_then(|early| early.skip_hole(next))
        {
            self.missed += missing;
            reader.gap(from, at, missing);
            self.advance(at.offset);
        }
        self.drain(from, reader);
    }

    fn drain<R: StreamReader>(&mut self, from: Peer, reader: &mut R) {
        while let Some((_, next)) = self.next {
            let Some(early) = self.early.as_mut() else {
                break;
            };
            let Some(Piece::Bytes { at, bytes, cut }) = early.take_ready(next, self.other) else {
                break;
            };
            reader.data(StreamBytes {
                from,
                at,
                bytes: &bytes,
                cut,
            });
            self.advance(at.offset + bytes.len() as u64 + u64::from(cut));
        }
        if self.early.as_ref().is_some_and(|early| early.is_empty()) {
            self.early = None;
            self.other = 0;
            self.held_since = None;
        }
        if let Some(at) = self.fin.take() {
            self.fin(from, at, reader);
        }
    }

    fn advance(&mut self, to: u64) {
        if let Some((seq, offset)) = self.next
            && to > offset
        {
            self.next = Some((seq + (to - offset) as u32, to));
        }
    }
}

/// Of one that [is at rest](Assembler::is_at_rest).
impl Assembler {
    /// Of this direction.
    #[inline(always)]
    pub fn list(&self, own: &Direction, sheet: &mut RestSheet) {
        let Self {
            next,
            early: _,
            acked_hole: _,
            acked: _,
            other: _,
            held_since: _,
            fin: _,
            missed,
        } = self;
        let (expected_seq, expected) = end(own);
        sheet.same_seq(next.map(|(seq, _)| seq), expected_seq);
        let offset = next.map_or(expected, |(_, offset)| offset);
        sheet.rare(offset.wrapping_sub(expected));
        sheet.rare(*missed);
    }

    #[inline(always)]
    pub fn listed(own: &Direction, sheet: &mut RestSheet) -> Self {
        let (expected_seq, expected) = end(own);
        let next = sheet.take_same_seq(expected_seq);
        let offset = expected.wrapping_add(sheet.take_rare());
        Self {
            next: next.map(|seq| (seq, offset)),
            missed: sheet.take_rare(),
            ..Self::default()
        }
    }
}

/// Where a direction's payload mostly ends.
fn end(direction: &Direction) -> (SeqNumber, u64) {
    let fin = direction.fin.as_ref();
    let next = direction.snd_nxt.unwrap_or_default();
    (fin.map_or(next, |fin| fin.seq), direction.new_bytes)
}

/// Where a segment's payload begins, and how much of it was not captured.
fn place(head: &Head, payload: &[u8], offset: u64) -> (Mark, u32) {
    let at = Mark {
        time: head.time,
        frame: head.frame,
        offset,
    };
    let cut = u64::from(head.payload_len).saturating_sub(payload.len() as u64);
    (at, cut as u32)
}
