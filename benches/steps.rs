//! Throughput of the first three steps alone: reading a file, decoding frames, tracking connections.
//! Whole processes are compared by `make bench`.

use std::borrow::Cow;
use std::hint::black_box;
use std::io::Write;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::NamedTempFile;

use whyrst::Timestamp;
use whyrst::capture::{Captures, Frame, FrameId, Input, LinkType};
use whyrst::flow::{
    Activity, Items, Limits, Mark, Packer, Peer, StreamBytes, StreamReader, Table, Unpacker,
};
use whyrst::wire::{Decoded, Decoder};

const CONNECTIONS: u32 = 2_000;
const EXCHANGES: u32 = 10;
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER_PORT: u16 = 8080;
const SNAPLEN: usize = 128;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A pcap file with kept-alive connections, interleaved as a server sees them; one of fifty is reset.
struct Traffic {
    pcap: Vec<u8>,
    packets: u64,
    clock: u64,
}

/// One connection's sequence numbers.
#[derive(Clone, Copy)]
struct Ends {
    client: Ipv4Addr,
    client_port: u16,
    client_seq: u32,
    server_seq: u32,
}

enum From {
    Client,
    Server,
}

impl Traffic {
    fn new() -> Self {
        let mut pcap = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAPLEN as u32, 1] {
            pcap.extend_from_slice(&u32::to_le_bytes(word));
        }
        Self {
            pcap,
            packets: 0,
            clock: 0,
        }
    }

    fn generate() -> Self {
        let mut traffic = Self::new();
        let mut open: Vec<Ends> = (0..CONNECTIONS)
            .map(|number| Ends {
                client: Ipv4Addr::from(0x0a01_0000 + number / 50),
                client_port: 40_000 + (number % 50) as u16,
                client_seq: number.wrapping_mul(2_654_435_761),
                server_seq: number.wrapping_mul(2_246_822_519),
            })
            .collect();
        for ends in &mut open {
            traffic.packet(ends, From::Client, SYN, 0);
            traffic.packet(ends, From::Server, SYN | ACK, 0);
            traffic.packet(ends, From::Client, ACK, 0);
        }
        for _ in 0..EXCHANGES {
            for ends in &mut open {
                traffic.packet(ends, From::Client, ACK, 180);
                traffic.packet(ends, From::Server, ACK, 1_200);
                traffic.packet(ends, From::Client, ACK, 0);
            }
        }
        for (number, ends) in open.iter_mut().enumerate() {
            if number % 50 == 0 {
                traffic.packet(ends, From::Server, RST | ACK, 0);
                continue;
            }
            traffic.packet(ends, From::Client, FIN | ACK, 0);
            traffic.packet(ends, From::Server, FIN | ACK, 0);
            traffic.packet(ends, From::Client, ACK, 0);
        }
        traffic
    }

    fn packet(&mut self, ends: &mut Ends, from: From, flags: u8, payload: u16) {
        let consumed = u32::from(payload) + u32::from(flags & (SYN | FIN) != 0);
        let (addresses, ports, seq, ack) = match from {
            From::Client => (
                (ends.client, SERVER),
                (ends.client_port, SERVER_PORT),
                ends.client_seq,
                ends.server_seq,
            ),
            From::Server => (
                (SERVER, ends.client),
                (SERVER_PORT, ends.client_port),
                ends.server_seq,
                ends.client_seq,
            ),
        };
        match from {
            From::Client => ends.client_seq = ends.client_seq.wrapping_add(consumed),
            From::Server => ends.server_seq = ends.server_seq.wrapping_add(consumed),
        }

        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
        frame.extend_from_slice(&[0x45, 0]);
        frame.extend_from_slice(&(40 + payload).to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend_from_slice(&addresses.0.octets());
        frame.extend_from_slice(&addresses.1.octets());
        frame.extend_from_slice(&ports.0.to_be_bytes());
        frame.extend_from_slice(&ports.1.to_be_bytes());
        frame.extend_from_slice(&seq.to_be_bytes());
        frame.extend_from_slice(&ack.to_be_bytes());
        frame.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        let whole = frame.len() + usize::from(payload);
        frame.resize(whole.min(SNAPLEN), b'x');

        self.clock += 7;
        let seconds = 1_700_000_000 + self.clock / 1_000_000;
        for word in [
            seconds as u32,
            (self.clock % 1_000_000) as u32,
            frame.len() as u32,
            whole as u32,
        ] {
            self.pcap.extend_from_slice(&word.to_le_bytes());
        }
        self.pcap.extend_from_slice(&frame);
        self.packets += 1;
    }

    fn file(&self) -> NamedTempFile {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.write_all(&self.pcap)
            .expect("space for a temporary file");
        file
    }
}

/// A frame that owns its bytes.
struct Kept {
    id: FrameId,
    time: Timestamp,
    link: LinkType,
    data: Vec<u8>,
    original_len: u32,
}

impl Kept {
    fn frame(&self) -> Frame<'_> {
        Frame {
            id: self.id,
            time: self.time,
            link: self.link,
            interface: 0,
            data: &self.data,
            original_len: self.original_len,
        }
    }
}

fn frames(file: &NamedTempFile) -> Vec<Kept> {
    let mut captures =
        Captures::open(&[Input::File(file.path().to_path_buf())]).expect("a capture");
    let mut kept = Vec::new();
    while let Some(frame) = captures.next_frame() {
        kept.push(Kept {
            id: frame.id,
            time: frame.time,
            link: frame.link,
            data: frame.data.to_vec(),
            original_len: frame.original_len,
        });
    }
    kept
}

/// Hears nothing of what is said.
#[derive(Clone, Debug)]
struct Deaf;

impl StreamReader for Deaf {
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
        true
    }
    fn pack(&self, _: &mut Packer) {}
    fn pack_items(&self, _: &mut Packer) {}
    fn unpack(_: &mut Unpacker<'_>, _: Items<'_, ()>) -> Self {
        Self
    }
    fn outline(&self) {}
    fn unpack_outline(_: &mut Unpacker<'_>) {}
    fn items(&self) -> Cow<'_, [()]> {
        Cow::Borrowed(&[])
    }

    fn data(&mut self, _: StreamBytes<'_>) -> Activity {
        Activity::Application
    }
    fn gap(&mut self, _: Peer, _: Mark, _: u64) {}
    fn fin(&mut self, _: Peer, _: Mark) {}
}

fn steps(criterion: &mut Criterion) {
    let traffic = Traffic::generate();
    let file = traffic.file();
    let kept = frames(&file);
    assert_eq!(kept.len() as u64, traffic.packets);

    let mut group = criterion.benchmark_group("steps");
    group.throughput(Throughput::Elements(traffic.packets));
    group.bench_function("read a pcap file", |bench| {
        bench.iter(|| {
            let mut captures =
                Captures::open(&[Input::File(file.path().to_path_buf())]).expect("a capture");
            let mut bytes = 0;
            while let Some(frame) = captures.next_frame() {
                bytes += frame.data.len();
            }
            black_box(bytes)
        });
    });
    group.bench_function("decode frames", |bench| {
        bench.iter(|| {
            let mut decoder = Decoder::new();
            let mut payload = 0;
            for each in &kept {
                if let Decoded::Tcp(segment) = decoder.decode(&each.frame()) {
                    payload += u64::from(segment.head.payload_len);
                }
            }
            black_box(payload)
        });
    });
    group.bench_function("decode and track", |bench| {
        bench.iter(|| {
            let mut decoder = Decoder::new();
            let mut table = Table::<Deaf>::new(Limits::default());
            for each in &kept {
                if let Decoded::Tcp(segment) = decoder.decode(&each.frame()) {
                    black_box(table.take(&segment));
                }
            }
            black_box(table.connections_seen())
        });
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
