//! What comes in one piece, as nearly all does: nothing of it has to be kept for later, and each fact is written down once. The
//! general readers beside this one would say the same of it, step by step.

use super::fields::{Framing, Section, Wishes};
use super::head::{self, ResponseHead};
use super::line::RequestLine;
use super::pending::{Asked, Pending};
use super::response::{REQUEST_TIMEOUT, successor};
use super::side::Phase;
use super::{Http1, Role, end, plain};
use crate::dialogue::exchange::{Completeness, Message, Protocol, Request};
use crate::dialogue::guess::{self, Guess};
use crate::dialogue::ledger::Ledger;
use crate::dialogue::protocol::{Successor, mark_at};
use crate::flow::{Activity, Mark, StreamBytes};

/// How much was read of a call's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    /// A head, so many bytes; and who reads on behind it if somebody else does.
    Head(usize, Option<Successor>),
    /// All, what was cut included; what it was.
    All(Activity),
}

/// A request line, and what stands behind its target.
type Asking<'a> = (RequestLine<'a>, &'a [u8]);

impl Http1 {
    /// A head that lies whole where a request begins; its length.
    #[inline(never)]
    pub(super) fn whole_request(
        &mut self,
        at: &Mark,
        rest: &[u8],
        ledger: &mut Ledger,
    ) -> Option<usize> {
        if !self.requests.is_at_rest() {
            return None;
        }
        let bytes = rest.get(..head::HEAD_LIMIT).unwrap_or(rest);
        let asking = plain::request_line(bytes);
        if let Some((line, behind)) = &asking
            && let Some((wishes, len)) = self.repeated.again(behind)
        {
            let used = bytes.len() - behind.len() + len;
            self.ask((at, used), line, (Framing::Absent, wishes), None, ledger);
            return Some(used);
        }
        self.new_request(at, bytes, asking, ledger)
    }

    /// A head that lies whole where a request begins, and says other things than the one before; its length.
    #[inline(never)]
    fn new_request(
        &mut self,
        at: &Mark,
        bytes: &[u8],
        asking: Option<Asking<'_>>,
        ledger: &mut Ledger,
    ) -> Option<usize> {
        let mut section = Section::new(Role::Request, 1);
        if let Some((line, behind)) = asking
            && let Some(rest) = plain::request_section(behind, &mut section)
        {
            let behind = behind.get(..behind.len() - rest.len())?;
            match section.is_without_content() {
                true => {
                    let telling = section.fields.telling();
                    self.repeated.remember(behind, section.wishes(), telling);
                }
                false => self.repeated.forget(),
            }
            let used = bytes.len() - rest.len();
            self.ask_anew((at, used), &line, &section, ledger);
            return Some(used);
        }
        if guess::request_line(bytes) == Guess::Nothing {
            return None;
        }
        let (head, used) = head::any_request(bytes).ok()?;
        self.repeated.forget();
        self.ask_anew((at, used), &head.line, &head.section, ledger);
        Some(used)
    }

    #[inline(never)]
    fn ask_anew(
        &mut self,
        place: (&Mark, usize),
        line: &RequestLine<'_>,
        section: &Section<'_>,
        ledger: &mut Ledger,
    ) {
        section.fields.hint(ledger.requester, ledger);
        let said = (section.framing, section.wishes());
        self.ask(place, line, said, Some(section), ledger);
    }

    /// Writes down a request with that line, whose head begins there and takes so many bytes. A section that was told of before is
    /// left out.
    #[inline(always)]
    pub(super) fn ask(
        &mut self,
        (start, used): (&Mark, usize),
        line: &RequestLine<'_>,
        (framing, wishes): (Framing, Wishes),
        section: Option<&Section<'_>>,
        ledger: &mut Ledger,
    ) {
        self.request_follows(ledger);
        let end = mark_at(*start, used);
        let phase = Phase::of_content(framing);
        let over = phase == Phase::Head;
        let (complete, expected_end) = match over {
            true => (Completeness::Complete, None),
            false => phase.lacking(end),
        };
        let mut what = Request::default();
        let mut fingerprint = line.describe(&mut what);
        if let Some(section) = section {
            section.hash_content(&mut fingerprint);
        }
        what.fingerprint = fingerprint.value();
        what.bytes = fingerprint.bytes();
        what.fingerprint_whole = over;
        let request = Message {
            start: *start,
            end,
            complete,
            expected_end,
        };
        let id = ledger.open(request, what);
        let asked = Asked::with(line.method(), wishes);
        let forgotten = self.pending.push(Pending { id, asked });
        ledger.incomplete |= forgotten.is_some();
        if !over {
            self.hashed_whole = true;
            self.fingerprint = fingerprint;
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
        at: &Mark,
        rest: &[u8],
        cut: u32,
        ledger: &mut Ledger,
    ) -> Option<Read> {
        if !self.responses.head.is_empty() {
            return None;
        }
        let bytes = rest.get(..head::HEAD_LIMIT).unwrap_or(rest);
        let mut head = ResponseHead::new();
        let used = match plain::response(bytes, &mut head) {
            Some(place) => {
                self.learn_formula(bytes, place, &head);
                place.len
            }
            None => {
                let len = any_response(bytes, &mut head)?;
                self.formula.forget();
                len
            }
        };
        self.responses.farewell = false;
        if let Some(pending) = self.pending.first()
            && self.responses.message.is_none()
            && head.status != REQUEST_TIMEOUT
            && !head.is_interim()
        {
            let behind = rest.len().saturating_sub(used).saturating_add(cut as usize);
            let phase = Phase::of_response(head.status, pending.asked.method, head.section.framing);
            head.section.fields.hint(ledger.requester.other(), ledger);
            // With all of its content, or without any.
            let content = match phase {
                Phase::Head => 0,
                Phase::Length { left } if left == behind as u64 => behind,
                _ => return Some(self.answer_begins((at, used), &head, (pending, phase), ledger)),
            };
            let end = mark_at(*at, used.saturating_add(content));
            ledger.answer_at_once(pending.id, head.status, at, &end);
            self.answered(pending);
            if content > 0 {
                ledger.incomplete |= cut > 0;
                return Some(Read::All(Activity::Application));
            }
            return Some(Read::Head(used, successor(&head, pending.asked)));
        }
        self.response_start = *at;
        self.begin_response(*at, ledger);
        let end = mark_at(*at, used);
        self.extend_response(end, ledger);
        let to = self.responded(end, &head, ledger);
        Some(Read::Head(used, to))
    }

    /// The next responses may have the same head.
    #[inline(never)]
    fn learn_formula(&mut self, bytes: &[u8], place: plain::Place, head: &ResponseHead<'_>) {
        match (place.number, bytes.get(..place.len)) {
            (Some(number), Some(text)) if head.is_formula() => {
                let telling = head.section.fields.telling();
                self.formula.remember(text, number, head.status, telling);
            }
            _ => self.formula.forget(),
        }
    }

    /// Writes down the head of the response to a request, of `used` bytes, behind which there is content in that phase.
    #[inline(never)]
    fn answer_begins(
        &mut self,
        (start, used): (&Mark, usize),
        head: &ResponseHead<'_>,
        (pending, phase): (Pending, Phase),
        ledger: &mut Ledger,
    ) -> Read {
        let end = mark_at(*start, used);
        let (complete, expected_end) = phase.lacking(end);
        self.responses.message = Some(pending.id);
        self.responses.phase = phase;
        if let Some(exchange) = ledger.exchange(pending.id) {
            exchange.status = Some(head.status);
            exchange.response = Some(Message {
                start: *start,
                end,
                complete,
                expected_end,
            });
        }
        Read::Head(used, successor(head, pending.asked))
    }

    /// Content of a response up to the end of `data`, of known length, of which the last `captured` bytes that were captured belong to
    /// it: nobody has to look at it. `None` where not all of it is that.
    #[inline(never)]
    pub(super) fn pass_content(
        &mut self,
        captured: usize,
        data: &StreamBytes<'_>,
        ledger: &mut Ledger,
    ) -> Option<Read> {
        let Phase::Length { left } = &mut self.responses.phase else {
            return None;
        };
        if captured == 0 {
            return None;
        }
        *left = left.checked_sub((captured as u64).saturating_add(u64::from(data.cut)))?;
        match *left {
            0 => self.end_response(Some(end(data)), ledger),
            _ => self.extend_response(end(data), ledger),
        }
        ledger.incomplete |= data.cut > 0;
        Some(Read::All(match data.cut {
            0 => self.response_activity(),
            _ => Activity::Application,
        }))
    }
}

/// Reads a response head that is not written as most are; its length.
#[inline(never)]
fn any_response<'a>(bytes: &'a [u8], head: &mut ResponseHead<'a>) -> Option<usize> {
    if guess::literal(bytes, b"HTTP/1.", Protocol::Http1) == Guess::Nothing {
        return None;
    }
    let (any, len) = head::any_response(bytes).ok()?;
    *head = any;
    Some(len)
}
