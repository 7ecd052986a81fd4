//! What to show first where not everything fits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::SecondsFormat;

use super::text::{grouped, seconds};
use super::{
    Alignment, Alternative, ConnectionRow, Cost, Endpoint, Finding, IdleEndpoint, IdleTimeout,
    Report, RetrySeen,
};
use crate::time::Timestamp;
use crate::verdict::Cause;

/// Indexes of the findings, most telling first: the first few of every cause and server before the many of one, the worse harm
/// before the lesser, the surer before the less sure, the earlier before the later.
pub(super) fn order(findings: &[&Finding]) -> Vec<usize> {
    const OF_EACH: usize = 3;
    let mut seen: BTreeMap<(Cause, Endpoint), usize> = BTreeMap::new();
    let mut ranked: Vec<(bool, Cost, crate::verdict::Confidence, usize)> = findings
        .iter()
        .enumerate()
        .map(|(i, finding)| {
            let nth = seen
                .entry((finding.cause, finding.connection.server))
                .or_default();
            *nth += 1;
            (*nth > OF_EACH, Cost::of(finding), finding.confidence, i)
        })
        .collect();
    ranked.sort();
    ranked.into_iter().map(|(_, _, _, i)| i).collect()
}

/// The best example of every cause, harmful causes and frequent ones first. One with a ladder is better than one without.
pub(super) fn one_per_cause(report: &Report) -> Vec<&Finding> {
    let findings: Vec<&Finding> = report.findings().collect();
    let mut seen = BTreeSet::new();
    let mut ordered: Vec<usize> = order(&findings);
    ordered.sort_by_key(|&i| findings.get(i).is_none_or(|f| f.ladder.is_empty()));
    let mut examples: Vec<&Finding> = ordered
        .into_iter()
        .filter_map(|i| findings.get(i).copied())
        .filter(|finding| seen.insert(finding.cause))
        .collect();
    let number = |cause: Cause| report.summary.by_cause.get(&cause).copied().unwrap_or(0);
    examples.sort_by_key(|f| (!f.is_harmful(), std::cmp::Reverse(number(f.cause)), f.cause));
    examples
}

/// Causes with their numbers, the most frequent first.
pub(super) fn causes(report: &Report) -> Vec<(Cause, u64)> {
    let mut causes: Vec<(Cause, u64)> = report
        .summary
        .by_cause
        .iter()
        .map(|(c, n)| (*c, *n))
        .collect();
    causes.sort_by_key(|(cause, n)| (std::cmp::Reverse(*n), *cause));
    causes
}

/// Whose timer: `10.0.0.1:80`; of a client, whose port is the one that it connects to, `10.0.0.2 to port 80`.
pub(super) fn timer_of(timeout: &IdleTimeout) -> String {
    let IdleEndpoint { addr, port } = timeout.endpoint;
    match (port, timeout.role.as_str()) {
        (None, _) => addr.to_string(),
        (Some(port), "client") => format!("{addr} to port {port}"),
        (Some(port), _) => Endpoint { addr, port }.to_string(),
    }
}

/// Why no fixed timer fits, in words.
pub(super) fn no_timer(reason: &str) -> &str {
    match reason {
        "restart" => "all at one moment, a restart or a drain",
        "max-age" => "after a fixed age",
        "max-requests" => "after a fixed number of requests",
        "irregular" => "after irregular silences",
        other => other,
    }
}

/// When a request was sent again: a client that notices the FIN need not wait for the RST.
pub(super) fn again(seen: &RetrySeen) -> String {
    if seen.after_s < 0.0 {
        format!("{} before the end was seen", seconds(-seen.after_s))
    } else {
        format!("{} later", seconds(seen.after_s))
    }
}

/// A cause that fits as well, and what would tell.
pub(super) fn rival(finding: &Finding, rival: &Alternative) -> String {
    // The same cause without the detail.
    let plain = if rival.cause == finding.cause {
        "plain "
    } else {
        ""
    };
    format!("{plain}{}, decided by {}", rival.cause, rival.decided_by)
}

/// RFC 3339 to the second.
pub(super) fn second(at: Timestamp) -> String {
    at.to_datetime().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// RFC 3339 to the millisecond.
pub(super) fn milli(at: Timestamp) -> String {
    at.to_datetime()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Of `rows` at most so many, those with findings before all others, in their own order.
pub(super) fn connections(rows: &[ConnectionRow], most: usize) -> Vec<&ConnectionRow> {
    let told = rows.iter().filter(|row| row.finding.is_some()).count();
    let (mut told, mut quiet) = (told.min(most), most.saturating_sub(told));
    let mut chosen = Vec::with_capacity(rows.len().min(most));
    for row in rows {
        let room = if row.finding.is_some() {
            &mut told
        } else {
            &mut quiet
        };
        if let Some(less) = room.checked_sub(1) {
            *room = less;
            chosen.push(row);
        }
    }
    chosen
}

/// Pairs in the order of their urgency, without those of which nothing is known; and how many these are.
pub(super) fn alignment(report: &Report) -> (Vec<&Alignment>, usize) {
    let rank = |row: &&Alignment| match row.verdict.as_str() {
        "broken" => 0,
        "at-risk" => 1,
        _ => 2,
    };
    let (unknown, mut known): (Vec<_>, Vec<_>) = report
        .alignment
        .iter()
        .partition(|row| row.verdict == "unknown");
    known.sort_by_key(rank);
    (known, unknown.len())
}

/// What is said of pairs of which nothing is known; nothing where there are none.
pub(super) fn unaligned(unknown: usize, beside: usize) -> Option<String> {
    let more = if beside > 0 { " more" } else { "" };
    let pairs = match unknown {
        0 => return None,
        1 => format!("1{more} pair"),
        n => format!("{}{more} pairs", grouped(n as u64)),
    };
    Some(format!(
        "Of {pairs} neither side's timer was seen: that needs a capture longer than the longest of them."
    ))
}
