//! The report: the product. Every output is a view of one [`Report`] value and knows no more than it does.
//!
//! Its JSON form is a public contract: [`SCHEMA_VERSION`] names it, `whyrst schema` prints it, and within a version it is only
//! ever extended. Times are RFC 3339 UTC strings with nanoseconds; durations are seconds and end in `_s`; what is not known is absent.

mod finding;
mod insight;

use super::Cost;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::verdict::Cause;

pub use finding::*;
pub use insight::*;

/// Version of the JSON contract.
pub const SCHEMA_VERSION: &str = "1.0";

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = chrono::DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        time.timestamp_nanos_opt()
            .map(Timestamp::from_nanos)
            .ok_or_else(|| serde::de::Error::custom("time out of range"))
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339, UTC, nanoseconds"
        })
    }
}

/// What an analysis says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this contract.
    pub schema_version: String,
    /// What wrote it.
    pub tool: Tool,
    /// Title, ticket and note, where the user gave them.
    #[serde(default, skip_serializing_if = "Heading::is_empty")]
    pub heading: Heading,
    /// The files or interfaces that were read.
    pub captures: Vec<CaptureSummary>,
    /// Totals.
    pub summary: Summary,
    /// Every reset event, in order of time.
    pub resets: Vec<Finding>,
    /// Every connection that ended badly without a RST, in order of time.
    pub hang_ups: Vec<Finding>,
    /// Idle timeouts inferred.
    #[serde(default)]
    pub idle_timeouts: Vec<IdleTimeout>,
    /// How long clients keep connections against how long servers do.
    #[serde(default)]
    pub alignment: Vec<Alignment>,
    /// What to change.
    #[serde(default)]
    pub advice: Vec<Advice>,
    /// One row per connection, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<ConnectionRow>>,
    /// What limits what this report can say (dropped packets, evicted connections, damage).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `whyrst`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This build.
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The user's own words on top of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heading {
    /// `--title`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `--ticket`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// `--note`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Heading {
    /// Nothing was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One file or interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureSummary {
    /// Path as given, `-` for standard input, or the interface's name.
    pub path: String,
    /// A name for the place of capture, where the user gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vantage: Option<String>,
    /// The filter expression of libpcap that let packets pass, where one was given: stream numbers count the connections of those alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// `pcap`, `pcapng` or `live`.
    pub format: String,
    /// `none`, `gzip`, `zstd` or `lz4`.
    pub compression: String,
    /// Link types seen, by name (`EN10MB`), in order of appearance.
    pub link_types: Vec<String>,
    /// Time of the first frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Time of the last frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Frames read.
    pub frames: u64,
    /// TCP segments among them (before filters).
    pub tcp_segments: u64,
    /// Frames that the snap length cut.
    pub truncated_frames: u64,
    /// Frames whose link type or encapsulation is not understood.
    pub undecoded_frames: u64,
    /// Second sightings of one packet (`-i any`, bridges, another place's capture).
    pub duplicates_removed: u64,
    /// Packets that the kernel or the interface dropped while capturing, where known.
    pub dropped_by_kernel: u64,
    /// Seconds between the times that the capture's clock shows, where those are 1 ms or more: shorter times say nothing. 86,400 where it
    /// always shows one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_step_s: Option<f64>,
    /// What was wrong with the file and where; absent when whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// Totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Connections (and attempts) seen.
    pub connections: u64,
    /// Reset events; a folded entry counts as one.
    pub resets: u64,
    /// Bad endings without a RST.
    pub hang_ups: u64,
    /// Findings that cost somebody a request or a response.
    pub harmful: u64,
    /// Findings that cost nothing.
    pub benign: u64,
    /// Findings of which the capture does not show enough to tell whether they cost anything; see `harm_unclear`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unclear: u64,
    /// Connections refused.
    pub refused: u64,
    /// Findings by cause.
    pub by_cause: BTreeMap<Cause, u64>,
    /// Connections forgotten early because memory was short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evicted_connections: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Summary {
    /// Counts a finding.
    pub fn add(&mut self, finding: &Finding) {
        *self.by_cause.entry(finding.cause).or_default() += 1;
        match Cost::of(finding) {
            Cost::OutcomeUnknown | Cost::ResponseTruncated | Cost::RequestLost => {
                self.harmful += 1;
            }
            Cost::Refused => self.refused += finding.connections.unwrap_or(1),
            Cost::Unclear => self.unclear += 1,
            Cost::Nothing => self.benign += 1,
        }
    }
}

/// One connection in Zeek's words. Where Zeek would have forgotten it in between (after a RST, a close or a long silence) and
/// then seen more, it has several rows with one stream number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionRow {
    /// Wireshark's `tcp.stream`.
    pub stream: u32,
    /// Index into `captures`.
    pub capture: u16,
    /// Originator.
    pub client: Endpoint,
    /// Responder.
    pub server: Endpoint,
    /// When it was first seen.
    pub opened: Timestamp,
    /// Seconds to its last packet; as with Zeek, what comes after both sides had closed does not count.
    pub duration_s: f64,
    /// Zeek's `conn_state`.
    pub conn_state: String,
    /// Zeek's `history`: `s` SYN, `h` SYN,ACK, `a` ACK, `d` data, `f` FIN, `r` RST, `t` retransmission, `w` window of zero,
    /// `q` and `i` flags that don't go together; upper case by the client. `^`: by its ports the side that spoke first is the
    /// server. Zeek's `c` (checksum) and `g` (gap) are not told.
    pub history: String,
    /// Packets by the client.
    pub client_packets: u64,
    /// Packets by the server.
    pub server_packets: u64,
    /// Payload bytes by the client.
    pub client_bytes: u64,
    /// Payload bytes by the server.
    pub server_bytes: u64,
    /// Finding on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
}

impl Report {
    /// Resets, then hang-ups.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.resets.iter().chain(&self.hang_ups)
    }

    /// The finding of that id.
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings().find(|finding| finding.id == id)
    }
}
