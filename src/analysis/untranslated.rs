//! Packets of a connection that came under another server's name, because an address translation on their way was missing.
//!
//! Behind a published address (a Kubernetes service, a balancer, a forwarded port) answers bear the address of the server behind it
//! until whoever translates puts the published one there. Where he has forgotten the connection, or takes the packet for invalid (Linux:
//! `nf_conntrack` and a sequence number outside the window that it knows), they come as they are: the client's host knows no such
//! connection and resets it, and its program waits in vain. The addresses differ; the client's port and both sides' numbers go on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::analysis::display_filter::{self, FindBy};
use crate::analysis::finding::{elsewhere, endpoint, own};
use crate::analysis::judges::{Held, Tracked};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::{Packet, Peer};
use crate::report::{
    Alternative, CalledServer, Evidence, Finding, HandshakeSeen, Idle, StreamElsewhere,
    capture_if_other,
};
use crate::time::{Interval, Timestamp};
use crate::verdict::runtime_errors::{Met, messages};
use crate::verdict::{Cause, Confidence, Form, Harm, IdleKind};

/// Numbers of one connection are no farther apart than what is lost or said meanwhile; by chance, one in 2^30 fits.
const NEAR: u32 = 1 << 16;
/// A translation is not forgotten sooner. Chosen; Linux keeps connections for 10 s at least (`nf_conntrack_tcp_timeout_close`), but for
/// what its administrator says.
const FORGOTTEN: Interval = Interval::from_millis(1_000);

/// Of one client's port, so many are held against its connections; more is no accident.
const OF_ONE_PORT: usize = 64;

/// A server's packet that its receiver's host reset, of a connection of which nothing else is known.
struct Stray {
    finding: usize,
    packet: Packet,
    /// Who it came from.
    from: SocketAddr,
}

/// Of which connections' findings are told, among which others, and how their packets are found.
pub struct Among<'a> {
    pub judged: &'a [Held<'a>],
    pub connections: &'a [Held<'a>],
    pub by: FindBy,
}

/// Tells findings about packets that came untranslated with the connection that they belong to. What followed there, its client's vain
/// wait or a RST of the server, is the same loss: where all findings are known (`whole`), it is told once.
pub fn tell(findings: &mut Vec<Finding>, among: &Among<'_>, whole: bool) {
    let strays = strays(findings, among.judged);
    if strays.is_empty() {
        return;
    }
    let losses = match whole {
        true => losses(findings),
        false => BTreeMap::new(),
    };
    let mut waits = BTreeSet::new();
    for held in among.connections {
        let ends = held.ends();
        let strays = strays.get(&ends.client).into_iter().flatten();
        let mut strays = strays
            .filter(|stray| stray.from != ends.server.into())
            .peekable();
        if strays.peek().is_none() {
            continue;
        }
        let known = held.known();
        for stray in strays.filter(|stray| belongs(&known, stray)) {
            let places = losses.get(&name_of(held)).into_iter().flatten();
            let its = places.filter_map(|&place| Some((place, findings.get(place)?)));
            let mut after = its.filter(|(_, finding)| finding.at >= stray.packet.head.time);
            let after = after.next();
            let after = after.map(|(place, finding)| (place, finding.clone()));
            let Some(finding) = findings.get_mut(stray.finding) else {
                continue;
            };
            retell(finding, &known, stray, among.by);
            if stray.opens() {
                continue;
            }
            let Some((place, loss)) = after else {
                continue;
            };
            if loss.form.is_some() {
                no_loss_of_its_own(finding);
                let told = finding.clone();
                if let Some(reset) = findings.get_mut(place) {
                    retell_reset(reset, &told);
                }
            } else if waits.insert(place) {
                with_wait(finding, loss);
            }
        }
    }
    let mut place = 0;
    findings.retain(|_| {
        place += 1;
        !waits.contains(&(place - 1))
    });
}

impl Stray {
    /// A SYN-ACK.
    fn opens(&self) -> bool {
        self.packet.head.flags.syn()
    }
}

/// By the client that did not know them.
fn strays(findings: &[Finding], judged: &[Held]) -> BTreeMap<(IpAddr, u16), Vec<Stray>> {
    let is_candidate = |finding: &&Finding| {
        finding.form == Some(Form::Reply)
            && finding.claimed_sender.is_some()
            && (finding.connection.handshake == HandshakeSeen::Unseen
                || finding.cause == Cause::HandshakeAborted)
    };
    let candidates = findings.iter().enumerate();
    let candidates: BTreeMap<Name, usize> = candidates
        .filter(|(_, finding)| is_candidate(finding))
        .map(|(place, finding)| (connection_of(finding), place))
        .collect();
    let mut strays: BTreeMap<_, Vec<Stray>> = BTreeMap::new();
    if candidates.is_empty() {
        return strays;
    }
    for held in judged {
        let Some(&finding) = candidates.get(&name_of(held)) else {
            continue;
        };
        let Some(receiver) = findings.get(finding).and_then(|f| f.claimed_sender) else {
            continue;
        };
        let known = held.known();
        // Scanners ask many with one number.
        if known.directions.of(receiver).syns > 0 {
            continue;
        }
        let packets = known.packets();
        let mut came = packets.iter().filter(|packet| packet.from != receiver);
        let ends = held.ends();
        if let Some(packet) = came.find(|packet| packet.head.flags.ack()) {
            let its: &mut Vec<Stray> = strays.entry(*ends.of(receiver)).or_default();
            if its.len() < OF_ONE_PORT {
                its.push(Stray {
                    finding,
                    packet: *packet,
                    from: (*ends.of(receiver.other())).into(),
                });
            }
        }
    }
    strays
}

/// By their connection.
fn losses(findings: &[Finding]) -> BTreeMap<Name, Vec<usize>> {
    let mut losses: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate() {
        if is_its_loss(finding) {
            losses
                .entry(connection_of(finding))
                .or_default()
                .push(place);
        }
    }
    losses
}

/// A connection by its ends and when it opened: of a rotated set, its number is another one in each file.
type Name = (SocketAddr, SocketAddr, Timestamp);

fn connection_of(finding: &Finding) -> Name {
    let id = &finding.connection;
    (id.client.into(), id.server.into(), id.opened)
}

fn name_of(held: &Held) -> Name {
    let ends = held.ends();
    (ends.client.into(), ends.server.into(), held.opened())
}

/// The packet goes on where that connection stands, and is none of those that it has.
fn belongs(connection: &Tracked, stray: &Stray) -> bool {
    let directions = &connection.directions;
    if stray.opens() {
        let asked = directions.client.iss.map(|iss| iss + 1);
        return directions.server.packets == 0 && asked == Some(stray.packet.head.ack);
    }
    let (Some(said), Some(asked)) = (directions.server.snd_nxt, directions.client.snd_nxt) else {
        return false;
    };
    let head = &stray.packet.head;
    let ahead = head.seq.0.wrapping_sub(said.0);
    let since = asked.0.wrapping_sub(head.ack.0);
    connection.opened <= head.time
        && (ahead <= NEAR || ahead.wrapping_neg() <= NEAR)
        && since <= NEAR
        && !connection.packets().iter().any(|packet| {
            let known = &packet.head;
            packet.from == Peer::Server
                && (known.seq, known.payload_len) == (head.seq, head.payload_len)
        })
}

/// The client waited in vain for what was reset, or the server's host no longer knew what its client had reset.
fn is_its_loss(finding: &Finding) -> bool {
    match finding.form {
        None => finding.victim == Some(Peer::Client) && finding.is_harmful(),
        Some(Form::Reply) => {
            finding.claimed_sender == Some(Peer::Server)
                && matches!(finding.cause, Cause::HalfOpen | Cause::IdleExpiredSilently)
        }
        Some(_) => false,
    }
}

fn retell(finding: &mut Finding, connection: &Tracked, stray: &Stray, by: FindBy) {
    finding.detail = Some("untranslated".to_owned());
    // What its own stream misses, the other one has; and no program saw the RST but the server's.
    finding.evidence_against.clear();
    finding.victim_errors.clear();
    let called = SocketAddr::from(connection.server);
    let goes_on = if stray.opens() {
        retell_opening(finding, called, stray.from);
        format!(
            "it acknowledges the SYN that the client sent to {called} from the same port, and which nobody else answered"
        )
    } else {
        retell_later(finding, connection, stray);
        format!(
            "the client port of the connection with {called}, whose server's and client's numbers go on with this packet"
        )
    };
    let frames = [stray.packet.head.frame];
    let goes_on = shown_by(goes_on, &frames, finding.capture);
    finding.evidence.insert(0, goes_on);
    name(finding, connection);
    finding.wireshark_filter = display_filter::of_connection(by, &finding.connection);
}

/// The connect never came to be.
fn retell_opening(finding: &mut Finding, called: SocketAddr, from: SocketAddr) {
    finding.cause = Cause::HandshakeAborted;
    finding.confidence = Confidence::Certain;
    finding.explanation = format!(
        "The answer to the SYN for {called} came from {from}: the address is translated on the way there, and not on the way back (client and server in one network, or another way back). The client's host knows no connection with {from}, and resets it; the connect times out."
    );
    finding.alternatives.clear();
    (finding.harm, finding.harm_unclear) = (Harm::Refused, false);
    finding.victim = Some(Peer::Client);
    finding.victim_errors = messages(Met::ConnectTimeout);
}

fn retell_later(finding: &mut Finding, connection: &Tracked, stray: &Stray) {
    let before = Before::of(connection, stray.packet.head.time);
    cost(finding, &before, stray);
    finding.idle = before.idle(finding);
    let (called, from) = (SocketAddr::from(connection.server), stray.from);
    let (cause, why, rival) = before.reason();
    let unseen = match stray.packet.head.payload_len {
        0 => "its program does not know of it",
        _ => "its program never saw the answer",
    };
    finding.cause = cause;
    finding.confidence = Confidence::Likely;
    finding.explanation = format!(
        "What came from {from} belongs to the connection with {called}: whoever translates that address on the way {why}. The client's host knows no connection with {from}, and reset it; {unseen}."
    );
    finding.alternatives = vec![rival];
}

/// The connection stood so when the packet came.
struct Before {
    at: Timestamp,
    any: Option<Packet>,
    said: Option<Packet>,
}

impl Before {
    fn of(connection: &Tracked, at: Timestamp) -> Self {
        let packets = connection.packets();
        let newest = |is: fn(&Packet) -> bool| {
            let mut before = packets.iter().rev();
            before.find(|packet| packet.head.time < at && is(packet))
        };
        Self {
            at,
            any: newest(|_| true).copied(),
            said: newest(Packet::is_new_data).copied(),
        }
    }

    /// The client waits for an answer.
    fn is_asked(&self) -> bool {
        self.said.is_some_and(|packet| packet.from == Peer::Client)
    }

    fn idle(&self, finding: &Finding) -> Idle {
        let seconds = |since: Packet| (self.at - since.head.time).as_secs_f64();
        let frame = self.said.map(|packet| packet.head.frame);
        Idle {
            kind: match finding.harm {
                Harm::None => IdleKind::BetweenRequests,
                _ => IdleKind::AwaitingResponse,
            },
            application_s: self.said.map(seconds),
            wire_s: self.any.map(seconds),
            since_frame: frame.map(|frame| frame.number.0),
            since_capture: frame.and_then(|f| capture_if_other(f.capture, finding.capture)),
            last_from: self.said.map(|packet| packet.from),
            keepalive_probes: 0,
        }
    }

    /// The cause, in words, and the one that it may be instead.
    fn reason(&self) -> (Cause, String, Alternative) {
        let silence = self.any.map(|packet| self.at - packet.head.time);
        let rival = |cause, decided_by: &str| Alternative {
            cause,
            decided_by: decided_by.to_owned(),
        };
        match silence {
            Some(silence) if silence >= FORGOTTEN => (
                Cause::IdleExpiredSilently,
                format!("had forgotten the connection after {silence} of silence"),
                rival(
                    Cause::HalfOpen,
                    "the host that translates: whether it knew the connection still (conntrack -L) and counted the packet as invalid (conntrack -S)",
                ),
            ),
            _ => (
                Cause::HalfOpen,
                "no longer knew the connection, or took the packet for invalid".to_owned(),
                rival(
                    Cause::IdleExpiredSilently,
                    "the host that translates: whether it had forgotten the connection (conntrack -L)",
                ),
            ),
        }
    }
}

/// Who had nothing to wait for lost nothing by a close.
fn cost(finding: &mut Finding, before: &Before, stray: &Stray) {
    match (stray.packet.head.payload_len > 0, before.is_asked()) {
        (true, true) => {
            finding.harm = Harm::RequestOutcomeUnknown;
            finding.harm_unclear = false;
            finding.victim = Some(Peer::Client);
        }
        (false, false) => {
            finding.harm = Harm::None;
            finding.harm_unclear = false;
        }
        _ => {}
    }
}

/// It has the name that was called, and that connection's streams.
fn name(finding: &mut Finding, connection: &Tracked) {
    let capture = CaptureId(finding.capture);
    let id = &mut finding.connection;
    id.called = Some(CalledServer {
        endpoint: endpoint(connection.server),
        stream: connection.streams.of(capture),
    });
    let others = connection.streams.all();
    let others = others.filter(|(other, _)| *other != capture);
    id.elsewhere
        .extend(others.map(|(capture, stream)| StreamElsewhere {
            capture: capture.0,
            stream,
        }));
}

/// What the client's vain wait cost.
fn with_wait(finding: &mut Finding, wait: Finding) {
    let waited = wait.at - finding.at;
    let gave_up = format!("its client waited for {waited} more, and gave up");
    finding
        .evidence
        .push(shown_by(gave_up, &[frame_of(&wait)], finding.capture));
    finding.harm = wait.harm;
    finding.harm_unclear = wait.harm_unclear;
    finding.request = wait.request;
    finding.retry = wait.retry;
    finding.victim = wait.victim;
    finding.victim_errors = wait.victim_errors;
}

/// The connection was reset where its client knows it.
fn no_loss_of_its_own(finding: &mut Finding) {
    finding.harm = Harm::None;
    finding.harm_unclear = false;
    (finding.request, finding.retry, finding.victim) = (None, None, None);
}

/// That reset is an answer to what the client sent after its host had ended the connection at the server's.
fn retell_reset(reset: &mut Finding, untranslated: &Finding) {
    reset.cause = untranslated.cause;
    reset.confidence = Confidence::Likely;
    reset.detail = untranslated.detail.clone();
    reset.alternatives = untranslated.alternatives.clone();
    let (called, behind) = (reset.connection.server, untranslated.connection.server);
    reset.explanation = format!(
        "{called} no longer knew the connection: the client's host had reset it by answering to {behind}, whose packet belongs to it and had not been translated."
    );
    let sent = format!("the client's host sent a RST to {behind} before, from the same port");
    let frames = [frame_of(untranslated)];
    reset
        .evidence
        .insert(0, shown_by(sent, &frames, reset.capture));
    reset.evidence_against.clear();
}

fn frame_of(finding: &Finding) -> FrameId {
    FrameId {
        capture: CaptureId(finding.capture),
        number: FrameNumber(finding.frame),
    }
}

fn shown_by(text: String, frames: &[FrameId], capture: u16) -> Evidence {
    let capture = CaptureId(capture);
    Evidence {
        text,
        frames: own(frames, capture),
        elsewhere: elsewhere(frames, capture),
    }
}
