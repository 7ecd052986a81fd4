//! `whyrst live`: findings as they happen.

mod arguments;
mod evidence;
mod helper;
mod memory;
mod metrics;
mod privileges;
mod session;
mod source;
mod status;
mod telling;

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use whyrst::capture::live::{LiveError, interfaces};
use whyrst::report::redact::RedactionKey;

use super::Outcome;
use super::evidence::KeyOfCaptures;
use super::screen;

pub(super) use arguments::LiveArgs;
use helper::Kernel;
use privileges::Privileges;
use session::Session;
use source::Source;

/// Flags that signals raise.
#[derive(Clone, Debug, Default)]
struct Signals {
    stop: Arc<AtomicBool>,
    statistics: Arc<AtomicBool>,
}

impl Signals {
    /// The first Ctrl-C asks for the report, the second ends the process.
    fn watch() -> anyhow::Result<Self> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let status = super::interrupt::STATUS.into();
            signal_hook::flag::register_conditional_shutdown(signal, status, signals.stop.clone())
                .and_then(|_| signal_hook::flag::register(signal, signals.stop.clone()))
                .context("cannot watch for interrupts")?;
        }
        signal_hook::flag::register(SIGUSR1, signals.statistics.clone())
            .context("cannot watch for SIGUSR1")?;
        Ok(signals)
    }

    fn stop_is_asked_for(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn statistics_are_asked_for(&self) -> bool {
        self.statistics.swap(false, Ordering::Relaxed)
    }
}

/// Watches, tells, and writes the report.
pub(super) fn run(args: &LiveArgs) -> anyhow::Result<Outcome> {
    if args.kernel_helper {
        helper::run();
        return Ok(Outcome::Done);
    }
    if args.list_interfaces {
        return list_interfaces();
    }
    args.check()?;
    let signals = Signals::watch()?;
    let options = args.knowledge.options()?;
    let redactor = args.evidence.redactor(key_by_chance(args)?)?;
    // Whatever needs rights comes first: the kernel's word, the interfaces, the port of the metrics.
    let starting = Kernel::start(args)?;
    let mut source = Source::open(args, &signals.stop).map_err(advise)?;
    let endpoint = metrics::Endpoint::bind(args)?;
    Privileges::drop(args)?;
    let kernel = starting.listen(args)?;
    let mut session = Session::new(args, options, kernel, endpoint, redactor)?;
    session.watch(&mut source, &signals)?;
    session.finish(source)
}

/// A key for pseudonyms that no later run can make again: it is wanted before anything was captured.
fn key_by_chance(args: &LiveArgs) -> anyhow::Result<Option<RedactionKey>> {
    if args.evidence.key_of_captures() == KeyOfCaptures::NotNeeded {
        return Ok(None);
    }
    let mut secret = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut secret))
        .context("cannot read /dev/urandom")?;
    Ok(Some(RedactionKey::from_secret(&secret)))
}

/// The one line that helps.
fn advise(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<LiveError>() {
        Some(LiveError::NotPermitted { .. }) => {
            let program = std::env::current_exe()
                .map_or_else(|_| "whyrst".to_owned(), |path| path.display().to_string());
            error.context(format!(
                "capturing needs rights: run it with sudo, or once: sudo setcap cap_net_raw=ep {program}"
            ))
        }
        _ => error,
    }
}

fn list_interfaces() -> anyhow::Result<Outcome> {
    let mut text = String::new();
    for (interface, number) in interfaces()?.iter().zip(1..) {
        let addresses: Vec<_> = interface
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut line = format!("{number}.{}", interface.name);
        if !interface.is_running {
            line.push_str(" [down]");
        }
        for part in [interface.description.clone(), Some(addresses.join(" "))]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
        {
            line.push_str("  ");
            line.push_str(&part);
        }
        text.push_str(&line);
        text.push('\n');
    }
    if text.is_empty() {
        bail!("no interface can be seen");
    }
    screen::print(&text)?;
    Ok(Outcome::Done)
}

/// The status line is for people at a terminal.
fn has_status_line(args: &LiveArgs) -> bool {
    std::io::stderr().is_terminal() && args.screen.verbosity() != screen::Verbosity::Quiet
}
