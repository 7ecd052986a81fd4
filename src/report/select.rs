//! A part of a report: the findings of some hosts, ports, streams or times.
//!
//! Selecting afterwards keeps what a finding rests on (idle times, Wireshark's stream numbers) as the whole capture shows it.

use std::net::IpAddr;

use super::{Endpoint, Finding, Report, Summary};
use crate::time::Timestamp;
use crate::verdict::Cause;

/// What to keep. Empty lists keep everything; several values of one kind are alternatives, several kinds hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Addresses of either end.
    pub hosts: Vec<IpAddr>,
    /// Ports of either end.
    pub ports: Vec<u16>,
    /// Wireshark's `tcp.stream`.
    pub streams: Vec<u32>,
    /// Causes.
    pub causes: Vec<Cause>,
    /// Findings at or after this time.
    pub since: Option<Timestamp>,
    /// Findings at or before this time.
    pub until: Option<Timestamp>,
}

impl Selection {
    /// Nothing was asked for: everything is kept.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Keeps what was selected and counts again.
    pub fn apply(&self, report: &mut Report) {
        if self.is_everything() {
            return;
        }
        report.resets.retain(|f| self.keeps(f));
        report.hang_ups.retain(|f| self.keeps(f));
        report
            .idle_timeouts
            .retain(|t| self.keeps_address(t.endpoint.addr, t.endpoint.port));
        let endpoints = |text: &str| text.parse::<std::net::SocketAddr>().ok();
        report.alignment.retain(|a| {
            let server = endpoints(&a.server);
            let host = self.hosts.is_empty()
                || a.client
                    .parse()
                    .is_ok_and(|client| self.hosts.contains(&client))
                || server.is_some_and(|s| self.hosts.contains(&s.ip()));
            host && (self.ports.is_empty()
                || server.is_some_and(|s| self.ports.contains(&s.port())))
        });
        if let Some(rows) = &mut report.connections {
            rows.retain(|c| {
                self.keeps_ends(&c.client, &c.server)
                    && (self.streams.is_empty() || self.streams.contains(&c.stream))
                    && self.until.is_none_or(|until| c.opened <= until)
            });
            report.summary.connections = rows.len() as u64;
        }
        keep_advice(report);
        count_again(report);
    }

    fn keeps(&self, finding: &Finding) -> bool {
        let id = &finding.connection;
        let first = finding.first.unwrap_or(finding.at);
        let last = finding.last.unwrap_or(finding.at);
        let called = id.called.map_or(id.server, |called| called.endpoint);
        let answers = id.called.and_then(|called| called.stream);
        let is_asked_for = |stream| self.streams.contains(&stream);
        (self.keeps_ends(&id.client, &id.server) || self.keeps_ends(&id.client, &called))
            && (self.streams.is_empty()
                || is_asked_for(id.stream)
                || answers.is_some_and(is_asked_for))
            && (self.causes.is_empty() || self.causes.contains(&finding.cause))
            && self.since.is_none_or(|since| last >= since)
            && self.until.is_none_or(|until| first <= until)
    }

    fn keeps_ends(&self, client: &Endpoint, server: &Endpoint) -> bool {
        let host = |end: &Endpoint| self.hosts.contains(&end.addr);
        let port = |end: &Endpoint| self.ports.contains(&end.port);
        (self.hosts.is_empty() || host(client) || host(server))
            && (self.ports.is_empty() || port(client) || port(server))
    }

    fn keeps_address(&self, addr: IpAddr, port: Option<u16>) -> bool {
        (self.hosts.is_empty() || self.hosts.contains(&addr))
            && (self.ports.is_empty() || port.is_none_or(|port| self.ports.contains(&port)))
    }
}

/// Advice that no finding left needs goes as well.
fn keep_advice(report: &mut Report) {
    let ids: Vec<String> = report.findings().map(|f| f.id.clone()).collect();
    report.advice.retain_mut(|advice| {
        let general = advice.because.is_empty();
        advice.because.retain(|id| ids.contains(id));
        general || !advice.because.is_empty()
    });
}

fn count_again(report: &mut Report) {
    let mut summary = Summary {
        connections: report.summary.connections,
        evicted_connections: report.summary.evicted_connections,
        resets: report.resets.len() as u64,
        hang_ups: report.hang_ups.len() as u64,
        ..Summary::default()
    };
    for finding in report.findings() {
        summary.add(finding);
    }
    report.summary = summary;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn ids(selection: &Selection) -> Vec<String> {
        let mut report = sample::report();
        selection.apply(&mut report);
        report.findings().map(|f| f.id.clone()).collect()
    }

    #[test]
    fn nothing_asked_for_keeps_everything() {
        let mut report = sample::report();
        Selection::default().apply(&mut report);
        assert_eq!(report, sample::report());
    }

    #[test]
    fn ports_streams_and_times_select_findings() {
        let everything = Selection::default;
        assert_eq!(
            ids(&Selection {
                ports: vec![8030, 443],
                ..everything()
            }),
            ["r1", "r3"]
        );
        assert_eq!(
            ids(&Selection {
                streams: vec![13],
                ..everything()
            }),
            ["h1"]
        );
        assert_eq!(
            ids(&Selection {
                ports: vec![8030],
                streams: vec![13],
                ..everything()
            }),
            [""; 0]
        );
        assert_eq!(
            ids(&Selection {
                causes: vec![Cause::Injected],
                ..everything()
            }),
            ["r4"]
        );
        let at = sample::refused().last;
        assert_eq!(
            ids(&Selection {
                since: at,
                ..everything()
            }),
            ["r2"]
        );
    }

    #[test]
    fn totals_and_advice_follow_the_selection() {
        let mut report = sample::report();
        let selection = Selection {
            ports: vec![9999],
            ..Selection::default()
        };
        selection.apply(&mut report);
        assert_eq!(
            (
                report.summary.harmful,
                report.summary.refused,
                report.summary.resets
            ),
            (0, 2000, 1)
        );
        assert!(
            report.advice.is_empty()
                && report.idle_timeouts.is_empty()
                && report.alignment.is_empty()
        );
    }
}
