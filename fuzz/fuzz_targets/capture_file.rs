//! Any bytes as a capture file: every frame's bytes are looked at, damage is put into words, nothing panics or hangs.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use whyrst::capture::{Captures, link_type_name};

/// Compressed data may grow a thousandfold; more frames than this teach nothing new.
const ENOUGH_FRAMES: u32 = 100_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut captures) = Captures::from_stream("fuzz", Cursor::new(bytes.to_vec())) else {
        return;
    };
    let mut last = 0;
    for _ in 0..ENOUGH_FRAMES {
        let Some(frame) = captures.next_frame() else {
            break;
        };
        assert!(frame.id.number.0 > last, "frame numbers go up");
        last = frame.id.number.0;
        std::hint::black_box(
            frame
                .data
                .iter()
                .fold(0_u8, |sum, byte| sum.wrapping_add(*byte)),
        );
    }
    for facts in captures.facts() {
        assert!(facts.frames >= u64::from(last));
        std::hint::black_box(facts.damage.map(|damage| damage.to_string()));
        for link in facts.link_types {
            std::hint::black_box(link_type_name(link));
        }
    }
});
