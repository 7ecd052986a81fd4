//! `whyrst timeouts [SEARCH]`

use std::path::{Path, PathBuf};

use anyhow::Context;
use whyrst::insight::KnownTimeouts;
use whyrst::report::terminal;

use super::screen::{self, ScreenArgs};
use super::{Outcome, analyze};

/// Arguments of `timeouts`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  whyrst timeouts node\n  whyrst timeouts 350\n  whyrst timeouts nginx server-idle"
)]
pub(super) struct TimeoutsArgs {
    /// Words of a product, a setting or a role, or a number of seconds; without any, the whole table
    #[arg(value_name = "SEARCH")]
    search: Vec<String>,
    /// A table of your own (TOML) on top of the built-in one
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    #[command(flatten)]
    screen: ScreenArgs,
}

/// The built-in table with the user's on top.
pub(super) fn known_timeouts(own: Option<&Path>) -> anyhow::Result<KnownTimeouts> {
    let built_in = KnownTimeouts::built_in();
    let Some(path) = own else {
        return Ok(built_in.clone());
    };
    let doing = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(doing)?;
    let own = KnownTimeouts::parse(&text).with_context(doing)?;
    Ok(built_in.overlaid(own))
}

/// Browses the table of known timeouts.
pub(super) fn run(args: &TimeoutsArgs) -> anyhow::Result<Outcome> {
    let table = known_timeouts(args.known.as_deref())?;
    let found = table.search(&args.search.join(" "));
    screen::print(&terminal::render_known(
        &found,
        &analyze::view(&args.screen),
    ))?;
    Ok(Outcome::Done)
}
