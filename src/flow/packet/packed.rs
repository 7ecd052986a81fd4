//! A history's packets in few bytes.

use super::{LastActivity, Packet, PacketKind};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::packing::{Packed, Packer, Unpacker};
use crate::flow::{Both, Peer};
use crate::time::Timestamp;
use crate::wire::{Head, MacAddress, SeqNumber, TcpFlags, Timestamps, Ttl};

/// A packet's few-valued fields, and what of it is told apart, as bits above those of its kind and flags.
mod bits {
    /// The kind takes four bits, the flags twelve.
    pub(super) const FLAGS: u32 = 4;
    pub(super) const FROM_SERVER: u32 = 1 << 16;
    pub(super) const DONT_FRAGMENT: u32 = 1 << 17;
    pub(super) const HAS_OPTIONS: u32 = 1 << 18;
    pub(super) const HOUSEKEEPING: u32 = 1 << 19;
    pub(super) const IP_ID: u32 = 1 << 20;
    pub(super) const TIMESTAMPS: u32 = 1 << 21;
    /// It has other numbers than those that follow on the packet before.
    pub(super) const NUMBERS: u32 = 1 << 22;
    /// What few packets have follows.
    pub(super) const RARE: u32 = 1 << 23;
}

/// Bytes of what all packets have, and of the numbers of those that have others than expected.
const PACKET: usize = 3 * 8;
const NUMBERS: usize = 3 * 4;

/// A sender's sequence number, acknowledgement and timestamp echo.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Numbers {
    seq: SeqNumber,
    ack: SeqNumber,
    echo: u32,
}

/// What was packed before a packet: of most packets, much follows from it.
#[derive(Clone)]
pub(super) struct Before {
    time: Timestamp,
    capture: CaptureId,
    interface: u32,
    from: Peer,
    /// What its sender says next, if nobody else says anything.
    next: Numbers,
    /// Its timestamp, which its receiver echoes.
    clock: u32,
    /// The application's last activity.
    activity: Option<LastActivity>,
    /// Those that the senders mostly have.
    macs: Both<Option<MacAddress>>,
}

impl Before {
    /// Nothing yet; the senders mostly have these MACs.
    pub(super) const fn none(opened: Timestamp, macs: Both<Option<MacAddress>>) -> Self {
        Self {
            time: opened,
            capture: CaptureId(0),
            interface: 0,
            from: Peer::Client,
            next: Numbers {
                seq: SeqNumber(0),
                ack: SeqNumber(0),
                echo: 0,
            },
            clock: 0,
            activity: None,
            macs,
        }
    }

    /// A packet was packed.
    #[inline(always)]
    pub(super) fn follow(&mut self, packet: &Packet) {
        let Packet { head, .. } = packet;
        let (clock, echo) = clocks(head.timestamps);
        self.time = head.time;
        self.capture = head.frame.capture;
        self.interface = head.interface;
        self.from = packet.from;
        self.next = Numbers {
            seq: packet.end(),
            ack: head.ack,
            echo,
        };
        self.clock = clock;
        self.activity = match packet.is_new_data() && !packet.housekeeping {
            true => Some(LastActivity {
                time: head.time,
                frame: head.frame,
                from: packet.from,
            }),
            false => packet.last_activity,
        };
    }

    /// Whoever speaks next goes on where he ended, and acknowledges what the other one said.
    #[inline(always)]
    fn expected(&self, from: Peer) -> Numbers {
        match from == self.from {
            true => self.next,
            false => Numbers {
                seq: self.next.ack,
                ack: self.next.seq,
                echo: self.clock,
            },
        }
    }

    /// What few packets have is nothing that has to be told of this one.
    #[inline(always)]
    fn tells_all_of(&self, packet: &Packet, since: u64) -> bool {
        let head = &packet.head;
        let beyond = since >> 32
            | u64::from(head.frame.capture.0 ^ self.capture.0)
            | u64::from(head.interface ^ self.interface)
            | u64::from(packet.probes_since_activity)
            | u64::from(head.payload_len >> 16)
            | u64::from(head.flags.0 >> 12);
        beyond == 0
            && packet.previous_packet == Some(self.time)
            && packet.last_activity == self.activity
            && head.src_mac == *self.macs.of(packet.from)
    }
}

/// Value and echo.
#[inline(always)]
fn clocks(timestamps: Option<Timestamps>) -> (u32, u32) {
    timestamps.map_or((0, 0), |clocks| (clocks.value, clocks.echo))
}

/// The packets of a history are most of what is packed: what is there in all of them goes at once, the rest where there is any.
impl Packet {
    /// Packs it.
    #[inline(always)]
    pub(super) fn pack_after(&self, before: &Before, into: &mut Packer) {
        let head = &self.head;
        let since = head.time.as_nanos().wrapping_sub(before.time.as_nanos()) as u64;
        let (clock, echo) = clocks(head.timestamps);
        let numbers = Numbers {
            seq: head.seq,
            ack: head.ack,
            echo,
        };
        let is_expected = numbers == before.expected(self.from);
        let is_rare = !before.tells_all_of(self, since);
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        let bits = self.kind as u32
            | u32::from(head.flags.0 & 0xfff) << bits::FLAGS
            | bit(self.from == Peer::Server, bits::FROM_SERVER)
            | bit(head.dont_fragment, bits::DONT_FRAGMENT)
            | bit(head.has_options, bits::HAS_OPTIONS)
            | bit(self.housekeeping, bits::HOUSEKEEPING)
            | bit(head.ip_id.is_some(), bits::IP_ID)
            | bit(head.timestamps.is_some(), bits::TIMESTAMPS)
            | bit(!is_expected, bits::NUMBERS)
            | bit(is_rare, bits::RARE);
        into.words(
            PACKET + if is_expected { 0 } else { NUMBERS },
            [
                u64::from(bits) | u64::from(since as u32) << 32,
                u64::from(head.payload_len as u16)
                    | u64::from(head.ip_id.unwrap_or_default()) << 16
                    | u64::from(head.window) << 32
                    | u64::from(head.ttl.0) << 48
                    | u64::from(head.traffic_class) << 56,
                u64::from(head.frame.number.0) | u64::from(clock) << 32,
                u64::from(head.seq.0) | u64::from(head.ack.0) << 32,
                u64::from(echo),
            ],
        );
        if is_rare {
            self.pack_rare(since, into);
        }
    }

    /// All that [`Before`] may not tell.
    #[inline(never)]
    fn pack_rare(&self, since: u64, into: &mut Packer) {
        let head = &self.head;
        into.numbers(&[
            since >> 32,
            u64::from(head.frame.capture.0),
            u64::from(head.interface),
            u64::from(self.probes_since_activity),
            u64::from(head.payload_len >> 16),
            u64::from(head.flags.0 >> 12),
        ]);
        let activity = self
            .last_activity
            .map(|LastActivity { time, frame, from }| {
                let from = u64::from(from == Peer::Server) << 63;
                [frame.as_number() | from, time.as_nanos() as u64]
            });
        let previous = self.previous_packet.map(|time| time.as_nanos() as u64);
        activity.pack(into);
        previous.pack(into);
        head.src_mac.pack(into);
    }

    /// The next packet.
    pub(super) fn unpack_after(before: &Before, from: &mut Unpacker<'_>) -> Self {
        let [header, sizes, place] = from.words();
        let bits = header as u32;
        let has = |bit: u32| bits & bit != 0;
        let sender = match has(bits::FROM_SERVER) {
            true => Peer::Server,
            false => Peer::Client,
        };
        let Numbers { seq, ack, echo } = match has(bits::NUMBERS) {
            false => before.expected(sender),
            true => {
                let [seq, ack, echo] = from.words32();
                Numbers {
                    seq: SeqNumber(seq),
                    ack: SeqNumber(ack),
                    echo,
                }
            }
        };
        let clock = (place >> 32) as u32;
        let head = Head {
            time: after(before.time, header >> 32),
            frame: FrameId {
                capture: before.capture,
                number: FrameNumber(place as u32),
            },
            interface: before.interface,
            seq,
            ack,
            payload_len: u32::from(sizes as u16),
            timestamps: has(bits::TIMESTAMPS).then_some(Timestamps { value: clock, echo }),
            flags: TcpFlags((bits >> bits::FLAGS) as u16 & 0xfff),
            window: (sizes >> 32) as u16,
            ip_id: has(bits::IP_ID).then_some((sizes >> 16) as u16),
            src_mac: *before.macs.of(sender),
            ttl: Ttl((sizes >> 48) as u8),
            traffic_class: (sizes >> 56) as u8,
            dont_fragment: has(bits::DONT_FRAGMENT),
            has_options: has(bits::HAS_OPTIONS),
        };
        let packet = Self {
            head,
            from: sender,
            kind: PacketKind::at(bits as u8 & 0x0f),
            housekeeping: has(bits::HOUSEKEEPING),
            previous_packet: Some(before.time),
            last_activity: before.activity,
            probes_since_activity: 0,
        };
        match has(bits::RARE) {
            true => packet.with_rare(from),
            false => packet,
        }
    }

    /// With all that was packed with the rare ones.
    fn with_rare(self, from: &mut Unpacker<'_>) -> Self {
        let [later, capture, interface, probes, len, flags] = from.numbers();
        let activity: Option<[u64; 2]> = Packed::unpack(from);
        let previous: Option<u64> = Packed::unpack(from);
        let Self { head, .. } = self;
        Self {
            head: Head {
                time: after(head.time, later << 32),
                frame: FrameId {
                    capture: CaptureId(capture as u16),
                    ..head.frame
                },
                interface: interface as u32,
                payload_len: head.payload_len | (len as u32) << 16,
                flags: TcpFlags(head.flags.0 | (flags as u16) << 12),
                src_mac: Packed::unpack(from),
                ..head
            },
            probes_since_activity: probes as u16,
            last_activity: activity.map(|[frame, nanos]| LastActivity {
                time: Timestamp::from_nanos(nanos as i64),
                frame: FrameId::from_number(frame & !(1 << 63)),
                from: match frame >> 63 {
                    0 => Peer::Client,
                    _ => Peer::Server,
                },
            }),
            previous_packet: previous.map(|nanos| Timestamp::from_nanos(nanos as i64)),
            ..self
        }
    }
}

const fn after(time: Timestamp, nanos: u64) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos().wrapping_add(nanos as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Fields = (
        (i64, u16, u32, bool, u8, u16),
        (u32, u32, u32, u16, u8, u8),
        (Option<u16>, Option<(u32, u32)>, Option<[u8; 6]>, u32, u16),
        ([bool; 3], Option<i64>, Option<(i64, u32, bool)>),
        [bool; 8],
    );

    /// A packet of these fields, and of what it has in common with the two before it.
    fn packet(fields: Fields, before: &Before, earlier: &[Packet]) -> Packet {
        let (
            (time, capture, number, from_server, kind, flags),
            (seq, ack, len, window, ttl, traffic_class),
            (ip_id, clocks, mac, interface, probes_since_activity),
            ([dont_fragment, has_options, housekeeping], previous, activity),
            [
                follows,
                idle,
                goes_on,
                same_place,
                same_mac,
                other_mac,
                soon,
                small,
            ],
        ) = fields;
        let newest = earlier.last();
        let peer = |server| if server { Peer::Server } else { Peer::Client };
        let frame = |number| FrameId {
            capture: match same_place {
                true => before.capture,
                false => CaptureId(capture),
            },
            number: FrameNumber(number),
        };
        let from = peer(from_server);
        let (clock, echo) = clocks.unwrap_or_default();
        let numbers = match goes_on {
            true => before.expected(from),
            false => Numbers {
                seq: SeqNumber(seq),
                ack: SeqNumber(ack),
                echo,
            },
        };
        let head = Head {
            time: match soon {
                true => Timestamp::from_nanos(before.time.as_nanos().wrapping_add(time >> 33)),
                false => Timestamp::from_nanos(time),
            },
            frame: frame(number),
            interface: match same_place {
                true => before.interface,
                false => interface,
            },
            seq: numbers.seq,
            ack: numbers.ack,
            payload_len: if small { len & 0xffff } else { len },
            timestamps: clocks.map(|_| Timestamps {
                value: clock,
                echo: numbers.echo,
            }),
            flags: TcpFlags(if small { flags & 0xfff } else { flags }),
            window,
            ip_id,
            src_mac: match (same_mac, other_mac) {
                (true, _) => *before.macs.of(from),
                (_, true) => newest.and_then(|packet| packet.head.src_mac),
                _ => mac.map(MacAddress),
            },
            ttl: Ttl(ttl),
            traffic_class,
            dont_fragment,
            has_options,
        };
        Packet {
            head,
            from,
            kind: PacketKind::at(kind % 9),
            housekeeping,
            previous_packet: match follows {
                true => Some(before.time),
                false => previous.map(Timestamp::from_nanos),
            },
            last_activity: match (idle, follows) {
                (true, true) => before.activity,
                (true, false) => newest.and_then(|packet| packet.last_activity),
                _ => activity.map(|(time, number, server)| LastActivity {
                    time: Timestamp::from_nanos(time),
                    frame: frame(number),
                    from: peer(server),
                }),
            },
            probes_since_activity: if small { 0 } else { probes_since_activity },
        }
    }

    proptest! {
        #[test]
        fn any_packets_come_back(opened: i64, mac: Option<[u8; 6]>, all: Vec<Fields>) {
            let macs = Both { client: mac.map(MacAddress), server: None };
            let none = Before::none(Timestamp::from_nanos(opened), macs);
            let mut packets: Vec<Packet> = Vec::new();
            let mut before = none.clone();
            for fields in all {
                let packet = packet(fields, &before, &packets);
                before.follow(&packet);
                packets.push(packet);
            }
            let mut packer = Packer::default();
            let mut before = none.clone();
            for packet in &packets {
                packet.pack_after(&before, &mut packer);
                before.follow(packet);
            }
            let mut unpacker = Unpacker::new(packer.packed(), Timestamp::default());
            let (mut before, mut back) = (none, Vec::new());
            for _ in &packets {
                let packet = Packet::unpack_after(&before, &mut unpacker);
                before.follow(&packet);
                back.push(packet);
            }
            prop_assert_eq!(format!("{:?}", back), format!("{:?}", packets));
        }
    }
}
