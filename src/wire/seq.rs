//! Sequence numbers (RFC 9293 section 3.4).

use std::fmt;
use std::ops::{Add, Sub};

/// A TCP sequence or acknowledgement number: arithmetic is modulo 2^32, comparison is by the shorter way round
/// (RFC 9293 section 3.4). There is no total order, hence no `Ord`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// How far `self` lies after `other`; negative when before. In -2^31 ..= 2^31-1.
    pub const fn offset_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// `self` comes before `other`.
    pub const fn is_before(self, other: Self) -> bool {
        self.offset_from(other) < 0
    }

    /// `self` comes after `other`.
    pub const fn is_after(self, other: Self) -> bool {
        self.offset_from(other) > 0
    }

    /// The later of both.
    pub const fn later(self, other: Self) -> Self {
        if other.is_after(self) { other } else { self }
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;
    fn add(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

impl Sub<u32> for SeqNumber {
    type Output = Self;
    fn sub(self, n: u32) -> Self {
        Self(self.0.wrapping_sub(n))
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_survives_the_wrap() {
        let (a, b) = (SeqNumber(u32::MAX - 1), SeqNumber(3));
        assert!(a.is_before(b) && b.is_after(a));
        assert_eq!(b.offset_from(a), 5);
        assert_eq!(a.later(b), b);
    }

    proptest! {
        #[test]
        fn adding_less_than_half_the_space_moves_forward(start: u32, by in 1u32..(1 << 31)) {
            let a = SeqNumber(start);
            prop_assert!(a.is_before(a + by));
            prop_assert_eq!((a + by) - by, a);
            prop_assert_eq!((a + by).offset_from(a), by as i32);
        }

        #[test]
        fn before_and_after_mirror_each_other(a: u32, b: u32) {
            let (a, b) = (SeqNumber(a), SeqNumber(b));
            prop_assume!(a.offset_from(b) != i32::MIN);
            prop_assert_eq!(a.is_before(b), b.is_after(a));
        }
    }
}
