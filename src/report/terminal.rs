//! The view for a terminal: the loss first, then the findings by cause, then what to change.

mod finding;
mod insight;
mod known;
mod table;

use std::collections::BTreeMap;

use super::headline::{endings, headline, lost};
use super::ladder::{self, Columns, FrameColumn, LadderOptions};
use super::text::{Tone, clean, count, grouped, hanging, seconds, wrapped};
use super::{Cost, Finding, Report, commands, frames, telling};
use crate::verdict::{Cause, Confidence};

pub use super::text::Color;
pub use finding::render as render_finding;
pub use insight::render_alignment;
pub use known::render_known;

/// How the view is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Columns of the screen; tables wrap within it and nothing is cut.
    pub width: usize,
    /// Colours.
    pub color: Color,
    /// How many findings are listed.
    pub listing: Listing,
    /// Whether each listed finding has its ladder.
    pub ladders: Ladders,
}

/// Which findings are listed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Harmful ones and refusals, at most 10 of each cause; benign ones are counted.
    Short,
    /// All of them.
    Full,
}

/// Whether ladders are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ladders {
    /// Below each group's table.
    Drawn,
    /// Not at all.
    Omitted,
}

impl Default for TerminalOptions {
    fn default() -> Self {
        Self {
            width: 100,
            color: Color::Plain,
            listing: Listing::Short,
            ladders: Ladders::Omitted,
        }
    }
}

impl TerminalOptions {
    fn heading(&self, text: &str) -> String {
        format!("\n{}\n", self.color.paint(Tone::Strong, text))
    }

    fn ladder(&self) -> LadderOptions {
        LadderOptions {
            width: self.width,
            color: self.color,
            frames: FrameColumn::Shown,
        }
    }
}

/// Rows of a group that [`Listing::Short`] shows.
const ROWS: usize = 10;

/// Connections that it shows.
const CONNECTIONS: usize = 200;

impl Listing {
    /// How many of `all` rows are listed.
    fn shown(self, all: usize, short: usize) -> usize {
        match self {
            Self::Full => all,
            Self::Short => all.min(short),
        }
    }
}

/// What [`Listing::Short`] leaves out, counted.
fn and_more(rest: usize, options: &TerminalOptions) -> String {
    if rest == 0 {
        return String::new();
    }
    let text = format!("  … and {} more (--all lists them)", grouped(rest as u64));
    format!("{}\n", options.color.paint(Tone::Faint, &text))
}

/// Draws the whole report.
pub fn render(report: &Report, options: &TerminalOptions) -> String {
    let mut out = top(report, options);
    for class in [
        Class::Harmful,
        Class::Refused,
        Class::Unclear,
        Class::Benign,
    ] {
        out.push_str(&section(report, class, options));
    }
    out.push_str(&insight::timeouts_section(report, options));
    out.push_str(&insight::alignment_section(report, options));
    out.push_str(&insight::advice_section(report, options));
    if let Some(connections) = &report.connections {
        out.push_str(&options.heading("Connections"));
        let shown = options.listing.shown(connections.len(), CONNECTIONS);
        let listed = telling::connections(connections, shown);
        out.push_str(&table::connections(&listed, options));
        out.push_str(&and_more(connections.len() - listed.len(), options));
    }
    out.push_str(&caveats(report, options));
    out.push_str(&pointers(report, options));
    out
}

fn top(report: &Report, options: &TerminalOptions) -> String {
    let mut out = String::new();
    let heading = &report.heading;
    let title: Vec<_> = [&heading.title, &heading.ticket]
        .into_iter()
        .flatten()
        .map(|t| clean(t))
        .collect();
    if !title.is_empty() {
        out.push_str(&options.color.paint(Tone::Strong, &title.join(" · ")));
        out.push('\n');
    }
    if let Some(note) = &heading.note {
        out.push_str(&wrapped(note, options.width, ""));
    }
    if !heading.is_empty() {
        out.push('\n');
    }
    let tone = match (report.summary.harmful, report.summary.unclear) {
        (1.., _) => Tone::Harm,
        (0, 1..) => Tone::Strong,
        (0, 0) => Tone::Good,
    };
    for line in wrapped(&headline(report), options.width, "").lines() {
        out.push_str(&options.color.paint(tone, line));
        out.push('\n');
    }
    if report.findings().next().is_some() {
        out.push_str(&wrapped(&totals(report), options.width, ""));
    }
    for (number, capture) in frames::named(&report.captures).take(8) {
        out.push_str(&hanging(
            &format!("{number}{}", about_capture(capture)),
            options.width,
            "  ",
            "    ",
        ));
    }
    if report.captures.len() > 8 {
        out.push_str(&format!(
            "  and {}\n",
            count(
                (report.captures.len() - 8) as u64,
                "more file",
                "more files"
            )
        ));
    }
    out
}

fn totals(report: &Report) -> String {
    let summary = &report.summary;
    let mut text = format!(
        "{} in {}",
        endings(report),
        count(summary.connections, "connection", "connections")
    );
    if summary.resets + summary.hang_ups > 0 {
        let mut parts = vec![format!("{} harmful", summary.harmful)];
        if summary.refused > 0 {
            parts.push(count(
                summary.refused,
                "connection refused",
                "connections refused",
            ));
        }
        parts.push(format!("{} benign", summary.benign));
        if summary.unclear > 0 {
            parts.push(format!("{} unclear", summary.unclear));
        }
        text.push_str(&format!(": {}", parts.join(", ")));
    }
    text.push('.');
    text
}

fn about_capture(capture: &super::CaptureSummary) -> String {
    let mut text = clean(&capture.path).into_owned();
    if let Some(vantage) = &capture.vantage {
        text.push_str(&format!(" ({vantage})"));
    }
    text.push_str(&format!(": {}", count(capture.frames, "frame", "frames")));
    if let (Some(first), Some(last)) = (capture.first, capture.last) {
        let lasting = (last - first).as_secs_f64();
        text.push_str(&format!(
            ", {} UTC, {}",
            first.to_datetime().format("%Y-%m-%d %H:%M:%S"),
            seconds(lasting)
        ));
    }
    text
}

/// What a finding means to whoever reads the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Harmful,
    Refused,
    Unclear,
    Benign,
}

impl Class {
    fn of(finding: &Finding) -> Self {
        match Cost::of(finding) {
            Cost::Nothing => Self::Benign,
            Cost::Unclear => Self::Unclear,
            Cost::Refused => Self::Refused,
            Cost::OutcomeUnknown | Cost::ResponseTruncated | Cost::RequestLost => Self::Harmful,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Harmful => "Harmful",
            Self::Refused => "Never connected",
            Self::Unclear => "Unclear: the capture does not show enough of what was said",
            Self::Benign => "Benign",
        }
    }
}

fn section(report: &Report, class: Class, options: &TerminalOptions) -> String {
    let mut groups: BTreeMap<Cause, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings().filter(|f| Class::of(f) == class) {
        groups.entry(finding.cause).or_default().push(finding);
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, findings)| std::cmp::Reverse(findings.len()));
    let mut out = options.heading(class.title());
    if matches!(class, Class::Unclear | Class::Benign) && options.listing == Listing::Short {
        out.push_str(&folded(class, &groups, options));
        return out;
    }
    for (index, (cause, findings)) in groups.into_iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&group(report, cause, &findings, options));
    }
    out
}

/// Findings that are counted, one line per cause.
fn folded(class: Class, groups: &[(Cause, Vec<&Finding>)], options: &TerminalOptions) -> String {
    let more = match class {
        Class::Unclear => {
            "  (--all lists them; a capture of every packet, from before they opened, would tell)"
        }
        _ => "  (--all lists them)",
    };
    let mut out = String::new();
    for (cause, findings) in groups {
        let is_doubted = findings
            .iter()
            .any(|f| f.confidence == Confidence::Possible);
        let perhaps = match class {
            Class::Unclear if is_doubted => "perhaps ",
            _ => "",
        };
        let text = format!(
            "{} × {perhaps}{cause}{}: {}",
            findings.len(),
            details(findings),
            cause.entry().meaning
        );
        out.push_str(&hanging(&text, options.width, "  ", "      "));
    }
    out.push_str(&options.color.paint(Tone::Faint, more));
    out.push('\n');
    out
}

fn group(
    report: &Report,
    cause: Cause,
    findings: &[&Finding],
    options: &TerminalOptions,
) -> String {
    let mut title = format!("{cause} × {}{}", findings.len(), details(findings));
    let cost = lost(findings);
    if !cost.is_empty() {
        title.push_str(&format!(": {cost}"));
    }
    title.push_str(&format!(" ({})", sureness(findings)));
    let mut out = String::new();
    for line in hanging(&title, options.width, "", "  ").lines() {
        out.push_str(&options.color.paint(Tone::Strong, line));
        out.push('\n');
    }
    out.push_str(&wrapped(&explanation(cause, findings), options.width, "  "));
    let (listed, rest) = findings.split_at(options.listing.shown(findings.len(), ROWS));
    out.push_str(&table::findings(report, listed, options));
    out.push_str(&and_more(rest.len(), options));
    if options.ladders == Ladders::Drawn {
        for finding in listed.iter().filter(|f| !f.ladder.is_empty()) {
            out.push_str(&format!("\n{}\n", finding.id));
            out.push_str(&ladder::render(
                &finding.ladder,
                &Columns::of(finding),
                options.ladder(),
            ));
        }
    }
    out
}

/// ` (24 tls-close, 2 late-data)`, where findings have finer names.
fn details(findings: &[&Finding]) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for detail in findings.iter().filter_map(|f| f.detail.as_deref()) {
        *counts.entry(detail).or_default() += 1;
    }
    let parts: Vec<_> = counts
        .into_iter()
        .map(|(detail, n)| match n as usize == findings.len() {
            true => clean(detail).into_owned(),
            false => format!("{n} {}", clean(detail)),
        })
        .collect();
    match parts.as_slice() {
        [] => String::new(),
        parts => format!(" ({})", parts.join(", ")),
    }
}

/// A lone finding speaks for itself; several share the cause's meaning, and the first one is the example.
fn explanation(cause: Cause, findings: &[&Finding]) -> String {
    let entry = cause.entry();
    match findings {
        [only] if !only.explanation.is_empty() => only.explanation.clone(),
        [first, _, ..] if !first.explanation.is_empty() => {
            format!(
                "{}. For one ({}): {}",
                sentence(entry.meaning),
                first.id,
                first.explanation
            )
        }
        _ => format!("{}.", sentence(entry.meaning)),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// `certain`, or `2 certain, 1 likely`
fn sureness(findings: &[&Finding]) -> String {
    let parts: Vec<_> = Confidence::ALL
        .iter()
        .map(|confidence| {
            (
                confidence,
                findings
                    .iter()
                    .filter(|f| f.confidence == *confidence)
                    .count(),
            )
        })
        .filter(|(_, n)| *n > 0)
        .collect();
    match parts.as_slice() {
        [(confidence, _)] => confidence.to_string(),
        parts => parts
            .iter()
            .map(|(c, n)| format!("{n} {c}"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn caveats(report: &Report, options: &TerminalOptions) -> String {
    let lines = &report.caveats;
    if lines.is_empty() {
        return String::new();
    }
    let mut out = options.heading("What limits this report");
    for line in lines {
        out.push_str(&hanging(line, options.width, "  - ", "    "));
    }
    out
}

fn pointers(report: &Report, options: &TerminalOptions) -> String {
    let Some(finding) = report
        .findings()
        .find(|f| f.is_harmful())
        .or_else(|| report.findings().next())
    else {
        return String::new();
    };
    let file = match report.captures.as_slice() {
        // What an interface showed is gone.
        [only] if only.format == "live" => None,
        [only] => Some(commands::quoted(&only.path)),
        _ => Some("FILE…".to_owned()),
    };
    let filter = commands::filter_option(report);
    let show = file.map(|file| format!("whyrst show {} {filter}{file}", finding.id));
    let explain = format!("whyrst explain {}", finding.cause);
    let mut out = "\n".to_owned();
    for (command, lead) in show.into_iter().chain([explain]).zip(["More: ", "      "]) {
        let line = format!("{lead}{command}");
        out.push_str(&format!("{}\n", options.color.paint(Tone::Faint, &line)));
    }
    out
}

#[cfg(test)]
mod tests;
