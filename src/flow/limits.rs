//! How much is remembered.

/// Limits of a [`Table`](crate::flow::Table).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections held at once. When there are more, the ones that closed quietly are forgotten first, oldest first, then the
    /// ones that were silent longest; each is counted.
    pub connections: usize,
    /// Connections with a reset to be held, and as many whose 4-tuple was used again: a reset keeps the packets before and after it.
    /// [`Table::forget_resets`](crate::flow::Table::forget_resets) forgets and counts those beyond it. A live view keeps their
    /// findings; offline there is no such limit.
    pub reset_connections: usize,
    /// Refused connections of one client address to one server address and port that are kept apart; beyond that they are one entry.
    pub refused_apart: u64,
    /// Refused connections kept apart in all; beyond that all of them are folded into entries.
    pub refused_apart_in_all: u64,
    /// Entries for refused connections, of each scope (a service, a host, a client). Beyond that they join a wider one.
    pub refused_groups: usize,
    /// Connections that were folded or forgotten of which the number is still known, for packets that come late. When there are
    /// more, the older half is forgotten wholly.
    pub numbers: usize,
    /// Whether connections remember what Zeek would tell of them.
    pub sittings: SittingsKept,
}

/// Whether [`Sittings`](crate::flow::Sittings) are kept: only rows of connections need them, and whoever keeps them stays
/// [whole](crate::flow::Kept).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SittingsKept {
    /// They are not.
    #[default]
    No,
    /// They are.
    Yes,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 400_000,
            reset_connections: usize::MAX,
            refused_apart: 1000,
            refused_apart_in_all: 10_000,
            refused_groups: 20_000,
            // The table of 4-tuples then stays below 2^22 slots.
            numbers: 3_200_000,
            sittings: SittingsKept::No,
        }
    }
}

impl Limits {
    /// Memory of a connection that has talked, with its dialogue and room to grow, measured and rounded up.
    const PER_CONNECTION: u64 = 6 << 10;
    /// What the program needs beside connections, rounded up.
    const BASE: u64 = 24 << 20;

    /// The limits of each of several tables that hold as much together. Refusals of one service are counted in each table alone.
    pub(super) fn shared_by(self, tables: usize) -> Self {
        Self {
            connections: self.connections.div_ceil(tables),
            reset_connections: self.reset_connections.div_ceil(tables),
            refused_apart: self.refused_apart,
            refused_apart_in_all: self.refused_apart_in_all.div_ceil(tables as u64),
            refused_groups: self.refused_groups.div_ceil(tables),
            numbers: self.numbers.div_ceil(tables),
            sittings: self.sittings,
        }
    }

    /// Limits that keep the table within about that many bytes; at least a thousand connections are held, whatever is asked.
    pub fn within(bytes: u64) -> Self {
        let defaults = Self::default();
        let held = bytes.saturating_sub(Self::BASE) / Self::PER_CONNECTION;
        let held = usize::try_from(held).unwrap_or(usize::MAX).max(1000);
        Self {
            connections: held,
            numbers: defaults.numbers.min(held.saturating_mul(8)),
            ..defaults
        }
    }
}
