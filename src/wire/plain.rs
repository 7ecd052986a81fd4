//! The frame that nearly all are: Ethernet, Linux cooked or nothing, then IP without options or fragments, then a whole TCP header.
//!
//! It is read straight, without the steps that anything else needs. What is not plain goes the general way, and what is reads the same
//! on both.

use super::tcp::{self, Fixed};
use super::view::View;
use super::{Addresses, MacAddress, Segment, TcpFlags, Ttl};
use crate::capture::Frame;

/// Length of a TCP or IPv4 header without options.
const HEADER: usize = 20;
/// Protocol number (IANA "Assigned Internet Protocol Numbers").
const TCP: u8 = 6;
/// EtherTypes (IANA "IEEE 802 Numbers").
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;

/// A frame in which nothing stands in the way of its TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct PlainFrame<'a> {
    frame: Frame<'a>,
    macs: Macs<'a>,
    ip: Ip<'a>,
    /// The whole segment.
    tcp: View<'a>,
    /// What every TCP header has, without checksum and urgent pointer.
    fixed: &'a [u8; tcp::PLACEABLE],
    header: &'a [u8],
    options: &'a [u8],
    payload: &'a [u8],
}

/// MAC addresses as a link type has them.
#[derive(Clone, Copy, Debug)]
enum Macs<'a> {
    None,
    Source(&'a [u8; 6]),
    Both { src: &'a [u8; 6], dst: &'a [u8; 6] },
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
        let (macs, ethertype, packet) = link(frame.link.0, view)?;
        let (ip, tcp) = match ethertype {
            IPV4 => v4(packet)?,
            IPV6 => v6(packet)?,
            _ => return None,
        };
        let fixed = tcp.bytes.first_chunk()?;
        let (header, payload) = tcp.bytes.split_at_checked(Fixed::read(fixed).header_len)?;
        Some(Self {
            frame: *frame,
            macs,
            ip,
            tcp,
            fixed,
            header,
            options: header.get(HEADER..)?,
            payload,
        })
    }

    /// The frame itself.
    #[inline(always)]
    pub const fn frame(&self) -> &Frame<'a> {
        &self.frame
    }

    /// Where it comes from and where it goes.
    #[inline(always)]
    pub fn addresses(&self) -> Addresses {
        self.ip.addresses()
    }

    /// `tcp.srcport` and `tcp.dstport`
    #[inline(always)]
    pub fn ports(&self) -> (u16, u16) {
        let fixed = Fixed::read(self.fixed);
        (fixed.src_port, fixed.dst_port)
    }

    /// `tcp.flags`
    #[inline(always)]
    pub fn flags(&self) -> TcpFlags {
        Fixed::read(self.fixed).flags
    }

    /// Its segment.
    pub fn segment(&self) -> Segment<'a> {
        let mut segment = Segment::default();
        self.write(&mut segment);
        segment
    }

    /// Writes its segment to a place where none was, so that it is not moved there.
    ///
    /// Field by field: read at once, they would be more than a processor has registers.
    #[inline(always)]
    pub(crate) fn write(&self, segment: &mut Segment<'a>) {
        let fixed = Fixed::read(self.fixed);
        segment.frame = self.frame.id;
        segment.time = self.frame.time;
        segment.interface = self.frame.interface;
        segment.src_port = fixed.src_port;
        segment.dst_port = fixed.dst_port;
        segment.seq = fixed.seq;
        segment.ack = fixed.ack;
        segment.flags = Some(fixed.flags);
        segment.flag_bits = fixed.flags;
        segment.window = fixed.window;
        segment.header = self.header;
        segment.payload = self.payload;
        segment.payload_len = self.tcp.wire.wrapping_sub(self.header.len() as u32);
        tcp::read_options(self.options, &mut segment.options);
        self.ip.write(segment);
        self.macs.write(segment);
        if fixed.flags.rst() && self.tcp.is_whole() {
            let right = tcp::checksum_is_right(&segment.addresses, self.tcp.bytes);
            segment.checksum_ok = Some(right);
        }
    }
}

impl Macs<'_> {
    #[inline(always)]
    fn write(self, segment: &mut Segment<'_>) {
        match self {
            Self::None => {}
            Self::Source(src) => segment.src_mac = Some(MacAddress(*src)),
            Self::Both { src, dst } => {
                segment.src_mac = Some(MacAddress(*src));
                segment.dst_mac = Some(MacAddress(*dst));
            }
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
    fn write(self, segment: &mut Segment<'_>) {
        match self {
            Self::V4 { fixed, src, dst } => {
                let &[_, tos, _, _, i0, i1, flags, _, ttl, ..] = fixed;
                segment.addresses = Addresses::V4 {
                    src: (*src).into(),
                    dst: (*dst).into(),
                };
                segment.ttl = Ttl(ttl);
                segment.ip_id = Some(u16::from_be_bytes([i0, i1]));
                segment.dont_fragment = flags & 0x40 != 0;
                segment.traffic_class = tos;
            }
            Self::V6 { fixed, src, dst } => {
                let &[first, second, .., hop_limit] = fixed;
                segment.addresses = Addresses::V6 {
                    src: (*src).into(),
                    dst: (*dst).into(),
                };
                segment.ttl = Ttl(hop_limit);
                segment.dont_fragment = true;
                segment.traffic_class = first << 4 | second >> 4;
            }
        }
    }
}

/// What the link layer says: MAC addresses, the EtherType of what follows, and that.
type Linked<'a> = (Macs<'a>, u16, View<'a>);

#[inline(always)]
fn link(link_type: u16, v: View<'_>) -> Option<Linked<'_>> {
    match link_type {
        1 => ethernet(v),
        113 => cooked(v),
        276 => cooked_2(v),
        // Raw IP, which begins with its version.
        101 | 228 if v.u8(0) == Some(0x45) => Some((Macs::None, IPV4, v)),
        _ => None,
    }
}

/// Ethernet II, with one VLAN tag (IEEE 802.1Q) or none.
#[inline(always)]
fn ethernet(v: View<'_>) -> Option<Linked<'_>> {
    let (header, rest) = v.split::<14>()?;
    let (dst, src_and_type) = header.split_first_chunk()?;
    let (src, _) = src_and_type.split_first_chunk()?;
    let macs = Macs::Both { src, dst };
    let &[.., e0, e1] = header;
    match u16::from_be_bytes([e0, e1]) {
        VLAN => {
            let (&[_, _, e0, e1], rest) = rest.split()?;
            Some((macs, u16::from_be_bytes([e0, e1]), rest))
        }
        ethertype => Some((macs, ethertype, rest)),
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
    mac: Option<&'a [u8; 6]>,
    (p0, p1, rest): (u8, u8, View<'a>),
) -> Option<Linked<'a>> {
    match u16::from_be_bytes(hardware) {
        778 | 824 => None,
        _ => Some((
            mac.map_or(Macs::None, Macs::Source),
            u16::from_be_bytes([p0, p1]),
            rest,
        )),
    }
}

/// IPv4 without options, whole in one packet, and TCP. No length means that a card was to cut it up: not plain.
#[inline(always)]
fn v4(v: View<'_>) -> Option<(Ip<'_>, View<'_>)> {
    /// More fragments, or an offset.
    const FRAGMENT: u16 = 0x3fff;
    let (header, rest) = v.split::<HEADER>()?;
    let &[0x45, _, l0, l1, _, _, f0, f1, _, TCP, ..] = header else {
        return None;
    };
    let (fixed, addresses) = header.split_first_chunk()?;
    let (src, dst) = addresses.split_first_chunk()?;
    let ip = Ip::V4 {
        fixed,
        src,
        dst: dst.first_chunk()?,
    };
    let len = u32::from(u16::from_be_bytes([l0, l1])).checked_sub(HEADER as u32)?;
    let is_whole = u16::from_be_bytes([f0, f1]) & FRAGMENT == 0;
    is_whole.then(|| (ip, rest.clip(len)))
}

/// IPv6 without extension headers, and TCP.
#[inline(always)]
fn v6(v: View<'_>) -> Option<(Ip<'_>, View<'_>)> {
    let (fixed, rest) = v.split::<8>()?;
    let (src, rest) = rest.split()?;
    let (dst, rest) = rest.split()?;
    let &[0x60..=0x6f, _, _, _, l0, l1, TCP, _] = fixed else {
        return None;
    };
    match u16::from_be_bytes([l0, l1]) {
        0 => None,
        len => Some((Ip::V6 { fixed, src, dst }, rest.clip(u32::from(len)))),
    }
}
