//! One HTML file that needs no network: headline, advice, pictures, and every finding with its packets.
//!
//! Templates escape all data (askama); what the script shows is set as text, never as markup. The page's policy lets it load
//! nothing and run nothing but its own style and script, named by their hashes. The table of findings and one example of each
//! cause are in the markup and so on paper and without scripts; the other diagrams are drawn from data when they are opened.

mod detail;
mod diagram;
mod histogram;
mod packed;
mod scale;
mod table;
mod timeline;

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::headline::{endings, headline};
use super::text::{about, count, grouped, seconds};
use super::{
    Advice, CaptureSummary, ConnectionRow, Cost, Finding, Report, commands, frames, telling,
};
use crate::verdict::Harm;
use detail::Detail;
use diagram::Line;
use histogram::Histogram;
use table::Table;
use timeline::Timeline;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Endpoints whose idle times are drawn; the rest is counted.
const HISTOGRAMS: usize = 40;

/// Rows of the smaller tables; the rest is counted.
const ROWS: usize = 200;

/// Connections that are listed; the rest is counted.
const CONNECTIONS: usize = 2_000;

/// Bytes of a page, so that it is opened at once and can be sent by mail; what its rows open with is given the room that the rest
/// leaves.
const PAGE_BYTES: usize = 4_900_000;

/// The report as one page.
pub fn html(report: &Report) -> Result<String, askama::Error> {
    let mut page = Page::of(report);
    let room = PAGE_BYTES.saturating_sub(page.render()?.len());
    page.table.fill(report, room);
    page.render()
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    report: &'a Report,
    policy: String,
    style: &'static str,
    script: &'static str,
    title: String,
    headline: String,
    seen: String,
    span: Option<String>,
    totals: Vec<Total>,
    timeline: Option<Timeline>,
    histograms: Vec<Histogram<'a>>,
    histograms_left_out: u64,
    examples: Vec<Example<'a>>,
    table: Table<'a>,
    connections: Vec<&'a ConnectionRow>,
    connections_left_out: u64,
    commands: String,
}

/// A number of the strip below the headline.
struct Total {
    number: String,
    what: &'static str,
    class: &'static str,
}

/// The finding that stands for its cause.
struct Example<'a> {
    finding: &'a Finding,
    cost: Cost,
    number: String,
    detail: Detail<'a>,
}

impl<'a> Page<'a> {
    fn of(report: &'a Report) -> Self {
        let headline = unbroken(&headline(report));
        let title = report
            .heading
            .title
            .clone()
            .unwrap_or_else(|| "Why TCP connections were reset".to_owned());
        let examples = telling::one_per_cause(report)
            .into_iter()
            .map(|finding| Example {
                finding,
                cost: Cost::of(finding),
                number: count(
                    report
                        .summary
                        .by_cause
                        .get(&finding.cause)
                        .copied()
                        .unwrap_or(1),
                    "finding",
                    "findings",
                ),
                detail: Detail::of(report, finding),
            });
        let histograms: Vec<Histogram> = report
            .idle_timeouts
            .iter()
            .take(HISTOGRAMS)
            .map(Histogram::of)
            .collect();
        let rows = report.connections.as_deref().unwrap_or_default();
        let connections = telling::connections(rows, CONNECTIONS);
        Self {
            report,
            connections_left_out: (rows.len() - connections.len()) as u64,
            connections,
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            title,
            headline,
            seen: format!(
                "{} in {}",
                endings(report),
                count(report.summary.connections, "connection", "connections")
            ),
            span: span(&report.captures),
            totals: totals(report),
            timeline: Timeline::of(report),
            histograms_left_out: report.idle_timeouts.len().saturating_sub(HISTOGRAMS) as u64,
            histograms,
            examples: examples.collect(),
            table: Table::of(report),
            commands: commands::of(report).join("\n"),
        }
    }

    fn alignment(&self) -> impl Iterator<Item = &'a super::Alignment> {
        let (known, _) = telling::alignment(self.report);
        known.into_iter().take(ROWS)
    }

    fn unaligned(&self) -> Option<String> {
        let (known, unknown) = telling::alignment(self.report);
        telling::unaligned(unknown, known.len())
    }

    fn advice(&self) -> impl Iterator<Item = &'a Advice> {
        self.report.advice.iter().take(ROWS)
    }

    fn captures(&self) -> impl Iterator<Item = (String, &'a CaptureSummary)> {
        frames::named(&self.report.captures).take(ROWS)
    }
}

fn totals(report: &Report) -> Vec<Total> {
    let summary = &report.summary;
    let lost = |harm: Harm| report.findings().filter(|f| f.harm == harm).count() as u64;
    let mut totals = vec![Total {
        number: grouped(summary.harmful),
        what: "harmful",
        class: "harmful",
    }];
    for (harm, what) in [
        (Harm::RequestLost, "requests lost"),
        (Harm::RequestOutcomeUnknown, "outcome unknown"),
        (Harm::ResponseTruncated, "responses cut short"),
    ] {
        match lost(harm) {
            0 => {}
            n => totals.push(Total {
                number: grouped(n),
                what,
                class: harm.as_str(),
            }),
        }
    }
    if summary.refused > 0 {
        totals.push(Total {
            number: grouped(summary.refused),
            what: "connections refused",
            class: "refused",
        });
    }
    totals.push(Total {
        number: grouped(summary.benign),
        what: "benign",
        class: "none",
    });
    if summary.unclear > 0 {
        totals.push(Total {
            number: grouped(summary.unclear),
            what: "unclear",
            class: "unclear",
        });
    }
    totals
}

fn span(captures: &[CaptureSummary]) -> Option<String> {
    let first = captures.iter().filter_map(|c| c.first).min()?;
    let last = captures.iter().filter_map(|c| c.last).max()?;
    Some(format!(
        "{} to {}, {}",
        telling::second(first),
        telling::second(last),
        seconds((last - first).as_secs_f64())
    ))
}

/// Nothing may be loaded, and only this style and this script may act (Content Security Policy level 3, hash sources).
fn policy() -> String {
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash_source(STYLE),
        hash_source(SCRIPT)
    )
}

fn hash_source(text: &str) -> String {
    format!(
        "'sha256-{}'",
        STANDARD.encode(Sha256::digest(text.as_bytes()))
    )
}

/// Only web addresses become links.
fn link(source: &str) -> Option<&str> {
    (source.starts_with("https://") || source.starts_with("http://")).then_some(source)
}

fn side(change: &str) -> &str {
    match change {
        "client" => "Change the client",
        "server" => "Change the server",
        "path" => "Change the path between",
        "none" => "Nothing to change",
        other => other,
    }
}

fn time(at: &Option<crate::Timestamp>) -> String {
    at.map(telling::second).unwrap_or_default()
}

/// Numbers as people write them; a method, because templates hold references.
trait Grouped {
    fn grouped(&self) -> String;
}

impl Grouped for u64 {
    fn grouped(&self) -> String {
        grouped(*self)
    }
}

impl Grouped for usize {
    fn grouped(&self) -> String {
        grouped(*self as u64)
    }
}

/// Text in which no line breaks between a number and its unit.
fn unbroken(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut after_number = false;
    for word in text.split(' ') {
        if !out.is_empty() {
            let unit = word.trim_end_matches(|c: char| c.is_ascii_punctuation());
            let unit = matches!(unit, "s" | "ms" | "µs" | "min" | "h");
            out.push(if unit && after_number { '\u{a0}' } else { ' ' });
        }
        out.push_str(word);
        after_number = word.ends_with(|c: char| c.is_ascii_digit());
    }
    out
}

fn milli(at: &crate::Timestamp) -> String {
    telling::milli(*at)
}

fn lasted(s: &f64) -> String {
    seconds(*s)
}

fn keeps(s: &Option<f64>) -> String {
    s.map_or("–".to_owned(), about)
}

#[cfg(test)]
mod browser_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod webdriver;
