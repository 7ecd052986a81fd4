//! Captures taken through a filter that lets only some packets of a connection pass.

use whyrst::testing::Ladder;

use crate::{GET, OK, served};

/// What `tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0` lets pass of a connection's beginning.
fn opened() -> Ladder {
    Ladder::to(80).client(0, "S").server(20, "S.")
}

/// `tcpdump -i any` misses some packets of new connections now and then, and says nothing of it. Not among the ladders: with two more packets
/// exchanged, the answer is lost, too.
#[test]
fn the_opening_and_the_first_request_are_missing() {
    let ladder = Ladder::to(80)
        .client(0, "S")
        .server(20, "S.").unseen()
        .client(20.1, ".").unseen()
        .client(21, "P.").payload(GET).unseen()
        .server(45, "P.").payload(OK)
        .client(45.1, ".")
        .server(1_046, "F.")
        .client(1_086, ".")
        .client(1_240, "P.").payload(GET)
        .server(1_260, "R");
    let told = crate::told(&ladder.findings());
    assert_eq!(told, "possible stale-reuse · by server · drawn by request · request-lost · between-requests");
}

ladders! {
    the_first_request_is_missing: "nothing" =>
        Ladder::to(80)
            .client(0, "S")
            .server(20, "S.")
            .client(20.1, ".").unseen()
            .client(21, "P.").payload(GET).unseen()
            .server(45, "P.").payload(OK)
            .client(45.1, ".")
            .client(500, "P.").payload(GET)
            .server(520, "P.").payload(OK)
            .client(520.1, ".")
            .client(1_000, "P.").payload(GET)
            .server(1_020, "P.").payload(OK)
            .client(1_020.1, ".")
            .client(1_500, "F.")
            .server(1_520, "F.")
            .client(1_520.1, ".");

    data_that_did_not_pass_is_no_forged_number: "possible abortive-close · by server · drawn by none · unclear · between-requests" =>
        opened()
            .server(420, "R").seq(5406);

    what_was_acknowledged_did_not_pass: "possible abortive-close · by server · drawn by none · unclear · between-requests" =>
        opened()
            .server(420, "R.").seq(50_681).ack(51);

    a_reset_long_behind_an_unanswered_synack: "possible idle-timeout-reset · by server · drawn by none · unclear · between-requests" =>
        opened()
            .server(5020, "R").seq(1);

    a_syn_and_a_reset_far_behind_it: "possible abortive-close · by client · drawn by none · unclear · between-requests" =>
        Ladder::to(80).client(0, "S")
            .client(420, "R.").seq(731).ack(1201);

    a_fin_that_did_not_pass_is_no_guess: "possible idle-expired-silently · by server · drawn by request · request-lost · between-requests" =>
        served()
            .client(5045, "P.").payload(GET)
            .server(5065, "R")
            .server(5085, "R").seq(1 + OK.len() as u32 + 1);

    acknowledgements_did_not_pass: "possible abortive-close · by server · drawn by none · response-truncated · awaiting-response" =>
        Ladder::to(80).client(0, "S").server(20, "S.")
            .client(21, "P.").payload(GET)
            .server(45, "P.").payload("HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nbegin")
            .server(46, "P.").payload([b'x'; 1400])
            .server(47, "P.").payload([b'x'; 1400])
            .server(4047, "R.");

    nothing_was_said_at_all: "likely abortive-close · by client · drawn by none · none" =>
        Ladder::to(80).handshake(0)
            .client(40, "R.");
}

#[test]
fn a_close_behind_unseen_words_shows_no_timer() {
    let closes = |said: bool| {
        let connections = (0..8_u16).map(|number| {
            let ladder = Ladder::to(80).from_port(4000 + number).later_by(i64::from(number) * 700);
            let ladder = ladder.client(0, "S").server(20, "S.").client(20.1, ".");
            let ladder = ladder.client(21, "P.").payload(GET);
            let ladder = ladder.server(45, "P.").payload(OK).client(46, ".");
            let ladder = match said {
                true => ladder.client(521, "P.").payload(GET).server(545, "P.").payload(OK).client(546, "."),
                false => ladder,
            };
            let ladder = ladder.server(3545, "F.").client(3546, "F.").server(3566, ".");
            ladder.trace()
        });
        connections.reduce(|all, one| all.with(&one)).expect("some")
    };
    let timeouts = |trace: whyrst::testing::Trace| {
        let report = trace.report();
        report.idle_timeouts.into_iter().filter_map(|timeout| timeout.estimate_s).collect::<Vec<_>>()
    };
    assert_eq!(timeouts(closes(true)).len(), 1);
    let filtered = closes(true).only(|_, frame| crate::damage::flags(frame).is_some_and(|flags| flags.syn() || flags.fin()));
    assert_eq!(timeouts(filtered), [0.0; 0]);
}

/// Nothing was said before the close, so no number shows what is missing; only the client's acknowledgement of the SYN-ACK does.
#[test]
fn a_first_request_that_met_a_close_is_not_in_the_capture() {
    let ladder = Ladder::to(80)
        .client(0, "S")
        .server(20, "S.")
        .server(5_040, "F.")
        .server(5_050, "R").seq(1);
    let told = crate::told(&ladder.findings());
    assert_eq!(told, "possible teardown-noise · by server · drawn by none · unclear");
}
