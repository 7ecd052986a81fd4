//! What the kernel's word changes in a finding: it decides between rivals that the packets left open, and names the sender.

use super::{KernelSays, Origin, ResetEvent, ResetReason, WireReset};
use crate::flow::Peer;
use crate::report::{Evidence, Finding, KernelWord};
use crate::time::Interval;
use crate::verdict::{Cause, Confidence, Effect, Form, ResetSender};

/// Whether the kernel's silence about a RST says something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// The RST bears an address of this host, and every RST that this host's TCP made meanwhile was reported.
    Complete,
    /// It was made elsewhere, or events may be missing.
    #[default]
    None,
}

/// A forged RST and a genuine one of the same connection may follow each other closely: the word against a middlebox must be this near.
const CERTAINLY_THE_SAME: Interval = Interval::from_millis(2);

/// Adds the kernel's word to a finding, and what follows from it.
pub fn settle(finding: &mut Finding, reset: &WireReset, says: &KernelSays) {
    if finding.form.is_none() || finding.connections.is_some() {
        return;
    }
    match &says.sent {
        Some(sent) if is_about(finding, sent, says.sent_off) => by_word(finding, reset, sent),
        Some(_) => {}
        None if says.coverage == Coverage::Complete => by_silence(finding),
        None => {}
    }
    if let Some(received) = &says.received {
        by_receipt(finding, reset, received);
    }
}

/// A reply needs a segment, an abort a decision (`tcp_v4_send_reset()`, `tcp_send_active_reset()`).
fn is_about(finding: &Finding, sent: &ResetEvent, off: Interval) -> bool {
    let origin = sent
        .reason
        .as_ref()
        .map_or(Origin::Unknown, ResetReason::origin);
    let fits = match (finding.form, origin) {
        // The answer to a SYN bears RST and ACK as an abort does.
        (Some(Form::Abort), Origin::Segment) => finding.cause == Cause::ConnectionRefused,
        (Some(Form::Reply), Origin::LocalDecision) => false,
        _ => true,
    };
    fits && (finding.sender != Some(ResetSender::Middlebox) || off <= CERTAINLY_THE_SAME)
}

fn by_word(finding: &mut Finding, reset: &WireReset, sent: &ResetEvent) {
    finding.sender = finding.claimed_sender.map(host_of);
    finding.sender_confidence = Some(Confidence::Certain);
    let reason = sent.reason.as_ref().unwrap_or(&ResetReason::NotSpecified);
    let task = sent
        .task
        .as_ref()
        .filter(|_| reason.origin() == Origin::LocalDecision)
        // A name that the kernel did not note in time.
        .filter(|task| task.name != "<...>")
        .map(|task| (task.name.clone(), task.pid));
    // Where a SYN was refused nobody listened: whoever was found had been there before, or came later.
    let listener = sent.listener.as_ref();
    let holder = listener
        .filter(|_| finding.cause != Cause::ConnectionRefused)
        .map(|process| (process.name.clone(), process.pid));
    let mut text = format!(
        "the kernel that made the RST says {reason}: {}",
        reason.meaning()
    );
    if let Some((name, pid)) = &task {
        text.push_str(&format!("; in a system call of {name} ({pid})"));
    } else if let Some((name, pid)) = &holder {
        text.push_str(&format!(
            "; {name} ({pid}) listens on port {}",
            sent.from.port()
        ));
    }
    if sent.from != reset.from {
        text.push_str(&format!(
            "; its socket is {}, behind an address translation of this host",
            sent.from
        ));
    }
    finding.evidence.push(Evidence {
        text,
        frames: vec![finding.frame],
        elsewhere: Vec::new(),
    });
    let process = task.or(holder);
    finding.kernel = Some(KernelWord {
        reason: sent
            .reason
            .as_ref()
            .map(|reason| reason.as_str().to_owned()),
        state: sent.state.clone(),
        process: process.as_ref().map(|(name, _)| name.clone()),
        pid: process.map(|(_, pid)| pid),
    });
    if let Some(cause) = decided_by(reason) {
        decide(finding, cause, reason);
    }
    exclude(finding, reason);
}

/// The cause that a reason stands for, where it stands for one.
const fn decided_by(reason: &ResetReason) -> Option<Cause> {
    match reason {
        ResetReason::AbortOnClose => Some(Cause::CloseWithUnreadData),
        ResetReason::State
        | ResetReason::DisconnectWithData
        | ResetReason::AbortOnLinger
        | ResetReason::AbortOnMemory => Some(Cause::AbortiveClose),
        ResetReason::KeepaliveTimeout => Some(Cause::KeepaliveProbeFailure),
        ResetReason::InvalidSyn => Some(Cause::AcceptQueueOverflow),
        _ => None,
    }
}

/// A cause that the reason rules out.
const fn is_excluded(cause: Cause, by: &ResetReason) -> bool {
    match cause {
        // A kernel made it, and says so.
        Cause::Injected => true,
        // `__tcp_close()` and `tcp_disconnect()` have reasons of their own, and so has data after the close (`tcp_rcv_state_process()`).
        Cause::AbortiveClose => {
            matches!(by, ResetReason::AbortOnClose | ResetReason::AbortOnData)
        }
        Cause::CloseWithUnreadData => {
            matches!(by, ResetReason::State | ResetReason::AbortOnData)
        }
        _ => false,
    }
}

/// Takes away the rivals that the reason rules out; a verdict without a rival is surer by a step.
fn exclude(finding: &mut Finding, reason: &ResetReason) {
    let rivals = finding.alternatives.len();
    finding
        .alternatives
        .retain(|rival| !is_excluded(rival.cause, reason));
    if is_excluded(finding.cause, reason) {
        finding.cause = if finding.alternatives.is_empty() {
            Cause::Unexplained
        } else {
            finding.alternatives.remove(0).cause
        };
        finding.confidence = Confidence::Possible;
        finding.detail = None;
        finding.explanation = explanation(finding, reason);
    } else if rivals > 0 && finding.alternatives.is_empty() {
        finding.confidence = match finding.confidence {
            Confidence::Possible => Confidence::Likely,
            _ => Confidence::Certain,
        };
    }
}

/// The kernel knows why its socket sent a RST and not why the application acted so: it chooses among the verdict and its rivals, no more.
fn decide(finding: &mut Finding, cause: Cause, reason: &ResetReason) {
    let named = finding
        .alternatives
        .iter()
        .any(|rival| rival.cause == cause);
    if finding.cause != cause && !named && finding.cause != Cause::Unexplained {
        return;
    }
    if finding.cause != cause {
        finding.cause = cause;
        finding.detail = None;
        finding.explanation = explanation(finding, reason);
    }
    finding.confidence = Confidence::Certain;
    finding.alternatives.clear();
}

fn explanation(finding: &Finding, reason: &ResetReason) -> String {
    let who = finding.claimed_sender.map_or("sender", Peer::as_str);
    match reason {
        ResetReason::AbortOnClose => format!(
            "The {who}'s application closed the connection while data that it had received was still unread; its kernel turns such a close \
             into a RST, and says so."
        ),
        _ => format!(
            "The {who}'s kernel says why it reset the connection: {}.",
            reason.meaning()
        ),
    }
}

/// `nf_send_reset()` and raw sockets fire no tracepoint.
fn by_silence(finding: &mut Finding) {
    let claimed = finding.claimed_sender.map_or("sender", Peer::as_str);
    if finding.kernel.is_some()
        || finding.sender_confidence == Some(Confidence::Certain)
            && finding.sender == Some(ResetSender::Middlebox)
    {
        return;
    }
    finding.sender = Some(ResetSender::Middlebox);
    finding.sender_confidence = Some(Confidence::Likely);
    if finding.cause == Cause::ConnectionRefused {
        finding.detail = Some("policy-reject".to_owned());
        finding.explanation = format!(
            "The RST bears the {claimed}'s address, but the TCP of that host, which is this one, did not make it: a firewall rule rejected the \
             connection."
        );
    }
    finding.evidence.push(Evidence {
        text: "the RST bears an address of this host, and its TCP made none (tcp_send_reset stayed silent): a firewall rule on this host, or \
               a raw socket"
            .to_owned(),
        frames: vec![finding.frame],
        elsewhere: Vec::new(),
    });
}

fn by_receipt(finding: &mut Finding, reset: &WireReset, received: &ResetEvent) {
    finding.effect = Some(Effect::TookEffect);
    let mut text = format!(
        "the kernel says that the socket at {} took the RST",
        received.to
    );
    if received.to != reset.to {
        text.push_str(", behind an address translation of this host");
    }
    if let Some(process) = &received.listener {
        text.push_str(&format!(
            "; {} ({}) listens there",
            process.name, process.pid
        ));
    }
    finding.evidence.push(Evidence {
        text,
        frames: vec![finding.frame],
        elsewhere: Vec::new(),
    });
}

const fn host_of(peer: Peer) -> ResetSender {
    match peer {
        Peer::Client => ResetSender::Client,
        Peer::Server => ResetSender::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Process, Side, Task};
    use crate::report::{Alternative, sample};
    use crate::time::Timestamp;

    /// A reset of the sample report that some rival contests.
    fn contested(cause: Cause, rival: Cause, form: Form) -> Finding {
        let report = sample::report();
        let mut finding = report.resets.first().cloned().unwrap();
        finding.cause = cause;
        finding.confidence = Confidence::Possible;
        finding.form = Some(form);
        finding.claimed_sender = Some(Peer::Server);
        finding.sender = Some(ResetSender::Unknown);
        finding.sender_confidence = Some(Confidence::Possible);
        finding.connections = None;
        finding.kernel = None;
        finding.alternatives = vec![Alternative {
            cause: rival,
            decided_by: "the sender's counters".to_owned(),
        }];
        finding
    }

    fn wire() -> WireReset {
        WireReset {
            from: "10.77.1.3:80".parse().unwrap(),
            to: "10.77.1.2:4000".parse().unwrap(),
            called: None,
            at: Timestamp::from_nanos(0),
            ttl: None,
        }
    }

    fn sent(reason: ResetReason) -> KernelSays {
        KernelSays {
            sent: Some(ResetEvent {
                clock_nanos: 0,
                side: Side::Sent,
                from: "10.77.1.3:80".parse().unwrap(),
                to: "10.77.1.2:4000".parse().unwrap(),
                reason: Some(reason),
                state: Some("CLOSE".to_owned()),
                task: Some(Task {
                    name: "node".to_owned(),
                    pid: 7,
                }),
                listener: None,
            }),
            ..KernelSays::default()
        }
    }

    #[test]
    fn unread_data_and_linger_zero_look_alike_and_the_kernel_tells_them_apart() {
        use Cause::{AbortiveClose, CloseWithUnreadData};
        for (said, expected) in [
            (ResetReason::AbortOnClose, CloseWithUnreadData),
            (ResetReason::State, AbortiveClose),
        ] {
            for (cause, rival) in [
                (AbortiveClose, CloseWithUnreadData),
                (CloseWithUnreadData, AbortiveClose),
            ] {
                let mut finding = contested(cause, rival, Form::Abort);
                settle(&mut finding, &wire(), &sent(said.clone()));
                assert_eq!(finding.cause, expected, "{said} for {cause}");
                assert_eq!(finding.confidence, Confidence::Certain);
                assert!(finding.alternatives.is_empty());
                assert_eq!(finding.sender, Some(ResetSender::Server));
                let word = finding.kernel.unwrap();
                assert_eq!(word.reason.as_deref(), Some(said.as_str()));
                assert_eq!((word.process.as_deref(), word.pid), (Some("node"), Some(7)));
            }
        }
    }

    /// The process that the port had a moment ago is not who refused.
    #[test]
    fn nobody_listens_where_a_syn_was_refused() {
        let process = |cause| {
            let mut finding = contested(cause, Cause::HalfOpen, Form::Reply);
            let mut says = sent(ResetReason::NoSocket);
            let sent = says.sent.as_mut().unwrap();
            sent.listener = Some(Process {
                pid: 7,
                name: "node".to_owned(),
            });
            settle(&mut finding, &wire(), &says);
            finding.kernel.unwrap().process
        };
        assert_eq!(process(Cause::StaleReuse).as_deref(), Some("node"));
        assert_eq!(process(Cause::ConnectionRefused), None);
    }

    #[test]
    fn a_rival_that_the_word_rules_out_goes() {
        let mut finding = contested(
            Cause::DataAfterClose,
            Cause::CloseWithUnreadData,
            Form::Reply,
        );
        let mut open = finding.clone();
        open.alternatives.push(Alternative {
            cause: Cause::KeepaliveRace,
            decided_by: "the server's timer".to_owned(),
        });
        settle(&mut finding, &wire(), &sent(ResetReason::AbortOnData));
        assert_eq!(finding.cause, Cause::DataAfterClose);
        assert_eq!(finding.confidence, Confidence::Likely, "by a step");
        assert!(finding.alternatives.is_empty());

        settle(&mut open, &wire(), &sent(ResetReason::AbortOnData));
        assert_eq!(open.confidence, Confidence::Possible);
        assert_eq!(open.alternatives.len(), 1, "nothing is said of a race");
    }

    #[test]
    fn what_a_kernel_made_nobody_injected() {
        let mut finding = contested(Cause::Injected, Cause::HalfOpen, Form::Reply);
        finding.sender = Some(ResetSender::Middlebox);
        let mut lonely = finding.clone();
        lonely.alternatives.clear();
        settle(&mut finding, &wire(), &sent(ResetReason::NoSocket));
        assert_eq!(finding.cause, Cause::HalfOpen);
        assert_eq!(finding.sender, Some(ResetSender::Server));
        assert_eq!(finding.confidence, Confidence::Possible);
        settle(&mut lonely, &wire(), &sent(ResetReason::NoSocket));
        assert_eq!(lonely.cause, Cause::Unexplained);
    }

    #[test]
    fn a_verdict_that_does_not_contest_the_word_stays() {
        let mut finding = contested(Cause::ResponseTimeout, Cause::IdleTimeoutReset, Form::Abort);
        settle(&mut finding, &wire(), &sent(ResetReason::State));
        assert_eq!(finding.cause, Cause::ResponseTimeout);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(finding.kernel.is_some(), "the word itself is evidence");
    }

    #[test]
    fn a_word_about_a_decision_is_not_about_a_reply() {
        let before = contested(Cause::HalfOpen, Cause::IdleExpiredSilently, Form::Reply);
        let mut finding = before.clone();
        settle(&mut finding, &wire(), &sent(ResetReason::AbortOnClose));
        assert_eq!(finding, before);
    }

    #[test]
    fn a_forgery_is_not_excused_by_a_genuine_reset_that_follows() {
        let mut before = contested(Cause::Injected, Cause::HalfOpen, Form::Reply);
        before.sender = Some(ResetSender::Middlebox);
        let mut says = sent(ResetReason::NoSocket);
        says.sent_off = Interval::from_millis(40);
        let mut finding = before.clone();
        settle(&mut finding, &wire(), &says);
        assert_eq!(finding, before);
    }

    #[test]
    fn silence_about_an_own_address_means_a_firewall_or_a_forger() {
        let mut finding = contested(Cause::ConnectionRefused, Cause::Injected, Form::Reply);
        let mut says = KernelSays::default();
        settle(&mut finding, &wire(), &says);
        assert_eq!(
            finding.sender,
            Some(ResetSender::Unknown),
            "not covered, nothing said"
        );
        says.coverage = Coverage::Complete;
        settle(&mut finding, &wire(), &says);
        assert_eq!(finding.sender, Some(ResetSender::Middlebox));
        assert_eq!(finding.detail.as_deref(), Some("policy-reject"));
        assert!(finding.kernel.is_none());
    }

    #[test]
    fn a_socket_behind_an_address_translation_is_named() {
        let mut finding = contested(Cause::AbortiveClose, Cause::Injected, Form::Abort);
        let published = WireReset {
            from: "192.0.2.1:8080".parse().unwrap(),
            ..wire()
        };
        settle(&mut finding, &published, &sent(ResetReason::State));
        assert_eq!(finding.sender, Some(ResetSender::Server));
        let text = &finding.evidence.last().unwrap().text;
        assert!(
            text.contains("its socket is 10.77.1.3:80, behind"),
            "{text}"
        );
    }

    #[test]
    fn a_reset_taken_took_effect() {
        let mut finding = contested(Cause::HalfOpen, Cause::Injected, Form::Reply);
        finding.effect = None;
        let mut says = sent(ResetReason::NoSocket);
        says.received = says.sent.take();
        settle(&mut finding, &wire(), &says);
        assert_eq!(finding.effect, Some(Effect::TookEffect));
    }
}
