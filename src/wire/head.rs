//! What tracking reads of each segment, in little memory.

use super::{Addresses, MacAddress, Segment, SeqNumber, TcpFlags, TcpOptions, Timestamps, Ttl};
use crate::capture::{Frame, FrameId, LinkType};
use crate::time::Timestamp;

/// The fields of a segment's headers that stay when the segment is gone: what a [`Packet`](crate::flow::Packet) is remembered by.
/// Together they are one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// When it was captured.
    pub time: Timestamp,
    /// Capture and number of the frame (for fragments: the one that completed the datagram).
    pub frame: FrameId,
    /// The capture's interface, or the one that the frame names.
    pub interface: u32,
    /// `tcp.seq_raw`
    pub seq: SeqNumber,
    /// `tcp.ack_raw`; meaningless unless ACK is set.
    pub ack: SeqNumber,
    /// Payload bytes on the wire, `tcp.len`; more than were captured when the snap length cut the packet.
    pub payload_len: u32,
    /// Timestamps option (RFC 7323).
    pub timestamps: Option<Timestamps>,
    /// `tcp.flags`: the bits that stand where flags should, whatever else is [wrong](Segment::flags) with the header.
    pub flags: TcpFlags,
    /// `tcp.window_size_value`, unscaled.
    pub window: u16,
    /// IPv4 identification; `None` for IPv6.
    pub ip_id: Option<u16>,
    /// Source MAC of the outermost frame where the link has one.
    pub src_mac: Option<MacAddress>,
    /// Time to live or hop limit of the innermost IP header.
    pub ttl: Ttl,
    /// IPv4 TOS or IPv6 traffic class.
    pub traffic_class: u8,
    /// IPv4's DF bit; true for IPv6.
    pub dont_fragment: bool,
    /// The header carries any option besides padding (even an unknown or cut one).
    pub has_options: bool,
}

impl Head {
    /// One past the last sequence number that it occupies (SYN and FIN count one each).
    pub fn end(&self) -> SeqNumber {
        let control = u32::from(self.flags.syn()) + u32::from(self.flags.fin());
        self.seq + self.payload_len.wrapping_add(control)
    }

    /// The segment with this header between these ends, with this payload and no other options than timestamps; but for its header's
    /// bytes.
    #[inline]
    pub fn segment<'a>(&self, ends: &Ends, payload: &'a [u8]) -> Segment<'a> {
        Segment {
            head: *self,
            addresses: ends.addresses,
            src_port: ends.ports.0,
            dst_port: ends.ports.1,
            flags: Some(self.flags),
            payload,
            ..Segment::default()
        }
    }
}

/// What few segments have besides a [`Head`], those with other options than timestamps and RSTs: nothing in it is the same as
/// none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Besides {
    /// Options besides timestamps.
    pub options: TcpOptions,
    /// [`Segment::checksum_ok`]
    pub checksum_ok: Option<bool>,
}

impl Besides {
    /// [`Head::segment`] with this besides.
    #[inline]
    pub fn segment<'a>(&self, head: &Head, ends: &Ends, payload: &'a [u8]) -> Segment<'a> {
        Segment {
            options: self.options,
            checksum_ok: self.checksum_ok,
            ..head.segment(ends, payload)
        }
    }
}

/// Where a segment comes from, and where it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Innermost addresses.
    pub addresses: Addresses,
    /// Source and destination.
    pub ports: (u16, u16),
}

impl Ends {
    /// Those of a segment in the other direction.
    #[inline]
    pub const fn reversed(self) -> Self {
        let (src, dst) = self.ports;
        Self {
            addresses: self.addresses.reversed(),
            ports: (dst, src),
        }
    }
}

/// The interface that saw a frame: the capture's, or the one that `LINKTYPE_LINUX_SLL2` names, where `-i any` saw packets pass through
/// several.
#[inline(always)]
pub(super) fn interface_of(frame: &Frame<'_>) -> u32 {
    const LINUX_SLL2: LinkType = LinkType(276);
    match frame.data {
        [_, _, _, _, a, b, c, d, ..] if frame.link == LINUX_SLL2 => {
            u32::from_be_bytes([*a, *b, *c, *d])
        }
        _ => frame.interface,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_one_cache_line() {
        assert_eq!(size_of::<Head>(), 64);
    }
}
