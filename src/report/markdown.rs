//! Markdown for a ticket: GitHub, GitLab and Jira's editor take it as it is.
//!
//! Only what all three know is used: headings, pipe tables, fenced code, lists, bold. No raw HTML, and nothing in the data can
//! become markup. The text stays under [`LIMIT`] whatever the report holds: each section has a share, the most telling items
//! come first and what does not fit is counted.

mod connections;
mod escape;
mod examples;
mod lost;
mod sections;
mod timers;

use super::Report;

/// Characters that a document never reaches. GitHub takes 65,536 in an issue.
pub const LIMIT: usize = 60_000;

/// Share of each section. Their sum is below [`LIMIT`].
mod share {
    pub const HEAD: usize = 6_000;
    pub const FINDINGS: usize = 15_000;
    pub const TIMEOUTS: usize = 5_000;
    pub const ALIGNMENT: usize = 3_000;
    pub const ADVICE: usize = 8_000;
    pub const LADDERS: usize = 14_000;
    /// Of the ladders' share, where connections are listed.
    pub const CONNECTIONS: usize = 6_000;
    pub const REPRODUCE: usize = 2_500;
    pub const CAPTURES: usize = 4_000;
    pub const BENIGN: usize = 1_500;
}

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    let connections = connections::connections(report, share::CONNECTIONS);
    let ladders = match connections.as_str() {
        "" => share::LADDERS,
        _ => share::LADDERS - share::CONNECTIONS,
    };
    let sections = [
        sections::head(report, share::HEAD),
        lost::findings(report, share::FINDINGS),
        sections::advice(report, share::ADVICE),
        timers::timeouts(report, share::TIMEOUTS),
        timers::alignment(report, share::ALIGNMENT),
        examples::ladders(report, ladders),
        sections::benign(report, share::BENIGN),
        connections,
        sections::reproduce(report, share::REPRODUCE),
        sections::captures(report, share::CAPTURES),
    ];
    let mut document = sections
        .into_iter()
        .map(|section| section.trim_end().to_owned())
        .filter(|section| !section.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n");
    document.push('\n');
    document
}

#[cfg(test)]
mod tests;
