//! WebSocket (RFC 6455) after its upgrade. It has messages and no questions: what the client sends is an exchange that wants no
//! answer ([`Answer::NotDue`]), lost only if it is never acknowledged.

use super::exchange::{Answer, Completeness};
use super::frames::{Event, Framer, Header};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{ProtocolReader, Step, either};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

const FIN: u8 = 0x80;
const CLOSE: u8 = 8;

/// Reads both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct WebSocket {
    sides: [Framer; 2],
    frames: [Frame; 2],
    message: Option<ExchangeId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    first: u8,
    start: Mark,
    mask: [u8; 4],
    code: [u8; 2],
    seen: usize,
}

fn parse(header: &[u8]) -> Header {
    let (Some(first), Some(second)) = (header.first(), header.get(1)) else {
        return Header::Short;
    };
    // Reserved opcodes begin nothing that is known (section 5.2).
    if !matches!(first & 0x0f, 0..=2 | 8..=10) {
        return Header::Wrong;
    }
    let mask = if second & 0x80 != 0 { 4 } else { 0 };
    let (length, extra) = match second & 0x7f {
        126 => match header.get(2..4).and_then(|bytes| bytes.first_chunk::<2>()) {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
            None => return Header::Short,
        },
        127 => match header.get(2..10).and_then(|bytes| bytes.first_chunk::<8>()) {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8),
            None => return Header::Short,
        },
        short => (u64::from(short), 0),
    };
    if header.len() < 2 + extra + mask {
        Header::Short
    } else {
        Header::Whole(length)
    }
}

impl WebSocket {
    fn event(&mut self, from: Peer, event: Event<'_>, ledger: &mut Ledger) -> Activity {
        let frame = &mut self.frames[from as usize & 1];
        match event {
            Event::Begin { header, at, .. } => {
                let masked = header.get(1).is_some_and(|second| second & 0x80 != 0);
                let mask = header
                    .last_chunk::<4>()
                    .filter(|_| masked)
                    .copied()
                    .unwrap_or_default();
                *frame = Frame {
                    first: header.first().copied().unwrap_or_default(),
                    start: at,
                    mask,
                    ..Frame::default()
                };
                Activity::Housekeeping
            }
            Event::Body { bytes, end, left } => {
                let opcode = frame.first & 0x0f;
                if opcode == CLOSE {
                    for byte in bytes.iter().take(2usize.saturating_sub(frame.seen)) {
                        frame.code[frame.seen & 1] = byte ^ frame.mask[frame.seen & 3];
                        frame.seen += 1;
                    }
                    if left == 0 {
                        let what = match frame.seen {
                            2 => format!("websocket close {}", u16::from_be_bytes(frame.code)),
                            _ => "websocket close".to_owned(),
                        };
                        ledger.farewell(from, frame.start, what);
                    }
                    return Activity::Housekeeping;
                }
                if opcode > CLOSE {
                    return Activity::Housekeeping;
                }
                if from == ledger.requester {
                    let frame = *frame;
                    self.told(frame, end, left, ledger);
                }
                Activity::Application
            }
        }
    }

    fn told(&mut self, frame: Frame, end: Mark, left: u64, ledger: &mut Ledger) {
        let id = *self
            .message
            .get_or_insert_with(|| ledger.begin(frame.start));
        let whole = left == 0 && frame.first & FIN != 0;
        if let Some(exchange) = ledger.exchange(id) {
            exchange.answer = Answer::NotDue;
            exchange.request.end = end;
            exchange.request.complete = if whole {
                Completeness::Complete
            } else {
                Completeness::Incomplete
            };
            exchange.request.expected_end = (left > 0).then(|| end.offset.saturating_add(left));
            exchange.what.summary = Some("message".into());
        }
        if whole {
            ledger.settle(id);
            self.message = None;
        }
    }
}

impl ProtocolReader for WebSocket {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let mut activity = Activity::Housekeeping;
        let mut framer = std::mem::take(&mut self.sides[data.from as usize & 1]);
        if framer.lost {
            activity = Activity::Application;
        }
        framer.read(data, parse, |event| {
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
    use crate::dialogue::script::Script;
    use crate::dialogue::{Answer, Protocol};
    use crate::flow::Activity::{Application, Housekeeping};

    fn opened() -> Script {
        Script::to(80)
            .client("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    }

    fn masked(first: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | body.len() as u8, 1, 2, 3, 4];
        frame.extend(
            body.iter()
                .zip([1u8, 2, 3, 4].iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        frame
    }

    #[test]
    fn messages_want_no_answer() {
        let dialogue = opened()
            .client(masked(0x81, b"hello"))
            .server(b"\x81\x02hi")
            .dialogue();
        assert_eq!(dialogue.protocol, Protocol::WebSocket);
        assert_eq!(dialogue.requests, 2);
        assert_eq!(dialogue.recent[1].answer, Answer::NotDue);
        assert!(dialogue.recent[1].response.is_none());
    }

    #[test]
    fn pings_and_closes_are_housekeeping() {
        let script = opened()
            .server(b"\x89\x00")
            .client(masked(0x8a, b""))
            .client(masked(0x88, &1001u16.to_be_bytes()));
        assert_eq!(script.activities()[2..], [Housekeeping; 3]);
        assert_eq!(script.dialogue().farewells[0].what, "websocket close 1001");
        assert_eq!(
            opened().client(masked(0x82, b"x")).activities()[2],
            Application
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0u32..3000) {
            opened().client_cut(&bytes, cut).server(bytes).read(|n| n % 5 + 1);
        }
    }
}
