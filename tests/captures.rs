//! The captures that come with the project are judged as `captures/expected.tsv` says, which was written from the kernels' and the
//! applications' own records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// One row: a connection that was reset or hung up.
#[derive(Debug)]
struct Expected {
    stream: u64,
    client_port: u64,
    causes: Vec<String>,
    sender: String,
    harms: Vec<String>,
    idle: Option<(f64, f64)>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

fn expected() -> BTreeMap<String, Vec<Expected>> {
    let table = std::fs::read_to_string(folder().join("expected.tsv")).expect("the table");
    let mut captures: BTreeMap<String, Vec<Expected>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let [capture, stream, port, cause, sender, harm, idle, tolerance] =
            line.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("a row of eight columns: {line}");
        };
        let choices = |cell: &str| cell.split('|').map(str::to_owned).collect();
        captures
            .entry(capture.to_owned())
            .or_default()
            .push(Expected {
                stream: stream.parse().expect("a stream number"),
                client_port: port.parse().expect("a port"),
                causes: choices(cause),
                sender: sender.to_owned(),
                harms: choices(harm),
                idle: idle.parse().ok().zip(tolerance.parse().ok()),
            });
    }
    captures
}

fn findings(capture: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_whyrst"))
        .args(["--format", "json"])
        .arg(folder().join(capture))
        .output()
        .expect("whyrst runs");
    assert!(output.status.success(), "{capture}: {output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    ["resets", "hang_ups"]
        .iter()
        .filter_map(|list| report[*list].as_array())
        .flatten()
        .cloned()
        .collect()
}

impl Expected {
    /// What is wrong with a finding on this connection.
    fn faults(&self, finding: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |name: &str, right: bool, said: &Value| {
            if !right {
                faults.push(format!("{name} is {said}, wanted {self:?}"));
            }
        };
        let one_of = |value: &Value, choices: &[String]| {
            value
                .as_str()
                .is_some_and(|text| choices.iter().any(|choice| choice == text))
        };
        let port = &finding["connection"]["client"]["port"];
        check("client port", port == self.client_port, port);
        check(
            "cause",
            one_of(&finding["cause"], &self.causes),
            &finding["cause"],
        );
        check(
            "harm",
            one_of(&finding["harm"], &self.harms),
            &finding["harm"],
        );
        if self.sender != "none" {
            check(
                "sender",
                finding["sender"] == self.sender.as_str(),
                &finding["sender"],
            );
        }
        if let Some((idle, tolerance)) = self.idle {
            let said = &finding["idle"]["application_s"];
            let near = said
                .as_f64()
                .is_some_and(|said| (said - idle).abs() <= tolerance);
            check("idle", near, said);
        }
        faults
    }
}

#[test]
fn every_connection_is_judged_as_it_truly_ended() {
    let mut faults = Vec::new();
    for (capture, rows) in expected() {
        let findings = findings(&capture);
        for row in &rows {
            let of_stream: Vec<_> = findings
                .iter()
                .filter(|finding| finding["connection"]["stream"] == row.stream)
                .collect();
            match of_stream.as_slice() {
                [finding] => faults.extend(
                    row.faults(finding)
                        .into_iter()
                        .map(|fault| format!("{capture}: {fault}")),
                ),
                other => faults.push(format!("{capture}: {} findings for {row:?}", other.len())),
            }
        }
        for finding in &findings {
            let stream = &finding["connection"]["stream"];
            if !rows.iter().any(|row| stream == row.stream) {
                faults.push(format!(
                    "{capture}: stream {stream} ended well, {}",
                    finding["cause"]
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn where_no_reset_arrived_none_is_reported() {
    assert_eq!(findings("nat-idle-reject-server.pcap"), Vec::<Value>::new());
}

#[test]
fn a_tls_handshake_that_failed_tells_its_alert() {
    let told: BTreeMap<u64, (String, String)> = findings("tls-handshakes-failed.pcap")
        .iter()
        .filter(|finding| finding["harm"] == "refused")
        .map(|finding| {
            let word = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            let port = finding["connection"]["client"]["port"].as_u64();
            let port = port.expect("a port");
            (port, (word("detail"), word("explanation")))
        })
        .collect();
    let wanted = [
        (39118, "tls-mismatch", "it speaks TLS on this port"),
        (33090, "tls-mismatch", "it speaks no TLS on this port"),
        (49442, "tls-mismatch", "it speaks no TLS on this port"),
        (44838, "tls-mismatch", "it speaks no TLS on this port"),
        (
            39124,
            "tls-alert",
            "The client broke the TLS handshake off with the alert unknown_ca (48)",
        ),
        (
            46786,
            "tls-alert",
            "The server broke the TLS handshake off with the alert handshake_failure (40)",
        ),
        (33418, "tls-alert", "protocol_version (70)"),
        (39664, "tls-alert", "unrecognized_name (112)"),
        (39308, "tls-alert", "no_application_protocol (120)"),
        (
            56732,
            "client-certificate",
            "had asked for a client certificate",
        ),
        (
            56744,
            "client-certificate",
            "had asked for a client certificate",
        ),
    ];
    for (port, detail, words) in wanted {
        let (told, explanation) = &told[&port];
        assert_eq!(told, detail, "{port}");
        assert!(explanation.contains(words), "{port}: {explanation}");
    }
    assert_eq!(told.len(), wanted.len());
}

#[test]
fn a_close_by_mptcp_is_an_idle_close() {
    let findings = findings("mptcp.pcap");
    let stale = findings
        .iter()
        .filter(|finding| finding["cause"] == "stale-reuse");
    let closes: Vec<_> = stale
        .map(|finding| {
            let server = &finding["fins"]["server"];
            let why = finding["retry"]["why"].as_str().unwrap_or_default();
            assert!(why.starts_with("Its receiver had closed"), "{why}");
            (server["frame"].as_u64(), server["data_fin"].as_bool())
        })
        .collect();
    let at = |frame| (Some(frame), Some(true));
    assert_eq!(closes, [at(25), at(40), at(125)]);
    let words = |finding: &Value| finding["evidence"].to_string();
    let aborts: Vec<_> = findings
        .iter()
        .filter(|finding| finding["cause"] == "abortive-close")
        .map(|finding| {
            assert!(words(finding).contains("MP_FASTCLOSE"), "{finding}");
            finding["detail"].as_str()
        })
        .collect();
    assert_eq!(aborts, [None, None, None, Some("mptcp-subflow")]);
}

/// What a proxy cut because it had been cut is told with its reason, and counted once.
#[test]
fn an_event_stream_that_a_proxy_cut_is_one_loss() {
    let found = findings("event-stream.pcap");
    let cut: Vec<&Value> = found.iter().filter(|f| f["cause"] == "hang-up").collect();
    assert_eq!(cut.len(), 2);
    for front in cut {
        let behind = found.iter().find(|f| f["id"] == front["hop"]["finding"]);
        let behind = behind.expect("a finding behind");
        assert_eq!(behind["cause"], "response-timeout");
        assert_eq!(behind["advice"], front["advice"]);
        let explanation = front["explanation"].as_str().expect("an explanation");
        let reason = format!("the reason is: {}", behind["id"].as_str().expect("an id"));
        assert!(explanation.contains(&reason), "{explanation}");
    }
}

#[test]
fn each_capture_is_described_and_small() {
    let readme = std::fs::read_to_string(folder().join("README.md")).expect("a README");
    let mut total = 0;
    for entry in std::fs::read_dir(folder()).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a plain name");
        if name.contains(".pcap") {
            assert!(
                readme.contains(&format!("| `{name}` |")),
                "{name} is not described"
            );
            total += entry.metadata().expect("a size").len();
        }
    }
    assert!(total > 0 && total < 1_500_000, "{total} bytes");
}
