//! Devices in between, and resets that nobody obeyed.

use whyrst::flow::Peer::{Client, Server};
use whyrst::testing::Ladder;
use whyrst::verdict::{Cause, Harm};

use crate::{GET, OK, PART, POST, line, served, together, told};

ladders! {
    a_forged_reset_and_the_answer_behind_it: "certain injected · by middlebox · drawn by none · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(GET)
            .forged(Server, 64, "R.")
            .server(80, "P.").payload(OK)
            .client(80.1, "R");

    a_balancer_in_front_resets_with_a_ttl_of_its_own: "possible idle-timeout-reset · by middlebox · drawn by none · none · between-requests" =>
        served().ttls(64, 112)
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(OK)
            .client(80.1, ".")
            .client(90, "P.").payload(GET)
            .server(110, "P.").payload(OK)
            .client(110.1, ".")
            .server(60_110, "R.").ttl(239);

    forged_both_ways: "certain injected · by middlebox · drawn by none · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(GET)
            .forged(Server, 64, "R.")
            .forged(Client, 64.1, "R.")
            .server(80, "P.").payload(OK)
            .client(80.1, "R");

    an_imitated_ttl_is_betrayed_by_the_answer_behind_it: "certain injected · by middlebox · drawn by none · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(GET)
            .forged(Server, 64, "R.").ttl(52)
            .server(80, "P.").payload(OK)
            .client(80.1, "R");

    forged_towards_an_upload: "likely injected · by middlebox · drawn by none · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(POST)
            .server(80, ".")
            .forged(Server, 84, "R.");

    a_box_resets_at_its_idle_timer: "possible idle-timeout-reset · by middlebox · drawn by none · none · between-requests" =>
        served()
            .forged(Server, 300_000, "R.")
            .forged(Client, 300_000.1, "R.");

    a_box_resets_soon_after_an_answer_that_was_taken: "possible idle-timeout-reset · by middlebox · drawn by none · none · between-requests" =>
        served()
            .forged(Client, 2_545, "R.").window(0).bare();

    one_hop_nearer_is_no_proof: "possible half-open · by server · drawn by request · request-lost" =>
        served()
            .client(100, "P.").payload(GET)
            .server(120, "R").ttl(53);

    a_reset_outside_the_window: "likely ignored-rst · by middlebox · drawn by none · none" =>
        served()
            .forged(Server, 50, "R").seq(900_000_000);

    a_reset_outside_the_window_and_life_goes_on: "certain ignored-rst · by middlebox · drawn by none · none" =>
        served()
            .forged(Server, 50, "R").seq(900_000_000)
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(OK)
            .client(80.1, ".");

    a_reset_inside_the_window_is_challenged: "likely ignored-rst · by middlebox · drawn by none · none" =>
        served()
            .forged(Server, 50, "R").seq(3000)
            .client(50.1, ".");

    a_challenge_and_life_goes_on: "certain ignored-rst · by middlebox · drawn by none · none" =>
        served()
            .forged(Server, 50, "R").seq(3000)
            .client(50.1, ".")
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(OK)
            .client(80.1, ".");

    a_guessed_ladder_of_resets: "likely injected · by middlebox · drawn by request · request-outcome-unknown" =>
        served()
            .client(500, "P.").payload(GET)
            .forged(Server, 504, "R")
            .forged(Server, 504.1, "R").seq(1500)
            .forged(Server, 504.2, "R").seq(4500);

    data_overtaken_by_the_reset_behind_it: "likely abortive-close · by server · drawn by none · response-truncated" =>
        served()
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(PART)
            .server(84, "P.").payload([b'a'; 1400])
            .server(82, "R.")
            .client(82.1, ".").ack(102);

    the_reset_is_captured_before_the_data_that_it_follows: "likely abortive-close · by server · drawn by none · response-truncated" =>
        served()
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(PART)
            .server(80.3, "P.").payload([b'a'; 1400])
            .server(80.2, "R.")
            .client(80.4, ".");
}

#[test]
fn a_box_cuts_what_was_open_even_where_its_reset_could_answer_an_older_ack() {
    let finding = served()
        .client(60, "P.").payload(GET)
        .forged(Server, 64, "R")
        .forged(Server, 64.1, "R").seq(1500)
        .finding();
    assert_eq!(finding.cause, Cause::Injected);
    assert_eq!(finding.harm, Harm::RequestOutcomeUnknown);
}

#[test]
fn a_wrong_checksum_is_told() {
    let finding = Ladder::to(80)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(41, ".")
        .server(45, "R.").wrong_checksum()
        .finding();
    assert!(finding.evidence_against.iter().any(|evidence| evidence.text.contains("checksum")));
}

/// Ways vary: of few answers the quickest is no bound, of several it is, and what other connections show counts, too.
#[test]
fn a_reset_as_quick_as_another_answer_is_the_servers() {
    let full = Ladder::to(80).handshake(0).server(34.2, "R");
    assert_eq!(told(&full.findings()), "likely accept-queue-overflow · by server · drawn by ack · refused");
    let reset = served()
        .client(100, "P.").payload(GET)
        .server(120, "P.").payload(OK)
        .client(200, "P.").payload(GET)
        .server(214, "R");
    let quicker = Ladder::to(80)
        .from_port(40_003)
        .client(0, "S")
        .server(14, "S.")
        .client(14.1, ".")
        .client(15, "F.")
        .server(29, "F.")
        .client(29.1, ".");
    assert_eq!(told(&reset.findings()), "likely injected · by middlebox · drawn by request · request-outcome-unknown");
    assert_eq!(told(&together([&quicker, &reset]).findings()), "possible half-open · by server · drawn by request · request-lost");
}

/// Its receiver sends nothing again of what nobody had acknowledged: it had obeyed, if not this one, then one that was missed.
#[test]
fn after_a_reset_outside_the_window_the_receiver_falls_silent() {
    let reset = served()
        .client(60, "P.").payload(GET)
        .forged(Server, 80, "R").seq(900_000_000);
    let later = served().from_port(40_003).later_by(5_000);
    for (trace, verdict) in [
        (reset.trace(), "likely ignored-rst · by middlebox · drawn by none · none"),
        (together([&reset, &later]), "possible ignored-rst · by middlebox · drawn by none · unclear"),
    ] {
        assert_eq!(told(&trace.findings()), verdict);
    }
}

/// It answers the first packet of a burst of which only the newest ones are remembered.
#[test]
fn a_reset_is_not_too_quick_for_a_packet_that_is_forgotten() {
    let upload = |packets| {
        let asked = served().client(100, "P.").payload(crate::UPLOAD);
        let burst = (1..=packets).fold(asked, |ladder, number| {
            ladder.client(100.0 + f64::from(number) * 0.1, ".").payload([b'a'; 100])
        });
        burst.server(120, "R").finding()
    };
    assert_eq!(line(&upload(20)), "possible half-open · by server · drawn by request · request-lost");
    assert_eq!(line(&upload(190)), "possible half-open · by server · drawn by data · request-lost");
}
