//! A closed ledger in few bytes.

use super::{Entry, ExchangeId, Ledger};
use crate::dialogue::turn::Turn;
use crate::flow::{Packed, Packer, Unpacker, packed};

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

impl Ledger {
    /// It was closed.
    pub(in crate::dialogue) const fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// Packs it, but for the turns, which are added to a list. What [`outline`](Self::outline) leaves out comes last.
    pub(in crate::dialogue) fn pack(&self, into: &mut Packer, turns: &mut Vec<Turn>) {
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
        turns.extend_from_slice(over.as_deref().unwrap_or_default());
        requester.pack(into);
        requests.pack(into);
        farewells.pack(into);
        hints.pack(into);
        answered.pack(into);
        next.pack(into);
        incomplete.pack(into);
        tls.pack(into);
        entries.len().pack(into);
        entries.iter().for_each(|entry| entry.pack(into));
    }

    /// What was packed, without turns, exchanges and what TLS shows.
    pub(in crate::dialogue) fn outline(from: &mut Unpacker<'_>) -> Self {
        Self {
            requester: Packed::unpack(from),
            requests: Packed::unpack(from),
            farewells: Packed::unpack(from),
            hints: Packed::unpack(from),
            answered: Packed::unpack(from),
            next: Packed::unpack(from),
            incomplete: Packed::unpack(from),
            over: Some(Box::default()),
            ..Self::default()
        }
    }

    /// What was packed.
    pub(in crate::dialogue) fn unpack(from: &mut Unpacker<'_>, turns: &[Turn]) -> Self {
        Self {
            over: Some(turns.into()),
            ..Self::outline(from)
        }
        .with_exchanges(from)
    }

    fn with_exchanges(mut self, from: &mut Unpacker<'_>) -> Self {
        self.tls = Packed::unpack(from);
        self.entries = Vec::unpack(from).into();
        self
    }
}
