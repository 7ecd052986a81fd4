use std::net::SocketAddr;

use super::*;
use crate::capture::FrameId;
use crate::dialogue::{Completeness, Exchange, Message, Request, Turn};
use crate::flow::Mark;
use crate::report::sample::keepalive_race;

const CLIENT: &str = "192.0.2.7:40000";
const FRONT: &str = "10.0.0.1:8080";
const INSIDE: &str = "10.0.0.1:50000";
const OTHER_SIDE: &str = "10.9.0.1:50000";
const BACK: &str = "10.0.0.2:3000";

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_parts(1_000, 0) + Interval::from_secs_f64(seconds)
}

fn mark(seconds: f64, offset: u64) -> Mark {
    Mark {
        time: at(seconds),
        frame: FrameId::default(),
        offset,
    }
}

fn message(from: f64, to: f64, complete: Completeness) -> Message {
    Message {
        start: mark(from, 0),
        end: mark(to, 100),
        complete,
        expected_end: None,
    }
}

/// `GET /stock` sent at `asked`; what came back, and when.
fn exchange(asked: f64, answered: Option<(u16, f64)>) -> Exchange {
    Exchange {
        request: message(asked, asked, Completeness::Complete),
        what: Request {
            summary: Some("GET /stock".into()),
            ..Request::default()
        },
        response: answered.map(|(_, when)| message(when, when, Completeness::Complete)),
        status: answered.map(|(status, _)| status),
        ..Exchange::default()
    }
}

fn story(
    stream: u32,
    client: &str,
    server: &str,
    exchanges: Vec<Exchange>,
) -> ConnectionStory<'static> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    ConnectionStory {
        capture: 0,
        stream,
        elsewhere: Vec::new(),
        client: address(client),
        server: address(server),
        opened: at(-100.0),
        last: at(100.0),
        requester: Peer::Client,
        turns: exchanges.iter().map(Turn::from).collect(),
    }
}

/// A RST by the server that cost the request of `stream`.
fn lost(id: &str, stream: u32, when: f64) -> Finding {
    let mut finding = keepalive_race();
    finding.id = id.to_owned();
    finding.at = at(when);
    finding.capture = 0;
    finding.connection.stream = stream;
    finding.fins = crate::report::Fins::default();
    finding.harm = Harm::RequestLost;
    finding
}

fn hops(mut findings: Vec<Finding>, stories: &[ConnectionStory]) -> Vec<Option<Hop>> {
    let mut all: Vec<&mut Finding> = findings.iter_mut().collect();
    let lost = Lost::all(&all, stories);
    let routes = stories.iter().map(Teller::ends);
    find_hops(&mut all, &lost, stories, routes);
    findings.into_iter().map(|finding| finding.hop).collect()
}

fn told(hop: Option<&Hop>) -> Option<(&str, u32, &str)> {
    hop.map(|hop| (hop.side.as_str(), hop.stream, hop.outcome.as_str()))
}

#[test]
fn a_502_in_front_follows_a_reset_behind() {
    let stories = [
        story(1, CLIENT, FRONT, vec![exchange(5.0, Some((502, 5.031)))]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
    ];
    let found = hops(vec![lost("r1", 2, 5.03)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "502")));
    let tied_by = &found[0].as_ref().unwrap().tied_by;
    assert!(tied_by.contains("its 502 came"), "{tied_by}");
}

#[test]
fn a_502_long_after_has_another_reason() {
    let stories = [
        story(1, CLIENT, FRONT, vec![exchange(5.0, Some((502, 9.0)))]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
    ];
    assert_eq!(hops(vec![lost("r1", 2, 5.03)], &stories), [None]);
}

#[test]
fn a_reset_in_front_and_one_behind_name_each_other() {
    let stories = [
        story(1, CLIENT, FRONT, vec![exchange(5.0, None)]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
    ];
    let found = hops(vec![lost("r1", 2, 5.03), lost("r2", 1, 5.04)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "reset")));
    assert_eq!(told(found[1].as_ref()), Some(("front", 2, "reset")));
    let named: Vec<_> = found
        .iter()
        .map(|hop| hop.as_ref().unwrap().finding.as_deref())
        .collect();
    assert_eq!(named, [Some("r2"), Some("r1")]);
}

#[test]
fn a_client_that_resets_in_front_is_not_behinds_doing() {
    let stories = [
        story(1, CLIENT, FRONT, vec![exchange(5.0, None)]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
    ];
    let mut gave_up = lost("r2", 1, 5.029);
    gave_up.sender = Some(ResetSender::Client);
    assert_eq!(
        hops(vec![lost("r1", 2, 5.03), gave_up], &stories),
        [None, None]
    );
}

#[test]
fn a_hidden_retry_is_told_from_a_failure() {
    let stories = [
        story(1, CLIENT, FRONT, vec![exchange(5.0, Some((200, 5.2)))]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
        story(
            3,
            "10.0.0.1:50001",
            BACK,
            vec![exchange(5.04, Some((200, 5.199)))],
        ),
    ];
    let found = hops(vec![lost("r1", 2, 5.03)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "retried")));
}

#[test]
fn of_requests_alike_and_at_once_the_one_that_failed_is_tied() {
    let stories = [
        story(1, CLIENT, FRONT, vec![exchange(5.0, Some((200, 5.02)))]),
        story(
            2,
            "192.0.2.8:1",
            FRONT,
            vec![exchange(5.0002, Some((502, 5.031)))],
        ),
        story(
            3,
            "192.0.2.9:1",
            FRONT,
            vec![exchange(5.0004, Some((200, 5.04)))],
        ),
        story(4, INSIDE, BACK, vec![exchange(5.0006, Some((200, 5.019)))]),
        story(5, "10.0.0.1:50001", BACK, vec![exchange(5.0007, None)]),
        story(
            6,
            "10.0.0.1:50002",
            BACK,
            vec![exchange(5.0008, Some((200, 5.039)))],
        ),
    ];
    let found = hops(vec![lost("r1", 5, 5.03)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 2, "502")));
}

#[test]
fn requests_that_fail_alike_are_taken_in_order_and_none_twice() {
    let stories = [
        story(1, CLIENT, FRONT, vec![exchange(5.0, Some((502, 5.0311)))]),
        story(
            2,
            "192.0.2.8:1",
            FRONT,
            vec![exchange(5.0002, Some((502, 5.0312)))],
        ),
        story(3, INSIDE, BACK, vec![exchange(5.0003, None)]),
        story(4, "10.0.0.1:50001", BACK, vec![exchange(5.0004, None)]),
        story(5, "10.0.0.1:50002", BACK, vec![exchange(5.0005, None)]),
    ];
    let findings = vec![
        lost("r1", 3, 5.03),
        lost("r2", 4, 5.0301),
        lost("r3", 5, 5.0302),
    ];
    let found = hops(findings, &stories);
    let told: Vec<_> = found.iter().map(|hop| told(hop.as_ref())).collect();
    assert_eq!(
        told,
        [Some(("back", 1, "502")), Some(("back", 2, "502")), None]
    );
}

#[test]
fn hosts_that_fail_at_once_but_never_passed_anything_on_are_not_one() {
    let quiet = |start: f64| exchange(start, Some((200, start + 0.01)));
    let stories = [
        story(
            1,
            CLIENT,
            FRONT,
            vec![quiet(1.0), quiet(3.0), exchange(5.0, Some((502, 5.031)))],
        ),
        story(
            2,
            OTHER_SIDE,
            BACK,
            vec![quiet(1.7), quiet(2.4), exchange(5.001, None)],
        ),
    ];
    assert_eq!(hops(vec![lost("r1", 2, 5.03)], &stories), [None]);
}

#[test]
fn a_host_with_two_addresses_is_known_by_its_habit() {
    let in_front = |start: f64| exchange(start, Some((200, start + 0.012)));
    let behind = |start: f64| exchange(start + 0.0005, Some((200, start + 0.0115)));
    let stories = [
        story(
            1,
            CLIENT,
            FRONT,
            vec![
                in_front(1.0),
                in_front(3.0),
                exchange(5.0, Some((504, 5.031))),
            ],
        ),
        story(
            2,
            OTHER_SIDE,
            BACK,
            vec![behind(1.0), behind(3.0), exchange(5.001, None)],
        ),
    ];
    let found = hops(vec![lost("r1", 2, 5.03)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "504")));
    assert!(found[0].as_ref().unwrap().tied_by.contains("3 of 3"));
}

#[test]
fn one_client_of_two_servers_is_no_proxy() {
    let quiet = |start: f64| exchange(start, Some((200, start + 0.01)));
    let stories = [
        story(
            1,
            CLIENT,
            FRONT,
            vec![quiet(1.0), quiet(3.0), exchange(5.0, Some((502, 5.031)))],
        ),
        story(
            2,
            "192.0.2.7:40001",
            BACK,
            vec![quiet(1.001), quiet(3.001), exchange(5.001, None)],
        ),
    ];
    assert_eq!(hops(vec![lost("r1", 2, 5.03)], &stories), [None]);
}

#[test]
fn a_sidecar_asks_with_the_address_of_its_own_client() {
    let pod = "192.0.2.7:40001";
    let behind = || story(2, pod, BACK, vec![exchange(5.001, None)]);
    let failed = || vec![exchange(5.0, Some((502, 5.031)))];
    let sidecar = story(1, CLIENT, "127.0.0.1:15001", failed());
    let found = hops(vec![lost("r1", 2, 5.03)], &[sidecar, behind()]);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "502")));
    let tied_by = &found[0].as_ref().unwrap().tied_by;
    assert!(tied_by.contains("loopback interface"), "{tied_by}");
    // The loopback interface of another host is another one.
    let elsewhere = story(1, "192.0.2.8:40000", "127.0.0.1:15001", failed());
    assert_eq!(
        hops(vec![lost("r1", 2, 5.03)], &[elsewhere, behind()]),
        [None]
    );
    // Where all is on the loopback interface, two servers that one client calls are no proxy for that.
    let (client, one, other) = ("127.0.0.1:40000", "127.0.1.1:8080", "127.0.1.2:8080");
    let stories = [
        story(1, client, one, failed()),
        story(2, client, other, vec![exchange(5.001, None)]),
    ];
    assert_eq!(hops(vec![lost("r1", 2, 5.03)], &stories), [None]);
}

/// An exchange under TLS: neither words nor a fingerprint.
fn veiled(asked: f64, answered: Option<f64>) -> Exchange {
    Exchange {
        what: Request::default(),
        status: None,
        ..exchange(asked, answered.map(|when| (200, when)))
    }
}

const SECOND: &str = "192.0.2.8:40000";

#[test]
fn the_only_request_under_tls_is_tied_by_time() {
    let stories = [
        story(
            1,
            CLIENT,
            FRONT,
            vec![veiled(1.0, Some(1.1)), veiled(5.0, Some(5.031))],
        ),
        story(
            2,
            INSIDE,
            BACK,
            vec![exchange(1.001, Some((200, 1.09))), exchange(5.001, None)],
        ),
    ];
    let found = hops(vec![lost("r1", 2, 5.03)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "answered")));
    let tied_by = &found[0].as_ref().unwrap().tied_by;
    assert!(tied_by.starts_with("likely, by time alone"), "{tied_by}");
}

#[test]
fn a_reset_under_tls_and_one_behind_name_each_other() {
    let stories = [
        story(1, CLIENT, FRONT, vec![veiled(5.0, None)]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
    ];
    let found = hops(vec![lost("r1", 2, 5.03), lost("r2", 1, 5.04)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "reset")));
    assert_eq!(told(found[1].as_ref()), Some(("front", 2, "reset")));
}

#[test]
fn the_same_request_again_explains_an_answer_under_tls() {
    let again = vec![exchange(5.04, Some((200, 5.199)))];
    let stories = [
        story(1, CLIENT, FRONT, vec![veiled(5.0, Some(5.2))]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
        story(3, "10.0.0.1:50001", BACK, again),
    ];
    let found = hops(vec![lost("r1", 2, 5.03)], &stories);
    assert_eq!(told(found[0].as_ref()), Some(("back", 1, "retried")));
}

#[test]
fn of_two_requests_under_tls_none_is_tied() {
    let stories = [
        story(1, CLIENT, FRONT, vec![veiled(5.0, Some(5.031))]),
        story(2, SECOND, FRONT, vec![veiled(4.2, Some(5.5))]),
        story(3, INSIDE, BACK, vec![exchange(5.001, None)]),
    ];
    assert_eq!(hops(vec![lost("r1", 3, 5.03)], &stories), [None]);
}

#[test]
fn of_two_requests_behind_none_is_tied() {
    let other = vec![Exchange {
        what: Request {
            summary: Some("GET /price".into()),
            ..Request::default()
        },
        ..exchange(5.002, Some((200, 5.02)))
    }];
    let stories = [
        story(1, CLIENT, FRONT, vec![veiled(5.0, Some(5.031))]),
        story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
        story(3, "10.0.0.1:50001", BACK, other),
    ];
    assert_eq!(hops(vec![lost("r1", 2, 5.03)], &stories), [None]);
}

#[test]
fn an_answer_under_tls_before_the_failure_or_long_after_follows_from_something_else() {
    for answered in [5.01, 9.0] {
        let stories = [
            story(1, CLIENT, FRONT, vec![veiled(5.0, Some(answered))]),
            story(2, INSIDE, BACK, vec![exchange(5.001, None)]),
        ];
        assert_eq!(hops(vec![lost("r1", 2, 5.03)], &stories), [None]);
    }
}

#[test]
fn another_hosts_request_under_tls_is_not_tied_by_time() {
    let stories = [
        story(1, CLIENT, FRONT, vec![veiled(5.0, Some(5.031))]),
        story(2, OTHER_SIDE, BACK, vec![exchange(5.001, None)]),
    ];
    assert_eq!(hops(vec![lost("r1", 2, 5.03)], &stories), [None]);
}

/// A connection remembers its newest exchanges: what a busy one did earlier may have been the reason.
#[test]
fn where_exchanges_are_forgotten_nothing_is_tied_by_time() {
    let later = |n: u32| veiled(20.0 + f64::from(n), Some(20.5 + f64::from(n)));
    let stories = |kept: u32| {
        [
            story(1, CLIENT, FRONT, vec![veiled(5.0, Some(5.031))]),
            story(2, SECOND, FRONT, (0..kept).map(later).collect()),
            story(3, INSIDE, BACK, vec![exchange(5.001, None)]),
        ]
    };
    let tied = |kept| hops(vec![lost("r1", 3, 5.03)], &stories(kept))[0].is_some();
    assert_eq!((tied(31), tied(32)), (true, false));
}
