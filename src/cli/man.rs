//! `whyrst man`

use clap::CommandFactory;

use super::{Cli, Outcome, screen};

/// Prints the manual page in roff.
pub(super) fn run() -> anyhow::Result<Outcome> {
    let page = clap_mangen::Man::new(Cli::command());
    let mut bytes = Vec::new();
    page.render(&mut bytes)?;
    screen::print_with(|out| out.write_all(&bytes))?;
    Ok(Outcome::Done)
}
