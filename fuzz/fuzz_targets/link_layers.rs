//! Any bytes as frames of any link type: two bytes of link type, then frames, each with two bytes of length and one that tells
//! how much longer it was on the wire. Several frames, so that fragments meet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use whyrst::Timestamp;
use whyrst::capture::{Frame, FrameId, FrameNumber, LinkType};
use whyrst::wire::{Decoded, Decoder};

fuzz_target!(|bytes: &[u8]| {
    let Some((link, mut rest)) = bytes.split_first_chunk() else {
        return;
    };
    let link = LinkType(u16::from_le_bytes(*link));
    let mut decoder = Decoder::new();
    let mut number = 0;
    while let Some(([low, high, missing], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (data, next) = behind.split_at(length);
        rest = next;
        number += 1;
        let frame = Frame {
            id: FrameId {
                number: FrameNumber(number),
                ..FrameId::default()
            },
            time: Timestamp::default(),
            link,
            interface: 0,
            data,
            original_len: length as u32 + u32::from(*missing) * 16,
        };
        if let Decoded::Tcp(segment) = decoder.decode(&frame) {
            assert!(segment.payload.len() as u64 <= u64::from(segment.head.payload_len));
            assert_eq!(segment.head.frame.number.0, number);
        }
    }
});
