//! The one who asks had closed, and what its peer still said was reset.

use crate::dialogue::Exchange;
use crate::flow::{FinSeen, Packet};
use crate::time::Interval;
use crate::verdict::ending::Progress;
use crate::verdict::harm::harm_of;
use crate::verdict::rules::requester::answers_are_due;
use crate::verdict::rules::undelivered::traced;
use crate::verdict::rules::{Case, carries_payload};
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::{Silence, Situation};
use crate::verdict::{Cause, Confidence, Harm, IdleKind};

/// The one who asks closed; a late answer drew its RST (Linux TCP_ABORT_ON_DATA or TIME-WAIT). If the answer was still due,
/// it had given up waiting.
pub(super) fn requester_closed(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Option<Ruling> {
    // All that it asked is numbered before its FIN, even what was captured after it. Who only half-closed acknowledges the answer.
    let in_the_end = case.situation_at(case.ending.frozen_at(case.reset));
    let heard = case.ending.state.of(case.claimed()).ack;
    let unheard = heard.and_then(|ack| in_the_end.with_answer_unheard(case.ending, ack));
    if let Some(situation) = unheard {
        let ruling = gave_up(case, fin, &situation);
        return Some(traced(case.ending, case.claimed(), ruling));
    }
    let at_fin = match in_the_end.is_quiet() {
        true => case.situation_at(fin.time),
        false => in_the_end,
    };
    if let Some((exchange, state)) = at_fin.open
        && matches!(
            state,
            Progress::Asking | Progress::Unanswered | Progress::Answering
        )
        && (carries_payload(trigger) && !trigger.housekeeping || exchange.response.is_some())
    {
        return Some(gave_up(case, fin, &at_fin));
    }
    let answers_unheard = |exchange: &Exchange| {
        let response = exchange.response.map(|response| response.start.frame);
        !exchange.was_asked_here() && response == Some(trigger.head.frame)
    };
    let unheard = !case.ending.handshake_seen();
    if unheard && case.ending.dialogue.recent.iter().any(answers_unheard) {
        return Some(gave_up_unheard(case, fin, trigger));
    }
    let detail = match (trigger.housekeeping, carries_payload(trigger)) {
        (true, _) => "tls-close",
        (_, true) => "late-data",
        _ => "abrupt-close",
    };
    // Only its framing tells whether an answer was whole; more of it says that it may not have been.
    let may_be_open = detail == "late-data" && !case.ending.is_framed();
    let (confidence, cost) = match may_be_open {
        true => (Confidence::Possible, ""),
        false => (Confidence::Likely, " Nothing was lost."),
    };
    let ruling = Ruling::new(
        Cause::TeardownNoise,
        confidence,
        format!("The {} had all it wanted and closed; what the {} still sent found nobody and was reset.{cost}", case.claimed(), case.receiver()),
    )
    .detail(detail)
    .because_of(format!("the {} had closed with FIN; no request was open", case.claimed()), [fin.frame])
    .because("the RST answers what came after it", &[trigger, case.reset]);
    Some(match may_be_open {
        true => ruling.or(
            Cause::ResponseTimeout,
            "the protocol: whether more of an answer was due",
        ),
        false => ruling,
    })
}

/// It closed while it waited.
pub(super) fn gave_up(case: &Case<'_>, fin: &FinSeen, situation: &Situation<'_>) -> Ruling {
    let silence = match situation.open {
        Some((exchange, Progress::Unanswered)) => {
            Silence::before_fin(fin).since_request(exchange, case.claimed(), fin.time)
        }
        _ => Silence::before_fin(fin),
    };
    let waited = silence.application.unwrap_or(Interval::ZERO);
    let patient = waited >= case.ending.idle_threshold();
    let due = case.shape.trigger.is_some() || answers_are_due(case.ending, waited);
    let had_begun = matches!(situation.open, Some((_, Progress::Answering)));
    let (then, sign, frames) = match case.shape.trigger {
        Some(trigger) => (
            match had_begun {
                true => "what came later was reset".to_owned(),
                false => "the answer came later and was reset".to_owned(),
            },
            "the RST answers the late response",
            vec![trigger, case.reset],
        ),
        None => (
            format!(
                "{} later it reset what was left of the connection",
                (case.reset.head.time - fin.time).max(Interval::ZERO)
            ),
            "the RST continues its own stream",
            vec![case.reset],
        ),
    };
    let ruling = Ruling::new(
        Cause::ResponseTimeout,
        if patient && due {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        match had_begun {
            true => format!(
                "The {} waited {waited} for the rest of an answer that had begun and closed; {then}.",
                case.claimed()
            ),
            false => format!(
                "The {} waited {waited} for an answer and closed; {then}.",
                case.claimed()
            ),
        },
    )
    .because_of(
        match had_begun {
            true => "its FIN came while an answer was incomplete",
            false => "its FIN came while a request was unanswered",
        },
        [fin.frame],
    )
    .because(sign, &frames)
    .harm(harm_of(case.ending, situation), situation.requester)
    .or(
        Cause::DataAfterClose,
        "the client's log: a timeout, a cancel by its user, or the end of its process",
    );
    let ruling = match due {
        true => ruling,
        false => ruling.or(
            Cause::TeardownNoise,
            "the protocol: whether an answer was due",
        ),
    };
    let kind = if patient {
        IdleKind::AwaitingResponse
    } else {
        IdleKind::None
    };
    ruling.idle(kind, silence)
}

/// The same for an answer to what was asked before the capture began.
fn gave_up_unheard(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Ruling {
    Ruling::new(
        Cause::ResponseTimeout,
        Confidence::Possible,
        format!(
            "The {} closed before the answer came to what it had asked before the capture began: it gave up waiting, or needed it no more.",
            case.claimed()
        ),
    )
    .because_of("its FIN came before that answer", [fin.frame, trigger.head.frame])
    .because("the RST answers the late response", &[trigger, case.reset])
    .harm(Harm::RequestOutcomeUnknown, case.claimed())
    .or(
        Cause::TeardownNoise,
        "a capture that begins earlier: what was asked, and whether it was answered before",
    )
}
