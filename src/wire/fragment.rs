//! IP fragments, kept until their datagram is whole.

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashMap;

use super::Addresses;

/// Datagrams waiting for fragments. Linux keeps 4 MB of them for 30 s (`net.ipv4.ipfrag_high_thresh`); a capture has no
/// clock to trust, so the oldest go when there are too many.
const MAX_DATAGRAMS: usize = 4096;
/// Bytes of all waiting fragments.
const MAX_BYTES: usize = 32 << 20;
/// Fragments of one datagram: 65,535 bytes in pieces of 8.
const MAX_PIECES: usize = 8192;

/// What fragments of one datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DatagramKey {
    /// Source and destination.
    pub addresses: Addresses,
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Protocol (IPv4); 0 in IPv6, where the first fragment's header says it.
    pub protocol: u8,
    /// The innermost VLAN (IPv4): bridges show one datagram in several. 0 in IPv6.
    pub vlan: u16,
}

/// Whether more fragments follow (the MF bit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// This is the last one: the datagram's length is known.
    Last,
    /// More follow.
    More,
}

/// A fragment's place in its datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Offset in bytes.
    pub offset: u32,
    /// Its bytes, complete.
    pub bytes: &'a [u8],
    /// Whether it ends the datagram.
    pub tail: Tail,
}

struct Held {
    offset: u32,
    bytes: Box<[u8]>,
}

impl Held {
    fn end(&self) -> u32 {
        self.offset.saturating_add(self.bytes.len() as u32)
    }
}

struct Waiting {
    /// Tells this datagram from a later one with the same key in `Fragments::order`.
    serial: u64,
    /// By offset; those of one offset in the order of arrival.
    pieces: Vec<Held>,
    /// Sum of the pieces' lengths, overlaps counted twice.
    bytes: usize,
    /// From the first piece that said it was the last.
    len: Option<u32>,
}

/// Fragments of IPv4 and IPv6 datagrams that are not whole yet; bounded, the oldest datagram goes first.
#[derive(Default)]
pub(super) struct Fragments {
    waiting: HashMap<DatagramKey, Waiting, RandomState>,
    /// Oldest first; entries whose datagram was completed are skipped when they come up.
    order: VecDeque<(u64, DatagramKey)>,
    bytes: usize,
    serial: u64,
    /// Datagrams given up for want of room.
    pub dropped: u64,
}

impl Fragments {
    /// Adds a fragment; the whole datagram's payload if that completed it.
    pub fn add(&mut self, key: DatagramKey, piece: Piece<'_>) -> Option<Vec<u8>> {
        let datagrams = usize::from(!self.waiting.contains_key(&key));
        self.make_room(datagrams, piece.bytes.len());
        let (serial, order) = (&mut self.serial, &mut self.order);
        let datagram = self.waiting.entry(key).or_insert_with(|| {
            *serial += 1;
            order.push_back((*serial, key));
            Waiting {
                serial: *serial,
                pieces: Vec::new(),
                bytes: 0,
                len: None,
            }
        });
        datagram.insert(piece);
        self.bytes += piece.bytes.len();
        if let Some(whole) = datagram.assemble() {
            self.forget(&key);
            return Some(whole);
        }
        if datagram.pieces.len() > MAX_PIECES {
            self.forget(&key);
            self.dropped += 1;
        }
        None
    }

    fn forget(&mut self, key: &DatagramKey) {
        if let Some(datagram) = self.waiting.remove(key) {
            self.bytes -= datagram.bytes;
        }
        // Keeps the queue as short as the table even if every datagram completes.
        while let Some((serial, key)) = self.order.front() {
            if self.waiting.get(key).is_some_and(|d| d.serial == *serial) {
                break;
            }
            self.order.pop_front();
        }
        if self.order.len() > 4 * MAX_DATAGRAMS {
            let waiting = &self.waiting;
            self.order
                .retain(|(serial, key)| waiting.get(key).is_some_and(|d| d.serial == *serial));
        }
    }

    fn make_room(&mut self, datagrams: usize, bytes: usize) {
        while self.waiting.len() + datagrams > MAX_DATAGRAMS || self.bytes + bytes > MAX_BYTES {
            let Some((serial, key)) = self.order.pop_front() else {
                return;
            };
            if self.waiting.get(&key).is_some_and(|d| d.serial == serial) {
                self.forget(&key);
                self.dropped += 1;
            }
        }
    }
}

impl Waiting {
    fn insert(&mut self, piece: Piece<'_>) {
        let end = piece.offset.saturating_add(piece.bytes.len() as u32);
        if piece.tail == Tail::Last {
            self.len.get_or_insert(end);
        }
        let at = self.pieces.partition_point(|p| p.offset <= piece.offset);
        self.pieces.insert(
            at,
            Held {
                offset: piece.offset,
                bytes: piece.bytes.into(),
            },
        );
        self.bytes += piece.bytes.len();
    }

    /// Where pieces overlap, the one that begins first wins, and of two that begin together the earlier seen (as Wireshark
    /// has it; kernels differ: RFC 5722 forbids overlaps in IPv6, Linux drops such datagrams since 4.19).
    fn assemble(&self) -> Option<Vec<u8>> {
        let len = self.len?;
        if self.bytes < len as usize {
            return None;
        }
        let mut reached = 0;
        for piece in &self.pieces {
            if piece.offset > reached {
                break;
            }
            reached = reached.max(piece.end());
        }
        if reached < len {
            return None;
        }
        let mut whole = Vec::with_capacity(reached as usize);
        for piece in &self.pieces {
            let known = whole.len().saturating_sub(piece.offset as usize);
            if (piece.offset as usize) <= whole.len() {
                whole.extend_from_slice(piece.bytes.get(known..).unwrap_or(&[]));
            }
        }
        // Bytes past the end that the last fragment set are not the datagram's.
        whole.truncate(len as usize);
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn key(id: u32) -> DatagramKey {
        DatagramKey {
            addresses: Addresses::V4 {
                src: Ipv4Addr::LOCALHOST,
                dst: Ipv4Addr::LOCALHOST,
            },
            id,
            protocol: 6,
            vlan: 0,
        }
    }

    fn piece(offset: u32, bytes: &[u8], tail: Tail) -> Piece<'_> {
        Piece {
            offset,
            bytes,
            tail,
        }
    }

    #[test]
    fn the_fragment_that_completes_the_datagram_gives_it_in_any_order() {
        let mut fragments = Fragments::default();
        let last = piece(16, b"last", Tail::Last);
        assert_eq!(fragments.add(key(1), last), None);
        assert_eq!(
            fragments.add(key(1), piece(0, b"01234567", Tail::More)),
            None
        );
        assert_eq!(
            fragments.add(key(2), piece(8, b"elsewhere", Tail::More)),
            None
        );
        let whole = fragments.add(key(1), piece(8, b"abcdefgh", Tail::More));
        assert_eq!(whole.as_deref(), Some(&b"01234567abcdefghlast"[..]));
        assert_eq!((fragments.waiting.len(), fragments.bytes), (1, 9));
    }

    #[test]
    fn the_piece_that_begins_first_wins_an_overlap() {
        let mut fragments = Fragments::default();
        fragments.add(key(1), piece(8, b"BBBBBBBB", Tail::More));
        fragments.add(key(1), piece(8, b"CCCCCCCC", Tail::More));
        fragments.add(key(1), piece(16, b"end", Tail::Last));
        let whole = fragments.add(key(1), piece(0, b"AAAAAAAAAAAA", Tail::More));
        assert_eq!(whole.as_deref(), Some(&b"AAAAAAAAAAAABBBBend"[..]));
    }

    #[test]
    fn the_oldest_datagram_goes_when_there_are_too_many() {
        let mut fragments = Fragments::default();
        for id in 0..=MAX_DATAGRAMS as u32 {
            fragments.add(key(id), piece(0, b"01234567", Tail::More));
        }
        assert_eq!(
            (fragments.waiting.len(), fragments.dropped),
            (MAX_DATAGRAMS, 1)
        );
        assert_eq!(fragments.add(key(0), piece(8, b"x", Tail::Last)), None);
        let kept = fragments.add(key(2), piece(8, b"x", Tail::Last));
        assert_eq!(kept.as_deref(), Some(&b"01234567x"[..]));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut fragments = Fragments::default();
        let big = vec![0; 60_000];
        for id in 0..2000 {
            fragments.add(key(id), piece(0, &big, Tail::More));
        }
        assert!(fragments.bytes <= MAX_BYTES && fragments.dropped > 1000);
        let held: usize = fragments.waiting.values().map(|d| d.bytes).sum();
        assert_eq!(held, fragments.bytes);
    }
}
