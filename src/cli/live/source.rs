//! Where frames come from while live: interfaces, or a capture that somebody else is writing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use whyrst::Timestamp;
use whyrst::capture::live::LiveCapture;
use whyrst::capture::{
    CaptureError, CaptureFilter, Captures, FileFacts, Frame, FrameId, Input, LinkType,
    link_type_name,
};
use whyrst::report::CaptureSummary;

use super::arguments::LiveArgs;
use crate::cli::reading::{self, Ending};

/// Frames that wait between the reader of a stream and the analysis.
const QUEUE: usize = 4_096;
/// Frames handed over before the session looks after other things.
const TURN: usize = 4_096;

/// What a look at the source brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Frames.
    Frames,
    /// None within the time.
    Nothing,
    /// None, and none will come.
    End,
}

/// What the capture counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drops {
    pub(super) by_kernel: u64,
    pub(super) by_interface: u64,
}

/// Frames, from wherever.
pub(super) enum Source {
    Interfaces(LiveCapture),
    Stream(Box<Stream>),
}

/// A frame of a stream with bytes of its own.
struct Owned {
    id: FrameId,
    time: Timestamp,
    link: LinkType,
    interface: u32,
    data: Vec<u8>,
    original_len: u32,
}

enum Message {
    Frame(Owned),
    End(Vec<FileFacts>),
    Failed(CaptureError),
}

/// A stream, read by a thread of its own because reading blocks.
pub(super) struct Stream {
    messages: Receiver<Message>,
    filter: Option<CaptureFilter>,
    facts: Vec<FileFacts>,
    is_over: bool,
}

impl Source {
    pub(super) fn open(args: &LiveArgs, stop: &Arc<AtomicBool>) -> anyhow::Result<Self> {
        match &args.read {
            Some(path) => Ok(Self::Stream(Box::new(Stream::open(path, args, stop)?))),
            None => Ok(Self::Interfaces(LiveCapture::open(
                &args.interfaces,
                &args.options(),
            )?)),
        }
    }

    /// Hands over frames; waits at most that long for the first.
    pub(super) fn read(
        &mut self,
        wait: Duration,
        mut take: impl FnMut(&Frame<'_>),
    ) -> anyhow::Result<Brought> {
        match self {
            Self::Interfaces(live) => match live.read(wait, take)? {
                0 if live.is_over() => Ok(Brought::End),
                0 => Ok(Brought::Nothing),
                _ => Ok(Brought::Frames),
            },
            Self::Stream(stream) => stream.read(wait, &mut take),
        }
    }

    /// Hands over what was captured and not yet read.
    pub(super) fn drain(&mut self, mut take: impl FnMut(&Frame<'_>)) -> anyhow::Result<()> {
        match self {
            Self::Interfaces(live) => live.drain(take),
            // The stop has ended the stream where it was.
            Self::Stream(stream) => {
                while stream.read(Duration::from_secs(1), &mut take)? == Brought::Frames {}
            }
        }
        Ok(())
    }

    /// What was dropped so far.
    pub(super) fn drops(&mut self) -> Drops {
        let Self::Interfaces(live) = self else {
            return Drops::default();
        };
        live.count();
        live.interfaces()
            .iter()
            .fold(Drops::default(), |sum, interface| {
                let counts = interface.counts();
                Drops {
                    by_kernel: sum.by_kernel + counts.dropped,
                    by_interface: sum.by_interface + counts.dropped_by_interface,
                }
            })
    }

    /// Every interface has failed.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Interfaces(live) if live.is_over())
    }

    /// Interfaces that give no more packets, and why.
    pub(super) fn failures(&self) -> Vec<String> {
        let Self::Interfaces(live) = self else {
            return Vec::new();
        };
        live.interfaces()
            .iter()
            .filter_map(|interface| Some(format!("{}: {}", interface.name(), interface.failure()?)))
            .collect()
    }

    /// A line for each interface: its link type and counts.
    pub(super) fn describe(&self) -> Vec<String> {
        match self {
            Self::Interfaces(live) => live
                .interfaces()
                .iter()
                .map(|interface| {
                    let counts = interface.counts();
                    format!(
                        "{} ({}): {} packets received by filter, {} dropped by kernel, {} dropped by interface{}",
                        interface.name(),
                        link_type_name(interface.link()),
                        counts.received,
                        counts.dropped,
                        counts.dropped_by_interface,
                        interface.failure().map(|why| format!("; {why}")).unwrap_or_default(),
                    )
                })
                .collect(),
            Self::Stream(_) => Vec::new(),
        }
    }

    /// What the report says of it.
    pub(super) fn summaries(&mut self, seen: &Seen, vantage: Option<&str>) -> Vec<CaptureSummary> {
        let drops = self.drops();
        match self {
            Self::Interfaces(live) => {
                let mut link_types = Vec::new();
                for interface in live.interfaces() {
                    let name = link_type_name(interface.link()).into_owned();
                    if !link_types.contains(&name) {
                        link_types.push(name);
                    }
                }
                let names: Vec<_> = live.interfaces().iter().map(|i| i.name()).collect();
                let failures: Vec<_> = live
                    .interfaces()
                    .iter()
                    .filter_map(|i| i.failure())
                    .collect();
                vec![CaptureSummary {
                    path: names.join(","),
                    vantage: vantage.map(str::to_owned),
                    format: "live".to_owned(),
                    compression: "none".to_owned(),
                    link_types,
                    first: seen.first,
                    last: seen.last,
                    frames: seen.frames,
                    truncated_frames: seen.truncated,
                    dropped_by_kernel: drops.by_kernel.saturating_add(drops.by_interface),
                    damage: (!failures.is_empty()).then(|| failures.join("; ")),
                    ..CaptureSummary::default()
                }]
            }
            // A stream that is stopped may well end within a packet.
            Self::Stream(stream) => reading::summaries(&stream.facts, vantage, Ending::Interrupted),
        }
    }
}

/// Frames that were analysed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) frames: u64,
    pub(super) truncated: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl Seen {
    pub(super) fn count(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        self.truncated += u64::from((frame.data.len() as u64) < u64::from(frame.original_len));
        self.first = Some(self.first.map_or(frame.time, |first| first.min(frame.time)));
        self.last = self.last.max(Some(frame.time));
    }
}

impl Stream {
    fn open(path: &Path, args: &LiveArgs, stop: &Arc<AtomicBool>) -> anyhow::Result<Self> {
        let input = Input::from_argument(path);
        let filter = args
            .filter()
            .map(|text| CaptureFilter::new(&text))
            .transpose()?;
        let (to, messages) = sync_channel(QUEUE);
        if let Input::File(path) = &input {
            // To say so now, not when the first packet is asked for.
            drop(
                std::fs::File::open(path)
                    .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?,
            );
        }
        let stop = stop.clone();
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                // Opening waits for the first packet.
                let mut captures = match Captures::open_stoppable(&[input], stop) {
                    Ok(captures) => captures,
                    Err(error) => {
                        let _ = to.send(Message::Failed(error));
                        return;
                    }
                };
                while let Some(frame) = captures.next_frame() {
                    let owned = Owned {
                        id: frame.id,
                        time: frame.time,
                        link: frame.link,
                        interface: frame.interface,
                        data: frame.data.to_vec(),
                        original_len: frame.original_len,
                    };
                    if to.send(Message::Frame(owned)).is_err() {
                        return;
                    }
                }
                let _ = to.send(Message::End(captures.facts()));
            })?;
        Ok(Self {
            messages,
            filter,
            facts: Vec::new(),
            is_over: false,
        })
    }

    fn read(
        &mut self,
        wait: Duration,
        take: &mut impl FnMut(&Frame<'_>),
    ) -> anyhow::Result<Brought> {
        if self.is_over {
            return Ok(Brought::End);
        }
        let mut message = match self.messages.recv_timeout(wait) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return Ok(Brought::Nothing),
            Err(RecvTimeoutError::Disconnected) => Message::End(Vec::new()),
        };
        for turn in 0..TURN {
            match message {
                Message::Frame(owned) => self.pass(&owned, take)?,
                Message::End(facts) => {
                    self.facts = facts;
                    self.is_over = true;
                    return Ok(if turn == 0 {
                        Brought::End
                    } else {
                        Brought::Frames
                    });
                }
                Message::Failed(error) => return Err(error.into()),
            }
            if turn + 1 == TURN {
                break;
            }
            message = match self.messages.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => Message::End(Vec::new()),
            };
        }
        Ok(Brought::Frames)
    }

    fn pass(&mut self, owned: &Owned, take: &mut impl FnMut(&Frame<'_>)) -> anyhow::Result<()> {
        let frame = Frame {
            id: owned.id,
            time: owned.time,
            link: owned.link,
            interface: owned.interface,
            data: &owned.data,
            original_len: owned.original_len,
        };
        let passes = match &mut self.filter {
            Some(filter) => filter.matches(&frame)?,
            None => true,
        };
        if passes {
            take(&frame);
        }
        Ok(())
    }
}
