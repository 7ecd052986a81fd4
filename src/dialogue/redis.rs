//! Redis' protocol, RESP 2 and 3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): command names and replies
//! counted; no arguments, no values.

use std::collections::VecDeque;

use super::exchange::{Completeness, Message};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{ProtocolReader, Step, mark_at};
use super::summary::RequestSummary;
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// Longest line that is read: type, number, simple string, error.
const LINE: usize = 512;
/// Most commands that wait for their replies.
const PIPELINED: usize = 256;
/// Deepest nesting of aggregates.
const DEPTH: usize = 16;

/// A command as clients send it: an array of bulk strings.
pub(super) fn is_command(bytes: &[u8]) -> Option<bool> {
    let (first, rest) = bytes.split_first()?;
    if *first != b'*' {
        return Some(false);
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.get(digits..) {
        _ if digits > 6 => Some(false),
        Some([b'\r', b'\n', b'$', ..]) => Some(digits > 0),
        Some([] | [b'\r'] | [b'\r', b'\n']) => None,
        _ => Some(false),
    }
}

/// One direction's place within nested values.
#[derive(Clone, Debug, Default)]
struct Side {
    line: Vec<u8>,
    /// Bytes of a bulk string to come, its CR LF included.
    bulk: u64,
    /// Elements to come at each level.
    levels: Vec<u64>,
    start: Option<Mark>,
    push: bool,
    element: u32,
    name: Vec<u8>,
    lost: bool,
}

/// Reads both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Redis {
    sides: [Side; 2],
    waiting: VecDeque<ExchangeId>,
    asking: Option<ExchangeId>,
}

impl Side {
    /// A whole line ended a header: returns whether the value is complete with it.
    fn line_ends(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let (kind, rest) = line
            .split_first()
            .map_or((b' ', &[][..]), |(kind, rest)| (*kind, rest));
        let number = std::str::from_utf8(rest)
            .ok()
            .and_then(|text| text.trim().parse::<i64>().ok());
        match (kind, number) {
            (b'$' | b'=' | b'!', Some(length)) if length >= 0 => {
                self.bulk = length.unsigned_abs().saturating_add(2);
                return false;
            }
            (b'*' | b'~' | b'>', Some(count)) if count > 0 => {
                return self.nest(count.unsigned_abs(), kind);
            }
            (b'%' | b'|', Some(count)) if count > 0 => {
                return self.nest(count.unsigned_abs().saturating_mul(2), kind);
            }
            _ => {}
        }
        self.value_ends()
    }

    fn nest(&mut self, count: u64, kind: u8) -> bool {
        self.push |= kind == b'>' && self.levels.is_empty();
        if self.levels.len() >= DEPTH {
            self.lost = true;
        } else {
            self.levels.push(count);
        }
        false
    }

    /// A value is whole; so may be the aggregates around it.
    fn value_ends(&mut self) -> bool {
        self.element = self.element.saturating_add(1);
        while let Some(left) = self.levels.last_mut() {
            *left = left.saturating_sub(1);
            if *left > 0 {
                return false;
            }
            self.levels.pop();
        }
        true
    }

    /// Takes one byte or a run of bulk bytes; returns how many and whether the outermost value ended.
    fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        if self.bulk > 0 {
            let here = bytes
                .len()
                .min(usize::try_from(self.bulk).unwrap_or(usize::MAX));
            if self.element == 0 {
                let room = 24usize.saturating_sub(self.name.len());
                self.name.extend(bytes.iter().take(here.min(room)));
            }
            self.bulk -= here as u64;
            let ended = self.bulk == 0 && self.value_ends();
            return (here.max(1), ended);
        }
        match bytes.first() {
            Some(b'\n') => (1, self.line_ends()),
            Some(b'\r') => (1, false),
            Some(byte) => {
                self.line.push(*byte);
                self.lost |= self.line.len() > LINE;
                (1, false)
            }
            None => (0, false),
        }
    }

    fn reset(&mut self) {
        let lost = self.lost;
        *self = Self {
            lost,
            ..Self::default()
        };
    }
}

impl Redis {
    fn note(&mut self, from: Peer, end: Mark, ended: bool, ledger: &mut Ledger) {
        let side = &self.sides[from as usize & 1];
        let (start, name, push) = (side.start.unwrap_or(end), command(&side.name), side.push);
        if from == ledger.requester {
            let id = *self.asking.get_or_insert_with(|| ledger.begin(start));
            if let Some(exchange) = ledger.exchange(id) {
                exchange.request.end = end;
                if ended {
                    exchange.request.complete = Completeness::Complete;
                    exchange.what.summary = name;
                }
            }
            if ended {
                self.asking = None;
                if self.waiting.len() < PIPELINED {
                    self.waiting.push_back(id);
                }
            }
        } else if !push && let Some(&id) = self.waiting.front() {
            if let Some(exchange) = ledger.exchange(id) {
                let response = exchange.response.get_or_insert(Message {
                    start,
                    ..Message::default()
                });
                response.end = end;
                response.complete = if ended {
                    Completeness::Complete
                } else {
                    Completeness::Incomplete
                };
            }
            if ended {
                ledger.settle(id);
                self.waiting.pop_front();
                // A command that lost its framing ends where it is answered.
                self.asking = self.asking.filter(|asking| *asking != id);
            }
        }
    }

    /// Values can't be told apart any more: what the one who asks says until it is answered is a command, a turn of the other one
    /// answers all that waits.
    fn lose(&mut self, from: Peer, (start, end): (Mark, Mark), ledger: &mut Ledger) {
        ledger.unframe();
        let side = &mut self.sides[from as usize & 1];
        side.lost = true;
        // A push that was under way may have ended in what is missing: what comes now may be an answer.
        side.push = false;
        if from != ledger.requester {
            while let Some(id) = self.waiting.front().copied() {
                self.note(from, end, true, ledger);
                if let Some(response) = ledger.exchange(id).and_then(|e| e.response.as_mut()) {
                    response.complete = Completeness::Unknown;
                }
            }
            return;
        }
        let start = side.start.take().unwrap_or(start);
        let name = command(&side.name).filter(|_| side.element > 0);
        let id = *self.asking.get_or_insert_with(|| ledger.begin(start));
        if let Some(exchange) = ledger.exchange(id) {
            exchange.request.end = end;
            exchange.request.complete = Completeness::Unknown;
            exchange.what.summary = exchange.what.summary.take().or(name);
        }
        if self.waiting.back() != Some(&id) && self.waiting.len() < PIPELINED {
            self.waiting.push_back(id);
        }
    }
}

/// The command's name if it is one: letters only.
fn command(name: &[u8]) -> Option<RequestSummary> {
    let letters = name.iter().position(|b| !b.is_ascii_alphabetic());
    let mut upper = [0; 20];
    let upper = upper.get_mut(..letters.unwrap_or(name.len()).min(20))?;
    upper.copy_from_slice(name.get(..upper.len())?);
    upper.make_ascii_uppercase();
    (!upper.is_empty()).then(|| RequestSummary::ascii(upper))
}

impl ProtocolReader for Redis {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let side = data.from as usize & 1;
        if self.sides[side].lost
            && matches!(data.bytes.first(), Some(b'*' | b'$' | b'+' | b'-' | b':'))
        {
            self.sides[side] = Side::default();
            if data.from == ledger.requester {
                self.asking = None;
            }
        }
        let mut offset = 0;
        while offset < data.bytes.len() && !self.sides[side].lost {
            let here = mark_at(data.at, offset);
            self.sides[side].start.get_or_insert(here);
            let (used, ended) = self.sides[side].step(data.bytes.get(offset..).unwrap_or_default());
            offset += used;
            if ended {
                self.note(data.from, mark_at(data.at, offset), true, ledger);
                self.sides[side].reset();
            }
        }
        let end = mark_at(data.at, data.bytes.len().saturating_add(data.cut as usize));
        if data.cut > 0 || self.sides[side].lost {
            let cut = u64::from(data.cut);
            if !self.sides[side].lost && self.sides[side].bulk > cut {
                self.sides[side].bulk -= cut;
            } else {
                self.lose(data.from, (data.at, end), ledger);
            }
        }
        // Whether a value is a push shows once its first line is whole.
        let unclear =
            self.sides[side].levels.is_empty() && self.sides[side].line.first() == Some(&b'>');
        if self.sides[side].start.is_some() && !self.sides[side].lost && !unclear {
            self.note(data.from, end, false, ledger);
        }
        Activity::Application.into()
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        let start = Mark {
            offset: at.offset.saturating_sub(missing),
            ..at
        };
        self.lose(from, (start, at), ledger);
    }

    fn fin(&mut self, _from: Peer, _at: Mark, _ledger: &mut Ledger) {}
}

#[cfg(test)]
mod tests {
    use crate::dialogue::script::Script;
    use crate::dialogue::{Completeness, Protocol};
    use crate::flow::Peer::Server;

    const GET: &str = "*2\r\n$3\r\nget\r\n$6\r\nsecret\r\n";

    #[test]
    fn pipelined_commands_are_answered_in_order() {
        let dialogue = Script::to(6379)
            .client([GET, GET, GET].concat())
            .server("$5\r\nhello\r\n*2\r\n:1\r\n+OK\r\n")
            .dialogue();
        assert_eq!(dialogue.protocol, Protocol::Redis);
        assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
        assert_eq!(dialogue.recent[0].what.summary.as_deref(), Some("GET"));
        assert_eq!(
            dialogue.recent[1].response.unwrap().complete,
            Completeness::Complete
        );
        assert!(dialogue.recent[2].response.is_none());
    }

    #[test]
    fn a_reply_that_lacks_bytes_is_incomplete() {
        let dialogue = Script::to(6379).client(GET).server("$5\r\nhel").dialogue();
        assert_eq!(
            dialogue.recent[0].response.unwrap().complete,
            Completeness::Incomplete
        );
    }

    #[test]
    fn commands_cut_short_by_the_capture_are_commands() {
        let set = "*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$90\r\nthe first of";
        let dialogue = Script::to(6379)
            .client_cut(set, 80)
            .server("+OK\r\n")
            .client_cut(set, 80)
            .server("+OK\r\n")
            .client_cut(set, 80)
            .client("the rest")
            .dialogue();
        assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
        assert_eq!(dialogue.recent[2].what.summary.as_deref(), Some("SET"));
        assert!(dialogue.recent[2].response.is_none());
    }

    #[test]
    fn pushes_answer_nothing() {
        let dialogue = Script::to(6379)
            .client(GET)
            .server(">2\r\n+message\r\n$1\r\nx\r\n")
            .dialogue();
        assert!(dialogue.recent[0].response.is_none());
    }

    #[test]
    fn a_push_that_lacks_bytes_may_have_been_followed_by_the_answer() {
        let dialogue = Script::to(6379)
            .client(GET)
            .server(">2\r\n+message\r\n$40\r\nthe first of")
            .gap(Server, 50)
            .server("the rest\r\n")
            .dialogue();
        assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
        assert_eq!(
            dialogue.recent[0].response.unwrap().complete,
            Completeness::Unknown
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, cut in 0u32..3000) {
            Script::to(6379).client(GET).client_cut(&bytes, cut).server(bytes.clone()).gap(Server, 9).server(bytes).read(|n| n % 5 + 1);
        }
    }
}
