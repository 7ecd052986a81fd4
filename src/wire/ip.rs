//! IPv4 and IPv6 headers, their fragments, extension headers, and what follows them.

use std::net::Ipv4Addr;

use etherparse::{
    IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice,
};

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

/// What follows an IP header, by its protocol number.
#[inline]
pub(super) fn protocol<'a>(protocol: IpNumber, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match protocol {
        IpNumber::TCP => tcp::segment(v, ctx),
        IpNumber::ICMP => icmp::v4(v, ctx),
        IpNumber::IPV6_ICMP => icmp::v6(v, ctx),
        IpNumber::IPV6_FRAGMENTATION_HEADER => v6_fragment(v, ctx),
        IpNumber::IPV6_HEADER_HOP_BY_HOP
        | IpNumber::IPV6_DESTINATION_OPTIONS
        | IpNumber::IPV6_ROUTE_HEADER
        | IpNumber::SHIM6 => extension(v, ctx),
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

/// An IPv4 packet (RFC 791).
#[inline]
pub(super) fn v4<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    v4_with(None, v, ctx)
}

/// An IPv4 packet that carries TCP whatever its protocol field says.
pub(super) fn v4_tcp<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    v4_with(Some(IpNumber::TCP), v, ctx)
}

impl IpHeader {
    #[inline]
    fn of_v4(header: &Ipv4HeaderSlice<'_>) -> Self {
        let dst = match header.options() {
            [] => None,
            options => source_route_end(options),
        };
        Self {
            addresses: Addresses::V4 {
                src: header.source_addr(),
                dst: dst.unwrap_or(header.destination_addr()),
            },
            ttl: Ttl(header.ttl()),
            id: Some(header.identification()),
            dont_fragment: header.dont_fragment(),
            traffic_class: (header.dcp().value() << 2) | header.ecn().value(),
        }
    }

    fn of_v6(header: &Ipv6HeaderSlice<'_>) -> Self {
        Self {
            addresses: Addresses::V6 {
                src: header.source_addr(),
                dst: header.destination_addr(),
            },
            ttl: Ttl(header.hop_limit()),
            id: None,
            dont_fragment: true,
            traffic_class: header.traffic_class(),
        }
    }
}

#[inline]
fn v4_with<'a>(known: Option<IpNumber>, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    let header = match Ipv4HeaderSlice::from_slice(v.bytes) {
        Ok(header) => header,
        Err(_) if v.u8(0).is_some_and(|first| first >> 4 == 6) => return v6(v, ctx),
        Err(_) => return Decoded::Undecoded,
    };
    let header_len = header.slice().len();
    // Zero: the kernel leaves the length of a segment that the card will cut up (TSO) to the frame.
    let total_len = match header.total_len() {
        0 => v.wire,
        len => u32::from(len),
    };
    if total_len < header_len as u32 {
        return Decoded::Undecoded;
    }
    let Some(payload) = v.clip(total_len).skip(header_len) else {
        return Decoded::Undecoded;
    };
    if payload.wire == 0 {
        return Decoded::Other;
    }
    ctx.ip = IpHeader::of_v4(&header);
    let carried = known.unwrap_or(header.protocol());
    if !header.is_fragmenting_payload() {
        return protocol(carried, payload, ctx);
    }
    let place = Place {
        offset: u32::from(header.fragments_offset().byte_offset()),
        tail: if header.more_fragments() {
            Tail::More
        } else {
            Tail::Last
        },
        wire: total_len - header_len as u32,
        id: u32::from(header.identification()),
        key_protocol: carried.0,
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
    let Ok(header) = Ipv6HeaderSlice::from_slice(v.bytes) else {
        return Decoded::Undecoded;
    };
    let Some(payload) = v.skip(header.slice().len()) else {
        return Decoded::Undecoded;
    };
    ctx.ip = IpHeader::of_v6(&header);
    // Zero: a jumbogram (RFC 2675) or a segment for the card to cut up; the frame knows the length.
    let payload_len = match header.payload_length() {
        0 => payload.wire,
        len => u32::from(len),
    };
    ctx.beyond_frame = payload_len.saturating_sub(payload.wire);
    protocol(header.next_header(), payload.clip(payload_len), ctx)
}

/// An IPv6 extension header of the common form (RFC 6564 section 4) and what follows it.
fn extension<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    let Ok(header) = Ipv6RawExtHeaderSlice::from_slice(v.bytes) else {
        return Decoded::Undecoded;
    };
    match v.skip(header.slice().len()) {
        Some(rest) => protocol(header.next_header(), rest, ctx),
        None => Decoded::Undecoded,
    }
}

/// The fragment header (RFC 8200 section 4.5). An atomic fragment (RFC 6946) is whole in itself.
fn v6_fragment<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(v.bytes) else {
        return Decoded::Undecoded;
    };
    let Some(payload) = v.skip(header.slice().len()) else {
        return Decoded::Undecoded;
    };
    if !header.is_fragmenting_payload() {
        return protocol(header.next_header(), payload, ctx);
    }
    let place = Place {
        offset: u32::from(header.fragment_offset().byte_offset()),
        tail: if header.more_fragments() {
            Tail::More
        } else {
            Tail::Last
        },
        wire: payload.wire + ctx.beyond_frame,
        id: header.identification(),
        key_protocol: 0,
        key_vlan: 0,
        protocol: header.next_header(),
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
    protocol: IpNumber,
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
