//! Subflows of MPTCP (RFC 8684).

use crate::flow::Packet;
use crate::verdict::ending::Ending;
use crate::verdict::rules::Case;
use crate::verdict::ruling::Ruling;
use crate::verdict::{Cause, Confidence, Fact};

/// The name of what is said of one subflow among several.
const SUBFLOW: &str = "mptcp-subflow";

/// A RST of one subflow where others bore some of what was said: from this one alone nobody can tell what was lost.
pub(super) fn rule(case: &Case<'_>) -> Option<Ruling> {
    let ending = case.ending;
    if !ending.is_part() {
        return None;
    }
    let (sender, reset) = (case.claimed(), case.reset);
    let said = ending.mptcp.unwrap_or_default();
    let is_open = ending.established.is_some();
    let closed = ending.fin(sender).or(ending.fin(sender.other()));
    let new = |cause: Cause, confidence: Confidence, text: String| {
        let ruling = Ruling::new(cause, confidence, text).detail(SUBFLOW);
        ruling.unclear()
    };
    let ruling = if said.fast_close {
        let text = format!(
            "The {sender}'s application aborted a whole MPTCP connection, of which this is one subflow. What was open on the others can't be told from this one."
        );
        new(Cause::AbortiveClose, Confidence::Likely, text)
    } else if !is_open {
        let text = format!(
            "The {sender} refused one more subflow of an MPTCP connection, which goes on over those that it has."
        );
        new(Cause::ConnectionRefused, Confidence::Likely, text)
    } else {
        let text = "One subflow of an MPTCP connection was reset. The connection may go on over others, and what was said went over them, too: what was lost, if anything was, can't be told from this one.";
        let cause = match closed {
            Some(_) => Cause::TeardownNoise,
            None => Cause::AbortiveClose,
        };
        new(cause, Confidence::Possible, text.to_owned())
    };
    let ruling = ruling.because(
        "MPTCP's numbers show that other subflows belong to this connection",
        &[reset],
    );
    Some(match ruling.confidence {
        Confidence::Possible => ruling.or(
            Cause::AbortiveClose,
            "the other subflows: whether they went on, and the application's log",
        ),
        Confidence::Certain | Confidence::Likely => ruling,
    })
}

/// What MPTCP's options say of an ending.
pub fn facts<'a>(ending: &'a Ending, reset: &'a Packet) -> impl Iterator<Item = Fact> + 'a {
    let said = ending.mptcp.unwrap_or_default();
    let aborted = said.fast_close.then(|| {
        "MPTCP's MP_FASTCLOSE: its sender's application, or the end of its process, aborted the whole connection (RFC 8684 section 3.5)".to_owned()
    });
    let reason = said.reset_reason.map(|reason| {
        format!(
            "MPTCP names the reason {reason}, {} (RFC 8684 section 3.6)",
            meaning(reason)
        )
    });
    aborted.into_iter().chain(reason).map(|text| Fact {
        text,
        frames: vec![reset.head.frame],
    })
}

/// RFC 8684 section 3.6.
const fn meaning(reason: u8) -> &'static str {
    match reason {
        0 => "an error that is not specified",
        1 => "an error of MPTCP itself",
        2 => "lack of resources",
        3 => "administratively prohibited",
        4 => "too much data outstanding",
        5 => "unacceptable performance",
        6 => "a box in between interferes with MPTCP",
        _ => "which no standard names",
    }
}
