//! What a dialogue has shown so far, whichever protocol's reader wrote it down.

mod at_once;
mod entries;
mod packed;

use std::borrow::Cow;

use self::at_once::AtOnce;
use self::entries::{Entries, Entry, What, Written};
use super::exchange::{
    Answer, Completeness, Dialogue, Exchange, Farewell, Hints, Message, Protocol, Request, TlsFacts,
};
use super::turn::Turn;
use crate::flow::{Mark, Peer};

/// Names an exchange of one connection, in the order of their beginnings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExchangeId(u64);

impl ExchangeId {
    const FIRST: Self = Self(0);
}

/// At most [`Dialogue::KEPT`] exchanges: when another one begins, the oldest settled one is forgotten, or the oldest if none is.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    over: Over,
    entries: Entries,
    answered: u64,
    /// The next one to begin.
    next: u64,
    /// So many were none after all, and are not counted.
    uncounted: u64,
    /// All exchanges before this one were answered at once, and nobody has written to them since.
    settled_before: ExchangeId,
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

/// How many farewells are kept: the newest.
const FAREWELLS: usize = 4;

impl Default for Ledger {
    fn default() -> Self {
        Self {
            over: Over::No,
            entries: Entries::default(),
            answered: 0,
            next: 0,
            uncounted: 0,
            settled_before: ExchangeId::FIRST,
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
            answered,
            next,
            uncounted,
            settled_before,
            farewells,
            hints,
            tls,
            incomplete,
            requester,
        } = self;
        *over = Over::No;
        entries.clear();
        (*answered, *next, *uncounted) = (0, 0, 0);
        *settled_before = ExchangeId::FIRST;
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
        let id = self.next_id();
        let exchange = Exchange {
            request,
            what,
            ..Exchange::default()
        };
        let settled = false;
        self.entries.push(id, Written { settled, exchange });
        id
    }

    #[inline(always)]
    const fn next_id(&mut self) -> ExchangeId {
        let id = ExchangeId(self.next);
        self.next = self.next.wrapping_add(1);
        id
    }

    #[inline(always)]
    fn entry(&mut self, id: ExchangeId) -> Option<&mut Entry> {
        // Nearly always the last one.
        if self.entries.last()?.id == id {
            return self.entries.last_mut();
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
        self.settled_before = self.settled_before.min(id);
        let written = self.entry(id)?.write()?;
        Some(&mut written.exchange)
    }

    /// The newest exchange of an HTTP/2 stream that waits for something.
    pub(super) fn open_stream(&mut self, stream: u32) -> Option<ExchangeId> {
        let mut newest = self.entries.iter_mut().rev();
        newest.find_map(|entry| {
            let id = entry.id;
            let written = entry.full_mut().filter(|written| !written.settled)?;
            (written.exchange.what.stream_id == Some(stream)).then_some(id)
        })
    }

    /// What is written down in full and waits for something; all else needs no change.
    fn unsettled(&mut self) -> impl Iterator<Item = &mut Exchange> {
        let written = self.entries.iter_mut().filter_map(Entry::full_mut);
        written
            .filter(|written| !written.settled)
            .map(|written| &mut written.exchange)
    }

    /// Streams above `last` that wait for their responses will get none (HTTP/2 GOAWAY).
    pub(super) fn refuse_streams_above(&mut self, last: u32) {
        for exchange in self.unsettled() {
            let above = exchange.what.stream_id.is_some_and(|stream| stream > last);
            if above && exchange.response.is_none() {
                exchange.answer = Answer::Refused;
            }
        }
    }

    /// The framing was lost: whether what is open was whole can't be told any more.
    pub(super) fn unframe(&mut self) {
        self.incomplete = true;
        for exchange in self.unsettled() {
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
        let newly = match self.entry(id).and_then(Entry::write) {
            Some(written) => {
                end(&mut written.exchange);
                !std::mem::replace(&mut written.settled, true)
            }
            None => true,
        };
        if newly {
            self.answered = self.answered.wrapping_add(1);
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
        self.settled_at_once(id);
    }

    #[inline(always)]
    fn settled_at_once(&mut self, id: ExchangeId) {
        if self.settled_before == id {
            self.settled_before = ExchangeId(id.0.wrapping_add(1));
        }
    }

    /// What looked like a response was none.
    pub(super) fn revoke_response(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.exchange(id) {
            exchange.response = None;
            exchange.status = None;
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
            self.uncounted = self.uncounted.wrapping_add(1);
        }
    }

    /// Exchanges begun.
    pub(super) const fn requests(&self) -> u64 {
        self.next.wrapping_sub(self.uncounted)
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
        // Mostly the newest one tells it of all of them, and the others need not be fetched from where they lie.
        let newest = self.entries.last();
        newest.is_some_and(|entry| entry.id < self.settled_before) || self.is_each_settled()
    }

    fn is_each_settled(&self) -> bool {
        self.told().all(|entry| match &entry.what {
            What::AtOnce(at_once) => at_once.is_answered(),
            What::Full(written) => {
                let exchange = &written.exchange;
                exchange.answer == Answer::NotDue || exchange.answered().is_some()
            }
        })
    }

    /// Nothing more can come.
    pub(super) fn close(&mut self) {
        if let Over::No = self.over {
            self.over = Over::Closed;
            self.settled_before = ExchangeId::FIRST;
        }
    }

    /// Keeps no more memory than it needs: once closed, exchanges in brief.
    pub(super) fn give_back(&mut self) {
        match self.over {
            Over::No => self.entries.give_back(),
            Over::Closed => {
                self.over = Over::InBrief(in_brief(&self.entries));
                self.entries.keep_newest();
            }
            Over::InBrief(_) => {}
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

    /// What TLS shows.
    pub(super) fn tls(&mut self) -> &mut TlsFacts {
        self.tls.get_or_insert_default()
    }

    /// Everything, as verdicts read it.
    pub(super) fn into_dialogue(self, protocol: Protocol) -> Dialogue {
        let requests = self.requests();
        let told = self.told().count();
        let recent = self.entries.into_newest(told);
        Dialogue {
            protocol,
            requester: self.requester,
            requests,
            answered: self.answered,
            recent,
            farewells: self.farewells,
            hints: self.hints.map(|h| *h).unwrap_or_default(),
            tls: self.tls.map(|t| *t),
            incomplete: self.incomplete,
        }
    }
}

fn in_brief(entries: &[Entry]) -> Box<[Turn]> {
    entries.iter().map(Turn::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn the_newest_exchange_tells_of_all(steps in prop::collection::vec((0..9_u8, 0..40_usize), 0..80)) {
            let mut ledger = Ledger::default();
            let mut ids = Vec::new();
            let at = Mark::default();
            for (step, place) in steps {
                let id = ids.len().checked_sub(1 + place % 4).map(|index| ids[index]);
                match (step, id) {
                    (0..3, _) | (_, None) => ids.push(ledger.begin(at)),
                    (3..7, Some(id)) => ledger.answer_at_once(id, 200, &at, &at),
                    (7, Some(id)) => match place {
                        0..10 => ledger.revoke_response(id),
                        10..20 => ledger.withdraw(id),
                        20..30 => ledger.answer(id, None),
                        _ => ledger.unframe(),
                    },
                    (_, Some(id)) => {
                        if let Some(exchange) = ledger.exchange(id) {
                            exchange.response = None;
                        }
                    }
                }
                prop_assert_eq!(ledger.is_settled(), ledger.is_each_settled());
            }
            ledger.close();
            prop_assert_eq!(ledger.is_settled(), ledger.is_each_settled());
        }
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
