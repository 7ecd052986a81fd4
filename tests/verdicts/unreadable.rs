//! Conversations in a language that nobody knows, or of which the capture shows too little to read them.

use whyrst::testing::Ladder;

/// Connected, and some words of the client: captured at the client, 20 ms from the server.
fn asked(length: usize) -> Ladder {
    Ladder::to(7000).handshake(0).client(21, "P.").payload(vec![0x81; length]).server(41, ".")
}

/// Connected, and an answer of 20,000 bytes coming.
fn streaming() -> Ladder {
    (0..10).fold(asked(90), |ladder, part| {
        let at = 50 + 3 * part;
        ladder.server(at, "P.").payload([0x7e; 2000]).client(at + 1, ".")
    })
}

ladders! {
    what_follows_an_answer_and_its_fin_may_be_the_rest_of_a_request: "possible stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        asked(17)
            .client(421, "P.").payload([0x82; 17])
            .server(441, ".")
            .server(650, "P.").payload([0x83; 51])
            .client(650.1, ".")
            .server(650.2, "F.")
            .client(650.3, ".")
            .client(821, "P.").payload([0x84; 17])
            .server(841, "R");

    what_follows_a_close_after_a_silence_is_a_request: "certain stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        asked(17)
            .server(42, "P.").payload([0x83; 51])
            .client(42.1, ".")
            .server(5042, "F.")
            .client(5042.1, ".")
            .client(6000, "P.").payload([0x84; 17])
            .server(6020, "R");

    nothing_was_answered_and_what_was_left_of_the_connection_timed_out: "possible response-timeout · by client · drawn by none · request-outcome-unknown · awaiting-response" =>
        asked(164)
            .client(970, "F.")
            .server(990, ".")
            .client(121_000, "R.");

    a_close_and_a_reset_while_the_other_side_goes_on: "possible close-with-unread-data · by server · drawn by none · response-truncated" =>
        asked(1400)
            .client(42, "P.").payload([0x81; 1400])
            .server(60, "P.").payload([0x83; 200])
            .server(60.1, "F.")
            .server(60.2, "R.")
            .client(60.3, "P.").payload([0x81; 1400]).ack(1)
            .server(80.3, "R").seq(1);

    a_close_and_a_reset_with_nothing_on_its_way: "possible teardown-noise · by server · drawn by none · unclear" =>
        asked(100)
            .server(60, "P.").payload([0x83; 200])
            .client(60.1, ".")
            .server(60.2, "F.")
            .server(60.3, "R.");

    a_long_answer_goes_on_behind_the_reset: "likely abortive-close · by client · drawn by none · response-truncated" =>
        streaming()
            .client(79, "R.")
            .server(80, "P.").payload([0x7e; 1400])
            .client(80.1, "R").seq(91);

    a_long_answer_may_have_been_whole: "possible abortive-close · by client · drawn by none · unclear" =>
        streaming()
            .client(79, "R.");
}

/// Of words that nobody can read, more of an answer says that it may not have been whole.
#[test]
fn what_came_after_a_close_may_have_been_due() {
    let stream = Ladder::to(7000)
        .handshake(0)
        .client(21, "P.").payload("subscribe")
        .server(41, "P.").payload("1 event")
        .client(41.1, ".")
        .client(2_041, "F.")
        .server(2_061, ".")
        .server(5_061, "P.").payload("1 event")
        .client(5_061.1, "R");
    assert_eq!(crate::told(&stream.findings()), "possible teardown-noise · by client · drawn by response · unclear");
}
