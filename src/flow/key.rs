//! The 4-tuple that names a connection, the same for both directions (Wireshark's conversation key: innermost addresses
//! and ports, nothing else).

use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::wire::{Addresses, Ends};

/// Which way a packet goes, relative to the order in which its key names the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// From the key's first end.
    #[default]
    Forward,
    /// From the key's second end.
    Backward,
}

impl Way {
    #[inline]
    fn between<T: Ord>(from: &T, to: &T) -> Self {
        if from <= to {
            Self::Forward
        } else {
            Self::Backward
        }
    }
}

/// Odd, half of its bits set; any such number does to mix bits.
const MULTIPLIER: u64 = 0x9e6c_63d0_876a_3f6b;

/// IPv4 4-tuple, the lower end first: addresses and ports in one word each, because every packet is hashed and compared by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyV4 {
    addresses: [u32; 2],
    ports: u32,
}

/// IPv6 4-tuple, the lower end first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyV6 {
    addresses: [[u8; 16]; 2],
    ports: u32,
}

/// Which of so many tables holds the keys that spread so: the same on every run and machine.
#[inline(always)]
pub const fn shard(spread: u64, of: usize) -> usize {
    (spread >> 40) as usize % of
}

/// A 4-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// IPv4.
    V4(KeyV4),
    /// IPv6.
    V6(KeyV6),
}

impl Default for Key {
    fn default() -> Self {
        Self::V4(KeyV4::default())
    }
}

impl Hash for KeyV4 {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.both());
        state.write_u32(self.ports);
    }
}

/// The key of one family of addresses.
pub trait FamilyKey: Copy + Default + Eq + Hash {
    /// The same without its family's name.
    fn any(self) -> Key;

    /// A number that differs for most keys; whoever wants to can find keys that share theirs.
    fn spread(&self) -> u64;
}

impl KeyV4 {
    /// The key of a packet, and which way the packet goes.
    #[inline(always)]
    pub fn new(src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16)) -> (Self, Way) {
        let both = |low: Ipv4Addr, high: Ipv4Addr| both(low.to_bits(), high.to_bits());
        let (there, back) = (both(src.0, dst.0), both(dst.0, src.0));
        let (there_ports, back_ports) = (ports(src.1, dst.1), ports(dst.1, src.1));
        let is_backward = match there == back {
            false => there < back,
            true => is_backward(there_ports, back_ports),
        };
        let (both, ports, way) = match is_backward {
            false => (there, there_ports, Way::Forward),
            true => (back, back_ports, Way::Backward),
        };
        let addresses = [both as u32, (both >> 32) as u32];
        (Self { addresses, ports }, way)
    }

    #[inline(always)]
    fn both(&self) -> u64 {
        let [low, high] = self.addresses;
        both(low, high)
    }
}

impl KeyV6 {
    /// The key of a packet, and which way the packet goes.
    #[inline]
    pub fn new(src: (Ipv6Addr, u16), dst: (Ipv6Addr, u16)) -> (Self, Way) {
        let end = |(address, port): (Ipv6Addr, u16)| (address.octets(), port);
        let (from, to) = (end(src), end(dst));
        let (low, high) = (from.min(to), from.max(to));
        let key = Self {
            addresses: [low.0, high.0],
            ports: ports(low.1, high.1),
        };
        (key, Way::between(&from, &to))
    }
}

impl FamilyKey for KeyV4 {
    #[inline(always)]
    fn any(self) -> Key {
        Key::V4(self)
    }

    #[inline(always)]
    fn spread(&self) -> u64 {
        (self.both() ^ u64::from(self.ports)).wrapping_mul(MULTIPLIER)
    }
}

impl FamilyKey for KeyV6 {
    #[inline]
    fn any(self) -> Key {
        Key::V6(self)
    }

    #[inline]
    fn spread(&self) -> u64 {
        let [low, high] = self.addresses.map(u128::from_be_bytes);
        let both = low ^ high.rotate_left(32);
        (both as u64 ^ (both >> 64) as u64 ^ u64::from(self.ports)).wrapping_mul(MULTIPLIER)
    }
}

impl Key {
    /// The key of a packet, and which way the packet goes.
    #[inline]
    pub fn new(addresses: &Addresses, src_port: u16, dst_port: u16) -> (Self, Way) {
        match *addresses {
            Addresses::V4 { src, dst } => {
                let (key, way) = KeyV4::new((src, src_port), (dst, dst_port));
                (Self::V4(key), way)
            }
            Addresses::V6 { src, dst } => {
                let (key, way) = KeyV6::new((src, src_port), (dst, dst_port));
                (Self::V6(key), way)
            }
        }
    }
}

impl Key {
    /// The ends of a packet that goes this way.
    pub fn ends(&self, way: Way) -> Ends {
        let of = |addresses, ports: u32| Ends {
            addresses,
            ports: ((ports >> 16) as u16, ports as u16),
        };
        let forward = match *self {
            Self::V4(KeyV4 { addresses, ports }) => {
                let [src, dst] = addresses.map(Into::into);
                of(Addresses::V4 { src, dst }, ports)
            }
            Self::V6(KeyV6 { addresses, ports }) => {
                let [src, dst] = addresses.map(Into::into);
                of(Addresses::V6 { src, dst }, ports)
            }
        };
        match way {
            Way::Forward => forward,
            Way::Backward => forward.reversed(),
        }
    }

    /// [`FamilyKey::spread`]
    #[inline]
    pub fn spread(&self) -> u64 {
        match self {
            Self::V4(key) => key.spread(),
            Self::V6(key) => key.spread(),
        }
    }
}

/// Both addresses as they stand in memory: the larger of the two ways to put them has the lower one first.
const fn both(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// Whether a packet that has one address at both ends goes from the higher port to the lower one.
#[cold]
const fn is_backward(ports: u32, reversed: u32) -> bool {
    ports > reversed
}

const fn ports(low: u16, high: u16) -> u32 {
    (low as u32) << 16 | high as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Few enough that both ends are the same now and then.
    fn ends() -> impl Strategy<Value = Ends> {
        let address = || select(&[0x0a00_0001_u32, 0x0a00_0002, 0xc0a8_0101, 0][..]);
        let port = || select(&[80_u16, 443, 40_000, 0xffff][..]);
        let v4 = |src: u32, dst: u32| Addresses::V4 {
            src: src.into(),
            dst: dst.into(),
        };
        let v6 = |src: u32, dst: u32| Addresses::V6 {
            src: u128::from(src).into(),
            dst: u128::from(dst).into(),
        };
        (any::<bool>(), address(), address(), port(), port()).prop_map(
            move |(is_v4, src, dst, src_port, dst_port)| Ends {
                addresses: match is_v4 {
                    true => v4(src, dst),
                    false => v6(src, dst),
                },
                ports: (src_port, dst_port),
            },
        )
    }

    proptest! {
        #[test]
        fn both_directions_have_one_key_with_the_lower_end_first(ends in ends()) {
            let key = |ends: &Ends| Key::new(&ends.addresses, ends.ports.0, ends.ports.1);
            let (there, back) = (key(&ends), key(&ends.reversed()));
            prop_assert_eq!(there.0, back.0);
            prop_assert_eq!(there.1 == back.1, ends == ends.reversed());
            prop_assert_eq!(there.0.ends(there.1), ends);
            prop_assert_eq!(back.0.ends(back.1), ends.reversed());
            let Ends { addresses, ports } = there.0.ends(Way::Forward);
            prop_assert!((addresses.src(), ports.0) <= (addresses.dst(), ports.1));
        }
    }
}
