//! What comes in one piece, as nearly all does: nothing of it has to be kept for later, and each fact is written down once. The
//! general readers beside this one would say the same of it, step by step.

use super::head::{self, RequestHead, ResponseHead};
use super::pending::Pending;
use super::response::REQUEST_TIMEOUT;
use super::side::Phase;
use super::{Http1, plain};
use crate::dialogue::exchange::{Message, Protocol};
use crate::dialogue::guess::{self, Guess};
use crate::dialogue::ledger::Ledger;
use crate::dialogue::protocol::{Successor, mark_at};
use crate::flow::{Activity, Mark};

impl Http1 {
    /// A head that lies whole where a request begins.
    #[inline(never)]
    pub(super) fn whole_request(
        &mut self,
        at: Mark,
        rest: &[u8],
        ledger: &mut Ledger,
    ) -> Option<usize> {
        let side = &self.requests;
        if side.phase != Phase::Head || side.message.is_some() || !side.head.is_empty() {
            return None;
        }
        let bytes = rest.get(..head::HEAD_LIMIT).unwrap_or(rest);
        let mut head = RequestHead::new();
        let used = match plain::request(bytes, &mut head) {
            Some(len) => len,
            None if guess::request_line(rest) == Guess::Nothing => return None,
            None => {
                let (any, len) = head::any_request(bytes).ok()?;
                head = any;
                len
            }
        };
        self.begin_request(at, ledger);
        self.requested(mark_at(at, used), &head, ledger);
        Some(used)
    }

    /// A head that lies whole where a response begins; its length, and who reads on behind it if somebody else does.
    #[inline(never)]
    pub(super) fn whole_response(
        &mut self,
        at: Mark,
        rest: &[u8],
        ledger: &mut Ledger,
    ) -> Option<(usize, Option<Successor>)> {
        if self.responses.phase != Phase::Head || !self.responses.head.is_empty() {
            return None;
        }
        let bytes = rest.get(..head::HEAD_LIMIT).unwrap_or(rest);
        let mut head = ResponseHead::new();
        let used = match plain::response(bytes, &mut head) {
            Some(len) => len,
            None if guess::literal(rest, b"HTTP/1.", Protocol::Http1) == Guess::Nothing => {
                return None;
            }
            None => {
                let (any, len) = head::any_response(bytes).ok()?;
                head = any;
                len
            }
        };
        let end = mark_at(at, used);
        self.response_start = at;
        self.responses.farewell = false;
        let answers = !head.is_interim() && head.status != REQUEST_TIMEOUT;
        let first = self.pending.first();
        let to = match first.filter(|_| answers && self.responses.message.is_none()) {
            Some(Pending { id, asked }) => {
                self.responses.message = Some(id);
                self.responses.phase =
                    Phase::of_response(head.status, asked.method, head.section.framing);
                let (complete, expected_end) = self.responses.phase.lacking(end);
                if let Some(exchange) = ledger.exchange(id) {
                    exchange.status = Some(head.status);
                    exchange.response = Some(Message {
                        start: at,
                        end,
                        complete,
                        expected_end,
                    });
                }
                self.read_on(&head, asked, ledger)
            }
            None => {
                self.begin_response(at, ledger);
                self.extend_response(end, ledger);
                self.responded(end, &head, ledger)
            }
        };
        Some((used, to))
    }

    /// Content of a response up to `end`, of known length, of which `captured` bytes were captured and `cut` bytes not: nobody has to
    /// look at it. `None` where not all of it is that.
    pub(super) fn pass_content(
        &mut self,
        end: Mark,
        captured: usize,
        cut: u32,
        ledger: &mut Ledger,
    ) -> Option<Activity> {
        let Phase::Length { left } = &mut self.responses.phase else {
            return None;
        };
        *left = left.checked_sub((captured as u64).saturating_add(u64::from(cut)))?;
        match *left {
            0 => self.end_response(Some(end), ledger),
            _ => self.extend_response(end, ledger),
        }
        ledger.incomplete |= cut > 0;
        Some(match cut {
            0 => self.response_activity(),
            _ => Activity::Application,
        })
    }
}
