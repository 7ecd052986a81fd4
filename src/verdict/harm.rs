//! What an ending cost, from acknowledgements and framing alone. That a kernel took a request never proves that an application read it.

use crate::dialogue::{Answer, Completeness, Exchange};
use crate::flow::{Packet, PacketKind, Peer};
use crate::time::Interval;
use crate::verdict::Harm;
use crate::verdict::ending::{Ending, Progress};
use crate::verdict::situation::Situation;

/// The harm to the one who asked, if the connection is dead now.
pub fn harm_of(ending: &Ending, situation: &Situation<'_>) -> Harm {
    situation
        .at_stake()
        .map_or(Harm::None, |(exchange, progress)| {
            harm_of_exchange(ending, situation, exchange, progress)
        })
}

/// The harm to one exchange.
pub fn harm_of_exchange(
    ending: &Ending,
    situation: &Situation<'_>,
    exchange: &Exchange,
    progress: Progress,
) -> Harm {
    match progress {
        Progress::Answered => Harm::None,
        Progress::Answering => Harm::ResponseTruncated,
        Progress::Told if taken(ending, situation, exchange) == Taken::All => Harm::None,
        Progress::Asking | Progress::Unanswered | Progress::Told => {
            if exchange.answer == Answer::Refused
                || exchange.request.complete == Completeness::HeadIncomplete
            {
                // Nobody acted on a request that was refused, nor on one whose head never ended.
                return Harm::RequestLost;
            }
            match taken(ending, situation, exchange) {
                Taken::Nothing => Harm::RequestLost,
                Taken::Part | Taken::All => Harm::RequestOutcomeUnknown,
            }
        }
    }
}

/// How much of a request the peer's kernel took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Not a byte.
    Nothing,
    /// Some.
    Part,
    /// All that was sent.
    All,
}

/// How much of a request the peer acknowledged (its RST's acknowledgement included: that is how a kernel reports bytes that it
/// then threw away, Linux `__tcp_close`).
pub fn taken(ending: &Ending, situation: &Situation<'_>, exchange: &Exchange) -> Taken {
    let acknowledged = ending
        .acknowledged_of(situation.requester)
        .max(acknowledged_afterwards(ending, situation.requester))
        .unwrap_or(0);
    // Acknowledgements that were not captured, or a request whose beginning was not: that nothing was taken can't be said.
    if acknowledged <= exchange.request.start.offset
        && (unheard(ending, situation)
            || begun_before_capture(ending, exchange)
            || never_repeated(ending, situation, exchange)
            || cut_by_its_sender(ending, situation, exchange))
    {
        return Taken::Part;
    }
    if acknowledged >= exchange.request.end.offset
        && exchange.request.end.offset > exchange.request.start.offset
    {
        Taken::All
    } else if acknowledged <= exchange.request.start.offset {
        Taken::Nothing
    } else {
        Taken::Part
    }
}

/// A challenge of its receiver, or what crossed a RST, tells what had come before it.
fn acknowledged_afterwards(ending: &Ending, requester: Peer) -> Option<u64> {
    let is_heard = |packet: &&Packet| packet.from != requester && packet.head.flags.ack();
    let heard = ending.after.iter().filter(is_heard);
    heard
        .filter_map(|packet| ending.offset_of(requester, packet.head.ack))
        .max()
}

/// The one who answers spoke (its peer acknowledges it), and nothing of that was captured but perhaps a RST.
fn unheard(ending: &Ending, situation: &Situation<'_>) -> bool {
    ending.state.of(situation.responder()).packets == 0
        && ending.state.of(situation.requester).ack.is_some()
        && ending
            .resets
            .first()
            .is_none_or(|reset| reset.from == situation.requester)
}

/// The first bytes seen of a connection that was there before the capture, and they are no beginning of anything known.
fn begun_before_capture(ending: &Ending, exchange: &Exchange) -> bool {
    exchange.request.start.offset == 0
        && !ending.handshake_seen()
        && exchange.what.summary.is_none()
        && exchange.request.complete == Completeness::Unknown
}

/// The one who asked ended the connection before it could hear whether its words had come: they may have, and their acknowledgement was on
/// its way, or got lost. Only a packet of the other side that was sent later, and acknowledges nothing of them, tells.
fn cut_by_its_sender(ending: &Ending, situation: &Situation<'_>, exchange: &Exchange) -> bool {
    let requester = situation.requester;
    if ending
        .resets
        .first()
        .is_none_or(|reset| reset.from != requester)
    {
        return false;
    }
    let last_copy = ending
        .newest_before(requester)
        .find(|packet| packet.head.payload_len > 0)
        .map_or(exchange.request.start.time, |packet| packet.head.time);
    let way = ending.round_trip().unwrap_or(Interval::ZERO);
    let mut later = ending.before.iter().chain(&*ending.after);
    !later.any(|packet| packet.from != requester && packet.head.time >= last_copy + way)
}

/// What is not acknowledged is [sent again](Ending::first_timeout). This was not: its acknowledgement was missed.
fn never_repeated(ending: &Ending, situation: &Situation<'_>, exchange: &Exchange) -> bool {
    let end = ending
        .resets
        .first()
        .map_or(ending.last, |reset| reset.head.time);
    let alive = ending
        .resets
        .first()
        .is_none_or(|reset| reset.from == situation.requester);
    let repeated = ending.newest_before(situation.requester).any(|packet| {
        packet.kind == PacketKind::Retransmission && packet.head.time >= exchange.request.start.time
    });
    alive && !repeated && end - exchange.request.end.time >= ending.first_timeout()
}
