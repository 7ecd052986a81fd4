//! What one connection told, for comparing connections with each other.

use std::net::SocketAddr;

use crate::dialogue::Dialogue;
use crate::time::Timestamp;

/// One connection as retries and hops see it: who, when, and the newest exchanges of its dialogue.
///
/// Findings are tied to it by `capture` and `stream`.
#[derive(Clone, Debug)]
pub struct ConnectionStory {
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
    /// What was said.
    pub dialogue: Dialogue,
}
