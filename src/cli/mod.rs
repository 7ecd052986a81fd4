//! The command line: one file per subcommand.

mod align;
mod analyze;
mod completions;
mod evidence;
mod explain;
mod input;
mod interrupt;
#[cfg(all(feature = "live", target_os = "linux"))]
mod live;
mod man;
mod output;
mod packets;
mod progress;
mod reading;
mod schema;
mod screen;
mod show;
mod timeouts;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tells from packet captures why TCP connections were reset, by whom, and what to change.
#[derive(Debug, Parser)]
#[command(
    name = "whyrst",
    version,
    about = "Why was this TCP connection reset, by whom, and what should be changed?",
    long_about = "Reads packet captures (pcap, pcapng, also compressed, or from standard input) and tells of every TCP reset and every \
        hang-up: what caused it, who really sent it, what was lost, and what to change. `whyrst FILE…` is short for `whyrst analyze FILE…`.",
    after_help = "Try `whyrst --help` for all options and examples.",
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_STATUS}"),
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    max_term_width = 120,
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    analyze: analyze::AnalyzeArgs,
}

const EXAMPLES: &str = "\
Examples:
  whyrst incident.pcap                              every reset and hang-up, the losses first
  whyrst trace.pcap0 trace.pcap1                    rotated files are one capture
  whyrst client.pcap server.pcap                    both ends of the same connections
  ssh host tcpdump -U -s 256 -w - tcp | whyrst -    from another machine
  whyrst incident.pcap --port 3000 --all            one service, benign endings listed too
  whyrst incident.pcap -o ticket.md -o report.html  write files, the format by their ending
  whyrst show r3 incident.pcap                      all about one finding
  whyrst explain keepalive-race                     what that is and how to cure it
  whyrst timeouts nginx                             known idle timeouts of a product
  whyrst incident.pcap --fail-on harmful            exit status 1 if anything was lost";

const EXIT_STATUS: &str = "\
Exit status:
  0    analysed, whatever was found
  1    --fail-on found something
  2    bad arguments, or an input that can't be read or is no capture
  130  interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Analyse captures: every reset and hang-up, with cause, sender, harm and advice (the default)
    Analyze(analyze::AnalyzeArgs),
    /// Watch interfaces and tell of resets as they happen
    #[cfg(all(feature = "live", target_os = "linux"))]
    Live(Box<live::LiveArgs>),
    /// Tell everything about one finding
    Show(show::ShowArgs),
    /// Explain a cause, or list all causes
    Explain(explain::ExplainArgs),
    /// Browse the table of known timeouts
    Timeouts(timeouts::TimeoutsArgs),
    /// Check a chain of idle timeouts given by hand: who has to close first
    Align(align::AlignArgs),
    /// Print the JSON Schema of the report
    Schema,
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man,
}

/// How a run ended, short of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// `--fail-on` found something.
    Found,
    /// Interrupted, with what had been read until then printed.
    Interrupted,
}

impl Outcome {
    fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 1,
            Self::Interrupted => interrupt::STATUS,
        }
    }
}

const FAILED: u8 = 2;

/// Parses the arguments, runs, and says how it went.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misuse(&error),
    };
    let run = match cli.command {
        None => analyze::run(&cli.analyze),
        Some(Command::Analyze(args)) => analyze::run(&args),
        #[cfg(all(feature = "live", target_os = "linux"))]
        Some(Command::Live(args)) => live::run(&args),
        Some(Command::Show(args)) => show::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Timeouts(args)) => timeouts::run(&args),
        Some(Command::Align(args)) => align::run(&args),
        Some(Command::Schema) => schema::run(),
        Some(Command::Completions(args)) => completions::run(&args),
        Some(Command::Man) => man::run(),
    };
    match run {
        Ok(outcome) => outcome.status().into(),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            screen::complain(&causes(&error));
            FAILED.into()
        }
    }
}

/// The chain of causes on one line, each said once: many errors name their cause themselves.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Help and version are answers; anything else is one line and status 2.
fn misuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{
        DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
    };
    match error.kind() {
        DisplayHelp | DisplayVersion => {
            // A reader that went away has seen enough of it.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            FAILED.into()
        }
        _ => {
            screen::complain(&one_line(&error.to_string()));
            FAILED.into()
        }
    }
}

/// clap's message and tips without its usage block.
fn one_line(message: &str) -> String {
    let lines: Vec<_> = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let tips = lines.iter().any(|line| line.starts_with("tip:"));
    let text = lines
        .into_iter()
        .filter(|line| !(tips && line.starts_with("[possible values:")))
        .collect::<Vec<_>>()
        .join("; ");
    text.strip_prefix("error: ")
        .unwrap_or(&text)
        .replace(":; ", ": ")
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_usage_error_is_one_line() {
        let error = Cli::try_parse_from(["whyrst", "x.pcap", "--fomat", "json"]).unwrap_err();
        let line = one_line(&error.to_string());
        assert!(
            !line.contains('\n') && line.contains("--fomat") && line.contains("--format"),
            "{line}"
        );
    }
}
