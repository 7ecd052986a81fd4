//! The promise: every capture that Wireshark reads is read, with Wireshark's frame numbers, times and lengths.
//!
//! Needs the captures of public projects that lie outside the repository, and says so where they are absent.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

use whyrst::capture::{Captures, Input};

/// Files of which Wireshark shows fewer frames than there are, each for a reason that is not ours.
const WIRESHARK_STOPS_EARLIER: [(&str, u64); 3] = [
    // Two Bluetooth packets of three bytes at the end, too short for Wireshark's pseudo-header.
    (
        "24-pcap-ng_Wi-Fi_Bluetooth_USB_Cooked_timestamps_issu.pcapng",
        413,
    ),
    // A link type that Wireshark has no number for: it shows nothing, here all is counted as undecoded.
    ("61-frf16_magic_ie-oobr.pcap", 1),
    // Version 2.3 with swapped lengths: Wireshark 4.0 takes it for a Nokia file and runs over the end, later ones read it.
    (
        "62-clusterfuzz-testcase-minimized-FuzzTarget-57668998.pcap",
        1,
    ),
];

fn real_captures() -> Option<PathBuf> {
    let shared = std::env::var_os("WHYRST_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let real = shared.join("captures/real");
    if real.join("MANIFEST.tsv").is_file() {
        return Some(real);
    }
    println!("skipped: no captures at {}", real.display());
    None
}

/// Number, time in nanoseconds, captured and original length of every frame.
fn frames(path: PathBuf) -> Vec<(u32, i64, u32, u32)> {
    let Ok(mut captures) = Captures::open(&[Input::File(path)]) else {
        return Vec::new();
    };
    let mut frames = Vec::new();
    while let Some(frame) = captures.next_frame() {
        frames.push((
            frame.id.number.0,
            frame.time.as_nanos(),
            frame.data.len() as u32,
            frame.original_len,
        ));
    }
    frames
}

#[test]
fn every_real_capture_has_as_many_frames_as_in_wireshark() {
    let Some(real) = real_captures() else { return };
    let manifest = std::fs::read_to_string(real.join("MANIFEST.tsv")).expect("the manifest");
    let exceptions: HashMap<_, _> = WIRESHARK_STOPS_EARLIER.into();
    let mut wrong = Vec::new();
    for line in manifest.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (name, packets) = (columns[0], columns[8]);
        let expected = exceptions
            .get(name)
            .copied()
            .unwrap_or_else(|| packets.parse().expect("a number of packets"));
        let found = frames(real.join(name)).len() as u64;
        if found != expected {
            wrong.push(format!("{name}: {found} frames, {expected} expected"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn times_and_lengths_are_tsharks() {
    let Some(real) = real_captures() else { return };
    for name in [
        "28-fritzbox-ip_02.09.09_2049.pcap",
        "30-nflog-ebtables.pcapng",
        "33-pcap_v2.2.pcap.gz",
        "46-http.littleendian.pcapng",
        "53-tcp-handshake-nano.pcap",
        "55-nanosecs_big_endian.pcap",
        "71-custom_categories.pcapng",
    ] {
        let Some(theirs) = tshark_frames(&real.join(name)) else {
            println!("skipped: no tshark");
            return;
        };
        assert_eq!(frames(real.join(name)), theirs, "{name}");
    }
}

fn tshark_frames(path: &std::path::Path) -> Option<Vec<(u32, i64, u32, u32)>> {
    let output = Command::new("tshark")
        .arg("-nr")
        .arg(path)
        .args(["-T", "fields"])
        .args(
            [
                "frame.number",
                "frame.time_epoch",
                "frame.cap_len",
                "frame.len",
            ]
            .map(|field| format!("-e{field}")),
        )
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let (seconds, nanos) = columns[1].split_once('.')?;
            Some((
                columns[0].parse().ok()?,
                seconds.parse::<i64>().ok()? * 1_000_000_000 + nanos.parse::<i64>().ok()?,
                columns[2].parse().ok()?,
                columns[3].parse().ok()?,
            ))
        })
        .collect()
}
