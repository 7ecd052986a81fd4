//! Packets that are sent again and again, and that nobody acknowledges.

use crate::flow::{IcmpSeen, Packet, PacketKind, Peer};
use crate::time::Interval;
use crate::verdict::ending::Ending;
use crate::verdict::rules::no_reset::NoResetEnding;
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::{Silence, Situation};
use crate::verdict::{Cause, Confidence, Fact, Harm, IdleKind};
use crate::wire::IcmpReason;

/// What one side says and repeats, and nothing of the other side came since.
pub(super) struct Unheard<'a> {
    sender: Peer,
    /// The first packet that nobody acknowledged.
    first: &'a Packet,
    again: Vec<&'a Packet>,
}

impl<'a> Unheard<'a> {
    /// By this side, repeated twice or more.
    pub(super) fn of(ending: &'a Ending, sender: Peer) -> Option<Self> {
        let state = ending.state.of(sender);
        if state.unanswered_retransmissions < 2 || ending.established.is_none() {
            return None;
        }
        let heard = ending.state.of(sender.other()).last_packet?;
        let its = || ending.before.iter().filter(|packet| packet.from == sender);
        let first = its().find(|packet| packet.is_new_data() && packet.head.time > heard)?;
        let again = its().filter(|packet| {
            packet.kind == PacketKind::Retransmission && packet.head.time > first.head.time
        });
        Some(Self {
            sender,
            first,
            again: again.collect(),
        })
    }

    /// The first ICMP error about it that says that there is no way.
    fn icmp(&self, ending: &'a Ending) -> Option<&'a IcmpSeen> {
        ending.icmp.iter().find(|icmp| {
            icmp.about == self.sender
                && icmp.time >= self.first.head.time
                && matches!(
                    icmp.reason,
                    IcmpReason::PortUnreachable | IcmpReason::Prohibited | IcmpReason::Unreachable
                )
        })
    }

    /// So often.
    pub(super) fn repetitions(&self, ending: &Ending) -> u32 {
        ending.state.of(self.sender).unanswered_retransmissions
    }

    /// Whoever waited in vain was not even acknowledged.
    pub(super) fn blamed(&self, ending: &Ending, mut ruling: Ruling) -> Ruling {
        ruling.explanation.push_str(&format!(
            " The {}'s host acknowledged nothing of it, nor of its {} repetitions: it was not slow, it was not heard.",
            self.sender.other(),
            self.repetitions(ending)
        ));
        // It may have come and only its acknowledgements be lost.
        if ruling.harm == Harm::RequestLost {
            ruling.harm = Harm::RequestOutcomeUnknown;
        }
        self.shown(ruling.detail("unacknowledged")).or(
            Cause::HalfOpen,
            "whether that host, or the way to it, was down: a capture there shows whether the packets arrive",
        )
    }

    fn shown(&self, ruling: Ruling) -> Ruling {
        ruling
            .because("the first packet that met silence", &[self.first])
            .because("sent again, unanswered", &self.again)
    }

    fn judged(&self, ending: &Ending, ruling: Ruling) -> Ruling {
        let situation = Situation::at(ending, Some(self.first), self.first.head.time);
        let silence = Silence::before(self.first);
        let kind = match (silence.is_idle(ending), situation.is_quiet()) {
            (true, true) => IdleKind::BetweenRequests,
            (true, false) => IdleKind::AwaitingResponse,
            (false, _) => IdleKind::None,
        };
        let harm = match self.sender == situation.requester {
            true => Harm::RequestOutcomeUnknown,
            false => Harm::ResponseTruncated,
        };
        self.shown(ruling)
            .harm(harm, situation.requester)
            .idle(kind, silence)
    }
}

/// A packet was sent again and again, and nothing but ICMP errors ever came back.
pub(super) fn met_silence(ending: &Ending) -> Option<NoResetEnding> {
    let senders = [Peer::Client, Peer::Server].into_iter();
    let unheard = senders
        .filter_map(|peer| Unheard::of(ending, peer))
        .next()?;
    let tried = ending.last - unheard.first.head.time;
    let way = ending.round_trip().unwrap_or(Interval::ZERO);
    let is_idle = Silence::before(unheard.first).is_idle(ending);
    let ruling = if let Some(icmp) = unheard.icmp(ending) {
        told_by_icmp(&unheard, ending, icmp, is_idle)
    } else if tried < way.times(3).max(Interval::from_millis(600)) {
        return None;
    } else if ending.surroundings.unheard_connects > 0 && !ending.surroundings.reconnected {
        nobody_there(&unheard, ending)
    } else if is_idle {
        forgotten(&unheard, ending)
    } else {
        return None;
    };
    Some(NoResetEnding {
        ruling,
        at: *unheard.first,
    })
}

/// Whoever stands before the other side says so.
fn told_by_icmp(unheard: &Unheard, ending: &Ending, icmp: &IcmpSeen, is_idle: bool) -> Ruling {
    let (sender, other) = (unheard.sender, unheard.sender.other());
    let way = ending.round_trip().unwrap_or(Interval::ZERO);
    let at_once = icmp.time - unheard.first.head.time <= way.times(2).max(AT_ONCE);
    let ruling = if is_idle && ending.surroundings.reconnected {
        Ruling::new(
            Cause::IdleExpiredSilently,
            Confidence::Likely,
            format!(
                "After {} of silence {} rejected the {sender}'s next packet with an ICMP error, and new connections to the same port came to be: it had forgotten this one.",
                Silence::before(unheard.first).application.unwrap_or(Interval::ZERO),
                icmp.from
            ),
        )
        .or(
            Cause::HalfOpen,
            "whether the new connections reached the same host: the one behind this connection may be gone",
        )
    } else {
        Ruling::new(
            Cause::HalfOpen,
            Confidence::Likely,
            format!(
                "{} answered the {sender}'s packets with ICMP errors ({}): there was no way to the {other}'s host any more. It was gone (a host or container removed), its network was down, or a rule rejects what goes there.",
                icmp.from,
                words(icmp.reason)
            ),
        )
        .detail("unreachable")
        .or(
            Cause::IdleExpiredSilently,
            "whether new connections to the same port came to be at that time: then only this one was forgotten",
        )
    };
    let mut ruling = unheard.judged(ending, ruling);
    ruling.evidence.push(Fact {
        text: format!("an ICMP error from {} quotes the packet", icmp.from),
        frames: vec![icmp.frame],
    });
    if at_once && ruling.harm == Harm::RequestOutcomeUnknown {
        ruling.harm = Harm::RequestLost;
    }
    ruling
}

/// An ICMP error within this of the first packet is about that one. Chosen; it is sent at once, or after a search for the next hop
/// (Linux: three seconds), by whom no copy gets beyond.
const AT_ONCE: Interval = Interval::from_millis(200);

const fn words(reason: IcmpReason) -> &'static str {
    match reason {
        IcmpReason::PortUnreachable => "port unreachable",
        IcmpReason::Prohibited => "administratively prohibited",
        _ => "unreachable",
    }
}

/// Nobody hears of new connections there, either.
fn nobody_there(unheard: &Unheard, ending: &Ending) -> Ruling {
    let other = unheard.sender.other();
    let connects = ending.surroundings.unheard_connects;
    let ruling = Ruling::new(
        Cause::HalfOpen,
        Confidence::Likely,
        format!(
            "The {}'s packet got no answer, nor did its {} repetitions, and neither did new connects to the same port: the {other}'s host, or the way to it, was gone.",
            unheard.sender,
            unheard.repetitions(ending)
        ),
    )
    .detail("unreachable")
    .because(
        match connects {
            1 => "one connect to the same port got no answer at that time, however often it was tried".to_owned(),
            n => format!("{n} connects to the same port got no answer at that time, however often they were tried"),
        },
        &[],
    )
    .or(
        Cause::IdleExpiredSilently,
        "whether others reached that port at the same time",
    );
    unheard.judged(ending, ruling)
}

/// Only what was silent for long is not heard.
fn forgotten(unheard: &Unheard, ending: &Ending) -> Ruling {
    let sender = unheard.sender;
    let ruling = Ruling::new(
        Cause::IdleExpiredSilently,
        Confidence::Possible,
        format!(
            "After {} of silence the {sender}'s next packet got no answer, nor did its {} repetitions: something on the path had forgotten the connection and drops what it does not know.",
            Silence::before(unheard.first)
                .application
                .unwrap_or(Interval::ZERO),
            unheard.repetitions(ending)
        ),
    );
    let ruling = unheard.judged(ending, ruling);
    let far = format!("the capture nearer to the {}", sender.other());
    // One packet may be lost while capturing; that packet and its repetition are not.
    let second = unheard.again.first().unwrap_or(&unheard.first);
    match ending.crossed(second) {
        Some(false) => never_arrived(ruling, &far),
        Some(true) => ruling.or(
            Cause::HangUp,
            format!("what stands behind {far}, which shows that they got so far"),
        ),
        None => ruling.or(
            Cause::HangUp,
            "a capture at the other end: whether the packets arrive there",
        ),
    }
}

/// Sent again and again, and never seen at the other end: dropped on the way, whatever the other end would have said.
fn never_arrived(ruling: Ruling, far: &str) -> Ruling {
    let mut ruling = ruling.because(format!("{far} shows none of them"), &[]);
    ruling.confidence = Confidence::Likely;
    if ruling.harm == Harm::RequestOutcomeUnknown {
        ruling.harm = Harm::RequestLost;
    }
    ruling
}
