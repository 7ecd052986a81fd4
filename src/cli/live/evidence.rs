//! `-w DIR`: the newest packets are kept in memory; those of a finding are written once they are complete.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use whyrst::analysis::Event;
use whyrst::capture::{Frame, FrameId, LinkType};
use whyrst::report::evidence::{Context, EvidenceOptions, EvidenceWriter, Payload, Selector};
use whyrst::report::{CaptureSummary, Finding, Report, SCHEMA_VERSION, Summary, Tool};
use whyrst::{Interval, Timestamp};

use super::arguments::LiveArgs;

/// What comes so long after a finding belongs to it: echoes, retries, the other end's reaction.
const AFTERMATH: Interval = Interval::from_millis(2_000);
/// Findings that wait for that; more are written at once.
const WAITING: usize = 1_000;

struct Kept {
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

    fn push(&mut self, frame: &Frame<'_>) {
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
            id: frame.id,
            time: frame.time,
            link: frame.link,
            interface: frame.interface,
            original_len: frame.original_len,
            len,
        });
    }

    fn replay(&mut self, mut take: impl FnMut(&Frame<'_>)) {
        let bytes = self.bytes.make_contiguous();
        let mut start = 0;
        for kept in &self.frames {
            let data = bytes.get(start..start + kept.len).unwrap_or_default();
            start += kept.len;
            take(&Frame {
                id: kept.id,
                time: kept.time,
                link: kept.link,
                interface: kept.interface,
                data,
                original_len: kept.original_len,
            });
        }
    }
}

/// Writes evidence.
pub(super) struct Keeper {
    directory: PathBuf,
    payload: Payload,
    ring: Ring,
    waiting: VecDeque<(Timestamp, Finding)>,
}

impl Keeper {
    pub(super) fn new(args: &LiveArgs) -> Option<Self> {
        let directory = args.write_evidence.clone()?;
        Some(Self {
            directory,
            payload: if args.evidence_headers_only {
                Payload::Cut
            } else {
                Payload::Keep
            },
            ring: Ring {
                bytes: VecDeque::new(),
                frames: VecDeque::new(),
                most: usize::try_from(args.evidence_memory).unwrap_or(usize::MAX),
            },
            waiting: VecDeque::new(),
        })
    }

    pub(super) fn frame(&mut self, frame: &Frame<'_>) {
        self.ring.push(frame);
    }

    /// A finding is written once; an amendment that comes while it waits is in it.
    pub(super) fn event(&mut self, event: &Event, now: Timestamp) {
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

    /// Writes what is complete at `now`; everything, where that is the end.
    pub(super) fn write_due(&mut self, now: Timestamp) -> io::Result<()> {
        while let Some((due, _)) = self.waiting.front() {
            if *due > now && self.waiting.len() <= WAITING {
                break;
            }
            if let Some((_, finding)) = self.waiting.pop_front() {
                self.write(finding)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, finding: Finding) -> io::Result<()> {
        let path = self.directory.join(file_name(&finding));
        let report = about(finding);
        let mut selector = Selector::new(&report, Context::Whole);
        self.ring.replay(|frame| selector.frame(frame));
        let options = EvidenceOptions {
            payload: self.payload,
            redactor: None,
        };
        // Whoever watches the directory sees whole files only.
        let unfinished = path.with_extension("part");
        let file = BufWriter::new(File::create(&unfinished)?);
        let mut writer = EvidenceWriter::new(&report, selector.finish(), options, file)?;
        let mut result = Ok(());
        self.ring.replay(|frame| {
            if result.is_ok() {
                result = writer.frame(frame);
            }
        });
        result?;
        writer.finish()?;
        rename(&unfinished, &path)
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
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
