//! One packet of a connection as the tracker remembers it.

mod packed;

use self::packed::Before;
use crate::capture::FrameId;
use crate::flow::packing::{Packed, Packer, Unpacker};
use crate::flow::{Both, Direction, Peer};
use crate::time::Timestamp;
use crate::wire::{Head, MacAddress, SeqNumber};

/// What a packet was to the connection, as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// SYN without ACK.
    Syn,
    /// SYN with ACK.
    SynAck,
    /// Payload not seen before.
    Data,
    /// Payload seen before, sent again.
    Retransmission,
    /// At most one byte just below SND.NXT, nothing outstanding (RFC 9293 section 3.8.4).
    KeepaliveProbe,
    /// The same towards a closed window (RFC 9293 section 3.8.6.1).
    ZeroWindowProbe,
    /// No payload, no SYN, FIN or RST.
    Ack,
    /// FIN without new payload.
    Fin,
    /// RST.
    Rst,
}

impl PacketKind {
    const ALL: [Self; 9] = [
        Self::Syn,
        Self::SynAck,
        Self::Data,
        Self::Retransmission,
        Self::KeepaliveProbe,
        Self::ZeroWindowProbe,
        Self::Ack,
        Self::Fin,
        Self::Rst,
    ];

    /// The kind that stands at this place of the declaration.
    pub(super) fn at(place: u8) -> Self {
        let kind = Self::ALL.get(usize::from(place));
        kind.copied().unwrap_or(Self::Rst)
    }
}

/// The last activity of the application before some packet: where an idle gap begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastActivity {
    /// When.
    pub time: Timestamp,
    /// In which frame.
    pub frame: FrameId,
    /// Whose.
    pub from: Peer,
}

/// One packet as remembered: the header fields that rules read, and what had been going on when it came.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Its headers' fields.
    pub head: Head,
    /// Who sent it, by its address.
    pub from: Peer,
    /// What it was.
    pub kind: PacketKind,
    /// The payload is housekeeping of the protocol (see [`Activity`](crate::flow::Activity)).
    pub housekeeping: bool,
    /// Time of the packet before it, whatever that was.
    pub previous_packet: Option<Timestamp>,
    /// The application's last activity before it.
    pub last_activity: Option<LastActivity>,
    /// Keepalive probes since that activity.
    pub probes_since_activity: u16,
}

impl Packet {
    /// One past the last sequence number that it occupies (SYN and FIN count one each).
    pub fn end(&self) -> SeqNumber {
        let control = u32::from(self.head.flags.syn()) + u32::from(self.head.flags.fin());
        self.head.seq + self.head.payload_len.wrapping_add(control)
    }

    #[inline]
    fn mark(&self) -> u32 {
        mark(self.from, &self.head)
    }

    /// It carries payload that its sender had not sent before.
    pub fn is_new_data(&self) -> bool {
        self.kind == PacketKind::Data
    }
}

/// The first packets of a connection and the newest ones: bounded memory for what verdicts and ladders look at.
#[derive(Clone, Debug, Default)]
pub struct History {
    packets: Vec<Packet>,
    /// Where the next packet goes once the ring part is full.
    next: usize,
    skipped: u64,
    marks: Marks,
}

/// Marks of the newest packets: to most packets, none of them is alike, and that is told without a look at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    of: [u32; History::NEWEST],
    next: usize,
}

/// The same for packets that are the same.
#[inline]
fn mark(from: Peer, head: &Head) -> u32 {
    let Head {
        seq, ack, flags, ..
    } = head;
    // An acknowledgement number without ACK says nothing.
    let ack = if flags.ack() { ack.0 } else { 0 };
    seq.0.rotate_left(10) ^ ack.rotate_left(21) ^ u32::from(flags.0) << 1 ^ from as u32
}

/// What the directions tell.
fn macs(directions: &Both<Direction>) -> Both<Option<MacAddress>> {
    Both {
        client: directions.client.mac,
        server: directions.server.mac,
    }
}

impl History {
    /// Packs that of a connection with these directions.
    pub(super) fn pack(&self, directions: &Both<Direction>, into: &mut Packer) {
        let Self {
            packets,
            next,
            skipped,
            marks,
        } = self;
        into.array([packets.len(), *next, marks.next].map(|place| place as u8));
        skipped.pack(into);
        let mut before = Before::none(into.opened(), macs(directions));
        for packet in packets {
            packet.pack_after(&before, into);
            before.follow(packet);
        }
    }

    /// What was packed, with these directions.
    pub(super) fn unpack(directions: &Both<Direction>, from: &mut Unpacker<'_>) -> Self {
        let [count, next, newest] = from.array().map(usize::from);
        let skipped = Packed::unpack(from);
        let mut before = Before::none(from.opened(), macs(directions));
        let mut packets: Vec<Packet> = Vec::with_capacity(count);
        for _ in 0..count {
            let packet = Packet::unpack_after(&before, from);
            before.follow(&packet);
            packets.push(packet);
        }
        let mut history = Self {
            packets,
            next,
            skipped,
            marks: Marks::default(),
        };
        for age in (0..Self::NEWEST).rev() {
            let older = history.newest_but(age);
            let mark = older.map_or(0, Packet::mark);
            let place = (newest + Self::NEWEST - age) % Self::NEWEST;
            history.marks.of[place] = mark;
        }
        history.marks.next = newest;
        history
    }
}

impl History {
    /// How many of the first packets are kept for good: the handshake and the first words.
    pub const HEAD: usize = 5;
    /// How many packets are kept in all.
    pub const KEPT: usize = 40;
    /// How many of the newest are compared with one that may be the same.
    pub const NEWEST: usize = 8;

    /// None of the [newest](Self::NEWEST) packets had the same sender, flags, sequence number and, with ACK, acknowledgement number.
    #[inline]
    pub fn is_new(&self, from: Peer, head: &Head) -> bool {
        let mark = mark(from, head);
        // Without a way out, all are compared at once.
        self.marks
            .of
            .iter()
            .fold(true, |new, other| new & (*other != mark))
    }

    /// Remembers a packet; forgets the oldest one that is not among the first.
    pub fn push(&mut self, packet: Packet) {
        let marks = &mut self.marks;
        marks.next = (marks.next + 1) % Self::NEWEST;
        marks.of[marks.next] = packet.mark();
        if self.packets.len() < Self::KEPT {
            if self.packets.len() == self.packets.capacity() {
                self.grow();
            }
            self.packets.push(packet);
            return;
        }
        if self.next < Self::HEAD || self.next >= Self::KEPT {
            self.next = Self::HEAD;
        }
        if let Some(slot) = self.packets.get_mut(self.next) {
            *slot = packet;
        }
        self.next += 1;
        self.skipped += 1;
    }

    /// Attempts that are refused need no more than the first step, and nobody more than the last.
    #[cold]
    fn grow(&mut self) {
        const ROOM: [usize; 3] = [4, 16, History::KEPT];
        let used = self.packets.len();
        let room = ROOM.into_iter().find(|room| *room > used);
        let more = room.unwrap_or(Self::KEPT).saturating_sub(used);
        self.packets.reserve_exact(more.max(1));
    }

    /// Nothing was remembered yet.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The newest packet for changing.
    pub fn newest_mut(&mut self) -> Option<&mut Packet> {
        let index = self.newest_index()?;
        self.packets.get_mut(index)
    }

    /// The newest packet but `age`; `None` beyond the newest [`KEPT`](Self::KEPT) - [`HEAD`](Self::HEAD) ones.
    #[inline]
    pub fn newest_but(&self, age: usize) -> Option<&Packet> {
        const RING: usize = History::KEPT - History::HEAD;
        if self.packets.len() < Self::KEPT || self.next == 0 {
            return self.packets.get(self.packets.len().checked_sub(age + 1)?);
        }
        if age >= RING {
            return None;
        }
        let newest = self.next - 1 - Self::HEAD;
        self.packets.get(Self::HEAD + (newest + RING - age) % RING)
    }

    fn newest_index(&self) -> Option<usize> {
        if self.packets.len() < Self::KEPT || self.next == 0 {
            self.packets.len().checked_sub(1)
        } else {
            Some(self.next - 1)
        }
    }

    /// The newest packets first, the whole memory.
    pub fn newest_first(&self) -> impl Iterator<Item = &Packet> {
        let split = if self.packets.len() < Self::KEPT || self.next == 0 {
            self.packets.len()
        } else {
            self.next
        };
        let (older_ring, newer) = (
            self.packets.get(split..).unwrap_or_default(),
            self.packets.get(..split).unwrap_or_default(),
        );
        let head = Self::HEAD.min(newer.len());
        let (head, newer) = newer.split_at(if older_ring.is_empty() { 0 } else { head });
        newer
            .iter()
            .rev()
            .chain(older_ring.iter().rev())
            .chain(head.iter().rev())
    }

    /// Every remembered packet, oldest first.
    pub fn to_vec(&self) -> Vec<Packet> {
        let mut packets: Vec<Packet> = self.newest_first().copied().collect();
        packets.reverse();
        packets
    }

    /// Packets forgotten between the first ones and the newest.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Keeps the newest `keep` packets only, in the memory of all.
    pub fn keep_newest(&mut self, keep: usize) {
        if self.next > Self::HEAD
            && let Some(ring) = self.packets.get_mut(Self::HEAD..)
        {
            ring.rotate_left((self.next - Self::HEAD).min(ring.len()));
        }
        let drop = self.packets.len().saturating_sub(keep);
        self.packets.drain(..drop);
        self.skipped += drop as u64;
        self.next = 0;
    }

    /// Gives memory back that nothing is in.
    pub fn give_back(&mut self) {
        self.packets.shrink_to_fit();
    }

    /// An empty one in the same memory.
    pub fn emptied(mut self) -> Self {
        self.packets.clear();
        Self {
            packets: self.packets,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{CaptureId, FrameId, FrameNumber};
    use crate::wire::TcpFlags;

    fn packet(number: u32) -> Packet {
        Packet {
            head: Head {
                frame: FrameId {
                    capture: CaptureId(0),
                    number: FrameNumber(number),
                },
                flags: TcpFlags::ACK,
                ..Head::default()
            },
            from: Peer::Client,
            kind: PacketKind::Ack,
            housekeeping: false,
            previous_packet: None,
            last_activity: None,
            probes_since_activity: 0,
        }
    }

    #[test]
    fn kinds_stand_at_their_places() {
        for (place, kind) in PacketKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!(PacketKind::at(place as u8), kind);
        }
    }

    fn numbers<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Vec<u32> {
        packets
            .into_iter()
            .map(|packet| packet.head.frame.number.0)
            .collect()
    }

    #[test]
    fn the_first_and_the_newest_packets_are_kept_in_order() {
        let mut history = History::default();
        for number in 1..=100 {
            history.push(packet(number));
        }
        let expected: Vec<u32> = (1..=5).chain(66..=100).collect();
        assert_eq!(numbers(&history.to_vec()), expected);
        assert_eq!(history.skipped(), 60);
        assert_eq!(history.packets.capacity(), History::KEPT);
    }

    #[test]
    fn the_newest_are_found_by_age_before_and_after_the_ring_turns() {
        let mut history = History::default();
        assert!(history.newest_but(0).is_none());
        for number in 1..=200 {
            history.push(packet(number));
            let reach = number.min(35);
            let by_age: Vec<_> = (0..reach as usize)
                .filter_map(|age| history.newest_but(age))
                .collect();
            assert_eq!(
                numbers(by_age),
                (number - reach + 1..=number).rev().collect::<Vec<_>>()
            );
        }
        assert!(history.newest_but(35).is_none());
    }

    #[test]
    fn the_newest_alone_are_kept_wherever_the_ring_stands() {
        for length in 0..130 {
            for keep in [0, 3, 8, 50] {
                let mut history = History::default();
                (1..=length).for_each(|number| history.push(packet(number)));
                let newest = history.newest_first().take(keep);
                let mut expected = numbers(newest);
                expected.reverse();
                let total = history.skipped() + history.to_vec().len() as u64;
                history.keep_newest(keep);
                assert_eq!(numbers(&history.to_vec()), expected);
                assert_eq!(history.skipped() + expected.len() as u64, total);
            }
        }
    }

    #[test]
    fn memory_is_given_back_or_left_to_another() {
        let mut history = History::default();
        for number in 1..=70 {
            history.push(packet(number));
        }
        history.keep_newest(3);
        assert_eq!(numbers(&history.to_vec()), [68, 69, 70]);
        assert_eq!(history.skipped(), 67);
        assert!(history.packets.capacity() >= History::KEPT);
        history.give_back();
        history.push(packet(71));
        assert_eq!(numbers(history.newest_but(0)), [71]);
        let emptied = history.emptied();
        assert!(emptied.is_empty() && emptied.skipped() == 0);
        assert!(emptied.packets.capacity() >= 4);
    }
}
