//! The promise: `--connections` agrees with what Zeek itself publishes of the same captures, letter by letter.
//!
//! Needs the captures of public projects that lie outside the repository, and says so where they are absent.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use whyrst::report::{ConnectionRow, Report};

/// Captures whose published rows are not of the connections that are there.
const NOT_COMPARABLE: [&str; 1] = [
    // Zeek dropped the only packet for its checksum; its row has neither history nor packets.
    "50-vntag_vlan_sandwich_clean.pcap",
];

/// Client, its port, server, its port; then what Zeek says.
type Published = (String, String);

fn published() -> Option<Vec<PathBuf>> {
    let shared = std::env::var_os("WHYRST_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = shared.join("captures/real/zeek");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no rows at {}", folder.display());
        return None;
    };
    let mut tables: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "tsv"))
        .collect();
    tables.sort();
    Some(tables)
}

/// By endpoints: what Zeek says of each row, in its order.
fn theirs(table: &Path) -> Vec<(String, Published)> {
    let text = std::fs::read_to_string(table).expect("a table");
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.next().expect("a header").split('\t').collect();
    lines
        .map(|line| {
            let row: HashMap<_, _> = names.iter().copied().zip(line.split('\t')).collect();
            let key = ["orig_h", "orig_p", "resp_h", "resp_p"].map(|name| row[name]);
            let said = (row["conn_state"].to_owned(), row["history"].to_owned());
            (key.join(" "), said)
        })
        .collect()
}

fn ours(capture: &Path) -> Vec<ConnectionRow> {
    let output = Command::new(env!("CARGO_BIN_EXE_whyrst"))
        .arg(capture)
        .args(["--connections", "--format", "json"])
        .output()
        .expect("whyrst runs");
    let report: Report = serde_json::from_slice(&output.stdout).expect("a report");
    report.connections.expect("rows")
}

#[test]
fn states_and_histories_are_zeeks() {
    let Some(tables) = published() else { return };
    let mut agreed = 0;
    let mut wrong = Vec::new();
    for table in tables {
        let name = table.file_stem().expect("a name").to_string_lossy();
        if NOT_COMPARABLE.contains(&name.as_ref()) {
            continue;
        }
        let mut by_ends: HashMap<String, Vec<Published>> = HashMap::new();
        for row in ours(&table.with_file_name(format!("../{name}"))) {
            let (client, server) = (row.client, row.server);
            let key = format!(
                "{} {} {} {}",
                client.addr, client.port, server.addr, server.port
            );
            let said = (row.conn_state, row.history);
            by_ends.entry(key).or_default().push(said);
        }
        for (key, expected) in theirs(&table) {
            let Some(rows) = by_ends.get_mut(&key).filter(|rows| !rows.is_empty()) else {
                // A connection within a tunnel that is not looked into.
                println!("{name}: no {key}");
                continue;
            };
            match rows.remove(0) {
                found if found == expected => agreed += 1,
                found => wrong.push(format!("{name} {key}: {found:?}, Zeek {expected:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(agreed >= 40, "only {agreed} rows were there to compare");
}
