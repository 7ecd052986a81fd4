use super::*;

#[test]
fn a_record_is_a_frame_with_its_time_and_lengths() {
    let mut cut = words(&[7, 250_000, 3, 1500]);
    cut.extend(b"abc");
    let (frames, facts) = read(pcap(&[record(5, 1, b"whole"), cut]));
    assert_eq!(
        frames,
        [
            Seen {
                number: 1,
                nanos: 5_000_001_000,
                link: 1,
                interface: 0,
                data: b"whole".to_vec(),
                original_len: 5,
            },
            Seen {
                number: 2,
                nanos: 7_250_000_000,
                link: 1,
                interface: 0,
                data: b"abc".to_vec(),
                original_len: 1500,
            },
        ]
    );
    assert_eq!((facts.frames, facts.truncated_frames), (2, 1));
    assert_eq!(facts.format, Format::Pcap);
    assert_eq!(facts.link_types, [LinkType(1)]);
    assert_eq!(
        facts.first,
        Some(crate::Timestamp::from_nanos(5_000_001_000))
    );
    assert_eq!(
        facts.last,
        Some(crate::Timestamp::from_nanos(7_250_000_000))
    );
    assert_eq!(facts.damage, None);
}

#[test]
fn big_endian_and_nanoseconds_are_known_by_the_magic() {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0002_0004, 0, 0, 65_535, 113, 9, 8, 2, 4] {
        file.extend(word.to_be_bytes());
    }
    file.extend(b"ab");
    let (frames, _) = read(file);
    assert_eq!(frames.len(), 1);
    assert_eq!((frames[0].nanos, frames[0].link), (9_000_000_008, 113));
    assert_eq!(
        (frames[0].data.as_slice(), frames[0].original_len),
        (b"ab".as_slice(), 4)
    );
}

#[test]
fn the_earliest_and_the_latest_time_may_stand_anywhere() {
    let records = [(5, "a"), (3, ""), (9, "b"), (1, "c"), (4, "d")];
    let records = records.map(|(second, data)| record(second, 0, data.as_bytes()));
    let (frames, facts) = read(pcap(&records));
    assert_eq!((frames.len(), facts.frames), (5, 5));
    assert_eq!(facts.first, Some(crate::Timestamp::from_parts(1, 0)));
    assert_eq!(facts.last, Some(crate::Timestamp::from_parts(9, 0)));
}

#[test]
fn times_after_2038_are_not_negative() {
    let (frames, _) = read(pcap(&[record(3_000_000_000, 0, b"x")]));
    assert_eq!(frames[0].nanos, 3_000_000_000_000_000_000);
}

#[test]
fn before_version_2_3_the_original_length_came_first() {
    let mut file = words(&[0xa1b2_c3d4, 0x0002_0002, 0, 0, 68, 1, 1, 0, 82, 4]);
    file.extend(b"abcd");
    let (frames, _) = read(file);
    assert_eq!((frames[0].data.len(), frames[0].original_len), (4, 82));
}

#[test]
fn in_version_2_3_the_smaller_length_is_what_was_captured() {
    let mut file = words(&[0xa1b2_c3d4, 0x0003_0002, 0, 0, 68, 1, 1, 0, 82, 4]);
    file.extend(b"abcd");
    file.extend(words(&[2, 0, 2, 90]));
    file.extend(b"ef");
    let (frames, _) = read(file);
    assert_eq!((frames[0].data.len(), frames[0].original_len), (4, 82));
    assert_eq!((frames[1].data.len(), frames[1].original_len), (2, 90));
}

/// A record with `extra` bytes between its lengths and the packet.
fn patched_record(seconds: u32, extra: &[u8]) -> Vec<u8> {
    let mut record = words(&[seconds, 0, 60, 60]);
    record.extend(extra);
    record.extend([0x55; 60]);
    record
}

fn seconds(frames: &[Seen]) -> Vec<i64> {
    frames
        .iter()
        .map(|frame| frame.nanos / 1_000_000_000)
        .collect()
}

#[test]
fn kuznetzovs_records_have_eight_bytes_more() {
    let extra = [2, 0, 0, 0, 0, 8, 0, 0];
    let mut file = pcap(&[patched_record(1, &extra), patched_record(2, &extra)]);
    file[0] = 0x34;
    file[1] = 0xcd;
    let (frames, facts) = read(file);
    assert_eq!(seconds(&frames), [1, 2]);
    assert_eq!(frames[1].data, [0x55; 60]);
    assert_eq!(facts.damage, None);
}

#[test]
fn patched_layouts_under_another_magic_are_guessed_from_the_first_records() {
    let red_hat = [2, 0, 0, 0, 0, 8, 0, 0];
    let nokia = [9, 9, 9, 9];
    let suse = [2, 0, 0, 0, 0, 8, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];
    for (extra, magic) in [(&red_hat[..], 0xd4), (&nokia, 0xd4), (&suse, 0x34)] {
        let mut file = pcap(&[1, 2, 3, 4].map(|second| patched_record(second, extra)));
        file[0] = magic;
        file[1] = if magic == 0x34 { 0xcd } else { 0xc3 };
        let (frames, facts) = read(file);
        assert_eq!(seconds(&frames), [1, 2, 3, 4], "{extra:?}");
        assert_eq!(facts.damage, None, "{extra:?}");
    }
}

#[test]
fn the_check_sequence_bits_above_the_link_type_are_not_part_of_it() {
    let mut file = pcap(&[record(1, 0, b"x")]);
    file[20..24].copy_from_slice(&0x4400_0001_u32.to_le_bytes());
    let (frames, _) = read(file);
    assert_eq!(frames[0].link, 1);
}

#[test]
fn what_is_no_capture_is_told_by_its_first_bytes() {
    assert_eq!(refusal(b""), "test: not a capture file (it is empty)");
    assert_eq!(
        refusal(b"GET / HTTP/1.1"),
        "test: not a capture file (it starts with the text \"GET / HT\")"
    );
    assert_eq!(
        refusal(b"\x7fELF\x02\x01\x01\0\0"),
        "test: not a capture file (it starts with 7f 45 4c 46 02 01 01 00)"
    );
}

#[test]
fn versions_and_link_types_that_nobody_has_defined_are_refused() {
    let mut old = pcap(&[]);
    old[4] = 1;
    assert_eq!(
        refusal(&old),
        "test: a pcap file of version 1.4, which is not supported"
    );
    let mut reserved = pcap(&[]);
    reserved[22] = 1;
    assert!(refusal(&reserved).contains("link type 0x00010001"));
}

#[test]
fn a_file_without_frames_is_whole() {
    let (frames, facts) = read(pcap(&[]));
    assert!(frames.is_empty());
    assert_eq!((facts.damage, facts.first), (None, None));
}

#[test]
fn a_frame_larger_than_the_window_is_read_whole() {
    let large: Vec<u8> = (0..262_144_u32).map(|n| n as u8).collect();
    let (frames, _) = read(pcap(&[
        record(1, 0, b"x"),
        record(2, 0, &large),
        record(3, 0, &large),
    ]));
    assert_eq!(frames.len(), 3);
    assert_eq!((&frames[1].data, &frames[2].data), (&large, &large));
}

/// Gives bytes one by one, as a slow pipe does.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let end = into.len().min(1);
        self.0.read(&mut into[..end])
    }
}

#[test]
fn a_stream_that_comes_byte_by_byte_gives_the_same_frames() {
    let file = pcap(&[
        record(1, 0, b"one"),
        record(2, 0, b"two"),
        record(3, 0, b""),
    ]);
    assert_eq!(
        read_stream(Trickle(Cursor::new(file.clone()))).0,
        read(file).0
    );
}
