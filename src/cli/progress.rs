//! The progress bar on standard error: for long files, on a terminal, unless `-q`.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use whyrst::capture::Progress;

use super::screen::Verbosity;

/// Shorter inputs are done before a bar is read.
const LONG: u64 = 64 << 20;

/// A bar, or nothing.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Decides whether there is one.
    pub(super) fn new(progress: Progress, verbosity: Verbosity) -> Self {
        let total = progress.total.filter(|total| *total >= LONG);
        let wanted = verbosity != Verbosity::Quiet && stderr().is_terminal();
        let bar = total.filter(|_| wanted).map(|total| {
            let bar = ProgressBar::new(total);
            let style = "reading {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar
        });
        Self(bar)
    }

    /// Moves it.
    pub(super) fn at(&self, progress: Progress) {
        if let Some(bar) = &self.0 {
            bar.set_position(progress.read);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
