//! Requests that were lost: what retries and hops are looked for.

use crate::dialogue::{Answer, Completeness, Turn};
use crate::flow::Items;
use crate::insight::{ConnectionStory, Teller};
use crate::parts::{COMPARED, in_parts};
use crate::report::Finding;
use crate::verdict::Harm;

/// A request that was lost, and with which finding.
#[derive(Clone, Debug)]
pub struct Lost<'a> {
    /// Index of the finding.
    pub finding: usize,
    /// What its connection told.
    pub story: ConnectionStory<'a>,
    /// The exchange that the ending cost.
    pub turn: Turn,
}

impl<'a> Lost<'a> {
    /// The requests that these findings cost; `connections` are in the order of their streams.
    pub fn all<T: Teller<'a>>(findings: &[&mut Finding], connections: &[T]) -> Vec<Self> {
        let parts = in_parts(findings.len(), COMPARED, |range| {
            let part = range.clone().zip(&findings[range]);
            let lost = part.filter_map(|(index, finding)| Self::by(index, finding, connections));
            lost.collect::<Vec<_>>()
        });
        parts.into_iter().flatten().collect()
    }

    fn by<T: Teller<'a>>(index: usize, finding: &Finding, connections: &[T]) -> Option<Self> {
        if !finding.is_harmful() {
            return None;
        }
        let stream = (finding.capture, finding.connection.stream);
        let until = connections.partition_point(|connection| connection.stream() <= stream);
        let connection = connections.get(until.checked_sub(1)?)?;
        if connection.stream() != stream {
            return None;
        }
        let story = connection.story();
        let turn = lost_turn(&story.turns, finding)?;
        Some(Self {
            finding: index,
            story,
            turn,
        })
    }
}

/// The exchange that the ending cost: the first one open when it came.
fn lost_turn(turns: &Items<Turn>, finding: &Finding) -> Option<Turn> {
    let before = |time| time <= finding.at;
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
