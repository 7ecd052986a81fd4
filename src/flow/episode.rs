//! A reset as it was seen: all RST packets of one event, what came before and what came after.

use std::borrow::Cow;

use crate::capture::FrameId;
use crate::flow::direction::{Both, FinSeen};
use crate::flow::{Direction, LastActivity, Packet, PacketKind, Packets, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::{Head, Mptcp, SeqNumber, Ttl};

/// Captures exchange neighbours that are less than this apart.
const REORDERING: Interval = Interval::from_millis(1);

/// What was known of a connection at one moment.
#[derive(Clone, Debug)]
pub struct Moment<S> {
    /// Both directions.
    pub state: Both<Direction>,
    /// The dialogue.
    pub dialogue: S,
}

/// One reset event of a connection: the first RST, its echoes, and the state of both ends when the first one came.
#[derive(Clone, Debug)]
pub struct Episode<S> {
    /// The RST packets, oldest first; at most [`Episode::RSTS_KEPT`].
    pub resets: Vec<Packet>,
    /// Frames of all RST packets, second sightings included; at most [`Episode::FRAMES_KEPT`].
    pub frames: Vec<FrameId>,
    /// RST packets, second sightings included.
    pub packets: u64,
    /// Places in `resets` of those that another capture shows, too, each once, and their TTLs and times there.
    pub(super) elsewhere: Vec<(usize, (Ttl, Timestamp))>,
    /// The connection's packets before the first RST, oldest first. While it is the newest event, they are remembered here only.
    pub before: Packets,
    /// So many of them, the last ones, were captured after it.
    pub(super) rejoined: usize,
    /// Packets that `before` lacks between the first and the newest ones.
    pub before_skipped: u64,
    /// Packets after the first RST that are no RSTs; at most [`Episode::AFTER_KEPT`].
    pub after: Vec<Packet>,
    /// When the first RST came; `None` while nothing else came, and all is [as it was](crate::flow::Connection::moment_of).
    pub(super) moment: Option<Box<Moment<S>>>,
    /// Payload of a RST (RFC 9293 SHLD-2), at most 128 bytes.
    pub text: Vec<u8>,
    /// Whether the TCP checksum of the first RST was right, where it could be computed.
    pub checksum_ok: Option<bool>,
    /// What the first RST's MPTCP options say.
    pub mptcp: Option<Mptcp>,
    /// Traffic went on after it: payload (or a SYN-ACK) sent later was acknowledged.
    pub resumed: bool,
    /// The newest payload that each side sent after it.
    pub(super) later_data: Both<Option<SeqNumber>>,
    /// The time of the newest RST.
    pub last: Timestamp,
}

impl<S> Episode<S> {
    /// RST packets remembered whole.
    pub const RSTS_KEPT: usize = 24;
    /// RST frames remembered by number.
    pub const FRAMES_KEPT: usize = 10_000;
    /// Later packets remembered.
    pub const AFTER_KEPT: usize = 24;
    /// So many packets that were captured after the RST are given their place before it: where all have one time, no more are believed.
    pub const REJOINED: usize = 1_000;

    /// Adds another RST of this event.
    pub(super) fn add(&mut self, packet: Packet) {
        self.add_frame(packet.head.frame);
        self.last = packet.head.time;
        if self.resets.len() < Self::RSTS_KEPT {
            self.resets.push(packet);
        }
    }

    /// Adds a frame that shows a RST of this event.
    pub(super) fn add_frame(&mut self, frame: FrameId) {
        self.packets += 1;
        if self.frames.len() < Self::FRAMES_KEPT {
            self.frames.push(frame);
        }
    }

    /// Another capture shows a RST of this event: the first such one that it had not shown yet. Returns that.
    pub(super) fn note_elsewhere(
        &mut self,
        head: &Head,
        is_such: impl Fn(&Packet) -> bool,
    ) -> Option<&Packet> {
        let mut resets = self.resets.iter().enumerate();
        let (place, reset) =
            resets.find(|&(place, reset)| self.elsewhere(place).is_none() && is_such(reset))?;
        self.elsewhere.push((place, (head.ttl, head.time)));
        Some(reset)
    }

    /// TTL and time of one of `resets` in another capture than its own, if that shows it.
    pub fn elsewhere(&self, place: usize) -> Option<(Ttl, Timestamp)> {
        let found = self.elsewhere.iter().find(|(other, _)| *other == place);
        found.map(|(_, there)| *there)
    }

    /// Watches what is captured after the RST and was not sent before it.
    pub(super) fn observe_later(&mut self, packet: &Packet) {
        if self.after.len() < Self::AFTER_KEPT {
            self.after.push(*packet);
        }
        let could_be_sent = self.moment.as_ref().is_some_and(|moment| {
            let (sender, receiver) = moment.state.own_and_other(packet.from);
            sender.could_send(packet.head.seq, receiver)
        });
        if could_be_sent
            && !self.is_overtaken(packet)
            && (packet.is_new_data() || packet.kind == PacketKind::SynAck)
        {
            *self.later_data.of_mut(packet.from) = Some(packet.end());
        }
        let acknowledged = packet.head.flags.ack()
            && self
                .later_data
                .of(packet.from.other())
                .is_some_and(|end| !packet.head.ack.is_before(end));
        self.resumed |= acknowledged;
    }

    /// Payload below the RST's number: it was sent before the RST and only delivered later.
    fn is_overtaken(&self, packet: &Packet) -> bool {
        self.first().is_some_and(|reset| {
            reset.from == packet.from
                && packet.head.payload_len > 0
                && !packet.end().is_after(reset.head.seq)
        })
    }

    /// The numbers say that a packet captured just after the RST was sent before it: captures on several queues or interfaces
    /// exchange neighbours.
    pub(super) fn follows(&self, packet: &Packet) -> bool {
        let both = self.first().zip(self.moment.as_ref());
        both.is_some_and(|(reset, moment)| {
            // A direction that was late before is late again.
            let late = moment.state.of(packet.from).lateness;
            let near = packet.head.time - reset.head.time <= REORDERING + late.times(2);
            let believed = near && self.rejoined < Self::REJOINED;
            // What clears a connection of long ago bears that one's number, which says nothing of its sender's.
            let next = moment.state.of(reset.from).snd_nxt;
            let is_foreign = !reset.head.flags.ack()
                && next.is_some_and(|next| {
                    reset.head.seq.offset_from(next).unsigned_abs() >= Direction::FAR
                });
            let says = packet.from != reset.from || !is_foreign;
            believed && says && !self.resumed && precedes(packet, reset)
        })
    }

    /// Gives a packet that the RST follows its place before it: the connection was like this then, and the last activity was that one.
    pub(super) fn rejoin(
        &mut self,
        packet: &Packet,
        mut now: Moment<S>,
        activity: Option<LastActivity>,
    ) {
        if let Some(before) = &self.moment {
            now.state.client.resets = before.state.client.resets;
            now.state.server.resets = before.state.server.resets;
        }
        self.moment = Some(Box::new(now));
        self.before.whole_mut().push(*packet);
        self.rejoined += 1;
        for reset in &mut self.resets {
            reset.last_activity = activity;
            reset.previous_packet = Some(packet.head.time.min(reset.head.time));
        }
    }

    /// A FIN that was captured after the RST that acknowledges it had come before.
    pub(super) fn observe_acknowledged_fin(&mut self, from: Peer, fin: Option<FinSeen>) {
        let acknowledged = |fin: &FinSeen| {
            self.first().is_some_and(|reset| {
                reset.from == from.other()
                    && reset.head.flags.ack()
                    && reset.head.ack == fin.seq + 1
            })
        };
        let fin = fin.filter(acknowledged);
        if let Some((moment, fin)) = self.moment.as_mut().zip(fin) {
            moment.state.of_mut(from).fin.get_or_insert(fin);
        }
    }

    /// What was captured before the first RST, oldest first.
    pub(super) fn captured_before(&self) -> Cow<'_, [Packet]> {
        let mut packets = self.before.read();
        let captured = packets.len().saturating_sub(self.rejoined);
        match &mut packets {
            Cow::Borrowed(packets) => *packets = packets.get(..captured).unwrap_or_default(),
            Cow::Owned(packets) => packets.truncate(captured),
        }
        packets
    }

    /// The first RST.
    pub fn first(&self) -> Option<&Packet> {
        self.resets.first()
    }

    /// RSTs that bear one peer's address.
    pub fn resets_from(&self, peer: Peer) -> impl Iterator<Item = &Packet> {
        self.resets.iter().filter(move |packet| packet.from == peer)
    }
}

/// What the numbers of a RST say was there when it was sent.
fn precedes(packet: &Packet, reset: &Packet) -> bool {
    let occupies = packet.end() != packet.head.seq;
    match (packet.from == reset.from, occupies) {
        // A FIN at the very number of a RST without ACK: what drew that one had not acknowledged the FIN.
        (true, true) => {
            !packet.end().is_after(reset.head.seq)
                || packet.head.flags.fin()
                    && !reset.head.flags.ack()
                    && packet.head.seq == reset.head.seq
        }
        // A socket that is gone acknowledges nothing.
        (true, false) => {
            !packet.head.seq.is_after(reset.head.seq)
                && (!reset.head.flags.ack() || !packet.head.ack.is_after(reset.head.ack))
        }
        (false, true) if reset.head.flags.ack() => !packet.end().is_after(reset.head.ack),
        // What draws a RST without ACK gives it its number (RFC 9293 section 3.5.2).
        (false, _) => {
            !reset.head.flags.ack() && packet.head.flags.ack() && packet.head.ack == reset.head.seq
        }
    }
}
