//! GRE and ERSPAN.

use super::super::decoder::Context;
use super::super::link::{ethernet, mpls, ppp, relay, wifi};
use super::super::view::View;
use super::super::{Decoded, ip};
use super::overlay;

/// Flags (RFC 1701, RFC 2784, RFC 2890, RFC 2637 for the acknowledgement).
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// WCCP puts four bytes of its own before the packet in its second version.
const WCCP: u16 = 0x883e;
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;

/// A GRE packet.
pub fn packet<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    read(v, ctx).unwrap_or(Decoded::Undecoded)
}

fn read<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let (flags, protocol) = (v.u16(0)?, v.u16(2)?);
    let mut rest = v.skip(4)?;
    if flags & (CHECKSUM | ROUTING) != 0 {
        rest = rest.skip(4)?;
    }
    if flags & KEY != 0 {
        rest = rest.skip(4)?;
    }
    if flags & SEQUENCE != 0 {
        rest = rest.skip(4)?;
    }
    if flags & VERSION == 1 && flags & ACKNOWLEDGEMENT != 0 {
        rest = rest.skip(4)?;
    }
    if flags & ROUTING != 0 {
        // Source route entries: family, offset, length; a family of zero ends them.
        while let (Some(family), Some(len)) = (rest.u16(0), rest.u8(3)) {
            rest = rest.skip(4 + usize::from(len))?;
            if family == 0 {
                break;
            }
        }
    }
    match protocol {
        // Without a sequence number it is the first version, which has no header.
        ERSPAN if flags & SEQUENCE == 0 => Some(ethernet::nested(Some(rest), ctx)),
        ERSPAN if rest.u8(0)? >> 4 != 1 => None,
        ERSPAN => Some(ethernet::nested(rest.skip(8), ctx)),
        // Looked for right after the first four bytes, as Wireshark does.
        WCCP if v.u8(4)? >> 4 != 4 => Some(ip::any_version(rest.skip(4)?, ctx)),
        _ => Some(payload(protocol, rest, ctx)),
    }
}

/// What a GRE protocol type carries; they are EtherTypes, and a few more.
pub fn payload<'a>(protocol: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    match protocol {
        0x0800 | WCCP => ip::any_version(v, ctx),
        0x86dd => ip::v6(v, ctx),
        0x6558 | 0x6400 => ethernet::frame(v, ctx),
        0x6559 => relay::frame_relay(v, ctx).unwrap_or(Decoded::Undecoded),
        0x00fe => relay::network_layer_identifier(v, ctx),
        // Access points' sniffers.
        0x8200..=0x8370 if protocol & 0x0f == 0 => wifi::frame(v, ctx),
        0x880b => ppp::with_hdlc(v, ctx),
        // CDMA2000's A10 interface: HDLC with its flags and escapes.
        0x8881 | 0x88d2 => Decoded::Undecoded,
        0x8847 | 0x8848 => mpls::stack(v, ctx),
        0x894f => overlay::nsh(v, ctx),
        ERSPAN => ethernet::nested(v.skip(8), ctx),
        ERSPAN_3 => erspan_3(v, ctx).unwrap_or(Decoded::Undecoded),
        _ => Decoded::Other,
    }
}

/// ERSPAN's third version, numbered 2: twelve bytes, eight more if the last bit says so; then Ethernet if the type is 0.
fn erspan_3<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const VERSION: u8 = 2;
    let kind = v.u16(10)?;
    let rest = v.skip(if kind & 1 != 0 { 20 } else { 12 })?;
    match (v.u8(0)? >> 4, (kind >> 10) & 0x1f) {
        (VERSION, 0) => Some(ethernet::nested(Some(rest), ctx)),
        _ => None,
    }
}
