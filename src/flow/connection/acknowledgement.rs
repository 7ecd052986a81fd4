//! What acknowledgements tell: of the other side's bytes and FIN, and of the round trip.

use super::Connection;
use crate::flow::outline::round_trip;
use crate::flow::{Packet, Peer, StreamReader};
use crate::time::Interval;
use crate::wire::{Head, SeqNumber};

impl<R: StreamReader> Connection<R> {
    /// The round trip between both ends: the two halves that the point of capture sees (see science of vantage points:
    /// SYN to SYN-ACK is the way to the server and back, SYN-ACK to ACK the way to the client and back).
    pub fn round_trip(&self) -> Option<Interval> {
        round_trip(self.response_time.client, self.response_time.server)
    }

    /// What a packet acknowledges was said before what it carries.
    pub(super) fn hear_acknowledgement(&mut self, packet: &Packet) {
        if !packet.head.flags.ack()
            || self.is_of_older_connection(packet) && !packet.head.flags.syn()
        {
            return;
        }
        let peer = packet.from.other();
        // A FIN takes a number and no place in the stream.
        let fin = self.directions.of(peer).fin.map(|fin| fin.seq);
        let ack = fin
            .filter(|fin| packet.head.ack.is_after(*fin))
            .unwrap_or(packet.head.ack);
        self.talk.begin(peer, ack);
        self.talk
            .acknowledged(packet.from, &packet.head, ack, self.server.1);
    }

    pub(super) fn take_acknowledgement(&mut self, packet: &Packet) {
        if !packet.head.flags.ack() {
            return;
        }
        let peer = packet.from.other();
        let acknowledged = self.directions.of_mut(peer);
        if let Some(fin) = &mut acknowledged.fin
            && fin.acked_at.is_none()
            && packet.head.ack.is_after(fin.seq)
        {
            fin.acked_at = Some(packet.head.time);
        }
        let progress = self
            .directions
            .of(packet.from)
            .ack
            .is_none_or(|ack| packet.head.ack.is_after(ack));
        if progress {
            self.directions.of_mut(packet.from).ack = Some(packet.head.ack);
            self.directions.of_mut(peer).unanswered_retransmissions = 0;
        }
        let missed = self
            .directions
            .of(peer)
            .snd_nxt
            .filter(|next| packet.head.ack.is_after(*next));
        if let Some(next) = missed {
            let bytes = packet.head.ack.offset_from(next);
            // An acknowledgement that jumps by more than any window was never of this data.
            if bytes < (1 << 30) && !self.is_of_older_connection(packet) {
                self.directions
                    .of_mut(peer)
                    .miss_until(packet.head.ack, packet.head.time);
            }
        }
        self.measure_round_trip(packet.from, &packet.head);
    }

    #[inline(always)]
    pub(super) fn measure_round_trip(&mut self, from: Peer, head: &Head) {
        let (ack, now) = (head.ack, head.time);
        let pending = self.pending_acks.of_mut(from.other());
        if let Some((end, sent)) = *pending
            && !ack.is_before(end)
        {
            *pending = None;
            let sample = now - sent;
            let (own, other) = self.directions.own_and_other_mut(from);
            // A kernel's answer: one that acknowledges more, or says something, may follow one that was not captured.
            let is_bare = ack == end && head.payload_len == 0;
            if is_bare && other.iss.is_some_and(|iss| end == iss + 1) {
                own.answered_handshake |= sample >= Interval::ZERO;
            }
            let best = self.response_time.of_mut(from);
            if sample >= Interval::ZERO && best.is_none_or(|known| sample < known) {
                *best = Some(sample);
            }
        }
    }

    /// A server that still holds an older connection answers a new SYN with that one's numbers (RFC 9293 section 3.10.7.4), and without
    /// data. Where only the SYN-ACK is missing, it acknowledges the new one's, and what followed it.
    fn is_of_older_connection(&self, packet: &Packet) -> bool {
        /// A request that was not captured, and far less than chance hits.
        const NEAR: i32 = 1 << 20;
        let is_near = |iss: SeqNumber| (1..=NEAR).contains(&packet.head.ack.offset_from(iss));
        packet.from == Peer::Server
            && self.server_may_be_older()
            && !(packet.head.payload_len > 0 && self.directions.client.iss.is_some_and(is_near))
    }

    /// Nothing but the client's SYN is known to be of this connection.
    pub(super) fn server_may_be_older(&self) -> bool {
        self.directions.server.iss.is_none()
            && self.directions.client.iss.is_some()
            && self.directions.client.new_bytes == 0
    }
}
