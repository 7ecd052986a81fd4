//! A closed connection in few bytes.

use super::{Connection, SurvivedIdle};
use crate::capture::CaptureId;
use crate::flow::packing::{Packed, Packer, Unpacker, packed};
use crate::flow::talk::Talk;
use crate::flow::{History, LastActivity, Packet, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;
use crate::wire::{SeqNumber, TcpFlags, Ttl};

impl<R: StreamReader> Connection<R> {
    /// It has closed quietly, every question was answered, and nothing that packing has no place for is remembered.
    pub(in crate::flow) fn can_be_packed(&self) -> bool {
        self.is_quietly_closed()
            && self.is_settled()
            && self.icmp.is_empty()
            && self.sittings.is_none()
            && self.talk.is_at_rest()
    }

    /// Packs all but streams, opening time, history and reader, where it [can be](Self::can_be_packed).
    pub(in crate::flow) fn pack(&self, into: &mut Packer) {
        let Self {
            client,
            server,
            orientation,
            streams: _,
            opened: _,
            last,
            directions,
            history: _,
            episodes: _,
            last_activity,
            probes_since_activity,
            survived,
            first_to_speak,
            icmp: _,
            duplicates,
            cut_payload,
            response_time,
            sittings: _,
            established,
            closed,
            talk,
            pending_survival,
            pending_acks,
            wireshark_base,
            under_way: _,
        } = self;
        client.pack(into);
        server.pack(into);
        orientation.pack(into);
        established.pack(into);
        last.pack(into);
        closed.pack(into);
        directions.pack(into);
        last_activity.pack(into);
        probes_since_activity.pack(into);
        survived.pack(into);
        first_to_speak.pack(into);
        duplicates.pack(into);
        cut_payload.pack(into);
        response_time.pack(into);
        talk.pack(into);
        pending_survival.pack(into);
        pending_acks.pack(into);
        wireshark_base.pack(into);
    }

    /// The connection that was packed, as yet without history and [reader](Self::listen_again).
    pub(in crate::flow) fn unpack(
        from: &mut Unpacker<'_>,
        streams: Vec<(CaptureId, u32)>,
        opened: Timestamp,
    ) -> Self {
        let (client, server) = Packed::unpack(from);
        let orientation = Packed::unpack(from);
        let established = Packed::unpack(from);
        let last = Packed::unpack(from);
        let closed = Packed::unpack(from);
        let directions = Packed::unpack(from);
        Self {
            client,
            server,
            orientation,
            streams,
            opened,
            last,
            directions,
            history: History::default(),
            episodes: Vec::new(),
            last_activity: Packed::unpack(from),
            probes_since_activity: Packed::unpack(from),
            survived: Packed::unpack(from),
            first_to_speak: Packed::unpack(from),
            icmp: Vec::new(),
            duplicates: Packed::unpack(from),
            cut_payload: Packed::unpack(from),
            response_time: Packed::unpack(from),
            sittings: None,
            established,
            closed,
            talk: Talk::unpack(from),
            pending_survival: Packed::unpack(from),
            pending_acks: Packed::unpack(from),
            wireshark_base: Packed::unpack(from),
            under_way: None,
        }
    }

    /// Whoever reads its dialogue.
    pub(in crate::flow) fn reader_at_rest(&self) -> Option<&R> {
        self.talk.reader_at_rest()
    }

    /// Its reader is back.
    pub(in crate::flow) fn listen_again(&mut self, reader: Option<Box<R>>) {
        self.talk.listen_again(reader);
    }
}

packed!(SurvivedIdle {
    application,
    wire,
    after,
    resumed_by,
    frame,
});
packed!(LastActivity { time, frame, from });

/// What a packet has of what not every packet has, and its few-valued fields, as bits.
mod bits {
    pub(super) const FROM_SERVER: u16 = 1 << 4;
    pub(super) const DONT_FRAGMENT: u16 = 1 << 5;
    pub(super) const HAS_OPTIONS: u16 = 1 << 6;
    pub(super) const HOUSEKEEPING: u16 = 1 << 7;
    pub(super) const IP_ID: u16 = 1 << 8;
    pub(super) const TIMESTAMPS: u16 = 1 << 9;
    pub(super) const SRC_MAC: u16 = 1 << 10;
    pub(super) const PREVIOUS_PACKET: u16 = 1 << 11;
    pub(super) const LAST_ACTIVITY: u16 = 1 << 12;
    pub(super) const INTERFACE: u16 = 1 << 13;
    pub(super) const PROBES: u16 = 1 << 14;
    /// The packet before it is the one that was packed before it, and both have the same last activity.
    pub(super) const AS_BEFORE: u16 = 1 << 15;
}

/// The packets of a history are most of what is packed: what is there in all of them goes at once, the rest where there is any.
impl Packet {
    /// Packs it; `before` is the one that was packed before it.
    pub(in crate::flow) fn pack_after(&self, before: Option<&Self>, into: &mut Packer) {
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
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        let as_before = before.is_some_and(|before| {
            previous_packet == Some(before.time) && last_activity == before.last_activity
        });
        let bits = kind as u16
            | bit(as_before, bits::AS_BEFORE)
            | bit(from == Peer::Server, bits::FROM_SERVER)
            | bit(dont_fragment, bits::DONT_FRAGMENT)
            | bit(has_options, bits::HAS_OPTIONS)
            | bit(housekeeping, bits::HOUSEKEEPING)
            | bit(ip_id.is_some(), bits::IP_ID)
            | bit(timestamps.is_some(), bits::TIMESTAMPS)
            | bit(src_mac.is_some(), bits::SRC_MAC)
            | bit(previous_packet.is_some(), bits::PREVIOUS_PACKET)
            | bit(last_activity.is_some(), bits::LAST_ACTIVITY)
            | bit(interface != 0, bits::INTERFACE)
            | bit(probes_since_activity != 0, bits::PROBES);
        let always = u128::from(bits)
            | u128::from(flags.0) << 16
            | u128::from(window) << 32
            | u128::from(ttl.0) << 48
            | u128::from(traffic_class) << 56
            | u128::from(seq.0) << 64
            | u128::from(ack.0) << 96;
        into.array(always.to_le_bytes());
        time.pack(into);
        frame.pack(into);
        len.pack(into);
        pack_some(ip_id, into);
        pack_some(timestamps, into);
        pack_some(src_mac, into);
        if !as_before {
            pack_some(previous_packet, into);
            pack_some(last_activity, into);
        }
        pack_some((interface != 0).then_some(interface), into);
        pack_some(
            (probes_since_activity != 0).then_some(probes_since_activity),
            into,
        );
    }

    /// The next packet.
    pub(in crate::flow) fn unpack_after(before: Option<&Self>, from: &mut Unpacker<'_>) -> Self {
        let always = u128::from_le_bytes(from.array());
        let bits = always as u16;
        let has = |bit: u16| bits & bit != 0;
        let before = before.filter(|_| has(bits::AS_BEFORE));
        Self {
            time: Packed::unpack(from),
            frame: Packed::unpack(from),
            from: match has(bits::FROM_SERVER) {
                true => Peer::Server,
                false => Peer::Client,
            },
            kind: PacketKind::at(bits as u8 & 0x0f),
            flags: TcpFlags((always >> 16) as u16),
            seq: SeqNumber((always >> 64) as u32),
            ack: SeqNumber((always >> 96) as u32),
            len: Packed::unpack(from),
            window: (always >> 32) as u16,
            ttl: Ttl((always >> 48) as u8),
            ip_id: has(bits::IP_ID).then(|| Packed::unpack(from)),
            dont_fragment: has(bits::DONT_FRAGMENT),
            has_options: has(bits::HAS_OPTIONS),
            housekeeping: has(bits::HOUSEKEEPING),
            traffic_class: (always >> 56) as u8,
            timestamps: has(bits::TIMESTAMPS).then(|| Packed::unpack(from)),
            src_mac: has(bits::SRC_MAC).then(|| Packed::unpack(from)),
            previous_packet: match before {
                Some(before) => Some(before.time),
                None => has(bits::PREVIOUS_PACKET).then(|| Packed::unpack(from)),
            },
            last_activity: match before {
                Some(before) => before.last_activity,
                None => has(bits::LAST_ACTIVITY).then(|| Packed::unpack(from)),
            },
            interface: match has(bits::INTERFACE) {
                true => Packed::unpack(from),
                false => 0,
            },
            probes_since_activity: match has(bits::PROBES) {
                true => Packed::unpack(from),
                false => 0,
            },
        }
    }
}

#[inline]
fn pack_some<T: Packed>(value: Option<T>, into: &mut Packer) {
    if let Some(value) = value {
        value.pack(into);
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
            let mut before = None;
            for packet in &packets {
                packet.pack_after(before, &mut packer);
                before = Some(packet);
            }
            let mut unpacker = Unpacker::new(packer.packed(), Timestamp::default());
            let mut back: Vec<Packet> = Vec::new();
            for _ in &packets {
                back.push(Packet::unpack_after(back.last(), &mut unpacker));
            }
            prop_assert_eq!(format!("{:?}", back), format!("{:?}", packets));
        }
    }
}
