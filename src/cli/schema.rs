//! `whyrst schema`

use whyrst::report::json;

use super::{Outcome, screen};

/// Prints the JSON Schema of the report.
pub(super) fn run() -> anyhow::Result<Outcome> {
    let text = serde_json::to_string_pretty(&json::schema())?;
    screen::print(&format!("{text}\n"))?;
    Ok(Outcome::Done)
}
