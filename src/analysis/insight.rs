//! What insight reads: idle observations and stories, one per connection.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::dialogue::{Answer, DialogueReader, Hints, Protocol, Turn};
use crate::flow::{Connection, FinSeen, Peer, SurvivedIdle};
use crate::insight::{ConnectionStory, IdleEnd, IdleEndBy, IdleObservation, IdleSurvival};
use crate::time::{Interval, Timestamp};
use crate::verdict::{Cause, IdleKind, Progress, ResetSender, Verdict, turn_progress};

type Tracked = Connection<DialogueReader>;

/// What one connection says about idle timers. `verdict` is the one on its end.
pub fn observation<'a>(
    connection: &'a Tracked,
    turns: &[Turn],
    verdict: Option<&Verdict>,
    capture_end: Timestamp,
) -> IdleObservation<'a> {
    let reader = connection.reader();
    let hints = match &reader {
        Some(Cow::Borrowed(reader)) => reader.hints().map(Cow::Borrowed),
        Some(Cow::Owned(reader)) => reader.hints().cloned().map(Cow::Owned),
        None => None,
    };
    let end = end_of(connection, verdict, turns);
    let idle_since = connection.last_activity.map(|activity| activity.time);
    IdleObservation {
        stream: connection.first_stream(),
        client: connection.client.0,
        client_port: connection.client.1,
        server: SocketAddr::new(connection.server.0, connection.server.1),
        opened: connection.opened,
        last: connection.last,
        handshake_seen: connection.directions.client.iss.is_some(),
        round_trip: connection.round_trip(),
        requests: reader.as_deref().map_or(0, DialogueReader::requests),
        survived: connection.survived.iter().map(survival).collect(),
        open_idle: end
            .is_none()
            .then(|| idle_since.map(|since| capture_end - since))
            .flatten(),
        end,
        protocol: reader
            .as_deref()
            .map_or(Protocol::default(), DialogueReader::protocol),
        hints: hints.unwrap_or_else(|| Cow::Owned(Hints::default())),
    }
}

fn survival(survived: &SurvivedIdle) -> IdleSurvival {
    let kind = match (survived.after, survived.resumed_by) {
        (None, _) => IdleKind::Handshake,
        (Some(Peer::Server), Peer::Client) => IdleKind::BetweenRequests,
        _ => IdleKind::AwaitingResponse,
    };
    IdleSurvival {
        application: survived.application,
        wire: survived.wire,
        resumed_by: survived.resumed_by,
        frame: survived.frame,
        kind,
    }
}

fn end_of(connection: &Tracked, verdict: Option<&Verdict>, turns: &[Turn]) -> Option<IdleEnd> {
    let cause = verdict.map(|verdict| verdict.ruling.cause);
    let silently = matches!(cause, Some(Cause::IdleExpiredSilently));
    if let Some(verdict) = verdict
        && silently
    {
        let silence = verdict.ruling.silence?;
        let packet = verdict
            .reset
            .as_ref()
            .and_then(|reset| reset.trigger.1)
            .unwrap_or(verdict.at);
        return Some(IdleEnd {
            by: None,
            how: IdleEndBy::Silence,
            at: packet.time,
            frame: packet.frame,
            application: silence.application.unwrap_or(Interval::ZERO),
            wire: silence.wire.unwrap_or(Interval::ZERO),
            awaiting_response: verdict.ruling.idle_kind == IdleKind::AwaitingResponse,
            prompted: false,
            cause,
        });
    }
    let (client, server) = (
        connection.directions.client.fin,
        connection.directions.server.fin,
    );
    let first = match (client, server) {
        (Some(client), Some(server)) if client.time <= server.time => Some((Peer::Client, client)),
        (_, Some(server)) => Some((Peer::Server, server)),
        (Some(client), None) => Some((Peer::Client, client)),
        (None, None) => None,
    };
    let ignored = cause == Some(Cause::IgnoredRst);
    let reset = connection
        .episodes
        .iter()
        .find(|episode| !episode.resumed)
        .and_then(|episode| episode.first())
        .filter(|_| !ignored);
    match (first, reset) {
        (Some((peer, fin)), reset) if reset.is_none_or(|reset| fin.time <= reset.time) => {
            Some(fin_end(connection, peer, &fin, cause, turns))
        }
        (_, Some(reset)) => {
            let sender = verdict
                .and_then(|verdict| verdict.reset.as_ref())
                .map(|reset| reset.sender);
            Some(IdleEnd {
                by: match sender {
                    Some(ResetSender::Client) => Some(Peer::Client),
                    Some(ResetSender::Server) => Some(Peer::Server),
                    _ => None,
                },
                how: IdleEndBy::Rst,
                at: reset.time,
                frame: reset.frame,
                application: reset
                    .last_activity
                    .map_or(Interval::ZERO, |activity| reset.time - activity.time),
                wire: reset
                    .previous_packet
                    .map_or(Interval::ZERO, |previous| reset.time - previous),
                awaiting_response: open_at(turns, reset.time),
                prompted: verdict
                    .and_then(|verdict| verdict.reset.as_ref())
                    .is_some_and(|reset| reset.trigger.1.is_some()),
                cause,
            })
        }
        _ => None,
    }
}

fn fin_end(
    connection: &Tracked,
    peer: Peer,
    fin: &FinSeen,
    cause: Option<Cause>,
    turns: &[Turn],
) -> IdleEnd {
    let application = fin
        .last_activity
        .map_or(fin.time - connection.opened, |activity| {
            fin.time - activity.time
        });
    IdleEnd {
        by: Some(peer),
        how: IdleEndBy::Fin,
        at: fin.time,
        frame: fin.frame,
        application,
        wire: fin.wire_idle.unwrap_or(Interval::ZERO),
        awaiting_response: open_before(turns, fin.time),
        prompted: connection
            .directions
            .of(peer.other())
            .fin
            .is_some_and(|other| other.time < fin.time),
        cause,
    }
}

/// A request was unanswered at `moment`, and had been sent before it by more than a crossing takes.
fn open_at(turns: &[Turn], moment: Timestamp) -> bool {
    turns.iter().any(|turn| {
        turn.start < moment
            && turn.asked
            && matches!(
                turn_progress(turn, moment),
                Progress::Asking | Progress::Unanswered | Progress::Answering
            )
    })
}

/// The same for a FIN: a request that crossed it (the keep-alive race) was not what its sender waited with.
fn open_before(turns: &[Turn], fin: Timestamp) -> bool {
    const CROSSING: Interval = Interval::from_millis(500);
    let mut open = turns.iter().filter(|turn| {
        turn.start < fin
            && turn.asked
            && turn.answer != Answer::Refused
            && matches!(
                turn_progress(turn, fin),
                Progress::Asking | Progress::Unanswered
            )
    });
    open.any(|turn| {
        let newest_answer = turns
            .iter()
            .filter_map(|other| other.reply)
            .map(|reply| reply.end)
            .filter(|end| *end < turn.start)
            .max();
        let after_idle = newest_answer.is_some_and(|end| turn.start - end > CROSSING);
        !(after_idle && fin - turn.start < CROSSING)
    })
}

/// What one connection told, for comparing it with others.
pub fn story<'a>(connection: &'a Tracked, turns: Cow<'a, [Turn]>) -> ConnectionStory<'a> {
    let (capture, stream) = connection.streams.first().copied().unwrap_or_default();
    ConnectionStory {
        capture: capture.0,
        stream,
        client: SocketAddr::new(connection.client.0, connection.client.1),
        server: SocketAddr::new(connection.server.0, connection.server.1),
        opened: connection.opened,
        last: connection.last,
        requester: connection
            .reader()
            .as_deref()
            .map_or(Peer::Client, DialogueReader::requester),
        turns,
    }
}
