//! One run writes many files. They agree with each other, are the same in every run, and hide what is to be hidden.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every ending that `-o` knows.
const ENDINGS: [&str; 10] = [
    "txt", "json", "jsonl", "csv", "ndjson", "md", "html", "pcapng", "conn.csv", "log",
];

/// Runs whyrst over a capture and returns the bytes of each file.
fn outputs(capture: &Path, options: &[&str]) -> Vec<(&'static str, Vec<u8>)> {
    let directory = tempfile::tempdir().unwrap();
    let file = |ending: &str| directory.path().join(format!("out.{ending}"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_whyrst"));
    command
        .arg(capture)
        .args(options)
        .args(["--all", "--ladder", "--connections"]);
    for ending in ENDINGS {
        command.arg("-o").arg(file(ending));
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        capture.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    ENDINGS
        .map(|ending| (ending, std::fs::read(file(ending)).unwrap()))
        .into()
}

fn text<'a>(outputs: &'a [(&str, Vec<u8>)], ending: &str) -> &'a str {
    let bytes = outputs
        .iter()
        .find(|(name, _)| *name == ending)
        .map(|(_, bytes)| bytes.as_slice());
    std::str::from_utf8(bytes.unwrap()).unwrap()
}

fn json(outputs: &[(&str, Vec<u8>)]) -> Value {
    serde_json::from_str(text(outputs, "json")).unwrap()
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    ["resets", "hang_ups"]
        .into_iter()
        .flat_map(|list| report[list].as_array().unwrap())
}

fn own_captures() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut captures: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .collect();
    captures.sort();
    assert!(captures.len() > 5);
    captures
}

fn lab_captures() -> Vec<PathBuf> {
    let shared = std::env::var_os("WHYRST_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let Ok(scenarios) = std::fs::read_dir(shared.join("captures/lab")) else {
        eprintln!("skipped: no lab captures at {}", shared.display());
        return Vec::new();
    };
    let mut captures: Vec<PathBuf> = scenarios
        .filter_map(|scenario| std::fs::read_dir(scenario.ok()?.path()).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .collect();
    captures.sort();
    captures
}

#[test]
fn all_outputs_of_a_run_name_the_same_findings() {
    for capture in own_captures() {
        let outputs = outputs(&capture, &[]);
        let report = json(&outputs);
        let ids: Vec<&str> = findings(&report)
            .map(|f| f["id"].as_str().unwrap())
            .collect();
        let name = capture.display();

        let jsonl: Vec<Value> = text(&outputs, "jsonl")
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let lines: Vec<&str> = jsonl
            .iter()
            .filter_map(|line| line["id"].as_str())
            .collect();
        assert_eq!(lines, ids, "{name}: JSON Lines");
        let ecs: Vec<Value> = text(&outputs, "ndjson")
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let ecs_ids: Vec<&str> = ecs
            .iter()
            .filter_map(|line| line["event"]["id"].as_str())
            .collect();
        assert_eq!(ecs_ids, ids, "{name}: ECS");
        let mut csv = csv::Reader::from_reader(text(&outputs, "csv").as_bytes());
        let rows: Vec<String> = csv.records().map(|r| r.unwrap()[0].to_owned()).collect();
        assert_eq!(rows, ids, "{name}: CSV");
        let anchors: Vec<&str> = text(&outputs, "html")
            .split("<tr id=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(anchors, ids, "{name}: HTML");
        let harmful = report["summary"]["harmful"].as_u64().unwrap();
        assert!(
            text(&outputs, "md").contains(&format!("{harmful} harmful")),
            "{name}: Markdown"
        );
        // Benign findings are one line there.
        let harmful = |f: &&Value| !matches!(f["harm"].as_str(), Some("none" | "refused"));
        for id in findings(&report)
            .filter(harmful)
            .map(|f| f["id"].as_str().unwrap())
        {
            let ticket = text(&outputs, "md");
            assert!(
                ticket.contains(&format!("| {id} frame ")) || ticket.contains("more finding"),
                "{name}: {id}"
            );
        }
        for finding in findings(&report) {
            assert_eq!(
                jsonl
                    .iter()
                    .find(|line| line["id"] == finding["id"])
                    .unwrap()["cause"],
                finding["cause"],
                "{name}"
            );
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for capture in own_captures() {
        for options in [&[][..], &["--redact"]] {
            assert_eq!(
                outputs(&capture, options),
                outputs(&capture, options),
                "{}",
                capture.display()
            );
        }
    }
}

#[test]
fn a_stream_gives_the_same_evidence_as_its_file() {
    let capture = own_captures()
        .into_iter()
        .find(|c| c.ends_with("keepalive-race.pcap"))
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let write = |input: &str, name: &str| {
        let path = directory.path().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_whyrst"))
            .args([
                input,
                "-q",
                "--redact-key",
                concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"),
                "-o",
            ])
            .arg(&path)
            .stdin(std::fs::File::open(&capture).unwrap())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::read(path).unwrap()
    };
    let packets = |bytes: &[u8]| {
        // Only the interface's name, which is the file's, differs.
        let at = bytes
            .windows(4)
            .position(|w| w == 6_u32.to_le_bytes())
            .unwrap();
        bytes[at..].to_vec()
    };
    let (file, stream) = (
        write(capture.to_str().unwrap(), "file.pcapng"),
        write("-", "stream.pcapng"),
    );
    assert!(file.len() > 1_000);
    assert_eq!(packets(&file), packets(&stream));
}

#[test]
fn all_outputs_of_a_run_list_the_same_connections() {
    for capture in own_captures() {
        let outputs = outputs(&capture, &[]);
        let name = capture.display();
        let report = json(&outputs);
        let rows = report["connections"].as_array().unwrap();
        let told = |row: &Value| {
            let [state, history] = ["conn_state", "history"].map(|name| row[name].as_str());
            format!("{} {}", state.unwrap(), history.unwrap())
        };
        let expected: Vec<String> = rows.iter().map(told).collect();

        let lines = |ending| -> Vec<Value> {
            text(&outputs, ending)
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        let jsonl: Vec<String> = lines("jsonl")
            .iter()
            .filter(|line| line["type"] == "connection")
            .map(told)
            .collect();
        assert_eq!(jsonl, expected, "{name}: JSON Lines");
        let ecs: Vec<String> = lines("ndjson")
            .iter()
            .filter(|line| line["event"]["dataset"] == "whyrst.connection")
            .map(|line| told(&line["whyrst"]))
            .collect();
        assert_eq!(ecs, expected, "{name}: ECS");
        let mut csv = csv::Reader::from_reader(text(&outputs, "conn.csv").as_bytes());
        let csv: Vec<String> = csv
            .records()
            .map(|row| row.unwrap())
            .map(|row| format!("{} {}", &row[8], &row[9]))
            .collect();
        assert_eq!(csv, expected, "{name}: CSV");
        let log: Vec<String> = text(&outputs, "log")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .map(|cells| format!("{} {}", cells[11], cells[13]))
            .collect();
        assert_eq!(log, expected, "{name}: Zeek");
        // The views for people show as many as they have room for.
        for (view, most) in [("txt", usize::MAX), ("html", 2_000), ("md", 20)] {
            for row in rows.iter().take(most) {
                let history = row["history"].as_str().unwrap();
                assert!(text(&outputs, view).contains(history), "{name}: {view}");
            }
        }
    }
}

#[test]
fn a_table_of_connections_needs_no_option() {
    let capture = own_captures().remove(0);
    let rows = |options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_whyrst"))
            .arg(&capture)
            .args(options)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert!(rows(&["--format", "conn-csv"]) > 1);
    assert_eq!(
        rows(&["--format", "zeek"]),
        rows(&["--format", "zeek", "--connections"])
    );
}

/// Whatever the unredacted outputs tell of who and where.
fn secrets(capture: &Path, report: &Value) -> Vec<String> {
    let mut secrets = vec![
        capture.display().to_string(),
        capture.file_name().unwrap().to_string_lossy().into_owned(),
    ];
    for row in report["connections"].as_array().into_iter().flatten() {
        for end in ["client", "server"] {
            secrets.push(row[end]["addr"].as_str().unwrap().to_owned());
        }
    }
    for finding in findings(report) {
        secrets.push(
            finding["connection"]["community_id"]
                .as_str()
                .unwrap_or("?")
                .to_owned(),
        );
        let request = &finding["request"];
        secrets.extend(request["server_name"].as_str().map(str::to_owned));
        let path = request["summary"]
            .as_str()
            .and_then(|summary| summary.split_once(' '));
        // `/` alone is no secret.
        secrets.extend(
            path.map(|(_, path)| path.to_owned())
                .filter(|path| path.len() > 2),
        );
    }
    secrets.sort();
    secrets.dedup();
    secrets
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn redacted_outputs_hold_no_address_name_or_path() {
    let lab = lab_captures();
    for capture in own_captures().iter().chain(&lab) {
        let open = outputs(capture, &[]);
        let secrets = secrets(capture, &json(&open));
        assert!(secrets.len() > 3, "{}", capture.display());
        let mut shown = 0;
        for (ending, bytes) in outputs(capture, &["--redact"]) {
            for secret in &secrets {
                let name = capture.display();
                assert!(
                    !contains(&bytes, secret.as_bytes()),
                    "{name}: {secret} in {ending}"
                );
                if let ("pcapng", Ok(address)) = (ending, secret.parse::<std::net::IpAddr>()) {
                    let octets = match address {
                        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
                    };
                    assert!(!contains(&bytes, &octets), "{name}: {address} in a packet");
                }
                let before = open.iter().find(|(name, _)| *name == ending).unwrap();
                shown += usize::from(contains(&before.1, secret.as_bytes()));
            }
        }
        assert!(
            shown > 5,
            "{}: the search finds nothing where nothing is hidden either",
            capture.display()
        );
    }
}
