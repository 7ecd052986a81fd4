//! A closed connection in few bytes.

use super::{Connection, SurvivedIdle};
use crate::capture::{CaptureId, FrameId};
use crate::flow::assembler::Assembler;
use crate::flow::direction::{Both, Direction};
use crate::flow::outline::Gist;
use crate::flow::packing::{Packed, Packer, Sheet, Unpacker, packed};
use crate::flow::talk::Talk;
use crate::flow::{History, LastActivity, Orientation, Packet, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;
use crate::wire::{SeqNumber, TcpFlags, Ttl};

/// What a connection has besides its directions.
pub(in crate::flow) type RestSheet = Sheet<2, 0, 9, 4>;

impl<R: StreamReader> Connection<R> {
    /// It has closed quietly, every question was answered, and nothing that packing has no place for is remembered.
    pub(in crate::flow) fn can_be_packed(&self) -> bool {
        self.is_quietly_closed()
            && self.is_settled()
            && self.icmp.is_empty()
            && self.sittings.is_none()
            && self.talk.is_at_rest()
    }

    /// Packs what belongs to neither outline nor history nor reader nor [bases](Self::bases), where it [can be](Self::can_be_packed).
    pub(in crate::flow) fn pack(&self, into: &mut Packer) {
        let Self {
            client: _,
            server: _,
            orientation,
            streams: _,
            opened: _,
            last: _,
            directions,
            history: _,
            episodes: _,
            last_activity: _,
            probes_since_activity,
            survived: _,
            first_to_speak,
            icmp: _,
            duplicates,
            cut_payload,
            response_time: _,
            sittings: _,
            established: _,
            closed: _,
            talk,
            pending_survival,
            pending_acks,
            wireshark_base: _,
            under_way: _,
        } = self;
        directions.client.pack(into);
        directions.server.pack(into);
        let mut sheet = RestSheet::begin(into);
        sheet.count(*orientation as u8);
        sheet.count(*probes_since_activity);
        sheet.count(*duplicates);
        sheet.some_peer(*first_to_speak);
        sheet.flag(*cut_payload);
        for peer in [Peer::Client, Peer::Server] {
            let pending = pending_acks.of(peer);
            sheet.some_seq(pending.map(|(end, _)| end));
            if let Some((_, since)) = pending {
                sheet.time(*since);
            }
            talk.of(peer).list(&mut sheet);
        }
        sheet.flag(pending_survival.is_some());
        sheet.pack(into);
        if let Some(survival) = pending_survival {
            survival.pack(into);
        }
    }

    /// The connection that was packed, as yet without history and bases.
    pub(in crate::flow) fn unpack(
        from: &mut Unpacker<'_>,
        (streams, opened): (Vec<(CaptureId, u32)>, Timestamp),
        gist: Gist,
        reader: Option<Box<R>>,
    ) -> Self {
        let Both { client, server } = gist.sides;
        let response_time = Both {
            client: client.response_time,
            server: server.response_time,
        };
        let directions = Both {
            client: Direction::unpack(from, client),
            server: Direction::unpack(from, server),
        };
        let mut sheet = RestSheet::unpack(from);
        let orientation = Orientation::at(sheet.take_count() as u8);
        let probes_since_activity = sheet.take_count() as u16;
        let duplicates = sheet.take_count();
        let first_to_speak = sheet.take_some_peer();
        let cut_payload = sheet.take_flag();
        let mut pending_acks = Both::default();
        let mut assemblers = Both::<Assembler>::default();
        for peer in [Peer::Client, Peer::Server] {
            let pending = sheet.take_some_seq();
            *pending_acks.of_mut(peer) = pending.map(|end| (end, sheet.take_time()));
            *assemblers.of_mut(peer) = Assembler::listed(&mut sheet);
        }
        let pending_survival = sheet.take_flag().then(|| Packed::unpack(from));
        Self {
            client: gist.client,
            server: gist.server,
            orientation,
            streams,
            opened,
            last: gist.last,
            directions,
            history: History::default(),
            episodes: Vec::new(),
            last_activity: gist.last_activity,
            probes_since_activity,
            survived: gist.survived,
            first_to_speak,
            icmp: Vec::new(),
            duplicates,
            cut_payload,
            response_time,
            sittings: None,
            established: gist.established,
            closed: gist.closed,
            talk: Talk::at_rest(assemblers, reader),
            pending_survival,
            pending_acks,
            wireshark_base: Both::default(),
            under_way: None,
        }
    }

    /// Whoever reads its dialogue.
    pub(in crate::flow) fn reader_at_rest(&self) -> Option<&R> {
        self.talk.reader_at_rest()
    }
}

packed!(SurvivedIdle {
    application,
    wire,
    after,
    resumed_by,
    frame,
});

/// What a packet has of what not every packet has, and its few-valued fields, as bits above its kind's four.
mod bits {
    pub(super) const FROM_SERVER: u32 = 1 << 4;
    pub(super) const DONT_FRAGMENT: u32 = 1 << 5;
    pub(super) const HAS_OPTIONS: u32 = 1 << 6;
    pub(super) const HOUSEKEEPING: u32 = 1 << 7;
    pub(super) const IP_ID: u32 = 1 << 8;
    pub(super) const TIMESTAMPS: u32 = 1 << 9;
    pub(super) const SRC_MAC: u32 = 1 << 10;
    /// The same as that of the packet that was packed before it, or of the one before that.
    pub(super) const MAC_BEFORE: u32 = 1 << 11;
    pub(super) const MAC_EARLIER: u32 = 1 << 18;
    pub(super) const PREVIOUS_PACKET: u32 = 1 << 12;
    /// The packet before it is the one that was packed before it.
    pub(super) const FOLLOWS: u32 = 1 << 13;
    pub(super) const LAST_ACTIVITY: u32 = 1 << 14;
    /// The same as that of the packet that was packed before it.
    pub(super) const SAME_ACTIVITY: u32 = 1 << 15;
    /// The packet that was packed before it.
    pub(super) const ACTIVITY_BEFORE: u32 = 1 << 16;
    /// What few packets have.
    pub(super) const RARE: u32 = 1 << 17;
}

/// Bytes of what all packets have, and of the timestamps that follow where there are any.
const PACKET: usize = 4 * 8;
const CLOCKS: usize = 8;

/// What few packets have, all 0 in others: the time since the packet before it beyond what 32 bits hold, the capture, the interface
/// and probes.
type Rare = [u64; 4];

/// The packets that were packed before one, newest first.
pub(in crate::flow) type Earlier<'a> = [Option<&'a Packet>; 2];

/// The packets of a history are most of what is packed: what is there in all of them goes at once, the rest where there is any.
impl Packet {
    /// The last two of these.
    pub(in crate::flow) fn newest_two(packets: &[Self]) -> Earlier<'_> {
        let mut newest = packets.iter().rev();
        [newest.next(), newest.next()]
    }

    fn as_activity(&self) -> LastActivity {
        LastActivity {
            time: self.time,
            frame: self.frame,
            from: self.from,
        }
    }

    /// Packs it.
    pub(in crate::flow) fn pack_after(&self, [before, earlier]: Earlier<'_>, into: &mut Packer) {
        let Self {
            time,
            frame,
            from,
            kind,
            flags,
            seq,
            ack,
            len,
            window,
            ttl,
            ip_id,
            dont_fragment,
            has_options,
            housekeeping,
            traffic_class,
            timestamps,
            src_mac,
            interface,
            previous_packet,
            last_activity,
            probes_since_activity,
        } = *self;
        let (mut follows, mut same_activity, mut activity_before) = (false, false, false);
        let (mut mac_before, mut mac_earlier) = (false, false);
        if let Some(before) = before {
            follows = previous_packet == Some(before.time);
            same_activity = last_activity == before.last_activity;
            activity_before = last_activity == Some(before.as_activity());
            mac_before = src_mac == before.src_mac;
            mac_earlier = earlier.is_some_and(|earlier| src_mac == earlier.src_mac);
        }
        let since = into.since_last(time);
        let rare: Rare = [
            since >> 32,
            u64::from(frame.capture.0),
            u64::from(interface),
            u64::from(probes_since_activity),
        ];
        let is_rare = rare.iter().fold(0, |all, one| all | one) != 0;
        let bit = |set: bool, bit: u32| u32::from(set) * bit;
        let bits = kind as u32
            | bit(from == Peer::Server, bits::FROM_SERVER)
            | bit(dont_fragment, bits::DONT_FRAGMENT)
            | bit(has_options, bits::HAS_OPTIONS)
            | bit(housekeeping, bits::HOUSEKEEPING)
            | bit(ip_id.is_some(), bits::IP_ID)
            | bit(timestamps.is_some(), bits::TIMESTAMPS)
            | bit(src_mac.is_some(), bits::SRC_MAC)
            | bit(mac_before, bits::MAC_BEFORE)
            | bit(mac_earlier, bits::MAC_EARLIER)
            | bit(previous_packet.is_some(), bits::PREVIOUS_PACKET)
            | bit(follows, bits::FOLLOWS)
            | bit(last_activity.is_some(), bits::LAST_ACTIVITY)
            | bit(same_activity, bits::SAME_ACTIVITY)
            | bit(activity_before, bits::ACTIVITY_BEFORE)
            | bit(is_rare, bits::RARE);
        let clocks = timestamps.map_or(0, |clocks| {
            u64::from(clocks.value) | u64::from(clocks.echo) << 32
        });
        let kept = PACKET + usize::from(timestamps.is_some()) * CLOCKS;
        into.words(
            kept,
            [
                u64::from(bits) | u64::from(flags.0) << 32 | u64::from(window) << 48,
                u64::from(seq.0) | u64::from(ack.0) << 32,
                u64::from(since as u32) | u64::from(frame.number.0) << 32,
                u64::from(len)
                    | u64::from(ip_id.unwrap_or_default()) << 32
                    | u64::from(ttl.0) << 48
                    | u64::from(traffic_class) << 56,
                clocks,
            ],
        );
        if let Some(mac) = src_mac
            && !mac_before
            && !mac_earlier
        {
            mac.pack(into);
        }
        if let Some(previous) = previous_packet
            && !follows
        {
            into.array(previous.as_nanos().to_le_bytes());
        }
        if let Some(activity) = last_activity
            && !same_activity
            && !activity_before
        {
            into.array(activity.time.as_nanos().to_le_bytes());
            let from = u64::from(activity.from == Peer::Server) << 63;
            into.array((activity.frame.as_number() | from).to_le_bytes());
        }
        if is_rare {
            into.numbers(&rare);
        }
    }

    /// The next packet.
    pub(in crate::flow) fn unpack_after(
        [before, earlier]: Earlier<'_>,
        from: &mut Unpacker<'_>,
    ) -> Self {
        let [header, numbers, place, sizes] = from.words();
        let bits = header as u32;
        let has = |bit: u32| bits & bit != 0;
        let timestamps = has(bits::TIMESTAMPS).then(|| Packed::unpack(from));
        let src_mac = if has(bits::MAC_BEFORE) {
            before.and_then(|old| old.src_mac)
        } else if has(bits::MAC_EARLIER) {
            earlier.and_then(|old| old.src_mac)
        } else {
            has(bits::SRC_MAC).then(|| Packed::unpack(from))
        };
        let nanos =
            |from: &mut Unpacker<'_>| Timestamp::from_nanos(i64::from_le_bytes(from.array()));
        let previous_packet = match before {
            Some(before) if has(bits::FOLLOWS) => Some(before.time),
            _ => has(bits::PREVIOUS_PACKET).then(|| nanos(from)),
        };
        let last_activity = match before {
            Some(before) if has(bits::SAME_ACTIVITY) => before.last_activity,
            Some(before) if has(bits::ACTIVITY_BEFORE) => Some(before.as_activity()),
            _ => has(bits::LAST_ACTIVITY).then(|| {
                let time = nanos(from);
                let frame = u64::from_le_bytes(from.array());
                LastActivity {
                    time,
                    frame: FrameId::from_number(frame & !(1 << 63)),
                    from: peer(frame >> 63 != 0),
                }
            }),
        };
        let rare: Rare = match has(bits::RARE) {
            true => from.numbers(),
            false => Rare::default(),
        };
        let [later, capture, interface, probes] = rare;
        Self {
            time: from.after_last(later << 32 | u64::from(place as u32)),
            frame: FrameId::from_number(capture << 32 | place >> 32),
            from: peer(has(bits::FROM_SERVER)),
            kind: PacketKind::at(bits as u8 & 0x0f),
            flags: TcpFlags((header >> 32) as u16),
            seq: SeqNumber(numbers as u32),
            ack: SeqNumber((numbers >> 32) as u32),
            len: sizes as u32,
            window: (header >> 48) as u16,
            ttl: Ttl((sizes >> 48) as u8),
            ip_id: has(bits::IP_ID).then_some((sizes >> 32) as u16),
            dont_fragment: has(bits::DONT_FRAGMENT),
            has_options: has(bits::HAS_OPTIONS),
            housekeeping: has(bits::HOUSEKEEPING),
            traffic_class: (sizes >> 56) as u8,
            timestamps,
            src_mac,
            interface: interface as u32,
            previous_packet,
            last_activity,
            probes_since_activity: probes as u16,
        }
    }
}

const fn peer(server: bool) -> Peer {
    match server {
        true => Peer::Server,
        false => Peer::Client,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::{FrameId, FrameNumber};
    use crate::wire::{MacAddress, Timestamps};

    type Fields = (
        (i64, u16, u32, bool, u8, u16),
        (u32, u32, u32, u16, u8, u8),
        (Option<u16>, Option<(u32, u32)>, Option<[u8; 6]>, u32, u16),
        ([bool; 3], Option<i64>, Option<(i64, u32, bool)>, [bool; 2]),
    );

    /// A packet of these fields, some of them as often in the packet before.
    fn packet(fields: Fields, before: Option<&Packet>) -> Packet {
        let (
            (time, capture, number, from_server, kind, flags),
            (seq, ack, len, window, ttl, traffic_class),
            (ip_id, clocks, mac, interface, probes_since_activity),
            ([dont_fragment, has_options, housekeeping], previous, activity, [follows, as_idle]),
        ) = fields;
        let peer = |server| if server { Peer::Server } else { Peer::Client };
        let frame = |number| FrameId {
            capture: CaptureId(capture),
            number: FrameNumber(number),
        };
        Packet {
            time: Timestamp::from_nanos(time),
            frame: frame(number),
            from: peer(from_server),
            kind: PacketKind::at(kind % 9),
            flags: TcpFlags(flags & 0xfff),
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            len,
            window,
            ttl: Ttl(ttl),
            ip_id,
            dont_fragment,
            has_options,
            housekeeping,
            traffic_class,
            timestamps: clocks.map(|(value, echo)| Timestamps { value, echo }),
            src_mac: mac.map(MacAddress),
            interface,
            previous_packet: match before {
                Some(before) if follows => Some(before.time),
                _ => previous.map(Timestamp::from_nanos),
            },
            last_activity: match before {
                Some(before) if as_idle => before.last_activity,
                _ => activity.map(|(time, number, server)| LastActivity {
                    time: Timestamp::from_nanos(time),
                    frame: frame(number),
                    from: peer(server),
                }),
            },
            probes_since_activity,
        }
    }

    proptest! {
        #[test]
        fn any_packets_come_back(all: Vec<Fields>) {
            let mut packets: Vec<Packet> = Vec::new();
            for fields in all {
                packets.push(packet(fields, packets.last()));
            }
            let mut packer = Packer::default();
            let mut before = [None; 2];
            for packet in &packets {
                packet.pack_after(before, &mut packer);
                before = [Some(packet), before[0]];
            }
            let mut unpacker = Unpacker::new(packer.packed(), Timestamp::default());
            let mut back: Vec<Packet> = Vec::new();
            for _ in &packets {
                let packet = Packet::unpack_after(Packet::newest_two(&back), &mut unpacker);
                back.push(packet);
            }
            prop_assert_eq!(format!("{:?}", back), format!("{:?}", packets));
        }
    }
}
