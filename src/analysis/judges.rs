//! Every connection is judged, on every core; what patterns need of it is kept beside.

use std::borrow::Cow;

use crate::analysis::endings::{CaptureQuality, of_episode, without_reset};
use crate::analysis::finding::finding;
use crate::analysis::insight::{observation, story};
use crate::analysis::neighbours::Neighbours;
use crate::analysis::parts::in_parts;
use crate::analysis::watch::Watch;
use crate::analysis::{Analyzer, Witness};
use crate::dialogue::{DialogueReader, Protocol, Turn};
use crate::flow::{self, Known, Peer};
use crate::insight::{ConnectionStory, IdleObservation};
use crate::report::Finding;
use crate::time::Timestamp;
use crate::verdict::{Cause, Progress, Verdict, judge, turn_progress};

/// A connection as the table holds it.
pub type Held<'a> = flow::Held<'a, DialogueReader>;

/// A connection as analysis reads it.
pub type Tracked<'a> = Known<'a, DialogueReader>;

/// What was found on all connections.
pub struct Judged<'a> {
    /// Resets and hang-ups.
    pub findings: Vec<Finding>,
    /// What each tells, in their order and in parts.
    told: Vec<Vec<Option<Told<'a>>>>,
}

/// What insight reads of one connection.
struct Told<'a> {
    observation: IdleObservation<'a>,
    story: ConnectionStory<'a>,
}

impl<'a> Judged<'a> {
    /// How each went idle and ended.
    pub fn observations(&self) -> Vec<&IdleObservation<'a>> {
        let told = self.told.iter().flatten().flatten();
        told.map(|told| &told.observation).collect()
    }

    /// What each talked about.
    pub fn stories(&self) -> Vec<&ConnectionStory<'a>> {
        let told = self.told.iter().flatten().flatten();
        told.map(|told| &told.story).collect()
    }
}

/// Judges connections one by one: each needs the others only through `neighbours`, which are settled before.
pub struct Judges<'a> {
    watch: Option<&'a Watch>,
    witness: Option<&'a Witness>,
    neighbours: Neighbours,
    capture_end: Timestamp,
}

impl<'a> Judges<'a> {
    /// `connections` are all that the analyzer holds: indexes count in them.
    pub fn new(analyzer: &'a Analyzer, connections: &[Held], quality: CaptureQuality) -> Self {
        let mut neighbours = Neighbours::new(quality);
        for (index, held) in connections.iter().enumerate() {
            neighbours.add(index, &held.outline());
        }
        Self::knowing(analyzer, [neighbours], quality)
    }

    fn knowing(
        analyzer: &'a Analyzer,
        parts: impl IntoIterator<Item = Neighbours>,
        quality: CaptureQuality,
    ) -> Self {
        Self {
            watch: analyzer.watch.as_ref(),
            witness: analyzer.witness.as_ref(),
            neighbours: Neighbours::of(parts, quality),
            capture_end: analyzer.last.unwrap_or_default(),
        }
    }

    /// Judges all of them, on all cores. The first look gathers what they say of each other; most ended well, and that look was
    /// enough.
    pub fn judge_all<'c>(
        analyzer: &Analyzer,
        connections: &[Held<'c>],
        quality: CaptureQuality,
    ) -> Judged<'c> {
        let capture_end = analyzer.last.unwrap_or_default();
        let surveys = in_parts(connections.len(), |range| {
            let mut neighbours = Neighbours::new(quality);
            let look = |(index, held): (usize, &Held<'c>)| {
                let connection = held.outline();
                neighbours.add(index, &connection);
                let turns = turns(&connection);
                ended_well(&connection, &turns).then(|| told(&connection, turns, None, capture_end))
            };
            let told: Vec<_> = range.clone().zip(&connections[range]).map(look).collect();
            (neighbours, told)
        });
        let (neighbours, told): (Vec<_>, Vec<_>) = surveys.into_iter().unzip();
        Judges::knowing(analyzer, neighbours, quality).judge_rest(connections, told)
    }

    /// Judges those of which nothing is told yet.
    fn judge_rest<'c>(
        &self,
        connections: &[Held<'c>],
        mut told: Vec<Vec<Option<Told<'c>>>>,
    ) -> Judged<'c> {
        let all = told.iter().flatten().enumerate();
        let rest: Vec<usize> = all
            .filter(|(_, told)| told.is_none())
            .map(|(index, _)| index)
            .collect();
        let judged = in_parts(rest.len(), |range| {
            let one = |&index: &usize| self.judge_one(index, &connections[index].known());
            rest[range].iter().map(one).collect::<Vec<_>>()
        });
        let mut findings = Vec::new();
        let places = told.iter_mut().flatten().filter(|told| told.is_none());
        for (place, (mut found, told)) in places.zip(judged.into_iter().flatten()) {
            findings.append(&mut found);
            *place = Some(told);
        }
        Judged { findings, told }
    }

    fn judge_one<'c>(&self, index: usize, connection: &Tracked<'c>) -> (Vec<Finding>, Told<'c>) {
        let turns = turns(connection);
        let (mut findings, last) = self.findings(index, connection, &turns);
        if let Some(watch) = self.watch {
            watch.name(connection.first_stream(), &mut findings);
        }
        let told = told(connection, turns, last.as_ref(), self.capture_end);
        (findings, told)
    }

    /// How one connection went idle and ended.
    pub fn observation<'c>(&self, index: usize, held: Held<'c>) -> IdleObservation<'c> {
        let connection = held.known();
        let turns = turns(&connection);
        let (_, verdict) = self.findings(index, &connection, &turns);
        observation(&connection, &turns, verdict.as_ref(), self.capture_end)
    }

    /// The findings of one connection, in order, and its last verdict.
    pub fn findings(
        &self,
        index: usize,
        connection: &Tracked,
        turns: &[Turn],
    ) -> (Vec<Finding>, Option<Verdict>) {
        let mut findings = Vec::new();
        let mut last = None;
        for episode in &connection.episodes {
            let Some(ending) = of_episode(
                connection,
                episode,
                index,
                &self.neighbours,
                self.capture_end,
            ) else {
                continue;
            };
            let Some(verdict) = judge(&ending) else {
                continue;
            };
            findings.push(finding(connection, &ending, &verdict, &episode.frames));
            if verdict.ruling.cause != Cause::IgnoredRst || last.is_none() {
                last = Some(verdict);
            }
        }
        let still_open = last
            .as_ref()
            .is_none_or(|verdict: &Verdict| verdict.ruling.cause == Cause::IgnoredRst);
        if still_open && !ended_well(connection, turns) {
            let ending = without_reset(connection, index, &self.neighbours, self.capture_end);
            if let Some(verdict) = judge(&ending) {
                findings.push(finding(connection, &ending, &verdict, &[]));
                last = Some(verdict);
            }
        }
        self.hear_witness(connection, &mut findings);
        (findings, last)
    }

    /// What the kernel of the capturing host says of them, where it is heard.
    fn hear_witness(&self, connection: &Tracked, findings: &mut [Finding]) {
        let Some(witness) = self.witness else {
            return;
        };
        for finding in findings {
            let kept = self
                .watch
                .and_then(|watch| watch.said(connection.first_stream(), finding));
            witness.testify(finding, kept);
        }
    }
}

fn told<'a>(
    connection: &Tracked<'a>,
    turns: Cow<'a, [Turn]>,
    verdict: Option<&Verdict>,
    capture_end: Timestamp,
) -> Told<'a> {
    Told {
        observation: observation(connection, &turns, verdict, capture_end),
        story: story(connection, turns),
    }
}

/// The exchanges of a connection, in brief.
pub fn turns<'a>(connection: &Tracked<'a>) -> Cow<'a, [Turn]> {
    match connection {
        Known::Settled(_, _, turns) => Cow::Borrowed(turns),
        Known::Whole(connection) => match connection.reader() {
            None => Cow::Borrowed(&[]),
            Some(Cow::Borrowed(reader)) => reader.turns(),
            Some(Cow::Owned(reader)) => Cow::Owned(reader.turns().into_owned()),
        },
    }
}

/// Both sides closed in order and every question was answered: no rule for endings without RST finds anything
/// (`verdict::rules::no_reset` looks for an ICMP error to a SYN, packets sent again to nobody, an open exchange, or a cut WebSocket).
fn ended_well(connection: &Tracked, turns: &[Turn]) -> bool {
    let protocol = connection.reader().map(|reader| reader.protocol());
    let unanswered = |peer: Peer| connection.directions.of(peer).unanswered_retransmissions;
    connection.closed.is_some()
        && connection.episodes.is_empty()
        && connection.icmp.is_empty()
        && unanswered(Peer::Client) == 0
        && unanswered(Peer::Server) == 0
        && protocol != Some(Protocol::WebSocket)
        && turns
            .iter()
            .all(|turn| turn_progress(turn, connection.last) == Progress::Answered)
}
