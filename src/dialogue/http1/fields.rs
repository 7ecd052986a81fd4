//! The header section: the few fields that are read of it.

use super::Role;
use crate::dialogue::exchange::{Forwarding, Hints};
use crate::dialogue::fingerprint::Fingerprint;
use crate::dialogue::ledger::Ledger;
use crate::flow::Peer;

/// Values that reach reports are cut here.
const VALUE_LEN: usize = 80;

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

/// What `Upgrade:` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Upgrade {
    #[default]
    None,
    WebSocket,
    Http2,
    Other,
}

/// What a request's header section says of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) upgrade: Upgrade,
    pub(super) expects_continue: bool,
}

/// What somebody who says a header section again on another connection tells of himself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Telling {
    /// Nothing.
    #[default]
    Nothing,
    /// What has to go to that connection's hints.
    Hints,
}

/// Fields of a request or a response, where they lie in its head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) expects_continue: bool,
    pub(super) upgrade: Upgrade,
    pub(super) minor_version: u8,
    close: bool,
    keep_alive: bool,
    names: Option<Names<'a>>,
}

/// Fields that name products and timers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names<'a> {
    server: Option<&'a [u8]>,
    via: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    forwarding: Option<Forwarding>,
    keep_alive_timeout_s: Option<u32>,
    keep_alive_max: Option<u32>,
}

impl Fields<'_> {
    /// The sender will close after this message (RFC 9112 section 9.3): said so, or an HTTP/1.0 that did not ask to stay.
    pub(super) const fn closes(&self) -> bool {
        self.close || (self.minor_version == 0 && !self.keep_alive)
    }

    const fn say_goodbye(&self) -> bool {
        self.closes() && matches!(self.upgrade, Upgrade::None)
    }

    pub(super) const fn telling(&self) -> Telling {
        match self.say_goodbye() || self.names.is_some() {
            true => Telling::Hints,
            false => Telling::Nothing,
        }
    }

    /// Adds what they say to the hints.
    #[inline]
    pub(super) fn hint(&self, from: Peer, ledger: &mut Ledger) {
        let closes = self.say_goodbye();
        if closes || self.names.is_some() {
            self.tell(closes.then_some(from), ledger.hints());
        }
    }

    #[inline(never)]
    fn tell(&self, closes: Option<Peer>, hints: &mut Hints) {
        if let Some(from) = closes {
            hints.close_announced.get_or_insert(from);
        }
        if let Some(names) = &self.names {
            names.tell(hints);
        }
    }
}

impl Names<'_> {
    fn tell(&self, hints: &mut Hints) {
        keep(&mut hints.server, self.server);
        keep(&mut hints.via, self.via);
        keep(&mut hints.user_agent, self.user_agent);
        // A request tells more than a header that stood before all of them.
        let told = hints
            .forwarding
            .filter(|told| *told != Forwarding::ProxyHeader);
        hints.forwarding = told.or(self.forwarding).or(hints.forwarding);
        hints.keep_alive_timeout_s = self.keep_alive_timeout_s.or(hints.keep_alive_timeout_s);
        hints.keep_alive_max = self.keep_alive_max.or(hints.keep_alive_max);
    }
}

/// Mostly it is what was said before.
fn keep(into: &mut Option<String>, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    let value = value.get(..VALUE_LEN).unwrap_or(value);
    if into.as_deref().map(str::as_bytes) != Some(value) {
        *into = Some(printable(value, VALUE_LEN));
    }
}

/// A header section, read field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    pub(super) fields: Fields<'a>,
    pub(super) framing: Framing,
    /// How many fields speak of framing.
    framings: u8,
    /// What a request says of its content.
    content: Option<Content<'a>>,
    role: Role,
}

/// Fields that belong to what a request asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content<'a> {
    /// The first `Content-Type`.
    media_type: Option<&'a [u8]>,
    /// The first `Content-Length`.
    length: Option<&'a [u8]>,
    /// Further ones of either.
    again: Vec<(Name, &'a [u8])>,
}

impl<'a> Section<'a> {
    /// Of a message that a `role` sends as HTTP/1.`minor_version`; no field read yet.
    pub(super) fn new(role: Role, minor_version: u8) -> Self {
        Self {
            fields: Fields {
                minor_version,
                ..Fields::default()
            },
            framing: Framing::Absent,
            framings: 0,
            content: None,
            role,
        }
    }

    /// Of a message of which only the first line was captured.
    pub(super) fn unclear(role: Role) -> Self {
        Self {
            framing: Framing::Unclear,
            ..Self::new(role, 1)
        }
    }

    /// Reads the next field.
    #[inline(always)]
    pub(super) fn add(&mut self, name: &[u8], value: &'a [u8]) {
        if let Some(name) = Name::of(name) {
            self.add_known(name, value);
        }
    }

    /// Reads a `Content-Length` of nothing but digits, which are that number.
    #[inline(always)]
    pub(super) fn add_content_length(&mut self, digits: &'a [u8], number: u64) {
        self.framings = self.framings.saturating_add(1);
        self.framing = match self.framing {
            Framing::Absent => Framing::Length(number),
            other => with_length(other, Some(number)),
        };
        if self.role == Role::Request {
            self.add_content(Name::ContentLength, digits);
        }
    }

    #[inline(never)]
    fn add_known(&mut self, name: Name, value: &'a [u8]) {
        match (name, self.role) {
            (Name::ContentLength, role) => {
                self.framings = self.framings.saturating_add(1);
                self.framing = with_length(self.framing, length(value));
                if role == Role::Request {
                    self.add_content(name, value);
                }
            }
            (Name::ContentType, Role::Request) => self.add_content(name, value),
            (Name::TransferEncoding, _) => {
                self.framings = self.framings.saturating_add(1);
                self.framing = with_coding(value);
            }
            _ => self.fields.add(name, self.role, value),
        }
    }

    #[inline(never)]
    fn add_content(&mut self, name: Name, value: &'a [u8]) {
        self.content.get_or_insert_default().add(name, value);
    }

    /// What it says of the answer.
    pub(super) fn wishes(&self) -> Wishes {
        Wishes {
            upgrade: self.fields.upgrade,
            expects_continue: self.fields.expects_continue,
        }
    }

    /// The length of the content, where one field says it and no other one speaks of framing.
    pub(super) const fn only_length(&self) -> Option<u64> {
        match (self.framing, self.framings) {
            (Framing::Length(length), 1) => Some(length),
            _ => None,
        }
    }

    /// It says nothing of content.
    pub(super) fn is_without_content(&self) -> bool {
        self.framing == Framing::Absent && self.content.is_none()
    }

    /// Adds what it says of the content.
    #[inline]
    pub(super) fn hash_content(&self, fingerprint: &mut Fingerprint) {
        if let Some(content) = &self.content {
            content.hash(fingerprint);
        }
    }
}

impl<'a> Content<'a> {
    fn add(&mut self, name: Name, value: &'a [u8]) {
        let first = match name {
            Name::ContentType => &mut self.media_type,
            _ => &mut self.length,
        };
        match first {
            None => *first = Some(value),
            Some(_) => self.again.push((name, value)),
        }
    }

    /// Every `Content-Type`, then every `Content-Length`.
    #[inline(never)]
    fn hash(&self, fingerprint: &mut Fingerprint) {
        for (name, text, first) in [
            (Name::ContentType, "content-type", self.media_type),
            (Name::ContentLength, "content-length", self.length),
        ] {
            let Some(first) = first else { continue };
            let again = self.again.iter().filter(|(other, _)| *other == name);
            for value in std::iter::once(first).chain(again.map(|(_, value)| *value)) {
                fingerprint.update(text.as_bytes());
                fingerprint.update(value);
            }
        }
    }
}

impl<'a> Fields<'a> {
    fn add(&mut self, name: Name, role: Role, value: &'a [u8]) {
        match (name, role) {
            (Name::Connection, _) => {
                self.close |= has_token(value, "close");
                self.keep_alive |= has_token(value, "keep-alive");
            }
            (Name::Upgrade, _) => {
                self.upgrade = match () {
                    () if has_token(value, "websocket") => Upgrade::WebSocket,
                    () if has_token(value, "h2c") => Upgrade::Http2,
                    () => Upgrade::Other,
                };
            }
            (Name::Expect, Role::Request) => {
                self.expects_continue |= has_token(value, "100-continue");
            }
            (Name::UserAgent | Name::Via | Name::Forwarding(_), Role::Request)
            | (Name::Server | Name::Via | Name::KeepAlive, Role::Response) => {
                self.names.get_or_insert_default().add(name, role, value);
            }
            _ => {}
        }
    }
}

impl<'a> Names<'a> {
    fn add(&mut self, name: Name, role: Role, value: &'a [u8]) {
        match (name, role) {
            (Name::UserAgent, _) => self.user_agent = Some(product(value)),
            (Name::Server, _) => self.server = Some(value),
            (Name::Via, Role::Response) => self.via = Some(value),
            (Name::Via, Role::Request) => self.forwarding = Some(Forwarding::Via),
            (Name::Forwarding(field), _) => self.forwarding = Some(field),
            _ => {
                self.keep_alive_timeout_s = parameter(value, "timeout");
                self.keep_alive_max = parameter(value, "max");
            }
        }
    }
}

/// Fields that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Connection,
    ContentLength,
    ContentType,
    Expect,
    Forwarding(Forwarding),
    KeepAlive,
    Server,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Via,
}

impl Name {
    /// Most names are none of them, which their length and first letter tell.
    #[inline]
    fn of(name: &[u8]) -> Option<Self> {
        let (fits, known) = match (name.len(), name.first()?.to_ascii_lowercase()) {
            (3, b'v') => (fits(name, b"Via"), Self::Via),
            (6, b'e') => (fits(name, b"Expect"), Self::Expect),
            (6, b's') => (fits(name, b"Server"), Self::Server),
            (9, b'f') => (
                fits(name, b"Forwarded"),
                Self::Forwarding(Forwarding::Forwarded),
            ),
            (9, b'x') => (
                fits(name, b"X-Real-IP"),
                Self::Forwarding(Forwarding::RealIp),
            ),
            (7, b'u') => (fits(name, b"Upgrade"), Self::Upgrade),
            (10, b'c') => (fits(name, b"Connection"), Self::Connection),
            (10, b'k') => (fits(name, b"Keep-Alive"), Self::KeepAlive),
            (10, b'u') => (fits(name, b"User-Agent"), Self::UserAgent),
            (12, b'c') => (fits(name, b"Content-Type"), Self::ContentType),
            (14, b'c') => (fits(name, b"Content-Length"), Self::ContentLength),
            (15, b'x') => (
                fits(name, b"X-Forwarded-For"),
                Self::Forwarding(Forwarding::ForwardedFor),
            ),
            (17, b'x') => (
                fits(name, b"X-Forwarded-Proto"),
                Self::Forwarding(Forwarding::ForwardedProto),
            ),
            (17, b't') => (fits(name, b"Transfer-Encoding"), Self::TransferEncoding),
            _ => return None,
        };
        fits.then_some(known)
    }
}

/// Mostly names are written as the RFCs write them.
fn fits<const N: usize>(name: &[u8], text: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| name == text) || name.eq_ignore_ascii_case(text)
}

/// A Content-Length beside what the fields before it said.
#[inline(never)]
fn with_length(framing: Framing, length: Option<u64>) -> Framing {
    match (framing, length) {
        (Framing::Absent, Some(n)) => Framing::Length(n),
        (Framing::Length(m), Some(n)) if m == n => framing,
        (Framing::Chunked, _) => Framing::Chunked,
        _ => Framing::Unclear,
    }
}

/// Transfer-Encoding overrides Content-Length; chunked has to be the last coding (RFC 9112 section 6.3).
fn with_coding(value: &[u8]) -> Framing {
    let last = value.rsplit(|b| *b == b',').next().unwrap_or_default();
    match last.trim_ascii().eq_ignore_ascii_case(b"chunked") {
        true => Framing::Chunked,
        false => Framing::Unclear,
    }
}

fn length(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
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
fn product(value: &[u8]) -> &[u8] {
    value
        .split(|b| matches!(b, b'/' | b' ' | b'('))
        .next()
        .unwrap_or_default()
}

/// Text from the wire as reports may show it: at most `limit` bytes, control characters replaced.
pub(in super::super) fn printable(value: &[u8], limit: usize) -> String {
    let value = value.get(..limit).unwrap_or(value);
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains(char::is_control) => text.into(),
        _ => String::from_utf8_lossy(value)
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect(),
    }
}
