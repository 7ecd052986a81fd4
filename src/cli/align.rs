//! `whyrst align FILE…`

use whyrst::report::terminal;

use super::input::{InputArgs, Request};
use super::screen::{self, ScreenArgs};
use super::{Outcome, analyze};

/// Arguments of `align`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AlignArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

/// Prints the comparison of clients with servers.
pub(super) fn run(args: &AlignArgs) -> anyhow::Result<Outcome> {
    let analysed = args.input.report(&Request::plain(&args.screen))?;
    let report = &analysed.report;
    screen::print(&terminal::render_alignment(
        report,
        &analyze::view(&args.screen),
    ))?;
    Ok(analysed.outcome())
}
