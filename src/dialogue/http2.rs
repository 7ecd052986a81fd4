//! HTTP/2 in clear text (RFC 9113): frame headers; header blocks stay closed but for what the static table tells.

use super::exchange::{Answer, Completeness, Idempotence, Message};
use super::frames::{Event, Framer, Header};
use super::ledger::Ledger;
use super::protocol::{ProtocolReader, Step, either, mark_at};
use super::protocol_error::ProtocolError;
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// What a client says first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Largest frame that is believed; the default limit is 16,384 bytes, few raise it beyond this.
const FRAME: u64 = 1 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Error code of a stream that was not processed.
const REFUSED_STREAM: u32 = 7;
/// Last stream and error code (RFC 9113 section 6.8).
const GOAWAY_HEAD: usize = 8;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// Reads both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Http2 {
    preface: usize,
    sides: [Framer; 2],
    frames: [Frame; 2],
    /// The last stream that the server promised to look at.
    last_stream: Option<u32>,
}

#[derive(Clone, Debug, Default)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    start: Mark,
    block: Vec<u8>,
}

fn parse(header: &[u8]) -> Header {
    match header {
        [a, b, c, kind, _, _, _, _, _] => {
            let length = u64::from(u32::from_be_bytes([0, *a, *b, *c]));
            if length > FRAME || *kind > 0x20 {
                Header::Wrong
            } else {
                Header::Whole(length)
            }
        }
        _ => Header::Short,
    }
}

/// Writers begin their frames at the beginning of a segment: a header that fits all of the protocol's limits is taken for one.
fn begins_frame(bytes: &[u8]) -> bool {
    match bytes {
        [0, high, _, 0..=9, _, first, _, _, _, ..] => *high <= 0x40 && *first < 0x80,
        _ => false,
    }
}

impl Http2 {
    fn event(&mut self, from: Peer, event: Event<'_>, ledger: &mut Ledger) -> Activity {
        let frame = &mut self.frames[from as usize & 1];
        match event {
            Event::Begin { header, at, .. } => {
                let [_, _, _, kind, flags, a, b, c, d] = header else {
                    return Activity::Housekeeping;
                };
                let stream = u32::from_be_bytes([*a & 0x7f, *b, *c, *d]);
                *frame = Frame {
                    kind: *kind,
                    flags: *flags,
                    stream,
                    start: at,
                    block: Vec::new(),
                };
                Activity::Housekeeping
            }
            Event::Body { bytes, end, left } => match frame.kind {
                DATA | HEADERS | CONTINUATION if frame.stream > 0 => {
                    if frame.kind == HEADERS && frame.block.len() < 8 {
                        frame.block.extend(bytes.iter().take(8));
                    }
                    let frame = frame.clone();
                    message(from, &frame, end, left, ledger);
                    if let Some(last) = self.last_stream {
                        ledger.refuse_streams_above(last);
                    }
                    Activity::Application
                }
                RST_STREAM | GOAWAY => {
                    let room = GOAWAY_HEAD.saturating_sub(frame.block.len());
                    frame.block.extend(bytes.iter().take(room));
                    if left > 0 {
                        return Activity::Housekeeping;
                    }
                    let frame = frame.clone();
                    self.ended(from, &frame, ledger)
                }
                _ => Activity::Housekeeping,
            },
        }
    }
}

impl Http2 {
    fn ended(&mut self, from: Peer, frame: &Frame, ledger: &mut Ledger) -> Activity {
        let number = frame
            .block
            .first_chunk::<4>()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes));
        if frame.kind == GOAWAY {
            let code = frame.block.get(4..).and_then(<[u8]>::first_chunk);
            let error = code.and_then(|code| ProtocolError::with_code(u32::from_be_bytes(*code)));
            match error {
                Some(error) => {
                    ledger.farewell(from, frame.start, format!("goaway {}", error.name()));
                }
                None => ledger.farewell(from, frame.start, "goaway"),
            }
            if from != ledger.requester {
                self.last_stream = Some(number & 0x7fff_ffff);
                ledger.refuse_streams_above(number & 0x7fff_ffff);
            }
            return Activity::Housekeeping;
        }
        if let Some(id) = ledger.open_stream(frame.stream) {
            if number != REFUSED_STREAM {
                ledger.withdraw(id);
            } else if let Some(exchange) = ledger.exchange(id) {
                exchange.answer = Answer::Refused;
            }
        }
        Activity::Application
    }
}

/// Part of a request or a response.
fn message(from: Peer, frame: &Frame, end: Mark, left: u64, ledger: &mut Ledger) {
    let known = ledger.open_stream(frame.stream);
    let id = match known {
        Some(id) => id,
        None if from == ledger.requester && frame.kind == HEADERS => {
            let id = ledger.begin(frame.start);
            if let Some(exchange) = ledger.exchange(id) {
                exchange.what.stream_id = Some(frame.stream);
            }
            id
        }
        None => return,
    };
    let ends = frame.flags & END_STREAM != 0 && frame.kind != CONTINUATION && left == 0;
    let complete = if ends {
        Completeness::Complete
    } else {
        Completeness::Incomplete
    };
    let requester = ledger.requester;
    let Some(exchange) = ledger.exchange(id) else {
        return;
    };
    if from == requester {
        exchange.request.end = end;
        if exchange.request.complete != Completeness::Complete {
            exchange.request.complete = complete;
        }
        if frame.kind == HEADERS && exchange.what.idempotence.is_none() {
            exchange.what.idempotence = method(frame);
        }
    } else {
        let response = exchange.response.get_or_insert(Message {
            start: frame.start,
            ..Message::default()
        });
        response.end = end;
        response.complete = complete;
        if ends {
            ledger.settle(id);
        }
    }
}

/// `:method GET` is entry 2 of the static table, `POST` entry 3 (RFC 7541 appendix A).
fn method(frame: &Frame) -> Option<Idempotence> {
    let skip =
        usize::from(frame.flags & PADDED != 0) + if frame.flags & PRIORITY != 0 { 5 } else { 0 };
    match frame.block.get(skip)? {
        0x82 => Some(Idempotence::Idempotent),
        0x83 => Some(Idempotence::NotIdempotent),
        _ => None,
    }
}

impl ProtocolReader for Http2 {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let mut data = *data;
        let mut activity = Activity::Housekeeping;
        if data.from == ledger.requester {
            while self.preface < PREFACE.len()
                && PREFACE.get(self.preface) == data.bytes.first()
                && !data.bytes.is_empty()
            {
                self.preface += 1;
                data.bytes = data.bytes.get(1..).unwrap_or_default();
                data.at = mark_at(data.at, 1);
            }
        }
        let mut framer = std::mem::take(&mut self.sides[data.from as usize & 1]);
        if framer.lost && begins_frame(data.bytes) {
            framer = Framer::default();
        }
        framer.read(&data, parse, |event| {
            activity = either(activity, self.event(data.from, event, ledger))
        });
        ledger.incomplete |= data.cut > 0;
        if framer.lost {
            ledger.unframe();
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
            ledger.unframe();
        }
        self.sides[from as usize & 1] = framer;
    }

    fn fin(&mut self, _from: Peer, _at: Mark, _ledger: &mut Ledger) {}
}

#[cfg(test)]
mod tests {
    use super::PREFACE;
    use crate::dialogue::script::Script;
    use crate::dialogue::{Answer, Completeness, Idempotence, Protocol};
    use crate::flow::Activity::Housekeeping;
    use crate::flow::Peer::Server;

    fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
    }

    fn opened() -> Script {
        Script::to(8080)
            .client([PREFACE, &frame(4, 0, 0, &[0; 6])].concat())
            .server([frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat())
    }

    #[test]
    fn streams_are_exchanges() {
        let dialogue = opened()
            .client([frame(1, 5, 1, &[0x82, 0x84]), frame(1, 4, 3, &[0x83, 0x84])].concat())
            .server([frame(1, 4, 1, &[0x88]), frame(0, 1, 1, b"hello")].concat())
            .client(frame(0, 1, 3, b"body"))
            .dialogue();
        assert_eq!(dialogue.protocol, Protocol::Http2);
        assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
        assert_eq!(
            dialogue.recent[0].response.unwrap().complete,
            Completeness::Complete
        );
        assert_eq!(
            dialogue.recent[0].what.idempotence,
            Some(Idempotence::Idempotent)
        );
        assert_eq!(
            dialogue.recent[1].what.idempotence,
            Some(Idempotence::NotIdempotent)
        );
        assert_eq!(dialogue.recent[1].request.complete, Completeness::Complete);
        assert!(dialogue.recent[1].response.is_none());
    }

    #[test]
    fn pings_settings_and_goodbyes_are_housekeeping() {
        let script = opened()
            .server(frame(6, 0, 0, &[0; 8]))
            .server(frame(7, 0, 0, &[0; 8]));
        assert!(
            script
                .activities()
                .iter()
                .all(|activity| *activity == Housekeeping)
        );
        let dialogue = script.dialogue();
        assert_eq!(
            (
                dialogue.farewells[0].from,
                dialogue.farewells[0].what.as_str()
            ),
            (Server, "goaway")
        );
        assert_eq!(dialogue.requests, 0);
    }

    #[test]
    fn streams_above_the_last_one_of_a_goaway_are_refused() {
        let dialogue = opened()
            .client(frame(1, 5, 1, &[0x82]))
            .client(frame(1, 5, 3, &[0x82]))
            .server(frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]))
            .client(frame(1, 5, 5, &[0x83]))
            .dialogue();
        let answers: Vec<Answer> = dialogue
            .recent
            .iter()
            .map(|exchange| exchange.answer)
            .collect();
        assert_eq!(answers, [Answer::Due, Answer::Refused, Answer::Refused]);
    }

    #[test]
    fn a_stream_taken_back_waits_for_nothing() {
        let dialogue = opened()
            .client(frame(1, 5, 1, &[0x82]))
            .client(frame(3, 0, 1, &[0; 4]))
            .dialogue();
        assert!(dialogue.recent.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0u32..3000) {
            opened().client_cut(&bytes, cut).server(bytes.clone()).gap(Server, 5).server(bytes).read(|n| n % 5 + 1);
        }
    }
}
