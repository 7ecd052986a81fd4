//! Which frames are evidence.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use super::comments::{self, Comments};
use super::packet;
use crate::capture::{CaptureId, Frame, FrameId};
use crate::report::{Endpoint, Finding, NumberIn, Report, Trigger};
use crate::time::Timestamp;
use crate::wire::{Decoded, Decoder, Segment};

/// Packets of a whole connection that are kept from its start, and on each side of a packet that matters.
const HEAD: u64 = 1_000;
const AROUND: usize = 2_000;

/// Packets in all. Those that matter are taken even beyond it.
const MOST: usize = 2_000_000;

/// How much of a connection is evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Context {
    /// All of it; of a long one its first 1,000 packets and 2,000 on each side of a packet that matters.
    #[default]
    Whole,
    /// So many packets of the connection on each side of a packet that matters.
    Around(u32),
}

/// Both ends, the smaller first; a folded finding stands for all ports of its client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Ends {
    Connection(Endpoint, Endpoint),
    Folded { client: IpAddr, server: Endpoint },
}

impl Ends {
    /// Those that a finding's packets bear; where the client called another server, answers bear that one's.
    fn of(finding: &Finding) -> impl Iterator<Item = Self> {
        let (client, server) = (finding.connection.client, finding.connection.server);
        let named = match finding.connections {
            Some(_) => Self::Folded {
                client: client.addr,
                server,
            },
            None => Self::connection(client, server),
        };
        let called = finding.connection.called;
        let called = called.map(|called| Self::connection(client, called.endpoint));
        std::iter::once(named).chain(called)
    }

    fn connection(one: Endpoint, other: Endpoint) -> Self {
        if one <= other {
            Self::Connection(one, other)
        } else {
            Self::Connection(other, one)
        }
    }
}

/// One reported connection while the frames go by.
struct Window {
    opened: Timestamp,
    last: Timestamp,
    /// A new connection took its addresses and ports.
    closed: bool,
    seen: u64,
    /// Packets still to take after one that matters.
    after: usize,
    /// Packets that will be taken if one that matters follows soon.
    before: VecDeque<(u64, FrameId)>,
}

/// Chooses frames: show it every frame of the captures, in order.
pub struct Selector {
    context: usize,
    head: u64,
    windows: Vec<Window>,
    by_ends: HashMap<Ends, Vec<usize>>,
    /// Frames of reported RSTs.
    resets: HashSet<FrameId>,
    /// Frames that matter to a finding.
    matter: HashSet<FrameId>,
    comments: Comments,
    chosen: Vec<(u64, FrameId)>,
    order: u64,
    left_out: u64,
    decoders: BTreeMap<CaptureId, Decoder>,
}

impl Selector {
    /// For the findings of a report. It must not be a redacted one: packets bear the real addresses.
    pub fn new(report: &Report, context: Context) -> Self {
        let (head, context) = match context {
            Context::Whole => (HEAD, AROUND),
            Context::Around(n) => (0, usize::try_from(n).unwrap_or(AROUND).min(AROUND)),
        };
        let mut selector = Self {
            context,
            head,
            windows: Vec::new(),
            by_ends: HashMap::new(),
            resets: HashSet::new(),
            matter: HashSet::new(),
            comments: comments::of(report),
            chosen: Vec::new(),
            order: 0,
            left_out: 0,
            decoders: BTreeMap::new(),
        };
        for finding in report.findings() {
            selector.add(finding);
        }
        selector
    }

    fn add(&mut self, finding: &Finding) {
        let id = |number: NumberIn| number.frame(finding.capture);
        self.resets.extend(finding.numbers().map(id));
        self.matter.extend(finding.numbers().map(id));
        let fins = finding.fins_in_order().into_iter();
        let trigger = finding.trigger.as_ref().and_then(Trigger::number);
        let others = fins
            .map(|(_, fin)| fin.number())
            .chain(trigger)
            .chain(finding.idle.since())
            .chain([NumberIn::own(finding.frame)]);
        self.matter.extend(others.map(id));
        for ends in Ends::of(finding) {
            let windows = self.by_ends.entry(ends).or_default();
            windows.push(self.windows.len());
        }
        self.windows.push(Window {
            opened: finding
                .connection
                .opened
                .min(finding.first.unwrap_or(finding.at)),
            last: finding.last.unwrap_or(finding.at),
            closed: false,
            seen: 0,
            after: 0,
            before: VecDeque::new(),
        });
    }

    /// The next frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.order += 1;
        let decoder = self.decoders.entry(frame.id.capture).or_default();
        let Decoded::Tcp(segment) = decoder.decode(frame) else {
            return;
        };
        let src = Endpoint {
            addr: segment.addresses.src(),
            port: segment.src_port,
        };
        let dst = Endpoint {
            addr: segment.addresses.dst(),
            port: segment.dst_port,
        };
        let keys = [
            Ends::connection(src, dst),
            Ends::Folded {
                client: src.addr,
                server: dst,
            },
            Ends::Folded {
                client: dst.addr,
                server: src,
            },
        ];
        let order = self.order;
        let context = self.context;
        let placed = packet::header_end(frame, &segment).is_some();
        let step = Step {
            order,
            id: frame.id,
            key: self.matter.contains(&frame.id),
            context,
            head: self.head,
        };
        let is_reset = segment.flags.is_some_and(|flags| flags.rst());
        for place in keys
            .iter()
            .filter_map(|key| self.by_ends.get(key))
            .flatten()
        {
            let Some(window) = self.windows.get_mut(*place) else {
                continue;
            };
            if !window.covers(&segment) || (is_reset && !self.resets.contains(&frame.id)) {
                continue;
            }
            if !placed {
                self.left_out += 1;
            } else if self.chosen.len() < MOST || step.key {
                window.take(step, &mut self.chosen);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// The choice, once every frame was shown.
    pub fn finish(mut self) -> Chosen {
        self.chosen.sort_unstable();
        self.chosen.dedup();
        let places: HashMap<FrameId, u64> = self
            .chosen
            .iter()
            .zip(1..)
            .map(|((_, id), place)| (*id, place))
            .collect();
        Chosen {
            comments: self.comments,
            places,
            left_out: self.left_out,
        }
    }
}

/// A packet of a window.
#[derive(Clone, Copy)]
struct Step {
    order: u64,
    id: FrameId,
    key: bool,
    context: usize,
    head: u64,
}

impl Window {
    /// The packet belongs to this connection, and not to an earlier or later one of the same ports.
    fn covers(&mut self, segment: &Segment<'_>) -> bool {
        let opens = segment
            .flags
            .is_some_and(|flags| flags.syn() && !flags.ack());
        if opens && segment.head.time > self.last {
            self.closed = true;
        }
        !self.closed && segment.head.time >= self.opened
    }

    fn take(&mut self, step: Step, chosen: &mut Vec<(u64, FrameId)>) {
        self.seen += 1;
        let packet = (step.order, step.id);
        if step.key {
            chosen.extend(self.before.drain(..));
            chosen.push(packet);
            self.after = step.context;
        } else if self.seen <= step.head {
            chosen.push(packet);
        } else if self.after > 0 {
            self.after -= 1;
            chosen.push(packet);
        } else if step.context > 0 {
            if self.before.len() == step.context {
                self.before.pop_front();
            }
            self.before.push_back(packet);
        }
    }
}

/// The frames that are evidence, and what is said of them.
pub struct Chosen {
    comments: Comments,
    /// 1-based number in the evidence file.
    places: HashMap<FrameId, u64>,
    left_out: u64,
}

impl Chosen {
    /// How many frames are evidence.
    pub fn frames(&self) -> usize {
        self.places.len()
    }

    /// Packets of reported connections that could not be taken: fragmented ones, and those beyond two million.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn contains(&self, id: FrameId) -> bool {
        self.places.contains_key(&id)
    }

    /// The comment on a frame, with frames named by their numbers in the evidence file.
    pub(super) fn comment(&self, id: FrameId) -> Option<String> {
        self.comments
            .on(id, |frame| self.places.get(&frame).copied())
    }
}
