//! `whyrst completions SHELL`

use clap::CommandFactory;

use super::{Cli, Outcome, screen};

/// Arguments of `completions`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints the shell's completion script.
pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "whyrst", &mut bytes);
    screen::print_with(|out| out.write_all(&bytes))?;
    Ok(Outcome::Done)
}
