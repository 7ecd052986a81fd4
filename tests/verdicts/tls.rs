//! TLS handshakes that failed, and ends of which only one speaks TLS.

use whyrst::report::headline::headline;
use whyrst::testing::{Ladder, Trace};

use crate::GET;

/// A TLS record.
pub fn record(kind: u8, length: usize) -> Vec<u8> {
    [&[kind, 3, 3][..], &(length as u16).to_be_bytes(), &vec![0xaa; length]].concat()
}

fn hello(kind: u8, rest: &[u8]) -> Vec<u8> {
    let length = (2 + 32 + rest.len()) as u8;
    [&[22, 3, 3, 0, length + 4, kind, 0, 0, length, 3, 3][..], &[7; 32], rest].concat()
}

pub fn client_hello() -> Vec<u8> {
    hello(1, &[0, 0, 2, 0x13, 1, 1, 0])
}

/// Of TLS 1.2.
pub fn server_hello() -> Vec<u8> {
    hello(2, &[0, 0x13, 1, 0])
}

/// Of TLS 1.3, and what the server sends with it.
fn server_flight() -> Vec<u8> {
    let hello = hello(2, &[0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    [hello, record(20, 1), record(23, 23), record(23, 900), record(23, 280), record(23, 53)].concat()
}

/// The client's part of TLS 1.3: Finished, and before it a certificate that is as long, where it was asked for one.
fn client_flight(certificate: Option<usize>) -> Vec<u8> {
    let certificate = certificate.map(|length| record(23, length));
    [record(20, 1), certificate.unwrap_or_default(), record(23, 53)].concat()
}

/// What says that a client has no certificate.
const NO_CERTIFICATE: usize = 25;

fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}

/// The client has begun a handshake.
fn begun() -> Ladder {
    Ladder::to(443)
        .handshake(0)
        .client(21, "P.").payload(client_hello())
        .server(41, ".")
}

/// The server has asked for a certificate, the client has told of it, and has asked something.
fn asked(certificate: usize) -> Ladder {
    begun()
        .server(45, "P.").payload(server_flight())
        .client(46, "P.").payload(client_flight(Some(certificate)))
        .client(47, "P.").payload(record(23, 104))
        .server(67, ".")
}

/// Asked in clear text, and closed without a word.
fn http_closed() -> Ladder {
    Ladder::to(443)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(45, "F.")
        .client(46, "F.")
        .server(66, ".")
}

/// Between the same two, from another port: a handshake, and one exchange.
fn spoken() -> Ladder {
    Ladder::to(443)
        .from_port(40_002)
        .later_by(1_000)
        .handshake(0)
        .client(21, "P.").payload(client_hello())
        .server(45, "P.").payload(server_flight())
        .client(46, "P.").payload(client_flight(None))
        .client(47, "P.").payload(record(23, 104))
        .server(75, "P.").payload(record(23, 300))
        .client(76, "F.")
        .server(96, "F.")
        .client(96.1, ".")
}

ladders! {
    the_server_serves_no_such_name: "likely hang-up · refused" =>
        begun()
            .server(45, "P.").payload(alert(112))
            .server(45.1, "F.")
            .client(45.2, "F.")
            .server(65, ".");

    the_client_leaves_upon_the_servers_alert: "likely hang-up · refused" =>
        begun()
            .server(45, "P.").payload(alert(70))
            .client(45.1, "F.")
            .server(65, "F.")
            .client(65.1, ".");

    the_client_does_not_trust_the_server: "likely abortive-close · by client · drawn by none · refused" =>
        begun()
            .server(45, "P.").payload(server_flight())
            .client(50, "P.").payload(alert(48))
            .client(51, "R.");

    its_alert_is_encrypted: "likely abortive-close · by client · drawn by none · refused" =>
        begun()
            .server(45, "P.").payload(server_flight())
            .client(50, "P.").payload([record(20, 1), record(23, 19)].concat())
            .client(51, "R.");

    the_alert_crosses_what_the_client_says: "likely hang-up · by server · drawn by data · refused" =>
        begun()
            .server(45, "P.").payload([server_hello(), record(22, 900), record(22, 4)].concat())
            .client(46, "P.").payload([record(22, 70), record(20, 1), record(22, 40)].concat())
            .server(47, "P.").payload(alert(40)).crossing()
            .server(47.1, "F.").crossing()
            .server(66, "R");

    the_answer_to_a_hello_is_clear_text: "likely hang-up · by client · drawn by none · refused" =>
        begun()
            .server(45, "P.").payload("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            .server(45.1, "F.")
            .client(60, "R.");

    the_server_speaks_something_else: "likely hang-up · refused" =>
        begun()
            .server(45, "P.").payload("-ERR unknown command\r\n")
            .client(46, "F.")
            .server(66, "F.")
            .client(66.1, ".");

    http_meets_an_alert: "likely hang-up · refused" =>
        Ladder::to(443)
            .handshake(0)
            .client(21, "P.").payload(GET)
            .server(45, "P.").payload(alert(10))
            .server(45.1, "F.")
            .client(46, "F.")
            .server(66, ".");

    http_meets_a_close: "likely hang-up · request-outcome-unknown" =>
        http_closed();

    the_client_has_no_certificate: "likely hang-up · refused" =>
        asked(NO_CERTIFICATE)
            .server(70, "P.").payload(record(23, 19))
            .server(70.1, "F.")
            .client(71, "F.")
            .server(91, ".");

    its_certificate_is_not_accepted: "possible abortive-close · by server · drawn by none · refused" =>
        asked(1_100)
            .server(70, "R.");

    its_certificate_is_accepted: "nothing" =>
        asked(1_100)
            .server(70, "P.").payload(record(23, 300))
            .server(5_070, "P.").payload(record(23, 19))
            .server(5_070.1, "F.")
            .client(5_070.2, "F.")
            .server(5_091, ".");

    the_server_closes_upon_the_hello: "possible hang-up · refused" =>
        begun()
            .server(45, "F.")
            .client(45.1, "F.")
            .server(65, ".");

    the_server_resets_upon_the_hello: "possible abortive-close · by server · drawn by none · refused" =>
        begun()
            .server(45, "R.");

    nobody_answers_the_hello: "possible response-timeout · by client · drawn by none · refused · awaiting-response" =>
        begun()
            .client(5_021, "R.");

    the_client_leaves_an_unanswered_hello: "possible response-timeout · refused · awaiting-response" =>
        begun()
            .client(5_021, "F.")
            .server(5_041, "F.")
            .client(5_041.1, ".");

    the_client_leaves_and_does_not_say_why: "possible abortive-close · by client · drawn by none · unclear" =>
        begun()
            .server(45, "P.").payload(server_flight())
            .client(46, "R.");

    the_client_only_looks_at_the_certificate: "nothing" =>
        begun()
            .server(45, "P.").payload(server_flight())
            .client(46, "F.")
            .server(66, "F.")
            .client(66.1, ".");

    the_server_waits_for_the_client_in_vain: "possible hang-up · refused · awaiting-response" =>
        begun()
            .server(45, "P.").payload(server_flight())
            .client(45.1, ".")
            .server(60_045, "F.")
            .client(60_046, "F.")
            .server(60_066, ".");

    nothing_is_asked_behind_the_handshake: "nothing" =>
        begun()
            .server(45, "P.").payload(server_flight())
            .client(46, "P.").payload(client_flight(None))
            .client(47, "F.")
            .server(67, "F.")
            .client(67.1, ".");

    nobody_asks_behind_the_certificate: "nothing" =>
        begun()
            .server(45, "P.").payload(server_flight())
            .client(46, "P.").payload(client_flight(Some(1_100)))
            .server(5_066, "P.").payload(record(23, 19))
            .server(5_066.1, "F.")
            .client(5_066.2, "F.")
            .server(5_087, ".");

}

#[test]
fn http_meets_a_close_where_others_speak_tls() {
    let trace = http_closed().trace().with(&spoken().trace());
    assert_eq!(crate::told(&trace.findings()), "likely hang-up · refused");
    assert_eq!(trace.finding().detail.as_deref(), Some("tls-mismatch"));
}

#[test]
fn the_alert_is_named() {
    let finding = begun()
        .server(45, "P.").payload(alert(112))
        .server(45.1, "F.")
        .client(45.2, "F.")
        .server(65, ".")
        .finding();
    assert!(finding.explanation.contains("unrecognized_name (112)"), "{}", finding.explanation);
    assert_eq!(finding.evidence[0].frames.len(), 1);
    assert!(finding.victim_errors.is_empty(), "its library's words are not a socket's");
}

#[test]
fn each_way_to_fail_has_its_headline_and_advice() {
    let said = |trace: &Trace| {
        let report = trace.report();
        let advice = report.advice.first().map_or("", |advice| &*advice.action);
        (headline(&report), advice.to_owned())
    };
    let refused = begun()
        .server(45, "P.").payload(alert(112))
        .server(45.1, "F.")
        .client(45.2, "F.")
        .server(65, ".");
    let (headline, advice) = said(&refused.trace());
    assert!(headline.contains("did not agree on TLS"), "{headline}");
    assert!(advice.starts_with("compare what"), "{advice}");

    let mute = begun().server(41, ".").server(41.1, "R.");
    let (headline, advice) = said(&mute.trace());
    assert!(headline.contains("did not finish the TLS handshake"), "{headline}");
    assert!(advice.starts_with("find out why TLS handshakes"), "{advice}");

    let (headline, advice) = said(&http_closed().trace().with(&spoken().trace()));
    assert!(headline.contains("speaks TLS and its client does not"), "{headline}");
    assert!(advice.starts_with("use the scheme, http or https"), "{advice}");
}
