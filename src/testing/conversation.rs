//! Conversations drawn by lot.

use proptest::prelude::*;

use super::{Ladder, Trace};
use crate::flow::Peer;

/// What is said: nothing known, a request, answers, TLS.
pub(crate) const SAYINGS: [&str; 5] = [
    "x",
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
    "\x16\x03\x01\x00\x05hello",
];

/// A packet more, of a kind that is drawn by lot.
fn step(ladder: Ladder, at: f64, kind: u8, from: Peer, saying: &str) -> Ladder {
    let packet = |flags| match from {
        Peer::Client => ladder.clone().client(at, flags),
        Peer::Server => ladder.clone().server(at, flags),
    };
    match kind {
        0..12 => packet("P.").payload(saying),
        12..17 => packet("."),
        17 => packet(".").window(0),
        18 => ladder.again(at),
        19 => packet(".").probe(),
        20 => packet("P.").payload(saying).crossing(),
        21 => packet("P.").payload(saying).unseen(),
        22 => packet("P.").seq(1).payload(saying),
        23 => packet(".").ack(40),
        24 => packet("P.").payload(saying).bare().ttl(50).mac(9),
        25 => packet("P"),
        26 => packet("S."),
        27 => packet("F."),
        _ => packet("R."),
    }
}

/// The ladder goes on with packets of any kind, in about the order of time. Few are all there.
pub(crate) fn conversation(ladder: Ladder) -> impl Strategy<Value = Trace> {
    let peer = prop_oneof![Just(Peer::Client), Just(Peer::Server)];
    let gap = prop_oneof![4 => 1..30_i32, 1 => 100..400_i32];
    let steps = prop::collection::vec((0..29_u8, gap, peer, 0..SAYINGS.len()), 0..60);
    let jitter = prop::collection::vec(prop_oneof![9 => Just(0), 1 => 0..30_000_i64], 1..20);
    (steps, jitter, 0..9_usize, any::<bool>()).prop_map(move |(steps, jitter, from, twice)| {
        let mut ladder = ladder.clone().handshake(0);
        let mut at = 30.0;
        for (kind, gap, peer, saying) in steps {
            at += f64::from(gap);
            ladder = step(ladder, at, kind, peer, SAYINGS[saying]);
        }
        let trace = ladder.trace().jittered(&jitter);
        // Some captures begin late, some show everything twice.
        let trace = trace.only(|place, _| place >= from.saturating_sub(4));
        if twice { trace.seen_twice(7) } else { trace }
    })
}
