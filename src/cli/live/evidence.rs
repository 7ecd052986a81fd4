//! `-w DIR` and `-o FILE.pcapng`: the newest packets are kept in memory; those of a finding are written once they are complete, or at the end.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use whyrst::analysis::Event;
use whyrst::capture::{Frame, FrameId, LinkType};
use whyrst::report::redact::Redactor;
use whyrst::report::{CaptureSummary, Finding, Report, SCHEMA_VERSION, Summary, Tool};
use whyrst::{Interval, Timestamp};

use super::arguments::LiveArgs;
use crate::cli::packets::Replay;
use crate::cli::screen::{self, Verbosity};

/// What comes so long after a finding belongs to it: echoes, retries, the other end's reaction.
const AFTERMATH: Interval = Interval::from_millis(2_000);
/// Findings that wait for that; beyond it the oldest are given up, and counted.
const WAITING: usize = 1_000;
/// Time for writing between two looks at the packets: they are a tenth of a second apart.
const AT_ONCE: Duration = Duration::from_millis(20);
/// Interfaces may be out of step.
const BEFORE: Interval = Interval::from_millis(1_000);

struct Kept {
    stream: Option<u32>,
    id: FrameId,
    time: Timestamp,
    link: LinkType,
    interface: u32,
    original_len: u32,
    len: usize,
}

/// The newest packets, in as many bytes as were granted.
struct Ring {
    bytes: VecDeque<u8>,
    frames: VecDeque<Kept>,
    most: usize,
}

impl Ring {
    /// Of what a frame costs beside its bytes.
    const OVERHEAD: usize = std::mem::size_of::<Kept>();

    fn new(most: usize) -> Self {
        let mut bytes = VecDeque::new();
        // Growing step by step, it would end with room for up to twice as much. Where that much can't be had, it does all the same.
        let _ = bytes.try_reserve_exact(most);
        Self {
            bytes,
            frames: VecDeque::new(),
            most,
        }
    }

    fn push(&mut self, frame: &Frame<'_>, stream: Option<u32>) {
        let len = frame.data.len();
        while !self.frames.is_empty()
            && self.bytes.len() + self.frames.len() * Self::OVERHEAD + len + Self::OVERHEAD
                > self.most
        {
            if let Some(oldest) = self.frames.pop_front() {
                self.bytes.drain(..oldest.len);
            }
        }
        self.bytes.extend(frame.data);
        self.frames.push_back(Kept {
            stream,
            id: frame.id,
            time: frame.time,
            link: frame.link,
            interface: frame.interface,
            original_len: frame.original_len,
            len,
        });
    }

    /// The number of the oldest frame.
    fn oldest(&self) -> Option<u32> {
        self.frames.front().map(|kept| kept.id.number.0)
    }
}

/// Which frames of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// Of one connection.
    Stream(u32),
    /// From a time on.
    Since(Timestamp),
}

impl Wanted {
    fn of(finding: &Finding) -> Self {
        match finding.connections {
            None => Self::Stream(finding.connection.stream),
            // An entry for many.
            Some(_) => Self::Since(finding.first.unwrap_or(finding.at) - BEFORE),
        }
    }

    fn has(self, kept: &Kept) -> bool {
        match self {
            Self::All => true,
            Self::Stream(stream) => kept.stream == Some(stream),
            Self::Since(time) => kept.time >= time,
        }
    }
}

/// Some frames of a ring.
struct Part<'a>(&'a Ring, Wanted);

impl Replay for Part<'_> {
    fn replay(&mut self, take: &mut dyn FnMut(&Frame<'_>)) -> anyhow::Result<()> {
        let Self(ring, wanted) = *self;
        let (front, back) = ring.bytes.as_slices();
        let mut start = 0;
        let mut joined = Vec::new();
        for kept in &ring.frames {
            let end = start + kept.len;
            if wanted.has(kept) {
                let data = match front.get(start..end) {
                    Some(data) => data,
                    None if start >= front.len() => back
                        .get(start - front.len()..end - front.len())
                        .unwrap_or_default(),
                    // It lies across the seam.
                    None => {
                        joined.clear();
                        joined.extend_from_slice(front.get(start..).unwrap_or_default());
                        joined.extend_from_slice(back.get(..end - front.len()).unwrap_or_default());
                        &joined
                    }
                };
                take(&Frame {
                    id: kept.id,
                    time: kept.time,
                    link: kept.link,
                    interface: kept.interface,
                    data,
                    original_len: kept.original_len,
                });
            }
            start = end;
        }
        Ok(())
    }
}

/// Writes evidence.
pub(super) struct Keeper<'a> {
    args: &'a LiveArgs,
    ring: Ring,
    waiting: VecDeque<(Timestamp, Finding)>,
    given_up: u64,
    /// How many could not be written, and why the first could not.
    failed: Option<(u64, anyhow::Error)>,
    /// Files of this run, oldest first.
    written: VecDeque<PathBuf>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(args: &'a LiveArgs) -> Option<Self> {
        args.keeps_packets().then(|| Self {
            args,
            ring: Ring::new(usize::try_from(args.evidence_memory()).unwrap_or(usize::MAX)),
            waiting: VecDeque::new(),
            given_up: 0,
            failed: None,
            written: VecDeque::new(),
        })
    }

    /// `stream`: which connection's it is.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, stream: Option<u32>) {
        self.ring.push(frame, stream);
    }

    /// A finding is written once; an amendment that comes while it waits is in it.
    pub(super) fn event(&mut self, event: &Event, now: Timestamp) {
        if self.args.write_evidence.is_none() {
            return;
        }
        let finding = event.finding();
        match event {
            Event::New(_) => self.waiting.push_back((now + AFTERMATH, finding.clone())),
            Event::Amended { before, .. } => {
                if let Some((_, waiting)) = self.waiting.iter_mut().find(|(_, w)| w.id == before.id)
                {
                    waiting.clone_from(finding);
                }
            }
            Event::Withdrawn(_) => self.waiting.retain(|(_, waiting)| waiting.id != finding.id),
        }
    }

    /// Writes what is complete at `now`, as far as there is time.
    pub(super) fn write_due(&mut self, now: Timestamp, redactor: Option<&Redactor>) {
        let begun = Instant::now();
        while self.waiting.front().is_some_and(|(due, _)| *due <= now) && begun.elapsed() < AT_ONCE
        {
            self.write_next(redactor);
        }
        while self.waiting.len() > WAITING {
            self.waiting.pop_front();
            self.given_up += 1;
        }
    }

    /// Writes what waits, at the end.
    pub(super) fn write_rest(&mut self, redactor: Option<&Redactor>) {
        while !self.waiting.is_empty() {
            self.write_next(redactor);
        }
        if self.given_up > 0 {
            screen::warn(
                &format!(
                    "{} findings came faster than their packets could be written",
                    self.given_up
                ),
                self.args.screen.verbosity(),
            );
        }
    }

    /// What became of it, at the end.
    pub(super) fn outcome(self) -> anyhow::Result<()> {
        match self.failed {
            None => Ok(()),
            Some((count, error)) => {
                Err(error.context(format!("{count} files of evidence could not be written")))
            }
        }
    }

    /// A full disk is no reason to stop watching: the first failure is said at once, and all of them at the end.
    fn write_next(&mut self, redactor: Option<&Redactor>) {
        let (Some((_, finding)), Some(directory)) =
            (self.waiting.pop_front(), self.args.write_evidence.as_ref())
        else {
            return;
        };
        if let Err(error) = self.write(finding, directory, redactor) {
            match &mut self.failed {
                Some((count, _)) => *count += 1,
                None => {
                    screen::complain(&format!("{error:#}"));
                    self.failed = Some((1, error));
                }
            }
        }
    }

    fn write(
        &mut self,
        finding: Finding,
        directory: &Path,
        redactor: Option<&Redactor>,
    ) -> anyhow::Result<()> {
        let path = directory.join(file_name(&finding));
        // Whoever watches the directory sees whole files only.
        let unfinished = path.with_extension("part");
        let mut packets = Part(&self.ring, Wanted::of(&finding));
        // That packets were left out is said once, in the manual, and not a thousand times.
        self.args.evidence.write(
            &unfinished,
            &about(finding),
            redactor,
            &mut packets,
            Verbosity::Quiet,
        )?;
        fs::rename(&unfinished, &path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.written.push_back(path);
        if self.written.len() > self.args.evidence_files
            && let Some(oldest) = self.written.pop_front()
        {
            // Somebody may have moved it away.
            let _ = fs::remove_file(oldest);
        }
        Ok(())
    }

    /// `-o FILE.pcapng`: what is still kept of all that the report tells. The report is the one with the real addresses.
    pub(super) fn write_all(
        &mut self,
        report: &Report,
        redactor: Option<&Redactor>,
    ) -> anyhow::Result<()> {
        let verbosity = self.args.screen.verbosity();
        for path in self.args.output.evidence() {
            self.args.evidence.write(
                path,
                report,
                redactor,
                &mut Part(&self.ring, Wanted::All),
                verbosity,
            )?;
            let oldest = self.ring.oldest();
            let gone = report
                .findings()
                .filter(|finding| oldest.is_none_or(|oldest| finding.frame < oldest))
                .count();
            if gone > 0 {
                screen::warn(
                    &format!(
                        "{}: the packets of {gone} findings were no longer kept; --evidence-memory keeps more",
                        path.display()
                    ),
                    verbosity,
                );
            }
        }
        Ok(())
    }
}

/// `20261121T052501-r3-keepalive-race.pcapng`
fn file_name(finding: &Finding) -> String {
    let clock = finding.at.to_datetime().format("%Y%m%dT%H%M%S");
    format!("{clock}-{}-{}.pcapng", finding.id, finding.cause)
}

/// A report of this one finding.
fn about(finding: Finding) -> Report {
    let (resets, hang_ups) = if finding.form.is_some() {
        (vec![finding], Vec::new())
    } else {
        (Vec::new(), vec![finding])
    };
    Report {
        schema_version: SCHEMA_VERSION.to_owned(),
        tool: Tool::this(),
        heading: Default::default(),
        captures: vec![CaptureSummary {
            path: "live".to_owned(),
            ..CaptureSummary::default()
        }],
        summary: Summary::default(),
        resets,
        hang_ups,
        idle_timeouts: Vec::new(),
        alignment: Vec::new(),
        advice: Vec::new(),
        connections: None,
        caveats: Vec::new(),
    }
}
