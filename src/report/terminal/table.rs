//! Tables that wrap their cells to the screen's width.

use tabled::builder::Builder;
use tabled::settings::object::Rows;
use tabled::settings::style::{HorizontalLine, Style};
use tabled::settings::{Format, Modify, Padding};

use super::TerminalOptions;
use crate::report::text::{Color, Tone, clean, count, hanging, seconds};
use crate::report::{ConnectionRow, Cost, Finding, Report};
use crate::time::Timestamp;
use crate::verdict::{ResetSender, RetrySafety, TriggerKind};

/// A table under a header; where the screen is too narrow for it, a list of the same cells, so that none is broken or cut.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, options: &TerminalOptions) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| clean_lines(cell)).collect())
        .collect();
    let mut builder = Builder::default();
    builder.push_record(header.iter().copied());
    for row in &rows {
        builder.push_record(row);
    }
    let mut table = builder.build();
    table
        .with(Style::blank().horizontals([(1, HorizontalLine::new('─').intersection('─'))]))
        .with(Padding::new(0, 1, 0, 0));
    // The last column's padding is trimmed.
    if table.total_width() - 1 + INDENT.len() > options.width {
        return list(header, &rows, options);
    }
    if options.color == Color::Ansi {
        table.with(
            Modify::new(Rows::first()).with(Format::content(|s| Color::Ansi.paint(Tone::Faint, s))),
        );
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        // The rule below the header runs under the last column's padding.
        let line: String = format!("{INDENT}{line}")
            .chars()
            .take(options.width)
            .collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

const INDENT: &str = "  ";

fn clean_lines(cell: &str) -> String {
    cell.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// One paragraph per row: its first two cells, then the others by name.
fn list(header: &[&str], rows: &[Vec<String>], options: &TerminalOptions) -> String {
    let mut out = String::new();
    for row in rows {
        let on_one_line = |cell: &String| {
            // An arrow, a remark in brackets and what follows a colon go on; other lines are an enumeration.
            let cell = cell.replace("\n→", " →").replace("\n(", " (");
            cell.replace(":\n", ": ")
                .replace(",\n", ", ")
                .replace('\n', ", ")
        };
        let (title, rest) = row.split_at(row.len().min(2));
        let title = title.iter().map(on_one_line).collect::<Vec<_>>().join("  ");
        for line in hanging(&title, options.width, INDENT, "      ").lines() {
            out.push_str(&options.color.paint(Tone::Strong, line));
            out.push('\n');
        }
        let parts: Vec<String> = header
            .iter()
            .skip(2)
            .zip(rest)
            .filter(|(_, cell)| !cell.is_empty() && *cell != NOTHING)
            .map(|(name, cell)| format!("{name}: {}", on_one_line(cell)))
            .collect();
        out.push_str(&hanging(
            &parts.join(" · "),
            options.width,
            "      ",
            "      ",
        ));
    }
    out
}

/// A cell without content.
const NOTHING: &str = "–";

/// One row per finding.
pub(super) fn findings(
    report: &Report,
    findings: &[&Finding],
    options: &TerminalOptions,
) -> String {
    let dates = spans_days(report);
    let rows = findings
        .iter()
        .map(|f| {
            vec![
                format!("{}\n{}", f.id, when(f, dates)),
                connection(f),
                made_by(f),
                answering(f),
                before(f),
                cost(f),
                place(report, f),
            ]
        })
        .collect();
    table(
        &[
            "",
            "connection",
            "by",
            "answers",
            "before it",
            "cost",
            "where",
        ],
        rows,
        options,
    )
}

/// Whether times need their day.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dates {
    Needed,
    Same,
}

fn spans_days(report: &Report) -> Dates {
    let mut days = report.findings().map(|f| f.at.to_datetime().date_naive());
    let first = days.next();
    if days.all(|day| Some(day) == first) {
        Dates::Same
    } else {
        Dates::Needed
    }
}

fn clock(at: Timestamp, dates: Dates) -> String {
    let format = match dates {
        Dates::Needed => "%m-%d %H:%M:%S%.3f",
        Dates::Same => "%H:%M:%S%.3f",
    };
    at.to_datetime().format(format).to_string()
}

fn when(finding: &Finding, dates: Dates) -> String {
    match (finding.first, finding.last) {
        (Some(first), Some(last)) if first != last => {
            format!("{}\nto {}", clock(first, dates), clock(last, dates))
        }
        _ => clock(finding.at, dates),
    }
}

fn connection(finding: &Finding) -> String {
    let id = &finding.connection;
    match finding.connections {
        Some(n) if n > 1 => format!(
            "{}\n→ {}\n{}",
            id.client.addr,
            id.server,
            count(n, "connection", "connections")
        ),
        _ => format!("{}\n→ {}", id.client, id.server),
    }
}

fn made_by(finding: &Finding) -> String {
    let mut lines = Vec::new();
    match finding.sender {
        Some(ResetSender::Middlebox) => {
            lines.push("middlebox".to_owned());
            if let Some(claimed) = finding.claimed_sender {
                lines.push(format!("(as {claimed})"));
            }
        }
        Some(sender) => lines.push(sender.to_string()),
        None => match finding.claimed_sender {
            Some(peer) => lines.extend([peer.to_string(), "FIN".to_owned()]),
            // Silence, or an ICMP error.
            None => return NOTHING.to_owned(),
        },
    }
    if let Some(form) = finding.form {
        lines.push(form.to_string());
    }
    lines.join("\n")
}

fn answering(finding: &Finding) -> String {
    match &finding.trigger {
        None => NOTHING.to_owned(),
        Some(trigger) if trigger.kind == TriggerKind::None => "nothing".to_owned(),
        Some(trigger) => match trigger.number() {
            Some(frame) => format!("{}\n#{frame}", trigger.kind),
            None => trigger.kind.to_string(),
        },
    }
}

fn before(finding: &Finding) -> String {
    let mut lines = Vec::new();
    if let Some(application) = finding.idle.application_s {
        lines.push(format!("idle {}", seconds(application)));
    }
    if let Some(wire) = finding.idle.wire_s {
        lines.push(format!("wire {}", seconds(wire)));
    }
    let fins = finding.fins_in_order().into_iter();
    lines.extend(fins.map(|(who, fin)| format!("{} {who} #{}", fin.name(), fin.number())));
    if lines.is_empty() {
        NOTHING.to_owned()
    } else {
        lines.join("\n")
    }
}

fn cost(finding: &Finding) -> String {
    let harm = match Cost::of(finding) {
        Cost::Nothing => "nothing",
        Cost::Unclear => "unclear",
        Cost::Refused => "connection",
        Cost::RequestLost => "request lost",
        Cost::OutcomeUnknown => "outcome unknown",
        Cost::ResponseTruncated => "response cut",
    };
    let mut lines = vec![harm.to_owned()];
    if let Some(retry) = finding.retry.as_ref().filter(|_| finding.is_harmful()) {
        lines.push(match retry.safe {
            RetrySafety::Yes => "retry: safe".to_owned(),
            RetrySafety::No => "retry: unsafe".to_owned(),
            RetrySafety::Unknown => "retry: unclear".to_owned(),
        });
        if retry.seen.is_some() {
            lines.push("sent again".to_owned());
        }
    }
    if let Some(hop) = &finding.hop {
        lines.push(format!("{}: {}", hop.side, hop.outcome));
    }
    lines.join("\n")
}

fn place(report: &Report, finding: &Finding) -> String {
    let mut lines = vec![format!("frame {}", finding.frame)];
    // Longer filters stand with the finding itself.
    if finding.wireshark_filter.len() < 40 {
        lines.push(finding.wireshark_filter.replace(" || ", "\n"));
    }
    if report.captures.len() > 1
        && let Some(capture) = report.captures.get(usize::from(finding.capture))
    {
        lines.push(capture.path.clone());
    }
    lines.join("\n")
}

/// One row per connection, in Zeek's words.
pub(super) fn connections(rows: &[&ConnectionRow], options: &TerminalOptions) -> String {
    let rows = rows
        .iter()
        .map(|c| {
            vec![
                c.stream.to_string(),
                format!("{}\n→ {}", c.client, c.server),
                format!(
                    "{}\n{}",
                    c.opened.to_datetime().format("%H:%M:%S%.3f"),
                    seconds(c.duration_s)
                ),
                format!("{}\n{}", c.conn_state, c.history),
                format!("{}\n{}", c.client_packets, c.server_packets),
                format!("{}\n{}", c.client_bytes, c.server_bytes),
                c.finding.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let header = [
        "stream",
        "connection",
        "opened, lasted",
        "state, history",
        "packets",
        "bytes",
        "finding",
    ];
    table(&header, rows, options)
}
