//! Endings that the one who answers chose, and RSTs after everything had been said.

use crate::dialogue::{Completeness, Exchange};
use crate::flow::Packet;
use crate::time::Interval;
use crate::verdict::ending::{Ending, Progress};
use crate::verdict::harm::harm_of_exchange;
use crate::verdict::rules::Case;
use crate::verdict::rules::established::in_flight_harm;
use crate::verdict::rules::requester::reader_cancelled;
use crate::verdict::rules::unread::Unread;
use crate::verdict::ruling::Ruling;
use crate::verdict::{Cause, Confidence, Harm, IdleKind};

/// What tells two of them apart (Linux `tcp_close`).
const COUNTERS: &str =
    "the sender's counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0";

/// The one who answers reset.
pub(super) fn responder_abort(case: &Case<'_>) -> Ruling {
    let Some((exchange, state)) = case.situation.open else {
        return responder_after_all(case);
    };
    let harm = harm_of_exchange(case.ending, &case.situation, exchange, state);
    let silence = case.silence;
    let idle = silence.is_idle(case.ending);
    let requester = case.situation.requester;
    let kind = if idle {
        IdleKind::AwaitingResponse
    } else {
        IdleKind::None
    };
    let burst = is_burst(case.ending);
    let by_timer = match state {
        Progress::Asking | Progress::Answering => None,
        _ if burst => None,
        _ => Unread::of(case, exchange),
    };
    let ruling = match by_timer {
        Some(unread) if unread.is_no_chance() => unread.ruling(case),
        Some(unread) => chosen(case, state, burst).or(Cause::KeepaliveRace, unread.decided_by()),
        None => chosen(case, state, burst),
    };
    let mut ruling = ruling
        .because_of("a request was open", [exchange.request.start.frame])
        .because("the RST continues its sender's stream and acknowledges what came: a live socket made it", &[case.reset])
        .harm(harm, requester);
    if ruling.silence.is_none() {
        ruling = ruling.idle(kind, silence);
    }
    if case.ending.state.of(case.claimed()).new_bytes == 0
        && case.ending.surroundings.simultaneous_ends >= 1
        && ruling.cause == Cause::AbortiveClose
    {
        ruling = ruling.detail("listener-closed").because(
            format!(
                "{} other connections of this endpoint were ended in the same instant",
                case.ending.surroundings.simultaneous_ends
            ),
            &[],
        );
    }
    ruling
}

/// It chose to, or was stopped.
fn chosen(case: &Case<'_>, state: Progress, burst: bool) -> Ruling {
    let idle = case.silence.is_idle(case.ending);
    match state {
        Progress::Answering if idle && !burst && stalled_reader(case) => {
            timer_reset(case, "sending the rest of its response")
        }
        Progress::Answering => Ruling::new(
            Cause::AbortiveClose,
            Confidence::Likely,
            format!("The {} reset the connection in the middle of its response: it crashed, was killed, or chose to.", case.claimed()),
        )
        .detail("response-aborted")
        .or(Cause::CloseWithUnreadData, COUNTERS),
        Progress::Asking if idle && !burst => timer_reset(case, "the rest of the request"),
        Progress::Asking => unread(case)
            .or(Cause::AbortiveClose, COUNTERS)
            .or(Cause::DataAfterClose, "a capture at the server"),
        _ if burst => unread_or_killed(case).or(Cause::AbortiveClose, COUNTERS),
        _ => Ruling::new(
            Cause::AbortiveClose,
            Confidence::Possible,
            format!("The {} took the request and reset the connection without an answer: it crashed, closed with data unread, or chose to.", case.claimed()),
        )
        .or(Cause::CloseWithUnreadData, COUNTERS),
    }
}

fn is_burst(ending: &Ending) -> bool {
    ending.surroundings.refused_after > 0 && ending.surroundings.simultaneous_ends > 0
}

/// The one who asked has stopped reading: its window is closed, or its last acknowledgement lags.
fn stalled_reader(case: &Case<'_>) -> bool {
    let reader = case.ending.state.of(case.receiver());
    reader.zero_windows > 0 || reader.window == 0
}

fn timer_reset(case: &Case<'_>, what: &str) -> Ruling {
    let waited = case.silence.application.unwrap_or(Interval::ZERO);
    Ruling::new(
        Cause::IdleTimeoutReset,
        Confidence::Possible,
        format!(
            "The {} waited {waited} for {what} and reset the connection: a timer of its own.",
            case.claimed()
        ),
    )
    .or(
        Cause::AbortiveClose,
        "more connections: a timer fires after the same wait each time",
    )
    .or(
        Cause::CloseWithUnreadData,
        "the server's counters: TCPAbortOnClose counts unread data",
    )
}

fn unread(case: &Case<'_>) -> Ruling {
    Ruling::new(
        Cause::CloseWithUnreadData,
        Confidence::Likely,
        format!(
            "The {} closed while the {} was still sending; data that nobody had read turned the close into a RST.",
            case.claimed(),
            case.receiver()
        ),
    )
}

fn unread_or_killed(case: &Case<'_>) -> Ruling {
    Ruling::new(
        Cause::CloseWithUnreadData,
        Confidence::Possible,
        format!("The {} ended (other connections ended with it, and its port then refused) with a request unread in its socket.", case.claimed()),
    )
    .detail("process-ended")
}

/// The response was whole, and yet the responder reset.
fn responder_after_all(case: &Case<'_>) -> Ruling {
    let newest = case.situation.newest;
    let upload_open = newest.is_some_and(|exchange| {
        exchange.request.complete == Completeness::Incomplete
            || exchange.request.expected_end.is_some()
    });
    if upload_open {
        return unread(case)
            .detail("early-answer")
            .because("it had answered while the request was still being sent", &[case.reset])
            // An acknowledged answer is in the kernel: runtimes that fail on the write never read it.
            .harm(Harm::ResponseTruncated, case.situation.requester)
            .or(Cause::DataAfterClose, "a capture at the server: a FIN before the RST")
            .or(Cause::AbortiveClose, "the server's counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0");
    }
    let streaming = newest
        .and_then(|exchange| exchange.response)
        .is_some_and(|response| {
            response.complete == Completeness::Unknown
                && case.ending.state.of(case.claimed()).new_bytes > 0
                && (*case.ending.acked_offset.of(case.claimed()))
                    .is_none_or(|acked| acked < response.end.offset)
        });
    if streaming {
        return Ruling::new(
            Cause::AbortiveClose,
            Confidence::Possible,
            format!(
                "The {} reset the connection while its last data was still on the way.",
                case.claimed()
            ),
        )
        .detail("response-aborted")
        .because("its last data had not been acknowledged", &[case.reset])
        .harm(Harm::ResponseTruncated, case.situation.requester)
        .or(
            Cause::TeardownNoise,
            "the protocol's framing: whether that data was the end of its answer",
        );
    }
    after_all_was_said(case)
}

/// Everything asked had been answered, and no silence followed.
pub(super) fn after_all_was_said(case: &Case<'_>) -> Ruling {
    let streaming = case.situation.newest.is_some_and(|exchange| {
        exchange.response.is_some_and(|response| {
            response.complete == Completeness::Unknown
                && response.end.offset.saturating_sub(response.start.offset) > 16_384
                && case.reset.head.time - response.end.time < case.ending.idle_threshold()
        })
    });
    if streaming && case.claimed() == case.situation.requester {
        return stream_cancelled(case);
    }
    let went_on_sending = case.in_flight.is_some() && case.situation.begun.is_none();
    if !went_on_sending && in_flight_harm(case) == Harm::RequestLost {
        return closed_on_a_request(case);
    }
    if case.in_flight.is_some() {
        return closed_on_more(case);
    }
    let unread = unread_extra(case);
    // Without framing nobody knows whether the answer was whole.
    let of_unknown_length = |exchange: &Exchange| {
        let response = exchange.response.map(|response| response.complete);
        response == Some(Completeness::Unknown)
    };
    let unframed = case.claimed() == case.situation.responder()
        && case.situation.newest.is_some_and(of_unknown_length);
    let ruling = Ruling::new(
        if unread { Cause::CloseWithUnreadData } else { Cause::TeardownNoise },
        if unread || unframed || case.answered_more() { Confidence::Possible } else { Confidence::Likely },
        match case.situation.newest {
            Some(_) => format!("The exchange was complete; the {} closed with a RST instead of a FIN. Nothing was lost.", case.claimed()),
            None => format!("Nothing had been asked; the {} closed with a RST instead of a FIN. Nothing was lost.", case.claimed()),
        },
    )
    .because("no request was open", &[])
    .because("the RST comes from the live socket right after what was said", &[case.reset]);
    if unread {
        ruling.or(Cause::AbortiveClose, COUNTERS)
    } else {
        ruling.detail("abrupt-close").or(
            Cause::AbortiveClose,
            "the application: a linger of 0 after each exchange is a habit of load generators",
        )
    }
}

/// The one who asked reset within a long response whose end nobody can read. More of it behind the RST says that it had not ended.
fn stream_cancelled(case: &Case<'_>) -> Ruling {
    let ruling = reader_cancelled(case);
    match case.more_of_the_other() {
        Some(more) => ruling.because(
            "more of the response came, and the RST of the live socket acknowledges nothing of that",
            &[case.reset, more],
        ),
        None => Ruling {
            harm: Harm::None,
            victim: None,
            ..ruling.at_most(Confidence::Possible)
        }
        .unclear()
        .because(
            "the RST came from the live socket soon after a long response, whose end can't be read",
            &[case.reset],
        ),
    }
}

/// More was on its way to it, and the capture does not show of what.
fn closed_on_more(case: &Case<'_>) -> Ruling {
    let in_flight: Vec<&Packet> = case.in_flight.into_iter().chain([case.reset]).collect();
    Ruling::new(
        Cause::CloseWithUnreadData,
        Confidence::Possible,
        format!(
            "The {} closed with a RST while more of the {} was on its way to it.",
            case.claimed(),
            case.receiver()
        ),
    )
    .because(
        "the RST acknowledges less than had been sent to it",
        &in_flight,
    )
    .or(Cause::AbortiveClose, COUNTERS)
}

/// The next request was on its way when the socket was closed with a RST.
fn closed_on_a_request(case: &Case<'_>) -> Ruling {
    let in_flight: Vec<&Packet> = case.in_flight.into_iter().chain([case.reset]).collect();
    Ruling::new(
        Cause::AbortiveClose,
        Confidence::Possible,
        format!("The {} reset the live connection while a request was on its way to it: it had not seen that, and chose to close, or was stopped.", case.claimed()),
    )
    .because("the RST acknowledges nothing of that request", &in_flight)
    .harm(Harm::RequestLost, case.situation.requester)
    .or(Cause::CloseWithUnreadData, COUNTERS)
}

/// The other side had sent something behind its request that nothing answered: unread when the socket was closed.
fn unread_extra(case: &Case<'_>) -> bool {
    case.situation.newest.is_some_and(|exchange| {
        let later = case
            .ending
            .newest_before(case.receiver())
            .next()
            .filter(|packet| {
                packet.head.payload_len > 0 && packet.head.frame != exchange.request.start.frame
            });
        later.is_some_and(|packet| {
            exchange.response.is_some_and(|response| {
                response
                    .start
                    .is_before(packet.head.time, packet.head.frame)
            })
        })
    })
}
