//! What insight reads of a connection: idle observations, and its story where it is asked for.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::analysis::judges::{Held, Outline, Turns};
use crate::capture::CaptureId;
use crate::dialogue::{Answer, Hints, Protocol, Turn};
use crate::flow::{self, Both, FinSeen, Items, Peer, SurvivedIdle};
use crate::insight::{ConnectionStory, IdleEnd, IdleEndBy, IdleObservation, IdleSurvival, Teller};
use crate::time::{Interval, Timestamp};
use crate::verdict::{Cause, Confidence, IdleKind, Progress, ResetSender, Verdict, turn_progress};

/// Of a connection on which none was heard.
static NO_HINTS: Hints = Hints::none();

/// What one connection says about idle timers. `verdict` is the one on its end.
pub fn observation<'a>(
    connection: &'a Outline,
    turns: &Turns,
    verdict: Option<&Verdict>,
    capture_end: Timestamp,
) -> IdleObservation<'a> {
    let reader = connection.reader.as_ref();
    let hints = reader.and_then(|reader| reader.hints.as_deref());
    let end = end_of(connection, verdict, turns);
    let idle_since = connection.last_activity.map(|activity| activity.time);
    // Of one direction alone nobody knows what answered what.
    let is_heard = |peer: Peer| connection.sides.of(peer).packets > 0;
    let survived = match is_heard(Peer::Client) && is_heard(Peer::Server) {
        true => connection.survived.as_slice(),
        false => &[],
    };
    IdleObservation {
        stream: connection.stream.1,
        client: connection.client.0,
        client_port: connection.client.1,
        server: SocketAddr::new(connection.server.0, connection.server.1),
        opened: connection.opened,
        last: connection.last,
        handshake_seen: connection.sides.client.iss.is_some(),
        round_trip: connection.round_trip(),
        requests: reader.map_or(0, |reader| reader.requests),
        survived: survived.iter().map(survival).collect(),
        open_idle: end
            .is_none()
            .then(|| idle_since.map(|since| capture_end - since))
            .flatten(),
        end,
        protocol: reader.map_or(Protocol::default(), |reader| reader.protocol),
        hints: Cow::Borrowed(hints.unwrap_or(&NO_HINTS)),
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
        data: survived.data,
        wire: survived.wire,
        resumed_by: survived.resumed_by,
        frame: survived.frame,
        kind,
    }
}

fn end_of(connection: &Outline, verdict: Option<&Verdict>, turns: &Turns) -> Option<IdleEnd> {
    let cause = verdict.map(|verdict| verdict.ruling.cause);
    let silently = matches!(cause, Some(Cause::IdleExpiredSilently));
    if let Some(verdict) = verdict
        && silently
    {
        let silence = verdict.ruling.silence?;
        let known = |silence: Option<Interval>| {
            let silence = silence.filter(|_| !verdict.lacks_activity);
            silence.unwrap_or(Interval::ZERO)
        };
        let packet = verdict
            .reset
            .as_ref()
            .and_then(|reset| reset.trigger.1)
            .unwrap_or(verdict.at);
        return Some(IdleEnd {
            by: None,
            how: IdleEndBy::Silence,
            at: packet.head.time,
            frame: packet.head.frame,
            application: known(silence.application),
            data: known(silence.application),
            wire: known(silence.wire),
            awaiting_response: verdict.ruling.idle_kind == IdleKind::AwaitingResponse,
            prompted: false,
            cause,
            doubtful: verdict.ruling.confidence == Confidence::Possible,
        });
    }
    let (client, server) = (&connection.sides.client.fin, &connection.sides.server.fin);
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
    // An answer that was captured and never reached who asked leaves no question open in the capture.
    let waited =
        verdict.is_some_and(|verdict| verdict.ruling.idle_kind == IdleKind::AwaitingResponse);
    let end = match (first, reset) {
        (Some((peer, fin)), reset) if reset.is_none_or(|reset| fin.time <= reset.head.time) => {
            let (peer, fin) = whose_close(connection, peer, fin);
            Some(fin_end(connection, peer, fin, cause, turns))
        }
        (_, Some(reset)) => {
            let sender = verdict
                .and_then(|verdict| verdict.reset.as_ref())
                .map(|reset| reset.sender);
            let is_known = !verdict.is_some_and(|verdict| verdict.lacks_activity);
            let active = reset.last_activity.map(|activity| activity.time);
            let kept = connection.last_housekeeping;
            let kept = kept.filter(|time| *time < reset.head.time);
            let [application, data, wire] = [active, active.max(kept), reset.previous_packet]
                .map(|time| time.filter(|_| is_known))
                .map(|time| time.map_or(Interval::ZERO, |time| reset.head.time - time));
            Some(IdleEnd {
                by: sender.and_then(endpoint),
                how: IdleEndBy::Rst,
                at: reset.head.time,
                frame: reset.head.frame,
                application,
                data,
                wire,
                awaiting_response: open_at(turns.read(), reset.head.time),
                prompted: verdict
                    .and_then(|verdict| verdict.reset.as_ref())
                    .is_some_and(|reset| reset.trigger.1.is_some())
                    || sender
                        .and_then(endpoint)
                        .is_some_and(|peer| bidden(connection, peer, reset.head.time)),
                cause,
                doubtful: false,
            })
        }
        _ => None,
    };
    end.map(|end| IdleEnd {
        awaiting_response: end.awaiting_response || waited,
        ..end
    })
}

fn fin_end(
    connection: &Outline,
    peer: Peer,
    fin: &FinSeen,
    cause: Option<Cause>,
    turns: &Turns,
) -> IdleEnd {
    let other = peer.other();
    let requester = connection.reader.as_ref().map(|reader| reader.requester);
    // The capture may have begun in the middle of a question.
    let unheard = connection.sides.client.iss.is_none()
        && requester == Some(other)
        && fin.last_activity.is_some_and(|last| last.from == other);
    let answers_unseen = fin.answers_unseen && connection.sides.of(other).fin.is_none();
    // Where the capture began in that silence, nobody knows how long it was.
    let begun = connection.sides.client.iss.map(|_| connection.opened);
    let since = fin.last_activity.map(|activity| activity.time).or(begun);
    let [application, data] = [since, since.max(fin.last_housekeeping)]
        .map(|since| since.filter(|_| !fin.lacks_activity))
        .map(|since| since.map_or(Interval::ZERO, |since| fin.time - since));
    let wire = fin.wire_idle.filter(|_| !fin.lacks_activity);
    IdleEnd {
        by: Some(peer),
        how: IdleEndBy::Fin,
        at: fin.time,
        frame: fin.frame,
        application,
        data,
        wire: wire.unwrap_or(Interval::ZERO),
        awaiting_response: unheard
            || !turns.are_answered_by(fin.time) && open_before(turns.read(), fin.time),
        prompted: answers_unseen || bidden(connection, peer, fin.time),
        cause,
        doubtful: false,
    }
}

/// The end that made a reset, if one of them did.
fn endpoint(sender: ResetSender) -> Option<Peer> {
    match sender {
        ResetSender::Client => Some(Peer::Client),
        ResetSender::Server => Some(Peer::Server),
        _ => None,
    }
}

/// The FIN that ended a connection, of which `fin` was the first: one that answers a goodbye came before the FIN of the one who had
/// said it.
fn whose_close<'a>(connection: &'a Outline, peer: Peer, fin: &'a FinSeen) -> (Peer, &'a FinSeen) {
    let other = peer.other();
    let own = connection.sides.of(other).fin.as_ref();
    match own.filter(|own| own.time - fin.time <= ANSWERED_WITHIN) {
        Some(own) if bidden(connection, peer, fin.time) => (other, own),
        _ => (peer, fin),
    }
}

/// How long after a goodbye a close still answers it. A peer that stays longer stays by a clock of its own.
const ANSWERED_WITHIN: Interval = Interval::from_millis(1000);

/// The other side had just said goodbye (close_notify, GOAWAY, a database's last error) when `closer` closed: the timer was not
/// the closer's.
fn bidden(connection: &Outline, closer: Peer, closed: Timestamp) -> bool {
    connection.reader.as_ref().is_some_and(|reader| {
        reader.goodbyes.iter().any(|&(from, at)| {
            let since = closed - at;
            from != closer && (Interval::ZERO..=ANSWERED_WITHIN).contains(&since)
        })
    })
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

impl<'a> Teller<'a> for Held<'a> {
    fn stream(&self) -> (u16, u32) {
        let (capture, stream) = self.first();
        (capture.0, stream)
    }

    fn stream_in(&self, capture: u16) -> Option<u32> {
        self.streams().of(CaptureId(capture))
    }

    fn ends(&self) -> (IpAddr, SocketAddr) {
        let Both { client, server } = flow::Held::ends(self);
        (client.0, server.into())
    }

    fn turns(&self) -> Items<'a, Turn> {
        self.items()
    }

    fn ask_for_turns(connections: &[Self]) {
        Self::ask_for_items(connections);
    }

    fn story(&self) -> ConnectionStory<'a> {
        let connection = self.outline();
        let (capture, stream) = connection.stream;
        let all = self.streams().all();
        let others = all.filter(|(other, _)| *other != capture);
        let reader = connection.reader.as_ref();
        ConnectionStory {
            capture: capture.0,
            stream,
            elsewhere: others.map(|(other, stream)| (other.0, stream)).collect(),
            client: connection.client.into(),
            server: connection.server.into(),
            opened: connection.opened,
            last: connection.last,
            requester: reader.map_or(Peer::Client, |reader| reader.requester),
            turns: self.items(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::report::IdleTimeout;
    use crate::testing::Ladder;

    /// A question and its answer, three seconds of silence, what the server then says, and both FINs: the client's first.
    fn timers(port: u16, question: &[u8], answer: &[u8], last_words: &[u8]) -> Vec<IdleTimeout> {
        let ladder = Ladder::to(port)
            .handshake(0)
            .client(100, "P.")
            .payload(question)
            .server(110, "P.")
            .payload(answer)
            .client(111, ".")
            .server(3_110, "P.")
            .payload(last_words)
            .client(3_111, "F.")
            .server(3_112, "F.")
            .client(3_113, ".");
        ladder.trace().report().idle_timeouts
    }

    fn owners(timers: &[IdleTimeout]) -> Vec<&str> {
        timers.iter().map(|timer| timer.role.as_str()).collect()
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    #[test]
    fn a_close_that_answers_a_goodbye_is_the_goodbyes() {
        let timed_out =
            b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let timers = timers(80, GET, OK, timed_out);
        assert_eq!(owners(&timers), ["server"]);
        let estimate = timers[0].estimate_s.unwrap();
        assert!((estimate - 3.0).abs() < 0.01, "{estimate}");
    }

    /// A question and its answer.
    fn talk() -> Ladder {
        Ladder::to(80)
            .handshake(0)
            .client(100, "P.")
            .payload(GET)
            .server(110, "P.")
            .payload(OK)
    }

    /// How long the silence before it was, nobody knows.
    #[test]
    fn a_close_in_the_silence_in_which_the_capture_began_shows_no_timer() {
        let close = |ladder: Ladder| {
            let ladder = ladder.client(1_500, ".").server(3_110, "F.");
            ladder.trace().report().idle_timeouts
        };
        assert_eq!(owners(&close(talk())), ["server"]);
        assert_eq!(owners(&close(talk().captured_from_here())), [""; 0]);
    }

    /// The client answered a FIN that was not captured.
    #[test]
    fn a_close_that_answers_what_was_not_captured_is_not_its_senders() {
        let close = |captured: bool| {
            let ladder = talk().client(111, ".").server(3_110, "F.");
            let ladder = if captured { ladder } else { ladder.unseen() };
            ladder.client(3_111, "F.").trace().report().idle_timeouts
        };
        assert_eq!(owners(&close(true)), ["server"]);
        assert_eq!(owners(&close(false)), [""; 0]);
    }

    /// RFC 8446 section 6.1: the one who gets close_notify may close at once.
    #[test]
    fn close_notify_asks_for_the_close() {
        let record = |kind: u8, length: u8| {
            let mut bytes = vec![kind, 3, 3, 0, length];
            bytes.resize(5 + usize::from(length), 7);
            bytes
        };
        let timers = timers(443, &record(23, 80), &record(23, 90), &record(21, 26));
        assert_eq!(owners(&timers), ["server"]);
    }

    /// RFC 9113 section 6.8.
    #[test]
    fn goaway_asks_for_the_close() {
        let frame = |kind: u8, flags: u8, stream: u8, body: &[u8]| {
            let mut bytes = vec![0, 0, body.len() as u8, kind, flags, 0, 0, 0, stream];
            bytes.extend_from_slice(body);
            bytes
        };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
        let question = [
            preface,
            &frame(4, 0, 0, b""),
            &frame(1, 5, 1, &[0x82, 0x84]),
        ]
        .concat();
        let answer = [frame(4, 0, 0, b""), frame(1, 5, 1, &[0x88])].concat();
        let timers = timers(
            80,
            &question,
            &answer,
            &frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
        );
        assert_eq!(owners(&timers), ["server"]);
    }

    /// RFC 6455 section 5.5.2. The kernel's probes interrupt the silence on the wire, and do not reach the proxy.
    #[test]
    fn a_proxy_counts_from_the_last_ping() {
        const UPGRADE: &str =
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        const UPGRADED: &str =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let exchange = |ladder: Ladder, at: f64, opcode: u8| {
            let asked = [0x80 | opcode, 0x82, 0, 0, 0, 0, b'h', b'i'];
            let answer = [0x80 | if opcode == 9 { 10 } else { opcode }, 2, b'h', b'i'];
            let ladder = ladder.client(at, "P.").payload(asked);
            ladder
                .server(at + 20.0, "P.")
                .payload(answer)
                .client(at + 21.0, ".")
        };
        let upgraded = Ladder::to(80)
            .handshake(0)
            .client(100, "P.")
            .payload(UPGRADE)
            .server(110, "P.")
            .payload(UPGRADED)
            .client(111, ".");
        let spoken = exchange(upgraded, 200.0, 1);
        let pinged = [2_000.0, 4_000.0, 6_000.0].into_iter();
        let pinged = pinged.fold(spoken, |ladder, at| exchange(ladder, at, 9));
        let closed = exchange(exchange(pinged, 8_000.0, 1), 8_500.0, 9)
            .client(10_021, ".")
            .probe()
            .server(10_041, ".")
            .server(11_520, "F.")
            .client(11_521, "F.")
            .server(11_541, ".");
        let timers = closed.trace().report().idle_timeouts;
        assert_eq!(owners(&timers), ["server"]);
        assert_eq!(timers[0].clock, "data");
        let estimate = timers[0].estimate_s.unwrap();
        assert!((estimate - 3.0).abs() < 0.01, "{estimate}");
    }

    #[test]
    fn a_close_without_a_goodbye_is_the_closers_own() {
        let ladder = talk()
            .client(111, ".")
            .client(3_111, "F.")
            .server(3_112, "F.")
            .client(3_113, ".");
        assert_eq!(owners(&ladder.trace().report().idle_timeouts), ["client"]);
    }
}
