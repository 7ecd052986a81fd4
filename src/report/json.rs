//! JSON (one document), JSON Lines (one event per line) and the JSON Schema of both.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConnectionRow, Finding, Report};

/// The report as one indented document with a final newline.
pub fn write_json(report: &Report, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut to, report)?;
    to.write_all(b"\n")
}

/// One line of the JSON Lines form: a finding or a connection, with a `type` that says of which list it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum JsonLine {
    /// A reset event.
    Reset(Box<Finding>),
    /// A bad ending without a RST.
    HangUp(Box<Finding>),
    /// A connection, where all of them were asked for.
    Connection(Box<ConnectionRow>),
}

impl JsonLine {
    /// Writes it with its newline.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut to, self)?;
        to.write_all(b"\n")
    }
}

/// The findings as JSON Lines: resets, then hang-ups, in order of time, then the connections where they were asked for. What is
/// true of the whole stands in the document form.
pub fn write_json_lines(report: &Report, mut to: impl Write) -> io::Result<()> {
    let resets = report
        .resets
        .iter()
        .cloned()
        .map(Box::new)
        .map(JsonLine::Reset);
    let hang_ups = report
        .hang_ups
        .iter()
        .cloned()
        .map(Box::new)
        .map(JsonLine::HangUp);
    let rows = report.connections.iter().flatten();
    let connections = rows.cloned().map(Box::new).map(JsonLine::Connection);
    resets
        .chain(hang_ups)
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
        let findings: Vec<_> = lines
            .iter()
            .filter_map(|line| match line {
                JsonLine::Reset(f) | JsonLine::HangUp(f) => Some((**f).clone()),
                JsonLine::Connection(_) => None,
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
    fn connections_are_lines_of_their_own() {
        let report = sample::with_connections();
        let mut bytes = Vec::new();
        write_json_lines(&report, &mut bytes).unwrap();
        let rows: Vec<ConnectionRow> = String::from_utf8(bytes)
            .unwrap()
            .lines()
            .filter_map(|line| match serde_json::from_str(line).unwrap() {
                JsonLine::Connection(row) => Some(*row),
                JsonLine::Reset(_) | JsonLine::HangUp(_) => None,
            })
            .collect();
        assert_eq!(Some(rows), report.connections);
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
