//! Tunnels of mobile networks and of access points.

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::ip;
use super::super::link::{ethernet, wifi};
use super::super::view::View;

/// GTP-U (3GPP TS 29.281 section 5.1): flags, type, length, tunnel; then optional fields and extension headers.
pub fn gtp_user<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const USER_DATA: u8 = 255;
    const OPTIONAL_FIELDS: u8 = 0x07;
    const EXTENSIONS: u8 = 0x04;
    let (flags, kind) = (v.u8(0)?, v.u8(1)?);
    // Version 2 only signals (3GPP TS 29.274).
    if kind != USER_DATA || flags >> 5 > 1 {
        return Some(Decoded::Other);
    }
    // The first version of all has a longer header (3GPP TS 09.60 section 6).
    if flags >> 5 == 0 {
        return Some(user_packet(v.skip(20)?, ctx));
    }
    let mut rest = v.skip(8)?;
    if flags & OPTIONAL_FIELDS != 0 {
        let mut next = rest.u8(3)?;
        rest = rest.skip(4)?;
        while flags & EXTENSIONS != 0 && next != 0 {
            let len = usize::from(rest.u8(0)?) * 4;
            next = rest.u8(len.checked_sub(1)?)?;
            rest = rest.skip(len)?;
        }
    }
    Some(user_packet(rest, ctx))
}

/// The header does not say what it carries: IP shows itself, Ethernet by its type.
fn user_packet<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match v.u8(0) {
        Some(0x45..=0x4e) => ip::v4(v, ctx),
        Some(0x60..=0x6f) => ip::v6(v, ctx),
        _ if matches!(v.u16(12), Some(0x0800 | 0x86dd)) => ethernet::nested(Some(v), ctx),
        _ => Decoded::Other,
    }
}

/// CAPWAP's data channel (RFC 5415 section 4.3).
pub fn capwap<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    /// With DTLS.
    const ENCRYPTED: u8 = 1;
    const NATIVE_FRAME: u8 = 0x01;
    const FRAGMENT: u8 = 0x80;
    const KEEP_ALIVE: u8 = 0x08;
    if v.u8(0)? & 0x0f == ENCRYPTED {
        return Some(Decoded::Undecoded);
    }
    let (lengths, kinds, flags) = (v.u8(1)?, v.u8(2)?, v.u8(3)?);
    if flags & (FRAGMENT | KEEP_ALIVE) != 0 {
        return Some(Decoded::Other);
    }
    let rest = v.skip(usize::from(lengths >> 3) * 4)?;
    Some(match kinds & NATIVE_FRAME {
        0 => ethernet::nested(Some(rest), ctx),
        _ => wifi::swapped_frame(rest, ctx),
    })
}

/// LWAPP (RFC 5412 section 4): flags, fragment, length, radio; data frames are 802.11.
pub fn lwapp<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const CONTROL: u8 = 0x04;
    match (v.u8(0), v.skip(6)) {
        (Some(flags), Some(rest)) if flags & CONTROL == 0 => wifi::frame(rest, ctx),
        (Some(_), _) => Decoded::Other,
        _ => Decoded::Undecoded,
    }
}

/// The same over UDP.
pub fn lwapp_over_udp<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    Some(lwapp(v, ctx))
}

/// What access points in sniffer mode send to an analyser, on any port: a magic number, version, header length; then 802.11.
pub fn peek_remote<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const MAGIC: u32 = 0x00ff_abcd;
    if v.u32(0)? != MAGIC {
        return None;
    }
    let header = usize::try_from(v.u32(5)?).ok()?;
    Some(wifi::frame(v.skip(header)?, ctx))
}
