//! What a proxy's clients got is tied to what its upstreams did, on recordings of real proxies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn recording(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("WHYRST_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = shared.join("captures/lab").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no {}", path.display());
    None
}

fn report(path: &Path) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_whyrst"))
        .arg(path)
        .args(["--format", "json"])
        .output()
        .unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Back stream, front stream, outcome.
fn hops(path: &Path) -> BTreeSet<(u64, u64, String)> {
    let report = report(path);
    ["resets", "hang_ups"]
        .iter()
        .flat_map(|kind| report[kind].as_array().unwrap())
        .filter(|finding| finding["hop"]["side"] == "back")
        .map(|finding| {
            (
                finding["connection"]["stream"].as_u64().unwrap(),
                finding["hop"]["stream"].as_u64().unwrap(),
                finding["hop"]["outcome"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn expected(rows: &[(u64, u64, &str)]) -> BTreeSet<(u64, u64, String)> {
    rows.iter()
        .map(|(back, front, outcome)| (*back, *front, (*outcome).to_owned()))
        .collect()
}

/// The products of the first advice's setting lines.
fn advised(path: &Path) -> Vec<String> {
    let settings = &report(path)["advice"][0]["settings"];
    let settings = settings.as_array().unwrap().iter();
    settings
        .map(|line| line["product"].as_str().unwrap().to_owned())
        .collect()
}

/// Its clients' POSTs became 502, its GETs were asked again.
#[test]
fn nginx_in_front_of_a_server_that_closes_first() {
    let Some(path) = recording("nginx-upstream-race/proxy.pcap") else {
        return;
    };
    let got = hops(&path);
    assert_eq!(
        got,
        expected(&[
            (55, 24, "502"),
            (56, 23, "retried"),
            (57, 22, "502"),
            (58, 21, "502"),
            (59, 20, "retried"),
            (60, 19, "502"),
            (61, 18, "502"),
            (62, 17, "retried"),
            (63, 16, "502"),
            (64, 15, "502"),
            (65, 14, "retried"),
            (66, 13, "502"),
            (67, 12, "502"),
            (68, 11, "retried"),
            (69, 10, "502"),
            (70, 9, "502"),
            (71, 8, "retried"),
        ])
    );
    // Its own pool has to change, and it names itself towards its clients.
    let lines = advised(&path);
    assert_eq!(lines[0], "nginx (client)");
    assert!(
        lines.iter().all(|line| !line.starts_with("Go ")),
        "{lines:?}"
    );
}

/// `timeout server` before the answer is a 504, in its middle a cut answer. Those that stalled as readers are the client's doing.
#[test]
fn haproxy_that_waits_in_vain() {
    let Some(path) = recording("haproxy-timeouts/proxy.pcap.gz") else {
        return;
    };
    assert_eq!(
        hops(&path),
        expected(&[
            (10, 2, "504"),
            (11, 0, "504"),
            (12, 1, "504"),
            (13, 3, "504"),
            (14, 4, "504"),
            (15, 5, "504"),
            (16, 6, "truncated"),
            (18, 7, "truncated"),
            (20, 9, "truncated"),
        ])
    );
}

/// A pod's sidecar asks with the address of its own client, which reaches it over the loopback interface.
#[test]
fn a_sidecar_in_front_of_a_server_that_closes_first() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/sidecar-redirect-any.pcap");
    let answered_503 = expected(&[(5, 3, "503"), (17, 15, "503")]);
    assert_eq!(hops(&capture), answered_503);
    let report = report(&capture);
    let advice = report["advice"].as_array().unwrap();
    let of_sidecar = |piece: &Value| piece["text"].as_str().unwrap().contains("that proxy's own");
    let told: Vec<_> = advice.iter().map(of_sidecar).collect();
    assert_eq!(told, [false, true], "the program's pool, and the sidecar's");
    // Neither asked again on the other's connections.
    for finding in report["resets"].as_array().unwrap() {
        let again = finding["retry"]["seen"]["stream"].as_u64();
        let Some(again) = again else { continue };
        let to_sidecar = finding["connection"]["server"]["addr"] == "127.0.0.1";
        let program = [3, 6, 9, 12, 15, 18, 21, 24].contains(&again);
        assert_eq!(program, to_sidecar, "{finding:#}");
    }
}
