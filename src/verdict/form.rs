//! The shape of a RST, what it answers, and whether its receiver obeyed it.

use crate::flow::{Packet, PacketKind, Peer};
use crate::time::Interval;
use crate::verdict::ending::Ending;
use crate::verdict::{Effect, Form};
use crate::wire::SeqNumber;

/// How long a stack may take to answer beyond the round trip: timers, queues and a busy host.
const REPLY_SLACK: Interval = Interval::from_millis(25);
/// A packet older than this is no trigger while a younger candidate exists.
const OLDEST_TRIGGER: Interval = Interval::from_millis(3000);

/// The shape of a RST and the packet that it answers, if any.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The shape.
    pub form: Form,
    /// What it answers.
    pub trigger: Option<&'a Packet>,
}

/// Classifies a RST (RFC 9293 section 3.5.2: a reply takes its sequence number from the acknowledgement that it answers;
/// Linux `tcp_v4_send_reset` against `tcp_send_active_reset`).
pub fn shape<'a>(ending: &'a Ending, reset: &Packet) -> Shape<'a> {
    let sender = ending.state.of(reset.from);
    if reset.head.flags.ack() {
        if let Some(syn) = answered_syn(ending, reset) {
            return Shape {
                form: Form::Reply,
                trigger: Some(syn),
            };
        }
        let in_sequence = sender.snd_nxt.is_none_or(|next| next == reset.head.seq)
            || sender
                .fin
                .is_some_and(|fin| fin.seq == reset.head.seq || fin.seq + 1 == reset.head.seq)
            || ending.state.of(reset.from.other()).ack == Some(reset.head.seq);
        let socketless = reset.head.window == 0
            && !reset.head.has_options
            && (sender.timestamp_line.is_some()
                || !reset.head.dont_fragment
                || sender.packets == 0);
        let trigger = answered_data_with_ack(ending, reset);
        return match trigger {
            Some(packet) if socketless => Shape {
                form: Form::Reply,
                trigger: Some(packet),
            },
            _ if in_sequence || is_challenged(ending, reset) => Shape {
                form: Form::Abort,
                trigger: None,
            },
            _ => Shape {
                form: Form::Other,
                trigger,
            },
        };
    }
    match trigger_of(ending, reset) {
        Some(packet) => Shape {
            form: Form::Reply,
            trigger: Some(packet),
        },
        None => Shape {
            form: Form::Other,
            trigger: None,
        },
    }
}

/// The SYN that a RST,ACK acknowledges (RFC 9293 section 3.10.7.1 and .2).
fn answered_syn<'a>(ending: &'a Ending, reset: &Packet) -> Option<&'a Packet> {
    // Who acknowledges something has got a SYN-ACK, captured or not.
    if ending.state.of(reset.from).iss.is_some()
        || ending.state.of(reset.from.other()).ack.is_some()
    {
        return None;
    }
    ending.newest_before(reset.from.other()).find(|packet| {
        packet.kind == PacketKind::Syn
            && (packet.end() == reset.head.ack || packet.head.seq + 1 == reset.head.ack)
    })
}

/// A box or an old stack that answers data with RST,ACK: the sequence number is the data's acknowledgement, the
/// acknowledgement covers the data.
fn answered_data_with_ack<'a>(ending: &'a Ending, reset: &Packet) -> Option<&'a Packet> {
    ending.newest_before(reset.from.other()).find(|packet| {
        packet.head.flags.ack()
            && packet.head.ack == reset.head.seq
            && packet.end() == reset.head.ack
            && packet.end() != packet.head.seq
            && reset.head.time - packet.head.time <= OLDEST_TRIGGER
            && !was_taken_before(ending, reset, packet)
    })
}

/// Its receiver had acknowledged it some time before the RST; or it was not sent again, as it would have been without that.
fn was_taken_before(ending: &Ending, reset: &Packet, packet: &Packet) -> bool {
    let acknowledges = |other: &Packet| {
        other.from == reset.from && other.head.flags.ack() && !packet.end().is_after(other.head.ack)
    };
    let slack = REPLY_SLACK + ending.surroundings.clock_step;
    let acknowledged = ending
        .before
        .iter()
        .any(|other| acknowledges(other) && reset.head.time - other.head.time > slack);
    let again = |other: &Packet| other.kind == PacketKind::Retransmission;
    let due = reset.head.time - packet.head.time > ending.first_timeout();
    acknowledged || due && !ending.newest_before(packet.from).any(again)
}

/// The packet whose acknowledgement a bare RST's sequence number repeats. Several can (a pipelined burst, an ACK and the
/// data after it): the one whose distance fits the sender's response time, payload before FIN before probe before ACK, the
/// first of a burst.
fn trigger_of<'a>(ending: &'a Ending, reset: &Packet) -> Option<&'a Packet> {
    let acknowledged = ending.state.of(reset.from).ack;
    // Payload that the RST's sender had acknowledged was taken: it drew no RST.
    let was_taken = |packet: &Packet| {
        packet.head.payload_len > 0 && acknowledged.is_some_and(|ack| !packet.end().is_after(ack))
    };
    let response = ending.response_of(reset.from).unwrap_or(Interval::ZERO);
    // What came to it before it closed was taken by a live socket; both may have been on their way past each other, and each side's way
    // varies. Two places may have two clocks.
    let fin = ending.fin(reset.from).filter(|_| ending.place.is_none());
    let slack = REPLY_SLACK + ending.surroundings.clock_step;
    let closed = fin.map(|fin| fin.time - response.times(2) - slack);
    let came_before = |packet: &Packet| closed.is_some_and(|closed| packet.head.time < closed);
    let candidates = || {
        ending.before.iter().filter(move |packet| {
            packet.from != reset.from
                && packet.head.flags.ack()
                && packet.head.ack == reset.head.seq
                && !was_taken(packet)
                && !was_answered(ending, packet)
                && !came_before(packet)
        })
    };
    let newest = candidates().next_back()?;
    let (earliest, latest) = (
        earliest_reply(response) - ending.surroundings.clock_step,
        latest_reply(ending, response),
    );
    let fitting = candidates()
        .filter(|packet| {
            let distance = reset.head.time - packet.head.time;
            distance >= earliest && distance <= latest
        })
        .min_by_key(|packet| rank(packet));
    let recent = || {
        candidates()
            .filter(|packet| reset.head.time - packet.head.time <= OLDEST_TRIGGER)
            .min_by_key(|packet| rank(packet))
    };
    // A stack answers at once. Only where nothing else is known may an older packet stand for the one that drew it.
    let near = reset.head.time - newest.head.time <= OLDEST_TRIGGER + response.times(2);
    fitting.or_else(recent).or(near.then_some(newest))
}

/// A probe that its receiver answered, as a live socket does: it drew no RST.
fn was_answered(ending: &Ending, packet: &Packet) -> bool {
    let receiver = packet.from.other();
    let soonest = earliest_reply(ending.response_of(receiver).unwrap_or(Interval::ZERO));
    let answers = |other: &Packet| {
        other.from == receiver
            && other.head.flags.ack()
            && other.head.ack == packet.head.seq + 1
            && other.head.time - packet.head.time >= soonest.max(Interval::ZERO)
    };
    let probe = matches!(
        packet.kind,
        PacketKind::KeepaliveProbe | PacketKind::ZeroWindowProbe
    );
    // In the order of the capture: of equal times the later one answers.
    let later = ending
        .before
        .iter()
        .rev()
        .take_while(|other| other.head.frame != packet.head.frame);
    probe && later.into_iter().any(answers)
}

/// How late a reply may be captured after what it answers.
fn latest_reply(ending: &Ending, response: Interval) -> Interval {
    let usual = Interval::from_nanos(response.as_nanos().saturating_mul(3) / 2);
    usual + REPLY_SLACK + ending.surroundings.clock_step
}

/// The RST came later after this packet than a stack takes to answer it: perhaps it answers nothing.
pub fn is_late(ending: &Ending, reset: &Packet, trigger: &Packet) -> bool {
    let response = ending.response_of(reset.from);
    response.is_some_and(|response| {
        reset.head.time - trigger.head.time > latest_reply(ending, response)
    })
}

/// How soon a reply may be captured after what it answers; where both are near, in whatever order.
fn earliest_reply(response: Interval) -> Interval {
    const REORDERING: Interval = Interval::from_millis(1);
    let soon = Interval::from_nanos(response.as_nanos() / 2);
    if soon < REORDERING {
        Interval::ZERO - REORDERING
    } else {
        soon
    }
}

fn rank(packet: &Packet) -> u8 {
    match packet.kind {
        PacketKind::Data | PacketKind::Syn | PacketKind::SynAck => 0,
        PacketKind::Fin => 1,
        PacketKind::KeepaliveProbe | PacketKind::ZeroWindowProbe => 2,
        PacketKind::Retransmission => 3,
        PacketKind::Ack | PacketKind::Rst => 4,
    }
}

/// Why a RST was or was not obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obedience {
    /// At the edge: accepted (RFC 5961 section 3.2; Linux `tcp_validate_incoming`).
    Accepted,
    /// Nothing contradicts it.
    Unopposed,
    /// Inside the window but not at its edge: the receiver answers with a challenge ACK (RFC 5961 section 3.2).
    Challenged,
    /// Outside the window: dropped (RFC 9293 section 3.5.3).
    OutOfWindow,
    /// Traffic went on.
    TrafficWentOn,
    /// A RST that does not acknowledge the SYN that it pretends to answer (RFC 9293 section 3.10.7.3).
    DoesNotAnswerSyn,
}

impl Obedience {
    /// The word of the report.
    pub const fn effect(self) -> Effect {
        match self {
            Self::Accepted | Self::Unopposed => Effect::TookEffect,
            _ => Effect::Ignored,
        }
    }
}

/// A live socket's RST behind bytes that never came.
fn is_challenged(ending: &Ending, reset: &Packet) -> bool {
    let due = ending.state.of(reset.from.other()).ack;
    let abort = due.and_then(|due| ending.challenged_abort(reset.from, due));
    abort.is_some_and(|(abort, _)| abort.head.frame == reset.head.frame)
}

/// Whether the receiver of a RST obeyed it, from its sequence number and from what came after.
pub fn obedience(ending: &Ending, reset: &Packet) -> Obedience {
    let receiver_peer = reset.from.other();
    let (sender, receiver) = (ending.state.of(reset.from), ending.state.of(receiver_peer));
    if ending.resumed {
        return Obedience::TrafficWentOn;
    }
    if receiver_peer == Peer::Client
        && sender.iss.is_none()
        && receiver.iss.is_some()
        && receiver.ack.is_none()
    {
        let answers = reset.head.flags.ack()
            && receiver.iss.is_some_and(|iss| reset.head.ack.is_after(iss))
            && receiver
                .snd_nxt
                .is_none_or(|next| !reset.head.ack.is_after(next));
        return if answers {
            Obedience::Accepted
        } else {
            Obedience::DoesNotAnswerSyn
        };
    }
    let Some(expected) = receiver.ack.or(sender.snd_nxt) else {
        return Obedience::Unopposed;
    };
    // What it expects is what it acknowledges; of one that was not seen, nothing is known.
    if receiver.packets == 0 {
        return Obedience::Unopposed;
    }
    let highest = sender.snd_nxt.map_or(expected, |next| next.later(expected));
    if at_edge(reset.head.seq, expected, highest)
        || sender.fin.is_some_and(|fin| fin.seq == reset.head.seq)
        || receiver.sack_edge == Some(reset.head.seq)
    {
        return Obedience::Accepted;
    }
    let window = receiver.widest_window(sender).max(1);
    let ahead = i64::from(reset.head.seq.offset_from(expected));
    if later_life(ending, receiver_peer) {
        return if ahead >= 0 && ahead as u64 <= window {
            Obedience::Challenged
        } else {
            Obedience::OutOfWindow
        };
    }
    if ahead < 0 || ahead as u64 > window {
        // A capture far from the receiver may hold acknowledgements that were sent after the RST had arrived.
        return if ending.after.is_empty() && ahead < 0 {
            Obedience::Unopposed
        } else {
            Obedience::OutOfWindow
        };
    }
    Obedience::Unopposed
}

fn at_edge(seq: SeqNumber, expected: SeqNumber, highest: SeqNumber) -> bool {
    !seq.is_before(expected) && !seq.is_after(highest)
}

/// The receiver sent payload or a FIN after the RST, and it was not just in flight.
fn later_life(ending: &Ending, receiver: Peer) -> bool {
    let Some(reset) = ending.resets.first() else {
        return false;
    };
    let flight = ending.round_trip().unwrap_or(Interval::ZERO) + REPLY_SLACK;
    ending.after.iter().any(|packet| {
        packet.from == receiver
            && ending
                .since_reset(reset, packet)
                .is_some_and(|since| since > flight)
            && matches!(packet.kind, PacketKind::Data | PacketKind::Fin)
    }) || ending
        .after
        .iter()
        .any(|packet| packet.from == receiver && is_challenge(ending, reset, packet))
        || challenged_out_of_order(ending, reset, receiver)
}

/// The challenge was captured just before the RST that it answers: an ACK that repeats an earlier one and follows nothing else.
fn challenged_out_of_order(ending: &Ending, reset: &Packet, receiver: Peer) -> bool {
    const REORDERING: Interval = Interval::from_millis(1);
    let mut newest = ending.newest_before(receiver);
    newest
        .next()
        .filter(|packet| {
            packet.kind == PacketKind::Ack && reset.head.time - packet.head.time <= REORDERING
        })
        .filter(|packet| {
            !ending.before.iter().any(|other| {
                other.from == reset.from
                    && other.head.payload_len > 0
                    && packet.head.time - other.head.time <= REORDERING + REORDERING
            })
        })
        .zip(newest.next())
        .is_some_and(|(challenge, earlier)| {
            challenge.head.ack == earlier.head.ack
                && challenge.head.seq == earlier.head.seq
                && earlier.head.payload_len == 0
        })
}

/// A challenge ACK: an empty ACK by the receiver soon after the RST, which acknowledges nothing new (RFC 5961 section 3.2).
fn is_challenge(ending: &Ending, reset: &Packet, packet: &Packet) -> bool {
    packet.kind == PacketKind::Ack
        && packet.from != reset.from
        && Some(packet.head.ack) == ending.state.of(packet.from).ack
        && packet.head.time - reset.head.time
            <= ending
                .response_of(packet.from)
                .unwrap_or(Interval::ZERO)
                .times(2)
                + REPLY_SLACK
}
