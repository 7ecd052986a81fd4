//! Packed or not, a connection is the same.

use super::*;
use crate::dialogue::DialogueReader;
use crate::flow::numbering::StreamNumbers;
use crate::testing::{Ladder, Trace, TraceFrame};

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nServer: c\r\nContent-Length: 2\r\n\r\nok";

/// Two questions with a silence between them, and a close in order.
fn talk(port: u16) -> Ladder {
    Ladder::to(80)
        .from_port(port)
        .handshake(0)
        .client(10, "P.")
        .payload(GET)
        .server(20, "P.")
        .payload(OK)
        .client(21, ".")
        .client(900, "P.")
        .payload(GET)
        .server(920, "P.")
        .payload(OK)
        .client(921, ".")
        .server(1_500, "F.")
        .client(1_501, "F.")
        .server(1_502, ".")
}

/// These among so many others that they are packed when the last of those close.
fn among_others(frames: impl IntoIterator<Item = TraceFrame>) -> Trace {
    let others = (0..60).flat_map(|number| {
        let talk = talk(50_000 + number).later_by(10 * i64::from(number));
        talk.trace().frames
    });
    Trace::of(others.chain(frames).collect())
}

/// A table that has taken it all.
fn filled(mut table: Table<DialogueReader>, trace: &Trace) -> Table<DialogueReader> {
    trace.segments(|segment| {
        table.take(segment);
    });
    let opened = table.take_opened();
    if !opened.is_empty() {
        table.renumber(&StreamNumbers::of(0, &[opened]));
    }
    table
}

fn packing(trace: &Trace) -> Table<DialogueReader> {
    filled(Table::part(Limits::default()), trace)
}

fn whole(trace: &Trace) -> Table<DialogueReader> {
    filled(Table::new(Limits::default()), trace)
}

fn packed_among(table: &Table<DialogueReader>, port: u16) -> Vec<bool> {
    let from_port = |held: &Held<DialogueReader>| held.outline().client.1 == port;
    let found = table.connections().into_iter().filter(from_port);
    found.map(|held| held.kept.as_whole().is_none()).collect()
}

/// All that is known of all connections, in order.
fn told(mut table: Table<DialogueReader>) -> Vec<String> {
    let mut all: Vec<_> = table
        .kept
        .into_iter()
        .flatten()
        .chain(table.replaced)
        .map(|kept| kept.into_whole(&mut table.archive))
        .collect();
    all.iter_mut().for_each(|connection| connection.give_back());
    all.sort_by_key(|connection| connection.first_stream());
    all.iter()
        .map(|connection| format!("{connection:?}"))
        .collect()
}

#[test]
fn nothing_is_lost() {
    for ladder in [
        talk(40_000),
        talk(40_000).over_ipv6(),
        talk(40_000).without_timestamps(),
    ] {
        let trace = among_others(ladder.trace().frames);
        let table = packing(&trace);
        assert_eq!(packed_among(&table, 40_000), [true]);
        assert_eq!(told(table), told(whole(&trace)));
    }
}

#[test]
fn what_is_read_of_a_packed_connection_is_what_was_said() {
    let trace = among_others(talk(40_000).trace().frames);
    let (packing, whole) = (packing(&trace), whole(&trace));
    for (packed, whole) in packing.connections().into_iter().zip(whole.connections()) {
        let (packed, whole) = (packed.known(), whole.known());
        assert_eq!(packed.dialogue(), whole.dialogue());
        let numbers = |connection: &Connection<DialogueReader>| {
            let packets = connection.packets_newest_first();
            packets
                .map(|packet| packet.head.frame.number)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(&packed), numbers(&whole));
        assert_eq!(packed.round_trip(), whole.round_trip());
    }
}

#[test]
fn a_late_reset_finds_the_connection_as_it_was() {
    let late = talk(40_000)
        .client(90_000, "P.")
        .payload("x")
        .server(90_001, "R");
    let trace = among_others(late.trace().frames);
    let table = packing(&trace);
    assert_eq!(packed_among(&table, 40_000), [false]);
    assert_eq!(packed_among(&table, 50_000), [true]);
    assert_eq!(told(table), told(whole(&trace)));
}

#[test]
fn a_port_that_is_used_again_leaves_what_was_packed_and_begins_anew() {
    let again = talk(40_000).numbered_from(77, 99).later_by(120_000);
    let frames = talk(40_000).trace().frames.into_iter();
    let trace = among_others(frames.chain(again.trace().frames));
    let table = packing(&trace);
    assert_eq!(packed_among(&table, 40_000), [true, false]);
    assert_eq!(told(table), told(whole(&trace)));
}

#[test]
fn a_retransmission_after_the_close_is_counted_and_all_is_packed_again() {
    let repeated = talk(40_000).client(1_700, "F.").crossing();
    let mut frames = repeated.trace().frames;
    for number in 0..60 {
        frames.extend(talk(45_000 + number).later_by(5_000).trace().frames);
    }
    let trace = among_others(frames);
    let table = packing(&trace);
    assert_eq!(packed_among(&table, 40_000), [true]);
    assert_eq!(told(table), told(whole(&trace)));
}
