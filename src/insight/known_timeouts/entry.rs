//! One known timeout: whose, how long, how it shows, how to change it.

use serde::{Deserialize, Serialize};

use super::setting::{example, fill, takes_a_value};
use crate::dialogue::Protocol;

/// Whose timer it is and what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimeoutRole {
    /// A server waits for the next request on an idle connection.
    #[serde(rename = "server-idle")]
    ServerIdle,
    /// A client's pool keeps an idle connection for the next request.
    #[serde(rename = "client-pool-idle")]
    ClientPoolIdle,
    /// A proxy waits for the next request of its client.
    #[serde(rename = "proxy-frontend-idle")]
    ProxyFrontendIdle,
    /// A proxy keeps an idle connection to the server behind it.
    #[serde(rename = "proxy-upstream-idle")]
    ProxyUpstreamIdle,
    /// A device on the path remembers a connection without packets.
    #[serde(rename = "middlebox-flow-idle")]
    MiddleboxFlowIdle,
    /// Somebody waits for a response.
    #[serde(rename = "request-timeout")]
    RequestTimeout,
    /// A server waits for the rest of a request.
    #[serde(rename = "header/read-timeout")]
    RequestRead,
    /// Connecting, a handshake or a login.
    #[serde(rename = "connect/handshake")]
    Connect,
    /// Probes on an idle connection.
    #[serde(rename = "tcp-keepalive")]
    TcpKeepalive,
    /// A limit on age or number of requests.
    #[serde(rename = "max-lifetime")]
    MaxLifetime,
    /// A state of TCP itself.
    #[serde(rename = "kernel-state")]
    KernelState,
}

impl TimeoutRole {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerIdle => "server-idle",
            Self::ClientPoolIdle => "client-pool-idle",
            Self::ProxyFrontendIdle => "proxy-frontend-idle",
            Self::ProxyUpstreamIdle => "proxy-upstream-idle",
            Self::MiddleboxFlowIdle => "middlebox-flow-idle",
            Self::RequestTimeout => "request-timeout",
            Self::RequestRead => "header/read-timeout",
            Self::Connect => "connect/handshake",
            Self::TcpKeepalive => "tcp-keepalive",
            Self::MaxLifetime => "max-lifetime",
            Self::KernelState => "kernel-state",
        }
    }

    /// It ends connections from the accepting side while they wait for a request.
    pub const fn ends_as_server(self) -> bool {
        matches!(self, Self::ServerIdle | Self::ProxyFrontendIdle)
    }

    /// It ends connections from the connecting side while they wait for use.
    pub const fn ends_as_client(self) -> bool {
        matches!(self, Self::ClientPoolIdle | Self::ProxyUpstreamIdle)
    }
}

/// What the wire shows when a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum AtExpiry {
    /// A FIN.
    Fin,
    /// A RST, unprovoked.
    Rst,
    /// The protocol's own goodbye (GOAWAY, 57P05, Terminate, a WebSocket close) before the FIN.
    Farewell,
    /// Nothing; later packets find no state and are dropped.
    Silence,
    /// Nothing; the next packet is answered by a RST.
    RstOnNext,
    /// Nothing; the age is looked at when the connection is wanted again, and a new one is opened instead.
    AtNextUse,
    /// `Connection: close` on a response.
    ConnectionClose,
    /// A probe or a heartbeat.
    Probe,
    /// Nothing at all on the wire.
    Local,
    /// There is no limit.
    Never,
    /// An HTTP response of this status.
    Status(u16),
}

impl AtExpiry {
    /// A few words for a reader.
    pub fn describe(self) -> String {
        match self {
            Self::Fin => "FIN".to_owned(),
            Self::Rst => "RST".to_owned(),
            Self::Farewell => "the protocol's goodbye".to_owned(),
            Self::Silence => "nothing; later packets are dropped".to_owned(),
            Self::RstOnNext => "nothing; the next packet draws a RST".to_owned(),
            Self::AtNextUse => "nothing until the connection is wanted again".to_owned(),
            Self::ConnectionClose => "Connection: close on a response".to_owned(),
            Self::Probe => "a probe".to_owned(),
            Self::Local => "nothing on the wire".to_owned(),
            Self::Never => "never ends it".to_owned(),
            Self::Status(code) => format!("HTTP {code}"),
        }
    }
}

impl TryFrom<String> for AtExpiry {
    type Error = String;
    fn try_from(word: String) -> Result<Self, String> {
        Ok(match word.as_str() {
            "fin" => Self::Fin,
            "rst" => Self::Rst,
            "farewell" => Self::Farewell,
            "silence" => Self::Silence,
            "rst-on-next" => Self::RstOnNext,
            "at-next-use" => Self::AtNextUse,
            "connection-close" => Self::ConnectionClose,
            "probe" => Self::Probe,
            "local" => Self::Local,
            "never" => Self::Never,
            other => match other.parse() {
                Ok(code) if (400..600).contains(&code) => Self::Status(code),
                _ => return Err(format!("at_expiry `{other}` is not known")),
            },
        })
    }
}

impl From<AtExpiry> for String {
    fn from(at: AtExpiry) -> Self {
        match at {
            AtExpiry::Fin => "fin".into(),
            AtExpiry::Rst => "rst".into(),
            AtExpiry::Farewell => "farewell".into(),
            AtExpiry::Silence => "silence".into(),
            AtExpiry::RstOnNext => "rst-on-next".into(),
            AtExpiry::AtNextUse => "at-next-use".into(),
            AtExpiry::ConnectionClose => "connection-close".into(),
            AtExpiry::Probe => "probe".into(),
            AtExpiry::Local => "local".into(),
            AtExpiry::Never => "never".into(),
            AtExpiry::Status(code) => code.to_string(),
        }
    }
}

/// How a measured idle may be held against the figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// It is the figure.
    #[default]
    Exact,
    /// It lies between `observed_s` and `observed_max_s`.
    Range,
    /// The figure is a lower bound: only the next use or packet shows that it has passed.
    AtLeast,
    /// Not at all.
    None,
}

/// One known timeout. Durations are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownTimeout {
    /// Unique name.
    pub id: String,
    /// Product.
    pub product: String,
    /// Part of the product.
    #[serde(default)]
    pub component: String,
    /// Name of the setting.
    pub setting: String,
    /// Documented default; absent where there is no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_s: Option<f64>,
    /// What a capture shows where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_s: Option<f64>,
    /// The longest that a capture shows, for timers that are polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_max_s: Option<f64>,
    /// Whose timer.
    pub role: TimeoutRole,
    /// What the wire shows.
    #[serde(default = "fin_only")]
    pub at_expiry: Vec<AtExpiry>,
    /// How to compare.
    #[serde(default, rename = "match")]
    pub comparison: Comparison,
    /// The setting, with an example value (see [`KnownTimeout::setting_line`]).
    #[serde(default)]
    pub change: String,
    /// What else to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the figure comes from.
    #[serde(default)]
    pub source: String,
    /// First version with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Last version with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Names by which `align` and `--stack` know the product.
    #[serde(default)]
    pub words: Vec<String>,
    /// What it speaks: `http` (any version, also under TLS), `http/2`, `websocket`, `postgresql`, `mysql`, `redis`, `database` (any), `other`, `any`.
    #[serde(default = "http_only")]
    pub speaks: Vec<String>,
    /// Ports on which it usually listens.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Words of a `Server:` header that name it.
    #[serde(default)]
    pub server: Vec<String>,
    /// Words of a `Via:` header that name it.
    #[serde(default)]
    pub via: Vec<String>,
    /// Words of a `User-Agent:` that name it.
    #[serde(default)]
    pub user_agent: Vec<String>,
    /// It sends no `Server:` header of its own.
    #[serde(default)]
    pub silent: bool,
    /// A proxy that hands on the `Server:` header of what is behind it (RFC 9110 section 10.2.4: it names the origin server).
    #[serde(default)]
    pub passes_server: bool,
    /// The same timer ends responses that are slow to come, so that it can't be lowered freely.
    #[serde(default)]
    pub ends_responses: bool,
    /// Its `Keep-Alive: timeout=` with the default in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announces_s: Option<f64>,
    /// How much later than announced it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_s: Option<f64>,
}

fn fin_only() -> Vec<AtExpiry> {
    vec![AtExpiry::Fin]
}

fn http_only() -> Vec<String> {
    vec!["http".to_owned()]
}

impl KnownTimeout {
    /// The shortest and the longest idle that a capture shows of the default; `None` without a default.
    pub fn seen_s(&self) -> Option<(f64, f64)> {
        let low = self.observed_s.or(self.default_s)?;
        Some((low, self.observed_max_s.unwrap_or(low).max(low)))
    }

    /// What the wire shows at expiry, for a reader.
    pub fn on_the_wire(&self) -> String {
        let words: Vec<_> = self.at_expiry.iter().map(|at| at.describe()).collect();
        match words.as_slice() {
            [one] => one.clone(),
            [first, second] if *first == AtExpiry::Farewell.describe() => {
                format!("{first}, then {second}")
            }
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            _ => "not known".to_owned(),
        }
    }

    /// The setting with the example value of the table.
    pub fn example_line(&self) -> String {
        example(&self.change)
    }

    /// The setting with this value, or `None` where the product can't be set, or not to so short a time.
    pub fn setting_line(&self, seconds: f64) -> Option<String> {
        if self.change.is_empty() || self.change.starts_with('(') {
            return None;
        }
        takes_a_value(&self.change)
            .then(|| fill(&self.change, seconds))
            .flatten()
    }

    /// The bytes of a connection of this protocol and server port can be this product's. `None`: can't tell.
    pub fn speaks_protocol(&self, protocol: Protocol, port: Option<u16>) -> Option<bool> {
        if self.speaks.iter().any(|word| word == "any") {
            return Some(true);
        }
        let on_port = port.is_some_and(|p| self.ports.contains(&p));
        let says = |words: &[&str]| self.speaks.iter().any(|w| words.contains(&w.as_str()));
        match protocol {
            Protocol::Http1 => Some(says(&["http"])),
            Protocol::Http2 => Some(says(&["http", "http/2"])),
            Protocol::WebSocket => Some(says(&["http", "websocket"])),
            Protocol::PostgreSql => Some(says(&["postgresql", "database"])),
            Protocol::MySql => Some(says(&["mysql", "database"])),
            Protocol::Redis => Some(says(&["redis"])),
            // Inside TLS anything can be; a port that the product is known by speaks for it.
            Protocol::Tls | Protocol::Opaque => {
                if on_port {
                    Some(true)
                } else if !self.ports.is_empty() {
                    Some(false)
                } else if protocol == Protocol::Tls && says(&["http", "http/2", "websocket"]) {
                    Some(true)
                } else {
                    None
                }
            }
        }
    }

    pub(super) fn matches_search(&self, word: &str) -> bool {
        let seconds = |v: Option<f64>| v.is_some_and(|v| format!("{v}") == word);
        [
            &self.id,
            &self.product,
            &self.component,
            &self.setting,
            &self.change,
        ]
        .iter()
        .any(|text| text.to_lowercase().contains(word))
            || self.role.as_str().contains(word)
            || self.words.iter().any(|w| w.to_lowercase() == word)
            || seconds(self.default_s)
            || seconds(self.observed_s)
            || self.default_s.is_some_and(|v| format!("{v}s") == word)
    }
}
