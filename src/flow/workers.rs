//! Threads that track: each has some of the tables, and takes what is theirs in the order in which it came.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::flow::{StreamReader, Table};
use crate::wire::{IcmpQuote, Segment};

/// Segments handed over at once: few enough to stay in a core's cache.
const SEGMENTS: usize = 512;
/// Payload handed over at once, but for one segment.
const BYTES: usize = 128 << 10;
/// Parcels that wait for a thread.
const WAITING: usize = 8;

/// Something to take, without its bytes.
enum Item {
    /// A segment of this table, its payload at this place of the parcel's bytes.
    Segment {
        table: usize,
        segment: Segment<'static>,
        at: usize,
        len: usize,
    },
    /// A quote for this table.
    Quote { table: usize, quote: IcmpQuote },
}

/// What is handed over at once. It comes back empty, to be filled again.
#[derive(Default)]
struct Parcel {
    items: Vec<Item>,
    bytes: Vec<u8>,
}

impl Parcel {
    fn is_full(&self) -> bool {
        self.items.len() >= SEGMENTS || self.bytes.len() >= BYTES
    }

    fn deliver<R: StreamReader>(&mut self, tables: &mut [Table<R>]) {
        for item in self.items.drain(..) {
            match item {
                Item::Segment {
                    table,
                    mut segment,
                    at,
                    len,
                } => {
                    segment.payload = self.bytes.get(at..at + len).unwrap_or_default();
                    if let Some(table) = tables.get_mut(table) {
                        table.take(&segment);
                    }
                }
                Item::Quote { table, quote } => {
                    if let Some(table) = tables.get_mut(table) {
                        table.take_quote(&quote);
                    }
                }
            }
        }
        self.bytes.clear();
    }
}

#[derive(Debug)]
struct Worker<R: StreamReader> {
    filling: Parcel,
    to: SyncSender<Parcel>,
    emptied: Receiver<Parcel>,
    thread: JoinHandle<Vec<Table<R>>>,
}

impl<R: StreamReader + 'static> Worker<R> {
    /// A thread, and where it waits for its tables; an error where the system gives no more threads.
    fn hire() -> std::io::Result<(Self, SyncSender<Vec<Table<R>>>)> {
        let (to, parcels) = sync_channel::<Parcel>(WAITING);
        let (back, emptied) = sync_channel(WAITING + 1);
        let (hand, handed) = sync_channel::<Vec<Table<R>>>(1);
        let thread = Builder::new().spawn(move || {
            let mut tables = handed.recv().unwrap_or_default();
            for mut parcel in parcels {
                parcel.deliver(&mut tables);
                // Nobody waits for it at the end.
                let _ = back.try_send(parcel);
            }
            tables
        })?;
        let worker = Self {
            filling: Parcel::default(),
            to,
            emptied,
            thread,
        };
        Ok((worker, hand))
    }

    fn fill(&mut self, item: Item, payload: &[u8]) {
        self.filling.items.push(item);
        self.filling.bytes.extend_from_slice(payload);
        if self.filling.is_full() {
            self.send();
        }
    }

    fn send(&mut self) {
        let empty = self.emptied.try_recv().unwrap_or_default();
        let full = std::mem::replace(&mut self.filling, empty);
        // It fails only when the thread is gone, and then `finish` tells why.
        let _ = self.to.send(full);
    }

    fn finish(mut self) -> Vec<Table<R>> {
        self.send();
        drop(self.to);
        self.thread
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The threads.
#[derive(Debug)]
pub(super) struct Workers<R: StreamReader> {
    workers: Vec<Worker<R>>,
}

impl<R: StreamReader + 'static> Workers<R> {
    /// Spreads the tables over at most `threads` threads. Gives them back where the system gives no threads.
    pub fn start(tables: Vec<Table<R>>, threads: usize) -> Result<Self, Vec<Table<R>>> {
        let threads = threads.clamp(1, tables.len());
        let hired: std::io::Result<Vec<_>> = (0..threads).map(|_| Worker::hire()).collect();
        let Ok(hired) = hired else {
            return Err(tables);
        };
        let mut spread: Vec<Vec<Table<R>>> = (0..threads).map(|_| Vec::new()).collect();
        for (index, table) in tables.into_iter().enumerate() {
            spread[index % threads].push(table);
        }
        let workers = hired
            .into_iter()
            .zip(spread)
            .map(|((worker, hand), tables)| {
                // It waits for them: this fails only once it is gone, and then `finish` tells why.
                let _ = hand.send(tables);
                worker
            });
        Ok(Self {
            workers: workers.collect(),
        })
    }

    /// Hands a segment to the thread that has table number `table`.
    #[inline]
    pub fn take(&mut self, table: usize, segment: &Segment<'_>) {
        let threads = self.workers.len();
        if let Some(worker) = self.workers.get_mut(table % threads) {
            let item = Item::Segment {
                table: table / threads,
                segment: segment.without_bytes(),
                at: worker.filling.bytes.len(),
                len: segment.payload.len(),
            };
            worker.fill(item, segment.payload);
        }
    }

    /// The same for a quote.
    pub fn take_quote(&mut self, table: usize, quote: &IcmpQuote) {
        let threads = self.workers.len();
        if let Some(worker) = self.workers.get_mut(table % threads) {
            let item = Item::Quote {
                table: table / threads,
                quote: *quote,
            };
            worker.fill(item, &[]);
        }
    }

    /// Waits until all was taken; the tables are in their order again.
    pub fn finish(self) -> Vec<Table<R>> {
        let mut spread: Vec<_> = self
            .workers
            .into_iter()
            .map(|worker| worker.finish().into_iter())
            .collect();
        let mut tables = Vec::new();
        loop {
            let before = tables.len();
            tables.extend(spread.iter_mut().filter_map(Iterator::next));
            if tables.len() == before {
                return tables;
            }
        }
    }
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "parcel of {}", self.items.len())
    }
}
