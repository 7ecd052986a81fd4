//! An outline's plain facts in few bytes.

use std::net::{IpAddr, Ipv4Addr};

use super::{Gist, Side};
use crate::capture::FrameId;
use crate::flow::packing::{Packed, Packer, Sheet, Unpacker};
use crate::flow::{Both, FinSeen, LastActivity, TtlProfile};
use crate::time::{Interval, Timestamp};
use crate::wire::{SeqNumber, Ttl};

/// Of both sides and the connection.
type GistSheet = Sheet<2, 5, 6, 4, 30>;

/// Base sequence numbers of client and server; see [`Connection::is_reused_by`](crate::flow::Connection).
type Bases = Both<Option<SeqNumber>>;

/// A side's FIN, and what follows from it. One that is packed as 0 stands for one that was not seen.
#[derive(Clone, Copy)]
struct End {
    time: Timestamp,
    frame: FrameId,
    seq: SeqNumber,
}

impl End {
    fn of(side: &Side, after: (Timestamp, FrameId)) -> Self {
        match &side.fin {
            Some(fin) => Self {
                time: fin.time,
                frame: fin.frame,
                seq: fin.seq,
            },
            None => Self {
                time: after.0,
                frame: after.1,
                seq: side.iss.unwrap_or_default(),
            },
        }
    }

    const fn is_second(&self, first: &Self) -> bool {
        self.frame.as_number() > first.frame.as_number()
    }

    /// What its sender mostly acknowledged with it.
    fn ack(&self, other: &Self) -> SeqNumber {
        other.seq + u32::from(self.is_second(other))
    }

    /// When the packet before it mostly came.
    const fn previous(&self, other: &Self, activity: Timestamp) -> Timestamp {
        match self.is_second(other) {
            true => other.time,
            false => activity,
        }
    }

    /// When it was mostly acknowledged: the second one when all was over.
    const fn acked_at(&self, other: &Self, closed: Timestamp) -> Timestamp {
        match self.is_second(other) {
            true => closed,
            false => other.time,
        }
    }
}

impl Gist {
    /// Packs it, and with it the bases, against which a SYN is held.
    pub(in crate::flow) fn pack(&self, bases: &Bases, into: &mut Packer) {
        let Self {
            client,
            server,
            last,
            established,
            closed,
            last_activity,
            last_housekeeping,
            survived,
            sides,
        } = self;
        pack_ends(*client, *server, into);
        let mut sheet = GistSheet::begin(into);
        sheet.flag(!survived.is_empty());
        let kept_house = housekeeping(*last_housekeeping, sides);
        sheet.flag(kept_house.iter().any(Option::is_some));
        sheet.some_activity(*last_activity);
        let activity = last_activity.unwrap_or(sheet.no_activity());
        let ends = list_ends(sides, activity, &mut sheet);
        let newest = ends.client.time.max(ends.server.time);
        sheet.flag(closed.is_some());
        let over = closed.unwrap_or(newest);
        sheet.gap(over, newest);
        sheet.same_time(*last, over);
        sheet.flag(established.is_some());
        sheet.gap(established.unwrap_or(sheet.opened()), sheet.opened());
        let ttl = |side: &Side| side.ttl.values()[0].0.0;
        let ttls = [ttl(&sides.client), ttl(&sides.server), 0, 0];
        sheet.word(u32::from_le_bytes(ttls));
        let around = (activity, over);
        let (own, other) = (&ends.client, &ends.server);
        sides.client.list((own, other), around, &mut sheet);
        sides.server.list((other, own), around, &mut sheet);
        sheet.same_seq(bases.client, sides.client.iss.unwrap_or_default());
        sheet.same_seq(bases.server, sides.server.iss.unwrap_or_default());
        sheet.pack(into);
        if !survived.is_empty() {
            survived.pack(into);
        }
        if kept_house.iter().any(Option::is_some) {
            kept_house.pack(into);
        }
    }

    /// What was packed.
    #[inline(always)]
    pub(in crate::flow) fn unpack(from: &mut Unpacker<'_>) -> (Self, Bases) {
        let Both { client, server } = Self::unpack_ends(from);
        let mut sheet = GistSheet::unpack(from);
        let (survived_any, kept_house) = (sheet.take_flag(), sheet.take_flag());
        let last_activity = sheet.take_some_activity();
        let activity = last_activity.unwrap_or(sheet.no_activity());
        let mut sides = Both::default();
        let ends = listed_ends(&mut sides, activity, &mut sheet);
        let newest = ends.client.time.max(ends.server.time);
        let has_closed = sheet.take_flag();
        let over = sheet.take_gap(newest);
        let last = sheet.take_same_time(over);
        let (was_established, established) = (sheet.take_flag(), sheet.take_gap(sheet.opened()));
        let [client_ttl, server_ttl, ..] = sheet.take_word().to_le_bytes().map(Ttl);
        let around = (activity, over);
        let (own, other) = (&ends.client, &ends.server);
        sides
            .client
            .listed((own, other), around, client_ttl, &mut sheet);
        sides
            .server
            .listed((other, own), around, server_ttl, &mut sheet);
        let bases = Both {
            client: sheet.take_same_seq(sides.client.iss.unwrap_or_default()),
            server: sheet.take_same_seq(sides.server.iss.unwrap_or_default()),
        };
        let survived = match survived_any {
            true => Packed::unpack(from),
            false => Vec::new(),
        };
        let last_housekeeping = match kept_house {
            true => unpack_housekeeping(&mut sides, from),
            false => None,
        };
        let gist = Self {
            client,
            server,
            last,
            established: was_established.then_some(established),
            closed: has_closed.then_some(over),
            last_activity,
            last_housekeeping,
            survived,
            sides,
        };
        (gist, bases)
    }

    /// The client's and the server's address and port, with which it begins.
    pub(in crate::flow) fn unpack_ends(from: &mut Unpacker<'_>) -> Both<(IpAddr, u16)> {
        let [are_plain] = from.array();
        let [client, server] = match are_plain {
            0 => Packed::unpack(from),
            _ => [(); 2].map(|()| IpAddr::V4(Ipv4Addr::from(from.array::<4>()))),
        };
        Both {
            client: (client, u16::from_le_bytes(from.array())),
            server: (server, u16::from_le_bytes(from.array())),
        }
    }
}

/// Addresses and ports.
#[inline(always)]
fn pack_ends(client: (IpAddr, u16), server: (IpAddr, u16), into: &mut Packer) {
    let ports = u64::from(client.1) | u64::from(server.1) << 16;
    match (client.0, server.0) {
        (IpAddr::V4(client), IpAddr::V4(server)) => {
            let client = u64::from(u32::from_le_bytes(client.octets()));
            let server = u64::from(u32::from_le_bytes(server.octets()));
            let low = 1 | client << 8 | server << 40;
            into.words(1 + 3 * 4, [low, server >> 24 | ports << 8]);
        }
        (client, server) => {
            into.array([0]);
            [client, server].pack(into);
            into.words(4, [ports]);
        }
    }
}

/// When the newest housekeeping came, in all and before each FIN. Most connections have none.
#[inline(always)]
fn housekeeping(newest: Option<Timestamp>, sides: &Both<Side>) -> [Option<Timestamp>; 3] {
    let before = |side: &Side| side.fin.as_ref().and_then(|fin| fin.last_housekeeping);
    [newest, before(&sides.client), before(&sides.server)]
}

#[cold]
fn unpack_housekeeping(sides: &mut Both<Side>, from: &mut Unpacker<'_>) -> Option<Timestamp> {
    let [newest, client, server]: [Option<Timestamp>; 3] = Packed::unpack(from);
    for (side, before) in [(&mut sides.client, client), (&mut sides.server, server)] {
        if let Some(fin) = &mut side.fin {
            fin.last_housekeeping = before;
        }
    }
    newest
}

/// Packets, and all of a FIN that the rest is told from.
#[inline(always)]
fn list_ends(sides: &Both<Side>, activity: LastActivity, sheet: &mut GistSheet) -> Both<End> {
    let client = End::of(&sides.client, (activity.time, activity.frame));
    let server = End::of(&sides.server, (client.time, client.frame));
    sheet.time_since(client.time, activity.time);
    sheet.gap(server.time, client.time);
    sheet.near_frame(client.frame, activity.frame);
    sheet.near_frame(server.frame, client.frame);
    for (side, end) in [(&sides.client, &client), (&sides.server, &server)] {
        sheet.count(side.packets);
        sheet.flag(side.fin.is_some());
        sheet.some_seq(side.iss);
        sheet.count(end.seq.0.wrapping_sub(side.iss.unwrap_or_default().0));
    }
    Both { client, server }
}

#[inline(always)]
fn listed_ends(sides: &mut Both<Side>, activity: LastActivity, sheet: &mut GistSheet) -> Both<End> {
    let client_time = sheet.take_time_since(activity.time);
    let server_time = sheet.take_gap(client_time);
    let client_frame = sheet.take_near_frame(activity.frame);
    let server_frame = sheet.take_near_frame(client_frame);
    let end = |side: &mut Side, time: Timestamp, frame: FrameId, sheet: &mut GistSheet| {
        side.packets = sheet.take_count();
        let known = sheet.take_flag();
        side.iss = sheet.take_some_seq();
        let seq = side.iss.unwrap_or_default() + sheet.take_count() as u32;
        side.fin = known.then_some(FinSeen {
            time,
            frame,
            seq,
            ack: None,
            last_activity: None,
            last_housekeeping: None,
            wire_idle: None,
            probes: 0,
            answers_unseen: false,
            lacks_activity: false,
            acked_at: None,
        });
        End { time, frame, seq }
    };
    Both {
        client: end(&mut sides.client, client_time, client_frame, sheet),
        server: end(&mut sides.server, server_time, server_frame, sheet),
    }
}

impl Side {
    /// The rest: its FIN's, of both ends its own one first, and what goes beyond one TTL. `around` are the newest activity, which is mostly
    /// the newest before its FIN, too, and when all was over.
    #[inline(always)]
    fn list(
        &self,
        (own, other): (&End, &End),
        around: (LastActivity, Timestamp),
        sheet: &mut GistSheet,
    ) {
        let Self {
            packets,
            iss: _,
            fin,
            ttl,
            response_time,
            unanswered_retransmissions,
            syn_acks_after_ack,
        } = self;
        let (activity, over) = around;
        let fin = fin.as_ref();
        sheet.same_seq(fin.and_then(|fin| fin.ack), own.ack(other));
        sheet.same_activity(fin.and_then(|fin| fin.last_activity), activity);
        let idle = fin.and_then(|fin| fin.wire_idle);
        sheet.flag(idle.is_some());
        let expected = own.previous(other, activity.time);
        let previous = idle.map_or(expected, |idle| before(own.time, idle));
        sheet.same_time(previous, expected);
        sheet.rare(fin.map_or(0, |fin| fin.probes));
        sheet.flag(fin.is_some_and(|fin| fin.answers_unseen));
        sheet.flag(fin.is_some_and(|fin| fin.lacks_activity));
        let acked = fin.and_then(|fin| fin.acked_at);
        sheet.flag(acked.is_some());
        let expected = own.acked_at(other, over);
        sheet.same_time(acked.unwrap_or(expected), expected);
        // One sender's packets mostly bear one TTL.
        let [(_, count), second, third, fourth] = ttl.values();
        sheet.rare(u32::from_le_bytes([second.0.0, third.0.0, fourth.0.0, 0]));
        sheet.rare(packets.wrapping_sub(u64::from(count)));
        sheet.rare(second.1);
        sheet.rare(third.1);
        sheet.rare(fourth.1);
        sheet.some_gap(*response_time);
        sheet.rare(*unanswered_retransmissions);
        sheet.rare(*syn_acks_after_ack);
    }

    #[inline(always)]
    fn listed(
        &mut self,
        (own, other): (&End, &End),
        around: (LastActivity, Timestamp),
        ttl: Ttl,
        sheet: &mut GistSheet,
    ) {
        let (activity, over) = around;
        let ack = sheet.take_same_seq(own.ack(other));
        let last_activity = sheet.take_same_activity(activity);
        let was_idle = sheet.take_flag();
        let previous = sheet.take_same_time(own.previous(other, activity.time));
        let probes = sheet.take_rare() as u16;
        let answers_unseen = sheet.take_flag();
        let lacks_activity = sheet.take_flag();
        let was_acked = sheet.take_flag();
        let acked = sheet.take_same_time(own.acked_at(other, over));
        if let Some(fin) = &mut self.fin {
            fin.ack = ack;
            fin.last_activity = last_activity;
            fin.wire_idle = was_idle.then_some(between(previous, own.time));
            fin.probes = probes;
            fin.answers_unseen = answers_unseen;
            fin.lacks_activity = lacks_activity;
            fin.acked_at = was_acked.then_some(acked);
        }
        let [second, third, fourth, _] = (sheet.take_rare() as u32).to_le_bytes().map(Ttl);
        self.ttl = TtlProfile::of([
            (ttl, self.packets.wrapping_sub(sheet.take_rare()) as u32),
            (second, sheet.take_rare() as u32),
            (third, sheet.take_rare() as u32),
            (fourth, sheet.take_rare() as u32),
        ]);
        self.response_time = sheet.take_some_gap();
        self.unanswered_retransmissions = sheet.take_rare() as u32;
        self.syn_acks_after_ack = sheet.take_rare() as u32;
    }
}

/// So long before it, modulo 2^64 nanoseconds.
const fn before(time: Timestamp, long: Interval) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos().wrapping_sub(long.as_nanos()))
}

/// The same from one to the other.
const fn between(from: Timestamp, to: Timestamp) -> Interval {
    Interval::from_nanos(to.as_nanos().wrapping_sub(from.as_nanos()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::FrameNumber;
    use crate::flow::{Direction, Peer, SurvivedIdle, TimestampLine};

    type SideFields = (
        (u64, Option<u32>, [u8; 4], [u32; 4], Option<i64>),
        (u32, u32, Option<(i64, u32, u32, Option<u32>)>),
        (Option<(i64, u32, bool)>, Option<i64>, Option<i64>),
    );

    fn activity((time, number, server): (i64, u32, bool)) -> LastActivity {
        LastActivity {
            time: Timestamp::from_nanos(time),
            frame: FrameId {
                number: FrameNumber(number),
                ..FrameId::default()
            },
            from: if server { Peer::Server } else { Peer::Client },
        }
    }

    fn side(fields: SideFields) -> Side {
        let (
            (packets, iss, ttls, counts, response_time),
            (unanswered_retransmissions, syn_acks_after_ack, fin),
            (last_activity, wire_idle, acked_at),
        ) = fields;
        Side {
            packets,
            iss: iss.map(SeqNumber),
            fin: fin.map(|(time, number, seq, ack)| FinSeen {
                time: Timestamp::from_nanos(time),
                frame: activity((time, number, false)).frame,
                seq: SeqNumber(seq),
                ack: ack.map(SeqNumber),
                last_activity: last_activity.map(activity),
                last_housekeeping: acked_at.map(Timestamp::from_nanos),
                wire_idle: wire_idle.map(Interval::from_nanos),
                probes: number as u16,
                answers_unseen: number % 2 == 0,
                lacks_activity: number % 3 == 0,
                acked_at: acked_at.map(Timestamp::from_nanos),
            }),
            ttl: TtlProfile::of(std::array::from_fn(|n| (Ttl(ttls[n]), counts[n]))),
            response_time: response_time.map(Interval::from_nanos),
            unanswered_retransmissions,
            syn_acks_after_ack,
        }
    }

    fn survival((application, number, server): (i64, u32, bool)) -> SurvivedIdle {
        let activity = activity((0, number, server));
        SurvivedIdle {
            application: Interval::from_nanos(application),
            data: Interval::from_nanos(application / 3),
            wire: Interval::from_nanos(application / 2),
            after: server.then_some(Peer::Client),
            resumed_by: activity.from,
            frame: activity.frame,
        }
    }

    proptest! {
        #[test]
        fn every_gist_comes_back(
            opened: i64,
            ends: [(IpAddr, u16); 2],
            times: (i64, Option<i64>, Option<i64>),
            active: Option<(i64, u32, bool)>,
            sides: (SideFields, SideFields),
            survived: Vec<(i64, u32, bool)>,
            bases: [Option<u32>; 2],
        ) {
            let (last, established, closed) = times;
            let [client, server] = ends;
            let gist = Gist {
                client,
                server,
                last: Timestamp::from_nanos(last),
                established: established.map(Timestamp::from_nanos),
                closed: closed.map(Timestamp::from_nanos),
                last_activity: active.map(activity),
                last_housekeeping: closed.map(Timestamp::from_nanos),
                survived: survived.into_iter().map(survival).collect(),
                sides: Both {
                    client: side(sides.0),
                    server: side(sides.1),
                },
            };
            let opened = Timestamp::from_nanos(opened);
            let mut packer = Packer::default();
            let [client, server] = bases.map(|base| base.map(SeqNumber));
            let bases = Both { client, server };
            packer.pack(opened, |packer| gist.pack(&bases, packer));
            let mut unpacker = Unpacker::new(packer.packed(), opened);
            prop_assert_eq!(Gist::unpack(&mut unpacker), (gist, bases));
        }

        #[test]
        fn directions_come_back_with_their_sides(
            opened: i64,
            last: i64,
            client in directions(),
            server in directions(),
        ) {
            let (opened, last) = (Timestamp::from_nanos(opened), Timestamp::from_nanos(last));
            let directions = Both { client: client.0, server: server.0 };
            let sides = Both { client: client.1, server: server.1 };
            let mut packer = Packer::default();
            packer.pack(opened, |packer| directions.pack(last, packer));
            let mut unpacker = Unpacker::new(packer.packed(), opened);
            let back = Both::<Direction>::unpack(&mut unpacker, sides, last);
            prop_assert_eq!(format!("{back:?}"), format!("{directions:?}"));
        }
    }

    type DirectionFields = (
        ([u64; 3], [u32; 9], [Option<u32>; 9], [Option<i64>; 6]),
        ([bool; 3], Option<(u8, Option<u16>)>, Option<[u8; 6]>),
    );

    fn directions() -> impl Strategy<Value = (Direction, Side)> {
        let fields = (any::<SideFields>(), any::<DirectionFields>());
        fields.prop_map(|(side_fields, fields)| {
            let side = side(side_fields);
            (direction(&side, fields), side)
        })
    }

    fn direction(side: &Side, fields: DirectionFields) -> Direction {
        let ((counts, rare, words, times), (flags, last_ip, mac)) = fields;
        let time = |n: usize| times[n].map(Timestamp::from_nanos);
        let pair = |n: usize| Some((words[n]?, time(n - 4)?));
        Direction {
            packets: side.packets,
            bytes: counts[0],
            new_bytes: counts[1],
            iss: side.iss,
            base: words[0].map(SeqNumber),
            snd_nxt: words[1].map(SeqNumber),
            ack: words[2].map(SeqNumber),
            window: rare[0] as u16,
            window_scale: words[3].map(|scale| scale as u8),
            mss: words[7].map(|mss| mss as u16),
            sack_permitted: flags[0],
            fin: side.fin,
            ttl: side.ttl,
            last_ip: last_ip.map(|(ttl, ip_id)| (Ttl(ttl), ip_id)),
            zero_ip_ids: rare[1],
            mac: mac.map(crate::wire::MacAddress),
            several_macs: flags[1],
            timestamp_line: pair(4).zip(pair(5)).map(|(first, last)| TimestampLine {
                first,
                last,
                samples: rare[2],
            }),
            syn_times: time(2).zip(time(3)),
            syns: rare[3],
            syn_acks_after_ack: side.syn_acks_after_ack,
            retransmissions: rare[4],
            unanswered_retransmissions: side.unanswered_retransmissions,
            out_of_order: rare[5],
            keepalive_probes: rare[6],
            unanswered_probes: rare[7],
            zero_window_probes: rare[8],
            zero_windows: rare[0],
            missed_bytes: counts[2],
            missing: pair(6).map(|(start, since)| (SeqNumber(start), SeqNumber(rare[1]), since)),
            lateness: Interval::from_nanos(times[4].unwrap_or_default()),
            answered_handshake: flags[2],
            sack_edge: words[8].map(SeqNumber),
            resets: counts[2] / 2,
            first_packet: time(4),
            last_packet: time(5),
        }
    }
}
