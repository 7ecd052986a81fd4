//! Frames made by hand, through the whole decoder.

mod plain;
mod second_opinion;
mod wrappings;

use proptest::prelude::*;

use super::{Addresses, Decoded, Decoder, IcmpReason, Segment, SeqNumber, TcpFlags};
use crate::capture::{Frame, FrameId, LinkType};
use crate::time::Timestamp;

const ETHERNET: u16 = 1;
const RAW: u16 = 101;
const RST: u8 = 0x04;

fn frame(link: u16, data: &[u8]) -> Frame<'_> {
    cut_frame(link, data, data.len())
}

fn cut_frame(link: u16, data: &[u8], original_len: usize) -> Frame<'_> {
    Frame {
        id: FrameId::default(),
        time: Timestamp::default(),
        link: LinkType(link),
        interface: 0,
        data,
        original_len: original_len as u32,
    }
}

/// Port 40000 to 80, sequence number 1000.
fn tcp(flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x9c, 0x40, 0, 80, 0, 0, 3, 0xe8, 0, 0, 7, 0xd0];
    bytes.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// From 10.0.0.1 to 10.0.0.2.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_fragment(protocol, 0x4000, payload)
}

fn ipv4_fragment(protocol: u8, flags_and_offset: u16, payload: &[u8]) -> Vec<u8> {
    let len = (20 + payload.len()) as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 7]);
    bytes.extend(flags_and_offset.to_be_bytes());
    bytes.extend([57, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(payload);
    bytes
}

/// From ::1 to ::2.
fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, 57]);
    for last in [1, 2] {
        bytes.extend([0; 15]);
        bytes.push(last);
    }
    bytes.extend(payload);
    bytes
}

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn segment(decoded: Decoded<'_>) -> Segment<'_> {
    match decoded {
        Decoded::Tcp(segment) => segment,
        other => panic!("not TCP: {other:?}"),
    }
}

#[test]
fn ethernet_vlan_ipv4_tcp() {
    let packet = ipv4(6, &tcp(0x18, b"hello"));
    let mut tagged = vec![0, 5, 0x08, 0];
    tagged.extend(&packet);
    let mut bytes = ethernet(0x8100, &tagged);
    bytes.extend([0; 9]);
    let mut decoder = Decoder::new();
    let segment = segment(decoder.decode(&frame(ETHERNET, &bytes)));
    assert_eq!(
        (segment.payload, segment.head.payload_len),
        (&b"hello"[..], 5)
    );
    assert_eq!((segment.src_port, segment.dst_port), (40000, 80));
    assert_eq!(
        (segment.head.seq, segment.head.ack),
        (SeqNumber(1000), SeqNumber(2000))
    );
    assert_eq!(segment.flags, Some(TcpFlags::PSH.union(TcpFlags::ACK)));
    assert_eq!(segment.head.ttl.0, 57);
    assert_eq!(segment.head.ip_id, Some(7));
    assert!(segment.head.dont_fragment);
    assert_eq!(segment.head.src_mac.map(|m| m.0[5]), Some(1));
    assert_eq!(segment.checksum_ok, None);
}

#[test]
fn the_snap_length_does_not_shorten_a_segment() {
    let bytes = ethernet(0x0800, &ipv4(6, &tcp(0x10, &[0; 1000])));
    let mut decoder = Decoder::new();
    let cut = cut_frame(ETHERNET, &bytes[..96], bytes.len());
    let segment = segment(decoder.decode(&cut));
    assert_eq!(
        (segment.payload.len(), segment.head.payload_len),
        (42, 1000)
    );
}

#[test]
fn sixteen_bytes_of_header_place_a_segment_and_fourteen_do_not() {
    let bytes = ipv4(6, &tcp(RST, b""));
    let mut decoder = Decoder::new();
    let enough = cut_frame(RAW, &bytes[..36], bytes.len());
    assert_eq!(segment(decoder.decode(&enough)).flags, Some(TcpFlags::RST));
    let short = cut_frame(RAW, &bytes[..34], bytes.len());
    assert!(matches!(decoder.decode(&short), Decoded::CutTcp));
}

#[test]
fn a_total_length_of_zero_means_the_frame_s() {
    let mut bytes = ipv4(6, &tcp(0x10, &[0; 100]));
    bytes[2..4].fill(0);
    let mut decoder = Decoder::new();
    assert_eq!(
        segment(decoder.decode(&frame(RAW, &bytes)))
            .head
            .payload_len,
        100
    );
}

#[test]
fn a_data_offset_below_five_leaves_no_flags() {
    let mut header = tcp(RST, b"");
    header[12] = 0x40;
    let bytes = ipv4(6, &header);
    let mut decoder = Decoder::new();
    assert_eq!(segment(decoder.decode(&frame(RAW, &bytes))).flags, None);
    header[12] = 0xf0;
    let bytes = ipv4(6, &header);
    let past_the_end = segment(decoder.decode(&frame(RAW, &bytes)));
    assert_eq!(past_the_end.flags, Some(TcpFlags::RST));
    assert_eq!(past_the_end.head.payload_len, 0);
}

#[test]
fn fragments_become_tcp_in_the_frame_that_completes_them() {
    let whole = tcp(0x18, b"0123456789abcdef");
    let first = ipv4_fragment(6, 0x2000, &whole[..24]);
    let last = ipv4_fragment(6, 3, &whole[24..]);
    let mut decoder = Decoder::new();
    assert!(matches!(decoder.decode(&frame(RAW, &last)), Decoded::Other));
    let decoded = decoder.decode(&frame(RAW, &first));
    assert_eq!(segment(decoded).payload, b"0123456789abcdef");
    let cut = cut_frame(RAW, &first[..40], first.len());
    assert_eq!(segment(decoder.decode(&cut)).src_port, 40000);
}

#[test]
fn ipv6_extension_headers_and_fragments() {
    let whole = tcp(0x18, b"0123456789abcdef");
    let fragment = |offset_and_flags: u16, bytes: &[u8]| {
        let mut payload = vec![44, 0, 1, 4, 0, 0, 0, 0, 6, 0];
        payload.extend(offset_and_flags.to_be_bytes());
        payload.extend([0, 0, 0, 9]);
        payload.extend(bytes);
        ipv6(0, &payload)
    };
    let mut decoder = Decoder::new();
    let atomic = fragment(0, &whole);
    assert_eq!(
        segment(decoder.decode(&frame(RAW, &atomic))).payload.len(),
        16
    );
    let (first, last) = (fragment(1, &whole[..24]), fragment(24, &whole[24..]));
    assert!(matches!(
        decoder.decode(&frame(RAW, &first)),
        Decoded::Other
    ));
    let decoded = segment(decoder.decode(&frame(RAW, &last)));
    assert_eq!(decoded.payload, b"0123456789abcdef");
    assert!(matches!(decoded.addresses, Addresses::V6 { .. }));
    assert_eq!(decoded.head.ip_id, None);
}

#[test]
fn an_icmp_error_is_a_quote_and_no_segment() {
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend(&ipv4(6, &tcp(0x02, b""))[..28]);
    let bytes = ipv4(1, &error);
    let mut decoder = Decoder::new();
    let Decoded::Icmp(quote) = decoder.decode(&frame(RAW, &bytes)) else {
        panic!("no quote");
    };
    assert_eq!(quote.reason, IcmpReason::PortUnreachable);
    assert_eq!((quote.src_port, quote.seq), (40000, SeqNumber(1000)));
    assert_eq!(quote.flags, None);
}

#[test]
fn loopback_families_in_both_byte_orders() {
    let mut decoder = Decoder::new();
    for family in [[0, 0, 0, 2], [2, 0, 0, 0]] {
        let bytes = [&family[..], &ipv4(6, &tcp(RST, b""))].concat();
        segment(decoder.decode(&frame(0, &bytes)));
    }
    for family in [[0, 0, 0, 24], [30, 0, 0, 0]] {
        let bytes = [&family[..], &ipv6(6, &tcp(RST, b""))].concat();
        segment(decoder.decode(&frame(108, &bytes)));
    }
}

#[test]
fn linux_cooked_captures() {
    let packet = ipv4(6, &tcp(RST, b""));
    let mut decoder = Decoder::new();
    let mut bytes = vec![0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0];
    bytes.extend(&packet);
    let cooked = segment(decoder.decode(&frame(113, &bytes)));
    assert_eq!(cooked.head.src_mac.map(|m| m.0[5]), Some(9));
    let mut bytes = vec![8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6];
    bytes.extend([2, 0, 0, 0, 0, 9, 0, 0]);
    bytes.extend(&packet);
    let cooked = segment(decoder.decode(&frame(276, &bytes)));
    assert_eq!(cooked.head.src_mac.map(|m| m.0[5]), Some(9));
    assert_eq!(cooked.head.interface, 3, "which of any");
}

#[test]
fn packets_side_by_side_do_not_count_as_nested() {
    let mut bytes = vec![0, 4, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12];
    for _ in 0..100 {
        let packet = ipv4(6, &tcp(RST, b""));
        let attribute = 4 + packet.len() as u32;
        bytes.extend((20 + attribute).to_le_bytes());
        bytes.extend([0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
        bytes.extend([attribute as u8, 0, 9, 0]);
        bytes.extend(packet);
    }
    let mut decoder = Decoder::new();
    segment(decoder.decode(&frame(253, &bytes)));
}

/// Every link type there is, and some that there are not.
fn link_type() -> impl Strategy<Value = u16> {
    0u16..300
}

proptest! {
    #[test]
    fn any_bytes_on_any_link(link in link_type(), bytes in proptest::collection::vec(any::<u8>(), 0..200), more in 0usize..2000) {
        let mut decoder = Decoder::new();
        let frame = cut_frame(link, &bytes, bytes.len() + more);
        let first = format!("{:?}", decoder.decode(&frame));
        let again = format!("{:?}", Decoder::new().decode(&frame));
        prop_assert_eq!(first, again);
    }

    #[test]
    fn a_packet_cut_anywhere(at in 0usize..100) {
        let bytes = ethernet(0x86dd, &ipv6(6, &tcp(0x18, b"some payload")));
        let at = at.min(bytes.len());
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(&cut_frame(ETHERNET, &bytes[..at], bytes.len()));
        match at {
            ..54 => prop_assert!(matches!(decoded, Decoded::Undecoded)),
            54..70 => prop_assert!(matches!(decoded, Decoded::CutTcp)),
            _ => prop_assert_eq!(segment(decoded).head.payload_len, 12),
        }
    }
}
