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
}

impl Crossing {
    /// What one capture showed, the other one shows, whether it is the same packet or holds the same bytes.
    pub(super) fn note_end(&mut self, head: &Head) {
        let end = head.end();
        self.end = Some(self.end.map_or(end, |known| known.later(end)));
    }

    /// Both captures show a packet, of so many that its sender has sent.
    pub(super) fn note(&mut self, first: &Head, other: &Head, sent: u64) {
        let time = other.time - first.time;
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

/// The two captures that show a connection.
#[derive(Clone, Copy, Debug)]
pub struct TwoPlaces<'a> {
    pub(super) captures: [CaptureId; 2],
    pub(super) crossings: &'a Both<Crossing>,
}

impl TwoPlaces<'_> {
    /// The capture that was taken nearer to a peer, if times and TTLs agree on that.
    ///
    /// However wrong the clocks: by them, what crosses in one direction is late by the way and their difference, in the other one by the
    /// way less that difference.
    pub fn nearest(&self, peer: Peer) -> Option<CaptureId> {
        let Both { client, server } = self.crossings;
        let (there, back) = client.times.zip(server.times)?;
        let to_server = there.0 > back.1 && client.hops >= 0 && server.hops <= 0;
        let to_client = there.1 < back.0 && client.hops <= 0 && server.hops >= 0;
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
        let Crossing { packets, sent, .. } = *self.crossings.of(peer);
        (packets, sent.saturating_sub(packets))
    }

    /// The TTL that a packet of a peer has in the first capture, by that in the other one.
    pub fn ttl_in_first(&self, from: Peer, ttl: Ttl) -> Option<Ttl> {
        let crossing = self.crossings.of(from);
        let there = u8::try_from(i16::from(ttl.0) + crossing.hops).ok()?;
        (crossing.packets > 0).then_some(Ttl(there))
    }

    /// The same the other way round.
    pub fn ttl_in_other(&self, from: Peer, ttl: Ttl) -> Option<Ttl> {
        let crossing = self.crossings.of(from);
        let there = u8::try_from(i16::from(ttl.0) - crossing.hops).ok()?;
        (crossing.packets > 0).then_some(Ttl(there))
    }

    /// Up to where both show a peer's stream.
    pub fn end_of(&self, peer: Peer) -> Option<SeqNumber> {
        self.crossings.of(peer).end
    }

    /// When a packet of a peer that a capture shows at this time passed the other one, by that one's clock: at the earliest, and at the
    /// latest.
    pub fn passed(
        &self,
        from: Peer,
        capture: CaptureId,
        time: Timestamp,
    ) -> Option<[Timestamp; 2]> {
        let (shortest, longest) = self.crossings.of(from).times?;
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

    /// From time and TTL of each sighting, here and there.
    fn crossing(sightings: &[[(i64, u8); 2]]) -> Crossing {
        let mut crossing = Crossing::default();
        for [(first, ttl), (other, other_ttl)] in sightings {
            crossing.note(
                &head((HERE, *first, *ttl)),
                &head((THERE, *other, *other_ttl)),
                sightings.len() as u64,
            );
        }
        crossing
    }

    fn nearest(crossings: &Both<Crossing>) -> [Option<CaptureId>; 2] {
        let places = TwoPlaces {
            captures: [HERE, THERE],
            crossings,
        };
        [Peer::Client, Peer::Server].map(|peer| places.nearest(peer))
    }

    #[test]
    fn the_nearer_capture_is_told_whatever_the_clocks_say() {
        for wrong in [-5_000, -20, 0, 20, 5_000] {
            let mut both = Both {
                client: crossing(&[[(0, 64), (30 + wrong, 60)], [(100, 64), (131 + wrong, 60)]]),
                server: crossing(&[[(60, 60), (30 + wrong, 64)]]),
            };
            assert_eq!(nearest(&both), [Some(HERE), Some(THERE)], "{wrong} ms");
            std::mem::swap(&mut both.client, &mut both.server);
            assert_eq!(nearest(&both), [Some(THERE), Some(HERE)], "{wrong} ms");
        }
    }

    #[test]
    fn where_times_and_ttls_do_not_agree_neither_is_nearer() {
        let one = crossing(&[[(0, 64), (30, 60)]]);
        let unequal_ways = Both {
            client: crossing(&[[(0, 64), (30, 60)], [(100, 64), (40, 60)]]),
            server: crossing(&[[(60, 60), (30, 64)]]),
        };
        assert_eq!(nearest(&unequal_ways), [None; 2]);
        let other_ttls = Both {
            client: crossing(&[[(0, 60), (30, 64)]]),
            server: crossing(&[[(60, 60), (30, 64)]]),
        };
        assert_eq!(nearest(&other_ttls), [None; 2]);
        let one_side = Both {
            client: one,
            server: Crossing::default(),
        };
        assert_eq!(nearest(&one_side), [None; 2]);
    }

    #[test]
    fn a_packet_passes_the_other_capture_by_its_clock() {
        let crossings = Both {
            client: crossing(&[[(0, 64), (530, 60)], [(100, 64), (640, 60)]]),
            server: Crossing::default(),
        };
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
