//! A capture that was written as several files (`tcpdump -C`, `-G`) is told of as one: the same findings, the same connections, and
//! remarks on the same packets of the annotated capture. Only the names of frames and streams differ: each file counts its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use support::{Pcap, captures};

mod support;

/// A capture of the project cut into files of about as many frames.
struct Rotated {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    /// Frames before each of them.
    before: Vec<u64>,
}

impl Rotated {
    fn new(capture: &Path, parts: usize) -> Self {
        let Pcap { header, records } = Pcap::read(capture);
        let folder = tempfile::tempdir().expect("a folder");
        let bounds: Vec<usize> = (0..=parts)
            .map(|part| records.len() * part / parts)
            .collect();
        let mut files = Vec::new();
        for (index, bounds) in bounds.windows(2).enumerate() {
            let file = folder.path().join(format!("part.pcap{index}"));
            let part = &records[bounds[0]..bounds[1]];
            let part = [std::slice::from_ref(&header), part].concat();
            std::fs::write(&file, part.concat()).expect("written");
            files.push(file);
        }
        let before = bounds.into_iter().map(|bound| bound as u64).collect();
        Self {
            folder,
            files,
            before,
        }
    }

    /// What whyrst says, and the annotated capture that it writes.
    fn analysed(&self) -> (Value, Vec<u8>) {
        analysed(&self.files, &self.folder.path().join("rotated.pcapng"))
    }
}

fn analysed(files: &[PathBuf], evidence: &Path) -> (Value, Vec<u8>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whyrst"));
    let output = command
        .args(files)
        .args(["--format", "json", "--connections", "-o"])
        .arg(evidence)
        .output()
        .expect("whyrst runs");
    assert!(output.status.success(), "{files:?}: {output:?}");
    let report = serde_json::from_slice(&output.stdout).expect("JSON");
    (report, std::fs::read(evidence).expect("readable"))
}

/// The report as that of one file: frames as they are counted there, and streams, which have several numbers, without any.
fn as_of_one(mut report: Value, before: &[u64]) -> Value {
    for kind in ["resets", "hang_ups"] {
        for finding in report[kind].as_array_mut().into_iter().flatten() {
            let own = finding["capture"].as_u64().expect("a capture");
            count_as_one(finding, own, before);
        }
    }
    for row in report["connections"].as_array_mut().into_iter().flatten() {
        count_as_one(row, 0, before);
    }
    let told = ["resets", "hang_ups", "connections", "idle_timeouts"];
    let told = told.map(|name| (name.to_owned(), report[name].take()));
    Value::Object(Map::from_iter(told))
}

fn count_as_one(value: &mut Value, own: u64, before: &[u64]) {
    match value {
        Value::Array(values) => {
            for value in values {
                count_as_one(value, own, before);
            }
        }
        Value::Object(fields) => {
            let mut capture = |name| {
                let named = fields.remove(name);
                named.and_then(|index| index.as_u64()).unwrap_or(own)
            };
            let (of_frame, of_silence) = (capture("capture"), capture("since_capture"));
            let elsewhere = fields.remove("elsewhere").unwrap_or(json!([]));
            for name in ["stream", "wireshark_filter", "tied_by"] {
                fields.remove(name);
            }
            let whole = |frame: &Value, capture: u64| {
                frame.as_u64().map(|frame| frame + before[capture as usize])
            };
            for (name, capture) in [("frame", of_frame), ("since_frame", of_silence)] {
                if let Some(frame) = fields.get_mut(name) {
                    *frame = json!(whole(frame, capture));
                }
            }
            let frames = fields.remove("frames").unwrap_or(json!([]));
            let own_frames = frames.as_array().into_iter().flatten();
            let others = elsewhere.as_array().into_iter().flatten();
            let mut frames: Vec<u64> = own_frames
                .filter_map(|frame| whole(frame, own))
                .chain(
                    others.filter_map(|other| whole(&other["frame"], other["capture"].as_u64()?)),
                )
                .collect();
            frames.sort_unstable();
            for value in fields.values_mut() {
                count_as_one(value, own, before);
            }
            fields.insert("frames".to_owned(), json!(frames));
        }
        _ => {}
    }
}

/// The remarks of an annotated capture, in the order of their packets.
fn remarks(evidence: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(evidence);
    let lines = text.split('\0').filter(|part| part.contains("whyrst "));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_rotated_set_is_told_of_as_one_capture() {
    let mut compared: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for file in captures() {
        let one = Rotated::new(&file, 1);
        let (report, evidence) = one.analysed();
        let whole = as_of_one(report, &one.before);
        for parts in [2, 3, 5, 7] {
            let rotated = Rotated::new(&file, parts);
            let (report, annotated) = rotated.analysed();
            let told = as_of_one(report, &rotated.before);
            assert_eq!(told, whole, "{} in {parts} parts", file.display());
            assert_eq!(
                remarks(&annotated),
                remarks(&evidence),
                "{}",
                file.display()
            );
            *compared.entry(file.clone()).or_default() += 1;
        }
    }
    assert!(compared.len() >= 10, "{compared:?}");
}
