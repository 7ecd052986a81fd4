//! Silence before the end: lost state, timers, probes.

use whyrst::flow::Peer::{Client, Server};
use std::net::{IpAddr, Ipv4Addr};

use whyrst::testing::{Ladder, Trace};
use whyrst::wire::IcmpReason::{Prohibited, Unreachable};
use whyrst::verdict::Cause;

use crate::{GET, OK, POST, served, together, told};

const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

ladders! {
    the_server_forgot_in_silence: "possible idle-expired-silently · by server · drawn by request · request-lost · between-requests" =>
        served()
            .client(350_045, "P.").payload(GET)
            .server(350_065, "R");

    a_box_forgot_in_silence: "likely idle-expired-silently · by middlebox · drawn by request · request-lost · between-requests" =>
        served()
            .client(350_045, "P.").payload(GET)
            .forged(Server, 350_051, "R");

    the_path_forgot_and_says_nothing: "possible idle-expired-silently · request-outcome-unknown · between-requests" =>
        served()
            .client(350_045, "P.").payload(GET).again(350_245).again(350_645).again(351_445).again(353_045);

    an_icmp_error_answers_what_follows_a_silence: "likely half-open · request-lost · between-requests" =>
        served()
            .client(350_045, "P.").payload(GET).again(350_245).again(350_645).icmp(350_050, ROUTER, Unreachable);

    an_icmp_error_comes_after_a_search_for_the_host: "likely half-open · request-outcome-unknown · between-requests" =>
        served()
            .client(350_045, "P.").payload(GET).again(350_245).again(350_645).icmp(353_120, ROUTER, Unreachable);

    an_icmp_error_of_long_ago_says_nothing: "possible idle-expired-silently · request-outcome-unknown · between-requests" =>
        served()
            .client(1000, "P.").payload(GET).icmp(1010, ROUTER, Unreachable)
            .server(1020, "P.").payload(OK)
            .client(1020.1, ".")
            .client(350_045, "P.").payload(GET).again(350_245).again(350_645).again(351_445);

    the_server_answers_into_nothing_after_a_long_wait: "possible idle-expired-silently · by client · drawn by response · request-outcome-unknown · awaiting-response" =>
        served()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .server(400_000, "P.").payload(OK)
            .forged(Client, 400_006, "R").ttl(64);

    a_timer_resets_an_idle_connection: "possible idle-timeout-reset · by server · drawn by none · none · between-requests" =>
        served()
            .server(60_045, "R.");

    a_restarted_server_knows_nothing: "possible half-open · by server · drawn by request · request-lost" =>
        served()
            .client(100, "P.").payload(GET)
            .server(120, "R");

    a_keepalive_probe_finds_a_restarted_server: "likely half-open · by server · drawn by keepalive-probe · none · between-requests" =>
        served()
            .client(60_045, ".").probe()
            .server(60_065, "R");

    keepalive_probes_go_unanswered: "certain keepalive-probe-failure · by client · drawn by none · none · between-requests" =>
        served()
            .client(60_045, ".").probe()
            .client(61_045, ".").probe()
            .client(62_045, ".").probe()
            .client(63_045, "R.");

    keepalive_probes_go_unanswered_while_a_question_waits: "certain keepalive-probe-failure · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        served()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .client(61_045, ".").probe()
            .client(62_045, ".").probe()
            .client(63_045, ".").probe()
            .client(64_045, "R.");

    a_timer_resets_while_probes_are_answered: "possible idle-timeout-reset · by server · drawn by none · none · between-requests" =>
        served()
            .client(15_045, ".").probe()
            .server(15_065, ".")
            .client(30_045, ".").probe()
            .server(30_065, ".")
            .server(60_045, "R.");

    a_timer_resets_just_after_an_answered_probe: "possible idle-timeout-reset · by server · drawn by none · unclear · between-requests" =>
        served()
            .client(59_045, ".").probe()
            .server(59_065, ".")
            .server(60_045, "R");

    only_a_fin_finds_the_lost_state: "likely teardown-noise · by server · drawn by fin · none" =>
        served()
            .client(350_045, "F.")
            .server(350_065, "R");

    a_request_and_the_idle_reset_cross: "possible idle-timeout-reset · by server · drawn by none · request-lost · between-requests" =>
        served()
            .client(60_040, "P.").payload(GET)
            .server(60_045, "R.").crossing()
            .server(60_060, "R").answering(60_040);

    never_used_and_forgotten: "possible idle-expired-silently · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .client(600_000, "P.").payload(GET)
            .server(600_020, "R");

    never_used_and_reset_by_a_timer: "possible idle-timeout-reset · by server · drawn by none · none · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .server(60_000, "R.");

    probes_answered_by_silence_on_the_server_side: "certain keepalive-probe-failure · by server · drawn by none · none · between-requests" =>
        served()
            .server(7_200_000, ".").probe()
            .server(7_275_000, ".").probe()
            .server(7_350_000, ".").probe()
            .server(7_425_000, "R.");

    answered_probes_are_no_failure: "possible idle-timeout-reset · by client · drawn by none · none · between-requests" =>
        served()
            .client(10_000, ".").probe()
            .server(10_020, ".")
            .client(20_000, ".").probe()
            .server(20_020, ".")
            .client(30_000, ".").probe()
            .server(30_020, ".")
            .client(40_000, "R.");

    retransmissions_go_unanswered_and_the_stack_gives_up: "possible idle-expired-silently · request-outcome-unknown · between-requests" =>
        served()
            .client(600_000, "P.").payload(POST).again(600_220).again(600_660).again(601_540).again(603_300).again(606_820);

    one_reset_train_is_one_event: "possible half-open · by server · drawn by request · request-lost" =>
        served()
            .client(100, "P.").payload(POST)
            .client(100.1, "P.").payload([b'y'; 300])
            .client(100.2, "P.").payload([b'z'; 300])
            .server(120, "R").server(120.1, "R").server(120.2, "R");
}

fn reset_at_the_timer(port: u16, begins: i64) -> Ladder {
    served().from_port(port).server(60_045, "R.").later_by(begins)
}

#[test]
fn two_connections_with_one_silence_make_a_timer_likely() {
    let first = reset_at_the_timer(40_101, 0);
    let second = reset_at_the_timer(40_102, 17_000);
    let likely = "likely idle-timeout-reset · by server · drawn by none · none · between-requests";
    assert_eq!(told(&together([&first, &second]).findings()), [likely, likely].join("\n"));
}

/// A connection whose next request met silence after three seconds.
fn unheard() -> Ladder {
    served().client(3_045, "P.").payload(GET).again(3_245).again(3_645).again(4_445).again(6_045)
}

/// A connect half a second later that is tried again after one and three seconds.
fn connect() -> Ladder {
    Ladder::to(80).from_port(40_102).later_by(3_500).client(0, "S").again(1_000).again(3_000)
}

/// Not idle connections alone were not heard.
#[test]
fn when_connects_fail_too_the_host_was_gone() {
    let gone = "likely half-open · request-outcome-unknown · between-requests";
    let forgotten = "possible idle-expired-silently · request-outcome-unknown · between-requests";
    assert_eq!(told(&together([&unheard(), &connect()]).findings()), gone);
    assert_eq!(told(&unheard().findings()), forgotten);
    // It came to be after all.
    let slow = connect().server(3_020, "S.").client(3_020.1, ".");
    assert_eq!(told(&together([&unheard(), &slow]).findings()), forgotten);
    // Another server's, or one of long before.
    assert_eq!(told(&together([&unheard(), &connect().at_port(81)]).findings()), forgotten);
    let before = connect().later_by(-60_000);
    assert_eq!(told(&together([&before, &unheard()]).findings()), forgotten);
}

/// What rejects with an ICMP error whatever it does not know.
#[test]
fn when_connects_come_to_be_only_this_one_was_forgotten() {
    let rejected = unheard().icmp(3_050, ROUTER, Prohibited);
    let new = served().from_port(40_102).later_by(8_000);
    let forgotten = "likely idle-expired-silently · request-lost · between-requests";
    assert_eq!(told(&together([&rejected, &new]).findings()), forgotten);
}

/// One that its server closed after five seconds, and one whose next request it reset `waited` ms later, `idle` ms after its answer.
fn reset_unread(idle: i32, waited: i32) -> Trace {
    let closed = |port: u16, begins: i64| {
        served().from_port(port).later_by(begins).server(5_045, "F.").client(5_046, ".").client(5_047, "F.").server(5_067, ".")
    };
    let lost = served()
        .from_port(40_200)
        .later_by(50_000)
        .client(45 + idle, "P.").payload(POST)
        .server(45 + idle + 30.min(waited), ".")
        .server(45 + idle + waited, "R.");
    together([&closed(40_101, 0), &closed(40_102, 9_000), &closed(40_103, 21_000), &lost])
}

/// Its event loop was busy: the timer came before the socket.
#[test]
fn a_servers_timer_runs_out_with_a_request_unread() {
    let race = |sure: &str| format!("{sure} keepalive-race · by server · drawn by none · request-outcome-unknown · between-requests");
    let told = |idle: i32, waited: i32| told(&reset_unread(idle, waited).findings());
    assert_eq!(told(4_980, 25), race("likely"));
    assert_eq!(told(4_800, 230), race("likely"));
    // Some time after it, it is less sure.
    assert_eq!(told(4_900, 900), race("possible"));
    // What else takes so long may span its end by chance.
    let findings = reset_unread(3_000, 2_500).findings();
    assert_eq!(findings[0].cause, Cause::AbortiveClose);
    assert!(findings[0].alternatives.iter().any(|rival| rival.cause == Cause::KeepaliveRace));
    // It ran out before the request came, or not at all.
    for (idle, waited) in [(2_000, 30), (4_000, 200), (5_400, 30)] {
        let findings = reset_unread(idle, waited).findings();
        assert_eq!(findings[0].cause, Cause::AbortiveClose, "{idle} {waited}");
        assert!(findings[0].alternatives.iter().all(|rival| rival.cause != Cause::KeepaliveRace));
    }
}

/// What it announces is as good as one that was seen, once.
#[test]
fn a_server_announces_the_timer_that_runs_out_with_a_request_unread() {
    let announcing = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok";
    let reset_at = |at: i32| {
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(GET)
            .server(42, "P.").payload(announcing)
            .client(43, ".")
            .client(5_800, "P.").payload(GET)
            .server(at, "R.")
    };
    let race = "possible keepalive-race · by server · drawn by none · request-outcome-unknown · between-requests";
    assert_eq!(told(&reset_at(6_060).findings()), race);
    let long_after = reset_at(9_900).findings();
    assert_eq!(long_after[0].cause, Cause::AbortiveClose);
}

/// What drew them may have been missed.
#[test]
fn resets_without_ack_after_one_silence_may_be_replies() {
    let forged = |port: u16, begins: i64| {
        let ladder = served().from_port(port).later_by(begins);
        ladder.forged(whyrst::flow::Peer::Server, 60_045, "R")
    };
    let (first, second) = (forged(40_101, 0), forged(40_102, 17_000));
    let possible = "possible idle-timeout-reset · by middlebox · drawn by none · unclear · between-requests";
    assert_eq!(told(&together([&first, &second]).findings()), [possible, possible].join("\n"));
}

#[test]
fn connections_that_end_in_one_instant_were_stopped_not_timed() {
    let ladders: Vec<Ladder> = (0..3_u16)
        .map(|index| {
            let begins = i64::from(index) * 3_100;
            served()
                .from_port(40_110 + index)
                .later_by(begins)
                .server(60_045.0 - begins as f64, "R.")
        })
        .collect();
    for finding in together(&ladders).findings() {
        assert_eq!(crate::line(&finding), "possible abortive-close · by server · drawn by none · none · between-requests");
    }
}
