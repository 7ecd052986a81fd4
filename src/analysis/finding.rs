//! A verdict as a finding of the report.

use std::mem::take;
use std::net::IpAddr;

use crate::analysis::community_id::community_id;
use crate::analysis::judges::Tracked;
use crate::analysis::ladder::ladder;
use crate::capture::FrameId;
use crate::flow::{FinSeen, Peer};
use crate::report::{ConnectionId, Endpoint, Fin, Finding, Fins, HandshakeSeen, Idle, Trigger};
use crate::verdict::{Ending, ResetVerdict, Ruling, Verdict};

/// What a verdict says of a connection, as reports tell it; ladder and evidence included. Its words go into it.
pub fn finding(
    connection: &Tracked,
    ending: &Ending,
    verdict: &mut Verdict,
    frames: &[FrameId],
) -> Finding {
    let at = verdict.at;
    let capture = at.head.frame.capture;
    let stream = connection
        .streams
        .of(capture)
        .unwrap_or_else(|| connection.first_stream());
    let ladder = ladder(ending, verdict);
    let ruling = &mut verdict.ruling;
    let reset = verdict.reset.as_ref();
    Finding {
        id: String::new(),
        connection: connection_id(connection, stream),
        at: at.head.time,
        capture: capture.0,
        frame: at.head.frame.number.0,
        packets: ending.reset_packets,
        frames: frames
            .iter()
            .filter(|frame| frame.capture == capture)
            .map(|frame| frame.number.0)
            .collect(),
        form: reset.map(|reset| reset.form),
        sender: reset.map(|reset| reset.sender),
        claimed_sender: (reset.is_some() || at.head.flags.fin()).then_some(at.from),
        sender_confidence: reset.map(|reset| reset.sender_confidence),
        passage: reset.and_then(|reset| reset.passage),
        effect: reset.map(|reset| reset.effect),
        cause: ruling.cause,
        confidence: ruling.confidence,
        detail: ruling.detail.map(str::to_owned),
        alternatives: take(&mut ruling.alternatives),
        trigger: reset.map(trigger),
        idle: idle(ruling),
        fins: Fins {
            client: fin(ending.fin(Peer::Client)),
            server: fin(ending.fin(Peer::Server)),
        },
        harm: ruling.harm,
        retry: verdict.retry.take(),
        request: verdict.request.take(),
        victim: ruling.victim,
        victim_errors: take(&mut verdict.victim_errors),
        evidence: take(&mut ruling.evidence),
        evidence_against: take(&mut ruling.against),
        explanation: take(&mut ruling.explanation),
        advice: Vec::new(),
        wireshark_filter: format!("tcp.stream eq {stream}"),
        reset_text: reset_text(&ending.reset_text),
        connections: None,
        first: None,
        last: None,
        hop: None,
        kernel: None,
        ladder,
    }
}

fn connection_id(connection: &Tracked, stream: u32) -> ConnectionId {
    ConnectionId {
        client: endpoint(connection.client),
        server: endpoint(connection.server),
        stream,
        community_id: community_id(connection.client, connection.server),
        opened: connection.opened,
        handshake: handshake(connection),
        orientation: connection.orientation,
    }
}

/// An address and a port.
pub fn endpoint((addr, port): (IpAddr, u16)) -> Endpoint {
    Endpoint { addr, port }
}

fn trigger(reset: &ResetVerdict) -> Trigger {
    let (kind, packet) = reset.trigger;
    Trigger {
        frame: packet.map(|packet| packet.head.frame.number.0),
        kind,
        from: packet.map(|packet| packet.from),
    }
}

fn idle(ruling: &Ruling) -> Idle {
    let silence = ruling.silence;
    let since = silence.and_then(|silence| silence.since);
    Idle {
        kind: ruling.idle_kind,
        application_s: silence
            .and_then(|silence| silence.application)
            .map(|idle| idle.as_secs_f64()),
        wire_s: silence
            .and_then(|silence| silence.wire)
            .map(|idle| idle.as_secs_f64()),
        since_frame: since.map(|since| since.frame.number.0),
        last_from: since.map(|since| since.from),
        keepalive_probes: silence.map_or(0, |silence| u32::from(silence.probes)),
    }
}

fn handshake(connection: &Tracked) -> HandshakeSeen {
    let (client, server) = (&connection.directions.client, &connection.directions.server);
    match (
        client.iss.is_some(),
        server.iss.is_some(),
        connection.established.is_some(),
    ) {
        (true, true, true) => HandshakeSeen::Seen,
        (false, false, _) => HandshakeSeen::Unseen,
        _ => HandshakeSeen::Partly,
    }
}

fn fin(seen: Option<&FinSeen>) -> Option<Fin> {
    seen.map(|fin| Fin {
        frame: fin.frame.number.0,
        at: fin.time,
    })
}

/// Printable ASCII of a RST's payload; dots for the rest. It explains the reset (RFC 9293 SHLD-2), it is not the connection's data.
fn reset_text(bytes: &[u8]) -> Option<String> {
    let printable = bytes
        .iter()
        .filter(|byte| (0x20..0x7f).contains(*byte))
        .count();
    if bytes.is_empty() || printable * 4 < bytes.len() * 3 {
        return None;
    }
    Some(
        bytes
            .iter()
            .map(|&byte| {
                if (0x20..0x7f).contains(&byte) {
                    char::from(byte)
                } else {
                    '.'
                }
            })
            .collect(),
    )
}
