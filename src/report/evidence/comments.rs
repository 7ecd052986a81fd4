//! What is written on the packets that matter.

use std::collections::BTreeMap;

use crate::capture::FrameId;
use crate::report::text::clean;
use crate::report::{Finding, NumberIn, Report};

/// Remarks by frame.
#[derive(Default)]
pub struct Comments {
    remarks: BTreeMap<FrameId, Vec<Remark>>,
}

/// One finding's word on one frame.
struct Remark {
    text: String,
    /// The frame since which there was silence.
    since: Option<FrameId>,
}

impl Comments {
    /// All remarks on a frame; `number` gives a frame's number in the file being written.
    pub fn on(&self, id: FrameId, number: impl Fn(FrameId) -> Option<u64>) -> Option<String> {
        let remarks =
            self.remarks
                .get(&id)?
                .iter()
                .map(|remark| match remark.since.and_then(&number) {
                    Some(number) => format!("{} since packet {number}", remark.text),
                    None => remark.text.clone(),
                });
        Some(remarks.collect::<Vec<_>>().join("\n"))
    }

    fn add(&mut self, frame: FrameId, text: String, since: Option<FrameId>) {
        self.remarks
            .entry(frame)
            .or_default()
            .push(Remark { text, since });
    }
}

/// The remarks of a whole report.
pub fn of(report: &Report) -> Comments {
    let mut comments = Comments::default();
    for finding in report.findings() {
        add(&mut comments, finding);
    }
    comments
}

fn add(comments: &mut Comments, finding: &Finding) {
    let id = |number: NumberIn| number.frame(finding.capture);
    let end = NumberIn::own(finding.frame);
    let name = format!("whyrst {}", clean(&finding.id));
    let fins = finding.fins_in_order().into_iter();
    for (side, fin) in fins.filter(|(_, fin)| fin.number() != end) {
        comments.add(id(fin.number()), format!("{name}: FIN of the {side}"), None);
    }
    let trigger = finding.trigger.as_ref().filter(|t| t.number() != Some(end));
    if let Some((kind, frame)) = trigger.and_then(|t| Some((t.kind, t.number()?))) {
        comments.add(
            id(frame),
            format!("{name}: {kind} that the RST answers"),
            None,
        );
    }
    let is_reset = finding.frames.contains(&finding.frame);
    let what = if is_reset { "RST" } else { "the end" };
    let mut text = format!("{name}: {what}, {}", finding.cause);
    let mut since = None;
    if let Some(idle) = finding
        .idle
        .application_s
        .or(finding.idle.wire_s)
        .filter(|s| *s >= 0.001)
    {
        text.push_str(&format!(", {idle:.2} s idle"));
        since = finding.idle.since().map(id);
    }
    comments.add(id(end), text, since);
    for frame in finding.numbers().filter(|number| *number != end) {
        comments.add(
            id(frame),
            format!("{name}: another RST of the same event"),
            None,
        );
    }
}
