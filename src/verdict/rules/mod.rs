//! The rules: from facts to a cause, first match wins. Each names its source.

mod closing;
mod established;
mod forgotten;
mod goaway;
mod gone;
mod handshake;
mod multipath;
mod no_reset;
mod own_fin;
mod race;
mod requester;
mod responder;
mod seen;
mod tls;
mod undelivered;
mod unheard;
mod unread;

use crate::dialogue::{Completeness, Exchange};
use crate::flow::{Packet, PacketKind, Peer};
use crate::time::Timestamp;
use crate::verdict::ending::Ending;
use crate::verdict::form::{Obedience, Shape, is_late};
use crate::verdict::origin::Origin;
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::{Silence, Situation};
use crate::verdict::{Cause, Confidence, Form, ResetSender};

pub use multipath::facts as mptcp_facts;
pub use no_reset::rule_no_reset;

/// Everything that the rules read about one RST.
pub struct Case<'a> {
    /// The facts.
    pub ending: &'a Ending<'a>,
    /// The RST that counts.
    pub reset: &'a Packet,
    /// Its shape and trigger.
    pub shape: Shape<'a>,
    /// Who made it.
    pub origin: &'a Origin,
    /// The dialogue just before the trigger (or before the RST).
    pub situation: Situation<'a>,
    /// The silence before the trigger (or before the RST; packets that its sender had not received yet broke no silence of his).
    pub silence: Silence,
    /// The first payload that was on its way to the sender of an abort when he made it.
    pub in_flight: Option<&'a Packet>,
}

/// What an aborting socket had not received: payload at or beyond the RST's own acknowledgement.
fn in_flight<'a>(ending: &'a Ending, reset: &Packet, shape: &Shape<'_>) -> Option<&'a Packet> {
    if shape.form != Form::Abort {
        return None;
    }
    ending.before.iter().find(|packet| {
        packet.from != reset.from
            && packet.is_new_data()
            && !packet.head.seq.is_before(reset.head.ack)
    })
}

impl<'a> Case<'a> {
    /// Puts together what the rules read.
    pub fn new(
        ending: &'a Ending,
        reset: &'a Packet,
        shape: Shape<'a>,
        origin: &'a Origin,
    ) -> Self {
        let unseen = in_flight(ending, reset, &shape);
        let first = shape.trigger.or(unseen);
        let moment = shape
            .trigger
            .map_or_else(|| ending.frozen_at(reset), |packet| packet.head.time);
        let mut silence = Silence::before(first.unwrap_or(reset));
        if let Some(activity) = unseen.and(silence.since) {
            silence.application = Some(reset.head.time - activity.time);
        }
        Self {
            ending,
            reset,
            shape,
            origin,
            situation: Situation::at(ending, first, moment),
            silence,
            in_flight: unseen,
        }
    }

    /// Whose address the RST bears.
    pub fn claimed(&self) -> Peer {
        self.reset.from
    }

    /// The end that got it.
    pub fn receiver(&self) -> Peer {
        self.reset.from.other()
    }

    /// Made by a box in between.
    pub fn by_box(&self) -> bool {
        self.origin.sender == ResetSender::Middlebox
    }

    /// It answers a packet.
    pub fn is_reply(&self) -> bool {
        self.shape.form == Form::Reply
    }

    /// The situation at another moment.
    pub fn situation_at(&self, moment: Timestamp) -> Situation<'a> {
        Situation::at(self.ending, self.shape.trigger.or(self.in_flight), moment)
    }

    /// The trigger carries payload of the one who asks, and begins a request.
    pub fn triggered_by_request(&self) -> bool {
        self.shape.trigger.is_some_and(|trigger| {
            trigger.from == self.situation.requester
                && carries_payload(trigger)
                && !trigger.housekeeping
                && self.situation.begun.is_some()
        })
    }

    /// A response had begun while its request was still being sent, and the request never ended.
    pub fn answered_while_asking(&self) -> bool {
        self.situation.continues
            || self.ending.dialogue.recent.iter().any(|exchange| {
                exchange.request.complete == Completeness::Incomplete
                    && exchange.response.is_some_and(|response| {
                        response.start.time <= self.ending.frozen_at(self.reset)
                    })
            })
    }

    /// The newest answer lost its framing with bytes that were not captured: whether it was whole is not known.
    pub fn may_be_answering(&self) -> bool {
        self.ending.is_framed()
            && self.situation.newest.is_some_and(|exchange| {
                exchange
                    .response
                    .is_some_and(|response| response.complete == Completeness::Unknown)
            })
    }

    /// What its receiver still said: on its way when an abort was made, or sent before its sender could know.
    pub fn more_of_the_other(&self) -> Option<&'a Packet> {
        let is_more = |packet: &&Packet| {
            packet.from == self.receiver() && packet.is_new_data() && !packet.housekeeping
        };
        let mut later = self.ending.after.iter();
        self.in_flight
            .filter(is_more)
            .or_else(|| later.find(is_more))
    }

    /// It sent a RST without ACK behind this one: that answers something, and nothing was captured that it could answer.
    pub fn answered_more(&self) -> bool {
        let ending = self.ending;
        let mut behind = ending.resets.iter().skip(1);
        behind.any(|reset| reset.from == self.claimed() && !reset.head.flags.ack())
            && ending
                .after
                .iter()
                .all(|packet| packet.from == self.claimed())
    }

    /// A RST without ACK answers something, and that was not captured. Where only an acknowledgement is there for it, a request may have
    /// followed, unless its sender had closed; and one did where that was sent long before.
    pub fn answers_the_unseen(&self, ruling: &Ruling) -> bool {
        let may_have_asked =
            ruling.cause == Cause::TeardownNoise && self.ending.fin(self.receiver()).is_none();
        let is_acknowledgement = |packet: &Packet| {
            packet.kind == PacketKind::Ack
                && (may_have_asked || is_late(self.ending, self.reset, packet))
        };
        let trigger = self.shape.trigger;
        !self.reset.head.flags.ack() && trigger.is_none_or(is_acknowledgement)
    }

    /// Begun before the capture, which shows no request before this: one may have been open.
    pub fn began_unheard(&self) -> bool {
        let was_asked = |exchange: &Exchange| exchange.was_asked_here();
        !self.ending.handshake_seen() && !self.situation.newest.is_some_and(was_asked)
    }
}

/// Payload, new or sent again.
pub fn carries_payload(packet: &Packet) -> bool {
    packet.head.payload_len > 0
        && matches!(packet.kind, PacketKind::Data | PacketKind::Retransmission)
}

/// The cause of a reset.
pub fn rule(case: &Case<'_>, obedience: Obedience) -> Ruling {
    if case.ending.before.is_empty() {
        return only_the_reset(case);
    }
    let ruling = handshake::collision(case)
        .or_else(|| ignored(case, obedience))
        .or_else(|| multipath::rule(case))
        .or_else(|| undelivered::unseen_request(case))
        // More was said after the handshake than was captured: that was completed.
        .or_else(|| handshake::rule(case).filter(|_| !case.ending.lacks_the_middle()))
        .or_else(|| established::probes(case))
        .or_else(|| established::injected(case))
        .or_else(|| tls::rule(case))
        .or_else(|| goaway::rule(case))
        .or_else(|| closing::rule(case))
        .or_else(|| established::rule(case))
        .unwrap_or_else(|| {
            Ruling::new(
                Cause::Unexplained,
                Confidence::Possible,
                "None of the known patterns fits; the facts are listed.",
            )
        });
    case.capped(ruling)
}

/// Nothing but the RST was captured.
fn only_the_reset(case: &Case<'_>) -> Ruling {
    Ruling::new(
        Cause::Unexplained,
        Confidence::Possible,
        "Only the RST itself was captured: what it ended can't be told. A lone RST can also be backscatter of somebody else's forged SYN.",
    )
    .unclear()
    .because("no other packet of the connection was seen before it", &[case.reset])
    .or(Cause::HandshakeAborted, "a capture that begins earlier")
}

/// A closed socket's answer to data that was on its way to it: its sender's last words and FIN overtake that in the receiver's window.
/// The next one, to data that acknowledges the FIN, is obeyed.
fn follows_a_fin(case: &Case<'_>) -> bool {
    let fin = case.ending.fin(case.claimed());
    case.is_reply() && fin.is_some_and(|fin| fin.time <= case.reset.head.time)
}

/// Its receiver sent nothing again of what nobody had acknowledged: this RST was obeyed, or another one that was not captured.
fn fell_silent(case: &Case<'_>) -> bool {
    let ending = case.ending;
    let (own, other) = (
        ending.state.of(case.receiver()),
        ending.state.of(case.claimed()),
    );
    let is_open = own
        .snd_nxt
        .is_some_and(|next| other.ack.is_none_or(|ack| next.is_after(ack)));
    let is_over = !ending
        .after
        .iter()
        .any(|packet| packet.from == case.receiver());
    is_open && is_over && ending.capture_end - case.reset.head.time > ending.first_timeout()
}

/// Behind it there is no more than one packet of its receiver: the challenge.
fn is_last_word(case: &Case<'_>) -> bool {
    let after = &case.ending.after;
    after.len() <= 1 && after.iter().all(|packet| packet.from == case.receiver())
}

/// RFC 5961 section 3.2 and RFC 9293 section 3.5.3: a RST that is not exactly at the edge ends nothing.
fn ignored(case: &Case<'_>, obedience: Obedience) -> Option<Ruling> {
    let (confidence, why) = match obedience {
        Obedience::Accepted | Obedience::Unopposed => return None,
        Obedience::TrafficWentOn => (
            Confidence::Certain,
            "payload sent after it was acknowledged: the connection lived on",
        ),
        Obedience::Challenged => (
            // Its answer, which ends the connection of a sender that meant it, may not have been captured.
            match is_last_word(case) && !case.by_box() {
                true => Confidence::Possible,
                false => Confidence::Likely,
            },
            "it lies inside the window but not at its edge, and its receiver answered with a challenge ACK or went on",
        ),
        Obedience::OutOfWindow if follows_a_fin(case) => return None,
        Obedience::OutOfWindow => (
            // What it answers, and what its sender had said before, may lie before the capture.
            if case.ending.handshake_seen() && !fell_silent(case) {
                Confidence::Likely
            } else {
                Confidence::Possible
            },
            "its sequence number lies outside the receiver's window",
        ),
        Obedience::DoesNotAnswerSyn => (
            // Without ACK it answers something that was not captured: there was more than the SYN.
            if case.reset.head.flags.ack() {
                Confidence::Likely
            } else {
                Confidence::Possible
            },
            "it does not acknowledge the SYN, so a client in SYN-SENT drops it",
        ),
    };
    if obedience == Obedience::DoesNotAnswerSyn && case.receiver() == Peer::Server {
        return None;
    }
    Some(
        Ruling::new(
            Cause::IgnoredRst,
            confidence,
            format!("The {} did not obey this RST: {why}.", case.receiver()),
        )
        .because(why, &[case.reset])
        .or(
            Cause::Injected,
            "a capture at the claimed sender: a RST that it did not send was forged",
        ),
    )
}
