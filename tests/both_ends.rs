//! Captures of both ends may be given together: what is told then, one of them alone tells or thinks of, too, unless it is called
//! possible.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod support;

/// A capture of the project.
fn capture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("captures").join(name)
}

/// Both ends' captures of one incident, in the project and, where they are at hand, of the lab's recordings.
fn pairs() -> Vec<[PathBuf; 2]> {
    let own = [
        ["nat-idle-reject-client.pcap", "nat-idle-reject-server.pcap"].map(capture),
        ["injected-keyword.pcap", "injected-keyword-server.pcap"].map(capture),
    ];
    let recorded = support::recorded().into_iter();
    let whole = recorded.filter(|pair| pair.iter().all(|file| file.exists()));
    own.into_iter().chain(whole).collect()
}

fn report(files: &[PathBuf]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whyrst"));
    let output = command
        .args(files)
        .args(["--format", "json"])
        .output()
        .expect("whyrst runs");
    assert!(output.status.success(), "{files:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Connection, cause, sender and harm of each finding, and whether it is more than possible.
fn told(report: &Value) -> BTreeSet<(String, bool)> {
    let told = findings(report).map(|finding| {
        let sure = finding["confidence"] != "possible";
        (words(finding, &finding["cause"]), sure)
    });
    told.collect()
}

/// The same with each cause that comes into question.
fn thought(report: &Value) -> BTreeSet<String> {
    let causes = |finding: &Value| {
        let others = finding["alternatives"].as_array().cloned();
        let others = others.unwrap_or_default().into_iter();
        let causes = others.map(|other| other["cause"].clone());
        let causes = causes.chain([finding["cause"].clone()]);
        causes
            .map(|cause| words(finding, &cause))
            .collect::<Vec<_>>()
    };
    findings(report).flat_map(causes).collect()
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["resets", "hang_ups"].iter();
    lists.filter_map(|list| report[*list].as_array()).flatten()
}

fn words(finding: &Value, cause: &Value) -> String {
    let client = &finding["connection"]["client"];
    let words = [client, cause, &finding["sender"], &finding["harm"]];
    words.map(Value::to_string).join(" ")
}

#[test]
fn both_ends_together_tell_what_one_of_them_tells() {
    let mut sure = 0;
    for [client, server] in pairs() {
        let alone: BTreeSet<_> = [&client, &server]
            .into_iter()
            .flat_map(|file| thought(&report(std::slice::from_ref(file))))
            .collect();
        for (words, _) in told(&report(&[client.clone(), server]))
            .iter()
            .filter(|(_, sure)| *sure)
        {
            // Of a request that one end knows nothing more of, both know that it never crossed.
            let unknown = words.replace("request-lost", "request-outcome-unknown");
            let is_thought = alone.contains(words) || alone.contains(&unknown);
            assert!(is_thought, "{}: {words}", client.display());
            sure += 1;
        }
    }
    assert!(sure >= 8, "{sure}");
}

/// A box reset both sides: what bears the server's address never left it, nor did what bears the client's leave that one.
#[test]
fn both_ends_prove_that_a_reset_was_forged() {
    let ends = ["injected-keyword.pcap", "injected-keyword-server.pcap"].map(capture);
    let told = |files: &[PathBuf]| {
        let report = report(files);
        let finding = &report["resets"][0];
        let words = [
            "cause",
            "confidence",
            "sender",
            "sender_confidence",
            "passage",
        ];
        let advice = report["advice"].to_string();
        (
            words.map(|word| finding[word].as_str().unwrap_or("-").to_owned()),
            advice.contains("captures of both sides show it"),
        )
    };
    let words = |words: [&str; 5]| words.map(str::to_owned);
    let (alone, proved) = told(&ends[..1]);
    assert_eq!(
        alone,
        words(["injected", "likely", "middlebox", "likely", "-"])
    );
    assert!(!proved);
    for ends in [&ends, &[ends[1].clone(), ends[0].clone()]] {
        let (both, proved) = told(ends);
        let sure = [
            "injected",
            "certain",
            "middlebox",
            "certain",
            "not-from-sender",
        ];
        assert_eq!(both, words(sure));
        assert!(proved);
    }
}

#[test]
fn a_report_says_that_packets_are_in_both() {
    let says = |report: &Value| {
        report["caveats"]
            .to_string()
            .contains("more than one capture")
    };
    let race = capture("keepalive-race.pcap");
    let twice = report(&[race.clone(), race.clone()]);
    assert!(says(&twice));
    assert_eq!(told(&twice), told(&report(&[race])));
    // Behind the NAT, connections bear other addresses: no packet is in both.
    let ends = ["client", "server"].map(|end| capture(&format!("nat-idle-reject-{end}.pcap")));
    assert!(!says(&report(&ends)));
}
