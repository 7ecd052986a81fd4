//! Link layers: how the frames of each link type begin, and EtherTypes.

use super::decoder::Context;
use super::view::View;
use super::{Decoded, MacAddress, ip};

/// Decodes a frame of a link type, as pcap files number them (<https://www.tcpdump.org/linktypes.html>).
#[inline]
pub(super) fn frame<'a>(link: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match link {
        0 | 108 => null(v, ctx),
        1 => outermost_ethernet(v, ctx),
        // 12 and 14: what some systems wrote for 101.
        12 | 14 | 101 | 228 | 229 => ip::any_version(v, ctx),
        113 => linux_cooked(v, ctx),
        276 => linux_cooked_2(v, ctx),
        _ => Decoded::Undecoded,
    }
}

/// EtherTypes and lengths in their place share 16 bits (IEEE 802.3 clause 3.2.6).
const MAX_LENGTH: u16 = 1500;

fn outermost_ethernet<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1], rest)) = v.split::<14>()
    else {
        return Decoded::Undecoded;
    };
    ctx.dst_mac = Some(MacAddress([d0, d1, d2, d3, d4, d5]));
    ctx.src_mac = Some(MacAddress([s0, s1, s2, s3, s4, s5]));
    ethertype(u16::from_be_bytes([t0, t1]), rest, ctx)
}

/// What an EtherType says follows.
#[inline]
pub(super) fn ethertype<'a>(ethertype: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match ethertype {
        0x0800 => ip::v4(v, ctx),
        0x86dd => ip::v6(v, ctx),
        0x8100 | 0x88a8 | 0x9100 => vlan(v, ctx),
        ..=MAX_LENGTH => Decoded::Undecoded,
        _ => Decoded::Other,
    }
}

/// IEEE 802.1Q: tag control information, then the EtherType of what is tagged.
fn vlan<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    let Some((&[c0, c1, t0, t1], rest)) = v.split::<4>() else {
        return Decoded::Undecoded;
    };
    ctx.vlan = u16::from_be_bytes([c0, c1]) & 0x0fff;
    ethertype(u16::from_be_bytes([t0, t1]), rest, ctx)
}

/// `LINKTYPE_LINUX_SLL`: packet type, hardware type, address length, address, protocol.
fn linux_cooked<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[_, _, _, _, l0, l1, s0, s1, s2, s3, s4, s5, _, _, p0, p1], rest)) = v.split::<16>()
    else {
        return Decoded::Undecoded;
    };
    if [l0, l1] == [0, 6] {
        ctx.src_mac = Some(MacAddress([s0, s1, s2, s3, s4, s5]));
    }
    ethertype(u16::from_be_bytes([p0, p1]), rest, ctx)
}

/// `LINKTYPE_LINUX_SLL2`: protocol, reserved, interface, hardware type, packet type, address length, address.
fn linux_cooked_2<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((
        &[
            p0,
            p1,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            len,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            _,
            _,
        ],
        rest,
    )) = v.split::<20>()
    else {
        return Decoded::Undecoded;
    };
    if len == 6 {
        ctx.src_mac = Some(MacAddress([s0, s1, s2, s3, s4, s5]));
    }
    ethertype(u16::from_be_bytes([p0, p1]), rest, ctx)
}

/// BSD loopback: the address family in the byte order of whoever captured (or, in OpenBSD's, in network order).
fn null<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&family, rest)) = v.split::<4>() else {
        return Decoded::Undecoded;
    };
    let big = u32::from_be_bytes(family);
    match if big > 0xffff { big.swap_bytes() } else { big } {
        2 => ip::v4(rest, ctx),
        // NetBSD, OpenBSD; FreeBSD; Darwin; Linux; Windows.
        24 | 28 | 30 | 10 | 23 => ip::v6(rest, ctx),
        _ => Decoded::Other,
    }
}
