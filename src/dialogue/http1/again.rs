//! What nearly every exchange is: a question as the one before, but for its path, and an answer as the one before, but for its length;
//! each of them all that a call brings. [Whole heads](super::whole) would be read as the same, field by field.

use super::fields::Framing;
use super::line::Method;
use super::{Http1, Role, end, plain, role};
use crate::dialogue::ledger::Ledger;
use crate::flow::StreamBytes;

impl Http1 {
    /// Reads a call's bytes if they are such a question, or such an answer.
    #[inline(never)]
    pub(in crate::dialogue) fn said_again(
        &mut self,
        data: &StreamBytes<'_>,
        ledger: &mut Ledger,
    ) -> Option<()> {
        match role(data.from, ledger) {
            Role::Request => self.asked_again(data, ledger),
            Role::Response => self.answered_again(data, ledger),
        }
    }

    #[inline(always)]
    fn asked_again(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Option<()> {
        if !self.requests.is_at_rest() || data.cut > 0 {
            return None;
        }
        let (line, wishes) = self.repeated.at_end(data.bytes)?;
        let line = plain::short_line(data.bytes, line)?;
        let place = (&data.at, data.bytes.len());
        self.ask(place, &line, (Framing::Absent, wishes), None, ledger);
        Some(())
    }

    #[inline(always)]
    fn answered_again(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Option<()> {
        let pending = self.pending.first()?;
        if !self.responses.is_at_rest() || pending.asked.method != Method::Other {
            return None;
        }
        let likewise = self.formula.again(data.bytes)?;
        let captured = data.bytes.len().saturating_sub(likewise.len);
        if likewise.content != captured.saturating_add(data.cut as usize) as u64 {
            return None;
        }
        self.responses.farewell = false;
        ledger.answer_at_once(pending.id, likewise.status, &data.at, &end(data));
        self.answered(pending);
        ledger.incomplete |= data.cut > 0;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::dialogue::protocol::ProtocolReader;
    use crate::flow::{Activity, Mark, Peer};

    /// What comes to a reader.
    #[derive(Clone, Debug)]
    enum Event {
        Data(Peer, Vec<u8>, u32),
        Gap(Peer, u64),
    }

    /// What follows targets.
    const ASKING: &[&str] = &[
        " HTTP/1.1\r\nHost: example\r\n\r\n",
        " HTTP/1.1\r\nHost: example\r\nUser-Agent: undici/6\r\n\r\n",
        " HTTP/1.1\r\nHost: example\r\nExpect: 100-continue\r\n\r\n",
        " HTTP/1.1\r\nHost: example\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        " HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
        " HTTP/1.0\r\n\r\n",
    ];

    /// What stands before and behind a number.
    const ANSWERING: &[(&str, &str)] = &[
        ("200 OK\r\nContent-Length: ", "\r\n\r\n"),
        ("200 OK\r\nServer: a\r\nContent-Length: ", "\r\n\r\n"),
        ("200 OK\r\nContent-Length: ", "\r\nServer: b\r\n\r\n"),
        ("200 OK\r\nContent-Length: ", "\r\nVia: c\r\n\r\n"),
        ("500 \r\nContent-Length: ", "\r\nConnection: close\r\n\r\n"),
        (
            "200 OK\r\ncontent-length: 3\r\nContent-Length: ",
            "\r\n\r\n",
        ),
        (
            "200 OK\r\nContent-Length: ",
            "\r\ncontent-length: 3\r\n\r\n",
        ),
        (
            "200 OK\r\nContent-Length: 3\r\nContent-Length: ",
            "\r\n\r\n",
        ),
        (
            "200 OK\r\nContent-Length: ",
            "\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("100 \r\nContent-Length: ", "\r\n\r\n"),
        ("204 \r\nContent-Length: ", "\r\n\r\n"),
        ("304\r\nContent-Length: ", "\r\n\r\n"),
        ("408 \r\nContent-Length: ", "\r\n\r\n"),
    ];

    fn question() -> impl Strategy<Value = String> {
        let method =
            prop_oneof![9 => Just("GET"), 1 => select(&["HEAD", "POST", "CONNECT", "get"])];
        let target = prop_oneof![
            9 => "/[a-z/]{0,26}",
            1 => "[/*][!-~]{0,30}",
            1 => "[/a*][ -~\u{e4}]{0,9}",
        ];
        (method, target).prop_map(|(method, target)| format!("{method} {target}"))
    }

    /// The number in a head, and content that may be as long.
    fn content() -> impl Strategy<Value = (String, String)> {
        let number = prop_oneof![
            8 => (0usize..5).prop_map(|n| (n.to_string(), n)),
            1 => (0usize..400).prop_map(|n| (n.to_string(), n)),
            1 => select(&["", "1000000000000000003", "3 ", "+3", "03"])
                .prop_map(|text| (text.to_owned(), 3)),
        ];
        let more = prop_oneof![9 => Just(0), 1 => select(&[-2_isize, -1, 1, 60])];
        (number, more)
            .prop_map(|((text, n), more)| (text, "x".repeat(n.saturating_add_signed(more))))
    }

    /// Who says it, how, and what comes of it: all, two pieces, a beginning, all and more.
    fn conversation() -> impl Strategy<Value = Vec<Event>> {
        let saying = (0usize..2, question(), content(), 0u8..40, any::<Index>());
        let asking = prop::collection::vec(select(ASKING), 2);
        let answering = prop::collection::vec(select(ANSWERING), 2);
        let speaker = prop_oneof![9 => Just(None), 1 => Just(Some(Peer::Client)), 1 => Just(Some(Peer::Server))];
        let sayings = prop::collection::vec((speaker, saying), 0..24);
        (asking, answering, sayings).prop_map(|(asking, answering, sayings)| {
            let mut events = Vec::new();
            let mut turn = Peer::Server;
            for (speaker, (how, question, (number, content), fate, place)) in sayings {
                turn = speaker.unwrap_or(turn.other());
                let mut bytes = match turn {
                    Peer::Client => format!("{question}{}", asking[how]),
                    Peer::Server => {
                        let (before, behind) = answering[how];
                        format!("HTTP/1.1 {before}{number}{behind}{content}")
                    }
                }
                .into_bytes();
                let later = bytes.split_off(place.index(bytes.len()));
                match fate {
                    0..3 => {
                        events.push(Event::Data(turn, bytes, 0));
                        events.push(Event::Data(turn, later, 0));
                    }
                    3 => events.push(Event::Data(turn, bytes, later.len() as u32)),
                    4 => {
                        events.push(Event::Data(turn, bytes, 0));
                        events.push(Event::Gap(turn, later.len() as u64));
                    }
                    5 => events.push(Event::Data(turn, bytes, 0)),
                    6 => events.push(Event::Data(turn, [bytes, later].concat(), 3)),
                    _ => events.push(Event::Data(turn, [bytes, later].concat(), 0)),
                }
            }
            events
        })
    }

    proptest! {
        /// What is told, and known, after each call, whether it is looked at in this way first or not.
        #[test]
        fn what_is_said_again_says_what_it_said_before(events in conversation()) {
            let mut quick = (Http1::default(), Ledger::default());
            let mut plain = quick.clone();
            let mut offsets = [0u64; 2];
            for event in events {
                let (from, size) = match &event {
                    Event::Data(from, bytes, cut) => (*from, bytes.len() as u64 + u64::from(*cut)),
                    Event::Gap(from, missing) => (*from, *missing),
                };
                let offset = &mut offsets[from as usize];
                let at = Mark { offset: *offset, ..Mark::default() };
                *offset += size;
                match &event {
                    Event::Data(_, bytes, cut) => {
                        let data = StreamBytes { from, at, bytes, cut: *cut };
                        let told = plain.0.data(&data, &mut plain.1);
                        let (reader, ledger) = (&mut quick.0, &mut quick.1);
                        match reader.said_again(&data, ledger) {
                            Some(()) => prop_assert_eq!(told, Activity::Application.into()),
                            None => prop_assert_eq!(told, reader.data(&data, ledger)),
                        }
                    }
                    Event::Gap(..) => {
                        let at = Mark { offset: at.offset + size, ..at };
                        plain.0.gap(from, at, size, &mut plain.1);
                        quick.0.gap(from, at, size, &mut quick.1);
                    }
                }
                prop_assert_eq!(format!("{quick:?}"), format!("{plain:?}"));
            }
        }
    }

    #[test]
    fn only_the_first_exchange_is_read_field_by_field() {
        let get = b"GET /a HTTP/1.1\r\nHost: example\r\n\r\n".as_slice();
        let ok = b"HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 2\r\n\r\nok".as_slice();
        let (mut reader, mut ledger) = (Http1::default(), Ledger::default());
        let mut read = Vec::new();
        for (from, bytes) in [(Peer::Client, get), (Peer::Server, ok)].repeat(3) {
            let at = Mark::default();
            let data = StreamBytes {
                from,
                at,
                bytes,
                cut: 0,
            };
            read.push(reader.said_again(&data, &mut ledger).is_some());
            if read.last() == Some(&false) {
                reader.data(&data, &mut ledger);
            }
        }
        assert_eq!(read, [false, false, true, true, true, true]);
        assert_eq!(ledger.requests(), 3);
    }
}
