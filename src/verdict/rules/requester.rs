//! Endings that the one who asks chose: it gave up waiting, stopped reading, or had enough.

use crate::dialogue::{Exchange, Protocol};
use crate::time::Interval;
use crate::verdict::ending::{Ending, Progress};
use crate::verdict::harm::harm_of;
use crate::verdict::rules::Case;
use crate::verdict::rules::responder::after_all_was_said;
use crate::verdict::rules::undelivered::traced;
use crate::verdict::ruling::Ruling;
use crate::verdict::{Cause, Confidence, Harm, IdleKind};

/// The one who reset had not been reading: its receive window was full.
pub(super) fn own_window_full(case: &Case<'_>) -> bool {
    case.ending
        .newest_before(case.claimed())
        .next()
        .is_some_and(|packet| packet.head.window == 0)
}

pub(super) fn stopped_reading(case: &Case<'_>) -> Ruling {
    Ruling::new(
        Cause::CloseWithUnreadData,
        Confidence::Likely,
        format!("The {} had stopped reading (its receive window was full) and closed with the response unread, which turns a close into a RST.", case.claimed()),
    )
    .because("its last packets announced a window of 0", &case.ending.newest_before(case.claimed()).take(1).collect::<Vec<_>>())
    .because("the RST comes from that live socket", &[case.reset])
    .harm(harm_of(case.ending, &case.situation), case.situation.requester)
    .or(Cause::ResponseTimeout, "its log: a timer of its own, or its client gone")
    .or(Cause::AbortiveClose, "its counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0")
}

/// The one who asks reset: it gave up waiting, or it had enough.
pub(super) fn requester_abort(case: &Case<'_>) -> Ruling {
    let head = &case.reset.head;
    let unheard = case.situation.with_answer_unheard(case.ending, head.ack);
    if let Some(situation) = unheard.filter(|_| head.flags.ack())
        && let Some((exchange, _)) = situation.open
    {
        return requester_abort(&Case {
            silence: case
                .silence
                .since_request(exchange, case.claimed(), head.time),
            situation,
            ..*case
        });
    }
    let silence = case.silence;
    let waited = silence.application.unwrap_or(Interval::ZERO);
    match case.situation.open {
        Some((_, state)) if silence.is_idle(case.ending) && state != Progress::Answering && !answers_are_due(case.ending, waited) => {
            unknown_protocol_idle(case)
        }
        Some((exchange, state)) if silence.is_idle(case.ending) => gave_up_waiting(case, exchange, state),
        Some((_, Progress::Answering)) => reader_cancelled(case)
            .because("the response was incomplete and flowing when the RST came from the live socket", &[case.reset]),
        Some(_) => Ruling::new(
            Cause::AbortiveClose,
            Confidence::Possible,
            format!("The {} reset the connection right after it had asked: a cancel, a crash, or a close with a linger of 0.", case.claimed()),
        )
        .because("a RST from a live socket; a request was open", &[case.reset])
        .harm(harm_of(case.ending, &case.situation), case.situation.requester)
        .or(Cause::ResponseTimeout, "the client's timeout setting"),
        None => after_all_was_said(case),
    }
}

fn gave_up_waiting(case: &Case<'_>, exchange: &Exchange, state: Progress) -> Ruling {
    let silence = case.silence;
    let waited = silence.application.unwrap_or(Interval::ZERO);
    let what = match state {
        Progress::Answering => "the rest of the response",
        _ => "a response",
    };
    let known = case.ending.dialogue.protocol != Protocol::Opaque;
    let ruling = Ruling::new(
        Cause::ResponseTimeout,
        if known { Confidence::Likely } else { Confidence::Possible },
        format!("The {} had waited {waited} for {what} and reset the connection: its own timeout, or a cancel.", case.claimed()),
    )
    .because_of(format!("a request was open and the other side had been silent for {waited}"), [exchange.request.start.frame, case.reset.head.frame])
    .harm(harm_of(case.ending, &case.situation), case.situation.requester)
    .idle(IdleKind::AwaitingResponse, silence)
    .or(Cause::AbortiveClose, "a second such ending: a timeout repeats to the millisecond, a user's cancel does not");
    let last = case.ending.before.last();
    let next = case.ending.state.of(case.claimed()).snd_nxt;
    // A probe (RFC 9293 section 3.8.4: SEG.SEQ = SND.NXT-1) is known as one only where all that was sent before is known to be
    // acknowledged.
    let probed = last.is_some_and(|packet| {
        packet.from == case.claimed()
            && packet.head.payload_len == 0
            && next == Some(packet.head.seq + 1)
    });
    match probed {
        true => ruling.at_most(Confidence::Possible).or(
            Cause::KeepaliveProbeFailure,
            "a capture that misses nothing: probes at even distances, none of them answered",
        ),
        false => traced(case.ending, case.claimed(), ruling),
    }
}

/// In a protocol that is not known, the last word of the one who opened the connection may want no answer (a goodbye, a
/// heartbeat, a report). An answer was due only where every earlier word had got one.
pub(super) fn answers_are_due(ending: &Ending, waited: Interval) -> bool {
    /// Nobody waits longer than this for an answer and closes quietly; idle connections are kept longer.
    const PATIENCE: Interval = Interval::from_millis(30_000);
    let dialogue = &ending.dialogue;
    let regular = dialogue.answered >= 3 && dialogue.answered + 1 >= dialogue.requests;
    dialogue.protocol != Protocol::Opaque || regular && waited <= PATIENCE
}

fn unknown_protocol_idle(case: &Case<'_>) -> Ruling {
    let idle = case.silence.application.unwrap_or(Interval::ZERO);
    Ruling::new(
        Cause::IdleTimeoutReset,
        Confidence::Possible,
        format!(
            "The {} reset the connection after {idle} of silence. All data had been acknowledged; whether an answer was due, this protocol does not show.",
            case.claimed()
        ),
    )
    .because(format!("no packet drew it; the last activity was {idle} before"), &[case.reset])
    .idle(IdleKind::BetweenRequests, case.silence)
    .or(Cause::ResponseTimeout, "the application's log: whether it waited for an answer")
    .or(Cause::AbortiveClose, "more connections to the same endpoint: a timer fires after the same silence each time")
}

pub(super) fn reader_cancelled(case: &Case<'_>) -> Ruling {
    Ruling::new(
        Cause::AbortiveClose,
        Confidence::Likely,
        format!("The {} reset the connection while the response was still coming: it had read enough, was cancelled, or died.", case.claimed()),
    )
    .detail("reader-cancelled")
    .harm(Harm::ResponseTruncated, case.situation.requester)
    .or(Cause::CloseWithUnreadData, "the sender's counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0")
}
