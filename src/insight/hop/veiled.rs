//! Hops behind an encrypted front: what TLS carries can't be compared with the request behind, so time has to tell, and time tells
//! only where there is one request in front and one behind.
//!
//! Tied is a failure behind whose request began at once after an exchange of the front, which was the only one that this host had
//! open on any encrypted front, while this host passed on nothing else (but the same request again), and which came to its end as
//! soon as the back had failed. Where a second exchange fits, in front or behind, nothing is tied. A host with two addresses shows
//! by its habits only where requests can be recognised: here one address has to be the server in front and the client behind.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::dialogue::{Answer, Dialogue};
use crate::flow::Peer;
use crate::insight::ConnectionStory;
use crate::time::Timestamp;

use super::asked::Asked;
use super::{
    AT_ONCE, Failure, Failures, OPEN_AT_MOST, Outcome, SOON, Side, Tie, failed_with, retried, when,
};

/// Exchanges beyond which no more are compared; where there are more, nothing is tied.
const MOST_LOOKED_AT: usize = 4_096;

/// What one host was asked under TLS, and what it asked others; both in order of time.
#[derive(Default)]
struct Host<'a> {
    in_front: Vec<Asked<'a>>,
    behind: Vec<Asked<'a>>,
    /// When connections that are remembered by their newest exchanges only may have had others.
    forgotten: Vec<(Timestamp, Timestamp)>,
}

/// Ties for failures that the comparison of requests has not tied.
pub(super) fn ties(
    failures: &Failures,
    stories: &[ConnectionStory],
    tied: &BTreeSet<usize>,
) -> Vec<Tie> {
    let left = || {
        let backs = failures.backs.iter();
        backs.filter(|back| !tied.contains(&back.finding) && !back.by_client)
    };
    let wanted = left().map(|back| back.asked.story.client.ip()).collect();
    let hosts = hosts(stories, &wanted);
    let found = left().filter_map(|back| {
        let host = hosts.get(&back.asked.story.client.ip())?;
        host.tie(back, failures)
    });
    found.collect()
}

fn hosts<'a>(
    stories: &'a [ConnectionStory<'a>],
    wanted: &BTreeSet<IpAddr>,
) -> BTreeMap<IpAddr, Host<'a>> {
    let mut hosts: BTreeMap<IpAddr, Host> = BTreeMap::new();
    for story in stories {
        let (client, server) = (story.client.ip(), story.server.ip());
        let requests = story.turns.iter().map(|turn| Asked { story, turn });
        let requests = requests.filter(|asked| asked.turn.asked);
        let forgotten = forgotten(story);
        if wanted.contains(&client) && client != server {
            let host = hosts.entry(client).or_default();
            host.behind.extend(requests.clone());
            host.forgotten.extend(forgotten);
        }
        if wanted.contains(&server) && client != server && story.requester == Peer::Client {
            let veiled = |asked: &Asked| asked.key().is_none() && asked.turn.answer == Answer::Due;
            let host = hosts.entry(server).or_default();
            host.in_front.extend(requests.filter(veiled));
            host.forgotten.extend(forgotten);
        }
    }
    for host in hosts.values_mut() {
        host.in_front
            .sort_by_key(|asked| (asked.start(), asked.id()));
        host.behind.sort_by_key(|asked| (asked.start(), asked.id()));
    }
    hosts
}

/// From when to when this connection's exchanges are not all known: it had more than are kept.
fn forgotten(story: &ConnectionStory) -> Option<(Timestamp, Timestamp)> {
    (story.turns.len() >= Dialogue::KEPT).then(|| {
        let answered = story.turns.iter().filter(|turn| turn.reply.is_some());
        let known_since = answered.map(|turn| turn.start).min();
        (story.opened, known_since.unwrap_or(story.last))
    })
}

impl Host<'_> {
    fn remembers(&self, from: Timestamp, to: Timestamp) -> bool {
        let mut forgotten = self.forgotten.iter();
        !forgotten.any(|(begin, end)| *begin <= to && *end > from)
    }

    fn tie(&self, back: &Failure, failures: &Failures) -> Option<Tie> {
        let front = self.only_open(&back.asked)?;
        let lag = back.asked.lag(front);
        if lag > AT_ONCE {
            return None;
        }
        let outcome = self.outcome(back, front, failures)?;
        let tied_by = format!(
            "likely, by time alone as the front can't be read: passed on {lag} after the only request that was open in front; {}; nothing else was passed on meanwhile; one address is the server in front and the client behind",
            when(back, &outcome)
        );
        Some(Tie {
            back_finding: back.finding,
            back: Side::of(&back.asked),
            front_finding: outcome.finding,
            front: Side::of(front),
            outcome: outcome.word,
            tied_by,
            again: outcome.again,
        })
    }

    /// The exchange in front that waited when `back` began, if it was one.
    fn only_open(&self, back: &Asked) -> Option<&Asked<'_>> {
        let until = self
            .in_front
            .partition_point(|front| front.start() <= back.start());
        let before = self.in_front.get(..until)?.iter().rev();
        let mut looked_at = 0;
        let mut open = before
            .take_while(|front| back.start() - front.start() <= OPEN_AT_MOST)
            .inspect(|_| looked_at += 1)
            .take(MOST_LOOKED_AT)
            .filter(|front| front.is_open_at(back.start()));
        let only = open.next()?;
        let alone = open.next().is_none();
        (alone && looked_at < MOST_LOOKED_AT).then_some(only)
    }

    /// What the front client got, if it follows from the end of `back` alone.
    fn outcome(&self, back: &Failure, front: &Asked, failures: &Failures) -> Option<Outcome> {
        let own = failures.veiled.get(&front.id());
        let reply = front.turn.reply;
        let over = match (own, reply) {
            (Some(own), _) => own.first_sign(),
            (None, Some(reply)) => reply.start,
            (None, None) => return None,
        };
        if !self.remembers(front.start(), over) {
            return None;
        }
        let again = self.again(back, front, over)?;
        if let Some(own) = own {
            return failed_with(back, own);
        }
        let answered = again
            .into_iter()
            .rfind(|again| again.turn.reply.is_some_and(|reply| reply.start <= over));
        let soon = match &answered {
            Some(again) => again.start() - back.first_sign(),
            None => over - back.first_sign(),
        };
        if over < back.first_sign() || soon > SOON {
            return None;
        }
        Some(match answered {
            Some(again) => retried(again, over),
            None => Outcome {
                word: "answered".to_owned(),
                at: over,
                finding: None,
                what: "its answer (whose status can't be read)".to_owned(),
                again: None,
            },
        })
    }

    /// What else this host asked while `front` waited: `None` where that was anything but the request of `back` again.
    fn again(&self, back: &Failure, front: &Asked, over: Timestamp) -> Option<Vec<&Asked<'_>>> {
        let from = self
            .behind
            .partition_point(|asked| asked.start() < front.start());
        let meanwhile = self.behind.get(from..)?.iter();
        let others: Vec<&Asked> = meanwhile
            .take_while(|asked| asked.start() <= over)
            .filter(|asked| asked.id() != back.asked.id())
            .take(MOST_LOOKED_AT)
            .collect();
        let is_again = |asked: &&Asked| {
            asked.key() == back.asked.key()
                && asked.story.server == back.asked.story.server
                && asked.start() + AT_ONCE >= back.first_sign()
        };
        others.iter().all(is_again).then_some(others)
    }
}
