//! Packets of one table that are handed over at once.
//!
//! They are taken in their order, but for the next packets of a conversation that goes on: these concern nothing but their own connection
//! ([`Table::follow`]), and are taken with the packet before them, while all of it is in a cache.

use crate::capture::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
use crate::flow::key::Key;
use crate::flow::table::Followed;
use crate::flow::{StreamReader, Table};
use crate::time::Timestamp;
use crate::wire::{IcmpQuote, PlainFrame, Segment};

/// Packets in a parcel: few enough to stay in a core's cache.
const PACKETS: usize = 1024;
/// Bytes of packets in a parcel, but for the last packet's.
const BYTES: usize = 256 << 10;
/// Trails that lead through a parcel. Connections that share one are told apart on the way.
const TRAILS: usize = 512;
/// No packet's place.
const NOWHERE: u16 = u16::MAX;

/// A packet, without its bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    time: Timestamp,
    number: FrameNumber,
    original_len: u32,
    interface: u32,
    /// Where its bytes begin.
    start: u32,
    len: u32,
    capture: CaptureId,
    link: LinkType,
    /// Where the next packet of its trail stands, or [`NOWHERE`].
    next: u16,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// A plain frame: who takes it reads its segment.
    #[default]
    Plain,
    /// The next of the rare ones.
    Rare,
    /// It was taken with one before it.
    Taken,
}

/// What is no plain frame.
#[derive(Debug)]
enum Rare {
    /// A segment, without its payload.
    Segment(Segment<'static>),
    /// A quote.
    Quote(IcmpQuote),
}

/// What is handed over at once. Once delivered, it is empty, to be filled again.
#[derive(Debug)]
pub(super) struct Parcel {
    items: Vec<Item>,
    rare: Vec<Rare>,
    bytes: Vec<u8>,
    /// Where the newest packet of each trail stands.
    newest: Vec<u16>,
}

impl Default for Parcel {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            rare: Vec::new(),
            bytes: Vec::new(),
            newest: vec![NOWHERE; TRAILS],
        }
    }
}

impl Parcel {
    /// It is to be handed over.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.items.len() >= PACKETS || self.bytes.len() >= BYTES
    }

    /// Puts a plain frame in; `spread` is that of its key.
    #[inline]
    pub fn put_plain(&mut self, spread: u64, plain: &PlainFrame<'_>) {
        let frame = plain.frame();
        let item = Item {
            time: frame.time,
            number: frame.id.number,
            original_len: frame.original_len,
            interface: frame.interface,
            start: self.bytes.len() as u32,
            len: frame.data.len() as u32,
            capture: frame.id.capture,
            link: frame.link,
            next: NOWHERE,
            stage: Stage::Plain,
        };
        self.put(spread, item, frame.data);
    }

    /// Puts a segment in; `spread` is that of its key.
    pub fn put_segment(&mut self, spread: u64, segment: &Segment<'_>) {
        self.put_rare(
            spread,
            Rare::Segment(segment.without_bytes()),
            segment.payload,
        );
    }

    /// Puts a quote in; `spread` is that of its key.
    pub fn put_quote(&mut self, spread: u64, quote: &IcmpQuote) {
        self.put_rare(spread, Rare::Quote(*quote), &[]);
    }

    fn put_rare(&mut self, spread: u64, rare: Rare, bytes: &[u8]) {
        self.rare.push(rare);
        let item = Item {
            start: self.bytes.len() as u32,
            len: bytes.len() as u32,
            next: NOWHERE,
            stage: Stage::Rare,
            ..Item::default()
        };
        self.put(spread, item, bytes);
    }

    #[inline]
    fn put(&mut self, spread: u64, item: Item, bytes: &[u8]) {
        let place = self.items.len() as u16;
        if let Some(newest) = self.newest.get_mut(trail(spread)) {
            if let Some(before) = self.items.get_mut(usize::from(*newest)) {
                before.next = place;
            }
            *newest = place;
        }
        self.items.push(item);
        self.bytes.extend_from_slice(bytes);
    }

    /// Hands everything to the table.
    pub fn deliver<R: StreamReader>(&mut self, table: &mut Table<R>) {
        let mut rare = std::mem::take(&mut self.rare);
        let mut rarities = rare.drain(..);
        for place in 0..self.items.len() {
            let Some(item) = self.items.get(place).copied() else {
                break;
            };
            match item.stage {
                Stage::Taken => {}
                Stage::Plain => {
                    let Some(plain) = PlainFrame::of(&self.frame(&item)) else {
                        continue;
                    };
                    let mut segment = Segment::default();
                    plain.write(&mut segment);
                    if let Some(connection) = receive(table, &segment) {
                        self.follow(table, connection, item.next);
                    }
                }
                Stage::Rare => match rarities.next() {
                    Some(Rare::Segment(segment)) => {
                        let payload = self.bytes_of(&item);
                        receive(table, &Segment { payload, ..segment });
                    }
                    Some(Rare::Quote(quote)) => table.take_quote(&quote),
                    None => {}
                },
            }
        }
        drop(rarities);
        self.items.clear();
        self.rare = rare;
        self.bytes.clear();
        self.newest.fill(NOWHERE);
    }

    /// Takes the connection's next packets from here on, up to one that is anything else.
    #[inline]
    fn follow<R: StreamReader>(&mut self, table: &mut Table<R>, connection: u32, mut next: u16) {
        while next != NOWHERE {
            let place = usize::from(next);
            let Some(item) = self.items.get(place).copied() else {
                return;
            };
            next = item.next;
            match item.stage {
                Stage::Taken => continue,
                Stage::Rare => return,
                Stage::Plain => {}
            }
            let Some(plain) = PlainFrame::of(&self.frame(&item)) else {
                return;
            };
            match table.follow(connection, &plain) {
                Followed::Taken => self.items[place].stage = Stage::Taken,
                Followed::IsAnothers => {}
                Followed::No => return,
            }
        }
    }

    #[inline]
    fn bytes_of(&self, item: &Item) -> &[u8] {
        let start = item.start as usize;
        let end = start + item.len as usize;
        self.bytes.get(start..end).unwrap_or_default()
    }

    #[inline]
    fn frame(&self, item: &Item) -> Frame<'_> {
        Frame {
            id: FrameId {
                capture: item.capture,
                number: item.number,
            },
            time: item.time,
            link: item.link,
            interface: item.interface,
            data: self.bytes_of(item),
            original_len: item.original_len,
        }
    }
}

/// Which trail a key's packets are on.
#[inline]
const fn trail(spread: u64) -> usize {
    (spread >> (u64::BITS - TRAILS.ilog2())) as usize
}

#[inline]
fn receive<R: StreamReader>(table: &mut Table<R>, segment: &Segment<'_>) -> Option<u32> {
    let ends = Key::new(&segment.addresses, segment.src_port, segment.dst_port);
    table.receive(ends, segment)
}
