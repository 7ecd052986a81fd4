//! Endings in which a FIN came before the RST. A FIN does not make a RST harmless: keep-alive races have one.

use crate::dialogue::{Completeness, Exchange, Protocol};
use crate::flow::{FinSeen, Packet, PacketKind};
use crate::time::Interval;
use crate::verdict::ending::{Progress, progress};
use crate::verdict::form::Shape;
use crate::verdict::harm::{Taken, harm_of_exchange, taken};
use crate::verdict::rules::gone::requester_closed;
use crate::verdict::rules::own_fin::abort_after_own_fin;
use crate::verdict::rules::race::{
    goodbye, race, repeats_unheard, says_goodbye, stale_reuse, was_sent_before_its_last,
};
use crate::verdict::rules::{Case, carries_payload};
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::{Silence, Situation};
use crate::verdict::{Cause, Confidence, Harm, IdleKind};

/// A FIN that its receiver had this long before it wrote was there to be seen; anything shorter is the event loop's own race.
pub(super) const EVENT_LOOP: Interval = Interval::from_millis(5);

/// The rules of closing connections.
pub fn rule(case: &Case<'_>) -> Option<Ruling> {
    let own = case.ending.fin(case.claimed());
    let other = case.ending.fin(case.receiver());
    match (own, case.shape.trigger) {
        (Some(fin), None)
            if !case.reset.head.flags.ack()
                && case.ending.state.of(case.receiver()).packets == 0 =>
        {
            one_sided(case, fin)
        }
        (Some(fin), Some(trigger)) if case.claimed() == case.situation.responder() => {
            responder_closed(case, fin, trigger)
        }
        (Some(fin), Some(trigger)) => requester_closed(case, fin, trigger),
        (Some(fin), None) => Some(abort_after_own_fin(case, fin)),
        (None, _) => other.and_then(|fin| after_the_others_fin(case, fin)),
    }
}

/// The one who answers closed, and a packet of the one who asks found no reader (Linux `tcp_rcv_state_process`,
/// TCP_ABORT_ON_DATA, or the TIME-WAIT and LISTEN states that follow).
fn responder_closed(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Option<Ruling> {
    if !carries_payload(trigger) || trigger.housekeeping {
        return Some(late_words(case, fin, trigger));
    }
    if let Some(first) = repeats_unheard(case, fin, trigger) {
        let moment = first.head.time;
        let at_first = Case {
            shape: Shape {
                trigger: Some(first),
                ..case.shape
            },
            situation: Situation::at(case.ending, Some(first), moment),
            silence: Silence::before(first),
            ..*case
        };
        return responder_closed(&at_first, fin, first);
    }
    let knew = case.ending.had(trigger, fin) && !was_sent_before_its_last(case.ending, trigger);
    let after_idle = Silence::before(trigger).is_idle(case.ending) || fin_was_idle(case, fin);
    if (knew || !after_idle) && case.situation.is_quiet() && says_goodbye(case, trigger) {
        return Some(goodbye(case, fin, trigger));
    }
    if after_idle
        && case.triggered_by_request()
        && (case.situation.is_quiet() || fin_ended_open_response(case))
    {
        return Some(if knew {
            stale_reuse(case, fin, trigger)
        } else {
            race(case, fin, trigger)
        });
    }
    Some(data_after_close(case, fin, trigger))
}

/// Only the closer's direction was captured. The RST repeats the acknowledgement of a packet that was not seen: at the FIN's own
/// number that packet had not acknowledged the FIN.
fn one_sided(case: &Case<'_>, fin: &FinSeen) -> Option<Ruling> {
    let crossed = case.reset.head.seq == fin.seq;
    if !fin_was_idle(case, fin) || !crossed && case.reset.head.seq != fin.seq + 1 {
        return None;
    }
    let silence = Silence::before_fin(fin);
    let (cause, rival) = if crossed {
        (Cause::KeepaliveRace, Cause::TeardownNoise)
    } else {
        (Cause::TeardownNoise, Cause::StaleReuse)
    };
    let ruling = Ruling::new(
        cause,
        Confidence::Possible,
        format!(
            "Only the {}'s packets were captured. Its idle close was answered by something that {} the FIN, and drew the RST.",
            case.claimed(),
            if crossed { "had not yet acknowledged" } else { "acknowledged" }
        ),
    )
    .because("the RST's number tells what the packet that drew it had acknowledged", &[case.reset])
    .or(rival, "a capture that holds both directions");
    Some(if crossed {
        ruling
            .harm(Harm::RequestLost, case.receiver())
            .idle(IdleKind::BetweenRequests, silence)
    } else {
        ruling
    })
}

fn head_incomplete(exchange: &Exchange) -> bool {
    exchange.request.complete == Completeness::HeadIncomplete
}

/// A close-delimited response is whole once its sender's FIN is there.
fn fin_ended_open_response(case: &Case<'_>) -> bool {
    case.situation.open.is_some_and(|(exchange, _)| {
        exchange
            .response
            .is_some_and(|response| response.complete == Completeness::UntilClose)
    })
}

/// The FIN itself came after a silence: a timer or a drain closed an idle connection.
pub(super) fn fin_was_idle(case: &Case<'_>, fin: &FinSeen) -> bool {
    let ending = case.ending;
    // Nobody had said a word since the handshake: the server waited for a first request.
    let connected = ending.established.filter(|_| ending.handshake_seen());
    let since = fin
        .last_activity
        .map(|activity| activity.time)
        .or(connected);
    since.is_some_and(|since| fin.time - since >= ending.idle_threshold())
}

/// Close_notify, an ACK or a FIN after the close: nothing was to be read any more. With a request still open, the close itself
/// did the harm.
fn late_words(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Ruling {
    let situation = case.situation_at(trigger.head.time);
    if let Some((exchange, progress)) = situation.open.or(situation
        .begun
        .map(|exchange| (exchange, progress(exchange))))
        && !(progress == Progress::Answering && exchange.response.is_some_and(ends_with_fin))
        && !closed_quietly(case)
    {
        return unanswered_at_close(case, &situation, fin);
    }
    if let Some(unread) = unread_words(case) {
        return met_unseen(case, fin, unread);
    }
    let detail = if trigger.housekeeping {
        Some("tls-close")
    } else {
        None
    };
    let mut ruling = Ruling::new(
        Cause::TeardownNoise,
        Confidence::Likely,
        "Both sides had said all they had to say; the RST only answers the last words of the closing.",
    )
    .because_of(format!("the {} had closed with FIN", case.claimed()), [fin.frame])
    .because("what drew the RST carries no request and no response", &[trigger, case.reset]);
    ruling.detail = detail;
    ruling
}

/// What the other side had said and nobody acknowledged, not even with the close.
fn unread_words<'c>(case: &Case<'c>) -> Option<&'c Packet> {
    let acknowledged = case.ending.state.of(case.claimed()).ack;
    case.ending.before.iter().find(|packet| {
        packet.from == case.receiver()
            && packet.is_new_data()
            && !packet.housekeeping
            && acknowledged.is_none_or(|ack| packet.end().is_after(ack))
    })
}

/// The RST answers the last words; the one that answers the words before them was not captured.
fn met_unseen(case: &Case<'_>, fin: &FinSeen, unread: &Packet) -> Ruling {
    Ruling::new(
        Cause::DataAfterClose,
        Confidence::Possible,
        format!(
            "The {} closed without taking what the {} had said last.",
            case.claimed(),
            case.receiver()
        ),
    )
    .because_of(
        format!("the {} never acknowledged all of it", case.claimed()),
        [unread.head.frame, fin.frame],
    )
    .harm(Harm::RequestLost, case.receiver())
    .or(
        Cause::KeepaliveRace,
        "the silence before the close: a timer that fires after the same silence each time",
    )
    .or(
        Cause::TeardownNoise,
        "the application: whether those words were a goodbye",
    )
}

fn ends_with_fin(response: crate::dialogue::Message) -> bool {
    response.complete == Completeness::UntilClose
}

/// Nothing asked was left unanswered when the RST came.
pub(super) fn closed_quietly(case: &Case<'_>) -> bool {
    case.ending
        .dialogue
        .recent
        .iter()
        .all(|exchange| matches!(progress(exchange), Progress::Answered | Progress::Told))
}

/// The FIN came over an unanswered request, and some later packet drew a RST: a hang-up with a RST behind it, or a race whose
/// request was answered by the FIN first.
fn unanswered_at_close(case: &Case<'_>, situation: &Situation<'_>, fin: &FinSeen) -> Ruling {
    let Some((exchange, _)) = situation.at_stake() else {
        return Ruling::new(
            Cause::TeardownNoise,
            Confidence::Possible,
            "The connection was closing.",
        );
    };
    let harm = situation
        .at_stake()
        .map_or(Harm::None, |(exchange, progress)| {
            harm_of_exchange(case.ending, situation, exchange, progress)
        });
    let request = case
        .ending
        .before
        .iter()
        .find(|packet| packet.head.frame == exchange.request.start.frame);
    let crossed = request.is_some_and(|packet| !case.ending.had(packet, fin));
    let silence = request.map_or_else(|| Silence::before(case.reset), Silence::before);
    let unheard = silence.began_before_capture(case.ending);
    let idle = silence.is_idle(case.ending);
    let took = taken(case.ending, situation, exchange) != Taken::Nothing;
    let fin_took =
        (request.zip(fin.ack)).is_some_and(|(packet, ack)| ack.is_after(packet.head.seq));
    // A kernel acknowledges with its FIN all that had come.
    let unread = crossed && (idle && !took || (unheard || fin.ack.is_some()) && !fin_took);
    if !exchange.request.start.is_before(fin.time, fin.frame) || unread {
        let heard = case.ending.handshake_seen() || case.ending.dialogue.requests > 1;
        if heard && !idle && !fin_was_idle(case, fin) {
            return crossed_without_idle(case, fin, exchange).harm(harm, situation.requester);
        }
        let soon = exchange.request.start.time - fin.time < EVENT_LOOP;
        let cause = if crossed || soon {
            Cause::KeepaliveRace
        } else {
            Cause::StaleReuse
        };
        let ruling = met_by_the_fin(cause, fin, exchange)
            .harm(harm, situation.requester)
            .idle(IdleKind::BetweenRequests, silence);
        return match unheard {
            true => ruling.at_most(Confidence::Possible),
            false => ruling,
        };
    }
    let words = format!(
        "The {} closed before it had answered; what came later was reset.",
        case.claimed()
    );
    // An ACK or a FIN is no data: the close itself did the harm.
    if case
        .shape
        .trigger
        .is_some_and(|packet| packet.head.payload_len == 0)
    {
        return Ruling::new(Cause::HangUp, Confidence::Likely, words)
            .because_of(
                "FIN with a request open",
                [fin.frame, case.reset.head.frame],
            )
            .harm(harm, situation.requester)
            .or(
                Cause::DataAfterClose,
                "the server's log: why it closed without an answer",
            );
    }
    Ruling::new(Cause::DataAfterClose, Confidence::Possible, words)
        .harm(harm, situation.requester)
        .or(
            Cause::HangUp,
            "the server's log: why it closed without an answer",
        )
}

/// The next request and the FIN of an idle connection crossed.
fn met_by_the_fin(cause: Cause, fin: &FinSeen, exchange: &Exchange) -> Ruling {
    Ruling::new(
        cause,
        Confidence::Likely,
        "The idle connection was closed while the next request was on its way; nobody read that request.",
    )
    .because_of("the FIN and the request crossed", [fin.frame, exchange.request.start.frame])
    .or(Cause::DataAfterClose, "a capture at the server")
}

/// The same without a silence before: nobody's timer ran out.
fn crossed_without_idle(case: &Case<'_>, fin: &FinSeen, exchange: &Exchange) -> Ruling {
    Ruling::new(
        Cause::DataAfterClose,
        Confidence::Possible,
        format!(
            "The {} closed right after what it had said, and the {}'s next words were already on their way; nobody read them.",
            case.claimed(),
            case.receiver()
        ),
    )
    .detail("next-request")
    .because_of("the FIN and those words crossed", [fin.frame, exchange.request.start.frame])
    .or(Cause::KeepaliveRace, "the silence that the server's timer counts: here none is seen before the close")
}

/// How a FIN and data that it did not wait for lie to each other.
fn met_on_the_way(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> String {
    let after = trigger.head.time - fin.time;
    match after < Interval::ZERO {
        // The capture is nearer to whoever sent the data.
        true => format!(
            "the {}'s FIN came {} after data that had been on its way to it",
            case.claimed(),
            after.abs()
        ),
        false => format!(
            "the {} had closed with FIN, {after} before more data came",
            case.claimed()
        ),
    }
}

/// Data met a socket that was closed while the other side was still sending: an early answer, an upload cut short.
fn data_after_close(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Ruling {
    let situation = case.situation_at(trigger.head.time);
    let early_answer = case.answered_while_asking();
    let next_request = case.triggered_by_request() && situation.is_quiet();
    let detail = match (early_answer, next_request) {
        (true, _) => "early-answer",
        (_, true) => "next-request",
        _ => "upload-cut",
    };
    let harm = match situation.at_stake() {
        // Runtimes that fail on the write never read the answer.
        _ if early_answer => Harm::ResponseTruncated,
        None => return unreadable_after_close(case, fin, trigger),
        Some((exchange, state)) => match harm_of_exchange(case.ending, &situation, exchange, state)
        {
            Harm::RequestLost if !case.triggered_by_request() && !head_incomplete(exchange) => {
                Harm::RequestOutcomeUnknown
            }
            harm => harm,
        },
    };
    // What ends a dialogue that nobody can read may be a goodbye.
    let perhaps_goodbye =
        case.ending.dialogue.protocol == Protocol::Opaque && case.situation.begun.is_some();
    Ruling::new(
        Cause::DataAfterClose,
        if perhaps_goodbye { Confidence::Possible } else { Confidence::Likely },
        if early_answer {
            format!("The {} had answered and closed while the {} was still sending; the rest of its data drew the RST.", case.claimed(), case.receiver())
        } else if next_request {
            format!("The {} closed right after an answer, and the {}'s next request was already on its way: a close that nobody had announced.", case.claimed(), case.receiver())
        } else {
            format!("The {} closed in the middle of what the {} was sending; the next part drew the RST.", case.claimed(), case.receiver())
        },
    )
    .detail(detail)
    .because_of(met_on_the_way(case, fin, trigger), [fin.frame, trigger.head.frame])
    .because("the RST has no ACK and repeats that data's acknowledgement", &[case.reset])
    .harm(harm, situation.requester)
    .or(Cause::CloseWithUnreadData, "the server's counters TCPAbortOnClose and TCPAbortOnData")
    .or(Cause::KeepaliveRace, "the silence that the server's timer counts: here none is seen before the close")
    .or(Cause::HangUp, "the server's log: whether it closed on what it had been asked, without an answer")
}

/// The same for data of which nobody can say what it was: no request is known to be open, nor to begin there.
fn unreadable_after_close(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Ruling {
    Ruling::new(
        Cause::DataAfterClose,
        Confidence::Possible,
        format!(
            "The {} closed, and what the {} said next met the closed socket. What that was can't be read here.",
            case.claimed(),
            case.receiver()
        ),
    )
    .because_of(met_on_the_way(case, fin, trigger), [fin.frame, trigger.head.frame])
    .harm(Harm::RequestLost, case.receiver())
    .or(
        Cause::TeardownNoise,
        "the application: whether those words were a goodbye",
    )
}

/// The other side had closed first.
fn after_the_others_fin(case: &Case<'_>, fin: &FinSeen) -> Option<Ruling> {
    let situation = case.situation_at(case.ending.frozen_at(case.reset));
    let open_elsewhere = situation.open.filter(|(exchange, state)| {
        !(*state == Progress::Answering
            && exchange.response.is_some_and(ends_with_fin)
            && case.receiver() == situation.responder())
    });
    if let Some((exchange, state)) = open_elsewhere {
        // Where the requester half-closed and the responder reset instead of answering: judged as if there were no FIN.
        return (case.receiver() == situation.responder())
            .then(|| echo_of_a_hang_up(case, &situation, fin, (exchange, state)));
    }
    let trigger_is_closing = case.shape.trigger.is_none_or(|packet| {
        matches!(packet.kind, PacketKind::Fin | PacketKind::Ack)
            || packet.head.flags.fin()
            || packet.housekeeping
    });
    if case.by_box() && case.silence.is_idle(case.ending) {
        return None;
    }
    // A reply to the FIN itself after a silence: the state had been lost before.
    if case.is_reply()
        && case
            .shape
            .trigger
            .is_some_and(|packet| packet.head.flags.fin())
        && Silence::before(case.shape.trigger?)
            .wire
            .is_some_and(|wire| wire >= case.ending.idle_threshold())
    {
        return None;
    }
    let waited = (case.reset.head.time - fin.time).max(Interval::ZERO);
    trigger_is_closing.then(|| {
        Ruling::new(
            Cause::TeardownNoise,
            Confidence::Likely,
            format!("The {} had closed; the {} ended its side with a RST instead of a FIN {waited} later. Nothing was outstanding.", case.receiver(), case.claimed()),
        )
        .detail("abrupt-close")
        .because_of(format!("FIN of the {}, no request open", case.receiver()), [fin.frame, case.reset.head.frame])
    })
}

/// The responder hung up on a request; the requester's RST is only the echo.
fn echo_of_a_hang_up(
    case: &Case<'_>,
    situation: &Situation<'_>,
    fin: &FinSeen,
    (exchange, state): (&Exchange, Progress),
) -> Ruling {
    let harm = harm_of_exchange(case.ending, situation, exchange, state);
    let silence = Silence::before_fin(fin);
    let kind = silence.kind(case.ending, situation);
    Ruling::new(
        Cause::HangUp,
        Confidence::Likely,
        format!("The {} closed with FIN before it had answered in full; the {}'s RST only clears the rest.", case.receiver(), case.claimed()),
    )
    .because_of("FIN with a request open", [fin.frame])
    .because("the RST came after it", &[case.reset])
    .harm(harm, situation.requester)
    .idle(kind, silence)
    .or(Cause::AbortiveClose, "the client's log")
}
