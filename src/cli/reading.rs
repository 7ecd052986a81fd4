//! Frames from the inputs to whoever takes them, with filter, progress and interrupts.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use anyhow::bail;
use whyrst::Interval;
use whyrst::capture::{CaptureFilter, Captures, FileFacts, Frame, Input, StopFlag, link_type_name};
use whyrst::report::CaptureSummary;

use super::progress::Bar;
use super::screen::{self, Verbosity};

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All was read.
    Complete,
    /// Interrupted before that.
    Interrupted,
}

/// Interrupts are looked for and progress is shown after this many frames.
const BATCH: u32 = 4096;

/// Hands every frame that the filter lets pass to `take`. Damage is warned of and is no error.
pub(super) fn read(
    inputs: &[Input],
    mut filter: Option<CaptureFilter>,
    stop: &StopFlag,
    verbosity: Verbosity,
    mut take: impl FnMut(&Frame<'_>),
) -> anyhow::Result<(Vec<FileFacts>, Ending)> {
    let mut captures = Captures::open_stoppable(inputs, stop.clone())?;
    for facts in captures.facts() {
        if let Some(error) = facts.unreadable {
            return Err(error.into());
        }
    }
    if verbosity == Verbosity::Verbose {
        let names: Vec<_> = inputs.iter().map(ToString::to_string).collect();
        screen::complain(&format!("reading {}", names.join(" ")));
    }
    let bar = Bar::new(captures.progress(), verbosity);
    loop {
        let read = match &mut filter {
            None => {
                let Ok(read) = captures.next_frames(BATCH, |frame| {
                    take(frame);
                    Ok::<_, Infallible>(())
                });
                read
            }
            Some(filter) => captures.next_frames(BATCH, |frame| {
                if filter.matches(frame)? {
                    take(frame);
                }
                anyhow::Ok(())
            })?,
        };
        bar.at(captures.progress());
        if read < BATCH || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    drop(bar);
    let facts = captures.facts();
    if facts.iter().any(|f| f.unreadable.is_some()) {
        bail!("a file went away while it was being read");
    }
    let ending = if stop.load(Ordering::Relaxed) {
        Ending::Interrupted
    } else {
        Ending::Complete
    };
    tell(&facts, ending, verbosity);
    Ok((facts, ending))
}

/// Warnings of damage; with `-v`, what was read.
fn tell(facts: &[FileFacts], ending: Ending, verbosity: Verbosity) {
    for file in facts {
        // A stream that was stopped by the user may well end within a packet.
        if let (Some(damage), Ending::Complete) = (&file.damage, ending) {
            screen::warn(&format!("{}: {damage}", file.input), verbosity);
        }
        if verbosity == Verbosity::Verbose {
            screen::complain(&format!(
                "{}: {}, {} frames, link types {}",
                file.input,
                file.format.name(),
                file.frames,
                link_types(file).join(" "),
            ));
        }
    }
}

fn link_types(facts: &FileFacts) -> Vec<String> {
    facts
        .link_types
        .iter()
        .map(|link| link_type_name(*link).into_owned())
        .collect()
}

/// What the report says of each file; the analysis adds its own counts.
pub(super) fn summaries(
    facts: &[FileFacts],
    vantage: Option<&str>,
    ending: Ending,
) -> Vec<CaptureSummary> {
    facts
        .iter()
        .map(|file| CaptureSummary {
            path: file.input.to_string(),
            vantage: vantage.map(str::to_owned),
            format: file.format.name().to_owned(),
            compression: file.compression.name().to_owned(),
            link_types: link_types(file),
            first: file.first,
            last: file.last,
            frames: file.frames,
            truncated_frames: file.truncated_frames,
            dropped_by_kernel: file.dropped_by_kernel.unwrap_or(0),
            clock_step_s: file.clock_step().map(Interval::as_secs_f64),
            damage: file
                .damage
                .as_ref()
                .filter(|_| ending == Ending::Complete)
                .map(ToString::to_string),
            ..CaptureSummary::default()
        })
        .collect()
}
