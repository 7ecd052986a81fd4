//! A FIN came before the RST: races, pools that don't look, late words, and noise.

use whyrst::testing::Ladder;

use crate::tls::{client_hello, record, server_hello};
use crate::{CLOSE_DELIMITED, GET, OK, PART, POST, TOO_LARGE, UPLOAD, served};

/// TLS 1.2 after its handshake and one exchange, idle from 145 ms on.
pub fn encrypted() -> Ladder {
    Ladder::to(443)
        .handshake(0)
        .client(21, "P.").payload(client_hello())
        .server(45, "P.").payload([server_hello(), record(22, 900), record(22, 4)].concat())
        .client(46, "P.").payload([record(22, 70), record(20, 1), record(22, 40)].concat())
        .server(70, "P.").payload([record(20, 1), record(22, 40)].concat())
        .client(71, "P.").payload(record(23, 200))
        .server(120, ".")
        .server(145, "P.").payload(record(23, 900))
        .client(145.1, ".")
}

/// An encrypted alert of TLS 1.2: close_notify, after application data.
pub fn close_notify() -> Vec<u8> {
    record(21, 26)
}

pub fn application_data(length: usize) -> Vec<u8> {
    record(23, length)
}

ladders! {
    the_idle_close_and_the_request_cross: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        served()
            .client(5040, "P.").payload(GET)
            .server(5045, "F.").crossing()
            .client(5045.1, ".")
            .server(5060, "R").answering(5040)
            .server(5065.1, "R");

    they_cross_and_no_silence_was_before: "possible data-after-close · by server · drawn by fin · request-lost" =>
        Ladder::to(9000)
            .handshake(0)
            .client(21, "P.").payload("hello")
            .server(45, "P.").payload("you too")
            .server(46, "F.")
            .client(56, "P.").payload("and more").ack(8)
            .client(57, "F.")
            .server(77, "R").answering(57);

    the_rest_of_a_slow_request_comes_after_a_408: "nothing" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload("GET / HTTP/1.1\r\nHost: a\r\n")
            .server(41, ".")
            .client(400, "P.").payload("X-a: 1\r\n")
            .server(420, ".")
            .server(2000, "P.").payload("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
            .client(2000.1, ".")
            .server(2003, "F.")
            .client(2003.1, ".")
            .client(2200, "P.").payload("X-b: 2\r\n");

    they_cross_with_a_post: "certain keepalive-race · by server · drawn by request · request-lost · between-requests" =>
        served()
            .client(5040, "P.").payload(POST)
            .server(5045, "F.").crossing()
            .client(5045.1, ".")
            .server(5060, "R").answering(5040);

    the_pool_takes_a_closed_connection: "certain stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        served()
            .server(5045, "F.")
            .client(5045.1, ".")
            .client(9000, "P.").payload(GET)
            .server(9020, "R");

    the_event_loop_was_two_milliseconds_late: "likely stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        served()
            .server(5045, "F.")
            .client(5045.1, ".")
            .client(5047, "P.").payload(GET)
            .server(5067, "R");

    an_early_answer_came_while_the_client_still_wrote: "likely close-with-unread-data · by server · drawn by none · response-truncated" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(UPLOAD)
            .client(21.1, "P.").payload([b'x'; 1400])
            .server(42, "P.").payload(TOO_LARGE)
            .client(42.2, "P.").payload([b'x'; 1400])
            .server(43, "R.").crossing();

    an_early_answer_ends_an_upload: "likely data-after-close · by server · drawn by data · response-truncated" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(UPLOAD)
            .client(21.1, "P.").payload([b'x'; 1400])
            .server(41, ".")
            .server(42, "P.").payload(TOO_LARGE)
            .server(42.1, "F.")
            .client(42.2, ".")
            .client(43, "P.").payload([b'x'; 1400])
            .server(63, "R");

    a_half_written_upload_meets_a_closed_socket: "likely data-after-close · by server · drawn by data · request-outcome-unknown" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(UPLOAD)
            .client(21.1, "P.").payload([b'x'; 1400])
            .server(41, ".")
            .server(42, "F.")
            .client(42.1, ".")
            .client(43, "P.").payload([b'x'; 1400])
            .server(63, "R");

    a_head_that_comes_too_slowly_meets_a_closed_socket: "likely data-after-close · by server · drawn by data · request-lost" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload("POST /orders HTTP/")
            .server(41, ".")
            .client(421, "P.").payload("1.1\r\nHost: a\r\nX-A")
            .server(441, ".")
            .server(650, "P.").payload("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
            .client(650.1, ".")
            .server(650.2, "F.")
            .client(650.3, ".")
            .client(821, "P.").payload("bc: one\r\nX-Def: tw")
            .server(841, "R");

    the_server_reset_what_follows_both_fins: "likely teardown-noise · by server · drawn by ack · none" =>
        served()
            .client(60, "F.")
            .server(80, "F.")
            .client(80.1, ".")
            .server(100.1, "R");

    the_client_answers_the_fin_with_a_reset: "likely teardown-noise · by client · drawn by none · none" =>
        served()
            .server(5045, "F.")
            .client(5045.3, "R.");

    a_mac_sends_its_fin_and_a_reset_with_the_same_number: "likely teardown-noise · by client · drawn by none · none" =>
        served()
            .client(60, "F.")
            .client(60.1, "R.").seq(28);

    close_notify_meets_a_closed_socket: "likely teardown-noise · by client · drawn by data · none" =>
        encrypted()
            .client(200, "P.").payload(close_notify())
            .client(200.1, "F.")
            .server(220, "P.").payload(close_notify())
            .server(220.1, "F.")
            .client(220.2, "R").answering(220)
            .client(220.3, "R").answering(220.1);

    a_request_under_tls_meets_a_closed_socket: "certain stale-reuse · by server · drawn by request · request-lost · between-requests" =>
        encrypted()
            .server(5145, "P.").payload(close_notify())
            .server(5145.1, "F.")
            .client(5145.2, ".")
            .client(9000, "P.").payload(application_data(180))
            .server(9020, "R");

    the_client_had_enough_after_a_whole_answer: "likely teardown-noise · by client · drawn by none · none" =>
        served()
            .client(46, "R.");

    a_close_delimited_answer_and_a_late_reset: "likely teardown-noise · by client · drawn by none · none" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(GET)
            .server(41, "P.").payload(CLOSE_DELIMITED)
            .server(41.1, "F.")
            .client(41.3, "R.");

    a_goodbye_to_a_server_that_has_closed: "possible teardown-noise · by server · drawn by request · unclear" =>
        Ladder::to(25)
            .handshake(0)
            .server(60, "P.").payload("220 mail\r\n")
            .client(60.1, "P.").payload("EHLO there\r\n")
            .server(80, "P.").payload("250 hello\r\n")
            .client(80.1, ".")
            .server(300_080, "P.").payload("421 timeout\r\n")
            .server(300_080.1, "F.")
            .client(300_080.2, ".")
            .client(300_090, "P.").payload("QUIT\r\n")
            .client(300_090.1, "F.")
            .server(300_110, "R")
            .server(300_110.1, "R");

    the_next_request_meets_an_abort: "possible abortive-close · by server · drawn by none · request-lost" =>
        served()
            .client(60, "P.").payload(GET)
            .server(61, "R.").crossing()
            .server(80, "R").answering(60);

    the_first_answer_to_a_closed_sockets_upload_lies_below_its_fin: "likely data-after-close · by server · drawn by data · response-truncated" =>
        Ladder::to(80).handshake(0)
            .client(21, "P.").payload(UPLOAD)
            .client(22, "P.").payload([b'a'; 1400])
            .client(41, "P.").payload([b'a'; 1400])
            .server(60, "P.").payload(TOO_LARGE).crossing()
            .server(60.1, "F.").crossing()
            .client(60.2, ".")
            .server(61, "R").answering(41)
            .client(61.1, "P.").payload([b'a'; 1400]);

    a_second_answer_comes_after_the_client_is_gone: "likely teardown-noise · by client · drawn by response · none" =>
        served()
            .client(60, "F.")
            .server(80, "P.").payload(OK)
            .client(80.1, "R");

    a_hang_up_whose_last_ack_draws_a_reset: "likely hang-up · by server · drawn by fin · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(POST)
            .server(80, ".")
            .server(82, "F.")
            .client(82.1, "F.")
            .server(102, "R");

    close_crosses_close: "nothing" =>
        served()
            .client(5000, "F.")
            .server(5005, "F.").crossing()
            .client(5005.1, ".")
            .server(5020, ".");

    a_pipelined_request_crosses_a_busy_close: "likely data-after-close · by server · drawn by request · request-lost" =>
        served()
            .client(46, "P.").payload(POST)
            .server(47, "F.").crossing()
            .client(47.1, ".")
            .server(66, "R").answering(46);

    the_request_was_taken_before_the_close: "likely hang-up · by server · drawn by ack · request-outcome-unknown" =>
        served()
            .client(5000, "P.").payload(POST)
            .server(5020, ".")
            .server(5045, "F.")
            .client(5045.1, ".")
            .server(5065.1, "R");

    a_hang_up_instead_of_an_answer: "likely hang-up · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(POST)
            .server(80, ".")
            .server(82, "F.")
            .client(82.1, "F.")
            .server(102, ".");

    a_hang_up_in_the_middle_of_an_answer: "likely hang-up · response-truncated" =>
        served()
            .client(60, "P.").payload(GET)
            .server(80, "P.").payload(PART)
            .server(82, "F.")
            .client(82.1, "F.")
            .server(102, ".");

    a_hang_up_that_the_client_answers_with_a_reset: "likely hang-up · by client · drawn by none · request-outcome-unknown" =>
        served()
            .client(60, "P.").payload(POST)
            .server(80, ".")
            .server(82, "F.")
            .client(82.3, "R.");

    the_idle_close_crosses_a_request_and_no_reset_follows: "likely keepalive-race · request-lost · between-requests" =>
        served()
            .client(5040, "P.").payload(GET)
            .server(5045, "F.").crossing()
            .client(5045.1, "F.")
            .server(5065, ".").ack(56);
}
