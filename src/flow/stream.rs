//! How a connection's bytes are handed to whoever reads dialogues.

use std::borrow::Cow;

use crate::capture::FrameId;
use crate::flow::{Items, Listed, Packer, Peer, Unpacker};
use crate::time::Timestamp;

/// A place in one direction of a connection: when and where it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub time: Timestamp,
    /// In which frame.
    pub frame: FrameId,
    /// Offset in the direction's stream: 0 is the first payload byte after the SYN (or the first one seen).
    pub offset: u64,
}

impl Mark {
    /// It was captured before what was captured then, in that frame: clocks may be coarse.
    pub fn is_before(&self, time: Timestamp, frame: FrameId) -> bool {
        (self.time, self.frame) < (time, frame)
    }
}

/// New payload of one direction, in order, each byte once.
#[derive(Clone, Copy, Debug)]
pub struct StreamBytes<'a> {
    /// Who sent it.
    pub from: Peer,
    /// Where the first byte stands.
    pub at: Mark,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// How many further bytes were on the wire but not captured (snap length). They follow `bytes`; the next call starts behind them.
    pub cut: u32,
}

/// What payload was, seen by an application: decides which clock it restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Part of a request, a response or a message: the application was not idle.
    Application,
    /// The protocol talking to itself or saying goodbye: TLS alerts and session tickets, HTTP/2 PING, SETTINGS and GOAWAY,
    /// WebSocket ping, pong and close, a database's farewell. An idle timer of the application does not see it.
    Housekeeping,
}

/// Reads a connection's bytes as they become whole. One value per connection; must bound its own memory.
pub trait StreamReader: Clone + Send + Sync + std::fmt::Debug {
    /// What was read so far, frozen.
    type Snapshot: Clone + Default + Send + Sync + std::fmt::Debug;

    /// What most of a report needs of it: a few plain facts.
    type Outline: Send + std::fmt::Debug;

    /// What it lists of a connection, of which there are many: of one that was packed they are read one by one.
    type Item: Listed + Send + Sync + std::fmt::Debug;

    /// A reader for a connection to this server port (a hint, no more).
    fn new(server_port: u16) -> Self;

    /// The same in the memory of one that is needed no more.
    fn begin_anew(&mut self, server_port: u16) {
        *self = Self::new(server_port);
    }

    /// Nothing waits for an answer: a closed connection needs no long memory.
    fn is_settled(&self) -> bool;

    /// What was read so far.
    fn snapshot(&self) -> Self::Snapshot;

    /// Both directions ended and nothing waits for an answer: nothing more is read, and snapshots hold less from here on.
    fn close(&mut self);

    /// Gives memory back that is needed for nothing, once it is closed, or while nothing more comes.
    fn give_back(&mut self) {}

    /// It was [closed](Self::close), and can be packed.
    fn is_over(&self) -> bool;

    /// What is told of it in outline.
    fn outline(&self) -> Self::Outline;

    /// What it lists.
    fn items(&self) -> Cow<'_, [Self::Item]>;

    /// Packs itself, but for what it lists; what belongs to its outline first.
    fn pack(&self, into: &mut Packer);

    /// Packs what it lists.
    fn pack_items(&self, into: &mut Packer);

    /// The reader that was packed.
    fn unpack(from: &mut Unpacker<'_>, items: Items<'_, Self::Item>) -> Self;

    /// The outline of the reader that was packed.
    fn unpack_outline(from: &mut Unpacker<'_>) -> Self::Outline;

    /// Looks at what the next bytes change, and at what they are compared with, as far as that can be known: it is all at hand then. What
    /// comes of it means nothing.
    fn look(&self) -> u64 {
        0
    }

    /// New bytes of one direction.
    fn data(&mut self, data: StreamBytes<'_>) -> Activity;

    /// What is said goes over other connections, too: what was read so far means nothing, and nothing more is read.
    fn lose_track(&mut self) {}

    /// `missing` bytes of a direction were never captured (0: unknown how many); the next data starts at `at`.
    fn gap(&mut self, from: Peer, at: Mark, missing: u64);

    /// A direction ended with FIN at `at`. That lies beyond its last byte where some were neither seen nor acknowledged until all was
    /// over.
    fn fin(&mut self, from: Peer, at: Mark);
}
