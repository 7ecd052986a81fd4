//! Packets of one table that are handed over at once.
//!
//! They are taken in their order, but for the next packets of a conversation that goes on: these concern nothing but their own connection
//! ([`Connection::take_if_next`]), and are taken with the packet before them, while all of it is in a cache. Until it is there, the core
//! would wait for each connection: a few are [asked for](Table::ask_for) at once.

use crate::flow::key::{FamilyKey, Key, Way};
use crate::flow::places::Place;
use crate::flow::table::{ASKED_FOR, sender};
use crate::flow::{Connection, StreamReader, Table};
use crate::wire::{Besides, Ends, Head, IcmpQuote, PlainFrame, Segment};

/// Packets in a parcel: few enough to stay in a core's cache.
const PACKETS: usize = 1024;
/// Bytes of payload in a parcel, but for the last packet's.
const BYTES: usize = 256 << 10;
/// Trails that lead through a parcel, one for each connection, or for several that take turns.
const TRAILS: usize = 512;
/// No packet's place.
const NOWHERE: u16 = u16::MAX;

/// A packet's header: to take it costs one line of the cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line(Head);

/// A packet's place among the others.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// Where its payload begins.
    start: u32,
    /// What was captured of it.
    len: u32,
    /// Where the connection's next packet stands, if that is the next one of its trail; or [`NOWHERE`].
    next: u16,
    /// Relative to its connection's key.
    way: Way,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It waits to be taken.
    #[default]
    Plain,
    /// The next of the rare ones.
    Rare,
    /// It was taken as the next one of its connection.
    Taken,
}

/// What is no plain segment, or has more than its header here.
#[derive(Debug)]
enum Rare {
    /// More of a plain segment.
    Besides(Besides),
    /// A segment without its bytes.
    Segment(Segment<'static>),
    /// A quote.
    Quote(IcmpQuote),
}

/// What is handed over at once. Once delivered, it is empty, to be filled again.
#[derive(Debug)]
pub(super) struct Parcel {
    links: Box<[Link; PACKETS]>,
    /// Headers of plain ones.
    heads: Box<[Line; PACKETS]>,
    /// Their connections.
    keys: Box<[Key; PACKETS]>,
    /// So many are in use.
    count: usize,
    rare: Vec<Rare>,
    /// All payload.
    bytes: Vec<u8>,
    /// Where the newest packet of each trail stands.
    newest: Box<[u16; TRAILS]>,
    /// Packets that follow on none of their connection, as far as trails tell.
    leading: Vec<u16>,
}

impl Default for Parcel {
    fn default() -> Self {
        Self {
            links: Box::new([Link::default(); PACKETS]),
            heads: Box::new([Line::default(); PACKETS]),
            keys: Box::new([Key::default(); PACKETS]),
            count: 0,
            rare: Vec::new(),
            bytes: Vec::new(),
            newest: Box::new([NOWHERE; TRAILS]),
            leading: Vec::new(),
        }
    }
}

impl Parcel {
    /// It is to be handed over.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.count >= PACKETS || self.bytes.len() >= BYTES
    }

    /// Puts the segment of a plain frame in, where there is [room](Self::is_full); key, its spread and way are its own.
    #[inline(always)]
    pub fn put_plain<K: FamilyKey>(
        &mut self,
        (key, spread): (K, u64),
        way: Way,
        plain: &PlainFrame<'_, '_>,
    ) -> Option<()> {
        let place = self.count;
        *self.keys.get_mut(place)? = key.any();
        let newest = self.newest.get_mut(trail(spread))?;
        let before = usize::from(std::mem::replace(newest, place as u16));
        // One follows the other: if they are of one connection, it may be taken with it.
        if let Some(link) = self.links.get_mut(before)
            && self.keys.get(before).and_then(K::of) == Some(&key)
        {
            link.next = place as u16;
        } else {
            self.leading.push(place as u16);
        }
        let payload = plain.payload();
        self.link(place, Stage::Plain, way, payload);
        self.count = place + 1;
        self.bytes.extend_from_slice(payload);
        let Line(head) = self.heads.get_mut(place)?;
        if let Some(besides) = plain.write_head(head) {
            self.put_besides(place, besides);
        }
        Some(())
    }

    /// There is more of a plain segment.
    #[inline(never)]
    fn put_besides(&mut self, place: usize, besides: Besides) {
        if let Some(link) = self.links.get_mut(place) {
            link.stage = Stage::Rare;
            self.rare.push(Rare::Besides(besides));
        }
    }

    /// Puts a segment in, likewise.
    pub fn put_segment(&mut self, key: &Key, segment: &Segment<'_>) {
        if let Some(newest) = self.newest.get_mut(trail(key.spread())) {
            *newest = NOWHERE;
        }
        self.rare.push(Rare::Segment(segment.without_bytes()));
        self.put(Stage::Rare, segment.payload);
    }

    /// Puts a quote in, likewise. What a conversation that goes on says is the same before and after it.
    pub fn put_quote(&mut self, quote: &IcmpQuote) {
        self.rare.push(Rare::Quote(*quote));
        self.put(Stage::Rare, &[]);
    }

    fn put(&mut self, stage: Stage, payload: &[u8]) {
        self.link(self.count, stage, Way::default(), payload);
        self.count += 1;
        self.bytes.extend_from_slice(payload);
    }

    /// Notes the next packet, whose payload is to follow.
    #[inline(always)]
    fn link(&mut self, place: usize, stage: Stage, way: Way, payload: &[u8]) {
        if let Some(link) = self.links.get_mut(place) {
            *link = Link {
                start: self.bytes.len() as u32,
                len: payload.len() as u32,
                next: NOWHERE,
                way,
                stage,
            };
        }
    }

    /// Hands everything to the table.
    pub fn deliver<R: StreamReader>(&mut self, table: &mut Table<R>) {
        let mut rare = std::mem::take(&mut self.rare);
        let mut rarities = rare.drain(..);
        let mut leading = std::mem::take(&mut self.leading);
        let mut groups = leading.chunks(ASKED_FOR);
        let mut group = groups.next().unwrap_or_default();
        for place in 0..self.count {
            if group.first() == Some(&(place as u16)) {
                let keys = group.iter().map(|place| self.keys.get(usize::from(*place)));
                table.ask_for(keys.flatten());
                group = groups.next().unwrap_or_default();
            }
            let Some(link) = self.links.get(place) else {
                break;
            };
            match link.stage {
                Stage::Taken => {}
                Stage::Plain => {
                    self.deliver_from(place, table);
                }
                Stage::Rare => match rarities.next() {
                    Some(Rare::Besides(besides)) => {
                        let (Line(head), key) = (&self.heads[place], &self.keys[place]);
                        let payload = payload(&self.bytes, link);
                        table.take(&besides.segment(head, &key.ends(link.way), payload));
                    }
                    Some(Rare::Segment(segment)) => {
                        let payload = payload(&self.bytes, link);
                        table.take(&Segment { payload, ..segment });
                    }
                    Some(Rare::Quote(quote)) => table.take_quote(&quote),
                    None => {}
                },
            }
        }
        drop(rarities);
        leading.clear();
        self.leading = leading;
        self.count = 0;
        self.rare = rare;
        self.bytes.clear();
        self.newest.fill(NOWHERE);
    }

    /// Hands a plain packet to the table, and the connection's next ones on its trail, up to one that is anything else.
    #[inline]
    fn deliver_from<R: StreamReader>(&mut self, first: usize, table: &mut Table<R>) -> Option<()> {
        let key = *self.keys.get(first)?;
        let found = table.find(&key);
        let kept = found.and_then(Place::kept);
        if let Some(connection) = kept.and_then(|index| table.unpacked_mut(index)) {
            self.go_on(first, &key, connection);
        }
        let link = self.links.get(first)?;
        if link.stage == Stage::Taken {
            return Some(());
        }
        let Line(head) = self.heads.get(first)?;
        let segment = head.segment(&key.ends(link.way), payload(&self.bytes, link));
        let next = usize::from(link.next);
        let index = table.receive_any(found, &segment)?;
        self.go_on(next, &key, table.unpacked_mut(index)?)
    }

    /// Hands its next packets to a connection, from this place on its trail up to one that is anything else.
    #[inline(always)]
    fn go_on<R: StreamReader>(
        &mut self,
        first: usize,
        key: &Key,
        connection: &mut Connection<R>,
    ) -> Option<()> {
        let Ends { addresses, ports } = key.ends(Way::Forward);
        let forward = sender(connection, &addresses, ports.0);
        let mut place = first;
        while let Some(link) = self.links.get_mut(place) {
            if link.stage == Stage::Rare {
                break;
            }
            if link.stage == Stage::Plain {
                let Line(head) = self.heads.get(place)?;
                let said = payload(&self.bytes, link);
                let from = match link.way {
                    Way::Forward => forward,
                    Way::Backward => forward.other(),
                };
                connection.take_if_next(from, head, said)?;
                link.stage = Stage::Taken;
            }
            place = usize::from(link.next);
        }
        Some(())
    }
}

#[inline]
fn payload<'a>(bytes: &'a [u8], link: &Link) -> &'a [u8] {
    let start = link.start as usize;
    let found = bytes.get(start..start + link.len as usize);
    found.unwrap_or_default()
}

/// Which trail packets are on whose key spreads so.
#[inline]
const fn trail(spread: u64) -> usize {
    (spread >> (u64::BITS - TRAILS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::dialogue::DialogueReader;
    use crate::flow::{Held, Limits};
    use crate::testing::conversation::conversation;
    use crate::testing::{Ladder, Trace};
    use crate::wire::{Decoded, Decoder, IcmpReason};

    fn key(segment: &Segment<'_>) -> (Key, Way) {
        Key::new(&segment.addresses, segment.src_port, segment.dst_port)
    }

    fn put(parcel: &mut Parcel, (key, way): (Key, Way), plain: &PlainFrame<'_, '_>) -> Option<()> {
        match key {
            Key::V4(key) => parcel.put_plain((key, key.spread()), way, plain),
            Key::V6(key) => parcel.put_plain((key, key.spread()), way, plain),
        }
    }

    /// Several conversations at once, one of them quoted by an ICMP error, one with itself, and two that use one 4-tuple.
    fn traffic() -> impl Strategy<Value = Trace> {
        let host = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
        let router = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        let ladders = [
            Ladder::to(80).icmp(50, router, IcmpReason::Unreachable),
            Ladder::to(80).from_port(40_002).over_ipv6(),
            Ladder::to(80).from_port(40_003).later_by(20),
            Ladder::to(80)
                .from_port(40_003)
                .numbered_from(9, 9)
                .later_by(300),
            Ladder::to(80).from_port(80).between(host, host),
        ];
        let each = Vec::from(ladders.map(conversation));
        each.prop_map(|traces| {
            let none = Trace::default();
            traces.iter().fold(none, Trace::with)
        })
    }

    /// All that is known of the connections.
    fn told(table: &Table<DialogueReader>) -> Vec<String> {
        let known = |held: &Held<'_, _>| format!("{:?}", held.known());
        table.connections().iter().map(known).collect()
    }

    proptest! {
        /// Whatever is taken before its turn.
        #[test]
        fn parcels_of_any_size_change_nothing(trace in traffic(), size in 1_usize..200) {
            let table = || Table::<DialogueReader>::part(Limits::default());
            let (mut at_once, mut one_by_one) = (table(), table());
            let mut parcel = Parcel::default();
            let mut decoder = Decoder::new();
            trace.each(|frame| {
                let plain = PlainFrame::of(frame);
                match decoder.decode(frame) {
                    Decoded::Tcp(segment) => {
                        one_by_one.take(&segment);
                        let key = key(&segment);
                        let put = plain.and_then(|plain| put(&mut parcel, key, &plain));
                        if put.is_none() {
                            parcel.put_segment(&key.0, &segment);
                        }
                    }
                    Decoded::Icmp(quote) => {
                        one_by_one.take_quote(&quote);
                        parcel.put_quote(&quote);
                    }
                    _ => {}
                }
                if parcel.count >= size {
                    parcel.deliver(&mut at_once);
                }
            });
            parcel.deliver(&mut at_once);
            prop_assert_eq!(told(&at_once), told(&one_by_one));
        }
    }

    #[test]
    fn what_goes_on_is_taken_before_its_turn() {
        let talk = |port| {
            let ladder = Ladder::to(80).from_port(port).handshake(0);
            (10..18).fold(ladder, |ladder, at| {
                ladder
                    .client(10 * at, "P.")
                    .payload("x")
                    .server(10 * at + 5, ".")
            })
        };
        let trace = talk(40_001).trace().with(&talk(40_002).trace());
        let mut parcel = Parcel::default();
        trace.each(|frame| {
            let plain = PlainFrame::of(frame).expect("plain");
            let key = key(&plain.segment());
            if put(&mut parcel, key, &plain).is_none() {
                parcel.put_segment(&key.0, &plain.segment());
            }
        });
        let mut table = Table::<DialogueReader>::part(Limits::default());
        let taken = |parcel: &Parcel| {
            let is_taken = |link: &&Link| link.stage == Stage::Taken;
            parcel.links.iter().filter(is_taken).count()
        };
        parcel.deliver(&mut table);
        assert_eq!(taken(&parcel), 34, "all but SYNs");
        assert_eq!(table.connections().len(), 2);
    }

    #[test]
    fn an_empty_parcel_can_be_filled_again() {
        let trace = Ladder::to(80).handshake(0).trace();
        let mut parcel = Parcel::default();
        let mut table = Table::<DialogueReader>::part(Limits::default());
        for _ in 0..3 {
            while !parcel.is_full() {
                trace.segments(|segment| parcel.put_segment(&key(segment).0, segment));
            }
            parcel.deliver(&mut table);
            assert!(parcel.rare.is_empty() && parcel.bytes.is_empty() && parcel.count == 0);
        }
    }
}
