//! HTTP/1.0 and 1.1 in clear text (RFC 9112).

mod again;
mod chunked;
mod fields;
mod head;
#[cfg(test)]
mod ladders;
mod line;
mod loss;
mod pending;
mod plain;
mod repeated;
mod request;
mod response;
#[cfg(test)]
mod samples;
mod short;
mod side;
#[cfg(test)]
mod tests;
mod whole;

pub(super) use self::fields::printable;

use self::pending::Queue;
use self::repeated::{Formula, Repeated};
use self::short::Start;
use self::side::{Phase, Side};
use self::whole::Read;
use super::fingerprint::Fingerprint;
use super::ledger::Ledger;
use super::protocol::{Handover, ProtocolReader, Step, Successor, either, mark_at};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// Reads both directions of an HTTP/1.x connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Http1 {
    requests: Side,
    responses: Side,
    /// Where the current response's head began.
    response_start: Mark,
    fingerprint: Fingerprint,
    /// Every byte of the current request was captured, while there is one.
    hashed_whole: bool,
    pending: Queue,
    /// Header section of the request before this one.
    repeated: Repeated,
    /// How the request line before this one began.
    start: Start,
    /// Head of the response before this one.
    formula: Formula,
    next: Next,
}

/// Which of the two messages of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Request,
    Response,
}

/// What comes next, as far as what came is whole messages, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// A request: none is open, and nothing else is under way.
    #[default]
    Question,
    /// The answer to the only one.
    Answer,
    /// Something is under way.
    Any,
}

impl ProtocolReader for Http1 {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let step = match role(data.from, ledger) {
            Role::Request => self.requests_in(data, ledger).into(),
            Role::Response => self.responses_in(data, ledger),
        };
        self.look_ahead();
        step
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        self.skip(role(from, ledger), at, missing, ledger);
        self.look_ahead();
    }

    fn fin(&mut self, from: Peer, at: Mark, ledger: &mut Ledger) {
        // The end of a close-delimited body (RFC 9112 section 6.3, last rule).
        if role(from, ledger) == Role::Response && self.responses.phase == Phase::UntilClose {
            self.close_delimits(at, ledger);
            self.look_ahead();
        }
    }

    fn has_pending(&self) -> bool {
        self.requests.message.is_some() || self.responses.message.is_some()
    }

    fn note_pending(&self, ledger: &mut Ledger) {
        if let (Some(id), Phase::Head) = (self.requests.message, self.requests.phase)
            && let lines = head::whole_lines(&self.requests.head)
            && let Some(head) = head::partial_request(&self.requests.head, &lines)
            && let Some(exchange) = ledger.exchange(id)
        {
            head.describe(&mut exchange.what);
        }
        if let (Some(id), Phase::Head) = (self.responses.message, self.responses.phase)
            && let lines = head::whole_lines(&self.responses.head)
            && let Some(head) = head::partial_response(&self.responses.head, &lines)
            && let Some(exchange) = ledger.exchange(id)
        {
            exchange.status = Some(head.status);
        }
    }
}

// Mostly a call brings one message, or content of one: that is most of what a capture of HTTP costs, and has ways of its own, so that
// it stays in registers.
impl Http1 {
    #[inline]
    fn requests_in(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Activity {
        let whole = match self.requests.refused {
            false => self.whole_request(&data.at, data.bytes, ledger),
            true => None,
        };
        match whole {
            Some(used) if used == data.bytes.len() && data.cut == 0 => Activity::Application,
            used => self.more_requests(used, data, ledger),
        }
    }

    /// A call's bytes, of which some were read if they begin with a whole request.
    #[inline(never)]
    fn more_requests(
        &mut self,
        read: Option<usize>,
        data: &StreamBytes<'_>,
        ledger: &mut Ledger,
    ) -> Activity {
        if read.is_none() && !data.bytes.is_empty() {
            self.resynchronise(Role::Request, data.bytes, ledger);
        }
        let mut used = read.unwrap_or(0);
        while let Some(rest) = data.bytes.get(used..).filter(|r| !r.is_empty()) {
            let at = mark_at(data.at, used);
            used += match self.whole_request(&at, rest, ledger) {
                Some(n) => n,
                None => self.request_bytes(at, rest, ledger),
            };
        }
        if data.cut > 0 {
            self.skip(Role::Request, end(data), u64::from(data.cut), ledger);
        } else if data.bytes.is_empty() {
            return Activity::Housekeeping;
        }
        Activity::Application
    }

    #[inline]
    fn responses_in(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let read = match self.responses.phase {
            Phase::Head => self.whole_response(&data.at, data.bytes, data.cut, ledger),
            _ => self.pass_content(data.bytes.len(), data, ledger),
        };
        match read {
            Some(Read::All(activity)) => activity.into(),
            Some(Read::Head(used, to)) => self.more_responses(Some((used, to)), data, ledger),
            None => self.more_responses(None, data, ledger),
        }
    }

    /// A call's bytes, of which some were read if they begin with a whole head.
    #[inline(never)]
    fn more_responses(
        &mut self,
        read: Option<(usize, Option<Successor>)>,
        data: &StreamBytes<'_>,
        ledger: &mut Ledger,
    ) -> Step {
        let mut activity = Activity::Housekeeping;
        if read.is_none() && !data.bytes.is_empty() {
            self.resynchronise(Role::Response, data.bytes, ledger);
        }
        let mut used = 0;
        let mut first = read;
        while let Some(rest) = data.bytes.get(used..).filter(|r| !r.is_empty()) {
            let at = mark_at(data.at, used);
            let read = match (first.take(), self.responses.phase) {
                (Some((n, to)), _) => Some(Read::Head(n, to)),
                (None, Phase::Head) => self.whole_response(&at, rest, data.cut, ledger),
                _ => self.pass_content(rest.len(), data, ledger),
            };
            let (n, now, to) = match read {
                Some(Read::All(now)) => return either(activity, now).into(),
                Some(Read::Head(n, to)) => (n, self.response_activity(), to),
                None => self.response_bytes(at, rest, ledger),
            };
            used += n;
            activity = either(activity, now);
            if let Some(to) = to {
                let consumed = u32::try_from(used).unwrap_or(u32::MAX);
                return Step {
                    activity,
                    handover: Some(Handover { to, consumed }),
                };
            }
        }
        if data.cut > 0 {
            self.skip(Role::Response, end(data), u64::from(data.cut), ledger);
            activity = Activity::Application;
        }
        activity.into()
    }

    /// Forgets everything but what the next connection may say again, and keeps its memory.
    pub(super) fn begin_anew(&mut self) {
        let Self {
            requests,
            responses,
            response_start,
            fingerprint,
            hashed_whole,
            pending,
            repeated,
            start: _,
            formula,
            next,
        } = self;
        requests.begin_anew();
        responses.begin_anew();
        pending.clear();
        repeated.begin_anew();
        formula.begin_anew();
        *response_start = Mark::default();
        *fingerprint = Fingerprint::default();
        *hashed_whole = false;
        *next = Next::Question;
    }

    /// Finds out what comes next.
    fn look_ahead(&mut self) {
        let is_under_way = |side: &Side| !side.is_at_rest() || side.refused || side.farewell;
        self.next = match is_under_way(&self.requests) || is_under_way(&self.responses) {
            true => Next::Any,
            false => match self.pending.len() {
                0 => Next::Question,
                1 => Next::Answer,
                _ => Next::Any,
            },
        };
    }

    fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Request => &mut self.requests,
            Role::Response => &mut self.responses,
        }
    }
}

/// Behind the last byte, captured or cut.
fn end(data: &StreamBytes<'_>) -> Mark {
    mark_at(data.at, data.bytes.len().saturating_add(data.cut as usize))
}

fn role(from: Peer, ledger: &Ledger) -> Role {
    match from == ledger.requester {
        true => Role::Request,
        false => Role::Response,
    }
}
