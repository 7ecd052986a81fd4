//! What the requester sends.

use super::head::{self, HEAD_LIMIT, RequestHead};
use super::pending::{Asked, Pending};
use super::side::{Phase, Taken};
use super::{Http1, Role};
use crate::dialogue::exchange::{Completeness, Message};
use crate::dialogue::fingerprint::Fingerprint;
use crate::dialogue::guess::{self, Guess};
use crate::dialogue::ledger::{ExchangeId, Ledger};
use crate::dialogue::protocol::mark_at;
use crate::flow::Mark;

impl Http1 {
    /// Gives how many bytes were read.
    #[inline(never)]
    pub(super) fn request_bytes(&mut self, at: Mark, rest: &[u8], ledger: &mut Ledger) -> usize {
        let taken = match self.requests.phase {
            Phase::Head => return self.request_head(at, rest, ledger),
            _ => self.requests.body(rest),
        };
        if let Taken::Lost = taken {
            self.lose(Role::Request, ledger);
            return 0;
        }
        if let Phase::Lost = self.requests.phase {
            self.take_turn(at, ledger);
        }
        if let Taken::Content(n) = taken {
            self.fingerprint.update(rest.get(..n).unwrap_or(rest));
        }
        let n = taken.len();
        self.extend_request(mark_at(at, n), ledger);
        if let Taken::Last(_, content) = taken {
            self.fingerprint
                .update(rest.get(..content).unwrap_or_default());
            self.end_request(mark_at(at, n), ledger);
        }
        n
    }

    /// Bytes of a head; gives how many were read.
    fn request_head(&mut self, at: Mark, rest: &[u8], ledger: &mut Ledger) -> usize {
        if self.requests.message.is_none() {
            // An empty line before a request line is no request (RFC 9112 section 2.2).
            let empty = rest
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            if empty > 0 {
                return empty;
            }
            self.begin_request(at, ledger);
        }
        let (used, end) = self.requests.head_bytes(rest);
        self.extend_request(mark_at(at, used), ledger);
        if guess::request_line(self.requests.head_start(rest)) == Guess::Nothing {
            self.lose(Role::Request, ledger);
            return used;
        }
        match end {
            false if self.requests.head.len() < HEAD_LIMIT => {}
            false => self.lose(Role::Request, ledger),
            true => {
                self.repeated.forget();
                let bytes = self.requests.take_head(rest.get(..used).unwrap_or(rest));
                match head::request(&bytes) {
                    Ok((head, _)) => self.requested(mark_at(at, used), &head, ledger),
                    Err(head::NotHttp) => {
                        // Its beginning is looked at once more.
                        self.requests.head = bytes.into_owned();
                        self.lose(Role::Request, ledger);
                    }
                }
            }
        }
        used
    }

    pub(super) fn begin_request(&mut self, at: Mark, ledger: &mut Ledger) {
        self.request_follows(ledger);
        let id = ledger.begin_as(at, Completeness::HeadIncomplete);
        self.requests.message = Some(id);
        self.fingerprint = Fingerprint::default();
        self.hashed_whole = true;
        let asked = Asked::default();
        let forgotten = self.pending.push(Pending { id, asked });
        ledger.incomplete |= forgotten.is_some();
    }

    /// A request begins.
    #[inline]
    pub(super) fn request_follows(&mut self, ledger: &mut Ledger) {
        self.requests.refused = false;
        // A response whose end was not seen is over when the next request follows it.
        if let (Phase::Lost, Some(id)) = (&self.responses.phase, self.responses.message) {
            ledger.settle(id);
            self.pending.remove(id);
            self.responses.message = None;
        }
    }

    pub(super) fn extend_request(&mut self, end: Mark, ledger: &mut Ledger) {
        let Some(exchange) = self.requests.message.and_then(|id| ledger.exchange(id)) else {
            return;
        };
        exchange.request.end = end;
        if self.requests.phase != Phase::Head {
            exchange.what.fingerprint = self.fingerprint.value();
            exchange.what.bytes = self.fingerprint.bytes();
        }
        if let Some(pending) = self.pending.last_mut() {
            pending.asked.expects_continue = false;
        }
    }

    pub(super) fn note_fingerprint(&self, id: ExchangeId, ledger: &mut Ledger) {
        if let Some(exchange) = ledger.exchange(id) {
            exchange.what.fingerprint = self.fingerprint.value();
            exchange.what.bytes = self.fingerprint.bytes();
        }
    }

    /// The head of the current request ended at `end`.
    pub(super) fn requested(&mut self, end: Mark, head: &RequestHead<'_>, ledger: &mut Ledger) {
        let Some(id) = self.requests.message else {
            return;
        };
        self.requests.phase = Phase::of_content(head.section.framing);
        if let Some(pending) = self.pending.last_mut().filter(|p| p.id == id) {
            pending.asked = head.asked();
        }
        head.section.fields.hint(ledger.requester, ledger);
        let over = self.requests.phase == Phase::Head;
        let (complete, expected_end) = match over {
            true => (Completeness::Complete, None),
            false => self.requests.phase.lacking(end),
        };
        if let Some(exchange) = ledger.exchange(id) {
            self.fingerprint = head.describe(&mut exchange.what);
            exchange.what.fingerprint_whole = over && self.hashed_whole;
            exchange.request = Message {
                start: exchange.request.start,
                end,
                complete,
                expected_end,
            };
        }
        match self.requests.phase {
            Phase::Head => self.requests.message = None,
            Phase::Lost => self.lose(Role::Request, ledger),
            _ => {}
        }
    }

    pub(super) fn end_request(&mut self, end: Mark, ledger: &mut Ledger) {
        let id = self.requests.message.take();
        self.requests.phase = Phase::Head;
        if let Some(exchange) = id.and_then(|id| ledger.exchange(id)) {
            exchange.request = Message {
                start: exchange.request.start,
                end,
                complete: Completeness::Complete,
                expected_end: None,
            };
            exchange.what.fingerprint = self.fingerprint.value();
            exchange.what.bytes = self.fingerprint.bytes();
            exchange.what.fingerprint_whole = self.hashed_whole;
        }
    }

    /// Without framing, what the requester says after an answer is a new request.
    pub(super) fn take_turn(&mut self, at: Mark, ledger: &mut Ledger) {
        let answered = match self.requests.message {
            Some(id) => ledger.exchange(id).is_some_and(|e| e.response.is_some()),
            None => true,
        };
        if answered {
            self.begin_request(at, ledger);
            self.unknown_end(Role::Request, ledger);
        }
    }
}
