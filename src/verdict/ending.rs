//! The frozen facts of one ending: all that a verdict may read. It can be built from a capture or by hand.

mod unseen;

use std::borrow::Cow;
use std::net::IpAddr;

use crate::capture::CaptureId;
use crate::dialogue::{Answer, Completeness, Dialogue, Exchange, Protocol};
use crate::flow::{
    Both, DataFin, Direction, FinSeen, IcmpSeen, Multipath, Orientation, Packet, Peer, TtlProfile,
};
use crate::time::{Interval, Timestamp};
use crate::verdict::Passage;
use crate::wire::{Mptcp, SeqNumber, Ttl};

/// How the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndingKind {
    /// By a RST.
    Reset,
    /// By FIN, or by silence: no RST was seen (or none that counted).
    NoReset,
}

/// What other connections of the capture say about one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostProfile {
    /// TTLs of its packets on other connections, RSTs excluded.
    pub ttl: TtlProfile,
    /// Shortest response to a packet on any connection.
    pub response: Option<Interval>,
}

/// How many packets that one of two captures shows the other one lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CaptureLosses {
    /// Fewer than one in a thousand.
    Rare,
    /// At most one in a hundred; or they are too few to tell.
    #[default]
    Few,
    /// More than that.
    Frequent,
}

/// The silence after which a server ended its idle connections with a FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimer {
    /// The middle one of those silences.
    pub after: Interval,
    /// How many of them were [about as long](IdleTimer::tolerance).
    pub closes: u32,
}

impl IdleTimer {
    /// One coincidence is none.
    pub const FEWEST: u32 = 2;

    /// Silences that differ by less are equal: 60 ms or 2 %.
    pub fn tolerance(&self) -> Interval {
        Interval::from_nanos(self.after.as_nanos() / 50).max(Interval::from_millis(60))
    }
}

/// What other connections of the capture say about this ending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Both hosts elsewhere.
    pub hosts: Both<HostProfile>,
    /// Other connections of the same server endpoint that the server's side ended within 150 ms of this one.
    pub simultaneous_ends: u32,
    /// Other connections of the same server endpoint that were reset after the same silence (within 60 ms or 2 %), at other times.
    pub equal_idle_resets: u32,
    /// The idle timer of the server endpoint, if most of its idle connections were ended after the same silence.
    pub idle_timer: Option<IdleTimer>,
    /// The longest silence between requests that a connection between the same client and server endpoint survived.
    pub longest_survived: Option<Interval>,
    /// The same endpoint refused connections within the following 10 s.
    pub refused_after: u32,
    /// Connects to the same endpoint, since it was last heard here and until two minutes after, that got no answer to several SYNs.
    pub unheard_connects: u32,
    /// The same endpoint repeated SYN-ACKs to clients that had answered them.
    pub syn_acks_repeated: bool,
    /// Connections in which the same endpoint spoke TLS.
    pub tls_sessions: u32,
    /// A new connection between the same hosts and port was established after this ending.
    pub reconnected: bool,
    /// When one was established last.
    pub last_established: Option<Timestamp>,
    /// Frames may be missing from the capture (drops, damage): arguments from absence are off.
    pub capture_incomplete: bool,
    /// How many packets of connections that two captures show one of them lacks.
    pub capture_losses: CaptureLosses,
    /// The steps in which the captures' clocks go, where those are long.
    pub clock_step: Interval,
}

/// What two captures show of a RST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetSighting {
    /// Which of them show it, where something follows from that.
    pub passage: Option<Passage>,
    /// Its TTL at [`Ending::place`]: seen there, or reckoned from its sender's other packets.
    pub ttl: Option<Ttl>,
    /// When it passed the other capture, by that one's clock: seen there, or at the latest.
    pub elsewhere: Option<Timestamp>,
}

/// What two captures show of one side's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentFrom {
    /// The capture nearer to that side.
    pub near: CaptureId,
    /// That one was taken on that side's host, or on its link: its packets bear the TTL there that hosts begin with.
    pub is_at_host: bool,
    /// Up to where both show its stream.
    pub crossed: SeqNumber,
    /// From when until when, by the nearer one's clock, the other one shows what crosses.
    pub watched: [Timestamp; 2],
}

/// Of both sides, where two captures show a connection and it is known which is nearer to whom.
pub type TwoEnds = Both<SentFrom>;

/// The facts of one ending.
#[derive(Clone, Debug)]
pub struct Ending<'a> {
    /// RST or not.
    pub kind: EndingKind,
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// The server's address and port.
    pub server: (IpAddr, u16),
    /// How client and server were told apart.
    pub orientation: Orientation,
    /// First packet of the connection.
    pub opened: Timestamp,
    /// Newest packet of the connection.
    pub last: Timestamp,
    /// When the handshake was complete.
    pub established: Option<Timestamp>,
    /// Packets before the RST (all packets for an ending without one), oldest first.
    pub before: Cow<'a, [Packet]>,
    /// Packets that `before` lacks.
    pub before_skipped: u64,
    /// RST packets of the event.
    pub resets: Cow<'a, [Packet]>,
    /// Number of RST packets, second sightings included.
    pub reset_packets: u64,
    /// Packets after the first RST that are no RSTs.
    pub after: Cow<'a, [Packet]>,
    /// Traffic went on after the RST and was acknowledged.
    pub resumed: bool,
    /// Both directions when the RST came (at the end, for an ending without one).
    pub state: Cow<'a, Both<Direction>>,
    /// The dialogue at the same moment.
    pub dialogue: Cow<'a, Dialogue>,
    /// Stream offset that each side's peer had acknowledged of it, at the same moment.
    pub acked_offset: Both<Option<u64>>,
    /// Stream offset that the RST's own acknowledgement covers of its receiver's stream.
    pub reset_acks_offset: Option<u64>,
    /// Shortest response of each side, seen from the point of capture.
    pub response_time: Both<Option<Interval>>,
    /// ICMP errors that quoted the connection.
    pub icmp: Vec<IcmpSeen>,
    /// Bytes that the capture missed or cut.
    pub missed: Both<u64>,
    /// Payload was cut by the snap length.
    pub cut_payload: bool,
    /// Captures of several places show it: the one whose TTLs and MAC addresses are known. Times from one side's packet to the other's
    /// are no round trip's.
    pub place: Option<CaptureId>,
    /// Of each of `resets`, where two captures show the connection.
    pub sightings: Vec<ResetSighting>,
    /// What two captures show of both streams.
    pub two_ends: Option<TwoEnds>,
    /// Text in the RST.
    pub reset_text: Cow<'a, [u8]>,
    /// TCP checksum of the first RST.
    pub checksum_ok: Option<bool>,
    /// What the first RST's MPTCP options say.
    pub mptcp: Option<Mptcp>,
    /// What they have said before, of a connection that is a subflow of MPTCP.
    pub multipath: Option<Multipath>,
    /// The end of the capture.
    pub capture_end: Timestamp,
    /// Other connections.
    pub surroundings: Surroundings,
}

/// Silences shorter than this are no idle, whatever the round trip. Chosen.
pub const SHORTEST_IDLE: Interval = Interval::from_millis(150);

impl Ending<'_> {
    /// The packet's TTL and MAC address can be held against what is known of its sender's: it was captured at the same place.
    pub fn is_at_place(&self, packet: &Packet) -> bool {
        self.place
            .is_none_or(|place| place == packet.head.frame.capture)
    }

    /// A RST of the event as it was seen, or would have been, where TTLs of its sender's other packets were.
    pub fn at_place(&self, reset: &Packet) -> Option<Packet> {
        if self.is_at_place(reset) {
            return Some(*reset);
        }
        let mut seen = *reset;
        seen.head.ttl = self.sighting(reset)?.ttl?;
        Some(seen)
    }

    /// What was said went over other subflows of MPTCP, too.
    pub fn is_part(&self) -> bool {
        let multipath = self.multipath.as_ref();
        multipath.is_some_and(|multipath| multipath.is_part)
    }

    /// A packet's sender had this FIN of the other side when it sent it.
    pub fn had(&self, packet: &Packet, fin: &FinSeen) -> bool {
        // A DATA_FIN takes no number of the subflow.
        match self.data_fin(packet.from.other(), fin) {
            Some(data_fin) => data_fin.acked_at.is_some_and(|at| at <= packet.head.time),
            None => packet.head.ack.is_after(fin.seq),
        }
    }

    /// With this packet its sender closed.
    pub fn is_fin(&self, packet: &Packet) -> bool {
        let fin = self.fin(packet.from);
        packet.head.flags.fin() || fin.is_some_and(|fin| fin.frame == packet.head.frame)
    }

    /// What is taken for this side's FIN is MPTCP's DATA_FIN.
    pub fn data_fin(&self, from: Peer, fin: &FinSeen) -> Option<&DataFin> {
        let multipath = self.multipath.as_ref()?;
        let data_fin = multipath.data_fins.of(from).as_ref();
        data_fin.filter(|data_fin| data_fin.frame == fin.frame)
    }

    /// It bears its sender's DATA_FIN.
    pub fn has_data_fin(&self, packet: &Packet) -> bool {
        let fin = self.fin(packet.from);
        let data_fin = fin.and_then(|fin| self.data_fin(packet.from, fin));
        data_fin.is_some_and(|data_fin| data_fin.frame == packet.head.frame)
    }

    /// The way of a RST of the event.
    pub fn passage_of(&self, reset: &Packet) -> Option<Passage> {
        self.sighting(reset)?.passage
    }

    /// A RST was sent by the very host whose address it bears, or by what shares its link: a capture there shows it, and so does the far
    /// one.
    pub fn is_from_host(&self, reset: &Packet) -> bool {
        let ends = self.two_ends.as_ref();
        self.passage_of(reset) == Some(Passage::Whole)
            && ends.is_some_and(|ends| ends.of(reset.from).is_at_host)
    }

    /// What a packet's sender said with it crossed to the capture nearer to its receiver, or did not; unknown where one capture shows the
    /// connection, or the farther one was over, or loses packets often.
    pub fn crossed(&self, packet: &Packet) -> Option<bool> {
        let (own, other) = self.two_ends.as_ref()?.own_and_other(packet.from);
        let is_shown = |shown: &Packet| {
            shown.from == packet.from
                && shown.head.frame.capture == other.near
                && shown.end().is_after(packet.head.seq)
        };
        let mut remembered = self.before.iter().chain(&*self.after);
        if own.crossed.is_after(packet.head.seq) || remembered.any(is_shown) {
            return Some(true);
        }
        let [since, until] = own.watched;
        let is_watched = (since..=until).contains(&packet.head.time)
            && self.surroundings.capture_losses != CaptureLosses::Frequent;
        is_watched.then_some(false)
    }

    /// How long after a RST another packet was captured, both of them at one place.
    pub fn since_reset(&self, reset: &Packet, packet: &Packet) -> Option<Interval> {
        let there = match (
            reset.head.frame.capture == packet.head.frame.capture,
            self.place,
        ) {
            (true, _) | (_, None) => reset.head.time,
            (false, Some(_)) => self.sighting(reset)?.elsewhere?,
        };
        Some(packet.head.time - there)
    }

    fn sighting(&self, reset: &Packet) -> Option<ResetSighting> {
        let mut resets = self.resets.iter();
        let place = resets.position(|other| other.head.frame == reset.head.frame)?;
        self.sightings.get(place).copied()
    }

    /// The round trip between both ends as the two halves at the point of capture give it, or as other connections between these hosts do.
    pub fn round_trip(&self) -> Option<Interval> {
        let half = |peer: Peer| {
            (*self.response_time.of(peer)).or(self.surroundings.hosts.of(peer).response)
        };
        match (half(Peer::Client), half(Peer::Server)) {
            (Some(client), Some(server)) => Some(client + server),
            (one, other) => one.or(other),
        }
    }

    /// A silence that is longer than this is idle: two round trips, at least 150 ms (a race is one round trip wide).
    pub fn idle_threshold(&self) -> Interval {
        self.round_trip()
            .map_or(SHORTEST_IDLE, |rtt| rtt.times(2).max(SHORTEST_IDLE))
    }

    /// A peer's shortest response seen from the point of capture, on this or on other connections.
    pub fn response_of(&self, peer: Peer) -> Option<Interval> {
        (*self.response_time.of(peer)).or(self.surroundings.hosts.of(peer).response)
    }

    /// The shortest of all, on whatever connection.
    pub fn shortest_response_of(&self, peer: Peer) -> Option<Interval> {
        let own = *self.response_time.of(peer);
        let others = self.surroundings.hosts.of(peer).response;
        own.into_iter().chain(others).min()
    }

    /// A FIN of a peer that was seen before the RST (or at all).
    pub fn fin(&self, peer: Peer) -> Option<&FinSeen> {
        self.state.of(peer).fin.as_ref()
    }

    /// Clocks with long steps tell no silence from what is none.
    pub fn shows_silences(&self) -> bool {
        self.surroundings.clock_step < SHORTEST_IDLE
    }

    /// The handshake was captured: roles and sequence numbers are sure.
    pub fn handshake_seen(&self) -> bool {
        self.state.client.iss.is_some() && self.state.server.iss.is_some()
    }

    /// How far the peer of `sender` acknowledged `sender`'s stream, the RST's own acknowledgement included.
    pub fn acknowledged_of(&self, sender: Peer) -> Option<u64> {
        let by_segments = *self.acked_offset.of(sender);
        let by_reset = self
            .resets
            .first()
            .filter(|reset| reset.from == sender.other() && reset.head.flags.ack())
            .and(self.reset_acks_offset);
        by_segments.max(by_reset)
    }

    /// Stream offset of a sequence number of one side, where its peer acknowledged anything.
    pub fn offset_of(&self, peer: Peer, seq: SeqNumber) -> Option<u64> {
        let acknowledged = self.state.of(peer.other()).ack?;
        let offset = (*self.acked_offset.of(peer))?;
        offset.checked_add_signed(i64::from(seq.offset_from(acknowledged)))
    }

    /// Messages of this protocol tell their own end, where all of their bytes were captured.
    pub fn is_framed(&self) -> bool {
        !matches!(
            self.dialogue.protocol,
            Protocol::Opaque | Protocol::Tls | Protocol::WebSocket
        )
    }

    /// Nothing was ever answered in a protocol that nobody knows, and the one who spoke went on after pauses of its own: it waited
    /// for no answer.
    pub fn is_one_way(&self) -> bool {
        let requester = self.dialogue.requester;
        self.dialogue.protocol == Protocol::Opaque
            && self.dialogue.answered == 0
            && self.newest_before(requester).any(|packet| {
                packet.is_new_data()
                    && packet.last_activity.is_some_and(|activity| {
                        activity.from == requester
                            && packet.head.time - activity.time >= self.idle_threshold()
                    })
            })
    }

    /// Up to when facts were frozen: at the RST, or a little later where what it follows was captured after it.
    pub fn frozen_at(&self, reset: &Packet) -> Timestamp {
        self.before.last().map_or(reset.head.time, |packet| {
            packet.head.time.max(reset.head.time)
        })
    }

    /// One side's packets before the RST, newest first.
    pub fn newest_before(&self, from: Peer) -> impl Iterator<Item = &Packet> {
        self.before
            .iter()
            .rev()
            .filter(move |packet| packet.from == from)
    }

    /// A sequence number relative to its sender's first.
    pub fn relative(&self, peer: Peer, seq: SeqNumber) -> i64 {
        self.state.of(peer).relative(seq)
    }
}

/// How far an exchange had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The request is not whole yet, and nothing was answered.
    Asking,
    /// The request is whole (or may be) and nothing was answered.
    Unanswered,
    /// Part of the response came; its framing says that more was due, or it ends with the connection.
    Answering,
    /// The response is whole, or no framing contradicts that.
    Answered,
    /// A message that wants no answer.
    Told,
}

/// How far an exchange had come.
pub fn progress(exchange: &Exchange) -> Progress {
    let response = exchange.response.map(|response| response.complete);
    progress_of(exchange.request.complete, exchange.answer, response)
}

/// The same, from how whole both messages are.
pub fn progress_of(
    request: Completeness,
    answer: Answer,
    response: Option<Completeness>,
) -> Progress {
    use Completeness::{Complete, HeadIncomplete, Incomplete, Unknown, UntilClose};
    match (response, answer) {
        (_, Answer::NotDue) => Progress::Told,
        (None, _) if matches!(request, Incomplete | HeadIncomplete) => Progress::Asking,
        (None, _) => Progress::Unanswered,
        (Some(Incomplete | HeadIncomplete | UntilClose), _) => Progress::Answering,
        (Some(Complete | Unknown), _) => Progress::Answered,
    }
}
