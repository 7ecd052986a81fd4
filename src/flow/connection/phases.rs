//! From the handshake to the last FIN's acknowledgement.

use super::Connection;
use crate::flow::direction::{Direction, FinSeen};
use crate::flow::{Mark, Packet, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;
use crate::wire::{Head, Segment};

impl<R: StreamReader> Connection<R> {
    pub(super) fn take_handshake(&mut self, packet: &Packet, segment: &Segment<'_>) {
        let established = self.established.is_some();
        let direction = self.directions.of_mut(packet.from);
        match packet.kind {
            PacketKind::Syn | PacketKind::SynAck => {
                direction.iss.get_or_insert(packet.head.seq);
                direction.syns += 1;
                let first = direction
                    .syn_times
                    .map_or(packet.head.time, |(first, _)| first);
                direction.syn_times = Some((first, packet.head.time));
                direction.window_scale = segment.options.window_scale;
                direction.mss = segment.options.mss;
                direction.sack_permitted = segment.options.sack_permitted;
                if packet.kind == PacketKind::SynAck && established && direction.syns > 1 {
                    direction.syn_acks_after_ack += 1;
                }
            }
            _ if !established && packet.head.flags.ack() => {
                self.take_answer(packet.from, &packet.head);
            }
            _ => {}
        }
    }

    /// An acknowledgement completes the handshake if it is the client's, and of the server's SYN where that was seen.
    pub(super) fn take_answer(&mut self, from: Peer, head: &Head) {
        let server_iss = self.directions.server.iss;
        if from == Peer::Client && server_iss.is_none_or(|iss| head.ack.is_after(iss)) {
            self.established = Some(head.time);
        }
    }

    pub(super) fn take_fin(&mut self, packet: &Packet) {
        if !packet.head.flags.fin() || packet.head.flags.syn() {
            return;
        }
        let already = self.directions.of(packet.from).fin;
        if already.is_some() {
            return;
        }
        let seq = packet.head.seq + packet.head.payload_len;
        let activity = self
            .last_activity
            .filter(|activity| activity.frame != packet.head.frame);
        let last_activity = activity.or(packet.last_activity);
        let offset = self.talk.of(packet.from).offset_of(seq).unwrap_or_default();
        let at = Mark {
            time: packet.head.time,
            frame: packet.head.frame,
            offset,
        };
        let server_port = self.server.1;
        self.talk.fin(packet.from, at, server_port);
        self.directions.of_mut(packet.from).fin = Some(FinSeen {
            time: packet.head.time,
            frame: packet.head.frame,
            seq,
            ack: packet.head.flags.ack().then_some(packet.head.ack),
            last_activity: if packet.is_new_data() && !packet.housekeeping {
                self.last_activity
            } else {
                last_activity
            },
            wire_idle: packet
                .previous_packet
                .map(|previous| packet.head.time - previous),
            acked_at: None,
        });
    }

    pub(super) fn note_close(&mut self, time: Timestamp) {
        let acked = |direction: &Direction| direction.fin.is_some_and(|fin| fin.acked_at.is_some());
        if self.closed.is_none() && acked(&self.directions.client) && acked(&self.directions.server)
        {
            self.closed = Some(time);
        }
    }
}
