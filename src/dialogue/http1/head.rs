//! Message heads, whole or as far as captured.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

use super::fields::Section;
use super::line::RequestLine;
use super::pending::Asked;
use super::{Role, plain};
use crate::dialogue::exchange::Request;
use crate::dialogue::fingerprint::Fingerprint;
use crate::dialogue::guess::{self, Guess};

/// Heads longer than this are not kept (servers stop between 8 and 64 KiB).
pub(super) const HEAD_LIMIT: usize = 16 * 1024;

/// More fields than this make a head unreadable.
pub(super) const HEADERS: usize = 128;

/// A request's head.
#[derive(Clone, Debug)]
pub(super) struct RequestHead<'a> {
    pub(super) line: RequestLine<'a>,
    pub(super) section: Section<'a>,
}

/// A response's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResponseHead<'a> {
    pub(super) status: u16,
    pub(super) section: Section<'a>,
}

impl ResponseHead<'_> {
    /// Nothing read yet.
    pub(super) fn new() -> Self {
        Self {
            status: 0,
            section: Section::new(Role::Response, 1),
        }
    }

    /// The response is still to come (RFC 9110 section 15.2).
    pub(super) const fn is_interim(&self) -> bool {
        matches!(self.status, 100..200) && self.status != 101
    }

    /// It answers any request, but for HEAD and CONNECT, and content follows, of which it says how long it is and nothing more.
    ///
    /// RFC 9112 section 6.3: nothing follows 1xx, 204 and 304. RFC 9110 section 15.5.9: 408 may answer nothing.
    pub(super) const fn is_formula(&self) -> bool {
        matches!(self.status, 200..=203 | 205..=303 | 305..=407 | 409..)
            && self.section.only_length().is_some()
    }
}

impl RequestHead<'_> {
    /// Nothing read yet.
    pub(super) fn new() -> Self {
        Self {
            line: RequestLine::NONE,
            section: Section::new(Role::Request, 1),
        }
    }

    /// Writes down what was asked, and gives its hash, to which content may be added.
    pub(super) fn describe(&self, what: &mut Request) -> Fingerprint {
        let mut fingerprint = self.line.describe(what);
        self.section.hash_content(&mut fingerprint);
        what.fingerprint = fingerprint.value();
        what.bytes = fingerprint.bytes();
        fingerprint
    }

    /// What it says about its response.
    pub(super) fn asked(&self) -> Asked {
        Asked {
            method: self.line.method(),
            upgrade: self.section.fields.upgrade,
            expects_continue: self.section.fields.expects_continue,
        }
    }
}

/// A head that can't be read, or whose end is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHttp;

/// Reads the request head that `bytes` begin with, and gives its length.
pub(super) fn request(bytes: &[u8]) -> Result<(RequestHead<'_>, usize), NotHttp> {
    let mut head = RequestHead::new();
    match plain::request(bytes, &mut head) {
        Some(len) => Ok((head, len)),
        None => any_request(bytes),
    }
}

/// Reads the response head that `bytes` begin with, and gives its length.
pub(super) fn response(bytes: &[u8]) -> Result<(ResponseHead<'_>, usize), NotHttp> {
    let mut head = ResponseHead::new();
    match plain::response(bytes, &mut head) {
        Some(place) => Ok((head, place.len)),
        None => any_response(bytes),
    }
}

pub(super) fn any_request(bytes: &[u8]) -> Result<(RequestHead<'_>, usize), NotHttp> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let status =
        ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, bytes, &mut headers);
    let Ok(Status::Complete(len)) = status else {
        return Err(NotHttp);
    };
    let line = RequestLine::Any {
        method: parsed.method.ok_or(NotHttp)?,
        target: parsed.path.ok_or(NotHttp)?.into(),
    };
    let version = parsed.version.ok_or(NotHttp)?;
    let section = section(Role::Request, version, parsed.headers);
    Ok((RequestHead { line, section }, len))
}

pub(super) fn any_response(bytes: &[u8]) -> Result<(ResponseHead<'_>, usize), NotHttp> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut parsed, bytes, &mut headers);
    let Ok(Status::Complete(len)) = status else {
        return Err(NotHttp);
    };
    let version = parsed.version.ok_or(NotHttp)?;
    let section = section(Role::Response, version, parsed.headers);
    let status = parsed.code.ok_or(NotHttp)?;
    Ok((ResponseHead { status, section }, len))
}

fn section<'a>(role: Role, minor_version: u8, headers: &[Header<'a>]) -> Section<'a> {
    let mut section = Section::new(role, minor_version);
    for header in headers {
        section.add(header.name.as_bytes(), header.value);
    }
    section
}

/// The lines of a cut head that are whole, closed as a head; nothing where none is.
pub(super) fn whole_lines(head: &[u8]) -> Vec<u8> {
    let Some(end) = head.iter().rposition(|b| *b == b'\n') else {
        return Vec::new();
    };
    let mut lines = head.get(..=end).unwrap_or(head).to_vec();
    lines.extend_from_slice(b"\r\n");
    lines
}

/// Reads what there is of a head that was cut: its [whole lines](whole_lines), and method and path out of an unfinished first line.
pub(super) fn partial_request<'a>(head: &'a [u8], lines: &'a [u8]) -> Option<RequestHead<'a>> {
    if let Ok((request, _)) = request(lines) {
        return Some(request);
    }
    if guess::request_line(head) == Guess::Nothing {
        return None;
    }
    let line = head.split(|b| *b == b'\n').next()?;
    let mut words = line.splitn(3, |b| *b == b' ');
    let (method, target) = (words.next()?, words.next()?);
    let method = std::str::from_utf8(method).ok()?;
    let whole = words.next().is_some() || target.contains(&b'?');
    let mut target = String::from_utf8_lossy(target);
    if !whole {
        target.to_mut().push('…');
    }
    Some(RequestHead {
        line: RequestLine::Any { method, target },
        section: Section::unclear(Role::Request),
    })
}

/// Likewise for a response; needs its status.
pub(super) fn partial_response<'a>(head: &[u8], lines: &'a [u8]) -> Option<ResponseHead<'a>> {
    if let Ok((response, _)) = response(lines) {
        return Some(response);
    }
    let status = head.get(9..12).filter(|_| head.starts_with(b"HTTP/1."))?;
    Some(ResponseHead {
        status: std::str::from_utf8(status).ok()?.parse().ok()?,
        section: Section::unclear(Role::Response),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fields::Framing;
    use super::*;
    use crate::dialogue::exchange::Protocol;
    use crate::dialogue::ledger::Ledger;
    use crate::flow::Peer;

    #[test]
    fn framing_follows_the_precedence_of_rfc_9112() {
        for (lines, framing) in [
            ("", Framing::Absent),
            ("Content-Length: 5\r\n", Framing::Length(5)),
            (
                "Content-Length: 5\r\nContent-Length: 5\r\n",
                Framing::Length(5),
            ),
            (
                "Content-Length: 5\r\nContent-Length: 6\r\n",
                Framing::Unclear,
            ),
            ("Content-Length: -1\r\n", Framing::Unclear),
            ("Content-Length: +1\r\n", Framing::Length(1)),
            (
                "Content-Length: 12345678901234567890\r\n",
                Framing::Length(12_345_678_901_234_567_890),
            ),
            ("Content-Length: 99999999999999999999\r\n", Framing::Unclear),
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                Framing::Chunked,
            ),
            (
                "Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n",
                Framing::Chunked,
            ),
            ("Transfer-Encoding: gzip\r\n", Framing::Unclear),
        ] {
            let head = format!("POST / HTTP/1.1\r\n{lines}\r\n");
            assert_eq!(
                request(head.as_bytes()).unwrap().0.section.framing,
                framing,
                "{lines}"
            );
        }
    }

    #[test]
    fn a_cut_head_shows_what_was_captured() {
        let request = |head: &[u8]| {
            let mut what = Request::default();
            partial_request(head, &whole_lines(head))?.describe(&mut what);
            what.summary
        };
        assert_eq!(
            &*request(b"GET /very/long/pa").unwrap(),
            "GET /very/long/pa…"
        );
        assert_eq!(&*request(b"GET /a?secret").unwrap(), "GET /a");
        let head = b"PUT /a HTTP/1.1\r\nConnection: close\r\nContent-Le";
        let lines = whole_lines(head);
        assert!(
            partial_request(head, &lines)
                .unwrap()
                .section
                .fields
                .closes()
        );
        let status =
            |head: &[u8]| partial_response(head, &whole_lines(head)).map(|head| head.status);
        assert_eq!(status(b"HTTP/1.1 204 No"), Some(204));
        assert_eq!(status(b"HTTP/1.1 20"), None);
    }

    #[test]
    fn headers_name_products_and_timers() {
        let head = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22\r\nVia: 1.1 cache\r\nKeep-Alive: timeout=5, max=100\r\n\r\n";
        let mut ledger = Ledger::default();
        response(head)
            .unwrap()
            .0
            .section
            .fields
            .hint(Peer::Server, &mut ledger);
        let hints = ledger.clone().into_dialogue(Protocol::Http1).hints;
        assert_eq!(hints.server.as_deref(), Some("nginx/1.22"));
        assert_eq!(hints.via.as_deref(), Some("1.1 cache"));
        assert_eq!(
            (hints.keep_alive_timeout_s, hints.keep_alive_max),
            (Some(5), Some(100))
        );
        assert_eq!(hints.close_announced, None);
        let head = b"GET / HTTP/1.0\r\nUser-Agent: ApacheBench/2.3 (x)\r\n\r\n";
        request(head)
            .unwrap()
            .0
            .section
            .fields
            .hint(Peer::Client, &mut ledger);
        let hints = ledger.into_dialogue(Protocol::Http1).hints;
        assert_eq!(hints.user_agent.as_deref(), Some("ApacheBench"));
        assert_eq!(hints.forwarding, None);
        assert_eq!(hints.close_announced, Some(Peer::Client));
    }

    #[test]
    fn a_request_says_that_it_was_handed_on() {
        use crate::dialogue::Forwarding;
        for (field, told) in [
            ("Via: 1.1 google", Some(Forwarding::Via)),
            ("Forwarded: for=192.0.2.60", Some(Forwarding::Forwarded)),
            ("x-forwarded-for: 10.1.2.3", Some(Forwarding::ForwardedFor)),
            ("X-Forwarded-Proto: https", Some(Forwarding::ForwardedProto)),
            ("X-Real-IP: 10.1.2.3", Some(Forwarding::RealIp)),
            ("X-Forwarded: 10.1.2.3", None),
        ] {
            let head = format!("GET / HTTP/1.1\r\n{field}\r\n\r\n");
            let mut ledger = Ledger::default();
            let (head, _) = request(head.as_bytes()).unwrap();
            head.section.fields.hint(Peer::Client, &mut ledger);
            let hints = ledger.into_dialogue(Protocol::Http1).hints;
            assert_eq!(hints.forwarding, told, "{field}");
            assert_eq!(hints.via, None);
            if let Some(told) = told {
                let name = told.as_str().to_lowercase();
                assert!(field.to_lowercase().starts_with(&format!("{name}:")));
            }
        }
    }

    #[test]
    fn a_head_that_says_nothing_leaves_no_hints() {
        let mut ledger = Ledger::default();
        let (head, _) = request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        head.section.fields.hint(Peer::Client, &mut ledger);
        assert!(ledger.known_hints().is_none());
    }
}
