//! The packets of a finding as lines of a sequence diagram: arrows, and gaps where time was compressed.
//!
//! Places and words are decided here; the template and the page's script only draw the lines one below the other.

use serde::Serialize;

use crate::flow::Peer;
use crate::report::text::{clean, count, seconds};
use crate::report::{Finding, LadderMark, LadderStep};

/// Steps further apart than this get a gap between them.
const GAP_S: f64 = 0.5;

/// Steps drawn; the packets that matter stand at the end.
const STEPS: usize = 60;

/// Height of a line in pixels; the script has the same number.
const LINE: usize = 36;

/// A diagram.
#[derive(Serialize)]
pub struct Diagram {
    pub client: String,
    pub server: String,
    pub lines: Vec<Line>,
}

/// One line of it.
#[derive(Serialize)]
pub struct Line {
    /// `c` an arrow from the client, `s` from the server, `gap` compressed silence, `aside` packets left out.
    pub kind: &'static str,
    /// What stands on it.
    pub label: String,
    /// When.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time: String,
    /// All that is known of the packet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// `last-activity`, `fin`, `trigger`, `rst` or nothing.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub mark: &'static str,
}

impl Diagram {
    pub fn of(finding: &Finding) -> Option<Self> {
        if finding.ladder.is_empty() {
            return None;
        }
        let hidden = finding.ladder.len().saturating_sub(STEPS);
        let mut lines = Vec::new();
        let mut before: Option<&LadderStep> = None;
        for (i, step) in finding.ladder.iter().enumerate().skip(hidden) {
            let skipped = step.skipped_before + if i == hidden { hidden as u64 } else { 0 };
            lines.extend(between(before, step, skipped));
            lines.push(arrow(step));
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
    pub fn placed(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines
            .iter()
            .enumerate()
            .map(|(i, line)| (i * LINE, line))
    }
}

/// Silence and packets left out between two steps.
fn between(before: Option<&LadderStep>, step: &LadderStep, skipped: u64) -> Option<Line> {
    let silence = before.map_or(0.0, |b| step.at_s - b.at_s);
    let left_out = count(skipped, "packet left out", "packets left out");
    let (kind, label) = match (silence >= GAP_S, skipped) {
        (false, 0) => return None,
        (false, _) => ("aside", left_out),
        (true, 0) => ("gap", format!("{} of silence", seconds(silence))),
        (true, _) => (
            "gap",
            format!("{} compressed, {left_out}", seconds(silence)),
        ),
    };
    Some(Line {
        kind,
        label,
        time: String::new(),
        title: String::new(),
        mark: "",
    })
}

fn arrow(step: &LadderStep) -> Line {
    let what = step.note.as_deref().map(|note| clean(note).into_owned());
    let what = what.unwrap_or_else(|| flags_in_words(&step.flags));
    let size = if step.len > 0 {
        format!(", {}", count(u64::from(step.len), "byte", "bytes"))
    } else {
        String::new()
    };
    let (mark, role) = match step.mark {
        None => ("", None),
        Some(LadderMark::LastActivity) => ("last-activity", Some("last activity")),
        Some(LadderMark::Fin) => ("fin", Some("the FIN")),
        Some(LadderMark::Trigger) => ("trigger", Some("what the RST answers")),
        Some(LadderMark::Rst) => ("rst", Some("the RST")),
    };
    let sign = match mark {
        "fin" => "◆ ",
        "trigger" => "▶ ",
        "rst" => "✖ ",
        _ => "",
    };
    Line {
        kind: match step.from {
            Peer::Client => "c",
            Peer::Server => "s",
        },
        label: format!("{sign}{what}{size}"),
        time: format!("{:.3} s", step.at_s),
        title: title(step, role),
        mark,
    }
}

fn title(step: &LadderStep, role: Option<&str>) -> String {
    let mut out = format!(
        "Frame {} at {:.6} s, from the {}: [{}] seq {}",
        step.frame,
        step.at_s,
        step.from,
        clean(&step.flags),
        step.seq
    );
    if let Some(ack) = step.ack {
        out.push_str(&format!(", ack {ack}"));
    }
    out.push_str(&format!(
        ", {} of payload",
        count(u64::from(step.len), "byte", "bytes")
    ));
    if let Some(note) = &step.note {
        out.push_str(&format!("; {}", clean(note)));
    }
    if let Some(role) = role {
        out.push_str(&format!("; {role}"));
    }
    out
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
