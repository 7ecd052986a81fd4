//! What most of a report needs of a connection: plain facts, without its packets and without what was said.
//!
//! They come first in what is [packed](crate::flow::Kept) of a closed connection: the rest need not be unpacked where nothing went
//! wrong.

use std::net::IpAddr;
use std::ops::Deref;

use crate::capture::{CaptureId, FrameId};
use crate::flow::packing::{Packed, Packer, Sheet, Unpacker};
use crate::flow::{
    Both, Connection, Episode, FinSeen, IcmpSeen, LastActivity, Peer, StreamReader, SurvivedIdle,
    TtlProfile,
};
use crate::time::{Interval, Timestamp};
use crate::wire::{SeqNumber, Ttl};

/// A connection in outline.
#[derive(Debug)]
pub struct Outline<'a, R: StreamReader> {
    /// The capture that showed it first, and its `tcp.stream` there.
    pub stream: (CaptureId, u32),
    /// First packet.
    pub opened: Timestamp,
    /// What is plain.
    pub gist: Gist,
    /// Reset events; see [`Connection::episodes`].
    pub episodes: &'a [Episode<R::Snapshot>],
    /// ICMP errors about it; see [`Connection::icmp`].
    pub icmp: &'a [IcmpSeen],
    /// What its reader tells; `None` before anything was said.
    pub reader: Option<R::Outline>,
}

impl<R: StreamReader> Deref for Outline<'_, R> {
    type Target = Gist;

    fn deref(&self) -> &Gist {
        &self.gist
    }
}

impl<'a, R: StreamReader> Outline<'a, R> {
    /// Of a whole connection.
    pub fn of(connection: &'a Connection<R>) -> Self {
        Self {
            stream: connection.streams.first().copied().unwrap_or_default(),
            opened: connection.opened,
            gist: Gist::of(connection),
            episodes: &connection.episodes,
            icmp: &connection.icmp,
            reader: connection.reader().map(|reader| reader.outline()),
        }
    }
}

/// The plain facts of an [`Outline`]; see the fields of the same names of [`Connection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gist {
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// The server's address and port.
    pub server: (IpAddr, u16),
    /// Newest packet.
    pub last: Timestamp,
    /// When the handshake was complete.
    pub established: Option<Timestamp>,
    /// Time of the closing ACK of the second FIN.
    pub closed: Option<Timestamp>,
    /// The application's last activity.
    pub last_activity: Option<LastActivity>,
    /// Silences survived, longest first.
    pub survived: Vec<SurvivedIdle>,
    /// What each side did.
    pub sides: Both<Side>,
}

/// What one sender did; see the fields of the same names of [`Direction`](crate::flow::Direction).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Packets, duplicates excluded.
    pub packets: u64,
    /// Initial sequence number, where the SYN was seen.
    pub iss: Option<SeqNumber>,
    /// Its FIN.
    pub fin: Option<FinSeen>,
    /// TTLs of its packets but RSTs.
    pub ttl: TtlProfile,
    /// Shortest time in which it acknowledged something.
    pub response_time: Option<Interval>,
    /// Segments sent again since its peer last acknowledged anything new.
    pub unanswered_retransmissions: u32,
    /// SYN-ACKs repeated after the client's ACK had been seen.
    pub syn_acks_after_ack: u32,
}

/// The round trip between both ends: the two halves that the point of capture sees (see science of vantage points: SYN to SYN-ACK
/// is the way to the server and back, SYN-ACK to ACK the way to the client and back).
pub(super) fn round_trip(client: Option<Interval>, server: Option<Interval>) -> Option<Interval> {
    match (client, server) {
        (Some(client), Some(server)) => Some(client + server),
        (one, other) => one.or(other),
    }
}

impl Gist {
    pub(super) fn of<R: StreamReader>(connection: &Connection<R>) -> Self {
        let side = |peer: Peer| {
            let direction = connection.directions.of(peer);
            Side {
                packets: direction.packets,
                iss: direction.iss,
                fin: direction.fin,
                ttl: direction.ttl,
                response_time: *connection.response_time.of(peer),
                unanswered_retransmissions: direction.unanswered_retransmissions,
                syn_acks_after_ack: direction.syn_acks_after_ack,
            }
        };
        Self {
            client: connection.client,
            server: connection.server,
            last: connection.last,
            established: connection.established,
            closed: connection.closed,
            last_activity: connection.last_activity,
            survived: connection.survived.clone(),
            sides: Both {
                client: side(Peer::Client),
                server: side(Peer::Server),
            },
        }
    }

    /// The client's and the server's address and port, with which it begins.
    pub(super) fn unpack_ends(from: &mut Unpacker<'_>) -> Both<(IpAddr, u16)> {
        Both {
            client: unpack_end(from),
            server: unpack_end(from),
        }
    }

    /// See [`Connection::round_trip`].
    pub fn round_trip(&self) -> Option<Interval> {
        let Both { client, server } = &self.sides;
        round_trip(client.response_time, server.response_time)
    }
}

/// Of both sides and the connection.
type GistSheet = Sheet<11, 3, 2, 8, 17>;

impl Packed for Gist {
    fn pack(&self, into: &mut Packer) {
        let Self {
            client,
            server,
            last,
            established,
            closed,
            last_activity,
            survived,
            sides,
        } = self;
        pack_end(*client, into);
        pack_end(*server, into);
        let mut sheet = GistSheet::begin(into);
        sheet.flag(!survived.is_empty());
        sheet.some_time(*established);
        sheet.some_time(*closed);
        sheet.same_time(*last, closed.unwrap_or(sheet.opened()));
        sheet.some_activity(*last_activity);
        let activity = last_activity.unwrap_or(sheet.no_activity());
        sides.client.list(activity, &mut sheet);
        sides.server.list(activity, &mut sheet);
        sheet.pack(into);
        if !survived.is_empty() {
            survived.pack(into);
        }
    }

    #[inline(always)]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let Both { client, server } = Self::unpack_ends(from);
        let mut sheet = GistSheet::unpack(from);
        let survived_any = sheet.take_flag();
        let (established, closed) = (sheet.take_some_time(), sheet.take_some_time());
        let last = sheet.take_same_time(closed.unwrap_or(sheet.opened()));
        let last_activity = sheet.take_some_activity();
        let activity = last_activity.unwrap_or(sheet.no_activity());
        Self {
            client,
            server,
            last,
            established,
            closed,
            last_activity,
            sides: Both {
                client: Side::listed(activity, &mut sheet),
                server: Side::listed(activity, &mut sheet),
            },
            survived: match survived_any {
                true => Packed::unpack(from),
                false => Vec::new(),
            },
        }
    }
}

fn pack_end((address, port): (IpAddr, u16), into: &mut Packer) {
    address.pack(into);
    into.array(port.to_le_bytes());
}

fn unpack_end(from: &mut Unpacker<'_>) -> (IpAddr, u16) {
    (Packed::unpack(from), u16::from_le_bytes(from.array()))
}

impl Side {
    /// `activity` is mostly the newest before its FIN, too.
    #[inline(always)]
    fn list(&self, activity: LastActivity, sheet: &mut GistSheet) {
        let Self {
            packets,
            iss,
            fin,
            ttl,
            response_time,
            unanswered_retransmissions,
            syn_acks_after_ack,
        } = self;
        sheet.count(*packets);
        sheet.some_seq(*iss);
        list_fin(*fin, activity, sheet);
        // One sender's packets mostly bear one TTL.
        let [(first, count), second, third, fourth] = ttl.values();
        let ttls = [first, second.0, third.0, fourth.0].map(|ttl| ttl.0);
        sheet.word(u32::from_le_bytes(ttls));
        sheet.rare(packets.wrapping_sub(u64::from(count)));
        sheet.rare(second.1);
        sheet.rare(third.1);
        sheet.rare(fourth.1);
        sheet.some_interval(*response_time);
        sheet.rare(*unanswered_retransmissions);
        sheet.rare(*syn_acks_after_ack);
    }

    #[inline(always)]
    fn listed(activity: LastActivity, sheet: &mut GistSheet) -> Self {
        let packets = sheet.take_count();
        Self {
            packets,
            iss: sheet.take_some_seq(),
            fin: listed_fin(activity, sheet),
            ttl: {
                let [first, second, third, fourth] = sheet.take_word().to_le_bytes().map(Ttl);
                TtlProfile::of([
                    (first, packets.wrapping_sub(sheet.take_rare()) as u32),
                    (second, sheet.take_rare() as u32),
                    (third, sheet.take_rare() as u32),
                    (fourth, sheet.take_rare() as u32),
                ])
            },
            response_time: sheet.take_some_interval(),
            unanswered_retransmissions: sheet.take_rare() as u32,
            syn_acks_after_ack: sheet.take_rare() as u32,
        }
    }
}

#[inline(always)]
fn list_fin(fin: Option<FinSeen>, activity: LastActivity, sheet: &mut GistSheet) {
    sheet.flag(fin.is_some());
    let FinSeen {
        time,
        frame,
        seq,
        ack,
        last_activity,
        wire_idle,
        acked_at,
    } = fin.unwrap_or(FinSeen {
        time: sheet.opened(),
        frame: FrameId::default(),
        seq: SeqNumber::default(),
        ack: None,
        last_activity: None,
        wire_idle: None,
        acked_at: None,
    });
    sheet.time(time);
    sheet.frame(frame);
    sheet.word(seq.0);
    sheet.some_seq(ack);
    sheet.same_activity(last_activity, activity);
    sheet.some_interval(wire_idle);
    sheet.some_time(acked_at);
}

#[inline(always)]
fn listed_fin(activity: LastActivity, sheet: &mut GistSheet) -> Option<FinSeen> {
    let known = sheet.take_flag();
    let fin = FinSeen {
        time: sheet.take_time(),
        frame: sheet.take_frame(),
        seq: SeqNumber(sheet.take_word()),
        ack: sheet.take_some_seq(),
        last_activity: sheet.take_same_activity(activity),
        wire_idle: sheet.take_some_interval(),
        acked_at: sheet.take_some_time(),
    };
    known.then_some(fin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::{FrameId, FrameNumber};
    use crate::flow::Direction;

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
                wire_idle: wire_idle.map(Interval::from_nanos),
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
                survived: survived.into_iter().map(survival).collect(),
                sides: Both {
                    client: side(sides.0),
                    server: side(sides.1),
                },
            };
            let opened = Timestamp::from_nanos(opened);
            let mut packer = Packer::default();
            packer.pack(opened, |packer| gist.pack(packer));
            prop_assert_eq!(Gist::unpack(&mut Unpacker::new(packer.packed(), opened)), gist);
        }

        #[test]
        fn every_direction_comes_back_with_its_side(
            opened: i64,
            side_fields: SideFields,
            counts: [u64; 3],
            rare: [u32; 9],
            words: [Option<u32>; 9],
            times: [Option<i64>; 6],
            flags: [bool; 3],
            last_ip: Option<(u8, Option<u16>)>,
            mac: Option<[u8; 6]>,
        ) {
            let side = side(side_fields);
            let time = |n: usize| times[n].map(Timestamp::from_nanos);
            let pair = |n: usize| Some((words[n]?, time(n - 4)?));
            let direction = Direction {
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
                timestamp_line: pair(4).zip(pair(5)).map(|(first, last)| crate::flow::TimestampLine {
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
            };
            let opened = Timestamp::from_nanos(opened);
            let mut packer = Packer::default();
            packer.pack(opened, |packer| direction.pack(packer));
            let back = Direction::unpack(&mut Unpacker::new(packer.packed(), opened), side);
            prop_assert_eq!(format!("{back:?}"), format!("{direction:?}"));
        }
    }
}
