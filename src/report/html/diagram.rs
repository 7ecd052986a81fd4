//! The packets of a finding as lines of a sequence diagram: arrows, and gaps where time was compressed.
//!
//! Lines and labels are decided here; the template and the page's script only draw them one below the other.

use crate::flow::Peer;
use crate::report::text::{clean, count, seconds};
use crate::report::{Finding, LadderMark, LadderStep, NumberIn};

/// Steps further apart than this get a gap between them.
const GAP_S: f64 = 0.5;

/// Steps drawn; the packets that matter stand at the end.
const STEPS: usize = 60;

/// Height of a line in pixels; the script has the same number.
const LINE: usize = 36;

/// A diagram.
pub struct Diagram<'a> {
    pub client: String,
    pub server: String,
    pub lines: Vec<Line<'a>>,
}

/// One line of it.
pub enum Line<'a> {
    /// A packet.
    Arrow { step: &'a LadderStep, label: String },
    /// Silence, compressed.
    Gap(String),
    /// Packets left out.
    Aside(String),
}

impl<'a> Diagram<'a> {
    /// Nothing where the report holds no packets of the finding.
    pub fn of(finding: &'a Finding) -> Option<Self> {
        if finding.ladder.is_empty() {
            return None;
        }
        let hidden = finding.ladder.len().saturating_sub(STEPS);
        let mut lines = Vec::new();
        let mut before: Option<&LadderStep> = None;
        for (i, step) in finding.ladder.iter().enumerate().skip(hidden) {
            let first = if i == hidden { hidden as u64 } else { 0 };
            lines.extend(between(
                before,
                step,
                step.skipped_before.saturating_add(first),
            ));
            lines.push(Line::Arrow {
                step,
                label: label(step),
            });
            before = Some(step);
        }
        Some(Self {
            client: finding.connection.client.to_string(),
            server: finding.connection.server.to_string(),
            lines,
        })
    }

    /// Height of the whole picture.
    pub fn height(&self) -> usize {
        self.lines.len() * LINE + 4
    }

    /// Lines with their distance from the top.
    pub fn placed(&self) -> impl Iterator<Item = (usize, &Line<'a>)> {
        self.lines
            .iter()
            .enumerate()
            .map(|(i, line)| (i * LINE, line))
    }
}

impl Line<'_> {
    /// Class of an arrow: its part in the story.
    pub fn mark(step: &LadderStep) -> &'static str {
        match step.mark {
            None => "",
            Some(LadderMark::LastActivity) => "last-activity",
            Some(LadderMark::Fin) => "fin",
            Some(LadderMark::Trigger) => "trigger",
            Some(LadderMark::Rst) => "rst",
        }
    }

    /// Seconds from the connection's first packet.
    pub fn time(step: &LadderStep) -> String {
        format!("{:.3} s", step.at_s)
    }

    /// All that is known of the packet.
    pub fn title(step: &LadderStep) -> String {
        let mut out = format!(
            "Frame {} at {:.6} s, from the {}: [{}] seq {}",
            NumberIn::from(step),
            step.at_s,
            step.from,
            clean(&step.flags),
            step.seq
        );
        if let Some(ack) = step.ack {
            out.push_str(&format!(", ack {ack}"));
        }
        out.push_str(&format!(", {} bytes of payload", step.len));
        if let Some(note) = &step.note {
            out.push_str(&format!("; {}", clean(note)));
        }
        let role = match step.mark {
            None => "",
            Some(LadderMark::LastActivity) => "; the last activity before the silence",
            Some(LadderMark::Fin) => "; the FIN",
            Some(LadderMark::Trigger) => "; what the RST answers",
            Some(LadderMark::Rst) => "; the RST",
        };
        out.push_str(role);
        out
    }

    /// Whether its arrow points to the right.
    pub fn to_the_right(step: &LadderStep) -> bool {
        step.from == Peer::Client
    }
}

/// Silence and packets left out between two steps.
fn between<'a>(before: Option<&LadderStep>, step: &LadderStep, skipped: u64) -> Option<Line<'a>> {
    let silence = before.map_or(0.0, |b| step.at_s - b.at_s);
    let left_out = count(skipped, "packet left out", "packets left out");
    match (silence >= GAP_S, skipped) {
        (false, 0) => None,
        (false, _) => Some(Line::Aside(left_out)),
        (true, 0) => Some(Line::Gap(format!("{} of silence", seconds(silence)))),
        (true, _) => Some(Line::Gap(format!(
            "{} compressed, {left_out}",
            seconds(silence)
        ))),
    }
}

fn label(step: &LadderStep) -> String {
    let what = match step.note.as_deref() {
        Some(note) => clean(note).into_owned(),
        None => flags_in_words(&step.flags),
    };
    let size = match step.len {
        0 => String::new(),
        n => format!(", {}", count(u64::from(n), "byte", "bytes")),
    };
    let sign = match step.mark {
        Some(LadderMark::Fin) => "◆ ",
        Some(LadderMark::Trigger) => "▶ ",
        Some(LadderMark::Rst) => "✖ ",
        Some(LadderMark::LastActivity) | None => "",
    };
    format!("{sign}{what}{size}")
}

/// `SYN, ACK` for `S.`: readers of a page need not know tcpdump's letters.
fn flags_in_words(flags: &str) -> String {
    let words: Vec<&str> = flags
        .chars()
        .filter_map(|flag| match flag {
            'S' => Some("SYN"),
            'F' => Some("FIN"),
            'R' => Some("RST"),
            'P' => Some("PSH"),
            '.' => Some("ACK"),
            'U' => Some("URG"),
            _ => None,
        })
        .collect();
    if words.is_empty() {
        clean(flags).into_owned()
    } else {
        words.join(", ")
    }
}
