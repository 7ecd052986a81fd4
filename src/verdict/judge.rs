//! From frozen facts to a verdict: one pure function.

use std::collections::BTreeMap;

use crate::dialogue::{Answer, Completeness, Exchange, Idempotence, Protocol};
use crate::flow::{Packet, PacketKind};
use crate::report::{RequestInFlight, Retry, Text};
use crate::time::Interval;
use crate::verdict::ending::{Ending, EndingKind, Progress, progress};
use crate::verdict::form::{Obedience, Shape, obedience, shape};
use crate::verdict::harm::{Taken, taken};
use crate::verdict::origin::{Origin, origin};
use crate::verdict::rules::{Case, mptcp_facts, rule, rule_no_reset};
use crate::verdict::ruling::{Fact, Ruling};
use crate::verdict::runtime_errors::{Met, messages};
use crate::verdict::situation::Situation;
use crate::verdict::{
    Cause, Confidence, Effect, Form, Harm, Passage, ResetSender, RetrySafety, TriggerKind,
};

/// The verdict on a RST's making: absent for endings without one.
#[derive(Clone, Debug)]
pub struct ResetVerdict {
    /// Its shape.
    pub form: Form,
    /// Who made it.
    pub sender: ResetSender,
    /// How sure.
    pub sender_confidence: Confidence,
    /// Which captures show it.
    pub passage: Option<Passage>,
    /// Whether it was obeyed.
    pub effect: Effect,
    /// What it answers.
    pub trigger: (TriggerKind, Option<Packet>),
}

/// What is said of one ending.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Cause, harm, idle, evidence, alternatives, explanation.
    pub ruling: Ruling,
    /// The packet that the report names: the RST that counts, the FIN, or the packet that met silence.
    pub at: Packet,
    /// About the RST.
    pub reset: Option<ResetVerdict>,
    /// Something was said before the silence's end that was not captured: how long that was is not known.
    pub lacks_activity: bool,
    /// The request in flight.
    pub request: Option<RequestInFlight>,
    /// Whether to send it again.
    pub retry: Option<Retry>,
    /// What the victim's runtime prints.
    pub victim_errors: BTreeMap<Text, Text>,
}

/// Judges an ending. `None`: nothing bad ended here.
pub fn judge(ending: &Ending) -> Option<Verdict> {
    match ending.kind {
        EndingKind::Reset => judge_reset(ending),
        EndingKind::NoReset => judge_no_reset(ending),
    }
}

fn judge_reset(ending: &Ending) -> Option<Verdict> {
    let reset = effective_reset(ending)?;
    let obeyed = ending
        .resets
        .iter()
        .map(|reset| obedience(ending, reset))
        .find(|obedience| obedience.effect() == Effect::TookEffect)
        .unwrap_or_else(|| obedience(ending, reset));
    let shape = shape(ending, reset);
    let origin = origin(ending, reset, &shape);
    let case = Case::new(ending, reset, shape, &origin);
    let mut ruling = rule(&case, obeyed);
    if ruling.cause == Cause::IgnoredRst && !case.by_box() && obeyed == Obedience::TrafficWentOn {
        ruling.confidence = ruling.confidence.max(Confidence::Likely);
    }
    agree_with_origin(&mut ruling, &origin);
    add_hints(ending, reset, &origin, &mut ruling);
    if ruling.silence.is_none() {
        ruling.silence = Some(case.silence);
    }
    let trigger = (trigger_kind(&case, &shape), shape.trigger.copied());
    let perhaps_its_own =
        ruling.cause == Cause::IgnoredRst && stands_behind_lost_bytes(ending, reset);
    let (sender, sender_confidence) =
        match perhaps_its_own && origin.sender != ResetSender::Middlebox {
            true => (origin.sender, Confidence::Possible),
            false => sender_of(&ruling, &origin),
        };
    if perhaps_its_own {
        ruling = ruling.unclear();
    }
    let stake = stake(&case.situation, &ruling);
    let met = met(ending, &ruling, &case.situation);
    Some(Verdict {
        at: *reset,
        reset: Some(ResetVerdict {
            form: shape.form,
            sender,
            sender_confidence,
            passage: ending.passage_of(reset),
            effect: obeyed.effect(),
            trigger,
        }),
        lacks_activity: ending.lacks_activity(reset),
        request: stake.map(|exchange| request_in_flight(ending, &case.situation, exchange)),
        retry: stake.and_then(|exchange| retry(ending, &case.situation, exchange, &ruling)),
        victim_errors: met.map(messages).unwrap_or_default(),
        ruling,
    })
}

/// The RST that counts: the first one that its receiver obeyed. Where its sender had answered packets in flight before (a train:
/// each late packet of the other side draws a RST with that packet's number), the first of the train tells why.
fn effective_reset<'a>(ending: &'a Ending) -> Option<&'a Packet> {
    let obeyed = ending
        .resets
        .iter()
        .find(|reset| obedience(ending, reset).effect() == Effect::TookEffect);
    let Some(obeyed) = obeyed else {
        return ending.resets.first();
    };
    let challenged = ending.challenged_abort(obeyed.from, obeyed.head.seq);
    let challenged = challenged.map(|(abort, _)| abort);
    if let Some(abort) = challenged.or_else(|| abort_before(ending, obeyed)) {
        return Some(abort);
    }
    ending
        .resets
        .iter()
        .take_while(|reset| reset.head.frame != obeyed.head.frame)
        .find(|reset| {
            reset.from == obeyed.from
                && !reset.head.flags.ack()
                && ending.fin(reset.from).is_some()
                && shape(ending, reset).form == Form::Reply
        })
        .or(Some(obeyed))
}

/// A live socket's RST (it has an ACK) comes before those that answer for the socket that is gone, in whatever order a capture shows
/// neighbours. A box forges both kinds with one number after the other.
fn abort_before<'a>(ending: &'a Ending, reset: &Packet) -> Option<&'a Packet> {
    const REORDERING: Interval = Interval::from_millis(1);
    let late = ending.state.of(reset.from).lateness;
    ending
        .resets
        .iter()
        .filter(|_| !reset.head.flags.ack())
        .find(|other| {
            other.from == reset.from
                && other.head.flags.ack()
                && other.head.seq == reset.head.seq
                && other.head.time > reset.head.time
                && other.head.time - reset.head.time <= REORDERING + late.times(2)
                && ending
                    .at_place(other)
                    .is_some_and(|seen| ending.state.of(reset.from).ttl.contains(seen.head.ttl))
        })
}

/// `certain` of a cause that names a host is no surer than who made the RST, except where the packets alone prove the cause.
fn agree_with_origin(ruling: &mut Ruling, origin: &Origin) {
    if origin.sender == ResetSender::Middlebox && origin.confidence > Confidence::Certain {
        ruling.confidence = ruling.confidence.max(Confidence::Likely);
    }
    let proves_itself = matches!(
        ruling.cause,
        Cause::KeepaliveRace
            | Cause::StaleReuse
            | Cause::KeepaliveProbeFailure
            | Cause::HandshakeAborted
            | Cause::ConnectionRefused
            | Cause::TimeWaitCollision
            | Cause::IgnoredRst
    );
    if origin.sender != ResetSender::Middlebox
        && origin.confidence == Confidence::Possible
        && !proves_itself
    {
        ruling.confidence = ruling.confidence.max(Confidence::Likely);
    }
}

fn sender_of(ruling: &Ruling, origin: &Origin) -> (ResetSender, Confidence) {
    // A RST that its claimed sender lived through, or that nobody obeyed although it lies off the edge, was made by somebody else.
    if ruling.cause == Cause::IgnoredRst && origin.sender != ResetSender::Middlebox {
        let confidence = ruling.confidence.max(Confidence::Likely);
        return (ResetSender::Middlebox, confidence);
    }
    (origin.sender, origin.confidence)
}

/// A live socket's RST ahead of what its receiver had, and its sender was silent from then on: bytes before it may have got lost, and so
/// may the answer to the challenge. A forger's looks the same until the one whose name it bears goes on.
fn stands_behind_lost_bytes(ending: &Ending, reset: &Packet) -> bool {
    let expected = ending.state.of(reset.from.other()).ack;
    let ahead = expected.map_or(0, |expected| reset.head.seq.offset_from(expected));
    let (own, other) = ending.state.own_and_other(reset.from);
    let is_ahead = ahead > 0 && i64::from(ahead) <= other.widest_window(own) as i64;
    let spoke = ending.after.iter().any(|packet| packet.from == reset.from);
    let looks_like_it = ending
        .at_place(reset)
        .is_some_and(|seen| own.ttl.contains(seen.head.ttl));
    reset.head.flags.ack() && is_ahead && !spoke && looks_like_it
}

fn add_hints(ending: &Ending, reset: &Packet, origin: &Origin, ruling: &mut Ruling) {
    ruling.evidence.extend(origin.evidence.iter().cloned());
    let frame = reset.head.frame;
    if let Some(icmp) = ending.icmp.first() {
        ruling.evidence.push(Fact {
            text: format!("an ICMP error from {} quotes this connection", icmp.from),
            frames: vec![icmp.frame],
        });
    }
    if ending.checksum_ok == Some(false) {
        ruling.against.push(Fact {
            text: "the RST's TCP checksum is wrong: normal where the sending host captured it itself, else its receiver drops it".into(),
            frames: vec![frame],
        });
    }
    ruling.evidence.extend(mptcp_facts(ending, reset));
    if !ending.reset_text.is_empty() {
        ruling.evidence.push(Fact {
            text: "the RST carries a text that says why (see reset_text)".into(),
            frames: vec![frame],
        });
    }
    if ending.is_incomplete() {
        ruling.against.push(Fact {
            text: "the capture misses packets of this connection: what was not seen may have been sent".into(),
            frames: Vec::new(),
        });
    }
}

fn trigger_kind(case: &Case<'_>, shape: &Shape<'_>) -> TriggerKind {
    let Some(trigger) = shape.trigger else {
        return TriggerKind::None;
    };
    match trigger.kind {
        PacketKind::Syn => TriggerKind::Syn,
        PacketKind::SynAck => TriggerKind::SynAck,
        PacketKind::KeepaliveProbe => TriggerKind::KeepaliveProbe,
        PacketKind::ZeroWindowProbe | PacketKind::Ack | PacketKind::Rst => TriggerKind::Ack,
        PacketKind::Fin => TriggerKind::Fin,
        PacketKind::Data | PacketKind::Retransmission if trigger.housekeeping => TriggerKind::Data,
        PacketKind::Data | PacketKind::Retransmission => {
            if trigger.from != case.situation.requester {
                TriggerKind::Response
            } else if case.situation.begun.is_some() || repeats_a_request(case, trigger) {
                TriggerKind::Request
            } else {
                TriggerKind::Data
            }
        }
    }
}

/// The start of a request that is still open, sent again.
fn repeats_a_request(case: &Case<'_>, trigger: &Packet) -> bool {
    trigger.kind == PacketKind::Retransmission
        && case.situation.open.is_some_and(|(exchange, _)| {
            case.ending.before.iter().any(|packet| {
                packet.head.frame == exchange.request.start.frame
                    && packet.head.seq == trigger.head.seq
            })
        })
}

fn stake<'a>(situation: &Situation<'a>, ruling: &Ruling) -> Option<&'a Exchange> {
    if ruling.harm == Harm::None {
        return None;
    }
    let race = matches!(ruling.cause, Cause::KeepaliveRace | Cause::StaleReuse);
    if race && let Some(begun) = situation.begun {
        return Some(begun);
    }
    situation.at_stake().map(|(exchange, _)| exchange)
}

fn request_in_flight(
    ending: &Ending,
    situation: &Situation<'_>,
    exchange: &Exchange,
) -> RequestInFlight {
    RequestInFlight {
        protocol: ending.dialogue.protocol,
        summary: exchange.what.summary.as_deref().map(str::to_owned),
        acked: taken(ending, situation, exchange) == Taken::All,
        answered: exchange.response.is_some(),
        server_name: ending.dialogue.tls.as_ref().and_then(|tls| tls.sni.clone()),
    }
}

/// It came for an MPTCP connection that had been closed: a kernel acknowledges what it throws away there.
fn met_data_fin(ending: &Ending, situation: &Situation<'_>) -> bool {
    let responder = situation.requester.other();
    let fin = ending.fin(responder);
    fin.is_some_and(|fin| ending.data_fin(responder, fin).is_some())
}

fn retry(
    ending: &Ending,
    situation: &Situation<'_>,
    exchange: &Exchange,
    ruling: &Ruling,
) -> Option<Retry> {
    let idempotent = exchange.what.idempotence;
    let (safe, why) = match (ruling.harm, idempotent) {
        (Harm::None | Harm::Refused, _) => return None,
        (Harm::RequestLost, _) if ending.is_incomplete() => (
            RetrySafety::Unknown,
            "The capture misses packets: an acknowledgement may have been among them.",
        ),
        (Harm::RequestLost, _) if exchange.answer == Answer::Refused => (
            RetrySafety::Yes,
            "The server said that it never looked at this stream (RFC 9113 section 6.8).",
        ),
        (Harm::RequestLost, _) if exchange.request.complete == Completeness::HeadIncomplete => (
            RetrySafety::Yes,
            "The request's head never came in full: nothing can have acted on it.",
        ),
        (Harm::RequestLost, _) if met_data_fin(ending, situation) => (
            RetrySafety::Yes,
            "Its receiver had closed before it came: no application can have read it, whatever its method.",
        ),
        (Harm::RequestLost, _) => (
            RetrySafety::Yes,
            "No byte of the request was acknowledged: no application can have read it, whatever its method.",
        ),
        (_, Some(Idempotence::Idempotent)) if ending.is_incomplete() => (
            RetrySafety::Unknown,
            "The capture misses packets: which request was open is not sure.",
        ),
        (_, Some(Idempotence::Idempotent)) => (
            RetrySafety::Yes,
            "The first copy may have been executed, but the method is idempotent (RFC 9110 section 9.2.2).",
        ),
        (_, Some(Idempotence::NotIdempotent)) => (
            RetrySafety::No,
            "The peer's kernel took the request: it may have been executed, and doing it twice is not the same as once.",
        ),
        (_, None) => (
            RetrySafety::Unknown,
            "The peer's kernel took the request; whether it was executed, and whether it may be repeated, the packets do not say.",
        ),
    };
    Some(Retry {
        safe,
        why: why.into(),
        seen: None,
    })
}

/// What the victim's application met (Linux `tcp_reset`: once the FIN was processed, reads return the end of the stream).
fn met(ending: &Ending, ruling: &Ruling, situation: &Situation<'_>) -> Option<Met> {
    let victim = match ruling.victim {
        // Whoever speaks TLS is told of the failure in its library's words.
        Some(_) if ruling.harm == Harm::Refused && ending.dialogue.protocol == Protocol::Tls => {
            return None;
        }
        Some(victim) => victim,
        None if ruling.cause == Cause::IdleTimeoutReset => return Some(Met::ResetWhileIdle),
        None if ruling.cause == Cause::KeepaliveProbeFailure => return Some(Met::KernelTimeout),
        None => return None,
    };
    let answering = situation
        .at_stake()
        .is_some_and(|(exchange, _)| progress(exchange) == Progress::Answering);
    let end = ending.fin(victim.other()).is_some();
    let timed_out = match ruling.harm {
        Harm::ResponseTruncated => Met::TimedOutInResponse,
        _ => Met::TimedOut,
    };
    Some(match (ruling.cause, end) {
        (Cause::ConnectionRefused, _) => Met::Refused,
        (Cause::HandshakeAborted, _) => Met::ConnectTimeout,
        (Cause::KeepaliveProbeFailure, _) => Met::KernelTimeout,
        (Cause::ResponseTimeout | Cause::IdleExpiredSilently, _)
            if ending.resets.iter().all(|reset| reset.from == victim) =>
        {
            timed_out
        }
        (Cause::HalfOpen, _) if ending.resets.is_empty() => timed_out,
        _ if ending.dialogue.protocol == Protocol::Tls
            && ending
                .dialogue
                .tls
                .as_ref()
                .is_some_and(|tls| tls.hello_unanswered)
            && !end =>
        {
            Met::ResetInTlsHandshake
        }
        (_, true) if answering => Met::EndInResponse,
        (_, true) => Met::EndBeforeResponse,
        (_, false) if answering => Met::ResetInResponse,
        (_, false) => Met::ResetBeforeResponse,
    })
}

fn judge_no_reset(ending: &Ending) -> Option<Verdict> {
    let found = rule_no_reset(ending)?;
    let mut ruling = found.ruling;
    if ending.is_incomplete() || !ending.shows_silences() {
        ruling.confidence = Confidence::Possible;
    }
    ruling.harm_unclear = ruling.harm == Harm::None && ending.is_incomplete();
    let situation = Situation::at(ending, None, ending.last);
    let exchange = stake(&situation, &ruling);
    let met = met(ending, &ruling, &situation);
    Some(Verdict {
        at: found.at,
        reset: None,
        lacks_activity: ending.lacks_activity(&found.at),
        request: exchange.map(|exchange| request_in_flight(ending, &situation, exchange)),
        retry: exchange.and_then(|exchange| retry(ending, &situation, exchange, &ruling)),
        victim_errors: met.map(messages).unwrap_or_default(),
        ruling,
    })
}
