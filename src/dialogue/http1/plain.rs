//! Heads as nearly everybody sends them, read in one pass: one space where one belongs, CRLF at every line's end, visible ASCII. What
//! is read here is read as `httparse` reads it; everything else is left to that.

use super::fields::Section;
use super::head::{HEADERS, RequestHead, ResponseHead};
use super::line::{PATH_LEN, RequestLine, Verb};
use crate::dialogue::guess::METHOD_LEN;

/// Reads the request head that `bytes` begin with into a new one, and gives its length. Where there is one,
/// [`guess`](crate::dialogue::guess) takes it for HTTP, too: it asks for a path.
pub(super) fn request<'a>(bytes: &'a [u8], head: &mut RequestHead<'a>) -> Option<usize> {
    let (line, behind) = request_line(bytes)?;
    head.line = line;
    let rest = request_section(behind, &mut head.section)?;
    bytes.len().checked_sub(rest.len())
}

/// Reads the request line that `bytes` begin with, up to its target, and gives what stands behind that.
#[inline(always)]
pub(super) fn request_line(bytes: &[u8]) -> Option<(RequestLine<'_>, &[u8])> {
    let (verb, letters, target) = match bytes.strip_prefix(b"GET ") {
        Some(target) => (Verb::GET, 3, target),
        None => method(bytes)?,
    };
    let path = run(target, no_path, is_path);
    let (len, shown) = match (target.first()?, target.get(path)?) {
        (b'/' | b'*', b' ') => (path, path <= PATH_LEN),
        (b'/' | b'*', b'?' | b'#') => (run(target, no_target, is_target), path <= PATH_LEN),
        (b'/' | b'*', b':') => (run(target, no_target, is_target), false),
        _ => return None,
    };
    let line = match shown {
        true => RequestLine::Plain {
            text: bytes.get(..letters + 1 + len)?,
            method: letters,
            verb,
            path,
        },
        false => RequestLine::Any {
            method: std::str::from_utf8(bytes.get(..letters)?).ok()?,
            target: std::str::from_utf8(target.get(..len)?).ok()?.into(),
        },
    };
    Some((line, target.get(len..)?))
}

/// The method at the beginning, how many letters it has, and what follows the space behind it.
#[inline(never)]
fn method(bytes: &[u8]) -> Option<(Verb, usize, &[u8])> {
    let letters = run(bytes, no_upper, is_upper);
    let (method, after) = bytes.split_at_checked(letters)?;
    let believed = (3..=METHOD_LEN).contains(&letters) && !matches!(method, b"PRI" | b"CONNECT");
    Some((Verb::of(method), letters, after.strip_prefix(b" ")?)).filter(|_| believed)
}

/// Reads what stands behind a target into a new section: the version, and the fields to their empty line. Gives what follows.
#[inline(never)]
pub(super) fn request_section<'a>(behind: &'a [u8], section: &mut Section<'a>) -> Option<&'a [u8]> {
    let (minor_version, lines) = version(behind.strip_prefix(b" ")?)?;
    section.fields.minor_version = minor_version;
    let (rest, _) = fields(lines.strip_prefix(b"\r\n")?, section)?;
    Some(rest)
}

/// Where a response's head stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// How many bytes it takes.
    pub(super) len: usize,
    /// Where the last `Content-Length` of nothing but digits has those.
    pub(super) number: Option<usize>,
}

/// Reads the response head that `bytes` begin with into a new one.
#[inline(always)]
pub(super) fn response<'a>(bytes: &'a [u8], head: &mut ResponseHead<'a>) -> Option<Place> {
    // Most begin so.
    let lines = match bytes.strip_prefix(b"HTTP/1.1 200 OK\r\n") {
        Some(lines) => {
            head.status = 200;
            lines
        }
        None => status_line(bytes, head)?,
    };
    let (rest, number) = fields(lines, &mut head.section)?;
    Some(Place {
        len: bytes.len().checked_sub(rest.len())?,
        number: number.and_then(|behind| bytes.len().checked_sub(behind)),
    })
}

/// Reads the status line into a new head, and gives what follows.
#[inline(never)]
fn status_line<'a>(bytes: &'a [u8], head: &mut ResponseHead<'a>) -> Option<&'a [u8]> {
    let (minor_version, after) = version(bytes)?;
    let (digits, after) = after.strip_prefix(b" ")?.split_first_chunk::<3>()?;
    let status = digits.iter().try_fold(0, |status: u16, digit| {
        digit
            .is_ascii_digit()
            .then(|| status * 10 + u16::from(digit & 0x0f))
    })?;
    let lines = match after.strip_prefix(b" ") {
        Some(reason) => reason.get(run(reason, no_text, is_text)..)?,
        None => after,
    };
    head.status = status;
    head.section.fields.minor_version = minor_version;
    lines.strip_prefix(b"\r\n")
}

#[inline(always)]
fn version(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes.split_first_chunk::<8>()? {
        (b"HTTP/1.1", after) => Some((1, after)),
        (b"HTTP/1.0", after) => Some((0, after)),
        _ => None,
    }
}

/// Reads the header section to its empty line and gives what follows; and how many bytes there are from the digits of the last plain
/// `Content-Length` on.
#[inline(always)]
fn fields<'a>(mut lines: &'a [u8], section: &mut Section<'a>) -> Option<(&'a [u8], Option<usize>)> {
    let mut number_at = None;
    for _ in 0..HEADERS + 1 {
        if let Some(rest) = lines.strip_prefix(b"\r\n") {
            return Some((rest, number_at));
        }
        if let Some((digits, number, rest)) = content_length(lines) {
            section.add_content_length(digits, number);
            number_at = Some(digits.len() + b"\r\n".len() + rest.len());
            lines = rest;
            continue;
        }
        let (name, after) = name(lines)?;
        let (value, after) = after.split_at_checked(run(after, no_text, is_text))?;
        section.add(name, trim(value));
        lines = after.strip_prefix(b"\r\n")?;
    }
    None
}

/// A `Content-Length` as nearly everybody writes it: its digits, the number, and what follows the line.
#[inline(always)]
fn content_length(line: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let after = line.strip_prefix(b"Content-Length: ")?;
    let (number, len) = number(after);
    let (digits, rest) = after.split_at_checked(len)?;
    let rest = rest.strip_prefix(b"\r\n").filter(|_| len > 0)?;
    Some((digits, number, rest))
}

/// The number at the beginning, and how many digits it has; at most eighteen are read.
#[inline(always)]
pub(super) fn number(bytes: &[u8]) -> (u64, usize) {
    match bytes.first_chunk::<8>().and_then(few_digits) {
        Some(few) => few,
        None => any_digits(bytes),
    }
}

/// The number at the beginning, if it ends there: digits are added up by twos, fours and eights.
#[inline(always)]
fn few_digits(bytes: &[u8; 8]) -> Option<(u64, usize)> {
    let values = u64::from_le_bytes(*bytes) ^ (ONES * b'0' as u64);
    let others = (values.wrapping_add(ONES * (0x80 - 10)) | values) & HIGH;
    if others == 0 {
        return None;
    }
    let bits = others.trailing_zeros() & !7;
    // Zeros before them: the first digit stands lowest. There may be none.
    let ones = (values << (63 - bits)) << 1;
    let tens = (ones.wrapping_mul(10) + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let hundreds = (tens.wrapping_mul(100) + (tens >> 16)) & 0x0000_ffff_0000_ffff;
    let number = (hundreds.wrapping_mul(10_000) + (hundreds >> 32)) & 0xffff_ffff;
    Some((number, (bits / 8) as usize))
}

#[inline(never)]
fn any_digits(bytes: &[u8]) -> (u64, usize) {
    let mut number = 0;
    let mut len = 0;
    // Eighteen digits never overflow.
    while let Some(digit @ 0..10) = bytes.get(len).map(|byte| byte.wrapping_sub(b'0'))
        && len < 18
    {
        number = number * 10 + u64::from(digit);
        len += 1;
    }
    (number, len)
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let Some(rest) = value.strip_prefix(b" ") {
        value = rest;
    }
    while let Some(rest) = value.strip_suffix(b" ") {
        value = rest;
    }
    value
}

/// The field name at the beginning, and what follows its colon.
#[inline(always)]
fn name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let letters = run(line, no_letter, is_letter);
    match line.split_at_checked(letters)? {
        (name @ [_, ..], [b':', after @ ..]) => Some((name, after)),
        _ => any_name(line),
    }
}

#[cold]
fn any_name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = line.iter().position(|b| !is_token(*b))?;
    match line.split_at_checked(len)? {
        (name @ [_, ..], [b':', after @ ..]) => Some((name, after)),
        _ => None,
    }
}

pub(super) const ONES: u64 = u64::from_ne_bytes([1; 8]);
pub(super) const HIGH: u64 = ONES * 0x80;

/// How many bytes at the beginning are of a kind. `others` looks at eight of them at once, the first one lowest: of the high bits that
/// it gives, the lowest one belongs to the first byte that is of another kind. What it gives above that means nothing: carries and
/// borrows go upwards.
pub(super) fn run(bytes: &[u8], others: impl Fn(u64) -> u64, kind: impl Fn(u8) -> bool) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let found = others(u64::from_le_bytes(*word)) & HIGH;
        if found != 0 {
            return bytes.len() - rest.len() + (found.trailing_zeros() / 8) as usize;
        }
        rest = after;
    }
    let few = rest.iter().position(|b| !kind(*b)).unwrap_or(rest.len());
    bytes.len() - rest.len() + few
}

/// Below `first`, or DEL, or not ASCII.
const fn no_ascii_from(word: u64, first: u8) -> u64 {
    word.wrapping_sub(ONES * first as u64) | word.wrapping_add(ONES) | word
}

/// Where a byte is this one. Only for ASCII.
const fn is(word: u64, byte: u8) -> u64 {
    (word ^ (ONES * byte as u64)).wrapping_sub(ONES)
}

/// Visible ASCII or a space.
fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

fn no_text(word: u64) -> u64 {
    no_ascii_from(word, b' ')
}

/// Visible ASCII.
const fn is_target(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

fn no_target(word: u64) -> u64 {
    no_ascii_from(word, b'!')
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase()
}

fn no_upper(word: u64) -> u64 {
    let from_a = word.wrapping_add(ONES * (0x80 - b'A' as u64));
    let above_z = word.wrapping_add(ONES * (0x7f - b'Z' as u64));
    !from_a | above_z | word
}

/// Visible ASCII that neither ends a path nor the scheme before an authority.
pub(super) const fn is_path(byte: u8) -> bool {
    is_target(byte) && !matches!(byte, b'?' | b'#' | b':')
}

fn no_path(word: u64) -> u64 {
    no_target(word) | is(word, b'?') | is(word, b'#') | is(word, b':')
}

/// What most field names consist of.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'-'
}

fn no_letter(word: u64) -> u64 {
    let lower = word | (ONES * 0x20);
    let from_a = lower.wrapping_add(ONES * (0x80 - b'a' as u64));
    let above_z = lower.wrapping_add(ONES * (0x7f - b'z' as u64));
    let no_dash = (word ^ (ONES * b'-' as u64)).wrapping_add(ONES * 0x7f);
    (no_dash & (!from_a | above_z)) | word
}

/// A tchar of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::head::{any_request, any_response};
    use super::super::samples;
    use super::*;
    use crate::dialogue::exchange::{Protocol, Request};
    use crate::dialogue::guess::{self, Guess};

    fn request(bytes: &[u8]) -> Option<(RequestHead<'_>, usize)> {
        let mut head = RequestHead::new();
        let len = super::request(bytes, &mut head)?;
        Some((head, len))
    }

    fn response(bytes: &[u8]) -> Option<(ResponseHead<'_>, usize)> {
        let mut head = ResponseHead::new();
        let place = super::response(bytes, &mut head)?;
        Some((head, place.len))
    }

    /// All that a request's head says.
    fn told((head, len): (RequestHead<'_>, usize)) -> impl PartialEq + std::fmt::Debug {
        let mut what = Request::default();
        let fingerprint = head.describe(&mut what);
        (what, fingerprint, head.asked(), head.section, len)
    }

    #[test]
    fn what_nearly_everybody_sends_is_read_here() {
        let mut crowded = "GET /a?b HTTP/1.1\r\n".to_owned();
        crowded.push_str(&"A: b\r\n".repeat(HEADERS));
        crowded.push_str("\r\n");
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /a:b HTTP/1.0\r\nContent-Length: 3\r\nContent-Type: x\r\n\r\nabc",
            "OPTIONS * HTTP/1.1\r\nX-B3-TraceId: 1\r\n\r\n",
            "GET /to://host/c HTTP/1.1\r\nHost:a\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Type: a\r\nContent-Length: 3\r\nContent-Type: b\r\n\r\n",
            &crowded,
        ] {
            let read = request(head.as_bytes()).expect(head);
            assert_eq!(told(read), any_request(head.as_bytes()).map(told).unwrap());
        }
        for head in [
            "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.0 404\r\n\r\n",
            "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        ] {
            let read = response(head.as_bytes());
            assert!(read.is_some(), "{head}");
            assert_eq!(read, any_response(head.as_bytes()).ok(), "{head}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_alone() {
        let crowded = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1));
        for head in [
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nA: \u{fc}\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n",
            " / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/1.1\r\n\r\n",
            "CONNECT a:443 HTTP/1.1\r\n\r\n",
            "CONNECT /a HTTP/1.1\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\n\r\n",
            &crowded,
        ] {
            assert!(request(head.as_bytes()).is_none(), "{head}");
        }
    }

    proptest! {
        #[test]
        fn requests_are_read_as_httparse_reads_them(
            message in prop_oneof![samples::request(), samples::damaged(samples::request())],
        ) {
            if let Some(read) = request(&message) {
                prop_assert_eq!(Ok(told(read)), any_request(&message).map(told));
                let guess = guess::request_line(&message);
                prop_assert_eq!(guess, Guess::Protocol(Protocol::Http1));
            }
        }

        #[test]
        fn responses_are_read_as_httparse_reads_them(
            message in prop_oneof![samples::response(), samples::damaged(samples::response())],
        ) {
            if let Some(read) = response(&message) {
                prop_assert_eq!(Ok(read), any_response(&message));
            }
        }

        #[test]
        fn digits_at_once_are_the_same_digits(digits in "[0-9]{0,20}", rest: Vec<u8>) {
            let bytes = [digits.as_bytes(), &rest].concat();
            prop_assert_eq!(number(&bytes), any_digits(&bytes));
        }

        #[test]
        fn eight_bytes_at_once_are_the_same_bytes(
            letters in "[a-zA-Z-]{0,20}",
            visible in "[!-~]{0,20}",
            bytes: Vec<u8>,
        ) {
            for message in [&letters, &visible, ""] {
                let message = [message.as_bytes(), &bytes].concat();
                let len = |kind: fn(u8) -> bool| message.iter().take_while(|b| kind(**b)).count();
                prop_assert_eq!(run(&message, no_text, is_text), len(is_text));
                prop_assert_eq!(run(&message, no_target, is_target), len(is_target));
                prop_assert_eq!(run(&message, no_path, is_path), len(is_path));
                prop_assert_eq!(run(&message, no_letter, is_letter), len(is_letter));
                prop_assert_eq!(run(&message, no_upper, is_upper), len(is_upper));
            }
        }
    }
}
