//! The connections of whole captures, spread over several tables, so that every core can track.
//!
//! The number of tables is fixed and what goes where depends on addresses and ports alone: the outcome is the same on any number
//! of threads. What concerns all of them is settled once everything was taken: the numbers of the streams, and which refusals are
//! told of together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::capture::{CaptureId, Frame};
use crate::flow::key::{Key, KeyV4, KeyV6, shard};
use crate::flow::numbering::StreamNumbers;
use crate::flow::redirects::{Answer, AnswerStreams, Redirects};
use crate::flow::table::in_order;
use crate::flow::workers::Workers;
use crate::flow::{Connection, Held, Limits, RefusedGroup, RefusedScope, StreamReader, Table};
use crate::parts::{LOOKED_AT, cores, in_parts, on_each};
use crate::wire::{Addresses, Ends, IcmpQuote, PlainFrame, Segment};

/// More would spread better on large machines; each costs a little where one thread does all.
pub(super) const SHARDS: usize = 4;
/// Segments below which parcels and threads cost more than they bring.
const WORTH_THREADS: u64 = 10_000;

/// Tables that hold all connections together.
#[derive(Debug)]
pub struct Shards<R: StreamReader> {
    limits: Limits,
    tables: Vec<Table<R>>,
    workers: Option<Workers<R>>,
    redirects: Redirects,
    taken: u64,
    stage: Stage,
    /// Groups of all tables, once settled.
    groups: Vec<RefusedGroup>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// One table that may be asked at any time.
    Running,
    /// Several tables that are not to be asked yet.
    Taking,
    Settled,
}

/// A service that refused: whose attempts, at which address and port.
type Service = (IpAddr, (IpAddr, u16));

impl<R: StreamReader + 'static> Shards<R> {
    /// For captures that are read to their end before anything is asked; threads are used where there are cores.
    pub fn new(limits: Limits) -> Self {
        let part = limits.shared_by(SHARDS);
        Self::of(
            limits,
            (0..SHARDS).map(|_| Table::part(part)).collect(),
            Stage::Taking,
        )
    }

    /// The same, with parcels and threads from the first segment on: what comes of it is the same, and takes longer where there is
    /// little.
    pub fn with_threads(limits: Limits) -> Self {
        let mut shards = Self::new(limits);
        shards.start_workers();
        shards
    }

    /// One table, which may be asked while more comes.
    pub fn running(limits: Limits) -> Self {
        Self::of(limits, vec![Table::new(limits)], Stage::Running)
    }

    fn of(limits: Limits, tables: Vec<Table<R>>, stage: Stage) -> Self {
        Self {
            limits,
            tables,
            workers: None,
            redirects: Redirects::default(),
            taken: 0,
            stage,
            groups: Vec::new(),
        }
    }

    /// Takes a segment. Returns the connection that it belongs to where that is known at once: with [`running`](Self::running).
    /// Once settled, nothing is taken any more.
    pub fn take(&mut self, segment: &Segment<'_>) -> Option<&Connection<R>> {
        match self.redirects.hear(segment) {
            None => self.take_named(segment),
            Some((sent, answer)) => {
                if let Some(answer) = answer {
                    self.take_answer(&answer);
                }
                self.take_named(&sent)
            }
        }
    }

    /// Takes a segment that bears the names of those who talk.
    fn take_named(&mut self, segment: &Segment<'_>) -> Option<&Connection<R>> {
        let (table, key) =
            self.table_of(&segment.addresses, (segment.src_port, segment.dst_port))?;
        self.count();
        let is_running = self.stage == Stage::Running;
        match &mut self.workers {
            Some(workers) => {
                workers.take(table, &key, segment);
                None
            }
            None => {
                let connection = self.tables.get_mut(table)?.take(segment);
                connection.filter(|_| is_running)
            }
        }
    }

    /// Takes a frame's segment undecoded, where threads are at work and the frame is a plain one.
    #[inline]
    pub fn take_frame(&mut self, frame: &Frame<'_>) -> Option<()> {
        let workers = self.workers.as_mut()?;
        let plain = PlainFrame::of(frame)?;
        if self.redirects.may_concern(plain.flags()) && self.redirects.concern(frame) {
            return None;
        }
        let Ends { addresses, ports } = plain.ends();
        // Each family by itself: its key then stays in registers.
        match addresses {
            Addresses::V4 { src, dst } => {
                let (key, way) = KeyV4::new((src, ports.0), (dst, ports.1));
                workers.take_plain((key, way), &plain)
            }
            Addresses::V6 { src, dst } => {
                let (key, way) = KeyV6::new((src, ports.0), (dst, ports.1));
                workers.take_plain((key, way), &plain)
            }
        }
    }

    /// The table that would hold the answers if they were by themselves numbers their stream.
    fn take_answer(&mut self, answer: &Answer) {
        let both = [answer.key(), answer.called_key().0].map(|key| self.table_at(&key));
        let [Some(table), Some(numbering)] = both else {
            return;
        };
        if let Some(workers) = &mut self.workers {
            return workers.take_answer([table, numbering], answer);
        }
        let stream = self.tables.get_mut(numbering);
        let stream = stream.map(|table| table.number_answers(answer));
        // Several tables do not know yet what it will be.
        let stream = stream.filter(|_| self.stage == Stage::Running);
        if let Some(table) = self.tables.get_mut(table) {
            table.take_answer(answer, stream);
        }
    }

    /// Remembers an ICMP error for the connection that it quotes, which it returns where no threads are at work.
    pub fn take_quote(&mut self, quote: &IcmpQuote) -> Option<&Connection<R>> {
        let ports = (quote.src_port, quote.dst_port);
        let (table, _) = self.table_of(&quote.addresses, ports)?;
        match &mut self.workers {
            Some(workers) => {
                workers.take_quote(table, quote);
                None
            }
            None => self.tables.get_mut(table)?.take_quote(quote),
        }
    }

    /// Which table a packet goes to, and by which key; none once settled.
    #[inline]
    fn table_of(
        &self,
        addresses: &Addresses,
        (src_port, dst_port): (u16, u16),
    ) -> Option<(usize, Key)> {
        let (key, _) = Key::new(addresses, src_port, dst_port);
        Some((self.table_at(&key)?, key))
    }

    #[inline]
    fn table_at(&self, key: &Key) -> Option<usize> {
        match self.stage {
            Stage::Running => Some(0),
            Stage::Taking => Some(shard(key.spread(), SHARDS)),
            Stage::Settled => None,
        }
    }

    /// One segment more: when they are many, threads begin to work.
    #[inline]
    fn count(&mut self) {
        self.taken += 1;
        if self.taken == WORTH_THREADS && self.stage == Stage::Taking {
            self.start_workers();
        }
    }

    #[cold]
    fn start_workers(&mut self) {
        self.workers = Some(Workers::start(std::mem::take(&mut self.tables), cores()));
    }

    /// All was taken: streams get their numbers, and refusals that are too many in all tables together are folded.
    pub fn settle(&mut self) {
        if self.stage != Stage::Taking {
            return;
        }
        self.stage = Stage::Settled;
        if let Some(workers) = self.workers.take() {
            self.tables = workers.finish();
        }
        self.fold_refusals();
        let size = self.tables_in_a_part();
        let opened: Vec<_> = self.tables.iter_mut().map(Table::take_opened).collect();
        let mut tables: Vec<_> = self.tables.iter_mut().enumerate().collect();
        on_each(&mut tables, size, |(index, table)| {
            table.renumber(&StreamNumbers::of(*index, &opened));
        });
        self.groups = merged(self.tables.iter().flat_map(Table::refused_groups));
        self.tell_answer_streams();
    }

    fn tell_answer_streams(&mut self) {
        let streams = self.tables.iter_mut().map(Table::take_answer_streams);
        let streams: AnswerStreams = streams.flatten().collect();
        if !streams.is_empty() {
            for table in &mut self.tables {
                table.tell_answer_streams(&streams);
            }
        }
    }

    fn fold_refusals(&mut self) {
        let mut apart: BTreeMap<Service, u64> = BTreeMap::new();
        let services = self.of_each_table(|table| table.refusals_apart().collect::<Vec<_>>());
        for service in services.into_iter().flatten() {
            *apart.entry(service).or_default() += 1;
        }
        let all = apart.values().sum::<u64>() > self.limits.refused_apart_in_all
            || self.tables.iter().any(Table::folds_all_refusals);
        let folded: BTreeSet<Service> = self
            .tables
            .iter()
            .flat_map(Table::refused_groups)
            .filter(|group| group.scope == RefusedScope::Service)
            .map(|group| (group.client, group.server))
            .chain(
                apart
                    .into_iter()
                    .filter(|(_, count)| *count >= self.limits.refused_apart)
                    .map(|(service, _)| service),
            )
            .collect();
        if all || !folded.is_empty() {
            for table in &mut self.tables {
                table.fold_refusals(|client, server| all || folded.contains(&(client, server)));
            }
        }
    }

    /// Every connection still held, in the order in which they were opened.
    pub fn connections(&self) -> Vec<Held<'_, R>> {
        in_order(&self.tables)
    }

    fn of_each_table<'s, T: Send>(&'s self, what: impl Fn(&'s Table<R>) -> T + Sync) -> Vec<T> {
        let parts = in_parts(self.tables.len(), self.tables_in_a_part(), |range| {
            self.tables[range].iter().map(&what).collect::<Vec<T>>()
        });
        parts.into_iter().flatten().collect()
    }

    /// One, if they hold so much that a second thread pays.
    fn tables_in_a_part(&self) -> usize {
        match self.held() > LOOKED_AT {
            true => 1,
            false => self.tables.len().max(1),
        }
    }

    /// See [`Table::forget_resets`].
    pub fn forget_resets(&mut self, may_go: impl Fn(u32) -> bool) {
        for table in &mut self.tables {
            table.forget_resets(&may_go);
        }
    }

    /// Refused connections beyond the number kept apart.
    pub fn refused_groups(&self) -> Box<dyn Iterator<Item = &RefusedGroup> + '_> {
        match self.stage {
            Stage::Settled => Box::new(self.groups.iter()),
            Stage::Running | Stage::Taking => {
                Box::new(self.tables.iter().flat_map(Table::refused_groups))
            }
        }
    }

    fn sum(&self, count: impl Fn(&Table<R>) -> u64) -> u64 {
        self.tables.iter().map(count).sum()
    }

    /// Connections and attempts seen.
    pub fn connections_seen(&self) -> u64 {
        self.sum(Table::connections_seen)
    }

    /// Connections held.
    pub fn held(&self) -> usize {
        self.tables.iter().map(Table::held).sum()
    }

    /// See [`Table::hold`].
    pub fn hold(&mut self, connections: usize, reset_connections: usize) {
        let tables = self.tables.len().max(1);
        for table in &mut self.tables {
            table.hold(
                connections.div_ceil(tables),
                reset_connections.div_ceil(tables),
            );
        }
    }

    /// Connections forgotten because there were too many.
    pub fn evicted(&self) -> u64 {
        self.sum(Table::evicted)
    }

    /// See [`Table::numbers_forgotten`].
    pub fn numbers_forgotten(&self) -> u64 {
        self.sum(Table::numbers_forgotten)
    }

    /// See [`Table::seen_elsewhere`].
    pub fn seen_elsewhere(&self) -> u64 {
        self.sum(Table::seen_elsewhere)
    }

    /// Second sightings of packets, by capture.
    pub fn duplicates(&self, capture: CaptureId) -> u64 {
        self.sum(|table| table.duplicates(capture))
    }
}

/// Groups of several tables with one name are one, in the order of their first refusals.
fn merged<'a>(groups: impl Iterator<Item = &'a RefusedGroup>) -> Vec<RefusedGroup> {
    let mut by_name: BTreeMap<_, RefusedGroup> = BTreeMap::new();
    for group in groups {
        match by_name.entry(group.name()) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(group.clone());
            }
            std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().join(group),
        }
    }
    let mut groups: Vec<RefusedGroup> = by_name.into_values().collect();
    groups.sort_by_key(|group| group.first);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::DialogueReader;
    use crate::testing::{Ladder, Trace, TraceFrame};
    use crate::wire::{Decoded, Decoder};

    fn host(first: u8) -> IpAddr {
        match first {
            127 => IpAddr::from([127, 0, 0, 1]),
            last => IpAddr::from([10, 0, 0, last]),
        }
    }

    /// Connections that talk, some of them led to another server than called, and attempts that two services refuse.
    fn traffic() -> Trace {
        let mut frames: Vec<TraceFrame> = Vec::new();
        for number in 0..60_u16 {
            let talk = Ladder::to(3000)
                .from_port(40_000 + number)
                .later_by(i64::from(number))
                .handshake(0)
                .client(1, "P.")
                .payload("GET / HTTP/1.1\r\n\r\n")
                .server(2, ".")
                .server(50, "R.");
            let refused = Ladder::to(81 + number % 2)
                .from_port(50_000 + number)
                .later_by(i64::from(number))
                .client(0, "S")
                .server(1, "R.");
            frames.extend(talk.trace().frames);
            frames.extend(refused.trace().frames);
            let led = talk.from_port(45_000 + number);
            let (called, reached) = (led.clone(), led.between(host(5), host(127)).at_port(15_001));
            frames.extend(reached.trace().answered_by(&called.trace()).frames);
        }
        Trace::of(frames)
    }

    fn limits() -> Limits {
        Limits {
            refused_apart: 20,
            ..Limits::default()
        }
    }

    /// What is known of every connection and group, in their order.
    fn outline(shards: &Shards<DialogueReader>) -> Vec<String> {
        let connections = shards
            .connections()
            .into_iter()
            .map(|kept| {
                let connection = kept.known();
                let frames: Vec<u32> = connection
                    .packets_newest_first()
                    .map(|packet| packet.head.frame.number.0)
                    .collect();
                format!(
                    "{:?} {:?} {:?} {frames:?} {:?}",
                    connection.streams,
                    connection.client,
                    connection.called,
                    connection.dialogue().requests
                )
            })
            .collect::<Vec<_>>();
        let groups = shards.refused_groups().map(|group| format!("{group:?}"));
        connections.into_iter().chain(groups).collect()
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let trace = traffic();
        let mut alone = Shards::<DialogueReader>::new(limits());
        alone.taken = WORTH_THREADS;
        trace.segments(|segment| {
            alone.take(segment);
        });
        alone.settle();
        for threads in [1, 2, 3, 9] {
            let mut many = Shards::new(limits());
            many.taken = WORTH_THREADS;
            many.workers = Some(Workers::start(std::mem::take(&mut many.tables), threads));
            let mut decoder = Decoder::new();
            trace.each(|frame| {
                if many.take_frame(frame).is_none()
                    && let Decoded::Tcp(segment) = decoder.decode(frame)
                {
                    many.take(&segment);
                }
            });
            many.settle();
            assert_eq!(outline(&many), outline(&alone), "{threads} threads");
        }
    }

    #[test]
    fn streams_have_the_numbers_that_one_table_gives() {
        let trace = traffic();
        let generous = Limits::default();
        let (mut parts, mut whole) = (Shards::new(generous), Shards::running(generous));
        trace.segments(|segment| {
            parts.take(segment);
            whole.take(segment);
        });
        parts.settle();
        assert_eq!(outline(&parts), outline(&whole));
        assert_eq!(whole.connections().len(), 180);
        let held = whole.connections().into_iter();
        let called: Vec<_> = held
            .filter_map(|held| Some((held.first_stream(), held.called()?.stream(held.first().0)?)))
            .collect();
        assert_eq!(called.len(), 60);
        assert!(
            called.iter().all(|(asked, answered)| asked < answered),
            "{called:?}"
        );
    }

    #[test]
    fn refusals_of_one_service_are_folded_though_no_table_saw_too_many() {
        let mut shards = Shards::<DialogueReader>::new(limits());
        traffic().segments(|segment| {
            shards.take(segment);
        });
        shards.settle();
        let folded: Vec<_> = shards
            .refused_groups()
            .map(|group| (group.server.1, group.connections, group.frames.len()))
            .collect();
        assert_eq!(folded, [(81, 30, 30), (82, 30, 30)]);
        assert_eq!(shards.connections().len(), 120);
        assert_eq!(shards.connections_seen(), 180);
    }
}
