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
    insta::assert_snapshot!("help", stdout(whyrst().arg("--help")));
    insta::assert_snapshot!("short_help", stdout(whyrst().arg("-h")));
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
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(whyrst().args(["completions", shell]));
        assert!(
            script.contains("keepalive-race"),
            "{shell} completes the names of causes"
        );
    }
    assert!(stdout(whyrst().arg("man")).contains(".TH whyrst"));
}
