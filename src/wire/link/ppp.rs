//! PPP, PPPoE and Cisco's HDLC.

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, ip};
use super::{ethernet, llc, mpls, relay};

/// PPP with or without HDLC's address and control (RFC 1662), or Cisco's HDLC in its place (RFC 1547 section 4.3.1).
pub fn with_hdlc<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match v.u8(0) {
        Some(0x0f | 0x8f) => cisco_hdlc(v, ctx),
        Some(0xff) => v.skip(2).map_or(Decoded::Undecoded, |v| ppp(v, ctx)),
        _ => ppp(v, ctx),
    }
}

/// PPP from its protocol on, which takes one byte if that is odd (RFC 1661 section 2).
pub fn ppp<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some(first) = v.u8(0) else {
        return Decoded::Undecoded;
    };
    let (protocol, len) = match first & 1 {
        1 => (Some(u16::from(first)), 1),
        _ => (v.u16(0), 2),
    };
    match (protocol, v.skip(len), ctx.descend()) {
        (Some(protocol), Some(rest), Some(())) => payload(protocol, rest, ctx),
        _ => Decoded::Undecoded,
    }
}

/// IANA "PPP DLL Protocol Numbers".
fn payload<'a>(protocol: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match protocol {
        0x0021 | 0x0800 => ip::any_version(v, ctx),
        0x0057 | 0x86dd => ip::v6(v, ctx),
        0x0023 => relay::network_layer_identifier(v, ctx),
        0x0031 => bridged(v, ctx),
        0x003d => multilink(v, ctx),
        0x0059 => multiplexed(v, ctx),
        0x004b => llc::llc(v, ctx),
        0x0281 | 0x0283 => mpls::stack(v, ctx),
        // Van Jacobson's uncompressed TCP (RFC 1144 section 3.2.2): the protocol's place holds a connection number.
        0x002f => ip::v4_tcp(v, ctx),
        // Compressed headers, compressed or encrypted datagrams.
        0x002d | 0x00fd | 0x0053 => Decoded::Undecoded,
        _ => Decoded::Other,
    }
}

/// A bridged frame (RFC 3518 section 4.2): flags, type of MAC, the frame.
fn bridged<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const FRAME_CHECK: u8 = 0x80;
    const IEEE_802_3: u8 = 1;
    let (Some(flags), Some(IEEE_802_3)) = (v.u8(0), v.u8(1)) else {
        return Decoded::Other;
    };
    let trailer = if flags & FRAME_CHECK != 0 { 4 } else { 0 };
    ethernet::nested(v.trim_end(trailer).skip(2), ctx)
}

/// A multilink fragment (RFC 1990 section 3) that is a whole packet: it both begins and ends one.
fn multilink<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const BEGIN_AND_END: u8 = 0xc0;
    match (v.u8(0), v.skip(4)) {
        (Some(flags), Some(rest)) if flags & BEGIN_AND_END == BEGIN_AND_END => ppp(rest, ctx),
        _ => Decoded::Undecoded,
    }
}

/// PPP multiplexing (RFC 3153): subframes with flags, a length and perhaps their own protocol. The last TCP of them counts.
fn multiplexed<'a>(mut v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const HAS_PROTOCOL: u8 = 0x80;
    const LONG: u8 = 0x40;
    let mut found = Decoded::Other;
    let mut protocol = None;
    while let Some(first) = v.u8(0) {
        let (len, header) = match first & LONG {
            0 => (usize::from(first & 0x3f), 1),
            _ => (usize::from(v.u16(0).unwrap_or(0) & 0x3fff), 2),
        };
        let (Some(body), Some(rest)) = (v.skip(header), v.skip(header + len)) else {
            break;
        };
        let body = body.clip(len as u32);
        if first & HAS_PROTOCOL != 0 {
            let short = body.u8(0).filter(|byte| byte & 1 == 1).map(u16::from);
            let size = if short.is_some() { 1 } else { 2 };
            protocol = short.or(body.u16(0));
            if let (Some(protocol), Some(body)) = (protocol, body.skip(size)) {
                found = ctx.beside(found, |ctx| payload(protocol, body, ctx));
            }
        } else if let Some(protocol) = protocol {
            found = ctx.beside(found, |ctx| payload(protocol, body, ctx));
        }
        v = rest;
    }
    found
}

/// PPPoE session (RFC 2516 section 4): version and type, code, session, length.
pub fn pppoe<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match v.split::<6>() {
        Some((&[_, _, _, _, l0, l1], rest)) => {
            ppp(rest.clip(u32::from(u16::from_be_bytes([l0, l1]))), ctx)
        }
        None => Decoded::Undecoded,
    }
}

/// Cisco's HDLC: address, control, EtherType.
pub fn cisco_hdlc<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[_, _, t0, t1], rest)) = v.split::<4>() else {
        return Decoded::Undecoded;
    };
    match u16::from_be_bytes([t0, t1]) {
        0x0800 => ip::any_version(rest, ctx),
        0x86dd => ip::v6(rest, ctx),
        0x8847 | 0x8848 => mpls::stack(rest, ctx),
        0x6558 => ethernet::nested(Some(rest), ctx),
        // OSI: a byte of padding, then the network layer's identifier.
        0xfefe => rest.skip(1).map_or(Decoded::Undecoded, |rest| {
            relay::network_layer_identifier(rest, ctx)
        }),
        _ => Decoded::Other,
    }
}
