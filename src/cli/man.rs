//! `whyrst man`

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, EXAMPLES, EXIT_STATUS, Outcome, screen};

/// Prints the manual page in roff.
pub(super) fn run() -> anyhow::Result<Outcome> {
    let mut page = Vec::new();
    render(&mut page)?;
    screen::print_with(|out| out.write_all(&page))?;
    Ok(Outcome::Done)
}

fn render(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    writeln!(page, ".SH COMMANDS")?;
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        subcommand(page, sub)?;
    }
    verbatim(page, EXAMPLES)?;
    verbatim(page, EXIT_STATUS)?;
    man.render_version_section(page)
}

/// Its usage and purpose; its options are the main command's or few.
fn subcommand(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    writeln!(page, ".TP\n\\fB{}\\fR\n{}", roff(usage), roff(&about))
}

/// A text whose first line is its title, as it stands.
fn verbatim(page: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
    let title = title.trim_end_matches(':').to_uppercase();
    writeln!(page, ".SH \"{title}\"\n.nf\n{}\n.fi", roff(rest))
}

fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
