use proptest::sample::Index;
use proptest::strategy::Strategy;

use super::{head, samples};
use crate::dialogue::script::Script;
use crate::dialogue::{Completeness, Dialogue, Idempotence, Protocol};
use crate::flow::Peer::{Client, Server};

const GET: &str = "GET /a?secret=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: undici/6 (x)\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.2\r\nKeep-Alive: timeout=5, max=100\r\nContent-Length: 3\r\n\r\nabc";

fn talk() -> Script {
    Script::to(80)
}

#[test]
fn a_request_and_its_response_without_the_query() {
    let dialogue = talk().client(GET).server(OK).dialogue();
    assert_eq!(dialogue.protocol, Protocol::Http1);
    let exchange = &dialogue.recent[0];
    assert_eq!(exchange.what.summary.as_deref(), Some("GET /a"));
    assert_eq!(exchange.what.idempotence, Some(Idempotence::Idempotent));
    assert_eq!(exchange.request.complete, Completeness::Complete);
    assert_eq!(exchange.response.unwrap().complete, Completeness::Complete);
    assert_eq!(exchange.status, Some(200));
    assert_eq!(dialogue.hints.server.as_deref(), Some("nginx/1.2"));
    assert_eq!(dialogue.hints.keep_alive_timeout_s, Some(5));
    assert_eq!(dialogue.hints.keep_alive_max, Some(100));
    assert_eq!(dialogue.hints.user_agent.as_deref(), Some("undici"));
    assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let dialogue = talk()
        .client([GET, GET, GET].concat())
        .server(OK)
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (3, 1));
    assert!(dialogue.recent[0].response.is_some());
    assert!(dialogue.recent[1].response.is_none() && dialogue.recent[2].response.is_none());
    assert_eq!(dialogue.recent[1].request.start.offset, GET.len() as u64);
}

fn response_to(request: &str, response: &str) -> Dialogue {
    talk().client(request).server(response).dialogue()
}

#[test]
fn framing_tells_where_a_response_ends() {
    use Completeness::{Complete, HeadIncomplete, Incomplete, UntilClose};
    let head = "HEAD / HTTP/1.1\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (request, response, complete) in [
        (GET, OK.to_owned(), Complete),
        (GET, OK[..OK.len() - 1].to_owned(), Incomplete),
        (GET, OK[..20].to_owned(), HeadIncomplete),
        (
            head,
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_owned(),
            Complete,
        ),
        (
            GET,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n".to_owned(),
            Complete,
        ),
        (GET, format!("{chunked}3\r\nabc\r\n0\r\n\r\n"), Complete),
        (
            GET,
            format!("{chunked}a;x=1\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"),
            Complete,
        ),
        (GET, format!("{chunked}3\r\nabc\r\n0\r\n"), Incomplete),
        (GET, format!("{chunked}3\r\nabc\r\n"), Incomplete),
        (GET, "HTTP/1.0 200 OK\r\n\r\nabc".to_owned(), UntilClose),
    ] {
        let dialogue = response_to(request, &response);
        assert_eq!(
            dialogue.recent[0].response.unwrap().complete,
            complete,
            "{response}"
        );
    }
}

#[test]
fn the_end_of_the_connection_ends_a_response_without_a_length() {
    let dialogue = talk()
        .client(GET)
        .server("HTTP/1.0 200 OK\r\n\r\nabc")
        .fin(Server)
        .dialogue();
    assert_eq!(
        dialogue.recent[0].response.unwrap().complete,
        Completeness::Complete
    );
}

#[test]
fn an_upload_knows_what_is_missing() {
    let post = "POST /orders HTTP/1.1\r\nContent-Length: 10\r\n\r\n1234";
    let dialogue = talk().client(post).dialogue();
    let request = dialogue.recent[0].request;
    assert_eq!(request.complete, Completeness::Incomplete);
    assert_eq!(request.expected_end, Some(post.len() as u64 + 6));
    assert_eq!(
        dialogue.recent[0].what.idempotence,
        Some(Idempotence::NotIdempotent)
    );
}

#[test]
fn a_half_sent_head_is_no_request_that_anybody_could_run() {
    let dialogue = talk().client("GET /a HTTP/1.1\r\nHost").dialogue();
    assert_eq!(
        dialogue.recent[0].request.complete,
        Completeness::HeadIncomplete
    );
}

#[test]
fn an_interim_response_is_not_the_answer() {
    let post = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let dialogue = talk()
        .client(post)
        .server("HTTP/1.1 100 Continue\r\n\r\n")
        .client("ab")
        .dialogue();
    assert!(dialogue.recent[0].response.is_none());
    assert_eq!(dialogue.recent[0].request.complete, Completeness::Complete);
}

#[test]
fn a_timeout_notice_is_a_farewell_and_no_answer() {
    let dialogue = talk()
        .client("GET / HTTP/1.1\r\nHo")
        .server("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
        .dialogue();
    assert!(dialogue.recent[0].response.is_none());
    assert_eq!(dialogue.farewells[0].what, "408");
    assert_eq!(dialogue.hints.close_announced, Some(Server));
}

#[test]
fn the_same_request_has_the_same_fingerprint_and_another_body_another() {
    let post = |body: &str| {
        format!(
            "POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let of = |text: String| talk().client(text).dialogue().recent[0].what.clone();
    assert_eq!(
        of(post("{\"n\":1}")).fingerprint,
        of(post("{\"n\":1}")).fingerprint
    );
    assert_ne!(
        of(post("{\"n\":1}")).fingerprint,
        of(post("{\"n\":2}")).fingerprint
    );
    assert!(of(post("{\"n\":1}")).fingerprint_whole);
}

#[test]
fn cut_bodies_are_counted_and_the_next_head_is_found() {
    let post = "POST /orders HTTP/1.1\r\nContent-Length: 500\r\n\r\n";
    let dialogue = talk()
        .client_cut(post, 500)
        .server(OK)
        .client(GET)
        .dialogue();
    assert_eq!(dialogue.requests, 2);
    assert_eq!(dialogue.recent[0].request.complete, Completeness::Complete);
    assert_eq!(
        dialogue.recent[0].request.end.offset,
        post.len() as u64 + 500
    );
    assert!(!dialogue.recent[0].what.fingerprint_whole);
}

#[test]
fn cut_heads_go_by_turns() {
    let dialogue = talk()
        .client_cut("GET /a?x=1 HTTP/1.1\r\nHost: loooo", 60)
        .server_cut("HTTP/1.1 200 OK\r\nServer: ngin", 900)
        .client_cut("POST /b HTTP/1.1\r\nHo", 60)
        .dialogue();
    assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
    assert_eq!(dialogue.recent[0].what.summary.as_deref(), Some("GET /a"));
    assert_eq!(dialogue.recent[0].status, Some(200));
    assert_eq!(dialogue.recent[1].what.summary.as_deref(), Some("POST /b"));
    assert!(dialogue.recent[1].response.is_none());
    assert!(dialogue.incomplete);
}

#[test]
fn a_gap_within_a_body_keeps_the_framing() {
    let dialogue = talk()
        .client(GET)
        .server("HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\nab")
        .gap(Server, 290)
        .server("01234567")
        .client(GET)
        .dialogue();
    assert_eq!(
        dialogue.recent[0].response.unwrap().complete,
        Completeness::Complete
    );
    assert_eq!(dialogue.requests, 2);
}

#[test]
fn roles_follow_the_bytes() {
    let dialogue = talk().server(GET).client(OK).dialogue();
    assert_eq!(dialogue.requester, Server);
    let late = talk()
        .client("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .server(GET)
        .dialogue();
    assert_eq!(late.requester, Server);
    assert_eq!(talk().client(GET).dialogue().requester, Client);
}

#[test]
fn a_client_that_says_the_same_again_is_the_last_one_that_spoke() {
    let other = GET.replace("undici/6", "axios/1");
    let (begin, rest) = other.split_at(20);
    let agent = |script: Script| script.read(|_| usize::MAX).0.hints.user_agent;
    let in_pieces = talk().client(GET).server(OK).client(begin).client(rest);
    assert_eq!(agent(in_pieces.clone()).as_deref(), Some("axios"));
    let again = in_pieces.server(OK).client(GET);
    assert_eq!(agent(again).as_deref(), Some("undici"));
    let cut = talk().client(GET).server(OK);
    let cut = cut.client_cut(&other[..other.len() - 2], 2).server(OK);
    assert_eq!(agent(cut.clone()).as_deref(), Some("axios"));
    assert_eq!(agent(cut.client(GET)).as_deref(), Some("undici"));
}

#[test]
fn a_server_that_says_the_same_again_is_the_last_one_that_spoke() {
    let other = OK.replace("nginx/1.2", "caddy");
    let server = |script: &Script| script.read(|_| usize::MAX).0.hints.server;
    let exchange = |script: Script, answer: &str| script.client(GET).server(answer);
    let said = exchange(talk(), OK);
    for split in 0..other.len() {
        let (begin, rest) = other.split_at(split);
        let pieces = exchange(said.clone(), begin).server(rest);
        let cut = said.clone().client(GET);
        let cut = cut.server_cut(begin, rest.len() as u32);
        for script in [pieces, cut] {
            let again = server(&exchange(script, OK));
            assert_eq!(again.as_deref(), Some("nginx/1.2"), "{split}");
        }
    }
    assert_eq!(server(&exchange(said, &other)).as_deref(), Some("caddy"));
}

/// Requests and responses in turn, some of them more than once; of the responses' bodies, the capture may lack an end.
fn exchanges() -> impl Strategy<Value = Script> {
    let lacking = proptest::sample::select(&[0usize, 0, 1, 4, 9][..]);
    let exchange = (samples::request(), samples::response(), lacking);
    let different = proptest::collection::vec(exchange, 1..4);
    let order = proptest::collection::vec(proptest::prelude::any::<Index>(), 1..8);
    (different, order).prop_map(|(exchanges, order)| {
        order
            .iter()
            .map(|index| index.get(&exchanges).clone())
            .fold(talk(), |script, (request, mut response, lacking)| {
                let head = head::response(&response).map_or(response.len(), |(_, len)| len);
                let captured = response.len().saturating_sub(lacking).max(head);
                let cut = response.len() - captured;
                response.truncate(captured);
                script.client(request).server_cut(response, cut as u32)
            })
    })
}

proptest::proptest! {
    #[test]
    fn heads_in_one_piece_say_what_heads_in_pieces_say(
        script in exchanges(),
        sizes in proptest::collection::vec(1usize..200, 1..20),
    ) {
        let whole = script.read(|_| usize::MAX).0;
        let pieces = script.read(|n| sizes[n % sizes.len()]).0;
        proptest::prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn cutting_the_same_bytes_differently_changes_nothing(sizes in proptest::collection::vec(1usize..40, 1..40)) {
        let script = talk()
            .client("POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{\"n\": 1}\n")
            .server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .client(GET)
            .server(OK);
        let whole = script.read(|_| usize::MAX).0;
        let pieces = script.read(|n| sizes[n % sizes.len()]).0;
        proptest::prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn no_bytes_panic(first: Vec<u8>, second: Vec<u8>, cut in 0u32..5000) {
        let mut request = b"GET / HTTP/1.1\r\n".to_vec();
        request.extend(&first);
        let mut response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        response.extend(&second);
        let script = talk().client_cut(request, cut).server_cut(response, cut).gap(Client, 7).client(first).server(second);
        script.read(|n| n % 5 + 1);
    }
}
