//! Packets that were captured more than once.

use super::Connection;
use crate::flow::{Packet, Peer, StreamReader};
use crate::time::Interval;
use crate::wire::Head;

impl<R: StreamReader> Connection<R> {
    /// Among so many packets, and how far back, second sightings of a packet are looked for.
    const NEWEST: usize = 8;
    const DUPLICATE_WINDOW: Interval = Interval::from_millis(20);

    /// The same packet again: a bridge, `-i any`, or a mirror port. The IPv4 identification or another interface (or MAC)
    /// tells it from a retransmission; a stack gives a retransmission a new identification.
    pub(super) fn is_second_sighting(&self, from: Peer, head: &Head) -> bool {
        let own = self.directions.of(from);
        let is_first = match (head.flags.syn(), head.flags.fin()) {
            _ if head.flags.rst() => false,
            (true, _) => own.syns == 0,
            (false, true) => own.fin.is_none(),
            (false, false) => false,
        };
        if is_first {
            return false;
        }
        let is_alike = |earlier: &Packet| {
            earlier.head.seq == head.seq
                && earlier.from == from
                && earlier.head.flags == head.flags
                && earlier.head.payload_len == head.payload_len
        };
        self.has_lately(Self::NEWEST, is_alike) && self.was_seen(from, head)
    }

    #[cold]
    fn was_seen(&self, from: Peer, head: &Head) -> bool {
        let newest = self.packets_newest_first().take(Self::NEWEST);
        newest
            .take_while(|earlier| (head.time - earlier.head.time).abs() <= Self::DUPLICATE_WINDOW)
            .filter(|earlier| earlier.from == from)
            .any(|Packet { head: earlier, .. }| {
                earlier.seq == head.seq
                    && earlier.flags == head.flags
                    && earlier.payload_len == head.payload_len
                    && (earlier.ack == head.ack || !head.flags.ack())
                    && earlier.window == head.window
                    && earlier.timestamps == head.timestamps
                    && earlier.ip_id == head.ip_id
                    && (earlier.interface != head.interface
                        || earlier.src_mac != head.src_mac
                        || head.ip_id.is_some_and(|id| id != 0))
            })
    }
}

#[cfg(test)]
mod tests {
    use crate::capture::CaptureId;
    use crate::dialogue::DialogueReader;
    use crate::flow::{Both, Held, Limits, Table};
    use crate::testing::{Ladder, Trace};

    fn ladder() -> Ladder {
        Ladder::to(80)
            .handshake(0)
            .client(30, "P.")
            .payload("question")
            .server(40, "P.")
            .payload("answer")
            .client(50, ".")
            .server(60, "F.")
            .client(70, "F.")
            .server(80, ".")
    }

    /// Second sightings, and packets besides them.
    fn seen(trace: &Trace) -> (u64, u64) {
        let mut table = Table::<DialogueReader>::new(Limits::default());
        trace.segments(|segment| {
            table.take(segment);
        });
        let packets = |held: &Held<'_, _>| {
            let Both { client, server } = &held.known().directions;
            client.packets + server.packets
        };
        let packets: u64 = table.connections().iter().map(packets).sum();
        (table.duplicates(CaptureId(0)), packets)
    }

    #[test]
    fn what_is_captured_twice_counts_once() {
        let once = ladder().trace();
        assert_eq!(seen(&once), (0, 9));
        assert_eq!(seen(&once.seen_twice(200)), (9, 9));
    }

    #[test]
    fn what_is_sent_again_counts_again() {
        let again = ladder().again(81).trace();
        assert_eq!(seen(&again), (0, 10));
    }
}
