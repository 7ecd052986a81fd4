//! Verdicts become findings, findings become the report.

use std::net::SocketAddr;

use crate::analysis::circumstances::{CaptureQuality, Circumstances, Places};
use crate::analysis::judges::{Judged, Judges};
use crate::analysis::redirected::Redirected;
use crate::analysis::refusals::refused_group;
use crate::analysis::rows::Rows;
use crate::analysis::translated::tell;
use crate::analysis::untranslated::Among;
use crate::analysis::watch::{Numbers, Watch};
use crate::analysis::{Analyzer, ConnectionRows, Selection, untranslated};
use crate::capture::FileFacts;
use crate::insight::{
    Grounds, Knowledge, Lost, Silences, advise, align, as_clocks_allow, find_hops, find_retries,
    infer, tells_who_keeps_longer,
};
use crate::parts::at_once;
use crate::report::{
    CaptureSummary, Endpoint, Finding, IdleTimeout, Report, SCHEMA_VERSION, Summary, Tool,
};
use crate::time::Interval;

/// Findings so far, and what insight reads.
pub fn judge_all<'a>(analyzer: &'a Analyzer, circumstances: Circumstances) -> Judged<'a> {
    let by = circumstances.find_by;
    let mut judged = Judges::judge_all(analyzer, analyzer.connections(), circumstances);
    let findings = &mut judged.findings;
    tell(findings, &judged.copies);
    // What was told while live stays.
    let among = Among {
        judged: &judged.connections,
        connections: &judged.connections,
        by,
    };
    untranslated::tell(findings, &among, analyzer.watch.is_none());
    let mut groups: Vec<Finding> = refused(analyzer);
    if let Some(watch) = &analyzer.watch {
        watch.name_groups(&mut groups);
        findings.extend(watch.outlived(&judged.connections));
    }
    findings.append(&mut groups);
    findings.retain(|finding| selected(&analyzer.options.selection, finding));
    let numbers = analyzer.watch.as_ref().map(Watch::numbers);
    number(findings, numbers.unwrap_or_default());
    judged
}

/// Idle timeouts alone, without the findings and stories that a report holds at once.
pub fn idle_timeouts(analyzer: &Analyzer) -> Vec<IdleTimeout> {
    let (connections, _) = analyzer.connections();
    let circumstances = Circumstances::new(analyzer, analyzer.quality, &[]);
    let judges = Judges::new(analyzer, &connections, circumstances);
    let mut silences = Silences::default();
    for (index, connection) in connections.iter().enumerate() {
        judges.observe(index, *connection, &mut silences);
    }
    infer(&silences, known(analyzer))
}

fn known(analyzer: &Analyzer) -> Knowledge<'_> {
    let own = analyzer.options.known_timeouts.as_ref();
    own.map_or(Knowledge::BuiltIn, Knowledge::Own)
}

/// Entries that stand for many refused connections.
pub fn refused(analyzer: &Analyzer) -> Vec<Finding> {
    analyzer.table.refused_groups().map(refused_group).collect()
}

/// The whole report.
pub fn report(analyzer: &Analyzer, mut captures: Vec<CaptureSummary>) -> Report {
    for capture in &mut captures {
        capture.filter.clone_from(&analyzer.options.filter);
    }
    let circumstances = Circumstances::new(analyzer, quality(&captures), &captures);
    let mut judged = judge_all(analyzer, circumstances);
    let mut findings = std::mem::take(&mut judged.findings);
    let (silences, connections) = (&judged.silences, judged.connections.as_slice());
    let rows =
        (analyzer.options.connections == ConnectionRows::All).then(|| rows(analyzer, &findings));
    let redirected = Redirected::of(connections);
    let step = circumstances.clock_step;
    let mut report = Report {
        schema_version: SCHEMA_VERSION.to_owned(),
        tool: Tool::this(),
        heading: analyzer.options.heading.clone(),
        summary: Summary::default(),
        resets: Vec::new(),
        hang_ups: Vec::new(),
        idle_timeouts: Vec::new(),
        alignment: Vec::new(),
        advice: Vec::new(),
        connections: rows,
        caveats: caveats(
            analyzer,
            circumstances,
            &captures,
            judged.copies.len(),
            &redirected,
        ),
        captures,
    };
    report.hang_ups = findings
        .extract_if(.., |finding| finding.form.is_none())
        .collect();
    report.resets = findings;
    let mut all: Vec<&mut Finding> = report
        .resets
        .iter_mut()
        .chain(&mut report.hang_ups)
        .collect();
    let timers = || {
        let timeouts = as_clocks_allow(infer(silences, known(analyzer)), step);
        let alignment = match tells_who_keeps_longer(step) {
            true => align(silences, &timeouts),
            false => Vec::new(),
        };
        (timeouts, alignment)
    };
    ((report.idle_timeouts, report.alignment), ()) = at_once(connections.len(), timers, || {
        let lost = Lost::all(&all, connections);
        find_retries(&mut all, &lost, connections);
        find_hops(&mut all, &lost, connections, silences.routes());
    });
    let grounds = Grounds {
        timeouts: &report.idle_timeouts,
        alignment: &report.alignment,
        known: known(analyzer),
        stack: &analyzer.options.stack,
        silences,
        redirected: &redirected.reached,
    };
    // Without times it is not known what would help.
    report.advice = match step < FileFacts::STANDS_STILL {
        true => advise(&mut all, &grounds),
        false => Vec::new(),
    };
    report.summary = summary(analyzer, &report);
    report
}

fn quality(captures: &[CaptureSummary]) -> CaptureQuality {
    if captures.iter().any(|capture| capture.dropped_by_kernel > 0) {
        CaptureQuality::Incomplete
    } else {
        CaptureQuality::Whole
    }
}

fn caveats(
    analyzer: &Analyzer,
    circumstances: Circumstances,
    captures: &[CaptureSummary],
    copies: usize,
    redirected: &Redirected,
) -> Vec<String> {
    let mut caveats = Vec::new();
    if analyzer.options.filter.is_some() {
        caveats.push(
            "Only packets that pass the filter expression were looked at; streams are numbered among those."
                .to_owned(),
        );
    }
    for capture in captures {
        if let Some(damage) = &capture.damage {
            caveats.push(format!(
                "{}: {damage}; what was read before it is reported",
                capture.path
            ));
        }
        if let Some(step) = capture.clock_step_s.map(Interval::from_secs_f64) {
            caveats.push(match step {
                FileFacts::STANDS_STILL => format!("{}: its clock stands still: no time says anything", capture.path),
                step => format!(
                    "{}: its clock goes in steps of {step}: times that are less apart say nothing, and all others may be wrong by as much",
                    capture.path
                ),
            });
        }
        if capture.dropped_by_kernel > 0 {
            caveats.push(format!(
                "{}: {} packets were dropped while capturing; verdicts that rest on what was not seen are weakened",
                capture.path, capture.dropped_by_kernel
            ));
        }
    }
    if circumstances.places == Places::Several && analyzer.table.seen_elsewhere() > 0 {
        caveats.push(format!(
            "{} packets are in more than one capture, as where captures are taken at several places; each counts where it was captured first: frame numbers are that capture's, and times from one side's packet to the other's leave out a part of the way",
            analyzer.table.seen_elsewhere()
        ));
    }
    if copies > 0 {
        caveats.push(format!(
            "{copies} connections are others of this capture once more, with translated addresses (published ports, pods, a router): each is told once, with the addresses under which it was captured first, or with those that were asked for"
        ));
    }
    caveats.extend(redirected.caveat());
    if analyzer.table.evicted() > 0 {
        caveats.push(format!(
            "{} connections were forgotten early to stay within the memory limit",
            analyzer.table.evicted()
        ));
    }
    if analyzer.table.numbers_forgotten() > 0 {
        caveats.push(format!(
            "{} refused or forgotten connections lost their number to stay within the memory limit; later stream numbers may differ from Wireshark's",
            analyzer.table.numbers_forgotten()
        ));
    }
    let forgotten = analyzer.watch.as_ref().map_or(0, Watch::forgotten);
    if forgotten > 0 {
        caveats.push(format!(
            "{forgotten} findings were told while live and are not in this report, to stay within the memory limit"
        ));
    }
    let fragments = analyzer.decoder.counters();
    if fragments.datagrams_dropped > 0 {
        caveats.push(format!(
            "{} fragmented IP datagrams were dropped to stay within the memory limit",
            fragments.datagrams_dropped
        ));
    }
    caveats
}

fn rows(analyzer: &Analyzer, findings: &[Finding]) -> Vec<crate::report::ConnectionRow> {
    let rows = Rows::new(findings);
    analyzer
        .table
        .connections()
        .into_iter()
        .flat_map(|held| rows.of(&held.known()))
        .collect()
}

fn summary(analyzer: &Analyzer, report: &Report) -> Summary {
    let mut summary = Summary {
        connections: analyzer.table.connections_seen(),
        resets: report.resets.len() as u64,
        hang_ups: report.hang_ups.len() as u64,
        evicted_connections: analyzer.table.evicted(),
        ..Summary::default()
    };
    for finding in report.resets.iter().chain(&report.hang_ups) {
        summary.add(finding);
    }
    summary
}

/// The user asked for this connection.
pub fn selects(selection: &Selection, ends: &[SocketAddr; 2], streams: &[u32]) -> bool {
    let is_of = |end: &SocketAddr| selection.hosts.contains(&end.ip());
    let is_at = |end: &SocketAddr| selection.ports.contains(&end.port());
    (selection.hosts.is_empty() || ends.iter().any(is_of))
        && (selection.ports.is_empty() || ends.iter().any(is_at))
        && (selection.streams.is_empty()
            || streams.iter().any(|one| selection.streams.contains(one)))
}

/// The user asked for it.
pub fn selected(selection: &Selection, finding: &Finding) -> bool {
    let connection = &finding.connection;
    let ends = |server: Endpoint| [connection.client, server].map(SocketAddr::from);
    let called = connection.called;
    let answers = called.and_then(|called| called.stream);
    let streams = [connection.stream, answers.unwrap_or(connection.stream)];
    let called = called.map(|called| called.endpoint);
    let mut servers = std::iter::once(connection.server).chain(called);
    servers.any(|server| selects(selection, &ends(server), &streams))
        && selection.since.is_none_or(|since| finding.at >= since)
        && selection.until.is_none_or(|until| finding.at <= until)
}

/// Order of time; `r1` … for resets, `h1` … for endings without one. Those that were shown while live have their number, and the
/// others count on from there.
fn number(findings: &mut [Finding], taken: Numbers) {
    findings.sort_by_cached_key(|finding| {
        (
            finding.at,
            finding.capture,
            finding.frame,
            finding.connection.stream,
        )
    });
    let (mut resets, mut hang_ups) = (taken.resets, taken.hang_ups);
    for finding in findings {
        if !finding.id.is_empty() {
            continue;
        }
        let (letter, count) = if finding.form.is_some() {
            ('r', &mut resets)
        } else {
            ('h', &mut hang_ups)
        };
        *count += 1;
        finding.id = format!("{letter}{count}");
    }
}
