//! Zeek's `history` letters (<https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html>): the shape of a
//! connection in one word that analysts know.
//!
//! Which packet gives which letter follows Zeek's TCP analyzer (`update_history`, `update_window` and `update_last_seq` of its
//! `TCPSessionAdapter`). `c` and `g` are not told: checksums are not judged, and a hole in what was captured is no hole in what
//! was received.

use crate::flow::{Both, EndState, Packet, Peer};
use crate::wire::SeqNumber;

/// The letters of one connection, upper case for the client. At most 32.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    text: Vec<u8>,
    sides: Both<Side>,
}

/// What is known of one side's letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Side {
    /// Letters given, as bits.
    seen: u32,
    /// Sequence numbers of the newest SYN, FIN and RST.
    last: [Option<SeqNumber>; 3],
    /// One past the highest sequence number sent.
    furthest: Option<SeqNumber>,
    retransmissions: u32,
    zero_windows: u32,
}

/// Letters that come again where the sequence number is another one.
#[derive(Clone, Copy, Debug)]
enum Control {
    Syn,
    Fin,
    Rst,
}

impl Letters {
    const MOST: usize = 32;
    /// Distance beyond which the sequence number of a SYN or RST is not believed (Zeek's `TOO_LARGE_SEQ_DELTA`).
    const OUTLANDISH: u32 = 1 << 20;

    /// Adds what a packet contributes; `ends` are the states before it.
    pub(super) fn observe(&mut self, packet: &Packet, ends: &Both<EndState>) {
        let flags = packet.head.flags;
        let opens = flags.syn() && !flags.ack();
        if self.text.is_empty() && packet.from == Peer::Server && !opens {
            // Who spoke first would be the originator, were it not for the ports.
            self.text.push(b'^');
        }
        match (flags.syn(), flags.fin(), flags.rst()) {
            (_, true, true) => self.once(packet.from, b'i'),
            (true, true, _) | (true, _, true) => self.once(packet.from, b'q'),
            (true, ..) => {
                let letter = if flags.ack() { b'h' } else { b's' };
                self.control(packet.from, Control::Syn, letter, packet.head.seq);
            }
            (_, true, _) => {
                let end = packet.head.seq + packet.head.payload_len;
                self.control(packet.from, Control::Fin, b'f', end);
            }
            (.., true) => self.control(packet.from, Control::Rst, b'r', packet.head.seq),
            _ if packet.head.payload_len > 0 => self.once(packet.from, b'd'),
            _ if flags.ack() => self.once(packet.from, b'a'),
            _ => {}
        }
        // Windows mean nothing in and after a RST, nor once the other side has nothing more to send.
        let boring = flags.rst()
            || *ends.of(packet.from) == EndState::Reset
            || *ends.of(packet.from.other()) == EndState::Closed;
        if packet.head.window == 0 && !boring {
            let count = &mut self.sides.of_mut(packet.from).zero_windows;
            if is_told(count) {
                self.push(packet.from, b'w');
            }
        }
        self.advance(packet, ends);
    }

    /// The word.
    pub fn as_str(&self) -> String {
        self.text.iter().map(|&byte| char::from(byte)).collect()
    }

    /// Payload that does not go beyond what was sent is a retransmission to Zeek, also where it was only late.
    fn advance(&mut self, packet: &Packet, ends: &Both<EndState>) {
        let flags = packet.head.flags;
        let side = self.sides.of_mut(packet.from);
        // A RST's payload is not part of the stream.
        let end = if flags.rst() {
            packet.head.seq
        } else {
            packet.end()
        };
        let jump = side
            .furthest
            .map_or(0, |furthest| end.offset_from(furthest));
        let outlandish = jump.unsigned_abs() > Self::OUTLANDISH && (flags.syn() || flags.rst());
        if outlandish || *ends.of(packet.from) == EndState::Reset {
            return;
        }
        match side.furthest {
            Some(_) if jump <= 0 => {
                if packet.head.payload_len > 0 && is_told(&mut side.retransmissions) {
                    self.push(packet.from, b't');
                }
            }
            _ => side.furthest = Some(end),
        }
    }

    fn push(&mut self, from: Peer, letter: u8) {
        if self.text.len() < Self::MOST {
            self.text.push(match from {
                Peer::Client => letter.to_ascii_uppercase(),
                Peer::Server => letter,
            });
        }
    }

    fn once(&mut self, from: Peer, letter: u8) {
        let seen = &mut self.sides.of_mut(from).seen;
        let bit = 1 << (letter.wrapping_sub(b'a') & 31);
        if *seen & bit == 0 {
            *seen |= bit;
            self.push(from, letter);
        }
    }

    fn control(&mut self, from: Peer, which: Control, letter: u8, seq: SeqNumber) {
        let [syn, fin, rst] = &mut self.sides.of_mut(from).last;
        let last = match which {
            Control::Syn => syn,
            Control::Fin => fin,
            Control::Rst => rst,
        };
        if *last != Some(seq) {
            *last = Some(seq);
            self.push(from, letter);
        }
    }
}

/// Counts one more; the 1st, 10th, 100th … get a letter.
fn is_told(count: &mut u32) -> bool {
    *count = count.saturating_add(1);
    let mut power = 1u32;
    while power < *count {
        power = power.saturating_mul(10);
    }
    power == *count
}
