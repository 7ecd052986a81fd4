//! All connections of a capture, found by their 4-tuple and numbered as Wireshark numbers `tcp.stream`.

use std::collections::VecDeque;
use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::capture::{CaptureId, FrameId};
use crate::flow::connection::Taken;
use crate::flow::key::{Key, KeyV4, KeyV6, Way};
use crate::flow::numbering::{Numbering, StreamNumbers};
use crate::flow::refused::{Fold, Refusals, RefusedGroup};
use crate::flow::{
    Connection, History, IcmpSeen, Orientation, Packet, PacketKind, Peer, StreamReader,
};
use crate::time::Timestamp;
use crate::wire::{Addresses, IcmpQuote, Segment, SeqNumber, TcpFlags};

/// Limits of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections held at once. When there are more, the ones that closed quietly are forgotten first, oldest first, then the
    /// ones that were silent longest; each is counted.
    pub connections: usize,
    /// Connections with a reset to be held, and as many whose 4-tuple was used again: a reset keeps the packets before and after it.
    /// [`Table::forget_resets`] forgets and counts those beyond it. A live view keeps their findings; offline there is no such limit.
    pub reset_connections: usize,
    /// Refused connections of one client address to one server address and port that are kept apart; beyond that they are one entry.
    pub refused_apart: u64,
    /// Refused connections kept apart in all; beyond that all of them are folded into entries.
    pub refused_apart_in_all: u64,
    /// Entries for refused connections, of each scope (a service, a host, a client). Beyond that they join a wider one.
    pub refused_groups: usize,
    /// Connections that were folded or forgotten of which the number is still known, for packets that come late. When there are
    /// more, the older half is forgotten wholly.
    pub numbers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 400_000,
            reset_connections: usize::MAX,
            refused_apart: 1000,
            refused_apart_in_all: 10_000,
            refused_groups: 20_000,
            // The table of 4-tuples then stays below 2^22 slots.
            numbers: 3_200_000,
        }
    }
}

impl Limits {
    /// Memory of a connection that has talked, with its dialogue and room to grow, measured and rounded up.
    const PER_CONNECTION: u64 = 6 << 10;
    /// What the program needs beside connections, rounded up.
    const BASE: u64 = 24 << 20;

    /// The limits of each of several tables that hold as much together. Refusals of one service are counted in each table alone.
    pub(super) fn shared_by(self, tables: usize) -> Self {
        Self {
            connections: self.connections.div_ceil(tables),
            reset_connections: self.reset_connections.div_ceil(tables),
            refused_apart: self.refused_apart,
            refused_apart_in_all: self.refused_apart_in_all.div_ceil(tables as u64),
            refused_groups: self.refused_groups.div_ceil(tables),
            numbers: self.numbers.div_ceil(tables),
        }
    }

    /// Limits that keep the table within about that many bytes; at least a thousand connections are held, whatever is asked.
    pub fn within(bytes: u64) -> Self {
        let defaults = Self::default();
        let held = bytes.saturating_sub(Self::BASE) / Self::PER_CONNECTION;
        let held = usize::try_from(held).unwrap_or(usize::MAX).max(1000);
        Self {
            connections: held,
            numbers: defaults.numbers.min(held.saturating_mul(8)),
            ..defaults
        }
    }
}

/// Where a connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Whole(u32),
    Remnant(u32),
}

/// Histories whose memory waits for new connections.
const SPARE_HISTORIES: usize = 256;

const REMNANT_BIT: u32 = 1 << 31;

impl Place {
    const fn pack(self) -> u32 {
        match self {
            Self::Whole(index) => index,
            Self::Remnant(index) => index | REMNANT_BIT,
        }
    }

    const fn unpack(word: u32) -> Self {
        if word & REMNANT_BIT == 0 {
            Self::Whole(word)
        } else {
            Self::Remnant(word & !REMNANT_BIT)
        }
    }
}

/// What stays of a connection that was folded or forgotten: enough to number later packets of its 4-tuple.
#[derive(Clone, Copy, Debug)]
struct Remnant {
    stream: u32,
    capture: CaptureId,
    /// Base sequence numbers of the key's first and second end (Wireshark's rule of port re-use).
    bases: [Option<SeqNumber>; 2],
    refused: bool,
}

/// All connections. `R` reads their dialogues.
#[derive(Debug)]
pub struct Table<R: StreamReader> {
    limits: Limits,
    hasher: RandomState,
    v4: HashTable<(KeyV4, u32)>,
    v6: HashTable<(KeyV6, u32)>,
    whole: Vec<Option<Box<Connection<R>>>>,
    free: Vec<u32>,
    remnants: Vec<Remnant>,
    numbering: Numbering,
    /// Connections whose 4-tuple was used again: no packet can reach them any more.
    // Boxes move without their contents.
    #[allow(clippy::vec_box)]
    replaced: Vec<Box<Connection<R>>>,
    closed: VecDeque<u32>,
    /// Slot and stream of connections that were reset, oldest first; empty where they are not limited.
    reset: VecDeque<(u32, u32)>,
    /// Memory of histories that were shrunk.
    spare_histories: Vec<Vec<Packet>>,
    refusals: Refusals,
    connections_seen: u64,
    evicted: u64,
    numbers_forgotten: u64,
    duplicates: Vec<u64>,
}

impl<R: StreamReader> Table<R> {
    /// An empty table, which numbers streams as they come.
    pub fn new(limits: Limits) -> Self {
        Self::numbered(limits, Numbering::as_they_come())
    }

    /// An empty table that numbers streams in its own way.
    pub(super) fn numbered(limits: Limits, numbering: Numbering) -> Self {
        let hasher = RandomState::new();
        Self {
            limits,
            v4: HashTable::new(),
            v6: HashTable::new(),
            whole: Vec::new(),
            free: Vec::new(),
            remnants: Vec::new(),
            numbering,
            replaced: Vec::new(),
            closed: VecDeque::new(),
            reset: VecDeque::new(),
            spare_histories: Vec::new(),
            refusals: Refusals::new(&limits, hasher.clone()),
            hasher,
            connections_seen: 0,
            evicted: 0,
            numbers_forgotten: 0,
            duplicates: Vec::new(),
        }
    }

    /// Takes a segment; returns the connection that it belongs to, unless that one is only remembered by number.
    pub fn take(&mut self, segment: &Segment<'_>) -> Option<&Connection<R>> {
        let (key, way) = Key::new(&segment.addresses, segment.src_port, segment.dst_port);
        let Some(flags) = segment.flags else {
            self.take_broken(key, segment);
            return None;
        };
        let opens = opens_anew(flags);
        let index = match self.find(&key) {
            None => self.open(key, segment, flags),
            Some(Place::Whole(index)) => {
                if opens && is_reused(self.whole_ref(index)?, segment) {
                    self.reopen(key, index, segment, flags)
                } else {
                    index
                }
            }
            Some(Place::Remnant(index)) => self.take_remnant(key, way, index, segment, flags)?,
        };
        self.deliver(index, flags, segment)
    }

    /// A header too broken to be a packet of a connection. Wireshark numbers a stream for it and learns its base sequence numbers.
    fn take_broken(&mut self, key: Key, segment: &Segment<'_>) {
        let index = match self.find(&key) {
            None => self.open(key, segment, TcpFlags::default()),
            Some(Place::Whole(index)) => {
                let reused = opens_anew(segment.flag_bits)
                    && self
                        .whole_ref(index)
                        .is_some_and(|connection| is_reused(connection, segment));
                match reused {
                    true => self.reopen(key, index, segment, TcpFlags::default()),
                    false => index,
                }
            }
            Some(Place::Remnant(_)) => return,
        };
        if let Some(connection) = self.whole_mut(index) {
            let from = sender(connection, segment);
            connection.observe_wireshark_base(from, segment.flag_bits, segment);
        }
    }

    /// Remembers an ICMP error for the connection that it quotes.
    pub fn take_quote(&mut self, quote: &IcmpQuote) {
        let (key, _) = Key::new(&quote.addresses, quote.src_port, quote.dst_port);
        match self.find(&key) {
            Some(Place::Whole(index)) => {
                let quoted = (quote.addresses.src(), quote.src_port);
                if let Some(connection) = self.whole_mut(index) {
                    let about = if connection.client == quoted {
                        Peer::Client
                    } else {
                        Peer::Server
                    };
                    connection.take_icmp(IcmpSeen {
                        time: quote.time,
                        frame: quote.frame,
                        from: quote.from,
                        about,
                        reason: quote.reason,
                        quotes_syn: quote.flags.is_some_and(|flags| flags.syn() && !flags.ack())
                            || connection.established.is_none(),
                    });
                }
            }
            Some(Place::Remnant(_)) => {}
            // Wireshark gives a fully quoted header a stream number of its own.
            None if quote.flags.is_some() => {
                let stream = self.numbering.next(quote.frame);
                let remnant = Remnant {
                    stream,
                    capture: quote.frame.capture,
                    bases: [None; 2],
                    refused: false,
                };
                let place = self.keep_remnant(remnant);
                self.insert(key, place);
            }
            None => {}
        }
    }

    /// Every connection still held, in the order in which they were opened.
    pub fn connections(&self) -> Vec<&Connection<R>> {
        in_order(self.each())
    }

    /// Forgets connections that were reset, oldest first, while there are more than the limit; `may_go` says of which streams nothing more
    /// is to be learnt.
    pub fn forget_resets(&mut self, may_go: impl Fn(u32) -> bool) {
        while self.reset.len() > self.limits.reset_connections {
            let Some((index, stream)) = self.reset.front().copied() else {
                break;
            };
            if !may_go(stream) {
                break;
            }
            self.reset.pop_front();
            // Otherwise its 4-tuple was used again, or it was forgotten before.
            if self
                .whole_ref(index)
                .is_some_and(|connection| connection.first_stream() == stream)
            {
                self.forget(index);
            }
        }
        if self.replaced.len() > self.limits.reset_connections {
            let older = self.replaced.len().div_ceil(2);
            let before = self.replaced.len();
            let mut place = 0;
            self.replaced.retain(|old| {
                place += 1;
                place > older || !may_go(old.first_stream())
            });
            self.evicted += (before - self.replaced.len()) as u64;
        }
    }

    /// From now on holds at most so many, also of those that were reset, which [`forget_resets`](Self::forget_resets) forgets.
    pub fn hold(&mut self, connections: usize, reset_connections: usize) {
        self.limits.connections = connections;
        self.limits.reset_connections = reset_connections;
        self.make_room(u32::MAX);
    }

    /// Connections held.
    pub fn held(&self) -> usize {
        self.whole.len() - self.free.len() + self.replaced.len()
    }

    /// Refused connections beyond the number kept apart.
    pub fn refused_groups(&self) -> impl Iterator<Item = &RefusedGroup> {
        self.refusals.groups()
    }

    /// The frames that opened streams, by capture, where streams are not numbered as they come.
    pub(super) fn opened(&self) -> &[Vec<u32>] {
        self.numbering.opened()
    }

    /// The plain refusals kept apart: whose, of which service.
    pub(super) fn refusals_apart(&self) -> impl Iterator<Item = (IpAddr, (IpAddr, u16))> {
        self.each()
            .filter(|connection| is_plain_refusal(connection))
            .map(|connection| (connection.client.0, connection.server))
    }

    /// There were too many refusals to keep any apart.
    pub(super) fn folds_all_refusals(&self) -> bool {
        self.refusals.folds_all()
    }

    /// Refused connections that were kept apart become part of their groups.
    pub(super) fn fold_refusals(&mut self, chosen: impl Fn(IpAddr, (IpAddr, u16)) -> bool) {
        self.fold_all(|connection| chosen(connection.client.0, connection.server));
    }

    /// Streams get the numbers that they have among those of all tables. Nothing can be taken any more after this.
    pub(super) fn renumber(&mut self, numbers: &StreamNumbers) {
        let held = self.whole.iter_mut().flatten().chain(&mut self.replaced);
        for (capture, stream) in held.flat_map(|connection| &mut connection.streams) {
            *stream = numbers.of(*capture, *stream);
        }
        for group in self.refusals.groups_mut() {
            let (capture, stream) = group.first.stream;
            group.first.stream = (capture, numbers.of(capture, stream));
        }
    }

    /// Every connection still held, in no order.
    pub(super) fn each(&self) -> impl Iterator<Item = &Connection<R>> {
        self.whole
            .iter()
            .flatten()
            .chain(&self.replaced)
            .map(|boxed| &**boxed)
    }

    /// Connections and attempts seen.
    pub fn connections_seen(&self) -> u64 {
        self.connections_seen
    }

    /// Connections forgotten because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Folded or forgotten connections whose number is no longer known: from here on, stream numbers may differ from Wireshark's.
    pub fn numbers_forgotten(&self) -> u64 {
        self.numbers_forgotten
    }

    /// Second sightings of packets, by capture.
    pub fn duplicates(&self, capture: CaptureId) -> u64 {
        self.duplicates
            .get(usize::from(capture.0))
            .copied()
            .unwrap_or_default()
    }

    fn deliver(
        &mut self,
        index: u32,
        flags: TcpFlags,
        segment: &Segment<'_>,
    ) -> Option<&Connection<R>> {
        let capture = segment.frame.capture;
        let connection = self.whole.get_mut(index as usize)?.as_deref_mut()?;
        if connection.stream_in(capture).is_none() {
            let stream = self.numbering.next(segment.frame);
            connection.streams.push((capture, stream));
        }
        let from = sender(connection, segment);
        let was_closed = connection.is_quietly_closed();
        let was_reset = !connection.episodes.is_empty();
        if connection.take(from, flags, segment) == Taken::Duplicate {
            let slot = usize::from(capture.0);
            if self.duplicates.len() <= slot {
                self.duplicates.resize(slot + 1, 0);
            }
            self.duplicates[slot] += 1;
        } else if connection.is_quietly_closed() && !was_closed {
            if connection.is_settled() {
                let spare = connection.settle();
                if self.spare_histories.len() < SPARE_HISTORIES {
                    self.spare_histories.push(spare);
                }
            }
            self.closed.push_back(index);
        } else if flags.rst() && is_plain_refusal(connection) {
            self.note_refused(index);
        } else if !was_reset
            && !connection.episodes.is_empty()
            && self.limits.reset_connections < usize::MAX
        {
            self.reset.push_back((index, connection.first_stream()));
        }
        self.whole_ref(index)
    }

    fn new_connection(&mut self, segment: &Segment<'_>, flags: TcpFlags) -> Box<Connection<R>> {
        let mut connection = Box::new(new_connection(segment, flags));
        if let Some(memory) = self.spare_histories.pop() {
            connection.history = History::within(memory);
        }
        connection
    }

    fn open(&mut self, key: Key, segment: &Segment<'_>, flags: TcpFlags) -> u32 {
        let connection = self.new_connection(segment, flags);
        let index = self.place(connection, segment.frame);
        self.insert(key, Place::Whole(index));
        self.make_room(index);
        index
    }

    /// The 4-tuple is used again: the old connection is over, the new one has its own number.
    fn reopen(&mut self, key: Key, index: u32, segment: &Segment<'_>, flags: TcpFlags) -> u32 {
        if let Some(old) = self.whole.get_mut(index as usize).and_then(Option::take) {
            self.free.push(index);
            self.replaced.push(old);
        }
        self.remove(&key);
        self.open(key, segment, flags)
    }

    fn take_remnant(
        &mut self,
        key: Key,
        way: Way,
        index: u32,
        segment: &Segment<'_>,
        flags: TcpFlags,
    ) -> Option<u32> {
        let remnant = *self.remnants.get(index as usize)?;
        let own = usize::from(way == Way::Backward);
        let reused = opens_anew(flags) && remnant.bases[own].is_some_and(|base| base != segment.seq);
        if remnant.refused && flags.rst() {
            let server = (segment.addresses.src(), segment.src_port);
            let client = segment.addresses.dst();
            self.refusals
                .repeated(client, server, (segment.time, segment.frame));
            return None;
        }
        if remnant.refused && !reused {
            return None;
        }
        self.remove(&key);
        Some(self.open_numbered(key, segment, flags, (!reused).then_some(remnant)))
    }

    fn open_numbered(
        &mut self,
        key: Key,
        segment: &Segment<'_>,
        flags: TcpFlags,
        number_of: Option<Remnant>,
    ) -> u32 {
        let Some(remnant) = number_of else {
            return self.open(key, segment, flags);
        };
        let mut connection = self.new_connection(segment, flags);
        connection.streams.push((remnant.capture, remnant.stream));
        let index = self.store(connection);
        self.insert(key, Place::Whole(index));
        self.make_room(index);
        index
    }

    fn place(&mut self, mut connection: Box<Connection<R>>, opening: FrameId) -> u32 {
        self.connections_seen += 1;
        let stream = self.numbering.next(opening);
        connection.streams.push((opening.capture, stream));
        self.store(connection)
    }

    fn store(&mut self, connection: Box<Connection<R>>) -> u32 {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.whole.get_mut(index as usize)
        {
            *slot = Some(connection);
            return index;
        }
        self.whole.push(Some(connection));
        (self.whole.len() - 1) as u32
    }

    /// A refusal beyond the number kept apart joins its group and leaves only a number behind.
    fn note_refused(&mut self, index: u32) {
        let Some(connection) = self.whole_ref(index) else {
            return;
        };
        let (client, server) = (connection.client.0, connection.server);
        match self.refusals.note(client, server) {
            Fold::None => {}
            Fold::This => self.fold(index),
            Fold::Service => {
                self.fold_all(|other| other.client.0 == client && other.server == server);
            }
            Fold::All => self.fold_all(|_| true),
        }
    }

    fn fold_all(&mut self, chosen: impl Fn(&Connection<R>) -> bool) {
        let chosen =
            |connection: &Connection<R>| chosen(connection) && is_plain_refusal(connection);
        let mut members: Vec<(Timestamp, u32)> = Vec::new();
        for (index, connection) in self.whole.iter().enumerate() {
            if let Some(connection) = connection
                && chosen(connection)
            {
                members.push((connection.opened, index as u32));
            }
        }
        members.sort_unstable();
        let (fold, keep): (Vec<_>, Vec<_>) = std::mem::take(&mut self.replaced)
            .into_iter()
            .partition(|old| chosen(old));
        self.replaced = keep;
        for old in &fold {
            self.refusals.fold(old);
        }
        for (_, index) in members {
            self.fold(index);
        }
    }

    fn fold(&mut self, index: u32) {
        let Some(connection) = self.whole.get_mut(index as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(index);
        self.refusals.fold(&connection);
        self.leave_remnant(&connection, Refused::Yes);
    }

    fn leave_remnant(&mut self, connection: &Connection<R>, refused: Refused) {
        let (key, way) = key_of(connection);
        let (capture, stream) = connection.streams.first().copied().unwrap_or_default();
        let (client, server) = connection.bases();
        let bases = if way == Way::Forward {
            [client, server]
        } else {
            [server, client]
        };
        let place = self.keep_remnant(Remnant {
            stream,
            capture,
            bases,
            refused: refused == Refused::Yes,
        });
        self.remove(&key);
        self.insert(key, place);
    }

    fn keep_remnant(&mut self, remnant: Remnant) -> Place {
        if self.remnants.len() >= self.limits.numbers.max(2) {
            self.forget_numbers(self.remnants.len() / 2);
        }
        self.remnants.push(remnant);
        Place::Remnant((self.remnants.len() - 1) as u32)
    }

    /// Forgets the oldest remnants. A later packet of theirs opens a stream that Wireshark would count to the old one.
    fn forget_numbers(&mut self, oldest: usize) {
        let kept = |word: &mut u32| match Place::unpack(*word) {
            Place::Whole(_) => true,
            Place::Remnant(index) if (index as usize) < oldest => false,
            Place::Remnant(index) => {
                *word = Place::Remnant(index - oldest as u32).pack();
                true
            }
        };
        self.v4.retain(|(_, word)| kept(word));
        self.v6.retain(|(_, word)| kept(word));
        self.remnants.drain(..oldest);
        self.numbers_forgotten += oldest as u64;
    }

    fn forget(&mut self, index: u32) {
        if let Some(connection) = self.whole.get_mut(index as usize).and_then(Option::take) {
            self.free.push(index);
            self.evicted += 1;
            self.leave_remnant(&connection, Refused::No);
        }
    }

    /// Forgets connections while there are too many: quietly closed ones first, then the one that was silent longest.
    fn make_room(&mut self, newest: u32) {
        while self.held() > self.limits.connections {
            let victim = match self.closed.pop_front() {
                Some(index)
                    if self
                        .whole_ref(index)
                        .is_some_and(Connection::is_quietly_closed) =>
                {
                    Some(index)
                }
                Some(_) => continue,
                None => None,
            };
            if victim.is_none() && !self.replaced.is_empty() {
                let drop = self.replaced.len().div_ceil(2);
                self.replaced.drain(..drop);
                self.evicted += drop as u64;
                continue;
            }
            let Some(index) = victim.or_else(|| self.longest_silent(newest)) else {
                return;
            };
            self.forget(index);
        }
    }

    fn longest_silent(&mut self, newest: u32) -> Option<u32> {
        // Rare: only when everything held is open. A sweep refills the queue of victims with a sixteenth of all.
        let mut open: Vec<(Timestamp, u32)> = self
            .whole
            .iter()
            .enumerate()
            .filter_map(|(index, connection)| Some((connection.as_ref()?.last, index as u32)))
            .filter(|(_, index)| *index != newest)
            .collect();
        let wanted = open.len().div_ceil(16);
        if open.len() > wanted && wanted > 0 {
            open.select_nth_unstable(wanted - 1);
            open.truncate(wanted);
        }
        for &(_, index) in &open {
            self.forget(index);
        }
        None
    }

    fn whole_ref(&self, index: u32) -> Option<&Connection<R>> {
        self.whole.get(index as usize)?.as_deref()
    }

    fn whole_mut(&mut self, index: u32) -> Option<&mut Connection<R>> {
        self.whole.get_mut(index as usize)?.as_deref_mut()
    }

    fn find(&self, key: &Key) -> Option<Place> {
        let word = match key {
            Key::V4(key) => {
                self.v4
                    .find(self.hasher.hash_one(key), |(other, _)| other == key)?
                    .1
            }
            Key::V6(key) => {
                self.v6
                    .find(self.hasher.hash_one(key), |(other, _)| other == key)?
                    .1
            }
        };
        Some(Place::unpack(word))
    }

    fn insert(&mut self, key: Key, place: Place) {
        let hasher = &self.hasher;
        match key {
            Key::V4(key) => {
                self.v4
                    .insert_unique(hasher.hash_one(key), (key, place.pack()), |(key, _)| {
                        hasher.hash_one(key)
                    });
            }
            Key::V6(key) => {
                self.v6
                    .insert_unique(hasher.hash_one(key), (key, place.pack()), |(key, _)| {
                        hasher.hash_one(key)
                    });
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        match key {
            Key::V4(key) => {
                if let Ok(entry) = self
                    .v4
                    .find_entry(self.hasher.hash_one(key), |(other, _)| other == key)
                {
                    entry.remove();
                }
            }
            Key::V6(key) => {
                if let Ok(entry) = self
                    .v6
                    .find_entry(self.hasher.hash_one(key), |(other, _)| other == key)
                {
                    entry.remove();
                }
            }
        }
    }
}

/// Connections in the order in which they were opened.
pub(super) fn in_order<'a, R: StreamReader>(
    connections: impl Iterator<Item = &'a Connection<R>>,
) -> Vec<&'a Connection<R>> {
    let mut all: Vec<_> = connections.collect();
    all.sort_by_key(|connection| {
        (
            connection.streams.first().copied().unwrap_or_default(),
            connection.opened,
        )
    });
    all
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    Yes,
    No,
}

fn sender<R: StreamReader>(connection: &Connection<R>, segment: &Segment<'_>) -> Peer {
    let src = (segment.addresses.src(), segment.src_port);
    // A connection of a port to itself: both ends are one; the first sender is the client throughout.
    if connection.client == src {
        Peer::Client
    } else {
        Peer::Server
    }
}

/// A SYN without ACK: the client's first word.
fn opens_anew(flags: TcpFlags) -> bool {
    flags.syn() && !flags.ack()
}

/// A SYN that opens the 4-tuple anew.
fn is_reused<R: StreamReader>(connection: &Connection<R>, segment: &Segment<'_>) -> bool {
    connection.is_reused_by(sender(connection, segment), segment.seq)
}

fn key_of<R: StreamReader>(connection: &Connection<R>) -> (Key, Way) {
    let addresses = match (connection.client.0, connection.server.0) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Addresses::V4 { src, dst },
        (IpAddr::V6(src), IpAddr::V6(dst)) => Addresses::V6 { src, dst },
        // Both come from one packet, so they are of one family.
        (IpAddr::V4(src), IpAddr::V6(_)) => Addresses::V4 { src, dst: src },
        (IpAddr::V6(src), IpAddr::V4(_)) => Addresses::V6 { src, dst: src },
    };
    Key::new(&addresses, connection.client.1, connection.server.1)
}

/// Nothing but SYNs by the client and RSTs by the server's address that acknowledge them.
fn is_plain_refusal<R: StreamReader>(connection: &Connection<R>) -> bool {
    connection.directions.server.packets == 0
        && connection.directions.client.syns > 0
        && connection.directions.client.packets == u64::from(connection.directions.client.syns)
        && connection.directions.client.resets == 0
        && connection.directions.client.bytes == 0
        && connection.icmp.is_empty()
        && connection.duplicates == 0
        && connection.history.newest_first().all(|packet| {
            packet.kind == PacketKind::Syn
                || (packet.from == Peer::Server
                    && packet.flags.ack()
                    && connection
                        .directions
                        .client
                        .iss
                        .is_some_and(|iss| packet.ack == iss + 1))
        })
}

/// The first packet decides who is the client: a SYN or SYN-ACK, else the ports, else who spoke first.
fn new_connection<R: StreamReader>(segment: &Segment<'_>, flags: TcpFlags) -> Connection<R> {
    const EPHEMERAL: u16 = 32_768;
    let src = (segment.addresses.src(), segment.src_port);
    let dst = (segment.addresses.dst(), segment.dst_port);
    let (from_client, orientation) = if flags.syn() && !flags.rst() {
        (!flags.ack(), Orientation::Syn)
    } else {
        let class = |port: u16| match port {
            0..1024 => 0,
            1024..EPHEMERAL => 1,
            _ => 2,
        };
        match class(src.1).cmp(&class(dst.1)) {
            std::cmp::Ordering::Less => (false, Orientation::Port),
            std::cmp::Ordering::Greater => (true, Orientation::Port),
            std::cmp::Ordering::Equal => (true, Orientation::FirstSender),
        }
    };
    let (client, server) = if from_client { (src, dst) } else { (dst, src) };
    Connection::new(client, server, orientation, segment.time)
}
