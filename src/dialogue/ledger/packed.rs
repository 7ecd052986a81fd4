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

/// When the newest answer began, if all have one.
fn answered(turns: &[Turn]) -> Option<Timestamp> {
    let mut newest = None;
    for turn in turns {
        let reply = turn.reply.filter(|_| turn.is_answered())?;
        newest = newest.max(Some(reply.start));
    }
    newest
}

type LedgerSheet = Sheet<1, 0, 4, 0>;

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
            answered: match &self.over {
                Over::No => None,
                Over::Closed | Over::InBrief(_) => answered(&self.turns()),
            },
            goodbyes: goodbyes
                .map(|farewell| (farewell.from, farewell.at.time))
                .collect(),
            hints: self.hints.clone(),
        }
    }

    /// Packs a closed one, but for the turns, which are added to a list. What belongs to the outline comes first.
    pub(in crate::dialogue) fn pack(&self, into: &mut Packer, turns: &mut Vec<Turn>) {
        let Self {
            over,
            entries,
            requests,
            answered: answered_in_all,
            next,
            farewells,
            hints,
            tls,
            incomplete,
            requester,
        } = self;
        let known = turns.len();
        match over {
            Over::InBrief(over) => turns.extend_from_slice(over),
            Over::No | Over::Closed => {
                turns.extend(entries.iter().map(|entry| Turn::from(&entry.exchange)));
            }
        }
        let listed = turns.get(known..).unwrap_or_default();
        let mut sheet = LedgerSheet::begin(into);
        sheet.peer(*requester);
        sheet.some_time(answered(listed));
        sheet.flag(hints.is_some());
        sheet.flag(tls.is_some());
        sheet.flag(*incomplete);
        sheet.count(*requests);
        sheet.count(farewells.len() as u64);
        sheet.count(*answered_in_all);
        sheet.count(*next);
        sheet.flag(!entries.is_empty());
        sheet.pack(into);
        farewells.iter().for_each(|farewell| farewell.pack(into));
        if let Some(hints) = hints {
            hints.pack(into);
        }
        if let Some(tls) = tls {
            tls.pack(into);
        }
        if let Some(newest) = entries.back() {
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
        let goodbyes = 0..sheet.take_count();
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
    pub(in crate::dialogue) fn unpack(from: &mut Unpacker<'_>, turns: &[Turn]) -> Self {
        let mut sheet = LedgerSheet::unpack(from);
        let requester = sheet.take_peer();
        sheet.take_some_time();
        let [has_hints, has_tls, incomplete, has_entry] =
            std::array::from_fn(|_| sheet.take_flag());
        let [requests, farewells, answered, next] = std::array::from_fn(|_| sheet.take_count());
        Self {
            over: Over::InBrief(turns.into()),
            requests,
            answered,
            next,
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
