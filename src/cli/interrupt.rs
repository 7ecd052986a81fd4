//! Ctrl-C: the first one asks reading to end, the second one ends the process.

use std::sync::atomic::Ordering;

use anyhow::Context;
use whyrst::capture::StopFlag;

/// Exit status of a process that was interrupted, as shells count it (128 + SIGINT).
pub(super) const STATUS: u8 = 130;

/// Takes over SIGINT, SIGTERM and SIGHUP; the flag is raised by the first of them.
pub(super) fn on_interrupt() -> anyhow::Result<StopFlag> {
    let flag = StopFlag::default();
    let raised = flag.clone();
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(STATUS));
        }
    })
    .context("cannot watch for interrupts")?;
    Ok(flag)
}
