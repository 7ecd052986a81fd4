//! The straight way of plain frames against the general one.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::{Decoded, Decoder, Head, PlainFrame, Segment, TcpOptions};
use super::{ETHERNET, RAW, RST, cut_frame, ethernet, frame, ipv4, ipv6, tcp};
use crate::capture::Frame;

const COOKED: u16 = 113;
const COOKED_2: u16 = 276;
const IPV4: u16 = 228;

fn header_with(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = tcp(flags, &[]);
    bytes[12] = (5 + (options.len() / 4) as u8) << 4;
    bytes.extend(options);
    bytes.extend(payload);
    bytes
}

fn linked(link: u16, ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let [high, low] = ethertype.to_be_bytes();
    let mut bytes = match link {
        ETHERNET => return ethernet(ethertype, packet),
        COOKED => vec![0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, high, low],
        COOKED_2 => {
            let mut bytes = vec![high, low, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6];
            bytes.extend([2, 0, 0, 0, 0, 1, 0, 0]);
            bytes
        }
        _ => Vec::new(),
    };
    bytes.extend(packet);
    bytes
}

fn options() -> impl Strategy<Value = Vec<u8>> {
    let any_options = (0usize..=10).prop_flat_map(|words| {
        let byte = prop_oneof![0u8..12, any::<u8>()];
        proptest::collection::vec(byte, words * 4)
    });
    let timestamps = any::<[u8; 8]>().prop_map(|values| [&[1, 1, 8, 10][..], &values].concat());
    prop_oneof![Just(Vec::new()), timestamps, any_options]
}

/// A packet that is plain unless its options are longer than there is room.
fn packet() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let links = select(&[ETHERNET, COOKED, COOKED_2, RAW, IPV4][..]);
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    let flags = prop_oneof![Just(0x10), Just(0x18), Just(RST), any::<u8>()];
    let trailer = proptest::collection::vec(any::<u8>(), 0..9);
    (
        links,
        0u8..3,
        any::<bool>(),
        flags,
        options(),
        payload,
        trailer,
    )
        .prop_map(|(link, tags, v6, flags, options, payload, trailer)| {
            let segment = header_with(flags, &options, &payload);
            let (mut ethertype, mut packet) = match v6 {
                true => (0x86dd, ipv6(6, &segment)),
                false => (0x0800, ipv4(6, &segment)),
            };
            packet.extend(trailer);
            for tag in 0..tags {
                let [high, low] = u16::to_be_bytes(ethertype);
                packet.splice(0..0, [0, tag, high, low]);
                ethertype = 0x8100;
            }
            (link, linked(link, ethertype, &packet))
        })
}

/// Whatever is plain reads the same both ways, in every field.
fn reads_the_same(frame: &Frame<'_>) -> Result<(), TestCaseError> {
    let Some(plain) = PlainFrame::of(frame) else {
        return Ok(());
    };
    let mut decoder = Decoder::new();
    let Decoded::Tcp(general) = decoder.decode_any(frame) else {
        return Err(TestCaseError::fail("only the straight way finds TCP"));
    };
    let straight = plain.segment();
    prop_assert_eq!(format!("{straight:?}"), format!("{general:?}"));
    prop_assert_eq!(straight.payload.as_ptr(), general.payload.as_ptr());
    let mut head = Head::default();
    let besides = plain.write_head(&mut head);
    let others = general.options != TcpOptions::default() || general.checksum_ok.is_some();
    prop_assert!(besides.is_some() || !others);
    let besides = besides.unwrap_or_default();
    let kept = besides.segment(&head, &plain.ends(), plain.payload());
    let bare = Segment {
        header: &[],
        ..general
    };
    prop_assert_eq!(format!("{kept:?}"), format!("{bare:?}"));
    let ends = plain.ends();
    prop_assert_eq!(ends.addresses, general.addresses);
    prop_assert_eq!(ends.ports, (general.src_port, general.dst_port));
    Ok(())
}

proptest! {
    #[test]
    fn plain_frames_read_as_all_frames_do((link, bytes) in packet()) {
        reads_the_same(&frame(link, &bytes))?;
    }

    #[test]
    fn damaged_frames_that_are_still_plain_read_as_all_frames_do(
        (link, mut bytes) in packet(),
        damage in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        for (at, byte) in damage {
            *at.get_mut(&mut bytes[..]) = byte;
        }
        reads_the_same(&frame(link, &bytes))?;
    }

    #[test]
    fn cut_frames_that_are_still_plain_read_as_all_frames_do(
        (link, bytes) in packet(),
        at: Index,
        more in 0usize..2000,
    ) {
        let captured = &bytes[..at.index(bytes.len() + 1)];
        reads_the_same(&cut_frame(link, captured, bytes.len()))?;
        reads_the_same(&cut_frame(link, captured, more))?;
    }

    #[test]
    fn any_bytes_of_any_link_type(link in 0u16..300, bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        reads_the_same(&frame(link, &bytes))?;
    }
}

#[test]
fn what_nearly_all_frames_are_is_plain() {
    let timestamps = [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0];
    for options in [&[][..], &timestamps, &[2, 4, 5, 0xb4]] {
        let segment = header_with(0x18, options, b"hello");
        for link in [ETHERNET, COOKED, COOKED_2, RAW, IPV4] {
            let bytes = linked(link, 0x0800, &ipv4(6, &segment));
            assert!(PlainFrame::of(&frame(link, &bytes)).is_some(), "{link}");
        }
        for link in [ETHERNET, COOKED, COOKED_2] {
            let bytes = linked(link, 0x86dd, &ipv6(6, &segment));
            assert!(PlainFrame::of(&frame(link, &bytes)).is_some(), "{link}");
        }
        let mut tagged = vec![0, 7, 8, 0];
        tagged.extend(ipv4(6, &segment));
        let bytes = linked(ETHERNET, 0x8100, &tagged);
        assert!(PlainFrame::of(&frame(ETHERNET, &bytes)).is_some());
    }
}
