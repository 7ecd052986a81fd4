//! Findings as they come: judges connections again when their packets or neighbours may have changed a verdict, tells what is new,
//! and keeps what was told for the report.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::analysis::Analyzer;
use crate::analysis::circumstances::Circumstances;
use crate::analysis::judges::{Held, Judges};
use crate::analysis::refusals::refused_group;
use crate::analysis::translated::tell;
use crate::analysis::untranslated::{self, Among};
use crate::analysis::witness::reset_of;
use crate::dialogue::DialogueReader;
use crate::flow::{Connection, Limits, RefusedGroup};
use crate::kernel::KernelSays;
use crate::report::{Cost, Finding};
use crate::time::{Interval, Timestamp};
use crate::verdict::Cause;

/// A reset has echoes and a FIN may cross a request: they are looked at after this, so that most verdicts are told once. Long
/// for a round trip, and short for the second within which a finding is to be told.
const SETTLES_AFTER: Interval = Interval::from_millis(300);
/// A reset that comes just before the look waits for its own echoes, at most this long after the first that was not told.
const TOLD_WITHIN: Interval = Interval::from_millis(600);
/// The kernel's word about a RST takes some 0.05 s. Where its reader gets no processor, it is waited for this long; what it says later
/// amends the finding.
const HEARD_WITHIN: Interval = Interval::from_millis(3_000);
/// How long such a wait is at a time.
const WAITS: Interval = Interval::from_millis(50);
/// Neighbours may still change a verdict: a new connection, a port that refuses (10 s, see `neighbours`).
const LOOKED_AT_AGAIN: [Interval; 2] =
    [Interval::from_millis(2_000), Interval::from_millis(11_000)];
/// Connections that wait to be judged. More are judged when they are touched again, and in the report.
const WAITING: usize = 200_000;
/// Findings that are kept beyond their connections, at most.
const SHOWN: usize = 10_000;
/// A folded entry is told again when it has grown by this factor.
const GROWTH: u64 = 10;

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A finding.
    New(Box<Finding>),
    /// A later packet, or another connection, changed what a finding says.
    Amended {
        /// As it was told.
        before: Box<Finding>,
        /// As it is now; its id differs where a hang-up became a reset.
        now: Box<Finding>,
    },
    /// What was told is no finding any more: the connection went on.
    Withdrawn(Box<Finding>),
}

/// How many ids were given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    pub resets: u64,
    pub hang_ups: u64,
}

impl Numbers {
    fn next(&mut self, finding: &Finding) -> String {
        let (letter, count) = match finding.form {
            Some(_) => ('r', &mut self.resets),
            None => ('h', &mut self.hang_ups),
        };
        *count += 1;
        format!("{letter}{count}")
    }
}

#[derive(Debug)]
struct Shown {
    finding: Finding,
    says: Option<KernelSays>,
}

/// State of a live view.
#[derive(Debug)]
pub struct Watch {
    /// Streams to be judged, by when.
    due: BTreeSet<(Timestamp, u32)>,
    /// Streams that wait for their first look since they were touched.
    waiting: HashMap<u32, Timestamp, RandomState>,
    /// Findings told, by stream and in the order of the connection.
    shown: BTreeMap<u32, Vec<Shown>>,
    /// Findings of connections that were forgotten, and whose numbers later packets brought back. Counted with the shown ones.
    archived: VecDeque<Finding>,
    shown_count: usize,
    most_shown: usize,
    /// Folded entries told: id and count.
    groups: BTreeMap<GroupKey, (String, u64)>,
    numbers: Numbers,
    forgotten: u64,
}

type GroupKey = (IpAddr, IpAddr, u16, u32);

fn group_key(finding: &Finding) -> GroupKey {
    let (client, server) = (finding.connection.client, finding.connection.server);
    (client.addr, server.addr, server.port, finding.frame)
}

fn key_of(group: &RefusedGroup) -> GroupKey {
    (
        group.client,
        group.server.0,
        group.server.1,
        group.first.frame.number.0,
    )
}

fn most_shown(limits: &Limits) -> usize {
    (limits.connections / 5).clamp(100, SHOWN)
}

impl Watch {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            due: BTreeSet::new(),
            waiting: HashMap::default(),
            shown: BTreeMap::new(),
            archived: VecDeque::new(),
            shown_count: 0,
            most_shown: most_shown(limits),
            groups: BTreeMap::new(),
            numbers: Numbers::default(),
            forgotten: 0,
        }
    }

    /// Keeps as many findings as go with these limits.
    pub(super) fn keep_within(&mut self, limits: &Limits) {
        self.most_shown = most_shown(limits);
        self.forget();
    }

    /// A packet of this connection was seen.
    #[inline]
    pub(super) fn seen(&mut self, connection: &Connection<DialogueReader>, at: Timestamp) {
        let directions = &connection.directions;
        let of_interest = !connection.episodes.is_empty()
            || directions.client.fin.is_some()
            || directions.server.fin.is_some()
            || directions.client.unanswered_retransmissions >= 2
            || directions.server.unanswered_retransmissions >= 2
            || !connection.icmp.is_empty();
        if of_interest {
            self.touch(connection.first_stream(), at);
        }
    }

    fn touch(&mut self, stream: u32, at: Timestamp) {
        if self.waiting.len() >= WAITING || self.waiting.contains_key(&stream) {
            return;
        }
        let due = at + SETTLES_AFTER;
        self.waiting.insert(stream, due);
        self.due.insert((due, stream));
    }

    fn take_due(&mut self, now: Timestamp) -> BTreeSet<u32> {
        let mut streams = BTreeSet::new();
        while let Some(&(due, stream)) = self.due.first() {
            if due > now {
                break;
            }
            self.due.pop_first();
            if self.waiting.get(&stream) == Some(&due) {
                self.waiting.remove(&stream);
            }
            streams.insert(stream);
        }
        streams
    }

    /// Looks again later at what may still change. `touched` is when it was judged.
    fn look_again(&mut self, stream: u32, touched: Timestamp) {
        if self.due.len() >= WAITING * 2 {
            return;
        }
        for after in LOOKED_AT_AGAIN {
            self.due.insert((touched + after, stream));
        }
    }

    /// What was told of this connection, in its order.
    fn told(&self, stream: u32, opened: Timestamp) -> &[Shown] {
        self.shown
            .get(&stream)
            .map(Vec::as_slice)
            .filter(|told| {
                told.first()
                    .is_some_and(|first| first.finding.connection.opened == opened)
            })
            .unwrap_or_default()
    }

    /// When to look at a connection again before anything is told of it: a RST of the last moment has not settled, or the kernel was
    /// not heard about it.
    fn unsettled_until(&self, judged: &Judged, now: Timestamp) -> Option<Timestamp> {
        let told = self.told(judged.stream, judged.opened);
        let fresh = || {
            let findings = judged.findings.iter().enumerate();
            findings.filter_map(|(index, found)| {
                let is_told = told
                    .get(index)
                    .is_some_and(|told| told.finding.frame == found.finding.frame);
                (found.finding.form.is_some() && !is_told).then_some(found)
            })
        };
        let oldest = fresh().map(|found| found.finding.at).min()?;
        let newest = fresh().map(|found| found.finding.at).max()?;
        let settles = (newest + SETTLES_AFTER).min(oldest + TOLD_WITHIN);
        if now < settles {
            return Some(settles);
        }
        let is_awaited = fresh().any(|found| found.is_awaited);
        (is_awaited && now < oldest + HEARD_WITHIN).then_some(now + WAITS)
    }

    /// Compares with what was told, and remembers.
    fn compare(&mut self, judged: Judged) -> Vec<Event> {
        let Judged {
            stream,
            opened,
            findings,
        } = judged;
        let mut before = self.shown.remove(&stream).unwrap_or_default();
        if before
            .first()
            .is_some_and(|old| old.finding.connection.opened != opened)
        {
            self.archived
                .extend(before.drain(..).map(|old| old.finding));
        }
        self.shown_count -= before.len();
        let mut before = before.into_iter();
        let mut events = Vec::new();
        let mut shown = Vec::with_capacity(findings.len());
        for found in findings {
            let Found {
                mut finding, says, ..
            } = found;
            match before.next() {
                None => {
                    finding.id = self.numbers.next(&finding);
                    events.push(Event::New(Box::new(finding.clone())));
                    shown.push(Shown { finding, says });
                }
                Some(old) => {
                    let same_kind = old.finding.form.is_some() == finding.form.is_some();
                    finding.id = if same_kind {
                        old.finding.id.clone()
                    } else {
                        self.numbers.next(&finding)
                    };
                    if says_otherwise(&old.finding, &finding) {
                        events.push(Event::Amended {
                            before: Box::new(old.finding),
                            now: Box::new(finding.clone()),
                        });
                    }
                    shown.push(Shown {
                        finding,
                        says: old.says.filter(KernelSays::is_settled).or(says),
                    });
                }
            }
        }
        events.extend(before.map(|old| Event::Withdrawn(Box::new(old.finding))));
        if !shown.is_empty() {
            self.shown_count += shown.len();
            self.shown.insert(stream, shown);
            self.forget();
        }
        events
    }

    fn forget(&mut self) {
        while self.shown_count > self.most_shown {
            if self.archived.pop_front().is_some() {
                self.shown_count -= 1;
                self.forgotten += 1;
                continue;
            }
            let Some((_, oldest)) = self.shown.pop_first() else {
                return;
            };
            self.shown_count -= oldest.len();
            self.forgotten += oldest.len() as u64;
        }
    }

    fn compare_group(&mut self, group: &RefusedGroup) -> Option<Event> {
        let key = key_of(group);
        let count = group.connections;
        // Most have not grown: a finding is made only of those that have.
        let told = self.groups.get(&key).map(|(_, told)| *told);
        if told.is_some_and(|told| count < told.saturating_mul(GROWTH)) {
            return None;
        }
        let mut finding = refused_group(group);
        match self.groups.get_mut(&key) {
            None => {
                finding.id = self.numbers.next(&finding);
                self.groups.insert(key, (finding.id.clone(), count));
                Some(Event::New(Box::new(finding)))
            }
            Some((id, told)) => {
                finding.id.clone_from(id);
                let mut before = finding.clone();
                before.connections = Some(*told);
                *told = count;
                Some(Event::Amended {
                    before: Box::new(before),
                    now: Box::new(finding),
                })
            }
        }
    }

    /// Gives findings of one connection the ids under which they were told.
    pub(super) fn name(&self, stream: u32, findings: &mut [Finding]) {
        let Some(shown) = self.shown.get(&stream) else {
            return;
        };
        for (finding, shown) in findings.iter_mut().zip(shown) {
            let told = &shown.finding;
            let same_kind = finding.form.is_some() == told.form.is_some();
            if same_kind && finding.connection.opened == told.connection.opened {
                finding.id.clone_from(&told.id);
            }
        }
    }

    /// The same for folded entries.
    pub(super) fn name_groups(&self, groups: &mut [Finding]) {
        for group in groups {
            if let Some((id, _)) = self.groups.get(&group_key(group)) {
                group.id.clone_from(id);
            }
        }
    }

    /// What the kernel had said about this finding when it was told.
    pub(super) fn said(&self, stream: u32, finding: &Finding) -> Option<&KernelSays> {
        self.shown
            .get(&stream)?
            .iter()
            .find(|shown| shown.finding.frame == finding.frame)?
            .says
            .as_ref()
            .filter(|says| says.is_settled())
    }

    /// Findings whose connections had to be forgotten since.
    pub(super) fn outlived(&self, connections: &[Held]) -> Vec<Finding> {
        let held = |stream: u32, finding: &Finding| {
            connections
                .binary_search_by_key(&stream, |connection| connection.first_stream())
                .ok()
                .and_then(|index| connections.get(index))
                .is_some_and(|connection| connection.opened() == finding.connection.opened)
        };
        self.shown
            .iter()
            .flat_map(|(stream, shown)| shown.iter().map(|shown| (*stream, &shown.finding)))
            .filter(|(stream, finding)| !held(*stream, finding))
            .map(|(_, finding)| finding)
            .chain(&self.archived)
            // A refused connection that is gone was folded into an entry for many.
            .filter(|finding| finding.cause != Cause::ConnectionRefused || self.groups.is_empty())
            .cloned()
            .collect()
    }

    pub(super) fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// Findings that were told and are no longer kept for the report.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

/// What a reader would act on has changed; counts of packets and wording may.
fn says_otherwise(before: &Finding, now: &Finding) -> bool {
    let verdict = |finding: &Finding| {
        (
            (finding.cause, finding.confidence, finding.detail.clone()),
            (finding.sender, finding.effect, Cost::of(finding)),
            (finding.form, finding.kernel.clone()),
        )
    };
    verdict(before) != verdict(now)
}

/// Judges what is due.
pub(super) fn tick(analyzer: &mut Analyzer, now: Timestamp) -> Vec<Event> {
    let Some(mut watch) = analyzer.watch.take() else {
        return Vec::new();
    };
    let due = watch.take_due(now);
    let mut events = Vec::new();
    if !due.is_empty() {
        let judged = {
            analyzer.watch = Some(watch);
            let judged = judge_due(analyzer, &due);
            match analyzer.watch.take() {
                Some(back) => watch = back,
                None => return Vec::new(),
            }
            judged
        };
        for judged in judged {
            if let Some(later) = watch.unsettled_until(&judged, now) {
                watch.due.insert((later, judged.stream));
                continue;
            }
            if !judged.findings.is_empty() && !watch.shown.contains_key(&judged.stream) {
                watch.look_again(judged.stream, now);
            }
            events.extend(watch.compare(judged));
        }
    }
    for group in analyzer.table.refused_groups() {
        events.extend(watch.compare_group(group));
    }
    analyzer
        .table
        .forget_resets(|stream| !watch.waiting.contains_key(&stream));
    analyzer.watch = Some(watch);
    events.retain(|event| analyzer.shows(event.finding()));
    events
}

impl Event {
    /// The finding, as it is now.
    pub fn finding(&self) -> &Finding {
        match self {
            Self::New(finding) | Self::Withdrawn(finding) | Self::Amended { now: finding, .. } => {
                finding
            }
        }
    }
}

/// A connection as it was judged now.
struct Judged {
    stream: u32,
    /// A number may be given again to a connection that was forgotten and goes on.
    opened: Timestamp,
    findings: Vec<Found>,
}

/// A finding as it is now.
struct Found {
    finding: Finding,
    says: Option<KernelSays>,
    /// The kernel may say more.
    is_awaited: bool,
}

fn judge_due(analyzer: &Analyzer, due: &BTreeSet<u32>) -> Vec<Judged> {
    let (connections, copies) = analyzer.connections();
    let circumstances = Circumstances::new(analyzer, analyzer.quality, &[]);
    let by = circumstances.find_by;
    let judges = Judges::new(analyzer, &connections, circumstances);
    due.iter()
        .filter_map(|&stream| {
            let index = connections
                .binary_search_by_key(&stream, |connection| connection.first_stream())
                .ok()?;
            let held = *connections.get(index)?;
            let connection = &held.known();
            let mut findings = judges.findings_of(index, held, connection);
            tell(&mut findings, &copies);
            let among = Among {
                judged: &[held],
                connections: &connections,
                by,
            };
            untranslated::tell(&mut findings, &among, false);
            let found = |finding: Finding| {
                let reset = reset_of(connection, &finding);
                let asked = analyzer.witness.as_ref().zip(reset);
                Found {
                    finding,
                    says: asked.map(|(witness, reset)| witness.says(&reset)),
                    is_awaited: asked.is_some_and(|(witness, reset)| witness.is_awaited(&reset)),
                }
            };
            Some(Judged {
                stream,
                opened: connection.opened,
                findings: findings.into_iter().map(found).collect(),
            })
        })
        .collect()
}
