//! The frame that nearly all are: Ethernet, Linux cooked or nothing, then IP without options or fragments, then a whole TCP header.
//!
//! It is read straight, without the steps that anything else needs. What is not plain goes the general way, and what is reads the same
//! on both.

use super::options;
use super::tcp::{self, Fixed};
use super::view::View;
use super::{Addresses, Ends, Head, MacAddress, Segment, Ttl};
use crate::capture::{Frame, FrameId};
use crate::time::Timestamp;

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
pub struct PlainFrame<'a> {
    frame: FrameId,
    time: Timestamp,
    interface: u32,
    src_mac: Option<&'a [u8; 6]>,
    ip: Ip<'a>,
    /// What every TCP header has, without checksum and urgent pointer.
    fixed: &'a [u8; tcp::PLACEABLE],
    /// The IP packet and what follows it, as far as it was captured.
    packet: &'a [u8],
    options: &'a [u8],
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

impl<'a> PlainFrame<'a> {
    /// The frame, if it is plain.
    #[inline(always)]
    pub fn of(frame: &Frame<'a>) -> Option<Self> {
        let view = View::of_frame(frame.data, frame.original_len);
        let (src_mac, ethertype, packet) = link(frame.link.0, view)?;
        let (ip, fixed, rest) = match ethertype {
            IPV4 => v4(packet)?,
            IPV6 => v6(packet)?,
            _ => return None,
        };
        let options_len = Fixed::read(fixed).header_len.checked_sub(HEADER)?;
        let (options, payload) = rest.bytes.split_at_checked(options_len)?;
        Some(Self {
            frame: frame.id,
            time: frame.time,
            interface: frame.interface,
            src_mac,
            ip,
            fixed,
            packet: packet.bytes,
            options,
            payload,
            payload_len: rest.wire.wrapping_sub(options_len as u32),
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

    /// The payload bytes that were captured.
    #[inline(always)]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Writes its header down; `None` if that has other options than timestamps, or is a RST, whose checksum counts.
    ///
    /// Field by field, to where it stays: such a thing is not moved.
    #[inline(always)]
    pub fn write_head(&self, head: &mut Head) -> Option<()> {
        let fixed = Fixed::read(self.fixed);
        head.timestamps = match self.options {
            [] => None,
            options => Some(options::timestamps_alone(options)?),
        };
        if fixed.flags.rst() {
            return None;
        }
        head.time = self.time;
        head.frame = self.frame;
        head.interface = self.interface;
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
        head.src_mac = self.src_mac();
        head.has_options = head.timestamps.is_some();
        Some(())
    }

    /// Its segment.
    pub fn segment(&self) -> Segment<'a> {
        let fixed = Fixed::read(self.fixed);
        let addresses = self.ip.addresses();
        let options = options::read_options(self.options);
        let ip = self.ip.rest();
        let bytes = self.segment_bytes();
        let is_whole = self.payload.len() == self.payload_len as usize;
        let checked = fixed.flags.rst() && is_whole;
        Segment {
            head: Head {
                time: self.time,
                frame: self.frame,
                interface: self.interface,
                seq: fixed.seq,
                ack: fixed.ack,
                payload_len: self.payload_len,
                timestamps: options.timestamps,
                flags: fixed.flags,
                window: fixed.window,
                ip_id: ip.id,
                src_mac: self.src_mac(),
                ttl: ip.ttl,
                traffic_class: ip.traffic_class,
                dont_fragment: ip.dont_fragment,
                has_options: options.any,
            },
            addresses,
            src_port: fixed.src_port,
            dst_port: fixed.dst_port,
            flags: Some(fixed.flags),
            header_past_end: false,
            options: options.others,
            header: bytes.get(..HEADER + self.options.len()).unwrap_or(bytes),
            payload: self.payload,
            checksum_ok: checked.then(|| tcp::checksum_is_right(&addresses, bytes)),
        }
    }

    /// What was captured of the segment.
    fn segment_bytes(&self) -> &'a [u8] {
        let start = match self.ip {
            Ip::V4 { .. } => HEADER,
            Ip::V6 { .. } => IPV6_HEADER,
        };
        let len = HEADER + self.options.len() + self.payload.len();
        let found = self.packet.get(start..start + len);
        found.unwrap_or_default()
    }

    #[inline(always)]
    fn src_mac(&self) -> Option<MacAddress> {
        self.src_mac.map(|mac| MacAddress(*mac))
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

/// What the link layer says: the source's MAC address, the EtherType of what follows, and that.
type Linked<'a> = (Option<&'a [u8; 6]>, u16, View<'a>);

#[inline(always)]
fn link(link_type: u16, v: View<'_>) -> Option<Linked<'_>> {
    match link_type {
        1 => ethernet(v),
        113 => cooked(v),
        276 => cooked_2(v),
        // Raw IP, which begins with its version.
        101 | 228 if v.u8(0) == Some(0x45) => Some((None, IPV4, v)),
        _ => None,
    }
}

/// Ethernet II, with one VLAN tag (IEEE 802.1Q) or none.
#[inline(always)]
fn ethernet(v: View<'_>) -> Option<Linked<'_>> {
    let (header, rest) = v.split::<14>()?;
    let (_, [src @ .., e0, e1]) = header.split_first_chunk::<6>()? else {
        return None;
    };
    let src = src.first_chunk()?;
    match u16::from_be_bytes([*e0, *e1]) {
        VLAN => {
            let (&[_, _, e0, e1], rest) = rest.split()?;
            Some((Some(src), u16::from_be_bytes([e0, e1]), rest))
        }
        ethertype => Some((Some(src), ethertype, rest)),
    }
}

/// `LINKTYPE_LINUX_SLL`
fn cooked(v: View<'_>) -> Option<Linked<'_>> {
    let ([_, _, hardware @ .., p0, p1], rest) = v.split::<16>()?;
    let [h0, h1, l0, l1, mac @ .., _, _] = hardware;
    let linked = (*p0, *p1, rest);
    cooked_as([*h0, *h1], ([*l0, *l1] == [0, 6]).then_some(mac), linked)
}

/// `LINKTYPE_LINUX_SLL2`
fn cooked_2(v: View<'_>) -> Option<Linked<'_>> {
    let ([p0, p1, _, _, _, _, _, _, hardware @ ..], rest) = v.split::<20>()?;
    let [h0, h1, _, len, mac @ .., _, _] = hardware;
    cooked_as([*h0, *h1], (*len == 6).then_some(mac), (*p0, *p1, rest))
}

/// Cooked, unless the hardware type (`linux/if_arp.h`) gives EtherTypes another meaning: GRE and netlink do.
fn cooked_as<'a>(
    hardware: [u8; 2],
    src_mac: Option<&'a [u8; 6]>,
    (p0, p1, rest): (u8, u8, View<'a>),
) -> Option<Linked<'a>> {
    match u16::from_be_bytes(hardware) {
        778 | 824 => None,
        _ => Some((src_mac, u16::from_be_bytes([p0, p1]), rest)),
    }
}

/// What the network layer says, and TCP first: its header's beginning, and what follows the header that every segment has.
type Headed<'a> = (Ip<'a>, &'a [u8; tcp::PLACEABLE], View<'a>);

/// IPv4 without options, whole in one packet, and TCP. No length means that a card was to cut it up: not plain.
///
/// Both headers are looked for at once: then everything in them has its place.
#[inline(always)]
fn v4(v: View<'_>) -> Option<Headed<'_>> {
    /// More fragments, or an offset.
    const FRAGMENT: u16 = 0x3fff;
    const HEADERS: usize = HEADER + HEADER;
    let (headers, rest) = v.split::<HEADERS>()?;
    let &[0x45, _, l0, l1, _, _, f0, f1, _, TCP, ..] = headers else {
        return None;
    };
    let (fixed, ends) = headers.split_first_chunk()?;
    let (src, ends) = ends.split_first_chunk()?;
    let (dst, tcp) = ends.split_first_chunk()?;
    let len = u32::from(u16::from_be_bytes([l0, l1])).checked_sub(HEADERS as u32)?;
    let is_whole = u16::from_be_bytes([f0, f1]) & FRAGMENT == 0;
    let ip = Ip::V4 { fixed, src, dst };
    is_whole.then_some((ip, tcp.first_chunk()?, rest.clip(len)))
}

/// IPv6 without extension headers, and TCP.
#[inline(always)]
fn v6(v: View<'_>) -> Option<Headed<'_>> {
    let (headers, rest) = v.split::<{ IPV6_HEADER + HEADER }>()?;
    let (fixed, ends) = headers.split_first_chunk()?;
    let (src, ends) = ends.split_first_chunk()?;
    let (dst, tcp) = ends.split_first_chunk()?;
    let &[0x60..=0x6f, _, _, _, l0, l1, TCP, _] = fixed else {
        return None;
    };
    let len = u32::from(u16::from_be_bytes([l0, l1])).checked_sub(HEADER as u32)?;
    let ip = Ip::V6 { fixed, src, dst };
    Some((ip, tcp.first_chunk()?, rest.clip(len)))
}
