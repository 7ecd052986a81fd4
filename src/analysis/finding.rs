//! A verdict as a finding of the report.

use std::mem::take;
use std::net::IpAddr;

use crate::analysis::community_id::community_id;
use crate::analysis::display_filter::{self, FindBy};
use crate::analysis::judges::Tracked;
use crate::analysis::ladder::ladder;
use crate::capture::{CaptureId, FrameId};
use crate::flow::Peer;
use crate::report::{
    CalledServer, ConnectionId, Endpoint, Evidence, Fin, Finding, Fins, FrameElsewhere,
    HandshakeSeen, Idle, StreamElsewhere, Trigger, capture_if_other,
};
use crate::verdict::{Ending, Fact, ResetVerdict, Ruling, Verdict};

/// What a verdict says of a connection, as reports tell it; ladder and evidence included. Its words go into it.
pub fn finding(
    connection: &Tracked,
    ending: &Ending,
    verdict: &mut Verdict,
    frames: &[FrameId],
    by: FindBy,
) -> Finding {
    let at = verdict.at;
    let capture = at.head.frame.capture;
    let answers = || connection.called.as_ref()?.stream(capture);
    let stream = connection.streams.of(capture).or_else(answers);
    let stream = stream.unwrap_or_else(|| connection.first_stream());
    let connection = connection_id(connection, (capture, stream));
    let wireshark_filter = display_filter::of_connection(by, &connection);
    let ladder = ladder(ending, verdict);
    let ruling = &mut verdict.ruling;
    let mut told = evidence(take(&mut ruling.evidence), capture);
    told.extend(
        connection
            .called
            .map(|called| led_elsewhere(&connection, called)),
    );
    let reset = verdict.reset.as_ref();
    Finding {
        id: String::new(),
        connection,
        at: at.head.time,
        capture: capture.0,
        frame: at.head.frame.number.0,
        packets: ending.reset_packets,
        frames: own(frames, capture),
        elsewhere: elsewhere(frames, capture),
        form: reset.map(|reset| reset.form),
        sender: reset.map(|reset| reset.sender),
        claimed_sender: (reset.is_some() || ending.is_fin(&at)).then_some(at.from),
        sender_confidence: reset.map(|reset| reset.sender_confidence),
        passage: reset.and_then(|reset| reset.passage),
        effect: reset.map(|reset| reset.effect),
        cause: ruling.cause,
        confidence: ruling.confidence,
        detail: ruling.detail.map(str::to_owned),
        alternatives: take(&mut ruling.alternatives),
        trigger: reset.map(|reset| trigger(reset, capture)),
        idle: idle(ruling, capture),
        fins: Fins {
            client: fin(ending, Peer::Client, capture),
            server: fin(ending, Peer::Server, capture),
        },
        harm: ruling.harm,
        harm_unclear: ruling.harm_unclear,
        retry: verdict.retry.take(),
        request: verdict.request.take(),
        victim: ruling.victim,
        victim_errors: take(&mut verdict.victim_errors),
        evidence: told,
        evidence_against: evidence(take(&mut ruling.against), capture),
        explanation: take(&mut ruling.explanation),
        advice: Vec::new(),
        wireshark_filter,
        reset_text: reset_text(&ending.reset_text),
        connections: None,
        first: None,
        last: None,
        hop: None,
        kernel: None,
        ladder,
    }
}

/// Frames of other captures than the finding's.
pub(super) fn elsewhere(frames: &[FrameId], finding: CaptureId) -> Vec<FrameElsewhere> {
    let others = frames.iter().filter(|frame| frame.capture != finding);
    let told = others.map(|frame| FrameElsewhere {
        capture: frame.capture.0,
        frame: frame.number.0,
    });
    told.collect()
}

fn evidence(facts: Vec<Fact>, finding: CaptureId) -> Vec<Evidence> {
    let told = facts.into_iter().map(|Fact { text, frames }| Evidence {
        text,
        elsewhere: elsewhere(&frames, finding),
        frames: own(&frames, finding),
    });
    told.collect()
}

/// Frames of the finding's capture.
pub(super) fn own(frames: &[FrameId], finding: CaptureId) -> Vec<u32> {
    let own = frames.iter().filter(|frame| frame.capture == finding);
    own.map(|frame| frame.number.0).collect()
}

fn connection_id(connection: &Tracked, (capture, stream): (CaptureId, u32)) -> ConnectionId {
    let others = connection.streams.all();
    let others = others.filter(|(other, _)| *other != capture);
    ConnectionId {
        client: endpoint(connection.client),
        server: endpoint(connection.server),
        called: connection.called.as_ref().map(|called| CalledServer {
            endpoint: endpoint(called.server),
            stream: called.stream(capture),
        }),
        stream,
        elsewhere: others
            .map(|(capture, stream)| StreamElsewhere {
                capture: capture.0,
                stream,
            })
            .collect(),
        community_id: community_id(connection.client, connection.server),
        opened: connection.opened,
        handshake: handshake(connection),
        orientation: connection.orientation,
    }
}

fn led_elsewhere(connection: &ConnectionId, called: CalledServer) -> Evidence {
    Evidence {
        text: format!(
            "the client called {}: a rule of the capturing host led it to {}, and answers bear the name that was called",
            called.endpoint, connection.server
        ),
        frames: Vec::new(),
        elsewhere: Vec::new(),
    }
}

/// An address and a port.
pub fn endpoint((addr, port): (IpAddr, u16)) -> Endpoint {
    Endpoint { addr, port }
}

fn trigger(reset: &ResetVerdict, finding: CaptureId) -> Trigger {
    let (kind, packet) = reset.trigger;
    Trigger {
        frame: packet.map(|packet| packet.head.frame.number.0),
        capture: packet.and_then(|packet| capture_if_other(packet.head.frame.capture, finding.0)),
        kind,
        from: packet.map(|packet| packet.from),
    }
}

fn idle(ruling: &Ruling, finding: CaptureId) -> Idle {
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
        since_capture: since.and_then(|since| capture_if_other(since.frame.capture, finding.0)),
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

fn fin(ending: &Ending, of: Peer, finding: CaptureId) -> Option<Fin> {
    ending.fin(of).map(|fin| Fin {
        frame: fin.frame.number.0,
        capture: capture_if_other(fin.frame.capture, finding.0),
        at: fin.time,
        data_fin: ending.data_fin(of, fin).is_some(),
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
