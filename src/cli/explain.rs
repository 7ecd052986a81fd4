//! `whyrst explain [CAUSE]`

use whyrst::report::explain;
use whyrst::verdict::Cause;

use super::{Outcome, screen};

/// Arguments of `explain`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example: whyrst explain keepalive-race")]
pub(super) struct ExplainArgs {
    /// The cause, as reports name it; without one, all are listed
    #[arg(value_parser = parse_cause())]
    cause: Option<Cause>,
    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: screen::When,
}

/// A parser that knows the names, for completions and for tips on typing errors.
pub(super) fn parse_cause() -> impl clap::builder::TypedValueParser<Value = Cause> {
    use clap::builder::TypedValueParser as _;
    clap::builder::PossibleValuesParser::new(Cause::ALL.iter().map(|c| c.as_str()))
        .try_map(|name| name.parse::<Cause>())
}

/// Prints one row of the table of causes, or the list.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Outcome> {
    let (width, color) = (screen::width(), args.color.color());
    let text = match args.cause {
        Some(cause) => explain::cause(cause, width, color),
        None => explain::list(width, color),
    };
    screen::print(&text)?;
    Ok(Outcome::Done)
}
