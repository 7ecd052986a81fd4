//! Where packed connections are kept: in a few large pieces of memory, not in many small ones.

use std::net::IpAddr;

use crate::flow::outline::{Gist, Outline};
use crate::flow::packing::{Packed, Packer, Unpacker};
use crate::flow::settled::Settled;
use crate::flow::{Both, Connection, History, Peer, StreamReader};
use crate::wire::SeqNumber;

/// Bytes of a piece of memory.
const CHUNK: usize = 256 << 10;

/// Packed connections; of each a run of bytes, and a run of what their readers list (`T`).
#[derive(Debug)]
pub struct Archive<T> {
    packer: Packer,
    list: Vec<T>,
    bytes: Chunks<u8>,
    items: Chunks<T>,
}

impl<T> Default for Archive<T> {
    fn default() -> Self {
        Self {
            packer: Packer::default(),
            list: Vec::new(),
            bytes: Chunks::default(),
            items: Chunks::default(),
        }
    }
}

impl<T: Copy> Archive<T> {
    /// Packs a connection that [can be packed](Connection::can_be_packed).
    pub(super) fn pack<R: StreamReader<Item = T>>(
        &mut self,
        connection: &Connection<R>,
    ) -> Settled {
        let packer = &mut self.packer;
        packer.begin(connection.opened);
        pack_bases(connection.bases(), packer);
        Gist::of(connection).pack(packer);
        let reader = connection.reader_at_rest();
        reader.is_some().pack(packer);
        if let Some(reader) = reader {
            reader.pack(packer, &mut self.list);
        }
        connection.pack(packer);
        connection.history.pack(packer);
        let bytes = self.bytes.add(packer.packed());
        let items = self.items.add(&self.list);
        self.list.clear();
        Settled::new(connection, bytes, items)
    }

    /// Takes a connection out, whole again.
    pub(super) fn unpack<R: StreamReader<Item = T>>(
        &mut self,
        settled: &Settled,
    ) -> Box<Connection<R>> {
        let connection = self.whole(settled);
        self.remove(settled);
        connection
    }

    /// Forgets a connection.
    pub(super) fn remove(&mut self, settled: &Settled) {
        self.bytes.remove(settled.bytes);
        self.items.remove(settled.items);
    }

    /// The plain facts of a connection.
    pub(super) fn gist(&self, settled: &Settled) -> Gist {
        let mut from = self.unpacker(settled);
        unpack_bases(&mut from);
        Gist::unpack(&mut from)
    }

    /// A SYN from here with this number opens the 4-tuple anew; see [`Connection::is_reused_by`].
    pub(super) fn is_reused_by(
        &self,
        settled: &Settled,
        from: (IpAddr, u16),
        syn: SeqNumber,
    ) -> bool {
        let mut packed = self.unpacker(settled);
        let bases = unpack_bases(&mut packed);
        let peer = match Gist::unpack_client(&mut packed) == from {
            true => Peer::Client,
            false => Peer::Server,
        };
        bases.of(peer).is_some_and(|base| base != syn)
    }

    /// A connection in outline.
    pub(super) fn outline<R: StreamReader<Item = T>>(&self, settled: &Settled) -> Outline<'_, R> {
        let mut from = self.unpacker(settled);
        unpack_bases(&mut from);
        Outline {
            stream: settled.first_stream,
            opened: settled.opened,
            gist: Gist::unpack(&mut from),
            episodes: &[],
            icmp: &[],
            reader: bool::unpack(&mut from).then(|| R::unpack_outline(&mut from)),
        }
    }

    /// A copy of a connection.
    pub(super) fn whole<R: StreamReader<Item = T>>(&self, settled: &Settled) -> Box<Connection<R>> {
        let mut from = self.unpacker(settled);
        let bases = unpack_bases(&mut from);
        let gist = Gist::unpack(&mut from);
        let reader =
            bool::unpack(&mut from).then(|| Box::new(R::unpack(&mut from, self.items(settled))));
        let place = (settled.streams().collect(), settled.opened);
        let mut connection = Box::new(Connection::unpack(&mut from, place, gist, reader));
        connection.know_bases(bases);
        connection.history = History::unpack(&mut from);
        connection
    }

    /// What its reader lists.
    pub(super) fn items(&self, settled: &Settled) -> &[T] {
        self.items.get(settled.items)
    }

    fn unpacker(&self, settled: &Settled) -> Unpacker<'_> {
        Unpacker::new(self.bytes.get(settled.bytes), settled.opened)
    }
}

/// Base sequence numbers come first: a SYN is held against them.
fn pack_bases(bases: Both<Option<SeqNumber>>, into: &mut Packer) {
    let Both { client, server } = bases;
    into.array([u8::from(client.is_some()) | u8::from(server.is_some()) << 1]);
    client.unwrap_or_default().pack(into);
    server.unwrap_or_default().pack(into);
}

fn unpack_bases(from: &mut Unpacker<'_>) -> Both<Option<SeqNumber>> {
    let [known] = from.array();
    let (client, server) = Packed::unpack(from);
    Both {
        client: (known & 1 != 0).then_some(client),
        server: (known & 2 != 0).then_some(server),
    }
}

/// A run of values in [`Chunks`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    chunk: u32,
    start: u32,
    length: u32,
}

/// Runs of values, in pieces of memory that are given back once all of their runs are gone.
#[derive(Debug)]
struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
}

#[derive(Debug)]
struct Chunk<T> {
    values: Vec<T>,
    /// Runs that are still needed.
    runs: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: Copy> Chunks<T> {
    fn add(&mut self, run: &[T]) -> Run {
        let room = |chunk: &Chunk<T>| chunk.values.capacity() - chunk.values.len();
        if self.chunks.last().is_none_or(|last| room(last) < run.len()) {
            let size = (CHUNK / size_of::<T>().max(1)).max(run.len());
            self.chunks.push(Chunk {
                values: Vec::with_capacity(size),
                runs: 0,
            });
        }
        let number = self.chunks.len().saturating_sub(1);
        let mut start = 0;
        if let Some(last) = self.chunks.last_mut() {
            start = last.values.len();
            last.values.extend_from_slice(run);
            last.runs += 1;
        }
        Run {
            chunk: number as u32,
            start: start as u32,
            length: run.len() as u32,
        }
    }

    fn get(&self, run: Run) -> &[T] {
        let start = run.start as usize;
        let chunk = self.chunks.get(run.chunk as usize);
        let values = chunk.and_then(|chunk| chunk.values.get(start..start + run.length as usize));
        values.unwrap_or_default()
    }

    fn remove(&mut self, run: Run) {
        if let Some(chunk) = self.chunks.get_mut(run.chunk as usize) {
            chunk.runs = chunk.runs.saturating_sub(1);
            if chunk.runs == 0 {
                // The next run then begins another chunk.
                chunk.values = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_and_memory_is_given_back_with_the_last_of_a_chunk() {
        let mut chunks = Chunks::<u8>::default();
        let runs: Vec<Run> = (0..200_u8).map(|n| chunks.add(&vec![n; 5_000])).collect();
        assert!(chunks.chunks.len() > 2);
        for (n, run) in (0..).zip(&runs) {
            assert_eq!(chunks.get(*run), vec![n; 5_000]);
        }
        let large = chunks.add(&vec![7; 2 * CHUNK]);
        assert_eq!(chunks.get(large).len(), 2 * CHUNK);
        let empty = chunks.add(&[]);
        assert!(chunks.get(empty).is_empty());
        for run in runs.iter().filter(|run| run.chunk == 0) {
            assert!(chunks.chunks[0].values.capacity() > 0);
            chunks.remove(*run);
        }
        assert_eq!(chunks.chunks[0].values.capacity(), 0);
        assert_eq!(chunks.get(runs[199]), vec![199; 5_000]);
    }
}
