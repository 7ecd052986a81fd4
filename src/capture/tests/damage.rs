use std::io::{self, ErrorKind};

use proptest::prelude::*;

use super::*;

#[test]
fn a_file_cut_short_ends_before_the_packet_it_ends_in() {
    let whole = pcap(&[record(1, 0, b"first"), record(2, 0, b"second")]);
    for missing in 1..=6 + 15 {
        let cut = whole[..whole.len() - missing].to_vec();
        let end = cut.len();
        let (frames, facts) = read(cut);
        assert_eq!(frames.len(), 1);
        assert_eq!(
            damage_of(&facts),
            format!("frame 2 at byte 45: cut short: the file ends at byte {end}")
        );
    }
}

#[test]
fn a_header_cut_short_is_a_damaged_capture_without_frames() {
    let (frames, facts) = read(pcap(&[])[..20].to_vec());
    assert!(frames.is_empty());
    assert_eq!(
        damage_of(&facts),
        "frame 1 at byte 0: cut short: the file ends at byte 20"
    );
}

#[test]
fn a_lying_length_ends_the_file_and_takes_no_memory() {
    let mut lie = words(&[2, 0, 262_145, 262_145]);
    lie.extend([0; 64]);
    let (frames, facts) = read(pcap(&[record(1, 0, b"first"), lie]));
    assert_eq!(frames.len(), 1);
    assert_eq!(
        damage_of(&facts),
        "frame 2 at byte 45: a packet of 262145 bytes, more than the 262144 that a packet can have"
    );
}

#[test]
fn zeros_take_frame_numbers_as_in_wireshark_and_are_told() {
    let (frames, facts) = read(pcap(&[
        record(1, 0, b"first"),
        vec![0; 160],
        record(2, 0, b"last"),
    ]));
    let numbers: Vec<_> = frames.iter().map(|frame| frame.number).collect();
    assert_eq!((numbers, facts.frames), (vec![1, 12], 12));
    assert_eq!(
        damage_of(&facts),
        "frame 2 at byte 45: 10 records of nothing but zeros"
    );
}

#[test]
fn a_tail_of_zeros_is_told_as_one_whatever_its_length() {
    let (_, facts) = read(pcap(&[record(1, 0, b"first"), vec![0; 4099]]));
    assert_eq!(
        damage_of(&facts),
        "frame 2 at byte 45: 256 records of nothing but zeros"
    );
    let (_, facts) = read(pcap(&[vec![0; 32], record(1, 0, b"first")[..18].to_vec()]));
    assert_eq!(
        damage_of(&facts),
        "frame 3 at byte 56: cut short: the file ends at byte 74"
    );
}

#[test]
fn a_damaged_pcapng_block_ends_the_file() {
    let head = [
        section(),
        interface(1, 0, &[]),
        enhanced(0, 1, b"good", &[]),
    ]
    .concat();
    let mut trailer = enhanced(0, 2, b"bad!", &[]);
    let last = trailer.len() - 4;
    trailer[last] = 99;
    let mut long_packet = enhanced(0, 2, b"bad!", &[]);
    long_packet[20] = 200;
    for (bad, told) in [
        (vec![0; 64], "a block (type 0x0) of 0 bytes"),
        (
            trailer,
            "a block (type 0x6) says 36 bytes at its start and 99 at its end",
        ),
        (long_packet, "a packet of 200 bytes in a block of 36"),
        (
            enhanced(7, 2, b"bad!", &[]),
            "a packet of interface 7, where the section describes 1",
        ),
        (
            enhanced(0, 2, b"bad!", &[1, 0, 50, 0]),
            "malformed options in a block (type 0x6)",
        ),
        (
            enhanced(0, 2, b"bad!", &option(2, &[0; 5])),
            "malformed options in a block (type 0x6)",
        ),
        (block(6, &[0; 8]), "a block (type 0x6) of 20 bytes"),
        (
            block(0x0a0d_0d0a, &[1; 16]),
            "a section with the byte-order magic 0x01010101",
        ),
        (
            block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 2, 0, 0])),
            "a section of version 2.0, which is unknown",
        ),
    ] {
        let offset = head.len();
        let (frames, facts) = read([head.clone(), bad, enhanced(0, 3, b"lost", &[])].concat());
        assert_eq!(frames.len(), 1, "{told}");
        assert_eq!(
            damage_of(&facts),
            format!("frame 2 at byte {offset}: {told}")
        );
    }
}

/// Breaks off with an error of the operating system.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::new(
                ErrorKind::HostUnreachable,
                "the disk has gone",
            )),
            read => Ok(read),
        }
    }
}

#[test]
fn an_error_while_reading_is_damage_where_it_happened() {
    let (frames, facts) = read_stream(Failing(Cursor::new(pcap(&[record(1, 0, b"first")]))));
    assert_eq!(frames.len(), 1);
    assert_eq!(
        damage_of(&facts),
        "frame 2 at byte 45: reading stopped at byte 45: the disk has gone"
    );
}

/// Reads to the end and returns how many frames there were, if it is a capture at all.
fn survive(bytes: Vec<u8>) -> Option<usize> {
    let length = bytes.len();
    let mut captures = Captures::from_stream("test", Cursor::new(bytes)).ok()?;
    let mut frames = 0;
    while captures.next_frame().is_some() {
        frames += 1;
        assert!(frames <= length, "more frames than bytes");
    }
    let facts = captures.facts();
    assert!(facts[0].frames >= frames as u64);
    Some(frames)
}

fn a_pcap() -> Vec<u8> {
    let records: Vec<_> = (1..6)
        .map(|second| record(second, 0, &[0x55; 70]))
        .collect();
    pcap(&records)
}

fn a_pcapng() -> Vec<u8> {
    let mut file = [section(), interface(1, 0, &option(9, &[9]))].concat();
    for second in 1..6 {
        file.extend(enhanced(0, second, &[0x55; 70], &option(1, b"comment")));
        file.extend(block(5, &words(&[0, 0, 0])));
    }
    file
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_always_end(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        survive(bytes);
    }

    #[test]
    fn random_bytes_after_a_header_never_panic_and_always_end(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        head in 0_usize..6,
    ) {
        let head: &[u8] = match head {
            0 => &pcap(&[]),
            1 => &[section(), interface(1, 0, &[])].concat(),
            2 => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
            3 => &[0x28, 0xb5, 0x2f, 0xfd],
            4 => &[0x04, 0x22, 0x4d, 0x18],
            _ => &[0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0],
        };
        survive([head, &bytes].concat());
    }

    #[test]
    fn damage_never_panics_and_never_loses_what_is_before_it(
        pcapng in any::<bool>(),
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = if pcapng { a_pcapng() } else { a_pcap() };
        let (frames, _) = read(whole.clone());
        let mut damaged = whole.clone();
        for (at, byte) in &hits {
            let at = at.index(damaged.len());
            damaged[at] = *byte;
        }
        damaged.truncate(cut.index(damaged.len() + 1).max(1));
        let intact = whole.iter().zip(&damaged).take_while(|(whole, damaged)| whole == damaged).count();
        let head = if pcapng { 56 } else { 24 };
        let each = (whole.len() - head) / frames.len();
        let complete = (intact.saturating_sub(head) / each).min(frames.len());
        if let Some(found) = survive(damaged) {
            prop_assert!(found >= complete, "{found} frames of {complete} whole ones");
        }
    }
}
