//! What a dialogue has shown so far, whichever protocol's reader wrote it down.

mod packed;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::exchange::{
    Answer, Completeness, Dialogue, Exchange, Farewell, Hints, Message, Protocol, Request, TlsFacts,
};
use super::turn::Turn;
use crate::flow::{Mark, Peer};

/// Names an exchange of one connection, in the order of their beginnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExchangeId(u64);

#[derive(Clone, Debug)]
struct Entry {
    id: ExchangeId,
    /// Nothing more is expected of it: it may be forgotten first.
    settled: bool,
    exchange: Exchange,
}

/// At most [`Dialogue::KEPT`] exchanges: when another one begins, the oldest settled one is forgotten, or the oldest if none is.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    over: Over,
    entries: VecDeque<Entry>,
    requests: u64,
    answered: u64,
    next: u64,
    farewells: Vec<Farewell>,
    hints: Option<Box<Hints>>,
    tls: Option<Box<TlsFacts>>,
    pub(super) incomplete: bool,
    pub(super) requester: Peer,
}

/// Whether anything can come.
#[derive(Clone, Debug)]
enum Over {
    /// It can.
    No,
    /// It is closed: of all exchanges but the newest, a few bytes will be enough.
    Closed,
    /// Those of all; only the newest is still an entry.
    InBrief(Box<[Turn]>),
}

/// For how many exchanges there is room, step by step.
const ROOM: [usize; 3] = [1, 12, Dialogue::KEPT];

/// How many farewells are kept: the newest.
const FAREWELLS: usize = 4;

impl Default for Ledger {
    fn default() -> Self {
        Self {
            over: Over::No,
            entries: VecDeque::new(),
            requests: 0,
            answered: 0,
            next: 0,
            farewells: Vec::new(),
            hints: None,
            tls: None,
            incomplete: false,
            requester: Peer::Client,
        }
    }
}

impl Ledger {
    /// Forgets everything, and keeps its memory for what is to come.
    pub(super) fn begin_anew(&mut self) {
        let Self {
            over,
            entries,
            requests,
            answered,
            next,
            farewells,
            hints,
            tls,
            incomplete,
            requester,
        } = self;
        *over = Over::No;
        entries.clear();
        (*requests, *answered, *next) = (0, 0, 0);
        farewells.clear();
        (*hints, *tls) = (None, None);
        *incomplete = false;
        *requester = Peer::Client;
    }

    /// A request begins at `start`.
    pub(super) fn begin(&mut self, start: Mark) -> ExchangeId {
        self.begin_as(start, Completeness::Incomplete)
    }

    /// A response begins at `start` whose request was not captured.
    pub(super) fn begin_unasked(&mut self, start: Mark) -> ExchangeId {
        self.begin_as(start, Completeness::Unknown)
    }

    /// A request begins at `start`, of which so much is known.
    pub(super) fn begin_as(&mut self, start: Mark, complete: Completeness) -> ExchangeId {
        let request = Message {
            start,
            end: start,
            complete,
            expected_end: None,
        };
        self.open(request, Request::default())
    }

    /// A request begins, of which so much was seen at once.
    #[inline(always)]
    pub(super) fn open(&mut self, request: Message, what: Request) -> ExchangeId {
        self.requests = self.requests.saturating_add(1);
        if self.entries.len() == self.entries.capacity() || self.entries.len() >= Dialogue::KEPT {
            self.make_room();
        }
        let id = ExchangeId(self.next);
        self.next = self.next.wrapping_add(1);
        self.entries.push_back(Entry {
            id,
            settled: false,
            exchange: Exchange {
                request,
                what,
                ..Exchange::default()
            },
        });
        id
    }

    /// Entries are big: room for one is enough for connections that ask once, and doubling would copy the others too often.
    #[inline(never)]
    fn make_room(&mut self) {
        let used = self.entries.len();
        if used >= Dialogue::KEPT {
            let victim = self.entries.iter().position(|e| e.settled).unwrap_or(0);
            self.entries.remove(victim);
            return;
        }
        let room = ROOM.iter().find(|room| **room > used);
        let room = room.copied().unwrap_or(Dialogue::KEPT);
        self.entries.reserve_exact(room.saturating_sub(used).max(1));
    }

    #[inline(always)]
    fn entry(&mut self, id: ExchangeId) -> Option<&mut Entry> {
        // Nearly always the last one.
        if self.entries.back()?.id == id {
            return self.entries.back_mut();
        }
        let index = self.place(id)?;
        self.entries.get_mut(index)
    }

    #[inline(never)]
    fn place(&self, id: ExchangeId) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |e| e.id).ok()
    }

    /// An exchange, if it is still kept.
    pub(super) fn exchange(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.entry(id).map(|e| &mut e.exchange)
    }

    /// The newest exchange of an HTTP/2 stream that waits for something.
    pub(super) fn open_stream(&self, stream: u32) -> Option<ExchangeId> {
        self.entries
            .iter()
            .rev()
            .find(|e| !e.settled && e.exchange.what.stream_id == Some(stream))
            .map(|e| e.id)
    }

    /// Streams above `last` that wait for their responses will get none (HTTP/2 GOAWAY).
    pub(super) fn refuse_streams_above(&mut self, last: u32) {
        for entry in self.entries.iter_mut().filter(|entry| !entry.settled) {
            let above = entry
                .exchange
                .what
                .stream_id
                .is_some_and(|stream| stream > last);
            if above && entry.exchange.response.is_none() {
                entry.exchange.answer = Answer::Refused;
            }
        }
    }

    /// The framing was lost: whether what is open was whole can't be told any more.
    pub(super) fn unframe(&mut self) {
        self.incomplete = true;
        for exchange in self
            .entries
            .iter_mut()
            .filter(|entry| !entry.settled)
            .map(|entry| &mut entry.exchange)
        {
            for message in [Some(&mut exchange.request), exchange.response.as_mut()]
                .into_iter()
                .flatten()
            {
                if message.complete == Completeness::Incomplete {
                    message.complete = Completeness::Unknown;
                    message.expected_end = None;
                }
            }
        }
    }

    /// Its response is whole, or presumed so.
    pub(super) fn settle(&mut self, id: ExchangeId) {
        self.settle_as(id, |_| ());
    }

    /// Its response ended where its framing says: there, or as far as it was read.
    pub(super) fn answer(&mut self, id: ExchangeId, end: Option<Mark>) {
        self.settle_as(id, |exchange| {
            if let Some(response) = &mut exchange.response {
                response.end = end.unwrap_or(response.end);
                response.complete = Completeness::Complete;
                response.expected_end = None;
            }
        });
    }

    #[inline(always)]
    fn settle_as(&mut self, id: ExchangeId, end: impl FnOnce(&mut Exchange)) {
        let newly = match self.entry(id) {
            Some(entry) => {
                end(&mut entry.exchange);
                !std::mem::replace(&mut entry.settled, true)
            }
            None => true,
        };
        if newly {
            self.answered = self.answered.saturating_add(1);
        }
    }

    /// All of its response was seen at once, between two places.
    #[inline(always)]
    pub(super) fn answer_at_once(&mut self, id: ExchangeId, status: u16, start: &Mark, end: &Mark) {
        self.settle_as(id, |exchange| {
            exchange.status = Some(status);
            exchange.response = Some(Message {
                start: *start,
                end: *end,
                complete: Completeness::Complete,
                expected_end: None,
            });
        });
    }

    /// What looked like a response was none.
    pub(super) fn revoke_response(&mut self, id: ExchangeId) {
        if let Some(entry) = self.entry(id) {
            entry.exchange.response = None;
            entry.exchange.status = None;
        }
    }

    /// The requester took it back, or it was no request after all.
    pub(super) fn withdraw(&mut self, id: ExchangeId) {
        if let Some(index) = self.place(id) {
            self.entries.remove(index);
        }
    }

    /// Takes a question without answer back: another reader begins it anew.
    pub(super) fn withdraw_unanswered(&mut self, id: ExchangeId) {
        let unanswered = self
            .exchange(id)
            .is_some_and(|exchange| exchange.response.is_none());
        if unanswered {
            self.withdraw(id);
            self.requests = self.requests.saturating_sub(1);
        }
    }

    /// Exchanges begun.
    pub(super) const fn requests(&self) -> u64 {
        self.requests
    }

    /// A peer said that it is going away.
    pub(super) fn farewell(&mut self, from: Peer, at: Mark, what: impl Into<String>) {
        if self.farewells.len() >= FAREWELLS {
            self.farewells.remove(0);
        }
        self.farewells.push(Farewell {
            from,
            at,
            what: what.into(),
        });
    }

    /// It was none after all.
    pub(super) fn revoke_farewell(&mut self, from: Peer, at: Mark) {
        self.farewells.retain(|f| f.from != from || f.at != at);
    }

    /// The headers that name products.
    pub(super) fn hints(&mut self) -> &mut Hints {
        self.hints.get_or_insert_default()
    }

    /// Every exchange kept has its answer, as far as framing tells, or wants none.
    pub(super) fn is_settled(&self) -> bool {
        use Completeness::{Complete, Unknown};
        self.told().map(|entry| &entry.exchange).all(|exchange| {
            exchange.answer == Answer::NotDue
                || exchange
                    .response
                    .is_some_and(|response| matches!(response.complete, Complete | Unknown))
        })
    }

    /// Nothing more can come.
    pub(super) fn close(&mut self) {
        if let Over::No = self.over {
            self.over = Over::Closed;
        }
    }

    /// Once closed, keeps exchanges in brief.
    pub(super) fn give_back(&mut self) {
        if let Over::Closed = self.over {
            self.over = Over::InBrief(in_brief(&self.entries));
            self.entries = self.entries.pop_back().into_iter().collect();
        }
    }

    /// The entries that are told in full: of what is closed, the newest.
    fn told(&self) -> impl Iterator<Item = &Entry> {
        let untold = match self.over {
            Over::No => 0,
            Over::Closed | Over::InBrief(_) => self.entries.len().saturating_sub(1),
        };
        self.entries.iter().skip(untold)
    }

    /// The exchanges kept, oldest first.
    pub(super) fn turns(&self) -> Cow<'_, [Turn]> {
        match &self.over {
            Over::InBrief(turns) => Cow::Borrowed(turns),
            Over::No | Over::Closed => Cow::Owned(in_brief(&self.entries).into_vec()),
        }
    }

    /// The headers that name products, where any were seen.
    pub(super) fn known_hints(&self) -> Option<&Hints> {
        self.hints.as_deref()
    }

    /// Goodbyes, oldest first.
    pub(super) fn farewells(&self) -> &[Farewell] {
        &self.farewells
    }

    /// Exchanges begun in all.
    pub(super) const fn begun(&self) -> u64 {
        self.requests
    }

    /// What TLS shows.
    pub(super) fn tls(&mut self) -> &mut TlsFacts {
        self.tls.get_or_insert_default()
    }

    /// Everything, as verdicts read it.
    pub(super) fn into_dialogue(mut self, protocol: Protocol) -> Dialogue {
        let told = self.told().count();
        let recent = self.entries.split_off(self.entries.len() - told);
        let recent = recent.into_iter().map(|entry| entry.exchange).collect();
        Dialogue {
            protocol,
            requester: self.requester,
            requests: self.requests,
            answered: self.answered,
            recent,
            farewells: self.farewells,
            hints: self.hints.map(|h| *h).unwrap_or_default(),
            tls: self.tls.map(|t| *t),
            incomplete: self.incomplete,
        }
    }
}

fn in_brief(entries: &VecDeque<Entry>) -> Box<[Turn]> {
    entries
        .iter()
        .map(|entry| Turn::from(&entry.exchange))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unanswered_exchanges_outlive_answered_ones() {
        let mut ledger = Ledger::default();
        let waiting = ledger.begin(Mark::default());
        for _ in 0..3 * Dialogue::KEPT {
            let id = ledger.begin(Mark::default());
            ledger.settle(id);
        }
        assert!(ledger.exchange(waiting).is_some());
        let dialogue = ledger.into_dialogue(Protocol::Opaque);
        assert_eq!(dialogue.recent.len(), Dialogue::KEPT);
        assert_eq!((dialogue.requests, dialogue.answered), (97, 96));
    }

    #[test]
    fn settling_twice_counts_once_and_the_forgotten_still_count() {
        let mut ledger = Ledger::default();
        let first = ledger.begin(Mark::default());
        ledger.settle(first);
        ledger.settle(first);
        let ids: Vec<_> = (0..40).map(|_| ledger.begin(Mark::default())).collect();
        ledger.settle(ids[0]);
        assert_eq!(ledger.into_dialogue(Protocol::Opaque).answered, 2);
    }
}
