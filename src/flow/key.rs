//! The 4-tuple that names a connection, the same for both directions (Wireshark's conversation key: innermost addresses
//! and ports, nothing else).

use crate::wire::Addresses;

/// Which way a packet goes, relative to the order in which its key names the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the key's first end.
    Forward,
    /// From the key's second end.
    Backward,
}

/// IPv4 4-tuple, the lower end first: addresses and ports in one word each, because every packet is hashed and compared by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyV4 {
    addresses: [u32; 2],
    ports: u32,
}

/// IPv6 4-tuple, the lower end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyV6 {
    addresses: [u128; 2],
    ports: u32,
}

/// A 4-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// IPv4.
    V4(KeyV4),
    /// IPv6.
    V6(KeyV6),
}

impl Key {
    /// The key of a packet, and which way the packet goes.
    #[inline]
    pub fn new(addresses: &Addresses, src_port: u16, dst_port: u16) -> (Self, Way) {
        match *addresses {
            Addresses::V4 { src, dst } => {
                let (ends, way) = ordered((src.to_bits(), src_port), (dst.to_bits(), dst_port));
                let (addresses, ports) = apart(ends);
                (Self::V4(KeyV4 { addresses, ports }), way)
            }
            Addresses::V6 { src, dst } => {
                let (ends, way) = ordered((src.to_bits(), src_port), (dst.to_bits(), dst_port));
                let (addresses, ports) = apart(ends);
                (Self::V6(KeyV6 { addresses, ports }), way)
            }
        }
    }
}

impl Key {
    /// Which of so many tables holds it: the same on every run and machine.
    #[inline]
    pub fn shard(&self, of: usize) -> usize {
        // Odd, half of its bits set; any such number does.
        const MULTIPLIER: u64 = 0x9e6c_63d0_876a_3f6b;
        let word = match self {
            Self::V4(KeyV4 { addresses, ports }) => {
                (u64::from(addresses[0]) << 32 | u64::from(addresses[1]))
                    ^ (u64::from(*ports)).wrapping_mul(MULTIPLIER)
            }
            Self::V6(KeyV6 { addresses, ports }) => addresses
                .iter()
                .flat_map(|address| [*address as u64, (*address >> 64) as u64])
                .fold(u64::from(*ports), |word, part| {
                    (word ^ part).wrapping_mul(MULTIPLIER).rotate_left(29)
                }),
        };
        (word.wrapping_mul(MULTIPLIER) >> 40) as usize % of
    }
}

fn ordered<T: Ord>(from: T, to: T) -> ([T; 2], Way) {
    if from <= to {
        ([from, to], Way::Forward)
    } else {
        ([to, from], Way::Backward)
    }
}

fn apart<T>([(low, low_port), (high, high_port)]: [(T, u16); 2]) -> ([T; 2], u32) {
    (
        [low, high],
        u32::from(low_port) << 16 | u32::from(high_port),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn both_directions_have_one_key() {
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let there = Key::new(&Addresses::V4 { src: a, dst: b }, 40000, 80);
        let back = Key::new(&Addresses::V4 { src: b, dst: a }, 80, 40000);
        assert_eq!(there.0, back.0);
        assert_ne!(there.1, back.1);
    }
}
