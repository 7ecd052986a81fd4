//! A chain of timeouts given by hand, client first: does each sender of requests give up idle connections before whoever it sends to?
//!
//! The rule is RFC 9112 section 9.5 read backwards: either end may close an idle connection at any time, so only the one that
//! decides when the next request is sent can close without hitting one.

use thiserror::Error;

use super::{KnownTimeout, KnownTimeouts, TimeoutRole};
use crate::report::Alignment;

/// Less than this between both timers is taken for a risk: timers are polled, and packets take time.
const MARGIN_S: f64 = 1.0;

/// Why a link of a chain can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainError {
    /// No value was given and the table does not know the name.
    #[error("{0}: not in the table of known timeouts; give its value, as in {0}=60s")]
    Unknown(String),
    /// The table knows the name, but no timer for this place in the chain.
    #[error("{name}: the table has no {wanted} timeout of it; give its value, as in {name}=60s")]
    NoTimer {
        /// The name.
        name: String,
        /// What was looked for.
        wanted: &'static str,
    },
    /// The value is no duration.
    #[error("{0}: no duration as 15s, 500ms, 5m, 1h or none")]
    Duration(String),
    /// There is nothing to compare.
    #[error("a chain has at least two links, the client first: client=15s alb=60s node=6s")]
    TooShort,
}

/// How long one side keeps an idle connection; infinite where there is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Keeps {
    shortest_s: f64,
    longest_s: f64,
}

impl Keeps {
    /// Polled timers have a range; without a default there is no limit.
    fn of(entry: &KnownTimeout) -> Self {
        let (shortest_s, longest_s) = entry.seen_s().unwrap_or((f64::INFINITY, f64::INFINITY));
        Self {
            shortest_s,
            longest_s,
        }
    }

    const fn exactly(seconds: f64) -> Self {
        Self {
            shortest_s: seconds,
            longest_s: seconds,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Ends connections and opens its own.
    Endpoint,
    /// Forwards packets and forgets idle flows (NAT, firewall, layer 4 balancer).
    Flow,
}

#[derive(Clone, Debug, PartialEq)]
struct Link {
    name: String,
    kind: Kind,
    /// Towards the client.
    front: Option<Keeps>,
    /// Towards the server.
    back: Option<Keeps>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Middle,
    Last,
}

/// Checks a chain of `name=duration`, `name=front/back` or a name that the table knows, the client first.
/// One row per sender of requests and each one that can end its connections.
pub fn check_chain(links: &[String], table: &KnownTimeouts) -> Result<Vec<Alignment>, ChainError> {
    if links.len() < 2 {
        return Err(ChainError::TooShort);
    }
    let last = links.len() - 1;
    let links = links
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let place = match index {
                0 => Place::First,
                i if i == last => Place::Last,
                _ => Place::Middle,
            };
            Link::parse(text, place, table)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(pairs(&links))
}

/// Each sender against the flows that it passes and the endpoint behind them.
fn pairs(links: &[Link]) -> Vec<Alignment> {
    let mut rows = Vec::new();
    for (index, sender) in links.iter().enumerate() {
        let Some(keeps) = sender.back.filter(|_| sender.kind == Kind::Endpoint) else {
            continue;
        };
        for other in links.iter().skip(index + 1) {
            if let Some(other_keeps) = other.front {
                rows.push(compare(sender, keeps, other, other_keeps));
            }
            if other.kind == Kind::Endpoint {
                break;
            }
        }
    }
    rows
}

fn compare(sender: &Link, keeps: Keeps, other: &Link, other_keeps: Keeps) -> Alignment {
    let (ours, theirs) = (keeps.longest_s, other_keeps.shortest_s);
    let ends = match other.kind {
        Kind::Endpoint => "closes",
        Kind::Flow => "forgets",
    };
    let (from, to) = (&sender.name, &other.name);
    let (ours_text, theirs_text) = (duration(ours), duration(theirs));
    let (verdict, why) = if theirs.is_infinite() {
        (
            "ok",
            format!(
                "{to} keeps idle connections without limit, so {from} is the one that closes or nobody does"
            ),
        )
    } else if ours >= theirs {
        (
            "broken",
            format!(
                "{from} reuses connections for up to {ours_text}, {to} {ends} them after {theirs_text}: \
                 whoever sends the requests has to close first. Set {from} below {theirs_text} or {to} above {ours_text}"
            ),
        )
    } else if theirs - ours < MARGIN_S {
        (
            "at-risk",
            format!(
                "{from} closes after {ours_text}, only {} before {to} {ends}: leave a round trip and a second",
                duration(theirs - ours)
            ),
        )
    } else {
        (
            "ok",
            format!("{from} closes after {ours_text}, before {to} {ends} at {theirs_text}"),
        )
    };
    Alignment {
        client: from.clone(),
        server: to.clone(),
        client_keeps_s: ours.is_finite().then_some(ours),
        server_keeps_s: theirs.is_finite().then_some(theirs),
        verdict: verdict.to_owned(),
        why,
    }
}

fn duration(seconds: f64) -> String {
    if seconds.is_infinite() {
        "any time".to_owned()
    } else {
        // To the millisecond, without the noise of subtraction.
        format!("{} s", (seconds * 1e3).round() / 1e3)
    }
}

impl Link {
    fn parse(text: &str, place: Place, table: &KnownTimeouts) -> Result<Self, ChainError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        let known = table.named(name);
        let kind = if !known.is_empty()
            && known
                .iter()
                .all(|k| k.role == TimeoutRole::MiddleboxFlowIdle)
        {
            Kind::Flow
        } else {
            Kind::Endpoint
        };
        let (front, back) = match value {
            Some(value) => given(name, value)?,
            None if known.is_empty() => return Err(ChainError::Unknown(name.to_owned())),
            None => defaults(name, kind, place, &known)?,
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
            front,
            back,
        })
    }
}

/// How long a link keeps idle connections towards the client and towards the server.
type Sides = (Option<Keeps>, Option<Keeps>);

/// `60s` on both sides, or `75s/60s` towards client and server.
fn given(name: &str, value: &str) -> Result<Sides, ChainError> {
    let seconds = |text: &str| {
        parse_seconds(text)
            .map(Keeps::exactly)
            .ok_or_else(|| ChainError::Duration(format!("{name}={text}")))
    };
    Ok(match value.split_once('/') {
        Some((front, back)) => (Some(seconds(front)?), Some(seconds(back)?)),
        None => {
            let both = seconds(value)?;
            (Some(both), Some(both))
        }
    })
}

/// The table's defaults for what the place in the chain needs.
fn defaults(
    name: &str,
    kind: Kind,
    place: Place,
    known: &[&KnownTimeout],
) -> Result<Sides, ChainError> {
    // The table lists a product's usual timer first.
    let of = |roles: &[TimeoutRole]| {
        roles
            .iter()
            .find_map(|role| known.iter().find(|k| k.role == *role))
            .map(|entry| Keeps::of(entry))
    };
    let need = |side: Option<Keeps>, wanted: &'static str| {
        side.ok_or_else(|| ChainError::NoTimer {
            name: name.to_owned(),
            wanted,
        })
    };
    if kind == Kind::Flow {
        let flow = of(&[TimeoutRole::MiddleboxFlowIdle]);
        return Ok((flow, flow));
    }
    let front = of(&[
        TimeoutRole::ProxyFrontendIdle,
        TimeoutRole::ServerIdle,
        // One timer for both sides.
        TimeoutRole::ProxyUpstreamIdle,
    ]);
    let server = of(&[TimeoutRole::ServerIdle, TimeoutRole::ProxyFrontendIdle]);
    let back = of(&[TimeoutRole::ProxyUpstreamIdle, TimeoutRole::ClientPoolIdle]);
    let client = of(&[TimeoutRole::ClientPoolIdle, TimeoutRole::ProxyUpstreamIdle]);
    Ok(match place {
        Place::First => (None, Some(need(client, "client pool")?)),
        Place::Middle => (
            Some(need(front, "server side")?),
            Some(need(back, "client side")?),
        ),
        Place::Last => (Some(need(server, "server idle")?), None),
    })
}

/// `15s`, `15`, `500ms`, `5m`, `5min`, `1h`, and `none` for no limit.
fn parse_seconds(text: &str) -> Option<f64> {
    if matches!(text, "none" | "never" | "inf" | "unlimited") {
        return Some(f64::INFINITY);
    }
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * scale;
    (seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(links: &[&str]) -> Vec<String> {
        let links: Vec<String> = links.iter().map(|l| (*l).to_owned()).collect();
        check_chain(&links, KnownTimeouts::built_in())
            .unwrap()
            .iter()
            .map(|a| format!("{}→{} {}", a.client, a.server, a.verdict))
            .collect()
    }

    #[test]
    fn the_pair_out_of_order_is_named() {
        assert_eq!(
            verdicts(&["client=15s", "alb=60s", "backend=6s"]),
            ["client→alb ok", "alb→backend broken"]
        );
        assert_eq!(
            verdicts(&["client=59500ms", "proxy=1m"]),
            ["client→proxy at-risk"]
        );
        assert_eq!(
            verdicts(&["client=60", "server=60s"]),
            ["client→server broken"]
        );
        assert_eq!(
            verdicts(&["client=none", "server=1h"]),
            ["client→server broken"]
        );
        assert_eq!(
            verdicts(&["client=1h", "server=none"]),
            ["client→server ok"]
        );
    }

    #[test]
    fn a_proxy_may_have_two_timers() {
        assert_eq!(
            verdicts(&["client=50s", "proxy=75s/4s", "app=5s"]),
            ["client→proxy ok", "proxy→app ok"]
        );
    }

    #[test]
    fn names_of_the_table_stand_for_their_defaults() {
        // nginx keeps upstream connections for 60 s, Node.js servers for 5 or 6 s by default.
        assert_eq!(
            verdicts(&["client=10s", "alb", "node"]),
            ["client→alb ok", "alb→node broken"]
        );
        assert_eq!(
            verdicts(&["client=10s", "nginx", "node"]),
            ["client→nginx ok", "nginx→node broken"]
        );
    }

    #[test]
    fn what_only_forwards_is_passed_through() {
        let rows = verdicts(&["client=400s", "nlb", "server=500s"]);
        assert_eq!(rows, ["client→nlb broken", "client→server ok"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let wrong = |links: &[&str]| {
            let links: Vec<String> = links.iter().map(|l| (*l).to_owned()).collect();
            check_chain(&links, KnownTimeouts::built_in())
                .unwrap_err()
                .to_string()
        };
        assert!(wrong(&["client=15s"]).contains("at least two"));
        assert!(wrong(&["client", "node=5s"]).starts_with("client: not in the table"));
        assert!(wrong(&["client=soon", "node=5s"]).starts_with("client=soon: no duration"));
        assert!(wrong(&["client=-5s", "node=5s"]).contains("no duration"));
    }
}
