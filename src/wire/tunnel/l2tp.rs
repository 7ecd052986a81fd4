//! L2TP, versions 2 (RFC 2661) and 3 (RFC 3931).

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::link::ppp;
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
        2 => data(flags, v, ctx),
        // The lengths of a session's cookie and sublayer, and what it carries, were agreed in control messages.
        3 => Some(Decoded::Undecoded),
        _ => Some(Decoded::Other),
    }
}

/// Version 2: length, tunnel and session, sequence, offset, as the flags have them; then PPP.
fn data<'a>(flags: u16, mut v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let mut header = 6;
    if flags & LENGTH != 0 {
        v = v.clip(u32::from(v.u16(2)?));
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
