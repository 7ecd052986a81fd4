//! One finding of each cause, told in full.

use super::escape::{block, code, text};
use super::sections::{COUNTING, fill};
use crate::report::ladder::{self, Columns, FrameColumn, LadderOptions};
use crate::report::text::{Color, count};
use crate::report::{Finding, Report, frames, telling};

pub(super) fn ladders(report: &Report, share: usize) -> String {
    let examples = telling::one_per_cause(report);
    if examples.is_empty() {
        return String::new();
    }
    let mut out = "## One example of each cause\n\n".to_owned();
    let left_out = fill(
        &mut out,
        examples.iter().map(|f| example(report, f)),
        share - COUNTING,
    );
    if left_out > 0 {
        out.push_str(&format!(
            "and {}.\n",
            count(left_out as u64, "more cause", "more causes")
        ));
    }
    out
}

/// Steps of a ladder that are drawn; the packets that matter stand at its end.
const STEPS: usize = 40;

fn example(report: &Report, finding: &Finding) -> String {
    let number = report
        .summary
        .by_cause
        .get(&finding.cause)
        .copied()
        .unwrap_or(1);
    let mut out = format!(
        "### {} ({}): {}\n\n",
        finding.cause,
        count(number, "finding", "findings"),
        text(&finding.id),
    );
    out.push_str(&format!("{}\n\n", text(&finding.explanation)));
    let mut points = String::new();
    for evidence in finding.evidence.iter().take(8) {
        points.push_str(&format!(
            "- {}{}\n",
            text(&evidence.text),
            frames::in_brackets(evidence)
        ));
    }
    for evidence in finding.evidence_against.iter().take(4) {
        points.push_str(&format!(
            "- Against it: {}{}\n",
            text(&evidence.text),
            frames::in_brackets(evidence)
        ));
    }
    for rival in finding.alternatives.iter().take(3) {
        points.push_str(&format!(
            "- Also possible: {}\n",
            text(&telling::rival(finding, rival))
        ));
    }
    if !points.is_empty() {
        out.push_str(&format!("{points}\n"));
    }
    out.push_str(&errors(finding));
    if !finding.ladder.is_empty() {
        let options = LadderOptions {
            width: 110,
            color: Color::Plain,
            frames: FrameColumn::Shown,
        };
        let steps = finding
            .ladder
            .get(finding.ladder.len().saturating_sub(STEPS)..)
            .unwrap_or_default();
        let drawn = ladder::render(steps, &Columns::of(finding), options);
        out.push_str(&format!("{}\n", block("text", &drawn)));
    }
    if let Some(legend) = frames::legend(finding, &report.captures) {
        out.push_str(&format!("{}.\n\n", text(&legend)));
    }
    out.push_str(&format!(
        "In Wireshark: {}\n\n",
        code(&finding.wireshark_filter)
    ));
    out
}

/// What somebody finds in a log and searches for.
fn errors(finding: &Finding) -> String {
    let errors: Vec<String> = finding
        .victim_errors
        .iter()
        .take(ERRORS)
        .map(|(runtime, error)| format!("{} {}", text(runtime), code(error)))
        .collect();
    if errors.is_empty() {
        return String::new();
    }
    let who = finding.victim.map_or("victim", |peer| peer.as_str());
    format!("In the {who}'s log: {}.\n\n", errors.join(", "))
}

/// Runtimes whose messages are told.
const ERRORS: usize = 16;
