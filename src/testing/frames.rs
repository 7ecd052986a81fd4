//! Bytes of the packets of a ladder: Ethernet, IPv4 or IPv6, TCP or an ICMP error.

use std::net::IpAddr;

use crate::flow::Peer;
use crate::testing::ladder::{Ladder, Number, Step};
use crate::wire::IcmpReason;

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// One frame.
pub(super) fn ethernet(ladder: &Ladder, step: &Step, ip_id: u16) -> Vec<u8> {
    let (from, to) = (
        ladder.ends.of(step.from).0,
        ladder.ends.of(step.from.other()).0,
    );
    let packet = ip((from, to), TCP, &tcp(ladder, step), step, ip_id);
    let packet = match step.icmp {
        None => packet,
        Some((reason, sender)) => {
            let (protocol, body) = icmp((sender, from), reason, &packet);
            ip((sender, from), protocol, &body, step, ip_id)
        }
    };
    let (client, server) = ([2, 0, 0, 0, 5, 1], [2, 0, 0, 0, 9, step.mac]);
    let (source, destination) = match step.from {
        Peer::Client => ([2, 0, 0, 0, 5, step.mac], [2, 0, 0, 0, 9, 1]),
        Peer::Server => (server, client),
    };
    let kind: [u8; 2] = if from.is_ipv4() { [8, 0] } else { [0x86, 0xdd] };
    [&destination[..], &source, &kind, &packet].concat()
}

fn ip((from, to): (IpAddr, IpAddr), protocol: u8, body: &[u8], step: &Step, id: u16) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let length = (20 + body.len()) as u16;
            let fragment = if step.may_fragment { 0 } else { 0x40 };
            let mut header = [
                &[0x45, 0][..],
                &length.to_be_bytes(),
                &id.to_be_bytes(),
                &[fragment, 0, step.ttl, protocol, 0, 0],
                &from.octets(),
                &to.octets(),
            ]
            .concat();
            let sum = checksum(&[&header]);
            put(&mut header, 10, sum);
            [&header, body].concat()
        }
        _ => [
            &[0x60, 0, 0, 0][..],
            &(body.len() as u16).to_be_bytes(),
            &[protocol, step.ttl],
            &octets(from),
            &octets(to),
            body,
        ]
        .concat(),
    }
}

fn tcp(ladder: &Ladder, step: &Step) -> Vec<u8> {
    let (from, to) = (ladder.ends.of(step.from), ladder.ends.of(step.from.other()));
    let raw = |number: Number, base: u32| match number {
        Number::Relative(number) => base.wrapping_add(number),
        Number::Raw(number) => number,
    };
    let seq = raw(step.seq, *ladder.isn.of(step.from));
    let ack = raw(step.ack, *ladder.isn.of(step.from.other()));
    let options = options(ladder, step);
    let words = 5 + options.len() as u8 / 4;
    let mut segment = [
        &from.1.to_be_bytes()[..],
        &to.1.to_be_bytes(),
        &seq.to_be_bytes(),
        &ack.to_be_bytes(),
        &[words << 4, step.flags.0 as u8],
        &step.window.to_be_bytes(),
        &[0, 0, 0, 0],
        &options,
        &step.payload,
    ]
    .concat();
    let length = (segment.len() as u32).to_be_bytes();
    let pseudo = [&octets(from.0)[..], &octets(to.0), &length, &[0, 0, 0, TCP]].concat();
    let right = checksum(&[&pseudo, &segment]);
    put(&mut segment, 16, right ^ u16::from(step.checksum_wrong));
    segment
}

/// As Linux orders them.
fn options(ladder: &Ladder, step: &Step) -> Vec<u8> {
    if !step.has_options {
        return Vec::new();
    }
    let value = 0x1000_0000_u32.wrapping_add((step.at.as_nanos() / 1_000_000) as u32);
    let timestamps = [&[1, 1, 8, 10][..], &value.to_be_bytes(), &[0x10, 0, 0, 0]].concat();
    if !step.flags.syn() {
        return timestamps;
    }
    let mut options = vec![2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2];
    if ladder.speaks_timestamps() {
        options.extend(timestamps);
    }
    options
}

fn icmp((from, to): (IpAddr, IpAddr), reason: IcmpReason, quoted: &[u8]) -> (u8, Vec<u8>) {
    let v4 = from.is_ipv4();
    let (kind, code) = match (reason, v4) {
        (IcmpReason::PortUnreachable, true) => (3, 3),
        (IcmpReason::Prohibited, true) => (3, 13),
        (IcmpReason::TooBig, true) => (3, 4),
        (IcmpReason::TimeExceeded, true) => (11, 0),
        (_, true) => (3, 1),
        (IcmpReason::PortUnreachable, false) => (1, 4),
        (IcmpReason::Prohibited, false) => (1, 1),
        (IcmpReason::TooBig, false) => (2, 0),
        (IcmpReason::TimeExceeded, false) => (3, 0),
        (_, false) => (1, 0),
    };
    let mut body = [&[kind, code, 0, 0, 0, 0, 0, 0][..], quoted].concat();
    if v4 {
        let sum = checksum(&[&body]);
        put(&mut body, 2, sum);
        return (ICMP, body);
    }
    let length = (body.len() as u32).to_be_bytes();
    let pseudo = [&octets(from)[..], &octets(to), &length, &[0, 0, 0, ICMPV6]].concat();
    let sum = checksum(&[&pseudo, &body]);
    put(&mut body, 2, sum);
    (ICMPV6, body)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn put(bytes: &mut [u8], at: usize, word: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

/// RFC 1071; all parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words
        .map(|pair| match *pair {
            [high, low] => u64::from(u16::from_be_bytes([high, low])),
            [high] => u64::from(high) << 8,
            _ => 0,
        })
        .sum();
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
