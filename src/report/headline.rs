//! The first sentence of every view: what was lost, where and why.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{about, count, grouped};
use super::{Endpoint, Finding, Report};
use crate::verdict::{Cause, Harm};

/// One or two plain sentences: what it cost, whose fault it looks like, with numbers where the report has them.
pub fn headline(report: &Report) -> String {
    let summary = &report.summary;
    if summary.connections == 0 && report.findings().next().is_none() {
        return "No TCP connection was seen.".to_owned();
    }
    if summary.harmful > 0 {
        return harmful(report);
    }
    if summary.refused > 0 {
        return refused(report);
    }
    if summary.unclear > 0 {
        return unclear(report);
    }
    if summary.resets > 0 || summary.hang_ups > 0 {
        return format!(
            "Nothing was lost: {} in {}, and no request or response suffered.",
            endings(report),
            count(summary.connections, "connection", "connections"),
        );
    }
    format!(
        "No reset and no hang-up in {}.",
        count(summary.connections, "connection", "connections")
    )
}

/// Some of the endings may have cost something.
fn unclear(report: &Report) -> String {
    const UNSEEN: &str = "the capture does not show enough of what was said";
    let summary = &report.summary;
    let endings = endings(report);
    let connections = count(summary.connections, "connection", "connections");
    match summary.benign {
        0 => format!("What {endings} in {connections} cost can't be told: {UNSEEN}."),
        _ => format!(
            "No loss was seen: {endings} in {connections}; but of {} {UNSEEN}.",
            grouped(summary.unclear)
        ),
    }
}

/// `4 resets and 1 hang-up`
pub fn endings(report: &Report) -> String {
    let resets = count(report.summary.resets, "reset", "resets");
    let hang_ups = count(report.summary.hang_ups, "hang-up", "hang-ups");
    match (report.summary.resets, report.summary.hang_ups) {
        (_, 0) => resets,
        (0, _) => hang_ups,
        _ => format!("{resets} and {hang_ups}"),
    }
}

/// Losses of one cause: at one server where its timer is the reason, anywhere otherwise.
struct Losses<'a> {
    cause: Cause,
    findings: Vec<&'a Finding>,
}

impl Losses<'_> {
    /// The server, where it is one.
    fn server(&self) -> Option<Endpoint> {
        let mut servers = self.findings.iter().map(|f| f.server());
        let first = servers.next()?;
        servers.all(|server| server == first).then_some(first)
    }

    /// `10.0.0.1:80`, or `17 servers`.
    fn place(&self) -> String {
        let servers: BTreeSet<_> = self.findings.iter().map(|f| f.server()).collect();
        match servers.first() {
            Some(only) if servers.len() == 1 => only.to_string(),
            _ => count(servers.len() as u64, "server", "servers"),
        }
    }
}

fn harmful(report: &Report) -> String {
    let groups = losses(report);
    let Some(worst) = groups.first() else {
        // The summary counts harm that no finding of this report shows (a filtered or foreign report).
        return format!(
            "{} cost somebody a request or a response.",
            count(report.summary.harmful, "ending", "endings")
        );
    };
    let mut text = format!("{}: {}.", lost(&worst.findings), reason(report, worst));
    let others: u64 = groups.iter().skip(1).map(|g| g.findings.len() as u64).sum();
    if others > 0 {
        text.push_str(&format!(
            " {} elsewhere or for another reason.",
            count(others, "more loss", "more losses")
        ));
    }
    text
}

/// Most findings first; ties in the order of causes, then addresses.
fn losses(report: &Report) -> Vec<Losses<'_>> {
    let mut groups: BTreeMap<(Cause, Option<Endpoint>), Vec<&Finding>> = BTreeMap::new();
    let harmful = || report.findings().filter(|f| f.is_harmful());
    let ids: BTreeSet<&str> = harmful().map(|finding| &*finding.id).collect();
    let is_seen_twice = |finding: &&Finding| finding.passed_on().is_some_and(|id| ids.contains(id));
    for finding in harmful().filter(|finding| !is_seen_twice(finding)) {
        // One reason, whichever came first, and one sentence.
        let cause = match finding.cause {
            Cause::StaleReuse => Cause::KeepaliveRace,
            Cause::HangUp if finding.is_by_size() => Cause::ResponseTimeout,
            cause => cause,
        };
        let timer = matches!(
            cause,
            Cause::KeepaliveRace | Cause::IdleExpiredSilently | Cause::IdleTimeoutReset
        );
        let server = timer.then_some(finding.server());
        groups.entry((cause, server)).or_default().push(finding);
    }
    let mut groups: Vec<Losses> = groups
        .into_iter()
        .map(|((cause, _), findings)| Losses { cause, findings })
        .collect();
    groups.sort_by_key(|g| std::cmp::Reverse(g.findings.len()));
    groups
}

/// `3 requests lost, 1 response cut short`
pub(super) fn lost(findings: &[&Finding]) -> String {
    let number = |harm: Harm| findings.iter().filter(|f| f.harm == harm).count() as u64;
    let mut parts = Vec::new();
    for (harm, one, many) in [
        (Harm::RequestLost, "request lost", "requests lost"),
        (
            Harm::RequestOutcomeUnknown,
            "request with unknown outcome",
            "requests with unknown outcome",
        ),
        (
            Harm::ResponseTruncated,
            "response cut short",
            "responses cut short",
        ),
    ] {
        match number(harm) {
            0 => {}
            n => parts.push(count(n, one, many)),
        }
    }
    parts.join(", ")
}

fn reason(report: &Report, losses: &Losses) -> String {
    let server = losses.place();
    let timeout = |role: &str| {
        let server = losses.server()?;
        report
            .idle_timeouts
            .iter()
            .filter(|t| t.role == role && t.no_timer.is_none())
            .find(|t| {
                t.endpoint.addr == server.addr && t.endpoint.port.is_none_or(|p| p == server.port)
            })
            .and_then(|t| t.estimate_s)
            .map(about)
    };
    let all = |detail: &str| {
        let mut findings = losses.findings.iter();
        findings.all(|f| f.detail.as_deref() == Some(detail))
    };
    match losses.cause {
        _ if losses.findings.iter().all(|f| f.is_by_size()) => {
            format!("large packets on connections to {server} got lost, and smaller ones did not")
        }
        _ if all("undelivered") => format!("packets on connections to {server} got lost"),
        Cause::KeepaliveRace | Cause::StaleReuse => match timeout("server") {
            Some(t) => format!(
                "{server} closes idle connections after {t}, and the client still used them"
            ),
            None if left(report, losses) => format!(
                "{server} ended its connections at one moment, as for a restart, and the client still used them"
            ),
            None => format!("{server} closed idle connections that the client still used"),
        },
        Cause::IdleExpiredSilently => match timeout("path") {
            Some(t) => {
                format!("idle connections to {server} are forgotten after {t} without a word")
            }
            None => format!("connections to {server} were forgotten while idle, without a word"),
        },
        Cause::IdleTimeoutReset => match timeout("server").or_else(|| timeout("path")) {
            Some(t) => format!("idle connections to {server} are reset after {t}"),
            None => format!("idle connections to {server} were reset"),
        },
        Cause::Injected => format!("a device between forged resets on connections to {server}"),
        Cause::HangUp => format!("{server} hung up before the answer was complete"),
        Cause::ResponseTimeout if all("unacknowledged") => {
            format!("nobody acknowledged what was sent to {server}")
        }
        Cause::ResponseTimeout => format!("somebody stopped waiting for answers of {server}"),
        Cause::HalfOpen if all("untranslated") => format!(
            "packets of connections to {server} reached the client untranslated, with the address of the server behind"
        ),
        Cause::HalfOpen if all("unreachable") => {
            format!("nobody heard what was sent to {server} any more")
        }
        Cause::HalfOpen => format!("{server} no longer knew connections that were in use"),
        Cause::CloseWithUnreadData => {
            format!("on connections to {server}, an application closed with received data unread")
        }
        Cause::DataAfterClose => {
            format!("on connections to {server}, data met a socket that was closed")
        }
        Cause::AbortiveClose => {
            format!("connections to {server} were reset on purpose or by a dying process")
        }
        Cause::AcceptQueueOverflow => format!("{server} did not accept connections in time"),
        Cause::Unexplained => {
            format!("connections to {server} were reset, and the capture does not show why")
        }
        cause => format!(
            "{cause} on connections to {server} ({})",
            cause.entry().meaning
        ),
    }
}

/// The server of these ended all its idle connections at one moment.
fn left(report: &Report, losses: &Losses) -> bool {
    let Some(server) = losses.server() else {
        return false;
    };
    report.idle_timeouts.iter().any(|timer| {
        timer.role == "server"
            && timer.no_timer.as_deref() == Some("restart")
            && timer.endpoint.addr == server.addr
            && timer.endpoint.port.is_none_or(|port| port == server.port)
    })
}

fn refused(report: &Report) -> String {
    let mut servers: BTreeMap<Endpoint, u64> = BTreeMap::new();
    for finding in report.findings().filter(|f| f.harm == Harm::Refused) {
        *servers.entry(finding.server()).or_default() += finding.connections.unwrap_or(1);
    }
    let connections = count(report.summary.refused, "connection", "connections");
    let others = match report.summary.unclear {
        0 => "Nothing else was lost.",
        _ => "Nothing else is seen to be lost.",
    };
    match servers
        .iter()
        .max_by_key(|(server, n)| (**n, std::cmp::Reverse(**server)))
    {
        Some((server, _)) if servers.len() == 1 => {
            let why = why_refused(report);
            format!("{connections} never came to be: {server} {why}. {others}")
        }
        // None stands out.
        Some((_, n)) if *n * 2 < report.summary.refused => {
            let hosts: BTreeSet<_> = servers.keys().map(|server| server.addr).collect();
            let many = servers.len() as u64;
            let to = match hosts.first() {
                Some(host) if hosts.len() == 1 => {
                    format!("{} of {host}", count(many, "port", "ports"))
                }
                _ => count(many, "address and port", "addresses and ports"),
            };
            format!("{connections} to {to} never came to be. {others}")
        }
        Some((server, n)) => format!(
            "{connections} never came to be, {} of them to {server}. {others}",
            super::text::grouped(*n)
        ),
        None => format!("{connections} never came to be."),
    }
}

/// What the server did, or what happened to its answers.
fn why_refused(report: &Report) -> &'static str {
    let all = |is: fn(&Finding) -> bool| {
        let mut refused = report.findings().filter(|f| f.harm == Harm::Refused);
        refused.all(is)
    };
    let is_aborted = |f: &Finding| f.cause == Cause::HandshakeAborted;
    match () {
        () if all(Finding::is_untranslated) => "answered with another address than was called",
        () if all(Finding::is_by_size) => {
            "was reached by small packets only, and large ones got lost"
        }
        () if all(Finding::is_tls_mismatch) => "speaks TLS and its client does not, or the reverse",
        () if all(Finding::is_tls_unfinished) => "and its client did not finish the TLS handshake",
        () if all(Finding::is_tls_failure) => "and its client did not agree on TLS",
        () if all(|f| f.detail.as_deref() == Some("syn-again")) => {
            "answered, and the client's host rejected that"
        }
        () if all(is_aborted) => "did not answer before the client gave up",
        () => "refused or broke off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Summary, sample};

    fn of(change: impl FnOnce(&mut Report)) -> String {
        let mut report = sample::report();
        change(&mut report);
        headline(&report)
    }

    #[test]
    fn losses_come_first_with_the_number_that_explains_them() {
        let text = of(|report| {
            report.resets.truncate(1);
            report.hang_ups.clear();
        });
        assert_eq!(
            text,
            "1 request lost: 10.77.1.3:8030 closes idle connections after 2.4 s, and the client still used them."
        );
    }

    #[test]
    fn a_loss_that_a_proxy_passed_on_is_one() {
        let text = |behind: &str| {
            of(|report| {
                let mut front = sample::hang_up();
                front.hop = Some(crate::report::Hop {
                    side: "front".to_owned(),
                    stream: 1,
                    capture: None,
                    server: front.connection.server,
                    finding: Some(behind.to_owned()),
                    outcome: "truncated".to_owned(),
                    tied_by: String::new(),
                });
                report.resets.truncate(1);
                report.hang_ups = vec![front];
            })
        };
        assert!(!text("r1").contains("more loss"), "{}", text("r1"));
        assert!(text("r9").contains("1 more loss"), "{}", text("r9"));
    }

    #[test]
    fn without_losses_it_says_so() {
        let refused_only = of(|report| {
            report.resets = vec![sample::refused()];
            report.hang_ups.clear();
            report.summary.harmful = 0;
        });
        assert_eq!(
            refused_only,
            "2,000 connections never came to be: 10.77.1.3:9999 refused or broke off. Nothing else was lost."
        );
        let benign = of(|report| {
            report.resets = vec![sample::teardown_noise()];
            report.hang_ups.clear();
            report.summary = Summary {
                connections: 9,
                resets: 1,
                benign: 1,
                ..Summary::default()
            };
        });
        assert_eq!(
            benign,
            "Nothing was lost: 1 reset in 9 connections, and no request or response suffered."
        );
        assert_eq!(
            headline(&sample::empty()),
            "No reset and no hang-up in 3 connections."
        );
    }

    #[test]
    fn what_the_capture_does_not_show_is_not_called_harmless() {
        let of_many = |unclear: u64, benign: u64| {
            of(|report| {
                let endings = (0..unclear + benign).map(|place| Finding {
                    harm_unclear: place < unclear,
                    ..sample::teardown_noise()
                });
                report.resets = endings.collect();
                report.hang_ups.clear();
                let mut summary = Summary {
                    connections: 9,
                    resets: unclear + benign,
                    ..Summary::default()
                };
                report.findings().for_each(|finding| summary.add(finding));
                report.summary = summary;
            })
        };
        assert_eq!(
            of_many(2, 0),
            "What 2 resets in 9 connections cost can't be told: the capture does not show enough of what was said."
        );
        assert_eq!(
            of_many(2, 3),
            "No loss was seen: 5 resets in 9 connections; but of 2 the capture does not show enough of what was said."
        );
        let refused = of(|report| {
            report.resets = vec![sample::refused()];
            report.hang_ups.clear();
            (report.summary.harmful, report.summary.unclear) = (0, 1);
        });
        assert!(
            refused.ends_with("Nothing else is seen to be lost."),
            "{refused}"
        );
    }

    #[test]
    fn an_empty_capture_is_not_called_healthy() {
        let mut report = sample::empty();
        report.summary = Summary::default();
        assert_eq!(headline(&report), "No TCP connection was seen.");
    }
}
