//! What most of a report needs of a dialogue.

use super::exchange::{Hints, Protocol};
use crate::flow::Peer;
use crate::time::Timestamp;

/// A dialogue without its exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogueOutline {
    /// The protocol.
    pub protocol: Protocol,
    /// Who sends the requests (see [`Dialogue::requester`](super::Dialogue::requester)).
    pub requester: Peer,
    /// Exchanges begun in all.
    pub requests: u64,
    /// Of all exchanges that are kept [the answer](super::Turn::answered) had begun by then, the newest one then. `None` where
    /// one has none, where there are none, and before the connection is closed: the [turns](super::Turn) tell.
    pub answered: Option<Timestamp>,
    /// When who said goodbye, oldest first; the newest few.
    pub goodbyes: Vec<(Peer, Timestamp)>,
    /// TLS that [never came into use](super::TlsFacts::failed).
    pub tls_failed: bool,
    /// Whoever is asked [speaks TLS](super::TlsFacts::is_spoken_by).
    pub speaks_tls: bool,
    /// Headers that name products, where any were seen.
    pub hints: Option<Box<Hints>>,
}
