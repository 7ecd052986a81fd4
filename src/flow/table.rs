//! All connections of a capture, found by their 4-tuple and numbered as Wireshark numbers `tcp.stream`.

mod keeping;
mod memory;
mod order;
#[cfg(test)]
mod packing_tests;
mod redirected;
mod refusals;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::IpAddr;

use ahash::RandomState;

use self::keeping::Packing;
pub(super) use self::order::in_order;
use self::refusals::is_plain_refusal;
use crate::capture::{CaptureId, FrameId};
use crate::flow::archive::Archive;
use crate::flow::connection::{Sighting, Taken};
use crate::flow::key::{Key, Way};
use crate::flow::numbering::Numbering;
use crate::flow::places::{Place, Places};
use crate::flow::redirects::AnswerStreams;
use crate::flow::refused::Refusals;
use crate::flow::remnants::{Remnant, Remnants};
use crate::flow::{
    Both, Connection, Held, IcmpSeen, Kept, Limits, Orientation, Peer, Sittings, SittingsKept,
    StreamReader,
};
use crate::wire::{Addresses, IcmpQuote, Segment, TcpFlags};

/// So many connections are [asked for](Table::ask_for) at once. Measured: 16 and 32 bring no more.
pub(super) const ASKED_FOR: usize = 8;

/// All connections. `R` reads their dialogues.
#[derive(Debug)]
pub struct Table<R: StreamReader> {
    limits: Limits,
    places: Places,
    kept: Vec<Option<Kept<R>>>,
    free: Vec<u32>,
    remnants: Remnants,
    numbering: Numbering,
    /// Connections whose 4-tuple was used again: no packet can reach them any more.
    replaced: Vec<Kept<R>>,
    closed: VecDeque<u32>,
    /// Closed or touched again since, to be packed soon; a few.
    just_closed: VecDeque<u32>,
    packing: Packing,
    archive: Archive,
    /// Slot and stream of connections that were reset, oldest first; empty where they are not limited.
    reset: VecDeque<(u32, u32)>,
    /// Connections that were packed: their memory waits for others.
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    spare: Vec<Box<Connection<R>>>,
    refusals: Refusals,
    /// Of redirected connections whose answers this table would hold if they were not theirs.
    answers: AnswerStreams,
    connections_seen: u64,
    evicted: u64,
    numbers_forgotten: u64,
    duplicates: Vec<u64>,
    /// Those of them that another capture had shown.
    seen_elsewhere: u64,
}

impl<R: StreamReader> Table<R> {
    /// An empty table, which numbers streams as they come and may be asked at any time.
    pub fn new(limits: Limits) -> Self {
        Self::empty(limits, Numbering::as_they_come())
    }

    /// An empty table that is part of several and asked once all is over: streams get their numbers then, and what has closed is
    /// [packed](Kept).
    pub(super) fn part(limits: Limits) -> Self {
        Self {
            packing: Packing::Closed,
            ..Self::empty(limits, Numbering::in_part())
        }
    }

    fn empty(limits: Limits, numbering: Numbering) -> Self {
        let hasher = RandomState::new();
        Self {
            limits,
            kept: Vec::new(),
            free: Vec::new(),
            remnants: Remnants::default(),
            numbering,
            replaced: Vec::new(),
            closed: VecDeque::new(),
            just_closed: VecDeque::new(),
            packing: Packing::Nothing,
            archive: Archive::default(),
            reset: VecDeque::new(),
            spare: Vec::new(),
            refusals: Refusals::new(&limits, hasher.clone()),
            answers: AnswerStreams::default(),
            places: Places::new(hasher),
            connections_seen: 0,
            evicted: 0,
            numbers_forgotten: 0,
            duplicates: Vec::new(),
            seen_elsewhere: 0,
        }
    }

    /// Takes a segment; returns the connection that it belongs to, unless that one is only remembered by number.
    pub fn take(&mut self, segment: &Segment<'_>) -> Option<&Connection<R>> {
        let index = self.receive(segment)?;
        self.whole_ref(index)
    }

    /// Takes a segment; returns where the connection is kept that it belongs to.
    pub(super) fn receive(&mut self, segment: &Segment<'_>) -> Option<u32> {
        let (key, _) = Key::new(&segment.addresses, segment.src_port, segment.dst_port);
        let place = self.places.find(&key);
        if let Some(Place::Kept(index)) = place
            && let Some((head, payload)) = segment.as_plain()
            && let Kept::Whole(connection) = self.kept.get_mut(index as usize)?.as_mut()?
        {
            let from = sender(connection, &segment.addresses, segment.src_port);
            if connection.take_if_next(from, head, payload).is_some() {
                return Some(index);
            }
        }
        self.receive_any(place, segment)
    }

    /// Where a connection is found.
    #[inline]
    pub(super) fn find(&mut self, key: &Key) -> Option<Place> {
        self.places.find(key)
    }

    /// Looks at what the next packets of the first [few](ASKED_FOR) of these connections change. It lies far apart, and memory brings many
    /// such pieces in the time in which it brings one.
    #[inline(never)]
    pub(super) fn ask_for<'k>(&mut self, keys: impl Iterator<Item = &'k Key>) {
        let mut kept = [None; ASKED_FOR];
        for (kept, key) in kept.iter_mut().zip(keys) {
            *kept = self.places.find(key).and_then(Place::kept);
        }
        let whole = kept.map(|kept| self.whole_ref(kept?));
        let looks = whole.into_iter().flatten().map(Connection::look);
        black_box(looks.fold(0, u64::wrapping_add));
    }

    /// Takes a segment, whatever it is, whose 4-tuple was [found](Self::find) there; returns where the connection is kept that it
    /// belongs to. Apart, so that the next packets pay nothing for it.
    #[inline(never)]
    pub(super) fn receive_any(
        &mut self,
        place: Option<Place>,
        segment: &Segment<'_>,
    ) -> Option<u32> {
        let key = || Key::new(&segment.addresses, segment.src_port, segment.dst_port);
        let Some(flags) = segment.flags else {
            self.take_broken(key().0, place, segment);
            return None;
        };
        let opens = opens_anew(flags);
        let index = match place {
            None => self.open(key().0, segment, flags),
            Some(Place::Kept(index)) => {
                if opens && self.is_reused(index, segment) {
                    self.reopen(key().0, index, segment, flags)
                } else {
                    index
                }
            }
            Some(Place::Remnant(index)) => self.take_remnant(key(), index, segment, flags)?,
        };
        self.deliver(index, flags, segment);
        Some(index)
    }

    /// A header too broken to be a packet of a connection. Wireshark numbers a stream for it and learns its base sequence numbers.
    fn take_broken(&mut self, key: Key, place: Option<Place>, segment: &Segment<'_>) {
        let index = match place {
            None => self.open(key, segment, TcpFlags::default()),
            Some(Place::Kept(index)) => {
                match opens_anew(segment.head.flags) && self.is_reused(index, segment) {
                    true => self.reopen(key, index, segment, TcpFlags::default()),
                    false => index,
                }
            }
            Some(Place::Remnant(_)) => return,
        };
        if let Some(connection) = self.whole_mut(index) {
            let from = sender(connection, &segment.addresses, segment.src_port);
            connection.observe_wireshark_base(from, segment.head.flags, segment);
        }
    }

    /// Remembers an ICMP error for the connection that it quotes, which it returns.
    pub fn take_quote(&mut self, quote: &IcmpQuote) -> Option<&Connection<R>> {
        let (key, _) = Key::new(&quote.addresses, quote.src_port, quote.dst_port);
        match self.places.find(&key) {
            Some(Place::Kept(index)) => {
                let quoted = (quote.addresses.src(), quote.src_port);
                let connection = self.whole_mut(index)?;
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
                Some(connection)
            }
            Some(Place::Remnant(_)) => None,
            // Wireshark gives a fully quoted header a stream number of its own.
            None if quote.flags.is_some() => {
                let stream = self.numbering.next(quote.frame);
                let place = self.keep_remnant(Remnant::quoted((quote.frame.capture, stream)));
                self.places.insert(key, place);
                None
            }
            None => None,
        }
    }

    /// Connections held.
    pub fn held(&self) -> usize {
        self.kept.len() - self.free.len() + self.replaced.len()
    }

    /// So many connections more make nobody forgotten.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.held().saturating_add(more) <= self.limits.connections
    }

    /// Every connection still held, in no order.
    fn each(&self) -> impl Iterator<Item = &Kept<R>> + Clone {
        self.kept.iter().flatten().chain(&self.replaced)
    }

    pub(super) fn held_as<'a>(&'a self, kept: &'a Kept<R>) -> Held<'a, R> {
        Held {
            kept,
            archive: &self.archive,
        }
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

    /// Second sightings of packets that another capture had shown.
    pub fn seen_elsewhere(&self) -> u64 {
        self.seen_elsewhere
    }

    fn deliver(&mut self, index: u32, flags: TcpFlags, segment: &Segment<'_>) {
        let capture = segment.head.frame.capture;
        if let Some(Kept::Settled(_)) = self.kept(index) {
            self.unpack(index);
        }
        let Some(Some(Kept::Whole(connection))) = self.kept.get_mut(index as usize) else {
            return;
        };
        let from = sender(connection, &segment.addresses, segment.src_port);
        // Answers by another name are a stream of their own.
        let is_shown = connection.called.is_none() || from == Peer::Client;
        if is_shown && connection.streams.of(capture).is_none() {
            let stream = self.numbering.next(segment.head.frame);
            connection.streams.push(capture, stream);
        }
        let was_closed = connection.is_quietly_closed();
        let was_reset = !connection.episodes.is_empty();
        if let Taken::Again(sighting) = connection.take(from, flags, segment) {
            self.seen_elsewhere += u64::from(sighting == Sighting::Elsewhere);
            let slot = usize::from(capture.0);
            if self.duplicates.len() <= slot {
                self.duplicates.resize(slot + 1, 0);
            }
            self.duplicates[slot] += 1;
        } else if connection.is_quietly_closed() && !was_closed {
            if connection.is_settled() {
                connection.close();
                // Otherwise it is packed soon.
                if self.packing == Packing::Nothing {
                    connection.give_back();
                }
            }
            self.closed.push_back(index);
            self.pack_later(index);
        } else if flags.rst() && is_plain_refusal(connection) {
            self.note_refused(index);
        } else if !was_reset && !connection.episodes.is_empty() {
            if self.limits.reset_connections < usize::MAX {
                self.reset.push_back((index, connection.first_stream()));
            }
            self.pack_later(index);
        }
    }

    fn new_connection(&mut self, segment: &Segment<'_>, flags: TcpFlags) -> Box<Connection<R>> {
        let (ends, orientation) = ends(segment, flags);
        let Both { client, server } = ends;
        let mut connection = match self.spare.pop() {
            Some(mut spare) => {
                spare.begin_anew(client, server, orientation, segment.head.time);
                spare
            }
            None => {
                let new = Connection::new(client, server, orientation, segment.head.time);
                Box::new(new)
            }
        };
        if self.limits.sittings == SittingsKept::Yes {
            connection.sittings = Some(Box::<Sittings>::default());
        }
        connection
    }

    fn open(&mut self, key: Key, segment: &Segment<'_>, flags: TcpFlags) -> u32 {
        let connection = self.new_connection(segment, flags);
        let index = self.place(connection, segment.head.frame);
        self.places.insert(key, Place::Kept(index));
        self.make_room(index);
        index
    }

    /// The 4-tuple is used again: the old connection is over, the new one has its own number.
    fn reopen(&mut self, key: Key, index: u32, segment: &Segment<'_>, flags: TcpFlags) -> u32 {
        if let Some(old) = self.kept.get_mut(index as usize).and_then(Option::take) {
            self.free.push(index);
            let old = match self.packing {
                Packing::Closed => self.packed(old),
                Packing::Nothing => old,
            };
            self.replaced.push(old);
        }
        self.places.remove(&key);
        self.open(key, segment, flags)
    }

    fn take_remnant(
        &mut self,
        (key, way): (Key, Way),
        index: u32,
        segment: &Segment<'_>,
        flags: TcpFlags,
    ) -> Option<u32> {
        let remnant = *self.remnants.get(index)?;
        let reused = opens_anew(flags)
            && remnant
                .base(way)
                .is_some_and(|base| base != segment.head.seq);
        if remnant.is_refused() && flags.rst() {
            let server = (segment.addresses.src(), segment.src_port);
            let client = segment.addresses.dst();
            self.refusals
                .repeated(client, server, (segment.head.time, segment.head.frame));
            return None;
        }
        if remnant.is_refused() && !reused {
            return None;
        }
        self.places.remove(&key);
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
        self.connections_seen += u64::from(remnant.is_quoted());
        let mut connection = self.new_connection(segment, flags);
        connection.streams.push(remnant.capture, remnant.stream);
        let index = self.store(connection);
        self.places.insert(key, Place::Kept(index));
        self.make_room(index);
        index
    }

    fn place(&mut self, mut connection: Box<Connection<R>>, opening: FrameId) -> u32 {
        self.connections_seen += 1;
        let stream = self.numbering.next(opening);
        connection.streams.push(opening.capture, stream);
        self.store(connection)
    }

    fn store(&mut self, connection: Box<Connection<R>>) -> u32 {
        let connection = Some(Kept::Whole(connection));
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.kept.get_mut(index as usize)
        {
            *slot = connection;
            return index;
        }
        self.kept.push(connection);
        (self.kept.len() - 1) as u32
    }
}

/// Who sends a segment of this connection. Ports tell both ends apart, but for a connection from a port to the same one.
#[inline]
pub(super) fn sender<R: StreamReader>(
    connection: &Connection<R>,
    addresses: &Addresses,
    src_port: u16,
) -> Peer {
    let (client, server) = (&connection.client, &connection.server);
    // A connection of a port to itself: both ends are one; the first sender is the client throughout.
    if client.1 == src_port && (server.1 != src_port || client.0 == addresses.src()) {
        Peer::Client
    } else {
        Peer::Server
    }
}

/// A SYN without ACK: the client's first word.
fn opens_anew(flags: TcpFlags) -> bool {
    flags.syn() && !flags.ack()
}

fn key_of<R: StreamReader>(connection: &Connection<R>) -> (Key, Way) {
    let addresses = Addresses::between(connection.client.0, connection.server.0);
    Key::new(&addresses, connection.client.1, connection.server.1)
}

/// The first packet decides who is the client: a SYN or SYN-ACK, else the ports, else who spoke first.
fn ends(segment: &Segment<'_>, flags: TcpFlags) -> (Both<(IpAddr, u16)>, Orientation) {
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
    (Both { client, server }, orientation)
}
