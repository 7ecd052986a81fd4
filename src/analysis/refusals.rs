//! Entries that stand for many refused connections.

use std::collections::BTreeMap;

use crate::analysis::community_id::community_id;
use crate::analysis::display_filter;
use crate::analysis::finding::{elsewhere, endpoint, own};
use crate::flow::{FirstRefusal, Orientation, Peer, RefusedGroup, RefusedScope};
use crate::report::{ConnectionId, Evidence, Finding, Fins, HandshakeSeen, Idle, Trigger};
use crate::verdict::{Cause, Confidence, Effect, Form, Harm, ResetSender, TriggerKind};

/// Refusals beyond the number kept apart: one entry that stands for many.
pub fn refused_group(group: &RefusedGroup) -> Finding {
    let FirstRefusal {
        time: first,
        frame,
        client_port,
        stream: (_, stream),
    } = group.first;
    let client = (group.client, client_port);
    Finding {
        id: String::new(),
        connection: ConnectionId {
            client: endpoint(client),
            server: endpoint(group.server),
            stream,
            called: None,
            elsewhere: Vec::new(),
            community_id: community_id(client, group.server),
            opened: first,
            handshake: HandshakeSeen::Partly,
            orientation: Orientation::Syn,
        },
        at: first,
        capture: frame.capture.0,
        frame: frame.number.0,
        packets: group.packets,
        frames: own(&group.frames, frame.capture),
        elsewhere: elsewhere(&group.frames, frame.capture),
        form: Some(Form::Reply),
        sender: Some(ResetSender::Server),
        claimed_sender: Some(Peer::Server),
        sender_confidence: Some(Confidence::Possible),
        passage: None,
        effect: Some(Effect::TookEffect),
        cause: Cause::ConnectionRefused,
        confidence: Confidence::Certain,
        detail: None,
        alternatives: Vec::new(),
        trigger: Some(Trigger {
            frame: None,
            capture: None,
            kind: TriggerKind::Syn,
            from: Some(Peer::Client),
        }),
        idle: Idle::NONE,
        fins: Fins::default(),
        harm: Harm::Refused,
        harm_unclear: false,
        retry: None,
        request: None,
        victim: Some(Peer::Client),
        victim_errors: BTreeMap::new(),
        evidence: vec![together(group)],
        evidence_against: Vec::new(),
        explanation: explanation(group),
        advice: Vec::new(),
        wireshark_filter: display_filter::of_group(group),
        reset_text: None,
        connections: Some(group.connections),
        first: Some(first),
        last: Some(group.last.0),
        hop: None,
        kernel: None,
        ladder: Vec::new(),
    }
}

fn together(group: &RefusedGroup) -> Evidence {
    Evidence {
        text: format!(
            "{} connections were answered by RST,ACK to their SYN; they are one entry",
            group.connections
        ),
        frames: vec![group.first.frame.number.0],
        elsewhere: Vec::new(),
    }
}

fn explanation(group: &RefusedGroup) -> String {
    match group.scope {
        RefusedScope::Service => format!(
            "Nothing accepts connections on port {} at that address: attempts from one address were refused ({} in all).",
            group.server.1, group.connections
        ),
        RefusedScope::Host => format!(
            "One address tried many ports of this server, as a scan does: {} further attempts were refused, the first of them at port {}.",
            group.connections, group.server.1
        ),
        RefusedScope::Client => format!(
            "One address tried many servers, as a scan does: {} further attempts were refused; the first of them is named here.",
            group.connections
        ),
        RefusedScope::Anyone => format!(
            "{} further attempts of too many addresses to tell apart were refused; the first of them is named here.",
            group.connections
        ),
    }
}
