//! HTTP/1.0 and 1.1 in clear text (RFC 9112).

mod chunked;
mod fields;
mod head;
#[cfg(test)]
mod ladders;
mod line;
mod loss;
mod plain;
mod request;
mod response;
#[cfg(test)]
mod samples;
mod side;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::VecDeque;

pub(super) use self::fields::printable;

use self::fields::Upgrade;
use self::line::Method;
use self::side::{Phase, Side};
use super::fingerprint::Fingerprint;
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{Handover, ProtocolReader, Step, either, mark_at};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// Requests that wait for their responses; more pipelined ones than this are forgotten, oldest first.
const PENDING: usize = 1024;

/// Reads both directions of an HTTP/1.x connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Http1 {
    requests: Side,
    responses: Side,
    fingerprint: Fingerprint,
    /// Every byte of the current request was captured.
    hashed_whole: bool,
    /// The current request was answered before its body began, and waited for leave to send it: the body may never come.
    body_refused: bool,
    pending: VecDeque<Pending>,
}

/// A request whose response has not ended.
#[derive(Clone, Copy, Debug)]
struct Pending {
    id: ExchangeId,
    asked: Asked,
}

/// What a request's head says about its response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    method: Method,
    upgrade: Upgrade,
    /// It waits for `100 Continue` before it sends its body, none of which has been seen.
    expects_continue: bool,
}

/// Which of the two messages of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Request,
    Response,
}

impl ProtocolReader for Http1 {
    fn data(&mut self, data: StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let role = role(data.from, ledger);
        if !data.bytes.is_empty() {
            self.resynchronise(role, data.bytes, ledger);
        }
        let mut activity = Activity::Housekeeping;
        let mut used = 0;
        while let Some(rest) = data.bytes.get(used..).filter(|r| !r.is_empty()) {
            if role == Role::Response
                && let Some(passed) = self.pass_content(end(&data), rest.len(), data.cut, ledger)
            {
                return either(activity, passed).into();
            }
            let at = mark_at(data.at, used);
            let (n, step) = match role {
                Role::Request => {
                    activity = Activity::Application;
                    used += match self.whole_request(at, rest, ledger) {
                        Some(n) => n,
                        None => self.request_bytes(at, rest, ledger),
                    };
                    continue;
                }
                Role::Response => match self.whole_response(at, rest, ledger) {
                    Some(read) => read,
                    None => self.response_bytes(at, rest, ledger),
                },
            };
            used += n;
            activity = either(activity, step.activity);
            if let Some(handover) = step.handover {
                return Step {
                    activity,
                    handover: Some(Handover {
                        consumed: used,
                        ..handover
                    }),
                };
            }
        }
        if data.cut > 0 {
            self.skip(role, end(&data), u64::from(data.cut), ledger);
            activity = Activity::Application;
        }
        activity.into()
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        self.skip(role(from, ledger), at, missing, ledger);
    }

    fn fin(&mut self, from: Peer, _at: Mark, ledger: &mut Ledger) {
        // The end of a close-delimited body (RFC 9112 section 6.3, last rule).
        if role(from, ledger) == Role::Response && self.responses.phase == Phase::UntilClose {
            self.end_response(None, ledger);
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

impl Http1 {
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
