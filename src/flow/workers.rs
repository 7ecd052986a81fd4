//! Tables that several threads fill: each packet goes to its table, in order.
//!
//! Packets come in [parcels](super::parcels), so that threads meet seldom. A table's parcels wait in a queue of their own, and whoever is
//! free takes the longest queue that nobody works on. The thread that reads the capture takes its turn when too many wait: no core is
//! idle while there is something to do, and no more threads run than there are cores. What comes of it depends on neither.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::flow::key::{Key, Way, shard};
use crate::flow::parcels::{Filling, Parcel, TrailKey};
use crate::flow::redirects::Answer;
use crate::flow::shards::SHARDS;
use crate::flow::{StreamReader, Table};
use crate::wire::{IcmpQuote, PlainFrame, Segment};

/// Parcels that wait for each thread, some 150 KiB each. The reading thread does some of the work when there are more. Measured: a little
/// better than 4, while 32 no longer fit into the cache that cores share.
const WAITING: usize = 12;

/// What waits, and who works on what.
#[derive(Debug, Default)]
struct Desk {
    /// By table.
    queues: Vec<VecDeque<Parcel>>,
    busy: Vec<bool>,
    /// Who worked on it last, by table: that one's core still has its connections at hand.
    owner: Vec<usize>,
    waiting: usize,
    /// Threads that wait for something to do, or for others to have done it.
    idle: usize,
    emptied: Vec<Parcel>,
    /// No more parcels come.
    over: bool,
    /// A thread panicked: nobody works any more.
    failed: bool,
}

impl Desk {
    /// The next parcel of a table that nobody works on: of those that `me` worked on last if there is one, and of the longest queue.
    ///
    /// One at a time, so that nobody works on a long queue while others have nothing to do.
    fn claim(&mut self, me: usize) -> Option<(usize, Parcel)> {
        let waits = |&table: &usize| !self.busy[table] && !self.queues[table].is_empty();
        let table = (0..self.queues.len())
            .filter(waits)
            .max_by_key(|&table| (self.owner[table] == me, self.queues[table].len()))?;
        let parcel = self.queues[table].pop_front()?;
        self.busy[table] = true;
        self.owner[table] = me;
        self.waiting -= 1;
        Some((table, parcel))
    }
}

/// What all threads share.
#[derive(Debug)]
struct Shared<R: StreamReader> {
    tables: Vec<Mutex<Table<R>>>,
    desk: Mutex<Desk>,
    changed: Condvar,
}

impl<R: StreamReader> Shared<R> {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, mut desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        desk.idle += 1;
        let mut desk = self
            .changed
            .wait(desk)
            .unwrap_or_else(PoisonError::into_inner);
        desk.idle -= 1;
        desk
    }

    /// Something has changed: whoever waits looks again. Telling nobody would cost a call of the system.
    fn tell(&self, desk: MutexGuard<'_, Desk>) {
        let is_heard = desk.idle > 0;
        drop(desk);
        if is_heard {
            self.changed.notify_all();
        }
    }

    /// Takes what is claimed.
    fn work(&self, table: usize, mut parcel: Parcel) {
        let _working = Working {
            shared: self,
            table,
        };
        let mut tracked = self.tables[table]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        parcel.deliver(&mut tracked);
        drop(tracked);
        self.desk().emptied.push(parcel);
    }

    /// Works until no more parcels come.
    fn work_on(&self, me: usize) {
        let mut desk = self.desk();
        loop {
            if let Some((table, parcel)) = desk.claim(me) {
                drop(desk);
                self.work(table, parcel);
                desk = self.desk();
            } else if desk.over || desk.failed {
                return;
            } else {
                desk = self.wait(desk);
            }
        }
    }

    /// Works, or waits for others, until at most `most` parcels wait.
    fn work_down_to(&self, most: usize) {
        let me = 0;
        let mut desk = self.desk();
        while desk.waiting > most && !desk.failed {
            match desk.claim(me) {
                Some((table, parcel)) => {
                    drop(desk);
                    self.work(table, parcel);
                    desk = self.desk();
                }
                None => desk = self.wait(desk),
            }
        }
    }
}

/// A thread works on a table until this is dropped, by a panic at the latest.
struct Working<'a, R: StreamReader> {
    shared: &'a Shared<R>,
    table: usize,
}

impl<R: StreamReader> Drop for Working<'_, R> {
    fn drop(&mut self) {
        let mut desk = self.shared.desk();
        desk.busy[self.table] = false;
        desk.failed |= std::thread::panicking();
        self.shared.tell(desk);
    }
}

/// The threads.
#[derive(Debug)]
pub(super) struct Workers<R: StreamReader> {
    shared: Arc<Shared<R>>,
    threads: Vec<JoinHandle<()>>,
    /// Parcels that are being filled, by table.
    filling: Vec<Filling>,
}

impl<R: StreamReader + 'static> Workers<R> {
    /// Fills the tables on at most `threads` threads, of which the calling one is one: where the system gives no more, it does all.
    pub fn start(tables: Vec<Table<R>>, threads: usize) -> Self {
        let count = tables.len();
        let shared = Arc::new(Shared {
            tables: tables.into_iter().map(Mutex::new).collect(),
            desk: Mutex::new(Desk {
                queues: (0..count).map(|_| VecDeque::new()).collect(),
                busy: vec![false; count],
                owner: vec![0; count],
                ..Desk::default()
            }),
            changed: Condvar::new(),
        });
        let threads = (1..threads.min(count))
            .map_while(|me| {
                let shared = Arc::clone(&shared);
                Builder::new().spawn(move || shared.work_on(me)).ok()
            })
            .collect();
        Self {
            shared,
            threads,
            filling: (0..count).map(|_| Filling::default()).collect(),
        }
    }

    /// Hands a plain frame to its [table](shard); key and way are its own.
    #[inline(always)]
    pub fn take_plain<K: TrailKey>(
        &mut self,
        (key, way): (K, Way),
        plain: &PlainFrame<'_, '_>,
    ) -> Option<()> {
        let spread = key.spread();
        let table = shard(spread, SHARDS);
        let filling = self.filling.get_mut(table)?;
        filling.put_plain((key, spread), way, plain)?;
        if filling.is_full() {
            self.hand_over(table);
        }
        Some(())
    }

    /// Hands a segment to a table.
    pub fn take(&mut self, table: usize, key: &Key, segment: &Segment<'_>) {
        self.filling[table].put_segment(key, segment);
        self.hand_over_if_full(table);
    }

    /// The same for a quote.
    pub fn take_quote(&mut self, table: usize, quote: &IcmpQuote) {
        self.filling[table].put_quote(quote);
        self.hand_over_if_full(table);
    }

    /// The same for an answer: the first table has the connection, the second one numbers the stream.
    pub fn take_answer(&mut self, [table, numbering]: [usize; 2], answer: &Answer) {
        self.filling[table].put_answer(answer);
        self.hand_over_if_full(table);
        self.filling[numbering].put_answer_to_number(answer);
        self.hand_over_if_full(numbering);
    }

    #[inline]
    fn hand_over_if_full(&mut self, table: usize) {
        if self.filling[table].is_full() {
            self.hand_over(table);
        }
    }

    #[cold]
    fn hand_over(&mut self, table: usize) {
        self.send(table);
        self.shared.work_down_to(WAITING * self.threads.len());
        if self.shared.desk().failed {
            // What is read from now on would only pile up.
            self.join();
        }
    }

    /// Waits for the threads to end. A panic of one of them goes on here.
    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    }

    fn send(&mut self, table: usize) {
        let mut desk = self.shared.desk();
        let empty = desk.emptied.pop().unwrap_or_default();
        let full = self.filling[table].hand_over(empty);
        desk.queues[table].push_back(full);
        desk.waiting += 1;
        self.shared.tell(desk);
    }

    /// Waits until all was taken; the tables are in their order again.
    pub fn finish(mut self) -> Vec<Table<R>> {
        for table in 0..self.filling.len() {
            self.send(table);
        }
        let mut desk = self.shared.desk();
        desk.over = true;
        self.shared.tell(desk);
        self.shared.work_down_to(0);
        self.join();
        tables_of(self.shared)
    }
}

/// The tables, once no other thread has them.
fn tables_of<R: StreamReader>(shared: Arc<Shared<R>>) -> Vec<Table<R>> {
    let shared = Arc::into_inner(shared);
    let tables = shared.into_iter().flat_map(|shared| shared.tables);
    tables
        .map(|table| table.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::flow::{Activity, Items, Limits, Mark, Packer, Peer, StreamBytes, Unpacker};
    use crate::testing::Ladder;

    /// Can't bear what is said.
    #[derive(Clone, Debug)]
    struct Fragile;

    impl StreamReader for Fragile {
        type Snapshot = ();
        type Outline = ();
        type Item = ();

        fn new(_: u16) -> Self {
            Self
        }
        fn is_settled(&self) -> bool {
            true
        }
        fn snapshot(&self) {}
        fn close(&mut self) {}
        fn is_over(&self) -> bool {
            false
        }
        fn pack(&self, _: &mut Packer) {}
        fn pack_items(&self, _: &mut Packer) {}
        fn unpack(_: &mut Unpacker<'_>, _: Items<'_, ()>) -> Self {
            Self
        }
        fn outline(&self) {}
        fn items(&self) -> Cow<'_, [()]> {
            Cow::Borrowed(&[])
        }
        fn unpack_outline(_: &mut Unpacker<'_>) {}
        fn data(&mut self, _: StreamBytes<'_>) -> Activity {
            panic!("broken")
        }
        fn gap(&mut self, _: Peer, _: Mark, _: u64) {}
        fn fin(&mut self, _: Peer, _: Mark) {}
    }

    fn key_of(segment: &Segment<'_>) -> Key {
        Key::new(&segment.addresses, segment.src_port, segment.dst_port).0
    }

    fn tables(count: usize) -> Vec<Table<Fragile>> {
        (0..count).map(|_| Table::part(Limits::default())).collect()
    }

    #[test]
    fn every_table_gets_its_own_and_they_come_back_in_order() {
        let trace = Ladder::to(80).handshake(0).trace();
        for threads in [2, 3, 9] {
            let mut workers = Workers::start(tables(4), threads);
            for table in 0..4_u32 {
                for _ in 0..=table {
                    trace.segments(|segment| {
                        let mut segment = *segment;
                        segment.src_port += 1_000 * table as u16;
                        workers.take(table as usize, &key_of(&segment), &segment);
                    });
                }
            }
            let seen = workers.finish();
            let packets: Vec<u64> = seen
                .iter()
                .map(|table| {
                    let connections = table.connections();
                    let each = connections.iter().map(|held| {
                        let known = held.known();
                        let (client, server) = (&known.directions.client, &known.directions.server);
                        client.packets + server.packets + known.duplicates
                    });
                    each.sum()
                })
                .collect();
            assert_eq!(packets, [3, 6, 9, 12]);
        }
    }

    /// It would otherwise wait for ever for the table that panicked, or keep for it whatever is read.
    #[test]
    #[should_panic(expected = "broken")]
    fn a_panic_comes_through() {
        let trace = Ladder::to(80)
            .handshake(0)
            .client(9, "P.")
            .payload("x")
            .trace();
        let mut workers = Workers::start(tables(1), 2);
        loop {
            trace.segments(|segment| workers.take(0, &key_of(segment), segment));
        }
    }
}
