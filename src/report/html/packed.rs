//! Details as the page's script reads them: small, because there may be thousands.
//!
//! Every text stands once in a list and is named by its place there; packets are arrays of numbers.

use std::collections::HashMap;

use serde::Serialize;

use super::detail::Detail;
use super::diagram::{Diagram, Line};
use super::table::ESCAPED;
use crate::report::{LadderStep, NumberIn};

/// Texts, each once, in order of first use.
#[derive(Default)]
pub struct Texts {
    places: HashMap<String, u32>,
    list: Vec<String>,
    bytes: usize,
}

impl Texts {
    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.list.len() as u32;
        let json = serde_json::to_string(text).map_or(text.len(), |json| json.len());
        self.bytes += json + 1 + text.matches('<').count() * (ESCAPED.len() - 1);
        self.places.insert(text.to_owned(), place);
        self.list.push(text.to_owned());
        place
    }

    fn places(&mut self, texts: &[String]) -> Vec<u32> {
        texts.iter().map(|text| self.place(text)).collect()
    }

    /// About as many as they take in JSON.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// In the order of their places.
    pub fn into_list(self) -> Vec<String> {
        self.list
    }
}

/// A [`Detail`], its texts by place.
#[derive(Serialize)]
pub struct Packed {
    explanation: u32,
    facts: Vec<(u32, u32)>,
    #[serde(rename = "for")]
    evidence: Vec<u32>,
    against: Vec<u32>,
    advice: Vec<u32>,
    command: Option<u32>,
    /// Client, server, lines.
    diagram: Option<(u32, u32, Vec<PackedLine>)>,
}

/// A line of a diagram.
#[derive(Serialize)]
#[serde(untagged)]
enum PackedLine {
    /// `"gap"` or `"aside"`, label.
    Between(&'static str, u32),
    /// `1` to the right or `0` to the left, label, class, frame, seconds, flags, seq, ack, payload bytes, note.
    Arrow(
        u8,
        u32,
        &'static str,
        PackedFrame,
        f64,
        u32,
        i64,
        Option<i64>,
        u32,
        Option<u32>,
    ),
}

/// A frame of the finding's capture, or of another one.
#[derive(Serialize)]
#[serde(untagged)]
enum PackedFrame {
    Own(u32),
    Other(String),
}

impl PackedFrame {
    fn of(step: &LadderStep) -> Self {
        match step.capture {
            None => Self::Own(step.frame),
            Some(_) => Self::Other(NumberIn::from(step).to_string()),
        }
    }
}

impl Packed {
    pub fn of(detail: &Detail, texts: &mut Texts) -> Self {
        let facts = detail.facts.iter();
        Self {
            explanation: texts.place(&detail.explanation),
            facts: facts
                .map(|(name, value)| (texts.place(name), texts.place(value)))
                .collect(),
            evidence: texts.places(&detail.evidence),
            against: texts.places(&detail.against),
            advice: texts.places(&detail.advice),
            command: detail.command.as_ref().map(|command| texts.place(command)),
            diagram: detail.diagram.as_ref().map(|diagram| pack(diagram, texts)),
        }
    }
}

fn pack(diagram: &Diagram, texts: &mut Texts) -> (u32, u32, Vec<PackedLine>) {
    let lines = diagram.lines.iter().map(|line| match line {
        Line::Gap(label) => PackedLine::Between("gap", texts.place(label)),
        Line::Aside(label) => PackedLine::Between("aside", texts.place(label)),
        Line::Arrow { step, label } => arrow(step, label, texts),
    });
    let lines = lines.collect();
    (
        texts.place(&diagram.client),
        texts.place(&diagram.server),
        lines,
    )
}

fn arrow(step: &LadderStep, label: &str, texts: &mut Texts) -> PackedLine {
    PackedLine::Arrow(
        u8::from(Line::to_the_right(step)),
        texts.place(label),
        Line::mark(step),
        PackedFrame::of(step),
        (step.at_s * 1e6).round() / 1e6,
        texts.place(&crate::report::text::clean(&step.flags)),
        step.seq,
        step.ack,
        step.len,
        step.note
            .as_deref()
            .map(|note| texts.place(&crate::report::text::clean(note))),
    )
}
