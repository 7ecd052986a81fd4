//! The whole way: frames in, a [`Report`] out. Ties the steps together and knows of other connections what one verdict needs.

mod circumstances;
mod community_id;
mod display_filter;
mod endings;
mod finding;
mod findings;
mod insight;
mod judges;
mod ladder;
mod neighbours;
mod passage;
mod redirected;
mod refusals;
mod rows;
mod translated;
mod untranslated;
mod watch;
mod witness;

pub(crate) use community_id::community_id;
pub use watch::Event;
pub use witness::Witness;

use std::net::IpAddr;

use self::circumstances::{CaptureQuality, Circumstances};
use self::judges::Held;
use self::translated::Translated;
use crate::capture::{CaptureId, Frame, LinkType};
use crate::dialogue::DialogueReader;
use crate::flow::{Connection, Limits, Shards, SittingsKept};
use crate::report::{CaptureSummary, Finding, Heading, IdleTimeout, Report};
use crate::time::Timestamp;
use crate::wire::{Decoded, Decoder};

/// Which connections and findings a report is to show. Everything is tracked all the same: numbers stay Wireshark's.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only connections of one of these addresses.
    pub hosts: Vec<IpAddr>,
    /// Only connections to or from one of these ports.
    pub ports: Vec<u16>,
    /// Only these `tcp.stream` numbers.
    pub streams: Vec<u32>,
    /// Only findings at or after this time.
    pub since: Option<Timestamp>,
    /// Only findings at or before this time.
    pub until: Option<Timestamp>,
}

/// Whether a report lists every connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionRows {
    /// It does not.
    #[default]
    None,
    /// One row each.
    All,
}

/// What an analysis is to do.
#[derive(Clone, Debug, Default)]
pub struct AnalysisOptions {
    /// Bounds of the table of connections.
    pub limits: Limits,
    /// What to show.
    pub selection: Selection,
    /// Of a connection that is captured twice, with translated addresses, the one of these hosts, ports and streams is told.
    pub prefers: Selection,
    /// Rows of connections.
    pub connections: ConnectionRows,
    /// Products on the path that the user named (`--stack`).
    pub stack: Vec<String>,
    /// Further known timeouts (`--known`).
    pub known_timeouts: Option<crate::insight::KnownTimeouts>,
    /// The filter expression that chose the packets, where one did (`-f`).
    pub filter: Option<String>,
    /// The user's own words.
    pub heading: Heading,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// Its first frame's.
    link: LinkType,
    tcp_segments: u64,
    undecoded: u64,
    cut_headers: u64,
}

/// Takes frames in order of time and reports what it saw.
pub struct Analyzer {
    options: AnalysisOptions,
    decoder: Decoder,
    table: Shards<DialogueReader>,
    /// By capture; none before the first frame.
    counted: Vec<Counted>,
    /// The latest time of all frames, if there were any.
    last: Timestamp,
    quality: CaptureQuality,
    watch: Option<watch::Watch>,
    witness: Option<Witness>,
}

impl Analyzer {
    /// A new analysis.
    pub fn new(mut options: AnalysisOptions) -> Self {
        if options.connections == ConnectionRows::All {
            options.limits.sittings = SittingsKept::Yes;
        }
        Self {
            table: Shards::new(options.limits),
            options,
            decoder: Decoder::new(),
            counted: Vec::new(),
            last: Timestamp::MIN,
            quality: CaptureQuality::Whole,
            watch: None,
            witness: None,
        }
    }

    /// From the first frame on, [`tick`](Self::tick) tells of findings as they come, and their ids stay. To be called before it.
    pub fn watch(&mut self) {
        if self.watch.is_none() && self.now().is_none() {
            self.table = Shards::running(self.options.limits);
            self.watch = Some(watch::Watch::new(&self.options.limits));
        }
    }

    /// The kernel of this host will speak of resets.
    pub fn hear(&mut self, witness: Witness) {
        self.witness = Some(witness);
    }

    /// Where the kernel's events go, where [`hear`](Self::hear) was called.
    pub fn witness(&mut self) -> Option<&mut Witness> {
        self.witness.as_mut()
    }

    /// Packets were dropped while capturing: from now on, nothing is inferred from what was not seen.
    pub fn packets_were_dropped(&mut self) {
        self.quality = CaptureQuality::Incomplete;
    }

    /// What is new at `now`, a time on the clock of the frames. Needs [`watch`](Self::watch).
    pub fn tick(&mut self, now: Timestamp) -> Vec<Event> {
        if self.now().is_none() {
            return Vec::new();
        }
        self.last = self.last.max(now);
        watch::tick(self, now)
    }

    /// Takes one frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.place(frame);
    }

    /// Takes one frame. Returns the stream that it belongs to, as findings number it, where that connection is still held.
    #[inline]
    pub fn place(&mut self, frame: &Frame<'_>) -> Option<u32> {
        self.last = self.last.max(frame.time);
        if self.table.take_frame(frame).is_none() {
            return self.place_any(frame);
        }
        match self.counted.get_mut(usize::from(frame.id.capture.0)) {
            Some(counted) => counted.tcp_segments += 1,
            None => counted_of(&mut self.counted, frame).tcp_segments += 1,
        }
        None
    }

    /// Decodes a frame, whatever it is, and takes it.
    #[inline(never)]
    fn place_any(&mut self, frame: &Frame<'_>) -> Option<u32> {
        let counted = counted_of(&mut self.counted, frame);
        let decoded = self.decoder.decode(frame);
        let is_packet = matches!(decoded, Decoded::Tcp(_));
        let connection = take(&mut self.table, counted, decoded)?;
        if let Some(watch) = &mut self.watch {
            watch.seen(connection, frame.time);
        }
        is_packet.then(|| connection.first_stream())
    }

    /// The time of the newest frame.
    pub fn now(&self) -> Option<Timestamp> {
        (!self.counted.is_empty()).then_some(self.last)
    }

    /// Connections seen so far.
    pub fn connections_seen(&self) -> u64 {
        self.table.connections_seen()
    }

    /// Connections forgotten because there were too many.
    pub fn connections_evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Connections held.
    pub fn connections_held(&self) -> usize {
        self.table.held()
    }

    /// Memory is short: from now on an eighth fewer connections are held than now, and as much fewer of everything else that a live view
    /// keeps, down to `least` connections. What is forgotten is counted.
    pub fn hold_less(&mut self, least: usize) {
        let limits = &mut self.options.limits;
        let less = |many: usize| many - many / 8;
        limits.connections = less(self.table.held().min(limits.connections)).max(least);
        limits.reset_connections = less(limits.reset_connections).max(least / 8);
        self.table
            .hold(limits.connections, limits.reset_connections);
        if let Some(watch) = &mut self.watch {
            watch.keep_within(limits);
        }
    }

    /// Idle timeouts inferred so far: the part of the [`report`](Self::report) that a live view shows while it runs.
    pub fn idle_timeouts(&self) -> Vec<IdleTimeout> {
        findings::idle_timeouts(self)
    }

    /// The report on what was seen so far; unless it [watches](Self::watch), no more frames are taken after it. `captures` is what
    /// the reader knows of the files; counts that only the analysis knows are filled in.
    pub fn report(&mut self, captures: Vec<CaptureSummary>) -> Report {
        self.table.settle();
        let captures = self.complete(captures);
        findings::report(self, captures)
    }

    /// The findings so far, in order, without patterns or advice; unless it [watches](Self::watch), no more frames are taken after
    /// it.
    pub fn findings(&mut self) -> Vec<Finding> {
        self.table.settle();
        let circumstances = Circumstances::new(self, CaptureQuality::Whole, &[]);
        findings::judge_all(self, circumstances).findings
    }

    /// The connections that are to be judged, and those that are others of them once more, with translated addresses.
    fn connections(&self) -> (Vec<Held<'_>>, Vec<Translated>) {
        let mut connections = self.table.connections();
        let mut links = self.counted.iter().map(|counted| counted.link);
        let copies = match links.any(translated::sees_every_interface) {
            true => translated::take_copies(&mut connections, &self.options.prefers),
            false => Vec::new(),
        };
        (connections, copies)
    }

    /// The selection lets it be shown.
    fn shows(&self, finding: &Finding) -> bool {
        findings::selected(&self.options.selection, finding)
    }

    fn complete(&self, mut captures: Vec<CaptureSummary>) -> Vec<CaptureSummary> {
        for (index, capture) in captures.iter_mut().enumerate() {
            let counted = self.counted.get(index).copied().unwrap_or_default();
            capture.tcp_segments = counted.tcp_segments;
            capture.undecoded_frames = counted.undecoded;
            capture.duplicates_removed = self.table.duplicates(CaptureId(index as u16));
        }
        captures
    }
}

/// What was counted in the frame's capture, by whose number they stand.
#[inline(never)]
fn counted_of<'c>(counted: &'c mut Vec<Counted>, frame: &Frame<'_>) -> &'c mut Counted {
    let slot = usize::from(frame.id.capture.0);
    if counted.len() <= slot {
        let begun = Counted {
            link: frame.link,
            ..Counted::default()
        };
        counted.resize(slot + 1, begun);
    }
    &mut counted[slot]
}

/// Takes what is no plain frame. The connection that it is of, or that an ICMP error is about.
fn take<'t>(
    table: &'t mut Shards<DialogueReader>,
    counted: &mut Counted,
    decoded: Decoded<'_>,
) -> Option<&'t Connection<DialogueReader>> {
    match decoded {
        Decoded::Tcp(segment) => {
            counted.tcp_segments += 1;
            return table.take(&segment);
        }
        Decoded::Icmp(quote) => return table.take_quote(&quote),
        Decoded::CutTcp => {
            counted.tcp_segments += 1;
            counted.cut_headers += 1;
        }
        Decoded::Undecoded => counted.undecoded += 1,
        Decoded::Other => {}
    }
    None
}
