//! What packed structs are made of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Packed, Packer, Unpacker, packed, packed_names};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::{Both, Mark, Peer};
use crate::time::{Interval, Timestamp};
use crate::wire::{MacAddress, SeqNumber, TcpFlags, Timestamps, Ttl};

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

impl Packed for () {
    fn pack(&self, _: &mut Packer) {}

    fn unpack(_: &mut Unpacker<'_>) -> Self {}
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
        into.text(self);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        from.text().into_owned()
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
        let both = u64::from(self.value) | u64::from(self.echo) << 32;
        into.array(both.to_le_bytes());
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
        into.array(self.0);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self(from.array())
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

packed!(Mark {
    time,
    frame,
    offset,
});
packed_names!(Peer { Client, Server });
