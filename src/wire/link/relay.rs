//! Frame relay, ATM and AX.25.

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, ip};
use super::{ethernet, llc, ppp};

/// Unnumbered information: HDLC's control byte for datagrams.
const UNNUMBERED_INFORMATION: u8 = 0x03;

/// Frame relay: an address of two to four bytes, then RFC 2427's control and identifier or Cisco's EtherType.
pub fn frame_relay<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const LAST_ADDRESS_BYTE: u8 = 1;
    const MAX_ADDRESS: usize = 4;
    let last = v
        .bytes
        .iter()
        .take(MAX_ADDRESS)
        .position(|b| b & LAST_ADDRESS_BYTE != 0)?;
    let rest = v.skip(last + 1)?;
    if rest.u8(0)? == UNNUMBERED_INFORMATION {
        return Some(network_layer_identifier(rest.skip(1)?, ctx));
    }
    Some(ethernet::payload(rest.u16(0)?, rest.skip(2)?, ctx))
}

/// ISO/IEC TR 9577: a byte that says which network layer follows.
pub fn network_layer_identifier<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let (Some(identifier), Some(rest)) = (v.u8(0), v.skip(1)) else {
        return Decoded::Undecoded;
    };
    match identifier {
        // Padding.
        0 if rest.u8(0).is_some_and(|next| next != 0) => network_layer_identifier(rest, ctx),
        0x80 => llc::snap(rest, llc::BridgePad::None, ctx),
        0x8e => ip::v6(rest, ctx),
        0xcc => ip::any_version(rest, ctx),
        0xcf => ppp::ppp(rest, ctx),
        _ => Decoded::Other,
    }
}

/// `LINKTYPE_SUNATM`: direction and traffic type, virtual path and circuit.
pub fn sun_atm<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let (&[flags, ..], rest) = v.split::<4>()?;
    Some(match flags & 0x0f {
        1 => ethernet::nested(rest.skip(2), ctx),
        2 => llc::llc(rest, ctx),
        // Unsaid, but LLC shows itself.
        _ if rest.array(0) == Some([0xaa, 0xaa, 0x03]) => llc::llc(rest, ctx),
        _ => Decoded::Other,
    })
}

/// AX.25: addresses of seven bytes each, the last with its lowest bit set; control; protocol.
pub fn ax25<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const ADDRESS: usize = 7;
    const MAX_ADDRESSES: usize = 10;
    const IP: u8 = 0xcc;
    let addresses =
        (1..=MAX_ADDRESSES).find(|n| v.u8(n * ADDRESS - 1).is_some_and(|last| last & 1 == 1))?;
    let rest = v.skip(addresses * ADDRESS)?;
    let control = rest.u8(0)?;
    // Only information frames carry a protocol.
    if control & 1 != 0 && control & 0xef != UNNUMBERED_INFORMATION {
        return Some(Decoded::Other);
    }
    match rest.u8(1)? {
        IP => Some(ip::any_version(rest.skip(2)?, ctx)),
        _ => Some(Decoded::Other),
    }
}

/// AX.25 over Ethernet (BPQ): two bytes of length first.
pub fn ax25_over_ethernet<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    v.skip(2)
        .and_then(|v| ax25(v, ctx))
        .unwrap_or(Decoded::Undecoded)
}
