//! `whyrst align client=15s alb=60s node=6s`

use std::path::PathBuf;

use whyrst::insight::check_chain;
use whyrst::report::terminal;

use super::screen::{self, ScreenArgs};
use super::timeouts::known_timeouts;
use super::{Outcome, analyze};

/// Arguments of `align`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  whyrst align client=15s alb=60s node=6s\n  whyrst align client=50s proxy=75s/4s app=5s      towards clients / towards servers\n  whyrst align client=10s nginx node               defaults of the table"
)]
pub(super) struct AlignArgs {
    /// Links of the chain, the client first: NAME=DURATION (15s, 500ms, 5m, none), or a name that `whyrst timeouts` knows
    #[arg(value_name = "LINK", required = true)]
    links: Vec<String>,
    /// A table of your own (TOML) on top of the built-in one
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    #[command(flatten)]
    screen: ScreenArgs,
}

/// Checks the chain and names the pair that is out of order.
pub(super) fn run(args: &AlignArgs) -> anyhow::Result<Outcome> {
    let table = known_timeouts(args.known.as_deref())?;
    let rows = check_chain(&args.links, &table)?;
    screen::print(&terminal::render_alignment(
        &rows,
        &analyze::view(&args.screen),
    ))?;
    Ok(Outcome::Done)
}
