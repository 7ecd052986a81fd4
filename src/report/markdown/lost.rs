//! The table of what was lost.

use std::collections::{BTreeMap, BTreeSet};

use super::escape::{cell, text};
use super::sections::{COUNTING, NOTHING};
use crate::report::text::{count, grouped, seconds};
use crate::report::{Finding, Report, telling};
use crate::verdict::{Cause, IdleKind, RetrySafety};

pub(super) fn findings(report: &Report, share: usize) -> String {
    let harmful: Vec<&Finding> = report.findings().filter(|f| f.is_harmful()).collect();
    if harmful.is_empty() {
        return String::new();
    }
    let mut out = "## What was lost\n\n\
        | finding | time (UTC) | client → server | cause | silence before | lost | request | retry safe |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let chosen = choose(&harmful, share - COUNTING - out.chars().count());
    for (_, row) in &chosen {
        out.push_str(row);
    }
    let shown: BTreeSet<usize> = chosen.iter().map(|(i, _)| *i).collect();
    let mut rest: BTreeMap<Cause, u64> = BTreeMap::new();
    for (i, finding) in harmful.iter().enumerate() {
        if !shown.contains(&i) {
            *rest.entry(finding.cause).or_default() += 1;
        }
    }
    if !rest.is_empty() {
        let causes = rest
            .iter()
            .map(|(cause, n)| format!("{cause} {}", grouped(*n)));
        out.push_str(&format!(
            "\nand {} that cost something ({}); the JSON, CSV and HTML forms list all.\n",
            count(rest.values().sum(), "more finding", "more findings"),
            causes.collect::<Vec<_>>().join(", "),
        ));
    }
    out
}

/// The rows that fit, most telling chosen first, in the report's order.
fn choose(harmful: &[&Finding], share: usize) -> Vec<(usize, String)> {
    let mut chosen = Vec::new();
    let mut used = 0;
    for i in telling::order(harmful) {
        let Some(finding) = harmful.get(i) else {
            continue;
        };
        let row = finding_row(finding);
        used += row.chars().count();
        if used > share {
            break;
        }
        chosen.push((i, row));
    }
    chosen.sort_by_key(|(i, _)| *i);
    chosen
}

fn finding_row(finding: &Finding) -> String {
    let connection = &finding.connection;
    let cells = [
        format!("{} frame {}", text(&finding.id), finding.frame),
        telling::milli(finding.at),
        format!(
            "{} → {}",
            cell(&connection.client.to_string()),
            cell(&connection.server.to_string())
        ),
        cause(finding),
        idle(finding),
        lost(finding),
        request(finding),
        retry(finding),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn cause(finding: &Finding) -> String {
    match &finding.detail {
        Some(detail) => format!(
            "{} ({}), {}",
            finding.cause,
            text(detail),
            finding.confidence
        ),
        None => format!("{}, {}", finding.cause, finding.confidence),
    }
}

/// Silence of the application; that of the wire where it differs.
fn idle(finding: &Finding) -> String {
    let idle = &finding.idle;
    let mut out = match (idle.application_s, idle.wire_s) {
        (None, None) => return NOTHING.to_owned(),
        (Some(a), Some(w)) if (a - w).abs() > 0.01 * a.abs().max(0.1) => {
            format!("{} (wire {})", seconds(a), seconds(w))
        }
        (Some(s), _) | (None, Some(s)) => seconds(s),
    };
    match idle.kind {
        IdleKind::AwaitingResponse => out.push_str(", awaiting a response"),
        IdleKind::Handshake => out.push_str(", in the handshake"),
        IdleKind::BetweenRequests | IdleKind::None => {}
    }
    out
}

fn request(finding: &Finding) -> String {
    let Some(request) = &finding.request else {
        return NOTHING.to_owned();
    };
    match (&request.summary, &request.server_name) {
        (Some(summary), _) => cell(summary),
        (None, Some(name)) => format!("TLS to {}", cell(name)),
        (None, None) => NOTHING.to_owned(),
    }
}

/// What was lost, and what the proxy's client got of it.
fn lost(finding: &Finding) -> String {
    let harm = finding.harm.to_string().replace('-', " ");
    match &finding.hop {
        Some(hop) if hop.side == "back" => {
            let outcome = match hop.outcome.as_str() {
                "retried" => "the proxy asked again".to_owned(),
                "reset" => "the proxy's client was reset".to_owned(),
                "closed" => "the proxy's client was hung up on".to_owned(),
                "answered" => "the proxy's client got an answer that can't be read".to_owned(),
                "truncated" => "the proxy's client got half an answer".to_owned(),
                status => format!("the proxy's client got {}", cell(status)),
            };
            format!("{harm}; {outcome} (stream {})", hop.number())
        }
        Some(hop) => format!(
            "{harm}; because of stream {} behind the proxy",
            hop.number()
        ),
        None => harm,
    }
}

fn retry(finding: &Finding) -> String {
    let Some(retry) = &finding.retry else {
        return NOTHING.to_owned();
    };
    let mut out = match retry.safe {
        RetrySafety::Yes => "yes",
        RetrySafety::No => "no",
        RetrySafety::Unknown => "unknown",
    }
    .to_owned();
    if let Some(seen) = &retry.seen {
        out.push_str(&format!(", sent again {}", telling::again(seen)));
        if seen.may_have_run_twice {
            out.push_str(": may have run twice");
        }
    }
    out
}
