use std::net::{IpAddr, Ipv4Addr};

use super::Table;
use crate::dialogue::DialogueReader;
use crate::flow::Limits;
use crate::testing::Ladder;
use crate::wire::{IcmpReason, Segment, TcpFlags};

/// Streams of the connections held after the ladder's segments, each changed before it is taken.
fn streams(ladder: &Ladder, change: impl Fn(usize, &mut Segment<'_>)) -> Vec<u32> {
    let mut table = Table::<DialogueReader>::new(Limits::default());
    let mut number = 0;
    ladder.trace().segments(|segment| {
        let mut segment = *segment;
        change(number, &mut segment);
        number += 1;
        table.take(&segment);
    });
    table
        .connections()
        .iter()
        .map(|connection| connection.first_stream())
        .collect()
}

/// The data offset is too small for a header: no flags, whatever bits stand there.
fn break_header(segment: &mut Segment<'_>, bits: u16) {
    segment.flags = None;
    segment.head.flags = TcpFlags(bits);
}

#[test]
fn the_same_syn_again_is_the_same_stream() {
    let ladder = Ladder::to(80).client(0, "S").again(1);
    assert_eq!(streams(&ladder, |_, _| {}), [0]);
}

#[test]
fn a_broken_syn_counts_for_the_rule_of_port_reuse() {
    let ladder = Ladder::to(80).client(0, "S").again(1);
    let first = |bits: u16| {
        move |number: usize, segment: &mut Segment<'_>| {
            if number == 0 {
                break_header(segment, bits);
            }
        }
    };
    assert_eq!(
        streams(&ladder, first(0x002)),
        [0],
        "its number is the SYN's"
    );
    assert_eq!(
        streams(&ladder, first(0x500)),
        [0, 1],
        "taken for data, its number is one after the SYN's"
    );
}

#[test]
fn a_broken_syn_with_another_number_opens_a_stream() {
    let ladder = Ladder::to(80).client(0, "S").client(1, "S").seq(77);
    let last = |number: usize, segment: &mut Segment<'_>| {
        if number == 1 {
            break_header(segment, 0x002);
        }
    };
    assert_eq!(streams(&ladder, last), [0, 1]);
}

/// An ICMP error may come before anything of what it quotes: the number is taken then, and the connection counted when it comes.
#[test]
fn a_connection_that_was_quoted_first_is_counted_once() {
    let router = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let quoted = Ladder::to(80)
        .client(5, "S")
        .icmp(1, router, IcmpReason::Unreachable)
        .server(9, "R.");
    let other = Ladder::to(80).from_port(40_002).handshake(2);
    let report = quoted.trace().with(&other.trace()).report();
    assert_eq!(report.summary.connections, 2);
    assert_eq!(report.resets[0].connection.stream, 0);
    let alone = Ladder::to(80)
        .client(5, "S")
        .icmp(9, router, IcmpReason::Unreachable);
    assert_eq!(alone.trace().report().summary.connections, 1);
}

/// The data offset points behind the end, as in `header_past_end`.
fn stretch_header(number: usize) -> impl Fn(usize, &mut Segment<'_>) {
    move |at, segment| segment.header_past_end |= at == number
}

#[test]
fn a_header_behind_the_end_teaches_no_base_sequence_number() {
    let ladder = Ladder::to(80).client(0, "S").client(1, "S").seq(77);
    assert_eq!(streams(&ladder, |_, _| {}), [0, 1]);
    assert_eq!(streams(&ladder, stretch_header(0)), [0]);
    assert_eq!(streams(&ladder, stretch_header(1)), [0, 1]);
}

#[test]
fn a_syn_ack_with_another_number_makes_that_the_first() {
    let twice = Ladder::to(80).handshake(0).server(1, "S.").seq(77);
    let again = twice.clone().server(2, "S").seq(77);
    assert_eq!(streams(&again, |_, _| {}), [0]);
    let other = twice.server(2, "S").seq(78);
    assert_eq!(streams(&other, |_, _| {}), [0, 1]);
}
