//! What captures of both ends say: a host that made a RST also sent it.

use super::{Findings, Weight};
use crate::flow::Packet;
use crate::verdict::ending::Ending;
use crate::verdict::{CaptureLosses, Fact, Passage};

/// The capture nearer to the claimed sender shows all but this RST: it was made behind it, or lost while capturing. What two captures
/// lack of each other tells how often that happens; that each of them lost just what bears its own side's address, nobody believes.
/// What a host sends from below the point where it captures (XDP, a card's own stack) counts as made on the way.
pub(super) fn not_from_sender(ending: &Ending, reset: &Packet, findings: &mut Findings) {
    if ending.passage_of(reset) != Some(Passage::NotFromSender) {
        return;
    }
    let of_other = ending.resets.iter().find(|other| {
        other.from != reset.from && ending.passage_of(other) == Some(Passage::NotFromSender)
    });
    let both =
        "it was made on the way, as was the other side's, which only the far capture shows, too";
    let (weight, meaning) = match (ending.surroundings.capture_losses, of_other) {
        (CaptureLosses::Frequent, _) => (
            Weight::Medium,
            "it was made on the way, or that capture lost it, as one of them lost other packets",
        ),
        (_, Some(_)) => (Weight::Decisive, both),
        (CaptureLosses::Few, None) => (
            Weight::Fair,
            "it was made on the way, or is the rare packet that a capture loses",
        ),
        (CaptureLosses::Rare, None) => (Weight::Strong, "it was made on the way"),
    };
    findings.add(
        weight,
        format!(
            "the capture nearer to the {0} shows what the {0} sent, but not this RST: {meaning}",
            reset.from
        ),
        vec![reset.head.frame],
    );
}

/// The capture nearer to the claimed sender shows it: it comes from there, or from what stands in front of that host.
pub(super) fn from_sender(ending: &Ending, reset: &Packet) -> Option<Fact> {
    let (from, to) = (reset.from, reset.from.other());
    let text = match ending.passage_of(reset) {
        Some(Passage::Whole) => {
            format!("the captures of both sides show it: it passed the one nearer to the {from}")
        }
        Some(Passage::NotArrived) => format!(
            "only the capture nearer to the {from} shows it: it comes from there, and the one nearer to the {to} has all but this of what the {from} sent"
        ),
        Some(Passage::NotFromSender) | None => return None,
    };
    Some(Fact {
        text,
        frames: vec![reset.head.frame],
    })
}

#[cfg(test)]
mod tests {
    use crate::capture::CaptureId;
    use crate::report::Finding;
    use crate::testing::{Ladder, Trace, TraceFrame};
    use crate::time::Interval;
    use crate::verdict::Confidence::{self, Certain, Likely, Possible};
    use crate::verdict::Passage;
    use crate::verdict::ResetSender::{self, Middlebox, Server};

    const HERE: CaptureId = CaptureId(0);
    const THERE: CaptureId = CaptureId(1);
    /// Where flags stand behind headers of Ethernet and IPv4.
    const FLAGS: usize = 14 + 20 + 13;

    fn talk() -> Ladder {
        Ladder::to(80)
            .handshake(0)
            .client(60, "P.")
            .payload("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            .server(90, ".")
    }

    /// A reset, and another connection that goes on for longer.
    fn reset() -> Trace {
        among_others(&talk().server(120, "R."))
    }

    fn among_others(ladder: &Ladder) -> Trace {
        let other = Ladder::to(80).from_port(40_009).handshake(500);
        ladder.trace().with(&other.trace())
    }

    fn is_reset(frame: &TraceFrame) -> bool {
        frame.bytes[FLAGS] & 4 != 0
    }

    fn told(shows: impl Fn(&TraceFrame) -> bool) -> Finding {
        told_of(&reset(), shows)
    }

    /// What the client's capture and the server's, 9 ms away, say where they show only these frames.
    fn told_of(whole: &Trace, shows: impl Fn(&TraceFrame) -> bool) -> Finding {
        let both = whole.clone().with(&whole.at_server(9));
        let report = both.only(|_, frame| shows(frame)).report();
        let [finding] = report.resets.as_slice() else {
            panic!("{:#?}", report.resets);
        };
        finding.clone()
    }

    fn maker(finding: &Finding) -> Option<(ResetSender, Confidence)> {
        finding.sender.zip(finding.sender_confidence)
    }

    fn says(finding: &Finding, words: &str) -> bool {
        let mut evidence = finding.evidence.iter();
        evidence.any(|evidence| evidence.text.contains(words))
    }

    #[test]
    fn what_both_captures_show_comes_from_its_sender() {
        let finding = told(|_| true);
        assert_eq!(maker(&finding), Some((Server, Likely)));
        assert!(says(&finding, "both sides show it"));
    }

    #[test]
    fn what_its_sender_never_sent_was_made_on_the_way() {
        let shows = |frame: &TraceFrame| frame.capture == HERE || !is_reset(frame);
        let few = told(shows);
        let others = (0..400).map(|number| {
            let other = Ladder::to(80).from_port(41_000 + number);
            other.later_by(10 * i64::from(number)).handshake(0).trace()
        });
        let many = others.fold(reset(), |all, other| all.with(&other));
        let many = told_of(&many, shows);
        assert_eq!(maker(&few), Some((Middlebox, Possible)));
        assert_eq!(maker(&many), Some((Middlebox, Likely)), "captures lose few");
        for finding in [few, many] {
            assert!(says(&finding, "but not this RST"));
            assert_eq!(finding.passage, Some(Passage::NotFromSender));
        }
    }

    #[test]
    fn a_box_that_resets_both_sides_is_sure() {
        let trace = among_others(&talk().server(120, "R.").client(121, "R."));
        let resets = trace.frames.iter().filter(|frame| is_reset(frame));
        let [by_server, by_client] = resets.collect::<Vec<_>>()[..] else {
            panic!("two RSTs");
        };
        // IPv4's source.
        let source = |frame: &TraceFrame| frame.bytes[26..30].to_vec();
        let finding = told_of(&trace, |frame| {
            let forged = match frame.capture == HERE {
                true => by_client,
                false => by_server,
            };
            !is_reset(frame) || source(frame) != source(forged)
        });
        assert_eq!(maker(&finding), Some((Middlebox, Certain)));
        assert!(says(&finding, "as was the other side's"));
    }

    #[test]
    fn what_only_its_senders_side_shows_did_not_arrive() {
        let finding = told(|frame| frame.capture == THERE || !is_reset(frame));
        assert_eq!(maker(&finding), Some((Server, Likely)));
        assert!(says(&finding, "only the capture nearer to the server"));
    }

    /// The server's capture lost the FIN: the client's shows it later than the server's shows the RST that followed it.
    #[test]
    fn what_a_capture_lost_is_no_life_after_the_reset() {
        let closed = talk().server(110, "F.").server(112, "R").answering(60);
        let finding = told_of(&among_others(&closed), |frame| {
            frame.capture == HERE || frame.bytes[FLAGS] & 1 == 0
        });
        assert_eq!(finding.sender, Some(Server), "{:?}", finding.evidence);
    }

    /// It was over, or it lacks more than that.
    #[test]
    fn a_capture_that_may_have_missed_it_says_nothing() {
        let reset = reset();
        let place = reset.frames.iter().position(is_reset).expect("a RST");
        let before = reset.frames[place - 1].time;
        let over = told(|frame| frame.capture == HERE || frame.time < before);
        let servers = |frame: &TraceFrame| frame.bytes[26..30] == reset.frames[place].bytes[26..30];
        let acknowledgement = before - Interval::from_millis(9);
        let lossy = told(|frame| {
            let is_lost = servers(frame) && frame.time >= acknowledgement;
            frame.capture == HERE || !is_lost
        });
        for finding in [over, lossy] {
            assert_eq!(maker(&finding), Some((Server, Likely)));
            assert!(!says(&finding, "nearer"), "{:?}", finding.evidence);
        }
    }
}
