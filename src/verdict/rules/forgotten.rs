//! Endings in which somebody no longer knew the connection and answered a packet of it.

use crate::flow::{Packet, PacketKind};
use crate::time::Interval;
use crate::verdict::form::is_late;
use crate::verdict::harm::harm_of;
use crate::verdict::rules::{Case, carries_payload};
use crate::verdict::ruling::Ruling;
use crate::verdict::{Cause, Confidence, Harm, IdleKind};

/// A stack (or a box) that does not know the connection answered a packet of it (RFC 9293 section 3.10.7.1).
pub(super) fn lost_state(case: &Case<'_>) -> Ruling {
    let trigger = case.shape.trigger;
    let silence = case.silence;
    let idle = silence.is_idle(case.ending);
    let one_way = case.ending.is_one_way();
    let kind = match (idle, case.situation.is_quiet() || one_way) {
        (true, true) => IdleKind::BetweenRequests,
        (true, false) => IdleKind::AwaitingResponse,
        (false, _) => IdleKind::None,
    };
    let harm = stake_harm(case);
    let mut evidence_packets: Vec<&Packet> = trigger.into_iter().collect();
    evidence_packets.push(case.reset);
    let who = if case.by_box() {
        "a device on the path"
    } else {
        "the host that answered"
    };
    let last_word = trigger.is_some_and(|packet| {
        packet.kind == PacketKind::Fin || packet.head.flags.fin() && packet.head.payload_len == 0
    });
    if last_word && case.situation.is_quiet() {
        return Ruling::new(
            Cause::TeardownNoise,
            Confidence::Likely,
            format!(
                "The {} closed a connection that {who} no longer knew; nothing was outstanding.",
                case.receiver()
            ),
        )
        .detail("state-gone")
        .because(
            "the RST answers the FIN; its sender had no socket for it",
            &evidence_packets,
        )
        .or(
            Cause::IdleExpiredSilently,
            "other connections through the same path that are used after as long a silence",
        );
    }
    forgotten(case, who)
        .because("the RST has no ACK and repeats the number that the packet before it acknowledged: no socket was behind it", &evidence_packets)
        .because("no FIN of its sender was seen", &[])
        .harm(harm, case.situation.requester)
        .idle(kind, silence)
}

/// `who` no longer knew the connection: since when?
fn forgotten(case: &Case<'_>, who: &str) -> Ruling {
    let silence = case.silence;
    let trigger = case.shape.trigger;
    let probe = trigger.filter(|packet| packet.kind == PacketKind::KeepaliveProbe);
    if probe.is_some_and(|probe| is_late(case.ending, case.reset, probe)) {
        Ruling::new(
            Cause::HalfOpen,
            Confidence::Possible,
            format!("Some time after a keepalive probe {who} reset the connection: it no longer knew it and was slow to say so, or a timer ran out. Nothing was in flight."),
        )
        .or(Cause::IdleTimeoutReset, "whether the probe was answered before the RST: a capture that has every packet")
    } else if probe.is_some() {
        Ruling::new(
            Cause::HalfOpen,
            Confidence::Likely,
            format!("A keepalive probe found that {who} no longer knew the connection: it had restarted, or its state had been dropped. Nothing was in flight."),
        )
        .or(Cause::IdleExpiredSilently, "other connections through the same path: a timer takes them all at the same silence, a restart all at the same moment")
    } else if silence.is_idle(case.ending) && !case.by_box() && case.ending.is_from_host(case.reset)
    {
        Ruling::new(
            Cause::HalfOpen,
            Confidence::Likely,
            format!(
                "After {} of silence {who} no longer knew the connection, and said so only when the next packet came: a capture on its link shows that the RST comes from there.",
                silence.application.unwrap_or(Interval::ZERO)
            ),
        )
        .or(Cause::IdleExpiredSilently, format!("whether the {} or a firewall on its host made the RST", case.claimed()))
    } else if silence.is_idle(case.ending) {
        Ruling::new(
            Cause::IdleExpiredSilently,
            if case.by_box() { Confidence::Likely } else { Confidence::Possible },
            format!(
                "After {} of silence {who} no longer knew the connection, and said so only when the next packet came.",
                silence.application.unwrap_or(Interval::ZERO)
            ),
        )
        .or(Cause::HalfOpen, "a capture at the server: nothing arrives (a box answered), another source port arrives (a NAT forgot), or the packet arrives and is reset (the server forgot)")
    } else {
        Ruling::new(
            Cause::HalfOpen,
            Confidence::Possible,
            format!("In the middle of the connection {who} no longer knew it: a restart, a failover, or a path that changed."),
        )
        .or(Cause::IdleExpiredSilently, "a capture that begins earlier")
        .or(Cause::AbortiveClose, "whether an earlier RST or FIN was lost before the capture")
    }
}

/// The answer met a receiver that no longer knew the connection.
fn answer_lost(case: &Case<'_>) -> Harm {
    let Some(response) = case
        .ending
        .dialogue
        .recent
        .iter()
        .rev()
        .find_map(|exchange| exchange.response)
    else {
        return Harm::None;
    };
    match *case.ending.acked_offset.of(case.situation.responder()) {
        Some(acked) if acked >= response.end.offset => Harm::None,
        Some(acked) if acked > response.start.offset => Harm::ResponseTruncated,
        _ => Harm::RequestOutcomeUnknown,
    }
}

fn stake_harm(case: &Case<'_>) -> Harm {
    match case.shape.trigger {
        Some(trigger)
            if trigger.from == case.situation.responder()
                && carries_payload(trigger)
                && !trigger.housekeeping =>
        {
            answer_lost(case)
        }
        // Each word of a one-way protocol stands alone: this one was not taken.
        Some(trigger)
            if trigger.from == case.situation.requester
                && trigger.is_new_data()
                && case.ending.is_one_way() =>
        {
            Harm::RequestLost
        }
        Some(trigger) if !carries_payload(trigger) && case.situation.open.is_none() => Harm::None,
        Some(trigger) if trigger.housekeeping && case.situation.open.is_none() => Harm::None,
        _ => harm_of(case.ending, &case.situation),
    }
}
