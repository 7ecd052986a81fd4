//! What nearly every packet is: the next one of a conversation that goes on.
//!
//! Nothing here is new: such a packet leaves whatever [`Connection::take_any`] looks after as it is, but for what is done below.

use super::Connection;
use super::remembered::Before;
use crate::flow::direction::Both;
use crate::flow::{Activity, PacketKind, Peer, StreamReader};
use crate::wire::{Head, SeqNumber, TcpFlags};

/// ACK, and no flag that begins or ends anything.
#[inline]
const fn is_ordinary(flags: TcpFlags) -> bool {
    const DECISIVE: TcpFlags = TcpFlags::SYN
        .union(TcpFlags::FIN)
        .union(TcpFlags::RST)
        .union(TcpFlags::ACK);
    flags.0 & DECISIVE.0 == TcpFlags::ACK.0
}

impl<R: StreamReader> Connection<R> {
    /// The conversation is under way, nothing is missing or held back in it, nothing was acknowledged that was not seen, and nobody has
    /// ended it, and it is seen at one place: until something else than [the next packet](Self::take_if_next) comes, it stays so.
    pub(super) fn is_under_way(&self) -> bool {
        let Both { client, server } = &self.directions;
        let bases = &self.wireshark_base;
        let next = Both {
            client: client.snd_nxt,
            server: server.snd_nxt,
        };
        let is_seen = |ack: Option<SeqNumber>, next: Option<SeqNumber>| {
            ack.zip(next).is_none_or(|(ack, next)| !ack.is_after(next))
        };
        self.episodes.is_empty()
            && self.place().is_none()
            && client.fin.is_none()
            && server.fin.is_none()
            && client.missing.is_none()
            && server.missing.is_none()
            && bases.client.is_some()
            && bases.server.is_some()
            && is_seen(client.ack, next.server)
            && is_seen(server.ack, next.client)
            && !self.server_may_be_older()
            && self.talk.flows(&next)
    }

    /// Takes a segment if it is the next one: the conversation [is under way](Self::is_under_way), in this capture, and the segment has
    /// nothing but an acknowledgement of what was seen, and payload that follows on what was seen: such payload was not seen before, nor
    /// was an acknowledgement of more than its sender had acknowledged; any other packet may have been. It
    /// [is plain](crate::wire::Segment::as_plain).
    #[inline(always)]
    pub(in crate::flow) fn take_if_next(
        &mut self,
        from: Peer,
        head: &Head,
        payload: &[u8],
    ) -> Option<()> {
        let (own, other) = self.directions.own_and_other(from);
        let is_next = self.under_way == Some(head.frame.capture)
            && is_ordinary(head.flags)
            && own.snd_nxt == Some(head.seq)
            && other.snd_nxt.is_some_and(|next| !head.ack.is_after(next))
            && (head.payload_len > 0
                || own.ack.is_none_or(|ack| head.ack.is_after(ack))
                || !self.is_second_sighting(from, head));
        if !is_next {
            return None;
        }
        match from {
            Peer::Client => self.take_clients_next(head, payload),
            Peer::Server => self.take_servers_next(head, payload),
        }
        Some(())
    }

    /// Looks at what [the next packet](Self::take_if_next) changes. What comes of it means nothing.
    #[inline(always)]
    pub(in crate::flow) fn look(&self) -> u64 {
        let looks = [
            self.last.as_nanos() as u64,
            self.directions.client.look(),
            self.directions.server.look(),
            self.history.look(),
            self.talk.look(),
        ];
        looks.into_iter().fold(0, u64::wrapping_add)
    }

    /// Each peer's by itself: where the fields of its direction are need not be asked for each of them.
    #[inline(never)]
    fn take_clients_next(&mut self, head: &Head, payload: &[u8]) {
        self.take_next(Peer::Client, head, payload);
    }

    #[inline(never)]
    fn take_servers_next(&mut self, head: &Head, payload: &[u8]) {
        self.take_next(Peer::Server, head, payload);
    }

    #[inline(always)]
    fn take_next(&mut self, from: Peer, head: &Head, payload: &[u8]) {
        let kind = match head.payload_len {
            0 => PacketKind::Ack,
            _ => PacketKind::Data,
        };
        if let Some(place) = self.history.next_place() {
            let before = Before {
                packet: Some(self.last),
                activity: self.last_activity,
                probes: self.probes_since_activity,
            };
            place.write(from, kind, head, before);
        }
        if self.established.is_none() {
            self.take_answer(from, head);
        }
        if kind == PacketKind::Data {
            self.take_next_payload(from, head, payload);
        }
        let (own, other) = self.directions.own_and_other_mut(from);
        if kind == PacketKind::Data {
            own.new_bytes += u64::from(head.payload_len);
            let end = head.seq + head.payload_len;
            own.snd_nxt = Some(end);
            // Nobody has acknowledged it yet.
            let pending = self.pending_acks.of_mut(from);
            pending.get_or_insert((end, head.time));
        }
        if own.ack.is_none_or(|ack| head.ack.is_after(ack)) {
            own.ack = Some(head.ack);
            other.unanswered_retransmissions = 0;
        }
        other.unanswered_probes = 0;
        own.count(head, true);
        self.measure_round_trip(from, head);
        if let (Some(sittings), Some(packet)) = (&mut self.sittings, self.history.newest()) {
            sittings.observe(packet, &self.directions);
        }
        self.last = head.time;
    }

    /// Hands payload of the newest packet on.
    #[inline(always)]
    fn take_next_payload(&mut self, from: Peer, head: &Head, payload: &[u8]) {
        self.cut_payload |= (payload.len() as u64) < u64::from(head.payload_len);
        self.first_to_speak.get_or_insert(from);
        match self.talk.go_on(from, head, payload, self.server.1) {
            Activity::Application => {
                self.note_activity(head.time, head.frame, from, Some(self.last));
            }
            Activity::Housekeeping => {
                self.last_housekeeping = Some(head.time);
                if let Some(packet) = self.history.newest_mut() {
                    packet.housekeeping = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialogue::DialogueReader;
    use crate::flow::Orientation;
    use crate::flow::connection::Taken;
    use crate::testing::Ladder;
    use crate::testing::conversation::{SAYINGS, conversation};
    use crate::wire::Segment;

    impl<R: StreamReader> Connection<R> {
        fn take_plain(&mut self, from: Peer, segment: &Segment<'_>) -> Option<()> {
            let (head, payload) = segment.as_plain()?;
            self.take_if_next(from, head, payload)
        }
    }

    proptest! {
        /// What is told after each packet, whether the next ones are known as such or not.
        #[test]
        fn the_next_packets_change_what_any_packet_would(trace in conversation(Ladder::to(80))) {
            let ends = |segment: &Segment<'_>| {
                let src = (segment.addresses.src(), segment.src_port);
                let dst = (segment.addresses.dst(), segment.dst_port);
                if segment.dst_port == 80 { (src, dst) } else { (dst, src) }
            };
            let mut pair: Option<[Connection<DialogueReader>; 2]> = None;
            let mut told = Vec::new();
            trace.segments(|segment| {
                let (client, server) = ends(segment);
                let [quick, plain] = pair.get_or_insert_with(|| {
                    let new = || Connection::new(client, server, Orientation::Syn, segment.head.time);
                    [new(), new()]
                });
                let from = if segment.dst_port == 80 { Peer::Client } else { Peer::Server };
                let flags = segment.flags.unwrap_or_default();
                let next = match quick.take_plain(from, segment) {
                    Some(()) => Taken::Packet,
                    None => quick.take(from, flags, segment),
                };
                told.push(next == plain.take(from, flags, segment));
                told.push(format!("{quick:?}") == format!("{plain:?}"));
            });
            prop_assert!(told.iter().all(|same| *same), "{told:?}");
        }
    }

    #[test]
    fn all_between_syns_and_fins_are_next_packets() {
        let trace = Ladder::to(80)
            .handshake(0)
            .client(30, "P.")
            .payload(SAYINGS[1])
            .server(40, "P.")
            .payload(SAYINGS[2])
            .client(41, ".")
            .client(50, "P.")
            .payload(SAYINGS[1])
            .server(60, "F.")
            .client(61, ".")
            .trace();
        let mut connection: Option<Connection<DialogueReader>> = None;
        let mut taken = Vec::new();
        trace.segments(|segment| {
            let from = if segment.dst_port == 80 {
                Peer::Client
            } else {
                Peer::Server
            };
            let connection = connection.get_or_insert_with(|| {
                let client = (segment.addresses.src(), segment.src_port);
                let server = (segment.addresses.dst(), segment.dst_port);
                Connection::new(client, server, Orientation::Syn, segment.head.time)
            });
            let flags = segment.flags.unwrap_or_default();
            let next = connection.take_plain(from, segment);
            taken.push(next.is_some());
            if next.is_none() {
                connection.take(from, flags, segment);
            }
        });
        assert_eq!(
            taken,
            [false, false, true, true, true, true, true, false, false]
        );
    }
}
