//! CSV (RFC 4180), safe to open in a spreadsheet: one row per finding, or one row per connection. A frame or stream of another capture
//! than the row's has that one's number behind it: `20 (2)`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{ConnectionRow, Fin, Finding, Report, RetrySeen, Trigger};
use crate::verdict::Cause;

const COLUMNS: [&str; 37] = [
    "id",
    "time",
    "capture",
    "frame",
    "stream",
    "client_addr",
    "client_port",
    "server_addr",
    "server_port",
    "sender",
    "sender_confidence",
    "claimed_sender",
    "form",
    "effect",
    "cause",
    "confidence",
    "detail",
    "harm",
    "trigger",
    "trigger_frame",
    "idle_kind",
    "application_idle_s",
    "wire_idle_s",
    "client_fin_frame",
    "server_fin_frame",
    "request",
    "retry_safe",
    "retry_stream",
    "packets",
    "connections",
    "first",
    "last",
    "advice",
    "wireshark_filter",
    "community_id",
    "explanation",
    "harm_unclear",
];

/// Writes the header and one row per reset and hang-up, in the report's order.
pub fn write_csv(report: &Report, to: impl Write) -> io::Result<()> {
    let rows = report.findings().map(|finding| row(report, finding));
    write_table(COLUMNS, rows, to)
}

const CONNECTION_COLUMNS: [&str; 16] = [
    "opened",
    "duration_s",
    "capture",
    "stream",
    "client_addr",
    "client_port",
    "server_addr",
    "server_port",
    "conn_state",
    "history",
    "client_packets",
    "server_packets",
    "client_bytes",
    "server_bytes",
    "finding",
    "cause",
];

/// Writes the header and one row per connection, in the report's order.
pub fn write_connections_csv(report: &Report, to: impl Write) -> io::Result<()> {
    let causes: BTreeMap<&str, Cause> = report
        .findings()
        .map(|finding| (finding.id.as_str(), finding.cause))
        .collect();
    let connections = report.connections.iter().flatten();
    let rows = connections.map(|c| connection_row(report, c, &causes));
    write_table(CONNECTION_COLUMNS, rows, to)
}

fn connection_row(
    report: &Report,
    c: &ConnectionRow,
    causes: &BTreeMap<&str, Cause>,
) -> [String; CONNECTION_COLUMNS.len()] {
    let capture = report.captures.get(usize::from(c.capture));
    let finding = c.finding.as_deref();
    [
        c.opened.to_rfc3339(),
        c.duration_s.to_string(),
        capture.map(|c| c.path.clone()).unwrap_or_default(),
        c.stream.to_string(),
        c.client.addr.to_string(),
        c.client.port.to_string(),
        c.server.addr.to_string(),
        c.server.port.to_string(),
        c.conn_state.clone(),
        c.history.clone(),
        c.client_packets.to_string(),
        c.server_packets.to_string(),
        c.client_bytes.to_string(),
        c.server_bytes.to_string(),
        or_empty(finding),
        or_empty(finding.and_then(|id| causes.get(id))),
    ]
}

fn write_table<const N: usize>(
    columns: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    to: impl Write,
) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(to);
    writer.write_record(columns).map_err(io_error)?;
    for row in rows {
        let cells = row.iter().map(|cell| guarded(cell).into_owned());
        writer.write_record(cells).map_err(io_error)?;
    }
    writer.flush()
}

fn row(report: &Report, f: &Finding) -> [String; COLUMNS.len()] {
    let capture = report.captures.get(usize::from(f.capture));
    [
        f.id.clone(),
        f.at.to_rfc3339(),
        capture.map(|c| c.path.clone()).unwrap_or_default(),
        f.frame.to_string(),
        f.connection.stream.to_string(),
        f.connection.client.addr.to_string(),
        f.connection.client.port.to_string(),
        f.connection.server.addr.to_string(),
        f.connection.server.port.to_string(),
        or_empty(f.sender),
        or_empty(f.sender_confidence),
        or_empty(f.claimed_sender),
        or_empty(f.form),
        or_empty(f.effect),
        f.cause.to_string(),
        f.confidence.to_string(),
        or_empty(f.detail.as_deref()),
        f.harm.to_string(),
        or_empty(f.trigger.as_ref().map(|t| t.kind)),
        or_empty(f.trigger.as_ref().and_then(Trigger::number)),
        f.idle.kind.to_string(),
        or_empty(f.idle.application_s),
        or_empty(f.idle.wire_s),
        or_empty(f.fins.client.as_ref().map(Fin::number)),
        or_empty(f.fins.server.as_ref().map(Fin::number)),
        or_empty(f.request.as_ref().and_then(|r| r.summary.as_deref())),
        or_empty(f.retry.as_ref().map(|r| r.safe)),
        or_empty(
            f.retry
                .as_ref()
                .and_then(|r| r.seen.as_ref())
                .map(RetrySeen::on_stream),
        ),
        f.packets.to_string(),
        or_empty(f.connections),
        or_empty(f.first),
        or_empty(f.last),
        f.advice.join(" "),
        f.wireshark_filter.clone(),
        f.connection.community_id.clone(),
        f.explanation.clone(),
        or_empty(f.harm_unclear.then_some(true)),
    ]
}

/// The operating system's error as it was: a closed pipe has to be known for one.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection"); an apostrophe makes it text.
fn guarded(cell: &str) -> Cow<'_, str> {
    match cell.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{cell}").into(),
        _ => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn text(report: &Report) -> String {
        let mut bytes = Vec::new();
        write_csv(report, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_row_per_finding_and_always_a_header() {
        assert_eq!(text(&sample::empty()).lines().count(), 1);
        let report = sample::report();
        assert_eq!(text(&report).lines().count(), 1 + 4 + 1);
        insta::assert_snapshot!(text(&report).replace('\r', ""));
    }

    #[test]
    fn a_row_per_connection_names_what_was_found_on_it() {
        let mut bytes = Vec::new();
        write_connections_csv(&sample::with_connections(), &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap().replace('\r', ""));
    }

    #[test]
    fn cells_that_begin_like_formulas_are_guarded() {
        for begin in ["=", "+", "-", "@", "\t", "\r"] {
            let mut report = sample::report();
            report.resets[0].explanation = format!("{begin}cmd|' /C calc'!A0");
            let bytes = text(&report);
            let mut reader = csv::Reader::from_reader(bytes.as_bytes());
            let first = reader.records().next().unwrap().unwrap();
            assert!(first[COLUMNS.len() - 2].starts_with(&format!("'{begin}")));
        }
        assert_eq!(guarded("tcp.stream eq 1"), "tcp.stream eq 1");
    }
}
