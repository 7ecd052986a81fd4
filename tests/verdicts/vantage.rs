//! Other stacks, other points of capture, and captures that lack something.

use whyrst::flow::Peer::{Client, Server};
use whyrst::testing::{Ladder, Trace};

use crate::{GET, OK, POST, served};

/// The same exchange as it looks at the server: the client is 12 hops away.
fn at_server() -> Ladder {
    Ladder::to(80).ttls(52, 64)
        .client(0, "S")
        .server(0.1, "S.")
        .client(20.1, ".")
        .client(21, "P.").payload(GET)
        .server(21.1, ".")
        .server(25, "P.").payload(OK)
        .client(45, ".")
}

/// Windows at both ends: no timestamps, RST,ACK with a window of 0.
fn windows() -> Ladder {
    Ladder::to(80).ttls(128, 116).without_timestamps()
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(41, ".")
        .server(45, "P.").payload(OK)
        .client(45.1, ".")
}

ladders! {
    a_race_seen_at_the_server: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        at_server()
            .server(5025, "F.")
            .client(5032, "P.").payload(GET).crossing()
            .server(5032.1, "R")
            .client(5045, ".").answering(5025);

    stale_reuse_seen_at_the_server: "certain stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        at_server()
            .server(5025, "F.")
            .client(5045, ".")
            .client(7000, "P.").payload(GET)
            .server(7000.1, "R");

    a_client_gives_up_seen_at_the_server: "likely response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        at_server()
            .client(1000, "P.").payload(GET)
            .server(1000.1, ".")
            .client(31_000, "R.");

    a_client_gives_up_as_the_answer_leaves: "likely response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        at_server()
            .client(1000, "P.").payload(GET)
            .server(1000.1, ".")
            .server(30_990, "P.").payload(OK)
            .client(31_000, "R.").crossing();

    a_client_gives_up_by_fin_as_the_answer_leaves: "likely response-timeout · by client · drawn by response · request-outcome-unknown · awaiting-response" =>
        at_server()
            .client(1000, "P.").payload(GET)
            .server(1000.1, ".")
            .server(30_990, "P.").payload(OK)
            .client(31_000, "F.").crossing()
            .client(31_030, "R").answering(30_990);

    a_client_never_gets_the_answer: "likely response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        at_server()
            .client(1000, "P.").payload(GET)
            .server(1000.1, ".")
            .server(1005, "P.").payload(OK).again(1210).again(1640).again(2500)
            .client(6_000, "R.").ack(1 + OK.len() as u32);

    a_client_never_gets_the_answer_and_closes: "likely response-timeout · request-outcome-unknown · awaiting-response" =>
        at_server()
            .client(1000, "P.").payload(GET)
            .server(1000.1, ".")
            .server(1005, "P.").payload(OK).again(1210).again(1640).again(2500)
            .client(3_000, "F.").ack(1 + OK.len() as u32)
            .server(3_000.1, ".");

    a_request_ends_behind_the_fin_of_a_client_that_gave_up: "possible response-timeout · by client · drawn by response · request-outcome-unknown" =>
        at_server()
            .client(1000, "P.").payload(POST).unseen()
            .client(1500, "F.")
            .server(1500.1, ".").ack(1 + GET.len() as u32)
            .client(2900, "P.").payload(POST).seq(1 + GET.len() as u32)
            .server(2900.1, ".")
            .server(2905, "P.").payload(OK)
            .server(2906, "F.")
            .client(2926, "R").answering(2906);

    the_numbers_wrap: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        served().numbered_from(u32::MAX - 10, u32::MAX - 3)
            .client(5040, "P.").payload(GET)
            .server(5045, "F.").crossing()
            .client(5045.1, ".")
            .server(5060, "R").answering(5040);

    windows_aborts_without_timestamps: "possible abortive-close · by server · drawn by none · request-outcome-unknown" =>
        windows()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .server(1025, "R.").window(0);

    windows_gives_up_waiting: "likely response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        windows()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .client(31_000, "R.").window(0);

    windows_timer: "possible idle-timeout-reset · by server · drawn by none · none · between-requests" =>
        windows()
            .server(60_045, "R.").window(0);

    windows_leaves_after_a_whole_answer: "likely teardown-noise · by client · drawn by none · none" =>
        windows()
            .client(50, "R.").window(0);

    bsd_aborts_without_options_beside_timestamps: "possible abortive-close · by server · drawn by none · request-outcome-unknown" =>
        served()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .server(1025, "R.").bare();

    a_race_begun_before_the_capture: "likely keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        served().captured_from_here()
            .client(3000, "P.").payload(GET)
            .server(3020, "P.").payload(OK)
            .client(3020.1, ".")
            .client(9040, "P.").payload(GET)
            .server(9045, "F.").crossing()
            .client(9045.1, ".")
            .server(9060, "R").answering(9040);

    an_answer_to_what_was_asked_before_the_capture_comes_too_late: "possible response-timeout · by client · drawn by response · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(POST)
            .captured_from_here()
            .client(3000, "F.")
            .server(3044, ".")
            .server(4200, "P.").payload(OK)
            .client(4200.1, "R");

    what_was_asked_before_the_capture_may_be_open: "possible teardown-noise · by client · drawn by none · unclear" =>
        served()
            .client(60, "P.").payload(POST)
            .captured_from_here()
            .client(3000, "F.")
            .server(3044, ".")
            .client(3045, "R.");

    the_rest_of_what_was_asked_before_the_capture: "possible stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80).handshake(0)
            .client(21, "P.").payload("POST / HTTP/1.1\r\nHost: a\r\n")
            .captured_from_here()
            .client(500, "P.").payload("X-Slow: 12345\r\n")
            .server(520, ".")
            .server(800, "P.").payload("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
            .client(800.1, ".")
            .server(801, "F.")
            .client(821, ".")
            .client(1000, "P.").payload("X-Slow: 67890\r\n")
            .server(1020, "R");

    a_handshake_aborted_whose_syn_was_not_captured: "likely handshake-aborted · by client · drawn by syn-ack · none · handshake" =>
        Ladder::to(80)
            .client(0, "S")
            .captured_from_here()
            .server(1400, "S.")
            .client(1400.1, "R");

    only_the_servers_packets_of_a_race: "possible keepalive-race · by server · drawn by none · request-lost · between-requests" =>
        served()
            .client(5040, "P.").payload(GET)
            .server(5045, "F.").crossing()
            .client(5045.1, ".")
            .server(5060, "R").answering(5040)
            .only_from(Server);

    only_the_servers_packets_of_stale_reuse: "possible teardown-noise · by server · drawn by none · unclear" =>
        served()
            .server(5045, "F.")
            .client(5045.1, ".")
            .client(9000, "P.").payload(GET)
            .server(9020, "R")
            .only_from(Server);

    a_capture_begins_so_and_a_reset_follows: "possible keepalive-race · by server · drawn by fin · request-lost · between-requests" =>
        served()
            .captured_from_here()
            .client(5045, "P.").payload(GET)
            .server(5055, "F.").crossing()
            .client(5055.1, "F.")
            .server(5076, "R").answering(5055.1);

    a_lone_reset: "possible unexplained · by server · drawn by none · unclear" =>
        served()
            .captured_from_here()
            .server(9020, "R");

    a_lone_abort: "possible unexplained · by client · drawn by none · unclear" =>
        served()
            .captured_from_here()
            .client(9020, "R.");

    a_reset_sent_twice: "possible abortive-close · by server · drawn by none · request-outcome-unknown" =>
        served()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .server(1025, "R.").again(1400);

    a_request_lost_on_the_way_is_no_unanswered_one: "possible idle-expired-silently · by client · drawn by response · request-outcome-unknown · awaiting-response" =>
        served()
            .client(60, "P.").payload(POST)
            .server(80, ".")
            .server(200_000, "P.").payload(OK)
            .client(200_000.1, "R");

    over_ipv6: "certain stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        served().over_ipv6()
            .server(5045, "F.")
            .client(5045.1, ".")
            .client(9000, "P.").payload(GET)
            .server(9020, "R");

    only_the_clients_packets_and_its_abort: "possible response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        served()
            .client(1000, "P.").payload(GET)
            .server(1020, ".")
            .client(31_000, "R.")
            .only_from(Client);
}

/// A box next to the client begins at 64, as the server does at its own end: there it was not seen.
#[test]
fn a_ttl_is_held_against_those_of_its_place() {
    let talk = || served().client(60, "P.").payload(GET);
    let here = talk().forged(Server, 90, "R.").ttl(64).trace();
    let both = here.clone().with(&talk().trace().at_server(9));
    let told = |trace: &Trace| crate::told(&trace.findings());
    assert_eq!(told(&here), "likely injected · by middlebox · drawn by none · request-outcome-unknown");
    assert_eq!(told(&both), told(&here));
}

/// Not for the properties: where the other end's clock is seconds off, nothing says which came first.
#[test]
fn a_capture_begins_with_the_request_that_crosses_the_close() {
    let ladder = served()
        .captured_from_here()
        .client(5045, "P.").payload(GET)
        .server(5055, "F.").crossing()
        .client(5055.1, "F.")
        .server(5065, ".");
    assert_eq!(crate::told(&ladder.findings()), "possible keepalive-race · request-lost · between-requests");
}
