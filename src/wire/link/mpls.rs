//! MPLS label stacks and what they carry, which no header says.

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, ip};
use super::ethernet;

/// A label stack (RFC 3032 section 2.1). The first bits after it tell IP from the rest (RFC 4928 section 3).
pub fn stack<'a>(mut v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const BOTTOM_OF_STACK: u8 = 1;
    let label = loop {
        let Some((&[l0, l1, l2, _], rest)) = v.split::<4>() else {
            return Decoded::Undecoded;
        };
        v = rest;
        if l2 & BOTTOM_OF_STACK != 0 {
            break u32::from_be_bytes([0, l0, l1, l2]) >> 4;
        }
    };
    match (label, v.u8(0).map(|first| first >> 4)) {
        (OAM_ALERT, _) | (_, None) => Decoded::Other,
        (GENERIC_CHANNEL, _) | (_, Some(1)) => associated_channel(v, ctx),
        (_, Some(4)) => ip::v4(v, ctx),
        (_, Some(6)) => ip::v6(v, ctx),
        (_, Some(0)) => ethernet_pseudowire(v, ctx),
        _ => Decoded::Undecoded,
    }
}

/// Labels with a meaning of their own at the bottom (RFC 5586 section 4, RFC 3429).
const GENERIC_CHANNEL: u32 = 13;
const OAM_ALERT: u32 = 14;

/// The associated channel header (RFC 5586): management, or IP.
fn associated_channel<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match (v.u16(2), v.skip(4)) {
        (Some(0x0021), Some(rest)) => ip::v4(rest, ctx),
        (Some(0x0057), Some(rest)) => ip::v6(rest, ctx),
        _ => Decoded::Other,
    }
}

/// Ethernet, with or without a control word (RFC 4448 section 4.6), of which the first bits are zero as are those of many
/// addresses. Wireshark takes two addresses of known makers for plain Ethernet; here, two of any maker and a known type.
fn ethernet_pseudowire<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let frame = if looks_like_ethernet(v) {
        Some(v)
    } else {
        v.skip(4)
    };
    ethernet::nested(frame, ctx)
}

fn looks_like_ethernet(v: View<'_>) -> bool {
    /// Group or locally administered: no maker's (IEEE 802 clause 8.4).
    const NO_MAKER: u8 = 0x03;
    const LLC_SNAP: u16 = 0xaaaa;
    let made = |at| v.u8(at).is_some_and(|first| first & NO_MAKER == 0);
    let known = match v.u16(12) {
        Some(0x0800 | 0x0806 | 0x86dd | 0x8100 | 0x88a8 | 0x8847 | 0x8863 | 0x8864) => true,
        Some(..=1500) => v.u16(14) == Some(LLC_SNAP),
        _ => false,
    };
    made(0) && made(6) && known
}
