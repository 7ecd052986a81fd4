//! The sections around the findings: head, advice, what else was seen and looked at.

use std::collections::BTreeMap;

use super::escape::{block, cell, code, text};
use crate::report::headline::{endings, headline};
use crate::report::text::{count, grouped, seconds};
use crate::report::{Advice, CaptureSummary, Cost, Report, commands, frames, telling};
use crate::verdict::{Cause, Harm};

/// Cell of something that is not known or does not apply.
pub(super) const NOTHING: &str = "–";

/// Adds items while the section stays within its share; returns how many did not fit.
pub(super) fn fill(
    section: &mut String,
    items: impl IntoIterator<Item = String>,
    share: usize,
) -> usize {
    let mut used = section.chars().count();
    let mut left_out = 0;
    for item in items {
        let more = item.chars().count();
        if left_out > 0 || used + more > share {
            left_out += 1;
            continue;
        }
        used += more;
        section.push_str(&item);
    }
    left_out
}

/// Pieces of advice in the head, where one looks for what to do first.
const HEAD_ADVICE: usize = 5;

/// Characters kept free for the line that counts what was left out.
pub(super) const COUNTING: usize = 600;

pub(super) fn head(report: &Report, share: usize) -> String {
    let heading = &report.heading;
    let title = heading
        .title
        .as_deref()
        .unwrap_or("Why TCP connections were reset");
    let mut out = format!("# {}\n\n**{}**\n\n", text(title), text(&headline(report)));
    if let Some(ticket) = &heading.ticket {
        out.push_str(&format!("Ticket: {}\n\n", text(ticket)));
    }
    if let Some(note) = &heading.note {
        let lines = note.lines().map(text).filter(|l| !l.is_empty()).take(20);
        out.push_str(&format!("{}\n\n", lines.collect::<Vec<_>>().join("\n\n")));
    }
    out.push_str(&totals(report));
    let advice = report.advice.iter().take(HEAD_ADVICE).map(|advice| {
        let what = match advice.action.as_str() {
            "" => &advice.text,
            action => action,
        };
        format!(
            "- **{}:** {} ({})\n",
            who_changes(advice),
            text(what),
            text(&advice.id)
        )
    });
    let beyond = report.advice.len().saturating_sub(HEAD_ADVICE);
    let left_out = fill(&mut out, advice, share - COUNTING) + beyond;
    if left_out > 0 {
        out.push_str(&format!(
            "- {} below.\n",
            count(
                left_out as u64,
                "more piece of advice",
                "more pieces of advice"
            )
        ));
    }
    out
}

/// What was seen, what it cost, and of which causes.
fn totals(report: &Report) -> String {
    let mut out = String::new();
    let summary = &report.summary;
    out.push_str(&format!(
        "- **Seen:** {} in {}{}\n",
        endings(report),
        count(summary.connections, "connection", "connections"),
        span(&report.captures)
            .map(|s| format!(", {s}"))
            .unwrap_or_default(),
    ));
    let refused = match summary.refused {
        0 => String::new(),
        n => format!(", {} refused", count(n, "connection", "connections")),
    };
    let unclear = match summary.unclear {
        0 => String::new(),
        n => format!(
            ", {} unclear (the capture does not show enough of what was said)",
            grouped(n)
        ),
    };
    out.push_str(&format!(
        "- **Cost:** {} harmful, {} benign{refused}{unclear}\n",
        grouped(summary.harmful),
        grouped(summary.benign),
    ));
    if !summary.by_cause.is_empty() {
        let causes = telling::causes(report);
        let causes = causes
            .iter()
            .map(|(cause, n)| format!("{cause} {}", grouped(*n)));
        out.push_str(&format!(
            "- **Causes:** {}\n",
            causes.collect::<Vec<_>>().join(", ")
        ));
    }
    out
}

/// `2026-11-21T01:08:00Z to 2026-11-21T01:13:12Z`
fn span(captures: &[CaptureSummary]) -> Option<String> {
    let first = captures.iter().filter_map(|c| c.first).min()?;
    let last = captures.iter().filter_map(|c| c.last).max()?;
    Some(format!(
        "{} to {} ({})",
        telling::second(first),
        telling::second(last),
        seconds((last - first).as_secs_f64()),
    ))
}

fn who_changes(advice: &Advice) -> String {
    match advice.change.as_str() {
        "client" => "The client has to change".to_owned(),
        "server" => "The server has to change".to_owned(),
        "path" => "The path between has to change".to_owned(),
        "none" => "Nothing has to change".to_owned(),
        other => format!("To change, {}", text(other)),
    }
}

pub(super) fn advice(report: &Report, share: usize) -> String {
    if report.advice.is_empty() {
        return String::new();
    }
    let mut out = "## What to change\n\n".to_owned();
    let items = report.advice.iter().map(|advice| {
        let mut item = format!(
            "### {}: {}\n\n{}\n\n",
            text(&advice.id),
            who_changes(advice),
            text(&advice.text)
        );
        let mut products: Vec<(&str, Vec<&str>)> = Vec::new();
        for setting in advice.settings.iter().take(12) {
            match products
                .iter_mut()
                .find(|(product, _)| *product == setting.product)
            {
                Some((_, lines)) => lines.push(&setting.line),
                None => products.push((&setting.product, vec![&setting.line])),
            }
        }
        if products.len() > 1 {
            item.push_str("One of these lines, for the product that is there:\n\n");
        }
        for (product, lines) in products {
            item.push_str(&format!(
                "{}:\n\n{}\n",
                text(product),
                block("", &clip(&lines.join("\n"), 1_200))
            ));
        }
        if let Some(useless) = &advice.will_not_help {
            item.push_str(&format!("Will not help: {}\n\n", text(useless)));
        }
        item.push_str(&format!("Because of {}.\n\n", ids(&advice.because)));
        item
    });
    let left_out = fill(&mut out, items, share - COUNTING);
    if left_out > 0 {
        out.push_str(&format!(
            "and {} in the other forms.\n",
            count(left_out as u64, "more", "more")
        ));
    }
    out
}

/// `r1, r4 and 96 more`
fn ids(ids: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut out = ids
        .iter()
        .take(SHOWN)
        .map(|id| text(id))
        .collect::<Vec<_>>()
        .join(", ");
    if ids.len() > SHOWN {
        out.push_str(&format!(
            " and {} more",
            grouped((ids.len() - SHOWN) as u64)
        ));
    }
    out
}

fn clip(content: &str, longest: usize) -> String {
    if content.chars().count() <= longest {
        return content.to_owned();
    }
    content.chars().take(longest).chain(['…']).collect()
}

pub(super) fn benign(report: &Report, share: usize) -> String {
    let mut out = "## Also seen\n\n".to_owned();
    let empty = out.len();
    for (cost, words) in [
        (Cost::Nothing, "Harmless"),
        (Cost::Unclear, "What these cost can't be told"),
    ] {
        let mut by_cause: BTreeMap<Cause, u64> = BTreeMap::new();
        for finding in report.findings().filter(|f| Cost::of(f) == cost) {
            *by_cause.entry(finding.cause).or_default() += 1;
        }
        let causes = by_cause
            .iter()
            .map(|(cause, n)| format!("{cause} {}", grouped(*n)));
        let causes = causes.collect::<Vec<_>>().join(", ");
        if !causes.is_empty() {
            out.push_str(&format!("{words}: {causes}.\n\n"));
        }
    }
    let refused = report
        .findings()
        .filter(|f| f.harm == Harm::Refused)
        .map(|f| {
            format!(
                "- {}: {} to {} from {} ({})\n",
                f.cause,
                count(f.connections.unwrap_or(1), "connection", "connections"),
                code(&f.connection.server.to_string()),
                code(&f.connection.client.addr.to_string()),
                text(&f.id),
            )
        });
    let left_out = fill(&mut out, refused, share - 200);
    if left_out > 0 {
        out.push_str(&format!(
            "- and {} of connections that never came to be\n",
            count(left_out as u64, "more finding", "more findings")
        ));
    }
    if out.len() == empty {
        String::new()
    } else {
        out
    }
}

pub(super) fn reproduce(report: &Report, share: usize) -> String {
    let mut lines = String::new();
    fill(
        &mut lines,
        commands::of(report).into_iter().map(|line| line + "\n"),
        share - COUNTING,
    );
    format!("## How to reproduce\n\n{}", block("sh", &lines))
}

pub(super) fn captures(report: &Report, share: usize) -> String {
    let mut out = "## What was looked at\n\n\
        | capture | format | first packet | last packet | frames | TCP | dropped | notes |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let left_out = fill(
        &mut out,
        frames::named(&report.captures).map(capture_row),
        share / 2,
    );
    if left_out > 0 {
        out.push_str(&format!(
            "\nand {}.\n",
            count(left_out as u64, "more capture", "more captures")
        ));
    }
    if !report.caveats.is_empty() {
        out.push_str("\nWhat limits this report:\n\n");
        let left_out = fill(
            &mut out,
            report.caveats.iter().map(|c| format!("- {}\n", text(c))),
            share - COUNTING,
        );
        if left_out > 0 {
            out.push_str(&format!(
                "- and {}\n",
                count(left_out as u64, "more", "more")
            ));
        }
    }
    out.push_str(&format!(
        "\nWritten by {} {}.\n",
        text(&report.tool.name),
        text(&report.tool.version)
    ));
    out
}

fn capture_row((number, capture): (String, &CaptureSummary)) -> String {
    let mut notes = Vec::new();
    if let Some(vantage) = &capture.vantage {
        notes.push(format!("taken at {}", text(vantage)));
    }
    for (n, what) in [
        (capture.truncated_frames, "cut by the snap length"),
        (capture.undecoded_frames, "not decoded"),
        (capture.duplicates_removed, "duplicates"),
    ] {
        if n > 0 {
            notes.push(format!("{} {what}", grouped(n)));
        }
    }
    notes.push(
        capture
            .damage
            .as_deref()
            .map_or("whole".to_owned(), |damage| {
                format!("damaged: {}", text(damage))
            }),
    );
    let time = |t: Option<crate::Timestamp>| t.map_or(NOTHING.to_owned(), telling::milli);
    let cells = [
        format!("{number}{}", cell(&capture.path)),
        match capture.compression.as_str() {
            "none" | "" => text(&capture.format),
            compression => format!("{}, {}", text(&capture.format), text(compression)),
        },
        time(capture.first),
        time(capture.last),
        grouped(capture.frames),
        grouped(capture.tcp_segments),
        grouped(capture.dropped_by_kernel),
        notes.join("; "),
    ];
    format!("| {} |\n", cells.join(" | "))
}
