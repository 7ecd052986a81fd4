//! Endings before the first payload.

use crate::dialogue::Forwarding;
use crate::flow::{Both, Direction, Packet, PacketKind, Peer};
use crate::time::Interval;
use crate::verdict::rules::Case;
use crate::verdict::rules::carries_payload;
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::Silence;
use crate::verdict::{Cause, Confidence, Form, Harm, IdleKind, ResetSender};

/// The rules of the handshake.
pub fn rule(case: &Case<'_>) -> Option<Ruling> {
    refused(case)
        .or_else(|| aborted(case))
        .or_else(|| unanswered(case))
        .or_else(|| overflow(case))
        .or_else(|| health_check(case))
}

/// SYN answered by RST,ACK (RFC 9293 section 3.10.7.1).
fn refused(case: &Case<'_>) -> Option<Ruling> {
    let syn = case
        .shape
        .trigger
        .filter(|packet| packet.kind == PacketKind::Syn)?;
    if case.claimed() != Peer::Server {
        return None;
    }
    let server = case.ending.server;
    let ruling = Ruling::new(
        Cause::ConnectionRefused,
        Confidence::Certain,
        format!("Nothing accepts connections on port {} at that address: its SYN was answered by a RST.", server.1),
    )
    .harm(Harm::Refused, Peer::Client)
    .because("the RST acknowledges the SYN, and no SYN-ACK was seen", &[syn, case.reset]);
    Some(if case.by_box() {
        let mut ruling = ruling.detail("policy-reject").or(
            Cause::ConnectionRefused,
            "a capture at the server: a closed port sends this RST itself, a firewall's never passes there",
        );
        ruling.explanation = format!(
            "A device between client and server refused the connection to port {}: the RST does not come from the server's distance.",
            server.1
        );
        ruling
    } else {
        ruling
    })
}

/// The server still had an old connection of this 4-tuple: SYN, a foreign ACK, the client's RST, SYN again
/// (RFC 9293 section 3.10.7.3 and 3.10.7.4; Linux `tcp_rcv_synsent_state_process`).
pub fn collision(case: &Case<'_>) -> Option<Ruling> {
    let ending = case.ending;
    // Who acknowledges anything has got a SYN-ACK, captured or not.
    let Both { client, server } = ending.state.as_ref();
    if case.claimed() != Peer::Client || server.iss.is_some() || client.ack.is_some() {
        return None;
    }
    let iss = ending.state.client.iss?;
    let foreign = ending.newest_before(Peer::Server).find(|packet| {
        packet.kind != PacketKind::SynAck
            && packet.head.flags.ack()
            && packet.head.ack == case.reset.head.seq
            && packet.head.ack != iss + 1
    });
    let again = ending
        .after
        .iter()
        .find(|packet| packet.kind == PacketKind::Syn);
    // What it answers was not captured: a number that is no SYN-ACK's, and the attempt goes on.
    let answers_unseen = !case.reset.head.flags.ack()
        && case.reset.head.seq != iss + 1
        && again.is_some()
        && server.packets == 0;
    if foreign.is_none() && !answers_unseen {
        return None;
    }
    let confidence = if again.is_some() && foreign.is_some() {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let mut ruling = Ruling::new(
        Cause::TimeWaitCollision,
        confidence,
        "The client re-used a port for which the server still held an older connection; the RST cleared that one, and the client's SYN is sent again.",
    )
    .idle(IdleKind::Handshake, Silence::before(case.reset))
    .because(
        match foreign {
            Some(_) => "the server answered the SYN with an ACK of another connection's number, and the RST repeats that number",
            None => "the RST bears a number that is none of this attempt's; what it answers was not captured",
        },
        &foreign.into_iter().chain([case.reset]).collect::<Vec<_>>(),
    );
    if let Some(syn) = again {
        ruling = ruling.because("the client sends its SYN again", &[syn]);
    }
    Some(ruling.or(
        Cause::HandshakeAborted,
        "whether the next SYN is answered by a SYN-ACK",
    ))
}

/// RFC 6298 section 2: a SYN waits one second; nobody cancels a handshake by accident before a human's or a program's patience ends.
const SHORTEST_PATIENCE: Interval = Interval::from_millis(500);

/// The client's stack knows nothing of the SYN that the server answered, or its application gave up.
fn aborted(case: &Case<'_>) -> Option<Ruling> {
    let ending = case.ending;
    if case.claimed() != Peer::Client || case.shape.form == Form::Abort {
        return None;
    }
    let syn_ack = ending
        .newest_before(Peer::Server)
        .find(|packet| packet.kind == PacketKind::SynAck)?;
    let client_answered = ending
        .newest_before(Peer::Client)
        .any(|packet| packet.kind != PacketKind::Syn);
    if client_answered || case.reset.head.seq != syn_ack.head.ack {
        return None;
    }
    let syn = ending
        .newest_before(Peer::Client)
        .find(|packet| packet.kind == PacketKind::Syn);
    let waited = syn.map(|syn| syn_ack.head.time - syn.head.time);
    if let Some(ruling) = syn.and_then(|syn| unrecognised(case, syn, syn_ack)) {
        return Some(ruling);
    }
    // From the SYN to the RST is the whole way, wherever on it the capture was made.
    let gave_up = syn.is_some_and(|syn| case.reset.head.time - syn.head.time >= SHORTEST_PATIENCE);
    let ruling = Ruling::new(
        Cause::HandshakeAborted,
        if syn.is_some() { Confidence::Certain } else { Confidence::Likely },
        if gave_up {
            "The SYN-ACK came after the client had given up its connect: its stack has no such socket any more."
        } else if syn.is_none() {
            "The SYN-ACK found no socket at the client, whose SYN was not captured: a connect that had been given up, a half-open scan, or an answer to a forged SYN."
        } else {
            "The SYN-ACK found no socket at the client: a half-open scan, a cancelled connect, or an answer to a forged SYN."
        },
    )
    .idle(IdleKind::Handshake, Silence { application: waited, ..Silence::before(case.reset) })
    .because("the RST has no ACK and takes its number from the SYN-ACK; the client never acknowledged it", &[syn_ack, case.reset]);
    Some(if gave_up {
        ruling
            .detail("connect-timeout")
            .harm(Harm::Refused, Peer::Client)
    } else {
        ruling
    })
}

/// The client's host resets the SYN-ACK, and its socket, which waits in SYN-SENT, repeats the SYN: what arrives there is not what it
/// called for. Who cancelled, scans, or owns a forged address repeats nothing.
fn unrecognised(case: &Case<'_>, syn: &Packet, syn_ack: &Packet) -> Option<Ruling> {
    let again = case.ending.after.iter().find(|packet| {
        packet.kind == PacketKind::Syn
            && packet.from == Peer::Client
            && packet.head.seq == syn.head.seq
            && packet.head.time - syn.head.time >= SHORTEST_PATIENCE
    })?;
    let ruling = Ruling::new(
        Cause::HandshakeAborted,
        Confidence::Likely,
        "The client's host resets the SYN-ACK, and the client sends the same SYN again: its socket waits for the answer that its host does not recognise. It comes from another address than was called (a translation is missing on the way back), or a firewall on the client's host rejects it.",
    )
    .detail("syn-again")
    .harm(Harm::Refused, Peer::Client)
    .idle(
        IdleKind::Handshake,
        Silence {
            application: Some(syn_ack.head.time - syn.head.time),
            ..Silence::before(case.reset)
        },
    )
    .because(
        "the RST has no ACK and takes its number from the SYN-ACK; the client never acknowledged it",
        &[syn_ack, case.reset],
    )
    .because("the same SYN again, after the RST", &[syn, again]);
    Some(ruling.or(
        Cause::Injected,
        "a capture at the client: whether it sends the RST, and which address the SYN-ACK has there",
    ))
}

/// The client's own stack ended an attempt that nobody answered.
fn unanswered(case: &Case<'_>) -> Option<Ruling> {
    let state = &case.ending.state;
    if case.claimed() != Peer::Client
        || state.server.packets > 0
        || state.client.iss.is_none()
        || state.client.new_bytes > 0
    {
        return None;
    }
    let first = case
        .ending
        .before
        .iter()
        .find(|packet| packet.kind == PacketKind::Syn)?;
    let silence = Silence {
        application: Some(case.reset.head.time - first.head.time),
        ..Silence::before(case.reset)
    };
    // No stack ends an attempt so soon, and the number of the first SYN-ACK's acknowledgement is that of a reply.
    let head = &case.reset.head;
    let answers = !head.flags.ack() && head.seq == first.head.seq + 1;
    if answers && head.time - first.head.time < SHORTEST_PATIENCE {
        return Some(
            Ruling::new(
                Cause::HandshakeAborted,
                Confidence::Likely,
                "The SYN-ACK, which was not captured, found no socket at the client: a half-open scan, a cancelled connect, or an answer to a forged SYN.",
            )
            .because("the RST has no ACK, and the number that a SYN-ACK acknowledges", &[first, case.reset])
            .idle(IdleKind::Handshake, silence),
        );
    }
    Some(
        Ruling::new(
            Cause::HandshakeAborted,
            Confidence::Likely,
            format!(
                "The client's SYN got no answer ({} sent); it gave its attempt up with a RST.",
                state.client.syns
            ),
        )
        .detail("connect-timeout")
        .because("no packet of the server was seen", &[first, case.reset])
        .harm(Harm::Refused, Peer::Client)
        .idle(IdleKind::Handshake, silence)
        .or(
            Cause::ConnectionRefused,
            "a capture at the server: whether the SYN arrives there",
        ),
    )
}

/// Linux repeats a SYN-ACK five times, after 1, 3, 7, 15 and 31 s, and forgets the attempt after 63 s (`tcp_synack_retries`); twice
/// that for one repetition more.
const LONGEST_SYN_RECEIVED: Interval = Interval::from_millis(127_000);

/// The handshake was over for the client and not for the server: the accept queue was full, or something in front has no
/// backend (Linux `tcp_check_req` with `tcp_abort_on_overflow`, or the SYN-ACK timer of a queue that stayed full).
fn overflow(case: &Case<'_>) -> Option<Ruling> {
    let ending = case.ending;
    let server = &ending.state.server;
    let iss = server.iss?;
    if case.claimed() != Peer::Server
        || !case.is_reply()
        || server.new_bytes > 0
        || server.fin.is_some()
        || case.reset.head.seq != iss + 1
    {
        return None;
    }
    let trigger = case.shape.trigger?;
    let established = ending.established?;
    let repeated = server.syn_acks_after_ack > 0;
    // One SYN-ACK is repeated too when the client's ACK was lost; a second one, or data that nobody takes, is no such accident.
    let stubborn =
        server.syn_acks_after_ack >= 2 || ending.state.client.unanswered_retransmissions > 0;
    let forgotten = server
        .syn_times
        .is_some_and(|(_, last)| trigger.head.time - last > LONGEST_SYN_RECEIVED);
    if forgotten && !stubborn {
        return None;
    }
    if took_data(case) || !repeated && trigger.head.time - established > Interval::from_millis(1000)
    {
        return None;
    }
    // The network may have doubled one.
    if case.by_box() && !(repeated && stubborn) {
        return None;
    }
    let payload = carries_payload(trigger) || ending.state.client.new_bytes > 0;
    let confidence = if repeated && stubborn && repeats_regularly(server) {
        Confidence::Certain
    } else {
        // Whether it was the server at all is not surer.
        Confidence::Likely.max(case.origin.confidence)
    };
    let mut ruling = Ruling::new(
        Cause::AcceptQueueOverflow,
        confidence,
        "The client's handshake was complete, the server's was not: its queue of connections waiting for accept() was full, and it reset the newcomer.",
    )
    .harm(if payload { Harm::RequestLost } else { Harm::Refused }, Peer::Client)
    .because("the RST's number is the server's first one: the server never went beyond its SYN-ACK", &[trigger, case.reset]);
    if repeated {
        ruling = ruling.because(
            "the server repeated its SYN-ACK although the client had acknowledged it",
            &[],
        );
    }
    if repeated && !repeats_regularly(server) {
        ruling = ruling.or(
            Cause::KeepaliveRace,
            "a capture at the server: whether the client's packets arrive there, or get lost while it waits for them",
        );
    }
    Some(ruling.or(
        Cause::ConnectionRefused,
        "ListenOverflows and ListenDrops on the server (nstat -az): they count full queues; a listener that just closed or a balancer without a backend counts none",
    ))
}

/// It repeated its SYN-ACK after 1, 3, 7 … s, none missing: the path loses no packets that it would need to explain.
fn repeats_regularly(server: &Direction) -> bool {
    let Some((first, last)) = server.syn_times else {
        return false;
    };
    let expected = Interval::from_millis(1_000).times((1 << (server.syns.clamp(1, 16) - 1)) - 1);
    let late = last - first - expected;
    late.abs() <= Interval::from_nanos(expected.as_nanos() / 5)
}

/// The server acknowledged data, perhaps with the RST: who knows what it had been sent had a socket.
fn took_data(case: &Case<'_>) -> bool {
    let head = &case.reset.head;
    let own = head.flags.ack().then_some(head.ack);
    let server = &case.ending.state.server;
    let mut acknowledged = server.ack.into_iter().chain(own);
    let mut packets = case.ending.newest_before(Peer::Server);
    let first = packets
        .find(|packet| packet.kind == PacketKind::SynAck)
        .map(|syn_ack| syn_ack.head.ack);
    acknowledged.any(|ack| first.is_some_and(|first| ack.is_after(first)))
}

/// Connected, nothing said, reset by the client: the usual health check.
fn health_check(case: &Case<'_>) -> Option<Ruling> {
    let state = &case.ending.state;
    let dialogue = &case.ending.dialogue;
    let header =
        dialogue.requests == 0 && dialogue.hints.forwarding == Some(Forwarding::ProxyHeader);
    let silent = (state.client.new_bytes == 0 || header) && state.server.new_bytes == 0;
    if case.claimed() != Peer::Client
        || case.shape.form != Form::Abort
        || !silent
        || state.server.iss.is_none()
        || case
            .silence
            .wire
            .is_some_and(|wire| wire > Interval::from_millis(1000))
        || case.origin.sender == ResetSender::Middlebox
    {
        return None;
    }
    Some(
        Ruling::new(
            Cause::AbortiveClose,
            Confidence::Likely,
            match header {
                true => "The client connected, said no more than the PROXY protocol's header and closed with a RST: a load balancer's health check. Nothing was lost.",
                false => "The client connected, said nothing and closed with a RST: a health check or a port probe. Nothing was lost.",
            },
        )
        .detail("health-check")
        .because(
            match header {
                true => "no payload in either direction but that header; the RST comes from the live socket right after it",
                false => "no payload in either direction; the RST comes from the live socket right after the handshake",
            },
            &[case.reset],
        )
        .or(Cause::HandshakeAborted, "the client's own log: a cancelled connection attempt looks the same"),
    )
}
