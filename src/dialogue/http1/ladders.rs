use super::*;
use crate::dialogue::exchange::Completeness::{
    Complete, HeadIncomplete, Incomplete, Unknown, UntilClose,
};
use crate::dialogue::script::Script;
use crate::dialogue::{Dialogue, Exchange, Idempotence, Protocol};
use crate::flow::Peer::{Client, Server};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn http() -> Script {
    Script::to(80)
}

fn only(dialogue: &Dialogue) -> &Exchange {
    assert_eq!(dialogue.recent.len(), 1, "{dialogue:?}");
    &dialogue.recent[0]
}

#[test]
fn a_question_and_its_answer() {
    let dialogue = http()
        .client("GET /a?b=secret HTTP/1.1\r\nHost: x\r\n\r\n")
        .server(OK)
        .dialogue();
    assert_eq!(dialogue.protocol, Protocol::Http1);
    assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
    assert!(!dialogue.incomplete);
    let exchange = only(&dialogue);
    assert_eq!(exchange.what.summary.as_deref(), Some("GET /a"));
    assert_eq!(exchange.what.idempotence, Some(Idempotence::Idempotent));
    assert!(exchange.what.fingerprint_whole);
    assert_eq!(exchange.status, Some(200));
    assert_eq!(exchange.request.complete, Complete);
    assert_eq!(exchange.response.unwrap().complete, Complete);
    assert_eq!(exchange.response.unwrap().end.offset, OK.len() as u64);
}

#[test]
fn a_body_cut_short_says_how_much_is_missing() {
    let dialogue = http()
        .client("POST /orders HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
        .server("HTTP/1.1 413 No\r\nContent-Length: 100\r\n\r\nabc")
        .fin(Server)
        .dialogue();
    let exchange = only(&dialogue);
    assert_eq!(exchange.request.complete, Incomplete);
    assert_eq!(
        exchange.request.expected_end,
        Some(exchange.request.end.offset + 5)
    );
    let response = exchange.response.unwrap();
    assert_eq!(
        (exchange.status, response.complete),
        (Some(413), Incomplete)
    );
    assert_eq!(response.expected_end, Some(response.end.offset + 97));
    assert_eq!(dialogue.answered, 0);
}

#[test]
fn chunks_end_a_body_and_the_next_request_begins() {
    let dialogue = http()
        .client("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab")
        .dialogue();
    let [a, b] = dialogue.recent.as_slice() else {
        panic!("{dialogue:?}")
    };
    assert_eq!(a.request.complete, Complete);
    assert_eq!(a.response.unwrap().complete, Complete);
    assert_eq!(b.request.start.offset, a.request.end.offset);
    assert_eq!(b.response.unwrap().complete, Incomplete);
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
}

#[test]
fn pipelined_requests_wait_in_order() {
    let dialogue = http()
        .client("GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n")
        .server(OK)
        .server("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
    assert_eq!(dialogue.recent[1].what.summary.as_deref(), Some("HEAD /2"));
    assert_eq!(dialogue.recent[1].response.unwrap().complete, Complete);
    assert!(dialogue.recent[2].response.is_none());
}

#[test]
fn a_body_until_close_is_whole_with_the_fin() {
    let open = http()
        .client("GET / HTTP/1.0\r\n\r\n")
        .server("HTTP/1.0 200 OK\r\n\r\nall of")
        .server(" this");
    assert_eq!(
        only(&open.dialogue()).response.unwrap().complete,
        UntilClose
    );
    assert_eq!(open.dialogue().answered, 0);
    assert_eq!(open.dialogue().hints.close_announced, Some(Client));
    let closed = open.fin(Server).dialogue();
    assert_eq!(only(&closed).response.unwrap().complete, Complete);
    assert_eq!(closed.answered, 1);
}

#[test]
fn interim_responses_are_not_the_answer() {
    let script = http()
        .client("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .server("HTTP/1.1 100 Continue\r\n\r\n");
    assert!(only(&script.dialogue()).response.is_none());
    let dialogue = script
        .client("abc")
        .server("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let dialogue = dialogue.dialogue();
    assert_eq!(only(&dialogue).status, Some(201));
    assert_eq!(only(&dialogue).request.complete, Complete);
}

#[test]
fn a_refused_body_may_be_left_out() {
    let dialogue = http()
        .client("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .server("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        .client("GET /b HTTP/1.1\r\n\r\n")
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    assert_eq!(dialogue.recent[0].request.complete, Incomplete);
    assert_eq!(dialogue.recent[1].what.summary.as_deref(), Some("GET /b"));
    assert_eq!(dialogue.recent[1].request.complete, Complete);
}

#[test]
fn a_408_to_an_idle_connection_is_a_farewell() {
    let script = http()
        .client("GET / HTTP/1.1\r\n\r\n")
        .server(OK)
        .server("HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n<html>")
        .fin(Server);
    let dialogue = script.dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
    assert_eq!(dialogue.farewells.len(), 1);
    assert_eq!(
        (
            dialogue.farewells[0].from,
            dialogue.farewells[0].what.as_str()
        ),
        (Server, "408")
    );
    assert_eq!(
        script.activities(),
        [
            Activity::Application,
            Activity::Application,
            Activity::Housekeeping
        ]
    );
}

#[test]
fn a_408_to_half_a_head_is_no_answer() {
    let dialogue = http()
        .client("GET /slow HTTP/1.1\r\nHost: x\r\n")
        .server("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
        .dialogue();
    assert_eq!(only(&dialogue).status, None);
    assert!(only(&dialogue).response.is_none());
    assert_eq!(only(&dialogue).request.complete, HeadIncomplete);
    assert_eq!(only(&dialogue).what.summary.as_deref(), Some("GET /slow"));
    assert_eq!(dialogue.farewells[0].what, "408");
}

#[test]
fn connection_close_is_noted_with_who_said_it() {
    let dialogue = http()
        .client("GET / HTTP/1.1\r\nUser-Agent: undici\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\nServer: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .dialogue();
    assert_eq!(dialogue.hints.close_announced, Some(Server));
    assert_eq!(dialogue.hints.user_agent.as_deref(), Some("undici"));
    assert!(
        dialogue.farewells.is_empty(),
        "a header is no message of its own"
    );
}

#[test]
fn heads_cut_by_the_snap_length_leave_turns() {
    let dialogue = http()
        .client_cut("POST /first HTTP/1.1\r\nHos", 120)
        .server_cut("HTTP/1.1 200 OK\r\nSer", 300)
        .server_cut("<html>", 1000)
        .client_cut("POST /second HTTP/1.1\r\nHo", 120)
        .dialogue();
    assert!(dialogue.incomplete);
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    let [first, second] = dialogue.recent.as_slice() else {
        panic!("{dialogue:?}")
    };
    assert_eq!(first.what.summary.as_deref(), Some("POST /first"));
    assert_eq!((first.request.complete, first.status), (Unknown, Some(200)));
    assert_eq!(first.response.unwrap().end.offset, 20 + 300 + 6 + 1000);
    assert!(second.response.is_none());
    assert!(!second.what.fingerprint_whole);
}

#[test]
fn bytes_that_were_never_captured_at_all_leave_turns() {
    let dialogue = http()
        .client("GET /1 HTTP/1.1\r\n\r\n")
        .server(OK)
        .client_cut("", 150)
        .server_cut("", 450)
        .client_cut("", 150)
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
    assert!(dialogue.recent[2].response.is_none());
}

#[test]
fn a_known_length_survives_missing_bytes() {
    let dialogue = http()
        .client("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        .client_cut("x", 499)
        .gap(Client, 400)
        .client([b'y'; 100])
        .server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n")
        .gap(Server, 0x200)
        .server("\r\n0\r\n\r\n")
        .client("GET /next HTTP/1.1\r\n\r\n")
        .dialogue();
    assert!(dialogue.incomplete);
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    assert_eq!(dialogue.recent[0].request.complete, Complete);
    assert!(!dialogue.recent[0].what.fingerprint_whole);
    assert_eq!(dialogue.recent[0].response.unwrap().complete, Complete);
}

#[test]
fn a_response_lost_by_the_capture_is_not_an_unanswered_request() {
    let dialogue = http()
        .client("GET /1 HTTP/1.1\r\n\r\n")
        .gap(Server, 600)
        .client("GET /2 HTTP/1.1\r\n\r\n")
        .server(OK)
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (2, 2));
    assert_eq!(dialogue.recent[0].response.unwrap().complete, Unknown);
    assert_eq!(dialogue.recent[1].status, Some(200));
}

#[test]
fn responses_alone_still_count() {
    let dialogue = http()
        .server(OK)
        .server("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc")
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    assert_eq!(
        dialogue.recent[1].request.start,
        dialogue.recent[1].request.end
    );
    assert_eq!(dialogue.recent[1].response.unwrap().complete, Incomplete);
    assert_eq!(dialogue.requester, Client);
}

#[test]
fn roles_may_be_the_other_way_round() {
    let dialogue = http()
        .server("GET / HTTP/1.1\r\n\r\n")
        .client(OK)
        .dialogue();
    assert_eq!(dialogue.requester, Server);
    assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
}

#[test]
fn a_capture_that_begins_in_a_body_finds_the_next_head() {
    let dialogue = http()
        .server("rest of some body")
        .client("GET /now HTTP/1.1\r\n\r\n")
        .server(OK);
    let dialogue = dialogue.read(|_| usize::MAX).0;
    assert_eq!(dialogue.protocol, Protocol::Http1);
    assert_eq!(only(&dialogue).what.summary.as_deref(), Some("GET /now"));
}

#[test]
fn what_is_not_http_any_more_is_read_by_turns() {
    let dialogue = http()
        .client("GET / HTTP/1.1\r\n\r\n")
        .server(OK)
        .client("\x01\x02\x03")
        .server("\x04")
        .client("\x05")
        .dialogue();
    assert!(dialogue.incomplete);
    assert_eq!((dialogue.requests, dialogue.answered), (3, 2));
    assert!(dialogue.recent[2].response.is_none());
}

#[test]
fn a_head_without_end_is_given_up() {
    let dialogue = http()
        .client(format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(40_000)))
        .dialogue();
    assert!(dialogue.incomplete);
    assert_eq!(only(&dialogue).what.summary.as_deref(), Some("GET /"));
    assert_eq!(only(&dialogue).request.complete, Unknown);
}

#[test]
fn an_empty_line_is_no_request() {
    let dialogue = http()
        .client("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\r\n")
        .server(OK)
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
}

#[test]
fn a_tunnel_shows_what_runs_in_it() {
    let dialogue = http()
        .client("CONNECT example.org:443 HTTP/1.1\r\n\r\n")
        .server("HTTP/1.1 200 Connection established\r\n\r\n")
        .client("EHLO a\r\n")
        .server("250\r\n")
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    assert_eq!(dialogue.recent[0].what.summary.as_deref(), Some("CONNECT"));
    assert_eq!(dialogue.protocol, Protocol::Opaque);
}
