//! What the dialogue was doing when the connection ended.

use crate::dialogue::{Completeness, Exchange, Message, Turn};
use crate::flow::{FinSeen, LastActivity, Mark, Packet, Peer};
use crate::time::{Interval, Timestamp};
use crate::verdict::IdleKind;
use crate::verdict::ending::{Ending, Progress, progress, progress_of};
use crate::wire::SeqNumber;

/// The dialogue at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Who asks.
    pub requester: Peer,
    /// The exchange that the trigger began, if it began one.
    pub begun: Option<&'a Exchange>,
    /// The oldest exchange not answered in full, begun before the moment; `begun` excluded.
    pub open: Option<(&'a Exchange, Progress)>,
    /// The newest exchange before the moment; `begun` excluded.
    pub newest: Option<&'a Exchange>,
    /// What looks like a new exchange goes on with one whose answer its sender had not seen yet.
    pub continues: bool,
}

impl<'a> Situation<'a> {
    /// The situation just before `moment`, with the exchanges that begin in one of `trigger_frames` set apart.
    pub fn at(ending: &'a Ending, trigger: Option<&Packet>, moment: Timestamp) -> Self {
        let dialogue = &ending.dialogue;
        let begins = |exchange: &&Exchange| {
            trigger.is_some_and(|packet| {
                exchange.request.start.frame == packet.head.frame
                    || (packet.from == dialogue.requester
                        && !exchange
                            .request
                            .start
                            .is_before(packet.head.time, packet.head.frame)
                        && packet.head.payload_len > 0)
            })
        };
        let continues = trigger.is_some_and(|packet| {
            dialogue
                .recent
                .iter()
                .find(begins)
                .is_some_and(|exchange| continues(ending, exchange, packet))
        });
        let earlier = || {
            dialogue
                .recent
                .iter()
                .filter(move |exchange| !begins(exchange) && exchange.request.start.time <= moment)
                .filter(|exchange| {
                    exchange.request.start.offset < exchange.request.end.offset
                        || exchange.response.is_some()
                })
        };
        let open = earlier()
            .map(|exchange| match trigger {
                // The response that drew the RST was not there before it.
                Some(packet) if begins_response(exchange, packet) => {
                    (exchange, Progress::Unanswered)
                }
                _ if is_told(ending, exchange) => (exchange, Progress::Told),
                // In whatever order they were captured.
                Some(packet) if acknowledges_response(ending, exchange, packet) => {
                    (exchange, progress(exchange))
                }
                _ => (exchange, progress_at(exchange, moment)),
            })
            .find(|(_, progress)| !matches!(progress, Progress::Answered | Progress::Told));
        Self {
            requester: dialogue.requester,
            begun: dialogue.recent.iter().find(begins).filter(|_| !continues),
            open,
            newest: earlier().next_back(),
            continues,
        }
    }

    /// The newest answer was whole, and whoever waited for it ended the connection with this acknowledgement, which lacks all of it or a
    /// part: it had not come yet, or got lost. For this side the exchange is open.
    pub fn with_answer_unheard(self, ending: &Ending, ack: SeqNumber) -> Option<Self> {
        let exchange = self.newest.filter(|_| self.is_quiet())?;
        let whole = |response: &Message| response.complete == Completeness::Complete;
        let response = exchange.response.filter(whole)?;
        let heard = ending.offset_of(self.responder(), ack)?;
        let progress = match heard > response.start.offset {
            true => Progress::Answering,
            false => Progress::Unanswered,
        };
        let is_lacking = heard < response.end.offset && exchange.was_asked_here();
        is_lacking.then_some(Self {
            open: Some((exchange, progress)),
            ..self
        })
    }

    /// Nothing was open: all that was asked had been answered.
    pub fn is_quiet(&self) -> bool {
        self.open.is_none()
    }

    /// The exchange that an ending now would hurt: the open one, else the one just begun.
    pub fn at_stake(&self) -> Option<(&'a Exchange, Progress)> {
        self.open
            .or_else(|| self.begun.map(|exchange| (exchange, progress(exchange))))
    }

    /// Who answers.
    pub fn responder(&self) -> Peer {
        self.requester.other()
    }
}

/// A message of a one-way protocol that was taken whole: nothing is due.
fn is_told(ending: &Ending, exchange: &Exchange) -> bool {
    let taken = ending.acknowledged_of(ending.dialogue.requester);
    taken.is_some_and(|taken| taken >= exchange.request.end.offset) && ending.is_one_way()
}

fn begins_response(exchange: &Exchange, packet: &Packet) -> bool {
    exchange
        .response
        .is_some_and(|response| response.start.frame == packet.head.frame)
}

/// The packet acknowledges part of the response: that had come before it.
pub fn acknowledges_response(ending: &Ending, exchange: &Exchange, packet: &Packet) -> bool {
    exchange.response.is_some_and(|response| {
        ending
            .offset_of(packet.from.other(), packet.head.ack)
            .is_some_and(|acknowledged| acknowledged > response.start.offset)
    })
}

/// Without framing a new turn looks like a new request. Its sender had acknowledged no byte of the answer to the one before: it
/// had not seen that answer and went on with what it was sending.
fn continues(ending: &Ending, begun: &Exchange, packet: &Packet) -> bool {
    let before = ending
        .dialogue
        .recent
        .iter()
        .rev()
        .find(|exchange| exchange.request.start.offset < begun.request.start.offset);
    begun.request.complete == Completeness::Unknown
        && before.is_some_and(|exchange| {
            exchange.request.complete == Completeness::Unknown
                && exchange.response.is_some()
                && !acknowledges_response(ending, exchange, packet)
                && ending
                    .offset_of(packet.from.other(), packet.head.ack)
                    .is_some()
        })
}

/// How far an exchange had come at one moment: a response that began later was not there.
pub fn progress_at(exchange: &Exchange, moment: Timestamp) -> Progress {
    let response = exchange.response.map(|response| response.start.time);
    seen_at(progress(exchange), response, moment)
}

/// The same for one of which no more than a [`Turn`] is known.
pub fn turn_progress(turn: &Turn, moment: Timestamp) -> Progress {
    let reply = turn.reply.map(|reply| reply.complete);
    let known = progress_of(turn.request, turn.answer, reply);
    seen_at(known, turn.reply.map(|reply| reply.start), moment)
}

fn seen_at(known: Progress, response: Option<Timestamp>, moment: Timestamp) -> Progress {
    match (known, response) {
        (Progress::Answered | Progress::Answering, Some(start)) if start > moment => {
            Progress::Unanswered
        }
        (known, _) => known,
    }
}

/// The silence before a packet.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Of the application.
    pub application: Option<Interval>,
    /// On the wire.
    pub wire: Option<Interval>,
    /// The activity that it follows.
    pub since: Option<LastActivity>,
    /// Probes in it.
    pub probes: u16,
}

impl Silence {
    /// Before a packet.
    pub fn before(packet: &Packet) -> Self {
        Self {
            // Before the first word the application has been silent at least since the newest packet.
            application: packet
                .last_activity
                .map(|activity| activity.time)
                .or(packet.previous_packet)
                .map(|since| (packet.head.time - since).max(Interval::ZERO)),
            wire: packet
                .previous_packet
                .map(|previous| (packet.head.time - previous).max(Interval::ZERO)),
            since: packet.last_activity,
            probes: packet.probes_since_activity,
        }
    }

    /// How long an answer was waited for, whatever was on its way meanwhile.
    pub fn since_request(self, exchange: &Exchange, requester: Peer, until: Timestamp) -> Self {
        let Mark { time, frame, .. } = exchange.request.end;
        Self {
            application: Some((until - time).max(Interval::ZERO)),
            since: Some(LastActivity {
                time,
                frame,
                from: requester,
            }),
            ..self
        }
    }

    /// The one that a FIN ended.
    pub fn before_fin(fin: &FinSeen) -> Self {
        Self {
            application: fin.last_activity.map(|activity| fin.time - activity.time),
            wire: fin.wire_idle,
            since: fin.last_activity,
            probes: fin.probes,
        }
    }

    /// It had begun before the capture, for all that is known: what came after it was the first that was heard of the connection.
    pub fn began_before_capture(&self, ending: &Ending) -> bool {
        self.application.is_none() && !ending.handshake_seen()
    }

    /// Longer than the connection's own pace.
    pub fn is_idle(&self, ending: &Ending) -> bool {
        self.application
            .is_some_and(|silence| silence >= ending.idle_threshold())
    }

    /// What it was, given what was open.
    pub fn kind(&self, ending: &Ending, situation: &Situation<'_>) -> IdleKind {
        if !self.is_idle(ending) {
            return IdleKind::None;
        }
        match situation.open {
            Some(_) => IdleKind::AwaitingResponse,
            None => IdleKind::BetweenRequests,
        }
    }
}

/// A message was whole, or at least nothing says that it was not.
pub fn is_over(message: &Message) -> bool {
    matches!(
        message.complete,
        Completeness::Complete | Completeness::Unknown
    )
}
