//! What a damaged capture may do to a verdict: make it less sure. What is still called certain is what the whole capture shows, and
//! harm that the whole capture does not show is at most possible.

use whyrst::Interval;
use whyrst::report::Finding;
use whyrst::testing::{Ladder, Trace, TraceFrame};
use whyrst::verdict::{Cause, Confidence, Harm, RetrySafety};
use whyrst::wire::TcpFlags;

use crate::{every_ladder, line};

/// The source address as it stands in the frame.
fn source(frame: &TraceFrame) -> Option<&[u8]> {
    match frame.bytes.get(14)? >> 4 {
        4 => frame.bytes.get(26..30),
        _ => frame.bytes.get(22..38),
    }
}

/// Where a frame's TCP payload begins.
fn payload_at(frame: &TraceFrame) -> Option<usize> {
    let tcp = match frame.bytes.get(14)? >> 4 {
        4 => 14 + usize::from(frame.bytes[14] & 15) * 4,
        _ => 14 + 40,
    };
    Some(tcp + usize::from(frame.bytes.get(tcp + 12)? >> 4) * 4)
}

/// Its TCP flags.
pub fn flags(frame: &TraceFrame) -> Option<TcpFlags> {
    let ip = frame.bytes.get(14..)?;
    let tcp = match ip.first()? >> 4 {
        4 => usize::from(ip[0] & 15) * 4,
        _ => 40,
    };
    Some(TcpFlags(u16::from(*ip.get(tcp + 13)?)))
}

/// The same conversation in a language that nobody knows.
fn unreadable(mut trace: Trace) -> Trace {
    for frame in &mut trace.frames {
        let payload = payload_at(frame).and_then(|at| frame.bytes.get_mut(at..));
        for byte in payload.unwrap_or_default() {
            *byte ^= 0xa5;
        }
    }
    trace
}

/// A capture, and what it lacks.
fn damaged(ladder: &Ladder) -> Vec<(String, Trace)> {
    let whole = ladder.trace();
    let frames = whole.frames.len();
    let first = whole.frames.first().cloned();
    let one_way = |same: bool| {
        whole
            .clone()
            .only(|_, frame| (source(frame) == first.as_ref().and_then(source)) == same)
    };
    let mut all = vec![
        ("the first side's packets".to_owned(), one_way(true)),
        ("the other side's packets".to_owned(), one_way(false)),
    ];
    type Filter = fn(TcpFlags) -> bool;
    let filters: [(&str, Filter); 3] = [
        ("all but SYN, FIN and RST", |flags| {
            flags.syn() || flags.fin() || flags.rst()
        }),
        ("all but RST", TcpFlags::rst),
        ("SYN", |flags| !flags.syn()),
    ];
    for (what, lets_pass) in filters {
        let passes = |_, frame: &TraceFrame| flags(frame).is_some_and(lets_pass);
        all.push((what.to_owned(), whole.clone().only(passes)));
    }
    all.push(("words".to_owned(), unreadable(whole.clone())));
    for length in [66, 68, 72, 80, 96, 110, 128, 160, 200] {
        all.push((
            format!("snap length {length}"),
            whole.clone().cut_at(length),
        ));
    }
    for millis in [1, 5, 20] {
        for same in [true, false] {
            let mut late = whole.clone();
            for frame in &mut late.frames {
                if (source(frame) == first.as_ref().and_then(source)) == same {
                    frame.time = frame.time + Interval::from_millis(millis);
                }
            }
            let side = if same { "first" } else { "other" };
            let what = format!("the {side} side's clock {millis} ms ahead");
            all.push((what, Trace::of(late.frames)));
        }
    }
    for gone in 0..frames {
        all.push((
            format!("without packet {}", gone + 1),
            whole.clone().only(|place, _| place != gone),
        ));
        all.push((
            format!("from packet {} on", gone + 1),
            whole.clone().only(|place, _| place >= gone),
        ));
        all.push((
            format!("until packet {}", gone + 1),
            whole.clone().only(|place, _| place <= gone),
        ));
    }
    all
}

fn hurts(finding: &Finding) -> bool {
    !matches!(finding.harm, Harm::None | Harm::Refused)
}

/// What is wrong with a finding of a damaged capture, given those of the whole one.
fn complaint(whole: &[Finding], found: &Finding, what: &str) -> Option<&'static str> {
    let same = |other: &&Finding| other.connection.client.port == found.connection.client.port;
    let of_it = || whole.iter().filter(same);
    if found.confidence == Confidence::Certain
        && !of_it().any(|other| other.cause == found.cause && other.sender == found.sender)
    {
        return Some("certain, and not what happened");
    }
    if found.confidence < Confidence::Possible && hurts(found) && !of_it().any(hurts) {
        return Some("harm that nobody suffered");
    }
    // What a forged RST cost depends on packets that may be missing; that it was forged does not.
    let harmless =
        found.harm == Harm::None && found.cause != Cause::Injected && of_it().next().is_some();
    // One packet may be missing without a trace, and two clocks may disagree so.
    let may_be_doubted = what.contains("packet") || what.contains("clock");
    let doubted = found.confidence == Confidence::Possible && may_be_doubted;
    if !found.harm_unclear && !doubted && harmless && of_it().all(hurts) {
        return Some("harm that was not told");
    }
    let thought_of = |other: &Finding| {
        let mut rivals = other.alternatives.iter();
        other.cause == found.cause || rivals.any(|rival| rival.cause == found.cause)
    };
    // A hang-up is what a capture shows that ends before the RST.
    let reset = found.form.is_some();
    if found.confidence < Confidence::Possible && reset && !of_it().any(thought_of) {
        return Some("likely, and nothing that comes into question");
    }
    let safe = |finding: &Finding, safety| {
        finding
            .retry
            .as_ref()
            .is_some_and(|retry| retry.safe == safety)
    };
    if safe(found, RetrySafety::Yes) && of_it().any(|other| safe(other, RetrySafety::No)) {
        return Some("a retry that is not safe");
    }
    None
}

#[test]
fn damage_makes_less_sure_and_no_more() {
    let mut complaints = Vec::new();
    for (name, ladder) in every_ladder() {
        let whole = ladder.findings();
        for (what, trace) in damaged(&ladder) {
            for finding in trace.findings() {
                if let Some(complaint) = complaint(&whole, &finding, &what) {
                    complaints.push(format!("{name}, {what}: {complaint}: {}", line(&finding)));
                }
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

/// A stack answers at once: what drew a RST is not the acknowledgement of three seconds ago, but what was not captured, perhaps a request.
#[test]
fn what_a_late_reset_answers_may_have_been_lost() {
    let ladder = crate::served().server(3_045, "R");
    assert_eq!(
        line(&ladder.finding()),
        "possible half-open · by server · drawn by ack · unclear"
    );
}

/// Who meant an abort answers the challenge with another RST, and that may be what was not captured; a box never does.
#[test]
fn a_challenge_that_nobody_is_seen_to_answer_leaves_the_end_open() {
    let challenged = crate::served()
        .client(3_045, "R.")
        .seq(16_000)
        .server(3_045.1, ".");
    assert_eq!(
        line(&challenged.finding()),
        "possible ignored-rst · by client · drawn by none · unclear"
    );
}
