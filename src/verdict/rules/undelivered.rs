//! Bytes that one side sent and that never reached the other, although that one's packets still came and went: lost on the way.

use crate::dialogue::TlsFacts;
use crate::flow::{Packet, PacketKind, Peer};
use crate::time::Interval;
use crate::verdict::ending::Ending;
use crate::verdict::harm::harm_of;
use crate::verdict::rules::Case;
use crate::verdict::rules::no_reset::NoResetEnding;
use crate::verdict::rules::unheard::Unheard;
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::{Silence, Situation};
use crate::verdict::{Cause, Confidence, Harm, IdleKind};
use crate::wire::SeqNumber;

/// What never reached its receiver.
pub(super) struct Undelivered<'a> {
    pub(super) sender: Peer,
    /// So many bytes, as far as the sender's numbers tell.
    bytes: u32,
    shown: Shown<'a>,
    /// A later packet of the receiver, which still waits for the first of them.
    still: Option<&'a Packet>,
    /// They fill packets of this size (bytes of IP), and nothing as large ever got through.
    large: Option<u32>,
}

enum Shown<'a> {
    /// The capture has the first of them, and its repetitions.
    SentAgain(Vec<&'a Packet>),
    /// It has not: a packet of the sender is numbered behind them.
    Skipped(&'a Packet),
}

/// Fewer repetitions are told of any lossy link. Chosen.
const REPETITIONS: u32 = 2;
/// So many may be lost one after the other where one packet in ten is: once in a thousand times. Chosen.
const SURELY: u32 = 3;
/// Repetitions within this may all be one burst that was lost. Chosen.
const LONG_ENOUGH: Interval = Interval::from_millis(400);

impl<'a> Undelivered<'a> {
    /// Of what this side sent.
    pub(super) fn by(ending: &'a Ending, sender: Peer) -> Option<Self> {
        let (own, other) = ending.state.own_and_other(sender);
        // A receiver without room takes nothing, and says so.
        if ending.established.is_none() || other.window == 0 {
            return None;
        }
        let due = other.ack?;
        let copies = copies_of(ending, sender, due);
        let mut found = match copies[..] {
            [] => {
                let lost = ending.lost(sender)?;
                Self {
                    sender,
                    bytes: lost.bytes,
                    shown: Shown::Skipped(lost.behind),
                    still: Some(lost.still),
                    large: None,
                }
            }
            [first, again, ..] if own.unanswered_retransmissions >= REPETITIONS => {
                let tried = copies.last()?.head.time - first.head.time;
                let way = ending.round_trip().unwrap_or(Interval::ZERO);
                let bytes = own.last_byte()?.offset_from(due).try_into().ok();
                Self {
                    sender,
                    bytes: bytes.filter(|_| tried >= way.times(3).max(LONG_ENOUGH))?,
                    still: ending.waiting_for(sender, due, again.head.time + way),
                    shown: Shown::SentAgain(copies),
                    large: None,
                }
            }
            _ => return None,
        };
        found.large = found.size(ending, due);
        Some(found)
    }

    /// Its receiver was there, and got other packets.
    pub(super) fn was_heard(&self) -> bool {
        self.still.is_some()
    }

    /// Only large packets are lost, and it is not the host that is gone.
    pub(super) fn is_by_size(&self, ending: &Ending) -> bool {
        let others = &ending.surroundings;
        let since = self.first().head.time;
        let is_there =
            others.last_established.is_some_and(|at| at > since) && others.unheard_connects == 0;
        self.large.is_some() && (self.was_heard() || is_there)
    }

    /// The first packet that shows it.
    pub(super) fn first(&self) -> &'a Packet {
        match &self.shown {
            Shown::SentAgain(copies) => copies[0],
            Shown::Skipped(behind) => behind,
        }
    }

    /// For so long it was tried.
    pub(super) fn tried(&self, ending: &Ending) -> Interval {
        ending.last - self.first().head.time
    }

    /// Says so.
    pub(super) fn told(&self, ending: &Ending, mut ruling: Ruling) -> Ruling {
        let (sender, receiver) = (self.sender, self.sender.other());
        let by_size = self.is_by_size(ending);
        let what = match &self.shown {
            Shown::SentAgain(copies) => format!(
                "What the {sender} sent did not get through: the {receiver}'s host never acknowledged {} bytes of it, sent {} times.",
                self.bytes,
                1 + ending
                    .state
                    .of(sender)
                    .unanswered_retransmissions
                    .max(copies.len() as u32 - 1),
            ),
            Shown::Skipped(_) => format!(
                "What the {sender} sent did not get through: {} bytes of it never came, as its later packets' numbers show, and the {receiver} still waited for them.",
                self.bytes
            ),
        };
        ruling.explanation.push(' ');
        ruling.explanation.push_str(&what);
        if let Some(size) = self.large.filter(|_| by_size) {
            ruling.explanation.push_str(&format!(
                " It fills packets of {size} bytes, and nothing of that size ever got through, but smaller ones did: a path that takes smaller packets only and drops the larger ones without a word (a tunnel, VPN or overlay)."
            ));
        }
        let ruling = ruling.detail(if by_size { "path-mtu" } else { "undelivered" });
        let few = ending.state.of(sender).unanswered_retransmissions < SURELY && !self.is_skipped();
        self.proved(match by_size && (few || self.still.is_none()) {
            true => ruling.at_most(Confidence::Possible),
            false => ruling,
        })
    }

    fn proved(&self, ruling: Ruling) -> Ruling {
        let ruling = match &self.shown {
            Shown::SentAgain(copies) => {
                ruling.because("sent again and again, never acknowledged", copies)
            }
            Shown::Skipped(behind) => ruling.because(
                format!(
                    "its number is {} bytes behind the last that was acknowledged: they were sent, and are not in this capture",
                    self.bytes
                ),
                &[behind],
            ),
        };
        match self.still {
            Some(packet) => {
                ruling.because("its receiver still waits for the first of them", &[packet])
            }
            None => ruling,
        }
    }

    /// The size of packets that the lost bytes fill, if nothing so large got through as far as is remembered.
    fn size(&self, ending: &Ending, due: SeqNumber) -> Option<u32> {
        let (own, other) = ending.state.own_and_other(self.sender);
        let sample = self.first();
        let options = sample.head.timestamps.map_or(0, |_| TIMESTAMPS);
        let mss = u32::from(own.mss?.min(other.mss?));
        let full = mss.checked_sub(options)?;
        let lost = match &self.shown {
            // The first copy may be many segments in one (segmentation offload); what is sent again after a timeout is one.
            Shown::SentAgain(copies) => copies.iter().map(|copy| copy.head.payload_len).min()?,
            Shown::Skipped(_) => self.bytes,
        };
        let passed = |packet: &&Packet| {
            packet.from == self.sender
                && packet.head.payload_len >= full
                && (!packet.end().is_after(due)
                    || packet.head.seq.is_after(due) && self.is_skipped())
        };
        // Where small packets get lost, too, it is not the size.
        let small_lost = |packet: &&Packet| {
            packet.kind == PacketKind::Retransmission
                && packet.head.payload_len < full
                && (packet.from != self.sender || !packet.head.seq.is_after(due))
        };
        let repeated_syn = own.syns > 1 || other.syns > 1;
        let edge = other.sack_edge.filter(|edge| edge.is_after(due));
        let full_passed = edge.is_some_and(|edge| edge.offset_from(due).unsigned_abs() % full == 0);
        let most_passed = ending.acked_offset.of(self.sender).unwrap_or_default();
        let forgotten = ending.before_skipped > 0 && most_passed >= u64::from(full);
        let is_large = full >= SMALLEST
            && lost >= full
            && !repeated_syn
            && !ending
                .before
                .iter()
                .any(|packet| passed(&packet) || small_lost(&packet))
            && !full_passed
            && !forgotten;
        let ip = if ending.client.0.is_ipv4() { 20 } else { 40 };
        is_large.then_some(mss + TCP + ip)
    }

    fn is_skipped(&self) -> bool {
        matches!(self.shown, Shown::Skipped(_))
    }
}

/// The timestamps option and its padding (RFC 7323 appendix A).
const TIMESTAMPS: u32 = 12;
/// The TCP header without options.
const TCP: u32 = 20;
/// Every path takes segments of this size (RFC 9293 section 3.7.1), so that none is too large for one.
const SMALLEST: u32 = 536;

/// Packets of one side that carry this byte.
fn copies_of<'a>(ending: &'a Ending, sender: Peer, due: SeqNumber) -> Vec<&'a Packet> {
    let carries = |packet: &&Packet| {
        packet.from == sender
            && matches!(packet.kind, PacketKind::Data | PacketKind::Retransmission)
            && !packet.head.seq.is_after(due)
            && packet.end().is_after(due)
    };
    ending.before.iter().filter(carries).collect()
}

/// Somebody waited in vain: says what got lost meanwhile, where anything shows it.
pub(super) fn traced(ending: &Ending, waiting: Peer, mut ruling: Ruling) -> Ruling {
    let sides = [waiting, waiting.other()].into_iter();
    let lost = sides
        .filter_map(|sender| Undelivered::by(ending, sender))
        .find(|lost| lost.was_heard() || lost.is_by_size(ending));
    match (lost, Unheard::of(ending, waiting)) {
        (Some(lost), _) => {
            // Its acknowledgements may be what got lost.
            if !lost.was_heard() && ruling.harm == Harm::RequestLost {
                ruling.harm = Harm::RequestOutcomeUnknown;
            }
            lost.told(ending, ruling).or(
                Cause::HalfOpen,
                "a capture at the other end: whether the lost packets arrive there",
            )
        }
        (None, Some(unheard)) => unheard.blamed(ending, ruling),
        (None, None) => ruling,
    }
}

/// The one who asks reset a connection that is idle as far as was captured: what it had sent got lost before.
pub(super) fn unseen_request(case: &Case<'_>) -> Option<Ruling> {
    let (ending, requester) = (case.ending, case.situation.requester);
    if case.claimed() != requester || !case.situation.is_quiet() || case.by_box() {
        return None;
    }
    let lost = Undelivered::by(ending, requester).filter(Undelivered::was_heard)?;
    let text = format!("The {requester} reset the connection: a timeout of its own, or a cancel.");
    let ruling = Ruling::new(Cause::ResponseTimeout, Confidence::Likely, text)
        .harm(Harm::RequestLost, requester)
        .idle(IdleKind::AwaitingResponse, case.silence);
    Some(lost.told(ending, ruling).or(
        Cause::AbortiveClose,
        format!("a capture at the {requester}: what it had sent, and when"),
    ))
}

/// Large packets are lost for good, and no other rule says what became of the connection: nobody ended it as far as was captured, or
/// the client gave up in the TLS handshake.
pub(super) fn stuck(ending: &Ending) -> Option<NoResetEnding> {
    /// A lost packet is repeated twice or three times in this. Chosen.
    const LONG: Interval = Interval::from_millis(1_000);
    let sides = [Peer::Client, Peer::Server].into_iter();
    let lost = sides
        .filter_map(|sender| Undelivered::by(ending, sender))
        .find(|lost| lost.is_by_size(ending) && lost.tried(ending) >= LONG)?;
    let situation = Situation::at(ending, None, ending.last);
    let fins = [Peer::Client, Peer::Server].map(|peer| ending.fin(peer));
    let fin = fins.into_iter().flatten().min_by_key(|fin| fin.time);
    let at =
        fin.and_then(|fin| (ending.before.iter()).find(|packet| packet.head.frame == fin.frame));
    let is_in_handshake = |tls: &TlsFacts| !tls.handshake_done;
    let in_handshake = ending.dialogue.tls.as_ref().is_some_and(is_in_handshake);
    let answered = situation.is_quiet() && situation.newest.is_some();
    let text = match (in_handshake, at.map(|packet| packet.from)) {
        (true, Some(closer)) => format!("The {closer} closed with the TLS handshake unfinished."),
        (true, None) => "The TLS handshake stands still.".to_owned(),
        (false, Some(closer)) if answered && closer != lost.sender => {
            format!("The {closer} answered and closed before the request had come in full.")
        }
        (false, Some(closer)) => format!("The {closer} closed a connection that stood still."),
        (false, None) => "The connection stands still.".to_owned(),
    };
    let harm = match harm_of(ending, &situation) {
        Harm::None if in_handshake => Harm::Refused,
        Harm::RequestLost if !lost.was_heard() => Harm::RequestOutcomeUnknown,
        Harm::None if lost.sender == situation.requester && answered => Harm::RequestLost,
        Harm::None if lost.sender == situation.requester => Harm::RequestOutcomeUnknown,
        harm => harm,
    };
    let silence = fin.map_or_else(|| Silence::before(lost.first()), Silence::before_fin);
    let kind = match fin.is_some() && silence.is_idle(ending) {
        true => IdleKind::AwaitingResponse,
        false => IdleKind::None,
    };
    let ruling = Ruling::new(Cause::ResponseTimeout, Confidence::Likely, text)
        .harm(harm, situation.requester)
        .idle(kind, silence);
    let ruling = lost.told(ending, ruling).or(
        Cause::HalfOpen,
        "a capture at the other end: whether the large packets arrive there",
    );
    let at = *at.unwrap_or(lost.first());
    Some(NoResetEnding { ruling, at })
}
