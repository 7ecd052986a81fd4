//! A history's packets in few bytes.

mod opening;
#[cfg(test)]
mod tests;

use self::opening::Opening;
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
    pub(super) const FROM: u32 = 16;
    pub(super) const HOUSEKEEPING: u32 = 17;
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

impl<'a> Before<'a> {
    #[inline(always)]
    const fn new(previous: &'a Packet, heads: &'a Both<Head>) -> Self {
        Self {
            previous,
            heads: Both {
                client: &heads.client,
                server: &heads.server,
            },
        }
    }

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
    let frames = head.frame.number.0.wrapping_sub(earlier.frame.number.0);
    (nanos(earlier.time, head.time), frames)
}

/// Its sender counts on from packet to packet.
#[inline(always)]
fn next_ip_id(own: &Head) -> Option<u16> {
    own.ip_id.map(|id| id.wrapping_add(1))
}

/// Value and echo.
#[inline(always)]
fn clocks(head: &Head) -> (u32, u32) {
    let timestamps = head.timestamps;
    timestamps.map_or((0, 0), |clocks| (clocks.value, clocks.echo))
}

/// IPv4 identification and window, and the clock.
#[inline(always)]
fn counted(head: &Head) -> [u32; 2] {
    let ip_id = u32::from(head.ip_id.unwrap_or_default());
    [ip_id | u32::from(head.window) << 16, clocks(head).0]
}

/// What a sender's packets have in common of what the IP and TCP headers bear.
#[inline(always)]
fn shape(head: &Head) -> u64 {
    u64::from(head.dont_fragment)
        | u64::from(head.has_options) << 8
        | u64::from(head.ttl.0) << 16
        | u64::from(head.traffic_class) << 24
        | u64::from(head.ip_id.is_some()) << 32
        | u64::from(head.timestamps.is_some()) << 33
}

/// Its MAC address.
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
        let ticks = clocks(head).0.wrapping_sub(clocks(own).0);
        let row = [
            self.kind as u32
                | u32::from(head.flags.0 & 0xfff) << bits::FLAGS
                | (self.from as u32) << bits::FROM
                | u32::from(self.housekeeping) << bits::HOUSEKEEPING
                | ticks << bits::TICKS,
            since as u32,
            u32::from(head.payload_len as u16) | frames << 16,
        ];
        let goes_on = self.goes_on(before) && self.counts_on(own, ticks);
        match goes_on && self.is_usual(before, (since, frames)) {
            true => into.words32(&row),
            false => self.pack_apart(before, row, into),
        }
    }

    /// Packs one that does not follow in all on those before it.
    #[inline(never)]
    fn pack_apart(&self, before: &Before<'_>, row: [u32; 3], into: &mut Packer) {
        let head = &self.head;
        let own = *before.heads.of(self.from);
        let (clock, echo) = clocks(head);
        let ticks = clock.wrapping_sub(clocks(own).0);
        let rare = self.rare(before);
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        let told = bit(!self.goes_on(before), bits::NUMBERS)
            | bit(!self.counts_on(own, ticks), bits::OTHER)
            | bit(rare != Rare::default(), bits::RARE);
        let [bits, since, sizes] = row;
        into.words32(&[bits | told, since, sizes]);
        if told & bits::OTHER != 0 {
            into.words32(&counted(head));
        }
        if told & bits::NUMBERS != 0 {
            into.words32(&[head.seq.0, head.ack.0, echo]);
        }
        if told & bits::RARE != 0 {
            into.rare(&rare);
        }
    }

    /// Its numbers are those that follow on the packet before.
    #[inline(always)]
    fn goes_on(&self, before: &Before<'_>) -> bool {
        let Head { seq, ack, .. } = self.head;
        let [next_seq, next_ack, next_echo] = before.numbers(self.from);
        seq.0 == next_seq && ack.0 == next_ack && clocks(&self.head).1 == next_echo
    }

    /// What its sender counts follows on its packet before, after which its clock went on so far.
    #[inline(always)]
    fn counts_on(&self, own: &Head, ticks: u32) -> bool {
        ticks >> (u32::BITS - bits::TICKS) == 0
            && self.head.window == own.window
            && self.head.ip_id == next_ip_id(own)
    }

    /// Nothing is [rare](Self::rare).
    #[inline(always)]
    fn is_usual(&self, before: &Before<'_>, (since, frames): (u64, u32)) -> bool {
        let head = &self.head;
        let (earlier, own) = (&before.previous.head, *before.heads.of(self.from));
        let is_usual = since >> 32 == 0
            && frames >> 16 == 0
            && head.payload_len >> 16 == 0
            && head.flags.0 >> 12 == 0
            && head.frame.capture == earlier.frame.capture
            && head.interface == own.interface
            && head.src_mac == own.src_mac
            && shape(head) == shape(own)
            && self.probes_since_activity == 0
            && self.previous_packet == Some(earlier.time)
            && self.last_activity == before.activity();
        debug_assert_eq!(is_usual, self.rare(before) == Rare::default());
        is_usual
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
        let sender = match bits >> bits::FROM & 1 {
            0 => Peer::Client,
            _ => Peer::Server,
        };
        let (earlier, own) = (&before.previous.head, *before.heads.of(sender));
        let [small, clock] = match has(bits::OTHER) {
            false => {
                let clock = clocks(own).0.wrapping_add(bits >> bits::TICKS);
                let window = u32::from(own.window) << 16;
                let ip_id = next_ip_id(own).unwrap_or_default();
                [u32::from(ip_id) | window, clock]
            }
            true => from.words32(),
        };
        let [seq, ack, echo] = match has(bits::NUMBERS) {
            false => before.numbers(sender),
            true => from.words32(),
        };
        let rare: Rare = match has(bits::RARE) {
            true => from.rare(),
            false => Rare::default(),
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
                timestamps: is(33).then_some(Timestamps { value: clock, echo }),
                flags: TcpFlags((bits >> bits::FLAGS) as u16 & 0xfff | (flags as u16) << 12),
                window: (small >> 16) as u16,
                ip_id: is(32).then_some(small as u16),
                src_mac: (mac >> 48 != 0).then_some(MacAddress::from_number(mac)),
                ttl: Ttl((shape >> 16) as u8),
                traffic_class: (shape >> 24) as u8,
                dont_fragment: is(0),
                has_options: is(8),
            },
            from: sender,
            kind: PacketKind::at(bits as u8 & 0x0f),
            housekeeping: bits >> bits::HOUSEKEEPING & 1 != 0,
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

/// From one time to another, modulo 2^64.
const fn nanos(from: Timestamp, to: Timestamp) -> u64 {
    to.as_nanos().wrapping_sub(from.as_nanos()) as u64
}

const fn after(time: Timestamp, nanos: u64) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos().wrapping_add(nanos as i64))
}

impl History {
    /// Packs that of a connection with these directions.
    pub(in crate::flow) fn pack(&self, directions: &Both<Direction>, into: &mut Packer) {
        let packets = self.packets();
        let opening = Opening::of(packets, into.opened());
        opening.pack(self.len() as u8, self.before_next() as u8, into);
        self.skipped().pack(into);
        let first = opening.before(directions);
        let mut before = Before::new(&first.0, &first.1);
        for packet in packets {
            packet.pack_after(&before, into);
            before.previous = packet;
            *before.heads.of_mut(packet.from) = &packet.head;
        }
    }

    /// What was packed, with these directions.
    pub(in crate::flow) fn unpack(directions: &Both<Direction>, from: &mut Unpacker<'_>) -> Self {
        let (opening, [used, next]) = Opening::unpack(from);
        let skipped: u64 = Packed::unpack(from);
        let (mut previous, mut heads) = opening.before(directions);
        let packets = (0..used).map(|_| {
            let before = Before::new(&previous, &heads);
            previous = Packet::unpack_after(&before, from);
            *heads.of_mut(previous.from) = previous.head;
            previous
        });
        Self {
            room: packets.collect(),
            start: 0,
            used: usize::from(used),
            next: usize::from(next),
            total: skipped + u64::from(used),
        }
    }
}
