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
        let [b0, b1] = bits.to_le_bytes();
        let [f0, f1] = flags.0.to_le_bytes();
        let [w0, w1] = window.to_le_bytes();
        let [s0, s1, s2, s3] = seq.0.to_le_bytes();
        let [a0, a1, a2, a3] = ack.0.to_le_bytes();
        into.array([
            b0,
            b1,
            f0,
            f1,
            w0,
            w1,
            ttl.0,
            traffic_class,
            s0,
            s1,
            s2,
            s3,
            a0,
            a1,
            a2,
            a3,
        ]);
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
        let [
            b0,
            b1,
            f0,
            f1,
            w0,
            w1,
            ttl,
            traffic_class,
            s0,
            s1,
            s2,
            s3,
            a0,
            a1,
            a2,
            a3,
        ] = from.array();
        let bits = u16::from_le_bytes([b0, b1]);
        let has = |bit: u16| bits & bit != 0;
        let before = before.filter(|_| has(bits::AS_BEFORE));
        Self {
            time: Packed::unpack(from),
            frame: Packed::unpack(from),
            from: match has(bits::FROM_SERVER) {
                true => Peer::Server,
                false => Peer::Client,
            },
            kind: PacketKind::at(b0 & 0x0f),
            flags: TcpFlags(u16::from_le_bytes([f0, f1])),
            seq: SeqNumber(u32::from_le_bytes([s0, s1, s2, s3])),
            ack: SeqNumber(u32::from_le_bytes([a0, a1, a2, a3])),
            len: Packed::unpack(from),
            window: u16::from_le_bytes([w0, w1]),
            ttl: Ttl(ttl),
            ip_id: has(bits::IP_ID).then(|| Packed::unpack(from)),
            dont_fragment: has(bits::DONT_FRAGMENT),
            has_options: has(bits::HAS_OPTIONS),
            housekeeping: has(bits::HOUSEKEEPING),
            traffic_class,
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
