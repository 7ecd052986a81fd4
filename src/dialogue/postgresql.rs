//! PostgreSQL's protocol version 3 (<https://www.postgresql.org/docs/current/protocol-message-formats.html>): message types and
//! lengths, the SQLSTATE of a fatal error; never a statement.

use super::exchange::{Completeness, Message};
use super::frames::{Event, Framer, Header, take_turn};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{Handover, ProtocolReader, Step, Successor, either, mark_at};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// Codes in the place of a version number.
const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
const GSS_REQUEST: [u8; 4] = 80_877_104_u32.to_be_bytes();
const VERSION_3: [u8; 2] = [0, 3];

/// Longest message that is believed.
const LONGEST: u64 = 1 << 30;
/// How much of an error is looked at for its code.
const ERROR: usize = 200;

/// These bytes open a session: a length, then version 3 or a request for encryption.
pub(super) fn is_startup(bytes: &[u8]) -> Option<bool> {
    let code = bytes.get(4..8)?;
    let length = u32::from_be_bytes(*bytes.first_chunk::<4>()?);
    Some(
        (8..10_000).contains(&length)
            && (code.starts_with(&VERSION_3) || code == SSL_REQUEST || code == GSS_REQUEST),
    )
}

/// Reads both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct PostgreSql {
    sides: [Framer; 2],
    kinds: [u8; 2],
    starts: [Mark; 2],
    started: bool,
    encryption_asked: bool,
    query: Option<ExchangeId>,
    error: Vec<u8>,
}

fn parse(header: &[u8]) -> Header {
    match header {
        [kind, a, b, c, d] => {
            let length = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
            if kind.is_ascii_alphanumeric() && (4..LONGEST).contains(&length) {
                Header::Whole(length - 4)
            } else {
                Header::Wrong
            }
        }
        _ => Header::Short,
    }
}

/// The first message has no type.
fn parse_startup(header: &[u8]) -> Header {
    match header {
        [a, b, c, d, _, _, _, _] => {
            let length = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
            if is_startup(header) == Some(true) {
                Header::Whole(length - 8)
            } else {
                Header::Wrong
            }
        }
        _ => Header::Short,
    }
}

impl PostgreSql {
    fn event(&mut self, from: Peer, event: Event<'_>, ledger: &mut Ledger) -> Activity {
        let side = from as usize & 1;
        match event {
            Event::Begin { header, at, .. } => {
                self.kinds[side] = header.first().copied().unwrap_or_default();
                self.starts[side] = at;
                self.error.clear();
                if from == ledger.requester {
                    self.asks_begin(header, at, ledger)
                } else {
                    Activity::Housekeeping
                }
            }
            Event::Body { end, left, .. } if from == ledger.requester => {
                let kind = self.kinds[side];
                if let Some(exchange) = self
                    .query
                    .filter(|_| is_question(kind))
                    .and_then(|id| ledger.exchange(id))
                {
                    exchange.request.end = end;
                    exchange.request.complete = if left == 0 {
                        Completeness::Complete
                    } else {
                        Completeness::Incomplete
                    };
                }
                if kind == b'X' {
                    Activity::Housekeeping
                } else {
                    Activity::Application
                }
            }
            Event::Body { bytes, end, left } => self.answer(bytes, end, left, ledger),
        }
    }

    fn asks_begin(&mut self, header: &[u8], at: Mark, ledger: &mut Ledger) -> Activity {
        if !self.started {
            self.started = true;
            if header
                .get(4..8)
                .is_some_and(|code| code == SSL_REQUEST || code == GSS_REQUEST)
            {
                self.started = false;
                self.encryption_asked = true;
            }
            self.kinds[ledger.requester as usize & 1] = 0;
            return Activity::Application;
        }
        let kind = self.kinds[ledger.requester as usize & 1];
        if kind == b'X' {
            ledger.farewell(ledger.requester, at, "terminate");
            return Activity::Housekeeping;
        }
        if is_question(kind) && !self.is_asking(ledger) {
            let id = ledger.begin(at);
            if let Some(exchange) = ledger.exchange(id) {
                let summary = match kind {
                    b'Q' => "query",
                    b'P' => "parse",
                    b'F' => "function call",
                    _ => "execute",
                };
                exchange.what.summary = Some(summary.into());
            }
            self.query = Some(id);
        }
        Activity::Application
    }

    /// A question is open. One whose answer lost its framing ends with the next question.
    fn is_asking(&mut self, ledger: &mut Ledger) -> bool {
        let Some(id) = self.query else { return false };
        let unframed = ledger.exchange(id).is_some_and(|exchange| {
            exchange
                .response
                .is_some_and(|response| response.complete == Completeness::Unknown)
        });
        if unframed {
            ledger.settle(id);
            self.query = None;
        }
        !unframed
    }

    fn lose(&mut self, from: Peer, range: (Mark, Mark), ledger: &mut Ledger) {
        if self.started || from != ledger.requester {
            take_turn(&mut self.query, from, range, ledger);
        } else {
            // What was lost was the login.
            self.started = true;
            ledger.unframe();
        }
    }

    fn answer(&mut self, bytes: &[u8], end: Mark, left: u64, ledger: &mut Ledger) -> Activity {
        let from = ledger.requester.other();
        let (kind, start) = (
            self.kinds[from as usize & 1],
            self.starts[from as usize & 1],
        );
        if kind == b'E' {
            self.error
                .extend(bytes.iter().take(ERROR.saturating_sub(self.error.len())));
            let code = fatal(&self.error);
            // Whether it is fatal, and so no answer, the rest of it may tell. If it is, the session is over: what was asked before
            // stays unanswered.
            if code.is_some() || left > 0 || self.query.is_none() {
                let is_asked = match code.is_some() {
                    true => self.is_asking(ledger),
                    false => self.query.is_some(),
                };
                if let Some(code) = code.filter(|_| left == 0) {
                    ledger.farewell(from, start, code);
                }
                return match is_asked {
                    true => Activity::Application,
                    false => Activity::Housekeeping,
                };
            }
        }
        if let Some(id) = self.query {
            let done = kind == b'Z' && left == 0;
            if let Some(exchange) = ledger.exchange(id) {
                let response = exchange.response.get_or_insert(Message {
                    start,
                    ..Message::default()
                });
                response.end = end;
                response.complete = if done {
                    Completeness::Complete
                } else {
                    Completeness::Incomplete
                };
            }
            if done {
                ledger.settle(id);
                self.query = None;
            }
        }
        Activity::Application
    }
}

/// Messages that make the server work: simple and extended queries, function calls, copy data.
const fn is_question(kind: u8) -> bool {
    matches!(
        kind,
        b'Q' | b'P' | b'B' | b'E' | b'D' | b'F' | b'S' | b'd' | b'c' | b'C'
    )
}

/// A segment begins with a message that its sender may send.
fn begins_message(bytes: &[u8], asks: bool) -> bool {
    let types: &[u8] = if asks {
        b"QPBEDFSHCXdcfp"
    } else {
        b"123ACDEGHIKNRSTVWZcdnstv"
    };
    bytes.first().is_some_and(|kind| types.contains(kind))
        && bytes
            .get(..5)
            .is_some_and(|header| matches!(parse(header), Header::Whole(_)))
}

/// SQLSTATE of an error whose severity is FATAL or PANIC: fields of one letter and a string each. Where only the severity was captured,
/// which comes first, that.
fn fatal(fields: &[u8]) -> Option<String> {
    let (mut severe, mut code) = (false, None);
    for field in fields.split(|byte| *byte == 0) {
        match field.split_first() {
            Some((b'S' | b'V', text)) => severe |= text == b"FATAL" || text == b"PANIC",
            Some((b'C', text)) if text.len() == 5 && text.iter().all(u8::is_ascii_alphanumeric) => {
                code = std::str::from_utf8(text).ok().map(str::to_owned);
            }
            _ => {}
        }
    }
    severe.then(|| code.unwrap_or_else(|| "fatal".into()))
}

impl ProtocolReader for PostgreSql {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        if self.encryption_asked && data.from != ledger.requester && !data.bytes.is_empty() {
            // One letter answers a request for encryption; with `S` or `G` another protocol goes on.
            self.encryption_asked = false;
            return match data.bytes.first() {
                Some(b'S' | b'G') => Step {
                    activity: Activity::Application,
                    handover: Some(Handover {
                        to: Successor::Guess,
                        consumed: 1,
                    }),
                },
                _ => Activity::Application.into(),
            };
        }
        let mut activity = Activity::Housekeeping;
        let asks = data.from == ledger.requester;
        let mut framer = std::mem::take(&mut self.sides[data.from as usize & 1]);
        let opening = !self.started && asks;
        if framer.lost && !opening && begins_message(data.bytes, asks) {
            framer.resume();
        }
        let parse = |header: &[u8]| {
            if opening {
                parse_startup(header)
            } else {
                parse(header)
            }
        };
        framer.read(data, parse, |event| {
            activity = either(activity, self.event(data.from, event, ledger));
        });
        ledger.incomplete |= data.cut > 0;
        if framer.lost {
            activity = Activity::Application;
            let end = mark_at(data.at, data.bytes.len().saturating_add(data.cut as usize));
            self.lose(data.from, (data.at, end), ledger);
        }
        self.sides[data.from as usize & 1] = framer;
        activity.into()
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        ledger.incomplete = true;
        let start = Mark {
            offset: at.offset.saturating_sub(missing),
            ..at
        };
        let mut framer = std::mem::take(&mut self.sides[from as usize & 1]);
        framer.skip(start, missing, |event| {
            self.event(from, event, ledger);
        });
        if framer.lost {
            self.lose(from, (start, at), ledger);
        }
        self.sides[from as usize & 1] = framer;
    }

    fn fin(&mut self, _from: Peer, _at: Mark, _ledger: &mut Ledger) {}
}

#[cfg(test)]
mod tests {
    use crate::dialogue::script::Script;
    use crate::dialogue::{Completeness, Protocol};
    use crate::flow::Activity::Housekeeping;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    fn startup() -> Vec<u8> {
        let body = b"\0\x03\0\0user\0app\0\0";
        [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    }

    fn opened() -> Script {
        Script::to(5432)
            .client(startup())
            .server([message(b'R', &[0; 4]), message(b'Z', b"I")].concat())
    }

    #[test]
    fn a_query_is_answered_when_the_server_is_ready_again() {
        let dialogue = opened()
            .client(message(b'Q', b"select secret\0"))
            .server(
                [
                    message(b'D', b"row"),
                    message(b'C', b"SELECT 1\0"),
                    message(b'Z', b"I"),
                ]
                .concat(),
            )
            .client([message(b'P', b"\0select\0"), message(b'S', b"")].concat())
            .dialogue();
        assert_eq!(dialogue.protocol, Protocol::PostgreSql);
        assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
        assert_eq!(dialogue.recent[0].what.summary.as_deref(), Some("query"));
        assert_eq!(
            dialogue.recent[0].response.unwrap().complete,
            Completeness::Complete
        );
        assert_eq!(dialogue.recent[1].what.summary.as_deref(), Some("parse"));
        assert!(dialogue.recent[1].response.is_none());
    }

    #[test]
    fn a_fatal_error_between_queries_is_a_farewell() {
        let script = opened().server(message(b'E', b"SFATAL\0VFATAL\0C57P05\0Mterminating\0\0"));
        assert_eq!(*script.activities().last().unwrap(), Housekeeping);
        assert_eq!(script.dialogue().farewells[0].what, "57P05");
        let terminate = opened().client(message(b'X', b"")).dialogue();
        assert_eq!(
            (terminate.requests, terminate.farewells[0].what.as_str()),
            (0, "terminate")
        );
    }

    #[test]
    fn a_fatal_error_is_a_farewell_though_little_of_it_was_captured() {
        let rows = [message(b'D', &[b'x'; 80]), message(b'Z', b"I")].concat();
        let fatal = message(b'E', b"SFATAL\0VFATAL\0C57P05\0Mterminating\0\0");
        for (captured, name) in [(5 + 20, "57P05"), (5 + 9, "fatal")] {
            let script = opened()
                .client(message(b'Q', b"one\0"))
                .server_cut(&rows[..captured], (rows.len() - captured) as u32)
                .server_cut(&fatal[..captured], (fatal.len() - captured) as u32);
            assert_eq!(*script.activities().last().unwrap(), Housekeeping);
            let dialogue = script.dialogue();
            assert_eq!(dialogue.farewells[0].what, name);
            assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
        }
    }

    #[test]
    fn an_error_in_answer_to_a_query_is_an_answer() {
        let dialogue = opened()
            .client(message(b'Q', b"x\0"))
            .server([message(b'E', b"SERROR\0C42P01\0\0"), message(b'Z', b"I")].concat())
            .dialogue();
        assert_eq!(dialogue.answered, 1);
        assert!(dialogue.farewells.is_empty());
    }

    #[test]
    fn answers_cut_short_by_the_capture_are_answers() {
        let rows = [message(b'D', &[b'x'; 80]), message(b'Z', b"I")].concat();
        let dialogue = opened()
            .client(message(b'Q', b"one\0"))
            .server_cut(&rows[..30], (rows.len() - 30) as u32)
            .client(message(b'Q', b"two\0"))
            .server_cut(&rows[..30], (rows.len() - 30) as u32)
            .client(message(b'Q', b"three\0"))
            .dialogue();
        assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
        assert!(dialogue.recent[1].response.is_some());
        assert!(dialogue.recent[2].response.is_none());
    }

    #[test]
    fn questions_cut_short_by_the_capture_are_questions() {
        let question = [message(b'P', &[b'x'; 80]), message(b'S', b"")].concat();
        let dialogue = opened()
            .client_cut(&question[..30], (question.len() - 30) as u32)
            .server([message(b'C', b"x\0"), message(b'Z', b"I")].concat())
            .client(message(b'Q', b"two\0"))
            .dialogue();
        assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
        assert!(dialogue.recent[1].response.is_none());
        let quiet = opened()
            .client_cut(&question[..30], (question.len() - 30) as u32)
            .server([message(b'C', b"x\0"), message(b'Z', b"I")].concat())
            .client(message(b'X', b""))
            .dialogue();
        assert_eq!((quiet.requests, quiet.answered), (1, 1));
    }

    #[test]
    fn an_answer_that_was_not_captured_is_one() {
        let dialogue = opened()
            .client(message(b'Q', b"one\0"))
            .gap(crate::flow::Peer::Server, 200)
            .client(message(b'Q', b"two\0"))
            .dialogue();
        assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0u32..3000) {
            opened().client_cut(&bytes, cut).server(bytes).read(|n| n % 5 + 1);
        }
    }
}
