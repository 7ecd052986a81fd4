//! What most of a report needs of a connection: plain facts, without its packets and without what was said.
//!
//! They come first in what is [packed](crate::flow::Kept) of a closed connection: the rest need not be unpacked where nothing went
//! wrong.

mod packed;

use std::net::IpAddr;
use std::ops::Deref;

use crate::capture::CaptureId;
use crate::flow::{
    Both, Connection, Episode, FinSeen, IcmpSeen, LastActivity, Peer, StreamReader, SurvivedIdle,
    TtlProfile,
};
use crate::time::{Interval, Timestamp};
use crate::wire::SeqNumber;

/// A connection in outline.
#[derive(Debug)]
pub struct Outline<'a, R: StreamReader> {
    /// The capture that showed it first, and its `tcp.stream` there.
    pub stream: (CaptureId, u32),
    /// First packet.
    pub opened: Timestamp,
    /// What is plain.
    pub gist: Gist,
    /// Reset events; see [`Connection::episodes`].
    pub episodes: &'a [Episode<R::Snapshot>],
    /// ICMP errors about it; see [`Connection::icmp`].
    pub icmp: &'a [IcmpSeen],
    /// What its reader tells; `None` before anything was said.
    pub reader: Option<R::Outline>,
}

impl<R: StreamReader> Deref for Outline<'_, R> {
    type Target = Gist;

    fn deref(&self) -> &Gist {
        &self.gist
    }
}

impl<'a, R: StreamReader> Outline<'a, R> {
    /// Of a whole connection.
    pub fn of(connection: &'a Connection<R>) -> Self {
        Self {
            stream: connection.streams.first(),
            opened: connection.opened,
            gist: Gist::of(connection),
            episodes: &connection.episodes,
            icmp: &connection.icmp,
            reader: connection.reader().map(|reader| reader.outline()),
        }
    }
}

/// The plain facts of an [`Outline`]; see the fields of the same names of [`Connection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gist {
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// The server's address and port.
    pub server: (IpAddr, u16),
    /// Newest packet.
    pub last: Timestamp,
    /// When the handshake was complete.
    pub established: Option<Timestamp>,
    /// Time of the closing ACK of the second FIN.
    pub closed: Option<Timestamp>,
    /// The application's last activity.
    pub last_activity: Option<LastActivity>,
    /// When the newest housekeeping came.
    pub last_housekeeping: Option<Timestamp>,
    /// Silences survived, longest first.
    pub survived: Vec<SurvivedIdle>,
    /// What each side did.
    pub sides: Both<Side>,
}

/// What one sender did; see the fields of the same names of [`Direction`](crate::flow::Direction).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Packets, duplicates excluded.
    pub packets: u64,
    /// Initial sequence number, where the SYN was seen.
    pub iss: Option<SeqNumber>,
    /// Its FIN.
    pub fin: Option<FinSeen>,
    /// TTLs of its packets but RSTs.
    pub ttl: TtlProfile,
    /// Shortest time in which it acknowledged something.
    pub response_time: Option<Interval>,
    /// Segments sent again since its peer last acknowledged anything new.
    pub unanswered_retransmissions: u32,
    /// SYN-ACKs repeated after the client's ACK had been seen.
    pub syn_acks_after_ack: u32,
}

/// The round trip between both ends: the two halves that the point of capture sees (see science of vantage points: SYN to SYN-ACK
/// is the way to the server and back, SYN-ACK to ACK the way to the client and back).
pub(super) fn round_trip(client: Option<Interval>, server: Option<Interval>) -> Option<Interval> {
    match (client, server) {
        (Some(client), Some(server)) => Some(client + server),
        (one, other) => one.or(other),
    }
}

impl Gist {
    pub(super) fn of<R: StreamReader>(connection: &Connection<R>) -> Self {
        let side = |peer: Peer| {
            let direction = connection.directions.of(peer);
            Side {
                packets: direction.packets,
                iss: direction.iss,
                fin: direction.fin,
                ttl: direction.ttl,
                response_time: *connection.response_time.of(peer),
                unanswered_retransmissions: direction.unanswered_retransmissions,
                syn_acks_after_ack: direction.syn_acks_after_ack,
            }
        };
        Self {
            client: connection.client,
            server: connection.server,
            last: connection.last,
            established: connection.established,
            closed: connection.closed,
            last_activity: connection.last_activity,
            last_housekeeping: connection.last_housekeeping,
            survived: connection.survived.clone(),
            sides: Both {
                client: side(Peer::Client),
                server: side(Peer::Server),
            },
        }
    }

    /// See [`Connection::round_trip`].
    pub fn round_trip(&self) -> Option<Interval> {
        let Both { client, server } = &self.sides;
        round_trip(client.response_time, server.response_time)
    }
}
