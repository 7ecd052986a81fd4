//! Values in few bytes: what stays of a connection that has closed.
//!
//! Numbers take as many bytes as they need, times and frames are told as differences. Nothing is lost: what is unpacked equals what
//! was packed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use compact_str::CompactString;

use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::{Both, Mark, Orientation, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::{MacAddress, SeqNumber, TcpFlags, Timestamps, Ttl};

/// What the next value is told as a difference from.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    time: i64,
    frame: u32,
    /// Two, as a connection has two ends.
    macs: [MacAddress; 2],
}

impl From<Timestamp> for Newest {
    fn from(time: Timestamp) -> Self {
        Self {
            time: time.as_nanos(),
            ..Self::default()
        }
    }
}

/// Takes values.
#[derive(Debug, Default)]
pub struct Packer {
    /// What was packed up to `end`, and room beyond it.
    bytes: Vec<u8>,
    end: usize,
    newest: Newest,
}

impl Packer {
    /// What was packed.
    pub(crate) fn packed(&self) -> &[u8] {
        self.bytes.get(..self.end).unwrap_or_default()
    }

    /// Forgets what was packed, but not its memory.
    pub(super) fn clear(&mut self) {
        self.end = 0;
    }

    /// Bytes packed so far. What follows is told without them, from `time` on: it can be unpacked alone.
    pub(super) fn begin_part(&mut self, time: Timestamp) -> usize {
        self.newest = Newest::from(time);
        self.end
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        self.array([byte]);
    }

    /// Bytes as they are.
    #[inline]
    pub fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        self.first_of(N, bytes);
    }

    fn slice(&mut self, bytes: &[u8]) {
        let (arrays, rest) = bytes.as_chunks::<8>();
        arrays.iter().for_each(|array| self.array(*array));
        rest.iter().for_each(|byte| self.byte(*byte));
    }

    /// Writes all of the bytes and keeps the first ones.
    #[inline]
    fn first_of<const N: usize>(&mut self, kept: usize, bytes: [u8; N]) {
        let room = self.bytes.get_mut(self.end..);
        match room.and_then(<[u8]>::first_chunk_mut) {
            Some(room) => *room = bytes,
            None => self.make_room(&bytes),
        }
        self.end += kept;
    }

    #[cold]
    fn make_room(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize((2 * self.bytes.len()).max(1 << 10), 0);
    }

    /// Seven bits a byte; the zeros at the first byte's low end say how many bytes follow, so that all are written and read at once.
    #[inline]
    fn number(&mut self, number: u64) {
        if number < 0x80 {
            self.byte((number << 1 | 1) as u8);
        } else {
            self.long_number(number);
        }
    }

    fn long_number(&mut self, number: u64) {
        let length = (70 - (number | 1).leading_zeros()) / 7;
        if length > 8 {
            self.byte(0);
            self.array(number.to_le_bytes());
            return;
        }
        let word = number << length | 1 << (length - 1);
        self.first_of(length as usize, word.to_le_bytes());
    }

    /// Small where it is near zero, on either side.
    #[inline]
    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }
}

/// Gives the values back, in the order in which they were packed.
#[derive(Debug)]
pub struct Unpacker<'a> {
    bytes: &'a [u8],
    newest: Newest,
}

impl<'a> Unpacker<'a> {
    /// Of one part that was [begun](Packer::begin_part) with `time`.
    pub(crate) fn new(bytes: &'a [u8], time: Timestamp) -> Self {
        Self {
            bytes,
            newest: Newest::from(time),
        }
    }

    /// 0 where nothing is left: that does not happen to what a [`Packer`] packed.
    #[inline]
    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// The next bytes as they are; zeros where there are not as many.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        match self.bytes.split_first_chunk() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => [0; N],
        }
    }

    #[inline]
    fn number(&mut self) -> u64 {
        let word = match self.bytes.first_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => self.last_word(),
        };
        if word & 1 != 0 {
            self.bytes = self.bytes.get(1..).unwrap_or_default();
            return word >> 1 & 0x7f;
        }
        let length = (word as u8).trailing_zeros() + 1;
        if length > 8 {
            self.byte();
            return u64::from_le_bytes(self.array());
        }
        self.bytes = self.bytes.get(length as usize..).unwrap_or_default();
        (word & u64::MAX >> (64 - 8 * length)) >> length
    }

    /// The last bytes, where fewer than eight are left.
    #[cold]
    fn last_word(&self) -> u64 {
        let mut word = [0; 8];
        word.iter_mut()
            .zip(self.bytes)
            .for_each(|(byte, left)| *byte = *left);
        u64::from_le_bytes(word)
    }

    #[inline]
    fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }
}

/// A value that can be packed.
pub trait Packed: Sized {
    /// Packs it.
    fn pack(&self, into: &mut Packer);
    /// Takes the next value, which has to be of this type.
    fn unpack(from: &mut Unpacker<'_>) -> Self;

    /// Packs it where it is known not to be its type's default.
    #[inline]
    fn pack_unusual(&self, into: &mut Packer) {
        self.pack(into);
    }

    /// Takes the next value, which is known not to be its type's default.
    #[inline]
    fn unpack_unusual(from: &mut Unpacker<'_>) -> Self {
        Self::unpack(from)
    }
}

/// Packs a struct field by field. All of its fields have to be named.
macro_rules! packed {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::flow::Packed for $name {
            #[inline]
            fn pack(&self, into: &mut $crate::flow::Packer) {
                let Self { $($field),+ } = self;
                $($crate::flow::Packed::pack($field, into);)+
            }

            #[inline]
            fn unpack(from: &mut $crate::flow::Unpacker<'_>) -> Self {
                Self { $($field: $crate::flow::Packed::unpack(from)),+ }
            }
        }
    };
}
pub(crate) use packed;

/// The default of its type.
#[inline]
pub(super) fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Packs a struct of which many fields are their types' defaults: bits say which ones are not. All of its fields have to be named.
macro_rules! packed_sparsely {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::flow::Packed for $name {
            fn pack(&self, into: &mut $crate::flow::Packer) {
                let Self { $($field),+ } = self;
                let mut unusual = 0_u64;
                let mut bit = 1_u64;
                $(
                    if !$crate::flow::packing::is_usual($field) {
                        unusual |= bit;
                    }
                    bit <<= 1;
                )+
                unusual.pack(into);
                $(
                    if unusual & 1 != 0 {
                        $crate::flow::Packed::pack_unusual($field, into);
                    }
                    unusual >>= 1;
                )+
                debug_assert_eq!((unusual, bit.count_ones()), (0, 1), "a bit for each field");
            }

            fn unpack(from: &mut $crate::flow::Unpacker<'_>) -> Self {
                let mut unusual = u64::unpack(from);
                let mut is_unusual = || {
                    let is = unusual & 1 != 0;
                    unusual >>= 1;
                    is
                };
                Self {
                    $($field: match is_unusual() {
                        true => $crate::flow::Packed::unpack_unusual(from),
                        false => Default::default(),
                    }),+
                }
            }
        }
    };
}
pub(crate) use packed_sparsely;

macro_rules! packed_numbers {
    ($($number:ty),+) => {
        $(impl Packed for $number {
            #[inline]
            fn pack(&self, into: &mut Packer) {
                into.number(*self as u64);
            }

            #[inline]
            fn unpack(from: &mut Unpacker<'_>) -> Self {
                from.number() as Self
            }
        })+
    };
}
packed_numbers!(u16, u32, u64, usize);

impl Packed for u8 {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        into.byte(*self);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        from.byte()
    }
}

impl Packed for bool {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        into.byte(u8::from(*self));
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        from.byte() != 0
    }

    fn pack_unusual(&self, _: &mut Packer) {}

    fn unpack_unusual(_: &mut Unpacker<'_>) -> Self {
        true
    }
}

impl<T: Packed> Packed for Option<T> {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        self.is_some().pack(into);
        if let Some(value) = self {
            value.pack(into);
        }
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        bool::unpack(from).then(|| T::unpack(from))
    }

    #[inline]
    fn pack_unusual(&self, into: &mut Packer) {
        if let Some(value) = self {
            value.pack(into);
        }
    }

    #[inline]
    fn unpack_unusual(from: &mut Unpacker<'_>) -> Self {
        Some(T::unpack(from))
    }
}

impl<T: Packed> Packed for Vec<T> {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        self.len().pack(into);
        self.iter().for_each(|value| value.pack(into));
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        (0..usize::unpack(from)).map(|_| T::unpack(from)).collect()
    }
}

/// Text as it is.
impl Packed for String {
    fn pack(&self, into: &mut Packer) {
        self.len().pack(into);
        into.slice(self.as_bytes());
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let length = usize::unpack(from);
        let (text, rest) = from.bytes.split_at_checked(length).unwrap_or_default();
        from.bytes = rest;
        Self::from_utf8_lossy(text).into_owned()
    }
}

impl Packed for CompactString {
    fn pack(&self, into: &mut Packer) {
        self.len().pack(into);
        into.slice(self.as_bytes());
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let length = usize::unpack(from);
        let (text, rest) = from.bytes.split_at_checked(length).unwrap_or_default();
        from.bytes = rest;
        Self::from_utf8_lossy(text)
    }
}

impl<T: Packed> Packed for Box<T> {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        self.as_ref().pack(into);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self::new(T::unpack(from))
    }
}

impl<T: Packed, const N: usize> Packed for [T; N] {
    fn pack(&self, into: &mut Packer) {
        self.iter().for_each(|value| value.pack(into));
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        std::array::from_fn(|_| T::unpack(from))
    }
}

impl<A: Packed, B: Packed> Packed for (A, B) {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        self.0.pack(into);
        self.1.pack(into);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        (A::unpack(from), B::unpack(from))
    }
}

impl<A: Packed, B: Packed, C: Packed> Packed for (A, B, C) {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        self.0.pack(into);
        self.1.pack(into);
        self.2.pack(into);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        (A::unpack(from), B::unpack(from), C::unpack(from))
    }
}

impl<T: Packed> Packed for Both<T> {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        self.client.pack(into);
        self.server.pack(into);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self {
            client: T::unpack(from),
            server: T::unpack(from),
        }
    }
}

impl Packed for Timestamp {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        let nanos = self.as_nanos();
        into.signed(nanos.wrapping_sub(into.newest.time));
        into.newest.time = nanos;
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        from.newest.time = from.newest.time.wrapping_add(from.signed());
        Self::from_nanos(from.newest.time)
    }
}

impl Packed for Interval {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        into.signed(self.as_nanos());
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self::from_nanos(from.signed())
    }
}

impl Packed for FrameId {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        let number = self.number.0;
        self.capture.0.pack(into);
        into.signed(i64::from(number) - i64::from(into.newest.frame));
        into.newest.frame = number;
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let capture = CaptureId(u16::unpack(from));
        from.newest.frame = (i64::from(from.newest.frame) + from.signed()) as u32;
        Self {
            capture,
            number: FrameNumber(from.newest.frame),
        }
    }
}

/// Any of 32 bits may be set: no shorter form pays.
impl Packed for SeqNumber {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        into.array(self.0.to_le_bytes());
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self(u32::from_le_bytes(from.array()))
    }
}

impl Packed for Timestamps {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        into.array(self.value.to_le_bytes());
        into.array(self.echo.to_le_bytes());
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self {
            value: u32::from_le_bytes(from.array()),
            echo: u32::from_le_bytes(from.array()),
        }
    }
}

impl Packed for MacAddress {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        match into.newest.macs.iter().position(|mac| mac == self) {
            Some(known) => into.byte(known as u8),
            None => {
                into.byte(2);
                into.array(self.0);
                into.newest.macs = [*self, into.newest.macs[0]];
            }
        }
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let place = usize::from(from.byte());
        if let Some(known) = from.newest.macs.get(place) {
            return *known;
        }
        let mac = Self(from.array());
        from.newest.macs = [mac, from.newest.macs[0]];
        mac
    }
}

impl Packed for IpAddr {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        match self {
            Self::V4(address) => {
                into.byte(4);
                into.array(address.octets());
            }
            Self::V6(address) => {
                into.byte(6);
                into.array(address.octets());
            }
        }
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        match from.byte() {
            4 => Self::V4(Ipv4Addr::from(from.array::<4>())),
            _ => Self::V6(Ipv6Addr::from(from.array::<16>())),
        }
    }
}

impl Packed for Ttl {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        into.byte(self.0);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self(from.byte())
    }
}

impl Packed for TcpFlags {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        self.0.pack(into);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self(u16::unpack(from))
    }
}

/// Packs an enum of names by their place in a list. All of them have to be named, in the order of their declaration.
macro_rules! packed_names {
    ($name:ident { $($variant:ident),+ $(,)? }) => {
        impl $crate::flow::Packed for $name {
            #[inline]
            fn pack(&self, into: &mut $crate::flow::Packer) {
                into.array([*self as u8]);
            }

            #[inline]
            fn unpack(from: &mut $crate::flow::Unpacker<'_>) -> Self {
                const NAMES: &[$name] = &[$($name::$variant),+];
                // A name that is missing above does not compile here.
                const fn _all(name: $name) {
                    match name { $($name::$variant => ()),+ }
                }
                NAMES.get(usize::from(from.array::<1>()[0])).copied().unwrap_or(NAMES[0])
            }
        }
    };
}

packed!(Mark {
    time,
    frame,
    offset,
});
pub(crate) use packed_names;

packed_names!(Peer { Client, Server });
packed_names!(Orientation {
    Syn,
    Port,
    FirstSender
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn comes_back<T: Packed + PartialEq + std::fmt::Debug>(values: &[T]) -> Box<[u8]> {
        let mut packer = Packer::default();
        values.iter().for_each(|value| value.pack(&mut packer));
        let packed: Box<[u8]> = packer.packed().into();
        let mut unpacker = Unpacker::new(&packed, Timestamp::default());
        for value in values {
            assert_eq!(T::unpack(&mut unpacker), *value);
        }
        assert!(unpacker.bytes.is_empty());
        packed
    }

    #[test]
    fn names_come_back() {
        comes_back(&[Peer::Client, Peer::Server]);
        comes_back(&[
            Orientation::Syn,
            Orientation::Port,
            Orientation::FirstSender,
        ]);
    }

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Sparse {
        number: u64,
        maybe: Option<u16>,
        yes: bool,
        none: Option<Timestamp>,
        last: u32,
    }
    packed_sparsely!(Sparse {
        number,
        maybe,
        yes,
        none,
        last,
    });

    #[test]
    fn what_is_usual_takes_a_bit() {
        let some = Sparse {
            maybe: Some(0),
            yes: true,
            ..Sparse::default()
        };
        let all = Sparse {
            number: u64::MAX,
            none: Some(Timestamp::default()),
            last: 3,
            ..some.clone()
        };
        assert_eq!(comes_back(&[Sparse::default()]).len(), 1);
        assert_eq!(comes_back(std::slice::from_ref(&some)).len(), 2);
        comes_back(&[all.clone(), some, Sparse::default(), all]);
    }

    #[test]
    fn two_macs_in_turn_take_a_byte_each() {
        let (one, other) = (MacAddress([1; 6]), MacAddress([2; 6]));
        let packed = comes_back(&[one, other, one, other, MacAddress([3; 6]), other, one]);
        assert_eq!(packed.len(), 4 * 7 + 3);
    }

    #[test]
    fn times_nearby_are_short() {
        let times = [0, 100, 350, 200].map(|nanos| Timestamp::from_nanos(1 << 60 | nanos));
        assert_eq!(comes_back(&times).len(), 9 + 2 + 2 + 2);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            numbers: Vec<u64>,
            shorts: Vec<(u16, bool)>,
            times: Vec<i64>,
            lengths: Vec<i64>,
            frames: Vec<(u16, u32)>,
            seqs: Vec<Option<u32>>,
            macs: Vec<[u8; 6]>,
            clocks: Vec<(u32, u32)>,
            v4: [u8; 4],
            v6: [u8; 16],
        ) {
            comes_back(&[numbers]);
            comes_back(&shorts);
            comes_back(&times.into_iter().map(Timestamp::from_nanos).collect::<Vec<_>>());
            comes_back(&lengths.into_iter().map(Interval::from_nanos).collect::<Vec<_>>());
            comes_back(&frames.into_iter().map(|(capture, number)| FrameId {
                capture: CaptureId(capture),
                number: FrameNumber(number),
            }).collect::<Vec<_>>());
            comes_back(&seqs.into_iter().map(|seq| seq.map(SeqNumber)).collect::<Vec<_>>());
            comes_back(&macs.into_iter().map(MacAddress).collect::<Vec<_>>());
            comes_back(&clocks.into_iter().map(|(value, echo)| Timestamps { value, echo }).collect::<Vec<_>>());
            comes_back(&[IpAddr::from(v4), IpAddr::from(v6)]);
        }
    }
}
