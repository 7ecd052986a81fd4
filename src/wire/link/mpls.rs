//! MPLS label stacks and what they carry, which no header says.

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, ip};
use super::ethernet;

/// A label stack (RFC 3032 section 2.1). The first bits after it tell IP from the rest (RFC 4928 section 3).
pub fn stack<'a>(mut v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const BOTTOM_OF_STACK: u8 = 1;
    loop {
        let Some((&[_, _, third, _], rest)) = v.split::<4>() else {
            return Decoded::Undecoded;
        };
        v = rest;
        if third & BOTTOM_OF_STACK != 0 {
            break;
        }
    }
    match v.u8(0).map(|first| first >> 4) {
        Some(4) => ip::v4(v, ctx),
        Some(6) => ip::v6(v, ctx),
        Some(1) => associated_channel(v, ctx),
        Some(_) => ethernet_pseudowire(v, ctx),
        None => Decoded::Undecoded,
    }
}

/// The associated channel header (RFC 5586): management, or IP.
fn associated_channel<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match (v.u16(2), v.skip(4)) {
        (Some(0x0021), Some(rest)) => ip::v4(rest, ctx),
        (Some(0x0057), Some(rest)) => ip::v6(rest, ctx),
        _ => Decoded::Other,
    }
}

/// Ethernet, with or without a control word (RFC 4448 section 4.6) of which the first bits are zero.
fn ethernet_pseudowire<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let has_control_word = v.u8(0).is_some_and(|first| first >> 4 == 0)
        && v.skip(4).is_some_and(looks_like_ethernet)
        || !looks_like_ethernet(v);
    ethernet::nested(v.skip(if has_control_word { 4 } else { 0 }), ctx)
}

fn looks_like_ethernet(v: View<'_>) -> bool {
    matches!(
        v.u16(12),
        Some(0..=1500 | 0x0800 | 0x0806 | 0x86dd | 0x8100 | 0x88a8 | 0x8847)
    )
}
