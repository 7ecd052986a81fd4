//! The report: the product. Every output is a view of one [`Report`] value and knows no more than it does.
//!
//! Its JSON form is a public contract: [`SCHEMA_VERSION`] names it, `whyrst schema` prints it, and within a version it is only
//! ever extended. Times are RFC 3339 UTC strings with nanoseconds; durations are seconds and end in `_s`; what is not known is absent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dialogue::Protocol;
use crate::flow::{Orientation, Peer};
use crate::time::Timestamp;
use crate::verdict::{
    Cause, Confidence, Effect, Form, Harm, IdleKind, ResetSender, RetrySafety, TriggerKind,
};

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureSummary {
    /// Path as given, `-` for standard input, or the interface's name.
    pub path: String,
    /// A name for the place of capture, where the user gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vantage: Option<String>,
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
    /// Second sightings of one packet (`-i any`, bridges).
    pub duplicates_removed: u64,
    /// Packets that the kernel or the interface dropped while capturing, where known.
    pub dropped_by_kernel: u64,
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

/// An address and port.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Endpoint {
    /// Address.
    pub addr: IpAddr,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::net::SocketAddr::new(self.addr, self.port).fmt(f)
    }
}

/// How much of the handshake was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HandshakeSeen {
    /// SYN, SYN-ACK and ACK.
    Seen,
    /// Some of it.
    Partly,
    /// None: the capture began later.
    Unseen,
}

/// The connection of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionId {
    /// Who opened it.
    pub client: Endpoint,
    /// Who was connected to.
    pub server: Endpoint,
    /// Wireshark's `tcp.stream` in the finding's capture.
    pub stream: u32,
    /// Community ID v1 (of the innermost addresses).
    pub community_id: String,
    /// When it was first seen.
    pub opened: Timestamp,
    /// How much of the handshake was seen.
    pub handshake: HandshakeSeen,
    /// How client and server were told apart.
    pub orientation: Orientation,
}

/// A reset event or a hang-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `r1`, `r2` … for resets, `h1` … for hang-ups.
    pub id: String,
    /// The connection.
    pub connection: ConnectionId,
    /// Time of the RST (or of the FIN, or of the first packet that met silence).
    pub at: Timestamp,
    /// Index into `captures`.
    pub capture: u16,
    /// Frame of the RST or FIN.
    pub frame: u32,
    /// RST packets of this event.
    pub packets: u64,
    /// Frames of all RST packets of this event (at most 10,000).
    pub frames: Vec<u32>,
    /// Shape of the RST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Who really made it; absent for hang-ups in which nobody reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<ResetSender>,
    /// Whose address it bears (for a hang-up: who sent the FIN).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_sender: Option<Peer>,
    /// How sure `sender` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_confidence: Option<Confidence>,
    /// Whether it ended the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Why.
    pub cause: Cause,
    /// How sure `cause` is.
    pub confidence: Confidence,
    /// A finer name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What else it could be, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// The packet that it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// The silence before it.
    pub idle: Idle,
    /// FINs seen before it (for a hang-up: the FINs).
    pub fins: Fins,
    /// What it cost.
    pub harm: Harm,
    /// Whether and how the request may be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The request in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestInFlight>,
    /// Who suffered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victim: Option<Peer>,
    /// What the victim's runtime prints, by runtime.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub victim_errors: BTreeMap<String, String>,
    /// What speaks for the verdict.
    pub evidence: Vec<Evidence>,
    /// What speaks against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_against: Vec<Evidence>,
    /// One or two plain sentences.
    pub explanation: String,
    /// Ids of `advice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
    /// Display filter that shows the connection.
    pub wireshark_filter: String,
    /// Text that the RST carried (RFC 9293 SHLD-2), printable characters only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_text: Option<String>,
    /// For a folded entry: how many connections it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// For a folded entry: time of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// For a folded entry: time of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The other hop of the same failure, where the capture shows a proxy's both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop: Option<Hop>,
    /// The kernel's own word, while live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelWord>,
    /// The packets that matter, for ladders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ladder: Vec<LadderStep>,
}

/// Another cause that fits, and what would tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// The rival.
    pub cause: Cause,
    /// The one observation that would separate them.
    pub decided_by: String,
}

/// The packet that a RST answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trigger {
    /// Its frame; absent for `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u32>,
    /// What it was.
    pub kind: TriggerKind,
    /// Who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Peer>,
}

/// The silence before the trigger, or before the RST where nothing triggered it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Idle {
    /// What was being waited for.
    pub kind: IdleKind,
    /// Seconds since the last application activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_s: Option<f64>,
    /// Seconds since any packet of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_s: Option<f64>,
    /// Frame of the last application activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_frame: Option<u32>,
    /// Who sent that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_from: Option<Peer>,
    /// Keepalive probes seen in that silence.
    pub keepalive_probes: u32,
}

/// FINs by who sent them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fins {
    /// The client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Fin>,
    /// The server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Fin>,
}

/// A FIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fin {
    /// Its frame.
    pub frame: u32,
    /// Its time.
    pub at: Timestamp,
}

/// Whether the request may be sent again, and whether it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// The answer.
    pub safe: RetrySafety,
    /// The reason.
    pub why: String,
    /// The same request on another connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<RetrySeen>,
}

/// A retry that the capture shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RetrySeen {
    /// `tcp.stream` of the retry.
    pub stream: u32,
    /// Frame of its first byte.
    pub frame: u32,
    /// Seconds after the loss.
    pub after_s: f64,
    /// The retry was answered: the application may never have noticed.
    pub answered: bool,
    /// The first copy may have been executed as well.
    pub may_have_run_twice: bool,
}

/// The request that was in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestInFlight {
    /// Protocol.
    pub protocol: Protocol,
    /// `POST /orders`, without query; absent where it can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The peer's stack acknowledged all of it.
    pub acked: bool,
    /// Any of its response was seen.
    pub answered: bool,
    /// Server name, where TLS shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// A fact and the frames that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The fact.
    pub text: String,
    /// Its frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<u32>,
}

/// The other side of a proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// `front` when this finding is what the proxy's client saw, `back` when it is what the proxy saw of its upstream.
    pub side: String,
    /// `tcp.stream` of the other hop's connection.
    pub stream: u32,
    /// The finding on the other hop, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// What the front client got: an HTTP status such as `502` or `504`; `reset`, `closed` or `truncated`; `retried` where the
    /// proxy asked again on another back connection and the front client never noticed.
    pub outcome: String,
    /// What ties both together.
    pub tied_by: String,
}

/// What the Linux kernel said of this RST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelWord {
    /// `reason=` of `tcp:tcp_send_reset` or `tcp:tcp_receive_reset`; absent when the kernel sent nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Socket state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Process that owned the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// One packet of a ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LadderStep {
    /// Frame.
    pub frame: u32,
    /// Seconds from the connection's first packet.
    pub at_s: f64,
    /// Who sent it.
    pub from: Peer,
    /// tcpdump's flags: `S`, `S.`, `P.`, `F.`, `R`.
    pub flags: String,
    /// Sequence number relative to the first one.
    pub seq: i64,
    /// Acknowledgement relative to the peer's first sequence number, where ACK is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<i64>,
    /// Payload bytes.
    pub len: u32,
    /// What it is: `request`, `response`, `keepalive probe`, `retransmission` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its part in the story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<LadderMark>,
    /// Packets left out before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_before: u64,
}

/// A packet's part in the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LadderMark {
    /// The last application activity before the silence.
    LastActivity,
    /// The FIN.
    Fin,
    /// What the RST answers.
    Trigger,
    /// The RST.
    Rst,
}

/// An idle timeout, inferred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdleTimeout {
    /// Whose.
    pub endpoint: IdleEndpoint,
    /// `server`, `client` or `path`.
    pub role: String,
    /// `fin`, `rst` or `silence`.
    pub closes_by: String,
    /// Which silence fits: `application` or `wire`.
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

impl Finding {
    /// It cost somebody a request or a response.
    pub fn is_harmful(&self) -> bool {
        matches!(
            self.harm,
            Harm::RequestLost | Harm::RequestOutcomeUnknown | Harm::ResponseTruncated
        )
    }
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
