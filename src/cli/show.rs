//! `whyrst show ID FILE…`

use anyhow::bail;
use whyrst::report::Report;
use whyrst::report::terminal;

use super::input::{InputArgs, Request};
use super::screen::{self, ScreenArgs};
use super::{Outcome, analyze};

/// Arguments of `show`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example: whyrst show r3 incident.pcap")]
pub(super) struct ShowArgs {
    /// The finding, as reports name it: r1, r2 … for resets, h1 … for hang-ups
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

/// Prints one finding.
pub(super) fn run(args: &ShowArgs) -> anyhow::Result<Outcome> {
    let analysed = args.input.report(&Request::plain(&args.screen))?;
    let report = &analysed.report;
    let Some(finding) = report.finding(&args.id) else {
        bail!("no finding is called {}; {}", args.id, there_are(report));
    };
    screen::print(&terminal::render_finding(
        report,
        finding,
        &analyze::view(&args.screen),
    ))?;
    Ok(analysed.outcome())
}

fn there_are(report: &Report) -> String {
    let range = |letter: &str, n: usize| match n {
        0 => None,
        1 => Some(format!("{letter}1")),
        n => Some(format!("{letter}1 to {letter}{n}")),
    };
    let ranges: Vec<_> = [
        range("r", report.resets.len()),
        range("h", report.hang_ups.len()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if ranges.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there are {}", ranges.join(" and "))
    }
}
