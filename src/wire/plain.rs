//! The frame that nearly all are: Ethernet, Linux cooked or nothing, then IP without options or fragments, then a whole TCP header.
//!
//! It is read straight, without the steps that anything else needs. What is not plain goes the general way, and what is reads the same
//! on both.

use super::options::{self, Options};
use super::tcp::{self, Fixed};
use super::{Addresses, Besides, Ends, Head, MacAddress, Segment, TcpOptions, Ttl};
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
        let (src_mac, ethertype, packet) = link(frame.link.0, frame.data)?;
        let of = |headed| Self::headed(frame, src_mac, packet, headed);
        match ethertype {
            IPV4 => of(v4(packet)?),
            IPV6 => of(v6(packet)?),
            _ => None,
        }
    }

    #[inline(always)]
    fn headed(
        frame: &Frame<'a>,
        src_mac: Option<&'a [u8; 6]>,
        packet: &'a [u8],
        (ip, fixed, rest, len): Headed<'a>,
    ) -> Option<Self> {
        let options_len = Fixed::read(fixed).header_len.checked_sub(HEADER)?;
        // What follows the length that IP states is padding or a trailer.
        let (bytes, wire) = match rest.get(..len as usize) {
            Some(whole) => (whole, len),
            None => (rest, len.min(on_the_wire(frame, rest))),
        };
        let (options, payload) = bytes.split_at_checked(options_len)?;
        Some(Self {
            frame: frame.id,
            time: frame.time,
            interface: frame.interface,
            src_mac,
            ip,
            fixed,
            packet,
            options,
            payload,
            payload_len: wire.wrapping_sub(options_len as u32),
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

    /// Writes its header down, field by field, to where it stays: such a thing is not moved. Returns what else few have.
    #[inline(always)]
    pub fn write_head(&self, head: &mut Head) -> Option<Besides> {
        let fixed = Fixed::read(self.fixed);
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
        match self.src_mac {
            Some(mac) => head.src_mac = Some(MacAddress(*mac)),
            None => head.src_mac = None,
        }
        let others = self.write_timestamps(head);
        let is_rst = fixed.flags.rst();
        (is_rst || others.is_some()).then(|| Besides {
            options: others.unwrap_or_default(),
            checksum_ok: is_rst.then(|| self.is_sound()).flatten(),
        })
    }

    /// Writes down what its options say of timestamps. Returns what they say besides, if there are others.
    #[inline(always)]
    fn write_timestamps(&self, head: &mut Head) -> Option<TcpOptions> {
        if self.options.is_empty() {
            head.timestamps = None;
            head.has_options = false;
            return None;
        }
        if let Some(timestamps) = options::timestamps_alone(self.options) {
            head.timestamps = Some(timestamps);
            head.has_options = true;
            return None;
        }
        let options = Options::parse(self.options);
        head.timestamps = options.timestamps;
        head.has_options = options.any;
        Some(options.others)
    }

    /// Its segment.
    pub fn segment(&self) -> Segment<'a> {
        let mut head = Head::default();
        let besides = self.write_head(&mut head).unwrap_or_default();
        let bytes = self.segment_bytes();
        Segment {
            header: bytes.get(..HEADER + self.options.len()).unwrap_or(bytes),
            ..besides.segment(&head, &self.ends(), self.payload)
        }
    }

    /// Whether its checksum is right; nothing where it was cut.
    fn is_sound(&self) -> Option<bool> {
        let is_whole = self.payload.len() == self.payload_len as usize;
        is_whole.then(|| tcp::checksum_is_right(&self.ip.addresses(), self.segment_bytes()))
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

/// Length on the wire of what ends a frame of which not all was captured.
#[cold]
fn on_the_wire(frame: &Frame<'_>, rest: &[u8]) -> u32 {
    let cut_off = (frame.original_len as usize).saturating_sub(frame.data.len());
    u32::try_from(rest.len().saturating_add(cut_off)).unwrap_or(u32::MAX)
}

/// What the link layer says: the source's MAC address, the EtherType of what follows, and that.
type Linked<'a> = (Option<&'a [u8; 6]>, u16, &'a [u8]);

#[inline(always)]
fn link(link_type: u16, bytes: &[u8]) -> Option<Linked<'_>> {
    match link_type {
        1 => ethernet(bytes),
        113 => cooked(bytes),
        276 => cooked_2(bytes),
        // Raw IP, which begins with its version.
        101 | 228 if bytes.first() == Some(&0x45) => Some((None, IPV4, bytes)),
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
    let src = src.first_chunk()?;
    match u16::from_be_bytes([*e0, *e1]) {
        VLAN => {
            let (&[_, _, e0, e1], rest) = rest.split_first_chunk()?;
            Some((Some(src), u16::from_be_bytes([e0, e1]), rest))
        }
        ethertype => Some((Some(src), ethertype, rest)),
    }
}

/// `LINKTYPE_LINUX_SLL`
fn cooked(bytes: &[u8]) -> Option<Linked<'_>> {
    let ([_, _, hardware @ .., p0, p1], rest) = bytes.split_first_chunk::<16>()?;
    let [h0, h1, l0, l1, mac @ .., _, _] = hardware;
    let linked = (*p0, *p1, rest);
    cooked_as([*h0, *h1], ([*l0, *l1] == [0, 6]).then_some(mac), linked)
}

/// `LINKTYPE_LINUX_SLL2`
fn cooked_2(bytes: &[u8]) -> Option<Linked<'_>> {
    let ([p0, p1, _, _, _, _, _, _, hardware @ ..], rest) = bytes.split_first_chunk::<20>()?;
    let [h0, h1, _, len, mac @ .., _, _] = hardware;
    cooked_as([*h0, *h1], (*len == 6).then_some(mac), (*p0, *p1, rest))
}

/// Cooked, unless the hardware type (`linux/if_arp.h`) gives EtherTypes another meaning: GRE and netlink do.
fn cooked_as<'a>(
    hardware: [u8; 2],
    src_mac: Option<&'a [u8; 6]>,
    (p0, p1, rest): (u8, u8, &'a [u8]),
) -> Option<Linked<'a>> {
    match u16::from_be_bytes(hardware) {
        778 | 824 => None,
        _ => Some((src_mac, u16::from_be_bytes([p0, p1]), rest)),
    }
}

/// What the network layer says, TCP's header as far as every segment has it, what was captured behind that, and how many bytes
/// follow there by the length that IP states.
type Headed<'a> = (Ip<'a>, &'a [u8; tcp::PLACEABLE], &'a [u8], u32);

/// IPv4 without options, whole in one packet, and TCP. No length means that a card was to cut it up: not plain.
///
/// Both headers are looked for at once: then everything in them has its place.
#[inline(always)]
fn v4(packet: &[u8]) -> Option<Headed<'_>> {
    /// More fragments, or an offset.
    const FRAGMENT: u16 = 0x3fff;
    const HEADERS: usize = HEADER + HEADER;
    let (headers, rest) = packet.split_first_chunk::<HEADERS>()?;
    let &[0x45, _, l0, l1, _, _, f0, f1, _, TCP, ..] = headers else {
        return None;
    };
    if u16::from_be_bytes([f0, f1]) & FRAGMENT != 0 {
        return None;
    }
    let (fixed, ends) = headers.split_first_chunk()?;
    let (src, ends) = ends.split_first_chunk()?;
    let (dst, tcp) = ends.split_first_chunk()?;
    let len = u32::from(u16::from_be_bytes([l0, l1])).checked_sub(HEADERS as u32)?;
    Some((Ip::V4 { fixed, src, dst }, tcp.first_chunk()?, rest, len))
}

/// IPv6 without extension headers, and TCP.
#[inline(always)]
fn v6(packet: &[u8]) -> Option<Headed<'_>> {
    let (headers, rest) = packet.split_first_chunk::<{ IPV6_HEADER + HEADER }>()?;
    let (fixed, ends) = headers.split_first_chunk()?;
    let (src, ends) = ends.split_first_chunk()?;
    let (dst, tcp) = ends.split_first_chunk()?;
    let &[0x60..=0x6f, _, _, _, l0, l1, TCP, _] = fixed else {
        return None;
    };
    let len = u32::from(u16::from_be_bytes([l0, l1])).checked_sub(HEADER as u32)?;
    Some((Ip::V6 { fixed, src, dst }, tcp.first_chunk()?, rest, len))
}
