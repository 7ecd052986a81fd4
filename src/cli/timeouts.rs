//! `whyrst timeouts FILE…`

use whyrst::report::terminal;

use super::input::{InputArgs, Request};
use super::screen::{self, ScreenArgs};
use super::{Outcome, analyze};

/// Arguments of `timeouts`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TimeoutsArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

/// Prints the idle timeouts that the captures show.
pub(super) fn run(args: &TimeoutsArgs) -> anyhow::Result<Outcome> {
    let analysed = args.input.report(&Request::plain(&args.screen))?;
    let report = &analysed.report;
    screen::print(&terminal::render_timeouts(
        report,
        &analyze::view(&args.screen),
    ))?;
    Ok(analysed.outcome())
}
