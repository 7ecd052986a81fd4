//! One packet of a connection as the tracker remembers it.

mod aside;
mod packed;

use std::fmt;

pub use self::aside::Packets;
use crate::capture::FrameId;
use crate::flow::Peer;
use crate::time::Timestamp;
use crate::wire::{Head, SeqNumber};

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
    /// What stands where none was written yet.
    pub(super) fn empty() -> Self {
        Self {
            head: Head::default(),
            from: Peer::Client,
            kind: PacketKind::Ack,
            housekeeping: false,
            previous_packet: None,
            last_activity: None,
            probes_since_activity: 0,
        }
    }

    /// See [`Head::end`].
    #[inline]
    pub fn end(&self) -> SeqNumber {
        self.head.end()
    }

    /// It carries payload that its sender had not sent before.
    pub fn is_new_data(&self) -> bool {
        self.kind == PacketKind::Data
    }
}

/// The first packets of a connection and the newest ones: bounded memory for what verdicts and ladders look at.
#[derive(Clone, Default)]
pub struct History {
    /// Room, written over and over: what stands before and behind those that are in use means nothing.
    room: Vec<Packet>,
    /// The first place in use. Only once there is no more room behind them, packets move to the places before it.
    start: usize,
    /// One past the last place in use.
    used: usize,
    /// Where the next packet goes: behind the newest one.
    next: usize,
    /// Packets forgotten or remembered.
    total: u64,
}

/// These, and no others.
impl From<Vec<Packet>> for History {
    fn from(room: Vec<Packet>) -> Self {
        Self {
            start: 0,
            used: room.len(),
            next: room.len(),
            total: room.len() as u64,
            room,
        }
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("packets", &self.packets())
            .field("next", &self.before_next())
            .field("total", &self.total)
            .finish()
    }
}

impl History {
    /// How many of the first packets are kept for good: the handshake and the first words.
    pub const HEAD: usize = 5;
    /// How many packets are kept in all.
    pub const KEPT: usize = 40;

    /// Remembers a packet.
    pub fn push(&mut self, packet: Packet) {
        if let Some(place) = self.next_place() {
            *place = packet;
        }
    }

    /// Where the packet that comes is remembered: whatever stands there is to be written over. Forgets the oldest one that is not
    /// among the first.
    #[inline]
    pub(super) fn next_place(&mut self) -> Option<&mut Packet> {
        if self.next == self.room.len() {
            self.make_room();
        }
        let place = self.room.get_mut(self.next)?;
        self.next += 1;
        self.used = self.used.max(self.next);
        self.total += 1;
        Some(place)
    }

    /// Looks at where the next packet goes.
    #[inline(always)]
    pub(super) fn look(&self) -> u64 {
        let place = self.room.get(self.next);
        place.map_or(0, |packet| u64::from(packet.head.window))
    }

    /// Behind the last place come more, or again those behind the first packets. Attempts that are refused need no more than the first
    /// step, and nobody more than the last.
    #[cold]
    fn make_room(&mut self) {
        const ROOM: [usize; 3] = [4, 16, History::KEPT];
        if self.start > 0 {
            self.move_to_front();
            return;
        }
        match ROOM.into_iter().find(|room| *room > self.room.len()) {
            None => self.next = Self::HEAD,
            Some(room) => {
                self.room.reserve_exact(room - self.room.len());
                self.room.resize(room, Packet::empty());
            }
        }
    }

    /// Those that are remembered, in the order of their places.
    fn packets(&self) -> &[Packet] {
        self.room.get(self.start..self.used).unwrap_or_default()
    }

    /// Nothing was remembered yet.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// So many of those that are remembered came before the next one's place.
    #[inline]
    const fn before_next(&self) -> usize {
        self.next - self.start
    }

    /// The newest packet.
    #[inline]
    pub fn newest(&self) -> Option<&Packet> {
        self.packets().get(self.before_next().checked_sub(1)?)
    }

    /// The same for changing.
    pub fn newest_mut(&mut self) -> Option<&mut Packet> {
        let newest = self.next.checked_sub(1)?;
        self.room.get_mut(newest).filter(|_| newest >= self.start)
    }

    /// The newest packets first, the whole memory.
    pub fn newest_first(&self) -> impl Iterator<Item = &Packet> {
        let [first, older, newer] = self.runs().map(|run| run.iter().rev());
        newer.chain(older).chain(first)
    }

    /// Three runs, each from its oldest packet to its newest: the first packets, where later ones were forgotten, what came longer ago,
    /// and the newest ones.
    #[inline]
    fn runs(&self) -> [&[Packet]; 3] {
        let both = self.packets().split_at_checked(self.before_next());
        let (newer, older) = both.unwrap_or_default();
        match (older, newer.split_at_checked(Self::HEAD)) {
            ([_, ..], Some((first, newer))) => [first, older, newer],
            _ => [&[], older, newer],
        }
    }

    /// One of the newest `count` packets is such a one.
    #[inline]
    pub fn has_lately(&self, count: usize, is_such: impl Fn(&Packet) -> bool) -> bool {
        let [_, older, newer] = self.runs();
        let (_, newer) = newer.split_at(newer.len().saturating_sub(count));
        let more = count - newer.len();
        let (_, older) = older.split_at(older.len().saturating_sub(more));
        newer.iter().any(&is_such) || older.iter().any(&is_such)
    }

    /// How many are remembered.
    pub const fn len(&self) -> usize {
        self.used - self.start
    }

    /// Every remembered packet, oldest first; forgets them.
    pub(super) fn take(&mut self) -> Vec<Packet> {
        self.straighten();
        self.move_to_front();
        self.room.truncate(self.used);
        std::mem::take(self).room
    }

    /// Packets forgotten between the first ones and the newest.
    pub const fn skipped(&self) -> u64 {
        self.total - self.len() as u64
    }

    /// The oldest one first.
    fn straighten(&mut self) {
        if self.next < self.used
            && let Some(ring) = self.room.get_mut(Self::HEAD..self.used)
        {
            ring.rotate_left(self.next.saturating_sub(Self::HEAD));
            self.next = self.used;
        }
    }

    /// The first place is the first in use.
    fn move_to_front(&mut self) {
        self.room.copy_within(self.start..self.used, 0);
        self.used -= self.start;
        self.next -= self.start;
        self.start = 0;
    }

    /// Keeps the newest `keep` packets only, in the memory of all.
    pub fn keep_newest(&mut self, keep: usize) {
        self.straighten();
        self.start = self.used - keep.min(self.len());
    }

    /// Gives memory back that nothing is in.
    pub fn give_back(&mut self) {
        if self.start > 0 {
            self.move_to_front();
        }
        self.room.truncate(self.used);
        self.room.shrink_to_fit();
    }

    /// Forgets all, in the same memory.
    pub const fn forget_all(&mut self) {
        self.start = 0;
        self.used = 0;
        self.next = 0;
        self.total = 0;
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
            ..Packet::empty()
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
        assert_eq!(numbers(&history.clone().take()), expected);
        assert_eq!(history.skipped(), 60);
        assert_eq!(history.room.capacity(), History::KEPT);
    }

    #[test]
    fn the_newest_come_first_before_and_after_the_ring_turns() {
        let mut history = History::default();
        assert!(history.newest().is_none());
        for number in 1..=200 {
            history.push(packet(number));
            assert_eq!(numbers(history.newest()), [number]);
            let newest = numbers(history.newest_first().take(35));
            let oldest = number.saturating_sub(34).max(1);
            assert_eq!(newest, (oldest..=number).rev().collect::<Vec<_>>());
        }
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
                let total = history.skipped() + history.clone().take().len() as u64;
                history.keep_newest(keep);
                assert_eq!(numbers(&history.clone().take()), expected);
                assert_eq!(history.skipped() + expected.len() as u64, total);
                assert_eq!(numbers(history.newest()).last(), expected.last());
                // Those that come later have their places behind them.
                (length + 1..length + 60).for_each(|number| history.push(packet(number)));
                expected.extend(length + 1..length + 60);
                let (first, later) = expected.split_at(History::HEAD);
                let newest = later.len().saturating_sub(History::KEPT - History::HEAD);
                let kept = [first, &later[newest..]].concat();
                assert_eq!(numbers(&history.clone().take()), kept);
                assert_eq!(history.skipped(), total + 59 - kept.len() as u64);
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
        assert_eq!(numbers(&history.clone().take()), [68, 69, 70]);
        assert_eq!(history.skipped(), 67);
        assert!(history.room.capacity() >= History::KEPT);
        history.give_back();
        history.push(packet(71));
        assert_eq!(numbers(&history.clone().take()), [68, 69, 70, 71]);
        history.forget_all();
        assert!(history.is_empty() && history.clone().take().is_empty() && history.skipped() == 0);
        history.push(packet(1));
        assert_eq!(numbers(&history.clone().take()), [1]);
    }
}
