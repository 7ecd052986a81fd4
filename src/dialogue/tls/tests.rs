use crate::dialogue::script::Script;
use crate::dialogue::{Completeness, Protocol};
use crate::flow::Activity::Housekeeping;
use crate::flow::Peer::{Client, Server};

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, 3, 3];
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn data(length: usize) -> Vec<u8> {
    record(23, &vec![0xaa; length])
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [
        &kind.to_be_bytes()[..],
        &(body.len() as u16).to_be_bytes(),
        body,
    ]
    .concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    record(22, &[&[kind][..], &length[1..], body].concat())
}

fn client_hello() -> Vec<u8> {
    let name = extension(0, &[&[0, 12, 0, 0, 9][..], b"api.local"].concat());
    let alpn = extension(16, &[&[0, 12, 2][..], b"h2", &[8], b"http/1.1"].concat());
    let extensions = [name, alpn].concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &[0, 2, 0x13, 1],
        &[1, 0],
        &(extensions.len() as u16).to_be_bytes(),
        &extensions,
    ]
    .concat();
    handshake(1, &body)
}

fn server_hello(version: Option<[u8; 2]>) -> Vec<u8> {
    let extensions = version.map_or(Vec::new(), |version| extension(43, &version));
    let body = [
        &[3, 3][..],
        &[8; 32],
        &[0],
        &[0x13, 1, 0],
        &(extensions.len() as u16).to_be_bytes(),
        &extensions,
    ]
    .concat();
    handshake(2, &body)
}

fn opened_13() -> Script {
    Script::to(443)
        .client(client_hello())
        .server([server_hello(Some([3, 4])), record(20, &[1]), data(900)].concat())
        .client([record(20, &[1]), data(53)].concat())
}

#[test]
fn names_and_versions_come_from_the_hellos() {
    let dialogue = opened_13().dialogue();
    assert_eq!(dialogue.protocol, Protocol::Tls);
    let tls = dialogue.tls.unwrap();
    assert_eq!(tls.sni.as_deref(), Some("api.local"));
    assert_eq!(tls.alpn, ["h2", "http/1.1"]);
    assert_eq!(tls.version.as_deref(), Some("1.3"));
    assert!(!tls.hello_unanswered && tls.handshake_done && !tls.client_certificate);
    assert_eq!(dialogue.requests, 0);
}

#[test]
fn turns_of_application_data_are_exchanges() {
    let dialogue = opened_13()
        .client(data(200))
        .server(data(500))
        .client(data(200))
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    assert!(dialogue.recent[1].response.is_none());
    assert_eq!(
        dialogue.recent[0].what.fingerprint,
        dialogue.recent[1].what.fingerprint
    );
    assert!(dialogue.tls.unwrap().handshake_done);
}

#[test]
fn tickets_answer_nothing() {
    let early = opened_13()
        .server([data(234), data(234)].concat())
        .client(data(200))
        .dialogue();
    assert!(early.recent[0].response.is_none());
    let late = opened_13()
        .client(data(200))
        .server(data(234))
        .server(data(234))
        .dialogue();
    assert!(late.recent[0].response.is_none());
    let answered = opened_13()
        .client(data(200))
        .server(data(234))
        .server(data(234))
        .server(data(300))
        .dialogue();
    assert!(answered.recent[0].response.is_some());
    assert_eq!(
        *opened_13().server(data(234)).activities().last().unwrap(),
        Housekeeping
    );
}

#[test]
fn answers_of_one_size_to_two_requests_are_no_tickets() {
    let dialogue = opened_13()
        .client(data(200))
        .server(data(234))
        .client(data(200))
        .server(data(234))
        .dialogue();
    assert_eq!(dialogue.requests, 2);
    assert!(
        dialogue
            .recent
            .iter()
            .all(|exchange| exchange.response.is_some())
    );
}

#[test]
fn close_notify_is_housekeeping_in_both_versions() {
    let new = opened_13()
        .client(data(200))
        .server(data(500))
        .server(data(19));
    assert_eq!(*new.activities().last().unwrap(), Housekeeping);
    assert_eq!(new.dialogue().farewells[0].from, Server);
    let old = Script::to(443)
        .client(client_hello())
        .server(server_hello(None))
        .client([record(20, &[1]), record(22, &[9; 40])].concat())
        .client(data(100))
        .server(data(300))
        .client(record(21, &[5; 26]));
    assert_eq!(*old.activities().last().unwrap(), Housekeeping);
    let dialogue = old.dialogue();
    assert_eq!(dialogue.farewells[0].from, Client);
    assert_eq!(dialogue.requests, 1);
}

#[test]
fn a_short_message_in_the_middle_was_no_goodbye() {
    let dialogue = opened_13()
        .client(data(200))
        .server(data(19))
        .server(data(400))
        .dialogue();
    assert!(dialogue.farewells.is_empty());
    assert!(dialogue.tls.unwrap().close_notify[1].is_none());
}

#[test]
fn a_record_that_lacks_bytes_is_a_response_cut_short() {
    let dialogue = opened_13()
        .client(data(200))
        .server(&data(500)[..300])
        .dialogue();
    let response = dialogue.recent[0].response.unwrap();
    assert_eq!(response.complete, Completeness::Incomplete);
    assert_eq!(response.expected_end.unwrap() - response.end.offset, 205);
}

#[test]
fn an_unanswered_hello_and_a_fatal_alert() {
    let dialogue = Script::to(443).client(client_hello()).dialogue();
    assert!(dialogue.tls.unwrap().hello_unanswered);
    let alert = Script::to(443)
        .client(client_hello())
        .server(record(21, &[2, 40]))
        .dialogue();
    let alert = alert.tls.unwrap().fatal_alert.unwrap();
    assert_eq!((alert.from, alert.description), (Server, Some(40)));
}

#[test]
fn a_capture_that_begins_late_and_cut_records() {
    let dialogue = Script::to(443)
        .client_cut(&data(700)[..96], 609)
        .server_cut(&data(1400)[..96], 1309)
        .client_cut(&data(700)[..96], 609)
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    assert_eq!(dialogue.recent[1].request.complete, Completeness::Unknown);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, cut in 0u32..3000) {
        let mut start = client_hello();
        start.extend(&bytes);
        Script::to(443).client_cut(start, cut).server(bytes.clone()).gap(Server, 9).client(bytes).read(|n| n % 7 + 1);
    }
}

/// A message that began in one direction does not end in the other.
#[test]
fn a_late_hello_of_the_other_side_turns_the_roles_round() {
    let hello = client_hello();
    let unread = vec![0x94; 200];
    let begun = [record(20, &[1]), data(23), data(447)].concat();
    let dialogue = Script::to(443)
        .client(&hello[..11])
        .client_cut(&unread, 4_000)
        .gap(Client, 6_000)
        .client(&begun[..99])
        .server(&unread)
        .server(&hello[..15])
        .gap(Server, 1_900)
        .server(unread)
        .dialogue();
    assert_eq!(dialogue.requester, Server);
    for exchange in &dialogue.recent {
        for message in [Some(exchange.request), exchange.response]
            .into_iter()
            .flatten()
        {
            assert!(message.start.offset <= message.end.offset);
            assert!(
                message
                    .expected_end
                    .is_none_or(|end| end >= message.end.offset)
            );
        }
    }
}
