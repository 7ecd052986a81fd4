//! Behind a published address, an answer that comes with the address of the server behind it: the translation on its way was missing.

use std::net::IpAddr;

use whyrst::report::headline::headline;
use whyrst::report::{Finding, Report};
use whyrst::testing::{Ladder, Trace};
use whyrst::verdict::{Cause, Confidence, Harm, IdleKind};

const GET: &str = "GET /orders HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CLIENT: [u8; 4] = [10, 0, 0, 5];
const BACKEND: [u8; 4] = [10, 0, 7, 3];

/// The client's capture: those packets come from (and go to) the server behind.
fn with_untranslated(called: &Ladder, places: &[usize]) -> Trace {
    let backend = called
        .clone()
        .between(IpAddr::from(CLIENT), IpAddr::from(BACKEND))
        .at_port(8080);
    let published = called.trace().only(|place, _| !places.contains(&place));
    published.with(&backend.trace().only(|place, _| places.contains(&place)))
}

fn the_reset(report: &Report) -> &Finding {
    assert_eq!(report.resets.len(), 1);
    &report.resets[0]
}

fn settings(report: &Report) -> String {
    let advice = report.advice.iter();
    let lines = advice.flat_map(|advice| &advice.settings);
    lines.map(|line| format!("{line:?}\n")).collect()
}

/// A request whose answer takes longer than whoever translates remembers; the client waits as long again.
#[rustfmt::skip]
fn forgotten_while_answering() -> Ladder {
    Ladder::to(80)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(60, "P.").payload(OK)
        .client(61, ".")
        .client(1_000, "P.").payload(GET)
        .server(1_040, ".")
        .server(4_540, "P.").payload(OK)     // 8
        .client(4_540.1, "R")                // 9
        .client(7_000, "F.").ack(3_000_000_041).again(7_210).again(7_630)
}

#[test]
fn an_answer_that_comes_untranslated_and_the_vain_wait_are_one_loss() {
    let trace = with_untranslated(&forgotten_while_answering(), &[8, 9]);
    let report = trace.report();
    assert_eq!(report.findings().count(), 1, "the wait is told with it");
    let finding = the_reset(&report);
    assert_eq!(finding.cause, Cause::IdleExpiredSilently);
    assert_eq!(finding.confidence, Confidence::Likely);
    assert_eq!(finding.detail.as_deref(), Some("untranslated"));
    assert_eq!(finding.harm, Harm::RequestOutcomeUnknown);
    let request = finding.request.as_ref().expect("the request");
    assert_eq!(request.summary.as_deref(), Some("GET /orders"));
    assert!(
        finding.explanation.contains("10.0.7.3:8080")
            && finding.explanation.contains("192.0.2.80:80")
            && finding.explanation.contains("3.500 s"),
        "{}",
        finding.explanation
    );
    assert!((finding.idle.wire_s.expect("idle") - 3.5).abs() < 0.001);
    let headline = headline(&report);
    assert!(headline.contains("192.0.2.80:80"), "{headline}");
}

#[test]
fn an_answer_that_comes_untranslated_at_once_was_taken_for_invalid() {
    #[rustfmt::skip]
    let ladder = Ladder::to(80)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(60, "P.").payload("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
        .client(61, ".")
        .server(62, "P.").payload([b'a'; 1400])   // 6
        .client(62.1, "R")                        // 7
        .server(62.2, "P.").payload([b'b'; 1400]) // 8
        .client(62.3, ".").ack(3_000_000_041)
        .server(102, "R");
    let report = with_untranslated(&ladder, &[6, 7]).report();
    let [stray, reset] = &report.resets[..] else {
        panic!("{} resets", report.resets.len());
    };
    for finding in [stray, reset] {
        assert_eq!(finding.cause, Cause::HalfOpen);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.detail.as_deref(), Some("untranslated"));
    }
    assert_eq!(
        (stray.harm, reset.harm),
        (Harm::None, Harm::ResponseTruncated),
        "one loss, told where the client's program saw it"
    );
    assert!(
        reset.explanation.contains("10.0.7.3:8080"),
        "{}",
        reset.explanation
    );
    let be_liberal = "net.netfilter.nf_conntrack_tcp_be_liberal=1";
    assert!(settings(&report).contains(be_liberal));
    assert_eq!(report.advice.len(), 1);
    let headline = headline(&report);
    assert!(headline.contains("untranslated"), "{headline}");
}

#[test]
fn what_the_client_called_stands_beside_it_and_both_streams_are_found() {
    let trace = with_untranslated(&forgotten_while_answering(), &[8, 9]);
    let report = trace.report();
    let finding = the_reset(&report);
    let called = finding.connection.called.expect("called");
    assert_eq!(called.endpoint.to_string(), "192.0.2.80:80");
    assert_eq!(called.stream, Some(0));
    assert_eq!(
        finding.wireshark_filter,
        "tcp.stream eq 1 || tcp.stream eq 0"
    );
}

/// The close of a server whose connection was forgotten long ago costs nobody anything.
#[test]
fn a_close_that_comes_untranslated_is_harmless() {
    #[rustfmt::skip]
    let ladder = Ladder::to(80)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(60, "P.").payload(OK)
        .client(61, ".")
        .server(6_060, "F.")      // 6
        .client(6_060.1, "R"); // 7
    let report = with_untranslated(&ladder, &[6, 7]).report();
    let finding = the_reset(&report);
    assert_eq!(finding.cause, Cause::IdleExpiredSilently);
    assert_eq!(finding.harm, Harm::None);
    assert!(!finding.harm_unclear);
    assert_eq!(finding.idle.kind, IdleKind::BetweenRequests);
}

/// Another server's packet from the same client's port is no matter of this connection, and neither is one of another client's port.
#[test]
fn numbers_that_do_not_go_on_belong_to_nothing() {
    let called = forgotten_while_answering();
    let published = called.trace().only(|place, _| ![8, 9].contains(&place));
    let backend = |ladder: Ladder| {
        ladder
            .between(IpAddr::from(CLIENT), IpAddr::from(BACKEND))
            .at_port(8080)
            .trace()
            .only(|place, _| [8, 9].contains(&place))
    };
    let others = [
        called.clone().numbered_from(1_000_000, 3_100_000_000),
        called.clone().numbered_from(1_100_000, 3_000_000_000),
        called.clone().from_port(40_002),
    ];
    for other in others {
        let report = published.clone().with(&backend(other)).report();
        let finding = the_reset(&report);
        assert_eq!(finding.detail, None);
        assert_eq!(finding.connection.called, None);
        assert_eq!(
            report.findings().count(),
            2,
            "the wait is a loss of its own"
        );
    }
}

/// What two SYNs of a client drew, and how its host answered that.
#[rustfmt::skip]
fn hairpin() -> Ladder {
    Ladder::to(80)
        .client(0, "S")
        .server(0.3, "S.")                                         // 1
        .client(0.4, "R")                                          // 2
        .client(1_000, "S").seq(1_000_000)
        .server(1_000.3, "S.").seq(3_016_000_000).ack(1_000_001)   // 4
        .client(1_000.4, "R").seq(1_000_001)                       // 5
}

#[test]
fn a_syn_ack_with_another_address_fails_the_connect() {
    let report = with_untranslated(&hairpin(), &[1, 2, 4, 5]).report();
    let finding = the_reset(&report);
    assert_eq!(finding.cause, Cause::HandshakeAborted);
    assert_eq!(finding.detail.as_deref(), Some("untranslated"));
    assert_eq!(finding.harm, Harm::Refused);
    let called = finding.connection.called.expect("called");
    assert_eq!(called.endpoint.to_string(), "192.0.2.80:80");
    assert_eq!(
        headline(&report),
        "1 connection never came to be: 192.0.2.80:80 answered with another address than was called. Nothing else was lost."
    );
    assert!(settings(&report).contains("MASQUERADE"));
    let curl = finding.victim_errors.get("curl").expect("curl's words");
    assert!(curl.contains("28"), "{curl}");
}

/// The same port, another number: it answers a SYN that was not captured.
#[test]
fn a_syn_ack_to_another_syn_is_no_answer_to_this_one() {
    let called = hairpin();
    let backend = called
        .clone()
        .numbered_from(7_000_000, 3_000_000_000)
        .between(IpAddr::from(CLIENT), IpAddr::from(BACKEND))
        .at_port(8080);
    let published = called.trace().only(|place, _| place == 0);
    let stray = backend.trace().only(|place, _| [1, 2].contains(&place));
    let report = published.with(&stray).report();
    let finding = the_reset(&report);
    assert_eq!(finding.detail, None);
    assert_eq!(finding.harm, Harm::None);
}

/// A scanner asks many servers with one port and one number; not everyone answers.
#[test]
fn a_scanned_server_answers_for_itself() {
    let scan = |server: [u8; 4]| {
        let asked = Ladder::to(80).client(0, "S");
        asked.between(IpAddr::from(CLIENT), IpAddr::from(server))
    };
    let answered = scan(BACKEND).server(1, "S.").client(1.1, "R");
    let report = scan([192, 0, 2, 80])
        .trace()
        .with(&answered.trace())
        .report();
    let finding = the_reset(&report);
    assert_eq!(finding.cause, Cause::HandshakeAborted);
    assert_eq!(finding.detail, None);
    assert_eq!(finding.harm, Harm::None);
}
