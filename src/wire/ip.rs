//! IPv4 and IPv6 headers, their fragments, extension headers, and what follows them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::decoder::{Carried, Context, Datagram};
use super::fragment::{DatagramKey, Piece, Tail};
use super::link::ppp;
use super::view::View;
use super::{Addresses, Decoded, Ttl, icmp, tcp, tunnel};

/// What an IP header says that a segment keeps.
#[derive(Clone, Copy)]
pub(super) struct IpHeader {
    pub addresses: Addresses,
    pub ttl: Ttl,
    pub id: Option<u16>,
    pub dont_fragment: bool,
    pub traffic_class: u8,
}

/// IANA "Assigned Internet Protocol Numbers".
mod number {
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const ICMPV6: u8 = 58;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const SHIM6: u8 = 140;
}

/// What follows an IP header, by its protocol number.
#[inline]
pub(super) fn protocol<'a>(protocol: u8, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match protocol {
        number::TCP => tcp::segment(v, ctx),
        number::ICMP => icmp::v4(v, ctx),
        number::ICMPV6 => icmp::v6(v, ctx),
        number::HOP_BY_HOP
        | number::DESTINATION_OPTIONS
        | number::ROUTING
        | number::SHIM6
        | number::FRAGMENT => extension(protocol, v, ctx),
        other => tunnel::over_ip(other, v, ctx),
    }
}

/// An IP packet whose version is known only from its first four bits.
pub(super) fn any_version<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match v.u8(0).map(|first| first >> 4) {
        Some(4) => v4(v, ctx),
        Some(6) => v6(v, ctx),
        _ => Decoded::Undecoded,
    }
}

/// Offset, in units of 8 bytes, and flags of a fragment (RFC 791 section 3.1).
const MORE_FRAGMENTS: u16 = 0x2000;
const DONT_FRAGMENT: u16 = 0x4000;
const OFFSET: u16 = 0x1fff;

/// An IPv4 packet (RFC 791).
#[inline]
pub(super) fn v4<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    v4_with(None, v, ctx)
}

/// An IPv4 packet that carries TCP whatever its protocol field says.
pub(super) fn v4_tcp<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    v4_with(Some(number::TCP), v, ctx)
}

/// The fixed part of an IPv4 header.
struct V4Fixed {
    version: u8,
    header_len: usize,
    /// As it stands there; 0 where the kernel left it to the card.
    total_len: u16,
    flags_and_offset: u16,
    protocol: u8,
    header: IpHeader,
}

impl V4Fixed {
    const LEN: usize = 20;

    #[inline]
    fn read(bytes: &[u8; Self::LEN]) -> Self {
        let [first, traffic_class, l0, l1, i0, i1, f0, f1, rest @ ..] = *bytes;
        let [ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = rest;
        let flags_and_offset = u16::from_be_bytes([f0, f1]);
        Self {
            version: first >> 4,
            header_len: usize::from(first & 0x0f) * 4,
            total_len: u16::from_be_bytes([l0, l1]),
            flags_and_offset,
            protocol,
            header: IpHeader {
                addresses: Addresses::V4 {
                    src: Ipv4Addr::new(s0, s1, s2, s3),
                    dst: Ipv4Addr::new(d0, d1, d2, d3),
                },
                ttl: Ttl(ttl),
                id: Some(u16::from_be_bytes([i0, i1])),
                dont_fragment: flags_and_offset & DONT_FRAGMENT != 0,
                traffic_class,
            },
        }
    }

    /// Follows a source route among the options.
    fn follow_route(&mut self, options: &[u8]) {
        if let (Addresses::V4 { dst, .. }, Some(end)) =
            (&mut self.header.addresses, source_route_end(options))
        {
            *dst = end;
        }
    }
}

#[inline]
fn v4_with<'a>(known: Option<u8>, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let (Some(bytes), Some(())) = (v.bytes.first_chunk(), ctx.descend()) else {
        return Decoded::Undecoded;
    };
    let mut fixed = V4Fixed::read(bytes);
    match fixed.version {
        4 => {}
        6 => return v6(v, ctx),
        _ => return Decoded::Undecoded,
    }
    // Zero: the kernel leaves the length of a segment that the card will cut up (TSO) to the frame.
    let total_len = match fixed.total_len {
        0 => v.wire,
        len => u32::from(len),
    };
    if fixed.header_len < V4Fixed::LEN || total_len < fixed.header_len as u32 {
        return Decoded::Undecoded;
    }
    let Some(payload) = v.clip(total_len).skip(fixed.header_len) else {
        return Decoded::Undecoded;
    };
    if let Some(options @ [_, ..]) = v.bytes.get(V4Fixed::LEN..fixed.header_len) {
        fixed.follow_route(options);
    }
    if payload.wire == 0 {
        return Decoded::Other;
    }
    ctx.ip = fixed.header;
    let carried = known.unwrap_or(fixed.protocol);
    if fixed.flags_and_offset & (MORE_FRAGMENTS | OFFSET) == 0 {
        return protocol(carried, payload, ctx);
    }
    let place = Place {
        offset: u32::from(fixed.flags_and_offset & OFFSET) * 8,
        tail: if fixed.flags_and_offset & MORE_FRAGMENTS == 0 {
            Tail::Last
        } else {
            Tail::More
        },
        wire: total_len - fixed.header_len as u32,
        id: fixed.header.id.map_or(0, u32::from),
        key_protocol: carried,
        key_vlan: ctx.vlan,
        protocol: carried,
    };
    fragment_of(payload, place, ctx)
}

/// Where a packet with a source route that is not used up will end: the route's last address (RFC 791 section 3.1).
fn source_route_end(mut options: &[u8]) -> Option<Ipv4Addr> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const LOOSE: u8 = 131;
    const STRICT: u8 = 137;
    loop {
        match *options {
            [] | [END, ..] => return None,
            [NOP, ref rest @ ..] => options = rest,
            [LOOSE | STRICT, len, pointer, ..] => {
                let route = options.get(3..usize::from(len))?;
                let last = route.last_chunk::<4>()?;
                return (pointer <= len).then(|| Ipv4Addr::from(*last));
            }
            [_, len, ..] if len >= 2 => options = options.get(usize::from(len)..)?,
            _ => return None,
        }
    }
}

/// `LINKTYPE_RAW`, before which old Linux drivers left parts of PPP's and their own headers.
pub(super) fn raw<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const PPP: u16 = 0xff03;
    let header = [0, 6, 1].into_iter().find(|&at| v.u16(at) == Some(PPP));
    match header.and_then(|at| v.skip(at)) {
        Some(v) => ppp::with_hdlc(v, ctx),
        None if v.array::<10>(0) == Some([0; 10]) => {
            v.skip(10).map_or(Decoded::Undecoded, |v| v4(v, ctx))
        }
        None => any_version(v, ctx),
    }
}

/// An IPv6 packet (RFC 8200).
pub(super) fn v6<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    let Some((head, payload)) = v.split::<40>() else {
        return Decoded::Undecoded;
    };
    let [v0, v1, _, _, l0, l1, next, hop_limit, addresses @ ..] = head;
    if v0 >> 4 != 6 {
        return Decoded::Undecoded;
    }
    let (src, dst) = addresses.split_at(16);
    let (Ok(src), Ok(dst)) = (<[u8; 16]>::try_from(src), <[u8; 16]>::try_from(dst)) else {
        return Decoded::Undecoded;
    };
    ctx.ip = IpHeader {
        addresses: Addresses::V6 {
            src: Ipv6Addr::from(src),
            dst: Ipv6Addr::from(dst),
        },
        ttl: Ttl(*hop_limit),
        id: None,
        dont_fragment: true,
        traffic_class: (v0 << 4) | (v1 >> 4),
    };
    // Zero: a jumbogram (RFC 2675) or a segment for the card to cut up; the frame knows the length.
    let payload_len = match u16::from_be_bytes([*l0, *l1]) {
        0 => payload.wire,
        len => u32::from(len),
    };
    ctx.beyond_frame = payload_len.saturating_sub(payload.wire);
    let payload = payload.clip(payload_len);
    protocol(*next, payload, ctx)
}

/// An IPv6 extension header and what follows it. They start alike: next header, then (but for fragments) the length.
fn extension<'a>(kind: u8, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    if kind == number::FRAGMENT {
        return v6_fragment(v, ctx);
    }
    let (Some(next), Some(len)) = (v.u8(0), v.u8(1)) else {
        return Decoded::Undecoded;
    };
    match v.skip((usize::from(len) + 1) * 8) {
        Some(rest) => protocol(next, rest, ctx),
        None => Decoded::Undecoded,
    }
}

/// The fragment header (RFC 8200 section 4.5). An atomic fragment (RFC 6946) is whole in itself.
fn v6_fragment<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[next, _, o0, o1, id @ ..], payload)) = v.split::<8>() else {
        return Decoded::Undecoded;
    };
    let offset_and_flags = u16::from_be_bytes([o0, o1]);
    if offset_and_flags & !0x0006 == 0 {
        return protocol(next, payload, ctx);
    }
    let place = Place {
        offset: u32::from(offset_and_flags & 0xfff8),
        tail: if offset_and_flags & 1 == 0 {
            Tail::Last
        } else {
            Tail::More
        },
        wire: payload.wire + ctx.beyond_frame,
        id: u32::from_be_bytes(id),
        key_protocol: 0,
        key_vlan: 0,
        protocol: next,
    };
    fragment_of(payload, place, ctx)
}

/// Where a fragment belongs.
struct Place {
    /// In bytes.
    offset: u32,
    tail: Tail,
    /// Its length, by the IP header.
    wire: u32,
    id: u32,
    /// The protocol as part of the datagram's key (IPv4), 0 in IPv6.
    key_protocol: u8,
    /// Likewise.
    key_vlan: u16,
    protocol: u8,
}

fn fragment_of<'a>(payload: View<'a>, place: Place, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some(bytes) = payload
        .bytes
        .get(..place.wire as usize)
        .filter(|b| !b.is_empty())
    else {
        // The snap length cut it: the datagram will never be whole. The first fragment still shows the header (which Wireshark
        // takes in IPv4 only).
        if place.offset != 0 || matches!(ctx.ip.addresses, Addresses::V6 { .. }) {
            return Decoded::Other;
        }
        ctx.cut_fragment = true;
        return protocol(place.protocol, payload, ctx);
    };
    let key = DatagramKey {
        addresses: ctx.ip.addresses,
        id: place.id,
        protocol: place.key_protocol,
        vlan: place.key_vlan,
    };
    let piece = Piece {
        offset: place.offset,
        bytes,
        tail: place.tail,
    };
    if let Some(whole) = ctx.fragments.datagrams.add(key, piece) {
        ctx.datagram = Some(Datagram {
            payload: whole,
            header: ctx.ip,
            carried: Carried::Ip(place.protocol),
            quoted_by: ctx.quoted_by,
        });
    }
    Decoded::Other
}
