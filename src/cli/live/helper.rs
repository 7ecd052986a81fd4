//! The process that holds the kernel's trace.
//!
//! Removing a tracefs instance needs root, which the process that reads packets has given up by then. So a small one of its own
//! keeps root, with no capability but those to see who listens: it makes the instance, writes the trace's lines to its standard output, and
//! removes the instance when its standard input ends: also when the process that reads packets was killed.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::time::{ClockId, clock_gettime};
use whyrst::Timestamp;
use whyrst::analysis::Witness;
use whyrst::capture::live::interfaces;
use whyrst::kernel::{
    ListenerTable, OwnHost, Side, TraceInstance, TraceLine, find_tracefs, parse_trace_line,
    read_until, remove_leftovers,
};

use super::arguments::{KernelWord, LiveArgs};
use crate::cli::screen;

const READY: &str = "ready";
const PROC: &str = "/proc";
/// Lines that wait to be read; a flood beyond it waits in the pipe, then in the kernel, which counts what it loses.
const QUEUE: usize = 16_384;
/// The trace is looked at this often.
const READ_EVERY: Duration = Duration::from_millis(20);
/// How far it was read is said this often.
const SAID_EVERY: Duration = Duration::from_millis(50);
/// The table of listeners is read again after this at the earliest.
const LISTENERS_KEPT: Duration = Duration::from_secs(1);

/// A helper that was started and may not be ready yet.
pub(super) struct Starting {
    helper: Option<(Child, ChildStdin, BufReader<std::process::ChildStdout>)>,
    /// Why there is none.
    why: Option<String>,
}

/// The kernel's word, being listened to.
pub(super) struct Kernel {
    child: Child,
    /// Closing it ends the helper.
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What the analysis is to ask.
    witness: Option<Witness>,
}

impl Kernel {
    /// Starts the helper where it can be of use.
    pub(super) fn start(args: &LiveArgs) -> anyhow::Result<Starting> {
        let none = |why: Option<String>| Starting { helper: None, why };
        if args.kernel == KernelWord::Off || args.read.is_some() {
            return Ok(none(None));
        }
        let mut command = Command::new(std::env::current_exe().context("this program's path")?);
        command
            .args(["live", "--kernel-helper"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(none(Some(format!("cannot start a helper: {error}")))),
        };
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Starting {
                helper: Some((child, input, BufReader::new(output))),
                why: None,
            }),
            _ => Ok(none(Some("the helper has no pipes".to_owned()))),
        }
    }

    /// Hands over the witness, once.
    pub(super) fn witness(&mut self) -> Option<Witness> {
        self.witness.take()
    }

    /// Lines that came since.
    pub(super) fn lines(&self, witness: &mut Witness) {
        let boot = boot();
        loop {
            match self.lines.try_recv() {
                Ok(line) => witness.line(&line, boot),
                Err(TryRecvError::Empty) => return,
                // It was killed.
                Err(TryRecvError::Disconnected) => return witness.end(),
            }
        }
    }

    /// Ends the helper, takes what it had still to say, and waits until the instance is gone.
    pub(super) fn end(&mut self, witness: &mut Witness) {
        self.input = None;
        while let Ok(line) = self.lines.recv() {
            witness.line(&line, boot());
        }
        witness.end();
        let _ = self.child.wait();
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.input = None;
        // With lines that nobody takes it could not end.
        while self.lines.recv().is_ok() {}
        let _ = self.child.wait();
    }
}

impl Starting {
    /// Waits for the helper and listens to it. Without one: a line on standard error, or an error where one was demanded.
    pub(super) fn listen(self, args: &LiveArgs) -> anyhow::Result<Option<Kernel>> {
        let why = match (self.helper, self.why) {
            (Some((mut child, input, mut output)), _) => {
                let mut first = String::new();
                let read = output.read_line(&mut first);
                if read.is_ok() && first.trim_end() == READY {
                    return Ok(Some(Kernel {
                        child,
                        input: Some(input),
                        lines: read_on(output)?,
                        witness: Some(Witness::new(
                            OwnHost::read(Path::new(PROC), own_addresses()),
                            now(),
                        )),
                    }));
                }
                drop(input);
                let _ = child.wait();
                match first.trim_end() {
                    "" => "the helper ended".to_owned(),
                    why => why.to_owned(),
                }
            }
            (None, Some(why)) => why,
            (None, None) => return Ok(None),
        };
        if args.kernel == KernelWord::On {
            bail!("the kernel can't be asked for its reasons: {why}");
        }
        if args.screen.verbosity() != screen::Verbosity::Quiet {
            screen::complain(&format!("without the kernel's own reasons: {why}"));
        }
        Ok(None)
    }
}

fn read_on(mut output: BufReader<std::process::ChildStdout>) -> anyhow::Result<Receiver<String>> {
    let (to, lines) = sync_channel(QUEUE);
    thread::Builder::new()
        .name("kernel".to_owned())
        .spawn(move || {
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|n| n > 0) {
                if to.send(line.trim_end_matches('\n').to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        })
        .context("cannot start a thread")?;
    Ok(lines)
}

/// Addresses of this network namespace.
fn own_addresses() -> Vec<IpAddr> {
    interfaces()
        .unwrap_or_default()
        .into_iter()
        .flat_map(|interface| interface.addresses)
        .collect()
}

fn nanos(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |time| {
        time.tv_sec()
            .saturating_mul(1_000_000_000)
            .saturating_add(time.tv_nsec())
    })
}

/// The time of day, on the clock of the packets.
fn now() -> Timestamp {
    Timestamp::from_nanos(nanos(ClockId::CLOCK_REALTIME))
}

/// The time of day when the trace clock (`mono`) was zero. Asked again for each batch of lines: the time of day may be set.
fn boot() -> Timestamp {
    /// Whoever is preempted between both clocks asks again.
    const ATTEMPTS: u32 = 5;
    const AT_ONCE: i64 = 1_000_000;
    let mut attempt = 1;
    loop {
        let before = nanos(ClockId::CLOCK_MONOTONIC);
        let now = nanos(ClockId::CLOCK_REALTIME);
        let took = nanos(ClockId::CLOCK_MONOTONIC).saturating_sub(before);
        if took < AT_ONCE || attempt == ATTEMPTS {
            return Timestamp::from_nanos(now.saturating_sub(before));
        }
        attempt += 1;
    }
}

/// The helper itself. Whatever goes wrong is its first line.
pub(super) fn run() {
    let mut out = io::stdout().lock();
    let result = prepare().and_then(|instance| {
        writeln!(out, "{READY}")?;
        out.flush()?;
        serve(instance, &mut out)
    });
    if let Err(error) = result {
        let text = format!("{error:#}").replace('\n', " ");
        let _ = writeln!(out, "{text}");
    }
}

fn prepare() -> anyhow::Result<TraceInstance> {
    // Ctrl-C goes to the whole foreground group; the helper ends with its input.
    let ignored = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
        signal_hook::consts::SIGQUIT,
    ] {
        signal_hook::flag::register(signal, ignored.clone())?;
    }
    let tracefs = tracefs()?;
    remove_leftovers(&tracefs);
    let instance = match TraceInstance::create(&tracefs, std::process::id()) {
        Err(error) if error.is_permission() => bail!("that needs root ({error})"),
        created => created?,
    };
    super::privileges::keep_only_sight();
    Ok(instance)
}

/// Where tracefs is mounted; where it is not, as in containers and under `ip netns exec`, it is mounted for this process alone.
fn tracefs() -> anyhow::Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if let Some(path) = find_tracefs(&mounts) {
        return Ok(path);
    }
    let path = PathBuf::from("/sys/kernel/tracing");
    let mounted = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| {
            let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        })
        .and_then(|()| {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(Some("tracefs"), &path, Some("tracefs"), flags, None::<&str>)
        });
    match mounted {
        Ok(()) => Ok(path),
        Err(error @ (Errno::EPERM | Errno::EACCES)) => {
            bail!(
                "that needs root with CAP_SYS_ADMIN: tracefs is not mounted, and can't be ({error})"
            )
        }
        Err(error) => bail!("tracefs is not mounted, and can't be ({error})"),
    }
}

fn serve(mut instance: TraceInstance, out: &mut impl Write) -> anyhow::Result<()> {
    let over = Arc::new(AtomicBool::new(false));
    let ended = over.clone();
    thread::Builder::new().spawn(move || {
        // Nothing is ever sent: the end is the message.
        let _ = io::stdin().lock().read(&mut [0; 16]);
        ended.store(true, Ordering::Relaxed);
    })?;
    let mut listeners = Listeners::default();
    let mut batch = String::new();
    let mut said: Option<Instant> = None;
    loop {
        let last = over.load(Ordering::Relaxed);
        batch.clear();
        let until = nanos(ClockId::CLOCK_MONOTONIC);
        instance.read_lines(|line| {
            let line = with_name(line);
            batch.push_str(&line);
            if let TraceLine::Reset(event) = parse_trace_line(&line) {
                let local = match event.side {
                    Side::Sent => event.from,
                    Side::Received => event.to,
                };
                if let Some(process) = listeners.holder(local) {
                    batch.push_str("\tlistener=");
                    batch.push_str(&process);
                }
            }
            batch.push('\n');
        })?;
        if last || !batch.is_empty() || said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            batch.push_str(&read_until(until));
            batch.push('\n');
            said = Some(Instant::now());
        }
        if !batch.is_empty()
            && out
                .write_all(batch.as_bytes())
                .and_then(|()| out.flush())
                .is_err()
            || last
        {
            return Ok(());
        }
        thread::sleep(READ_EVERY);
    }
}

/// The kernel writes `<...>` for a task whose name it did not note in time; while the task lives, /proc knows it.
fn with_name(line: &str) -> Cow<'_, str> {
    let named = || {
        let (before, rest) = line.split_once(UNNAMED)?;
        let pid: u32 = rest.split_whitespace().next()?.parse().ok()?;
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let name: String = name
            .trim_end()
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        Some(format!("{before}{name}-{rest}"))
    };
    match line.trim_start().starts_with(UNNAMED).then(named).flatten() {
        Some(line) => Cow::Owned(line),
        None => Cow::Borrowed(line),
    }
}

const UNNAMED: &str = "<...>-";

/// The table of listeners, read when it is asked for and not too often.
#[derive(Default)]
struct Listeners {
    table: ListenerTable,
    /// Those of this network namespace: of others, the tracepoints tell, too, and the table does not.
    addresses: Vec<IpAddr>,
    next_read: Option<Instant>,
}

impl Listeners {
    fn holder(&mut self, local: SocketAddr) -> Option<String> {
        let now = Instant::now();
        if self.next_read.is_none_or(|next| now >= next) {
            self.table = ListenerTable::read(Path::new(PROC));
            self.addresses = own_addresses();
            let took = now.elapsed();
            self.next_read = Some(now + LISTENERS_KEPT.max(took * 20));
        }
        let is_here = self.addresses.contains(&local.ip());
        self.table
            .holder(local)
            .filter(|_| is_here)
            .map(ToString::to_string)
    }
}
