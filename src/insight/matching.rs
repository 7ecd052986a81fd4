//! Which product's default is it? All honest matches, with what speaks for and against each.

use crate::dialogue::{Hints, Protocol};
use crate::insight::idle_timeout::Owner;
use crate::insight::silences::Words;
use crate::insight::{AtExpiry, Comparison, KnownTimeout, KnownTimeouts, TimeoutRole};
use crate::report::{IdleTimeout, TimeoutMatch};

/// Most matches listed.
const MOST: usize = 8;

/// A measured timer and what the dialogues tell of its owner.
#[derive(Clone, Debug)]
pub struct Measured {
    owner: Owner,
    estimate: f64,
    /// For timers of which only bounds are known.
    bounds: Option<(f64, f64)>,
    closes_by: String,
    clock: String,
    round_trip: f64,
    hints: Hints,
    protocol: Protocol,
    port: u16,
}

impl Measured {
    /// `words`: what all connections of the owner said.
    pub fn new(
        owner: Owner,
        timeout: &IdleTimeout,
        estimate: f64,
        round_trip: f64,
        words: &Words,
    ) -> Self {
        let port = match owner {
            Owner::Server(server) | Owner::Client(_, server) | Owner::Path(_, server) => {
                server.port()
            }
        };
        Self {
            owner,
            estimate,
            bounds: match (owner, timeout.lower_s, timeout.upper_s) {
                (Owner::Path(..), Some(lower), Some(upper)) if timeout.closes_by == "silence" => {
                    Some((lower, upper))
                }
                _ => None,
            },
            closes_by: timeout.closes_by.clone(),
            clock: timeout.clock.clone(),
            round_trip,
            hints: words.hints(),
            protocol: words.protocol(),
            port,
        }
    }
}

/// Points and reasons.
#[derive(Default)]
struct Score {
    points: i32,
    reasons: Vec<String>,
    /// What names the product besides the number.
    named_by: Vec<&'static str>,
}

impl Score {
    fn add(&mut self, points: i32, reason: impl Into<String>) {
        self.points += points;
        self.reasons.push(reason.into());
    }

    fn name(&mut self, points: i32, by: &'static str, reason: impl Into<String>) {
        self.named_by.push(by);
        self.add(points, reason);
    }
}

/// The entries that fit, best first.
pub fn matches(measured: &Measured, known: &KnownTimeouts) -> Vec<TimeoutMatch> {
    let mut found: Vec<(i32, f64, TimeoutMatch)> = known
        .iter()
        .filter(|entry| role_fits(measured, entry.role) && fires_so(measured, entry))
        .filter_map(|entry| {
            let (score, distance) = score(measured, entry)?;
            Some((
                score.points,
                distance,
                TimeoutMatch {
                    id: entry.id.clone(),
                    product: entry.product.clone(),
                    setting: entry.setting.clone(),
                    default_s: entry.default_s,
                    named_by: score.named_by.iter().map(|&by| by.to_owned()).collect(),
                    why: score.reasons.join("; "),
                    source: entry.source.clone(),
                },
            ))
        })
        .collect();
    found.sort_by(|one, other| {
        other
            .0
            .cmp(&one.0)
            .then(one.1.total_cmp(&other.1))
            .then(one.2.id.cmp(&other.2.id))
    });
    found
        .into_iter()
        .take(MOST)
        .map(|(_, _, found)| found)
        .collect()
}

fn role_fits(measured: &Measured, role: TimeoutRole) -> bool {
    match measured.owner {
        Owner::Server(_) => {
            role.ends_as_server()
                || measured.protocol == Protocol::WebSocket && role == TimeoutRole::RequestTimeout
        }
        Owner::Client(..) => role.ends_as_client(),
        Owner::Path(..) => role == TimeoutRole::MiddleboxFlowIdle,
    }
}

fn fires_so(measured: &Measured, entry: &KnownTimeout) -> bool {
    entry
        .at_expiry
        .iter()
        .any(|at| match measured.closes_by.as_str() {
            "fin" => matches!(at, AtExpiry::Fin | AtExpiry::Farewell | AtExpiry::Status(_)),
            "rst" => matches!(at, AtExpiry::Rst),
            _ => matches!(at, AtExpiry::Silence | AtExpiry::RstOnNext),
        })
}

fn score(measured: &Measured, entry: &KnownTimeout) -> Option<(Score, f64)> {
    if entry.speaks_protocol(measured.protocol, Some(measured.port)) == Some(false) {
        return None;
    }
    let mut score = Score::default();
    let named = names(measured, entry, &mut score);
    let (fits, distance) = number(measured, entry);
    if fits {
        score.add(
            4,
            format!("{:.2} s fits its {}", measured.estimate, figure(entry)),
        );
    } else if buffered(measured, entry) {
        score.name(
            4,
            "announced",
            format!(
                "closes {:.0} s after what it announces, as this product does",
                entry.buffer_s.unwrap_or_default()
            ),
        );
    } else if named {
        score.add(
            -1,
            format!(
                "the number does not: {:.2} s here, {} by default: set by hand",
                measured.estimate,
                figure(entry)
            ),
        );
    } else {
        return None;
    }
    announces(measured, entry, &mut score);
    if entry.setting.starts_with('(') {
        // A product that hands on another's timer: that one's own entry says more.
        score.points -= 1;
    }
    if entry.ports.contains(&measured.port) {
        score.name(
            2,
            "port",
            format!("port {} is its usual one", measured.port),
        );
    }
    calls_itself(measured, entry, &mut score);
    if measured.clock == "wire" && matches!(measured.owner, Owner::Path(..)) {
        score.add(1, "counts packets, as such devices do");
    }
    Some((score, distance))
}

/// What a client says of itself.
fn calls_itself(measured: &Measured, entry: &KnownTimeout, score: &mut Score) {
    if let Owner::Client(..) = measured.owner
        && let Some(agent) = &measured.hints.user_agent
    {
        let lower = agent.to_lowercase();
        if entry
            .user_agent
            .iter()
            .any(|word| lower.contains(&word.to_lowercase()))
        {
            score.name(5, "user-agent", format!("User-Agent: {agent} names it"));
        } else if !entry.user_agent.is_empty() {
            score.add(-3, format!("User-Agent: {agent} names another"));
        }
    }
}

fn figure(entry: &KnownTimeout) -> String {
    match (entry.default_s, entry.seen_s()) {
        (Some(default), Some((low, high))) if (low - default).abs() > 1e-6 || high > low => {
            format!(
                "{default} s ({low}{} s on the wire)",
                if high > low {
                    format!(" to {high}")
                } else {
                    String::new()
                }
            )
        }
        (Some(default), _) => format!("{default} s"),
        (None, Some((low, _))) => format!("{low} s"),
        (None, None) => "no limit".to_owned(),
    }
}

/// The measured number is the default, within the timer's granularity, the round trip and half a percent.
fn number(measured: &Measured, entry: &KnownTimeout) -> (bool, f64) {
    let Some((low, high)) = entry.seen_s() else {
        return (false, f64::MAX);
    };
    let tolerance = 0.050f64.max(2.0 * measured.round_trip).max(0.005 * low);
    let value = measured.estimate;
    if let Some((lower, upper)) = measured.bounds {
        let fits = entry.comparison != Comparison::None
            && low <= upper + tolerance
            && high >= lower - tolerance;
        return (fits, (value - low).abs() / low.max(0.001));
    }
    let fits = match entry.comparison {
        Comparison::None => false,
        Comparison::AtLeast => value >= low - tolerance && value <= low * 1.3 + 1.0,
        Comparison::Exact | Comparison::Range => {
            value >= low - tolerance && value <= high + tolerance
        }
    };
    (fits, (value - low).abs() / low.max(0.001))
}

/// It announced a figure of its user's and closes so much later.
fn buffered(measured: &Measured, entry: &KnownTimeout) -> bool {
    let (Some(announced), Some(buffer)) = (measured.hints.keep_alive_timeout_s, entry.buffer_s)
    else {
        return false;
    };
    (measured.estimate - f64::from(announced) - buffer).abs()
        <= 0.050f64.max(2.0 * measured.round_trip)
}

/// Headers that name the product, or another one. Returns whether this one is named.
fn names(measured: &Measured, entry: &KnownTimeout, score: &mut Score) -> bool {
    if matches!(measured.owner, Owner::Path(..) | Owner::Client(..)) {
        return false;
    }
    let has = |header: &Option<String>, words: &[String]| {
        header.as_ref().is_some_and(|text| {
            let text = text.to_lowercase();
            words.iter().any(|word| text.contains(&word.to_lowercase()))
        })
    };
    if has(&measured.hints.server, &entry.server) {
        // What is built on a product bears its header as well; the product itself is the nearer guess.
        let word = measured.hints.server.as_deref().unwrap_or_default();
        let word = word.split(['/', ' ', '(']).next().unwrap_or_default();
        let itself = i32::from(entry.product.eq_ignore_ascii_case(word));
        score.name(
            6 + itself,
            "server",
            format!(
                "Server: {} names it",
                measured.hints.server.as_deref().unwrap_or_default()
            ),
        );
        return true;
    }
    if has(&measured.hints.via, &entry.via) {
        score.name(
            5,
            "via",
            format!(
                "Via: {} names it",
                measured.hints.via.as_deref().unwrap_or_default()
            ),
        );
        return true;
    }
    let says_via = entry.passes_server && !entry.via.is_empty();
    if says_via && measured.hints.via.is_none() && measured.protocol == Protocol::Http1 {
        score.add(-5, "its Via header is missing");
        return false;
    }
    if let Some(server) = &measured.hints.server {
        if entry.passes_server {
            score.add(
                0,
                format!("Server: {server} may name what is behind it: it hands that on"),
            );
        } else if !entry.server.is_empty() || entry.silent {
            score.add(-5, format!("Server: {server} names another"));
        }
    } else if entry.silent && measured.protocol == Protocol::Http1 {
        score.add(1, "no Server header, as it sends none");
    } else if !entry.server.is_empty()
        && !entry.passes_server
        && measured.protocol == Protocol::Http1
    {
        score.add(-2, "its Server header is missing");
    }
    false
}

fn announces(measured: &Measured, entry: &KnownTimeout, score: &mut Score) {
    if !matches!(measured.owner, Owner::Server(_)) {
        return;
    }
    match (measured.hints.keep_alive_timeout_s, entry.announces_s) {
        (Some(said), Some(usual)) if (f64::from(said) - usual).abs() < 0.5 => {
            score.name(
                3,
                "announced",
                format!("Keep-Alive: timeout={said}, as it announces"),
            );
        }
        (Some(said), None) if measured.protocol == Protocol::Http1 => {
            score.add(
                -1,
                format!("it is not known to announce Keep-Alive: timeout={said}"),
            );
        }
        (None, Some(_)) if measured.protocol == Protocol::Http1 => {
            score.add(-1, "it usually announces Keep-Alive: timeout");
        }
        _ => {}
    }
}
