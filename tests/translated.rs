//! A capture on every interface of a host that translates addresses shows each connection twice: it is told once.

use std::net::{IpAddr, SocketAddr};

use whyrst::analysis::{AnalysisOptions, Analyzer, Event, Selection};
use whyrst::report::Report;
use whyrst::testing::{Ladder, Trace};
use whyrst::{Interval, Timestamp};

const GET: &str = "GET /orders HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// A pool that uses a connection again which the server had closed after five seconds.
#[rustfmt::skip]
fn reused(number: u32) -> Ladder {
    Ladder::to(3000)
        .from_port(40_000 + number as u16)
        .numbered_from(1_000_000 * number, 2_000_000 * number)
        .later_by(i64::from(number) * 10_000)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(60, "P.").payload(OK)
        .client(61, ".")
        .server(5_060, "F.")
        .client(5_061, ".")
}

#[rustfmt::skip]
fn asked_again(ladder: Ladder) -> Ladder {
    ladder
        .client(6_000, "P.").payload(GET)
        .server(6_020, "R")
}

/// What the container behind the published port says and hears, some microseconds later.
fn inside(ladder: &Ladder) -> Trace {
    let [client, container]: [IpAddr; 2] = ["10.0.0.5", "172.17.0.2"].map(|a| a.parse().unwrap());
    ladder
        .clone()
        .between(client, container)
        .trace()
        .jittered(&[30])
}

fn twice(ladders: &[Ladder]) -> Trace {
    ladders.iter().fold(Trace::default(), |all, ladder| {
        all.with(&ladder.trace()).with(&inside(ladder))
    })
}

fn report(trace: &Trace, prefers: Selection) -> Report {
    let mut analyzer = Analyzer::new(AnalysisOptions {
        prefers,
        ..AnalysisOptions::default()
    });
    trace.clone().cooked().each(|frame| analyzer.frame(frame));
    analyzer.report(Vec::new())
}

fn told(report: &Report) -> Vec<(String, SocketAddr)> {
    let of = |finding: &whyrst::report::Finding| {
        let server = finding.connection.server;
        (
            finding.cause.to_string(),
            SocketAddr::new(server.addr, server.port),
        )
    };
    report.findings().map(of).collect()
}

fn outside() -> SocketAddr {
    "192.0.2.80:3000".parse().unwrap()
}

#[test]
fn what_is_captured_before_and_after_translation_is_told_once() {
    let ladders = [1, 2, 3].map(|number| asked_again(reused(number)));
    let report = report(&twice(&ladders), Selection::default());
    assert_eq!(
        told(&report),
        vec![("stale-reuse".to_owned(), outside()); 3]
    );
    assert_eq!(report.summary.harmful, 3);
    assert_eq!(report.summary.connections, 6, "they are in the capture");
    assert_eq!(report.idle_timeouts.len(), 1, "{:#?}", report.idle_timeouts);
    assert!(report.caveats[0].starts_with("3 connections are others of this capture once more"));
    for (number, finding) in report.resets.iter().enumerate() {
        let again = finding.evidence.last().unwrap();
        let expected = format!(
            "captured again with translated addresses: 10.0.0.5:{} → 172.17.0.2:3000, stream {}; whoever translates passed the RST on",
            40_001 + number,
            2 * number + 1
        );
        assert_eq!(again.text, expected);
        assert_eq!(again.frames, [finding.frame + 1]);
    }
}

/// The one who translates made it: that is the news.
#[test]
fn a_reset_on_one_side_alone_is_no_copy() {
    let ladder = reused(1).client(6_000, "P.").payload(GET);
    let outside = ladder.clone().server(6_001, "R.").trace();
    let report = report(&outside.with(&inside(&ladder)), Selection::default());
    assert!(report.caveats.is_empty(), "{:?}", report.caveats);
    assert!(!report.resets.is_empty());
    let evidence = &report.resets[0].evidence;
    assert!(evidence.iter().all(|one| !one.text.contains("translated")));
}

#[test]
fn who_asks_for_the_inner_one_gets_it() {
    let trace = twice(&[asked_again(reused(1))]);
    for prefers in [
        Selection {
            hosts: vec!["172.17.0.2".parse().unwrap()],
            ..Selection::default()
        },
        Selection {
            streams: vec![1],
            ..Selection::default()
        },
    ] {
        let report = report(&trace, prefers);
        let inner = "172.17.0.2:3000".parse().unwrap();
        assert_eq!(told(&report), [("stale-reuse".to_owned(), inner)]);
        let again = &report.resets[0].evidence.last().unwrap().text;
        assert!(
            again.contains("10.0.0.5:40001 → 192.0.2.80:3000, stream 0"),
            "{again}"
        );
    }
}

/// `nmap` gives all its probes one number and one port.
#[test]
fn a_scan_is_no_translation() {
    let probe = |port: u16| {
        Ladder::to(port)
            .client(f64::from(port) / 100.0, "S")
            .server(f64::from(port) / 100.0 + 0.2, "R.")
    };
    let scan = (1..=15).fold(Trace::default(), |all, port| all.with(&probe(port).trace()));
    let report = report(&scan, Selection::default());
    assert_eq!(report.summary.refused, 15);
    assert!(report.caveats.is_empty(), "{:?}", report.caveats);
}

/// A balancer's two connections with one host, opened at once, are what they are: two.
#[test]
fn other_numbers_are_other_connections() {
    let first = asked_again(reused(1));
    let second = asked_again(reused(2).later_by(-10_000));
    let report = report(&first.trace().with(&inside(&second)), Selection::default());
    assert_eq!(report.resets.len(), 2);
    assert!(report.caveats.is_empty(), "{:?}", report.caveats);
}

#[test]
fn live_it_is_told_once_too() {
    let mut analyzer = Analyzer::new(AnalysisOptions::default());
    analyzer.watch();
    let mut now: Option<Timestamp> = None;
    let mut events = Vec::new();
    let trace = twice(&[1, 2].map(|number| asked_again(reused(number))));
    let mut look = |analyzer: &mut Analyzer, until: Timestamp| {
        let mut time = now.unwrap_or(until);
        while time <= until {
            events.extend(analyzer.tick(time));
            time = time + Interval::from_millis(100);
        }
        now = Some(time);
    };
    trace.cooked().each(|frame| {
        look(&mut analyzer, frame.time);
        analyzer.frame(frame);
    });
    let end = analyzer.now().unwrap();
    look(&mut analyzer, end + Interval::from_millis(15_000));
    let ids: Vec<_> = events
        .iter()
        .map(|event| {
            assert!(matches!(event, Event::New(_)), "{event:#?}");
            event.finding().id.as_str()
        })
        .collect();
    assert_eq!(ids, ["r1", "r2"]);
    let report = analyzer.report(Vec::new());
    assert_eq!(report.resets.len(), 2);
}

/// As its user asks, with the numbers that the whole report gives.
#[test]
fn on_the_command_line_the_side_that_is_asked_for_is_told() {
    let file = tempfile::Builder::new().suffix(".pcap").tempfile().unwrap();
    let trace = twice(&[1, 2, 3].map(|number| asked_again(reused(number)))).cooked();
    std::fs::write(file.path(), trace.pcap()).unwrap();
    for (argument, server) in [
        ("--host=10.0.0.5", "192.0.2.80"),
        ("--host=192.0.2.80", "192.0.2.80"),
        ("--host=172.17.0.2", "172.17.0.2"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_whyrst"))
            .args(["--format", "json", argument])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        let told: Vec<_> = report
            .resets
            .iter()
            .map(|finding| (finding.id.as_str(), finding.connection.server.addr))
            .collect();
        let server = server.parse().unwrap();
        assert_eq!(
            told,
            [("r1", server), ("r2", server), ("r3", server)],
            "{argument}"
        );
        assert_eq!(report.summary.harmful, 3);
        let timers = report.idle_timeouts.iter();
        let owners: Vec<_> = timers.map(|timer| timer.endpoint.addr).collect();
        assert!(owners.iter().all(|owner| *owner == server), "{owners:?}");
    }
}
