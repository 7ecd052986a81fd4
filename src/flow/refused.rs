//! Refused connections in numbers: a scan, or a service that is down while clients keep trying. What they have in common is said
//! once, so that millions of them need a few bytes each.

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::capture::{CaptureId, FrameId};
use crate::flow::{Connection, Limits, StreamReader};
use crate::time::Timestamp;

/// Frames of RSTs kept for one group.
const FRAMES_PER_GROUP: usize = 10_000;
/// Frames of RSTs kept for all groups, as a multiple of their greatest number.
const FRAMES_TO_GROUPS: usize = 50;
/// Ports of one server that are told apart for one client, as a part of the greatest number of groups; a client that was refused
/// at more is scanning.
const GROUPS_TO_PORTS: usize = 20;

/// What the refused connections of a [`RefusedGroup`] have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusedScope {
    /// One client address, one server address and port.
    Service,
    /// One client address and one server address; the group's port is the first of several.
    Host,
    /// One client address; the group's server is the first of several.
    Client,
    /// Nothing: there were too many clients to tell them apart.
    Anyone,
}

/// The first RST of a [`RefusedGroup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstRefusal {
    /// When.
    pub time: Timestamp,
    /// In which frame.
    pub frame: FrameId,
    /// The client's port.
    pub client_port: u16,
    /// The stream's number in the capture that showed it first.
    pub stream: (CaptureId, u32),
}

/// Refused connections that are told of together.
#[derive(Clone, Debug)]
pub struct RefusedGroup {
    /// What they have in common.
    pub scope: RefusedScope,
    /// Who tried (first).
    pub client: IpAddr,
    /// Where (first).
    pub server: (IpAddr, u16),
    /// Connections folded.
    pub connections: u64,
    /// RST packets.
    pub packets: u64,
    /// First RST.
    pub first: FirstRefusal,
    /// Newest RST.
    pub last: (Timestamp, FrameId),
    /// Frames of the first RSTs; at most 10,000, and over all groups fifty times [`Limits::refused_groups`](super::Limits).
    pub frames: Vec<FrameId>,
}

impl RefusedGroup {
    /// What tells it from others.
    pub(super) fn name(&self) -> (RefusedScope, Option<IpAddr>, Option<IpAddr>, u16) {
        let (client, server) = (Some(self.client), Some(self.server.0));
        match self.scope {
            RefusedScope::Service => (self.scope, client, server, self.server.1),
            RefusedScope::Host => (self.scope, client, server, 0),
            RefusedScope::Client => (self.scope, client, None, 0),
            RefusedScope::Anyone => (self.scope, None, None, 0),
        }
    }

    /// Adds another one of the same name.
    pub(super) fn join(&mut self, other: &Self) {
        self.connections += other.connections;
        self.packets += other.packets;
        if other.first < self.first {
            self.first = other.first;
            (self.client, self.server) = (other.client, other.server);
        }
        self.last = self.last.max(other.last);
        self.frames.extend(&other.frames);
        self.frames.sort_unstable();
        self.frames.truncate(FRAMES_PER_GROUP);
    }
}

/// Names a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    Service(IpAddr, IpAddr, u16),
    Host(IpAddr, IpAddr),
    Client(IpAddr),
    Anyone,
}

/// A group, and how many refusals joined it while they were still kept apart.
#[derive(Debug)]
struct Entry {
    seen: u64,
    ports: u32,
    group: Option<RefusedGroup>,
}

/// What is to be done with a refused connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// It is kept as it is.
    None,
    /// It and the ones before it that were kept, of the same service, are folded.
    Service,
    /// Every refused connection is folded.
    All,
    /// It alone is folded.
    This,
}

/// Who was refused where, and how often.
#[derive(Debug)]
pub(super) struct Refusals {
    limits: Limits,
    kept: u64,
    names: HashMap<Name, u32, RandomState>,
    entries: Vec<Entry>,
    scopes: [usize; 4],
    frames: usize,
}

impl Refusals {
    pub fn new(limits: &Limits, hasher: RandomState) -> Self {
        Self {
            limits: *limits,
            kept: 0,
            names: HashMap::with_hasher(hasher),
            entries: Vec::new(),
            scopes: [0; 4],
            frames: 0,
        }
    }

    /// The groups, for changing.
    pub fn groups_mut(&mut self) -> impl Iterator<Item = &mut RefusedGroup> {
        self.entries
            .iter_mut()
            .filter_map(|entry| entry.group.as_mut())
    }

    /// The groups that anything was folded into.
    pub fn groups(&self) -> impl Iterator<Item = &RefusedGroup> {
        self.entries.iter().filter_map(|entry| entry.group.as_ref())
    }

    /// There were too many to keep any apart.
    pub fn folds_all(&self) -> bool {
        self.kept > self.limits.refused_apart_in_all
    }

    /// Another connection was refused.
    pub fn note(&mut self, client: IpAddr, server: (IpAddr, u16)) -> Fold {
        let at = self.entry_for(client, server);
        let Some(entry) = self.entries.get_mut(at) else {
            return Fold::None;
        };
        entry.seen += 1;
        if entry.seen > self.limits.refused_apart || self.kept > self.limits.refused_apart_in_all {
            return Fold::This;
        }
        self.kept += 1;
        if self.kept > self.limits.refused_apart_in_all {
            Fold::All
        } else if entry.seen == self.limits.refused_apart {
            Fold::Service
        } else {
            Fold::None
        }
    }

    /// A refused connection becomes part of its group.
    pub fn fold<R: StreamReader>(&mut self, connection: &Connection<R>) {
        let Some(episode) = connection.episodes.first() else {
            return;
        };
        let Some(reset) = episode.first() else { return };
        let first = FirstRefusal {
            time: reset.head.time,
            frame: reset.head.frame,
            client_port: connection.client.1,
            stream: connection.streams.first(),
        };
        let at = self.entry_for(connection.client.0, connection.server);
        let scope = self.scope_of(connection.client.0, connection.server);
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        let group = entry.group.get_or_insert_with(|| RefusedGroup {
            scope,
            client: connection.client.0,
            server: connection.server,
            connections: 0,
            packets: 0,
            first,
            last: (first.time, first.frame),
            frames: Vec::new(),
        });
        group.connections += 1;
        group.packets += episode.packets;
        let newest = episode.frames.last().copied().unwrap_or(first.frame);
        group.last = group.last.max((episode.last, newest));
        if first < group.first {
            group.first = first;
        }
        for &frame in &episode.frames {
            if group.frames.len() < FRAMES_PER_GROUP
                && self.frames < self.limits.refused_groups * FRAMES_TO_GROUPS
            {
                group.frames.push(frame);
                self.frames += 1;
            }
        }
    }

    /// One more RST for a connection that was folded.
    pub fn repeated(&mut self, client: IpAddr, server: (IpAddr, u16), at: (Timestamp, FrameId)) {
        let entry = self.entry_for(client, server);
        if let Some(group) = self
            .entries
            .get_mut(entry)
            .and_then(|entry| entry.group.as_mut())
        {
            group.packets += 1;
            group.last = group.last.max(at);
            if group.frames.len() < FRAMES_PER_GROUP
                && self.frames < self.limits.refused_groups * FRAMES_TO_GROUPS
            {
                group.frames.push(at.1);
                self.frames += 1;
            }
        }
    }

    /// The narrowest group that there is, or may still be made.
    fn entry_for(&mut self, client: IpAddr, server: (IpAddr, u16)) -> usize {
        let service = Name::Service(client, server.0, server.1);
        let host = Name::Host(client, server.0);
        if let Some(&at) = self.names.get(&service) {
            return at as usize;
        }
        let host_at = match self.names.get(&host) {
            Some(&at) => Some(at as usize),
            None => self.make(host, RefusedScope::Host),
        };
        if let Some(host_at) = host_at {
            let may_split = self.entries.get_mut(host_at).is_some_and(|entry| {
                (entry.ports as usize) < self.limits.refused_groups / GROUPS_TO_PORTS
            });
            if may_split && let Some(at) = self.make(service, RefusedScope::Service) {
                if let Some(entry) = self.entries.get_mut(host_at) {
                    entry.ports += 1;
                }
                return at;
            }
            return host_at;
        }
        if let Some(&at) = self.names.get(&Name::Client(client)) {
            return at as usize;
        }
        self.make(Name::Client(client), RefusedScope::Client)
            .unwrap_or_else(|| match self.names.get(&Name::Anyone) {
                Some(&at) => at as usize,
                None => self.push(Name::Anyone),
            })
    }

    fn scope_of(&self, client: IpAddr, server: (IpAddr, u16)) -> RefusedScope {
        if self
            .names
            .contains_key(&Name::Service(client, server.0, server.1))
        {
            RefusedScope::Service
        } else if self.names.contains_key(&Name::Host(client, server.0)) {
            RefusedScope::Host
        } else if self.names.contains_key(&Name::Client(client)) {
            RefusedScope::Client
        } else {
            RefusedScope::Anyone
        }
    }

    fn make(&mut self, name: Name, scope: RefusedScope) -> Option<usize> {
        let count = self.scopes.get_mut(scope as usize)?;
        if *count >= self.limits.refused_groups {
            return None;
        }
        *count += 1;
        Some(self.push(name))
    }

    fn push(&mut self, name: Name) -> usize {
        let at = self.entries.len();
        self.entries.push(Entry {
            seen: 0,
            ports: 0,
            group: None,
        });
        self.names.insert(name, at as u32);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + number))
    }

    fn refusals(apart: u64, apart_in_all: u64) -> Refusals {
        let limits = Limits {
            refused_apart: apart,
            refused_apart_in_all: apart_in_all,
            refused_groups: 20_000,
            ..Limits::default()
        };
        Refusals::new(&limits, RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn a_few_refusals_of_a_service_are_kept_apart_then_all_are_folded() {
        let mut refusals = refusals(3, 100);
        let mut note = || refusals.note(address(1), (address(2), 80));
        assert_eq!(note(), Fold::None);
        assert_eq!(note(), Fold::None);
        assert_eq!(note(), Fold::Service);
        assert_eq!(note(), Fold::This);
    }

    #[test]
    fn refusals_of_many_services_share_a_budget() {
        let mut refusals = refusals(100, 3);
        for port in 1..=3 {
            assert_eq!(refusals.note(address(1), (address(2), port)), Fold::None);
        }
        assert_eq!(refusals.note(address(1), (address(2), 4)), Fold::All);
        assert_eq!(refusals.note(address(1), (address(2), 5)), Fold::This);
    }

    #[test]
    fn the_ports_of_a_scan_are_told_apart_up_to_a_number() {
        let mut refusals = refusals(1, 0);
        for port in 1..=2_000 {
            refusals.note(address(1), (address(2), port));
        }
        assert_eq!(
            refusals.scope_of(address(1), (address(2), 1_000)),
            RefusedScope::Service
        );
        assert_eq!(
            refusals.scope_of(address(1), (address(2), 1_001)),
            RefusedScope::Host
        );
    }

    #[test]
    fn however_wide_the_scan_the_groups_are_bounded() {
        let mut refusals = refusals(1, 0);
        for number in 0..70_000 {
            refusals.note(address(number), (address(number + 1), 80));
        }
        assert_eq!(refusals.entries.len(), 3 * 20_000 + 1);
        assert_eq!(
            refusals.scope_of(address(69_999), (address(70_000), 80)),
            RefusedScope::Anyone
        );
    }
}
