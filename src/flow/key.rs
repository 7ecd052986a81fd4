//! The 4-tuple that names a connection, the same for both directions (Wireshark's conversation key: innermost addresses
//! and ports, nothing else).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::wire::Addresses;

/// Which way a packet goes, relative to the order in which its key names the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the key's first end.
    Forward,
    /// From the key's second end.
    Backward,
}

/// IPv4 4-tuple, the lower end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyV4 {
    ends: [(Ipv4Addr, u16); 2],
}

/// IPv6 4-tuple, the lower end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyV6 {
    ends: [(Ipv6Addr, u16); 2],
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
    pub fn new(addresses: &Addresses, src_port: u16, dst_port: u16) -> (Self, Way) {
        match *addresses {
            Addresses::V4 { src, dst } => {
                let (ends, way) = ordered((src, src_port), (dst, dst_port));
                (Self::V4(KeyV4 { ends }), way)
            }
            Addresses::V6 { src, dst } => {
                let (ends, way) = ordered((src, src_port), (dst, dst_port));
                (Self::V6(KeyV6 { ends }), way)
            }
        }
    }
}

fn ordered<T: Ord>(from: T, to: T) -> ([T; 2], Way) {
    if from <= to {
        ([from, to], Way::Forward)
    } else {
        ([to, from], Way::Backward)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_key() {
        let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let there = Key::new(&Addresses::V4 { src: a, dst: b }, 40000, 80);
        let back = Key::new(&Addresses::V4 { src: b, dst: a }, 80, 40000);
        assert_eq!(there.0, back.0);
        assert_ne!(there.1, back.1);
    }
}
