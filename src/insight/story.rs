//! What one connection told, for comparing connections with each other.

use std::net::SocketAddr;

use crate::dialogue::Turn;
use crate::flow::{Items, Peer};
use crate::time::Timestamp;

/// One connection as retries and hops see it: who, when, and the newest exchanges.
///
/// Findings are tied to it by `capture` and `stream`.
#[derive(Clone, Debug)]
pub struct ConnectionStory<'a> {
    /// Index into the report's captures.
    pub capture: u16,
    /// `tcp.stream`.
    pub stream: u32,
    /// Who opened it.
    pub client: SocketAddr,
    /// Who was connected to.
    pub server: SocketAddr,
    /// When it was first seen.
    pub opened: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
    /// Who sends the requests.
    pub requester: Peer,
    /// The newest exchanges, oldest first.
    pub turns: Items<'a, Turn>,
}
