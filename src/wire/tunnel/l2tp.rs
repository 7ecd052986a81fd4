//! L2TP, versions 2 (RFC 2661) and 3 (RFC 3931).

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::ip;
use super::super::link::{ethernet, llc, ppp};
use super::super::view::View;

const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;

/// Over UDP: both versions share the flags and the version.
pub fn over_udp<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let flags = v.u16(0)?;
    if flags & CONTROL != 0 {
        return Some(Decoded::Other);
    }
    match flags & 0x000f {
        2 => data(flags, v.skip(2)?, ctx),
        3 => session(v.skip(8)?, ctx),
        _ => Some(Decoded::Other),
    }
}

/// Over IP only version 3; a session of zero is control.
pub fn over_ip<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    match v.u32(0)? {
        0 => Some(Decoded::Other),
        _ => session(v.skip(4)?, ctx),
    }
}

/// Version 2: length, tunnel and session, sequence, offset, as the flags have them; then PPP.
fn data<'a>(flags: u16, v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let mut header = 4;
    if flags & LENGTH != 0 {
        header += 2;
    }
    if flags & SEQUENCE != 0 {
        header += 4;
    }
    if flags & OFFSET != 0 {
        header += 2 + usize::from(v.u16(header)?);
    }
    Some(ppp::with_hdlc(v.skip(header)?, ctx))
}

/// Version 3: the cookie's length, the sublayer and what is carried were agreed out of sight; what is there shows itself.
fn session<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const ETHERTYPES: [u16; 4] = [0x0800, 0x86dd, 0x8100, 0x0806];
    for cookie in [0, 4, 8, 12] {
        let rest = v.skip(cookie)?;
        if ETHERTYPES.contains(&rest.u16(12)?) {
            return Some(ethernet::nested(Some(rest), ctx));
        }
        match (rest.u8(0)?, rest.u8(1)?) {
            (0xff, 0x03) | (0x0f | 0x8f, 0) => return Some(ppp::with_hdlc(rest, ctx)),
            (0xaa, 0xaa) => return Some(llc::llc(rest, ctx)),
            (0x45, _) => return Some(ip::v4(rest, ctx)),
            _ => {}
        }
    }
    None
}
