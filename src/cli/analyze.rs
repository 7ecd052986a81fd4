//! `whyrst analyze FILE…`, and `whyrst FILE…`

use whyrst::analysis::ConnectionRows;
use whyrst::report::terminal::{Ladders, Listing, TerminalOptions};
use whyrst::report::{Heading, Report};
use whyrst::verdict::Cause;

use super::Outcome;
use super::evidence::EvidenceArgs;
use super::input::{Analysed, InputArgs, Request, Spooling};
use super::output::OutputArgs;
use super::screen::{self, ScreenArgs};

/// Arguments of `analyze`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AnalyzeArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    evidence: EvidenceArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    screen: ScreenArgs,
}

/// What the report is to hold and how it is headed: shared by `analyze` and `live`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// List benign and unclear findings too, and every row of long groups
    #[arg(long, help_heading = "Report")]
    all: bool,
    /// Draw the packets that matter below each group
    #[arg(long, help_heading = "Report")]
    ladder: bool,
    /// List every connection with Zeek's conn_state and history, in every output but the CSV of findings
    #[arg(long, help_heading = "Report")]
    connections: bool,
    /// Exit with status 1 if the report has such a finding: harmful, any, or a cause; may be repeated
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = FailOn::parse, help_heading = "Report")]
    fail_on: Vec<FailOn>,
    /// Title of the report
    #[arg(long, value_name = "TEXT", help_heading = "Report")]
    title: Option<String>,
    /// Ticket that the report belongs to
    #[arg(long, value_name = "TEXT", help_heading = "Report")]
    ticket: Option<String>,
    /// A note on top of the report
    #[arg(long, value_name = "TEXT", help_heading = "Report")]
    note: Option<String>,
    /// Name of the place where the captures were taken
    #[arg(long, value_name = "NAME", help_heading = "Report")]
    vantage: Option<String>,
}

/// `--fail-on`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailOn {
    Harmful,
    Any,
    Cause(Cause),
}

impl FailOn {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "harmful" => Ok(Self::Harmful),
            "any" => Ok(Self::Any),
            cause => cause.parse().map(Self::Cause).map_err(|_| {
                "neither harmful, any nor a cause (whyrst explain lists them)".to_owned()
            }),
        }
    }

    fn is_met(self, report: &Report) -> bool {
        report.findings().any(|finding| match self {
            Self::Harmful => finding.is_harmful(),
            Self::Any => true,
            Self::Cause(cause) => finding.cause == cause,
        })
    }
}

impl ReportArgs {
    /// How the terminal view is drawn.
    pub(super) fn view(&self, screen: &ScreenArgs) -> TerminalOptions {
        TerminalOptions {
            listing: if self.all {
                Listing::Full
            } else {
                Listing::Short
            },
            ladders: if self.ladder {
                Ladders::Drawn
            } else {
                Ladders::Omitted
            },
            ..view(screen)
        }
    }

    /// Whether connections are listed: asked for, or needed for an output.
    pub(super) fn rows(&self, output: &OutputArgs) -> ConnectionRows {
        if self.connections || output.lists_connections() {
            ConnectionRows::All
        } else {
            ConnectionRows::None
        }
    }

    /// The place of capture.
    pub(super) fn vantage(&self) -> Option<&str> {
        self.vantage.as_deref()
    }

    /// The user's words.
    pub(super) fn heading(&self) -> Heading {
        Heading {
            title: self.title.clone(),
            ticket: self.ticket.clone(),
            note: self.note.clone(),
        }
    }

    /// What `--fail-on` makes of it.
    pub(super) fn outcome(&self, report: &Report) -> Outcome {
        if self.fail_on.iter().any(|what| what.is_met(report)) {
            Outcome::Found
        } else {
            Outcome::Done
        }
    }
}

impl AnalyzeArgs {
    fn request(&self) -> Request<'_> {
        Request {
            rows: self.report.rows(&self.output),
            vantage: self.report.vantage(),
            verbosity: self.screen.verbosity(),
            spooling: match self.output.evidence().next() {
                Some(_) => Spooling::Streams,
                None => Spooling::Nothing,
            },
            key: self.evidence.key_of_captures(),
        }
    }
}

/// The terminal's width and colours, and the short listing.
pub(super) fn view(screen: &ScreenArgs) -> TerminalOptions {
    TerminalOptions {
        width: screen::width(),
        color: screen.color.color(),
        ..TerminalOptions::default()
    }
}

/// Evidence first: it is the part that can fail for want of packets.
fn write(args: &AnalyzeArgs, analysed: &mut Analysed) -> anyhow::Result<()> {
    let verbosity = args.screen.verbosity();
    let redactor = args.evidence.redactor(analysed.key.take())?;
    for path in args.output.evidence() {
        let (report, packets) = (&analysed.report, &mut analysed.packets);
        args.evidence
            .write(path, report, redactor.as_ref(), packets, verbosity)?;
    }
    if let Some(redactor) = redactor {
        analysed.report = redactor.report(&analysed.report);
    }
    args.output
        .write(&analysed.report, &args.report.view(&args.screen), verbosity)
}

/// Analyses and writes the report.
pub(super) fn run(args: &AnalyzeArgs) -> anyhow::Result<Outcome> {
    args.output.check()?;
    args.evidence.check()?;
    let mut analysed = args.input.report(&args.request())?;
    if analysed.outcome() == Outcome::Interrupted && !args.input.is_streamed() {
        return Ok(Outcome::Interrupted);
    }
    let heading = args.report.heading();
    if !heading.is_empty() {
        analysed.report.heading = heading;
    }
    write(args, &mut analysed)?;
    let outcome = match analysed.outcome() {
        Outcome::Done => args.report.outcome(&analysed.report),
        outcome => outcome,
    };
    // As with the analyzer: the process ends now.
    std::mem::forget(analysed.report);
    Ok(outcome)
}
