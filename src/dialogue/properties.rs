//! What holds for any bytes.

use proptest::prelude::*;

use super::script::Script;
use super::{Dialogue, DialogueReader};
use crate::flow::Peer::{self, Client, Server};

/// Pieces of real dialogues, so that chance gets further than the first byte.
const PHRASES: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST /x?y HTTP/1.1\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"5\r\n",
    b"0\r\n\r\n",
    b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
    b"\x17\x03\x03\x00\x13",
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x14\x03\x03\x00\x01\x01",
    b"\x17\x03\x03\x40\x00",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let phrase = prop::sample::select(PHRASES).prop_map(<[u8]>::to_vec);
    let noise = prop::collection::vec(any::<u8>(), 0..24);
    prop::collection::vec(prop_oneof![3 => phrase, 1 => noise], 0..5)
        .prop_map(|parts| parts.concat())
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![Just(Client), Just(Server)]
}

fn any_script() -> impl Strategy<Value = Script> {
    let event = (peer(), bytes(), 0u8..12, any::<u32>());
    (
        prop::sample::select(&[80u16, 443, 3306, 5432, 6379, 9][..]),
        prop::collection::vec(event, 0..12),
    )
        .prop_map(|(port, events)| {
            events.into_iter().fold(
                Script::to(port),
                |script, (from, bytes, what, n)| match what {
                    0 => script.gap(from, u64::from(n)),
                    1 => script.gap(from, 0),
                    2 => script.fin(from),
                    3 if from == Client => script.client_cut(bytes, n),
                    3 => script.server_cut(bytes, n),
                    _ => script.say(from, bytes),
                },
            )
        })
}

fn is_bounded(dialogue: &Dialogue) -> bool {
    dialogue.recent.len() <= Dialogue::KEPT && dialogue.farewells.len() <= 4
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics_and_everything_is_bounded(script in any_script(), sizes in prop::collection::vec(1usize..40, 1..8)) {
        let (dialogue, _) = script.read(|piece| sizes[piece % sizes.len()]);
        prop_assert!(is_bounded(&dialogue));
        for exchange in &dialogue.recent {
            prop_assert!(exchange.request.start.offset <= exchange.request.end.offset);
            if let Some(response) = exchange.response {
                prop_assert!(response.start.offset <= response.end.offset);
            }
            if let Some(end) = exchange.request.expected_end {
                prop_assert!(end >= exchange.request.end.offset);
            }
        }
    }
}

#[test]
fn an_unknown_protocol_costs_little() {
    assert!(std::mem::size_of::<DialogueReader>() <= 300);
}
