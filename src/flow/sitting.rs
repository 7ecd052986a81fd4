//! The parts of a connection that Zeek reports as rows of their own.
//!
//! Zeek forgets a connection some time after it failed, closed or fell silent, and begins a new row when more packets come. The
//! times are the defaults of its `scripts/base/init-bare.zeek`; the states of both ends follow its TCP analyzer.

use crate::flow::history::Letters;
use crate::flow::{Both, Direction, Packet, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::TcpFlags;

/// `tcp_reset_delay`.
const AFTER_RESET: Interval = Interval::from_millis(100);
/// `tcp_partial_close_delay`: one side closed, the other was never seen to open.
const AFTER_PARTIAL_CLOSE: Interval = Interval::from_millis(3_000);
/// `tcp_close_delay`.
const AFTER_CLOSE: Interval = Interval::from_millis(5_000);
/// `tcp_attempt_delay`.
const AFTER_ATTEMPT: Interval = Interval::from_millis(5_000);
/// `tcp_inactivity_timeout`.
const AFTER_SILENCE: Interval = Interval::from_millis(300_000);

/// What one end is known to have done, in Zeek's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndState {
    /// Nothing seen of it.
    #[default]
    Inactive,
    /// SYN sent, not answered.
    SynSent,
    /// SYN,ACK sent without a SYN seen.
    SynAckSent,
    /// Packets seen, none of them a SYN.
    Partial,
    /// Open.
    Established,
    /// FIN sent; a RST after it changes nothing.
    Closed,
    /// RST sent.
    Reset,
}

impl EndState {
    /// Nothing was seen, or nothing of its beginning.
    pub const fn never_opened(self) -> bool {
        matches!(self, Self::Inactive | Self::Partial)
    }

    /// It sent FIN or RST.
    const fn has_ended(self) -> bool {
        matches!(self, Self::Closed | Self::Reset)
    }
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Sitting {
    /// First packet.
    pub opened: Timestamp,
    /// Newest packet until both ends had closed: what comes after that is no part of it to Zeek.
    pub last: Timestamp,
    /// State of both ends.
    pub ends: Both<EndState>,
    /// Packets of both.
    pub packets: Both<u64>,
    /// New payload of both.
    pub bytes: Both<u64>,
    /// History letters.
    pub letters: Letters,
    /// Payload of the connection before this row.
    before: Both<u64>,
    /// From when on a packet belongs to a new row.
    forgotten: Option<Timestamp>,
}

/// The rows of one connection.
#[derive(Clone, Debug, Default)]
pub struct Sittings {
    earlier: Vec<Sitting>,
    current: Sitting,
}

impl Sittings {
    /// Most rows of one connection; what comes later stays in the last.
    const MOST: usize = 16;

    /// Every row, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Sitting> {
        self.earlier.iter().chain([&self.current])
    }

    /// Adds a packet; `directions` already count it.
    pub(super) fn observe(&mut self, packet: &Packet, directions: &Both<Direction>) {
        let fresh = self.current.packets.client + self.current.packets.server == 0;
        let over = !fresh && self.current.is_over_at(packet.head.time);
        if over && self.earlier.len() + 1 < Self::MOST {
            let before = Both {
                client: self.current.before.client + self.current.bytes.client,
                server: self.current.before.server + self.current.bytes.server,
            };
            let next = Sitting {
                opened: packet.head.time,
                before,
                ..Sitting::default()
            };
            self.earlier
                .push(std::mem::replace(&mut self.current, next));
        } else if fresh {
            self.current.opened = packet.head.time;
        }
        self.current.observe(packet, directions);
    }
}

impl Sitting {
    fn is_over_at(&self, time: Timestamp) -> bool {
        self.forgotten.is_some_and(|forgotten| time >= forgotten)
            || time - self.last >= AFTER_SILENCE
    }

    fn observe(&mut self, packet: &Packet, directions: &Both<Direction>) {
        if !(self.ends.client.has_ended() && self.ends.server.has_ended()) {
            self.last = packet.head.time;
        }
        *self.packets.of_mut(packet.from) += 1;
        for peer in [Peer::Client, Peer::Server] {
            *self.bytes.of_mut(peer) = directions
                .of(peer)
                .new_bytes
                .saturating_sub(*self.before.of(peer));
        }
        self.letters.observe(packet, &self.ends);
        let ends = (self.ends.client, self.ends.server);
        self.step(packet.from, packet.head.flags);
        let nothing_to_end =
            packet.head.flags.rst() && ends == (EndState::Inactive, EndState::Inactive);
        if nothing_to_end {
            self.forgotten = Some(packet.head.time + AFTER_RESET);
        } else if ends != (self.ends.client, self.ends.server) {
            self.forgotten = self.lasts().map(|lasts| packet.head.time + lasts);
        }
    }

    fn step(&mut self, from: Peer, flags: TcpFlags) {
        use EndState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let (own, other) = (*self.ends.of(from), *self.ends.of(from.other()));
        let next = match own {
            Closed | Reset => own,
            // Alone, it ends nothing that was seen to begin.
            Inactive if flags.rst() && from == Peer::Client && other == Inactive => Inactive,
            _ if flags.rst() => Reset,
            _ if flags.fin() => Closed,
            Inactive | SynSent if flags.syn() && flags.ack() && other == SynSent => {
                *self.ends.of_mut(from.other()) = Established;
                Established
            }
            Inactive if flags.syn() && flags.ack() => SynAckSent,
            Inactive if flags.syn() => SynSent,
            Inactive => Partial,
            SynSent | SynAckSent if flags.syn() => own,
            SynSent => Established,
            _ => own,
        };
        *self.ends.of_mut(from) = next;
    }

    /// How long Zeek keeps it once it is in this state.
    fn lasts(&self) -> Option<Interval> {
        use EndState::{Closed, Inactive, Reset, SynSent};
        match (self.ends.client, self.ends.server) {
            (Reset, _) | (_, Reset) => Some(AFTER_RESET),
            (Closed, Closed) => Some(AFTER_CLOSE),
            (Closed, other) | (other, Closed) if other.never_opened() => Some(AFTER_PARTIAL_CLOSE),
            (SynSent, Inactive) | (Inactive, SynSent) => Some(AFTER_ATTEMPT),
            _ => None,
        }
    }
}
