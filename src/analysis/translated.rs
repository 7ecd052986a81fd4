//! Connections that a capture shows twice: `-i any` on a host that translates addresses (published ports, pods, a router) sees each
//! packet before and after.
//!
//! Translation changes addresses and ports, and neither the numbers nor the order of what is said: both have the same initial sequence
//! numbers, lose and end in the same way, and differ in one end at least. Where they do not, something happened in between, and
//! both are told.

use std::net::SocketAddr;

use crate::analysis::Selection;
use crate::analysis::findings::selects;
use crate::analysis::judges::{Held, Tracked};
use crate::capture::{CaptureId, LinkType};
use crate::flow::Peer;
use crate::report::{Evidence, Finding};
use crate::time::Interval;

/// A packet is translated and captured again within this, also on a busy host. Chosen.
const AT_ONCE: Interval = Interval::from_millis(50);

/// Scanners give all their connections one number: with no more of them is one compared.
const MOST_COMPARED: usize = 8;

/// Sees packets on every interface (LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2): where it does not, nothing is looked for.
pub fn sees_every_interface(link: LinkType) -> bool {
    [LinkType(113), LinkType(276)].contains(&link)
}

/// A connection that is another one with translated addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The one that was captured first.
    original: (CaptureId, u32),
    /// Its own number.
    stream: u32,
    client: SocketAddr,
    server: SocketAddr,
    /// First RST of each event, of both.
    resets: Vec<(u32, u32)>,
}

/// Takes copies out of the connections. They come sorted by their originals.
pub fn take_copies(connections: &mut Vec<Held>, selection: &Selection) -> Vec<Translated> {
    let mut numbered: Vec<(u32, usize)> = connections
        .iter()
        .enumerate()
        .filter_map(|(index, held)| Some((held.gist().sides.client.iss?.0, index)))
        .collect();
    numbered.sort_unstable();
    let (mut gone, mut copies) = (Vec::new(), Vec::new());
    for alike in numbered.chunk_by(|one, other| one.0 == other.0) {
        let mut originals: Vec<usize> = Vec::new();
        for &(_, index) in alike {
            let mut newest = originals.iter().rev().take(MOST_COMPARED);
            let of = newest.find(|original| is_copy(connections, **original, index, selection));
            match of {
                Some(original) => {
                    gone.push(index);
                    copies.push(copy(&connections[*original], &connections[index]));
                }
                None => originals.push(index),
            }
        }
    }
    gone.sort_unstable();
    let (mut gone, mut place) = (gone.into_iter().peekable(), 0);
    connections.retain(|_| {
        place += 1;
        gone.next_if_eq(&(place - 1)).is_none()
    });
    copies.sort_unstable_by_key(|copy| (copy.original, copy.stream));
    copies
}

fn is_copy(connections: &[Held], original: usize, copy: usize, selection: &Selection) -> bool {
    let (original, copy) = (connections[original], connections[copy]);
    let after = copy.opened() - original.opened();
    let at_once = (Interval::ZERO..=AT_ONCE).contains(&after);
    at_once
        && original.first().0 == copy.first().0
        && selects(selection, &ends(&original), original.first_stream())
        && say_the_same(&original.known(), &copy.known())
}

fn say_the_same(original: &Tracked, copy: &Tracked) -> bool {
    // A scanner's many connections have one number, and what refuses them has none: two numbers that were drawn at random are no chance.
    let server = &original.directions.server;
    if server.iss.is_none() && server.new_bytes == 0 {
        return false;
    }
    let same_side = |peer: Peer| {
        let (one, other) = (original.directions.of(peer), copy.directions.of(peer));
        one.iss == other.iss
            && one.new_bytes == other.new_bytes
            && one.snd_nxt == other.snd_nxt
            && one.ack == other.ack
            && one.fin.map(|fin| fin.seq) == other.fin.map(|fin| fin.seq)
    };
    let resets = original.episodes.iter().zip(&copy.episodes);
    let same_resets = resets.into_iter().all(|(one, other)| {
        let pair = one.resets.first().zip(other.resets.first());
        one.packets == other.packets
            && pair.is_some_and(|(one, other)| {
                one.from == other.from
                    && one.head.flags == other.head.flags
                    && (one.head.seq, one.head.ack) == (other.head.seq, other.head.ack)
                    && (one.head.time - other.head.time).abs() <= AT_ONCE
            })
    });
    same_side(Peer::Client)
        && same_side(Peer::Server)
        && original.episodes.len() == copy.episodes.len()
        && original.icmp.len() == copy.icmp.len()
        && same_resets
}

fn copy(original: &Held, copy: &Held) -> Translated {
    let firsts = |held: &Held| -> Vec<u32> {
        let known = held.known();
        let firsts = known.episodes.iter().filter_map(|one| one.resets.first());
        firsts.map(|reset| reset.head.frame.number.0).collect()
    };
    let [client, server] = ends(copy);
    Translated {
        original: original.first(),
        stream: copy.first_stream(),
        client,
        server,
        resets: firsts(original).into_iter().zip(firsts(copy)).collect(),
    }
}

/// Client and server.
fn ends(held: &Held) -> [SocketAddr; 2] {
    let ends = held.ends();
    [ends.client, ends.server].map(|(addr, port)| SocketAddr::new(addr, port))
}

/// Says in findings of connections that they were captured with other addresses, too.
pub fn tell(findings: &mut [Finding], copies: &[Translated]) {
    for finding in findings {
        let original = (CaptureId(finding.capture), finding.connection.stream);
        let first = copies.partition_point(|copy| copy.original < original);
        for copy in &copies[first..] {
            if copy.original != original {
                break;
            }
            finding.evidence.push(copy.as_evidence(finding.frame));
        }
    }
}

impl Translated {
    /// For the finding in that frame.
    fn as_evidence(&self, frame: u32) -> Evidence {
        let mut text = format!(
            "captured again with translated addresses: {} → {}, stream {}",
            self.client, self.server, self.stream
        );
        let passed_on = self.resets.iter().find(|(original, _)| *original == frame);
        if passed_on.is_some() {
            text.push_str("; whoever translates passed the RST on");
        }
        Evidence {
            text,
            frames: passed_on.map(|(_, copy)| *copy).into_iter().collect(),
            elsewhere: Vec::new(),
        }
    }
}
