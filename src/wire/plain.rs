//! The frame that nearly all are: Ethernet, Linux cooked or nothing, then IP without options or fragments, then a whole TCP header.
//!
//! It is read straight, without the steps that anything else needs. What is not plain goes the general way, and what is reads the same
//! on both.

use super::head::interface_of;
use super::options;
use super::tcp::{self, Fixed};
use super::{Addresses, Besides, Ends, Head, MacAddress, Segment, TcpFlags, Ttl};
use crate::capture::Frame;

/// Length of a TCP or IPv4 header without options.
const HEADER: usize = 20;
/// Length of an IPv6 header.
const IPV6_HEADER: usize = 40;
/// Protocol number (IANA "Assigned Internet Protocol Numbers").
const TCP: u8 = 6;
/// EtherTypes (IANA "IEEE 802 Numbers").
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;

/// A frame in which nothing stands in the way of its TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct PlainFrame<'f, 'a> {
    frame: &'f Frame<'a>,
    src_mac: SourceMac<'a>,
    ip: Ip<'a>,
    /// TCP's, options included.
    header: &'a [u8],
    /// What is read of every one.
    fixed: &'a [u8; tcp::PLACEABLE],
    payload: &'a [u8],
    /// `tcp.len`
    payload_len: u32,
}

/// An IP header.
#[derive(Clone, Copy, Debug)]
enum Ip<'a> {
    V4 {
        fixed: &'a [u8; 12],
        src: &'a [u8; 4],
        dst: &'a [u8; 4],
    },
    V6 {
        fixed: &'a [u8; 8],
        src: &'a [u8; 16],
        dst: &'a [u8; 16],
    },
}

impl<'f, 'a> PlainFrame<'f, 'a> {
    /// The frame, if it is plain.
    #[inline(always)]
    pub fn of(frame: &'f Frame<'a>) -> Option<Self> {
        let (src_mac, ethertype, packet) = link(frame.link.0, frame.data)?;
        match ethertype {
            IPV4 => Self::over::<HEADER>(v4(packet)?, src_mac, frame),
            IPV6 => Self::over::<IPV6_HEADER>(v6(packet)?, src_mac, frame),
            _ => None,
        }
    }

    #[inline(always)]
    fn over<const IP: usize>(
        (ip, packet, len): Network<'a>,
        src_mac: SourceMac<'a>,
        frame: &'f Frame<'a>,
    ) -> Option<Self> {
        let header_len = Fixed::read(packet.get(IP..)?.first_chunk()?).header_len;
        if header_len < HEADER {
            return None;
        }
        // What follows the length that IP states is padding or a trailer. Whether all of it was captured is not asked: with a short
        // snap length nobody could guess the answer, the core included.
        let captured = packet.get(..len.min(packet.len()))?;
        let (headers, payload) = captured.split_at_checked(IP + header_len)?;
        let payload_len = payload.len() as u32 + missing(frame, packet, len);
        let header = headers.get(IP..)?;
        Some(Self {
            frame,
            src_mac,
            ip,
            header,
            fixed: header.first_chunk()?,
            payload,
            payload_len,
        })
    }

    /// Where it comes from and where it goes.
    #[inline(always)]
    pub fn ends(&self) -> Ends {
        let fixed = Fixed::read(self.fixed);
        Ends {
            addresses: self.ip.addresses(),
            ports: (fixed.src_port, fixed.dst_port),
        }
    }

    /// `tcp.flags`
    #[inline(always)]
    pub fn flags(&self) -> TcpFlags {
        Fixed::read(self.fixed).flags
    }

    /// The payload bytes that were captured.
    #[inline(always)]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Writes its header down, field by field, to where it stays: such a thing is not moved. Returns what else few have.
    #[inline(always)]
    pub fn write_head(&self, head: &mut Head) -> Option<Besides> {
        let fixed = Fixed::read(self.fixed);
        head.time = self.frame.time;
        head.frame = self.frame.id;
        head.interface = interface_of(self.frame);
        head.seq = fixed.seq;
        head.ack = fixed.ack;
        head.flags = fixed.flags;
        head.window = fixed.window;
        head.payload_len = self.payload_len;
        let ip = self.ip.rest();
        head.ttl = ip.ttl;
        head.ip_id = ip.id;
        head.dont_fragment = ip.dont_fragment;
        head.traffic_class = ip.traffic_class;
        self.src_mac.write(&mut head.src_mac);
        if fixed.flags.rst() {
            return Some(self.besides(head));
        }
        let options = self.header.get(HEADER..).unwrap_or_default();
        if options.is_empty() {
            head.timestamps = None;
            head.has_options = false;
            return None;
        }
        let Some(timestamps) = options::timestamps_alone(options) else {
            return Some(self.besides(head));
        };
        head.timestamps = Some(timestamps);
        head.has_options = true;
        None
    }

    #[inline(always)]
    fn besides(&self, head: &mut Head) -> Besides {
        let is_whole = self.payload.len() == self.payload_len as usize;
        let segment = [self.header, self.payload];
        besides(head, is_whole.then_some(self.ip.addresses()), segment)
    }

    /// Its segment.
    pub fn segment(&self) -> Segment<'a> {
        let mut head = Head::default();
        let besides = self.write_head(&mut head).unwrap_or_default();
        Segment {
            header: self.header,
            ..besides.segment(&head, &self.ends(), self.payload)
        }
    }
}

/// Writes down what options say of timestamps. Returns what they say besides, and whether the checksum of a RST is right, of which all
/// was captured if there are addresses.
#[cold]
fn besides(head: &mut Head, addresses: Option<Addresses>, segment: [&[u8]; 2]) -> Besides {
    let [header, _] = segment;
    let options = options::read_options(header.get(HEADER..).unwrap_or_default());
    head.timestamps = options.timestamps;
    head.has_options = options.any;
    let addresses = addresses.filter(|_| head.flags.rst());
    Besides {
        options: options.others,
        checksum_ok: addresses.map(|addresses| tcp::checksum_is_right(&addresses, &segment)),
    }
}

/// Where the source's MAC address stands.
#[derive(Clone, Copy, Debug)]
struct SourceMac<'a> {
    /// Six bytes of the header; which ones matters only where it is known.
    at: &'a [u8; 6],
    is_known: bool,
}

impl SourceMac<'_> {
    /// It is written at any rate: that is cheaper than to look first.
    #[inline(always)]
    fn write(self, mac: &mut Option<MacAddress>) {
        let [a, b, c, d, e, f] = *self.at;
        *mac = Some(MacAddress([a, b, c, d, e, f]));
        if !self.is_known {
            *mac = None;
        }
    }
}

impl Ip<'_> {
    #[inline(always)]
    fn addresses(self) -> Addresses {
        match self {
            Self::V4 { src, dst, .. } => Addresses::V4 {
                src: (*src).into(),
                dst: (*dst).into(),
            },
            Self::V6 { src, dst, .. } => Addresses::V6 {
                src: (*src).into(),
                dst: (*dst).into(),
            },
        }
    }

    #[inline(always)]
    const fn rest(self) -> IpRest {
        match self {
            Self::V4 { fixed, .. } => IpRest {
                ttl: Ttl(fixed[8]),
                id: Some(u16::from_be_bytes([fixed[4], fixed[5]])),
                dont_fragment: fixed[6] & 0x40 != 0,
                traffic_class: fixed[1],
            },
            Self::V6 { fixed, .. } => IpRest {
                ttl: Ttl(fixed[7]),
                id: None,
                dont_fragment: true,
                traffic_class: fixed[0] << 4 | fixed[1] >> 4,
            },
        }
    }
}

/// What an IP header says besides addresses.
struct IpRest {
    ttl: Ttl,
    id: Option<u16>,
    dont_fragment: bool,
    traffic_class: u8,
}

/// How many bytes of a packet of this length were on the wire and not captured.
#[inline(always)]
fn missing(frame: &Frame<'_>, packet: &[u8], len: usize) -> u32 {
    let cut_off = (frame.original_len as usize).saturating_sub(frame.data.len());
    let missing = len.saturating_sub(packet.len()).min(cut_off);
    missing as u32
}

/// What the link layer says: the source's MAC address, the EtherType of what follows, and that.
type Linked<'a> = (SourceMac<'a>, u16, &'a [u8]);

#[inline(always)]
fn link(link_type: u16, bytes: &[u8]) -> Option<Linked<'_>> {
    match link_type {
        1 => ethernet(bytes),
        113 => cooked(bytes),
        276 => cooked_2(bytes),
        // Raw IP, which begins with its version.
        101 | 228 if bytes.first() == Some(&0x45) => {
            let none = SourceMac {
                at: &[0; 6],
                is_known: false,
            };
            Some((none, IPV4, bytes))
        }
        _ => None,
    }
}

/// Ethernet II, with one VLAN tag (IEEE 802.1Q) or none.
#[inline(always)]
fn ethernet(bytes: &[u8]) -> Option<Linked<'_>> {
    let (header, rest) = bytes.split_first_chunk::<14>()?;
    let (_, [src @ .., e0, e1]) = header.split_first_chunk::<6>()? else {
        return None;
    };
    let src_mac = SourceMac {
        at: src.first_chunk()?,
        is_known: true,
    };
    match u16::from_be_bytes([*e0, *e1]) {
        VLAN => {
            let (&[_, _, e0, e1], rest) = rest.split_first_chunk()?;
            Some((src_mac, u16::from_be_bytes([e0, e1]), rest))
        }
        ethertype => Some((src_mac, ethertype, rest)),
    }
}

/// `LINKTYPE_LINUX_SLL`
fn cooked(bytes: &[u8]) -> Option<Linked<'_>> {
    let ([_, _, hardware @ .., p0, p1], rest) = bytes.split_first_chunk::<16>()?;
    let [h0, h1, l0, l1, at @ .., _, _] = hardware;
    let src_mac = SourceMac {
        at,
        is_known: [*l0, *l1] == [0, 6],
    };
    cooked_as([*h0, *h1], src_mac, (*p0, *p1, rest))
}

/// `LINKTYPE_LINUX_SLL2`
fn cooked_2(bytes: &[u8]) -> Option<Linked<'_>> {
    let ([p0, p1, _, _, _, _, _, _, hardware @ ..], rest) = bytes.split_first_chunk::<20>()?;
    let [h0, h1, _, len, at @ .., _, _] = hardware;
    let src_mac = SourceMac {
        at,
        is_known: *len == 6,
    };
    cooked_as([*h0, *h1], src_mac, (*p0, *p1, rest))
}

/// Cooked, unless the hardware type (`linux/if_arp.h`) gives EtherTypes another meaning: GRE and netlink do.
fn cooked_as<'a>(
    hardware: [u8; 2],
    src_mac: SourceMac<'a>,
    (p0, p1, rest): (u8, u8, &'a [u8]),
) -> Option<Linked<'a>> {
    match u16::from_be_bytes(hardware) {
        778 | 824 => None,
        _ => Some((src_mac, u16::from_be_bytes([p0, p1]), rest)),
    }
}

/// What the network layer says: its header, the packet as far as it was captured, longer than that header and what
/// every TCP header has, and how long it is by the length that stands there.
type Network<'a> = (Ip<'a>, &'a [u8], usize);

/// IPv4 without options, whole in one packet, and TCP. No length means that a card was to cut it up: not plain.
///
/// Both headers are looked for at once: then everything in them has its place.
#[inline(always)]
fn v4(packet: &[u8]) -> Option<Network<'_>> {
    /// More fragments, or an offset.
    const FRAGMENT: u16 = 0x3fff;
    let headers = packet.first_chunk::<{ HEADER + HEADER }>()?;
    let &[0x45, _, l0, l1, _, _, f0, f1, _, TCP, ..] = headers else {
        return None;
    };
    if u16::from_be_bytes([f0, f1]) & FRAGMENT != 0 {
        return None;
    }
    let (fixed, ends) = headers.split_first_chunk()?;
    let (src, ends) = ends.split_first_chunk()?;
    let dst = ends.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    Some((Ip::V4 { fixed, src, dst }, packet, len))
}

/// IPv6 without extension headers, and TCP.
#[inline(always)]
fn v6(packet: &[u8]) -> Option<Network<'_>> {
    let headers = packet.first_chunk::<{ IPV6_HEADER + HEADER }>()?;
    let (fixed, ends) = headers.split_first_chunk()?;
    let (src, ends) = ends.split_first_chunk()?;
    let dst = ends.first_chunk()?;
    let &[0x60..=0x6f, _, _, _, l0, l1, TCP, _] = fixed else {
        return None;
    };
    let len = IPV6_HEADER + usize::from(u16::from_be_bytes([l0, l1]));
    Some((Ip::V6 { fixed, src, dst }, packet, len))
}
