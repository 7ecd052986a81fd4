//! One row for each link type and encapsulation: the bytes before an innermost packet, and what must come out.
//!
//! Wireshark 4.0 finds the same segment in each row, but for the pseudowire with a control word, where it looks for
//! addresses of known makers and takes these for none.

use proptest::prelude::*;

use super::super::{Decoded, Decoder};
use super::{ETHERNET, RAW, RST, cut_frame, ethernet, frame, ipv4, ipv6, segment, tcp};

/// Bytes from hexadecimal digits; spaces are for the eye.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks_exact(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

/// What is innermost.
#[derive(Clone, Copy)]
enum Inner {
    V4,
    V6,
    /// An Ethernet frame with an IPv4 packet.
    Frame,
}

use Inner::{Frame, V4, V6};

impl Inner {
    fn bytes(self) -> Vec<u8> {
        match self {
            V4 => ipv4(6, &tcp(RST, b"bye")),
            V6 => ipv6(6, &tcp(RST, b"bye")),
            Frame => ethernet(0x0800, &V4.bytes()),
        }
    }
}

/// Link types: number, header in hexadecimal, what follows.
const LINKS: &[(u16, &str, Inner)] = &[
    (0, "1e000000", V6),
    (0, "ff03 0021", V4),
    (3, "82828282828282 82828282828283 03 cc", V4),
    (6, "1040 020202020202 020202020202 aaaa03 000000 0800", V4),
    (
        6,
        "1040 020202020202 820202020202 0630 00000000 aaaa03 000000 0800",
        V4,
    ),
    (7, "0102 d4 00 0001", V4),
    (7, "0102 f0", V4),
    (9, "ff03 0021", V4),
    (9, "21", V4),
    (9, "0057", V6),
    (9, "ff03 003d c0000001 0021", V4),
    (9, "ff03 0031 0001", Frame),
    (9, "ff03 0023 cc", V4),
    (10, "50 020202020202 020202020202 aaaa03 000000 0800", V4),
    (12, "", V4),
    (14, "", V6),
    (50, "0f00 0800", V4),
    (51, "1100 0001 ffff 0021", V4),
    (
        99,
        "000000000000 0800 00000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000",
        V4,
    ),
    (100, "aaaa03 000000 0800", V4),
    (100, "aaaa03 0080c2 0007 0000", Frame),
    (101, "ff03 0021", V4),
    (104, "0f00 86dd", V6),
    (104, "0f00 8847 00001140", V4),
    (
        105,
        "0801 0000 020202020202 020202020202 020202020202 0000 aaaa03 000000 0800",
        V4,
    ),
    (107, "1841 03 cc", V4),
    (107, "1841 03 00 80 000000 0800", V4),
    (107, "1841 0800", V4),
    (108, "00000018", V6),
    (109, "02000000 00000000 00000000", V4),
    (
        119,
        "4400000090000000 7761696e00000000 0000000000000000 0000000000000000 0000000000000000 \
        0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 \
        0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 \
        0000000000000000 0000000000000000 0000000000000000 \
        0800 0000 020202020202 020202020202 020202020202 0000 aaaa03 000000 0800",
        V4,
    ),
    (
        122,
        "00000000000000000000000000000000 aaaa03 000000 0800",
        V4,
    ),
    (123, "82640064 aaaa03 000000 0800", V4),
    (
        127,
        "0000 0800 00000000 8800 0000 020202020202 020202020202 020202020202 0000 0000 aaaa03 000000 0800",
        V4,
    ),
    (
        127,
        "0000 0900 02000000 20 8800 0000 020202020202 020202020202 020202020202 0000 0000 0000 aaaa03 000000 0800",
        V4,
    ),
    (128, "01000001 01", Frame),
    (129, "0102 0000 d4 00 0001", V4),
    (138, "0101010101010101 0202020202020202 0800", V4),
    (
        163,
        "80211001 00000008 0800 0000 020202020202 020202020202 020202020202 0000 aaaa03 000000 0800",
        V4,
    ),
    (178, "4d4743 80 0004 01010601", Frame),
    (179, "4d4743 02 c8000000 0021", V4),
    (
        192,
        "0000 0800 69000000 0803 0000 020202020202 020202020202 020202020202 0000 030303030303 aaaa03 000000 0800",
        V4,
    ),
    (197, "0000000000000000 02 04 0040 0000 0040 0000", Frame),
    (204, "00 ff03 0021", V4),
    (
        226,
        "01 02 0000 0000002b 00000000 00000000 00000000 00000000",
        V4,
    ),
    (228, "", V4),
    (229, "", V6),
    (239, "02 00 0001 2f00 0900", V4),
    (
        242,
        "0000000000000000000000000000000000000000 0000000000000000000000000000000000000000 0800 0000",
        V4,
    ),
    (252, "000c 0004 69700000 0000 0000", V4),
    (
        258,
        "6c000000 01000000 01000000 \
        0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 \
        0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000",
        Frame,
    ),
];

/// What comes after an Ethernet header without its type: EtherType and headers.
const ETHERTYPES: &[(&str, Inner)] = &[
    ("8100 0064 0800", V4),
    ("88a8 0064 8100 0065 86dd", V6),
    ("0033 aaaa03 000000 0800", V4),
    ("8847 00001040 000021ff", V4),
    ("8847 000021ff 00000000", Frame),
    ("8864 1100 0001 ffff 0021", V4),
    ("88e5 00 00 00000001 0800", V4),
    ("88e7 00000001", Frame),
    ("8903 0001", Frame),
    ("8909 0101 0001 0001 0800", V4),
    ("8926 00000033 8100 0064 0800", V4),
    ("893f 0000 00000000 0800", V4),
    (
        "894f 0fc6 01 03 00000000 00000000 00000000 00000000 00000000",
        Frame,
    ),
    ("22f3 0000 0001 0002", Frame),
    ("6558", Frame),
    ("4305 40 0f 32 00 020202020202", Frame),
];

/// What IP carries: protocol and headers.
const OVER_IP: &[(u8, &str, Inner)] = &[
    (4, "", V4),
    (41, "", V6),
    (47, "0000 0800", V4),
    (47, "b000 86dd 00000000 00000001 00000001", V6),
    (47, "2000 6558 00000001", Frame),
    (47, "3001 880b 002f 0001 00000001 ff03 0021", V4),
    (47, "0000 88be", Frame),
    (47, "1000 88be 00000001 1001 0000 00000000", Frame),
    (
        47,
        "1000 22eb 00000001 2001 0000 00000000 0000 0001 0000000000000000",
        Frame,
    ),
    (
        51,
        "04 04 0000 00000001 00000001 000000000000000000000000",
        V4,
    ),
    (97, "3000", Frame),
    (103, "2100 0000 00000000", V4),
    (137, "000021ff", V4),
    (143, "", Frame),
];

/// What UDP carries: port and headers.
const OVER_UDP: &[(u16, &str, Inner)] = &[
    (1701, "0002 0001 0002 ff03 0021", V4),
    (2152, "30 ff 002b 00000001", V4),
    (2152, "34 ff 0033 00000001 0000 00 85 01 1005 00", V4),
    (3544, "", V6),
    (
        3544,
        "0001 00 00 0000000000000000 00 0000 ffff 01020304",
        V6,
    ),
    (4341, "0000000000000000", V4),
    (4754, "0000 0800", V4),
    (4789, "08000000 00000500", Frame),
    (4790, "0c000001 00000500", V4),
    (5247, "00 10 02 00 00000000", Frame),
    (6081, "0000 6558 00000100", Frame),
    (6081, "0100 6558 00000100 01028000", Frame),
    (6635, "000021ff", V4),
    (37008, "01000001 01", Frame),
    (
        55555,
        "00ffabcd 02 00000009 0800 0000 020202020202 020202020202 020202020202 0000 aaaa03 000000 0800",
        V4,
    ),
];

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0, 0];
    bytes.extend(port.to_be_bytes());
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

/// Every row as a whole frame: a name, its link type, its bytes.
fn rows() -> Vec<(String, u16, Vec<u8>)> {
    let wrap = |header: &str, inner: Inner| [hex(header), inner.bytes()].concat();
    let links = LINKS.iter().map(|&(link, header, inner)| {
        (format!("link {link}, {header}"), link, wrap(header, inner))
    });
    let ethertypes = ETHERTYPES.iter().map(|&(header, inner)| {
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        bytes.extend(wrap(header, inner));
        (format!("EtherType {header}"), ETHERNET, bytes)
    });
    let over_ip = OVER_IP.iter().map(|&(protocol, header, inner)| {
        let packet = ipv4(protocol, &wrap(header, inner));
        (format!("IP protocol {protocol}, {header}"), RAW, packet)
    });
    let over_udp = OVER_UDP.iter().map(|&(port, header, inner)| {
        let packet = ipv4(17, &udp(port, &wrap(header, inner)));
        (format!("UDP port {port}, {header}"), RAW, packet)
    });
    links
        .chain(ethertypes)
        .chain(over_ip)
        .chain(over_udp)
        .collect()
}

#[test]
fn every_wrapping_comes_off() {
    for (name, link, bytes) in rows() {
        let mut decoder = Decoder::new();
        let Decoded::Tcp(segment) = decoder.decode(&frame(link, &bytes)) else {
            panic!("{name}: no TCP in {bytes:02x?}");
        };
        assert_eq!((segment.src_port, segment.dst_port), (40000, 80), "{name}");
        assert_eq!(segment.payload, b"bye", "{name}");
    }
}

#[test]
fn every_wrapping_ends_where_its_lengths_say() {
    for (name, link, mut bytes) in rows() {
        bytes.extend([0xee; 7]);
        let mut decoder = Decoder::new();
        let decoded = segment(decoder.decode(&frame(link, &bytes)));
        assert_eq!(decoded.head.payload_len, 3, "{name}");
    }
}

#[test]
fn a_nest_deeper_than_any_network_s_is_given_up() {
    let mut bytes = ipv4(6, &tcp(RST, b""));
    for _ in 0..500 {
        bytes = ipv4(4, &bytes);
    }
    let mut decoder = Decoder::new();
    let decoded = decoder.decode(&frame(RAW, &bytes));
    assert!(matches!(decoded, Decoded::Undecoded));
}

proptest! {
    #[test]
    fn no_wrapping_panics_when_cut_or_damaged(row in any::<prop::sample::Index>(), cut in 0usize..400, at in any::<prop::sample::Index>(), byte: u8) {
        let rows = rows();
        let (_, link, mut bytes) = row.get(&rows).clone();
        *at.get_mut(&mut bytes) = byte;
        let captured = &bytes[..cut.min(bytes.len())];
        let mut decoder = Decoder::new();
        if let Decoded::Tcp(segment) = decoder.decode(&cut_frame(link, captured, bytes.len())) {
            prop_assert!(segment.payload.len() as u64 <= u64::from(segment.head.payload_len));
        }
    }
}
