//! What tracking reads of each segment, in little memory.

use super::{Addresses, MacAddress, Segment, SeqNumber, TcpFlags, Timestamps, Ttl};
use crate::capture::FrameId;
use crate::time::Timestamp;

/// The fields of a segment's headers that stay when the segment is gone: what a [`Packet`](crate::flow::Packet) is remembered by.
/// Together they are one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// When it was captured.
    pub time: Timestamp,
    /// Capture and number of the frame (for fragments: the one that completed the datagram).
    pub frame: FrameId,
    /// The capture's interface.
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

/// A segment without bytes that has no other options than timestamps, in little memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainHead {
    /// Its headers' fields.
    pub head: Head,
    /// Innermost addresses.
    pub addresses: Addresses,
    /// Source and destination.
    pub ports: (u16, u16),
}

impl PlainHead {
    /// Both have the same 4-tuple, whoever of its ends sends them.
    #[inline]
    pub fn is_of_one_connection_with(&self, other: &Self) -> bool {
        let is_same = self.ports == other.ports && self.addresses == other.addresses;
        let (src, dst) = other.ports;
        is_same || self.ports == (dst, src) && self.addresses == other.addresses.reversed()
    }

    /// The segment with this payload, but for its header's bytes.
    #[inline]
    pub fn segment<'a>(&self, payload: &'a [u8]) -> Segment<'a> {
        Segment {
            head: self.head,
            addresses: self.addresses,
            src_port: self.ports.0,
            dst_port: self.ports.1,
            flags: Some(self.head.flags),
            payload,
            ..Segment::default()
        }
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
