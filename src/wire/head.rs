//! What a conversation that goes on needs of a segment.

use super::{Addresses, MacAddress, Segment, SeqNumber, TcpFlags, TcpOptions, Timestamps, Ttl};
use crate::capture::FrameId;
use crate::time::Timestamp;

/// The fields of a [`Segment`] that tracking reads of each, wherever they stand.
pub trait Head {
    /// [`Segment::frame`]
    fn frame(&self) -> FrameId;
    /// [`Segment::time`]
    fn time(&self) -> Timestamp;
    /// [`Segment::interface`]
    fn interface(&self) -> u32;
    /// [`Segment::seq`]
    fn seq(&self) -> SeqNumber;
    /// [`Segment::ack`]
    fn ack(&self) -> SeqNumber;
    /// [`Segment::window`]
    fn window(&self) -> u16;
    /// [`Segment::payload`]
    fn payload(&self) -> &[u8];
    /// [`Segment::payload_len`]
    fn payload_len(&self) -> u32;
    /// [`Segment::ttl`]
    fn ttl(&self) -> Ttl;
    /// [`Segment::ip_id`]
    fn ip_id(&self) -> Option<u16>;
    /// [`Segment::dont_fragment`]
    fn dont_fragment(&self) -> bool;
    /// [`Segment::traffic_class`]
    fn traffic_class(&self) -> u8;
    /// [`Segment::src_mac`]
    fn src_mac(&self) -> Option<MacAddress>;
    /// [`TcpOptions::any`](super::TcpOptions::any)
    fn has_options(&self) -> bool;
    /// [`TcpOptions::timestamps`](super::TcpOptions::timestamps)
    fn timestamps(&self) -> Option<Timestamps>;
    /// [`TcpOptions::sack_right_edge`](super::TcpOptions::sack_right_edge)
    fn sack_right_edge(&self) -> Option<SeqNumber>;
}

impl Head for Segment<'_> {
    #[inline(always)]
    fn frame(&self) -> FrameId {
        self.frame
    }
    #[inline(always)]
    fn time(&self) -> Timestamp {
        self.time
    }
    #[inline(always)]
    fn interface(&self) -> u32 {
        self.interface
    }
    #[inline(always)]
    fn seq(&self) -> SeqNumber {
        self.seq
    }
    #[inline(always)]
    fn ack(&self) -> SeqNumber {
        self.ack
    }
    #[inline(always)]
    fn window(&self) -> u16 {
        self.window
    }
    #[inline(always)]
    fn payload(&self) -> &[u8] {
        self.payload
    }
    #[inline(always)]
    fn payload_len(&self) -> u32 {
        self.payload_len
    }
    #[inline(always)]
    fn ttl(&self) -> Ttl {
        self.ttl
    }
    #[inline(always)]
    fn ip_id(&self) -> Option<u16> {
        self.ip_id
    }
    #[inline(always)]
    fn dont_fragment(&self) -> bool {
        self.dont_fragment
    }
    #[inline(always)]
    fn traffic_class(&self) -> u8 {
        self.traffic_class
    }
    #[inline(always)]
    fn src_mac(&self) -> Option<MacAddress> {
        self.src_mac
    }
    #[inline(always)]
    fn has_options(&self) -> bool {
        self.options.any
    }
    #[inline(always)]
    fn timestamps(&self) -> Option<Timestamps> {
        self.options.timestamps
    }
    #[inline(always)]
    fn sack_right_edge(&self) -> Option<SeqNumber> {
        self.options.sack_right_edge
    }
}

/// A segment without bytes that has no other options than timestamps, in little memory. Its fields are those of a [`Segment`].
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "they are those of a segment")]
pub struct PlainHead {
    pub time: Timestamp,
    pub frame: FrameId,
    pub interface: u32,
    pub addresses: Addresses,
    /// Source and destination.
    pub ports: (u16, u16),
    pub seq: SeqNumber,
    pub ack: SeqNumber,
    pub flags: TcpFlags,
    pub window: u16,
    pub timestamps: Option<Timestamps>,
    pub payload_len: u32,
    pub ttl: Ttl,
    pub ip_id: Option<u16>,
    pub dont_fragment: bool,
    pub traffic_class: u8,
    pub src_mac: Option<MacAddress>,
}

impl PlainHead {
    /// Both have the same 4-tuple, whoever of its ends sends them.
    #[inline]
    pub fn is_of_one_connection_with(&self, other: &Self) -> bool {
        let is_same = self.ports == other.ports && self.addresses == other.addresses;
        let (src, dst) = other.ports;
        is_same || self.ports == (dst, src) && self.addresses == other.addresses.reversed()
    }
}

/// The same with its payload.
#[derive(Clone, Copy, Debug)]
pub struct PlainSegment<'a> {
    /// All but the payload.
    pub head: &'a PlainHead,
    /// The payload bytes that were captured.
    pub payload: &'a [u8],
}

impl<'a> PlainSegment<'a> {
    /// The segment, but for its header's bytes.
    #[inline]
    pub fn segment(&self) -> Segment<'a> {
        let head = self.head;
        Segment {
            frame: head.frame,
            time: head.time,
            interface: head.interface,
            addresses: head.addresses,
            src_port: head.ports.0,
            dst_port: head.ports.1,
            seq: head.seq,
            ack: head.ack,
            flags: Some(head.flags),
            flag_bits: head.flags,
            window: head.window,
            options: TcpOptions {
                any: head.timestamps.is_some(),
                timestamps: head.timestamps,
                ..TcpOptions::default()
            },
            payload: self.payload,
            payload_len: head.payload_len,
            ttl: head.ttl,
            ip_id: head.ip_id,
            dont_fragment: head.dont_fragment,
            traffic_class: head.traffic_class,
            src_mac: head.src_mac,
            ..Segment::default()
        }
    }
}

impl Head for PlainSegment<'_> {
    #[inline(always)]
    fn frame(&self) -> FrameId {
        self.head.frame
    }
    #[inline(always)]
    fn time(&self) -> Timestamp {
        self.head.time
    }
    #[inline(always)]
    fn interface(&self) -> u32 {
        self.head.interface
    }
    #[inline(always)]
    fn seq(&self) -> SeqNumber {
        self.head.seq
    }
    #[inline(always)]
    fn ack(&self) -> SeqNumber {
        self.head.ack
    }
    #[inline(always)]
    fn window(&self) -> u16 {
        self.head.window
    }
    #[inline(always)]
    fn payload(&self) -> &[u8] {
        self.payload
    }
    #[inline(always)]
    fn payload_len(&self) -> u32 {
        self.head.payload_len
    }
    #[inline(always)]
    fn ttl(&self) -> Ttl {
        self.head.ttl
    }
    #[inline(always)]
    fn ip_id(&self) -> Option<u16> {
        self.head.ip_id
    }
    #[inline(always)]
    fn dont_fragment(&self) -> bool {
        self.head.dont_fragment
    }
    #[inline(always)]
    fn traffic_class(&self) -> u8 {
        self.head.traffic_class
    }
    #[inline(always)]
    fn src_mac(&self) -> Option<MacAddress> {
        self.head.src_mac
    }
    #[inline(always)]
    fn has_options(&self) -> bool {
        self.head.timestamps.is_some()
    }
    #[inline(always)]
    fn timestamps(&self) -> Option<Timestamps> {
        self.head.timestamps
    }
    #[inline(always)]
    fn sack_right_edge(&self) -> Option<SeqNumber> {
        None
    }
}
