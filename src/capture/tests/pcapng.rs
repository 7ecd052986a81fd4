use super::*;

fn file(blocks: &[Vec<u8>]) -> Vec<u8> {
    blocks.concat()
}

#[test]
fn interfaces_have_their_own_link_type_and_clock() {
    let nanoseconds = option(9, &[9]);
    let halves = [option(9, &[0x81]), option(14, &100_i64.to_le_bytes())].concat();
    let (frames, facts) = read(file(&[
        section(),
        interface(1, 0, &[]),
        interface(113, 96, &nanoseconds),
        interface(101, 0, &halves),
        enhanced(0, 2_000_001, b"micro", &[]),
        enhanced(1, 2_000_000_001, b"nano", &[]),
        enhanced(2, 5, b"half", &[]),
    ]));
    let summary: Vec<_> = frames
        .iter()
        .map(|frame| (frame.number, frame.nanos, frame.link, frame.interface))
        .collect();
    assert_eq!(
        summary,
        [
            (1, 2_000_001_000, 1, 0),
            (2, 2_000_000_001, 113, 1),
            (3, 102_500_000_000, 101, 2),
        ]
    );
    assert_eq!(
        facts.link_types,
        [LinkType(1), LinkType(113), LinkType(101)]
    );
    assert_eq!((facts.format, facts.damage), (Format::Pcapng, None));
}

#[test]
fn a_section_starts_interfaces_anew_and_may_have_another_byte_order() {
    let mut big = Vec::new();
    for word in [
        0x0a0d_0d0a_u32,
        28,
        0x1a2b_3c4d,
        0x0001_0000,
        u32::MAX,
        u32::MAX,
        28,
    ] {
        big.extend(word.to_be_bytes());
    }
    for word in [1_u32, 20, 0x0071_0000, 0, 20] {
        big.extend(word.to_be_bytes());
    }
    for word in [6_u32, 36, 0, 0, 3_000_000, 2, 9] {
        big.extend(word.to_be_bytes());
    }
    big.extend(b"ab\0\0");
    big.extend(36_u32.to_be_bytes());
    let (frames, facts) = read(file(&[
        section(),
        interface(1, 0, &[]),
        interface(1, 0, &[]),
        enhanced(1, 1_000_000, b"x", &[]),
        big,
        section(),
        interface(101, 0, &[]),
        enhanced(0, 4_000_000, b"y", &[]),
    ]));
    let summary: Vec<_> = frames
        .iter()
        .map(|frame| (frame.nanos / 1_000_000_000, frame.link, frame.interface))
        .collect();
    assert_eq!(summary, [(1, 1, 1), (3, 113, 2), (4, 101, 3)]);
    assert_eq!(
        (frames[1].data.as_slice(), frames[1].original_len),
        (b"ab".as_slice(), 9)
    );
    assert_eq!(facts.damage, None);
}

#[test]
fn simple_packets_are_cut_by_the_snap_length_and_take_the_last_time() {
    let mut body = words(&[60]);
    body.extend([7; 12]);
    let (frames, _) = read(file(&[
        section(),
        interface(1, 10, &[]),
        enhanced(0, 1_000_000, b"x", &[]),
        block(3, &body),
    ]));
    assert_eq!(frames[1].data, [7; 10]);
    assert_eq!(
        (frames[1].original_len, frames[1].nanos),
        (60, 1_000_000_000)
    );
}

/// Obsolete packet block: 16-bit interface, drops since the last packet, then as the enhanced one.
fn obsolete(drops: u16, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    let mut body = words(&[u32::from(drops) << 16, 0, 1_000_000, length, length]);
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    block(2, &body)
}

#[test]
fn obsolete_packets_are_frames_and_count_drops() {
    let (frames, facts) = read(file(&[
        section(),
        interface(1, 0, &[]),
        obsolete(3, b"abcd"),
        obsolete(u16::MAX, b"efgh"),
        obsolete(4, b"ijkl"),
    ]));
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[2].data, b"ijkl");
    assert_eq!(facts.dropped_by_kernel, Some(7));
}

#[test]
fn block_lengths_without_the_padding_are_read_as_old_files_mean_them() {
    let mut old = obsolete(0, b"ab");
    let length = old.len();
    old[4..8].copy_from_slice(&(length as u32 - 2).to_le_bytes());
    old[length - 4..].copy_from_slice(&(length as u32 - 2).to_le_bytes());
    let (frames, facts) = read(file(&[section(), interface(1, 0, &[]), old.clone(), old]));
    assert_eq!((frames.len(), facts.damage), (2, None));
    assert_eq!(frames[1].data, b"ab");
}

#[test]
fn statistics_say_what_was_dropped_and_the_last_of_an_interface_counts() {
    let statistics = |interface, if_drop: u64, os_drop: u64| {
        let mut body = words(&[interface, 0, 0]);
        body.extend(option(5, &if_drop.to_le_bytes()));
        body.extend(option(7, &os_drop.to_le_bytes()));
        block(5, &body)
    };
    let (_, facts) = read(file(&[
        section(),
        interface(1, 0, &[]),
        interface(1, 0, &[]),
        statistics(0, 1, 2),
        statistics(0, 10, 20),
        statistics(1, 100, 0),
        section(),
        interface(1, 0, &[]),
        statistics(0, 1000, 0),
    ]));
    assert_eq!(facts.dropped_by_kernel, Some(1130));
    let (_, silent) = read(file(&[section(), interface(1, 0, &[])]));
    assert_eq!(silent.dropped_by_kernel, None);
}

#[test]
fn only_blocks_that_wireshark_numbers_take_a_number() {
    for (kind, second) in [
        (4, 2),           // names
        (10, 2),          // secrets
        (0x0777, 2),      // unknown
        (9, 3),           // systemd journal
        (0x0bad, 3),      // custom
        (0x4000_0bad, 3), // custom, not to be copied
        (0x0204, 3),      // sysdig event
    ] {
        let (frames, facts) = read(file(&[
            section(),
            interface(1, 0, &[]),
            enhanced(0, 1, b"x", &[]),
            block(kind, &[0; 40]),
            enhanced(0, 2, b"y", &[]),
        ]));
        let numbers: Vec<_> = frames.iter().map(|frame| frame.number).collect();
        assert_eq!(numbers, [1, second], "block type {kind:#x}");
        assert_eq!((facts.frames, facts.damage), (u64::from(second), None));
    }
}

#[test]
fn comments_and_other_options_of_a_packet_are_skipped() {
    let options = [
        option(1, b"a comment"),
        option(2, &[0; 4]),
        option(4, &9_u64.to_le_bytes()),
        option(0, &[]),
    ]
    .concat();
    let (frames, facts) = read(file(&[
        section(),
        interface(1, 0, &[]),
        enhanced(0, 1, b"x", &options),
    ]));
    assert_eq!(frames[0].data, b"x");
    assert_eq!((facts.dropped_by_kernel, facts.damage), (Some(9), None));
}

#[test]
fn resolutions_beyond_64_bits_stop_the_clock_and_nothing_else() {
    for resolution in [0x7f, 0xff, 20, 0x80 | 64] {
        let (frames, facts) = read(file(&[
            section(),
            interface(1, 0, &option(9, &[resolution])),
            enhanced(0, 1, b"x", &[]),
        ]));
        assert_eq!((frames.len(), frames[0].nanos), (1, 0), "{resolution:#x}");
        assert_eq!(facts.damage, None);
    }
}

#[test]
fn a_first_block_that_is_no_section_header_is_no_capture() {
    let bytes = words(&[0x0a0d_0d0a, 28, 0x1234_5678]);
    assert!(refusal(&bytes).contains("starts with 0a 0d 0d 0a"));
}
