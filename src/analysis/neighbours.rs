//! What the other connections of a capture say about one: hosts, simultaneous ends, equal silences.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::OnceLock;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::analysis::circumstances::{CaptureQuality, Circumstances};
use crate::analysis::judges::{Held, Outline, Tracked};
use crate::capture::CaptureId;
use crate::flow::{Both, Gist, Packet, Peer, TwoPlaces};
use crate::time::{Interval, Timestamp};
use crate::verdict::{CaptureLosses, HostProfile, IdleTimer, Surroundings};

/// Ends within this time of each other are simultaneous.
const SIMULTANEOUS: Interval = Interval::from_millis(150);
/// A port that refuses within this time after an end was closed by the same event.
const REFUSAL_FOLLOWS: Interval = Interval::from_millis(10_000);

/// Linux tries a connect for so long (`tcp_syn_retries`, 6).
const CONNECT_LASTS: Interval = Interval::from_millis(127_000);

/// Ends of one endpoint, beyond which no more are looked at.
const MOST_COMPARED: usize = 10_000;
/// No idle timer known is shorter (the shortest defaults are one to two seconds).
const SHORTEST_TIMER: Interval = Interval::from_millis(1_000);

#[derive(Clone, Copy, Debug)]
struct End {
    at: Timestamp,
    connection: usize,
    by_reset: bool,
    idle: Option<Interval>,
}

#[derive(Debug, Default)]
struct EndpointFacts {
    ends: Vec<End>,
    refusals: Vec<Timestamp>,
    /// When connects to it that got no answer were tried last.
    unheard: Vec<Timestamp>,
    /// When a connection to it was last established.
    established: Option<Timestamp>,
    syn_acks_repeated: bool,
    /// Connections in which it spoke TLS with somebody.
    tls_sessions: u32,
    survived: HashMap<IpAddr, Interval, RandomState>,
    timer: OnceLock<Option<IdleTimer>>,
}

impl EndpointFacts {
    /// The silence after which most of its idle connections were ended by a FIN.
    fn idle_timer(&self) -> Option<IdleTimer> {
        *self.timer.get_or_init(|| {
            let ends = self.ends.iter().take(MOST_COMPARED);
            let fins = ends.filter(|end| !end.by_reset);
            let mut idle: Vec<Interval> = fins
                .filter_map(|end| end.idle.filter(|idle| *idle >= SHORTEST_TIMER))
                .collect();
            idle.sort_unstable();
            let after = *idle.get(idle.len() / 2)?;
            let same = idle.iter().filter(|idle| alike(Some(**idle), Some(after)));
            let closes = same.count();
            (closes * 2 > idle.len()).then_some(IdleTimer {
                after,
                closes: closes as u32,
            })
        })
    }

    fn add(&mut self, index: usize, connection: &Outline, reset: Option<&Packet>) {
        let reader = connection.reader.as_ref();
        self.tls_sessions += u32::from(reader.is_some_and(|reader| reader.speaks_tls));
        let server = &connection.sides.server;
        self.syn_acks_repeated |= server.syn_acks_after_ack > 0;
        let survived = connection
            .survived
            .iter()
            .filter(|survived| {
                survived.after == Some(Peer::Server) && survived.resumed_by == Peer::Client
            })
            .map(|survived| survived.application)
            .max();
        if let Some(survived) = survived {
            self.survive(connection.client.0, survived);
        }
        if server.iss.is_some() {
            self.established = self.established.max(connection.established);
        }
        let client = &connection.sides.client;
        let only_syns = client.iss.is_some() && connection.last_activity.is_none();
        if server.packets == 0 && only_syns && client.packets > 1 && reset.is_none() {
            self.unheard.push(connection.last);
        }
        match (reset, &server.fin) {
            (Some(reset), _) if server.packets == 0 && connection.sides.client.iss.is_some() => {
                self.refusals.push(reset.head.time);
            }
            (Some(reset), fin) if fin.as_ref().is_none_or(|fin| fin.time > reset.head.time) => {
                let idle = reset
                    .last_activity
                    .map(|activity| reset.head.time - activity.time);
                if reset.from == Peer::Server {
                    self.ends.push(End {
                        at: reset.head.time,
                        connection: index,
                        by_reset: true,
                        idle,
                    });
                }
            }
            (_, Some(fin)) => {
                let idle = fin.last_activity.map(|activity| fin.time - activity.time);
                let first = connection
                    .sides
                    .client
                    .fin
                    .as_ref()
                    .is_none_or(|client| client.time > fin.time);
                if first {
                    self.ends.push(End {
                        at: fin.time,
                        connection: index,
                        by_reset: false,
                        idle,
                    });
                }
            }
            _ => {}
        }
    }

    fn survive(&mut self, client: IpAddr, silence: Interval) {
        let longest = self.survived.entry(client).or_insert(silence);
        *longest = silence.max(*longest);
    }

    /// Adds what another part of the connections told.
    fn join(&mut self, other: Self) {
        self.ends.extend(other.ends);
        self.refusals.extend(other.refusals);
        self.unheard.extend(other.unheard);
        self.established = self.established.max(other.established);
        self.syn_acks_repeated |= other.syn_acks_repeated;
        self.tls_sessions += other.tls_sessions;
        for (client, silence) in other.survived {
            self.survive(client, silence);
        }
    }
}

/// Where a host was seen: its TTLs and times differ from place to place.
type Host = (CaptureId, IpAddr);

/// Facts about hosts and server endpoints over all connections.
#[derive(Debug)]
pub struct Neighbours<'c> {
    /// What they were given with.
    pub circumstances: Circumstances<'c>,
    hosts: Register<Host, HostProfile>,
    endpoints: Register<(IpAddr, u16), EndpointFacts>,
    /// Where the facts of those who meet are: many connections are between the same two.
    meetings: HashMap<(Host, (IpAddr, u16)), Meeting, RandomState>,
    crossings: Crossings,
}

/// Packets, but for RSTs, of connections that two captures show.
#[derive(Clone, Copy, Debug, Default)]
struct Crossings {
    in_both: u64,
    in_one: u64,
}

impl Crossings {
    fn add(&mut self, places: &TwoPlaces) {
        for peer in [Peer::Client, Peer::Server] {
            let (in_both, in_one) = places.packets_of(peer);
            self.in_both += in_both;
            self.in_one += in_one;
        }
    }

    /// A capture that loses one packet in so many often lacks a single RST by chance.
    const FREQUENT: u64 = 100;
    /// One that loses fewer than one in so many hardly ever does. Chosen, not measured: forged RSTs are not that rare among RSTs.
    const RARE: u64 = 1_000;

    /// Of few packets, none of which is missing, little is known: one missing and one that is not are counted besides (Laplace's rule
    /// of succession).
    const fn losses(self) -> CaptureLosses {
        let all = self.in_both + self.in_one;
        if self.in_one * Self::FREQUENT > all {
            CaptureLosses::Frequent
        } else if (self.in_one + 1) * Self::RARE > all + 2 {
            CaptureLosses::Few
        } else {
            CaptureLosses::Rare
        }
    }
}

/// Places of facts.
#[derive(Clone, Copy, Debug)]
struct Meeting {
    client: usize,
    server: usize,
    endpoint: usize,
}

/// Facts by whom they are about, in the order in which those were met.
#[derive(Debug)]
struct Register<K, V> {
    places: HashMap<K, usize, RandomState>,
    facts: Vec<(K, V)>,
}

impl<K: Copy + Eq + Hash, V: Default> Register<K, V> {
    fn new() -> Self {
        Self {
            places: HashMap::default(),
            facts: Vec::new(),
        }
    }

    fn place(&mut self, key: K) -> usize {
        *self.places.entry(key).or_insert_with(|| {
            self.facts.push((key, V::default()));
            self.facts.len() - 1
        })
    }

    fn entry(&mut self, key: K) -> &mut V {
        let place = self.place(key);
        &mut self.facts[place].1
    }

    fn get(&self, key: &K) -> Option<&V> {
        let place = *self.places.get(key)?;
        self.facts.get(place).map(|(_, facts)| facts)
    }
}

impl<'c> Neighbours<'c> {
    /// Nobody is known yet.
    pub fn new(circumstances: Circumstances<'c>) -> Self {
        Self {
            circumstances,
            hosts: Register::new(),
            endpoints: Register::new(),
            meetings: HashMap::default(),
            crossings: Crossings::default(),
        }
    }

    /// What all parts gathered, in their order.
    pub fn of(parts: impl IntoIterator<Item = Self>, circumstances: Circumstances<'c>) -> Self {
        let mut all = Self::new(circumstances);
        for part in parts {
            all.crossings.in_both += part.crossings.in_both;
            all.crossings.in_one += part.crossings.in_one;
            for (host, profile) in part.hosts.facts {
                join_profile(all.hosts.entry(host), &profile);
            }
            for (endpoint, facts) in part.endpoints.facts {
                all.endpoints.entry(endpoint).join(facts);
            }
        }
        for (_, facts) in &mut all.endpoints.facts {
            facts.ends.sort_by_key(|end| (end.at, end.connection));
            facts.refusals.sort_unstable();
            facts.unheard.sort_unstable();
        }
        all
    }

    /// Adds what one connection tells.
    pub fn add(&mut self, index: usize, held: &Held, connection: &Outline) {
        let ((capture, _), reset) = (held.first(), held.first_reset());
        if let Some(places) = held.two_places() {
            self.crossings.add(&places);
        }
        let meeting = self.meeting(capture, connection);
        for (host, peer) in [
            (meeting.client, Peer::Client),
            (meeting.server, Peer::Server),
        ] {
            let side = connection.sides.of(peer);
            let profile = HostProfile {
                ttl: side.ttl,
                response: side.response_time,
            };
            if let Some((_, known)) = self.hosts.facts.get_mut(host) {
                join_profile(known, &profile);
            }
        }
        if let Some((_, facts)) = self.endpoints.facts.get_mut(meeting.endpoint) {
            facts.add(index, connection, reset);
        }
    }

    fn meeting(&mut self, capture: CaptureId, connection: &Gist) -> Meeting {
        let (client, server) = (connection.client.0, connection.server);
        let place = self.circumstances.places.place(capture);
        let known = self.meetings.entry(((place, client), server));
        *known.or_insert_with(|| Meeting {
            client: self.hosts.place((place, client)),
            server: self.hosts.place((place, server.0)),
            endpoint: self.endpoints.place(server),
        })
    }

    /// What they say about the ending of one connection at `at` after `idle`.
    pub fn surroundings(
        &self,
        index: usize,
        connection: &Tracked,
        at: Timestamp,
        idle: Option<Interval>,
    ) -> Surroundings {
        let place = self
            .circumstances
            .places
            .place(connection.streams.first().0);
        let host = |address: IpAddr| {
            let known = self.hosts.get(&(place, address));
            known.copied().unwrap_or_default()
        };
        let mut surroundings = Surroundings {
            hosts: Both {
                client: host(connection.client.0),
                server: host(connection.server.0),
            },
            capture_incomplete: self.circumstances.quality == CaptureQuality::Incomplete,
            capture_losses: self.crossings.losses(),
            clock_step: self.circumstances.clock_step,
            ..Surroundings::default()
        };
        let Some(facts) = self.endpoints.get(&connection.server) else {
            return surroundings;
        };
        surroundings.longest_survived = facts.survived.get(&connection.client.0).copied();
        surroundings.syn_acks_repeated = facts.syn_acks_repeated;
        surroundings.tls_sessions = facts.tls_sessions;
        surroundings.idle_timer = facts.idle_timer();
        surroundings.refused_after = count_between(&facts.refusals, at, at + REFUSAL_FOLLOWS);
        surroundings.unheard_connects =
            connection.directions.server.last_packet.map_or(0, |heard| {
                count_between(&facts.unheard, heard, at + CONNECT_LASTS)
            });
        surroundings.last_established = facts.established;
        surroundings.reconnected = facts
            .established
            .is_some_and(|established| established > at);
        let from = facts.ends.partition_point(|end| end.at < at - SIMULTANEOUS);
        surroundings.simultaneous_ends = facts
            .ends
            .iter()
            .skip(from)
            .take_while(|end| end.at <= at + SIMULTANEOUS)
            .filter(|end| end.connection != index && !alike(end.idle, idle))
            .count() as u32;
        surroundings.equal_idle_resets = facts
            .ends
            .iter()
            .take(MOST_COMPARED)
            .filter(|end| end.by_reset && end.connection != index && alike(end.idle, idle))
            .filter(|end| (end.at - at).abs() > SIMULTANEOUS)
            .count() as u32;
        surroundings
    }
}

fn join_profile(profile: &mut HostProfile, other: &HostProfile) {
    profile.ttl.merge(&other.ttl);
    profile.response = match (profile.response, other.response) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
}

fn count_between(sorted: &[Timestamp], from: Timestamp, until: Timestamp) -> u32 {
    let start = sorted.partition_point(|time| *time <= from);
    let end = sorted.partition_point(|time| *time <= until);
    (end - start) as u32
}

/// The same silence: within 60 ms or 2 %.
fn alike(one: Option<Interval>, other: Option<Interval>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            let tolerance =
                Interval::from_nanos(one.max(other).as_nanos() / 50).max(Interval::from_millis(60));
            (one - other).abs() <= tolerance
        }
        _ => false,
    }
}
