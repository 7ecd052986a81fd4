//! Zeek's `history` letters (<https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html>): the shape of a
//! connection in one word that analysts know.

use crate::flow::{Direction, Packet, PacketKind, Peer};
use crate::wire::SeqNumber;

/// The letters of one connection, upper case for the client. At most 32.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    text: Vec<u8>,
    seen: [u32; 2],
    last_control: [[Option<SeqNumber>; 4]; 2],
    repeats: [[u32; 2]; 2],
}

impl Letters {
    const MOST: usize = 32;

    /// Adds what a packet contributes.
    pub(super) fn observe(&mut self, packet: &Packet, direction: &Direction) {
        let flags = packet.flags;
        if flags.syn() && (flags.fin() || flags.rst()) {
            self.once(packet.from, b'q');
        }
        if flags.fin() && flags.rst() {
            self.once(packet.from, b'i');
        }
        match packet.kind {
            PacketKind::Syn => self.control(packet, 0, b's'),
            PacketKind::SynAck => self.control(packet, 1, b'h'),
            PacketKind::Rst => self.control(packet, 3, b'r'),
            PacketKind::Data => self.once(packet.from, b'd'),
            PacketKind::Retransmission => self.counted(packet.from, 0, b't'),
            PacketKind::Ack | PacketKind::KeepaliveProbe | PacketKind::ZeroWindowProbe => {
                self.once(packet.from, b'a');
            }
            PacketKind::Fin => {}
        }
        if flags.ack() && packet.len > 0 && !flags.syn() && !flags.rst() {
            // Zeek's order: an ACK that carries data is an ACK first.
            self.ack_before_data(packet.from);
        }
        if flags.fin() && !flags.rst() && !flags.syn() {
            self.control(packet, 2, b'f');
        }
        if packet.window == 0 && !flags.rst() && direction.packets > 1 {
            self.counted(packet.from, 1, b'w');
        }
    }

    /// The word.
    pub fn as_str(&self) -> String {
        self.text.iter().map(|&byte| char::from(byte)).collect()
    }

    fn push(&mut self, from: Peer, letter: u8) {
        if self.text.len() < Self::MOST {
            self.text.push(match from {
                Peer::Client => letter.to_ascii_uppercase(),
                Peer::Server => letter,
            });
        }
    }

    fn bit(letter: u8) -> u32 {
        1 << (letter.wrapping_sub(b'a') & 31)
    }

    fn once(&mut self, from: Peer, letter: u8) {
        let seen = &mut self.seen[from as usize & 1];
        if *seen & Self::bit(letter) == 0 {
            *seen |= Self::bit(letter);
            self.push(from, letter);
        }
    }

    fn ack_before_data(&mut self, from: Peer) {
        let seen = self.seen[from as usize & 1];
        if seen & Self::bit(b'a') == 0 {
            self.seen[from as usize & 1] |= Self::bit(b'a');
            let letter = match from {
                Peer::Client => b'A',
                Peer::Server => b'a',
            };
            let place = self.text.len().saturating_sub(1);
            if self.text.len() < Self::MOST {
                self.text.insert(place, letter);
            }
        }
    }

    fn control(&mut self, packet: &Packet, which: usize, letter: u8) {
        let last = &mut self.last_control[packet.from as usize & 1][which & 3];
        if *last != Some(packet.seq) {
            *last = Some(packet.seq);
            self.push(packet.from, letter);
        }
    }

    /// Letters that Zeek repeats for the 1st, 10th, 100th … time.
    fn counted(&mut self, from: Peer, which: usize, letter: u8) {
        let count = &mut self.repeats[from as usize & 1][which & 1];
        *count = count.saturating_add(1);
        let mut power = 1u32;
        while power < *count {
            power = power.saturating_mul(10);
        }
        if power == *count {
            self.push(from, letter);
        }
    }
}
