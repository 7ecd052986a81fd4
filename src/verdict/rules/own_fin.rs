//! Endings in which the live socket that had sent a FIN sent a RST behind it.

use crate::dialogue::Exchange;
use crate::flow::{FinSeen, Packet};
use crate::time::Interval;
use crate::verdict::harm::harm_of;
use crate::verdict::rules::Case;
use crate::verdict::rules::closing::closed_quietly;
use crate::verdict::rules::gone::gave_up;
use crate::verdict::rules::requester::{own_window_full, stopped_reading};
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::{Situation, acknowledges_response};
use crate::verdict::{Cause, Confidence, Harm};

/// RST from a live socket after its own FIN: FIN-WAIT-2 that timed out, a process that exits, linger.
pub(super) fn abort_after_own_fin(case: &Case<'_>, fin: &FinSeen) -> Ruling {
    let situation = case.situation_at(case.ending.frozen_at(case.reset));
    let harm = harm_of(case.ending, &situation);
    if harm != Harm::None && case.claimed() == situation.responder() && !closed_quietly(case) {
        return unread_or_abort(case, &situation);
    }
    if harm != Harm::None && case.claimed() == situation.requester && !closed_quietly(case) {
        let at_fin = case.situation_at(fin.time);
        if own_window_full(case) {
            return stopped_reading(case);
        }
        if at_fin.open.is_some() {
            return gave_up(case, fin, &at_fin);
        }
    }
    if case.claimed() == situation.responder() && case.answered_while_asking() {
        return unread_or_abort(case, &situation)
            .detail("early-answer")
            .harm(Harm::ResponseTruncated, situation.requester);
    }
    if let Some(more) = case.more_of_the_other() {
        return closed_before_more(case, &situation, more);
    }
    let waited = (case.reset.head.time - fin.time).max(Interval::ZERO);
    Ruling::new(
        Cause::TeardownNoise,
        if case.answered_more() || capture_ends_with(case, fin) { Confidence::Possible } else { Confidence::Likely },
        format!("The {} had closed with FIN and cleared the rest of the connection {waited} later with a RST. Nothing was outstanding.", case.claimed()),
    )
    .detail(if waited > Interval::from_millis(1000) { "fin-wait-timeout" } else { "abrupt-close" })
    .because_of("its FIN", [fin.frame])
    .because("the RST continues its own stream", &[case.reset])
}

/// The capture is over before the other side could hear of the FIN and of the RST right behind it: what it still said is not seen.
fn capture_ends_with(case: &Case<'_>, fin: &FinSeen) -> bool {
    let way = case.ending.round_trip().unwrap_or(Interval::ZERO);
    case.claimed() == case.situation.responder()
        && case.reset.head.time - fin.time < way
        && case.ending.capture_end - case.reset.head.time < way
}

/// The other side was not done. Where it had not seen the answer, it went on with what it was asking.
fn closed_before_more(case: &Case<'_>, situation: &Situation<'_>, more: &Packet) -> Ruling {
    let had_not_seen = |exchange: &Exchange| !acknowledges_response(case.ending, exchange, more);
    let ruling = unread_or_abort(case, situation)
        .because(
            "more came of the other side, which had not heard of the close",
            &[more],
        )
        .or(
            Cause::DataAfterClose,
            "a capture at the server: whether that data came after the close",
        )
        .or(
            Cause::TeardownNoise,
            "the other side's application: whether it wanted anything with that",
        );
    if more.from == situation.requester && situation.newest.is_some_and(had_not_seen) {
        return ruling
            .detail("early-answer")
            .harm(Harm::ResponseTruncated, situation.requester);
    }
    ruling
}

fn unread_or_abort(case: &Case<'_>, situation: &Situation<'_>) -> Ruling {
    Ruling::new(
        Cause::CloseWithUnreadData,
        Confidence::Possible,
        format!("The {} closed while data of the {} was still coming or unread, which turns a close into a RST.", case.claimed(), case.receiver()),
    )
    .because("the RST comes from a live socket", &[case.reset])
    .harm(harm_of(case.ending, situation), situation.requester)
    .or(Cause::AbortiveClose, "the sender's counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0")
}
