//! Takes a direction apart into frames: a short header that tells a length, then that many bytes.

use super::exchange::{Completeness, Message};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::mark_at;
use crate::flow::{Mark, Peer, StreamBytes};

/// What a header's first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Not enough of them.
    Short,
    /// A whole header; so many bytes of body follow.
    Whole(u64),
    /// These bytes begin no frame.
    Wrong,
}

/// Where one direction is.
#[derive(Clone, Debug, Default)]
pub(super) struct Framer {
    header: Vec<u8>,
    start: Mark,
    left: u64,
    in_body: bool,
    /// The framing was lost.
    pub(super) lost: bool,
}

/// What comes next in a direction.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A frame begins.
    Begin {
        /// Its header.
        header: &'a [u8],
        /// Where it begins.
        at: Mark,
        /// How long its body is.
        length: u64,
    },
    /// Bytes of its body; `left` more follow. Comes at least once for each frame.
    Body {
        /// The bytes, as far as captured.
        bytes: &'a [u8],
        /// One past the last byte.
        end: Mark,
        /// How many are still to come.
        left: u64,
    },
}

/// Longest header of all protocols here.
const HEADER: usize = 16;

impl Framer {
    /// Reads a call's bytes. `parse` looks at what there is of a header; `take` gets the events. Bytes that were not captured count
    /// as body; a header among them loses the framing.
    pub(super) fn read(
        &mut self,
        data: &StreamBytes<'_>,
        parse: impl Fn(&[u8]) -> Header,
        mut take: impl FnMut(Event<'_>),
    ) {
        let mut offset = 0;
        while !self.lost {
            if !self.in_body {
                let Some(&byte) = data.bytes.get(offset) else {
                    break;
                };
                if self.header.is_empty() {
                    self.start = mark_at(data.at, offset);
                }
                self.header.push(byte);
                offset += 1;
                match parse(&self.header) {
                    Header::Short if self.header.len() < HEADER => continue,
                    Header::Whole(length) => {
                        self.in_body = true;
                        self.left = length;
                        take(Event::Begin {
                            header: &self.header,
                            at: self.start,
                            length,
                        });
                        self.header.clear();
                        if length > 0 {
                            continue;
                        }
                    }
                    Header::Short | Header::Wrong => {
                        self.lost = true;
                        break;
                    }
                }
            }
            let rest = data.bytes.get(offset..).unwrap_or_default();
            if rest.is_empty() && self.left > 0 {
                break;
            }
            let here = rest
                .len()
                .min(usize::try_from(self.left).unwrap_or(usize::MAX));
            offset += here;
            self.left -= here as u64;
            self.in_body = self.left > 0;
            let bytes = rest.get(..here).unwrap_or_default();
            take(Event::Body {
                bytes,
                end: mark_at(data.at, offset),
                left: self.left,
            });
        }
        if data.cut > 0 && !self.lost {
            self.skip(mark_at(data.at, offset), u64::from(data.cut), take);
        }
    }

    /// The framing was lost, and a frame begins here after all: segments begin with one more often than not.
    pub(super) fn resume(&mut self) {
        *self = Self::default();
    }

    /// `missing` bytes (0: unknown how many) that were never captured.
    pub(super) fn skip(&mut self, at: Mark, missing: u64, mut take: impl FnMut(Event<'_>)) {
        if missing == 0 || !self.in_body || self.left < missing {
            self.lost = true;
            self.in_body = false;
            self.header.clear();
            return;
        }
        self.left -= missing;
        self.in_body = self.left > 0;
        let end = Mark {
            offset: at.offset.saturating_add(missing),
            ..at
        };
        take(Event::Body {
            bytes: &[],
            end,
            left: self.left,
        });
    }
}

/// Bytes whose frames are not known take their turn: the one who asks begins a question where the last one has an answer, what
/// the other one says is (part of) the answer. Whether either is whole is not known.
pub(super) fn take_turn(
    current: &mut Option<ExchangeId>,
    from: Peer,
    (start, end): (Mark, Mark),
    ledger: &mut Ledger,
) {
    ledger.unframe();
    if from == ledger.requester {
        let id = match *current {
            Some(id) if !is_answered(id, ledger) => id,
            answered => {
                if let Some(answered) = answered {
                    ledger.settle(answered);
                }
                ledger.begin(start)
            }
        };
        *current = Some(id);
        if let Some(exchange) = ledger.exchange(id) {
            exchange.request.end = end;
            exchange.request.complete = Completeness::Unknown;
        }
    } else if let Some(exchange) = current.and_then(|id| ledger.exchange(id)) {
        let response = exchange.response.get_or_insert(Message {
            start,
            ..Message::default()
        });
        response.end = end;
        response.complete = Completeness::Unknown;
    }
}

fn is_answered(id: ExchangeId, ledger: &mut Ledger) -> bool {
    ledger
        .exchange(id)
        .is_none_or(|exchange| exchange.response.is_some())
}
