//! What comes back.

use super::fields::Upgrade;
use super::head::{self, HEAD_LIMIT, ResponseHead};
use super::line::Method;
use super::pending::{Asked, Pending};
use super::side::{Phase, Taken};
use super::{Http1, Role};
use crate::dialogue::exchange::{Completeness, FatalAlert, Message, Protocol};
use crate::dialogue::guess::{self, Guess};
use crate::dialogue::ledger::Ledger;
use crate::dialogue::protocol::{Successor, mark_at};
use crate::flow::{Activity, Mark};

/// RFC 9110 section 15.5.9.
pub(super) const REQUEST_TIMEOUT: u16 = 408;

impl Http1 {
    /// Gives how many bytes were read, what they were, and who reads on behind them if somebody else does.
    #[inline(never)]
    pub(super) fn response_bytes(
        &mut self,
        at: Mark,
        rest: &[u8],
        ledger: &mut Ledger,
    ) -> (usize, Activity, Option<Successor>) {
        if self.responses.phase == Phase::Head {
            return self.response_head(at, rest, ledger);
        }
        let taken = self.responses.body(rest);
        if let Taken::Lost = taken {
            self.lose(Role::Response, ledger);
            return (0, Activity::Application, None);
        }
        if let Phase::Lost = self.responses.phase {
            self.begin_response(at, ledger);
        }
        let n = taken.len();
        match taken {
            Taken::Last(..) => self.end_response(Some(mark_at(at, n)), ledger),
            _ => self.extend_response(mark_at(at, n), ledger),
        }
        (n, self.response_activity(), None)
    }

    pub(super) fn begin_response(&mut self, at: Mark, ledger: &mut Ledger) {
        if self.responses.message.is_some() {
            return;
        }
        let Some(pending) = self.pending.first() else {
            return;
        };
        self.responses.message = Some(pending.id);
        if let Some(exchange) = ledger.exchange(pending.id) {
            exchange.response = Some(Message {
                start: at,
                end: at,
                complete: match self.responses.phase {
                    Phase::Lost => Completeness::Unknown,
                    _ => Completeness::HeadIncomplete,
                },
                expected_end: None,
            });
        }
    }

    pub(super) fn extend_response(&mut self, end: Mark, ledger: &mut Ledger) {
        let exchange = self.responses.message.and_then(|id| ledger.exchange(id));
        if let Some(response) = exchange.and_then(|e| e.response.as_mut()) {
            response.end = end;
        }
    }

    fn response_head(
        &mut self,
        at: Mark,
        rest: &[u8],
        ledger: &mut Ledger,
    ) -> (usize, Activity, Option<Successor>) {
        if self.responses.head.is_empty() {
            let empty = rest
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            if empty > 0 {
                return (empty, Activity::Application, None);
            }
            self.response_start = at;
            self.responses.farewell = false;
        }
        self.begin_response(at, ledger);
        let (used, end) = self.responses.head_bytes(rest);
        self.extend_response(mark_at(at, used), ledger);
        let start = self.responses.head_start(rest);
        if guess::literal(start, b"HTTP/1.", Protocol::Http1) == Guess::Nothing {
            if let Some(description) = fatal_alert(start) {
                let alert = FatalAlert {
                    from: ledger.requester.other(),
                    description: Some(description),
                    at,
                };
                ledger.tls().fatal_alert.get_or_insert(alert);
            }
            self.lose(Role::Response, ledger);
            return (used, Activity::Application, None);
        }
        if !end {
            if self.responses.head.len() >= HEAD_LIMIT {
                self.lose(Role::Response, ledger);
            }
            return (used, Activity::Application, None);
        }
        self.formula.forget();
        let bytes = self.responses.take_head(rest.get(..used).unwrap_or(rest));
        match head::response(&bytes) {
            Ok((head, _)) => {
                let to = self.responded(mark_at(at, used), &head, ledger);
                (used, self.response_activity(), to)
            }
            Err(head::NotHttp) => {
                // Its beginning is looked at once more.
                self.responses.head = bytes.into_owned();
                self.lose(Role::Response, ledger);
                (used, Activity::Application, None)
            }
        }
    }

    /// The head of the current response ended at `end`.
    pub(super) fn responded(
        &mut self,
        end: Mark,
        head: &ResponseHead<'_>,
        ledger: &mut Ledger,
    ) -> Option<Successor> {
        if head.is_interim() {
            if let Some(id) = self.responses.message.take() {
                ledger.revoke_response(id);
            }
            return None;
        }
        self.unasked(head.status, ledger);
        let asked = self.pending.first().map_or(Asked::default(), |p| p.asked);
        self.responses.phase = Phase::of_response(head.status, asked.method, head.section.framing);
        let (complete, expected_end) = self.responses.phase.lacking(end);
        if let Some(exchange) = self.responses.message.and_then(|id| ledger.exchange(id)) {
            exchange.status = Some(head.status);
            if let Some(response) = &mut exchange.response {
                response.complete = complete;
                response.expected_end = expected_end;
            }
        }
        self.read_on(head, asked, ledger)
    }

    /// The head of the response to a request that asked so is written down; what comes behind it?
    fn read_on(
        &mut self,
        head: &ResponseHead<'_>,
        asked: Asked,
        ledger: &mut Ledger,
    ) -> Option<Successor> {
        head.section.fields.hint(ledger.requester.other(), ledger);
        if self.responses.phase == Phase::Head {
            self.end_response(None, ledger);
        }
        successor(head, asked)
    }

    pub(super) fn response_activity(&self) -> Activity {
        match self.responses.farewell {
            true => Activity::Housekeeping,
            false => Activity::Application,
        }
    }

    /// A response to nothing seen: a server's goodbye to an idle connection (HAProxy and nginx say 408; an error that nobody asked
    /// for is one, too), or the answer to a request that the capture lacks.
    pub(super) fn unasked(&mut self, status: u16, ledger: &mut Ledger) {
        if status == REQUEST_TIMEOUT {
            self.disown_answer(ledger);
        }
        if self.responses.message.is_some() {
            return;
        }
        let start = self.response_start;
        let all_seen = ledger.requests() > 0 && !ledger.incomplete;
        if status == REQUEST_TIMEOUT || (all_seen && status >= 400) {
            self.responses.farewell = true;
            ledger.farewell(ledger.requester.other(), start, status.to_string());
            return;
        }
        ledger.incomplete |= !all_seen;
        let id = ledger.begin_unasked(start);
        self.responses.message = Some(id);
        if let Some(exchange) = ledger.exchange(id) {
            exchange.response = Some(Message {
                start,
                end: start,
                complete: Completeness::Incomplete,
                expected_end: None,
            });
        }
    }

    /// 408 to a request without a whole head is the server's timer speaking, and no answer (RFC 9110 section 15.5.9).
    fn disown_answer(&mut self, ledger: &mut Ledger) {
        let half = |id| {
            let exchange = ledger.exchange(id)?;
            (exchange.request.complete == Completeness::HeadIncomplete).then_some(id)
        };
        if let Some(id) = self.responses.message.and_then(half) {
            self.responses.message = None;
            ledger.revoke_response(id);
        }
    }

    /// The response ended: there, or as far as it was read.
    pub(super) fn end_response(&mut self, end: Option<Mark>, ledger: &mut Ledger) {
        self.responses.phase = Phase::Head;
        let Some(id) = self.responses.message.take() else {
            return;
        };
        ledger.answer(id, end);
        if let Some(pending) = self.pending.first().filter(|p| p.id == id) {
            self.answered(pending);
        }
    }

    /// The connection's end, there, ends the response. Bytes before it that were not seen are still to come, as those before the end
    /// that a Content-Length tells.
    pub(super) fn close_delimits(&mut self, end: Mark, ledger: &mut Ledger) {
        let exchange = self.responses.message.and_then(|id| ledger.exchange(id));
        match exchange.and_then(|exchange| exchange.response.as_mut()) {
            Some(response) if response.end.offset < end.offset => {
                response.complete = Completeness::Incomplete;
                response.expected_end = Some(end.offset);
            }
            _ => self.end_response(None, ledger),
        }
    }

    /// The oldest request has its answer.
    #[inline]
    pub(super) fn answered(&mut self, Pending { id, asked }: Pending) {
        self.pending.pop();
        // A final answer instead of `100 Continue` (RFC 9110 section 10.1.1).
        self.requests.refused = asked.expects_continue && self.requests.message == Some(id);
    }
}

/// What a server says in TLS that was asked in clear text: a record with an alert, which alone is not encrypted yet.
fn fatal_alert(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [21, 3, ..=4, 0, 2, 2, description, ..] => Some(*description),
        _ => None,
    }
}

/// Who reads on behind a response to a request that asked so.
#[inline]
pub(super) fn successor(head: &ResponseHead<'_>, asked: Asked) -> Option<Successor> {
    let upgrade = match asked.upgrade {
        Upgrade::None => head.section.fields.upgrade,
        asked => asked,
    };
    match (head.status, asked.method, upgrade) {
        (101, _, Upgrade::WebSocket) => Some(Successor::Protocol(Protocol::WebSocket)),
        (101, _, Upgrade::Http2) => Some(Successor::Protocol(Protocol::Http2)),
        (101, _, Upgrade::None | Upgrade::Other) | (200..300, Method::Connect, _) => {
            Some(Successor::Guess)
        }
        _ => None,
    }
}
