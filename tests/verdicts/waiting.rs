//! Resets while something was being asked or answered.

use whyrst::testing::Ladder;

use whyrst::report::Cost;

use crate::{GET, OK, PART, POST, UPLOAD, served};

const TIMED_OUT: &str = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";

ladders! {
    the_client_gives_up_by_reset: "likely response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        served()
            .client(1000, "P.").payload(GET)
            .server(1020, ".")
            .client(31_000, "R.");

    nobody_acknowledges_and_the_client_gives_up: "likely response-timeout · request-outcome-unknown · awaiting-response" =>
        served()
            .client(100, "P.").payload(GET).again(320).again(760).again(1640)
            .client(6_100, "F.");

    nobody_acknowledges_and_the_client_resets: "likely response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        served()
            .client(100, "P.").payload(GET).again(320).again(760).again(1640)
            .client(6_100, "R.");

    the_client_resets_what_may_just_have_come: "possible abortive-close · by client · drawn by none · request-outcome-unknown" =>
        served()
            .client(1000, "P.").payload(POST)
            .client(1015, "R.");

    its_request_was_sent_twice_and_may_have_come: "likely response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        served()
            .client(1000, "P.").payload(POST).again(1220)
            .client(1700, "R.");

    the_client_gives_up_by_fin_and_resets_the_late_answer: "likely response-timeout · by client · drawn by response · request-outcome-unknown · awaiting-response" =>
        served()
            .client(1000, "P.").payload(GET)
            .server(1020, ".")
            .client(31_000, "F.")
            .server(31_020, ".")
            .server(40_020, "P.").payload(OK)
            .client(40_020.1, "R");

    the_client_gives_up_by_fin_and_nothing_follows: "likely response-timeout · request-outcome-unknown · awaiting-response" =>
        served()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .client(31_000, "F.")
            .server(31_020, "F.")
            .client(31_020.1, ".");

    the_server_takes_the_request_and_aborts: "possible abortive-close · by server · drawn by none · request-outcome-unknown" =>
        served()
            .client(1000, "P.").payload(POST)
            .server(1020, ".")
            .server(1025, "R.");

    the_server_aborts_in_its_answer: "likely abortive-close · by server · drawn by none · response-truncated" =>
        served()
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(PART)
            .client(80.1, ".")
            .server(95, "R.");

    a_push_server_resets_a_silent_shipper: "possible abortive-close · by server · drawn by none · request-outcome-unknown · awaiting-response" =>
        Ladder::to(9000)
            .handshake(0)
            .client(21, "P.").payload("one question?\n")
            .server(41, ".")
            .server(60_041, "R.");

    a_shipper_of_logs_is_reset_with_all_taken: "possible idle-timeout-reset · by server · drawn by none · none · between-requests" =>
        Ladder::to(5514)
            .handshake(0)
            .client(21, "P.").payload("<13>one line\n")
            .server(41, ".")
            .client(3000, "P.").payload("<13>another line\n")
            .server(3020, ".")
            .client(6000, "P.").payload("<13>the last line\n")
            .server(6020, ".")
            .server(66_020, "R.");

    a_shipper_of_logs_meets_lost_state: "possible idle-expired-silently · by server · drawn by data · request-lost · between-requests" =>
        Ladder::to(5514)
            .handshake(0)
            .client(21, "P.").payload("<13>one line\n")
            .server(41, ".")
            .client(3000, "P.").payload("<13>another line\n")
            .server(3020, ".")
            .client(900_000, "P.").payload("<13>the last line\n")
            .server(900_020, "R");

    the_reader_has_read_enough: "likely abortive-close · by client · drawn by none · response-truncated" =>
        served()
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(PART)
            .server(80.1, "P.").payload([b'a'; 1400])
            .client(80.3, "R.");

    the_server_closes_over_an_unread_upload: "likely close-with-unread-data · by server · drawn by none · request-outcome-unknown" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(UPLOAD)
            .client(21.1, "P.").payload([b'x'; 1400])
            .server(41, ".")
            .client(42, "P.").payload([b'x'; 1400])
            .server(62, "R.");

    the_client_stops_reading_and_closes: "likely close-with-unread-data · by client · drawn by none · response-truncated" =>
        served()
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(PART)
            .server(80.1, "P.").payload([b'a'; 1400])
            .client(80.2, ".").window(0)
            .client(120, "R.").window(0);

    a_lost_request_is_repeated_after_the_fin_that_it_crossed: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        served()
            .client(5046, "P.").payload(GET)
            .server(5060, "F.").crossing()
            .client(5060.1, ".")
            .client(5266, "P.").payload(GET).seq(1 + GET.len() as u32)
            .server(5286, "R").answering(5266);

    the_same_seen_at_the_server: "likely keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        served()
            .server(5060, "F.")
            .client(5080, ".").seq(1 + 2 * GET.len() as u32)
            .client(5286, "P.").payload(GET).seq(1 + GET.len() as u32)
            .server(5306, "R").answering(5286);

    a_first_request_crosses_the_fin_of_a_server_that_waited_for_it: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .client(5_030, "P.").payload(GET)
            .server(5_040, "F.").crossing()
            .client(5_040.1, ".")
            .server(5_050, "R").answering(5_030);

    it_had_said_so: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .client(5_030, "P.").payload(GET)
            .server(5_039, "P.").payload(TIMED_OUT).crossing()
            .server(5_040, "F.").crossing()
            .client(5_040.1, ".")
            .server(5_050, "R").answering(5_030);

    a_first_request_on_a_connection_that_the_server_had_closed: "certain stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .server(5_040, "F.")
            .client(5_040.1, ".")
            .client(7_030, "P.").payload(GET)
            .server(7_050, "R").answering(7_030);

    and_its_words_got_lost: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .server(5_039, "P.").payload(TIMED_OUT)
            .server(5_040, "F.")
            .client(5_552, "P.").payload(GET).ack(1)
            .server(5_572, "R").answering(5_552);

    and_the_handshake_was_slow_for_a_lost_packet: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .client(0, "S")
            .server(20, "S.").again(1_030).again(3_040)
            .client(3_040.1, ".").seq(1 + GET.len() as u32)
            .server(6_468, "P.").payload(TIMED_OUT).seq(1).ack(1)
            .server(6_468.2, "F.").ack(1)
            .client(6_981, "P.").payload(GET).seq(1).ack(1)
            .server(7_001, "R").seq(1);

    and_had_said_so: "certain stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        Ladder::to(80)
            .handshake(0)
            .server(5_039, "P.").payload(TIMED_OUT)
            .server(5_040, "F.")
            .client(5_040.1, ".")
            .client(7_030, "P.").payload(GET)
            .server(7_050, "R").answering(7_030);

    a_post_dies_with_a_restart_in_mid_answer: "possible half-open · by server · drawn by ack · response-truncated" =>
        served()
            .client(60, "P.").payload(POST)
            .server(80, "P.").payload(PART)
            .client(80.1, ".")
            .server(100.1, "R");
}

#[test]
fn keepalive_probes_in_the_silence_before_a_fin_are_told() {
    let asked = served()
        .client(60, "P.").payload(POST)
        .server(80, ".");
    let probed = (1..=3).fold(asked, |ladder, n| {
        let at = 10_000 * n;
        ladder.client(at, ".").probe().server(at + 20, ".")
    });
    let [finding] = &probed.server(35_000, "F.").findings()[..] else {
        panic!("one hang-up");
    };
    assert_eq!(finding.idle.keepalive_probes, 3);
}

/// The advice differs: no answer was slow.
#[test]
fn a_request_that_nobody_acknowledged_was_not_answered_slowly() {
    for last in ["F.", "R."] {
        let ladder = served().client(100, "P.").payload(GET).again(320).again(760).again(1640).client(6_100, last);
        let report = ladder.trace().report();
        let finding = report.findings().next().expect("a finding");
        assert_eq!(finding.detail.as_deref(), Some("unacknowledged"));
        assert!(report.advice[0].action.contains("nobody heard"), "{}", report.advice[0].action);
        let taken = served().client(100, "P.").payload(GET).server(120, ".").client(6_100, last);
        assert_eq!(taken.finding().detail, None);
    }
}

/// A packet of full size: 1460 bytes less the timestamps' 12.
const FULL: usize = 1448;

fn full(head: &str) -> Vec<u8> {
    let mut bytes = head.as_bytes().to_vec();
    bytes.resize(FULL, b'a');
    bytes
}

/// One past the server's stream of `served()`.
const ANSWERED: u32 = 1 + OK.len() as u32;
/// One past the client's.
const ASKED: u32 = 1 + GET.len() as u32;

fn detail(ladder: &Ladder) -> Option<String> {
    ladder.finding().detail.map(|detail| detail.to_string())
}

#[rustfmt::skip]
fn large_upload(before: Ladder) -> Ladder {
    before
        .client(100, "P.").payload(full(UPLOAD)).again(320).again(760).again(1640)
}

#[test]
fn a_large_request_that_never_gets_through_to_a_host_that_answers_is_too_large() {
    let reset = large_upload(served())
        .client(6_100, "R.")
        .server(6_120, ".").ack(ASKED)
        .client(6_120.1, "R").seq(ASKED);
    assert_eq!(detail(&reset).as_deref(), Some("path-mtu"));
    assert_eq!(reset.finding().cause.as_str(), "response-timeout");
    assert_eq!(Cost::of(&reset.finding()).to_string(), "request-lost");

    let closed = large_upload(served()).server(5_060, "F.").ack(ASKED);
    assert_eq!(detail(&closed).as_deref(), Some("path-mtu"));
    assert_eq!(closed.finding().cause.as_str(), "hang-up");
    let advice = &closed.trace().report().advice[0].text;
    assert!(advice.contains("clamp the MSS"), "{advice}");
}

#[test]
fn what_had_got_through_before_is_not_too_large() {
    let earlier = Ladder::to(80)
        .handshake(0)
        .client(21, "P.").payload(full(GET))
        .server(41, ".")
        .server(45, "P.").payload(OK)
        .client(45.1, ".");
    let closed = large_upload(earlier).server(5_060, "F.").ack(1 + FULL as u32);
    assert_eq!(detail(&closed).as_deref(), Some("undelivered"));
    let small = served()
        .client(100, "P.").payload(GET).again(320).again(760).again(1640)
        .server(5_060, "F.").ack(ASKED);
    assert_eq!(detail(&small).as_deref(), Some("undelivered"));
}

#[test]
fn a_closed_window_takes_nothing_and_is_no_loss() {
    let full = large_upload(served())
        .server(1_700, ".").ack(ASKED).window(0)
        .client(6_100, "F.");
    assert!(full.findings().iter().all(|found| found.detail.is_none()), "{:?}", full.findings());
}

#[test]
fn a_large_answer_that_never_comes_is_known_by_the_numbers_behind_it() {
    let waited = served()
        .client(100, "P.").payload(GET)
        .server(120, ".")
        .server(125, "P.").payload(full(OK)).unseen()
        .client(1_100, ".").probe().ack(ANSWERED)
        .server(1_120, ".")
        .client(2_100, ".").probe().ack(ANSWERED)
        .server(2_120, ".")
        .client(3_100, "F.").ack(ANSWERED);
    assert_eq!(detail(&waited).as_deref(), Some("path-mtu"));
    assert_eq!(waited.finding().confidence.as_str(), "likely");
    assert!(waited.finding().explanation.contains("1448 bytes"), "{}", waited.finding().explanation);

    // Only the capture lacks it: its receiver goes on.
    let missed = served()
        .client(100, "P.").payload(GET)
        .server(120, ".")
        .server(125, "P.").payload(full(OK)).unseen()
        .client(125.1, ".")
        .client(3_100, "F.");
    assert!(missed.findings().iter().all(|found| found.detail.is_none()), "{:?}", missed.findings());
}

#[test]
fn a_request_that_never_came_is_known_by_the_reset_behind_it() {
    let seen_at_the_server = served()
        .client(100, "P.").payload(full(UPLOAD)).unseen()
        .client(2_100, "R.")
        .server(2_120, ".").ack(ASKED)
        .client(2_140, "R").seq(ASKED);
    let finding = seen_at_the_server.finding();
    assert_eq!(finding.cause.as_str(), "response-timeout");
    assert_eq!(finding.detail.as_deref(), Some("path-mtu"));
    assert_eq!(finding.form.map(|form| form.as_str()), Some("abort"));
    assert_eq!(Cost::of(&finding).to_string(), "request-lost");
}
