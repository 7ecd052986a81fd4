//! IEEE 802.2 LLC and SNAP, and the links that begin with them.

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, ip};
use super::{ethernet, relay};

const SNAP: u8 = 0xaa;
const IP: u8 = 0x06;
const OSI_NETWORK: u8 = 0xfe;
/// Novell's "raw" 802.3: IPX without LLC, its checksum of ones in place of the SAPs.
const RAW_IPX: u16 = 0xffff;

/// What follows a length in place of an EtherType.
pub fn ieee_802_3<'a>(len: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if v.u16(0) == Some(RAW_IPX) {
        return Decoded::Other;
    }
    llc(v.clip(u32::from(len)), ctx)
}

/// LLC: two service access points, one or two bytes of control (IEEE 802.2 clause 3.2).
pub fn llc<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let (Some(destination), Some(source), Some(control)) = (v.u8(0), v.u8(1), v.u8(2)) else {
        return Decoded::Undecoded;
    };
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    // Unnumbered frames have one byte of control, others two.
    let header = if control & 3 == 3 { 3 } else { 4 };
    let carries_data = control & 1 == 0 || control == 0x03;
    let Some(rest) = v.skip(header) else {
        return Decoded::Undecoded;
    };
    match (destination, source) {
        _ if !carries_data => Decoded::Other,
        (SNAP, SNAP) => snap(rest, BridgePad::Two, ctx),
        (IP, _) => ip::any_version(rest, ctx),
        (OSI_NETWORK, _) => relay::network_layer_identifier(rest, ctx),
        _ => Decoded::Other,
    }
}

/// Bytes of padding before the MAC addresses of a bridged frame: two in ATM (RFC 2684 section 5.2), none in frame relay.
#[derive(Clone, Copy)]
pub enum BridgePad {
    /// No padding.
    None,
    /// Two bytes.
    Two,
}

/// SNAP: who numbers the protocols, and the number.
pub fn snap<'a>(v: View<'a>, pad: BridgePad, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[o0, o1, o2, p0, p1], rest)) = v.split::<5>() else {
        return Decoded::Undecoded;
    };
    let number = u16::from_be_bytes([p0, p1]);
    match ([o0, o1, o2], number) {
        // EtherTypes; as Cisco and Apple bridge them, too.
        ([0, 0, 0] | [0, 0, 0xf8], _) => ethernet::payload(number, rest, ctx),
        // IEEE 802.1: bridged 802.3 with and without FCS.
        ([0, 0x80, 0xc2], 1 | 7) => match pad {
            BridgePad::None => ethernet::nested(Some(rest), ctx),
            BridgePad::Two => ethernet::nested(rest.skip(2), ctx),
        },
        _ => Decoded::Other,
    }
}

/// IEEE 802.5: access control, frame control, addresses, and a route where the source address begins with a one.
pub fn token_ring<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const LLC_FRAME: u8 = 0x40;
    let (&[_, control, _, _, _, _, _, _, source, ..], rest) = v.split::<14>()?;
    if control & 0xc0 != LLC_FRAME {
        return Some(Decoded::Other);
    }
    let route = match source & 0x80 {
        0 => 0,
        _ => usize::from(rest.u8(0)? & 0x1f),
    };
    Some(llc(rest.skip(route)?, ctx))
}

/// FDDI (ANSI X3.139): frame control and addresses.
pub fn fddi<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let (&[control, ..], rest) = v.split::<13>()?;
    // Asynchronous LLC frames.
    match control & 0xf0 {
        0x50 => Some(llc(rest, ctx)),
        _ => Some(Decoded::Other),
    }
}

/// ARCNET: addresses, on Linux an offset, the system code; most have a fragmentation header (RFC 1201, RFC 1051).
pub fn arcnet<'a>(v: View<'a>, addresses: usize, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let code = v.u8(addresses)?;
    let rest = v.skip(addresses + 1)?;
    // A split flag of 255 marks an exception packet; the real header comes after four bytes.
    let fragmentation = match rest.u8(0) {
        Some(0xff) if addresses == 2 => 7,
        _ => 3,
    };
    Some(match code {
        240 => ip::any_version(rest, ctx),
        196 => ip::v6(rest.skip(fragmentation)?, ctx),
        212 => ip::any_version(rest.skip(fragmentation)?, ctx),
        _ => Decoded::Other,
    })
}
