//! A few hosts that send each other whatever the bytes say: every 12 bytes are one TCP segment. Sequence numbers stay near
//! each other, so that gaps, overlaps, wraps and re-used ports are the rule. Whatever comes of it, parcels and threads change nothing.

#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use whyrst::Timestamp;
use whyrst::capture::{Frame, FrameId, FrameNumber, LinkType};
use whyrst::flow::{
    Activity, Items, Limits, Listed, Mark, Packed, Packer, Peer, Shards, StreamBytes, StreamReader, Table,
    Unpacker,
};
use whyrst::wire::{Decoded, Decoder};

/// LINKTYPE_RAW
const RAW: LinkType = LinkType(101);

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
    let mut nanoseconds = 0_i64;
    for (index, record) in bytes.chunks_exact(12).take(500).enumerate() {
        let [hosts, ports, seq @ .., length, wait, shape] = record else {
            continue;
        };
        let [seq_low, seq_high, ack_low, ack_high, flags, window, ttl] = seq else {
            continue;
        };
        nanoseconds += (i64::from(*wait) - 8) * 10_000_000;
        let payload = usize::from(*length) * usize::from(*shape % 8);
        // The upper half of the 32 bits is always the same one of two, so that numbers meet and wrap.
        let near = |low: u8, high: u8| {
            [
                0_u8.wrapping_sub(high >> 7),
                0_u8.wrapping_sub(high >> 7),
                high,
                low,
            ]
        };
        let mut packet = vec![0x45, 0];
        packet.extend_from_slice(&(40 + payload as u16).to_be_bytes());
        packet.extend_from_slice(&[*shape, index as u8, 0x40, 0, *ttl, 6, 0, 0]);
        packet.extend_from_slice(&[10, 0, 0, hosts & 1, 10, 0, 0, hosts >> 1 & 1]);
        packet.extend_from_slice(&[0x1f, 0x90 + (ports & 3), 0x1f, 0x90 + (ports >> 2 & 3)]);
        packet.extend_from_slice(&near(*seq_low, *seq_high));
        packet.extend_from_slice(&near(*ack_low, *ack_high));
        packet.extend_from_slice(&[0x50, *flags, *window, 0, 0, 0, 0, 0]);
        let whole = packet.len() + payload;
        packet.resize(packet.len() + payload.min(usize::from(*shape)), b'a');
        let frame = Frame {
            id: FrameId {
                number: FrameNumber(index as u32 + 1),
                ..FrameId::default()
            },
            time: Timestamp::from_nanos(nanoseconds),
            link: RAW,
            interface: 0,
            data: &packet,
            original_len: whole as u32,
        };
        if let Decoded::Tcp(segment) = decoder.decode(&frame) {
            table.take(&segment);
            shards.take(&segment);
            if let Some(with_threads) = &mut with_threads
                && with_threads.take_frame(&frame).is_none()
            {
                with_threads.take(&segment);
            }
        }
    }
    assert!(table.connections().len() as u64 <= table.connections_seen());
    let told = told(shards);
    assert!(with_threads.is_none_or(|with_threads| self::told(with_threads) == told));
});

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
