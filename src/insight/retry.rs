//! The same request again, on another connection, after a loss.

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::{HashMap, HashSet};

use crate::capture::FrameId;
use crate::dialogue::{Answer, Completeness, Idempotence, Turn};
use crate::flow::Items;
use crate::insight::ConnectionStory;
use crate::parts::{LOOKED_AT, in_parts};
use crate::report::{Finding, RetrySeen};
use crate::time::{Interval, Timestamp};
use crate::verdict::Harm;

/// A request that comes later than this after a loss is a new one.
const PATIENCE: Interval = Interval::from_millis(10_000);
/// Clients hedge: a copy may start a little before the loss is seen.
const BEFORE: Interval = Interval::from_millis(50);

/// One request as it can be recognised: who sent it, its hash, how many bytes that covers.
type Signature = (IpAddr, u64);

/// A request that was lost, and with which finding.
struct Lost<'a> {
    finding: usize,
    story: &'a ConnectionStory<'a>,
    turn: Turn,
    signature: Signature,
}

/// One request as it was seen somewhere: of some there are many.
#[derive(Clone, Copy)]
struct Seen<'a> {
    story: &'a ConnectionStory<'a>,
    start: Timestamp,
    frame: FrameId,
    answered: bool,
}

impl<'a> Seen<'a> {
    fn of(story: &'a ConnectionStory<'a>, turn: &Turn) -> Self {
        Self {
            story,
            start: turn.start,
            frame: turn.frame,
            answered: turn.reply.is_some(),
        }
    }
}

/// Fills `retry.seen` of the findings that cost a request.
pub fn find_retries(findings: &mut [&mut Finding], stories: &[&ConnectionStory]) {
    let lost = lost_requests(findings, stories);
    let copies = copies_of(&lost, stories);
    for lost in lost {
        let Some(finding) = findings.get_mut(lost.finding) else {
            continue;
        };
        let Some(copy) = copies
            .get(&lost.signature)
            .and_then(|copies| first_after(copies, &lost, finding.at))
        else {
            continue;
        };
        if let Some(retry) = finding.retry.as_mut() {
            let write = lost.turn.idempotence != Some(Idempotence::Idempotent);
            let maybe_run = matches!(
                finding.harm,
                Harm::RequestOutcomeUnknown | Harm::ResponseTruncated
            );
            retry.seen = Some(RetrySeen {
                stream: copy.story.stream,
                frame: copy.frame.number.0,
                after_s: (copy.start - finding.at).as_secs_f64(),
                answered: copy.answered,
                may_have_run_twice: write && maybe_run,
            });
            if write && maybe_run {
                let what = finding
                    .request
                    .as_ref()
                    .and_then(|request| request.summary.as_deref())
                    .unwrap_or("The request");
                retry.why = format!(
                    "{} {what} may have run twice: it was sent again.",
                    retry.why
                );
            }
        }
    }
}

fn lost_requests<'a>(
    findings: &[&mut Finding],
    stories: &[&'a ConnectionStory<'a>],
) -> Vec<Lost<'a>> {
    let by_connection = stories_of(findings, stories);
    findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.is_harmful())
        .filter_map(|(index, finding)| {
            let story = by_connection.get(&(finding.capture, finding.connection.stream))?;
            let turn = lost_turn(&story.turns, finding)?;
            Some(Lost {
                finding: index,
                story,
                turn,
                signature: signature(story, &turn)?,
            })
        })
        .collect()
}

/// The stories of the connections that harmful findings are about, by capture and stream.
pub(super) fn stories_of<'a>(
    findings: &[&mut Finding],
    stories: &[&'a ConnectionStory<'a>],
) -> HashMap<(u16, u32), &'a ConnectionStory<'a>, RandomState> {
    let wanted: HashSet<(u16, u32), RandomState> = findings
        .iter()
        .filter(|finding| finding.is_harmful())
        .map(|finding| (finding.capture, finding.connection.stream))
        .collect();
    stories
        .iter()
        .map(|&story| ((story.capture, story.stream), story))
        .filter(|(connection, _)| wanted.contains(connection))
        .collect()
}

/// Everything that looks like one of the lost requests, in order of time.
fn copies_of<'a>(
    lost: &[Lost],
    stories: &[&'a ConnectionStory<'a>],
) -> HashMap<Signature, Vec<Seen<'a>>, RandomState> {
    let mut copies: HashMap<Signature, Vec<Seen>, RandomState> = lost
        .iter()
        .map(|lost| (lost.signature, Vec::new()))
        .collect();
    if copies.is_empty() {
        return copies;
    }
    let marks = Marks::of(lost.iter().map(|lost| lost.turn.fingerprint));
    let alike = in_parts(stories.len(), LOOKED_AT, |range| {
        let mut alike = Vec::new();
        for story in &stories[range] {
            // Nearly all connections have none of them.
            if !story
                .turns
                .any_key(|fingerprint| marks.may_have(fingerprint))
            {
                continue;
            }
            for turn in story.turns.iter() {
                let signature = signature(story, &turn);
                if let Some(signature) = signature.filter(|known| copies.contains_key(known)) {
                    alike.push((signature, Seen::of(story, &turn)));
                }
            }
        }
        alike
    });
    for (signature, copy) in alike.into_iter().flatten() {
        copies.entry(signature).or_default().push(copy);
    }
    for alike in copies.values_mut() {
        alike.sort_by_key(|copy| (copy.start, copy.story.stream));
    }
    copies
}

/// A bit for each fingerprint of some: nearly all others are told apart without a look into a table.
struct Marks(Vec<u64>);

impl Marks {
    const WORDS: usize = 1 << 12;

    fn of(fingerprints: impl Iterator<Item = u64>) -> Self {
        let mut marks = Self(vec![0; Self::WORDS]);
        for fingerprint in fingerprints {
            let (word, bit) = Self::place(fingerprint);
            marks.0[word] |= bit;
        }
        marks
    }

    const fn place(fingerprint: u64) -> (usize, u64) {
        let word = (fingerprint >> 6) as usize % Self::WORDS;
        (word, 1 << (fingerprint % 64))
    }

    fn may_have(&self, fingerprint: u64) -> bool {
        let (word, bit) = Self::place(fingerprint);
        self.0[word] & bit != 0
    }
}

/// The first one on another connection within the time in which a loss is repaired.
fn first_after<'a>(copies: &[Seen<'a>], lost: &Lost, loss: Timestamp) -> Option<Seen<'a>> {
    let connection = |story: &ConnectionStory| (story.capture, story.stream);
    let earlier =
        copies.partition_point(|copy| copy.start < loss - BEFORE || copy.start <= lost.turn.start);
    copies
        .iter()
        .skip(earlier)
        .take_while(|copy| copy.start - loss <= PATIENCE)
        .find(|copy| connection(copy.story) != connection(lost.story))
        .copied()
}

fn signature(story: &ConnectionStory, turn: &Turn) -> Option<Signature> {
    (turn.fingerprint != 0).then_some((story.client.ip(), turn.fingerprint))
}

/// The exchange that the ending cost: the first one open when it came.
pub(super) fn lost_turn(turns: &Items<Turn>, finding: &Finding) -> Option<Turn> {
    let before = |time: Timestamp| time <= finding.at;
    let cut = |turn: &Turn| {
        before(turn.start)
            && turn
                .reply
                .is_some_and(|reply| reply.complete != Completeness::Complete)
    };
    if finding.harm == Harm::ResponseTruncated
        && let Some(newest) = turns.iter().filter(cut).last()
    {
        return Some(newest);
    }
    let open = |turn: &Turn| {
        turn.answer != Answer::NotDue
            && before(turn.start)
            && turn.reply.is_none_or(|reply| reply.start > finding.at)
    };
    let late = |turn: &Turn| turn.reply.is_none();
    turns.iter().find(open).or_else(|| turns.iter().find(late))
}
