//! One direction of a connection: the sequence space that its sender used, as far as seen.

mod packed;

use crate::capture::FrameId;
use crate::flow::{LastActivity, Packet, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::{Head, MacAddress, SeqNumber, Timestamps, Ttl};

/// A FIN as seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinSeen {
    /// When it was first seen.
    pub time: Timestamp,
    /// In which frame.
    pub frame: FrameId,
    /// Its own sequence number (the one after the last payload byte).
    pub seq: SeqNumber,
    /// What its sender had acknowledged when it sent it; `None` without ACK.
    pub ack: Option<SeqNumber>,
    /// The application's last activity before it.
    pub last_activity: Option<LastActivity>,
    /// When the newest housekeeping came before it; see [`Activity`](crate::flow::Activity).
    pub last_housekeeping: Option<Timestamp>,
    /// Silence on the wire before it.
    pub wire_idle: Option<Interval>,
    /// Keepalive probes since that activity.
    pub probes: u16,
    /// It acknowledges more than was seen: perhaps its peer's FIN.
    pub answers_unseen: bool,
    /// Something was said after that activity, and was not captured: how long the silence was is not known.
    pub lacks_activity: bool,
    /// When the peer was first seen to acknowledge it.
    pub acked_at: Option<Timestamp>,
}

/// The TTLs that one sender's packets bore: at most four values, with counts. RSTs are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TtlProfile {
    values: [(Ttl, u32); 4],
}

impl TtlProfile {
    /// Counts one packet. A fifth value is not remembered.
    pub fn count(&mut self, ttl: Ttl) {
        for (value, count) in &mut self.values {
            if *count == 0 || *value == ttl {
                *value = ttl;
                *count = count.saturating_add(1);
                return;
            }
        }
    }

    /// Adds another profile's counts.
    pub fn merge(&mut self, other: &Self) {
        for (ttl, count) in other.counted() {
            if let Some((value, sum)) = self
                .values
                .iter_mut()
                .find(|(value, sum)| *sum == 0 || *value == ttl)
            {
                *value = ttl;
                *sum = sum.saturating_add(count);
            }
        }
    }

    /// The commonest TTL and how often it was seen.
    pub fn mode(&self) -> Option<(Ttl, u32)> {
        self.counted().max_by_key(|(_, count)| *count)
    }

    /// All values and their counts; those in use come first.
    pub(super) const fn values(&self) -> [(Ttl, u32); 4] {
        self.values
    }

    pub(super) const fn of(values: [(Ttl, u32); 4]) -> Self {
        Self { values }
    }

    /// The values in use: they come first.
    fn counted(&self) -> impl Iterator<Item = (Ttl, u32)> {
        let used = |(_, count): &(Ttl, u32)| *count > 0;
        self.values.iter().copied().filter(used)
    }

    /// This TTL was seen.
    pub fn contains(&self, ttl: Ttl) -> bool {
        self.counted().any(|(value, _)| value == ttl)
    }

    /// How many different values were seen (four at most).
    pub fn distinct(&self) -> usize {
        self.counted().count()
    }

    /// Packets counted.
    pub fn total(&self) -> u32 {
        self.values
            .iter()
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// A sender's timestamp clock (RFC 7323): two points on its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampLine {
    /// The first value and when it was seen.
    pub first: (u32, Timestamp),
    /// The newest value and when it was seen.
    pub last: (u32, Timestamp),
    /// How many were seen.
    pub samples: u32,
}

/// What one sender did.
///
/// What every packet changes stands first and stays so: it fills few cache lines.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// Packets, duplicates excluded.
    pub packets: u64,
    /// Payload bytes, retransmissions included.
    pub bytes: u64,
    /// New payload bytes.
    pub new_bytes: u64,
    /// Its newest packet.
    pub last_packet: Option<Timestamp>,
    /// Its first packet.
    pub first_packet: Option<Timestamp>,
    /// One past the highest sequence number seen: SND.NXT as an observer knows it.
    pub snd_nxt: Option<SeqNumber>,
    /// The highest acknowledgement that it sent: its RCV.NXT, or a little less.
    pub ack: Option<SeqNumber>,
    /// Sequence number that reports count from: ISS, or the first one seen.
    pub base: Option<SeqNumber>,
    /// Initial sequence number, where the SYN was seen.
    pub iss: Option<SeqNumber>,
    /// Consecutive segments of payload that it sent again since the peer last acknowledged anything new.
    pub unanswered_retransmissions: u32,
    /// Keepalive probes since the peer's last packet, and the interval between the last two.
    pub unanswered_probes: u32,
    /// TTL and IPv4 identification of its newest packet but RSTs.
    pub last_ip: Option<(Ttl, Option<u16>)>,
    /// Its last window, unscaled.
    pub window: u16,
    /// Its MAC address, and whether all of its packets but RSTs bore that one.
    pub mac: Option<MacAddress>,
    /// More than one MAC was seen.
    pub several_macs: bool,
    /// Packets (RSTs excluded) whose IPv4 identification was 0.
    pub zero_ip_ids: u32,
    /// It announced a window of 0.
    pub zero_windows: u32,
    /// Its timestamp clock.
    pub timestamp_line: Option<TimestampLine>,
    /// TTLs of its packets but RSTs.
    pub ttl: TtlProfile,
    /// Window scale that it announced.
    pub window_scale: Option<u8>,
    /// Maximum segment size that it announced.
    pub mss: Option<u16>,
    /// It sent SYN or SYN-ACK with SACK permitted.
    pub sack_permitted: bool,
    /// Its FIN.
    pub fin: Option<FinSeen>,
    /// When its SYN or SYN-ACK was first and last seen.
    pub syn_times: Option<(Timestamp, Timestamp)>,
    /// SYNs or SYN-ACKs that it sent.
    pub syns: u32,
    /// SYN-ACKs repeated after the client's ACK had been seen.
    pub syn_acks_after_ack: u32,
    /// Segments of payload that it sent again.
    pub retransmissions: u32,
    /// Segments that came after later ones.
    pub out_of_order: u32,
    /// Keepalive probes.
    pub keepalive_probes: u32,
    /// Zero-window probes.
    pub zero_window_probes: u32,
    /// Bytes that it sent and the capture missed.
    pub missed_bytes: u64,
    /// The newest of them: an acknowledgement is captured before its data now and then.
    pub(super) missing: Option<(SeqNumber, SeqNumber, Timestamp)>,
    /// How long after its acknowledgement its payload was captured at most: this direction is captured late. 0 where time goes right.
    pub lateness: Interval,
    /// It was seen to answer in the handshake: that is its kernel's own speed, without any application's.
    pub answered_handshake: bool,
    /// Highest right edge of a SACK block that it sent.
    pub sack_edge: Option<SeqNumber>,
    /// RST packets.
    pub resets: u64,
}

impl Direction {
    /// What is captured later than this was repeated, and not late.
    const LATEST: Interval = Interval::from_millis(50);
    /// So many bytes from what was seen of a stream lies what is none of its: chosen, above what is on its way unseen on most links.
    pub const FAR: u32 = 1 << 20;

    /// Counts a packet of its sender, which is no RST; see [`Connection::place`](crate::flow::Connection::place).
    #[inline(always)]
    pub(super) fn count(&mut self, head: &Head, is_at_place: bool) {
        self.packets += 1;
        self.bytes += u64::from(head.payload_len);
        self.base.get_or_insert(head.seq);
        self.first_packet.get_or_insert(head.time);
        self.last_packet = Some(head.time);
        self.window = head.window;
        self.zero_windows += u32::from(head.window == 0);
        if is_at_place {
            self.observe_way(head);
        }
        self.last_ip = Some((head.ttl, head.ip_id));
        self.zero_ip_ids += u32::from(head.ip_id == Some(0));
        if let Some(timestamps) = head.timestamps {
            self.observe_timestamps(timestamps, head.time);
        }
    }

    /// Remembers which way it came.
    #[inline(always)]
    pub(super) fn observe_way(&mut self, head: &Head) {
        self.ttl.count(head.ttl);
        self.observe_mac(head.src_mac.as_ref());
    }

    /// The right edge of a SACK block that it sent.
    pub(super) fn observe_sack(&mut self, edge: SeqNumber) {
        self.sack_edge = Some(self.sack_edge.map_or(edge, |known| known.later(edge)));
    }

    /// Remembers the sender's timestamp clock.
    pub(super) fn observe_timestamps(&mut self, timestamps: Timestamps, time: Timestamp) {
        match &mut self.timestamp_line {
            None => {
                let point = (timestamps.value, time);
                self.timestamp_line = Some(TimestampLine {
                    first: point,
                    last: point,
                    samples: 1,
                });
            }
            Some(line) => {
                line.last = (timestamps.value, time);
                line.samples = line.samples.saturating_add(1);
            }
        }
    }

    /// It was acknowledged up to `ack`, beyond all that was seen.
    pub(super) fn miss_until(&mut self, ack: SeqNumber, now: Timestamp) {
        let Some(next) = self.snd_nxt else { return };
        self.missed_bytes += u64::from(ack.offset_from(next).unsigned_abs());
        let (start, since) = match self.missing {
            Some((start, end, since)) if end == next && now - since < Self::LATEST => {
                (start, since)
            }
            _ => (next, now),
        };
        self.missing = Some((start, ack, since));
        self.snd_nxt = Some(ack);
    }

    /// One past the last byte of payload that it is known to have sent.
    pub fn last_byte(&self) -> Option<SeqNumber> {
        let next = self.snd_nxt?;
        let fin = self.fin.map(|fin| fin.seq);
        Some(fin.filter(|fin| next.is_after(*fin)).unwrap_or(next))
    }

    /// It may have said something after this moment that was not captured.
    pub fn may_lack_activity_since(&self, moment: Option<Timestamp>) -> bool {
        let is_older = |moment| self.missing.is_some_and(|(_, _, since)| since <= moment);
        self.missed_bytes > 0 && !moment.is_some_and(is_older)
    }

    /// A RST of its peer acknowledges more than was seen: at least a FIN is missing. A number beyond any window is a forger's, or
    /// that of another connection.
    pub(super) fn miss_before_reset(&mut self, reset: &Packet) {
        let missed = self
            .snd_nxt
            .filter(|_| reset.head.flags.ack() && self.packets > 0)
            .map_or(0, |next| reset.head.ack.offset_from(next));
        if missed > 0 && missed.unsigned_abs() < Self::FAR {
            self.missed_bytes += u64::from(missed.unsigned_abs());
        }
    }

    /// New payload, or a FIN: perhaps some of what was missing.
    pub(super) fn find_missed(&mut self, from: SeqNumber, end: SeqNumber, now: Timestamp) {
        let Some((start, ack, since)) = self.missing else {
            return;
        };
        let end = if end.is_after(ack) { ack } else { end };
        let found = end.offset_from(from.later(start));
        if let Ok(found) = u64::try_from(found) {
            self.missed_bytes = self.missed_bytes.saturating_sub(found);
            if found > 0 && now - since < Self::LATEST {
                self.lateness = self.lateness.max(now - since);
            }
        }
    }

    /// See [`Connection::look`](crate::flow::Connection::look).
    #[inline(always)]
    pub(super) fn look(&self) -> u64 {
        self.packets ^ u64::from(self.snd_nxt.is_some())
    }

    /// Remembers a MAC address.
    fn observe_mac(&mut self, mac: Option<&MacAddress>) {
        if let Some(mac) = mac {
            match &self.mac {
                None => self.mac = Some(*mac),
                Some(known) if known != mac => self.several_macs = true,
                Some(_) => {}
            }
        }
    }

    /// The scaled window, where the scale is known (RFC 7323: only when both sides offered it).
    pub fn scaled_window(&self, other: &Self) -> u64 {
        match (self.window_scale, other.window_scale) {
            (Some(scale), Some(_)) => u64::from(self.window) << scale.min(14),
            _ => u64::from(self.window),
        }
    }

    /// The window at most: where the handshake was not seen, any scale can be, up to 14 (RFC 7323 section 2.3).
    pub fn widest_window(&self, other: &Self) -> u64 {
        let is_known = self.window_scale.is_some() && other.window_scale.is_some();
        match self.iss.is_none() || other.iss.is_none() {
            true if !is_known => u64::from(self.window) << 14,
            _ => self.scaled_window(other),
        }
    }

    /// A sequence number that this sender may use next, or again: not beyond what its receiver lets it send (RFC 9293 section
    /// 3.8.6), not long before what it sent last. Others are those of another connection on the same addresses and ports.
    pub fn could_send(&self, seq: SeqNumber, receiver: &Self) -> bool {
        const RECENT: i64 = 1 << 20;
        let window = (receiver.widest_window(self) as i64).max(1 << 16);
        self.snd_nxt.is_none_or(|next| {
            let ahead = i64::from(seq.offset_from(next));
            (-window.max(RECENT)..=window).contains(&ahead)
        })
    }

    /// Sequence number relative to the first one.
    pub fn relative(&self, seq: SeqNumber) -> i64 {
        self.base.map_or(0, |base| i64::from(seq.offset_from(base)))
    }
}

/// Both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Both<T> {
    /// The client's.
    pub client: T,
    /// The server's.
    pub server: T,
}

impl<T> Both<T> {
    /// One peer's.
    pub const fn of(&self, peer: Peer) -> &T {
        match peer {
            Peer::Client => &self.client,
            Peer::Server => &self.server,
        }
    }

    /// One peer's, for changing.
    pub const fn of_mut(&mut self, peer: Peer) -> &mut T {
        match peer {
            Peer::Client => &mut self.client,
            Peer::Server => &mut self.server,
        }
    }

    /// One peer's, and the other's.
    pub const fn own_and_other(&self, peer: Peer) -> (&T, &T) {
        match peer {
            Peer::Client => (&self.client, &self.server),
            Peer::Server => (&self.server, &self.client),
        }
    }

    /// The same for changing.
    pub const fn own_and_other_mut(&mut self, peer: Peer) -> (&mut T, &mut T) {
        match peer {
            Peer::Client => (&mut self.client, &mut self.server),
            Peer::Server => (&mut self.server, &mut self.client),
        }
    }

    /// Client and server exchanged.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
    }
}
