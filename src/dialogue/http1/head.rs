//! Message heads: the few fields that are read of them, whole or as far as captured.

use std::mem::MaybeUninit;

use compact_str::CompactString;
use httparse::{Header, ParserConfig};

use super::super::exchange::{Hints, Idempotence};
use super::super::fingerprint::Fingerprint;
use super::super::guess::{self, Guess};
use crate::flow::Peer;

/// Heads longer than this are not kept (servers stop between 8 and 64 KiB).
pub(super) const HEAD_LIMIT: usize = 16 * 1024;

const HEADERS: usize = 128;

/// Values that reach reports are cut here.
const VALUE_LEN: usize = 80;

/// Paths longer than this are cut: they are for recognising, not for replaying.
const PATH_LEN: usize = 200;

/// How a body is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body, or the head says nothing of one.
    Absent,
    /// Content-Length.
    Length(u64),
    /// Chunked.
    Chunked,
    /// The head contradicts itself, or a coding hides the end.
    Unclear,
}

/// Request methods that change how a response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// Its response has no body.
    Head,
    /// A success makes a tunnel.
    Connect,
    /// Any other.
    #[default]
    Other,
}

/// A request's head.
#[derive(Clone, Debug)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) idempotence: Idempotence,
    pub(super) summary: CompactString,
    pub(super) fingerprint: Fingerprint,
    pub(super) framing: Framing,
    pub(super) fields: Fields,
}

/// A response's head.
#[derive(Clone, Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) fields: Fields,
}

/// Fields of either.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) expects_continue: bool,
    pub(super) upgrade: Upgrade,
    close: bool,
    keep_alive: bool,
    minor_version: u8,
    server: Option<CompactString>,
    via: Option<CompactString>,
    user_agent: Option<CompactString>,
    keep_alive_timeout_s: Option<u32>,
    keep_alive_max: Option<u32>,
}

/// What `Upgrade:` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Upgrade {
    #[default]
    None,
    WebSocket,
    Http2,
    Other,
}

impl Fields {
    /// The sender will close after this message (RFC 9112 section 9.3): said so, or an HTTP/1.0 that did not ask to stay.
    pub(super) const fn closes(&self) -> bool {
        self.close || (self.minor_version == 0 && !self.keep_alive)
    }

    /// Adds what they say to the hints.
    pub(super) fn hint(self, from: Peer, hints: &mut Hints) {
        if self.closes() && self.upgrade == Upgrade::None {
            hints.close_announced.get_or_insert(from);
        }
        // Mostly it is what was said before.
        let keep = |into: &mut Option<String>, value: Option<CompactString>| {
            if value.is_some() && value.as_deref() != into.as_deref() {
                *into = value.map(String::from);
            }
        };
        keep(&mut hints.server, self.server);
        keep(&mut hints.via, self.via);
        keep(&mut hints.user_agent, self.user_agent);
        hints.keep_alive_timeout_s = self.keep_alive_timeout_s.or(hints.keep_alive_timeout_s);
        hints.keep_alive_max = self.keep_alive_max.or(hints.keep_alive_max);
    }

    fn read(&mut self, name: &str, value: &[u8], role: Role) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match role {
            _ if is("connection") => {
                self.close |= has_token(value, "close");
                self.keep_alive |= has_token(value, "keep-alive");
            }
            _ if is("upgrade") => {
                self.upgrade = match () {
                    () if has_token(value, "websocket") => Upgrade::WebSocket,
                    () if has_token(value, "h2c") => Upgrade::Http2,
                    () => Upgrade::Other,
                }
            }
            Role::Request if is("expect") => {
                self.expects_continue |= has_token(value, "100-continue");
            }
            Role::Request if is("user-agent") => self.user_agent = Some(product(value)),
            Role::Response if is("server") => self.server = Some(printable(value, VALUE_LEN)),
            Role::Response if is("via") => self.via = Some(printable(value, VALUE_LEN)),
            Role::Response if is("keep-alive") => {
                self.keep_alive_timeout_s = parameter(value, "timeout");
                self.keep_alive_max = parameter(value, "max");
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Request,
    Response,
}

/// A head that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHttp;

/// Reads a whole request head.
pub(super) fn request(head: &[u8]) -> Result<RequestHead, NotHttp> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let status =
        ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, head, &mut headers);
    if !matches!(status, Ok(httparse::Status::Complete(_))) {
        return Err(NotHttp);
    }
    let method = parsed.method.ok_or(NotHttp)?;
    let target = parsed.path.ok_or(NotHttp)?;
    let mut request = request_line(method, target);
    request.fields.minor_version = parsed.version.ok_or(NotHttp)?;
    request.framing = fields(parsed.headers, &mut request.fields, Role::Request);
    for name in ["content-type", "content-length"] {
        for header in parsed
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case(name))
        {
            request.fingerprint.update(name.as_bytes());
            request.fingerprint.update(header.value);
        }
    }
    Ok(request)
}

/// Reads a whole response head.
pub(super) fn response(head: &[u8]) -> Result<ResponseHead, NotHttp> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default()
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .parse_response_with_uninit_headers(&mut parsed, head, &mut headers);
    if !matches!(status, Ok(httparse::Status::Complete(_))) {
        return Err(NotHttp);
    }
    let mut read = Fields {
        minor_version: parsed.version.ok_or(NotHttp)?,
        ..Fields::default()
    };
    let framing = fields(parsed.headers, &mut read, Role::Response);
    Ok(ResponseHead {
        status: parsed.code.ok_or(NotHttp)?,
        framing,
        fields: read,
    })
}

/// Reads what there is of a head that was cut: whole lines, and method and path out of an unfinished first line.
pub(super) fn partial_request(head: &[u8]) -> Option<RequestHead> {
    if let Ok(request) = whole_lines(head).map_or(Err(NotHttp), |lines| request(&lines)) {
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
    let mut target = String::from_utf8_lossy(target).into_owned();
    if !whole {
        target.push('…');
    }
    Some(request_line(method, &target))
}

/// Likewise for a response; needs its status.
pub(super) fn partial_response(head: &[u8]) -> Option<ResponseHead> {
    if let Ok(response) = whole_lines(head).map_or(Err(NotHttp), |lines| response(&lines)) {
        return Some(response);
    }
    let status = head.get(9..12).filter(|_| head.starts_with(b"HTTP/1."))?;
    Some(ResponseHead {
        status: std::str::from_utf8(status).ok()?.parse().ok()?,
        framing: Framing::Unclear,
        fields: Fields {
            minor_version: 1,
            ..Fields::default()
        },
    })
}

/// The lines that are whole, closed as a head.
fn whole_lines(head: &[u8]) -> Option<Vec<u8>> {
    let end = head.iter().rposition(|b| *b == b'\n')?;
    let mut lines = head.get(..=end)?.to_vec();
    lines.extend_from_slice(b"\r\n");
    Some(lines)
}

fn request_line(method: &str, target: &str) -> RequestHead {
    let mut fingerprint = Fingerprint::default();
    fingerprint.update(method.as_bytes());
    fingerprint.update(b" ");
    fingerprint.update(target.as_bytes());
    RequestHead {
        method: match method {
            "HEAD" => Method::Head,
            "CONNECT" => Method::Connect,
            _ => Method::Other,
        },
        idempotence: idempotence(method),
        summary: summary(method, target),
        fingerprint,
        framing: Framing::Unclear,
        fields: Fields {
            minor_version: 1,
            ..Fields::default()
        },
    }
}

/// RFC 9110 section 9.2.2; the methods of WebDAV that it leaves to their own specification count as not idempotent.
fn idempotence(method: &str) -> Idempotence {
    match method {
        "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE" => Idempotence::Idempotent,
        _ => Idempotence::NotIdempotent,
    }
}

/// Method and path; no query and no authority.
fn summary(method: &str, target: &str) -> CompactString {
    if method == "CONNECT" {
        return method.into();
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/"),
        None => path,
    };
    let mut summary = CompactString::from(method);
    summary.push(' ');
    summary.push_str(&printable(path.as_bytes(), PATH_LEN));
    summary
}

fn fields(headers: &[Header<'_>], into: &mut Fields, role: Role) -> Framing {
    let mut framing = Framing::Absent;
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value)
                .ok()
                .and_then(|v| v.trim().parse().ok());
            framing = match (framing, length) {
                (Framing::Absent, Some(n)) => Framing::Length(n),
                (Framing::Length(m), Some(n)) if m == n => framing,
                (Framing::Chunked, _) => Framing::Chunked,
                _ => Framing::Unclear,
            };
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            // It overrides Content-Length; chunked has to be the last coding (RFC 9112 section 6.3).
            let last = header
                .value
                .rsplit(|b| *b == b',')
                .next()
                .unwrap_or_default();
            framing = match last.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                true => Framing::Chunked,
                false => Framing::Unclear,
            };
        } else {
            into.read(header.name, header.value, role);
        }
    }
    framing
}

fn has_token(value: &[u8], token: &str) -> bool {
    value
        .split(|b| *b == b',')
        .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn parameter(value: &[u8], name: &str) -> Option<u32> {
    value.split(|b| matches!(b, b',' | b';')).find_map(|part| {
        let (key, number) = std::str::from_utf8(part).ok()?.split_once('=')?;
        let number = number.trim().trim_matches('"');
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| number.parse().ok())?
    })
}

/// The first product without its version: `Go-http-client` of `Go-http-client/1.1`.
fn product(value: &[u8]) -> CompactString {
    let word = value
        .split(|b| matches!(b, b'/' | b' ' | b'('))
        .next()
        .unwrap_or_default();
    printable(word, VALUE_LEN)
}

/// Text from the wire as reports may show it: at most `limit` bytes, control characters replaced.
pub(in super::super) fn printable(value: &[u8], limit: usize) -> CompactString {
    let value = value.get(..limit).unwrap_or(value);
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => text.into(),
        _ => String::from_utf8_lossy(value)
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_authority_stay_out() {
        for (target, shown) in [
            ("/a?token=1", "GET /a"),
            ("/a#x", "GET /a"),
            ("http://user:secret@host/a?b", "GET /a"),
            ("http://host", "GET /"),
            ("/\u{1}", "GET /\u{fffd}"),
        ] {
            assert_eq!(summary("GET", target), shown);
        }
        assert_eq!(summary("CONNECT", "inside.example:443"), "CONNECT");
    }

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
                request(head.as_bytes()).unwrap().framing,
                framing,
                "{lines}"
            );
        }
    }

    #[test]
    fn a_cut_head_shows_what_was_captured() {
        let head = partial_request(b"GET /very/long/pa").unwrap();
        assert_eq!(head.summary, "GET /very/long/pa…");
        let head = partial_request(b"GET /a?secret").unwrap();
        assert_eq!(head.summary, "GET /a");
        let head = partial_request(b"PUT /a HTTP/1.1\r\nConnection: close\r\nContent-Le").unwrap();
        assert!(head.fields.closes());
        assert_eq!(partial_response(b"HTTP/1.1 204 No").unwrap().status, 204);
        assert!(partial_response(b"HTTP/1.1 20").is_none());
    }

    #[test]
    fn headers_name_products_and_timers() {
        let head = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22\r\nVia: 1.1 cache\r\nKeep-Alive: timeout=5, max=100\r\n\r\n";
        let mut hints = Hints::default();
        response(head)
            .unwrap()
            .fields
            .hint(Peer::Server, &mut hints);
        assert_eq!(hints.server.as_deref(), Some("nginx/1.22"));
        assert_eq!(hints.via.as_deref(), Some("1.1 cache"));
        assert_eq!(
            (hints.keep_alive_timeout_s, hints.keep_alive_max),
            (Some(5), Some(100))
        );
        assert_eq!(hints.close_announced, None);
        let head = b"GET / HTTP/1.0\r\nUser-Agent: ApacheBench/2.3 (x)\r\n\r\n";
        request(head).unwrap().fields.hint(Peer::Client, &mut hints);
        assert_eq!(hints.user_agent.as_deref(), Some("ApacheBench"));
        assert_eq!(hints.close_announced, Some(Peer::Client));
    }
}
