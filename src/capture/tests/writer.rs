use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::Timestamp;

/// Frames of two interfaces, the second named, one with a comment.
fn written(frames: &[Seen], comment: Option<&str>) -> Vec<u8> {
    let mut writer = PcapngWriter::new(Vec::new()).unwrap();
    let ids = [
        writer.add_interface(LinkType(1), 0, "").unwrap(),
        writer
            .add_interface(LinkType(113), 262_144, "client.pcap")
            .unwrap(),
    ];
    for seen in frames {
        let frame = Frame {
            id: FrameId::default(),
            time: Timestamp::from_nanos(seen.nanos),
            link: LinkType(seen.link),
            interface: seen.interface,
            data: &seen.data,
            original_len: seen.original_len,
        };
        writer
            .write_frame(ids[seen.interface as usize], &frame, comment)
            .unwrap();
    }
    writer.finish().unwrap()
}

fn two_frames() -> Vec<Seen> {
    let frame = |number, nanos, interface: u32, data: &[u8]| Seen {
        number,
        nanos,
        link: [1, 113][interface as usize],
        interface,
        data: data.to_vec(),
        original_len: 1500,
    };
    vec![
        frame(1, 1_795_223_291_993_901_007, 0, &[0x55; 61]),
        frame(2, 1_795_223_292_000_000_001, 1, &[0x66; 64]),
    ]
}

#[test]
fn tshark_reads_what_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("evidence.pcapng");
    std::fs::write(&path, written(&two_frames(), Some("who sent this? §"))).unwrap();
    let fields = [
        "-eframe.number",
        "-eframe.time_epoch",
        "-eframe.cap_len",
        "-eframe.len",
        "-eframe.interface_name",
        "-eframe.comment",
    ];
    let Ok(output) = Command::new("tshark")
        .arg("-nr")
        .arg(&path)
        .args(["-T", "fields"])
        .args(fields)
        .output()
    else {
        println!("skipped: no tshark");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("1\t1795223291.993901007\t61\t1500\t"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("2\t1795223292.000000001\t64\t1500\tclient.pcap\twho sent this? "),
        "{text}"
    );
}

#[test]
fn a_comment_too_long_for_the_format_is_cut_at_a_character() {
    let (frames, facts) = read(written(&two_frames(), Some(&"é".repeat(40_000))));
    assert_eq!((frames, facts.damage), (two_frames(), None));
}

#[test]
fn times_before_1970_are_written_as_1970() {
    let mut frames = two_frames();
    frames[0].nanos = -1;
    assert_eq!(read(written(&frames, None)).0[0].nanos, 0);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        frames in proptest::collection::vec(
            (0..=i64::MAX, 0_u32..2, proptest::collection::vec(any::<u8>(), 0..200), any::<u32>()),
            0..20,
        ),
        comment in proptest::option::of(".*"),
    ) {
        let frames: Vec<Seen> = frames
            .into_iter()
            .zip(1..)
            .map(|((nanos, interface, data, original_len), number)| Seen {
                number,
                nanos,
                link: [1, 113][interface as usize],
                interface,
                data,
                original_len,
            })
            .collect();
        let (read_again, facts) = read(written(&frames, comment.as_deref()));
        prop_assert_eq!(read_again, frames);
        prop_assert_eq!(facts.damage, None);
    }
}
