//! The next request met a socket that had been closed in silence.

use crate::dialogue::{Completeness, Exchange};
use crate::flow::{FinSeen, Packet};
use crate::time::Interval;
use crate::verdict::ending::Ending;
use crate::verdict::harm::{Taken, taken};
use crate::verdict::rules::Case;
use crate::verdict::rules::closing::{EVENT_LOOP, fin_was_idle};
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::Silence;
use crate::verdict::{Cause, Confidence, Harm, IdleKind};

/// Who writes and closes without waiting for anything does so within a turn or two of its event loop.
const AT_ONCE: Interval = Interval::from_millis(20);

/// Behind its words their sender closed at once, and they are shorter than all that it had asked before: in a protocol that can't
/// be read, the last words of a client that found its connection closed (SMTP's QUIT, a Terminate under TLS) look like that.
pub(super) fn says_goodbye(case: &Case<'_>, trigger: &Packet) -> bool {
    let ending = case.ending;
    let closes = |packet: &Packet| {
        packet.from == trigger.from
            && packet.head.flags.fin()
            && (packet.head.time - trigger.head.time).abs() < AT_ONCE
            && (packet.head.frame == trigger.head.frame
                || packet.head.seq == trigger.head.seq + trigger.head.payload_len)
    };
    let shorter = ending
        .dialogue
        .recent
        .iter()
        .filter(|exchange| exchange.response.is_some())
        .map(|exchange| {
            let request = &exchange.request;
            request.end.offset.saturating_sub(request.start.offset)
        })
        .min()
        .is_some_and(|shortest| u64::from(trigger.head.payload_len) < shortest);
    !ending.is_framed() && shorter && ending.before.iter().chain(ending.after.iter()).any(closes)
}

pub(super) fn goodbye(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Ruling {
    Ruling::new(
        Cause::TeardownNoise,
        Confidence::Possible,
        format!(
            "The {} had closed; a few last words of the {}, which closed right behind them, drew the RST.",
            case.claimed(),
            case.receiver()
        ),
    )
    .because_of(format!("the {} had closed with FIN", case.claimed()), [fin.frame])
    .because("what drew the RST is shorter than any request before, and its sender closed right behind it", &[trigger, case.reset])
    .or(Cause::StaleReuse, "the client's log: whether this was a request")
}

/// What drew the RST may be the rest of a request, and not a new one: nobody can read it, and the close was the end of an answer, or the
/// capture begins behind all that was asked before.
fn may_be_a_rest(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> bool {
    let unheard = !case.ending.handshake_seen() && case.ending.dialogue.answered == 0;
    // Where they crossed, the silence before the one is that before the other.
    let was_first = (fin.time, fin.frame) < (trigger.head.time, trigger.head.frame);
    let ended_an_answer = was_first && !fin_was_idle(case, fin);
    !is_readable(case) && (unheard || ended_an_answer)
}

/// What drew the RST begins a request: its bytes say so.
fn is_readable(case: &Case<'_>) -> bool {
    let is_read = |exchange: &Exchange| exchange.request.complete != Completeness::Unknown;
    case.ending.is_framed() && case.situation.begun.is_some_and(is_read)
}

/// What drew the RST is a request for sure: its bytes say so, or at least nothing of them is missing and this protocol that nobody
/// knows has answered such words before.
fn is_surely_request(case: &Case<'_>) -> bool {
    let ending = case.ending;
    is_readable(case) || !ending.cut_payload && ending.dialogue.answered > 0
}

/// The first copy of what drew the RST: nobody took that one, and it had left before the FIN came.
pub(super) fn repeats_unheard<'a>(
    case: &Case<'a>,
    fin: &FinSeen,
    trigger: &Packet,
) -> Option<&'a Packet> {
    let is_first = |packet: &&Packet| {
        packet.from == trigger.from
            && packet.is_new_data()
            && packet.head.seq == trigger.head.seq
            && packet.head.frame != trigger.head.frame
    };
    let first = case.ending.before.iter().find(is_first)?;
    let is_taken = fin.ack.is_some_and(|ack| ack.is_after(first.head.seq));
    (!is_taken && !first.head.ack.is_after(fin.seq)).then_some(first)
}

/// Its sender's numbers had gone beyond it before it was captured: it had been sent, and this is a repetition, which bears a newer
/// acknowledgement than the first copy did.
pub(super) fn was_sent_before_its_last(ending: &Ending, packet: &Packet) -> bool {
    /// Less than any stack waits before it repeats, more than packets overtake each other by. Chosen.
    const REORDERING: Interval = Interval::from_millis(100);
    let is_beyond = |other: &Packet| {
        other.from == packet.from
            && other.head.seq.is_after(packet.head.seq)
            && packet.head.time - other.head.time >= REORDERING
    };
    ending.before.iter().any(is_beyond)
}

pub(super) fn race(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Ruling {
    let silence = Silence::before(trigger);
    let both = case.ending.handshake_seen() && !case.ending.is_incomplete();
    let is_repetition =
        trigger.head.ack.is_after(fin.seq) && was_sent_before_its_last(case.ending, trigger);
    let confidence = if may_be_a_rest(case, fin, trigger) {
        Confidence::Possible
    } else if both && !is_repetition && !case.by_box() && is_surely_request(case) {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let ruling = Ruling::new(
        Cause::KeepaliveRace,
        confidence,
        format!(
            "The {} closed the idle connection while the {}'s next request was already on its way; the request met a closed socket and was reset.",
            case.claimed(),
            case.receiver()
        ),
    )
    .because(
        match is_repetition {
            false => format!("the request acknowledges {} bytes, not the FIN: it left before the FIN arrived", case.ending.relative(case.claimed(), trigger.head.ack)),
            true => "its sender's numbers had gone beyond it before: it had been sent already, and this is a repetition".to_owned(),
        },
        &[trigger],
    )
    .because_of(format!("the {} had closed with FIN", case.claimed()), [fin.frame])
    .because(
        match case.reset.head.seq == trigger.head.ack {
            true => "the RST has no ACK and repeats the request's acknowledgement: a closed socket answers",
            false => "the RST has no ACK and answers a repetition of the request: a closed socket answers",
        },
        &[case.reset],
    )
    .or(
        Cause::DataAfterClose,
        "whether the connection was really idle for the application (its own log of the last response)",
    );
    let ruling = match is_repetition {
        true => ruling.or(
            Cause::StaleReuse,
            "a capture at the client: when it sent the request first, and when it had the FIN",
        ),
        false => ruling,
    };
    lost(case, ruling).idle(IdleKind::BetweenRequests, silence)
}

pub(super) fn stale_reuse(case: &Case<'_>, fin: &FinSeen, trigger: &Packet) -> Ruling {
    let silence = Silence::before(trigger);
    let known_for = trigger.head.time - fin.time;
    if known_for < EVENT_LOOP {
        let mut ruling = race(case, fin, trigger)
            .detail("event-loop")
            .at_most(Confidence::Likely);
        ruling.cause = Cause::StaleReuse;
        ruling.alternatives.clear();
        ruling.evidence.clear();
        ruling.explanation = format!(
            "The FIN reached the {} only {known_for} before it wrote its next request: its application had not seen it yet. A race inside the client's event loop.",
            case.receiver()
        );
        return ruling
            .because(
                format!("the request acknowledges the FIN, {known_for} after it"),
                &[trigger],
            )
            .because("the RST answers the request", &[case.reset])
            .or(
                Cause::StaleReuse,
                "whether the pool looks for a FIN before it hands out a connection",
            );
    }
    let confidence = if may_be_a_rest(case, fin, trigger) {
        Confidence::Possible
    } else if case.by_box() || !is_surely_request(case) || lacks_its_ack(fin, trigger) {
        Confidence::Likely
    } else {
        Confidence::Certain
    };
    let ruling = Ruling::new(
        Cause::StaleReuse,
        confidence,
        format!(
            "The {} had closed {known_for} earlier and the {}'s kernel had acknowledged it, but its pool used the connection again.",
            case.claimed(),
            case.receiver()
        ),
    )
    .because_of(format!("the request acknowledges the FIN, {known_for} after it"), [fin.frame, trigger.head.frame])
    .because("the RST answers the request", &[case.reset])
    .or(Cause::DataAfterClose, "the client's pool: whether this was a new request or the rest of an old one");
    let ruling = match lacks_its_ack(fin, trigger) {
        true => ruling.or(
            Cause::KeepaliveRace,
            "a capture at the client: whether it had sent the request before, and that was lost",
        ),
        false => ruling,
    };
    lost(case, ruling).idle(IdleKind::BetweenRequests, silence)
}

/// A kernel acknowledges a FIN at once, whatever its application does. That was not captured: nor may have been what else shows whether
/// this packet is a repetition.
fn lacks_its_ack(fin: &FinSeen, trigger: &Packet) -> bool {
    /// Beyond what acknowledgements are delayed by (RFC 9293 section 3.8.6.3: 500 ms at most; Linux: 200 ms).
    const LATE: Interval = Interval::from_millis(200);
    fin.acked_at.is_none_or(|at| at >= trigger.head.time) && trigger.head.time - fin.time > LATE
}

/// The request that the trigger began is what is at stake.
fn lost(case: &Case<'_>, ruling: Ruling) -> Ruling {
    let Some(exchange) = case.situation.begun else {
        return ruling;
    };
    let harm = match taken(case.ending, &case.situation, exchange) {
        Taken::Nothing => Harm::RequestLost,
        Taken::Part | Taken::All => Harm::RequestOutcomeUnknown,
    };
    ruling.harm(harm, case.situation.requester)
}
