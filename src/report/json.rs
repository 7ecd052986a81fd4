//! JSON (one document), JSON Lines (one event per line) and the JSON Schema of both.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Advice, Alignment, CaptureSummary, ConnectionRow, Finding, Heading, IdleTimeout, Report,
    Summary, Tool,
};

/// The report as one indented document with a final newline.
pub fn write_json(report: &Report, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut to, report)?;
    to.write_all(b"\n")
}

/// One line of the JSON Lines form. `type` says what it is; the other members are those of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum JsonLine {
    /// What is true of the whole analysis: the first line of a file, the last line of a live run.
    Report(Box<JsonLineReport>),
    /// A reset event.
    Reset(Box<Finding>),
    /// A bad ending without a RST.
    HangUp(Box<Finding>),
    /// An idle timeout inferred.
    IdleTimeout(IdleTimeout),
    /// A client's patience against its server's.
    Alignment(Alignment),
    /// What to change.
    Advice(Advice),
    /// A connection, where asked for.
    Connection(ConnectionRow),
}

/// The members of a [`Report`] that are no lists of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JsonLineReport {
    /// Version of this contract.
    pub schema_version: String,
    /// What wrote it.
    pub tool: Tool,
    /// Title, ticket and note, where the user gave them.
    #[serde(default, skip_serializing_if = "Heading::is_empty")]
    pub heading: Heading,
    /// The files or interfaces that were read.
    pub captures: Vec<CaptureSummary>,
    /// Totals.
    pub summary: Summary,
    /// What limits what can be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

impl JsonLine {
    /// The line that stands for the report as a whole.
    pub fn of_report(report: &Report) -> Self {
        Self::Report(Box::new(JsonLineReport {
            schema_version: report.schema_version.clone(),
            tool: report.tool.clone(),
            heading: report.heading.clone(),
            captures: report.captures.clone(),
            summary: report.summary.clone(),
            caveats: report.caveats.clone(),
        }))
    }

    /// Writes it with its newline.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut to, self)?;
        to.write_all(b"\n")
    }
}

/// The report as JSON Lines: the whole first, then resets, hang-ups, timeouts, alignment, advice and connections.
pub fn write_json_lines(report: &Report, mut to: impl Write) -> io::Result<()> {
    let line = JsonLine::of_report(report);
    let resets = report
        .resets
        .iter()
        .map(|f| JsonLine::Reset(Box::new(f.clone())));
    let hang_ups = report
        .hang_ups
        .iter()
        .map(|f| JsonLine::HangUp(Box::new(f.clone())));
    let timeouts = report
        .idle_timeouts
        .iter()
        .cloned()
        .map(JsonLine::IdleTimeout);
    let alignment = report.alignment.iter().cloned().map(JsonLine::Alignment);
    let advice = report.advice.iter().cloned().map(JsonLine::Advice);
    let connections = report
        .connections
        .iter()
        .flatten()
        .cloned()
        .map(JsonLine::Connection);
    std::iter::once(line)
        .chain(resets)
        .chain(hang_ups)
        .chain(timeouts)
        .chain(alignment)
        .chain(advice)
        .chain(connections)
        .try_for_each(|line| line.write(&mut to))
}

/// JSON Schema (2020-12) of the document form; the lines of JSON Lines are under `$defs/JsonLine`.
pub fn schema() -> serde_json::Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<JsonLine>();
    let mut schema = generator.into_root_schema_for::<Report>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert(
            "title".to_owned(),
            format!("whyrst report {}", super::SCHEMA_VERSION).into(),
        );
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_document_read_back_is_the_same_report() {
        for report in [sample::report(), sample::empty()] {
            let mut bytes = Vec::new();
            write_json(&report, &mut bytes).unwrap();
            assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
        }
    }

    #[test]
    fn lines_read_back_are_the_same_findings() {
        let report = sample::report();
        let mut bytes = Vec::new();
        write_json_lines(&report, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<JsonLine> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0], JsonLine::of_report(&report));
        let findings: Vec<_> = lines
            .iter()
            .filter_map(|line| match line {
                JsonLine::Reset(f) | JsonLine::HangUp(f) => Some((**f).clone()),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = report
            .resets
            .iter()
            .chain(&report.hang_ups)
            .cloned()
            .collect();
        assert_eq!(findings, expected);
    }

    #[test]
    fn the_schema_is_the_contract() {
        insta::assert_json_snapshot!(schema());
    }

    #[test]
    fn nothing_unknown_is_written_as_null() {
        let mut bytes = Vec::new();
        write_json(&sample::report(), &mut bytes).unwrap();
        assert!(!String::from_utf8(bytes).unwrap().contains("null"));
    }
}
