//! Requests by what they ask, in order of time.

use ahash::RandomState;
use hashbrown::HashMap;

use crate::dialogue::{Answer, Turn};
use crate::flow::Peer;
use crate::insight::ConnectionStory;
use crate::time::{Interval, Timestamp};

/// One request, and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) story: &'a ConnectionStory<'a>,
    pub(super) turn: Turn,
}

/// What makes requests on both sides of a proxy alike. Proxies change headers, so hashes are compared only where there are no words.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Words(u64),
    Bytes(u64),
}

impl<'a> Asked<'a> {
    pub(super) fn start(&self) -> Timestamp {
        self.turn.start
    }

    /// Its connection's `tcp.stream` in the capture of its first frame.
    pub(super) fn stream_there(&self) -> u32 {
        let there = self.story.stream_in(self.turn.frame.capture.0);
        there.unwrap_or(self.story.stream)
    }

    /// Tells it from every other request.
    pub(super) fn id(&self) -> (u16, u32, Timestamp) {
        (self.story.capture, self.story.stream, self.start())
    }

    /// `None` where nothing is known that could be recognised.
    pub(super) fn key(&self) -> Option<Key> {
        let turn = self.turn;
        if self.story.requester != Peer::Client || turn.answer == Answer::NotDue || !turn.asked {
            return None;
        }
        match turn.words {
            Some(words) => Some(Key::Words(words.get())),
            None if turn.fingerprint != 0 && turn.fingerprint_whole => {
                Some(Key::Bytes(turn.fingerprint))
            }
            None => None,
        }
    }

    /// How long after `front` its host turned to this: sent it, or began to connect for it.
    pub(super) fn lag(&self, front: &Self) -> Interval {
        let first =
            self.story.turns.iter().next().is_some_and(|first| {
                (first.start, first.frame) == (self.turn.start, self.turn.frame)
            });
        let turned = if first && self.story.opened >= front.start() {
            self.story.opened
        } else {
            self.start()
        };
        turned - front.start()
    }

    /// Equal in all that a proxy passes on unchanged.
    pub(super) fn same_bytes(&self, other: &Self) -> bool {
        let (one, two) = (self.turn, other.turn);
        one.fingerprint_whole
            && two.fingerprint_whole
            && one.fingerprint != 0
            && one.fingerprint == two.fingerprint
    }

    /// Begun and not yet answered at that moment.
    pub(super) fn is_open_at(&self, moment: Timestamp) -> bool {
        self.start() <= moment
            && match self.turn.reply {
                Some(reply) => reply.start > moment,
                None => self.story.last >= moment,
            }
    }
}

/// All requests that can be recognised.
pub(super) struct AskedIndex<'a> {
    /// In order of their start.
    by_key: HashMap<Key, Vec<Asked<'a>>, RandomState>,
    /// The places there of those that were answered, in order of the answer's start.
    answered: HashMap<Key, Vec<(Timestamp, u32)>, RandomState>,
}

impl<'a> AskedIndex<'a> {
    pub(super) fn new(stories: impl Iterator<Item = &'a ConnectionStory<'a>>) -> Self {
        let mut by_key: HashMap<Key, Vec<Asked>, RandomState> = HashMap::default();
        for story in stories {
            for turn in story.turns.iter() {
                let asked = Asked { story, turn };
                let Some(key) = asked.key() else { continue };
                by_key.entry(key).or_default().push(asked);
            }
        }
        for alike in by_key.values_mut() {
            alike.sort_by_key(|asked| (asked.start(), asked.id()));
        }
        let answered = by_key.iter().map(|(key, alike)| (*key, by_answer(alike)));
        Self {
            answered: answered.collect(),
            by_key,
        }
    }

    /// Every request, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Asked<'a>> {
        self.by_key.values().flatten()
    }

    /// Requests like `asked` on other connections that began at `moment` or before, newest first.
    pub(super) fn alike_before<'s>(
        &'s self,
        asked: &'s Asked<'s>,
        moment: Timestamp,
    ) -> impl Iterator<Item = &'s Asked<'s>> {
        let alike = asked
            .key()
            .and_then(|key| self.by_key.get(&key))
            .map_or(&[][..], Vec::as_slice);
        let until = alike.partition_point(|other| other.start() <= moment);
        alike
            .get(..until)
            .unwrap_or_default()
            .iter()
            .rev()
            .filter(|other| {
                (other.story.capture, other.story.stream)
                    != (asked.story.capture, asked.story.stream)
            })
    }

    /// The request like `asked`, from the same host, whose answer came last at `moment` or before.
    pub(super) fn answered_last<'s>(
        &'s self,
        asked: &Asked<'s>,
        moment: Timestamp,
    ) -> Option<&'s Asked<'s>> {
        let key = asked.key()?;
        let (alike, answered) = (self.by_key.get(&key)?, self.answered.get(&key)?);
        let until = answered.partition_point(|(at, _)| *at <= moment);
        answered
            .get(..until)?
            .iter()
            .rev()
            .take(super::MOST_COMPARED)
            .filter_map(|(_, place)| alike.get(*place as usize))
            .find(|other| other.story.client.ip() == asked.story.client.ip())
    }
}

/// The places of those that were answered, in order of the answer's start.
fn by_answer(alike: &[Asked]) -> Vec<(Timestamp, u32)> {
    let places = (0..).zip(alike);
    let mut answered: Vec<(Timestamp, u32)> = places
        .filter_map(|(place, asked)| Some((asked.turn.reply?.start, place)))
        .collect();
    let id = |place: u32| alike.get(place as usize).map(Asked::id);
    answered.sort_by_key(|(at, place)| (*at, id(*place)));
    answered
}
