//! Takes a frame apart down to its innermost TCP segment.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::IpNumber;

use super::fragment::Fragments;
use super::head::interface_of;
use super::ip::{self, IpHeader};
use super::link::wifi_fragment::WirelessFragments;
use super::view::View;
use super::{Addresses, Decoded, IcmpReason, MacAddress, PlainFrame, Ttl, link};
use crate::capture::{Frame, FrameId};
use crate::time::Timestamp;

/// Headers within headers that are followed; more are no traffic but an attack on the stack.
const MAX_DEPTH: u8 = 48;
/// Fragmented datagrams within fragmented datagrams (tunnels that fragment) that are followed.
const MAX_NESTED_DATAGRAMS: usize = 4;

/// How often the decoder had to give something up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecoderCounters {
    /// Fragmented datagrams (and 802.11 frames) that never became whole and were given up for want of room.
    pub datagrams_dropped: u64,
}

/// From frames to TCP segments: link layers, tunnels, IP fragments. Keeps state only for fragments, within fixed bounds.
///
/// What counts as TCP follows Wireshark's dissectors with `ip.defragment` on.
#[derive(Default)]
pub struct Decoder {
    fragments: Reassembly,
    /// Reassembled datagrams of the frame at hand, the segment's payload borrows from the last.
    whole: [Vec<u8>; MAX_NESTED_DATAGRAMS],
}

impl Decoder {
    /// A decoder that has seen nothing. One per capture file: fragments never join across files of different places.
    pub fn new() -> Self {
        Self::default()
    }

    /// What had to be given up so far.
    pub fn counters(&self) -> DecoderCounters {
        DecoderCounters {
            datagrams_dropped: self.fragments.datagrams.dropped + self.fragments.frames.dropped,
        }
    }

    /// Decodes one frame. The frame that completes a fragmented datagram yields its segment, the earlier ones are `Other`.
    #[inline]
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        match PlainFrame::of(frame) {
            Some(plain) => Decoded::Tcp(plain.segment()),
            None => self.decode_any(frame),
        }
    }

    /// The general way, which anything can go.
    pub(super) fn decode_any<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        let mut ctx = Context::new(frame, &mut self.fragments);
        let view = View::of_frame(frame.data, frame.original_len);
        let decoded = link::frame(frame.link.0, view, &mut ctx);
        let Some(mut datagram) = ctx.datagram.take() else {
            return decoded;
        };
        for slot in &mut self.whole {
            *slot = std::mem::take(&mut datagram.payload);
            ctx.ip = datagram.header;
            ctx.quoted_by = datagram.quoted_by;
            let view = View::whole(slot);
            let decoded = match datagram.carried {
                Carried::Ip(protocol) => ip::protocol(protocol, view, &mut ctx),
                Carried::Llc => link::llc::llc(view, &mut ctx),
            };
            match ctx.datagram.take() {
                Some(inner) => datagram = inner,
                None => return decoded,
            }
        }
        Decoded::Undecoded
    }
}

/// What waits for its missing fragments.
#[derive(Default)]
pub(super) struct Reassembly {
    pub datagrams: Fragments,
    pub frames: WirelessFragments,
}

/// What a reassembled payload begins with.
pub(super) enum Carried {
    /// What an IP header's protocol number says.
    Ip(IpNumber),
    Llc,
}

/// A payload that is nowhere in the frame: its last missing fragment made it whole, or it was compressed.
pub(super) struct Datagram {
    pub payload: Vec<u8>,
    /// The IP header of the fragment that completed it.
    pub header: IpHeader,
    pub carried: Carried,
    /// Whether an ICMP error quotes it.
    pub quoted_by: Option<(IpAddr, IcmpReason)>,
}

/// What the headers so far said, as far as inner ones or the segment need it.
pub(super) struct Context<'f> {
    pub frame: FrameId,
    pub time: Timestamp,
    pub interface: u32,
    pub src_mac: Option<MacAddress>,
    /// The innermost IP header so far.
    pub ip: IpHeader,
    /// The innermost VLAN so far.
    pub vlan: u16,
    /// Bytes that an IPv6 header promises and its frame does not have.
    pub beyond_frame: u32,
    /// Inside of an ICMP error: who sent it and why.
    pub quoted_by: Option<(IpAddr, IcmpReason)>,
    /// Inside of a first fragment that could not be kept because the snap length cut it.
    pub cut_fragment: bool,
    pub fragments: &'f mut Reassembly,
    /// Set by the IP layer; [`Decoder::decode`] goes on there.
    pub datagram: Option<Datagram>,
    depth: u8,
}

impl<'f> Context<'f> {
    #[inline]
    fn new(frame: &Frame<'_>, fragments: &'f mut Reassembly) -> Self {
        let unspecified = Addresses::V4 {
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
        };
        Self {
            frame: frame.id,
            time: frame.time,
            interface: interface_of(frame),
            src_mac: None,
            ip: IpHeader {
                addresses: unspecified,
                ttl: Ttl(0),
                id: None,
                dont_fragment: false,
                traffic_class: 0,
            },
            vlan: 0,
            beyond_frame: 0,
            quoted_by: None,
            cut_fragment: false,
            fragments,
            datagram: None,
            depth: 0,
        }
    }

    /// Reads one of several packets that lie side by side in a frame, and says which of it and those before stands for it.
    pub fn beside<'a>(
        &mut self,
        before: Decoded<'a>,
        read: impl FnOnce(&mut Self) -> Decoded<'a>,
    ) -> Decoded<'a> {
        let depth = self.depth;
        let decoded = read(self);
        self.depth = depth;
        later(before, decoded)
    }

    /// One header deeper; `None` when it is too deep.
    #[inline]
    pub fn descend(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }
}

/// Of two packets in one frame, the one that stands for it: the later, if it is TCP or quotes TCP.
fn later<'a>(earlier: Decoded<'a>, later: Decoded<'a>) -> Decoded<'a> {
    match (&earlier, &later) {
        (_, Decoded::Tcp(_)) => later,
        (Decoded::Tcp(_), _) => earlier,
        (_, Decoded::CutTcp) => later,
        (Decoded::CutTcp, _) => earlier,
        (_, Decoded::Icmp(_)) => later,
        _ => earlier,
    }
}
