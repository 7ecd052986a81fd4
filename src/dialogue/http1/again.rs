//! What nearly every exchange is: a question as the one before, but for its path, and an answer as the one before, but for its length;
//! each of them all that a call brings. [Whole heads](super::whole) would be read as the same, field by field.

use super::line::Method;
use super::pending::{Asked, Pending};
use super::{Http1, Next, Role, role};
use crate::dialogue::ledger::Ledger;
use crate::flow::StreamBytes;

impl Http1 {
    /// Looks at what the next bytes are [compared with](Self::said_again).
    #[inline(always)]
    pub(in crate::dialogue) fn look(&self) -> u64 {
        self.next as u64 ^ self.repeated.look() ^ self.formula.look()
    }

    /// Reads a call's bytes if they are such a question, or such an answer.
    #[inline(never)]
    pub(in crate::dialogue) fn said_again(
        &mut self,
        data: &StreamBytes<'_>,
        ledger: &mut Ledger,
    ) -> Option<()> {
        match (self.next, role(data.from, ledger)) {
            (Next::Question, Role::Request) => self.asked_again(data, ledger),
            (Next::Answer, Role::Response) => self.answered_again(data, ledger),
            _ => None,
        }
    }

    /// A request to which nothing is due but its own answer.
    #[inline(always)]
    fn asked_again(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Option<()> {
        if data.cut > 0 {
            return None;
        }
        let line = self.repeated.at_end(data.bytes)?;
        let (text, hash) = self.start.line(data.bytes, line)?;
        let place = (&data.at, data.bytes.len() as u32);
        let id = ledger.open_at_once((text, line), &hash, place)?;
        let asked = Asked::with(Method::Other, self.repeated.wishes());
        self.pending.begin(Pending { id, asked });
        self.next = Next::Answer;
        Some(())
    }

    /// The answer to the only request, which was written down [in few words](Ledger::open_at_once): so it has no content that somebody
    /// may wait for, and what comes back is framed as it says.
    #[inline(always)]
    fn answered_again(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Option<()> {
        let likewise = self.formula.again(data.bytes)?;
        // Numbers of eighteen digits leave room for both.
        let length = u32::try_from(likewise.content.wrapping_add(likewise.len as u64)).ok()?;
        if u64::from(length) != (data.bytes.len() as u64).wrapping_add(u64::from(data.cut)) {
            return None;
        }
        let answered = ledger.answer_newest(likewise.status, (&data.at, length))?;
        debug_assert_eq!(self.pending.first().map(|open| open.id), Some(answered));
        self.pending.end();
        self.next = Next::Question;
        if data.cut > 0 {
            ledger.incomplete = true;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::dialogue::protocol::{ProtocolReader, Step};
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

    /// Who says it (or whose turn it is), and in which of two ways; what of it differs from what else is said in that way; and what
    /// comes of it.
    type Saying = (Option<Peer>, usize, (String, (String, String)), u8, Index);

    fn saying() -> impl Strategy<Value = Saying> {
        let speaker = prop_oneof![
            9 => Just(None),
            1 => select(&[Peer::Client, Peer::Server]).prop_map(Some),
        ];
        let different = (question(), content());
        (speaker, 0usize..2, different, 0u8..40, any::<Index>())
    }

    fn said(asking: &[&str], answering: &[(&str, &str)], sayings: Vec<Saying>) -> Vec<Event> {
        let mut turn = Peer::Server;
        let events = sayings.into_iter().flat_map(|saying| {
            let (speaker, how, (question, (number, content)), fate, place) = saying;
            turn = speaker.unwrap_or(turn.other());
            let bytes = match turn {
                Peer::Client => format!("{question}{}", asking[how]),
                Peer::Server => {
                    let (before, behind) = answering[how];
                    format!("HTTP/1.1 {before}{number}{behind}{content}")
                }
            };
            let (begin, rest) = bytes.as_bytes().split_at(place.index(bytes.len()));
            let data = |bytes: &[u8], cut| Event::Data(turn, bytes.to_vec(), cut);
            match fate {
                0..3 => vec![data(begin, 0), data(rest, 0)],
                3 => vec![data(begin, rest.len() as u32)],
                4 => vec![data(begin, 0), Event::Gap(turn, rest.len() as u64)],
                5 => vec![data(begin, 0)],
                6 => vec![data(bytes.as_bytes(), 3)],
                // The last bytes of most content are not captured.
                7..12 => {
                    let (seen, cut) = bytes.as_bytes().split_at(bytes.len().saturating_sub(2));
                    vec![data(seen, cut.len() as u32)]
                }
                _ => vec![data(bytes.as_bytes(), 0)],
            }
        });
        events.collect()
    }

    /// Of two connections that have much in common.
    fn conversations() -> impl Strategy<Value = [Vec<Event>; 2]> {
        let asking = prop::collection::vec(select(ASKING), 2);
        let answering = prop::collection::vec(select(ANSWERING), 2);
        let sayings = || prop::collection::vec(saying(), 0..24);
        (asking, answering, [sayings(), sayings()]).prop_map(|(asking, answering, sayings)| {
            sayings.map(|sayings| said(&asking, &answering, sayings))
        })
    }

    /// Has them read: by a look whether it was said before, and otherwise as anything is.
    struct Quick(Http1, Ledger);

    impl Quick {
        fn read(&mut self, data: &StreamBytes<'_>) -> Step {
            match self.0.said_again(data, &mut self.1) {
                Some(()) => Activity::Application.into(),
                None => self.0.data(data, &mut self.1),
            }
        }
    }

    /// Tells both readers what comes, and has them compared.
    fn tell(
        events: &[Event],
        (quick, plain): (&mut Quick, &mut (Http1, Ledger)),
        compare: impl Fn(&Quick, &(Http1, Ledger)) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        let mut offsets = [0u64; 2];
        for event in events {
            let (Event::Data(from, ..) | Event::Gap(from, _)) = event;
            let offset = &mut offsets[*from as usize];
            let mark = |offset| Mark {
                offset,
                ..Mark::default()
            };
            let at = mark(*offset);
            match event {
                Event::Data(from, bytes, cut) => {
                    *offset += bytes.len() as u64 + u64::from(*cut);
                    let data = StreamBytes {
                        from: *from,
                        at,
                        bytes,
                        cut: *cut,
                    };
                    prop_assert_eq!(quick.read(&data), plain.0.data(&data, &mut plain.1));
                }
                Event::Gap(from, missing) => {
                    *offset += missing;
                    plain.0.gap(*from, mark(*offset), *missing, &mut plain.1);
                    quick.0.gap(*from, mark(*offset), *missing, &mut quick.1);
                }
            }
            compare(quick, plain)?;
        }
        Ok(())
    }

    proptest! {
        /// What is told, and known, after each call, whether it is looked at in this way first or not.
        #[test]
        fn what_is_said_again_says_what_it_said_before([events, _] in conversations()) {
            let mut quick = Quick(Http1::default(), Ledger::default());
            let mut plain = (Http1::default(), Ledger::default());
            tell(&events, (&mut quick, &mut plain), |quick, plain| {
                prop_assert_eq!(format!("{:?}", quick.0), format!("{:?}", plain.0));
                prop_assert_eq!(format!("{:?}", quick.1), format!("{:?}", plain.1));
                Ok(())
            })?;
        }

        /// What is told of the next connection in the same memory.
        #[test]
        fn what_another_connection_said_says_the_same_here([before, events] in conversations()) {
            let mut quick = Quick(Http1::default(), Ledger::default());
            let mut plain = (Http1::default(), Ledger::default());
            tell(&before, (&mut quick, &mut plain), |_, _| Ok(()))?;
            quick.0.begin_anew();
            quick.1 = Ledger::default();
            plain = (Http1::default(), Ledger::default());
            tell(&events, (&mut quick, &mut plain), |quick, plain| {
                prop_assert_eq!(format!("{:?}", quick.1), format!("{:?}", plain.1));
                Ok(())
            })?;
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
