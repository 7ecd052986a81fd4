//! What stays of a segment: its header's fields, and what had been going on when it came.

use std::borrow::Cow;

use super::Connection;
use crate::flow::{Episode, History, LastActivity, Packet, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;
use crate::wire::Head;

impl<R: StreamReader> Connection<R> {
    /// What had been going on before the packet at hand.
    #[inline]
    pub(super) fn before(&self) -> Before {
        Before {
            packet: (!self.history.is_empty()).then_some(self.last),
            activity: self.last_activity,
            probes: self.probes_since_activity,
        }
    }

    /// What came before the newest RST event, and is remembered there.
    #[inline]
    fn before_reset(&self) -> Cow<'_, [Packet]> {
        let newest = self.episodes.last();
        newest.map(Episode::captured_before).unwrap_or_default()
    }

    /// The first and the newest packets, the newest first.
    pub fn packets_newest_first(&self) -> impl Iterator<Item = Packet> {
        let before = self.before_reset();
        let first = (self.history.len() + before.len()).saturating_sub(History::HEAD);
        let newest = 0..History::KEPT - History::HEAD;
        let before = (0..before.len())
            .rev()
            .filter_map(move |place| before.get(place).copied());
        let packets = self.history.newest_first().copied().chain(before);
        let kept = packets
            .enumerate()
            .filter(move |(place, _)| newest.contains(place) || *place >= first);
        kept.map(|(_, packet)| packet)
    }

    /// The same, the oldest first.
    pub fn packets(&self) -> Vec<Packet> {
        let mut packets: Vec<Packet> = self.packets_newest_first().collect();
        packets.reverse();
        packets
    }

    /// Packets forgotten between the first ones and the newest.
    pub fn packets_skipped(&self) -> u64 {
        let held = self.history.len() + self.before_reset().len();
        let before = self
            .episodes
            .last()
            .map_or(0, |newest| newest.before_skipped);
        self.history.skipped() + before + held.saturating_sub(History::KEPT) as u64
    }

    /// [All of them](Self::packets), for an event that begins: it remembers them from here on.
    pub(super) fn hand_over_packets(&mut self) -> Vec<Packet> {
        if self.episodes.is_empty() {
            return self.history.take();
        }
        let packets = self.packets();
        self.history.forget_all();
        packets
    }

    /// One of the newest `count` packets is such a one.
    #[inline]
    pub(super) fn has_lately(&self, count: usize, is_such: impl Fn(&Packet) -> bool) -> bool {
        self.history.has_lately(count, &is_such)
            || !self.episodes.is_empty() && {
                let older = count.saturating_sub(self.history.len());
                self.before_reset().iter().rev().take(older).any(is_such)
            }
    }
}

/// What had been going on before a packet.
#[derive(Clone, Copy)]
pub(super) struct Before {
    /// When the packet before it came.
    pub packet: Option<Timestamp>,
    /// The application's last activity.
    pub activity: Option<LastActivity>,
    /// Keepalive probes since that activity.
    pub probes: u16,
}

impl Packet {
    /// Writes down what stays of a segment, over whatever stood here.
    #[inline]
    pub(super) const fn write(
        &mut self,
        from: Peer,
        kind: PacketKind,
        head: &Head,
        before: Before,
    ) {
        self.head = *head;
        self.from = from;
        self.kind = kind;
        self.housekeeping = false;
        self.previous_packet = before.packet;
        self.last_activity = before.activity;
        self.probes_since_activity = before.probes;
    }
}
