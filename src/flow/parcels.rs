//! Packets of one table that are handed over at once.
//!
//! They are taken in their order, but for the next packets of a conversation that goes on: these concern nothing but their own connection
//! ([`Connection::take_if_next`]), and are taken with the packet before them, while all of it is in a cache. Until it is there, the core
//! would wait for each connection: a few are [asked for](Table::ask_for) at once.

mod filling;
mod trails;

pub(super) use self::filling::Filling;
pub(super) use self::trails::TrailKey;
use crate::flow::key::{Key, Way};
use crate::flow::places::Place;
use crate::flow::redirects::Answer;
use crate::flow::table::{ASKED_FOR, sender};
use crate::flow::{Connection, StreamReader, Table};
use crate::wire::{Besides, Ends, Head, IcmpQuote, Segment};

/// Packets in a parcel: few enough to stay in a core's cache.
const PACKETS: usize = 1024;
/// Bytes of payload in a parcel, but for the last packet's.
const BYTES: usize = 256 << 10;
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
    /// Which of those that lead it follows: they have one key.
    leader: u16,
    /// Relative to its connection's key.
    way: Way,
    stage: Stage,
}

/// A packet that follows on none of its connection, as far as trails tell.
#[derive(Clone, Copy, Debug)]
struct Leader {
    place: u16,
    /// Its connection, and that of those that follow.
    key: Key,
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
    /// The first answer to a redirected connection, …
    Answer(Box<Answer>),
    /// … whose stream is to be numbered.
    AnswerToNumber(Box<Answer>),
}

/// What is handed over at once. Once delivered, it is empty, to be filled again.
#[derive(Debug)]
pub(super) struct Parcel {
    links: Box<[Link; PACKETS]>,
    /// Headers of plain ones.
    heads: Box<[Line; PACKETS]>,
    /// So many are in use.
    count: usize,
    rare: Vec<Rare>,
    /// All payload.
    bytes: Vec<u8>,
    leading: Vec<Leader>,
}

impl Default for Parcel {
    fn default() -> Self {
        Self {
            links: Box::new([Link::default(); PACKETS]),
            heads: Box::new([Line::default(); PACKETS]),
            count: 0,
            rare: Vec::new(),
            bytes: Vec::new(),
            leading: Vec::new(),
        }
    }
}

impl Parcel {
    /// Hands everything to the table.
    pub fn deliver<R: StreamReader>(&mut self, table: &mut Table<R>) {
        if !table.has_room_for(self.count) {
            self.leave_trails();
        }
        let mut rare = std::mem::take(&mut self.rare);
        let mut rarities = rare.drain(..);
        let mut leading = std::mem::take(&mut self.leading);
        let mut groups = leading.chunks(ASKED_FOR);
        let mut group = groups.next().unwrap_or_default();
        for place in 0..self.count {
            if group
                .first()
                .is_some_and(|first| usize::from(first.place) == place)
            {
                table.ask_for(group.iter().map(|leader| &leader.key));
                group = groups.next().unwrap_or_default();
            }
            let Some(link) = self.links.get(place) else {
                break;
            };
            let leader = leading.get(usize::from(link.leader));
            match link.stage {
                Stage::Taken => {}
                Stage::Plain => {
                    leader.and_then(|leader| self.deliver_from(place, &leader.key, table));
                }
                Stage::Rare => match rarities.next() {
                    Some(Rare::Besides(besides)) => {
                        if let Some(Leader { key, .. }) = leader {
                            let Line(head) = &self.heads[place];
                            let payload = payload(&self.bytes, link);
                            table.take(&besides.segment(head, &key.ends(link.way), payload));
                        }
                    }
                    Some(Rare::Segment(segment)) => {
                        let payload = payload(&self.bytes, link);
                        table.take(&Segment { payload, ..segment });
                    }
                    Some(Rare::Quote(quote)) => {
                        table.take_quote(&quote);
                    }
                    Some(Rare::Answer(answer)) => table.take_answer(&answer, None),
                    Some(Rare::AnswerToNumber(answer)) => {
                        table.number_answers(&answer);
                    }
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
    }

    /// All is taken in its turn: what is forgotten for want of room depends on who spoke last, and what came of it by then stays.
    #[cold]
    fn leave_trails(&mut self) {
        for link in self.links.iter_mut().take(self.count) {
            link.next = NOWHERE;
        }
    }

    /// Hands a plain packet to the table, and the connection's next ones on its trail, up to one that is anything else.
    #[inline]
    fn deliver_from<R: StreamReader>(
        &mut self,
        first: usize,
        key: &Key,
        table: &mut Table<R>,
    ) -> Option<()> {
        let found = table.find(key);
        let kept = found.and_then(Place::kept);
        if let Some(connection) = kept.and_then(|index| table.unpacked_mut(index)) {
            self.go_on(first, key, connection);
        }
        let link = self.links.get(first)?;
        if link.stage == Stage::Taken {
            return Some(());
        }
        let Line(head) = self.heads.get(first)?;
        let segment = head.segment(&key.ends(link.way), payload(&self.bytes, link));
        let next = usize::from(link.next);
        let index = table.receive_any(found, &segment)?;
        self.go_on(next, key, table.unpacked_mut(index)?)
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::dialogue::DialogueReader;
    use crate::flow::key::FamilyKey;
    use crate::flow::{Held, Limits};
    use crate::testing::conversation::conversation;
    use crate::testing::{Ladder, Trace};
    use crate::wire::{Decoded, Decoder, IcmpReason, PlainFrame};

    fn key(segment: &Segment<'_>) -> (Key, Way) {
        Key::new(&segment.addresses, segment.src_port, segment.dst_port)
    }

    fn put(
        filling: &mut Filling,
        (key, way): (Key, Way),
        plain: &PlainFrame<'_, '_>,
    ) -> Option<()> {
        match key {
            Key::V4(key) => filling.put_plain((key, key.spread()), way, plain),
            Key::V6(key) => filling.put_plain((key, key.spread()), way, plain),
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
        fn parcels_of_any_size_change_nothing(trace in traffic(), size in 1_usize..200, connections in 1_usize..12) {
            let limits = Limits { connections, ..Limits::default() };
            let table = || Table::<DialogueReader>::part(limits);
            let (mut at_once, mut one_by_one) = (table(), table());
            let (mut filling, mut empty) = (Filling::default(), Parcel::default());
            let mut decoder = Decoder::new();
            trace.each(|frame| {
                let plain = PlainFrame::of(frame);
                match decoder.decode(frame) {
                    Decoded::Tcp(segment) => {
                        one_by_one.take(&segment);
                        let key = key(&segment);
                        let put = plain.and_then(|plain| put(&mut filling, key, &plain));
                        if put.is_none() {
                            filling.put_segment(&key.0, &segment);
                        }
                    }
                    Decoded::Icmp(quote) => {
                        one_by_one.take_quote(&quote);
                        filling.put_quote(&quote);
                    }
                    _ => {}
                }
                if filling.len() >= size {
                    let mut parcel = filling.hand_over(std::mem::take(&mut empty));
                    parcel.deliver(&mut at_once);
                    empty = parcel;
                }
            });
            filling.hand_over(empty).deliver(&mut at_once);
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
        let mut filling = Filling::default();
        trace.each(|frame| {
            let plain = PlainFrame::of(frame).expect("plain");
            let key = key(&plain.segment());
            if put(&mut filling, key, &plain).is_none() {
                filling.put_segment(&key.0, &plain.segment());
            }
        });
        let mut table = Table::<DialogueReader>::part(Limits::default());
        let taken = |parcel: &Parcel| {
            let is_taken = |link: &&Link| link.stage == Stage::Taken;
            parcel.links.iter().filter(is_taken).count()
        };
        let mut parcel = filling.hand_over(Parcel::default());
        parcel.deliver(&mut table);
        assert_eq!(taken(&parcel), 34, "all but SYNs");
        assert_eq!(table.connections().len(), 2);
    }

    #[test]
    fn an_empty_parcel_can_be_filled_again() {
        let trace = Ladder::to(80).handshake(0).trace();
        let (mut filling, mut parcel) = (Filling::default(), Parcel::default());
        let mut table = Table::<DialogueReader>::part(Limits::default());
        for _ in 0..3 {
            while !filling.is_full() {
                trace.segments(|segment| filling.put_segment(&key(segment).0, segment));
            }
            parcel = filling.hand_over(parcel);
            parcel.deliver(&mut table);
            assert!(parcel.rare.is_empty() && parcel.bytes.is_empty() && parcel.count == 0);
        }
    }
}
