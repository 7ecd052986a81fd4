//! A closed ledger in few bytes.

use super::{AtOnce, Entry, ExchangeId, Ledger, Over, What, Written};
use crate::dialogue::exchange::{Farewell, Protocol};
use crate::dialogue::outline::DialogueOutline;
use crate::dialogue::turn::Turn;
use crate::flow::{Packed, Packer, Sheet, Unpacker};
use crate::time::Timestamp;

/// When the newest of these answers began, if none is lacking.
fn newest(mut answers: impl Iterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    let first = answers.next()??;
    answers.try_fold(first, |newest, answer| Some(newest.max(answer?)))
}

type LedgerSheet = Sheet<1, 0, 1, 0, 4>;

impl Ledger {
    /// It was closed.
    pub(in crate::dialogue) const fn is_over(&self) -> bool {
        !matches!(self.over, Over::No)
    }

    /// What is told of it in outline.
    pub(in crate::dialogue) fn outline(&self, protocol: Protocol) -> DialogueOutline {
        let goodbyes = self.farewells.iter();
        DialogueOutline {
            protocol,
            requester: self.requester,
            requests: self.requests(),
            answered: self.all_answered(),
            goodbyes: goodbyes
                .map(|farewell| (farewell.from, farewell.at.time))
                .collect(),
            tls_failed: self.tls_failed(),
            speaks_tls: self.speaks_tls(),
            hints: self.hints.clone(),
        }
    }

    fn tls_failed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.failed())
    }

    fn speaks_tls(&self) -> bool {
        let responder = self.requester.other();
        let tls = self.tls.as_ref();
        tls.is_some_and(|tls| tls.is_spoken_by(responder))
    }

    /// See [`DialogueOutline::answered`].
    fn all_answered(&self) -> Option<Timestamp> {
        match &self.over {
            Over::No => None,
            Over::Closed => newest(self.entries.iter().map(Entry::answered)),
            Over::InBrief(turns) => newest(turns.iter().map(Turn::answered)),
        }
    }

    /// Packs the turns.
    pub(in crate::dialogue) fn pack_turns(&self, into: &mut Packer) {
        match &self.over {
            Over::InBrief(turns) => into.list(turns.iter().copied()),
            Over::No | Over::Closed => {
                into.keys(self.entries.iter().map(Entry::key));
                self.entries.iter().for_each(|entry| entry.pack_turn(into));
            }
        }
    }

    /// Packs a closed one, but for the [turns](Self::pack_turns). What belongs to the outline comes first.
    pub(in crate::dialogue) fn pack(&self, into: &mut Packer) {
        let Self {
            over: _,
            entries,
            answered,
            next,
            uncounted,
            settled_before: _,
            farewells,
            hints,
            tls,
            incomplete,
            requester,
        } = self;
        let requests = self.requests();
        let mut sheet = LedgerSheet::begin(into);
        sheet.peer(*requester);
        sheet.some_time(self.all_answered());
        sheet.flag(self.tls_failed());
        sheet.flag(self.speaks_tls());
        sheet.flag(hints.is_some());
        sheet.flag(tls.is_some());
        sheet.flag(*incomplete);
        sheet.count(requests);
        sheet.rare(farewells.len() as u64);
        sheet.rare(*answered ^ requests);
        sheet.rare(*uncounted);
        let newest = entries.last();
        sheet.some_rare(newest.map(|entry| entry.id.0 ^ next.wrapping_sub(1)));
        sheet.flag(newest.is_some_and(Entry::is_settled));
        sheet.flag(newest.is_some_and(Entry::is_at_once));
        sheet.pack(into);
        farewells.iter().for_each(|farewell| farewell.pack(into));
        if let Some(hints) = hints {
            hints.pack(into);
        }
        if let Some(tls) = tls {
            tls.pack(into);
        }
        match newest.map(|entry| &entry.what) {
            Some(What::AtOnce(at_once)) => at_once.pack(into),
            Some(What::Full(written)) => written.exchange.pack(into),
            None => {}
        }
    }

    /// The outline of what was packed.
    pub(in crate::dialogue) fn unpack_outline(
        from: &mut Unpacker<'_>,
        protocol: Protocol,
    ) -> DialogueOutline {
        let mut sheet = LedgerSheet::unpack(from);
        let requester = sheet.take_peer();
        let answered = sheet.take_some_time();
        let [tls_failed, speaks_tls, has_hints] = std::array::from_fn(|_| sheet.take_flag());
        let requests = sheet.take_count();
        let goodbyes = sheet.take_rare();
        DialogueOutline {
            protocol,
            requester,
            requests,
            answered,
            goodbyes: match goodbyes {
                0 => Vec::new(),
                some => (0..some)
                    .map(|_| Farewell::unpack(from))
                    .map(|farewell| (farewell.from, farewell.at.time))
                    .collect(),
            },
            tls_failed,
            speaks_tls,
            hints: has_hints.then(|| Packed::unpack(from)),
        }
    }

    /// What was packed.
    pub(in crate::dialogue) fn unpack(from: &mut Unpacker<'_>, turns: Box<[Turn]>) -> Self {
        let mut sheet = LedgerSheet::unpack(from);
        let requester = sheet.take_peer();
        sheet.take_some_time();
        let [_, _, has_hints, has_tls, incomplete] = std::array::from_fn(|_| sheet.take_flag());
        let requests = sheet.take_count();
        let farewells = sheet.take_rare();
        let answered = sheet.take_rare() ^ requests;
        let uncounted = sheet.take_rare();
        let next = requests.wrapping_add(uncounted);
        let newest = sheet.take_some_rare().map(|id| id ^ next.wrapping_sub(1));
        let (settled, is_at_once) = (sheet.take_flag(), sheet.take_flag());
        let farewells = (0..farewells).map(|_| Packed::unpack(from)).collect();
        let hints = has_hints.then(|| Packed::unpack(from));
        let tls = has_tls.then(|| Packed::unpack(from));
        let newest = newest.map(|id| Entry {
            id: ExchangeId(id),
            what: match turns.last().filter(|_| is_at_once) {
                Some(turn) => What::AtOnce(AtOnce::unpack(turn, from)),
                None => What::Full(Box::new(Written {
                    settled,
                    exchange: Packed::unpack(from),
                })),
            },
        });
        Self {
            over: Over::InBrief(turns),
            answered,
            next,
            uncounted,
            settled_before: ExchangeId::FIRST,
            farewells,
            hints,
            tls,
            incomplete,
            requester,
            entries: newest.into_iter().collect(),
        }
    }
}
