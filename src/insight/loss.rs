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
        let mut streams = finding.streams();
        let connection = streams.find_map(|stream| {
            let capture = stream.capture.unwrap_or(finding.capture);
            shown_first_as((capture, stream.number), connections)
        })?;
        let story = connection.story();
        let turn = lost_turn(&story.turns, finding)?;
        Some(Self {
            finding: index,
            story,
            turn,
        })
    }
}

/// The connection that a capture showed before any other did, under this number.
fn shown_first_as<'c, 'a, T: Teller<'a>>(
    stream: (u16, u32),
    connections: &'c [T],
) -> Option<&'c T> {
    // All of a capture are mostly there: one stands about at its number.
    let guess = stream.1 as usize;
    let until = partition_near(guess, connections, |other| other.stream() <= stream);
    let connection = connections.get(until.checked_sub(1)?)?;
    (connection.stream() == stream).then_some(connection)
}

/// The same as [`partition_point`](slice::partition_point), found in few steps from a good guess.
fn partition_near<T>(guess: usize, all: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    let is_before = |place: usize| all.get(place).is_some_and(&is_before);
    let (mut low, mut high) = (guess.min(all.len()), guess.min(all.len()));
    let mut reach = 1;
    while low > 0 && !is_before(low - 1) {
        high = low - 1;
        low = low.saturating_sub(reach);
        reach *= 2;
    }
    while high < all.len() && is_before(high) {
        low = high + 1;
        high = (high + reach).min(all.len());
        reach *= 2;
    }
    while low < high {
        let middle = low.midpoint(high);
        match is_before(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::partition_near;

    proptest! {
        #[test]
        fn a_guess_changes_nothing(mut all: Vec<u8>, wanted: u8, guess in 0_usize..300) {
            all.sort_unstable();
            let expected = all.partition_point(|other| *other <= wanted);
            prop_assert_eq!(partition_near(guess, &all, |other| *other <= wanted), expected);
        }
    }
}
