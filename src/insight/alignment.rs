//! Who gives up an idle connection first? The side that sends requests has to: then no request can meet a closed socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::flow::Peer;
use crate::insight::{IdleEndBy, IdleObservation};
use crate::report::{Alignment, IdleTimeout};
use crate::time::Interval;
use crate::verdict::{Cause, IdleKind};

/// What one client showed of its patience with one server endpoint.
#[derive(Clone, Debug, Default)]
struct Pair {
    reused_after: f64,
    held: f64,
    client_closed: Vec<f64>,
    server_closed: u64,
    lost: u64,
    round_trip: f64,
    announced: Option<f64>,
    requests: u64,
}

/// One verdict for each client address and server endpoint that exchanged requests, in the order of addresses.
pub fn align(observations: &[IdleObservation], timeouts: &[IdleTimeout]) -> Vec<Alignment> {
    let mut pairs: BTreeMap<(IpAddr, SocketAddr), Pair> = BTreeMap::new();
    for observation in observations {
        pairs
            .entry((observation.client, observation.server))
            .or_default()
            .add(observation);
    }
    pairs
        .into_iter()
        .filter(|(_, pair)| pair.requests > 0)
        .filter_map(|((client, server), pair)| {
            let timer = timeouts.iter().find(|timeout| {
                timeout.role == "server"
                    && timeout.endpoint.addr == server.ip()
                    && timeout.endpoint.port == Some(server.port())
            });
            judge(client, server, &pair, timer)
        })
        .collect()
}

impl Pair {
    fn add(&mut self, observation: &IdleObservation) {
        self.requests += observation.requests;
        self.round_trip = self.round_trip.max(
            observation
                .round_trip
                .unwrap_or(Interval::ZERO)
                .as_secs_f64(),
        );
        let said = observation.hints.keep_alive_timeout_s.map(f64::from);
        self.announced = match (self.announced, said) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        for survival in observation.survived.iter().filter(|survival| {
            survival.kind == IdleKind::BetweenRequests && survival.resumed_by == Peer::Client
        }) {
            self.reused_after = self.reused_after.max(survival.application.as_secs_f64());
        }
        if let Some(open) = observation.open_idle.filter(|_| observation.requests > 0) {
            self.held = self.held.max(open.as_secs_f64());
        }
        let Some(end) = observation
            .end
            .as_ref()
            .filter(|end| !end.awaiting_response && !end.prompted)
        else {
            return;
        };
        let idle = end.application.as_secs_f64();
        self.lost += u64::from(matches!(
            end.cause,
            Some(Cause::KeepaliveRace | Cause::StaleReuse)
        ));
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

    /// The client's own timer, where its closes repeat.
    fn client_timer(&self) -> Option<f64> {
        let mut closes = self.client_closed.clone();
        closes.retain(|idle| *idle >= 0.15);
        closes.sort_by(f64::total_cmp);
        closes
            .get(closes.len() / 2)
            .copied()
            .filter(|_| !closes.is_empty())
    }
}

const RULE: &str = "the side that sends requests must be the one that closes idle connections";

fn judge(
    client: IpAddr,
    server: SocketAddr,
    pair: &Pair,
    timer: Option<&IdleTimeout>,
) -> Option<Alignment> {
    let keeps = timer.and_then(|timer| timer.estimate_s);
    let margin_needed =
        pair.round_trip + timer.and_then(|timer| timer.spread_s).unwrap_or(0.0) + 0.010;
    let longest_close = pair.client_closed.iter().copied().fold(0.0, f64::max);
    let client_keeps = pair.reused_after.max(pair.held).max(longest_close);
    let shown = |value: f64| format!("{value:.2} s");
    let (verdict, why) = match (keeps, pair.server_closed, pair.client_timer()) {
        (Some(server_keeps), 1.., _) if pair.lost > 0 || pair.server_closed >= 2 => {
            let lost = if pair.lost > 0 {
                format!(
                    ", and {} met a closed connection",
                    if pair.lost == 1 {
                        "1 request".to_owned()
                    } else {
                        format!("{} requests", pair.lost)
                    }
                )
            } else {
                String::new()
            };
            (
                "broken",
                format!(
                    "{RULE}; here the server gives up after {} connections that the client still holds{lost}",
                    shown(server_keeps)
                ),
            )
        }
        (None, 1.., _) if pair.lost > 0 => (
            "broken",
            format!("{RULE}; here the server closed connections that the client then used again"),
        ),
        (Some(server_keeps), 1.., _) => (
            "at-risk",
            format!(
                "{RULE}; the server closed one connection after {} that the client still held",
                shown(server_keeps)
            ),
        ),
        (Some(server_keeps), 0, Some(own)) if server_keeps - own < margin_needed => (
            "at-risk",
            format!(
                "the client closes after {} and the server after {}: less than a round trip and the timers' jitter ({}) apart",
                shown(own),
                shown(server_keeps),
                shown(margin_needed)
            ),
        ),
        (Some(server_keeps), 0, Some(own)) => (
            "ok",
            format!(
                "the client closes after {}, before the server's {}",
                shown(own),
                shown(server_keeps)
            ),
        ),
        (None, 0, Some(own)) => match pair.announced {
            Some(announced) if announced - own < margin_needed => (
                "at-risk",
                format!(
                    "the client closes after {} and the server announces {}: less than {} apart",
                    shown(own),
                    shown(announced),
                    shown(margin_needed)
                ),
            ),
            Some(announced) => (
                "ok",
                format!(
                    "the client closes after {}, before the {} that the server announces",
                    shown(own),
                    shown(announced)
                ),
            ),
            None => (
                "ok",
                format!(
                    "the client closes first, after {}; the server was not seen to close an idle connection",
                    shown(own)
                ),
            ),
        },
        _ => (
            "unknown",
            "no idle connection was seen to end: capture for longer than the longest timer"
                .to_owned(),
        ),
    };
    if verdict == "unknown" && client_keeps < 1.0 {
        return None;
    }
    Some(Alignment {
        client: client.to_string(),
        server: server.to_string(),
        client_keeps_s: (client_keeps > 0.0).then_some((client_keeps * 1e6).round() / 1e6),
        server_keeps_s: keeps,
        verdict: verdict.to_owned(),
        why,
    })
}
