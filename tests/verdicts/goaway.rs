//! HTTP/2 sessions that one end broke off with an error.

use whyrst::testing::Ladder;

const CALM: u32 = 0xb;
const PROTOCOL: u32 = 1;
const NONE: u32 = 0;

fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
}

fn request(stream: u32) -> Vec<u8> {
    frame(1, 5, stream, &[0x82, 0x84])
}

fn response(stream: u32) -> Vec<u8> {
    frame(1, 5, stream, &[0x88])
}

fn goaway(last: u32, error: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), error.to_be_bytes()].concat())
}

/// One exchange, and a request that is under way.
fn asked() -> Ladder {
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[]), &request(1)].concat();
    Ladder::to(8080)
        .handshake(0)
        .client(21, "P.").payload(preface)
        .server(41, "P.").payload([frame(4, 0, 0, &[]), response(1)].concat())
        .client(42, "P.").payload(request(3))
        .server(62, ".")
}

ladders! {
    the_client_closes_upon_it: "likely hang-up · request-outcome-unknown" =>
        asked()
            .server(600, "P.").payload(goaway(3, CALM))
            .client(601, "F.")
            .server(621, "F.")
            .client(622, ".");

    the_server_closes_behind_it: "likely hang-up · request-outcome-unknown" =>
        asked()
            .server(600, "P.").payload(goaway(3, PROTOCOL))
            .server(600.1, "F.")
            .client(601, "F.")
            .server(621, ".");

    nothing_was_done_about_a_later_stream: "likely hang-up · request-lost" =>
        asked()
            .server(600, "P.").payload(goaway(1, CALM))
            .client(601, "F.")
            .server(621, "F.")
            .client(622, ".");

    it_resets_behind_it: "likely abortive-close · by server · drawn by none · request-outcome-unknown" =>
        asked()
            .server(600, "P.").payload(goaway(3, PROTOCOL))
            .server(600.1, "R.");

    the_client_finds_fault: "likely hang-up · request-outcome-unknown" =>
        asked()
            .client(600, "P.").payload(goaway(0, PROTOCOL))
            .client(600.1, "F.")
            .server(640, "F.")
            .client(641, ".");

    an_orderly_one_waits_for_what_is_open: "nothing" =>
        asked()
            .server(600, "P.").payload(goaway(3, NONE))
            .client(601, ".")
            .server(700, "P.").payload(response(3))
            .client(701, "F.")
            .server(721, "F.")
            .client(722, ".");

    with_nothing_open_it_costs_nothing: "nothing" =>
        asked()
            .server(80, "P.").payload(response(3))
            .server(600, "P.").payload(goaway(3, CALM))
            .client(601, "F.")
            .server(621, "F.")
            .client(622, ".");
}

#[test]
fn it_is_told_who_broke_off_and_why() {
    let told = |ladder: Ladder| {
        let findings = ladder.findings();
        let finding = findings.first().expect("a finding");
        (finding.detail.clone().unwrap_or_default(), finding.explanation.clone())
    };
    let (detail, text) = told(asked().server(600, "P.").payload(goaway(3, CALM)).client(601, "F."));
    assert_eq!(detail, "goaway-calm");
    assert!(text.starts_with("The server broke the HTTP/2 session off with GOAWAY ENHANCE_YOUR_CALM"), "{text}");
    let (detail, text) = told(asked().client(600, "P.").payload(goaway(0, PROTOCOL)).client(600.1, "F."));
    assert_eq!(detail, "goaway-error");
    assert!(text.starts_with("The client broke the HTTP/2 session off with GOAWAY PROTOCOL_ERROR"), "{text}");
}

#[test]
fn the_advice_is_to_ping_less() {
    let ladder = asked()
        .server(600, "P.").payload(goaway(3, CALM))
        .client(601, "F.")
        .server(621, "F.")
        .client(622, ".");
    let report = ladder.trace().report();
    let advice = report.advice.first().map_or("", |advice| &*advice.action);
    assert!(advice.starts_with("send fewer PINGs"), "{advice}");
}
