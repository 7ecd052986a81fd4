//! Who gives up an idle connection first? The side that sends requests has to: then no request can meet a closed socket.

use std::net::{IpAddr, SocketAddr};

use crate::flow::Peer;
use crate::insight::observation::is_believable;
use crate::insight::{IdleEndBy, IdleObservation, Silences};
use crate::report::{Alignment, IdleTimeout};
use crate::time::Interval;
use crate::verdict::{Cause, IdleKind};

/// What one client showed of its patience with one server endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    reused_after: f64,
    held: f64,
    client_closed: Vec<f64>,
    server_closed: u64,
    lost: u64,
    round_trip: Interval,
    announced: Option<f64>,
    requests: u64,
}

/// One verdict for each client address and server endpoint that exchanged requests, in the order of addresses.
pub fn align(silences: &Silences, timeouts: &[IdleTimeout]) -> Vec<Alignment> {
    let mut pairs: Vec<_> = silences.pairs().collect();
    pairs.sort_unstable_by_key(|(ends, _)| *ends);
    pairs
        .into_iter()
        .filter(|(_, pair)| pair.requests > 0)
        .filter_map(|((client, server), pair)| {
            let timer = |role: &str, addr: IpAddr| {
                timeouts.iter().find(|timeout| {
                    timeout.role == role
                        && timeout.endpoint.addr == addr
                        && timeout.endpoint.port == Some(server.port())
                })
            };
            let case = Case::of(pair, timer("server", server.ip()), timer("client", client));
            case.judge(client, server)
        })
        .collect()
}

impl Pair {
    pub(super) fn add(&mut self, observation: &IdleObservation) {
        self.requests += observation.requests;
        let round_trip = observation.round_trip.unwrap_or(Interval::ZERO);
        self.round_trip = self.round_trip.max(round_trip);
        let said = observation.hints.keep_alive_timeout_s.map(f64::from);
        self.announced = least(self.announced, said);
        for survival in observation.survivals().filter(|survival| {
            survival.kind == IdleKind::BetweenRequests && survival.resumed_by == Peer::Client
        }) {
            self.reused_after = self.reused_after.max(survival.application.as_secs_f64());
        }
        let open = observation.open_idle.filter(|open| is_believable(*open));
        if let Some(open) = open.filter(|_| observation.requests > 0) {
            self.held = self.held.max(open.as_secs_f64());
        }
        let Some(end) = observation.believable_end() else {
            return;
        };
        self.lost += u64::from(matches!(
            end.cause,
            Some(Cause::KeepaliveRace | Cause::StaleReuse)
        ));
        if end.awaiting_response || end.prompted {
            return;
        }
        let idle = end.application.as_secs_f64();
        match (end.by, end.how) {
            (Some(Peer::Client), IdleEndBy::Fin | IdleEndBy::Rst) if observation.requests > 0 => {
                self.client_closed.push(idle)
            }
            (Some(Peer::Server), IdleEndBy::Fin | IdleEndBy::Rst) if idle >= 0.15 => {
                self.server_closed += 1;
                self.held = self.held.max(idle);
            }
            _ => {}
        }
    }

    /// Adds what other connections between the same ends showed.
    pub(super) fn join(&mut self, other: Self) {
        let Self {
            reused_after,
            held,
            client_closed,
            server_closed,
            lost,
            round_trip,
            announced,
            requests,
        } = other;
        self.reused_after = self.reused_after.max(reused_after);
        self.held = self.held.max(held);
        self.client_closed.extend(client_closed);
        self.server_closed += server_closed;
        self.lost += lost;
        self.round_trip = self.round_trip.max(round_trip);
        self.announced = least(self.announced, announced);
        self.requests += requests;
    }

    /// The longest that the client was seen to keep a connection.
    fn kept(&self) -> f64 {
        self.reused_after.max(self.held)
    }

    /// The client's own timer: the middle of its closes.
    fn client_timer(&self) -> Option<Timer> {
        let mut closes = self.client_closed.clone();
        closes.retain(|idle| *idle >= 0.15);
        closes.sort_by(f64::total_cmp);
        closes.get(closes.len() / 2).map(|after| Timer {
            after: *after,
            closes: closes.len() as u64,
        })
    }
}

fn least(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// One side's timer, and on how many closes it rests.
#[derive(Clone, Copy, Debug)]
struct Timer {
    after: f64,
    closes: u64,
}

impl Timer {
    /// `4.00 s`; a number from one connection says so.
    fn shown(self) -> String {
        let once = if self.closes == 1 { " (seen once)" } else { "" };
        format!("{}{once}", shown(self.after))
    }
}

fn shown(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

const RULE: &str = "the side that sends requests must be the one that closes idle connections";

/// What a verdict on one pair is drawn from.
struct Case<'a> {
    pair: &'a Pair,
    /// The server's timer.
    server: Option<Timer>,
    /// The client's own timer.
    client: Option<Timer>,
    /// The client ended its idle connections at one moment: an exit or a drain, which says nothing of a timer.
    client_left: bool,
    /// The same of the server: no timer of the client's would have come before it.
    server_left: bool,
    /// How far apart two timers have to be.
    apart: f64,
}

/// A verdict and its reason.
type Judgement = (&'static str, String);

impl<'a> Case<'a> {
    fn of(pair: &'a Pair, server: Option<&IdleTimeout>, client: Option<&IdleTimeout>) -> Self {
        let spread = server.and_then(|timer| timer.spread_s).unwrap_or(0.0);
        let apart = pair.round_trip.as_secs_f64() + spread + 0.010;
        let left = |timer: &IdleTimeout| timer.no_timer.as_deref() == Some("restart");
        let client_left = client.is_some_and(left);
        let inferred = |timer: &IdleTimeout| {
            Some(Timer {
                after: timer.estimate_s?,
                closes: timer.closes,
            })
        };
        // Where it kept a connection for longer than it takes to close one, that was no timer.
        let closes = || {
            let own = pair.client_timer()?;
            (!client_left && pair.kept() <= own.after + apart).then_some(own)
        };
        Self {
            pair,
            server: server.and_then(inferred),
            client: client.and_then(inferred).or_else(closes),
            client_left,
            server_left: server.is_some_and(left),
            apart,
        }
    }

    fn judge(&self, client: IpAddr, server: SocketAddr) -> Option<Alignment> {
        let longest_close = self.pair.client_closed.iter().copied().fold(0.0, f64::max);
        let client_keeps = self.pair.kept().max(longest_close);
        let (verdict, why) = self
            .server_closed()
            .or_else(|| self.client_closes())
            .unwrap_or_else(|| self.nobody());
        // A client that hangs up right after use has nothing to align.
        let one_sided = self.server.is_none() && self.pair.announced.is_none();
        if client_keeps < 1.0 && (verdict == "unknown" || (verdict == "ok" && one_sided)) {
            return None;
        }
        Some(Alignment {
            client: client.to_string(),
            server: server.to_string(),
            client_keeps_s: (client_keeps > 0.0).then_some((client_keeps * 1e6).round() / 1e6),
            server_keeps_s: self.server.map(|server| server.after),
            verdict: verdict.to_owned(),
            why,
        })
    }

    /// The server closed what the client still held.
    fn server_closed(&self) -> Option<Judgement> {
        let pair = self.pair;
        let lost = match pair.lost {
            0 => String::new(),
            1 => ", and 1 request met a closed connection".to_owned(),
            n => format!(", and {n} requests met a closed connection"),
        };
        match (self.server, pair.server_closed) {
            (_, 0) => None,
            (None, _) if self.server_left => Some((
                "unknown",
                format!(
                    "the server ended its idle connections all at one moment{lost}: a restart or a drain, which no timer of the client's comes before"
                ),
            )),
            (Some(server), closed) if pair.lost > 0 || closed >= 2 => Some((
                "broken",
                format!(
                    "{RULE}; here the server gives up after {} connections that the client still holds{lost}",
                    server.shown()
                ),
            )),
            (Some(server), _) => Some((
                "at-risk",
                format!(
                    "{RULE}; the server closed one connection after {} that the client still held",
                    shown(server.after)
                ),
            )),
            (None, _) if pair.lost > 0 => Some((
                "broken",
                format!(
                    "{RULE}; here the server closed connections that the client then used again"
                ),
            )),
            (None, _) => None,
        }
    }

    /// The client closes by its own timer: before the server would?
    fn client_closes(&self) -> Option<Judgement> {
        let own = self.client.filter(|_| self.pair.server_closed == 0)?;
        let (limit, theirs) = match (self.server, self.pair.announced) {
            (Some(server), _) => (server.after, format!("the server's {}", server.shown())),
            (None, Some(announced)) => (
                announced,
                format!("the {} that the server announces", shown(announced)),
            ),
            (None, None) => {
                return Some((
                    "ok",
                    format!(
                        "the client closes first, after {}; the server was not seen to close an idle connection",
                        own.shown()
                    ),
                ));
            }
        };
        Some(if limit - own.after < self.apart {
            (
                "at-risk",
                format!(
                    "the client closes after {}, too near to {theirs}: they have to be a round trip and the timers' jitter ({}) apart",
                    own.shown(),
                    shown(self.apart)
                ),
            )
        } else {
            (
                "ok",
                format!("the client closes after {}, before {theirs}", own.shown()),
            )
        })
    }

    fn nobody(&self) -> Judgement {
        let why = if self.client_left {
            "the client ended its idle connections all at one moment, and the server none: neither side's timer was seen"
        } else {
            "no idle connection was seen to end by a timer: capture for longer than the longest one"
        };
        ("unknown", why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Confidence;

    fn timer(role: &str, after: Option<f64>, closes: u64) -> IdleTimeout {
        let json = serde_json::json!({
            "endpoint": { "addr": "10.0.0.1", "port": 80 },
            "role": role, "closes_by": "fin", "clock": "application",
            "closes": closes, "confidence": Confidence::Likely, "text": "",
        });
        let mut timer: IdleTimeout = serde_json::from_value(json).unwrap();
        timer.estimate_s = after;
        timer.no_timer = after.is_none().then(|| "restart".to_owned());
        timer
    }

    fn judge(
        pair: &Pair,
        server: Option<&IdleTimeout>,
        client: Option<&IdleTimeout>,
    ) -> Option<Alignment> {
        Case::of(pair, server, client)
            .judge("10.0.0.1".parse().unwrap(), "10.0.0.2:80".parse().unwrap())
    }

    fn verdict(
        pair: &Pair,
        server: Option<&IdleTimeout>,
        client: Option<&IdleTimeout>,
    ) -> (String, String) {
        let row = judge(pair, server, client).expect("a row");
        (row.verdict, row.why)
    }

    #[test]
    fn a_client_that_closes_first_is_ok_and_one_close_says_so() {
        let pair = Pair {
            held: 3.9,
            client_closed: vec![4.0],
            requests: 9,
            ..Pair::default()
        };
        let server = timer("server", Some(6.0), 3);
        let (verdict, why) = verdict(&pair, Some(&server), Some(&timer("client", Some(4.0), 1)));
        assert_eq!(verdict, "ok");
        assert!(
            why.contains("4.00 s (seen once), before the server's 6.00 s"),
            "{why}"
        );
    }

    #[test]
    fn timers_too_near_to_each_other_are_a_risk() {
        let pair = Pair {
            client_closed: vec![5.95; 4],
            round_trip: Interval::from_millis(80),
            requests: 9,
            ..Pair::default()
        };
        let server = timer("server", Some(6.0), 3);
        let client = timer("client", Some(5.95), 4);
        assert_eq!(verdict(&pair, Some(&server), Some(&client)).0, "at-risk");
    }

    #[test]
    fn what_the_server_closed_first_is_broken() {
        let pair = Pair {
            held: 6.0,
            server_closed: 3,
            lost: 1,
            requests: 9,
            ..Pair::default()
        };
        let (verdict, why) = verdict(&pair, Some(&timer("server", Some(6.0), 3)), None);
        assert_eq!(verdict, "broken");
        assert!(why.contains("1 request met a closed connection"), "{why}");
    }

    #[test]
    fn a_restart_of_the_server_is_no_matter_of_timers() {
        let pair = Pair {
            held: 6.0,
            server_closed: 6,
            lost: 4,
            requests: 9,
            ..Pair::default()
        };
        let (verdict, why) = verdict(&pair, Some(&timer("server", None, 6)), None);
        assert_eq!(verdict, "unknown");
        assert!(
            why.contains("4 requests met a closed connection: a restart"),
            "{why}"
        );
    }

    #[test]
    fn an_exit_is_no_timer_and_a_pause_longer_than_a_close_neither() {
        let exit = Pair {
            reused_after: 3.1,
            client_closed: vec![0.4, 0.9, 1.2],
            requests: 9,
            ..Pair::default()
        };
        let (left, why) = verdict(&exit, None, Some(&timer("client", None, 3)));
        assert_eq!(left, "unknown");
        assert!(why.contains("all at one moment"), "{why}");
        assert_eq!(verdict(&exit, None, None).0, "unknown");
    }

    #[test]
    fn a_client_that_hangs_up_after_use_is_no_row() {
        let pair = Pair {
            client_closed: vec![0.4; 3],
            requests: 3,
            ..Pair::default()
        };
        assert_eq!(judge(&pair, None, None), None);
    }
}
