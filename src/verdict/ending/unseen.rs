//! What the capture lacks of a connection, as far as it shows that.

use super::Ending;
use crate::flow::{Direction, Packet, PacketKind, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::SeqNumber;

/// A SYN or SYN-ACK that is not acknowledged is sent again by then, and so is other data where the round trip is short (RFC 6298
/// sections 2.1 and 2.4; many stacks are quicker with data).
const FIRST_TIMEOUT: Interval = Interval::from_millis(1_000);

/// See [`Ending::lost`].
#[derive(Clone, Copy, Debug)]
pub struct Lost<'a> {
    /// The first packet of the sender that is numbered behind them.
    pub behind: &'a Packet,
    /// A packet of the receiver, long after that one, which waits for the first of them.
    pub still: &'a Packet,
    /// At least so many.
    pub bytes: u32,
}

impl Ending<'_> {
    /// Nothing of one direction was ever seen, bytes of it were acknowledged or passed over that the capture lacks, or it lacks a FIN,
    /// acknowledgements, or all between the handshake and the RST.
    pub fn is_incomplete(&self) -> bool {
        let lacks = |peer: Peer| {
            self.lacks_bytes(peer)
                || *self.missed.of(peer) > 0
                || self.is_unheard(peer)
                || self.lacks_fin(peer)
                || self.lacks_acknowledgements_of(peer)
        };
        self.surroundings.capture_incomplete
            || lacks(Peer::Client)
            || lacks(Peer::Server)
            || self.lacks_the_middle()
    }

    /// The capture missed more of what it said than its receiver did.
    fn lacks_bytes(&self, peer: Peer) -> bool {
        let missed = self.state.of(peer).missed_bytes;
        missed > 0
            && self
                .lost(peer)
                .is_none_or(|lost| missed > lost.bytes.into())
    }

    /// Bytes of one side that never reached the other: a later packet of it is numbered behind them, and the receiver goes on waiting for
    /// them. Not the capture lacks them, but whoever it was taken for.
    pub fn lost(&self, sender: Peer) -> Option<Lost<'_>> {
        /// Neighbours that overtook each other are put right by then. Chosen.
        const REORDERING: Interval = Interval::from_millis(200);
        let due = self.state.of(sender.other()).ack?;
        let fin = self.fin(sender);
        let is_behind = |packet: &&Packet| packet.from == sender && packet.head.seq.is_after(due);
        if fin.is_some_and(|fin| !fin.seq.is_after(due)) {
            return None;
        }
        let way = self.round_trip().unwrap_or(Interval::ZERO);
        let (behind, still) = match self.before.iter().find(is_behind) {
            Some(behind) => {
                let since = behind.head.time + way.times(2).max(REORDERING);
                (behind, self.waiting_for(sender, due, since)?)
            }
            None => self.challenged_abort(sender, due)?,
        };
        Some(Lost {
            behind,
            still,
            bytes: behind.head.seq.offset_from(due).try_into().ok()?,
        })
    }

    /// The RST of a live socket and what its receiver challenged it with, because bytes before it had not come; another RST answered
    /// that (RFC 9293 section 3.10.7.4). Together they are the end.
    pub fn challenged_abort(&self, sender: Peer, due: SeqNumber) -> Option<(&Packet, &Packet)> {
        let mut resets = self.resets.iter().filter(|reset| reset.from == sender);
        let abort = resets.find(|reset| reset.head.flags.ack() && reset.head.seq.is_after(due))?;
        let is_near = abort.head.seq.offset_from(due).unsigned_abs() < Direction::FAR;
        let mut after = self.after.iter();
        let challenge = after.find(|packet| {
            packet.from != sender && packet.head.flags.ack() && packet.head.ack == due
        })?;
        let answers = |reset: &Packet| {
            !reset.head.flags.ack()
                && reset.head.seq == due
                && reset.head.time >= challenge.head.time
        };
        (is_near && resets.any(answers)).then_some((abort, challenge))
    }

    /// A packet that acknowledges what this side sent up to `due` and no more, later than this.
    pub fn waiting_for(
        &self,
        sender: Peer,
        due: SeqNumber,
        later_than: Timestamp,
    ) -> Option<&Packet> {
        let ended = self.before.iter().chain(&*self.resets);
        ended.chain(&*self.after).find(|packet| {
            packet.from == sender.other()
                && packet.head.flags.ack()
                && packet.head.ack == due
                && packet.head.time > later_than
        })
    }

    /// Something was said between the activity that a packet follows and it, and was not captured.
    pub fn lacks_activity(&self, packet: &Packet) -> bool {
        let since = packet.last_activity.map(|activity| activity.time);
        let lacks = |peer: Peer| {
            self.state.of(peer).may_lack_activity_since(since)
                || self.is_unheard(peer)
                || self.lacks_fin(peer)
        };
        self.is_part() || lacks(Peer::Client) || lacks(Peer::Server) || self.lacks_the_middle()
    }

    /// The other side acknowledges what it said, and none of that was captured.
    fn is_unheard(&self, peer: Peer) -> bool {
        let [own, other] = [peer, peer.other()].map(|peer| self.state.of(peer));
        // A lone acknowledgement that meets a RST may be a scanner's.
        own.packets == 0 && other.ack.is_some() && (own.resets == 0 || other.new_bytes > 0)
    }

    /// Its RST counts one more than it sent: a FIN that was not captured, as by a filter for payload and RST.
    fn lacks_fin(&self, peer: Peer) -> bool {
        let own = self.state.of(peer);
        let next = own.snd_nxt.filter(|_| own.fin.is_none());
        next.is_some_and(|next| {
            let mut resets = self.resets.iter();
            resets.any(|reset| reset.from == peer && reset.head.seq == next + 1)
        })
    }

    /// After so long, what is not acknowledged has been sent again: a second, or three where the round trip is not known (RFC 6298
    /// sections 2.1 and 2.4, RFC 1122 section 4.2.3.1).
    pub fn first_timeout(&self) -> Interval {
        let round_trip = self.round_trip();
        round_trip.map_or(Interval::from_millis(3_000), |round_trip| {
            FIRST_TIMEOUT + round_trip.times(2)
        })
    }

    /// It lived to send the RST, and had sent nothing again of what nobody acknowledged for too long: that was acknowledged.
    fn lacks_acknowledgements_of(&self, peer: Peer) -> bool {
        let [own, other] = [peer, peer.other()].map(|peer| self.state.of(peer));
        let mut resets = self.resets.iter();
        let Some(reset) = resets.next().filter(|reset| reset.from == peer) else {
            return false;
        };
        let is_open = |packet: &&Packet| {
            packet.from == peer
                && packet.is_new_data()
                && other.ack.is_none_or(|ack| packet.end().is_after(ack))
        };
        let oldest = self.before.iter().find(is_open);
        own.retransmissions == 0
            && oldest
                .is_some_and(|oldest| reset.head.time - oldest.head.time >= self.first_timeout())
    }

    /// Nothing but SYN and RST was captured, and more was said, or would have been by then: what lies between was left out, as by the
    /// filter `tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0`.
    pub fn lacks_the_middle(&self) -> bool {
        let server = &self.state.server;
        let is_bare = |packet: &Packet| packet.head.flags.syn() && packet.head.payload_len == 0;
        let Some(reset) = self.resets.first() else {
            return false;
        };
        let is_ahead = |peer: Peer, number: SeqNumber| {
            let next = self.state.of(peer).snd_nxt;
            let ahead = next.map_or(0, |next| number.offset_from(next));
            ahead > 0 && ahead.unsigned_abs() < Direction::FAR
        };
        let head = &reset.head;
        let answered = server.syn_times.filter(|_| server.syns == 1);
        let is_late = answered.is_some_and(|(_, answered)| head.time - answered > FIRST_TIMEOUT);
        let is_bare_or_fin = |packet: &Packet| is_bare(packet) || packet.kind == PacketKind::Fin;
        // Who closes had a connection: the client's acknowledgement of the SYN-ACK was left out, too.
        let closed = self.fin(Peer::Server).is_some()
            && (self.before.iter()).all(|packet| {
                packet.from == Peer::Server && is_bare_or_fin(packet) || is_bare(packet)
            })
            && self.handshake_seen();
        closed
            || self.before.iter().all(is_bare)
                && (is_late
                    || is_ahead(reset.from, head.seq)
                    || head.flags.ack() && is_ahead(reset.from.other(), head.ack))
    }
}
