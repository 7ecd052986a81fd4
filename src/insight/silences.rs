//! What all connections say about idle timers, gathered one by one: few bytes for each of them, however many there are.

use std::net::{IpAddr, SocketAddr};

use ahash::RandomState;
use hashbrown::HashMap;

use crate::dialogue::{Hints, Protocol};
use crate::insight::IdleObservation;
use crate::insight::alignment::Pair;
use crate::insight::idle_timeout::{Group, Owner};

/// All silences, by those who kept them. Gathered in whatever order, it is the same.
#[derive(Debug, Default)]
pub struct Silences {
    servers: HashMap<SocketAddr, (Group, Words), RandomState>,
    between: HashMap<(IpAddr, SocketAddr), Between, RandomState>,
}

/// Of all connections between a client's address and a server endpoint.
#[derive(Debug, Default)]
struct Between {
    client: Group,
    path: Group,
    pair: Pair,
    words: Words,
}

impl Silences {
    /// Adds what one connection says, the one at this place among all.
    pub fn add(&mut self, index: usize, observation: &IdleObservation) {
        let (client, server) = (observation.client, observation.server);
        let (group, words) = self.servers.entry(server).or_default();
        group.add(observation, Owner::Server(server));
        words.hear(index, observation);
        let between = self.between.entry((client, server)).or_default();
        between
            .client
            .add(observation, Owner::Client(client, server));
        between.path.add(observation, Owner::Path(client, server));
        between.pair.add(observation);
        between.words.hear(index, observation);
    }

    /// All that was gathered in parts.
    pub fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            for (server, (group, words)) in part.servers {
                let (all_of_it, all_words) = all.servers.entry(server).or_default();
                all_of_it.join(group);
                all_words.join(words);
            }
            for (ends, other) in part.between {
                let between = all.between.entry(ends).or_default();
                between.client.join(other.client);
                between.path.join(other.path);
                between.pair.join(other.pair);
                between.words.join(other.words);
            }
        }
        all
    }

    /// What is known of each owner's timer, in no order.
    pub(super) fn groups(&self) -> impl Iterator<Item = (Owner, &Group, &Words)> {
        let servers = self.servers.iter();
        let servers =
            servers.map(|(server, (group, words))| (Owner::Server(*server), group, words));
        let between = self
            .between
            .iter()
            .flat_map(|(&(client, server), between)| {
                [
                    (
                        Owner::Client(client, server),
                        &between.client,
                        &between.words,
                    ),
                    (Owner::Path(client, server), &between.path, &between.words),
                ]
            });
        servers.chain(between)
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

    /// What was said between these two.
    pub(super) fn words(&self, client: IpAddr, server: SocketAddr) -> Option<&Words> {
        let between = self.between.get(&(client, server))?;
        Some(&between.words)
    }
}

/// The value of the first connection that has one.
#[derive(Clone, Debug, Default)]
struct First<T>(Option<(usize, T)>);

impl<T> First<T> {
    fn offer(&mut self, index: usize, value: Option<T>) {
        if let Some(value) = value
            && self.0.as_ref().is_none_or(|(first, _)| index < *first)
        {
            self.0 = Some((index, value));
        }
    }

    fn join(&mut self, other: Self) {
        if let Some((index, value)) = other.0 {
            self.offer(index, Some(value));
        }
    }

    fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

impl First<String> {
    /// Copies the text only where it is the first.
    fn hear(&mut self, index: usize, text: Option<&String>) {
        if text.is_some() && self.0.as_ref().is_none_or(|(first, _)| index < *first) {
            self.offer(index, text.cloned());
        }
    }
}

/// What connections tell of products: of each kind the first word.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    server: First<String>,
    via: First<String>,
    user_agent: First<String>,
    keep_alive_timeout_s: First<u32>,
    protocol: First<Protocol>,
    /// The longest time that was announced, in seconds.
    announced: Option<u32>,
}

impl Words {
    fn hear(&mut self, index: usize, observation: &IdleObservation) {
        let hints = &observation.hints;
        self.server.hear(index, hints.server.as_ref());
        self.via.hear(index, hints.via.as_ref());
        self.user_agent.hear(index, hints.user_agent.as_ref());
        let announced = hints.keep_alive_timeout_s;
        self.keep_alive_timeout_s.offer(index, announced);
        self.announced = self.announced.max(announced);
        let protocol = observation.protocol;
        let told = (protocol != Protocol::Opaque).then_some(protocol);
        self.protocol.offer(index, told);
    }

    fn join(&mut self, other: Self) {
        let Self {
            server,
            via,
            user_agent,
            keep_alive_timeout_s,
            protocol,
            announced,
        } = other;
        self.server.join(server);
        self.via.join(via);
        self.user_agent.join(user_agent);
        self.keep_alive_timeout_s.join(keep_alive_timeout_s);
        self.protocol.join(protocol);
        self.announced = self.announced.max(announced);
    }

    /// The longest keep-alive time that was announced, in seconds.
    pub(super) const fn announced(&self) -> Option<u32> {
        self.announced
    }

    /// What the first client called itself.
    pub(super) fn user_agent(&self) -> Option<&str> {
        self.user_agent.get().map(String::as_str)
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
