//! MySQL's and MariaDB's protocol (<https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>): packets with a length
//! and a sequence number. A packet numbered 0 from the client begins a command; the answer ends by turn-taking.

use super::exchange::{Completeness, Message};
use super::frames::{Event, Framer, Header, take_turn};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{Handover, ProtocolReader, Step, Successor, either, mark_at};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

const QUIT: u8 = 1;
const ERROR: u8 = 0xff;
/// Payload of the client's request for TLS: capabilities, sizes and zeros, no name.
const SSL_REQUEST: u64 = 32;

/// A server's greeting: protocol version 10 in packet 0, then a version text.
pub(super) fn is_greeting(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [_, _, 0, 0, 10, version, ..] => Some(version.is_ascii_digit()),
        [] | [_] | [_, _] => None,
        [_, _, 0] | [_, _, 0, 0] | [_, _, 0, 0, 10] => None,
        _ => Some(false),
    }
}

/// Reads both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct MySql {
    sides: [Framer; 2],
    packets: [Packet; 2],
    /// The login is over.
    ready: bool,
    query: Option<ExchangeId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Packet {
    start: Mark,
    sequence: u8,
    length: u64,
    first: Option<u8>,
    code: [u8; 2],
    seen: usize,
}

fn parse(header: &[u8]) -> Header {
    match header {
        [a, b, c, _] => Header::Whole(u64::from(u32::from_le_bytes([*a, *b, *c, 0]))),
        _ => Header::Short,
    }
}

impl MySql {
    fn event(&mut self, from: Peer, event: Event<'_>, ledger: &mut Ledger) -> Activity {
        let side = from as usize & 1;
        match event {
            Event::Begin { header, at, length } => {
                let sequence = header.last().copied().unwrap_or_default();
                self.packets[side] = Packet {
                    start: at,
                    sequence,
                    length,
                    ..Packet::default()
                };
                Activity::Housekeeping
            }
            Event::Body { bytes, end, left } => {
                let packet = &mut self.packets[side];
                for byte in bytes.iter().take(3usize.saturating_sub(packet.seen)) {
                    match packet.seen {
                        0 => packet.first = Some(*byte),
                        at => packet.code[(at - 1) & 1] = *byte,
                    }
                    packet.seen += 1;
                }
                let packet = *packet;
                if from == ledger.requester {
                    self.asked(packet, end, left, ledger)
                } else {
                    self.answered(packet, end, left, ledger)
                }
            }
        }
    }

    fn asked(&mut self, packet: Packet, end: Mark, left: u64, ledger: &mut Ledger) -> Activity {
        if packet.sequence != 0 || packet.first.is_none() {
            return Activity::Application;
        }
        self.ready = true;
        if packet.first == Some(QUIT) && packet.length == 1 {
            ledger.farewell(ledger.requester, packet.start, "quit");
            return Activity::Housekeeping;
        }
        let current = self.query.filter(|id| {
            ledger
                .exchange(*id)
                .is_some_and(|exchange| exchange.request.start == packet.start)
        });
        let id = current.unwrap_or_else(|| {
            if let Some(previous) = self.query {
                ledger.settle(previous);
            }
            ledger.begin(packet.start)
        });
        self.query = Some(id);
        if let Some(exchange) = ledger.exchange(id) {
            exchange.request.end = end;
            exchange.request.complete = if left == 0 {
                Completeness::Complete
            } else {
                Completeness::Incomplete
            };
            exchange.what.summary = Some(name(packet.first).into());
        }
        Activity::Application
    }

    fn answered(&mut self, packet: Packet, end: Mark, left: u64, ledger: &mut Ledger) -> Activity {
        let goodbye = packet.sequence == 0 && packet.first == Some(ERROR);
        let open = self.query.filter(|_| !goodbye).filter(|id| {
            ledger
                .exchange(*id)
                .is_some_and(|exchange| packet.sequence > 0 || exchange.response.is_some())
        });
        let Some(id) = open else {
            if packet.first == Some(ERROR) && left == 0 && self.ready {
                let code = u16::from_le_bytes(packet.code);
                ledger.farewell(ledger.requester.other(), packet.start, code.to_string());
                return Activity::Housekeeping;
            }
            return Activity::Application;
        };
        if let Some(exchange) = ledger.exchange(id) {
            let response = exchange.response.get_or_insert(Message {
                start: packet.start,
                ..Message::default()
            });
            response.end = end;
            response.complete = if left == 0 {
                Completeness::Unknown
            } else {
                Completeness::Incomplete
            };
        }
        Activity::Application
    }
}

impl MySql {
    fn lose(&mut self, from: Peer, range: (Mark, Mark), ledger: &mut Ledger) {
        if self.ready {
            take_turn(&mut self.query, from, range, ledger);
        } else {
            ledger.unframe();
        }
    }
}

/// A segment begins with a packet: a command, the first of an answer, or a goodbye, that is as long as the segment at most.
fn begins_packet(bytes: &[u8], whole: usize, asks: bool) -> bool {
    let Some(([a, b, c, sequence], rest)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    let numbered = match sequence {
        0 => asks || rest.first() == Some(&ERROR),
        1 => !asks,
        _ => false,
    };
    numbered && length > 0 && length.saturating_add(4) <= whole
}

/// Command bytes.
const fn name(command: Option<u8>) -> &'static str {
    match command {
        Some(2) => "init db",
        Some(3) => "query",
        Some(14) => "ping",
        Some(22) => "prepare",
        Some(23) => "execute",
        Some(25) => "close statement",
        _ => "command",
    }
}

impl ProtocolReader for MySql {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let mut activity = Activity::Housekeeping;
        let mut framer = std::mem::take(&mut self.sides[data.from as usize & 1]);
        let mut encrypted = false;
        let whole = data.bytes.len().saturating_add(data.cut as usize);
        if framer.lost && begins_packet(data.bytes, whole, data.from == ledger.requester) {
            framer.resume();
        }
        framer.read(data, parse, |event| {
            let ends = matches!(event, Event::Body { left: 0, .. });
            activity = either(activity, self.event(data.from, event, ledger));
            let packet = self.packets[data.from as usize & 1];
            encrypted |= ends
                && data.from == ledger.requester
                && !self.ready
                && packet.sequence == 1
                && packet.length == SSL_REQUEST;
        });
        ledger.incomplete |= data.cut > 0;
        if framer.lost {
            activity = Activity::Application;
            self.lose(data.from, (data.at, mark_at(data.at, whole)), ledger);
        }
        self.sides[data.from as usize & 1] = framer;
        let handover = encrypted.then_some(Handover {
            to: Successor::Guess,
            consumed: u32::try_from(data.bytes.len()).unwrap_or(u32::MAX),
        });
        Step { activity, handover }
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
    use crate::dialogue::Protocol;
    use crate::dialogue::script::Script;
    use crate::flow::Activity::Housekeeping;

    fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_le_bytes();
        [&length[..3], &[sequence], body].concat()
    }

    fn opened() -> Script {
        Script::to(3306)
            .server(packet(0, b"\x0a8.0.36\0abcdefgh"))
            .client(packet(1, b"login packet that is longer than 32 bytes"))
            .server(packet(2, b"\0\0\0\x02\0\0\0"))
    }

    #[test]
    fn commands_are_exchanges_and_the_login_is_none() {
        let dialogue = opened()
            .client(packet(0, b"\x03select secret"))
            .server([packet(1, b"\x01"), packet(2, b"row")].concat())
            .client(packet(0, b"\x03x"))
            .dialogue();
        assert_eq!(dialogue.protocol, Protocol::MySql);
        assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
        assert_eq!(dialogue.recent[0].what.summary.as_deref(), Some("query"));
        assert!(dialogue.recent[1].response.is_none());
    }

    #[test]
    fn an_error_between_commands_is_a_farewell() {
        let script = opened()
            .client(packet(0, b"\x0e"))
            .server(packet(1, b"\0\0\0"))
            .server(packet(0, b"\xff\xbf\x0f#08S01gone"));
        assert_eq!(*script.activities().last().unwrap(), Housekeeping);
        assert_eq!(script.dialogue().farewells[0].what, "4031");
    }

    #[test]
    fn answers_cut_short_by_the_capture_are_answers() {
        let rows = [
            packet(1, b"\x01"),
            packet(2, &[b'x'; 80]),
            packet(3, b"end"),
        ]
        .concat();
        let dialogue = opened()
            .client(packet(0, b"\x03one"))
            .server_cut(&rows[..30], (rows.len() - 30) as u32)
            .client(packet(0, b"\x03two"))
            .server_cut(&rows[..30], (rows.len() - 30) as u32)
            .client(packet(0, b"\x03three"))
            .dialogue();
        assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
        assert!(dialogue.recent[1].response.is_some());
        assert!(dialogue.recent[2].response.is_none());
    }

    #[test]
    fn a_gap_of_unknown_length_adds_no_bytes() {
        let dialogue = opened()
            .client(&packet(0, b"\x03select something")[..8])
            .gap(crate::flow::Peer::Client, 0)
            .dialogue();
        assert_eq!(dialogue.recent[0].request.end.offset, 45 + 8);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0u32..3000) {
            opened().client_cut(&bytes, cut).server(bytes).read(|n| n % 5 + 1);
        }
    }
}
