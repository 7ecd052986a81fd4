//! A few hosts that send each other whatever the bytes say: every 12 bytes are one TCP segment, or an ICMP error about one.
//! Sequence numbers stay near each other, so that gaps, overlaps, wraps and re-used ports are the rule. Whatever comes of it, parcels
//! and threads change nothing.

#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use whyrst::Timestamp;
use whyrst::capture::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
use whyrst::flow::{
    Activity, Items, Limits, Listed, Mark, Packed, Packer, Peer, Shards, StreamBytes, StreamReader, Table,
    Unpacker,
};
use whyrst::wire::{Decoded, Decoder};

/// LINKTYPE_RAW
const RAW: LinkType = LinkType(101);

/// Where in a record stand the hosts, with bits of which options and which capture, and how long after the one before it was captured.
const HOSTS: usize = 0;
const WAIT: usize = 10;

/// Bytes from which on threads would take too long to start and connections to be told of.
const COMPARED: usize = 150 * 12;

/// Checks what it is told: offsets go forward, and nothing comes behind a FIN's offset unseen.
#[derive(Clone, Debug, Default)]
struct Listener {
    next: [u64; 2],
    over: bool,
}

impl Listener {
    fn next(&mut self, from: Peer) -> &mut u64 {
        &mut self.next[match from {
            Peer::Client => 0,
            Peer::Server => 1,
        }]
    }
}

/// How far a direction was read.
#[derive(Clone, Copy, Debug)]
struct Reached(u64);

impl Listed for Reached {
    fn key(&self) -> u64 {
        self.0
    }

    fn pack(&self, _: &mut Packer) {}

    fn unpack(key: u64, _: &mut Unpacker<'_>) -> Self {
        Self(key)
    }
}

impl StreamReader for Listener {
    type Snapshot = ();
    type Outline = ();
    type Item = Reached;

    fn new(_: u16) -> Self {
        Self::default()
    }

    fn is_settled(&self) -> bool {
        self.next[0] <= self.next[1]
    }

    fn snapshot(&self) {}

    fn close(&mut self) {
        self.over = true;
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn pack(&self, into: &mut Packer) {
        self.over.pack(into);
    }

    fn pack_items(&self, into: &mut Packer) {
        into.list(self.next.into_iter().map(Reached));
    }

    fn unpack(from: &mut Unpacker<'_>, items: Items<'_, Reached>) -> Self {
        let listed = items.into_list();
        let [Reached(client), Reached(server)] = listed.as_ref() else {
            panic!("both are listed");
        };
        Self {
            next: [*client, *server],
            over: bool::unpack(from),
        }
    }

    fn outline(&self) {}

    fn unpack_outline(_: &mut Unpacker<'_>) {}

    fn items(&self) -> Cow<'_, [Reached]> {
        self.next.map(Reached).to_vec().into()
    }

    fn data(&mut self, data: StreamBytes<'_>) -> Activity {
        let next = self.next(data.from);
        assert!(data.at.offset >= *next, "bytes come once and in order");
        *next = data.at.offset + data.bytes.len() as u64 + u64::from(data.cut);
        Activity::Application
    }

    fn gap(&mut self, from: Peer, at: Mark, _: u64) {
        let next = self.next(from);
        assert!(at.offset >= *next, "a gap is in front");
        *next = at.offset;
    }

    fn fin(&mut self, _: Peer, _: Mark) {}
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        connections: 8,
        refused_apart: 3,
        ..Limits::default()
    };
    let mut table = Table::<Listener>::new(limits);
    // These pack what has closed.
    let mut shards = Shards::<Listener>::new(limits);
    let mut with_threads = (bytes.len() < COMPARED).then(|| Shards::<Listener>::with_threads(limits));
    let mut decoder = Decoder::new();
    let (mut ends, mut nanoseconds) = (Ends([0; 64]), 0_i64);
    for (index, record) in bytes.as_chunks().0.iter().take(500).enumerate() {
        nanoseconds += (i64::from(record[WAIT]) - 8) * 10_000_000;
        let (packet, whole) = packet(record, index as u8, &mut ends);
        let frame = Frame {
            id: FrameId {
                capture: CaptureId(u16::from(record[HOSTS] >> 5 & 1)),
                number: FrameNumber(index as u32 + 1),
            },
            time: Timestamp::from_nanos(nanoseconds),
            link: RAW,
            interface: 0,
            data: &packet,
            original_len: whole as u32,
        };
        let mut with_threads = with_threads.as_mut();
        with_threads.take_if(|shards| shards.take_frame(&frame).is_some());
        match decoder.decode(&frame) {
            Decoded::Tcp(segment) => {
                table.take(&segment);
                shards.take(&segment);
                if let Some(shards) = with_threads {
                    shards.take(&segment);
                }
            }
            Decoded::Icmp(quote) => {
                table.take_quote(&quote);
                shards.take_quote(&quote);
                if let Some(shards) = with_threads {
                    shards.take_quote(&quote);
                }
            }
            _ => {}
        }
    }
    assert!(table.connections().len() as u64 <= table.connections_seen());
    let told = told(shards);
    if let Some(with_threads) = with_threads {
        assert_eq!(self::told(with_threads), told);
    }
});

/// What each end says next to each other one, by the bits of a record that name both.
struct Ends([u32; 64]);

impl Ends {
    /// Sequence number and acknowledgement of this record's packet that go on where both ends were, or, in an eighth of the cases, others.
    fn numbers(&mut self, record: &[u8; 12], payload: usize) -> [u32; 2] {
        let [hosts, ports, seq_low, seq_high, ack_low, ack_high, flags, ..] = *record;
        let swapped = |both: u8, bits: u8| (both >> bits | both << bits) & ((1 << (2 * bits)) - 1);
        let forward = hosts & 3 | (ports & 0x0f) << 2;
        let backward = swapped(hosts & 3, 1) | swapped(ports & 0x0f, 2) << 2;
        // The upper half of the 32 bits is always the same one of two, so that numbers meet and wrap.
        let near = |low, high: u8| u32::from(u16::from_be_bytes([high, low])) | u32::from(high >> 7).wrapping_neg() << 16;
        let [seq, ack] = match ports & 0xc0 {
            0 if hosts & 0x10 != 0 => [near(seq_low, seq_high), near(ack_low, ack_high)],
            _ => [forward, backward].map(|end| self.0[usize::from(end)]),
        };
        let control = u32::from(flags & 1) + u32::from(flags >> 1 & 1);
        self.0[usize::from(forward)] = seq.wrapping_add(payload as u32 + control);
        [seq, ack]
    }
}

/// A record's packet, as much of it as was captured, and its length.
fn packet(record: &[u8; 12], index: u8, ends: &mut Ends) -> (Vec<u8>, usize) {
    let [hosts, ports, _, _, _, _, flags, window, ttl, length, _, shape] = *record;
    let payload = usize::from(length) * usize::from(shape % 8);
    let [seq, ack] = ends.numbers(record, payload).map(u32::to_be_bytes);
    let mut options = Vec::new();
    if ports & 0x10 != 0 {
        options.extend_from_slice(&[1, 1, 8, 10, 0, 0, ttl, index]);
        options.extend_from_slice(&seq);
    }
    if ports & 0x20 != 0 {
        options.extend_from_slice(&[1, 1, 5, 10]);
        options.extend_from_slice(&[ack, seq].concat());
    }
    let ip_options: &[u8] = if hosts & 4 == 0 { &[] } else { &[1; 4] };
    let headers = 40 + ip_options.len() + options.len();
    let mut packet = vec![0x45 + ip_options.len() as u8 / 4, 0];
    packet.extend_from_slice(&((headers + payload) as u16).to_be_bytes());
    packet.extend_from_slice(&[shape, index, 0x40, 0, ttl, 6, 0, 0]);
    packet.extend_from_slice(&[10, 0, 0, hosts & 1, 10, 0, 0, hosts >> 1 & 1]);
    packet.extend_from_slice(ip_options);
    packet.extend_from_slice(&[0x1f, 0x90 + (ports & 3), 0x1f, 0x90 + (ports >> 2 & 3)]);
    packet.extend_from_slice(&[seq, ack].concat());
    packet.extend_from_slice(&[0x50 + (options.len() as u8 / 4 << 4), flags, window, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&options);
    if hosts & 8 != 0 {
        return quoted(&packet, shape);
    }
    packet.resize(headers + payload.min(usize::from(shape)), b'a');
    (packet, headers + payload)
}

/// An ICMP error about it: destination unreachable.
fn quoted(packet: &[u8], code: u8) -> (Vec<u8>, usize) {
    let mut error = vec![0x45, 0];
    error.extend_from_slice(&(28 + packet.len() as u16).to_be_bytes());
    error.extend_from_slice(&[0, 0, 0x40, 0, 64, 1, 0, 0, 10, 0, 0, 9]);
    error.extend_from_slice(&packet[12..16]);
    error.extend_from_slice(&[3, code % 16, 0, 0, 0, 0, 0, 0]);
    error.extend_from_slice(packet);
    let whole = error.len();
    (error, whole)
}

/// All that is known of the connections.
fn told(mut shards: Shards<Listener>) -> Vec<String> {
    shards.settle();
    let connections = shards.connections();
    let told = connections.iter().map(|held| {
        let known = held.known();
        assert_eq!(known.directions.client.packets, held.outline().sides.client.packets);
        format!("{known:?}")
    });
    told.collect()
}
