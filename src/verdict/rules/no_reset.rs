//! Endings without a RST: hang-ups, give-ups, and silence.

use crate::dialogue::{Answer, Completeness, Message, Protocol};
use crate::flow::{FinSeen, Packet, PacketKind, Peer};
use crate::time::Interval;
use crate::verdict::ending::{Ending, Progress};
use crate::verdict::harm::{Taken, harm_of_exchange, taken};
use crate::verdict::rules::goaway;
use crate::verdict::rules::requester::answers_are_due;
use crate::verdict::rules::tls;
use crate::verdict::rules::undelivered::{Undelivered, stuck, traced};
use crate::verdict::rules::unheard::met_silence;
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::{Silence, Situation, is_over};
use crate::verdict::{Cause, Confidence, Fact, Harm, IdleKind};
use crate::wire::IcmpReason;

/// A bad ending without a RST.
pub struct NoResetEnding {
    /// What the rule says.
    pub ruling: Ruling,
    /// The packet that the report names: the FIN, the packet that met silence, or the SYN.
    pub at: Packet,
}

/// Judges an ending without a RST. `None`: it ended well, or goes on.
pub fn rule_no_reset(ending: &Ending) -> Option<NoResetEnding> {
    let closer = first_to_close(ending);
    if ending.is_part() {
        return refused_by_icmp(ending);
    }
    refused_by_icmp(ending)
        .or_else(|| met_silence(ending))
        .or_else(|| hung_up(ending, closer?))
        .or_else(|| stuck(ending))
        .or_else(|| tls::left(ending, closer?))
}

pub(super) fn packet_of<'a>(ending: &'a Ending, fin: &FinSeen) -> Option<&'a Packet> {
    ending
        .before
        .iter()
        .find(|packet| packet.head.frame == fin.frame)
}

/// An ICMP error answered the SYN (RFC 1122 section 4.2.3.9).
fn refused_by_icmp(ending: &Ending) -> Option<NoResetEnding> {
    if ending.established.is_some() || ending.state.server.packets > 0 {
        return None;
    }
    let icmp = ending.icmp.iter().find(|icmp| {
        icmp.about == Peer::Client
            && matches!(
                icmp.reason,
                IcmpReason::PortUnreachable | IcmpReason::Prohibited | IcmpReason::Unreachable
            )
    })?;
    let syn = ending
        .newest_before(Peer::Client)
        .find(|packet| packet.kind == PacketKind::Syn)?;
    let mut ruling = Ruling::new(
        Cause::ConnectionRefused,
        Confidence::Certain,
        format!(
            "{} answered the SYN with an ICMP error: refused or unreachable, without any RST.",
            icmp.from
        ),
    )
    .harm(Harm::Refused, Peer::Client)
    .detail("icmp");
    ruling.evidence.push(Fact {
        text: format!("ICMP error from {} quotes the SYN", icmp.from),
        frames: vec![icmp.frame, syn.head.frame],
    });
    Some(NoResetEnding { ruling, at: *syn })
}

/// Whose FIN came first.
fn first_to_close(ending: &Ending) -> Option<Peer> {
    let (client, server) = (ending.fin(Peer::Client), ending.fin(Peer::Server));
    // A FIN that acknowledges the other one came second, in whatever order both were captured.
    let knew = |fin: &FinSeen, other: &FinSeen| fin.ack.is_some_and(|ack| ack.is_after(other.seq));
    match (client, server) {
        (Some(client), Some(server)) if knew(client, server) && !knew(server, client) => {
            Some(Peer::Server)
        }
        (Some(client), Some(server)) if knew(server, client) && !knew(client, server) => {
            Some(Peer::Client)
        }
        (Some(client), Some(server)) if client.time <= server.time => Some(Peer::Client),
        (_, Some(_)) => Some(Peer::Server),
        (Some(_), None) => Some(Peer::Client),
        (None, None) => None,
    }
}

/// FIN with a request unanswered or a response cut short.
fn hung_up(ending: &Ending, first: Peer) -> Option<NoResetEnding> {
    let requester = ending.dialogue.requester;
    let by_protocol = || match first == requester {
        true => gave_up(ending, requester),
        false => responder_hung_up(ending, requester),
    };
    tls::hung_up(ending, first)
        .or_else(|| goaway::hung_up(ending, first))
        .or_else(by_protocol)
        .or_else(|| cut_websocket(ending, first))
}

/// A WebSocket ends with Close frames (RFC 6455 section 7.1.4); without one its applications are told 1006.
fn cut_websocket(ending: &Ending, closer: Peer) -> Option<NoResetEnding> {
    let fin = ending.fin(closer)?;
    let at = packet_of(ending, fin)?;
    if ending.dialogue.protocol != Protocol::WebSocket
        || ending
            .dialogue
            .farewells
            .iter()
            .any(|farewell| farewell.at.time <= fin.time)
    {
        return None;
    }
    let silence = Silence::before_fin(fin);
    let idle = silence.is_idle(ending);
    let ruling = Ruling::new(
        Cause::HangUp,
        Confidence::Likely,
        match silence.application.filter(|_| idle) {
            Some(waited) => format!("The {closer} cut the WebSocket with FIN after {waited} without a message, and without a Close frame: an idle timer, usually of a proxy. Applications see code 1006."),
            None => format!("The {closer} cut the WebSocket with FIN and without a Close frame. Applications see code 1006."),
        },
    )
    .detail("websocket-cut")
    .because("FIN without a Close frame before it", &[at])
    .idle(if idle { IdleKind::BetweenRequests } else { IdleKind::None }, silence)
    .or(Cause::IdleTimeoutReset, "other WebSockets through the same proxy: a timer cuts them after the same silence");
    Some(NoResetEnding { ruling, at: *at })
}

/// The server's timer for a request that never came in full: it said so (RFC 9110 section 15.5.9).
fn told_of_a_timeout(ending: &Ending, responder: Peer) -> bool {
    let mut farewells = ending.dialogue.farewells.iter();
    farewells.any(|farewell| farewell.from == responder && farewell.what == "408")
}

fn responder_hung_up(ending: &Ending, requester: Peer) -> Option<NoResetEnding> {
    let fin = ending.fin(requester.other())?;
    let at = packet_of(ending, fin)?;
    let situation = Situation::at(ending, None, ending.last);
    let (exchange, state) = situation.open?;
    if exchange.request.start == exchange.request.end {
        return None;
    }
    let timed_out = told_of_a_timeout(ending, requester.other());
    let ends_with_fin = |response: Message| response.complete == Completeness::UntilClose;
    if state == Progress::Asking && timed_out
        || state == Progress::Answering && exchange.response.is_some_and(ends_with_fin)
    {
        return None;
    }
    let request = ending
        .before
        .iter()
        .find(|packet| packet.head.frame == exchange.request.start.frame);
    let harm = harm_of_exchange(ending, &situation, exchange, state);
    let silence = Silence::before_fin(fin);
    let crossed = request.is_some_and(|packet| !ending.had(packet, fin))
        && taken_before_fin(ending, &situation, fin) == Taken::Nothing;
    let refused = exchange.answer == Answer::Refused;
    let unanswered = state == Progress::Unanswered;
    let silence_of = |packet| Silence::before(first_of(ending, packet));
    if let Some(lost) = lost_request(ending, requester).filter(|_| state != Progress::Answering) {
        let ruling = hang_up(ending, requester, Progress::Asking, at, &silence);
        return Some(NoResetEnding {
            ruling: lost.told(ending, ruling.harm(harm, requester)),
            at: *at,
        });
    }
    let ruling = match request {
        Some(packet)
            if unanswered && (crossed || refused) && silence_of(packet).is_idle(ending) =>
        {
            raced(ending, (packet, at), requester, harm, exchange.answer)
        }
        Some(packet)
            if unanswered && crossed && silence_of(packet).began_before_capture(ending) =>
        {
            raced(ending, (packet, at), requester, harm, exchange.answer)
                .at_most(Confidence::Possible)
        }
        Some(packet)
            if came_after(packet, fin)
                && !Silence::before(packet).is_idle(ending)
                && !silence.is_idle(ending) =>
        {
            // The last words of a closing: nobody waits for an answer to them.
            return None;
        }
        Some(packet) if came_after(packet, fin) => {
            let unread = [Completeness::Unknown, Completeness::HeadIncomplete];
            let unread = unread.contains(&exchange.request.complete);
            let perhaps_a_rest = unread && (timed_out || !silence.is_idle(ending));
            let ruling = written_after(requester, at, packet, perhaps_a_rest);
            match ending.data_fin(requester.other(), fin) {
                // A kernel acknowledges what comes for a closed MPTCP connection, and throws it away.
                Some(_) => told_by_data_fin(ruling, at, harm, requester),
                None => ruling.harm(harm, requester),
            }
        }
        _ if ending.dialogue.protocol == Protocol::Opaque
            && !silence.is_idle(ending)
            && ending.dialogue.answered > 0 =>
        {
            // A protocol that is not known: a goodbye that its receiver answers by closing looks the same.
            return None;
        }
        _ => hang_up(ending, requester, state, at, &silence).harm(harm, requester),
    };
    Some(NoResetEnding { ruling, at: *at })
}

/// Part of the request never got through, while its sender's acknowledgements and the other side's packets did.
fn lost_request<'a>(ending: &'a Ending<'_>, requester: Peer) -> Option<Undelivered<'a>> {
    Undelivered::by(ending, requester).filter(Undelivered::was_heard)
}

/// The one who asks wrote behind the FIN: a request, or perhaps the rest of what had been answered and closed upon before.
fn written_after(requester: Peer, fin: &Packet, packet: &Packet, perhaps_a_rest: bool) -> Ruling {
    let ruling = Ruling::new(
        Cause::StaleReuse,
        Confidence::Likely,
        format!(
            "The {requester} wrote a request into a connection that the {} had closed before; nobody answered.",
            requester.other()
        ),
    )
    .because("the request came after the FIN", &[fin, packet])
    .idle(IdleKind::BetweenRequests, Silence::before(packet));
    match perhaps_a_rest {
        true => ruling.at_most(Confidence::Possible).or(
            Cause::DataAfterClose,
            "whether these words were the rest of what had been answered and closed upon before",
        ),
        false => ruling,
    }
}

/// The close was MPTCP's: see [`Ending::data_fin`].
fn told_by_data_fin(ruling: Ruling, at: &Packet, harm: Harm, requester: Peer) -> Ruling {
    let harm = match harm {
        Harm::RequestOutcomeUnknown => Harm::RequestLost,
        harm => harm,
    };
    ruling.harm(harm, requester).because(
        "it closed with MPTCP's DATA_FIN; the FIN of TCP comes when that is acknowledged on both sides",
        &[at],
    )
}

/// The FIN of an idle connection and the next request crossed, and no RST followed.
fn raced(
    ending: &Ending,
    (request, fin): (&Packet, &Packet),
    requester: Peer,
    harm: Harm,
    answer: Answer,
) -> Ruling {
    let harm = match harm {
        Harm::RequestOutcomeUnknown => Harm::RequestLost,
        harm => harm,
    };
    Ruling::new(
            Cause::KeepaliveRace,
            Confidence::Likely,
            format!("The {} closed the idle connection while the next request was on its way. No RST followed: the request was read by nobody, and the client saw only the end.", requester.other()),
        )
        .because(
            if answer == Answer::Refused {
                "the server's GOAWAY names an earlier stream as its last: it never looked at this one"
            } else {
                "the request acknowledges no FIN and the FIN no request: they crossed"
            },
            &[request, fin],
        )
        .idle(IdleKind::BetweenRequests, Silence::before(first_of(ending, request)))
        .harm(harm, requester)
        .or(Cause::HangUp, "the server's log: whether it read the request")
}

/// What was captured first of the words that a packet begins: later ones may have overtaken it.
fn first_of<'a>(ending: &'a Ending<'_>, packet: &'a Packet) -> &'a Packet {
    let is_of_them = |other: &&Packet| {
        other.from == packet.from
            && other.is_new_data()
            && !other.head.seq.is_before(packet.head.seq)
    };
    ending.before.iter().find(is_of_them).unwrap_or(packet)
}

/// The request came after the FIN, which acknowledges nothing of it.
fn came_after(request: &Packet, fin: &FinSeen) -> bool {
    (request.head.time, request.head.frame) > (fin.time, fin.frame)
        && fin.ack.is_none_or(|ack| !ack.is_after(request.head.seq))
}

/// What the FIN itself says of the request: whether its sender had taken it when it closed.
fn taken_before_fin(ending: &Ending, situation: &Situation<'_>, fin: &FinSeen) -> Taken {
    let Some((exchange, _)) = situation.at_stake() else {
        return Taken::Nothing;
    };
    let request = ending
        .before
        .iter()
        .find(|packet| packet.head.frame == exchange.request.start.frame);
    match (request, fin.ack) {
        (Some(request), Some(ack)) if ack.is_after(request.head.seq) => Taken::All,
        (Some(_), _) => Taken::Nothing,
        _ => taken(ending, situation, exchange),
    }
}

fn hang_up(
    ending: &Ending,
    requester: Peer,
    state: Progress,
    at: &Packet,
    silence: &Silence,
) -> Ruling {
    let responder = requester.other();
    let waited = silence.application.unwrap_or(Interval::ZERO);
    let idle = silence.is_idle(ending);
    let text = match state {
        Progress::Answering => {
            format!("The {responder} closed with FIN in the middle of its response.")
        }
        Progress::Asking => {
            format!("The {responder} closed with FIN before the request had come in full.")
        }
        _ if idle => format!(
            "The {responder} took the request, said nothing for {waited} and closed with FIN."
        ),
        _ => format!("The {responder} took the request and closed with FIN, without an answer."),
    };
    let framed = !matches!(ending.dialogue.protocol, Protocol::Opaque | Protocol::Tls);
    let confidence = if framed {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let mut ruling = Ruling::new(Cause::HangUp, confidence, text)
        .because("FIN with an exchange open; no RST was seen", &[at])
        .idle(
            if idle {
                IdleKind::AwaitingResponse
            } else {
                IdleKind::None
            },
            *silence,
        )
        .or(
            Cause::ResponseTimeout,
            "the server's (or proxy's) log and its request timeouts",
        );
    if ending.surroundings.refused_after > 0 && ending.surroundings.simultaneous_ends > 0 {
        ruling = ruling.detail("process-ended").because(
            format!("{} other connections of this endpoint ended in the same instant and the port then refused", ending.surroundings.simultaneous_ends),
            &[],
        );
    }
    ruling
}

/// The one who asked closed first, with its question open: it had waited long enough.
fn gave_up(ending: &Ending, requester: Peer) -> Option<NoResetEnding> {
    let fin = ending.fin(requester)?;
    let at = packet_of(ending, fin)?;
    let situation = Situation::at(ending, None, fin.time);
    // Nor did the closed socket take it afterwards.
    let acknowledged = ending.state.of(requester).ack;
    let unheard = acknowledged.and_then(|ack| situation.with_answer_unheard(ending, ack));
    let is_unheard = unheard.is_some();
    let situation = unheard.unwrap_or(situation);
    let (exchange, _) = situation.open?;
    // A half-close is no give-up: the answer came after all.
    let final_response = ending
        .dialogue
        .recent
        .iter()
        .find(|other| other.request.start == exchange.request.start)?
        .response;
    if !is_unheard
        && final_response.is_some_and(|response| {
            is_over(&response) || response.complete == Completeness::UntilClose
        })
    {
        return None;
    }
    let silence = match is_unheard {
        true => Silence::before_fin(fin).since_request(exchange, requester, fin.time),
        false => Silence::before_fin(fin),
    };
    // One-way protocols ask nothing: only where answers are known to be due does silence mean anything.
    let answers_due = answers_are_due(ending, silence.application.unwrap_or(Interval::ZERO));
    if !silence.is_idle(ending) || !answers_due || exchange.request.start == exchange.request.end {
        return None;
    }
    let state = match situation.open {
        Some((_, state)) if is_unheard => state,
        _ => crate::verdict::situation::progress_at(exchange, fin.time),
    };
    let waited = silence.application.unwrap_or(Interval::ZERO);
    let framed = !matches!(ending.dialogue.protocol, Protocol::Opaque | Protocol::Tls);
    let ruling = Ruling::new(
        Cause::ResponseTimeout,
        if framed || ending.dialogue.protocol == Protocol::Tls && ending.dialogue.answered > 0 { Confidence::Likely } else { Confidence::Possible },
        format!("The {requester} waited {waited} for an answer, got none and closed: its own timeout, or a cancel."),
    )
    .because("FIN of the one who asked, with its request open", &[at])
    .harm(harm_of_exchange(ending, &situation, exchange, state), requester)
    .idle(IdleKind::AwaitingResponse, silence)
    .or(Cause::HangUp, "the client's log");
    Some(NoResetEnding {
        ruling: traced(ending, requester, ruling),
        at: *at,
    })
}
