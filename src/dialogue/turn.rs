//! An exchange in brief.

mod packed;

pub(super) use self::packed::Rest;

use std::num::{NonZeroU16, NonZeroU64};

use super::exchange::{Answer, Completeness, Exchange, Idempotence};
use super::summary::RequestSummary;
use crate::capture::FrameId;
use crate::time::Timestamp;

/// What came back on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Time of its first byte.
    pub start: Timestamp,
    /// Time of its last byte seen.
    pub end: Timestamp,
    /// Whether it is whole.
    pub complete: Completeness,
}

/// An [`Exchange`] without its words: what stays of it once its connection is closed, and what is compared between connections.
/// Many are kept: 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Time of the request's first byte.
    pub start: Timestamp,
    /// Frame of the request's first byte.
    pub frame: FrameId,
    /// Bytes of the request were seen; not so for an answer whose request was not captured.
    pub asked: bool,
    /// Whether the request is whole.
    pub request: Completeness,
    /// Whether the peer is to answer.
    pub answer: Answer,
    /// What came back.
    pub reply: Option<Reply>,
    /// HTTP status.
    pub status: Option<NonZeroU16>,
    /// Whether the request may be repeated.
    pub idempotence: Option<Idempotence>,
    /// Hash of the request's summary, for recognising the same words elsewhere; `None` where there is no summary.
    pub words: Option<NonZeroU64>,
    /// Hash of the request, as [`Request::fingerprint`](super::Request::fingerprint), which tells requests of different lengths apart,
    /// too; 0 where no byte was seen.
    pub fingerprint: u64,
    /// `fingerprint` covers every byte.
    pub fingerprint_whole: bool,
}

impl Turn {
    /// When the answer that was due began, if it is whole as far as its framing tells.
    pub fn answered(&self) -> Option<Timestamp> {
        let reply = self.reply.map(|reply| (reply.start, reply.complete));
        answered(self.answer, reply)
    }
}

impl Exchange {
    /// The same of all that is known of it.
    pub(super) fn answered(&self) -> Option<Timestamp> {
        let reply = self
            .response
            .map(|response| (response.start.time, response.complete));
        answered(self.answer, reply)
    }
}

fn answered(answer: Answer, reply: Option<(Timestamp, Completeness)>) -> Option<Timestamp> {
    use Completeness::{Complete, Unknown};
    let (start, complete) = reply?;
    (answer != Answer::NotDue && matches!(complete, Complete | Unknown)).then_some(start)
}

impl From<&Exchange> for Turn {
    #[inline(always)]
    fn from(exchange: &Exchange) -> Self {
        let (request, what) = (&exchange.request, &exchange.what);
        let (start, end) = (&request.start, &request.end);
        Self {
            start: start.time,
            frame: start.frame,
            // Offsets differ wherever there is anything.
            asked: start.offset != end.offset || start != end,
            request: request.complete,
            answer: exchange.answer,
            reply: exchange.response.map(|response| Reply {
                start: response.start.time,
                end: response.end.time,
                complete: response.complete,
            }),
            status: exchange.status.and_then(NonZeroU16::new),
            idempotence: what.idempotence,
            words: what.summary.as_ref().map(RequestSummary::hash),
            fingerprint: match what.bytes {
                0 => 0,
                _ => what.fingerprint,
            },
            fingerprint_whole: what.fingerprint_whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_small() {
        // Every closed connection keeps up to 32 of them.
        assert!(size_of::<Turn>() <= 64);
    }
}
