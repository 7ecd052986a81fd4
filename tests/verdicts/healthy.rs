//! What ends well, or goes on, is left alone.

use whyrst::flow::Peer::Client;
use whyrst::testing::Ladder;

use crate::closing::{close_notify, encrypted};
use crate::{CLOSE_DELIMITED, GET, OK, PART, served};

/// Both FINs and their acknowledgements, begun by the client.
fn closed_by_client(ladder: Ladder, at: f64) -> Ladder {
    ladder
        .client(at, "F.")
        .server(at + 20.0, "F.")
        .client(at + 20.1, ".")
}

/// The same, begun by the server.
fn closed_by_server(ladder: Ladder, at: f64) -> Ladder {
    ladder
        .server(at, "F.")
        .client(at + 0.1, "F.")
        .server(at + 20.0, ".")
}

/// A WebSocket frame; the client's are masked.
fn frame(from: whyrst::flow::Peer, opcode: u8, body: &[u8]) -> Vec<u8> {
    match from {
        Client => [&[0x80 | opcode, 0x80 | body.len() as u8, 0, 0, 0, 0][..], body].concat(),
        _ => [&[0x80 | opcode, body.len() as u8][..], body].concat(),
    }
}

fn websocket() -> Ladder {
    Ladder::to(80)
        .handshake(0)
        .client(21, "P.").payload("GET /feed HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        .server(45, "P.").payload("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        .client(45.1, ".")
        .server(900, "P.").payload(frame(whyrst::flow::Peer::Server, 1, b"news"))
        .client(900.1, ".")
}

fn probed_for_hours() -> Ladder {
    (1..=160).fold(served(), |ladder, number| {
        let at = f64::from(number) * 75_000.0;
        ladder.client(at, ".").probe().server(at + 20.0, ".")
    })
}

ladders! {
    one_exchange: "nothing" => closed_by_client(served(), 60.0);

    still_open: "nothing" => served();

    the_server_closes_an_idle_connection: "nothing" => closed_by_server(served(), 5045.0);

    the_client_closes_it_a_minute_later: "nothing" =>
        served()
            .server(5045, "F.")
            .client(5045.1, ".")
            .client(65_000, "F.")
            .server(65_020, ".");

    the_client_half_closes_and_waits: "nothing" =>
        Ladder::to(80)
            .handshake(0)
            .client(21, "P.").payload(GET)
            .client(21.1, "F.")
            .server(41, ".")
            .server(2045, "P.").payload(OK)
            .server(2045.1, "F.")
            .client(2045.2, ".");

    half_closed_without_a_known_protocol: "nothing" =>
        Ladder::to(9000)
            .handshake(0)
            .client(21, "P.").payload("sort these lines\nb\na\n")
            .client(21.1, "F.")
            .server(41, ".")
            .server(3045, "P.").payload("a\nb\n")
            .server(3045.1, "F.")
            .client(3045.2, ".");

    logs_are_shipped_and_never_answered: "nothing" =>
        closed_by_client(
            (1..=20).fold(Ladder::to(5514).handshake(0), |ladder, number| {
                let at = f64::from(number) * 3000.0;
                ladder.client(at, "P.").payload("<13>Nov 1 host app: line of a log\n").server(at + 20.0, ".")
            }),
            70_000.0,
        );

    logs_are_shipped_and_the_server_closes: "nothing" =>
        closed_by_server(
            (1..=4).fold(Ladder::to(5514).handshake(0), |ladder, number| {
                let at = f64::from(number) * 3000.0;
                ladder.client(at, "P.").payload("<13>Nov 1 host app: line of a log\n").server(at + 20.0, ".")
            }),
            70_000.0,
        );

    the_server_speaks_first: "nothing" =>
        closed_by_server(
            Ladder::to(25)
                .handshake(0)
                .server(45, "P.").payload("220 mail.example ESMTP\r\n")
                .client(46, "P.").payload("EHLO me\r\n")
                .server(70, "P.").payload("250 mail.example\r\n")
                .client(71, "P.").payload("QUIT\r\n")
                .server(95, "P.").payload("221 bye\r\n"),
            95.2,
        );

    a_banner_and_no_more: "nothing" =>
        closed_by_client(
            Ladder::to(22)
                .handshake(0)
                .server(45, "P.").payload("SSH-2.0-OpenSSH_9.6\r\n")
                .client(45.1, "."),
            4000.0,
        );

    a_long_poll_is_answered_late: "nothing" =>
        closed_by_client(
            served()
                .client(60, "P.").payload(GET)
                .server(80, ".")
                .server(55_080, "P.").payload(OK)
                .client(55_080.1, "."),
            56_000.0,
        );

    keepalive_probes_are_answered_for_hours: "nothing" => closed_by_client(probed_for_hours(), 12_100_000.0);

    an_answer_that_ends_with_the_connection: "nothing" =>
        closed_by_server(
            Ladder::to(80)
                .handshake(0)
                .client(21, "P.").payload("GET / HTTP/1.0\r\n\r\n")
                .server(45, "P.").payload(CLOSE_DELIMITED)
                .server(45.1, "P.").payload([b'a'; 1200]),
            45.2,
        );

    an_ftp_data_connection: "nothing" =>
        Ladder::to(20_021)
            .handshake(0)
            .server(45, ".").payload([b'f'; 1400])
            .server(45.1, ".").payload([b'f'; 1400])
            .client(45.2, ".")
            .server(46, "F.")
            .client(46.1, ".")
            .client(46.3, "F.")
            .server(66.3, ".");

    an_ftp_upload: "nothing" =>
        closed_by_client(
            Ladder::to(20_021)
                .handshake(0)
                .client(45, ".").payload([b'f'; 1400])
                .client(45.1, ".").payload([b'f'; 1400])
                .server(65, "."),
            66.0,
        );

    a_websocket_says_goodbye: "nothing" =>
        closed_by_server(
            websocket()
                .client(2000, "P.").payload(frame(Client, 8, &[3, 0xe8]))
                .server(2020, "P.").payload(frame(whyrst::flow::Peer::Server, 8, &[3, 0xe8])),
            2020.2,
        );

    tls_says_goodbye_both_ways: "nothing" =>
        encrypted()
            .client(200, "P.").payload(close_notify())
            .server(220, "P.").payload(close_notify())
            .client(220.1, "F.")
            .server(240, "F.")
            .client(240.1, ".");

    a_lost_request_is_sent_again: "nothing" =>
        closed_by_client(
            served()
                .client(60, "P.").payload(GET).again(280)
                .server(300, "P.").payload(OK)
                .client(300.1, "."),
            400.0,
        );

    a_lost_part_of_an_answer_comes_later: "nothing" =>
        closed_by_client(
            Ladder::to(80)
                .handshake(0)
                .client(21, "P.").payload(GET)
                .server(45, "P.").payload("HTTP/1.1 200 OK\r\nContent-Length: 2800\r\n\r\n")
                .server(45.1, ".").payload([b'a'; 1400]).unseen()
                .server(45.2, "P.").payload([b'a'; 1400])
                .client(45.3, ".").ack(42)
                .server(266, ".").seq(42).payload([b'a'; 1400])
                .client(266.1, "."),
            300.0,
        );

    a_full_window_opens_again: "nothing" =>
        closed_by_client(
            served()
                .client(60, "P.").payload(GET)
                .server(80, "P.").payload(PART)
                .server(80.1, "P.").payload([b'a'; 4000])
                .client(80.2, ".").window(0)
                .server(300, ".").probe()
                .client(300.1, ".").window(0)
                .server(720, ".").probe()
                .client(720.1, ".").window(0)
                .client(4000, ".")
                .server(4020, "P.").payload([b'a'; 4995])
                .client(4020.1, "."),
            4100.0,
        );

    a_half_written_head_is_only_slow: "nothing" =>
        closed_by_client(
            Ladder::to(80)
                .handshake(0)
                .client(21, "P.").payload("GET / HTTP/1.1\r\n")
                .server(41, ".")
                .client(3000, "P.").payload("Host: a\r\n\r\n")
                .server(3020, "P.").payload(OK)
                .client(3020.1, "."),
            3100.0,
        );

    a_mail_client_drops_an_idle_line: "nothing" =>
        closed_by_client(
            Ladder::to(143)
                .handshake(0)
                .server(45, "P.").payload("* OK ready\r\n")
                .client(46, "P.").payload("a1 LOGIN me secret\r\n")
                .server(70, "P.").payload("a1 OK\r\n")
                .client(70.1, "."),
            1_800_000.0,
        );

    nothing_was_ever_said: "nothing" => closed_by_client(Ladder::to(80).handshake(0), 30_000.0);

    nothing_was_ever_said_and_the_server_closes: "nothing" => closed_by_server(Ladder::to(80).handshake(0), 60_000.0);
}
