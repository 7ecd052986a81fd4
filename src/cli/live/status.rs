//! The line at the bottom of the terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use whyrst::analysis::Event;
use whyrst::verdict::Cause;

use super::source::{Drops, Seen};

const EVERY: Duration = Duration::from_millis(500);

/// Findings by cause, as they stand.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<Cause, u64>);

impl Tally {
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::New(finding) => *self.0.entry(finding.cause).or_default() += 1,
            Event::Amended { before, now } => {
                self.take_back(before.cause);
                *self.0.entry(now.cause).or_default() += 1;
            }
            Event::Withdrawn(finding) => self.take_back(finding.cause),
        }
    }

    fn take_back(&mut self, cause: Cause) {
        if let Some(count) = self.0.get_mut(&cause) {
            *count = count.saturating_sub(1);
        }
    }

    /// `3 keepalive-race, 1 injected`
    pub(super) fn describe(&self) -> String {
        let mut rows: Vec<_> = self.0.iter().filter(|(_, count)| **count > 0).collect();
        rows.sort_by_key(|(cause, count)| (std::cmp::Reverse(**count), **cause));
        let words: Vec<_> = rows
            .iter()
            .map(|(cause, count)| format!("{count} {cause}"))
            .collect();
        if words.is_empty() {
            "no finding yet".to_owned()
        } else {
            words.join(", ")
        }
    }
}

/// What the line and SIGUSR1 say.
pub(super) fn describe(seen: &Seen, connections: u64, tally: &Tally, drops: Drops) -> String {
    let counted = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    format!(
        "{}, {}, {}, {} dropped",
        counted(seen.frames, "packet"),
        counted(connections, "connection"),
        tally.describe(),
        drops.by_kernel + drops.by_interface
    )
}

/// The line, where there is a terminal.
#[derive(Debug)]
pub(super) struct StatusLine {
    shown: bool,
    next: Option<Instant>,
}

impl StatusLine {
    /// `wanted` is a fact about the terminal, not a mode of this line.
    pub(super) fn new(wanted: Option<Instant>) -> Self {
        Self {
            shown: false,
            next: wanted,
        }
    }

    /// It is time to draw it again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| now >= next)
    }

    pub(super) fn draw(&mut self, text: &str, now: Instant) {
        let width = terminal_size::terminal_size_of(io::stderr())
            .map_or(80, |(width, _)| usize::from(width.0))
            .saturating_sub(1);
        let text: String = text.chars().take(width).collect();
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
        self.shown = true;
        self.next = Some(now + EVERY);
    }

    /// Makes room for other lines.
    pub(super) fn clear(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
            self.shown = false;
        }
    }
}
