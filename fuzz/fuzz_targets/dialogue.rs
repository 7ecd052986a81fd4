//! Both sides of one connection say whatever the bytes hold, in pieces, with parts cut off or missing. The first byte chooses how they
//! begin, so that every protocol's reader is reached; then each record is what happens and how long, followed by that many bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use whyrst::Timestamp;
use whyrst::capture::{FrameId, FrameNumber};
use whyrst::dialogue::{Dialogue, DialogueReader, Message};
use whyrst::flow::{Mark, Peer, StreamBytes, StreamReader};

use Peer::{Client, Server};

/// Server port, and what was said before the bytes take over.
const OPENINGS: &[(u16, &[(Peer, &[u8])])] = &[
    (2525, &[]),
    (
        80,
        &[(
            Client,
            b"POST /a HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
        )],
    ),
    (
        80,
        &[
            (Client, b"GET /a HTTP/1.1\r\n\r\n"),
            (
                Server,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
        ],
    ),
    (
        80,
        &[
            (
                Client,
                b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            ),
            (
                Server,
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            ),
        ],
    ),
    (
        80,
        &[(
            Client,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        )],
    ),
    (
        443,
        &[(Client, b"\x16\x03\x01\x00\x2e\x01\0\0\x2a\x03\x03")],
    ),
    (
        443,
        &[
            (Client, b"\x17\x03\x03\x00\x02ab"),
            (Server, b"\x17\x03\x03\x00\x02ab"),
        ],
    ),
    (
        5432,
        &[
            (Client, b"\0\0\0\x0a\0\x03\0\0\0\0"),
            (Server, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
            (Client, b"Q\0\0\0\x05\0"),
        ],
    ),
    (
        3306,
        &[
            (Server, b"\x04\0\0\0\x0a8.0"),
            (Client, b"\x05\0\0\x01login"),
            (Server, b"\x01\0\0\x02\0"),
            (Client, b"\x01\0\0\0\x0e"),
        ],
    ),
    (
        6379,
        &[(Client, b"*1\r\n$4\r\nPING\r\n"), (Server, b"+PONG\r\n")],
    ),
];

/// A connection whose bytes are counted.
struct Connection {
    reader: DialogueReader,
    offsets: [u64; 2],
    frame: u32,
}

impl Connection {
    fn mark(&mut self, from: Peer) -> Mark {
        self.frame += 1;
        Mark {
            time: Timestamp::from_nanos(i64::from(self.frame) * 1_000_000),
            frame: FrameId {
                number: FrameNumber(self.frame),
                ..FrameId::default()
            },
            offset: self.offsets[from as usize],
        }
    }

    fn say(&mut self, from: Peer, bytes: &[u8], cut: u32) {
        let at = self.mark(from);
        self.reader.data(StreamBytes {
            from,
            at,
            bytes,
            cut,
        });
        self.offsets[from as usize] += bytes.len() as u64 + u64::from(cut);
    }

    fn miss(&mut self, from: Peer, missing: u64) {
        self.offsets[from as usize] += missing;
        let at = self.mark(from);
        self.reader.gap(from, at, missing);
    }

    fn check(&self) {
        let dialogue = self.reader.snapshot();
        assert!(dialogue.recent.len() <= Dialogue::KEPT);
        assert!(dialogue.farewells.len() <= 4);
        for exchange in &dialogue.recent {
            for message in [Some(exchange.request), exchange.response]
                .into_iter()
                .flatten()
            {
                self.check_message(&message);
            }
        }
    }

    fn check_message(&self, message: &Message) {
        assert!(
            message.start.offset <= message.end.offset,
            "it ends behind its start"
        );
        let said = self.offsets[0].max(self.offsets[1]);
        assert!(message.end.offset <= said, "nobody said more");
        assert!(
            message
                .expected_end
                .is_none_or(|end| end >= message.end.offset)
        );
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mut rest)) = bytes.split_first() else {
        return;
    };
    let (port, opening) = OPENINGS[usize::from(*choice) % OPENINGS.len()];
    let mut connection = Connection {
        reader: DialogueReader::new(port),
        offsets: [0; 2],
        frame: 0,
    };
    for (from, words) in opening {
        connection.say(*from, words, 0);
    }
    while let Some(([what, length], more)) = rest.split_first_chunk::<2>() {
        let (piece, later) = more.split_at(usize::from(*length).min(more.len()));
        let from = if what & 1 == 0 { Client } else { Server };
        let size = u32::from(what >> 3) * u32::from(*length);
        match what >> 1 & 3 {
            0 | 1 => connection.say(from, piece, 0),
            2 => connection.say(from, piece, size),
            _ if *length < 8 => {
                let at = connection.mark(from);
                connection.reader.fin(from, at);
            }
            _ => connection.miss(from, u64::from(size)),
        }
        rest = later;
    }
    connection.check();
});
