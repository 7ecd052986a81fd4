//! What a dialogue was about: the facts that verdicts, retries and reports read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::summary::RequestSummary;
use crate::flow::{Mark, Peer};

/// The application protocol, as far as the bytes show it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Protocol {
    /// HTTP/1.0 or 1.1 in clear text.
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2 in clear text.
    #[serde(rename = "http/2")]
    Http2,
    /// TLS; exchanges are inferred from record sizes and turns.
    #[serde(rename = "tls")]
    Tls,
    /// WebSocket after an HTTP/1.1 upgrade.
    #[serde(rename = "websocket")]
    WebSocket,
    /// PostgreSQL.
    #[serde(rename = "postgresql")]
    PostgreSql,
    /// MySQL or MariaDB.
    #[serde(rename = "mysql")]
    MySql,
    /// Redis (RESP).
    #[serde(rename = "redis")]
    Redis,
    /// Anything else: requests and responses are inferred from who spoke last.
    #[default]
    #[serde(rename = "unknown")]
    Opaque,
}

/// Whether a message is known to be whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// Its framing (Content-Length, last chunk, END_STREAM, ReadyForQuery …) says that it ended.
    Complete,
    /// Its framing says that more has to come.
    Incomplete,
    /// Not even its head came in full: no application can have acted on it.
    HeadIncomplete,
    /// Its framing says that the end of the connection is its end (HTTP close-delimited bodies).
    UntilClose,
    /// The protocol's framing is not known (opaque, TLS) or bytes are missing from the capture.
    #[default]
    Unknown,
}

/// Whether doing it twice is as good as doing it once (RFC 9110 section 9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotence {
    /// GET, HEAD, PUT, DELETE, OPTIONS, TRACE.
    Idempotent,
    /// POST, PATCH, CONNECT and unknown methods.
    NotIdempotent,
}

/// One message: a request or a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Where its first byte stands.
    pub start: Mark,
    /// Where the last byte seen so far stands; `offset` is one past that byte.
    pub end: Mark,
    /// Whether it is whole.
    pub complete: Completeness,
    /// Offset one past the byte at which the framing says that it ends, while that lies beyond `end`: a Content-Length not yet
    /// reached, a TLS record or a frame begun. `None` where nothing is missing or where the framing does not tell.
    pub expected_end: Option<u64>,
}

/// Whether a request is one that its peer answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// A response is due: without one, somebody waits.
    #[default]
    Due,
    /// The protocol has messages, not questions (WebSocket): once its bytes are acknowledged, nobody waits for anything. It is
    /// lost only if they never are.
    NotDue,
    /// The peer said that it never looked at it: an HTTP/2 stream above GOAWAY's last one, or REFUSED_STREAM (RFC 9113 sections
    /// 6.8 and 8.7). It may be sent again whatever it was.
    Refused,
}

/// What is known of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `POST /orders`, `query`, `GET` (Redis command names only); no query string, no statement text, no values.
    pub summary: Option<RequestSummary>,
    /// Whether it may be repeated.
    pub idempotence: Option<Idempotence>,
    /// HTTP/2 stream identifier.
    pub stream_id: Option<u32>,
    /// Hash of head and body as far as captured, for recognising the same request elsewhere (never printed).
    pub fingerprint: u64,
    /// Bytes that `fingerprint` covers.
    pub bytes: u64,
    /// True when `fingerprint` covers every byte of the message; false where some were not captured or are encrypted.
    pub fingerprint_whole: bool,
}

/// A request and what came back. Requests can be pipelined: several exchanges may be unanswered at once.
///
/// A response whose request was not captured has a request of no length (`start == end`) that stands where the response began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Where the request stood in its direction. The client sends it, except in protocols that turn round.
    pub request: Message,
    /// What it asked.
    pub what: Request,
    /// Whether the peer is to answer.
    pub answer: Answer,
    /// The response as far as it came.
    pub response: Option<Message>,
    /// HTTP status.
    pub status: Option<u16>,
}

impl Exchange {
    /// Its request was seen, or a part of it: the capture had begun.
    pub fn was_asked_here(&self) -> bool {
        self.request.start != self.request.end
    }
}

/// What the peer said before it hung up on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Who said it.
    pub from: Peer,
    /// Where.
    pub at: Mark,
    /// A short name: `close_notify`, `goaway` or `goaway ENHANCE_YOUR_CALM`, `57P05`, `4031`, `websocket close 1001`, `408`.
    pub what: String,
}

/// The field, or the header before all requests, by which a client says that it hands on what somebody else asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// `Via` (RFC 9110 section 7.6.3).
    Via,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    ForwardedFor,
    /// `X-Forwarded-Proto`.
    ForwardedProto,
    /// `X-Real-IP`.
    RealIp,
    /// The PROXY protocol's header, version 1 or 2 (HAProxy's `doc/proxy-protocol.txt`).
    ProxyHeader,
}

impl Forwarding {
    /// The field's or the protocol's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Via => "Via",
            Self::Forwarded => "Forwarded",
            Self::ForwardedFor => "X-Forwarded-For",
            Self::ForwardedProto => "X-Forwarded-Proto",
            Self::RealIp => "X-Real-IP",
            Self::ProxyHeader => "PROXY protocol",
        }
    }
}

/// Headers that tell products and timers apart. Values are cut at 80 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// `Server:` of a response.
    pub server: Option<String>,
    /// `Via:` of a response.
    pub via: Option<String>,
    /// `Keep-Alive: timeout=` of a response, in seconds.
    pub keep_alive_timeout_s: Option<u32>,
    /// `Keep-Alive: max=` of a response.
    pub keep_alive_max: Option<u32>,
    /// The product word of a request's `User-Agent:` (`Go-http-client`, `undici`, `axios`), for recognising client pools.
    pub user_agent: Option<String>,
    /// A request was handed on: its `User-Agent` is not that of the connection's client.
    pub forwarding: Option<Forwarding>,
    /// `connection: close` was announced by this side.
    pub close_announced: Option<Peer>,
}

impl Hints {
    /// Before any was heard.
    pub const fn none() -> Self {
        Self {
            server: None,
            via: None,
            keep_alive_timeout_s: None,
            keep_alive_max: None,
            user_agent: None,
            forwarding: None,
            close_announced: None,
        }
    }
}

/// What TLS shows without keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// Server name of the ClientHello (RFC 6066).
    pub sni: Option<String>,
    /// Protocols offered in ALPN (RFC 7301), or the one chosen where the ServerHello shows it.
    pub alpn: Vec<String>,
    /// `1.2`, `1.3` … as negotiated.
    pub version: Option<String>,
    /// A ClientHello was seen.
    pub began: bool,
    /// The handshake was over: in TLS 1.3 for the client, else for both; or application data was seen.
    pub handshake_done: bool,
    /// The last ClientHello was answered by nothing.
    pub hello_unanswered: bool,
    /// close_notify (or, in TLS 1.3, a record of its size as the last one) seen from the client, from the server.
    pub close_notify: [Option<Mark>; 2],
    /// The first fatal alert.
    pub fatal_alert: Option<FatalAlert>,
    /// Where the answer to the first ClientHello begins, if that is no TLS.
    pub answered_in_clear: Option<Mark>,
    /// The client sent a certificate, or said that it has none: it had been asked for one (TLS 1.3; earlier versions do not tell).
    pub client_certificate: bool,
}

impl TlsFacts {
    /// As far as was seen, it was begun and never came into use.
    pub const fn failed(&self) -> bool {
        self.fatal_alert.is_some()
            || self.answered_in_clear.is_some()
            || self.began && !self.handshake_done
    }

    /// This end, to which the ClientHello goes, showed that it knows what that is.
    pub fn is_spoken_by(&self, responder: Peer) -> bool {
        let objects = |alert: &FatalAlert| alert.from == responder;
        self.version.is_some()
            || self.handshake_done
            || self.fatal_alert.as_ref().is_some_and(objects)
    }
}

/// An alert after which nobody goes on (RFC 8446 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FatalAlert {
    /// Who sent it.
    pub from: Peer,
    /// Its AlertDescription, where that is in clear text.
    pub description: Option<u8>,
    /// Where it begins.
    pub at: Mark,
}

/// All that the dialogue of one connection showed: what a verdict may read of it. Cheap to clone: bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialogue {
    /// The protocol.
    pub protocol: Protocol,
    /// Who sends the requests: the client, unless the bytes show the reverse (roles guessed wrong in a capture that began late, or
    /// a protocol that turned round).
    pub requester: Peer,
    /// Exchanges begun in all.
    pub requests: u64,
    /// Exchanges that got a complete response (or one presumed complete because the next request followed it).
    pub answered: u64,
    /// The newest exchanges, oldest first; at most [`Dialogue::KEPT`], unanswered ones kept before answered ones.
    pub recent: Vec<Exchange>,
    /// Goodbyes, oldest first; at most 4.
    pub farewells: Vec<Farewell>,
    /// Headers that name products.
    pub hints: Hints,
    /// TLS.
    pub tls: Option<TlsFacts>,
    /// Bytes were missing or cut: exchanges are less sure.
    pub incomplete: bool,
}

impl Default for Dialogue {
    fn default() -> Self {
        Self {
            protocol: Protocol::default(),
            requester: Peer::Client,
            requests: 0,
            answered: 0,
            recent: Vec::new(),
            farewells: Vec::new(),
            hints: Hints::default(),
            tls: None,
            incomplete: false,
        }
    }
}

impl Dialogue {
    /// How many exchanges are kept.
    pub const KEPT: usize = 32;
}
