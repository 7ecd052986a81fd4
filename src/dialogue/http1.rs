//! HTTP/1.0 and 1.1 (RFC 9112): heads are parsed, bodies counted.

use std::collections::VecDeque;

use super::exchange::{Completeness, Message, Protocol};
use super::fingerprint::Fingerprint;
use super::guess::{self, Guess};
use super::http1_head::{Framing, RequestHead, ResponseHead};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{Handover, ProtocolReader, Step, Successor, mark_at};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// Longest head that is read.
const HEAD: usize = 16 * 1024;
/// Most requests waiting for their responses that are matched.
const PIPELINED: usize = 256;

/// Reads both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Http1 {
    requests: Side,
    responses: Side,
    waiting: VecDeque<Waiting>,
    fingerprint: Fingerprint,
    /// The request that is being sent, and the exchange whose response is coming.
    asking: Option<ExchangeId>,
    answering: Option<ExchangeId>,
}

/// A request without a final response.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: ExchangeId,
    head_only: bool,
    tunnel: bool,
}

/// One direction.
#[derive(Clone, Debug, Default)]
struct Side {
    head: Vec<u8>,
    head_start: Option<Mark>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Between messages, or within a head.
    #[default]
    Head,
    Length(u64),
    Chunked(Chunk),
    UntilClose,
    /// Framing was lost: bytes belong to the message until a head is recognised.
    Lost,
}

/// Where in a chunked body (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// In the size line; digits so far, and whether an extension has begun.
    Size {
        size: u64,
        extension: bool,
    },
    Data(u64),
    /// After the data: CR LF.
    DataEnd,
    /// In the trailer section: whether the current line is empty so far.
    Trailer {
        empty: bool,
    },
}

/// What became of some bytes.
enum Progress {
    /// The message goes on.
    More,
    /// It ended after this many bytes.
    Done(usize),
}

impl Side {
    /// Takes body bytes and cut ones.
    fn body(&mut self, bytes: &[u8], cut: u64) -> Progress {
        match self.phase {
            Phase::Head | Phase::UntilClose | Phase::Lost => Progress::More,
            Phase::Length(left) => {
                let given = bytes.len() as u64 + cut;
                if given >= left {
                    self.phase = Phase::Head;
                    Progress::Done(usize::try_from(left).unwrap_or(usize::MAX))
                } else {
                    self.phase = Phase::Length(left - given);
                    Progress::More
                }
            }
            Phase::Chunked(_) => self.chunks(bytes, cut),
        }
    }

    fn chunks(&mut self, bytes: &[u8], cut: u64) -> Progress {
        let mut at = 0;
        while let (Phase::Chunked(chunk), Some(&byte)) = (self.phase, bytes.get(at)) {
            let (next, consumed) = match chunk {
                Chunk::Data(left) => {
                    let here = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - here as u64;
                    (
                        if left == 0 {
                            Chunk::DataEnd
                        } else {
                            Chunk::Data(left)
                        },
                        here,
                    )
                }
                Chunk::DataEnd if byte == b'\n' => (
                    Chunk::Size {
                        size: 0,
                        extension: false,
                    },
                    1,
                ),
                Chunk::DataEnd => (Chunk::DataEnd, 1),
                Chunk::Size { size, extension } => match (byte, char::from(byte).to_digit(16)) {
                    (b'\n', _) if size == 0 => (Chunk::Trailer { empty: true }, 1),
                    (b'\n', _) => (Chunk::Data(size), 1),
                    (_, Some(digit)) if !extension => (
                        Chunk::Size {
                            size: (size << 4) | u64::from(digit),
                            extension,
                        },
                        1,
                    ),
                    _ => (
                        Chunk::Size {
                            size,
                            extension: true,
                        },
                        1,
                    ),
                },
                Chunk::Trailer { empty: true } if byte == b'\n' => {
                    self.phase = Phase::Head;
                    return Progress::Done(at + 1);
                }
                Chunk::Trailer { empty } => (
                    Chunk::Trailer {
                        empty: byte == b'\n' || (empty && byte == b'\r'),
                    },
                    1,
                ),
            };
            self.phase = Phase::Chunked(next);
            at += consumed.max(1);
        }
        if cut > 0 {
            self.phase = match self.phase {
                Phase::Chunked(Chunk::Data(left)) if left > cut => {
                    Phase::Chunked(Chunk::Data(left - cut))
                }
                _ => Phase::Lost,
            };
        }
        Progress::More
    }
}

impl Http1 {
    fn side(&mut self, asks: Asks) -> &mut Side {
        match asks {
            Asks::Yes => &mut self.requests,
            Asks::No => &mut self.responses,
        }
    }

    /// The message that a direction is in the middle of.
    fn current<'a>(&self, asks: Asks, ledger: &'a mut Ledger) -> Option<&'a mut Message> {
        match asks {
            Asks::Yes => self
                .asking
                .and_then(|id| ledger.exchange(id))
                .map(|exchange| &mut exchange.request),
            Asks::No => self
                .answering
                .and_then(|id| ledger.exchange(id))
                .and_then(|exchange| exchange.response.as_mut()),
        }
    }

    /// Bytes of one direction until the message ends; returns how many were used.
    fn piece(&mut self, asks: Asks, at: Mark, bytes: &[u8], cut: u32, ledger: &mut Ledger) -> Used {
        if self.side(asks).phase == Phase::Lost && matches!(guess::http1(bytes), Guess::Protocol(_))
        {
            self.side(asks).phase = Phase::Head;
        }
        if self.side(asks).phase == Phase::Head {
            return self.head(asks, at, bytes, cut, ledger);
        }
        let progress = self.side(asks).body(bytes, u64::from(cut));
        let (used, done) = match progress {
            Progress::More => (bytes.len(), false),
            Progress::Done(used) => (used, true),
        };
        let hashed = bytes.get(..used.min(bytes.len())).unwrap_or(bytes);
        let end = mark_at(
            at,
            if done {
                used
            } else {
                used.saturating_add(cut as usize)
            },
        );
        if asks == Asks::Yes {
            self.fingerprint.update(hashed);
            self.note_fingerprint(
                if cut > 0 && used >= bytes.len() {
                    Whole::No
                } else {
                    Whole::AsBefore
                },
                ledger,
            );
        }
        let lost = self.side(asks).phase == Phase::Lost;
        if let Some(message) = self.current(asks, ledger) {
            message.end = end;
            if lost {
                message.complete = Completeness::Unknown;
                message.expected_end = None;
            }
        }
        if done {
            self.ended(asks, ledger);
        }
        if used > bytes.len() {
            Used::All
        } else if done {
            Used::Until(used)
        } else {
            Used::All
        }
    }

    /// A message is whole.
    fn ended(&mut self, asks: Asks, ledger: &mut Ledger) {
        if let Some(message) = self.current(asks, ledger) {
            message.complete = Completeness::Complete;
            message.expected_end = None;
        }
        match asks {
            Asks::Yes => self.asking = None,
            Asks::No => {
                if let Some(id) = self.answering.take() {
                    ledger.settle(id);
                }
            }
        }
    }

    fn head(&mut self, asks: Asks, at: Mark, bytes: &[u8], cut: u32, ledger: &mut Ledger) -> Used {
        let side = self.side(asks);
        if side.head.is_empty() {
            // A server ignores empty lines before a request (RFC 9112 section 2.2).
            let blank = bytes
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            if blank > 0 && blank < bytes.len() {
                return Used::Until(blank);
            }
            if blank == bytes.len() {
                return Used::All;
            }
            side.head_start = Some(at);
        }
        let before = side.head.len();
        let start = side.head_start.unwrap_or(at);
        if before == 0
            && let Some(end) = head_end(bytes, 0)
            && let Some(whole) = bytes.get(..end)
            && end <= HEAD
        {
            // Nearly always: the head came in one segment.
            let step = self.read_head(asks, start, mark_at(at, end), whole, ledger);
            return step.map_or(Used::Until(end), |successor| Used::Handover(end, successor));
        }
        side.head.extend_from_slice(
            bytes
                .get(..bytes.len().min(HEAD.saturating_sub(before)))
                .unwrap_or_default(),
        );
        let found = head_end(&side.head, before);
        let head = std::mem::take(&mut side.head);
        match found {
            Some(end) => {
                let used = end - before;
                let whole = head.get(..end).unwrap_or_default();
                let step = self.read_head(asks, start, mark_at(at, used), whole, ledger);
                step.map_or(Used::Until(used), |successor| {
                    Used::Handover(used, successor)
                })
            }
            None if cut > 0 || head.len() >= HEAD => {
                self.cut_head(
                    asks,
                    start,
                    mark_at(at, bytes.len().saturating_add(cut as usize)),
                    &head,
                    ledger,
                );
                Used::All
            }
            None => {
                if before == 0 {
                    self.begin(asks, start, ledger);
                }
                if let Some(message) = self.current(asks, ledger) {
                    message.end = mark_at(at, bytes.len());
                    message.complete = Completeness::HeadIncomplete;
                }
                self.side(asks).head = head;
                Used::All
            }
        }
    }

    /// A message begins.
    fn begin(&mut self, asks: Asks, start: Mark, ledger: &mut Ledger) {
        match asks {
            Asks::Yes => {
                self.fingerprint = Fingerprint::default();
                self.asking = Some(ledger.begin(start));
            }
            Asks::No => {
                let id = match self.waiting.front() {
                    Some(waiting) => waiting.id,
                    None => self.asking.unwrap_or_else(|| ledger.begin_unasked(start)),
                };
                self.answering = Some(id);
                if let Some(exchange) = ledger.exchange(id) {
                    exchange.response.get_or_insert(Message {
                        start,
                        end: start,
                        ..Message::default()
                    });
                }
            }
        }
    }

    /// A whole head. Returns who reads on, if the protocol changes behind it.
    fn read_head(
        &mut self,
        asks: Asks,
        start: Mark,
        end: Mark,
        head: &[u8],
        ledger: &mut Ledger,
    ) -> Option<Successor> {
        match asks {
            Asks::Yes => {
                self.request_head(start, end, head, ledger);
                None
            }
            Asks::No => self.response_head(start, end, head, ledger),
        }
    }

    fn request_head(&mut self, start: Mark, end: Mark, bytes: &[u8], ledger: &mut Ledger) {
        let Some(head) = RequestHead::parse(bytes) else {
            return self.lose(Asks::Yes, start, end, ledger);
        };
        if self.asking.is_none_or(|id| {
            ledger
                .exchange(id)
                .is_none_or(|exchange| exchange.request.start != start)
        }) {
            self.begin(Asks::Yes, start, ledger);
        }
        let Some(id) = self.asking else { return };
        head.fingerprint(&mut self.fingerprint);
        if let Some(exchange) = ledger.exchange(id) {
            exchange.request.end = end;
            exchange.request.complete = Completeness::Incomplete;
            exchange.request.expected_end = None;
            exchange.what.summary = Some(head.summary());
            exchange.what.idempotence = Some(head.idempotence());
            exchange.what.fingerprint_whole = true;
        }
        head.hints(ledger);
        if self.waiting.len() < PIPELINED {
            self.waiting.push_back(Waiting {
                id,
                head_only: head.is_head(),
                tunnel: head.is_connect(),
            });
        }
        self.note_fingerprint(Whole::AsBefore, ledger);
        self.frame_body(Asks::Yes, head.framing(), end, ledger);
    }

    fn response_head(
        &mut self,
        start: Mark,
        end: Mark,
        bytes: &[u8],
        ledger: &mut Ledger,
    ) -> Option<Successor> {
        let Some(head) = ResponseHead::parse(bytes) else {
            self.lose(Asks::No, start, end, ledger);
            return None;
        };
        let waiting = self.waiting.front().copied();
        if head.status == 408 && waiting.is_none() {
            return self.gave_up_on_request(start, head, ledger);
        }
        if self.answering.is_none() {
            self.begin(Asks::No, start, ledger);
        }
        let id = self.answering?;
        head.hints(ledger, ledger.requester.other());
        if (100..200).contains(&head.status) && head.status != 101 {
            // An interim response (RFC 9110 section 15.2): the final one is still due.
            ledger.revoke_response(id);
            self.answering = None;
            return None;
        }
        if let Some(exchange) = ledger.exchange(id) {
            exchange.status = Some(head.status);
            if let Some(response) = &mut exchange.response {
                response.end = end;
                response.complete = Completeness::Incomplete;
            }
        }
        if waiting.is_some_and(|waiting| waiting.id == id) {
            self.waiting.pop_front();
        }
        let tunnel =
            waiting.is_some_and(|waiting| waiting.tunnel) && (200..300).contains(&head.status);
        if head.status == 101 || tunnel {
            self.ended(Asks::No, ledger);
            return Some(if head.upgrades_to_websocket() {
                Successor::Protocol(Protocol::WebSocket)
            } else {
                Successor::Guess
            });
        }
        let framing = if waiting.is_some_and(|waiting| waiting.head_only) {
            Framing::Nothing
        } else {
            head.framing()
        };
        self.frame_body(Asks::No, framing, end, ledger);
        None
    }

    /// 408 without a whole request: the server's timer speaking, not an answer (RFC 9110 section 15.5.9).
    fn gave_up_on_request(
        &mut self,
        start: Mark,
        head: ResponseHead,
        ledger: &mut Ledger,
    ) -> Option<Successor> {
        let from = ledger.requester.other();
        if let Some(id) = self.answering.take() {
            ledger.revoke_response(id);
        }
        head.hints(ledger, from);
        ledger.farewell(from, start, "408");
        self.responses.phase = match head.framing() {
            Framing::Nothing => Phase::Head,
            Framing::Length(0) => Phase::Head,
            Framing::Length(length) => Phase::Length(length),
            Framing::Chunked => Phase::Chunked(Chunk::Size {
                size: 0,
                extension: false,
            }),
            Framing::UntilClose => Phase::UntilClose,
        };
        None
    }

    fn frame_body(&mut self, asks: Asks, framing: Framing, end: Mark, ledger: &mut Ledger) {
        let phase = match framing {
            Framing::Nothing | Framing::Length(0) => return self.ended(asks, ledger),
            Framing::Length(length) => Phase::Length(length),
            Framing::Chunked => Phase::Chunked(Chunk::Size {
                size: 0,
                extension: false,
            }),
            Framing::UntilClose => Phase::UntilClose,
        };
        self.side(asks).phase = phase;
        if let Some(message) = self.current(asks, ledger) {
            message.complete = match phase {
                Phase::UntilClose => Completeness::UntilClose,
                _ => Completeness::Incomplete,
            };
            message.expected_end = match phase {
                Phase::Length(length) => Some(end.offset.saturating_add(length)),
                _ => None,
            };
        }
    }

    /// A head of which the snap length took the end: what is there is read, the rest of the message goes by turns.
    fn cut_head(&mut self, asks: Asks, start: Mark, end: Mark, head: &[u8], ledger: &mut Ledger) {
        ledger.incomplete = true;
        if self
            .current(asks, ledger)
            .is_none_or(|message| message.start != start)
        {
            if asks == Asks::Yes
                && let Some(previous) = self.asking.take()
            {
                ledger.settle(previous);
            }
            self.begin(asks, start, ledger);
        }
        match asks {
            Asks::Yes => {
                if let (Some(id), Some(line)) = (self.asking, RequestHead::from_cut(head)) {
                    line.fingerprint(&mut self.fingerprint);
                    line.hints(ledger);
                    if let Some(exchange) = ledger.exchange(id) {
                        exchange.what.summary = Some(line.summary());
                        exchange.what.idempotence = Some(line.idempotence());
                    }
                    if self.waiting.len() < PIPELINED {
                        self.waiting.push_back(Waiting {
                            id,
                            head_only: line.is_head(),
                            tunnel: line.is_connect(),
                        });
                    }
                    self.note_fingerprint(Whole::No, ledger);
                }
            }
            Asks::No => {
                if let Some(line) = ResponseHead::from_cut(head) {
                    line.hints(ledger, ledger.requester.other());
                    if let Some(exchange) = self.answering.and_then(|id| ledger.exchange(id)) {
                        exchange.status = Some(line.status);
                    }
                }
                self.waiting.pop_front();
                if let Some(id) = self.answering {
                    ledger.settle(id);
                }
            }
        }
        self.lose(asks, start, end, ledger);
    }

    /// The end of the message can't be known any more.
    fn lose(&mut self, asks: Asks, start: Mark, end: Mark, ledger: &mut Ledger) {
        ledger.incomplete = true;
        self.side(asks).phase = Phase::Lost;
        if self.current(asks, ledger).is_none() {
            self.begin(asks, start, ledger);
        }
        if let Some(message) = self.current(asks, ledger) {
            message.end = end;
            message.complete = Completeness::Unknown;
            message.expected_end = None;
        }
    }

    fn note_fingerprint(&self, whole: Whole, ledger: &mut Ledger) {
        if let Some(exchange) = self.asking.and_then(|id| ledger.exchange(id)) {
            exchange.what.fingerprint = self.fingerprint.value();
            exchange.what.bytes = self.fingerprint.bytes();
            exchange.what.fingerprint_whole &= whole == Whole::AsBefore;
        }
    }
}

/// Which direction, seen from the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    AsBefore,
    No,
}

/// How many of the bytes given were used.
enum Used {
    All,
    Until(usize),
    Handover(usize, Successor),
}

/// Where a head ends: behind the first empty line, searched from `from` on.
fn head_end(head: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(3);
    let tail = head.get(from..)?;
    tail.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .find_map(|(index, _)| {
            let rest = tail.get(index + 1..)?;
            if rest.first() == Some(&b'\n') {
                Some(from + index + 2)
            } else if rest.starts_with(b"\r\n") {
                Some(from + index + 3)
            } else {
                None
            }
        })
}

impl ProtocolReader for Http1 {
    fn data(&mut self, data: StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let asks = if data.from == ledger.requester {
            Asks::Yes
        } else {
            Asks::No
        };
        let mut offset = 0;
        loop {
            let bytes = data.bytes.get(offset..).unwrap_or_default();
            let cut = data.cut;
            if bytes.is_empty() && (cut == 0 || offset > 0 && self.side(asks).phase == Phase::Head)
            {
                return Activity::Application.into();
            }
            match self.piece(asks, mark_at(data.at, offset), bytes, cut, ledger) {
                Used::All => return Activity::Application.into(),
                Used::Until(used) => offset += used.max(1),
                Used::Handover(used, to) => {
                    let handover = Handover {
                        to,
                        consumed: offset + used,
                    };
                    return Step {
                        activity: Activity::Application,
                        handover: Some(handover),
                    };
                }
            }
        }
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        ledger.incomplete = true;
        let asks = if from == ledger.requester {
            Asks::Yes
        } else {
            Asks::No
        };
        let start = Mark {
            offset: at.offset.saturating_sub(missing),
            ..at
        };
        match (self.side(asks).phase, u32::try_from(missing)) {
            (Phase::Head, _) | (_, Err(_) | Ok(0)) => {
                self.side(asks).head.clear();
                self.lose(asks, start, at, ledger);
            }
            (_, Ok(missing)) => {
                self.piece(asks, start, &[], missing, ledger);
            }
        }
    }

    fn fin(&mut self, from: Peer, _at: Mark, ledger: &mut Ledger) {
        if from != ledger.requester && self.responses.phase == Phase::UntilClose {
            self.responses.phase = Phase::Head;
            self.ended(Asks::No, ledger);
        }
    }
}

#[cfg(test)]
mod tests;
