//! Every connection is judged, on every core; what patterns need of it is kept beside.

use std::borrow::Cow;
use std::panic::resume_unwind;
use std::thread::Builder;

use crate::analysis::endings::{CaptureQuality, of_episode, without_reset};
use crate::analysis::finding::finding;
use crate::analysis::insight::{observation, story};
use crate::analysis::neighbours::Neighbours;
use crate::analysis::watch::Watch;
use crate::analysis::{Analyzer, Witness};
use crate::dialogue::{DialogueReader, Protocol, Turn};
use crate::flow::{Connection, Peer};
use crate::insight::{ConnectionStory, IdleObservation};
use crate::report::Finding;
use crate::time::Timestamp;
use crate::verdict::{Cause, Progress, Verdict, judge, turn_progress};

/// A connection as analysis reads it.
pub type Tracked = Connection<DialogueReader>;

/// What was found on some of the connections.
#[derive(Default)]
pub struct Part<'a> {
    /// Resets and hang-ups.
    pub findings: Vec<Finding>,
    /// How each went idle and ended.
    pub observations: Vec<IdleObservation<'a>>,
    /// What each talked about.
    pub stories: Vec<ConnectionStory<'a>>,
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
    pub fn new(analyzer: &'a Analyzer, connections: &[&Tracked], quality: CaptureQuality) -> Self {
        Self {
            watch: analyzer.watch.as_ref(),
            witness: analyzer.witness.as_ref(),
            neighbours: Neighbours::new(connections, quality),
            capture_end: analyzer.last.unwrap_or_default(),
        }
    }

    /// Connections below which a second thread costs more than it brings.
    const WORTH_A_THREAD: usize = 2_000;

    /// In order, on all cores: the parts do not depend on each other, so neither does the outcome on their number.
    pub fn judge_in_parts<'c>(&self, connections: &[&'c Tracked]) -> Vec<Part<'c>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let size = connections.len().div_ceil(cores).max(Self::WORTH_A_THREAD);
        if connections.len() <= size {
            return vec![self.judge_part(0, connections)];
        }
        std::thread::scope(|scope| {
            let parts: Vec<_> = connections
                .chunks(size)
                .enumerate()
                .map(|(number, part)| {
                    let judge = move || self.judge_part(number * size, part);
                    Builder::new().spawn_scoped(scope, judge).map_err(|_| judge)
                })
                .collect();
            parts
                .into_iter()
                .map(|part| match part {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                    // The system gives no more threads.
                    Err(judge) => judge(),
                })
                .collect()
        })
    }

    fn judge_part<'c>(&self, first: usize, connections: &[&'c Tracked]) -> Part<'c> {
        let mut part = Part::default();
        for (index, connection) in connections.iter().enumerate() {
            self.judge_one(first + index, connection, &mut part);
        }
        part
    }

    fn judge_one<'c>(&self, index: usize, connection: &'c Tracked, part: &mut Part<'c>) {
        let turns = turns(connection);
        let (mut findings, last) = self.findings(index, connection, &turns);
        if let Some(watch) = self.watch {
            watch.name(connection.first_stream(), &mut findings);
        }
        part.findings.append(&mut findings);
        part.observations.push(observation(
            connection,
            &turns,
            last.as_ref(),
            self.capture_end,
        ));
        part.stories.push(story(connection, turns));
    }

    /// How one connection went idle and ended.
    pub fn observation<'c>(&self, index: usize, connection: &'c Tracked) -> IdleObservation<'c> {
        let turns = turns(connection);
        let (_, verdict) = self.findings(index, connection, &turns);
        observation(connection, &turns, verdict.as_ref(), self.capture_end)
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

/// The exchanges of a connection, in brief.
pub fn turns(connection: &Tracked) -> Cow<'_, [Turn]> {
    match connection.reader() {
        None => Cow::Borrowed(&[]),
        Some(Cow::Borrowed(reader)) => reader.turns(),
        Some(Cow::Owned(reader)) => Cow::Owned(reader.turns().into_owned()),
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
