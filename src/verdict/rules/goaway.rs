//! HTTP/2 sessions that one end broke off: GOAWAY with an error, after which it closes (RFC 9113 section 5.4.1), and so may the other end.

use crate::dialogue::{Farewell, ProtocolError};
use crate::flow::Peer;
use crate::time::{Interval, Timestamp};
use crate::verdict::ending::Ending;
use crate::verdict::harm::harm_of_exchange;
use crate::verdict::rules::Case;
use crate::verdict::rules::no_reset::{NoResetEnding, packet_of};
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::Situation;
use crate::verdict::{Cause, Confidence, Harm, ResetSender};

/// A close that comes later has a reason of its own; one of the same end that is captured before it does not come before it. Chosen.
const CLOSES_WITHIN: Interval = Interval::from_millis(1_000);

/// A RST behind such a GOAWAY, with something open.
pub(super) fn rule(case: &Case<'_>) -> Option<Ruling> {
    if case.origin.sender == ResetSender::Middlebox {
        return None;
    }
    let at = case.reset.head.time;
    let ruling = broken_off(
        case.ending,
        &case.situation,
        (Cause::AbortiveClose, case.claimed(), at),
    )?;
    Some(ruling.because("the RST follows", &[case.reset]))
}

/// A FIN behind such a GOAWAY, likewise.
pub(super) fn hung_up(ending: &Ending, closer: Peer) -> Option<NoResetEnding> {
    let fin = ending.fin(closer)?;
    let at = packet_of(ending, fin)?;
    let situation = Situation::at(ending, None, ending.last);
    let ruling = broken_off(ending, &situation, (Cause::HangUp, closer, fin.time))?;
    Some(NoResetEnding {
        ruling: ruling.because("the FIN follows", &[at]),
        at: *at,
    })
}

fn broken_off(
    ending: &Ending,
    situation: &Situation<'_>,
    (cause, closer, closed): (Cause, Peer, Timestamp),
) -> Option<Ruling> {
    let told = |farewell: &&Farewell| {
        let waited = closed - farewell.at.time;
        waited.abs() <= CLOSES_WITHIN && (waited >= Interval::ZERO || farewell.from == closer)
    };
    let farewells = ending.dialogue.farewells.iter().filter(told);
    let (farewell, error) = farewells
        .filter_map(|farewell| Some((farewell, ProtocolError::of(&farewell.what)?)))
        .next()?;
    let (exchange, progress) = situation.open?;
    let harm = harm_of_exchange(ending, situation, exchange, progress);
    if harm == Harm::None {
        return None;
    }
    let ruling = Ruling::new(
        cause,
        Confidence::Likely,
        format!(
            "The {} broke the HTTP/2 session off with GOAWAY {}: {}. What was open ended with it.",
            farewell.from,
            error.name(),
            error.meaning()
        ),
    )
    .detail(match error {
        ProtocolError::EnhanceYourCalm => "goaway-calm",
        _ => "goaway-error",
    })
    .because_of(
        format!("a GOAWAY of the {} with an error", farewell.from),
        [farewell.at.frame],
    )
    .harm(harm, situation.requester);
    Some(ruling)
}
