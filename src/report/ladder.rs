//! The packets that matter as a picture in text: client left, server right, silences drawn as gaps.

use super::text::{Color, Tone, clean, seconds};
use super::{Finding, LadderMark, LadderStep, NumberIn};
use crate::flow::Peer;
use crate::verdict::{ExampleStep, Part};

/// Steps further apart than this are drawn with a gap between them.
const GAP_S: f64 = 0.5;

/// No silence shorter than this is drawn as a gap.
const SHORT_GAP_S: f64 = 0.1;

impl From<&ExampleStep> for LadderStep {
    fn from(example: &ExampleStep) -> Self {
        Self {
            frame: 0,
            capture: None,
            at_s: f64::from(example.at_ms) / 1e3,
            from: example.from,
            flags: example.flags.into(),
            seq: example.seq.into(),
            ack: example.ack.map(i64::from),
            len: example.len,
            note: example.note.map(Into::into),
            mark: example.part.map(|part| match part {
                Part::LastActivity => LadderMark::LastActivity,
                Part::Fin => LadderMark::Fin,
                Part::Trigger => LadderMark::Trigger,
                Part::Rst => LadderMark::Rst,
            }),
            skipped_before: 0,
        }
    }
}

/// Draws the example of a cause: no frame numbers, no addresses.
pub fn render_example(steps: &[ExampleStep], width: usize, color: Color) -> String {
    let steps: Vec<LadderStep> = steps.iter().map(LadderStep::from).collect();
    let options = LadderOptions {
        width,
        color,
        frames: FrameColumn::Hidden,
    };
    render(&steps, &Columns::default(), options)
}

/// Names above the two columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Above the left one.
    pub client: String,
    /// Above the right one.
    pub server: String,
}

impl Columns {
    /// Addresses and ports of a finding's connection.
    pub fn of(finding: &Finding) -> Self {
        Self {
            client: format!("client {}", finding.connection.client),
            server: format!("server {}", finding.connection.server),
        }
    }
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            client: "client".to_owned(),
            server: "server".to_owned(),
        }
    }
}

/// How a ladder is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LadderOptions {
    /// Columns of text available; less than 60 is taken as 60.
    pub width: usize,
    /// Colours.
    pub color: Color,
    /// Whether frame numbers stand at the right.
    pub frames: FrameColumn,
}

/// Whether frame numbers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameColumn {
    /// At the right of each step.
    Shown,
    /// Left out: examples have none.
    Hidden,
}

/// Draws the steps, one line each, with times relative to the first packet of the connection.
pub fn render(steps: &[LadderStep], columns: &Columns, options: LadderOptions) -> String {
    let steps = &fold_probes(steps);
    let lane = lane_width(steps, columns, options);
    let mut out = header(columns, lane);
    let gaps = GapRule::of(steps);
    let mut previous: Option<f64> = None;
    let mut story = Story::Before;
    for step in steps {
        if let Some(before) = previous {
            let silence = step.at_s - before;
            if gaps.is_gap(silence, story) {
                gap(
                    &mut out,
                    lane,
                    &format!("{} of silence", seconds(silence)),
                    step.skipped_before,
                    options.color,
                );
            } else if step.skipped_before > 0 {
                aside(
                    &mut out,
                    lane,
                    &left_out(step.skipped_before),
                    options.color,
                );
            }
        } else if step.skipped_before > 0 {
            aside(
                &mut out,
                lane,
                &left_out(step.skipped_before),
                options.color,
            );
        }
        out.push_str(&line(step, lane, options));
        previous = Some(step.at_s);
        if step.mark == Some(LadderMark::LastActivity) {
            story = Story::Idle;
        }
    }
    out
}

/// Of a long run of keepalive probes the first and the last one tell the story; the others are counted as left out.
fn fold_probes(steps: &[LadderStep]) -> Vec<LadderStep> {
    let is_probe = |step: &LadderStep| {
        step.mark.is_none()
            && step
                .note
                .as_deref()
                .is_some_and(|note| note.starts_with("keepalive probe"))
    };
    let mut folded: Vec<LadderStep> = Vec::with_capacity(steps.len());
    for run in steps.chunk_by(|one, next| is_probe(one) == is_probe(next)) {
        let [first, middle @ .., last] = run else {
            folded.extend_from_slice(run);
            continue;
        };
        if middle.len() < 2 || !is_probe(first) {
            folded.extend_from_slice(run);
            continue;
        }
        let hidden: u64 = middle
            .iter()
            .map(|step| step.skipped_before.saturating_add(1))
            .sum();
        folded.push(first.clone());
        folded.push(LadderStep {
            skipped_before: last.skipped_before.saturating_add(hidden),
            ..last.clone()
        });
    }
    folded
}

const TIME_WIDTH: usize = 11;

/// Whether the last application activity has been drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    Before,
    Idle,
}

/// Which silences are drawn as gaps: long ones, and after the last activity those that make up much of the whole.
struct GapRule {
    idle_s: f64,
}

impl GapRule {
    fn of(steps: &[LadderStep]) -> Self {
        let span = match steps {
            [first, .., last] => last.at_s - first.at_s,
            _ => 0.0,
        };
        Self {
            idle_s: (span / 4.0).max(SHORT_GAP_S),
        }
    }

    fn is_gap(&self, silence: f64, story: Story) -> bool {
        silence >= GAP_S || (story == Story::Idle && silence >= self.idle_s)
    }
}

/// What stands beside the lanes: time, both lines, frame number and mark.
const BESIDE: usize = TIME_WIDTH + 3 + 8 + 14;

/// Dashes and arrow head around a label.
const AROUND: usize = 6;

/// Wide enough for the labels and both names, as narrow as it may be for the screen.
fn lane_width(steps: &[LadderStep], columns: &Columns, options: LadderOptions) -> usize {
    let room = options.width.max(60).saturating_sub(BESIDE);
    let wish = |step: &LadderStep| {
        let label = Label::of(step);
        let whole = label.whole().chars().count() + AROUND;
        if whole <= room {
            whole
        } else {
            label.core.chars().count() + AROUND
        }
    };
    let labels = steps.iter().map(wish).max().unwrap_or(0);
    let names = columns.client.chars().count() + columns.server.chars().count();
    let names = Some(names).filter(|names| *names <= room).unwrap_or(0);
    labels.max(names).max(34)
}

fn header(columns: &Columns, lane: usize) -> String {
    let client = clean(&columns.client);
    let server = clean(&columns.server);
    let used = client.chars().count() + server.chars().count();
    let lanes = lane + 2;
    if used + 2 > lanes {
        return format!(
            "{:TIME_WIDTH$} {client}\n{:TIME_WIDTH$} {server:>lanes$}\n",
            "", ""
        );
    }
    let pad = lanes - used;
    format!("{:TIME_WIDTH$} {client}{}{server}\n", "", " ".repeat(pad))
}

/// The step, and below it what has no room in its arrow.
fn line(step: &LadderStep, lane: usize, options: LadderOptions) -> String {
    let label = Label::of(step);
    let (text, below) = label.fitted(lane.saturating_sub(AROUND));
    let dashes = lane.saturating_sub(text.chars().count() + 4).max(2);
    let (left, right) = (2, dashes.saturating_sub(2));
    let arrow = match step.from {
        Peer::Client => format!("─{} {text} {}▶", "─".repeat(left), "─".repeat(right)),
        Peer::Server => format!("◀{} {text} {}─", "─".repeat(right), "─".repeat(left)),
    };
    let arrow = match step.mark {
        Some(LadderMark::Rst) => options.color.paint(Tone::Harm, &arrow),
        Some(LadderMark::Fin | LadderMark::Trigger) => options.color.paint(Tone::Warning, &arrow),
        _ => arrow,
    };
    let time = format!("{:.3} s", step.at_s);
    let mut line = format!("{time:>TIME_WIDTH$} │{arrow}│");
    if options.frames == FrameColumn::Shown {
        line.push_str(&format!(" #{:<6}", NumberIn::from(step).to_string()));
    }
    if let Some(mark) = step.mark {
        line.push_str(&format!(" {}", mark_text(mark)));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    for part in below {
        line.push_str(&format!(
            "{:TIME_WIDTH$} │{:lane$}│\n",
            "",
            format!("    {part}")
        ));
    }
    line
}

fn mark_text(mark: LadderMark) -> &'static str {
    match mark {
        LadderMark::LastActivity => "last activity",
        LadderMark::Fin => "◆ FIN",
        LadderMark::Trigger => "◆ trigger",
        LadderMark::Rst => "✖ RST",
    }
}

/// What stands on an arrow.
struct Label {
    /// `P. seq 1 ack 1 len 118`
    core: String,
    /// `request`
    note: Option<String>,
}

impl Label {
    fn of(step: &LadderStep) -> Self {
        let mut core = clean(&step.flags).into_owned();
        core.push_str(&format!(" seq {}", step.seq));
        if let Some(ack) = step.ack {
            core.push_str(&format!(" ack {ack}"));
        }
        if step.len > 0 {
            core.push_str(&format!(" len {}", step.len));
        }
        let note = step.note.as_deref().map(|note| clean(note).into_owned());
        Self { core, note }
    }

    fn whole(&self) -> String {
        match &self.note {
            Some(note) => format!("{}, {note}", self.core),
            None => self.core.clone(),
        }
    }

    /// The text on the arrow, and a note that is too long for it in pieces.
    fn fitted(&self, room: usize) -> (String, Vec<String>) {
        let whole = self.whole();
        match &self.note {
            Some(note) if whole.chars().count() > room => {
                let letters: Vec<char> = note.chars().collect();
                let pieces = letters
                    .chunks(room.max(1))
                    .map(|piece| piece.iter().collect());
                (self.core.clone(), pieces.collect())
            }
            _ => (whole, Vec::new()),
        }
    }
}

fn left_out(packets: u64) -> String {
    super::text::count(packets, "packet left out", "packets left out")
}

fn aside(out: &mut String, lane: usize, text: &str, color: Color) {
    let inner = lane;
    let text = format!("{text:^inner$}");
    out.push_str(&format!(
        "{:TIME_WIDTH$} ┊{}┊\n",
        "",
        color.paint(Tone::Faint, &text)
    ));
}

fn gap(out: &mut String, lane: usize, text: &str, skipped: u64, color: Color) {
    let empty = format!("{:TIME_WIDTH$} ┊{:inner$}┊\n", "", "", inner = lane);
    out.push_str(&empty);
    let both = format!("{text}, {}", left_out(skipped));
    match skipped {
        0 => aside(out, lane, text, color),
        _ if both.chars().count() <= lane => aside(out, lane, &both, color),
        _ => {
            aside(out, lane, text, color);
            aside(out, lane, &left_out(skipped), color);
        }
    }
    out.push_str(&empty);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    const PLAIN: LadderOptions = LadderOptions {
        width: 100,
        color: Color::Plain,
        frames: FrameColumn::Shown,
    };

    #[test]
    fn a_keepalive_race_shows_its_gap_and_its_marks() {
        let finding = sample::keepalive_race();
        insta::assert_snapshot!(render(&finding.ladder, &Columns::of(&finding), PLAIN));
    }

    #[test]
    fn the_lanes_line_up_whoever_speaks() {
        let finding = sample::keepalive_race();
        for width in [0, 60, 80, 100, 200] {
            let text = render(
                &finding.ladder,
                &Columns::of(&finding),
                LadderOptions { width, ..PLAIN },
            );
            let lanes: Vec<usize> = text
                .lines()
                .skip(1)
                .filter_map(|l| {
                    l.chars()
                        .collect::<Vec<_>>()
                        .iter()
                        .rposition(|c| matches!(c, '│' | '┊'))
                })
                .collect();
            assert!(
                lanes.windows(2).all(|w| w[0] == w[1]),
                "width {width}:\n{text}"
            );
        }
    }

    #[test]
    fn frames_of_other_captures_say_so() {
        let mut steps = sample::keepalive_race().ladder;
        steps[1].capture = Some(1);
        let text = render(&steps, &Columns::default(), PLAIN);
        let label = format!("#{} (2)", steps[1].frame);
        assert!(text.contains(&label), "{text}");
    }

    #[test]
    fn of_many_probes_two_are_drawn() {
        let mut steps = sample::keepalive_race().ladder;
        let probe = |n: u32| LadderStep {
            frame: 20 + n,
            at_s: 0.2 + f64::from(n) / 4.0,
            note: Some("keepalive probe".into()),
            mark: None,
            skipped_before: 1,
            ..steps[3].clone()
        };
        let probes: Vec<_> = (1..=8).map(probe).collect();
        steps.splice(4..4, probes);
        let text = render(&steps, &Columns::default(), PLAIN);
        assert_eq!(text.matches("keepalive probe").count(), 2, "{text}");
        assert!(text.contains("13 packets left out"), "{text}");
    }

    #[test]
    fn a_long_note_stands_below_its_arrow_and_is_whole() {
        let mut steps = sample::keepalive_race().ladder;
        let path = format!("GET /{}", "long/".repeat(30));
        steps[2].note = Some(path.clone().into());
        let text = render(&steps, &Columns::default(), PLAIN);
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        let squeezed: String = text.chars().filter(|c| !" │\n".contains(*c)).collect();
        assert!(squeezed.contains(&path.replace(' ', "")), "{text}");
    }

    #[test]
    fn packets_left_out_are_said() {
        let mut finding = sample::keepalive_race();
        finding.ladder[2].skipped_before = 1200;
        let text = render(&finding.ladder, &Columns::of(&finding), PLAIN);
        assert!(text.contains("1,200 packets left out"), "{text}");
    }
}
