//! A group's timer in words and numbers.

use std::net::SocketAddr;

use super::cluster::Cluster;
use super::explanation::{Explanation, Firing, explain, refuted};
use super::{Group, TIGHT};
use crate::report::IdleTimeout;
use crate::verdict::Confidence;

pub(super) fn subject(timeout: &IdleTimeout) -> String {
    let addr = timeout.endpoint.addr;
    let endpoint = timeout.endpoint.port.map_or_else(
        || addr.to_string(),
        |port| SocketAddr::new(addr, port).to_string(),
    );
    match timeout.role.as_str() {
        "client" => format!(
            "the client {addr} (to port {})",
            timeout.endpoint.port.unwrap_or_default()
        ),
        "path" => format!("the path to {endpoint}"),
        _ => endpoint,
    }
}

/// A FIN or RST at a timer.
pub(super) fn timed(timeout: &mut IdleTimeout, group: &Group, values: &[f64], longest: f64) {
    let who = subject(timeout);
    let how = timeout.closes_by.to_uppercase();
    let closes = counted(values.len(), "close");
    let refuted = refuted(group, values, timeout.announced_s);
    match refuted.unwrap_or_else(|| explain(group, values, longest)) {
        Explanation::Timer { cluster, firing } => {
            let estimate = cluster.median();
            let below = longest.min(cluster.low());
            let jitter = cluster.spread().max(0.010);
            timeout.estimate_s = Some(rounded(estimate));
            timeout.lower_s = Some(rounded(
                (cluster.low() - jitter).max(below).min(cluster.low()),
            ));
            timeout.upper_s = Some(rounded(cluster.high()));
            timeout.spread_s = Some(rounded(cluster.spread()));
            let regular = cluster.spread() <= TIGHT.max(estimate * 0.01);
            let beyond = longest > cluster.high();
            timeout.confidence = match cluster.values.len() {
                5.. if regular && firing == Firing::AtOnce && !beyond => Confidence::Certain,
                2.. => Confidence::Likely,
                _ => Confidence::Possible,
            };
            timeout.text = format!(
                "{who} closes idle connections after {}, by {how}{}",
                seconds(estimate),
                grounds(group, values.len(), &cluster, firing, longest)
            );
        }
        Explanation::NoTimer { name, why } => {
            timeout.no_timer = Some(name.to_owned());
            timeout.text = format!(
                "{who} closed idle connections by {how} ({closes}), but no fixed idle timer fits: {why}"
            );
        }
    }
}

/// What an estimate rests on: `; 42 closes within 12 ms; longest survivor 5.91 s`. A number from one close says so.
fn grounds(
    group: &Group,
    closes: usize,
    cluster: &Cluster,
    firing: Firing,
    longest: f64,
) -> String {
    let mut text = String::new();
    if firing == Firing::Polled {
        text.push_str(", looked at about once a second");
    }
    if closes == 1 {
        text.push_str("; one close only: it may be chance");
    } else {
        let within = seconds(cluster.spread());
        text.push_str(&format!("; {} within {within}", counted(closes, "close")));
    }
    let others = closes.saturating_sub(cluster.values.len());
    if others > 0 {
        text.push_str(&format!("; {} for other reasons", counted(others, "close")));
    }
    if group.departures > 0 {
        text.push_str(&format!(
            "; {} more came at one moment after different silences, an exit or a drain",
            group.departures
        ));
    }
    if longest > 0.0 {
        text.push_str(&format!("; longest survivor {}", seconds(longest)));
    }
    text
}

/// State lost without a word: nothing is seen at the timer itself. Survivals bound it below, what met silence above.
pub(super) fn silent(timeout: &mut IdleTimeout, values: &[f64], survivals: &[f64]) {
    let who = subject(timeout);
    let upper = values.first().copied().unwrap_or_default();
    let shorter = survivals
        .iter()
        .copied()
        .filter(|survived| *survived < upper);
    let longest = shorter.max_by(f64::total_cmp);
    let beyond = survivals
        .iter()
        .filter(|survived| **survived > upper)
        .count();
    timeout.upper_s = Some(rounded(upper));
    timeout.lower_s = longest.map(rounded);
    timeout.spread_s = values.last().map(|last| rounded(last - upper));
    let failed = counted(values.len(), "connection");
    if beyond > 0 {
        timeout.upper_s = None;
        timeout.lower_s = None;
        timeout.no_timer = Some("irregular".to_owned());
        timeout.text = format!(
            "{failed} through {who} were lost in silence, the earliest after {}, but {} survived longer: no fixed timer fits",
            seconds(upper),
            counted(beyond, "silence")
        );
        return;
    }
    if let Some(lower) = longest.filter(|lower| upper - lower <= 0.25 * upper) {
        timeout.estimate_s = Some(rounded((lower + upper) / 2.0));
    }
    timeout.confidence = if values.len() >= 3 && longest.is_some() {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let survived = longest.map_or_else(
        || "no longer silence was seen to survive".to_owned(),
        |lower| {
            format!(
                "{} survived up to {}",
                counted(survivals.len(), "silence"),
                seconds(lower)
            )
        },
    );
    timeout.text = format!(
        "{who} forgets silent connections after at most {}: {failed} found no state there; {survived}",
        seconds(upper)
    );
}

pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

pub(super) fn seconds(value: f64) -> String {
    match value {
        v if v < 0.001 => format!("{:.1} ms", v * 1e3),
        v if v < 1.0 => format!("{:.0} ms", v * 1e3),
        v => format!("{v:.2} s"),
    }
}

/// Microseconds are all that a capture holds.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
