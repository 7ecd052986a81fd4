//! Freezes a connection's facts into [`Ending`]s.

use std::borrow::Cow;

use crate::analysis::judges::Tracked;
use crate::analysis::neighbours::Neighbours;
use crate::analysis::passage::{sightings, two_ends};
use crate::dialogue::Dialogue;
use crate::flow::{Both, Episode, Moment, Peer};
use crate::time::Timestamp;
use crate::verdict::{Ending, EndingKind};

/// One reset event.
pub fn of_episode<'e>(
    connection: &Tracked,
    episode: &'e Episode<Dialogue>,
    index: usize,
    neighbours: &Neighbours,
    capture_end: Timestamp,
) -> Option<Ending<'e>> {
    let first = episode.first()?;
    let (state, dialogue) = match connection.moment_of(episode) {
        Cow::Borrowed(Moment { state, dialogue }) => {
            (Cow::Borrowed(state), Cow::Borrowed(dialogue))
        }
        Cow::Owned(Moment { state, dialogue }) => (Cow::Owned(state), Cow::Owned(dialogue)),
    };
    let idle = first
        .last_activity
        .map(|activity| first.head.time - activity.time);
    let acked = |peer: Peer| {
        state
            .of(peer.other())
            .ack
            .and_then(|ack| connection.offset_of(peer, ack))
    };
    let before = episode.before.read();
    let newest = before.last().map_or(first.head.time, |packet| {
        packet.head.time.max(first.head.time)
    });
    Some(Ending {
        kind: EndingKind::Reset,
        client: connection.client,
        server: connection.server,
        orientation: connection.orientation,
        opened: connection.opened,
        last: connection.last,
        established: connection.established.filter(|at| *at <= newest),
        before,
        before_skipped: episode.before_skipped,
        resets: Cow::Borrowed(&episode.resets),
        reset_packets: episode.packets,
        after: Cow::Borrowed(&episode.after),
        resumed: episode.resumed,
        acked_offset: Both {
            client: acked(Peer::Client),
            server: acked(Peer::Server),
        },
        reset_acks_offset: first
            .head
            .flags
            .ack()
            .then(|| connection.offset_of(first.from.other(), first.head.ack))
            .flatten(),
        state,
        dialogue,
        response_time: connection.response_time.clone(),
        icmp: connection
            .icmp
            .iter()
            .filter(|icmp| icmp.time <= first.head.time)
            .copied()
            .collect(),
        missed: Both {
            client: connection.missed_bytes(Peer::Client),
            server: connection.missed_bytes(Peer::Server),
        },
        cut_payload: connection.cut_payload,
        place: connection.place(),
        sightings: sightings(connection, episode, neighbours.circumstances),
        two_ends: two_ends(connection, neighbours.circumstances),
        reset_text: Cow::Borrowed(&episode.text),
        checksum_ok: episode.checksum_ok,
        mptcp: episode.mptcp,
        multipath: connection.multipath.as_deref().cloned(),
        capture_end,
        surroundings: neighbours.surroundings(index, connection, first.head.time, idle),
    })
}

/// The end of a connection without a RST that counted.
pub fn without_reset(
    connection: &Tracked,
    index: usize,
    neighbours: &Neighbours,
    capture_end: Timestamp,
) -> Ending<'static> {
    let fin = [
        connection.directions.client.fin,
        connection.directions.server.fin,
    ]
    .into_iter()
    .flatten()
    .min_by_key(|fin| fin.time);
    let at = fin.map_or(connection.last, |fin| fin.time);
    let idle = fin.and_then(|fin| fin.last_activity.map(|activity| fin.time - activity.time));
    let acked = |peer: Peer| {
        connection
            .directions
            .of(peer.other())
            .ack
            .and_then(|ack| connection.offset_of(peer, ack))
    };
    Ending {
        kind: EndingKind::NoReset,
        client: connection.client,
        server: connection.server,
        orientation: connection.orientation,
        opened: connection.opened,
        last: connection.last,
        established: connection.established,
        before: Cow::Owned(connection.packets()),
        before_skipped: connection.packets_skipped(),
        resets: Cow::default(),
        reset_packets: 0,
        after: Cow::default(),
        resumed: false,
        state: Cow::Owned(connection.frozen_directions()),
        dialogue: Cow::Owned(connection.dialogue()),
        acked_offset: Both {
            client: acked(Peer::Client),
            server: acked(Peer::Server),
        },
        reset_acks_offset: None,
        response_time: connection.response_time.clone(),
        icmp: connection.icmp.clone(),
        missed: Both {
            client: connection.missed_bytes(Peer::Client),
            server: connection.missed_bytes(Peer::Server),
        },
        cut_payload: connection.cut_payload,
        place: connection.place(),
        sightings: Vec::new(),
        two_ends: two_ends(connection, neighbours.circumstances),
        reset_text: Cow::default(),
        checksum_ok: None,
        mptcp: None,
        multipath: connection.multipath.as_deref().cloned(),
        capture_end,
        surroundings: neighbours.surroundings(index, connection, at, idle),
    }
}
