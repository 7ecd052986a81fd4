//! Heads as nearly everybody sends them, read in one pass: one space where one belongs, CRLF at every line's end, visible ASCII. What
//! is read here is read as `httparse` reads it; everything else is left to that.

use super::Role;
use super::fields::Section;
use super::head::{HEADERS, RequestHead, ResponseHead};
use super::line::RequestLine;

/// The request head that `bytes` begin with, and its length.
pub(super) fn request(bytes: &[u8]) -> Option<(RequestHead<'_>, usize)> {
    let letters = run(bytes, u8::is_ascii_uppercase);
    let (method, after) = bytes.split_at_checked(letters).filter(|_| letters > 0)?;
    let target = after.strip_prefix(b" ")?;
    let path = run(target, |b| is_path(*b));
    let (len, is_plain) = match target.get(path)? {
        b' ' => (path, true),
        stop => (run(target, u8::is_ascii_graphic), *stop != b':'),
    };
    let after = target.get(len..).filter(|_| len > 0)?;
    let (minor_version, lines) = version(after.strip_prefix(b" ")?)?;
    let mut section = Section::new(Role::Request, minor_version);
    let rest = fields(lines.strip_prefix(b"\r\n")?, &mut section)?;
    let line = bytes.get(..letters + 1 + len)?;
    let line = match RequestLine::plain(line, method, path).filter(|_| is_plain) {
        Some(line) => line,
        None => {
            let target = std::str::from_utf8(target.get(..len)?).ok()?;
            RequestLine::new(std::str::from_utf8(method).ok()?, target)
        }
    };
    let head = RequestHead::new(line, section)?;
    Some((head, bytes.len().checked_sub(rest.len())?))
}

/// The response head that `bytes` begin with, and its length.
pub(super) fn response(bytes: &[u8]) -> Option<(ResponseHead<'_>, usize)> {
    let (minor_version, after) = version(bytes)?;
    let (digits, after) = after.strip_prefix(b" ")?.split_first_chunk::<3>()?;
    let status = digits.iter().try_fold(0, |status: u16, digit| {
        digit
            .is_ascii_digit()
            .then(|| status * 10 + u16::from(digit & 0x0f))
    })?;
    let lines = match after.strip_prefix(b" ") {
        Some(reason) => reason.get(text(reason)..)?,
        None => after,
    };
    let mut section = Section::new(Role::Response, minor_version);
    let rest = fields(lines.strip_prefix(b"\r\n")?, &mut section)?;
    let head = ResponseHead {
        status,
        framing: section.framing,
        fields: section.fields,
    };
    Some((head, bytes.len().checked_sub(rest.len())?))
}

fn version(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes.split_first_chunk::<8>()? {
        (b"HTTP/1.1", after) => Some((1, after)),
        (b"HTTP/1.0", after) => Some((0, after)),
        _ => None,
    }
}

/// Reads the header section to its empty line and gives what follows.
fn fields<'a>(mut lines: &'a [u8], section: &mut Section<'a>) -> Option<&'a [u8]> {
    for _ in 0..=HEADERS {
        if let Some(rest) = lines.strip_prefix(b"\r\n") {
            return Some(rest);
        }
        let len = run(lines, |b| is_token(*b));
        let (name, after) = lines.split_at_checked(len).filter(|_| len > 0)?;
        let after = after.strip_prefix(b":")?;
        let (value, after) = after.split_at_checked(text(after))?;
        section.add(name, trim(value));
        lines = after.strip_prefix(b"\r\n")?;
    }
    None
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

/// How many bytes at the beginning are of that kind.
fn run(bytes: &[u8], kind: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().position(|b| !kind(b)).unwrap_or(bytes.len())
}

/// How many bytes at the beginning are visible ASCII or spaces.
fn text(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES * 0x80;
    let mut len = 0;
    while let Some(word) = bytes.get(len..).and_then(<[u8]>::first_chunk::<8>) {
        // Eight bytes at once. The high bit of a byte that is none shows: below a space the subtraction borrows, 0x7f carries into
        // it, above it is there. Carries and borrows go upwards, so that the lowest one found is one.
        let word = u64::from_le_bytes(*word);
        let other = (word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES) | word) & HIGH;
        if other != 0 {
            return len + (other.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len + run(bytes.get(len..).unwrap_or_default(), |b| {
        matches!(b, b' '..=b'~')
    })
}

/// A tchar of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
    TOKEN[usize::from(byte)]
}

/// Visible ASCII that neither ends a path nor an authority's scheme.
fn is_path(byte: u8) -> bool {
    static PATH: [bool; 256] = table(b"!\"$%&'()*+,-./;<=>@[\\]^_`{|}~");
    PATH[usize::from(byte)]
}

/// Letters, digits and `others`.
const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::head::{any_request, any_response};
    use super::super::samples;
    use super::*;

    #[test]
    fn what_nearly_everybody_sends_is_read_here() {
        let mut crowded = "GET /a?b HTTP/1.1\r\n".to_owned();
        crowded.push_str(&"A: b\r\n".repeat(HEADERS));
        crowded.push_str("\r\n");
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /a:b HTTP/1.0\r\nContent-Length: 3\r\nContent-Type: x\r\n\r\nabc",
            "CONNECT a:443 HTTP/1.1\r\n\r\n",
            &crowded,
        ] {
            let read = request(head.as_bytes());
            assert!(read.is_some(), "{head}");
            assert_eq!(read, any_request(head.as_bytes()).ok(), "{head}");
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
            "GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n",
            " / HTTP/1.1\r\n\r\n",
            &crowded,
        ] {
            assert_eq!(request(head.as_bytes()), None, "{head}");
        }
    }

    proptest! {
        #[test]
        fn requests_are_read_as_httparse_reads_them(
            message in prop_oneof![samples::request(), samples::damaged(samples::request())],
        ) {
            if let Some(read) = request(&message) {
                prop_assert_eq!(Ok(read), any_request(&message));
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
        fn text_ends_at_the_first_other_byte(bytes: Vec<u8>, letters in 0usize..40) {
            let mut message = vec![b'~'; letters];
            message.extend(bytes);
            let end = message.iter().position(|b| !matches!(b, b' '..=b'~'));
            prop_assert_eq!(text(&message), end.unwrap_or(message.len()));
        }
    }
}
