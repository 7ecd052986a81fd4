//! How far apart two captures of one connection were taken.

use crate::capture::CaptureId;
use crate::flow::{Both, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::{Head, SeqNumber, Ttl};

/// Packets of one side that both captures show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossing {
    /// How many, RSTs aside.
    packets: u64,
    /// How many were sent up to the newest of them, as far as either shows them. What came later may not have crossed.
    sent: u64,
    /// The shortest and the longest time from a packet's sighting in the first capture to that in the other one, by their clocks: negative
    /// where the other one saw it first.
    times: Option<(Interval, Interval)>,
    /// How much higher the TTL of the newest one that is no RST is in the first capture than in the other one.
    hops: i16,
    /// Up to where both show its stream, however they cut it into packets.
    end: Option<SeqNumber>,
    /// When the newest one passed the first capture, and the time from there to the other one.
    newest: Option<(Timestamp, Interval)>,
}

impl Crossing {
    /// What one capture showed, the other one shows, whether it is the same packet or holds the same bytes.
    fn note_end(&mut self, head: &Head) {
        let end = head.end();
        self.end = Some(self.end.map_or(end, |known| known.later(end)));
    }

    /// Both captures show a packet, of so many that its sender has sent.
    fn note(&mut self, first: &Head, other: &Head, sent: u64) {
        let time = other.time - first.time;
        self.newest = Some((first.time, time));
        let (shortest, longest) = self.times.unwrap_or((time, time));
        self.times = Some((shortest.min(time), longest.max(time)));
        if other.flags.rst() {
            return;
        }
        self.packets += 1;
        self.sent = sent;
        self.hops = i16::from(first.ttl.0) - i16::from(other.ttl.0);
    }
}

/// Of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crossings {
    sides: Both<Crossing>,
    /// The shortest and the longest way there and back that crossings in both directions make together, soon after each other: what is
    /// wrong with the clocks is not in it. Negative where the other capture is nearer to the client.
    there_and_back: Option<(Interval, Interval)>,
}

impl Crossings {
    /// In so long, a clock that nobody sets goes wrong by 5 ms at most (500 ppm, MAXFREQ of `linux/timex.h`), mostly by a tenth of that.
    const SOON: Interval = Interval::from_millis(10_000);

    /// Both captures show a packet, of so many that its sender has sent.
    pub(super) fn note(&mut self, from: Peer, first: &Head, other: &Head, sent: u64) {
        self.sides.of_mut(from).note(first, other, sent);
        let Both { client, server } = &self.sides;
        if let (Some((at, there)), Some((answered, back))) = (client.newest, server.newest)
            && (answered - at).abs() <= Self::SOON
        {
            let way = there - back;
            let (shortest, longest) = self.there_and_back.unwrap_or((way, way));
            self.there_and_back = Some((shortest.min(way), longest.max(way)));
        }
    }

    /// See [`Crossing::note_end`].
    pub(super) fn note_end(&mut self, from: Peer, head: &Head) {
        self.sides.of_mut(from).note_end(head);
    }
}

/// The two captures that show a connection.
#[derive(Clone, Copy, Debug)]
pub struct TwoPlaces<'a> {
    pub(super) captures: [CaptureId; 2],
    pub(super) crossings: &'a Crossings,
}

impl TwoPlaces<'_> {
    /// The capture that was taken nearer to a peer, if times and TTLs agree on that.
    ///
    /// However wrong the clocks: by them, what crosses in one direction is late by the way and their difference, in the other one by the
    /// way less that difference.
    pub fn nearest(&self, peer: Peer) -> Option<CaptureId> {
        let Both { client, server } = &self.crossings.sides;
        let (shortest, longest) = self.crossings.there_and_back?;
        let to_server = shortest > Interval::ZERO && client.hops >= 0 && server.hops <= 0;
        let to_client = longest < Interval::ZERO && client.hops <= 0 && server.hops >= 0;
        let [first, other] = self.captures;
        match (peer, to_server, to_client) {
            (Peer::Client, true, _) | (Peer::Server, _, true) => Some(first),
            (Peer::Client, _, true) | (Peer::Server, true, _) => Some(other),
            _ => None,
        }
    }

    /// The one that showed the connection first.
    pub const fn first(&self) -> CaptureId {
        self.captures[0]
    }

    /// The other one of both.
    pub fn other(&self, capture: CaptureId) -> CaptureId {
        let [first, other] = self.captures;
        if capture == first { other } else { first }
    }

    /// How many of a peer's packets both show, RSTs aside, and how many of those sent meanwhile only one of them does.
    pub fn packets_of(&self, peer: Peer) -> (u64, u64) {
        let Crossing { packets, sent, .. } = *self.crossings.sides.of(peer);
        (packets, sent.saturating_sub(packets))
    }

    /// The TTL that a packet of a peer bears in the other capture, by that in this one.
    pub fn ttl_elsewhere(&self, from: Peer, capture: CaptureId, ttl: Ttl) -> Option<Ttl> {
        let crossing = self.crossings.sides.of(from);
        let lower = match capture == self.first() {
            true => crossing.hops,
            false => -crossing.hops,
        };
        let there = u8::try_from(i16::from(ttl.0) - lower).ok()?;
        (crossing.packets > 0).then_some(Ttl(there))
    }

    /// Up to where both show a peer's stream.
    pub fn end_of(&self, peer: Peer) -> Option<SeqNumber> {
        self.crossings.sides.of(peer).end
    }

    /// When a packet of a peer that a capture shows at this time passed the other one, by that one's clock: at the earliest, and at the
    /// latest.
    pub fn passed(
        &self,
        from: Peer,
        capture: CaptureId,
        time: Timestamp,
    ) -> Option<[Timestamp; 2]> {
        let (shortest, longest) = self.crossings.sides.of(from).times?;
        Some(match capture == self.captures[0] {
            true => [time + shortest, time + longest],
            false => [time - longest, time - shortest],
        })
    }

    /// From when until when, by one capture's clock, the other one shows what crosses from a peer; that one runs so long by its own.
    pub fn overlap(
        &self,
        from: Peer,
        capture: CaptureId,
        [first, last]: [Timestamp; 2],
    ) -> Option<[Timestamp; 2]> {
        let [earliest, _] = self.passed(from, capture, first)?;
        let [_, latest] = self.passed(from, capture, last)?;
        Some([first - (earliest - first), last - (latest - last)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{FrameId, FrameNumber};

    const HERE: CaptureId = CaptureId(0);
    const THERE: CaptureId = CaptureId(1);

    fn head((capture, millis, ttl): (CaptureId, i64, u8)) -> Head {
        Head {
            time: Timestamp::from_nanos(millis * 1_000_000),
            frame: FrameId {
                capture,
                number: FrameNumber(1),
            },
            ttl: Ttl(ttl),
            ..Head::default()
        }
    }

    /// One packet's time and TTL, here and there.
    type Seen = (Peer, [(i64, u8); 2]);

    fn crossings(seen: &[Seen]) -> Crossings {
        let mut crossings = Crossings::default();
        for (from, [(first, ttl), (other, other_ttl)]) in seen {
            let first = head((HERE, *first, *ttl));
            let other = head((THERE, *other, *other_ttl));
            crossings.note(*from, &first, &other, 1);
        }
        crossings
    }

    fn nearest(crossings: &Crossings) -> [Option<CaptureId>; 2] {
        let places = TwoPlaces {
            captures: [HERE, THERE],
            crossings,
        };
        [Peer::Client, Peer::Server].map(|peer| places.nearest(peer))
    }

    #[test]
    fn the_nearer_capture_is_told_whatever_the_clocks_say() {
        for wrong in [-5_000, -20, 0, 20, 5_000] {
            let near = |client, server| {
                nearest(&crossings(&[
                    (client, [(0, 64), (30 + wrong, 60)]),
                    (server, [(60, 60), (30 + wrong, 64)]),
                    (client, [(100, 64), (131 + wrong, 60)]),
                ]))
            };
            let here = near(Peer::Client, Peer::Server);
            assert_eq!(here, [Some(HERE), Some(THERE)], "{wrong} ms");
            let there = near(Peer::Server, Peer::Client);
            assert_eq!(there, [Some(THERE), Some(HERE)], "{wrong} ms");
        }
    }

    /// Hours pass, and one clock goes ahead of the other by more than the way.
    #[test]
    fn clocks_may_drift() {
        let seen = (0..100).flat_map(|hour| {
            let (at, ahead) = (hour * 3_600_000, hour);
            let there = (Peer::Client, [(at, 64), (at + 3 + ahead, 60)]);
            let back = (Peer::Server, [(at + 6, 60), (at + 3 + ahead, 64)]);
            [there, back]
        });
        let seen: Vec<Seen> = seen.collect();
        assert_eq!(nearest(&crossings(&seen)), [Some(HERE), Some(THERE)]);
    }

    #[test]
    fn where_times_and_ttls_do_not_agree_neither_is_nearer() {
        let there = (Peer::Client, [(0, 64), (30, 60)]);
        let back = (Peer::Server, [(60, 60), (30, 64)]);
        let early = (Peer::Client, [(100, 64), (40, 60)]);
        assert_eq!(nearest(&crossings(&[there, back, early])), [None; 2]);
        let other_ttl = (Peer::Client, [(0, 60), (30, 64)]);
        assert_eq!(nearest(&crossings(&[other_ttl, back])), [None; 2]);
        assert_eq!(nearest(&crossings(&[there])), [None; 2]);
    }

    #[test]
    fn a_packet_passes_the_other_capture_by_its_clock() {
        let crossings = crossings(&[
            (Peer::Client, [(0, 64), (530, 60)]),
            (Peer::Client, [(100, 64), (640, 60)]),
        ]);
        let places = TwoPlaces {
            captures: [HERE, THERE],
            crossings: &crossings,
        };
        let at = |millis: i64| Timestamp::from_nanos(millis * 1_000_000);
        let passed = |capture, millis| places.passed(Peer::Client, capture, at(millis));
        assert_eq!(passed(HERE, 1_000), Some([at(1_530), at(1_540)]));
        assert_eq!(passed(THERE, 1_540), Some([at(1_000), at(1_010)]));
        assert_eq!(places.passed(Peer::Server, HERE, at(0)), None);
        let there = [at(1_000), at(9_000)];
        let overlap = places.overlap(Peer::Client, HERE, there);
        assert_eq!(overlap, Some([at(470), at(8_460)]));
    }
}
