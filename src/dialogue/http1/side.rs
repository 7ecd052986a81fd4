//! One direction's framing: where heads and bodies begin and end, without a word on what they say.

use std::borrow::Cow;

use super::chunked::{Chunked, Progress};
use super::fields::Framing;
use super::head::HEAD_LIMIT;
use super::line::Method;
use crate::dialogue::exchange::Completeness;
use crate::dialogue::ledger::ExchangeId;
use crate::flow::Mark;

/// What the next bytes of a direction are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// A head, or its continuation.
    #[default]
    Head,
    /// A body of known length.
    Length { left: u64 },
    /// A chunked body.
    Chunked(Chunked),
    /// A body that ends with the connection.
    UntilClose,
    /// Not known.
    Lost,
}

impl Phase {
    /// What follows a request's head.
    pub(super) const fn of_content(framing: Framing) -> Self {
        match framing {
            Framing::Absent | Framing::Length(0) => Self::Head,
            Framing::Length(left) => Self::Length { left },
            Framing::Chunked => Self::Chunked(Chunked::START),
            Framing::Unclear => Self::Lost,
        }
    }

    /// What follows a response's head, on a request with that method (RFC 9112 section 6.3).
    pub(super) const fn of_response(status: u16, method: Method, framing: Framing) -> Self {
        match (status, method, framing) {
            // Rules 1 and 2.
            (101 | 204 | 304, _, _) | (_, Method::Head, _) => Self::Head,
            (200..300, Method::Connect, _) | (_, _, Framing::Length(0)) => Self::Head,
            (_, _, Framing::Length(left)) => Self::Length { left },
            (_, _, Framing::Chunked) => Self::Chunked(Chunked::START),
            (_, _, Framing::Absent | Framing::Unclear) => Self::UntilClose,
        }
    }

    /// Whether a response is whole whose head ended there, and where it will be.
    pub(super) const fn lacking(self, head_end: Mark) -> (Completeness, Option<u64>) {
        match self {
            Self::Length { left } => {
                let end = head_end.offset.saturating_add(left);
                (Completeness::Incomplete, Some(end))
            }
            Self::UntilClose => (Completeness::UntilClose, None),
            _ => (Completeness::Incomplete, None),
        }
    }
}

/// What was taken of some body bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Content.
    Content(usize),
    /// Framing between contents.
    Framing(usize),
    /// The body's last bytes; the second number says how many of them are content.
    Last(usize, usize),
    /// They are no such body.
    Lost,
}

impl Taken {
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Content(n) | Self::Framing(n) | Self::Last(n, _) => n,
            Self::Lost => 0,
        }
    }
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) phase: Phase,
    /// The exchange of the current message.
    pub(super) message: Option<ExchangeId>,
    /// The part of the current head that came in earlier segments; at most [`HEAD_LIMIT`].
    pub(super) head: Vec<u8>,
    /// Bytes in the head's current line, CR not counted (saturating).
    pub(super) line: u8,
    /// The current message is a goodbye and answers nothing.
    pub(super) farewell: bool,
    /// The current message was answered before its body began, and waited for leave to send it: the body may never come.
    pub(super) refused: bool,
}

impl Side {
    /// Forgets everything, and keeps its memory.
    pub(super) fn begin_anew(&mut self) {
        self.phase = Phase::Head;
        self.message = None;
        self.head.clear();
        self.line = 0;
        self.farewell = false;
        self.refused = false;
    }

    /// Nothing of a message is under way.
    #[inline(always)]
    pub(super) fn is_at_rest(&self) -> bool {
        self.phase == Phase::Head && self.message.is_none() && self.head.is_empty()
    }

    /// Takes bytes of a head up to its empty line. Unless that is among them they are kept for later. Gives how many, and whether
    /// the head is whole.
    pub(super) fn head_bytes(&mut self, bytes: &[u8]) -> (usize, bool) {
        let room = HEAD_LIMIT.saturating_sub(self.head.len());
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let mut line = self.line;
        let end = bytes.iter().position(|byte| {
            let empty = line == 0;
            line = match byte {
                b'\n' => 0,
                b'\r' => line,
                _ => line.saturating_add(1),
            };
            *byte == b'\n' && empty
        });
        match end {
            Some(index) => {
                self.line = 0;
                (index + 1, true)
            }
            None => {
                self.line = line;
                self.head.extend_from_slice(bytes);
                (bytes.len(), false)
            }
        }
    }

    /// The first bytes of the current head, for a look at what it is.
    pub(super) fn head_start<'a>(&'a self, fresh: &'a [u8]) -> &'a [u8] {
        match self.head.is_empty() {
            true => fresh,
            false => &self.head,
        }
    }

    /// The head, now that `fresh` ended it.
    pub(super) fn take_head<'a>(&mut self, fresh: &'a [u8]) -> Cow<'a, [u8]> {
        if self.head.is_empty() {
            return Cow::Borrowed(fresh);
        }
        let mut head = std::mem::take(&mut self.head);
        head.extend_from_slice(fresh);
        Cow::Owned(head)
    }

    /// Takes bytes of a body; `bytes` is not empty.
    pub(super) fn body(&mut self, bytes: &[u8]) -> Taken {
        match &mut self.phase {
            Phase::Length { left } => {
                let n = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= n as u64;
                match *left {
                    0 => Taken::Last(n, n),
                    _ => Taken::Content(n),
                }
            }
            Phase::Chunked(chunked) => match chunked.read(bytes) {
                Progress::Going { used, data: true } => Taken::Content(used),
                Progress::Going { used, data: false } => Taken::Framing(used),
                Progress::Over { used } => Taken::Last(used, 0),
                Progress::Invalid => Taken::Lost,
            },
            Phase::Head | Phase::UntilClose | Phase::Lost => Taken::Content(bytes.len()),
        }
    }
}
