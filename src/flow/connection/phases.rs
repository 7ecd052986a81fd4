//! From the handshake to the last FIN's acknowledgement.

use super::Connection;
use crate::flow::direction::{Direction, FinSeen};
#[cfg(doc)]
use crate::flow::multipath::Multipath;
use crate::flow::{LastActivity, Mark, Packet, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;
use crate::wire::{Head, Segment, SeqNumber};

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
                let is_answer = packet.kind == PacketKind::SynAck;
                if is_answer && established && direction.syns > 1 {
                    direction.syn_acks_after_ack += 1;
                }
                if is_answer && segment.options.mptcp.is_none() {
                    self.be_plain_tcp();
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

    /// A FIN closes, and so does a packet that [says so](Multipath) for all subflows of MPTCP.
    pub(super) fn take_fin(&mut self, packet: &Packet, closes: bool) {
        let is_fin = packet.head.flags.fin() && !packet.head.flags.syn();
        if !is_fin && !closes {
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
        let seen = self.directions.of(packet.from.other()).snd_nxt;
        let answered = packet.head.flags.ack().then_some(packet.head.ack);
        let lacks_activity = self.lacks_activity(packet, last_activity);
        self.directions.of_mut(packet.from).fin = Some(FinSeen {
            time: packet.head.time,
            frame: packet.head.frame,
            seq,
            ack: answered,
            last_activity: if packet.is_new_data() && !packet.housekeeping {
                self.last_activity
            } else {
                last_activity
            },
            last_housekeeping: self
                .last_housekeeping
                .filter(|time| *time < packet.head.time),
            wire_idle: packet
                .previous_packet
                .map(|previous| packet.head.time - previous),
            probes: packet.probes_since_activity,
            answers_unseen: answered.is_some_and(|ack| match seen {
                Some(next) => ack.is_after(next),
                None => self.acknowledges_more(packet.from, ack),
            }),
            lacks_activity,
            acked_at: None,
        });
    }

    /// Something was said since that activity and before this packet that was not captured.
    fn lacks_activity(&self, packet: &Packet, activity: Option<LastActivity>) -> bool {
        let [own, other] = [packet.from, packet.from.other()].map(|peer| self.directions.of(peer));
        let since = activity.map(|activity| activity.time);
        let head = &packet.head;
        let passed_over = own.snd_nxt.is_some_and(|next| head.seq.is_after(next));
        // A FIN of the peer, which counts one, is no activity.
        let answers_more = other
            .snd_nxt
            .is_some_and(|next| head.flags.ack() && head.ack.is_after(next + 1));
        self.is_part()
            || passed_over
            || answers_more
            || own.may_lack_activity_since(since)
            || other.may_lack_activity_since(since)
    }

    /// This acknowledges more than its newest payload did: something came to it since. For a peer of which nothing was captured.
    fn acknowledges_more(&self, from: Peer, ack: SeqNumber) -> bool {
        let is_own =
            |packet: &Packet| packet.from == from && packet.is_new_data() && !packet.housekeeping;
        let newest = self.packets_newest_first().find(is_own);
        newest.is_none_or(|newest| newest.head.ack != ack)
    }

    pub(super) fn note_close(&mut self, time: Timestamp) {
        let acked = |direction: &Direction| direction.fin.is_some_and(|fin| fin.acked_at.is_some());
        if self.closed.is_none() && acked(&self.directions.client) && acked(&self.directions.server)
        {
            self.closed = Some(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::dialogue::Completeness::{Complete, Incomplete};
    use crate::dialogue::{Completeness, Dialogue, DialogueReader};
    use crate::flow::Orientation;
    use crate::testing::Ladder;

    const BEGUN: &str = "HTTP/1.0 200 OK\r\n\r\nall of ";

    /// The relative number behind that.
    const NEXT: u32 = 1 + BEGUN.len() as u32;

    /// A response that ends with the connection, as far as all saw it.
    fn begun() -> Ladder {
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.")
            .payload("GET / HTTP/1.0\r\n\r\n")
            .server(45, "P.")
            .payload(BEGUN)
    }

    /// The same; all but its last bytes were seen.
    fn ended_behind(unseen: &str) -> Ladder {
        begun()
            .server(45.1, "P.")
            .payload(unseen)
            .unseen()
            .server(45.2, "F.")
    }

    /// What was said, and whether the answer was known to be whole while more could come.
    fn heard(ladder: &Ladder) -> (Dialogue, bool) {
        let (client, server) = (
            (Ipv4Addr::LOCALHOST.into(), 4000),
            (Ipv4Addr::LOCALHOST.into(), 80),
        );
        let begin = Timestamp::default();
        let mut connection =
            Connection::<DialogueReader>::new(client, server, Orientation::Syn, begin);
        ladder.trace().segments(|segment| {
            let from = match segment.dst_port {
                80 => Peer::Client,
                _ => Peer::Server,
            };
            connection.take(from, segment.flags.unwrap_or_default(), segment);
        });
        (connection.dialogue(), connection.is_settled())
    }

    fn response(dialogue: &Dialogue) -> (Completeness, u64, Option<u64>) {
        let response = dialogue.recent[0].response.unwrap();
        (
            response.complete,
            response.end.offset,
            response.expected_end,
        )
    }

    #[test]
    fn bytes_before_the_fin_that_nobody_has_seen_are_missing() {
        let end = BEGUN.len() as u64;
        for ladder in [
            ended_behind("this"),
            ended_behind("this").client(45.3, ".").ack(NEXT),
            ended_behind("this").client(45.3, "R").seq(19),
        ] {
            let (dialogue, settled) = heard(&ladder);
            assert_eq!(response(&dialogue), (Incomplete, end, Some(end + 4)));
            assert_eq!((dialogue.requests, dialogue.answered), (1, 0));
            assert!(!settled);
        }
    }

    #[test]
    fn the_fin_is_told_as_soon_as_all_before_it_is_there() {
        let late = [("this", NEXT)];
        let in_order = [("th", NEXT), ("is", NEXT + 2)];
        let reversed = [("is", NEXT + 2), ("th", NEXT)];
        for pieces in [&late[..], &in_order, &reversed] {
            let ladder = ended_behind("this");
            let ladder = pieces.iter().fold(ladder, |ladder, (bytes, seq)| {
                ladder.server(46, "P.").seq(*seq).payload(bytes)
            });
            let (dialogue, settled) = heard(&ladder);
            assert_eq!(response(&dialogue).0, Complete, "{pieces:?}");
            assert_eq!((dialogue.answered, dialogue.incomplete), (1, false));
            assert!(settled, "{pieces:?}");
        }
    }

    #[test]
    fn bytes_before_the_fin_that_were_acknowledged_have_come() {
        for unseen in ["this", "t"] {
            let acknowledged = ended_behind(unseen).client(45.3, ".");
            let later = acknowledged.clone().client(145.3, "F.").server(165.3, ".");
            for ladder in [acknowledged, later] {
                let (dialogue, _) = heard(&ladder);
                let end = BEGUN.len() + unseen.len();
                assert_eq!(response(&dialogue), (Complete, end as u64, None));
                assert_eq!((dialogue.answered, dialogue.incomplete), (1, true));
            }
        }
    }

    #[test]
    fn bytes_that_were_acknowledged_one_after_the_other_have_come() {
        let ladder = begun()
            .server(45.1, "P.")
            .payload("th")
            .unseen()
            .client(45.2, ".")
            .server(45.3, "P.")
            .payload("is")
            .unseen()
            .client(46, ".");
        for at in [46.1, 99.0] {
            // Late, the first hole has been given up at the second acknowledgement of the other.
            let (dialogue, _) = heard(&ladder.clone().client(at - 0.05, ".").server(at, "F."));
            assert_eq!(response(&dialogue).0, Complete);
            assert_eq!((dialogue.answered, dialogue.incomplete), (1, true));
        }
    }

    #[test]
    fn the_acknowledgement_of_a_damaged_fin_tells_of_no_byte() {
        const ASKED: &str = "GET / HTTP/1.1\r\n\r\n";
        let end = 1 + ASKED.len() as u32;
        let ladder = Ladder::to(80)
            .handshake(0)
            .client(21, "P.")
            .payload(ASKED)
            .server(45, "P.")
            .payload("HTTP/1.1 204 No Content\r\n\r\n")
            .client(60, "F.")
            .seq(end + 0x2100_0000)
            .server(80, ".")
            .ack(end + 1);
        let (dialogue, _) = heard(&ladder);
        assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
        assert!(!dialogue.incomplete);
    }
}
