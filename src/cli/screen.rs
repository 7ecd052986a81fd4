//! Standard output and standard error: width, colours, and writing that takes a closed pipe calmly.

use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::Context;
use clap::ValueEnum;
use whyrst::report::terminal::Color;

/// Width of a report that goes to no terminal.
const PIPED_WIDTH: usize = 100;

/// `--color`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR or TERM=dumb say otherwise; CLICOLOR_FORCE says yes
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl When {
    /// What that means for standard output. `NO_COLOR` and `CLICOLOR_FORCE` as on no-color.org and bixense.com/clicolors.
    pub(crate) fn color(self) -> Color {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let wanted = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if no_color => false,
            Self::Auto if set("CLICOLOR_FORCE") => true,
            Self::Auto => io::stdout().is_terminal() && !dumb,
        };
        if wanted { Color::Ansi } else { Color::Plain }
    }
}

/// `COLUMNS` where it is set, else the columns of the terminal on standard output, else 100.
pub(crate) fn width() -> usize {
    let asked = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    if let Some(width) = asked.filter(|width| (40..=1000).contains(width)) {
        return width;
    }
    if !io::stdout().is_terminal() {
        return PIPED_WIDTH;
    }
    terminal_size::terminal_size_of(io::stdout())
        .map_or(PIPED_WIDTH, |(width, _)| usize::from(width.0))
}

/// Writes a result to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_with(|out| out.write_all(text.as_bytes()))
}

/// Lets `write` write to standard output, buffered.
pub(crate) fn print_with(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out)
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// One line on standard error, `whyrst: …`. Nobody is left to tell if that fails.
pub(crate) fn complain(text: &str) {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    let _ = writeln!(io::stderr(), "whyrst: {line}");
}

/// A warning, unless `-q`.
pub(crate) fn warn(text: &str, verbosity: Verbosity) {
    if verbosity != Verbosity::Quiet {
        complain(&format!("warning: {text}"));
    }
}

/// `-q`, nothing, `-v`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Errors only.
    Quiet,
    /// Warnings, and progress on a terminal.
    Normal,
    /// Also what was read.
    Verbose,
}

/// How much is said on standard error and how it looks: shared by all subcommands that analyse.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ScreenArgs {
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto, help_heading = "Output")]
    pub(crate) color: When,
    /// No progress and no warnings
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
    /// Say on standard error what was read
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,
}

impl ScreenArgs {
    /// `-q` and `-v` as one value.
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}
