//! Packets of a connection that came under another server's name, because an address translation on their way was missing.
//!
//! Behind a published address (a Kubernetes service, a balancer, a forwarded port) answers bear the address of the server behind it
//! until whoever translates puts the published one there. Where he has forgotten the connection, or takes the packet for invalid (Linux:
//! `nf_conntrack` and a sequence number outside the window that it knows), they come as they are: the client's host knows no such
//! connection and resets it, and its program waits in vain. The addresses differ; the client's port and both sides' numbers go on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::analysis::display_filter::{self, FindBy};
use crate::analysis::finding::endpoint;
use crate::analysis::judges::{Held, Tracked};
use crate::capture::CaptureId;
use crate::flow::{Packet, Peer};
use crate::report::{
    Alternative, CalledServer, Evidence, Finding, HandshakeSeen, Idle, capture_if_other,
};
use crate::time::Interval;
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

/// Tells findings about packets that came untranslated with the connection that they belong to, and what followed there. Its client's
/// vain wait is the same loss: where it is `merged`, it is told once.
pub fn tell(findings: &mut Vec<Finding>, connections: &[Held], merged: bool, by: FindBy) {
    let strays = strays(findings, connections);
    if strays.is_empty() {
        return;
    }
    let losses = losses(findings);
    let mut waits = BTreeSet::new();
    for held in connections {
        let Some(strays) = strays.get(&held.ends().client) else {
            continue;
        };
        let known = held.known();
        for stray in strays.iter().filter(|stray| belongs(&known, stray)) {
            let places = losses.get(&held.first()).into_iter().flatten();
            let its = places.filter_map(|&place| Some((place, findings.get(place)?)));
            let mut after = its.filter(|(_, finding)| finding.at >= stray.packet.head.time);
            let after = after.next();
            let after = after.map(|(place, finding)| (place, finding.clone()));
            let Some(finding) = findings.get_mut(stray.finding) else {
                continue;
            };
            retell(finding, &known, stray, by);
            let Some((place, loss)) = after else {
                continue;
            };
            if loss.form.is_some() {
                no_loss_of_its_own(finding);
                let told = finding.clone();
                if let Some(reset) = findings.get_mut(place) {
                    retell_reset(reset, &told);
                }
            } else if merged && waits.insert(place) {
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

/// By the client that did not know them.
fn strays(findings: &[Finding], connections: &[Held]) -> BTreeMap<(IpAddr, u16), Vec<Stray>> {
    let is_candidate = |finding: &&Finding| {
        finding.form == Some(Form::Reply)
            && finding.connection.handshake == HandshakeSeen::Unseen
            && finding.claimed_sender.is_some()
    };
    let candidates = findings.iter().enumerate();
    let candidates: BTreeMap<(CaptureId, u32), usize> = candidates
        .filter(|(_, finding)| is_candidate(finding))
        .map(|(place, finding)| (place_of(finding), place))
        .collect();
    let mut strays: BTreeMap<_, Vec<Stray>> = BTreeMap::new();
    if candidates.is_empty() {
        return strays;
    }
    for held in connections {
        let Some(&finding) = candidates.get(&held.first()) else {
            continue;
        };
        let Some(receiver) = findings.get(finding).and_then(|f| f.claimed_sender) else {
            continue;
        };
        let packets = held.known().packets();
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
fn losses(findings: &[Finding]) -> BTreeMap<(CaptureId, u32), Vec<usize>> {
    let mut losses: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate() {
        if is_its_loss(finding) {
            losses.entry(place_of(finding)).or_default().push(place);
        }
    }
    losses
}

fn place_of(finding: &Finding) -> (CaptureId, u32) {
    (CaptureId(finding.capture), finding.connection.stream)
}

/// The packet goes on where that connection stands.
fn belongs(connection: &Tracked, stray: &Stray) -> bool {
    let directions = &connection.directions;
    let (Some(said), Some(asked)) = (directions.server.snd_nxt, directions.client.snd_nxt) else {
        return false;
    };
    let head = &stray.packet.head;
    let ahead = head.seq.0.wrapping_sub(said.0);
    let since = asked.0.wrapping_sub(head.ack.0);
    SocketAddr::from(connection.server) != stray.from
        && connection.opened <= head.time
        && (ahead <= NEAR || ahead.wrapping_neg() <= NEAR)
        && since <= NEAR
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
    let (capture, stream) = connection.streams.first();
    let at = stray.packet.head.time;
    let packets = connection.packets();
    let newest = |is: fn(&Packet) -> bool| {
        let mut before = packets.iter().rev();
        before.find(|packet| packet.head.time < at && is(packet))
    };
    let (any, said) = (newest(|_| true), newest(Packet::is_new_data));
    let silence = any.map(|packet| at - packet.head.time);
    let forgotten = silence.is_some_and(|silence| silence >= FORGOTTEN);
    let seconds = |since: &Packet| (at - since.head.time).as_secs_f64();
    let other_capture = |id: CaptureId| capture_if_other(id, finding.capture);
    finding.idle = Idle {
        kind: IdleKind::AwaitingResponse,
        application_s: said.map(seconds),
        wire_s: any.map(seconds),
        since_frame: said.map(|packet| packet.head.frame.number.0),
        since_capture: said.and_then(|packet| other_capture(packet.head.frame.capture)),
        last_from: said.map(|packet| packet.from),
        keepalive_probes: 0,
    };
    let (called, from) = (SocketAddr::from(connection.server), stray.from);
    let (cause, why, rival) = match (forgotten, silence) {
        (true, Some(silence)) => (
            Cause::IdleExpiredSilently,
            format!("had forgotten the connection after {silence} of silence"),
            Alternative {
                cause: Cause::HalfOpen,
                decided_by: "the host that translates: whether it knew the connection still (conntrack -L) and counted the packet as invalid (conntrack -S)".to_owned(),
            },
        ),
        _ => (
            Cause::HalfOpen,
            "no longer knew the connection, or took the packet for invalid".to_owned(),
            Alternative {
                cause: Cause::IdleExpiredSilently,
                decided_by: "the host that translates: whether it had forgotten the connection (conntrack -L)".to_owned(),
            },
        ),
    };
    // Who had nothing to wait for lost nothing by a close.
    let answers = stray.packet.head.payload_len > 0;
    let waits = answers || said.is_some_and(|packet| packet.from == Peer::Client);
    let unseen = match answers {
        true => "its program never saw the answer",
        false => "its program does not know of it",
    };
    if !waits {
        finding.harm = Harm::None;
        finding.harm_unclear = false;
        finding.idle.kind = IdleKind::BetweenRequests;
    }
    finding.cause = cause;
    finding.confidence = Confidence::Likely;
    finding.detail = Some("untranslated".to_owned());
    finding.explanation = format!(
        "What came from {from} belongs to the connection with {called} (stream {stream}): whoever translates that address on the way {why}. The client's host knows no connection with {from}, and reset it; {unseen}."
    );
    finding.alternatives = vec![rival];
    // What its own stream misses, the other one has; and no program saw the RST but the server's.
    finding.evidence_against.clear();
    finding.victim_errors.clear();
    let elsewhere = capture != CaptureId(finding.capture);
    finding.evidence.insert(
        0,
        Evidence {
            text: format!(
                "the same client port as in stream {stream}{}, whose server's and client's numbers go on with this packet",
                if elsewhere { " of another capture" } else { "" }
            ),
            frames: vec![stray.packet.head.frame.number.0],
            elsewhere: Vec::new(),
        },
    );
    let id = &mut finding.connection;
    id.called = Some(CalledServer {
        endpoint: endpoint(connection.server),
        stream: (!elsewhere).then_some(stream),
    });
    finding.wireshark_filter = display_filter::of_connection(by, id);
}

/// What the client's vain wait cost.
fn with_wait(finding: &mut Finding, wait: Finding) {
    finding.evidence.push(Evidence {
        text: format!(
            "its client waited for {} more, and gave up",
            wait.at - finding.at
        ),
        frames: vec![wait.frame],
        elsewhere: Vec::new(),
    });
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
        "{called} no longer knew the connection: the client's host had reset it by answering to {behind}, whose packet belongs to it and had not been translated (stream {}).",
        untranslated.connection.stream
    );
    reset.evidence.insert(
        0,
        Evidence {
            text: format!("the client's host sent a RST to {behind} before, from the same port"),
            frames: vec![untranslated.frame],
            elsewhere: Vec::new(),
        },
    );
    reset.evidence_against.clear();
}
