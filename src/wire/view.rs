//! A stretch of a packet: the bytes of it that were captured, and how many it had on the wire.

/// What a header hands on to the next one. `bytes` is never longer than `wire`.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Length on the wire; more than `bytes.len()` where the snap length cut the packet.
    pub wire: u32,
}

impl<'a> View<'a> {
    /// Bytes that were captured whole.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            wire: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        }
    }

    /// A frame: senders of captures lie at times, so the wire length is never below what was captured.
    pub fn of_frame(bytes: &'a [u8], original_len: u32) -> Self {
        let whole = Self::whole(bytes);
        Self {
            wire: whole.wire.max(original_len),
            ..whole
        }
    }

    /// Without its first `n` bytes; `None` where not so many were captured.
    #[inline]
    pub fn skip(self, n: usize) -> Option<Self> {
        Some(Self {
            bytes: self.bytes.get(n..)?,
            wire: self.wire.saturating_sub(u32::try_from(n).ok()?),
        })
    }

    /// The first `N` bytes and the view after them.
    #[inline]
    pub fn split<const N: usize>(self) -> Option<(&'a [u8; N], Self)> {
        let (head, bytes) = self.bytes.split_first_chunk::<N>()?;
        let wire = self.wire.saturating_sub(N as u32);
        Some((head, Self { bytes, wire }))
    }

    /// Cut down to `n` bytes on the wire: a length field in a header ends the packet, what follows is padding or a trailer.
    #[inline]
    pub fn clip(self, n: u32) -> Self {
        if n >= self.wire {
            return self;
        }
        Self {
            bytes: self.bytes.get(..n as usize).unwrap_or(self.bytes),
            wire: n,
        }
    }

    /// Without its last `n` bytes on the wire.
    pub fn trim_end(self, n: u32) -> Self {
        self.clip(self.wire.saturating_sub(n))
    }

    /// Nothing was cut off.
    pub fn is_whole(self) -> bool {
        self.bytes.len() as u64 == u64::from(self.wire)
    }

    /// The byte at `at`.
    #[inline]
    pub fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The big-endian 16 bits at `at`.
    #[inline]
    pub fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// The big-endian 32 bits at `at`.
    #[inline]
    pub fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// The `N` bytes at `at`.
    #[inline]
    pub fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk::<N>().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::View;

    #[test]
    fn a_cut_packet_keeps_its_length_on_the_wire() {
        let view = View::of_frame(&[1, 2, 3, 4], 10);
        let (head, rest) = view.split::<3>().expect("three bytes are there");
        assert_eq!((head, rest.bytes, rest.wire), (&[1, 2, 3], &[4][..], 7));
        assert!(rest.skip(2).is_none());
        assert_eq!((rest.clip(5).wire, rest.clip(5).bytes.len()), (5, 1));
        assert_eq!(rest.clip(0).bytes, &[] as &[u8]);
        assert_eq!(rest.clip(99).wire, 7);
    }

    #[test]
    fn an_original_length_below_the_captured_one_is_not_believed() {
        assert_eq!(View::of_frame(&[0; 8], 2).wire, 8);
    }
}
