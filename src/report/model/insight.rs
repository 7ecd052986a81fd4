//! What many connections together say: timers, who keeps connections longer, what to change.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::Confidence;

/// An idle timeout, inferred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdleTimeout {
    /// Whose.
    pub endpoint: IdleEndpoint,
    /// `server`, `client` or `path`.
    pub role: String,
    /// `fin`, `rst` or `silence`.
    pub closes_by: String,
    /// Which silence fits: `application` (since the last request or response), `data` (since any new payload, pings included) or
    /// `wire` (since any packet).
    pub clock: String,
    /// Best estimate; absent where no fixed timer fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_s: Option<f64>,
    /// Lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_s: Option<f64>,
    /// Upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_s: Option<f64>,
    /// Closes that it rests on.
    pub closes: u64,
    /// Longest silence after which a connection still worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survived_longest_s: Option<f64>,
    /// Silences survived.
    #[serde(default)]
    pub survivals: u64,
    /// Spread of the closes (largest minus smallest that the timer explains).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_s: Option<f64>,
    /// `Keep-Alive: timeout=`, where the peer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_s: Option<f64>,
    /// How sure.
    pub confidence: Confidence,
    /// One sentence: the estimate with its counts, or why no fixed timer fits.
    pub text: String,
    /// Why no fixed timer fits: `restart`, `max-age`, `max-requests`, `irregular`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_timer: Option<String>,
    /// Every idle before close, for pictures (at most 500), in seconds, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples_s: Vec<f64>,
    /// Products whose default fits, best first.
    #[serde(default)]
    pub matches: Vec<TimeoutMatch>,
}

/// Whose timer: an address, and a port where the role has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct IdleEndpoint {
    /// Address.
    pub addr: IpAddr,
    /// Port of the server (for a client pool: the port that it connects to).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// A known timeout that fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeoutMatch {
    /// Id in the table.
    pub id: String,
    /// Product.
    pub product: String,
    /// Setting.
    pub setting: String,
    /// Documented default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_s: Option<f64>,
    /// What names it besides the number: `server`, `via` or `user-agent` (a header), `announced` (its `Keep-Alive: timeout`),
    /// `port`. With none of them, other products with the same default are as likely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named_by: Vec<String>,
    /// What speaks for it and against it.
    pub why: String,
    /// Where the figure comes from.
    pub source: String,
}

/// A client's patience against its server's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alignment {
    /// Client address.
    pub client: String,
    /// Server address and port.
    pub server: String,
    /// How long the client keeps and reuses idle connections, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_keeps_s: Option<f64>,
    /// How long the server keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_keeps_s: Option<f64>,
    /// `ok`, `broken`, `at-risk` or `unknown`.
    pub verdict: String,
    /// The rule and both numbers.
    pub why: String,
}

/// A piece of advice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// `a1` …
    pub id: String,
    /// Which side has to change: `client`, `server`, `path`, `none`.
    pub change: String,
    /// What to do, in one clause that names the endpoint.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// Why, and what to do, with numbers.
    pub text: String,
    /// The very lines.
    #[serde(default)]
    pub settings: Vec<SettingLine>,
    /// What will not help, where people often try it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub will_not_help: Option<String>,
    /// Findings that it would have prevented.
    pub because: Vec<String>,
}

/// A setting line of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingLine {
    /// Product.
    pub product: String,
    /// The line.
    pub line: String,
}
