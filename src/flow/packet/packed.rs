//! A history's packets in few bytes.

use super::{History, LastActivity, Packet, PacketKind};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::packing::{Packed, Packer, Unpacker};
use crate::flow::{Both, Direction, Peer};
use crate::time::Timestamp;
use crate::wire::{Head, MacAddress, SeqNumber, TcpFlags, Timestamps, Ttl};

/// A packet's kind and flags, what of it is told apart, and its clock's ticks.
mod bits {
    /// The kind takes four bits, the flags twelve.
    pub(super) const FLAGS: u32 = 4;
    pub(super) const FROM_SERVER: u32 = 1 << 16;
    pub(super) const HOUSEKEEPING: u32 = 1 << 17;
    /// It has other numbers than those that follow on the packet before.
    pub(super) const NUMBERS: u32 = 1 << 18;
    /// Window, IPv4 identification or clock do not follow on its sender's packet before.
    pub(super) const OTHER: u32 = 1 << 19;
    /// What few packets have follows.
    pub(super) const RARE: u32 = 1 << 20;
    /// In the highest bits: how far its clock went since its sender's packet before.
    pub(super) const TICKS: u32 = 21;
}

/// Sequence number, acknowledgement and timestamp echo.
type Numbers = [u32; 3];

/// What nearly every packet has in common with those before it, as differences from that.
type Rare = [u64; 13];

/// What came before a packet: of most packets, much follows from it.
struct Before<'a> {
    previous: &'a Packet,
    /// Each sender's newest one.
    heads: Both<&'a Head>,
}

impl Before<'_> {
    /// Whoever speaks next goes on where he ended, and acknowledges what the other one said.
    #[inline(always)]
    fn numbers(&self, from: Peer) -> Numbers {
        let Packet { head, .. } = self.previous;
        let (value, echo) = clocks(head);
        let end = self.previous.end();
        match from == self.previous.from {
            true => [end.0, head.ack.0, echo],
            false => [head.ack.0, end.0, value],
        }
    }

    /// The application's last activity.
    #[inline(always)]
    fn activity(&self) -> Option<LastActivity> {
        let Packet { head, .. } = self.previous;
        match self.previous.is_new_data() && !self.previous.housekeeping {
            true => Some(LastActivity {
                time: head.time,
                frame: head.frame,
                from: self.previous.from,
            }),
            false => self.previous.last_activity,
        }
    }
}

/// Nanoseconds and frames from one to the next.
#[inline(always)]
const fn since(head: &Head, earlier: &Head) -> (u64, u32) {
    let nanos = head.time.as_nanos().wrapping_sub(earlier.time.as_nanos());
    let frames = head.frame.number.0.wrapping_sub(earlier.frame.number.0);
    (nanos as u64, frames)
}

/// Its sender counts on from packet to packet.
#[inline(always)]
fn next_ip_id(own: &Head) -> u16 {
    own.ip_id.map_or(0, |id| id.wrapping_add(1))
}

/// Value and echo.
#[inline(always)]
fn clocks(head: &Head) -> (u32, u32) {
    let timestamps = head.timestamps;
    timestamps.map_or((0, 0), |clocks| (clocks.value, clocks.echo))
}

/// What a sender's packets have in common.
#[inline(always)]
fn shape(head: &Head) -> u64 {
    u64::from(head.ttl.0)
        | u64::from(head.traffic_class) << 8
        | u64::from(head.dont_fragment) << 16
        | u64::from(head.has_options) << 17
        | u64::from(head.ip_id.is_some()) << 18
        | u64::from(head.timestamps.is_some()) << 19
}

/// The same with the address.
#[inline(always)]
fn mac_number(head: &Head) -> u64 {
    head.src_mac.map_or(0, |mac| 1 << 48 | mac.as_number())
}

/// Time, frame, and whose it is.
#[inline(always)]
fn activity_numbers(activity: Option<LastActivity>) -> [u64; 3] {
    activity.map_or([0; 3], |LastActivity { time, frame, from }| {
        let from = 1 | u64::from(from == Peer::Server) << 1;
        [time.as_nanos() as u64, frame.as_number(), from]
    })
}

/// The activity that these tell.
fn activity_of([nanos, frame, from]: [u64; 3]) -> Option<LastActivity> {
    (from & 1 != 0).then_some(LastActivity {
        time: Timestamp::from_nanos(nanos as i64),
        frame: FrameId::from_number(frame),
        from: match from & 2 {
            0 => Peer::Client,
            _ => Peer::Server,
        },
    })
}

impl Packet {
    /// Packs it.
    #[inline(always)]
    fn pack_after(&self, before: &Before<'_>, into: &mut Packer) {
        let head = &self.head;
        let (earlier, own) = (&before.previous.head, *before.heads.of(self.from));
        let (since, frames) = since(head, earlier);
        let is_rare = !self.is_usual(before, (since, frames));
        debug_assert_eq!(is_rare, self.rare(before) != Rare::default());
        let ip_id = head.ip_id.unwrap_or_default();
        let (clock, echo) = clocks(head);
        let ticks = clock.wrapping_sub(clocks(own).0);
        let is_other = ticks >> (u32::BITS - bits::TICKS) != 0
            || head.window != own.window
            || ip_id != next_ip_id(own);
        let [next_seq, next_ack, next_echo] = before.numbers(self.from);
        let has_numbers = head.seq.0 != next_seq || head.ack.0 != next_ack || echo != next_echo;
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        let bits = self.kind as u32
            | u32::from(head.flags.0 & 0xfff) << bits::FLAGS
            | bit(self.from == Peer::Server, bits::FROM_SERVER)
            | bit(self.housekeeping, bits::HOUSEKEEPING)
            | bit(has_numbers, bits::NUMBERS)
            | bit(is_other, bits::OTHER)
            | bit(is_rare, bits::RARE)
            | ticks << bits::TICKS;
        let sizes = u32::from(head.payload_len as u16) | frames << 16;
        into.words32(&[bits, since as u32, sizes]);
        if is_other {
            into.words32(&[u32::from(ip_id) | u32::from(head.window) << 16, clock]);
        }
        if has_numbers {
            into.words32(&[head.seq.0, head.ack.0, echo]);
        }
        if is_rare {
            self.pack_rare(before, into);
        }
    }

    /// Nothing is [rare](Self::rare), found out in less time.
    #[inline(always)]
    fn is_usual(&self, before: &Before<'_>, (since, frames): (u64, u32)) -> bool {
        let head = &self.head;
        let (earlier, own) = (&before.previous.head, *before.heads.of(self.from));
        let has_usual_size = since >> 32 == 0
            && frames >> 16 == 0
            && head.payload_len >> 16 == 0
            && head.flags.0 >> 12 == 0;
        has_usual_size
            && head.frame.capture == earlier.frame.capture
            && head.interface == own.interface
            && head.src_mac == own.src_mac
            && head.ttl == own.ttl
            && head.traffic_class == own.traffic_class
            && head.dont_fragment == own.dont_fragment
            && head.has_options == own.has_options
            && head.ip_id.is_some() == own.ip_id.is_some()
            && head.timestamps.is_some() == own.timestamps.is_some()
            && self.probes_since_activity == 0
            && self.previous_packet == Some(earlier.time)
            && self.last_activity == before.activity()
    }

    #[inline(never)]
    fn pack_rare(&self, before: &Before<'_>, into: &mut Packer) {
        into.rare(&self.rare(before));
    }

    /// All 0 where everything is as it mostly is.
    fn rare(&self, before: &Before<'_>) -> Rare {
        let (earlier, own) = (&before.previous.head, *before.heads.of(self.from));
        let head = &self.head;
        let (since, frames) = since(head, earlier);
        let previous = self.previous_packet.unwrap_or(earlier.time).as_nanos();
        let [active, frame, from] = activity_numbers(self.last_activity);
        let [expected_active, expected_frame, expected_from] = activity_numbers(before.activity());
        [
            since >> 32,
            u64::from(frames >> 16),
            u64::from(head.frame.capture.0 ^ earlier.frame.capture.0),
            u64::from(head.interface ^ own.interface),
            u64::from(self.probes_since_activity),
            u64::from(head.payload_len >> 16),
            u64::from(head.flags.0 >> 12),
            shape(head) ^ shape(own),
            mac_number(head) ^ mac_number(own),
            earlier.time.as_nanos().wrapping_sub(previous) as u64,
            expected_active.wrapping_sub(active),
            expected_frame ^ frame,
            from ^ expected_from | u64::from(self.previous_packet.is_none()) << 2,
        ]
    }

    /// The next packet.
    fn unpack_after(before: &Before<'_>, from: &mut Unpacker<'_>) -> Self {
        let [bits, since, sizes] = from.words32();
        let has = |bit: u32| bits & bit != 0;
        let sender = match has(bits::FROM_SERVER) {
            true => Peer::Server,
            false => Peer::Client,
        };
        let (earlier, own) = (&before.previous.head, *before.heads.of(sender));
        let [small, clock] = match has(bits::OTHER) {
            false => {
                let clock = clocks(own).0.wrapping_add(bits >> bits::TICKS);
                let window = u32::from(own.window) << 16;
                [u32::from(next_ip_id(own)) | window, clock]
            }
            true => from.words32(),
        };
        let [seq, ack, echo] = match has(bits::NUMBERS) {
            false => before.numbers(sender),
            true => from.words32(),
        };
        let rare: Rare = match has(bits::RARE) {
            true => from.rare(),
            false => [0; _],
        };
        let [
            later,
            frames,
            capture,
            interface,
            probes,
            len,
            flags,
            other_shape,
            mac,
            previous,
            active,
            active_frame,
            active_from,
        ] = rare;
        let shape = shape(own) ^ other_shape;
        let is = |bit: u32| shape >> bit & 1 != 0;
        let mac = mac_number(own) ^ mac;
        let frames = sizes >> 16 | (frames as u32) << 16;
        let [expected_active, expected_frame, expected_from] = activity_numbers(before.activity());
        Self {
            head: Head {
                time: after(earlier.time, u64::from(since) | later << 32),
                frame: FrameId {
                    capture: CaptureId(earlier.frame.capture.0 ^ capture as u16),
                    number: FrameNumber(earlier.frame.number.0.wrapping_add(frames)),
                },
                interface: own.interface ^ interface as u32,
                seq: SeqNumber(seq),
                ack: SeqNumber(ack),
                payload_len: sizes & 0xffff | (len as u32) << 16,
                timestamps: is(19).then_some(Timestamps { value: clock, echo }),
                flags: TcpFlags((bits >> bits::FLAGS) as u16 & 0xfff | (flags as u16) << 12),
                window: (small >> 16) as u16,
                ip_id: is(18).then_some(small as u16),
                src_mac: (mac >> 48 != 0).then_some(MacAddress::from_number(mac)),
                ttl: Ttl(shape as u8),
                traffic_class: (shape >> 8) as u8,
                dont_fragment: is(16),
                has_options: is(17),
            },
            from: sender,
            kind: PacketKind::at(bits as u8 & 0x0f),
            housekeeping: has(bits::HOUSEKEEPING),
            previous_packet: (active_from & 4 == 0)
                .then_some(after(earlier.time, previous.wrapping_neg())),
            last_activity: activity_of([
                expected_active.wrapping_sub(active),
                expected_frame ^ active_frame,
                expected_from ^ active_from,
            ]),
            probes_since_activity: probes as u16,
        }
    }
}

const fn after(time: Timestamp, nanos: u64) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos().wrapping_add(nanos as i64))
}

/// What is taken to have come before a history's first packet. Each sender's packets are mostly like its newest one.
struct Beginning {
    previous: Packet,
    heads: Both<Head>,
}

impl Beginning {
    /// After a packet at this time and this activity.
    fn of(directions: &Both<Direction>, time: Timestamp, activity: Option<LastActivity>) -> Self {
        let head = |direction: &Direction| {
            let (ttl, ip_id) = direction.last_ip.unwrap_or_default();
            let line = direction.timestamp_line;
            Head {
                ttl,
                ip_id,
                window: direction.window,
                src_mac: direction.mac,
                dont_fragment: true,
                has_options: line.is_some(),
                timestamps: line.map(|_| Timestamps { value: 0, echo: 0 }),
                ..Head::default()
            }
        };
        let frame = activity.map_or(FrameId::default(), |activity| activity.frame);
        Self {
            previous: Packet {
                head: Head {
                    time,
                    frame,
                    ..Head::default()
                },
                from: Peer::Client,
                kind: PacketKind::Ack,
                housekeeping: false,
                previous_packet: None,
                last_activity: activity,
                probes_since_activity: 0,
            },
            heads: Both {
                client: head(&directions.client),
                server: head(&directions.server),
            },
        }
    }
}

impl History {
    /// Packs that of a connection with these directions.
    pub(in crate::flow) fn pack(&self, directions: &Both<Direction>, into: &mut Packer) {
        let packets = self.packets();
        let opened = into.opened();
        let first = packets.first();
        let time = first.and_then(|first| first.previous_packet);
        let time = time.unwrap_or(opened);
        let activity = first.and_then(|first| first.last_activity);
        let [active, frame, from] = activity_numbers(activity);
        let [used, next] = [self.used, self.next].map(|place| place as u8);
        into.array([used, next, from as u8]);
        self.skipped().pack(into);
        into.numbers(&[time.as_nanos().wrapping_sub(opened.as_nanos()) as u64]);
        into.words32(&[frame as u32]);
        into.rare(&[
            time.as_nanos().wrapping_sub(active as i64) as u64,
            frame >> 32,
        ]);
        let Beginning { previous, heads } = Beginning::of(directions, time, activity);
        let mut before = Before {
            previous: &previous,
            heads: Both {
                client: &heads.client,
                server: &heads.server,
            },
        };
        for packet in packets {
            packet.pack_after(&before, into);
            before.previous = packet;
            *before.heads.of_mut(packet.from) = &packet.head;
        }
    }

    /// What was packed, with these directions.
    pub(in crate::flow) fn unpack(directions: &Both<Direction>, from: &mut Unpacker<'_>) -> Self {
        let [used, next, active_from] = from.array();
        let skipped: u64 = Packed::unpack(from);
        let [since] = from.numbers();
        let time = after(from.opened(), since);
        let [frame] = from.words32();
        let [before_time, capture] = from.rare();
        let active = after(time, before_time.wrapping_neg()).as_nanos() as u64;
        let frame = u64::from(frame) | capture << 32;
        let activity = activity_of([active, frame, u64::from(active_from)]);
        let Beginning {
            mut previous,
            mut heads,
        } = Beginning::of(directions, time, activity);
        let packets = (0..used).map(|_| {
            let before = Before {
                previous: &previous,
                heads: Both {
                    client: &heads.client,
                    server: &heads.server,
                },
            };
            let packet = Packet::unpack_after(&before, from);
            *heads.of_mut(packet.from) = packet.head;
            previous = packet;
            packet
        });
        Self {
            room: packets.collect(),
            used: usize::from(used),
            next: usize::from(next),
            total: skipped + u64::from(used),
        }
    }
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
        [u8; 8],
    );

    fn peer(is_server: bool) -> Peer {
        if is_server {
            Peer::Server
        } else {
            Peer::Client
        }
    }

    /// A packet of these fields, each of them mostly as it is expected after those before it.
    fn packet(fields: Fields, before: &Before<'_>) -> Packet {
        let (
            (time, capture, number, from_server, kind, flags),
            (seq, ack, len, window, ttl, traffic_class),
            (ip_id, timestamps, mac, interface, probes_since_activity),
            ([dont_fragment, has_options, housekeeping], previous, activity),
            chances,
        ) = fields;
        let [
            soon,
            same_capture,
            same_numbers,
            same_shape,
            same_window,
            counts_on,
            follows,
            idle,
        ] = chances.map(|chance| chance % 8 != 0);
        let from = peer(from_server);
        let (earlier, own) = (&before.previous.head, *before.heads.of(from));
        let [next_seq, next_ack, next_echo] = before.numbers(from);
        let (seq, ack) = match same_numbers {
            true => (next_seq, next_ack),
            false => (seq, ack),
        };
        let (clock, echo) = timestamps.unwrap_or_default();
        let clock = match counts_on {
            true => clocks(own).0.wrapping_add(clock & 0x3ff),
            false => clock,
        };
        let timestamps = Timestamps {
            value: clock,
            echo: if same_numbers { next_echo } else { echo },
        };
        let has_timestamps = match same_shape {
            true => own.timestamps.is_some(),
            false => clock & 1 != 0,
        };
        let head = Head {
            time: match soon {
                true => after(earlier.time, (time as u64) >> 33),
                false => Timestamp::from_nanos(time),
            },
            frame: FrameId {
                capture: match same_capture {
                    true => earlier.frame.capture,
                    false => CaptureId(capture),
                },
                number: FrameNumber(match soon {
                    true => earlier.frame.number.0.wrapping_add(number >> 17),
                    false => number,
                }),
            },
            interface: if same_capture {
                own.interface
            } else {
                interface
            },
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            payload_len: if soon { len & 0xffff } else { len },
            timestamps: has_timestamps.then_some(timestamps),
            flags: TcpFlags(if soon { flags & 0xfff } else { flags }),
            window: if same_window { own.window } else { window },
            ip_id: match counts_on {
                true => own.ip_id.map(|_| next_ip_id(own)),
                false => ip_id,
            },
            src_mac: match same_shape {
                true => own.src_mac,
                false => mac.map(MacAddress),
            },
            ttl: if same_shape { own.ttl } else { Ttl(ttl) },
            traffic_class: match same_shape {
                true => own.traffic_class,
                false => traffic_class,
            },
            dont_fragment: match same_shape {
                true => own.dont_fragment,
                false => dont_fragment,
            },
            has_options: match same_shape {
                true => own.has_options,
                false => has_options,
            },
        };
        Packet {
            head,
            from,
            kind: PacketKind::at(kind % 9),
            housekeeping,
            previous_packet: match follows {
                true => Some(earlier.time),
                false => previous.map(Timestamp::from_nanos),
            },
            last_activity: match idle {
                true => before.activity(),
                false => activity.map(|(time, number, server)| LastActivity {
                    time: Timestamp::from_nanos(time),
                    frame: FrameId {
                        number: FrameNumber(number),
                        capture: CaptureId(capture),
                    },
                    from: peer(server),
                }),
            },
            probes_since_activity: if idle { 0 } else { probes_since_activity },
        }
    }

    type LastIp = Option<(u8, Option<u16>)>;

    fn directions(ips: [LastIp; 2], macs: [Option<[u8; 6]>; 2], window: u16) -> Both<Direction> {
        let [client, server] = [0, 1].map(|place: usize| Direction {
            last_ip: ips[place].map(|(ttl, ip_id)| (Ttl(ttl), ip_id)),
            mac: macs[place].map(MacAddress),
            window,
            ..Direction::default()
        });
        Both { client, server }
    }

    /// A history of these packets, one after the other.
    fn history(all: Vec<Fields>, directions: &Both<Direction>, opened: Timestamp) -> History {
        let mut history = History::default();
        let Beginning {
            mut previous,
            mut heads,
        } = Beginning::of(directions, opened, None);
        for fields in all {
            let before = Before {
                previous: &previous,
                heads: Both {
                    client: &heads.client,
                    server: &heads.server,
                },
            };
            previous = packet(fields, &before);
            *heads.of_mut(previous.from) = previous.head;
            history.push(previous);
        }
        history
    }

    fn packed(history: &History, directions: &Both<Direction>, opened: Timestamp) -> Vec<u8> {
        let mut packer = Packer::default();
        packer.pack(opened, |packer| history.pack(directions, packer));
        packer.packed().to_vec()
    }

    proptest! {
        #[test]
        fn any_history_comes_back(
            opened: i64,
            ips: [LastIp; 2],
            macs: [Option<[u8; 6]>; 2],
            window: u16,
            all: Vec<Fields>,
            keep in 0..2 * History::KEPT,
        ) {
            let opened = Timestamp::from_nanos(opened);
            let directions = directions(ips, macs, window);
            let mut history = history(all, &directions, opened);
            if keep < History::KEPT {
                history.keep_newest(keep);
            }
            let packed = packed(&history, &directions, opened);
            let mut unpacker = Unpacker::new(&packed, opened);
            let back = History::unpack(&directions, &mut unpacker);
            prop_assert_eq!(format!("{back:?}"), format!("{history:?}"));
        }
    }
}
