use std::path::Path;

use super::*;

fn write(directory: &Path, name: &str, bytes: Vec<u8>) -> Input {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    Input::File(path)
}

/// Seconds of the records of a file, each with the file's name as its bytes.
fn seconds_file(directory: &Path, name: &str, seconds: &[u32]) -> Input {
    let records: Vec<_> = seconds
        .iter()
        .map(|second| record(*second, 0, name.as_bytes()))
        .collect();
    write(directory, name, pcap(&records))
}

/// Second, capture and frame number of every frame.
fn merged(captures: &mut Captures) -> Vec<(i64, u16, u32)> {
    all_by(captures, 2, |frame| {
        (
            frame.time.as_nanos() / 1_000_000_000,
            frame.id.capture.0,
            frame.id.number.0,
        )
    })
}

#[test]
fn rotated_files_in_any_order_are_one_capture() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        seconds_file(directory.path(), "c", &[7, 8]),
        seconds_file(directory.path(), "a", &[1, 2, 3]),
        seconds_file(directory.path(), "b", &[4, 5, 6]),
    ];
    let mut captures = Captures::open(&files).unwrap();
    assert_eq!(
        merged(&mut captures),
        [
            (1, 1, 1),
            (2, 1, 2),
            (3, 1, 3),
            (4, 2, 1),
            (5, 2, 2),
            (6, 2, 3),
            (7, 0, 1),
            (8, 0, 2)
        ]
    );
    let frames: Vec<_> = captures.facts().iter().map(|facts| facts.frames).collect();
    assert_eq!(frames, [2, 3, 3]);
}

#[test]
fn overlapping_files_are_merged_by_time_and_ties_go_to_the_one_that_began_first() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        seconds_file(directory.path(), "late", &[2, 5, 9]),
        seconds_file(directory.path(), "early", &[1, 5, 6]),
    ];
    let mut captures = Captures::open(&files).unwrap();
    assert_eq!(
        merged(&mut captures),
        [
            (1, 1, 1),
            (2, 0, 1),
            (5, 1, 2),
            (5, 0, 2),
            (6, 1, 3),
            (9, 0, 3)
        ]
    );
}

#[test]
fn files_that_begin_together_keep_the_order_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        seconds_file(directory.path(), "z", &[1, 2]),
        seconds_file(directory.path(), "a", &[1, 2]),
    ];
    let mut captures = Captures::open(&files).unwrap();
    assert_eq!(
        merged(&mut captures),
        [(1, 0, 1), (1, 1, 1), (2, 0, 2), (2, 1, 2)]
    );
}

#[test]
fn time_going_backwards_in_a_file_does_not_change_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        seconds_file(directory.path(), "jumps", &[5, 1, 6]),
        seconds_file(directory.path(), "steady", &[4, 7]),
    ];
    let mut captures = Captures::open(&files).unwrap();
    assert_eq!(
        merged(&mut captures),
        [(4, 1, 1), (5, 0, 1), (1, 0, 2), (6, 0, 3), (7, 1, 2)]
    );
    let facts = captures.facts().remove(0);
    assert_eq!(facts.first, Some(crate::Timestamp::from_parts(1, 0)));
    assert_eq!(facts.last, Some(crate::Timestamp::from_parts(6, 0)));
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_the_others_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        write(directory.path(), "notes.txt", b"not a capture".to_vec()),
        seconds_file(directory.path(), "good", &[1]),
        Input::File(directory.path().join("absent")),
        write(directory.path(), "empty", pcap(&[])),
    ];
    let mut captures = Captures::open(&files).unwrap();
    assert_eq!(merged(&mut captures), [(1, 1, 1)]);
    let facts = captures.facts();
    assert!(matches!(
        facts[0].unreadable,
        Some(CaptureError::NotACapture { .. })
    ));
    assert!(facts[1].unreadable.is_none());
    assert!(matches!(facts[2].unreadable, Some(CaptureError::Io { .. })));
    assert!(facts[3].unreadable.is_none());
    let none = Captures::open(&[files[0].clone(), files[2].clone()])
        .err()
        .unwrap();
    assert!(matches!(none, CaptureError::NotACapture { .. }), "{none}");
    assert!(matches!(Captures::open(&[]), Err(CaptureError::NoInput)));
}

#[test]
fn damage_of_one_file_leaves_the_others_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut cut = pcap(&[
        record(1, 0, b"x"),
        record(3, 0, b"x"),
        record(5, 0, b"lost"),
    ]);
    cut.pop();
    let files = [
        write(directory.path(), "cut", cut),
        seconds_file(directory.path(), "whole", &[2, 4, 6]),
    ];
    let mut captures = Captures::open(&files).unwrap();
    assert_eq!(
        merged(&mut captures),
        [(1, 0, 1), (2, 1, 1), (3, 0, 2), (4, 1, 2), (6, 1, 3)]
    );
    let facts = captures.facts();
    assert!(damage_of(&facts[0]).starts_with("frame 3 at byte 58: cut short"));
    assert_eq!(facts[1].damage, None);
}

#[test]
fn progress_reaches_the_size_of_all_files() {
    let directory = tempfile::tempdir().unwrap();
    let files = [
        seconds_file(directory.path(), "a", &[1, 2, 3]),
        seconds_file(directory.path(), "b", &[4, 5, 6]),
    ];
    let mut captures = Captures::open(&files).unwrap();
    let total = captures.progress().total;
    assert_eq!(total, Some(2 * (24 + 3 * 17)));
    merged(&mut captures);
    assert_eq!(Some(captures.progress().read), total);
}

#[test]
fn a_directory_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let input = Input::File(directory.path().to_owned());
    let error = Captures::open(&[input]).err().unwrap().to_string();
    assert!(error.ends_with("is a directory"), "{error}");
}
