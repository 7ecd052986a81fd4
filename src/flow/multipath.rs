//! MPTCP as one of its subflows shows it (RFC 8684).
//!
//! The end of the data is told by a DATA_FIN, which any subflow may bear; a subflow's own FIN comes once that is acknowledged. Where bytes
//! went over other subflows, too, nothing of what was said can be read from this one.

use crate::capture::FrameId;
use crate::flow::{Both, Peer};
use crate::time::Timestamp;
use crate::wire::{DataMapping, Head, Mptcp, SeqNumber};

/// What a subflow's MPTCP options have said.
#[derive(Clone, Debug, Default)]
pub struct Multipath {
    /// Some of what was said went, or may have gone, over other subflows.
    pub is_part: bool,
    /// The first DATA_FIN of each side.
    pub data_fins: Both<Option<DataFin>>,
    sides: Both<Side>,
}

/// A DATA_FIN as seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataFin {
    /// In which frame.
    pub frame: FrameId,
    /// When the peer was first seen to acknowledge it.
    pub acked_at: Option<Timestamp>,
    /// One past it.
    end: SeqNumber,
}

/// What a packet's options came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// With it its sender closes the connection.
    pub closes: bool,
    /// It tells more than its sender's packets before: it is none of them once more, however alike TCP's header is.
    pub is_news: bool,
}

/// The data of one sender.
#[derive(Clone, Debug, Default)]
struct Side {
    /// One past the newest that this subflow bore.
    next: Option<SeqNumber>,
    /// The newest of the other's that it acknowledged.
    acked: Option<SeqNumber>,
    /// How far its numbers are ahead of the subflow's: the same as long as nothing goes over another one.
    ahead: Option<u32>,
}

impl Multipath {
    /// Takes what a packet says.
    ///
    /// `lacks_none`: it acknowledges no more of this subflow than was captured.
    pub(super) fn take(&mut self, from: Peer, head: &Head, said: &Mptcp, lacks_none: bool) -> Told {
        self.is_part |= said.join;
        let acks_more = said
            .data_ack
            .is_some_and(|ack| self.take_ack(from, SeqNumber(ack), (head.time, lacks_none)));
        let mapping = said.mapping.filter(|mapping| mapping.len > 0);
        let told = mapping.map(|mapping| self.take_mapping(from, head.frame, &mapping));
        let told = told.unwrap_or_default();
        Told {
            is_news: told.is_news || acks_more,
            ..told
        }
    }

    /// Returns whether it acknowledges more than was.
    fn take_ack(
        &mut self,
        from: Peer,
        ack: SeqNumber,
        (time, lacks_none): (Timestamp, bool),
    ) -> bool {
        let of = from.other();
        let next = self.sides.of(of).next;
        self.is_part |= lacks_none && next.is_some_and(|next| ack.is_after(next));
        if let Some(fin) = self.data_fins.of_mut(of)
            && !ack.is_before(fin.end)
        {
            fin.acked_at.get_or_insert(time);
        }
        let known = &mut self.sides.of_mut(from).acked;
        let is_more = known.is_none_or(|known| ack.is_after(known));
        if is_more {
            *known = Some(ack);
        }
        is_more
    }

    fn take_mapping(&mut self, from: Peer, frame: FrameId, mapping: &DataMapping) -> Told {
        let side = self.sides.of_mut(from);
        let start = SeqNumber(mapping.data_seq);
        let end = start + u32::from(mapping.len);
        if mapping.subflow_seq == 0 {
            self.is_part |= side.next.is_some_and(|next| start.is_after(next));
        } else {
            let ahead = mapping.data_seq.wrapping_sub(mapping.subflow_seq);
            self.is_part |= *side.ahead.get_or_insert(ahead) != ahead;
        }
        let is_news = side.next.is_none_or(|next| end.is_after(next));
        side.next = Some(side.next.map_or(end, |next| next.later(end)));
        let known = self.data_fins.of_mut(from);
        if !mapping.data_fin || known.is_some() {
            return Told {
                is_news,
                closes: false,
            };
        }
        *known = Some(DataFin {
            frame,
            acked_at: None,
            end,
        });
        Told {
            is_news: true,
            closes: !self.is_part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(frame: u32) -> Head {
        Head {
            time: Timestamp::from_nanos(i64::from(frame)),
            frame: FrameId {
                number: crate::capture::FrameNumber(frame),
                ..FrameId::default()
            },
            ..Head::default()
        }
    }

    fn data(data_seq: u32, subflow_seq: u32, len: u16) -> Mptcp {
        mapped(data_seq, subflow_seq, len, false)
    }

    fn mapped(data_seq: u32, subflow_seq: u32, len: u16, data_fin: bool) -> Mptcp {
        Mptcp {
            mapping: Some(DataMapping {
                data_seq,
                subflow_seq,
                len,
                data_fin,
            }),
            ..Mptcp::default()
        }
    }

    fn ack(data_ack: u32) -> Mptcp {
        Mptcp {
            data_ack: Some(data_ack),
            ..Mptcp::default()
        }
    }

    /// Takes all of it and tells in which frames somebody closed.
    fn run(script: &[(Peer, Mptcp)]) -> (Multipath, Vec<u32>) {
        let mut multipath = Multipath::default();
        let closes = (1..).zip(script).filter_map(|(frame, (from, said))| {
            multipath
                .take(*from, &head(frame), said, true)
                .closes
                .then_some(frame)
        });
        let closes = closes.collect();
        (multipath, closes)
    }

    use Peer::{Client, Server};

    #[test]
    fn a_data_fin_closes_once_and_is_acknowledged() {
        let (multipath, closes) = run(&[
            (Server, data(u32::MAX - 9, 1, 10)),
            (Client, ack(0)),
            (Server, mapped(0, 0, 1, true)),
            (Server, mapped(0, 0, 1, true)),
            (Client, ack(1)),
            (Client, ack(1)),
        ]);
        assert_eq!((closes, multipath.is_part), (vec![3], false));
        let fin = multipath.data_fins.server.expect("a DATA_FIN");
        assert_eq!(fin.acked_at, Some(Timestamp::from_nanos(5)));
        assert_eq!(multipath.data_fins.client, None);
    }

    #[test]
    fn a_data_fin_with_the_last_bytes() {
        let (multipath, closes) = run(&[(Server, mapped(100, 1, 11, true)), (Client, ack(110))]);
        assert_eq!(closes, [1]);
        let acked_at = multipath.data_fins.server.map(|fin| fin.acked_at);
        assert_eq!(acked_at, Some(None), "its bytes are, and it is not");
    }

    #[test]
    fn bytes_on_another_subflow_are_noticed() {
        let begun = (Server, data(100, 1, 10));
        let joined = Mptcp {
            join: true,
            ..Mptcp::default()
        };
        for (more, is_part) in [
            ((Server, data(110, 11, 10)), false),
            ((Server, data(120, 11, 10)), true),
            ((Client, ack(110)), false),
            ((Client, ack(111)), true),
            ((Server, mapped(110, 0, 1, true)), false),
            ((Server, mapped(120, 0, 1, true)), true),
            ((Client, joined), true),
        ] {
            let (multipath, closes) = run(&[begun, more]);
            assert_eq!(multipath.is_part, is_part, "{more:?}");
            assert!(!is_part || closes.is_empty(), "{more:?}");
        }
    }

    #[test]
    fn what_was_not_captured_is_no_other_subflow() {
        let mut multipath = Multipath::default();
        multipath.take(Server, &head(1), &data(100, 1, 10), true);
        multipath.take(Client, &head(2), &ack(200), false);
        multipath.take(Server, &head(3), &data(200, 101, 10), true);
        assert!(!multipath.is_part);
    }

    #[test]
    fn what_says_more_is_no_second_sighting() {
        let mut multipath = Multipath::default();
        let script = [
            (Server, data(100, 1, 10), true),
            (Server, data(100, 1, 10), false),
            (Client, ack(110), true),
            (Client, ack(110), false),
            (Client, ack(100), false),
            (Server, mapped(110, 0, 1, true), true),
            (Server, mapped(110, 0, 1, true), false),
            (Client, ack(111), true),
        ];
        for (from, said, is_news) in script {
            let told = multipath.take(from, &head(1), &said, true);
            assert_eq!(told.is_news, is_news, "{said:?}");
        }
    }

    #[test]
    fn a_fallback_to_plain_tcp_maps_nothing() {
        let (multipath, closes) =
            run(&[(Server, data(100, 1, 10)), (Server, mapped(7, 11, 0, true))]);
        assert!(!multipath.is_part && closes.is_empty());
    }
}
