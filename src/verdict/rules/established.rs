//! Endings of an established connection without a FIN.

use crate::dialogue::{Completeness, Protocol};
use crate::flow::{Packet, PacketKind};
use crate::time::Interval;
use crate::verdict::ending::{Ending, Progress};
use crate::verdict::harm::{harm_of, harm_of_exchange};
use crate::verdict::rules::{Case, carries_payload};
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::Silence;
use crate::verdict::{Cause, Confidence, Form, Harm, IdleKind};

/// TCP keepalive gave up: equal intervals of unanswered probes, the RST one interval after the last
/// (RFC 9293 section 3.8.4; Linux `tcp_keepalive_timer`).
pub fn probes(case: &Case<'_>) -> Option<Ruling> {
    let unanswered: Vec<&Packet> = case
        .ending
        .before
        .iter()
        .rev()
        .take_while(|packet| packet.from == case.claimed())
        .filter(|packet| {
            matches!(
                packet.kind,
                PacketKind::KeepaliveProbe | PacketKind::Retransmission
            )
        })
        .collect();
    let probes: Vec<&Packet> = unanswered
        .into_iter()
        .rev()
        .filter(|packet| packet.kind == PacketKind::KeepaliveProbe)
        .collect();
    if probes.len() < 2 || case.shape.form == Form::Reply {
        return None;
    }
    let last = probes.last()?;
    let intervals: Vec<Interval> = probes
        .windows(2)
        .map(|pair| pair[1].time - pair[0].time)
        .collect();
    let shortest = intervals.iter().min()?.as_nanos();
    let final_wait = (case.reset.time - last.time).as_nanos();
    let close_to = |value: i64| (value - shortest).abs() * 10 <= shortest.max(1);
    let regular = intervals
        .iter()
        .all(|interval| close_to(interval.as_nanos()))
        && close_to(final_wait);
    let silence = Silence {
        application: case
            .reset
            .last_activity
            .map(|activity| case.reset.time - activity.time),
        ..Silence::before(case.reset)
    };
    let harm = harm_of(case.ending, &case.situation);
    let kind = silence.kind(case.ending, &case.situation);
    Some(
        Ruling::new(
            Cause::KeepaliveProbeFailure,
            if regular { Confidence::Certain } else { Confidence::Likely },
            format!(
                "The {}'s TCP keepalive probes went unanswered {} times, so its stack gave the connection up. The path or the peer had been gone before.",
                case.claimed(),
                probes.len()
            ),
        )
        .because(format!("{} probes {} apart without an answer, the RST {} after the last", probes.len(), Interval::from_nanos(shortest), Interval::from_nanos(final_wait)), &probes)
        .because("the RST comes from the live socket that probed", &[case.reset])
        .harm(harm, case.situation.requester)
        .idle(kind, silence)
        .or(Cause::IdleExpiredSilently, "a capture beyond the next device: where the probes stop arriving is where the path ends"),
    )
}

/// A RST that its claimed sender did not make, in the middle of its work: somebody cut the connection on purpose.
pub fn injected(case: &Case<'_>) -> Option<Ruling> {
    if !case.by_box() {
        return None;
    }
    let quiet_idle = is_long_idle(case) && !case.origin.contradicted;
    let expired = quiet_idle && (case.is_reply() || case.situation.is_quiet());
    let closing =
        case.ending.fin(case.claimed()).is_some() || case.ending.fin(case.receiver()).is_some();
    if expired || closing && !case.origin.contradicted {
        return None;
    }
    // It cut whatever was open when it came, not only what it answers.
    let cut = case.situation_at(case.reset.time);
    let harm = match cut.at_stake() {
        Some((exchange, progress)) => {
            match harm_of_exchange(case.ending, &cut, exchange, progress) {
                // What the box let pass may have arrived: nothing says that the server never got it.
                Harm::RequestLost => Harm::RequestOutcomeUnknown,
                harm => harm,
            }
        }
        None => Harm::None,
    };
    let mut ruling = Ruling::new(
        Cause::Injected,
        case.origin.confidence,
        format!(
            "A device between both ends sent this RST in the {}'s name while the connection was at work: a filter, an intrusion prevention system, or an attacker.",
            case.claimed()
        ),
    )
    .harm(harm, case.situation.requester)
    .or(Cause::AbortiveClose, format!("a capture at the {}: a RST that never left it was forged", case.claimed()));
    if let Some(trigger) = case
        .shape
        .trigger
        .or_else(|| case.ending.newest_before(case.receiver()).next())
        .filter(|packet| packet.len > 0)
    {
        ruling = ruling.because(
            format!("it followed payload by {}", case.reset.time - trigger.time),
            &[trigger, case.reset],
        );
    }
    Some(ruling)
}

/// No timer known is shorter (the shortest defaults are one to two seconds).
const SHORTEST_TIMER: Interval = Interval::from_millis(1000);

/// A silence that a timer can explain: long enough, and no shorter than one that a connection between the same ends survived.
fn is_long_idle(case: &Case<'_>) -> bool {
    let survived = case
        .ending
        .surroundings
        .longest_survived
        .unwrap_or(Interval::ZERO);
    case.silence.is_idle(case.ending)
        && case.silence.application.is_some_and(|idle| {
            idle >= SHORTEST_TIMER && idle + Interval::from_millis(50) >= survived
        })
}

/// Everything else. Of a connection that shows nothing but RSTs, nothing can be said.
pub fn rule(case: &Case<'_>) -> Option<Ruling> {
    if case.ending.before.is_empty() {
        return None;
    }
    if case.is_reply() {
        return Some(lost_state(case));
    }
    if case.silence.is_idle(case.ending) && case.situation.is_quiet() {
        return Some(idle_abort(case));
    }
    if case.claimed() == case.situation.requester
        && !case.situation.is_quiet()
        && own_window_full(case)
    {
        return Some(stopped_reading(case));
    }
    if case.claimed() == case.situation.requester {
        return Some(requester_abort(case));
    }
    Some(responder_abort(case))
}

/// A stack (or a box) that does not know the connection answered a packet of it (RFC 9293 section 3.10.7.1).
fn lost_state(case: &Case<'_>) -> Ruling {
    let trigger = case.shape.trigger;
    let probe = trigger.is_some_and(|packet| packet.kind == PacketKind::KeepaliveProbe);
    let silence = case.silence;
    let idle = silence.is_idle(case.ending);
    let kind = match (idle, case.situation.is_quiet()) {
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
        packet.kind == PacketKind::Fin || packet.flags.fin() && packet.len == 0
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
    let ruling = if probe {
        Ruling::new(
            Cause::HalfOpen,
            Confidence::Likely,
            format!("A keepalive probe found that {who} no longer knew the connection: it had restarted, or its state had been dropped. Nothing was in flight."),
        )
        .or(Cause::IdleExpiredSilently, "other connections through the same path: a timer takes them all at the same silence, a restart all at the same moment")
    } else if idle {
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
    };
    ruling
        .because("the RST has no ACK and repeats the number that the packet before it acknowledged: no socket was behind it", &evidence_packets)
        .because("no FIN of its sender was seen", &[])
        .harm(harm, case.situation.requester)
        .idle(kind, silence)
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
        Some(trigger) if !carries_payload(trigger) && case.situation.open.is_none() => Harm::None,
        Some(trigger) if trigger.housekeeping && case.situation.open.is_none() => Harm::None,
        _ => harm_of(case.ending, &case.situation),
    }
}

/// The one who reset had not been reading: its receive window was full.
pub(super) fn own_window_full(case: &Case<'_>) -> bool {
    case.ending
        .newest_before(case.claimed())
        .next()
        .is_some_and(|packet| packet.window == 0)
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
}

/// A live socket (or a box) reset an idle connection, unprovoked.
fn idle_abort(case: &Case<'_>) -> Ruling {
    let silence = case.silence;
    let idle = silence.application.unwrap_or(Interval::ZERO);
    let repeated = case.ending.surroundings.equal_idle_resets;
    let who = if case.by_box() {
        "A device on the path".to_owned()
    } else {
        format!("The {}", case.claimed())
    };
    let harm = in_flight_harm(case);
    let mut ruling = Ruling::new(
        Cause::IdleTimeoutReset,
        if repeated > 0 { Confidence::Likely } else { Confidence::Possible },
        format!("{who} reset the connection after {idle} of silence. Nothing was outstanding: an idle timer that closes with RST."),
    )
    .because(format!("no packet drew it; the last activity was {idle} before"), &[case.reset])
    .harm(harm, case.situation.requester)
    .idle(IdleKind::BetweenRequests, silence)
    .or(Cause::AbortiveClose, "more connections to the same endpoint: a timer fires after the same silence each time");
    if repeated > 0 {
        ruling = ruling.because(
            format!(
                "{repeated} other connections of this endpoint were reset after the same silence"
            ),
            &[],
        );
    }
    if idle < SHORTEST_TIMER && repeated == 0 && !case.by_box() {
        ruling.cause = Cause::AbortiveClose;
        ruling.alternatives.clear();
        ruling.explanation = format!(
            "{who} reset the connection {idle} after the last exchange, from a live socket. Nothing was outstanding."
        );
        return ruling.or(
            Cause::IdleTimeoutReset,
            "more connections to the same endpoint: a timer fires after the same silence each time",
        );
    }
    if let Some(survived) = case
        .ending
        .surroundings
        .longest_survived
        .filter(|_| !is_long_idle(case))
    {
        ruling = ruling.although(
            format!("a connection between the same ends survived {survived} of silence"),
            &[],
        );
    }
    if case.ending.surroundings.simultaneous_ends >= 2 {
        ruling = ruling
            .although(format!("{} other connections of this endpoint ended in the same instant: it may have been stopped", case.ending.surroundings.simultaneous_ends), &[]);
        ruling.cause = Cause::AbortiveClose;
        ruling.detail = Some("restart-burst");
        ruling.confidence = Confidence::Possible;
        ruling.explanation = format!(
            "{who} reset the idle connection together with others: it was being stopped or drained."
        );
    }
    ruling
}

/// Requests that were on their way when the RST came died with it.
fn in_flight_harm(case: &Case<'_>) -> Harm {
    // Payload that came after the RST had been sent before its sender of it knew; a RST of its own answers it.
    let answered = case
        .ending
        .resets
        .iter()
        .skip(1)
        .any(|reset| !reset.flags.ack() && reset.from == case.claimed());
    let later = case
        .ending
        .after
        .iter()
        .any(|packet| packet.from == case.situation.requester && carries_payload(packet));
    if (case.in_flight.is_some() || answered && later)
        && case.claimed() == case.situation.responder()
    {
        Harm::RequestLost
    } else {
        Harm::None
    }
}

/// The one who asks reset: it gave up waiting, or it had enough.
fn requester_abort(case: &Case<'_>) -> Ruling {
    let silence = case.silence;
    let waited = silence.application.unwrap_or(Interval::ZERO);
    match case.situation.open {
        Some((_, state)) if silence.is_idle(case.ending) && state != Progress::Answering && !answers_are_due(case.ending, waited) => {
            unknown_protocol_idle(case)
        }
        Some((exchange, state)) if silence.is_idle(case.ending) => Ruling::new(
            Cause::ResponseTimeout,
            if case.ending.dialogue.protocol == Protocol::Opaque { Confidence::Possible } else { Confidence::Likely },
            format!("The {} had waited {waited} for {} and reset the connection: its own timeout, or a cancel.", case.claimed(), if state == Progress::Answering { "the rest of the response" } else { "a response" }),
        )
        .because(format!("a request was open (frame {}) and the other side had been silent for {waited}", exchange.request.start.frame.number), &[case.reset])
        .harm(harm_of(case.ending, &case.situation), case.situation.requester)
        .idle(IdleKind::AwaitingResponse, silence)
        .or(Cause::AbortiveClose, "a second such ending: a timeout repeats to the millisecond, a user's cancel does not"),
        Some((_, Progress::Answering)) => reader_cancelled(case, Harm::ResponseTruncated),
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

fn reader_cancelled(case: &Case<'_>, harm: Harm) -> Ruling {
    Ruling::new(
        Cause::AbortiveClose,
        Confidence::Likely,
        format!("The {} reset the connection while the response was still coming: it had read enough, was cancelled, or died.", case.claimed()),
    )
    .detail("reader-cancelled")
    .because("the response was incomplete and flowing when the RST came from the live socket", &[case.reset])
    .harm(harm, case.situation.requester)
    .or(Cause::CloseWithUnreadData, "the sender's counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0")
}

/// Everything asked had been answered, and no silence followed.
fn after_all_was_said(case: &Case<'_>) -> Ruling {
    let streaming = case.situation.newest.is_some_and(|exchange| {
        exchange.response.is_some_and(|response| {
            response.complete == Completeness::Unknown
                && response.end.offset.saturating_sub(response.start.offset) > 16_384
                && case.reset.time - response.end.time < case.ending.idle_threshold()
        })
    });
    if streaming && case.claimed() == case.situation.requester {
        return reader_cancelled(case, Harm::None);
    }
    let unread = unread_extra(case);
    let ruling = Ruling::new(
        if unread { Cause::CloseWithUnreadData } else { Cause::TeardownNoise },
        if unread { Confidence::Possible } else { Confidence::Likely },
        format!("The exchange was complete; the {} closed with a RST instead of a FIN. Nothing was lost.", case.claimed()),
    )
    .because("no request was open", &[])
    .because("the RST comes from the live socket right after the exchange", &[case.reset]);
    if unread {
        ruling.or(Cause::AbortiveClose, "the sender's counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0")
    } else {
        ruling.detail("abrupt-close").or(
            Cause::AbortiveClose,
            "the application: a linger of 0 after each exchange is a habit of load generators",
        )
    }
}

/// The other side had sent something behind its request that nothing answered: unread when the socket was closed.
fn unread_extra(case: &Case<'_>) -> bool {
    case.situation.newest.is_some_and(|exchange| {
        let later = case
            .ending
            .newest_before(case.receiver())
            .next()
            .filter(|packet| packet.len > 0 && packet.frame != exchange.request.start.frame);
        later.is_some_and(|packet| {
            exchange
                .response
                .is_some_and(|response| packet.time > response.start.time)
        })
    })
}

/// The one who answers reset.
fn responder_abort(case: &Case<'_>) -> Ruling {
    let Some((exchange, state)) = case.situation.open else {
        return responder_after_all(case);
    };
    let harm = harm_of_exchange(case.ending, &case.situation, exchange, state);
    let silence = case.silence;
    let idle = silence.is_idle(case.ending);
    let requester = case.situation.requester;
    let counters =
        "the server's counters: TCPAbortOnClose counts unread data, TCPAbortOnData a linger of 0";
    let kind = if idle {
        IdleKind::AwaitingResponse
    } else {
        IdleKind::None
    };
    let burst = is_burst(case.ending);
    let ruling = match state {
        Progress::Answering if idle && !burst && stalled_reader(case) => timer_reset(case, "sending the rest of its response"),
        Progress::Answering => Ruling::new(
            Cause::AbortiveClose,
            Confidence::Likely,
            format!("The {} reset the connection in the middle of its response: it crashed, was killed, or chose to.", case.claimed()),
        )
        .detail("response-aborted")
        .or(Cause::CloseWithUnreadData, counters),
        Progress::Asking if idle && !burst => timer_reset(case, "the rest of the request"),
        Progress::Asking => unread(case).or(Cause::AbortiveClose, counters).or(Cause::DataAfterClose, "a capture at the server"),
        _ if burst => unread_or_killed(case).or(Cause::AbortiveClose, counters),
        _ => Ruling::new(
            Cause::AbortiveClose,
            Confidence::Possible,
            format!("The {} took the request and reset the connection without an answer: it crashed, closed with data unread, or chose to.", case.claimed()),
        )
        .or(Cause::CloseWithUnreadData, counters),
    };
    let mut ruling = ruling
        .because(format!("a request was open (frame {})", exchange.request.start.frame.number), &[])
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
        let undelivered = newest
            .and_then(|exchange| exchange.response)
            .is_some_and(|response| {
                (*case.ending.acked_offset.of(case.claimed()))
                    .is_none_or(|acked| acked < response.end.offset)
            });
        let harm = if undelivered {
            Harm::ResponseTruncated
        } else {
            Harm::None
        };
        return unread(case)
            .detail("early-answer")
            .because("it had answered while the request was still being sent", &[case.reset])
            .harm(harm, case.situation.requester)
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
