//! Findings on standard output as they come: a few lines of text, or a line of JSON.

use std::io::{self, Write};

use anyhow::Context;
use whyrst::analysis::Event;
use whyrst::report::json::JsonLine;
use whyrst::report::terminal::Color;
use whyrst::report::{Cost, Finding, KernelWord};

use super::arguments::LiveArgs;
use crate::cli::screen;

const INDENT: &str = "             ";

/// How findings are told.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text { width: usize, color: Color },
    JsonLines,
}

/// Where they are told.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Output,
    Error,
}

/// Tells findings.
pub(super) struct Teller {
    form: Form,
    stream: Stream,
}

impl Teller {
    pub(super) fn new(args: &LiveArgs) -> Self {
        let form = if args.json_lines {
            Form::JsonLines
        } else {
            Form::Text {
                width: screen::width(),
                color: args.screen.color.color(),
            }
        };
        let stream = if args.output.prints_for_programs() && !args.json_lines {
            Stream::Error
        } else {
            Stream::Output
        };
        Self { form, stream }
    }

    /// Writes events and flushes: whoever reads a pipe wants them now.
    pub(super) fn tell(&self, events: &[Event]) -> anyhow::Result<()> {
        match self.stream {
            Stream::Output => self
                .write(events, io::stdout().lock())
                .context("cannot write to standard output"),
            Stream::Error => {
                // Nobody is left to tell if that fails.
                let _ = self.write(events, io::stderr().lock());
                Ok(())
            }
        }
    }

    fn write(&self, events: &[Event], mut out: impl Write) -> io::Result<()> {
        for event in events {
            match self.form {
                Form::JsonLines => json(event, &mut out)?,
                Form::Text { width, color } => {
                    out.write_all(text(event, width, color).as_bytes())?
                }
            }
        }
        out.flush()
    }
}

/// The line of `--format jsonl`, with `event` (and `was`, the id before, where it changed).
fn json(event: &Event, out: &mut impl Write) -> io::Result<()> {
    let (word, was) = match event {
        Event::New(_) => ("new", None),
        Event::Amended { before, .. } => ("amended", Some(&before.id)),
        Event::Withdrawn(_) => ("withdrawn", None),
    };
    let finding = Box::new(event.finding().clone());
    let line = if finding.form.is_some() {
        JsonLine::Reset(finding)
    } else {
        JsonLine::HangUp(finding)
    };
    let mut value = serde_json::to_value(&line)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("event".to_owned(), word.into());
        if let Some(was) = was {
            object.insert("was".to_owned(), was.as_str().into());
        }
    }
    serde_json::to_writer(&mut *out, &value)?;
    out.write_all(b"\n")
}

fn text(event: &Event, width: usize, color: Color) -> String {
    let finding = event.finding();
    let clock = finding.at.to_datetime().format("%H:%M:%S%.3f");
    let title = match event {
        Event::New(_) => format!("{} {}", finding.id, verdict(finding)),
        Event::Amended { before, .. } if before.id == finding.id => {
            format!("amended {}: {}", finding.id, verdict(finding))
        }
        Event::Amended { before, .. } => {
            format!(
                "amended {}, now {}: {}",
                before.id,
                finding.id,
                verdict(finding)
            )
        }
        Event::Withdrawn(_) => {
            return format!(
                "{clock} withdrawn {}: {} went on\n",
                finding.id,
                ends(finding)
            );
        }
    };
    let title = match (color, finding.is_harmful()) {
        (Color::Ansi, true) => format!("\x1b[1;31m{title}\x1b[0m"),
        (Color::Ansi, false) => format!("\x1b[1m{title}\x1b[0m"),
        (Color::Plain, _) => title,
    };
    let mut out = format!("{clock} {title}\n");
    paragraph(&mut out, &facts(finding), width);
    if let Event::Amended { before, .. } = event {
        paragraph(&mut out, &format!("was: {}", verdict(before)), width);
    }
    paragraph(&mut out, &finding.explanation, width);
    if let Some(word) = &finding.kernel {
        paragraph(&mut out, &kernel(word), width);
    }
    out
}

fn verdict(finding: &Finding) -> String {
    let mut text = finding.cause.to_string();
    if let Some(detail) = &finding.detail {
        text.push('/');
        text.push_str(detail);
    }
    let harm = match Cost::of(finding) {
        Cost::Nothing => "nothing lost",
        Cost::Unclear => "cost unclear",
        Cost::Refused => "refused",
        Cost::RequestLost => "request lost",
        Cost::OutcomeUnknown => "request with unknown outcome",
        Cost::ResponseTruncated => "response cut short",
    };
    let many = finding
        .connections
        .map(|n| format!(", {n} connections"))
        .unwrap_or_default();
    format!("{text} ({}): {harm}{many}", finding.confidence)
}

fn ends(finding: &Finding) -> String {
    format!(
        "{} → {}",
        finding.connection.client, finding.connection.server
    )
}

fn facts(finding: &Finding) -> String {
    let mut text = ends(finding);
    let said = |word: &dyn std::fmt::Display| word.to_string();
    match (&finding.sender, &finding.claimed_sender, finding.form) {
        (Some(sender), Some(claimed), Some(_)) if said(sender) != said(claimed) => {
            text.push_str(&format!(
                ", RST in the name of the {claimed}, made by: {sender}"
            ));
        }
        (_, Some(claimed), Some(_)) => text.push_str(&format!(", RST by the {claimed}")),
        (_, Some(claimed), None) => text.push_str(&format!(", FIN by the {claimed}")),
        _ => {}
    }
    let summary = finding
        .request
        .as_ref()
        .and_then(|request| request.summary.as_deref());
    if let Some(summary) = summary {
        text.push_str("; ");
        text.push_str(summary);
    }
    text
}

fn kernel(word: &KernelWord) -> String {
    let mut text = format!(
        "the kernel says {}",
        word.reason.as_deref().unwrap_or("nothing of why")
    );
    if let Some(state) = &word.state {
        text.push_str(&format!(", state {state}"));
    }
    if let (Some(process), Some(pid)) = (&word.process, word.pid) {
        text.push_str(&format!(", process {process} ({pid})"));
    }
    text
}

/// Wraps at words. What came over the network must not steer a terminal.
fn paragraph(out: &mut String, text: &str, width: usize) {
    let room = width.saturating_sub(INDENT.len()).max(20);
    let mut column = 0;
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        let len = word.chars().count();
        if column > 0 && column + 1 + len > room {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(INDENT);
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(&word);
        column += len;
    }
    if column > 0 {
        out.push('\n');
    }
}
