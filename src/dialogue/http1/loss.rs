//! Bytes that a capture lacks: what framing survives them, and how the reader finds its way back.

use super::head;
use super::side::Phase;
use super::{Http1, Role};
use crate::dialogue::exchange::{Completeness, Protocol};
use crate::dialogue::guess::{self, Guess};
use crate::dialogue::ledger::Ledger;
use crate::dialogue::protocol::ProtocolReader;
use crate::flow::Mark;

impl Http1 {
    /// `missing` bytes before `end` are not there to be read.
    #[inline(never)]
    pub(super) fn skip(&mut self, role: Role, end: Mark, missing: u64, ledger: &mut Ledger) {
        ledger.incomplete = true;
        let begin = Mark {
            offset: end.offset.saturating_sub(missing),
            ..end
        };
        let side = self.side(role);
        let over = match &mut side.phase {
            Phase::Length { left } if missing > 0 && *left >= missing => {
                *left -= missing;
                *left == 0
            }
            Phase::Chunked(chunked) if missing > 0 && chunked.covers(missing) => {
                chunked.pass(missing);
                false
            }
            Phase::UntilClose => false,
            _ => {
                self.lose(role, ledger);
                false
            }
        };
        match role {
            Role::Request => {
                self.hashed_whole = false;
                if self.requests.phase == Phase::Lost && missing > 0 {
                    self.take_turn(begin, ledger);
                }
                self.extend_request(end, ledger);
                if over {
                    self.end_request(end, ledger);
                }
            }
            Role::Response => {
                if self.responses.phase == Phase::Lost {
                    self.begin_response(begin, ledger);
                }
                match over {
                    true => self.end_response(Some(end), ledger),
                    false => self.extend_response(end, ledger),
                }
            }
        }
    }

    /// The framing is lost: from here, turns tell messages apart until a head is recognised.
    pub(super) fn lose(&mut self, role: Role, ledger: &mut Ledger) {
        ledger.incomplete = true;
        match role {
            Role::Request => self.note_cut_request(ledger),
            Role::Response => self.note_cut_response(ledger),
        }
        let side = self.side(role);
        side.head.clear();
        side.line = 0;
        side.phase = Phase::Lost;
        self.unknown_end(role, ledger);
    }

    fn note_cut_request(&mut self, ledger: &mut Ledger) {
        self.hashed_whole = false;
        self.repeated.forget();
        let Some(id) = self
            .requests
            .message
            .filter(|_| self.requests.phase == Phase::Head)
        else {
            return;
        };
        let lines = head::whole_lines(&self.requests.head);
        let Some(head) = head::partial_request(&self.requests.head, &lines) else {
            self.fingerprint.update(&self.requests.head);
            self.note_fingerprint(id, ledger);
            return;
        };
        head.section.fields.hint(ledger.requester, ledger);
        if let Some(exchange) = ledger.exchange(id) {
            self.fingerprint = head.describe(&mut exchange.what);
        }
    }

    fn note_cut_response(&mut self, ledger: &mut Ledger) {
        if self.responses.phase != Phase::Head {
            return;
        }
        let lines = head::whole_lines(&self.responses.head);
        if let Some(head) = head::partial_response(&self.responses.head, &lines) {
            self.unasked(head.status, ledger);
            self.note_pending(ledger);
            head.section.fields.hint(ledger.requester.other(), ledger);
        }
    }

    pub(super) fn unknown_end(&mut self, role: Role, ledger: &mut Ledger) {
        let Some(exchange) = self.side(role).message.and_then(|id| ledger.exchange(id)) else {
            return;
        };
        let message = match role {
            Role::Request => Some(&mut exchange.request),
            Role::Response => exchange.response.as_mut(),
        };
        if let Some(message) = message {
            message.complete = Completeness::Unknown;
            message.expected_end = None;
        }
    }

    /// After a loss, or where a body may have been left out, a head at the beginning of a segment is believed.
    pub(super) fn resynchronise(&mut self, role: Role, bytes: &[u8], ledger: &mut Ledger) {
        let refused = role == Role::Request && std::mem::take(&mut self.requests.refused);
        if refused || self.side(role).phase == Phase::Lost {
            self.believe_head(role, bytes, ledger);
        }
    }

    #[inline(never)]
    fn believe_head(&mut self, role: Role, bytes: &[u8], ledger: &mut Ledger) {
        let side = self.side(role);
        let guess = match role {
            Role::Request => guess::request_line(bytes),
            Role::Response => guess::literal(bytes, b"HTTP/1.", Protocol::Http1),
        };
        if guess == Guess::Nothing {
            return;
        }
        side.phase = Phase::Head;
        let Some(id) = side.message.take().filter(|_| role == Role::Response) else {
            return;
        };
        // Bytes before this head were the end of an earlier response, or the lost beginning of this one.
        let headed = ledger.exchange(id).is_some_and(|e| e.status.is_some());
        if headed || self.pending.is_pipelined() {
            ledger.settle(id);
            self.pending.remove(id);
        } else {
            ledger.revoke_response(id);
        }
    }
}
