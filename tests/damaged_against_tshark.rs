//! The promise: streams are numbered as Wireshark numbers them, also where bytes are wrong.
//!
//! Needs tshark, and says so where it is absent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use whyrst::analysis::{AnalysisOptions, Analyzer};
use whyrst::capture::{Captures, Input};
use whyrst::flow::Peer;

use support::seed_of;

mod support;

/// One byte in so many is wrong …
const ONE_IN: u64 = 40;
/// … among those of the network's and the transport's headers.
const HEADERS: std::ops::Range<usize> = 16..70;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the captures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .collect();
    all.sort();
    all
}

/// The frames of a capture as a pcap file, with wrong bytes in their headers.
fn damaged(path: &Path, mut random: u64) -> Vec<u8> {
    let mut captures = Captures::open(&[Input::File(path.to_owned())]).expect("a capture");
    let mut file = Vec::new();
    while let Some(frame) = captures.next_frame() {
        if file.is_empty() {
            for word in [
                0xa1b2_3c4d,
                0x0004_0002,
                0,
                0,
                0x0004_0000,
                frame.link.0.into(),
            ] {
                file.extend_from_slice(&u32::to_le_bytes(word));
            }
        }
        let nanos = frame.time.as_nanos();
        let (len, original) = (frame.data.len() as u32, frame.original_len);
        for word in [
            (nanos / 1_000_000_000) as u32,
            (nanos % 1_000_000_000) as u32,
            len,
            original,
        ] {
            file.extend_from_slice(&u32::to_le_bytes(word));
        }
        for (index, byte) in frame.data.iter().enumerate() {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let wrong = HEADERS.contains(&index) && random.is_multiple_of(ONE_IN);
            file.push(if wrong { (random >> 32) as u8 } else { *byte });
        }
    }
    file
}

/// Frame and stream of every RST, as tshark has them; those that ICMP errors quote are none. `None` where tshark is absent.
fn tsharks(path: &Path) -> Option<BTreeSet<(u32, u32)>> {
    let output = Command::new("tshark")
        .args(["-n", "-o", "ip.defragment:TRUE", "-Y", "tcp.flags.reset==1"])
        .args([
            "-T",
            "fields",
            "-E",
            "occurrence=l",
            "-e",
            "frame.number",
            "-e",
            "tcp.stream",
        ])
        .args(["-e", "frame.protocols", "-r"])
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).expect("text");
    let rows = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    Some(
        rows.filter(|columns| !columns[2].contains("icmp"))
            .map(|columns| {
                (
                    columns[0].parse().expect("a frame"),
                    columns[1].parse().expect("a stream"),
                )
            })
            .collect(),
    )
}

/// The same as reported here. Where a rule led the client elsewhere, each side's packets have a number of their own: both are given.
fn ours(path: &Path) -> BTreeMap<u32, BTreeSet<u32>> {
    let mut captures = Captures::open(&[Input::File(path.to_owned())]).expect("a capture");
    let mut analyzer = Analyzer::new(AnalysisOptions::default());
    while let Some(frame) = captures.next_frame() {
        analyzer.frame(&frame);
    }
    let findings = analyzer.report(Vec::new()).resets;
    findings
        .iter()
        .flat_map(|finding| {
            let answers = finding.connection.called.and_then(|called| called.stream);
            let stream = finding.connection.stream;
            let streams = match (answers, finding.claimed_sender, finding.frames.len()) {
                (None, ..) | (_, Some(Peer::Client), 1) => BTreeSet::from([stream]),
                (Some(answers), Some(Peer::Server), 1) => BTreeSet::from([answers]),
                // Of several RSTs, the other end may have sent some.
                (Some(answers), ..) => BTreeSet::from([stream, answers]),
            };
            finding
                .frames
                .iter()
                .map(move |frame| (*frame, streams.clone()))
        })
        .collect()
}

#[test]
fn wrong_bytes_change_no_stream_number() {
    let mut wrong = Vec::new();
    for path in &captures() {
        let seed = seed_of(path);
        let name = path.file_name().expect("a name").to_string_lossy();
        let copy =
            std::env::temp_dir().join(format!("whyrst-damaged-{}-{seed}.pcap", std::process::id()));
        std::fs::write(&copy, damaged(path, 0x9e37_79b9_7f4a_7c15 ^ seed as u64)).expect("a copy");
        let expected = tsharks(&copy);
        let found = ours(&copy);
        std::fs::remove_file(&copy).expect("the copy");
        let Some(expected) = expected else {
            println!("skipped: no tshark");
            return;
        };
        let is_found = |(frame, stream): &&(u32, u32)| {
            found
                .get(frame)
                .is_some_and(|streams| streams.contains(stream))
        };
        let missed: Vec<_> = expected.iter().filter(|one| !is_found(one)).collect();
        let is_expected = |frame: &u32| expected.iter().any(|(other, _)| other == frame);
        let invented: Vec<_> = found
            .iter()
            .filter(|(frame, _)| !is_expected(frame))
            .collect();
        if !(missed.is_empty() && invented.is_empty()) {
            wrong.push(format!("{name}: missed {missed:?}, invented {invented:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
