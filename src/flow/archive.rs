//! Where packed connections are kept.

use std::net::IpAddr;

use crate::flow::chunks::Chunks;
use crate::flow::outline::{Gist, Outline};
use crate::flow::packing::{Packed, Packer, Unpacker};
use crate::flow::settled::Settled;
use crate::flow::{Both, Connection, History, Items, Peer, StreamReader};
use crate::wire::SeqNumber;

/// Packed connections; of each a run of bytes.
#[derive(Debug, Default)]
pub struct Archive {
    packer: Packer,
    bytes: Chunks,
}

impl Archive {
    /// Packs a connection that [can be packed](Connection::can_be_packed).
    pub(super) fn pack<R: StreamReader>(&mut self, connection: &Connection<R>) -> Settled {
        let opened = connection.opened;
        let items = self.packer.pack(opened, |packer| {
            Gist::of(connection).pack(&connection.bases(), packer);
            let reader = connection.reader_at_rest();
            reader.is_some().pack(packer);
            if let Some(reader) = reader {
                reader.pack(packer);
            }
            connection.pack(packer);
            connection.history.pack(&connection.directions, packer);
            let items = packer.begin_part(opened);
            if let Some(reader) = reader {
                reader.pack_items(packer);
            }
            items
        });
        let bytes = self.bytes.add(self.packer.packed());
        Settled::new(connection, bytes, items)
    }

    /// Packs what a connection that was reset remembers of that.
    pub(super) fn pack_episodes<R: StreamReader>(&mut self, connection: &mut Connection<R>) {
        connection.pack_episodes(&mut self.packer);
    }

    /// Takes a connection out, whole again.
    pub(super) fn unpack<R: StreamReader>(&mut self, settled: &Settled) -> Box<Connection<R>> {
        let connection = self.whole(settled);
        self.remove(settled);
        connection
    }

    /// Forgets a connection.
    pub(super) fn remove(&mut self, settled: &Settled) {
        self.bytes.remove(settled.bytes);
    }

    /// The client's and the server's address and port.
    pub(super) fn ends(&self, settled: &Settled) -> Both<(IpAddr, u16)> {
        let mut from = self.unpacker(settled);
        Gist::unpack_ends(&mut from)
    }

    /// The plain facts of a connection.
    pub(super) fn gist(&self, settled: &Settled) -> Gist {
        let mut from = self.unpacker(settled);
        Gist::unpack(&mut from).0
    }

    /// A SYN from here with this number opens the 4-tuple anew; see [`Connection::is_reused_by`].
    pub(super) fn is_reused_by(
        &self,
        settled: &Settled,
        from: (IpAddr, u16),
        syn: SeqNumber,
    ) -> bool {
        let mut packed = self.unpacker(settled);
        let (gist, bases) = Gist::unpack(&mut packed);
        let peer = match gist.client == from {
            true => Peer::Client,
            false => Peer::Server,
        };
        bases.of(peer).is_some_and(|base| base != syn)
    }

    /// A connection in outline.
    pub(super) fn outline<R: StreamReader>(&self, settled: &Settled) -> Outline<'_, R> {
        let mut from = self.unpacker(settled);
        Outline {
            stream: settled.streams.first(),
            opened: settled.opened,
            gist: Gist::unpack(&mut from).0,
            episodes: &[],
            icmp: &[],
            reader: bool::unpack(&mut from).then(|| R::unpack_outline(&mut from)),
        }
    }

    /// A copy of a connection.
    pub(super) fn whole<R: StreamReader>(&self, settled: &Settled) -> Box<Connection<R>> {
        let mut from = self.unpacker(settled);
        let (gist, bases) = Gist::unpack(&mut from);
        let reader =
            bool::unpack(&mut from).then(|| Box::new(R::unpack(&mut from, self.items(settled))));
        let place = (settled.streams.clone(), settled.opened);
        let mut connection = Box::new(Connection::unpack(&mut from, place, gist, reader));
        connection.know_bases(bases);
        connection.history = History::unpack(&connection.directions, &mut from);
        connection
    }

    /// Looks at what is packed of a connection from this place on, in as many lines of memory as its outline or the keys of its items
    /// take: none of these looks waits for another one.
    pub(super) fn ask_for(&self, settled: &Settled, place: usize) -> u8 {
        const LINE: usize = 64;
        let bytes = self.bytes.get(settled.bytes);
        let lines = [place, place + LINE, place + 2 * LINE];
        let looks = lines.map(|place| bytes.get(place).copied().unwrap_or_default());
        looks.into_iter().fold(0, u8::wrapping_add)
    }

    /// What its reader lists.
    pub(super) fn items<T: Clone>(&self, settled: &Settled) -> Items<'_, T> {
        let bytes = self.bytes.get(settled.bytes);
        let items = bytes.get(settled.items as usize..).unwrap_or_default();
        Items::Packed(items, settled.opened)
    }

    fn unpacker(&self, settled: &Settled) -> Unpacker<'_> {
        Unpacker::new(self.bytes.get(settled.bytes), settled.opened)
    }
}
