//! What one connection told, for comparing connections with each other.

use std::net::{IpAddr, SocketAddr};

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
    /// The same in other captures that show it: index and `tcp.stream`.
    pub elsewhere: Vec<(u16, u32)>,
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

impl ConnectionStory<'_> {
    /// Its `tcp.stream` in a capture.
    pub fn stream_in(&self, capture: u16) -> Option<u32> {
        let first = (self.capture, self.stream);
        let mut all = std::iter::once(&first).chain(&self.elsewhere);
        all.find_map(|(other, stream)| (*other == capture).then_some(*stream))
    }
}

/// Who calls which server.
pub(super) type Route = (IpAddr, SocketAddr);

/// A connection that can tell its story: few are asked for all of it.
pub trait Teller<'a>: Sync {
    /// Index of the capture that showed it first, and its `tcp.stream` there.
    fn stream(&self) -> (u16, u32);
    /// Its `tcp.stream` in a capture that shows it.
    fn stream_in(&self, capture: u16) -> Option<u32>;
    /// The client's address, and the server's with its port.
    fn ends(&self) -> (IpAddr, SocketAddr);
    /// The newest exchanges, oldest first.
    fn turns(&self) -> Items<'a, Turn>;
    /// The whole story.
    fn story(&self) -> ConnectionStory<'a>;
    /// The exchanges of all of these are read next.
    fn ask_for_turns(_: &[Self])
    where
        Self: Sized,
    {
    }
}

impl<'a> Teller<'a> for ConnectionStory<'a> {
    fn stream(&self) -> (u16, u32) {
        (self.capture, self.stream)
    }

    fn stream_in(&self, capture: u16) -> Option<u32> {
        self.stream_in(capture)
    }

    fn ends(&self) -> (IpAddr, SocketAddr) {
        (self.client.ip(), self.server)
    }

    fn turns(&self) -> Items<'a, Turn> {
        self.turns.clone()
    }

    fn story(&self) -> ConnectionStory<'a> {
        self.clone()
    }
}
