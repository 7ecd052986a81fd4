//! One connection: both directions, FINs, reset episodes and the idle clocks. Facts only.

mod acknowledgement;
mod activity;
mod mptcp;
mod packed;
mod phases;
mod remembered;
mod reset;
mod sighting;
mod steady;

pub(super) use packed::RestSheet;

use std::borrow::Cow;
use std::net::IpAddr;

pub(super) use self::sighting::Sighting;
use crate::capture::{CaptureId, FrameId};
use crate::flow::direction::{Both, Direction};
use crate::flow::multipath::Multipath;
use crate::flow::redirects::Called;
use crate::flow::talk::Talk;
use crate::flow::{
    Episode, History, LastActivity, Orientation, Packet, PacketKind, Peer, Sittings, StreamReader,
    Streams,
};
use crate::time::{Interval, Timestamp};
use crate::wire::{IcmpReason, Segment, SeqNumber, TcpFlags};

/// A silence after which the application went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurvivedIdle {
    /// Silence of the application.
    pub application: Interval,
    /// Time since the newest payload, housekeeping included.
    pub data: Interval,
    /// Silence on the wire.
    pub wire: Interval,
    /// Who spoke last before it; `None` when nobody had spoken yet.
    pub after: Option<Peer>,
    /// Who broke it.
    pub resumed_by: Peer,
    /// With which frame.
    pub frame: FrameId,
}

/// An ICMP error that quoted a packet of this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpSeen {
    /// When.
    pub time: Timestamp,
    /// Frame of the error.
    pub frame: FrameId,
    /// Who sent it.
    pub from: IpAddr,
    /// Whose packet it quotes.
    pub about: Peer,
    /// Its reason.
    pub reason: IcmpReason,
    /// The quoted packet was a SYN.
    pub quotes_syn: bool,
}

/// A connection as seen. `R` reads its dialogue.
///
/// What every packet changes stands first and stays so: it fills few cache lines.
#[repr(C)]
#[derive(Debug)]
pub struct Connection<R: StreamReader> {
    /// Newest packet.
    pub last: Timestamp,
    /// The application's last activity.
    pub last_activity: Option<LastActivity>,
    /// The conversation [is under way](Self::is_under_way), and this capture showed the newest packet.
    under_way: Option<CaptureId>,
    /// Keepalive probes since the application's last activity.
    pub probes_since_activity: u16,
    /// Who sent the first payload.
    pub first_to_speak: Option<Peer>,
    /// Packets that were cut within their headers or whose sender could not be known in time order: what is known is partial.
    pub cut_payload: bool,
    /// When the handshake's last ACK (or the client's first payload) was seen.
    pub established: Option<Timestamp>,
    /// What Zeek would tell of it: in one row or in several. Kept only where [asked for](crate::flow::Limits::sittings).
    pub sittings: Option<Box<Sittings>>,
    /// The first and the newest packets since the newest RST event; those before are remembered there: see
    /// [`packets`](Self::packets).
    pub(super) history: History,
    /// First packet.
    pub opened: Timestamp,
    /// Its numbers, by capture.
    pub streams: Streams,
    pending_acks: Both<Option<(SeqNumber, Timestamp)>>,
    /// Shortest time in which each side acknowledged something, as seen from the point of capture.
    pub response_time: Both<Option<Interval>>,
    pending_survival: Option<SurvivedIdle>,
    /// When the newest payload came that was [housekeeping](crate::flow::Activity).
    pub last_housekeeping: Option<Timestamp>,
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// The server's address and port.
    pub server: (IpAddr, u16),
    talk: Talk<R>,
    /// What each side did.
    pub directions: Both<Direction>,
    /// How both were told apart.
    pub orientation: Orientation,
    /// Reset events, oldest first; at most [`Connection::EPISODES_KEPT`], later RSTs join the last.
    pub episodes: Vec<Episode<R::Snapshot>>,
    /// Silences survived, longest first; at most [`Connection::SURVIVALS_KEPT`].
    pub survived: Vec<SurvivedIdle>,
    /// ICMP errors about it; at most 4.
    pub icmp: Vec<IcmpSeen>,
    /// Second sightings of one packet.
    pub duplicates: u64,
    /// Time of the closing ACK of the second FIN.
    pub closed: Option<Timestamp>,
    wireshark_base: Both<Option<SeqNumber>>,
    /// The name of the server that the client called, where a rule of the capturing host led it to another one.
    pub called: Option<Box<Called>>,
    /// It is a subflow of MPTCP.
    pub multipath: Option<Box<Multipath>>,
}

impl<R: StreamReader> Connection<R> {
    /// Most reset events kept apart.
    pub const EPISODES_KEPT: usize = 16;
    /// Most survived silences kept.
    pub const SURVIVALS_KEPT: usize = 16;
    /// Silences shorter than this are not remembered as survived.
    pub const SHORTEST_SURVIVAL: Interval = Interval::from_millis(100);
    /// Packets remembered of one that both sides have closed.
    const CLOSED_HISTORY: usize = 8;

    /// A connection whose first packet comes from `first_sender` (address, port), going to `other`.
    pub(super) fn new(
        client: (IpAddr, u16),
        server: (IpAddr, u16),
        orientation: Orientation,
        opened: Timestamp,
    ) -> Self {
        Self {
            client,
            server,
            orientation,
            streams: Streams::default(),
            opened,
            last: opened,
            directions: Both::default(),
            history: History::default(),
            episodes: Vec::new(),
            last_activity: None,
            probes_since_activity: 0,
            survived: Vec::new(),
            first_to_speak: None,
            icmp: Vec::new(),
            duplicates: 0,
            cut_payload: false,
            response_time: Both::default(),
            sittings: None,
            established: None,
            closed: None,
            talk: Talk::default(),
            pending_survival: None,
            last_housekeeping: None,
            pending_acks: Both::default(),
            wireshark_base: Both::default(),
            called: None,
            multipath: None,
            under_way: None,
        }
    }

    /// What was said, as far as it was read.
    pub fn dialogue(&self) -> R::Snapshot {
        self.talk.snapshot()
    }

    /// Who reads it; `None` before anything was said.
    pub fn reader(&self) -> Option<Cow<'_, R>> {
        self.talk.reader()
    }

    /// It closed in order and nothing is open.
    pub(super) fn close(&mut self) {
        self.talk.close();
        self.history.keep_newest(Self::CLOSED_HISTORY);
    }

    /// Gives memory back that only further packets could need, of one that stays.
    pub(super) fn give_back(&mut self) {
        self.talk.give_back();
        self.history.give_back();
    }

    /// A [new](Self::new) one in the memory of this one, which is needed no more.
    pub(super) fn begin_anew(
        &mut self,
        client: (IpAddr, u16),
        server: (IpAddr, u16),
        orientation: Orientation,
        opened: Timestamp,
    ) {
        self.client = client;
        self.server = server;
        self.orientation = orientation;
        self.streams = Streams::default();
        self.opened = opened;
        self.last = opened;
        self.directions = Both::default();
        self.history.forget_all();
        self.episodes.clear();
        self.last_activity = None;
        self.probes_since_activity = 0;
        self.survived.clear();
        self.first_to_speak = None;
        self.icmp.clear();
        self.duplicates = 0;
        self.cut_payload = false;
        self.response_time = Both::default();
        self.sittings = None;
        self.established = None;
        self.closed = None;
        self.talk.begin_anew();
        self.pending_survival = None;
        self.last_housekeeping = None;
        self.pending_acks = Both::default();
        self.wireshark_base = Both::default();
        self.called = None;
        self.multipath = None;
        self.under_way = None;
    }

    /// Stream offset of a sequence number of one side; `None` where nothing of that side was seen, or before its start.
    pub fn offset_of(&self, peer: Peer, seq: SeqNumber) -> Option<u64> {
        self.talk.of(peer).offset_of(seq)
    }

    /// Bytes of one side that were acknowledged and never captured.
    pub fn missed_bytes(&self, peer: Peer) -> u64 {
        self.talk.of(peer).missed
    }

    /// Both directions as they are now; what lies below the newest payload or FIN and was not seen counts as missed.
    pub fn frozen_directions(&self) -> Both<Direction> {
        let mut directions = self.directions.clone();
        for peer in [Peer::Client, Peer::Server] {
            let direction = directions.of_mut(peer);
            let end = direction.fin.map(|fin| fin.seq).or(direction.snd_nxt);
            direction.missed_bytes += end.map_or(0, |end| self.talk.of(peer).hole_before(end));
        }
        directions
    }

    /// Its server answers by this name.
    pub(super) fn is_called(&mut self, server: (IpAddr, u16)) {
        self.called
            .get_or_insert_with(|| Box::new(Called::new(server)));
    }

    /// Its answers are this stream of a capture.
    pub(super) fn is_answered_in(&mut self, capture: CaptureId, stream: u32) {
        if let Some(called) = &mut self.called {
            called.push(capture, stream);
        }
    }

    /// The number in the capture that showed it first.
    pub fn first_stream(&self) -> u32 {
        self.streams.first().1
    }

    /// A SYN without ACK with this number opens a new stream: Wireshark's rule (`wireshark-semantics`: the base of the
    /// direction is known and differs).
    pub(super) fn is_reused_by(&self, from: Peer, syn: SeqNumber) -> bool {
        self.wireshark_base.of(from).is_some_and(|base| base != syn)
    }

    /// Base sequence numbers of client and server as Wireshark's rule knows them.
    pub(super) fn bases(&self) -> Both<Option<SeqNumber>> {
        self.wireshark_base.clone()
    }

    /// They are known again.
    pub(super) fn know_bases(&mut self, bases: Both<Option<SeqNumber>>) {
        self.wireshark_base = bases;
    }

    /// Takes a segment. Returns what it was.
    pub(super) fn take(&mut self, from: Peer, flags: TcpFlags, segment: &Segment<'_>) -> Taken {
        let taken = self.take_any(from, flags, segment);
        self.under_way = self.is_under_way().then_some(segment.head.frame.capture);
        taken
    }

    fn take_any(&mut self, from: Peer, flags: TcpFlags, segment: &Segment<'_>) -> Taken {
        self.unpack_episode();
        self.observe_wireshark_base(from, flags, segment);
        let said = segment.options.mptcp;
        let told = said.map(|said| self.take_mptcp(from, &segment.head, &said));
        let told = told.unwrap_or_default();
        if !told.is_news
            && let Some(sighting) = self.second_sighting(from, &segment.head)
        {
            self.duplicates += 1;
            if sighting == Sighting::Elsewhere {
                self.note_elsewhere(from, &segment.head);
            } else if flags.rst()
                && let Some(episode) = self.episodes.last_mut()
            {
                episode.add_frame(segment.head.frame);
            }
            return Taken::Again(sighting);
        }
        let kind = self.classify(from, flags, segment);
        let mut packet = Packet::empty();
        packet.write(from, kind, &segment.head, self.before());
        if flags.rst() {
            self.take_reset(packet, segment);
        } else {
            self.keep_moment();
            self.hear_acknowledgement(&packet);
            // Few packets are. A byte that is not written now does not have to be waited for where the packet is copied.
            if self.take_payload(&packet, segment) {
                packet.housekeeping = true;
            }
            self.take_handshake(&packet, segment);
            self.take_fin(&packet, told.closes);
            self.take_acknowledgement(&packet);
            self.count(&packet, segment);
            self.advance(&packet);
            self.follow_reset(&packet);
        }
        if let Some(sittings) = &mut self.sittings {
            sittings.observe(&packet, &self.directions);
        }
        if let Some(place) = self.history.next_place() {
            *place = packet;
        }
        self.last = segment.head.time;
        self.note_close(segment.head.time);
        Taken::Packet
    }

    /// Remembers an ICMP error.
    pub(super) fn take_icmp(&mut self, icmp: IcmpSeen) {
        if self.icmp.len() < 4 {
            self.icmp.push(icmp);
        }
    }

    /// Wireshark's rule of port re-use knows the first sequence number of each direction, or what the other one first acknowledged; a
    /// SYN-ACK with another number makes that the first one.
    pub(super) fn observe_wireshark_base(
        &mut self,
        from: Peer,
        flags: TcpFlags,
        segment: &Segment<'_>,
    ) {
        let own = self.wireshark_base.of_mut(from);
        if flags.syn() && flags.ack() && own.is_some() {
            *own = Some(segment.head.seq);
        }
        if segment.header_past_end {
            return;
        }
        own.get_or_insert(if flags.syn() {
            segment.head.seq
        } else {
            segment.head.seq - 1
        });
        if flags.ack() {
            self.wireshark_base
                .of_mut(from.other())
                .get_or_insert(segment.head.ack - 1);
        }
    }

    fn classify(&self, from: Peer, flags: TcpFlags, segment: &Segment<'_>) -> PacketKind {
        if flags.rst() {
            return PacketKind::Rst;
        }
        if flags.syn() {
            return if flags.ack() {
                PacketKind::SynAck
            } else {
                PacketKind::Syn
            };
        }
        let (own, other) = (self.directions.of(from), self.directions.of(from.other()));
        if is_probe(own, other, flags, segment) {
            return if other.packets > 0 && other.window == 0 {
                PacketKind::ZeroWindowProbe
            } else {
                PacketKind::KeepaliveProbe
            };
        }
        if segment.head.payload_len == 0 {
            return if flags.fin() {
                PacketKind::Fin
            } else {
                PacketKind::Ack
            };
        }
        if self
            .talk
            .of(from)
            .has_seen(segment.head.seq, segment.head.payload_len)
        {
            return PacketKind::Retransmission;
        }
        PacketKind::Data
    }

    fn count(&mut self, packet: &Packet, segment: &Segment<'_>) {
        let is_at_place = self.is_at_place(&segment.head);
        let (direction, other) = self.directions.own_and_other_mut(packet.from);
        other.unanswered_probes = 0;
        direction.count(&segment.head, is_at_place);
        if let Some(edge) = segment.options.sack_right_edge {
            direction.observe_sack(edge);
        }
        match packet.kind {
            PacketKind::Retransmission => {
                direction.retransmissions += 1;
                direction.unanswered_retransmissions += 1;
            }
            PacketKind::KeepaliveProbe => {
                direction.keepalive_probes += 1;
                direction.unanswered_probes += 1;
            }
            PacketKind::ZeroWindowProbe => direction.zero_window_probes += 1,
            PacketKind::Data => direction.new_bytes += u64::from(packet.head.payload_len),
            _ => {}
        }
    }

    /// Moves SND.NXT, and measures the round trip where it does.
    fn advance(&mut self, packet: &Packet) {
        let direction = self.directions.of_mut(packet.from);
        let end = packet.end();
        let first_fin = direction
            .fin
            .is_some_and(|fin| fin.frame == packet.head.frame);
        if packet.is_new_data() || first_fin {
            direction.find_missed(packet.head.seq, end, packet.head.time);
        }
        match direction.snd_nxt {
            Some(next) if !end.is_after(next) => {
                direction.out_of_order += u32::from(packet.kind == PacketKind::Data);
            }
            _ => {
                direction.snd_nxt = Some(end);
                // Its acknowledgement was captured before it: a later one says nothing of the round trip.
                let other = self.directions.of(packet.from.other());
                let acknowledged = other.ack.is_some_and(|ack| !end.is_after(ack));
                if end != packet.head.seq && !acknowledged {
                    let pending = self.pending_acks.of_mut(packet.from);
                    pending.get_or_insert((end, packet.head.time));
                }
            }
        }
        let again = match packet.kind {
            PacketKind::Syn | PacketKind::SynAck => self.directions.of(packet.from).syns > 1,
            kind => kind == PacketKind::Retransmission,
        };
        if again {
            // Karn: a retransmitted segment's acknowledgement says nothing of the round trip.
            *self.pending_acks.of_mut(packet.from) = None;
        }
    }

    /// Nothing waits for an answer.
    pub(super) fn is_settled(&self) -> bool {
        self.talk.is_settled()
    }

    /// Both FINs were acknowledged and no RST was seen: memory can be given back.
    pub(super) fn is_quietly_closed(&self) -> bool {
        self.closed.is_some() && self.episodes.is_empty()
    }
}

/// What a segment turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A packet of the connection.
    Packet,
    /// One that was seen before.
    Again(Sighting),
}

/// A keepalive or zero-window probe: at most one byte just below SND.NXT, all data acknowledged, after a pause
/// (RFC 9293 section 3.8.4; Linux sends no byte, `tcp_xmit_probe_skb`).
fn is_probe(own: &Direction, other: &Direction, flags: TcpFlags, segment: &Segment<'_>) -> bool {
    const SHORTEST_PAUSE: Interval = Interval::from_millis(150);
    segment.head.payload_len <= 1
        && !flags.fin()
        && flags.ack()
        && own.fin.is_none()
        && own.snd_nxt == Some(segment.head.seq + 1)
        && other.ack.is_none_or(|ack| Some(ack) == own.snd_nxt)
        && own
            .last_packet
            .is_some_and(|last| segment.head.time - last >= SHORTEST_PAUSE)
}
