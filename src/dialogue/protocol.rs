//! What every protocol's reader does, and how one hands over to another.

use super::exchange::Protocol;
use super::ledger::Ledger;
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// A protocol of which another reader knows how to read the rest of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Successor {
    /// Guess again from the bytes that follow (a tunnel, STARTTLS).
    Guess,
    /// That protocol, from a known beginning.
    Protocol(Protocol),
}

/// The rest of the connection, this call's bytes behind the first `consumed` included, belongs to another reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// Who takes over.
    pub(super) to: Successor,
    /// How many of this call's bytes were read before it, those that were not captured included.
    pub(super) consumed: u32,
}

/// What a reader made of a call's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What the bytes consumed were.
    pub(super) activity: Activity,
    /// Set where another reader goes on.
    pub(super) handover: Option<Handover>,
}

impl From<Activity> for Step {
    fn from(activity: Activity) -> Self {
        Self {
            activity,
            handover: None,
        }
    }
}

/// Reads one protocol. Facts go to the [`Ledger`], which outlives the reader when another one takes over.
pub(super) trait ProtocolReader {
    /// New bytes of one direction (possibly none, with a cut behind them).
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step;

    /// `missing` bytes (0: unknown how many) were never captured; the next ones stand at `at`.
    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger);

    /// A direction ends at `at`: beyond its last byte where some were never seen, nor acknowledged.
    fn fin(&mut self, from: Peer, at: Mark, ledger: &mut Ledger);

    /// Writes down what is still held back in buffers. Called on a copy of the ledger when a snapshot is taken.
    fn note_pending(&self, _ledger: &mut Ledger) {}

    /// Whether [`note_pending`](Self::note_pending) has anything to write down.
    fn has_pending(&self) -> bool {
        false
    }
}

/// A place within a call's bytes.
pub(super) const fn mark_at(at: Mark, offset: usize) -> Mark {
    Mark {
        time: at.time,
        frame: at.frame,
        offset: at.offset.saturating_add(offset as u64),
    }
}

/// `Application` wins: a call is housekeeping only if all of it is.
pub(super) const fn either(a: Activity, b: Activity) -> Activity {
    match (a, b) {
        (Activity::Housekeeping, Activity::Housekeeping) => Activity::Housekeeping,
        _ => Activity::Application,
    }
}
