//! One reset or hang-up, and all that is known of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_false, is_zero};
use crate::dialogue::Protocol;
use crate::flow::{Orientation, Peer};
use crate::report::Cost;
use crate::time::Timestamp;
use crate::verdict::{
    Cause, Confidence, Effect, Form, Harm, IdleKind, Passage, ResetSender, RetrySafety, TriggerKind,
};

/// Words that mostly are the same in many findings: those are not copied.
pub type Text = Cow<'static, str>;

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
        SocketAddr::from(*self).fmt(f)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(at: SocketAddr) -> Self {
        Self {
            addr: at.ip(),
            port: at.port(),
        }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(Endpoint { addr, port }: Endpoint) -> Self {
        Self::new(addr, port)
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

/// A connection in another capture than the finding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StreamElsewhere {
    /// Index into `captures`.
    pub capture: u16,
    /// Wireshark's `tcp.stream` there.
    pub stream: u32,
}

/// A frame of another capture than the finding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FrameElsewhere {
    /// Index into `captures`.
    pub capture: u16,
    /// Its number there.
    pub frame: u32,
}

/// The server that a client called, where a rule of the capturing host (a sidecar proxy's REDIRECT) led it to another one, or where the
/// server's packets came under the address of the one behind it (detail `untranslated`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CalledServer {
    /// Its address and port. After a redirection answers bear them in the capture.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// Wireshark's `tcp.stream` of the packets that bear them, in the finding's capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<u32>,
}

/// The connection of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionId {
    /// Who opened it.
    pub client: Endpoint,
    /// Who was connected to.
    pub server: Endpoint,
    /// The server that the client called, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<CalledServer>,
    /// Wireshark's `tcp.stream` in the finding's capture; where the client `called` another server, of what it sent.
    pub stream: u32,
    /// The same in other captures that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<StreamElsewhere>,
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
    /// Those of them that only other captures show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<FrameElsewhere>,
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
    /// Which captures show it, where two were taken between client and server and something follows from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage>,
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
    /// `harm` is `none` as far as was captured, and the capture does not show enough of what was said to tell.
    #[serde(default, skip_serializing_if = "is_false")]
    pub harm_unclear: bool,
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
    pub victim_errors: BTreeMap<Text, Text>,
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
    /// The capture of that frame, as index into `captures`, where that is another one than the finding's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<u16>,
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
    /// The capture of that frame, as index into `captures`, where that is another one than the finding's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_capture: Option<u16>,
    /// Who sent that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_from: Option<Peer>,
    /// Keepalive probes seen in that silence.
    pub keepalive_probes: u32,
}

impl Idle {
    /// Nothing was waited for.
    pub(crate) const NONE: Self = Self {
        kind: IdleKind::None,
        application_s: None,
        wire_s: None,
        since_frame: None,
        since_capture: None,
        last_from: None,
        keepalive_probes: 0,
    };
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
    /// The capture of that frame, as index into `captures`, where that is another one than the finding's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<u16>,
    /// Its time.
    pub at: Timestamp,
    /// It is MPTCP's DATA_FIN, which closes the connection on all subflows; this one's own FIN comes later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_fin: bool,
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
    /// The capture of both, as index into `captures`, where that is another one than the finding's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<u16>,
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
    /// Its frames in other captures than the finding's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<FrameElsewhere>,
}

/// The other side of a proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// `front` when this finding is what the proxy's client saw, `back` when it is what the proxy saw of its upstream.
    pub side: String,
    /// `tcp.stream` of the other hop's connection.
    pub stream: u32,
    /// The capture of that stream, as index into `captures`, where that is another one than the finding's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<u16>,
    /// The server of that connection.
    pub server: Endpoint,
    /// The finding on the other hop, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// What the front client got: an HTTP status such as `502` or `504`; `reset`, `closed` or `truncated`; `retried` where the
    /// proxy asked again on another back connection and the front client never noticed; `answered` where the front is encrypted and
    /// shows no more than that something came back.
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
    /// The capture that it is of, as index into `captures`, where that is another one than the finding's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<u16>,
    /// Seconds from the connection's first packet.
    pub at_s: f64,
    /// Who sent it.
    pub from: Peer,
    /// tcpdump's flags: `S`, `S.`, `P.`, `F.`, `R`.
    pub flags: Text,
    /// Sequence number relative to the first one.
    pub seq: i64,
    /// Acknowledgement relative to the peer's first sequence number, where ACK is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<i64>,
    /// Payload bytes.
    pub len: u32,
    /// What it is: `request`, `response`, `keepalive probe`, `retransmission` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
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

impl Finding {
    /// It cost somebody a request or a response.
    pub const fn is_harmful(&self) -> bool {
        Cost::of(self).is_harmful()
    }
}
