//! Every connection is judged, on every core; how it went idle and ended is gathered on the way.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use crate::analysis::circumstances::Circumstances;
use crate::analysis::endings::{of_episode, without_reset};
use crate::analysis::finding::finding;
use crate::analysis::insight::observation;
use crate::analysis::neighbours::Neighbours;
use crate::analysis::translated::Translated;
use crate::analysis::watch::Watch;
use crate::analysis::witness::reset_of;
use crate::analysis::{Analyzer, Witness};
use crate::dialogue::{DialogueReader, Protocol, Turn};
use crate::flow::{self, AT_ONCE, Known, Peer};
use crate::insight::Silences;
use crate::parts::{JUDGED, LOOKED_AT, gather};
use crate::report::Finding;
use crate::time::Timestamp;
use crate::verdict::{Cause, Progress, Verdict, judge, turn_progress};

/// A connection as the table holds it.
pub type Held<'a> = flow::Held<'a, DialogueReader>;

/// A connection as analysis reads it.
pub type Tracked<'a> = Known<'a, DialogueReader>;

/// A connection as most of analysis reads it where nothing went wrong.
pub type Outline<'a> = flow::Outline<'a, DialogueReader>;

/// The exchanges of a connection in brief, read only where its outline does not tell enough.
pub struct Turns<'a> {
    held: Held<'a>,
    answered: Option<Timestamp>,
    read: OnceCell<Cow<'a, [Turn]>>,
}

impl<'a> Turns<'a> {
    fn of(held: Held<'a>, outline: &Outline) -> Self {
        let reader = outline.reader.as_ref();
        Self {
            held,
            answered: reader.and_then(|reader| reader.answered),
            read: OnceCell::new(),
        }
    }

    /// All of them, read now.
    pub fn read(&self) -> &[Turn] {
        self.read.get_or_init(|| self.held.items().into_list())
    }

    /// Each of them had [been answered](Progress::Answered) at this moment.
    pub fn are_answered_by(&self, moment: Timestamp) -> bool {
        match self.answered {
            Some(newest) if newest <= moment => true,
            _ => {
                let mut turns = self.read().iter();
                turns.all(|turn| turn_progress(turn, moment) == Progress::Answered)
            }
        }
    }
}

/// What was found on all connections.
pub struct Judged<'a> {
    /// All of them, in the order in which they were opened, but for copies.
    pub connections: Vec<Held<'a>>,
    /// Connections that are others of them, with translated addresses.
    pub copies: Vec<Translated>,
    /// Resets and hang-ups.
    pub findings: Vec<Finding>,
    /// How they went idle and ended.
    pub silences: Silences,
}

/// Judges connections one by one: each needs the others only through `neighbours`, which are settled before.
pub struct Judges<'a> {
    watch: Option<&'a Watch>,
    witness: Option<&'a Witness>,
    neighbours: Neighbours<'a>,
    capture_end: Timestamp,
}

impl<'a> Judges<'a> {
    /// `connections` are all that the analyzer holds: indexes count in them.
    pub fn new(
        analyzer: &'a Analyzer,
        connections: &[Held],
        circumstances: Circumstances<'a>,
    ) -> Self {
        let mut neighbours = Neighbours::new(circumstances);
        for (index, held) in connections.iter().enumerate() {
            neighbours.add(index, held, &held.outline());
        }
        Self::knowing(analyzer, [neighbours], circumstances)
    }

    fn knowing(
        analyzer: &'a Analyzer,
        parts: impl IntoIterator<Item = Neighbours<'a>>,
        circumstances: Circumstances<'a>,
    ) -> Self {
        Self {
            watch: analyzer.watch.as_ref(),
            witness: analyzer.witness.as_ref(),
            neighbours: Neighbours::of(parts, circumstances),
            capture_end: analyzer.now().unwrap_or_default(),
        }
    }

    /// Judges all of them, on all cores. The first look gathers what they say of each other; most ended well, and that look was
    /// enough.
    pub fn judge_all<'c>(
        analyzer: &Analyzer,
        (connections, copies): (Vec<Held<'c>>, Vec<Translated>),
        circumstances: Circumstances,
    ) -> Judged<'c> {
        let capture_end = analyzer.now().unwrap_or_default();
        let look = |silences: &mut Silences, range: Range<usize>| {
            let mut neighbours = Neighbours::new(circumstances);
            let mut ended_well = |index: usize, held: Held| {
                let connection = held.outline();
                neighbours.add(index, &held, &connection);
                let turns = Turns::of(held, &connection);
                let ended_well = ended_well(&connection, &turns);
                if ended_well {
                    silences.add(index, &observation(&connection, &turns, None, capture_end));
                }
                ended_well
            };
            let mut rest = Vec::new();
            let mut indexes = range.clone();
            for connections in connections[range].chunks(AT_ONCE) {
                Held::ask_for_outlines(connections);
                let part = connections.iter().zip(indexes.by_ref());
                let part = part.filter(|&(held, index)| !ended_well(index, *held));
                rest.extend(part.map(|(_, index)| index));
            }
            (neighbours, rest)
        };
        let (silences, parts) = gather(connections.len(), LOOKED_AT, Silences::default, look);
        let (neighbours, rest): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let rest: Vec<usize> = rest.into_iter().flatten().collect();
        let judges = Judges::knowing(analyzer, neighbours, circumstances);
        let (findings, more) = judges.judge_each(&connections, &rest);
        Judged {
            connections,
            copies,
            findings,
            silences: Silences::of(silences.into_iter().chain(more)),
        }
    }

    /// Judges those of all connections that did not simply end well.
    fn judge_each(&self, connections: &[Held], rest: &[usize]) -> (Vec<Finding>, Vec<Silences>) {
        let judge = |silences: &mut Silences, range: Range<usize>| {
            let mut findings = Vec::with_capacity(range.len());
            for &index in &rest[range] {
                findings.extend(self.judge_one(index, connections[index], silences));
            }
            findings
        };
        let (silences, parts) = gather(rest.len(), JUDGED, Silences::default, judge);
        let mut findings = Vec::with_capacity(parts.iter().map(Vec::len).sum());
        findings.extend(parts.into_iter().flatten());
        (findings, silences)
    }

    fn judge_one(&self, index: usize, held: Held, silences: &mut Silences) -> Vec<Finding> {
        let connection = held.known();
        let outline = Outline::of(&connection);
        let turns = Turns::of(held, &outline);
        let (mut findings, last) = self.findings(index, &connection, (&outline, &turns));
        if let Some(watch) = self.watch {
            watch.name(connection.first_stream(), &mut findings);
        }
        let observation = observation(&outline, &turns, last.as_ref(), self.capture_end);
        silences.add(index, &observation);
        findings
    }

    /// Adds how one connection went idle and ended.
    pub fn observe(&self, index: usize, held: Held, silences: &mut Silences) {
        let connection = held.known();
        let outline = Outline::of(&connection);
        let turns = Turns::of(held, &outline);
        let (_, verdict) = self.findings(index, &connection, (&outline, &turns));
        let observation = observation(&outline, &turns, verdict.as_ref(), self.capture_end);
        silences.add(index, &observation);
    }

    /// The findings of one connection, in order.
    pub fn findings_of(&self, index: usize, held: Held, connection: &Tracked) -> Vec<Finding> {
        let outline = Outline::of(connection);
        let turns = Turns::of(held, &outline);
        self.findings(index, connection, (&outline, &turns)).0
    }

    /// The findings of one connection, in order, and its last verdict.
    fn findings(
        &self,
        index: usize,
        connection: &Tracked,
        (outline, turns): (&Outline, &Turns),
    ) -> (Vec<Finding>, Option<Verdict>) {
        let by = self.neighbours.circumstances.find_by;
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
            let Some(mut verdict) = judge(&ending) else {
                continue;
            };
            findings.push(finding(
                connection,
                &ending,
                &mut verdict,
                &episode.frames,
                by,
            ));
            if verdict.ruling.cause != Cause::IgnoredRst || last.is_none() {
                last = Some(verdict);
            }
        }
        let still_open = last
            .as_ref()
            .is_none_or(|verdict: &Verdict| verdict.ruling.cause == Cause::IgnoredRst);
        if still_open && !ended_well(outline, turns) {
            let ending = without_reset(connection, index, &self.neighbours, self.capture_end);
            if let Some(mut verdict) = judge(&ending) {
                findings.push(finding(connection, &ending, &mut verdict, &[], by));
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
            let Some(reset) = reset_of(connection, finding) else {
                continue;
            };
            let kept = self
                .watch
                .and_then(|watch| watch.said(connection.first_stream(), finding));
            witness.testify(finding, &reset, kept);
        }
    }
}

/// Both sides closed in order and every question was answered: no rule for endings without RST finds anything
/// (`verdict::rules::no_reset` looks for an ICMP error to a SYN, packets sent again to nobody, an open exchange, a cut WebSocket, or a TLS
/// handshake that failed).
fn ended_well(connection: &Outline, turns: &Turns) -> bool {
    let reader = connection.reader.as_ref();
    let protocol = reader.map(|reader| reader.protocol);
    let unanswered = |peer: Peer| connection.sides.of(peer).unanswered_retransmissions;
    connection.closed.is_some()
        && connection.episodes.is_empty()
        && connection.icmp.is_empty()
        && unanswered(Peer::Client) == 0
        && unanswered(Peer::Server) == 0
        && protocol != Some(Protocol::WebSocket)
        && !reader.is_some_and(|reader| reader.tls_failed)
        && turns.are_answered_by(connection.last)
}
