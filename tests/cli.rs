//! The promise of the command line: what it prints, where, and with which exit status.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use predicates::prelude::*;

const WHYRST: &str = env!("CARGO_BIN_EXE_whyrst");

/// The command without anything of the environment that changes its looks.
fn whyrst() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(WHYRST);
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "TERM"] {
        command.env_remove(name);
    }
    command.env("COLUMNS", "100");
    command
}

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

fn stdout(command: &mut assert_cmd::Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn the_helps_are_what_they_are() {
    // A build without libpcap has no `live` to list.
    if cfg!(feature = "live") {
        insta::assert_snapshot!("help", stdout(whyrst().arg("--help")));
        insta::assert_snapshot!("short_help", stdout(whyrst().arg("-h")));
    }
    for command in ["show", "explain", "timeouts", "align", "completions"] {
        insta::assert_snapshot!(
            format!("help_{command}"),
            stdout(whyrst().args([command, "--help"]))
        );
    }
}

#[test]
fn no_arguments_show_the_help_as_an_error() {
    whyrst()
        .assert()
        .code(2)
        .stderr(predicate::str::contains("Usage: whyrst"));
}

#[test]
fn errors_are_one_line_and_status_2() {
    let scratch = tempfile::tempdir().unwrap();
    let note = scratch.path().join("note.txt");
    std::fs::write(&note, "no capture at all\n").unwrap();
    let empty = scratch.path().join("empty.pcap");
    std::fs::write(&empty, "").unwrap();
    let race = capture("keepalive-race.pcap");
    let race = race.to_str().unwrap();
    for (what, arguments) in [
        ("missing", vec!["/nonexistent/x.pcap"]),
        ("a_directory", vec!["/"]),
        ("no_capture", vec![note.to_str().unwrap()]),
        ("empty", vec![empty.to_str().unwrap()]),
        ("unknown_option", vec![race, "--fomat", "json"]),
        ("unknown_format", vec![race, "--format", "yaml"]),
        ("unknown_ending", vec![race, "-o", "report.docx"]),
        ("unknown_cause", vec!["explain", "keepalive-rase"]),
        ("bad_time", vec![race, "--since", "yesterday"]),
        ("bad_fail_on", vec![race, "--fail-on", "harmfull"]),
        ("stdin_twice", vec!["-", "-"]),
        ("no_such_finding", vec!["show", "r999", race]),
        ("files_after_the_command", vec!["show"]),
    ] {
        let assert = whyrst().args(&arguments).assert().code(2).stdout("");
        let line = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
        assert_eq!(line.lines().count(), 1, "{what}: {line}");
        assert!(line.starts_with("whyrst: "), "{what}: {line}");
        let line = line
            .replace(scratch.path().to_str().unwrap(), "SCRATCH")
            .replace(race, "RACE");
        insta::assert_snapshot!(format!("error_{what}"), line);
    }
}

#[test]
fn explain_lists_and_explains() {
    let list = stdout(whyrst().arg("explain"));
    assert_eq!(
        list.lines()
            .filter(|l| !l.is_empty() && !l.starts_with(' '))
            .count(),
        19 + 1
    );
    let text = stdout(whyrst().args(["explain", "keepalive-race"]));
    assert!(text.starts_with("keepalive-race: ") && text.contains("✖ RST"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [
        &["explain", "injected"][..],
        &["schema"],
        &["man"],
        &["--help"],
        &["completions", "bash"],
    ] {
        let mut child = Command::new(WHYRST)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut complaint = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaint)
            .unwrap();
        assert_eq!(complaint, "", "{arguments:?}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn schema_completions_and_manual_are_printed() {
    let schema: serde_json::Value = serde_json::from_str(&stdout(whyrst().arg("schema"))).unwrap();
    assert_eq!(schema["title"], "whyrst report 1.0");
    assert!(schema["properties"]["resets"].is_object() && schema["$defs"]["JsonLine"].is_object());
    for shell in ["bash", "zsh"] {
        let script = stdout(whyrst().args(["completions", shell]));
        assert!(
            script.contains("keepalive-race"),
            "{shell} completes the names of causes"
        );
    }
    assert!(stdout(whyrst().args(["completions", "fish"])).contains("explain"));
    assert!(stdout(whyrst().arg("man")).contains(".TH whyrst"));
}

#[test]
fn a_capture_is_analysed_with_or_without_the_word() {
    let race = capture("keepalive-race.pcap");
    let short = stdout(whyrst().arg(&race));
    assert_eq!(short, stdout(whyrst().arg("analyze").arg(&race)));
    assert_eq!(short, stdout(whyrst().arg("-r").arg(&race)));
    assert!(
        short.contains("keepalive-race × 8: 8 requests lost"),
        "{short}"
    );
    assert!(
        short.lines().all(|line| line.chars().count() <= 100),
        "{short}"
    );
}

#[test]
fn standard_input_is_a_capture_too() {
    let bytes = std::fs::read(capture("keepalive-race.pcap")).unwrap();
    let text = stdout(whyrst().arg("-").write_stdin(bytes));
    assert!(
        text.contains("  -: 919 frames") && text.contains("8 requests lost"),
        "{text}"
    );
}

#[test]
fn the_exit_status_says_what_was_asked_for() {
    let race = capture("keepalive-race.pcap");
    let quiet = capture("nat-idle-reject-server.pcap");
    let status = |file: &Path, what: &str| {
        let assert = whyrst().arg(file).args(["--fail-on", what]).assert();
        assert.get_output().status.code()
    };
    assert_eq!(status(&race, "harmful"), Some(1));
    assert_eq!(status(&race, "any"), Some(1));
    assert_eq!(status(&race, "injected,keepalive-race"), Some(1));
    assert_eq!(status(&race, "injected"), Some(0));
    assert_eq!(status(&quiet, "any"), Some(0));
}

#[test]
fn files_get_the_format_of_their_ending() {
    let scratch = tempfile::tempdir().unwrap();
    let (json, csv, lines) = (
        scratch.path().join("r.json"),
        scratch.path().join("r.csv"),
        scratch.path().join("r.jsonl"),
    );
    let mut command = whyrst();
    command.arg(capture("keepalive-race.pcap"));
    for file in [&json, &csv, &lines] {
        command.arg("-o").arg(file);
    }
    assert_eq!(stdout(&mut command), "");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["resets"].as_array().map(Vec::len), Some(8));
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 9);
    let lines = std::fs::read_to_string(&lines).unwrap();
    assert_eq!(lines.lines().count(), 8);
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );

    // A saved report stands for its captures.
    let again = stdout(whyrst().arg(&json).args(["--format", "csv"]));
    assert_eq!(again, std::fs::read_to_string(&csv).unwrap());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let run = || {
        stdout(
            whyrst()
                .arg(capture("keepalive-race.pcap"))
                .args(["--format", "json"]),
        )
    };
    assert_eq!(run(), run());
}

#[test]
fn a_part_is_asked_for_by_port_stream_and_time() {
    let race = capture("keepalive-race.pcap");
    let of = |arguments: &[&str]| {
        let json = stdout(
            whyrst()
                .arg(&race)
                .args(["--format", "json"])
                .args(arguments),
        );
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        let ids: Vec<_> = report["resets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, report["summary"]["connections"].as_u64().unwrap())
    };
    assert_eq!(of(&["--stream", "14"]), (vec!["r3".to_owned()], 1));
    assert_eq!(of(&["--port", "1"]), (vec![], 0));
    assert_eq!(
        of(&["--host", "10.77.1.3", "--until", "01:14:40.230"]).0,
        ["r1"]
    );
    assert_eq!(of(&["--since", "2026-11-21T01:14:40.330Z"]).0, ["r8"]);
}

#[test]
#[cfg(feature = "live")]
fn a_filter_expression_selects_packets() {
    let race = capture("keepalive-race.pcap");
    let text = stdout(whyrst().arg("-f").arg("port 46944").arg(&race));
    assert!(text.contains("1 reset in 1 connection"), "{text}");
    assert_eq!(
        text,
        stdout(whyrst().arg(&race).args(["--", "port", "46944"]))
    );
    whyrst()
        .arg(&race)
        .args(["--", "prot", "80"])
        .assert()
        .code(2)
        .stderr(
            predicate::str::starts_with("whyrst: filter `prot 80`: ")
                .and(predicate::str::contains("\n").count(1)),
        );
}

/// Among the chosen packets streams have other numbers than in the file: what one is told to type finds the connection there all the same.
#[test]
#[cfg(feature = "live")]
fn the_commands_behind_a_filter_expression_find_the_same_connection() {
    let race = capture("keepalive-race.pcap");
    let finding = |options: &[&str]| {
        let text = stdout(
            whyrst()
                .args(options)
                .args(["--format", "jsonl"])
                .arg(&race),
        );
        let mut findings = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let found =
            findings.find(|f: &serde_json::Value| f["connection"]["client"]["port"] == 46944);
        found.expect("a finding")
    };
    let (whole, chosen) = (finding(&[]), finding(&["-f", "port 46944"]));
    assert_eq!(whole["frame"], chosen["frame"]);
    assert_eq!(whole["wireshark_filter"], "tcp.stream eq 12");
    assert_eq!(
        chosen["wireshark_filter"],
        "ip.addr == 10.77.1.2 && tcp.port == 46944 && ip.addr == 10.77.1.3 && tcp.port == 3000"
    );
    let text = stdout(whyrst().args(["-f", "port 46944"]).arg(&race));
    let again = format!("whyrst show r1 -f 'port 46944' {}", race.display());
    assert!(text.contains(&again), "{text}");
}

#[test]
fn a_damaged_capture_is_analysed_with_a_warning() {
    let scratch = tempfile::tempdir().unwrap();
    let cut = scratch.path().join("cut.pcap");
    let bytes = std::fs::read(capture("keepalive-race.pcap")).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let warned =
        predicate::str::starts_with("whyrst: warning: ").and(predicate::str::contains("cut short"));
    whyrst()
        .arg(&cut)
        .assert()
        .code(0)
        .stderr(warned)
        .stdout(predicate::str::contains("What limits this report"));
    whyrst().arg(&cut).arg("-q").assert().code(0).stderr("");
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let escape = || predicate::str::contains("\u{1b}[");
    let race = capture("keepalive-race.pcap");
    whyrst().arg(&race).assert().stdout(escape().not());
    whyrst()
        .arg(&race)
        .args(["--color", "always"])
        .assert()
        .stdout(escape());
    whyrst()
        .arg(&race)
        .env("CLICOLOR_FORCE", "1")
        .assert()
        .stdout(escape());
    whyrst()
        .arg(&race)
        .envs([("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])
        .assert()
        .stdout(escape().not());
}

#[test]
fn a_report_into_a_closed_pipe_is_no_error() {
    for arguments in [
        &["--format", "json"][..],
        &["--all", "--ladder"],
        &["--format", "csv"],
    ] {
        let mut child = Command::new(WHYRST)
            .arg(capture("tls-keepalive-race.pcap.gz"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut complaint = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaint)
            .unwrap();
        assert_eq!(complaint, "", "{arguments:?}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn one_finding_tells_everything() {
    let text = stdout(
        whyrst()
            .arg("show")
            .arg("r1")
            .arg(capture("keepalive-race.pcap")),
    );
    for part in [
        "keepalive-race (certain)",
        "◆ trigger",
        "✖ RST",
        "Evidence for",
        "socket hang up",
        "tshark -r ",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

/// Standard input that never ends: the first interrupt prints what came until then.
#[test]
#[cfg(unix)]
fn an_interrupted_stream_is_reported_as_far_as_it_came() {
    use std::io::{BufRead, BufReader, Write};
    let bytes = std::fs::read(capture("keepalive-race.pcap")).unwrap();
    let mut child = Command::new(WHYRST)
        .args(["-v", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&bytes).unwrap();
    stdin.flush().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut ready = String::new();
    stderr.read_line(&mut ready).unwrap();
    assert!(ready.contains("reading"), "{ready}");
    // The shell's own: a small system has no other kill.
    let killed = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .unwrap();
    assert!(killed.success());
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        text.contains("connections") || text.contains("No TCP connection"),
        "{text}"
    );
    drop(stdin);
}

#[test]
fn known_timeouts_are_browsed_and_added_to() {
    let text = stdout(whyrst().args(["timeouts", "350"]));
    assert!(
        text.contains("AWS NLB") && text.contains("default    350 s"),
        "{text}"
    );
    let scratch = tempfile::tempdir().unwrap();
    let own = scratch.path().join("own.toml");
    std::fs::write(
        &own,
        "[[timeout]]\nid = \"ours\"\nproduct = \"Our gateway\"\nsetting = \"idle\"\ndefault_s = 42.5\nrole = \"server-idle\"\n",
    )
    .unwrap();
    let text = stdout(
        whyrst()
            .args(["timeouts", "gateway", "42.5", "--known"])
            .arg(&own),
    );
    assert!(text.starts_with("Our gateway: idle\n"), "{text}");
    std::fs::write(&own, "[[timeout]]\nid = 7\n").unwrap();
    let wrong = whyrst()
        .arg("timeouts")
        .arg("--known")
        .arg(&own)
        .assert()
        .code(2);
    let line = String::from_utf8(wrong.get_output().stderr.clone()).unwrap();
    assert!(
        line.starts_with("whyrst: ") && line.lines().count() == 1,
        "{line}"
    );
}

#[test]
fn a_chain_given_by_hand_is_checked() {
    let text = stdout(whyrst().args(["align", "client=15s", "alb=60s", "node=6s"]));
    insta::assert_snapshot!("align", text);
    let wrong = whyrst().args(["align", "client", "node"]).assert().code(2);
    let line = String::from_utf8(wrong.get_output().stderr.clone()).unwrap();
    assert!(
        line.starts_with("whyrst: client: not in the table") && line.lines().count() == 1,
        "{line}"
    );
}

/// A capture that is read as if it came in now ends in the report that reading it at once gives.
#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn live_says_of_a_capture_what_analyze_says() {
    for name in [
        "keepalive-race.pcap",
        "hang-up.pcap",
        "injected-keyword.pcap",
    ] {
        let report = |arguments: &[&str]| -> serde_json::Value {
            let mut command = whyrst();
            command.args(arguments).arg(capture(name));
            serde_json::from_str(&stdout(command.args(["--format", "json"]))).unwrap()
        };
        let live = report(&["live", "-q", "-r"]);
        let offline = report(&["analyze", "-r"]);
        for list in ["resets", "hang_ups", "idle_timeouts"] {
            assert_eq!(live[list], offline[list], "{list} of {name}");
        }
    }
}

/// Everything below a directory, and what was printed.
#[cfg(all(feature = "live", target_os = "linux"))]
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all
}

/// With `--redact-key`, nothing that live prints or writes says who and where, and it says the same as offline.
#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn live_redacts_whatever_it_prints_or_writes() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("key"), "a secret of more than sixteen bytes").unwrap();
    let name = "keepalive-race.pcap";
    for format in [&["--json-lines"][..], &[]] {
        let printed = stdout(
            whyrst()
                .args(["live", "-Z", "root", "-r"])
                .arg(capture(name))
                .args([
                    "--redact-key",
                    &at("key"),
                    "--ladder",
                    "-w",
                    &at("evidence"),
                ])
                .args(["-o", &at("live.json"), "-o", &at("live.html")])
                .args(["-o", &at("live.pcapng"), "-o", &at("live.md")])
                .args(["--metrics-file", &at("live.prom")])
                .args(format),
        );
        assert_eq!(
            printed.matches("keepalive-race").count() % 8,
            0,
            "{printed}"
        );
        std::fs::write(at("printed"), printed).unwrap();
        let written = contents(scratch.path());
        assert!(written.len() >= 6 + 8, "eight findings have a file each");
        for (path, bytes) in written {
            for name in [&b"10.77."[..], b"/orders", &[10, 77, 1, 2], &[10, 77, 1, 3]] {
                let shows = bytes.windows(name.len()).any(|part| part == name);
                assert!(!shows, "{} shows {name:?}", path.display());
            }
        }
    }
    whyrst()
        .arg(capture(name))
        .args(["--redact-key", &at("key"), "-q"])
        .args(["-o", &at("offline.json"), "-o", &at("offline.pcapng")])
        .assert()
        .success();
    let report = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(at(name)).unwrap()).unwrap()
    };
    let (live, offline) = (report("live.json"), report("offline.json"));
    for list in ["resets", "hang_ups", "idle_timeouts", "alignment", "advice"] {
        assert_eq!(live[list], offline[list], "{list}");
    }
    let packets = |name: &str| std::fs::read(at(name)).unwrap();
    assert!(packets("live.pcapng") == packets("offline.pcapng"));
}

/// Without a key file the pseudonyms are another's in each run: there is no capture yet to make a key of.
#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn live_makes_a_key_by_chance() {
    let run = || {
        let mut command = whyrst();
        command.args(["live", "-q", "--redact", "--json-lines", "-r"]);
        stdout(command.arg(capture("hang-up.pcap")))
    };
    let (one, other) = (run(), run());
    // Whole addresses: a pseudonym may well contain a part of one.
    for address in ["\"10.77.1.2\"", "\"10.77.2.2\""] {
        assert!(!one.contains(address), "{one}");
    }
    assert_ne!(one, other);
}

/// What `-w` writes is the packets of one finding each, with the options of evidence as offline.
#[cfg(all(feature = "live", target_os = "linux"))]
#[test]
fn live_cuts_or_keeps_payload_as_asked() {
    let scratch = tempfile::tempdir().unwrap();
    for (what, shown) in [("cut", false), ("keep", true)] {
        let directory = scratch.path().join(what);
        whyrst()
            .args(["live", "-q", "-Z", "root", "--payload", what, "-w"])
            .arg(&directory)
            .args(["--evidence-files", "3", "-r"])
            .arg(capture("keepalive-race.pcap"))
            .assert()
            .success();
        let files = contents(&directory);
        assert_eq!(files.len(), 3, "of eight the newest three stay");
        for (path, bytes) in files {
            let has = bytes.windows(7).any(|part| part == b"/orders");
            assert_eq!(has, shown, "{}", path.display());
        }
    }
}
