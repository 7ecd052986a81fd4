//! A part of a capture (begun late, ended early, packets missing, what a filter lets pass, a short snap length, words that nobody can
//! read, a clock with long steps) may say less than the whole one, and less surely. What it calls likely or certain, the whole one says, too, or thinks of.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use support::{Pcap, captures};

mod support;

/// The project's captures, and those of the lab where they are at hand.
fn all() -> Vec<PathBuf> {
    let recorded = support::recorded().into_iter().flatten();
    let recorded = recorded.filter(|file| file.exists());
    captures().into_iter().chain(recorded).collect()
}

fn resets(header: &[u8], records: &[impl AsRef<[u8]>]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whyrst"));
    let mut whyrst = command
        .args(["-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("whyrst runs");
    let mut input = whyrst.stdin.take().expect("a pipe");
    input.write_all(header).expect("written");
    for record in records {
        input.write_all(record.as_ref()).expect("written");
    }
    drop(input);
    let output = whyrst.wait_with_output().expect("it ends");
    let mut report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    match report["resets"].take() {
        Value::Array(resets) => resets,
        _ => Vec::new(),
    }
}

/// Whose connection it was: what a part shows may tell client and server apart in another way.
fn ends(reset: &Value, server: &str) -> [String; 2] {
    let end = |name: &str| {
        let end = &reset["connection"][name];
        format!("{} {}", end["addr"], end["port"])
    };
    let mut ends = ["client", server].map(end);
    ends.sort();
    ends
}

/// It is the same connection, or one direction of it: its answers alone bear the name that its client called.
fn is_of(whole: &Value, found: &Value) -> bool {
    let names = ["server", "called"].map(|server| ends(whole, server));
    names.contains(&ends(found, "server"))
}

/// What is wrong with a RST of a part, given those of the whole capture.
fn complaint(whole: &[Value], found: &Value) -> Option<&'static str> {
    let of_it = || whole.iter().filter(|other| is_of(other, found));
    let same = |name: &str| of_it().any(|other| other[name] == found[name]);
    if found["sender_confidence"] != "possible" && !same("sender") {
        return Some("another sender");
    }
    let thought_of = of_it().any(|other| {
        let rivals = other["alternatives"].as_array();
        let mut rivals = rivals.into_iter().flatten();
        // The first of several RSTs may be missing, and the next one tell the same story.
        let same_story = found["detail"].is_string() && other["detail"] == found["detail"];
        other["cause"] == found["cause"]
            || same_story
            || rivals.any(|rival| rival["cause"] == found["cause"])
    });
    if found["confidence"] != "possible" && !thought_of {
        return Some("another cause");
    }
    let is_harmless = |reset: &Value| reset["harm"] == "none" || reset["harm"] == "refused";
    let is_doubted = found["harm_unclear"] == true;
    (is_harmless(found) && !is_doubted && of_it().next().is_some() && !of_it().any(is_harmless))
        .then_some("nothing lost")
}

/// Parts of so many packets: which of them each has.
fn parts(count: usize, seed: usize, cuts: usize) -> Vec<(String, Vec<usize>)> {
    let mut parts = Vec::new();
    for cut in 1..=cuts {
        // Other places in every capture.
        let at = (count * cut + seed % count.max(1)) / (cuts + 1);
        let at = at.min(count);
        parts.push((format!("until packet {at}"), (0..at).collect()));
        parts.push((format!("from packet {} on", at + 1), (at..count).collect()));
        let mut state = (seed * 31 + cut) as u64;
        let mut is_lost = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % 100 < cut as u64
        };
        let thin = (0..count).filter(|_| !is_lost()).collect();
        parts.push((format!("without {cut} % of its packets"), thin));
    }
    parts
}

/// Every record with no more than so many bytes of its frame.
fn cut_at(records: &[Vec<u8>], length: usize) -> Vec<Vec<u8>> {
    let cut = |record: &Vec<u8>| {
        let mut record = record.clone();
        record.truncate(16 + length);
        let captured = record.len() as u32 - 16;
        record[8..12].copy_from_slice(&captured.to_le_bytes());
        record
    };
    records.iter().map(cut).collect()
}

/// Every time as a clock shows it that goes in such steps.
fn by_steps_of(records: &[Vec<u8>], micros: u64) -> Vec<Vec<u8>> {
    const SECOND: u64 = 1_000_000;
    let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().expect("four")));
    let stamped = |record: &Vec<u8>| {
        let mut record = record.clone();
        let time = number(&record[..4]) * SECOND + number(&record[4..8]);
        let shown = time / micros * micros;
        record[..4].copy_from_slice(&((shown / SECOND) as u32).to_le_bytes());
        record[4..8].copy_from_slice(&((shown % SECOND) as u32).to_le_bytes());
        record
    };
    records.iter().map(stamped).collect()
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;

/// Flags and payload of a record that holds TCP over Ethernet; its place and its bytes.
fn tcp(record: &[u8]) -> Option<(u8, usize)> {
    /// Record header and Ethernet header.
    const IP: usize = 16 + 14;
    let first = *record.get(IP)?;
    let tcp = match (first >> 4, record.get(IP - 2..IP)?) {
        (4, [8, 0]) if record.get(IP + 9) == Some(&6) => IP + usize::from(first & 15) * 4,
        (6, [0x86, 0xdd]) if record.get(IP + 6) == Some(&6) => IP + 40,
        _ => return None,
    };
    let &[length, flags] = record.get(tcp + 12..tcp + 14)? else {
        return None;
    };
    Some((flags, tcp + usize::from(length >> 4) * 4))
}

/// What a filter lets pass.
fn passing(records: &[Vec<u8>], passes: impl Fn(u8) -> bool) -> Vec<Vec<u8>> {
    let is_let_pass = |record: &&Vec<u8>| tcp(record).is_none_or(|(flags, _)| passes(flags));
    records.iter().filter(is_let_pass).cloned().collect()
}

/// Every TCP payload turned into words that nobody knows; that of a RST is no part of the conversation.
fn unreadable(records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let turned = |record: &Vec<u8>| {
        let mut record = record.clone();
        let payload = tcp(&record).filter(|(flags, _)| flags & RST == 0);
        let payload = payload.and_then(|(_, at)| record.get_mut(at..));
        for byte in payload.unwrap_or_default() {
            *byte ^= 0xa5;
        }
        record
    };
    records.iter().map(turned).collect()
}

#[test]
fn a_part_is_not_surer_of_something_else() {
    let mut complaints = Vec::new();
    let mut compared = 0;
    for file in &all() {
        let seed = support::seed_of(file);
        let Pcap { header, records } = Pcap::read(file);
        let whole = resets(&header, &records);
        let parts = parts(records.len(), seed, 2).into_iter();
        let parts = parts.map(|(what, part)| {
            let part = part.into_iter().map(|index| records[index].clone());
            (what, part.collect())
        });
        // Ethernet, IPv4 and TCP with timestamps take 66 bytes.
        let length = [66, 72, 80, 96, 110, 128, 160, 200][seed % 8];
        let others = [
            (format!("cut at {length}"), cut_at(&records, length)),
            (
                "SYN, FIN and RST".to_owned(),
                passing(&records, |flags| flags & (SYN | FIN | RST) != 0),
            ),
            (
                "RST alone".to_owned(),
                passing(&records, |flags| flags & RST != 0),
            ),
            (
                "without FIN".to_owned(),
                passing(&records, |flags| flags & FIN == 0),
            ),
            ("unreadable".to_owned(), unreadable(&records)),
            ("in steps of 1 ms".to_owned(), by_steps_of(&records, 1_000)),
            (
                "as older Windows' clocks show it".to_owned(),
                by_steps_of(&records, 15_625),
            ),
        ];
        for (what, part) in parts.chain(others) {
            for reset in resets(&header, &part) {
                compared += 1;
                if let Some(complaint) = complaint(&whole, &reset) {
                    let told = ["at", "cause", "confidence", "sender"].map(|name| &reset[name]);
                    complaints.push(format!("{}, {what}: {complaint}: {told:?}", file.display()));
                }
            }
        }
    }
    assert!(
        complaints.is_empty(),
        "{} of {compared}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    assert!(compared > 50, "{compared}");
}
