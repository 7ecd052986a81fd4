//! Every connection, where that was asked for.

use super::escape::{cell, text};
use super::sections::{COUNTING, NOTHING, fill};
use crate::report::text::{count, grouped, seconds};
use crate::report::{ConnectionRow, Report, telling};

/// Rows at most: a ticket is no log.
const ROWS: usize = 40;

pub(super) fn connections(report: &Report, share: usize) -> String {
    let Some(rows) = report
        .connections
        .as_deref()
        .filter(|rows| !rows.is_empty())
    else {
        return String::new();
    };
    let mut out = "## Connections\n\n\
        State and history are Zeek's `conn_state` and `history`.\n\n\
        | stream | opened (UTC) | lasted | client → server | state | history | packets, client / server | bytes, client / server | finding |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let chosen = telling::connections(rows, ROWS);
    let room = share.saturating_sub(COUNTING);
    let left_out = rows.len() - chosen.len();
    let left_out = left_out + fill(&mut out, chosen.into_iter().map(row), room);
    if left_out > 0 {
        out.push_str(&format!(
            "\nand {}; the JSON form and `-o all.conn.csv` list all.\n",
            count(left_out as u64, "more connection", "more connections")
        ));
    }
    out
}

fn row(c: &ConnectionRow) -> String {
    let finding = c.finding.as_deref();
    let cells = [
        c.stream.to_string(),
        telling::milli(c.opened),
        seconds(c.duration_s),
        format!(
            "{} → {}",
            cell(&c.client.to_string()),
            cell(&c.server.to_string())
        ),
        text(&c.conn_state),
        cell(&c.history),
        both(c.client_packets, c.server_packets),
        both(c.client_bytes, c.server_bytes),
        finding.map_or(NOTHING.to_owned(), text),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// The client's and the server's.
fn both(client: u64, server: u64) -> String {
    format!("{} / {}", grouped(client), grouped(server))
}
