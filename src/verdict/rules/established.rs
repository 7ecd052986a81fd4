//! Endings of an established connection without a FIN.

use crate::flow::{Packet, PacketKind};
use crate::time::Interval;
use crate::verdict::harm::{harm_of, harm_of_exchange};
use crate::verdict::rules::forgotten::lost_state;
use crate::verdict::rules::requester::{own_window_full, requester_abort, stopped_reading};
use crate::verdict::rules::responder::responder_abort;
use crate::verdict::rules::{Case, carries_payload};
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::Silence;
use crate::verdict::{Cause, Confidence, Form, Harm, IdleKind, Passage};
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
        .map(|pair| pair[1].head.time - pair[0].head.time)
        .collect();
    let shortest = intervals.iter().min()?.as_nanos();
    let final_wait = (case.reset.head.time - last.head.time).as_nanos();
    let close_to = |value: i64| (value - shortest).abs() * 10 <= shortest.max(1);
    let regular = intervals
        .iter()
        .all(|interval| close_to(interval.as_nanos()))
        && close_to(final_wait);
    let silence = Silence {
        application: case
            .reset
            .last_activity
            .map(|activity| case.reset.head.time - activity.time),
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
    let cut = case.situation_at(case.ending.frozen_at(case.reset));
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
    .harm(harm, case.situation.requester);
    let is_missing = case.ending.passage_of(case.reset) == Some(Passage::NotFromSender);
    let decided_by = match (is_missing, case.origin.confidence) {
        (false, _) => Some(format!(
            "a capture at the {}: a RST that never left it was forged",
            case.claimed()
        )),
        (true, Confidence::Possible) => {
            Some("longer captures of both ends: how often they lose a packet".to_owned())
        }
        (true, _) => None,
    };
    if let Some(decided_by) = decided_by {
        ruling = ruling.or(Cause::AbortiveClose, decided_by);
    }
    if let Some(trigger) = case
        .shape
        .trigger
        .or_else(|| case.ending.newest_before(case.receiver()).next())
        .filter(|packet| packet.head.payload_len > 0)
    {
        ruling = ruling.because(
            format!(
                "it followed payload by {}",
                case.reset.head.time - trigger.head.time
            ),
            &[trigger, case.reset],
        );
    }
    // A device answers what it sees: that packet may have been a request.
    let before = case.reset.previous_packet;
    let is_undrawn = before.is_some_and(|before| case.reset.head.time - before >= AT_ONCE);
    Some(if is_undrawn { ruling.unclear() } else { ruling })
}

/// A device's RST follows what it objects to within this. Chosen: far above what one takes that is on the path, or beside it.
const AT_ONCE: Interval = Interval::from_millis(200);

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
    // Without ACK a RST is mostly a reply: what drew it may have been missed.
    let perhaps_drawn = !case.reset.head.flags.ack();
    let harm = in_flight_harm(case);
    let mut ruling = Ruling::new(
        Cause::IdleTimeoutReset,
        if repeated > 0 && !perhaps_drawn { Confidence::Likely } else { Confidence::Possible },
        format!("{who} reset the connection after {idle} of silence. Nothing was outstanding: an idle timer that closes with RST."),
    )
    .because(format!("no packet drew it; the last activity was {idle} before"), &[case.reset])
    .harm(harm, case.situation.requester)
    .idle(IdleKind::BetweenRequests, silence)
    .or(Cause::AbortiveClose, "more connections to the same endpoint: a timer fires after the same silence each time");
    if perhaps_drawn {
        ruling = ruling.unclear().or(
            Cause::IdleExpiredSilently,
            "whether a packet that was not captured drew it: a RST without ACK is mostly a reply",
        );
    }
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
pub(super) fn in_flight_harm(case: &Case<'_>) -> Harm {
    // Payload that came after the RST had been sent before its sender of it knew; a RST of its own answers it.
    let answered = case
        .ending
        .resets
        .iter()
        .skip(1)
        .any(|reset| !reset.head.flags.ack() && reset.from == case.claimed());
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
