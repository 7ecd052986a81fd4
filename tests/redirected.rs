//! A rule of the capturing host (a sidecar proxy's REDIRECT) leads a client elsewhere than it called: what it says and what it hears have
//! different names in the capture, and are one connection.

use std::net::{IpAddr, Ipv6Addr};

use whyrst::analysis::{AnalysisOptions, Analyzer, Selection};
use whyrst::capture::CaptureId;
use whyrst::report::redact::{RedactionKey, Redactor};
use whyrst::report::{Finding, Report};
use whyrst::testing::{Ladder, Trace};

const GET: &str = "GET /orders HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a client says to 192.0.2.80:80, and a proxy on its own host says, which closes after five seconds.
#[rustfmt::skip]
fn reused(number: u16) -> Ladder {
    Ladder::to(80)
        .from_port(40_000 + number)
        .numbered_from(1_000_000 * u32::from(number), 2_000_000 * u32::from(number))
        .later_by(i64::from(number) * 10_000)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(60, "P.").payload(OK)
        .client(61, ".")
        .server(5_060, "F.")
        .client(5_061, ".")
        .client(6_000, "P.").payload(GET)
        .server(6_020, "R")
}

/// As the loopback interface shows it.
fn led(called: &Ladder, client: IpAddr, proxy: IpAddr) -> Trace {
    let reached = called.clone().between(client, proxy).at_port(15_001);
    let called = called.clone();
    reached.trace().answered_by(&called.trace())
}

fn to_sidecar(called: &Ladder) -> Trace {
    led(called, [10, 0, 0, 5].into(), [127, 0, 0, 1].into())
}

fn report_with(trace: &Trace, options: AnalysisOptions) -> Report {
    let mut analyzer = Analyzer::new(options);
    trace.each(|frame| analyzer.frame(frame));
    analyzer.report(Vec::new())
}

fn report(trace: &Trace) -> Report {
    report_with(trace, AnalysisOptions::default())
}

fn servers(report: &Report) -> Vec<String> {
    let of = |finding: &Finding| finding.connection.server.to_string();
    report.findings().map(of).collect()
}

#[test]
fn both_directions_are_one_connection_with_the_server_that_it_reached() {
    let ladders = [1, 2, 3].map(reused);
    let trace = ladders.iter().fold(Trace::default(), |all, ladder| {
        all.with(&to_sidecar(ladder))
    });
    let report = report(&trace);
    assert_eq!(report.summary.connections, 3);
    assert_eq!(servers(&report), ["127.0.0.1:15001"; 3]);
    for (number, finding) in report.resets.iter().enumerate() {
        assert_eq!(finding.cause.to_string(), "stale-reuse");
        let id = &finding.connection;
        let called = id.called.expect("called");
        assert_eq!(called.endpoint.to_string(), "192.0.2.80:80");
        let streams = (id.stream, called.stream);
        let first = 2 * number as u32;
        assert_eq!(
            streams,
            (first, Some(first + 1)),
            "as Wireshark numbers both directions"
        );
        assert_eq!(
            finding.wireshark_filter,
            format!("tcp.stream eq {first} || tcp.stream eq {}", first + 1)
        );
        let told = &finding.evidence.last().unwrap().text;
        assert_eq!(
            told,
            "the client called 192.0.2.80:80: a rule of the capturing host led it to 127.0.0.1:15001, and answers bear the name that was called"
        );
    }
    let timers: Vec<_> = report
        .idle_timeouts
        .iter()
        .map(|timer| timer.endpoint.port)
        .collect();
    assert_eq!(
        timers,
        [Some(15_001)],
        "the proxy's, not that of whom it stands for"
    );
    assert!(
        report.caveats[0].ends_with("192.0.2.80:80 → 127.0.0.1:15001"),
        "{:?}",
        report.caveats
    );
}

/// The proxy's connection with the server that was called goes over a wire, and has that one's timer.
#[test]
fn the_server_that_was_called_has_its_own_connections() {
    let upstream = Ladder::to(80)
        .from_port(50_000)
        .numbered_from(77, 99)
        .later_by(10_000)
        .handshake(1)
        .client(22, "P.")
        .payload(GET)
        .server(59, "P.")
        .payload(OK)
        .client(60, ".")
        .server(2_059, "F.")
        .client(2_060, ".")
        .client(2_061, "F.")
        .server(2_062, ".");
    let report = report(&to_sidecar(&reused(1)).with(&upstream.trace()));
    assert_eq!(report.summary.connections, 2);
    assert_eq!(servers(&report), ["127.0.0.1:15001"]);
    let timers = report.idle_timeouts.iter();
    let timers: Vec<_> = timers
        .map(|timer| (timer.endpoint.addr, timer.endpoint.port))
        .collect();
    let (sidecar, server) = ([127, 0, 0, 1].into(), [192, 0, 2, 80].into());
    assert!(timers.contains(&(sidecar, Some(15_001))), "{timers:?}");
    assert!(timers.contains(&(server, Some(80))), "{timers:?}");
}

/// `iptables -t nat -A OUTPUT -o lo -p tcp --dport 80 -j REDIRECT --to-ports 8080`, called on 127.0.0.1; and the same over IPv6.
#[test]
fn a_host_may_lead_itself_to_another_port() {
    let host: IpAddr = [127, 0, 0, 1].into();
    let local = led(&reused(1).between(host, host), host, host);
    let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let client = "2001:db8::5".parse().unwrap();
    let called = reused(2)
        .over_ipv6()
        .between(client, "2001:db8::80".parse().unwrap());
    let report = report(&local.with(&led(&called, client, six)));
    assert_eq!(servers(&report), ["127.0.0.1:15001", "[::1]:15001"]);
    let called = report
        .resets
        .iter()
        .map(|finding| finding.connection.called.unwrap());
    let called: Vec<_> = called.map(|called| called.endpoint.to_string()).collect();
    assert_eq!(called, ["127.0.0.1:80", "[2001:db8::80]:80"]);
}

/// Nobody listens where it was led: the refusal bears the other name, too.
#[test]
fn a_proxy_that_is_down_refuses() {
    let refused = Ladder::to(80).client(0, "S").server(0.1, "R.");
    let report = report(&to_sidecar(&refused));
    assert_eq!(servers(&report), ["127.0.0.1:15001"]);
    assert_eq!(report.resets[0].cause.to_string(), "connection-refused");
    assert!(report.resets[0].connection.called.is_some());
}

/// A client port that is used again: what the client says is a new stream for Wireshark, and what it hears is not.
#[test]
fn who_calls_again_from_its_port_hears_answers_in_the_same_stream() {
    let again = reused(1).numbered_from(7_000, 9_000).later_by(20_000);
    let after = reused(2).later_by(60_000);
    let trace = to_sidecar(&reused(1))
        .with(&to_sidecar(&again))
        .with(&after.trace());
    let report = report(&trace);
    let streams: Vec<_> = report
        .resets
        .iter()
        .map(|finding| {
            let id = &finding.connection;
            (id.stream, id.called.and_then(|called| called.stream))
        })
        .collect();
    assert_eq!(streams, [(0, Some(1)), (2, Some(1)), (3, None)]);
}

/// A rotated set: each file numbers its own streams.
#[test]
fn a_second_file_has_its_own_numbers() {
    let other = Ladder::to(443)
        .from_port(50_000)
        .later_by(15_060)
        .client(0.5, "P.")
        .payload("x");
    let mut trace = to_sidecar(&reused(1)).with(&other.trace());
    let fin = trace.frames.len() - 5;
    for frame in &mut trace.frames[fin..] {
        frame.capture = CaptureId(1);
    }
    let report = report(&trace);
    let finding = &report.resets[0];
    let id = &finding.connection;
    assert_eq!(finding.capture, 1);
    // In the second one stand the server's FIN, the other connection, and the client's ACK.
    assert_eq!(
        (id.stream, id.called.unwrap().stream),
        (2, Some(0)),
        "{id:#?}"
    );
    assert_eq!((id.elsewhere[0].capture, id.elsewhere[0].stream), (0, 0));
}

#[test]
fn whoever_asks_for_the_name_that_was_called_finds_it() {
    let trace = to_sidecar(&reused(1)).with(&reused(2).at_port(443).trace());
    let ask = |selection: Selection| {
        let options = AnalysisOptions {
            selection,
            ..AnalysisOptions::default()
        };
        servers(&report_with(&trace, options))
    };
    let port = |port| Selection {
        ports: vec![port],
        ..Selection::default()
    };
    let stream = |stream| Selection {
        streams: vec![stream],
        ..Selection::default()
    };
    assert_eq!(ask(port(80)), ["127.0.0.1:15001"]);
    assert_eq!(ask(port(15_001)), ["127.0.0.1:15001"]);
    assert_eq!(ask(port(443)), ["192.0.2.80:443"]);
    assert_eq!(ask(stream(1)), ["127.0.0.1:15001"]);
    // The name that was called, and the number of what the client said.
    let both = Selection {
        ports: vec![80],
        ..stream(0)
    };
    assert_eq!(ask(both), ["127.0.0.1:15001"]);
    assert_eq!(ask(stream(2)), ["192.0.2.80:443"]);
}

/// Without the number of the SYN it is nobody's answer; nor is what comes over a wire from elsewhere.
#[test]
fn what_does_not_answer_stays_apart() {
    let called = reused(1);
    let other = called.clone().numbered_from(5, 6);
    let reached = |ladder: &Ladder, server: [u8; 4]| {
        ladder
            .clone()
            .between([10, 0, 0, 5].into(), server.into())
            .at_port(15_001)
            .trace()
    };
    for (trace, why) in [
        (
            reached(&called, [127, 0, 0, 1]).answered_by(&other.trace()),
            "other numbers",
        ),
        (
            reached(&called, [10, 0, 0, 9]).answered_by(&called.trace()),
            "another host",
        ),
    ] {
        let report = report(&trace);
        assert_eq!(report.summary.connections, 2, "{why}");
        assert!(
            report
                .findings()
                .all(|finding| finding.connection.called.is_none()),
            "{why}"
        );
        assert!(report.caveats.is_empty(), "{why}: {:?}", report.caveats);
    }
}

#[test]
fn a_redacted_report_does_not_name_it() {
    let report = report(&to_sidecar(&reused(1)));
    let redactor = Redactor::new(RedactionKey::from_secret(b"a secret of sixteen bytes"));
    let report = redactor.report(&report);
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("192.0.2.80"), "{json}");
    assert!(json.contains("\"called\""));
}
