//! What is taken from the head of an HTTP/1 message, and nothing else.

use std::mem::MaybeUninit;

use super::exchange::Idempotence;
use super::fingerprint::Fingerprint;
use super::ledger::Ledger;
use crate::flow::Peer;

/// Most header fields of a head that are read.
const FIELDS: usize = 96;
/// Longest header value that is kept.
const VALUE: usize = 80;
/// Longest path that is kept.
const PATH: usize = 200;

/// How the length of a body is told (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Nothing,
    Length(u64),
    Chunked,
    UntilClose,
}

/// A request's head.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestHead<'a> {
    method: &'a str,
    target: &'a str,
    length: Option<u64>,
    chunked: bool,
    content_type: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    close: bool,
}

/// A response's head.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponseHead<'a> {
    pub(super) status: u16,
    length: Option<u64>,
    chunked: bool,
    server: Option<&'a [u8]>,
    via: Option<&'a [u8]>,
    keep_alive: Option<&'a [u8]>,
    close: bool,
    websocket: bool,
}

impl<'a> RequestHead<'a> {
    /// A whole head.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
        let mut request = httparse::Request::new(&mut []);
        request.parse_with_uninit_headers(bytes, &mut fields).ok()?;
        let mut head = Self::line(request.method?, request.path?);
        for field in request.headers.iter() {
            head.field(field.name, field.value);
        }
        Some(head)
    }

    /// A head without its end.
    pub(super) fn from_cut(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let line = std::str::from_utf8(lines.next()?).ok()?;
        let mut words = line.split_ascii_whitespace();
        let mut head = Self::line(words.next()?, words.next()?);
        for_each_whole_line(bytes, |name, value| head.field(name, value));
        Some(head)
    }

    fn line(method: &'a str, target: &'a str) -> Self {
        Self {
            method,
            target,
            ..Self::default()
        }
    }

    fn field(&mut self, name: &str, value: &'a [u8]) {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = number(value);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.chunked |= has_word(value, "chunked");
        } else if name.eq_ignore_ascii_case("content-type") {
            self.content_type = Some(value);
        } else if name.eq_ignore_ascii_case("connection") {
            self.close |= has_word(value, "close");
        } else if name.eq_ignore_ascii_case("user-agent") {
            self.user_agent = Some(value);
        }
    }

    /// Method and path; no query, no authority.
    pub(super) fn summary(&self) -> String {
        let path = self.target.split(['?', '#']).next().unwrap_or_default();
        let path = match path.split_once("://") {
            Some((_, rest)) => rest
                .find('/')
                .and_then(|slash| rest.get(slash..))
                .unwrap_or("/"),
            None => path,
        };
        let path: String = path
            .chars()
            .filter(|letter| !letter.is_control())
            .take(PATH)
            .collect();
        if self.is_connect() {
            "CONNECT".to_owned()
        } else {
            format!("{} {path}", self.method)
        }
    }

    /// RFC 9110 section 9.2.2.
    pub(super) fn idempotence(&self) -> Idempotence {
        match self.method {
            "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE" => Idempotence::Idempotent,
            _ => Idempotence::NotIdempotent,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(super) fn is_connect(&self) -> bool {
        self.method == "CONNECT"
    }

    pub(super) fn framing(&self) -> Framing {
        match self.length {
            _ if self.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::Nothing,
        }
    }

    /// What makes two requests the same: method, target with its query, type and length of the body. The body follows.
    pub(super) fn fingerprint(&self, fingerprint: &mut Fingerprint) {
        let content_type = self.content_type.map(text).unwrap_or_default();
        for part in [self.method, self.target, &content_type] {
            fingerprint.update(part.as_bytes());
            fingerprint.update(b"\n");
        }
        fingerprint.update(&self.length.unwrap_or_default().to_le_bytes());
    }

    pub(super) fn hints(&self, ledger: &mut Ledger) {
        let requester = ledger.requester;
        if self.user_agent.is_some() || self.close {
            let hints = ledger.hints();
            if hints.user_agent.is_none() {
                hints.user_agent = self.user_agent.and_then(product);
            }
            if self.close {
                hints.close_announced = Some(requester);
            }
        }
    }
}

impl<'a> ResponseHead<'a> {
    /// A whole head.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
        let mut response = httparse::Response::new(&mut []);
        httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
            .ok()?;
        let mut head = Self {
            status: response.code?,
            ..Self::default()
        };
        for field in response.headers.iter() {
            head.field(field.name, field.value);
        }
        Some(head)
    }

    /// A head without its end.
    pub(super) fn from_cut(bytes: &'a [u8]) -> Option<Self> {
        let line = bytes.split(|byte| *byte == b'\n').next()?;
        let status = std::str::from_utf8(line)
            .ok()?
            .split_ascii_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        let mut head = Self {
            status,
            ..Self::default()
        };
        for_each_whole_line(bytes, |name, value| head.field(name, value));
        Some(head)
    }

    fn field(&mut self, name: &str, value: &'a [u8]) {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = number(value);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.chunked |= has_word(value, "chunked");
        } else if name.eq_ignore_ascii_case("server") {
            self.server = Some(value);
        } else if name.eq_ignore_ascii_case("via") {
            self.via = Some(value);
        } else if name.eq_ignore_ascii_case("keep-alive") {
            self.keep_alive = Some(value);
        } else if name.eq_ignore_ascii_case("connection") {
            self.close |= has_word(value, "close");
        } else if name.eq_ignore_ascii_case("upgrade") {
            self.websocket |= has_word(value, "websocket");
        }
    }

    pub(super) fn upgrades_to_websocket(&self) -> bool {
        self.websocket
    }

    pub(super) fn framing(&self) -> Framing {
        match (self.status, self.length) {
            (204 | 304, _) => Framing::Nothing,
            _ if self.chunked => Framing::Chunked,
            (_, Some(length)) => Framing::Length(length),
            (_, None) => Framing::UntilClose,
        }
    }

    pub(super) fn hints(&self, ledger: &mut Ledger, from: Peer) {
        let hints = ledger.hints();
        if hints.server.is_none() {
            hints.server = self.server.map(text);
        }
        if hints.via.is_none() {
            hints.via = self.via.map(text);
        }
        if let Some(value) = self.keep_alive.map(text) {
            for part in value.split(',') {
                match part.trim().split_once('=') {
                    Some((name, number)) if name.eq_ignore_ascii_case("timeout") => {
                        hints.keep_alive_timeout_s =
                            number.trim().parse().ok().or(hints.keep_alive_timeout_s);
                    }
                    Some((name, number)) if name.eq_ignore_ascii_case("max") => {
                        hints.keep_alive_max = number.trim().parse().ok().or(hints.keep_alive_max);
                    }
                    _ => {}
                }
            }
        }
        if self.close {
            hints.close_announced = Some(from);
        }
    }
}

/// Field lines that are whole (the last one may be cut in its middle).
fn for_each_whole_line<'a>(bytes: &'a [u8], mut take: impl FnMut(&'a str, &'a [u8])) {
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .and_then(|end| bytes.get(..end))
        .unwrap_or_default();
    for line in whole.split(|byte| *byte == b'\n').skip(1) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && let Ok(name) = std::str::from_utf8(name)
        {
            take(name.trim(), value.trim_ascii());
        }
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn has_word(value: &[u8], word: &str) -> bool {
    std::str::from_utf8(value).is_ok_and(|value| {
        value
            .split([',', ';'])
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    })
}

/// The product's name of `User-Agent` (RFC 9110 section 10.1.5).
fn product(value: &[u8]) -> Option<String> {
    let text = text(value);
    let name = text.split(['/', ' ', '(']).next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .chars()
        .filter(|letter| !letter.is_control())
        .take(VALUE)
        .collect()
}
