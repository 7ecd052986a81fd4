//! The loop: frames to the analysis, findings to whoever wants them, until it is time to stop.

use std::time::{Duration, Instant};

use anyhow::bail;
use whyrst::analysis::{AnalysisOptions, Analyzer, Event};
use whyrst::capture::Frame;
use whyrst::report::Finding;
use whyrst::report::redact::Redactor;
use whyrst::{Interval, Timestamp};

use super::arguments::LiveArgs;
use super::evidence::Keeper;
use super::helper::Kernel;
use super::memory::{self, Governor, LEAST_CONNECTIONS};
use super::metrics::{self, Endpoint, Shared};
use super::source::{Brought, Drops, Seen, Source};
use super::status::{self, StatusLine, Tally};
use super::telling::Teller;
use super::{Signals, has_status_line};
use crate::cli::Outcome;
use crate::cli::screen::{self, Verbosity};

/// Findings are looked for this often; less often where looking takes long.
const TICK: Interval = Interval::from_millis(100);
/// At most a fifth of the time goes into looking for findings.
const SHARE: i32 = 4;
/// How long the source is waited for.
const WAIT: Duration = Duration::from_millis(50);
/// Drops are asked for (before a finding has settled: it may rest on what was not seen), memory is looked at, metrics are set.
const HOUSEKEEPING: Duration = Duration::from_millis(250);
/// The metrics' file is written.
const FILE_EVERY: Duration = Duration::from_secs(15);
/// Idle timeouts are inferred again for the metrics; less often where that takes long.
const INFER_EVERY: Duration = Duration::from_secs(60);
/// When periodic work is due next.
struct Schedule {
    housekeeping: Instant,
    file: Instant,
    inference: Instant,
}

/// A run.
pub(super) struct Session<'a> {
    args: &'a LiveArgs,
    analyzer: Analyzer,
    kernel: Option<Kernel>,
    teller: Teller,
    tally: Tally,
    /// Who replaces names, where that was asked for.
    redactor: Option<Redactor>,
    keeper: Option<Keeper<'a>>,
    metrics: Option<Shared>,
    governor: Governor,
    line: StatusLine,
    seen: Seen,
    drops: Drops,
    /// When, on the frames' clock, findings are looked for next.
    next_tick: Option<Timestamp>,
    tick: Interval,
    /// When the newest frame was read.
    read_at: Instant,
    /// Interfaces that are known to have failed.
    failed: Vec<String>,
    schedule: Schedule,
    /// The first thing that went wrong inside a callback.
    error: Option<anyhow::Error>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        args: &'a LiveArgs,
        options: AnalysisOptions,
        mut kernel: Option<Kernel>,
        endpoint: Endpoint,
        redactor: Option<Redactor>,
    ) -> anyhow::Result<Self> {
        let mut analyzer = Analyzer::new(AnalysisOptions {
            connections: args.report.rows(&args.output),
            heading: args.report.heading(),
            limits: memory::limits(args.memory_for_analysis()),
            filter: args.filter(),
            ..options
        });
        analyzer.watch();
        if let Some(witness) = kernel.as_mut().and_then(Kernel::witness) {
            analyzer.hear(witness);
        }
        let now = Instant::now();
        Ok(Self {
            args,
            analyzer,
            kernel,
            teller: Teller::new(args),
            tally: Tally::default(),
            redactor,
            keeper: Keeper::new(args),
            metrics: endpoint.serve()?,
            governor: Governor::new(args.max_memory(), args.memory_for_analysis()),
            line: StatusLine::new(has_status_line(args).then_some(now)),
            seen: Seen::default(),
            drops: Drops::default(),
            next_tick: None,
            tick: TICK,
            read_at: now,
            failed: Vec::new(),
            schedule: Schedule {
                housekeeping: now,
                file: now,
                inference: now + INFER_EVERY,
            },
            error: None,
        })
    }

    /// Until a signal, `--duration`, `-c` or the end of the source.
    pub(super) fn watch(&mut self, source: &mut Source, signals: &Signals) -> anyhow::Result<()> {
        let until = self.args.duration.map(|duration| Instant::now() + duration);
        self.announce(source);
        loop {
            let brought = source.read(WAIT, |frame| self.frame(frame))?;
            self.idle();
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if brought == Brought::End || self.is_full() {
                return Ok(());
            }
            self.keep_house(source, signals)?;
            if signals.stop_is_asked_for() || until.is_some_and(|until| Instant::now() >= until) {
                source.drain(|frame| self.frame(frame))?;
                return self.error.take().map_or(Ok(()), Err);
            }
        }
    }

    fn announce(&self, source: &Source) {
        if self.args.screen.verbosity() == Verbosity::Quiet {
            return;
        }
        for line in source.describe() {
            let name = line.split(':').next().unwrap_or_default();
            screen::complain(&format!("watching {name}"));
        }
        if self.args.screen.verbosity() == Verbosity::Verbose && self.kernel.is_some() {
            screen::complain("the kernel says why it sends a RST");
        }
    }

    fn is_full(&self) -> bool {
        self.args.count.is_some_and(|most| self.seen.frames >= most)
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        if self.is_full() {
            return;
        }
        match self.next_tick {
            None => self.next_tick = Some(frame.time + self.tick),
            Some(due) if frame.time >= due => self.look(frame.time),
            Some(_) => {}
        }
        self.seen.count(frame);
        let stream = self.analyzer.place(frame);
        if let Some(keeper) = &mut self.keeper {
            keeper.frame(frame, stream);
        }
        self.read_at = Instant::now();
    }

    /// No frame tells the time: it has gone on since the last one.
    fn idle(&mut self) {
        if let (Some(due), Some(now)) = (self.next_tick, self.now())
            && now >= due
        {
            self.look(now);
        }
    }

    /// On the frames' clock.
    fn now(&self) -> Option<Timestamp> {
        let gone = i64::try_from(self.read_at.elapsed().as_nanos()).unwrap_or(i64::MAX);
        Some(self.seen.last? + Interval::from_nanos(gone))
    }

    /// Looks for findings and tells them.
    fn look(&mut self, now: Timestamp) {
        let started = Instant::now();
        if let (Some(kernel), Some(witness)) = (&self.kernel, self.analyzer.witness()) {
            kernel.lines(witness);
        }
        let events = self.analyzer.tick(now);
        let result = self.tell(events, now);
        if let (Err(error), None) = (result, &self.error) {
            self.error = Some(error);
        }
        let cost = i64::try_from((started.elapsed() * SHARE as u32).as_nanos()).unwrap_or(i64::MAX);
        self.tick = TICK.max(Interval::from_nanos(cost));
        self.next_tick = Some(now + self.tick);
    }

    fn tell(&mut self, events: Vec<Event>, now: Timestamp) -> anyhow::Result<()> {
        if let Some(keeper) = &mut self.keeper {
            // Packets are found by their real addresses.
            events.iter().for_each(|event| keeper.event(event, now));
            keeper.write_due(now, self.redactor.as_ref());
        }
        if events.is_empty() {
            return Ok(());
        }
        let events = match &self.redactor {
            Some(redactor) => events
                .iter()
                .map(|event| redacted(event, redactor))
                .collect(),
            None => events,
        };
        self.line.clear();
        self.teller.tell(&events)?;
        for event in &events {
            self.tally.count(event);
            if let Some(metrics) = &self.metrics {
                metrics.update(|metrics| metrics.count(event));
            }
        }
        Ok(())
    }

    fn keep_house(&mut self, source: &mut Source, signals: &Signals) -> anyhow::Result<()> {
        let now = Instant::now();
        if now >= self.schedule.housekeeping {
            self.schedule.housekeeping = now + HOUSEKEEPING;
            self.set_drops(source.drops());
            self.say_failures(source);
            self.govern_memory();
            self.set_metrics();
        }
        if now >= self.schedule.inference {
            self.infer(now);
        }
        if now >= self.schedule.file {
            self.schedule.file = now + FILE_EVERY;
            self.write_metrics();
        }
        if signals.statistics_are_asked_for() {
            self.set_drops(source.drops());
            self.line.clear();
            self.say_statistics(source);
        }
        if self.line.is_due(now) {
            let text = self.describe();
            self.line.draw(&text, now);
        }
        Ok(())
    }

    fn set_drops(&mut self, drops: Drops) {
        if drops != self.drops && drops != Drops::default() {
            // Nothing may be inferred from what was not seen.
            self.analyzer.packets_were_dropped();
        }
        self.drops = drops;
    }

    fn set_metrics(&self) {
        if let Some(metrics) = &self.metrics {
            let (connections, evicted) = (
                self.analyzer.connections_seen(),
                self.analyzer.connections_evicted(),
            );
            metrics.update(|metrics| metrics.set(&self.seen, connections, evicted, self.drops));
        }
    }

    /// Others may go on without it: said at once, not at the end of a week.
    fn say_failures(&mut self, source: &Source) {
        let failures = source.failures();
        for failure in &failures {
            if !self.failed.contains(failure) {
                self.line.clear();
                screen::complain(failure);
            }
        }
        self.failed = failures;
    }

    fn govern_memory(&mut self) {
        let is_short = metrics::resident().is_some_and(|resident| self.governor.is_short(resident));
        if is_short && self.analyzer.connections_held() > LEAST_CONNECTIONS {
            self.analyzer.hold_less(LEAST_CONNECTIONS);
            if self.args.screen.verbosity() == Verbosity::Verbose {
                self.line.clear();
                let held = self.analyzer.connections_held();
                screen::complain(&format!(
                    "memory is short: {held} connections are held from now on"
                ));
            }
        }
    }

    /// A full disk is no reason to stop watching.
    fn write_metrics(&mut self) {
        if let (Some(metrics), Some(path)) = (&self.metrics, &self.args.metrics_file)
            && let Err(error) = metrics.write(path)
        {
            self.line.clear();
            screen::complain(&format!("cannot write {}: {error}", path.display()));
        }
    }

    /// Idle timeouts for the metrics.
    fn infer(&mut self, now: Instant) {
        if let Some(metrics) = &self.metrics {
            let mut timeouts = self.analyzer.idle_timeouts();
            if let Some(redactor) = &self.redactor {
                for timeout in &mut timeouts {
                    timeout.endpoint.addr = redactor.address(timeout.endpoint.addr);
                }
            }
            metrics.update(|metrics| metrics.set_timeouts(&timeouts));
        }
        self.schedule.inference = now + INFER_EVERY.max(now.elapsed() * 50);
    }

    fn describe(&self) -> String {
        status::describe(
            &self.seen,
            self.analyzer.connections_seen(),
            &self.tally,
            self.drops,
        )
    }

    fn say_statistics(&self, source: &Source) {
        screen::complain(&self.describe());
        for line in source.describe() {
            screen::complain(&line);
        }
    }

    /// Waits for what is still on its way, and writes the report.
    pub(super) fn finish(mut self, mut source: Source) -> anyhow::Result<Outcome> {
        self.line.clear();
        self.set_drops(source.drops());
        if let (Some(mut kernel), Some(witness)) = (self.kernel.take(), self.analyzer.witness()) {
            kernel.end(witness);
        }
        if let (Some(last), Some(now)) = (self.seen.last, self.now()) {
            // What settles later than this is judged as it stands.
            self.look((last + Interval::from_millis(500)).max(now + TICK));
            if let Some(error) = self.error.take() {
                return Err(error);
            }
        }
        let summaries = source.summaries(&self.seen, self.args.report.vantage());
        let mut report = self.analyzer.report(summaries);
        let redactor = self.redactor.as_ref();
        if let Some(keeper) = &mut self.keeper {
            keeper.write_rest(redactor);
            keeper.write_all(&report, redactor)?;
        }
        if let Some(redactor) = redactor {
            report = redactor.report(&report);
        }
        self.set_metrics();
        if let Some(metrics) = &self.metrics {
            metrics.update(|metrics| metrics.set_timeouts(&report.idle_timeouts));
        }
        self.write_metrics();
        let verbosity = self.args.screen.verbosity();
        if verbosity != Verbosity::Quiet {
            self.say_statistics(&source);
        }
        if !(self.args.json_lines && self.args.output.prints()) {
            let view = self.args.report.view(&self.args.screen);
            self.args.output.write(&report, &view, verbosity)?;
        }
        self.keeper.map_or(Ok(()), Keeper::outcome)?;
        let failures = source.failures();
        if !failures.is_empty() && source.is_over() {
            // Whoever started it, systemd perhaps, has to start it again.
            bail!("nothing is left to watch: {}", failures.join("; "));
        }
        Ok(self.args.report.outcome(&report))
    }
}

/// What may be seen of an event.
fn redacted(event: &Event, redactor: &Redactor) -> Event {
    let hide = |finding: &Finding| Box::new(redactor.finding(finding));
    match event {
        Event::New(finding) => Event::New(hide(finding)),
        Event::Amended { before, now } => Event::Amended {
            before: hide(before),
            now: hide(now),
        },
        Event::Withdrawn(finding) => Event::Withdrawn(hide(finding)),
    }
}
