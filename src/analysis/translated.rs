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
    /// The one that is told.
    told: (CaptureId, u32),
    /// Its own number.
    stream: u32,
    client: SocketAddr,
    server: SocketAddr,
    /// First RST of each event, of both.
    resets: Vec<(u32, u32)>,
}

/// Leaves one of those that are the same: the first that `prefers` selects, or the first. The others come sorted by that one.
pub fn take_copies(connections: &mut Vec<Held>, prefers: &Selection) -> Vec<Translated> {
    let mut numbered: Vec<(u32, usize)> = connections
        .iter()
        .enumerate()
        .filter_map(|(index, held)| Some((held.gist().sides.client.iss?.0, index)))
        .collect();
    numbered.sort_unstable();
    let (mut gone, mut copies) = (Vec::new(), Vec::new());
    for alike in numbered.chunk_by(|one, other| one.0 == other.0) {
        for same in groups(connections, alike) {
            let is_preferred = |index: &&usize| {
                let held = &connections[**index];
                selects(prefers, &ends(held), &[held.first_stream()])
            };
            let told = *same.iter().find(is_preferred).unwrap_or(&same[0]);
            for copy in same.into_iter().filter(|copy| *copy != told) {
                gone.push(copy);
                copies.push(translated(&connections[told], &connections[copy]));
            }
        }
    }
    gone.sort_unstable();
    let (mut gone, mut place) = (gone.into_iter().peekable(), 0);
    connections.retain(|_| {
        place += 1;
        gone.next_if_eq(&(place - 1)).is_none()
    });
    copies.sort_unstable_by_key(|copy| (copy.told, copy.stream));
    copies
}

/// Those that are the same; most are alone. None is empty.
fn groups(connections: &[Held], alike: &[(u32, usize)]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &(_, index) in alike {
        let mut newest = groups.iter_mut().rev().take(MOST_COMPARED);
        match newest.find(|group| is_copy(connections[group[0]], connections[index])) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

fn is_copy(original: Held, copy: Held) -> bool {
    let after = copy.opened() - original.opened();
    (Interval::ZERO..=AT_ONCE).contains(&after)
        && original.first().0 == copy.first().0
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

fn translated(told: &Held, copy: &Held) -> Translated {
    let firsts = |held: &Held| -> Vec<u32> {
        let known = held.known();
        let firsts = known.episodes.iter().filter_map(|one| one.resets.first());
        firsts.map(|reset| reset.head.frame.number.0).collect()
    };
    let [client, server] = ends(copy);
    Translated {
        told: told.first(),
        stream: copy.first_stream(),
        client,
        server,
        resets: firsts(told).into_iter().zip(firsts(copy)).collect(),
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
        let told = (CaptureId(finding.capture), finding.connection.stream);
        let first = copies.partition_point(|copy| copy.told < told);
        let of_it = copies[first..].iter().take_while(|copy| copy.told == told);
        finding
            .evidence
            .extend(of_it.map(|copy| copy.as_evidence(finding.frame)));
    }
}

impl Translated {
    /// For the finding in that frame.
    fn as_evidence(&self, frame: u32) -> Evidence {
        let mut text = format!(
            "captured again with translated addresses: {} → {}, stream {}",
            self.client, self.server, self.stream
        );
        let passed_on = self.resets.iter().find(|(told, _)| *told == frame);
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
