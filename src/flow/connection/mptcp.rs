//! A connection that is a subflow of MPTCP.

use super::Connection;
use crate::flow::{Peer, StreamReader, Told};
use crate::wire::{Head, Mptcp};

impl<R: StreamReader> Connection<R> {
    /// Takes what MPTCP says. Both sides have to agree on it with their SYNs (RFC 8684 section 3.1), where those were seen.
    #[cold]
    pub(super) fn take_mptcp(&mut self, from: Peer, head: &Head, said: &Mptcp) -> Told {
        let is_agreed = self.multipath.is_some() || self.directions.server.iss.is_none();
        if !is_agreed && !head.flags.syn() {
            return Told::default();
        }
        let captured = self.directions.of(from.other()).snd_nxt;
        let lacks_none = captured.is_some_and(|next| !head.ack.is_after(next));
        let multipath = self.multipath.get_or_insert_default();
        let was_part = multipath.is_part;
        let told = multipath.take(from, head, said, lacks_none);
        if multipath.is_part && !was_part {
            self.talk.lose_track(self.server.1);
        }
        told
    }

    /// The server does not agree to MPTCP.
    pub(super) fn be_plain_tcp(&mut self) {
        self.multipath = None;
    }

    /// What was said went over other connections, too.
    pub(super) fn is_part(&self) -> bool {
        let multipath = self.multipath.as_ref();
        multipath.is_some_and(|multipath| multipath.is_part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::DialogueReader;
    use crate::flow::{Limits, Table};
    use crate::testing::Ladder;
    use crate::wire::{DataMapping, TcpFlags};

    /// A question and its answer, and in the end a bare acknowledgement of the server that bears a DATA_FIN. Whether it closed, and how
    /// many requests were read.
    fn closes(server_agrees: bool, joins: bool) -> (bool, u64) {
        let trace = Ladder::to(80)
            .handshake(0)
            .client(30, "P.")
            .payload("GET / HTTP/1.1\r\n\r\n")
            .server(40, "P.")
            .payload("HTTP/1.1 204 No Content\r\n\r\n")
            .client(50, ".")
            .server(2_040, ".")
            .trace();
        let mut table = Table::<DialogueReader>::new(Limits::default());
        let mut count = 0;
        trace.segments(|segment| {
            let mut segment = *segment;
            count += 1;
            let has_syn = segment.head.flags.syn();
            let is_answer = has_syn && segment.head.flags.ack();
            let is_last = count == trace.frames.len();
            if has_syn && (!is_answer || server_agrees) || is_last {
                let fin = DataMapping {
                    data_seq: 500,
                    subflow_seq: 0,
                    len: 1,
                    data_fin: true,
                };
                segment.options.mptcp = Some(Mptcp {
                    join: joins && segment.head.flags == TcpFlags::SYN,
                    mapping: is_last.then_some(fin),
                    ..Mptcp::default()
                });
            }
            table.take(&segment);
        });
        let connections = table.connections();
        let connection = connections[0].known();
        (
            connection.directions.server.fin.is_some(),
            connection.dialogue().requests,
        )
    }

    #[test]
    fn both_sides_have_to_agree() {
        assert_eq!(closes(true, false), (true, 1));
        assert_eq!(closes(false, false), (false, 1));
    }

    #[test]
    fn one_more_subflow_is_not_read() {
        assert_eq!(closes(true, true), (false, 0));
    }
}
