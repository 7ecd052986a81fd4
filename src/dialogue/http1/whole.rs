//! What comes in one piece, as nearly all does: nothing of it has to be kept for later, and each fact is written down once. The
//! general readers beside this one would say the same of it, step by step.

use super::fields::{Said, Section};
use super::head::{self, ResponseHead};
use super::line::RequestLine;
use super::pending::{Asked, Pending};
use super::response::{REQUEST_TIMEOUT, successor};
use super::side::Phase;
use super::{Http1, Role, plain};
use crate::dialogue::exchange::{Completeness, Message, Protocol};
use crate::dialogue::guess::{self, Guess};
use crate::dialogue::ledger::Ledger;
use crate::dialogue::protocol::{Successor, mark_at};
use crate::flow::{Activity, Mark};

/// How much was read of a call's bytes that begin with a whole response head.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    /// The head, so many bytes; and who reads on behind it if somebody else does.
    Head(usize, Option<Successor>),
    /// All, what was cut included: the response ends there.
    All,
}

impl Http1 {
    /// A head that lies whole where a request begins; its length.
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
        if let Some((line, behind)) = plain::request_line(bytes)
            && let Some((said, len)) = self.repeated.again(behind)
        {
            let used = bytes.len() - behind.len() + len;
            self.ask((at, mark_at(at, used)), &line, said, None, ledger);
            return Some(used);
        }
        self.new_request(at, bytes, ledger)
    }

    /// A head that lies whole where a request begins, and says other things than the one before; its length.
    #[inline(never)]
    fn new_request(&mut self, at: Mark, bytes: &[u8], ledger: &mut Ledger) -> Option<usize> {
        let mut section = Section::new(Role::Request, 1);
        if let Some((line, behind)) = plain::request_line(bytes)
            && let Some(rest) = plain::request_section(behind, &mut section)
        {
            let behind = behind.get(..behind.len() - rest.len())?;
            match section.is_without_content() {
                true => self.repeated.remember(behind, section.said()),
                false => self.repeated.forget(),
            }
            let used = bytes.len() - rest.len();
            let ends = (at, mark_at(at, used));
            self.ask(ends, &line, section.said(), Some(&section), ledger);
            return Some(used);
        }
        if guess::request_line(bytes) == Guess::Nothing {
            return None;
        }
        let (head, used) = head::any_request(bytes).ok()?;
        let (said, ends) = (head.section.said(), (at, mark_at(at, used)));
        self.repeated.forget();
        self.ask(ends, &head.line, said, Some(&head.section), ledger);
        Some(used)
    }

    /// Writes down a request whose head lies between two places. A section that was told of before is left out.
    #[inline]
    fn ask(
        &mut self,
        (start, end): (Mark, Mark),
        line: &RequestLine<'_>,
        said: Said,
        section: Option<&Section<'_>>,
        ledger: &mut Ledger,
    ) {
        self.request_follows(ledger);
        let phase = Phase::of_content(said.framing);
        let over = phase == Phase::Head;
        let (complete, expected_end) = match over {
            true => (Completeness::Complete, None),
            false => phase.lacking(end),
        };
        let id = ledger.open(Message {
            start,
            end,
            complete,
            expected_end,
        });
        let asked = Asked {
            method: line.method(),
            upgrade: said.upgrade,
            expects_continue: said.expects_continue,
        };
        let forgotten = self.pending.push(Pending { id, asked });
        ledger.incomplete |= forgotten.is_some();
        if let Some(exchange) = ledger.exchange(id) {
            let mut fingerprint = line.describe(&mut exchange.what);
            if let Some(section) = section {
                section.hash_content(&mut fingerprint);
            }
            exchange.what.fingerprint = fingerprint.value();
            exchange.what.bytes = fingerprint.bytes();
            exchange.what.fingerprint_whole = over;
            self.fingerprint = fingerprint;
        }
        self.hashed_whole = true;
        if let Some(section) = section {
            section.fields.hint(ledger.requester, ledger);
        }
        if !over {
            self.requests.message = Some(id);
            self.requests.phase = phase;
            if phase == Phase::Lost {
                self.lose(Role::Request, ledger);
            }
        }
    }

    /// A head that lies whole where a response begins. Behind `rest`, `cut` bytes were not captured.
    #[inline(never)]
    pub(super) fn whole_response(
        &mut self,
        at: Mark,
        rest: &[u8],
        cut: u32,
        ledger: &mut Ledger,
    ) -> Option<Read> {
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
        self.response_start = at;
        self.responses.farewell = false;
        let answers = !head.is_interim() && head.status != REQUEST_TIMEOUT;
        let first = self.pending.first();
        match first.filter(|_| answers && self.responses.message.is_none()) {
            Some(pending) => {
                let behind = rest.len().saturating_sub(used);
                Some(self.answer(at, used, (behind, cut), &head, pending, ledger))
            }
            None => {
                let end = mark_at(at, used);
                self.begin_response(at, ledger);
                self.extend_response(end, ledger);
                let to = self.responded(end, &head, ledger);
                Some(Read::Head(used, to))
            }
        }
    }

    /// Writes down the response to a request, whose head, `used` bytes, begins there. Behind that, so many bytes were captured, and
    /// so many cut.
    #[inline]
    fn answer(
        &mut self,
        start: Mark,
        used: usize,
        (captured, cut): (usize, u32),
        head: &ResponseHead<'_>,
        Pending { id, asked }: Pending,
        ledger: &mut Ledger,
    ) -> Read {
        let end = mark_at(start, used);
        let phase = Phase::of_response(head.status, asked.method, head.section.framing);
        let behind = (captured as u64).saturating_add(u64::from(cut));
        let all = phase == Phase::Length { left: behind };
        let over = all || phase == Phase::Head;
        let (complete, expected_end) = match over {
            true => (Completeness::Complete, None),
            false => phase.lacking(end),
        };
        let response = Message {
            start,
            end: match all {
                true => mark_at(end, captured.saturating_add(cut as usize)),
                false => end,
            },
            complete,
            expected_end,
        };
        ledger.respond(id, head.status, response);
        head.section.fields.hint(ledger.requester.other(), ledger);
        if over {
            ledger.settle(id);
            self.answered(Pending { id, asked });
        } else {
            self.responses.message = Some(id);
            self.responses.phase = phase;
        }
        match all {
            true => {
                ledger.incomplete |= cut > 0;
                Read::All
            }
            false => Read::Head(used, successor(head, asked)),
        }
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
