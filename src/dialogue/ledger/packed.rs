//! A closed ledger in few bytes.

use super::{Entry, ExchangeId, Ledger, Over};
use crate::dialogue::exchange::{Farewell, Protocol};
use crate::dialogue::outline::DialogueOutline;
use crate::dialogue::turn::Turn;
use crate::flow::{Packed, Packer, Sheet, Unpacker, packed};
use crate::time::Timestamp;

impl Packed for ExchangeId {
    fn pack(&self, into: &mut Packer) {
        self.0.pack(into);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self(Packed::unpack(from))
    }
}

packed!(Entry {
    id,
    settled,
    exchange,
});

/// When the newest of these answers began, if none is lacking.
fn newest(mut answers: impl Iterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    let first = answers.next()??;
    answers.try_fold(first, |newest, answer| Some(newest.max(answer?)))
}

type LedgerSheet = Sheet<1, 0, 1, 0, 3>;

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
            requests: self.requests,
            answered: self.all_answered(),
            goodbyes: goodbyes
                .map(|farewell| (farewell.from, farewell.at.time))
                .collect(),
            hints: self.hints.clone(),
        }
    }

    /// See [`DialogueOutline::answered`].
    fn all_answered(&self) -> Option<Timestamp> {
        match &self.over {
            Over::No => None,
            Over::Closed => newest(self.entries.iter().map(|entry| entry.exchange.answered())),
            Over::InBrief(turns) => newest(turns.iter().map(Turn::answered)),
        }
    }

    /// Packs the turns.
    pub(in crate::dialogue) fn pack_turns(&self, into: &mut Packer) {
        match &self.over {
            Over::InBrief(turns) => into.list(turns.iter().copied()),
            Over::No | Over::Closed => {
                let entries = self.entries.iter();
                into.list(entries.map(|entry| Turn::from(&entry.exchange)));
            }
        }
    }

    /// Packs a closed one, but for the [turns](Self::pack_turns). What belongs to the outline comes first.
    pub(in crate::dialogue) fn pack(&self, into: &mut Packer) {
        let Self {
            over: _,
            entries,
            requests,
            answered,
            next,
            settled_before: _,
            farewells,
            hints,
            tls,
            incomplete,
            requester,
        } = self;
        let mut sheet = LedgerSheet::begin(into);
        sheet.peer(*requester);
        sheet.some_time(self.all_answered());
        sheet.flag(hints.is_some());
        sheet.flag(tls.is_some());
        sheet.flag(*incomplete);
        sheet.count(*requests);
        sheet.rare(farewells.len() as u64);
        sheet.rare(*answered ^ *requests);
        sheet.rare(*next ^ *requests);
        sheet.flag(!entries.is_empty());
        sheet.pack(into);
        farewells.iter().for_each(|farewell| farewell.pack(into));
        if let Some(hints) = hints {
            hints.pack(into);
        }
        if let Some(tls) = tls {
            tls.pack(into);
        }
        if let Some(newest) = entries.last() {
            newest.pack(into);
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
        let has_hints = sheet.take_flag();
        let requests = sheet.take_count();
        let goodbyes = 0..sheet.take_rare();
        DialogueOutline {
            protocol,
            requester,
            requests,
            answered,
            goodbyes: goodbyes
                .map(|_| Farewell::unpack(from))
                .map(|farewell| (farewell.from, farewell.at.time))
                .collect(),
            hints: has_hints.then(|| Packed::unpack(from)),
        }
    }

    /// What was packed.
    pub(in crate::dialogue) fn unpack(from: &mut Unpacker<'_>, turns: Box<[Turn]>) -> Self {
        let mut sheet = LedgerSheet::unpack(from);
        let requester = sheet.take_peer();
        sheet.take_some_time();
        let [has_hints, has_tls, incomplete, has_entry] =
            std::array::from_fn(|_| sheet.take_flag());
        let requests = sheet.take_count();
        let farewells = sheet.take_rare();
        let answered = sheet.take_rare() ^ requests;
        let next = sheet.take_rare() ^ requests;
        Self {
            over: Over::InBrief(turns),
            requests,
            answered,
            next,
            settled_before: ExchangeId::FIRST,
            farewells: (0..farewells).map(|_| Packed::unpack(from)).collect(),
            hints: has_hints.then(|| Packed::unpack(from)),
            tls: has_tls.then(|| Packed::unpack(from)),
            incomplete,
            requester,
            entries: has_entry
                .then(|| Packed::unpack(from))
                .into_iter()
                .collect(),
        }
    }
}
