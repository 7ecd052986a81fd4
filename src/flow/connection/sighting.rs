//! Packets that were captured more than once.

use super::Connection;
use crate::capture::CaptureId;
use crate::flow::{Packet, Peer, StreamReader};
use crate::time::Interval;
use crate::wire::{Head, Timestamps};

/// Where a packet was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum Sighting {
    /// At this place: a bridge, `-i any`, or a mirror port.
    Here,
    /// At the place of another capture, on its way.
    Elsewhere,
}

impl<R: StreamReader> Connection<R> {
    /// Among so many packets, and how far back, second sightings of a packet are looked for. Measured: in a burst of full segments, some
    /// twenty lie between sightings 150 µs apart.
    const NEWEST: usize = 32;
    const DUPLICATE_WINDOW: Interval = Interval::from_millis(20);
    /// How far back a packet that nothing numbers is looked for in other captures, until one is known to be of another place: beyond any
    /// way through the Internet.
    const LONGEST_WAY: Interval = Interval::from_millis(1_000);

    /// The same packet again.
    #[inline]
    pub(super) fn is_second_sighting(&self, from: Peer, head: &Head) -> bool {
        self.second_sighting(from, head).is_some()
    }

    /// Where the same packet was seen before, if it was.
    #[inline]
    pub(super) fn second_sighting(&self, from: Peer, head: &Head) -> Option<Sighting> {
        let own = self.directions.of(from);
        let is_first = match (head.flags.syn(), head.flags.fin()) {
            _ if head.flags.rst() => false,
            (true, _) => own.syns == 0,
            (false, true) => own.fin.is_none(),
            (false, false) => false,
        };
        if is_first {
            return None;
        }
        let is_alike = |earlier: &Packet| {
            earlier.head.seq == head.seq
                && earlier.from == from
                && earlier.head.flags == head.flags
                && earlier.head.payload_len == head.payload_len
        };
        if self.has_lately(Self::NEWEST, is_alike)
            && let Some(sighting) = self.seen_lately(from, head)
        {
            return Some(sighting);
        }
        (self.streams.are_several() && self.was_seen_elsewhere(from, head))
            .then_some(Sighting::Elsewhere)
    }

    /// The IPv4 identification or another interface (or MAC) tells it from a retransmission; a stack gives a retransmission a new
    /// identification.
    #[cold]
    fn seen_lately(&self, from: Peer, head: &Head) -> Option<Sighting> {
        let newest = self.packets_newest_first().take(Self::NEWEST);
        newest
            .take_while(|earlier| (head.time - earlier.head.time).abs() <= Self::DUPLICATE_WINDOW)
            .filter(|earlier| earlier.from == from)
            .find(|Packet { head: earlier, .. }| {
                is_same(earlier, head)
                    && (earlier.interface != head.interface
                        || earlier.src_mac != head.src_mac
                        || is_numbered(head))
            })
            .map(|earlier| match is_elsewhere(&earlier, head) {
                true => Sighting::Elsewhere,
                false => Sighting::Here,
            })
    }

    /// Another capture, taken at another place, showed it before. However long ago: their clocks may differ.
    ///
    /// There it may have been part of a longer segment, or be forgotten. So it is enough that the other capture is ahead, that nothing
    /// here is new, and that its timestamp is not: what is sent again bears that of the moment (RFC 7323 section 3.2), which is a later one
    /// unless its sender's clock is slow (a tick is 1 ms to 1 s, section 5.4).
    #[cold]
    fn was_seen_elsewhere(&self, from: Peer, head: &Head) -> bool {
        let is_elsewhere = |earlier: &Packet| is_elsewhere(earlier, head);
        let mut own = self
            .packets_newest_first()
            .filter(|earlier| earlier.from == from)
            .peekable();
        let newest = own.peek().filter(|newest| is_elsewhere(newest));
        if let Some(newest) = newest
            && !head.flags.rst()
            && !is_next_number(&newest.head, head)
            && self.is_stale(from, head)
        {
            return true;
        }
        let any_time = is_numbered(head) || head.timestamps.is_some() || self.place().is_some();
        // Files of one place that follow on each other show what is sent again, too, and stacks repeat a RST word for word.
        let on_its_way = |earlier: &Head| {
            (head.time - earlier.time).abs() <= Self::LONGEST_WAY
                && (head.ttl != earlier.ttl || head.src_mac != earlier.src_mac)
        };
        own.filter(is_elsewhere)
            .any(|Packet { head: earlier, .. }| {
                is_same(&earlier, head) && (any_time || on_its_way(&earlier))
            })
    }

    /// It says nothing that its sender had not said, and is no later by its sender's clock.
    fn is_stale(&self, from: Peer, head: &Head) -> bool {
        let own = self.directions.of(from);
        let clock = own.timestamp_line.map(|line| line.last.0);
        let is_earlier = |clock: u32, now: Timestamps| clock.wrapping_sub(now.value) as i32 >= 0;
        clock
            .zip(head.timestamps)
            .is_some_and(|(clock, now)| is_earlier(clock, now))
            && own.snd_nxt.is_some_and(|next| !head.end().is_after(next))
            && own.ack.is_some_and(|ack| !head.ack.is_after(ack))
    }

    /// Where it was seen at several places: the capture of the one whose TTLs and MAC addresses are remembered, its first.
    #[inline]
    pub fn place(&self) -> Option<CaptureId> {
        self.streams.place()
    }

    /// It is seen again at another place.
    pub(super) fn note_elsewhere(&mut self, from: Peer, head: &Head) {
        self.streams.note_overlap();
        let is_such = |earlier: &Packet| {
            earlier.from == from && is_elsewhere(earlier, head) && is_same(&earlier.head, head)
        };
        let earlier = if head.flags.rst() {
            let episode = self.episodes.last_mut();
            episode.and_then(|episode| episode.note_elsewhere(head, is_such).copied())
        } else {
            self.streams.note_shown_by_both(from, head);
            if self.is_at_place(head) {
                self.directions.of_mut(from).observe_way(head);
            }
            self.packets_newest_first().find(is_such)
        };
        if let Some(earlier) = earlier {
            let sent = self.directions.of(from).packets;
            let sightings = [&earlier.head, head];
            self.streams.note_crossing(from, sightings, sent);
        }
    }

    /// It was captured there, or there is one place.
    #[inline]
    pub(super) fn is_at_place(&self, head: &Head) -> bool {
        self.place().is_none_or(|place| place == head.frame.capture)
    }
}

fn is_elsewhere(earlier: &Packet, head: &Head) -> bool {
    earlier.head.frame.capture != head.frame.capture
}

/// Two sightings bear the same fields, but for those that change on the way.
fn is_same(earlier: &Head, head: &Head) -> bool {
    earlier.seq == head.seq
        && earlier.flags == head.flags
        && earlier.payload_len == head.payload_len
        && (earlier.ack == head.ack || !head.flags.ack())
        && earlier.window == head.window
        && earlier.timestamps == head.timestamps
        && earlier.ip_id == head.ip_id
}

/// A packet whose number is the next one: its sender sent it after that (Linux counts up for each connection, `ip_select_ident_segs`).
/// What is cut up on its way gets numbers, too, but has no bytes before its first.
fn is_next_number(newest: &Head, head: &Head) -> bool {
    let next = newest.ip_id.map(|id| id.wrapping_add(1));
    let is_no_part = head.payload_len == 0 || head.seq.is_before(newest.seq);
    is_no_part && is_numbered(head) && head.ip_id == next
}

/// Its sender numbers its packets: one that is sent again has another number. 0 is what stacks write where nothing may be cut up (RFC
/// 6864 section 4.1 leaves it to them).
fn is_numbered(head: &Head) -> bool {
    head.ip_id.is_some_and(|id| id != 0)
}

#[cfg(test)]
mod tests {
    use crate::capture::CaptureId;
    use crate::dialogue::DialogueReader;
    use crate::flow::{Both, Held, Limits, Table};
    use crate::testing::{Ladder, Trace};
    use crate::time::Interval;

    fn ladder() -> Ladder {
        Ladder::to(80)
            .handshake(0)
            .client(30, "P.")
            .payload("question")
            .server(40, "P.")
            .payload("answer")
            .client(50, ".")
            .server(60, "F.")
            .client(70, "F.")
            .server(80, ".")
    }

    /// Second sightings, and packets besides them.
    fn seen(trace: &Trace) -> (u64, u64) {
        let mut table = Table::<DialogueReader>::new(Limits::default());
        trace.segments(|segment| {
            table.take(segment);
        });
        let packets = |held: &Held<'_, _>| {
            let Both { client, server } = &held.known().directions;
            client.packets + server.packets
        };
        let packets: u64 = table.connections().iter().map(packets).sum();
        let duplicates = [0, 1].map(|capture| table.duplicates(CaptureId(capture)));
        (duplicates.into_iter().sum(), packets)
    }

    /// Both ends' captures, so far apart.
    fn at_both_ends(trace: &Trace, millis: i64) -> Trace {
        trace.clone().with(&trace.at_server(millis))
    }

    /// Each of them waits for the other one's word, which takes 200 ms there and back.
    fn far_talk() -> Ladder {
        Ladder::to(80)
            .client(0, "S")
            .server(200, "S.")
            .client(201, ".")
            .client(202, "P.")
            .payload("question")
            .server(404, ".")
            .server(405, "P.")
            .payload("answer")
            .client(406, ".")
    }

    #[test]
    fn what_is_captured_twice_counts_once() {
        let once = ladder().trace();
        assert_eq!(seen(&once), (0, 9));
        assert_eq!(seen(&once.seen_twice(200)), (9, 9));
    }

    /// Many packets lie between both sightings.
    #[test]
    fn a_burst_that_is_captured_twice_counts_once() {
        let said = "0123456789".repeat(100);
        let burst = (0..60).fold(Ladder::to(80).handshake(0), |ladder, n| {
            let at = 30.0 + f64::from(n) / 100.0;
            ladder.client(at, ".").payload(&said)
        });
        let once = burst.trace();
        assert_eq!(seen(&once), (0, 63));
        assert_eq!(seen(&once.seen_twice(150)), (63, 63));
    }

    #[test]
    fn what_is_sent_again_counts_again() {
        let again = ladder().again(81).trace();
        assert_eq!(seen(&again), (0, 10));
    }
    #[test]
    fn what_was_captured_at_both_ends_counts_once() {
        let trace = far_talk()
            .server(900, "F.")
            .client(901, "F.")
            .server(1_101, ".")
            .trace();
        for millis in [1, 15, 60, 100] {
            assert_eq!(
                seen(&at_both_ends(&trace, millis)),
                (10, 10),
                "{millis} ms apart"
            );
        }
    }

    /// However wrong one of the clocks is.
    #[test]
    fn clocks_that_differ_make_no_packets() {
        let trace = far_talk().server(900, "R.").trace();
        for skew in [-9_000, -120, -60, 60, 120, 9_000] {
            let there = trace.at_server(90).jittered(&[skew * 1_000]);
            assert_eq!(seen(&trace.clone().with(&there)), (8, 7), "{skew} ms");
        }
    }

    #[test]
    fn what_is_cut_up_on_its_way_counts_once() {
        let long = "0123456789".repeat(300);
        let said = |ladder: Ladder, parts: usize| {
            let part = long.len() / parts;
            (0..parts).fold(ladder, |ladder, n| {
                ladder
                    .client(500, "P.")
                    .payload(&long[n * part..(n + 1) * part])
            })
        };
        let [whole, parts] = [1, 3].map(|parts| said(far_talk(), parts).trace());
        assert_eq!(seen(&whole.with(&parts.at_server(90))), (10, 8));
    }

    #[test]
    fn what_one_end_sends_again_counts_again_once() {
        let trace = far_talk()
            .client(500, "P.")
            .payload("lost")
            .again(900)
            .trace();
        assert_eq!(seen(&at_both_ends(&trace, 90)), (9, 9));
    }

    /// A capture that goes on in another file (`tcpdump -C`): what is sent again in the second one was not seen before.
    #[test]
    fn a_second_file_is_no_second_place() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .client(30, "P.")
            .payload("question");
        let mut trace = ladder.again(330).again(930).trace();
        for frame in trace.frames.iter_mut().skip(4) {
            frame.capture = CaptureId(1);
        }
        assert_eq!(seen(&trace), (0, 6));
    }

    /// Neither the last part of a handshake or an acknowledgement again within one tick of their sender's clock, nor a RST that a stack
    /// repeats word for word.
    #[test]
    fn wherever_a_second_file_begins() {
        let ladder = Ladder::to(80)
            .client(0, "S")
            .server(0.1, "S.")
            .client(0.2, ".")
            .client(0.3, "P.")
            .payload("question")
            .again(330)
            .server(340, ".")
            .ip_id(7)
            .server(340.1, ".")
            .ip_id(8)
            .server(350, "P.")
            .payload("an answer")
            .ip_id(9)
            .server(360, "P.")
            .payload("answer")
            .seq(4)
            .ip_id(11)
            .server(360.1, "P.")
            .payload("an ")
            .seq(1)
            .ip_id(12);
        let echoes = (0..4).fold(ladder, |ladder, n| ladder.server(400 + n, "R").seq(1));
        let whole = echoes.trace();
        assert_eq!(seen(&whole).0, 0);
        for cut in 1..whole.frames.len() {
            let mut trace = whole.clone();
            for frame in trace.frames.iter_mut().skip(cut) {
                frame.capture = CaptureId(1);
            }
            assert_eq!(seen(&trace), seen(&whole), "cut before packet {cut}");
        }
    }

    /// `tcpdump -i any -C`
    #[test]
    fn a_second_file_of_all_interfaces_is_no_second_place() {
        let place = |trace: &Trace| {
            let mut table = Table::<DialogueReader>::new(Limits::default());
            trace.segments(|segment| {
                table.take(segment);
            });
            table.connections()[0].known().place()
        };
        let mut trace = ladder().trace().seen_twice(200);
        let begun = trace.frames[0].time;
        for frame in &mut trace.frames {
            let is_later = frame.time - begun > Interval::from_millis(35);
            frame.capture = CaptureId(is_later.into());
        }
        assert_eq!((seen(&trace), place(&trace)), ((9, 9), None));
        let both = at_both_ends(&ladder().trace(), 9);
        assert_eq!(place(&both), Some(CaptureId(0)));
    }
}
