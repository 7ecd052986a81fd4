use super::*;
use crate::dialogue::script::Script;
use crate::dialogue::{Completeness, Dialogue, Protocol};
use crate::flow::Peer::{Client, Server};

fn tls() -> Script {
    Script::to(443)
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

fn data(len: usize) -> Vec<u8> {
    record(23, &vec![0xaa; len])
}

fn vector(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(body)].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    record(22, &[&[kind][..], &len[1..], body].concat())
}

fn client_hello(sni: &str, alpn: &[&str]) -> Vec<u8> {
    let name = vector(&[&[0][..], &vector(sni.as_bytes())].concat());
    let protocols: Vec<u8> = alpn
        .iter()
        .flat_map(|p| [&[p.len() as u8][..], p.as_bytes()].concat())
        .collect();
    let extensions = [
        extension(0, &name),
        extension(16, &vector(&protocols)),
        extension(43, &[2, 3, 4]),
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &vector(&[0x13, 1]),
        &[1, 0],
        &vector(&extensions),
    ]
    .concat();
    handshake(1, &body)
}

fn server_hello(version: u8, cipher: [u8; 2]) -> Vec<u8> {
    let extensions = match version {
        4 => extension(43, &[3, 4]),
        _ => extension(16, &vector(b"\x08http/1.1")),
    };
    let body = [
        &[3, 3][..],
        &[8; 32],
        &[0],
        &cipher,
        &[0],
        &vector(&extensions),
    ]
    .concat();
    handshake(2, &body)
}

fn ccs() -> Vec<u8> {
    record(20, &[1])
}

/// A TLS 1.3 handshake as OpenSSL does it.
fn handshake13() -> Script {
    tls()
        .client(client_hello("a.example", &["http/1.1"]))
        .server(
            [
                server_hello(4, [0x13, 2]),
                ccs(),
                data(23),
                data(447),
                data(97),
                data(69),
            ]
            .concat(),
        )
        .client([ccs(), data(69)].concat())
}

fn handshake12() -> Script {
    tls()
        .client(client_hello("a.example", &["h2", "http/1.1"]))
        .server([server_hello(3, [0xc0, 0x2f]), handshake(11, &[0; 400])].concat())
        .client([handshake(16, &[0; 33]), ccs(), record(22, &[0; 40])].concat())
        .server([handshake(4, &[0; 182]), ccs(), record(22, &[0; 40])].concat())
}

fn unanswered(dialogue: &Dialogue) -> usize {
    dialogue
        .recent
        .iter()
        .filter(|e| e.response.is_none())
        .count()
}

#[test]
fn the_hellos_name_server_protocols_and_version() {
    let facts = handshake13().dialogue().tls.unwrap();
    assert_eq!(facts.sni.as_deref(), Some("a.example"));
    assert_eq!(facts.alpn, ["http/1.1"]);
    assert_eq!(facts.version.as_deref(), Some("1.3"));
    assert!(!facts.hello_unanswered);
    let facts = handshake12().dialogue().tls.unwrap();
    assert_eq!(facts.version.as_deref(), Some("1.2"));
    assert_eq!(facts.alpn, ["http/1.1"], "what the server chose");
    assert!(facts.handshake_done);
}

#[test]
fn a_hello_without_answer_is_named_even_when_it_is_not_whole() {
    let hello = client_hello("blocked.example", &["h2"]);
    let dialogue = tls().client(&hello).dialogue();
    assert_eq!(dialogue.protocol, Protocol::Tls);
    assert_eq!(dialogue.requests, 0);
    assert!(dialogue.tls.unwrap().hello_unanswered);
    let half = tls()
        .client(&hello[..hello.len() - 12])
        .dialogue()
        .tls
        .unwrap();
    assert_eq!(half.sni.as_deref(), Some("blocked.example"));
    let cut = tls()
        .client_cut(&hello[..hello.len() - 12], 12)
        .dialogue()
        .tls
        .unwrap();
    assert_eq!(cut.sni.as_deref(), Some("blocked.example"));
}

#[test]
fn turns_of_application_data_are_exchanges_in_tls_1_3() {
    let dialogue = handshake13()
        .client(data(190))
        .server([data(282), data(282), data(250)].concat())
        .client(data(190))
        .server(data(250))
        .client(data(190))
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
    assert_eq!(unanswered(&dialogue), 1);
    let [first, second, third] = dialogue.recent.as_slice() else {
        panic!("{dialogue:?}")
    };
    assert_eq!(first.what.fingerprint, second.what.fingerprint);
    assert_eq!(first.what.bytes, 195);
    assert!(!first.what.fingerprint_whole);
    let response = first.response.unwrap();
    assert_eq!(
        response.end.offset - response.start.offset,
        255,
        "tickets are no response"
    );
    assert_eq!(third.request.complete, Completeness::Unknown);
    assert_eq!(third.request.end.offset - third.request.start.offset, 195);
}

#[test]
fn tickets_are_housekeeping_and_answer_nothing() {
    let before = handshake13().server(data(266)).server(data(266));
    assert_eq!(before.activities()[3..], [Activity::Housekeeping; 2]);
    let dialogue = before.client(data(190)).dialogue();
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (1, 1));
    let after = handshake13()
        .client(data(190))
        .server(data(266))
        .server(data(266));
    assert_eq!(unanswered(&after.dialogue()), 1);
    let answered = after.server(data(167)).dialogue();
    assert_eq!(unanswered(&answered), 0);
}

#[test]
fn responses_of_one_size_are_not_tickets() {
    let dialogue = handshake13()
        .client(data(190))
        .server(data(250))
        .client(data(190))
        .server(data(250))
        .dialogue();
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (2, 0));
}

#[test]
fn a_record_of_an_alerts_size_is_close_notify_while_nothing_follows() {
    let script = handshake13()
        .client(data(190))
        .server(data(250))
        .server(data(19));
    assert_eq!(script.activities().last(), Some(&Activity::Housekeeping));
    let dialogue = script.dialogue();
    let mark = dialogue.tls.unwrap().close_notify[1].unwrap();
    assert_eq!(mark.frame.number.0, 6);
    assert_eq!(dialogue.farewells[0].what, "close_notify");
    let more = script.server(data(100)).dialogue();
    assert_eq!(more.tls.unwrap().close_notify, [None, None]);
    assert!(more.farewells.is_empty());
}

#[test]
fn an_alert_of_tls_1_2_is_close_notify_and_no_request() {
    let dialogue = handshake12()
        .client(data(181))
        .server(data(2006))
        .client(record(21, &[0; 26]))
        .server(record(21, &[0; 26]))
        .dialogue();
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (1, 0));
    let facts = dialogue.tls.unwrap();
    assert!(facts.close_notify.iter().all(Option::is_some));
    assert_eq!(dialogue.farewells.len(), 2);
}

#[test]
fn a_fatal_alert_is_read_where_it_is_in_clear_text() {
    let dialogue = tls()
        .client(client_hello("a", &["h2"]))
        .server(record(21, &[2, 112]))
        .dialogue();
    let alert = dialogue.tls.unwrap().fatal_alert.unwrap();
    assert_eq!((alert.from, alert.description), (Server, Some(112)));
    let dialogue = tls()
        .client(client_hello("a", &["h2"]))
        .server([server_hello(4, [0x13, 1]), ccs(), data(23), data(900)].concat())
        .client([ccs(), data(19)].concat())
        .dialogue();
    let alert = dialogue.tls.unwrap().fatal_alert.unwrap();
    assert_eq!((alert.from, alert.description), (Client, None));
    assert_eq!(alert.at.offset, 84);
    assert_eq!(dialogue.requests, 0);
}

#[test]
fn the_first_alert_counts() {
    let dialogue = tls()
        .client(client_hello("a", &["h2"]))
        .server(record(21, &[2, 112]))
        .client(record(21, &[2, 10]))
        .dialogue();
    let alert = dialogue.tls.unwrap().fatal_alert.unwrap();
    assert_eq!((alert.from, alert.description), (Server, Some(112)));
}

#[test]
fn a_hello_that_is_answered_in_clear_text() {
    let begun = || tls().client(client_hello("a", &[]));
    let answered = |script: Script| script.dialogue().tls.unwrap().answered_in_clear;
    let refused = begun().server(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(answered(refused).unwrap().offset, 0);
    let agreed = begun().server(server_hello(4, [0x13, 1]));
    // Records that are lost later are no answer in clear text.
    let lost = agreed.clone().server(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!((answered(agreed), answered(lost)), (None, None));
}

#[test]
fn a_client_that_was_asked_for_a_certificate() {
    let asked = |flight: &[Vec<u8>]| {
        let script = tls()
            .client(client_hello("a", &[]))
            .server([server_hello(4, [0x13, 1]), ccs(), data(23), data(900)].concat())
            .client(flight.concat())
            .client(data(200));
        script.dialogue().tls.unwrap().client_certificate
    };
    assert!(asked(&[ccs(), data(25), data(53)]));
    assert!(asked(&[ccs(), data(1_200), data(280), data(53)]));
    assert!(!asked(&[ccs(), data(53)]));
}

#[test]
fn a_record_cut_short_says_where_it_would_end() {
    let request = data(500);
    let dialogue = handshake12().client(&request[..300]).dialogue();
    let message = dialogue.recent[0].request;
    assert_eq!(message.complete, Completeness::Incomplete);
    assert_eq!(message.expected_end, Some(message.start.offset + 505));
    assert_eq!(message.end.offset, message.start.offset + 300);
}

#[test]
fn http2_housekeeping_is_known_by_its_size() {
    let dialogue = tls()
        .client(client_hello("a", &["h2"]))
        .server([server_hello(4, [0x13, 1]), ccs(), data(23), data(900)].concat())
        .client([ccs(), data(53), data(200)].concat())
        .server(data(300))
        .client(data(9 + 17))
        .client(data(13 + 17))
        .dialogue();
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (1, 0));
}

#[test]
fn a_client_certificate_is_no_request() {
    let dialogue = tls()
        .client(client_hello("a", &["http/1.1"]))
        .server([server_hello(4, [0x13, 1]), ccs(), data(23), data(900)].concat())
        .client([ccs(), data(1200), data(281), data(53)].concat())
        .client(data(300))
        .dialogue();
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (1, 1));
}

#[test]
fn a_capture_that_begins_late_has_turns_all_the_same() {
    let dialogue = tls()
        .client(data(190))
        .server(data(250))
        .client(data(190))
        .client(data(19))
        .dialogue();
    assert_eq!(dialogue.protocol, Protocol::Tls);
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (2, 1));
    assert!(dialogue.tls.unwrap().close_notify[0].is_some());
}

#[test]
fn sizes_survive_cut_bytes() {
    let request = data(500);
    let dialogue = handshake12()
        .client_cut(&request[..30], 475)
        .server_cut(&data(900)[..30], 875)
        .client_cut(&request[..30], 475)
        .dialogue();
    assert!(dialogue.incomplete);
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (2, 1));
    assert_eq!(dialogue.recent[0].what.bytes, 505);
    assert_eq!(dialogue.recent[1].request.complete, Completeness::Unknown);
    assert_eq!(dialogue.recent[1].request.expected_end, None);
}

#[test]
fn a_gap_is_passed_and_the_next_record_found() {
    let dialogue = handshake12()
        .client(data(100))
        .gap(Server, 700)
        .server(data(50))
        .client(data(100))
        .dialogue();
    assert_eq!((dialogue.requests, unanswered(&dialogue)), (2, 1));
    let response = dialogue.recent[0].response.unwrap();
    assert_eq!(response.end.offset - response.start.offset, 755);
}
