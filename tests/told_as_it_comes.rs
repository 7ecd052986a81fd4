//! What is told while packets come in is what the report says in the end, under the same ids.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use whyrst::analysis::{AnalysisOptions, Analyzer, Event};
use whyrst::capture::{Captures, Input};
use whyrst::flow::Limits;
use whyrst::report::Finding;
use whyrst::{Interval, Timestamp};

const TICK: Interval = Interval::from_millis(100);

/// Reads a capture as if it came in now; every event goes to `told`.
fn replay(path: &Path, limits: Limits, mut told: impl FnMut(Timestamp, Event)) -> Analyzer {
    let mut analyzer = Analyzer::new(AnalysisOptions {
        limits,
        ..AnalysisOptions::default()
    });
    analyzer.watch();
    let mut captures = Captures::open(&[Input::File(path.to_path_buf())]).unwrap();
    let mut next: Option<Timestamp> = None;
    while let Some(frame) = captures.next_frame() {
        let mut due = next.unwrap_or(frame.time + TICK);
        while due <= frame.time {
            for event in analyzer.tick(due) {
                told(due, event);
            }
            due = due + TICK;
        }
        next = Some(due);
        analyzer.frame(&frame);
    }
    let end = analyzer.now().unwrap();
    for tenths in 1..150 {
        let now = end + TICK.times(tenths);
        for event in analyzer.tick(now) {
            told(now, event);
        }
    }
    analyzer
}

fn captures() -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .collect();
    paths.sort();
    assert!(paths.len() > 10);
    paths
}

fn gist(finding: &Finding) -> (String, u32, String, Option<String>, String) {
    (
        finding.id.clone(),
        finding.connection.stream,
        finding.cause.to_string(),
        finding.detail.clone(),
        finding.harm.to_string(),
    )
}

#[test]
fn the_last_word_told_is_the_report() {
    for path in captures() {
        let mut standing: BTreeMap<String, Finding> = BTreeMap::new();
        let mut analyzer = replay(&path, Limits::default(), |_, event| match event {
            Event::New(finding) => {
                let known = standing.insert(finding.id.clone(), *finding);
                assert!(known.is_none(), "{}: an id twice", path.display());
            }
            Event::Amended { before, now } => {
                assert!(standing.remove(&before.id).is_some());
                standing.insert(now.id.clone(), *now);
            }
            Event::Withdrawn(finding) => {
                assert!(standing.remove(&finding.id).is_some());
            }
        });
        let report = analyzer.report(Vec::new());
        let mut told: Vec<_> = standing.values().map(gist).collect();
        let mut reported: Vec<_> = report.findings().map(gist).collect();
        told.sort();
        reported.sort();
        assert_eq!(told, reported, "{}", path.display());
    }
}

#[test]
fn a_reset_is_told_within_a_second_and_not_before_its_echoes() {
    let mut resets = 0;
    for path in captures() {
        replay(&path, Limits::default(), |now, event| {
            if let Event::New(finding) = event
                && finding.form.is_some()
                && finding.connections.is_none()
            {
                resets += 1;
                let after = now - finding.at;
                assert!(
                    after < Interval::from_millis(1_000) && after >= Interval::from_millis(300),
                    "{}: {} was told {after} after its RST",
                    path.display(),
                    finding.id
                );
            }
        });
    }
    assert!(resets > 10);
}

/// In a run of weeks connections are forgotten; what was told of them is in the report.
#[test]
fn findings_outlive_their_connections() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/keepalive-race.pcap");
    let limits = Limits {
        reset_connections: 1,
        ..Limits::default()
    };
    let mut told = Vec::new();
    let mut analyzer = replay(&path, limits, |_, event| {
        if let Event::New(finding) = event {
            told.push(finding.id.clone());
        }
    });
    let report = analyzer.report(Vec::new());
    let resets = report.resets.len();
    assert!(resets > 1, "{resets} {told:?}");
    assert!(analyzer.connections_evicted() > 0);
    let mut reported: Vec<_> = report
        .findings()
        .map(|finding| finding.id.clone())
        .collect();
    told.sort();
    reported.sort();
    assert_eq!(told, reported);
}

/// Memory is short: less is held from then on, what went is counted, and what was told stays told.
#[test]
fn holding_less_forgets_connections_and_keeps_findings() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("captures/keepalive-race.pcap");
    let mut told = 0;
    let mut analyzer = replay(&path, Limits::default(), |_, event| {
        told += usize::from(matches!(event, Event::New(_)));
    });
    let held = analyzer.connections_held();
    assert!(held > 10, "{held}");
    analyzer.hold_less(8);
    assert!(analyzer.connections_held() <= held - held / 8);
    for _ in 0..40 {
        analyzer.hold_less(8);
    }
    assert!(analyzer.connections_held() <= 8);
    let gone = held - analyzer.connections_held();
    assert_eq!(analyzer.connections_evicted(), gone as u64);
    let report = analyzer.report(Vec::new());
    assert_eq!(report.findings().count(), told, "they outlive connections");
    let caveat = format!("{gone} connections were forgotten early");
    assert!(
        report.caveats.iter().any(|text| text.starts_with(&caveat)),
        "{:?}",
        report.caveats
    );
}

/// What is served as metrics is what the report says.
#[test]
fn idle_timeouts_alone_are_those_of_the_report() {
    let mut some = 0;
    for path in captures() {
        let mut analyzer = replay(&path, Limits::default(), |_, _| {});
        let report = analyzer.report(Vec::new());
        assert_eq!(
            analyzer.idle_timeouts(),
            report.idle_timeouts,
            "{}",
            path.display()
        );
        some += report.idle_timeouts.len();
    }
    assert!(some > 0);
}
