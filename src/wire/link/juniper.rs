//! Juniper's link types: a header of their own before whatever the port carries.

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, ip};
use super::{ethernet, llc, mpls, ppp, relay};

/// "MGC", flags, perhaps extensions; without a layer 2 header, a protocol in its place.
pub fn frame<'a>(link: u16, v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const MAGIC: [u8; 3] = *b"MGC";
    const HAS_EXTENSIONS: u8 = 0x80;
    const NO_LINK_HEADER: u8 = 0x02;
    if v.array::<3>(0)? != MAGIC {
        return None;
    }
    let flags = v.u8(3)?;
    let rest = match flags & HAS_EXTENSIONS {
        0 => v.skip(4)?,
        _ => v.skip(6 + usize::from(v.u16(4)?))?,
    };
    if flags & NO_LINK_HEADER != 0 {
        let protocol = u32::from_le_bytes(rest.array(0)?);
        return Some(by_protocol(protocol, rest.skip(4)?, ctx));
    }
    by_link(link, rest, ctx)
}

/// What the header's protocol number says.
fn by_protocol<'a>(protocol: u32, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match protocol {
        2 | 3 => ip::any_version(v, ctx),
        6 | 7 => ip::v6(v, ctx),
        4 | 5 | 8 | 32 => mpls::stack(v, ctx),
        200 => ppp::ppp(v, ctx),
        202 | 203 => llc::llc(v, ctx),
        204 => ethernet::nested(Some(v), ctx),
        207 => relay::frame_relay(v, ctx).unwrap_or(Decoded::Undecoded),
        208 => ppp::cisco_hdlc(v, ctx),
        _ => Decoded::Other,
    }
}

fn by_link<'a>(link: u16, v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    match link {
        130 => Some(ppp::with_hdlc(v, ctx)),
        131 | 180 => relay::frame_relay(v, ctx),
        135 | 137 => atm(link, v, ctx),
        // Services: a header before the packet.
        136 => Some(ip::any_version(v.skip(12)?, ctx)),
        167 | 178 => Some(ethernet::outermost(v, ctx)),
        // Address and control are always there.
        179 => Some(ppp::ppp(v.skip(2)?, ctx)),
        181 => Some(ppp::cisco_hdlc(v, ctx)),
        // Virtual ports, likewise.
        183 => Some(ip::any_version(v.skip(18)?, ctx)),
        _ => None,
    }
}

/// ATM ports: a cookie of four or eight bytes, then LLC, PPP or IP.
fn atm<'a>(link: u16, v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let cookie = if link == 135 { 8 } else { 4 };
    let rest = v.skip(cookie)?;
    Some(match (rest.u8(0)?, rest.u8(1), rest.u8(2)) {
        (0xaa, Some(0xaa), Some(0x03)) => llc::llc(rest, ctx),
        (0xfe, Some(0xfe), Some(0x03)) => llc::llc(rest, ctx),
        (0xff, Some(0x03), _) => ppp::with_hdlc(rest, ctx),
        (first, _, _) if first >> 4 == 4 || first >> 4 == 6 => ip::any_version(rest, ctx),
        _ => return None,
    })
}
