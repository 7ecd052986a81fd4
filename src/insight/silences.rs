//! What all connections say about idle timers, gathered one by one: few bytes for each of them, however many there are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ahash::RandomState;
use hashbrown::HashMap;

use crate::dialogue::{Forwarding, Hints, Protocol};
use crate::insight::IdleObservation;
use crate::insight::alignment::Pair;
use crate::insight::idle_timeout::{Group, Groups, Owner};

/// All silences, by those who kept them. Gathered in whatever order, it is the same.
#[derive(Debug, Default)]
pub struct Silences {
    between: HashMap<(IpAddr, SocketAddr), Between, RandomState>,
}

/// Of all connections between a client's address and a server endpoint.
#[derive(Debug, Default)]
struct Between {
    groups: Groups,
    pair: Pair,
    words: Words,
}

impl Silences {
    /// Adds what one connection says, the one at this place among all.
    pub fn add(&mut self, index: usize, observation: &IdleObservation) {
        let ends = (observation.client, observation.server);
        let between = self.between.entry(ends).or_default();
        between.groups.add(observation);
        between.pair.add(observation);
        between.words.hear(index, observation);
    }

    /// All that was gathered in parts.
    pub fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        for part in parts {
            for (ends, other) in part.between {
                let between = all.between.entry(ends).or_default();
                between.groups.join(other.groups);
                between.pair.join(other.pair);
                between.words.join(&other.words);
            }
        }
        all
    }

    /// What is known of each owner's timer that was seen to fire, in the order of the owners.
    pub(super) fn groups(&self) -> Vec<(Owner, Group, Words)> {
        let mut groups = Vec::new();
        let mut servers: BTreeMap<SocketAddr, (Group, Words)> = BTreeMap::new();
        for (&(client, server), between) in &self.between {
            let Groups {
                server: of_server,
                client: of_client,
                path,
            } = &between.groups;
            for (owner, group) in [
                (Owner::Client(client, server), of_client),
                (Owner::Path(client, server), path),
            ] {
                if group.fired() {
                    groups.push((owner, group.clone(), between.words.clone()));
                }
            }
            if of_server.fired() {
                servers.entry(server).or_default();
            }
        }
        for (&(_, server), between) in &self.between {
            // What its other clients saw bounds the timer.
            if let Some((group, words)) = servers.get_mut(&server) {
                group.join(between.groups.server.clone());
                words.join(&between.words);
            }
        }
        let servers = servers.into_iter();
        groups
            .extend(servers.map(|(server, (group, words))| (Owner::Server(server), group, words)));
        groups.sort_unstable_by_key(|(owner, ..)| *owner);
        groups
    }

    /// What clients showed of their patience, in no order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = ((IpAddr, SocketAddr), &Pair)> {
        let between = self.between.iter();
        between.map(|(ends, between)| (*ends, &between.pair))
    }

    /// Who called whom, in no order.
    pub fn routes(&self) -> impl Iterator<Item = (IpAddr, SocketAddr)> {
        self.between.keys().copied()
    }

    /// What these servers call themselves: the first of them, where they differ.
    pub(super) fn name_of(&self, servers: impl Fn(SocketAddr) -> bool) -> Option<&str> {
        let there = self.between.iter().filter(|((_, at), _)| servers(*at));
        let named = there.filter_map(|(ends, between)| Some((ends, between.words.server.get()?)));
        let (_, name) = named.min_by_key(|((client, at), _)| (*at, *client))?;
        Some(name)
    }

    /// What was said between these two.
    pub(super) fn words(&self, client: IpAddr, server: SocketAddr) -> Option<&Words> {
        let between = self.between.get(&(client, server))?;
        Some(&between.words)
    }
}

/// The value of the first connection that has one; only that one is copied.
#[derive(Clone, Debug)]
struct First<T>(Option<(usize, T)>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> First<T> {
    fn offer<V: ToOwned<Owned = T> + ?Sized>(&mut self, index: usize, value: Option<&V>) {
        if let Some(value) = value
            && self.0.as_ref().is_none_or(|(first, _)| index < *first)
        {
            self.0 = Some((index, value.to_owned()));
        }
    }

    fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

impl<T: Clone> First<T> {
    fn join(&mut self, other: &Self) {
        if let Some((index, value)) = &other.0 {
            self.offer(*index, Some(value));
        }
    }
}

/// What connections tell of products: of each kind the first word.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    server: First<String>,
    via: First<String>,
    /// Of requests that were not handed on.
    user_agent: First<String>,
    forwarding: First<Forwarding>,
    keep_alive_timeout_s: First<u32>,
    protocol: First<Protocol>,
    /// The longest time that was announced, in seconds.
    announced: Option<u32>,
}

impl Words {
    fn hear(&mut self, index: usize, observation: &IdleObservation) {
        let hints = &observation.hints;
        self.server.offer(index, hints.server.as_ref());
        self.via.offer(index, hints.via.as_ref());
        self.forwarding.offer(index, hints.forwarding.as_ref());
        let agent = hints.user_agent.as_ref();
        let own = agent.filter(|_| hints.forwarding.is_none());
        self.user_agent.offer(index, own);
        let announced = hints.keep_alive_timeout_s;
        self.keep_alive_timeout_s.offer(index, announced.as_ref());
        self.announced = self.announced.max(announced);
        let protocol = &observation.protocol;
        let told = (*protocol != Protocol::Opaque).then_some(protocol);
        self.protocol.offer(index, told);
    }

    fn join(&mut self, other: &Self) {
        let Self {
            server,
            via,
            user_agent,
            forwarding,
            keep_alive_timeout_s,
            protocol,
            announced,
        } = other;
        self.server.join(server);
        self.via.join(via);
        self.user_agent.join(user_agent);
        self.forwarding.join(forwarding);
        self.keep_alive_timeout_s.join(keep_alive_timeout_s);
        self.protocol.join(protocol);
        self.announced = self.announced.max(*announced);
    }

    /// What the server calls itself.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.get().map(String::as_str)
    }

    /// The longest keep-alive time that was announced, in seconds.
    pub(super) const fn announced(&self) -> Option<u32> {
        self.announced
    }

    /// What the first client called itself.
    pub(super) fn user_agent(&self) -> Option<&str> {
        self.user_agent.get().map(String::as_str)
    }

    /// How it says that it hands on what others ask, where it asks nothing itself.
    pub(super) fn forwarding(&self) -> Option<Forwarding> {
        let asks_itself = self.user_agent.get().is_some();
        self.forwarding.get().copied().filter(|_| !asks_itself)
    }

    /// The first protocol that is known.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol.get().copied().unwrap_or(Protocol::Opaque)
    }

    /// The first word of each kind.
    pub(super) fn hints(&self) -> Hints {
        Hints {
            server: self.server.get().cloned(),
            via: self.via.get().cloned(),
            user_agent: self.user_agent.get().cloned(),
            keep_alive_timeout_s: self.keep_alive_timeout_s.get().copied(),
            ..Hints::default()
        }
    }
}
