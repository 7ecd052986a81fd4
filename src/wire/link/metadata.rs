//! Tags between an Ethernet header and what it carries.

use etherparse::{EtherType, MacsecHeaderSlice};

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::view::View;
use super::ethernet;

/// A tag of `len` bytes, then an EtherType or a length: Cisco CMD (0x8909), VN-Tag (0x8926), IEEE 802.1BR E-Tag (0x893f),
/// HSR (0x892f, IEC 62439-3), IEEE 802.1CB R-Tag.
pub fn then_ethertype<'a>(v: View<'a>, len: usize, ctx: &mut Context<'_>) -> Decoded<'a> {
    match (v.u16(len), v.skip(len + 2)) {
        (Some(field), Some(rest)) => ethernet::type_or_length(field, rest, ctx),
        _ => Decoded::Undecoded,
    }
}

/// IEEE 802.1ah: four bytes of I-TAG, then the customer's Ethernet frame.
pub fn provider_backbone<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    ethernet::nested(v.skip(4), ctx)
}

/// TRILL (RFC 6325 section 3): six bytes and options, then an Ethernet frame.
pub fn trill<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let options = v.u16(0).map_or(0, |flags| usize::from(flags >> 6) & 0x1f);
    ethernet::nested(v.skip(6 + options * 4), ctx)
}

/// IEEE 802.1AE, as long as it authenticates only; encrypted frames are not decoded. The integrity check
/// after the payload is no part of it for whoever looks at its length.
pub fn macsec<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Ok(tag) = MacsecHeaderSlice::from_slice(v.bytes) else {
        return Decoded::Undecoded;
    };
    match (tag.next_ether_type(), v.skip(tag.slice().len())) {
        (Some(EtherType(field)), Some(rest)) => ethernet::type_or_length(field, rest, ctx),
        _ => Decoded::Undecoded,
    }
}

/// Arista's timestamp between addresses and EtherType: subtype, version, then seconds and nanoseconds in 8 or 6 bytes.
pub fn arista<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match (v.u16(0), v.u16(2)) {
        (Some(1), Some(0x0010 | 0x0110)) => then_ethertype(v, 12, ctx),
        (Some(1), Some(0x0020 | 0x0120)) => then_ethertype(v, 10, ctx),
        _ => Decoded::Undecoded,
    }
}
