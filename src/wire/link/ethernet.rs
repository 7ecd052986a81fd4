//! Ethernet, EtherTypes, and the tags that stand before them.

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, MacAddress, ip, tunnel};
use super::{llc, metadata, mpls, ppp, relay};

/// Up to here the field is a length and LLC follows; EtherTypes begin at 1536 (IEEE 802.3 clause 3.2.6).
const MAX_LENGTH: u16 = 1500;
/// Cisco FabricPath: an outer Ethernet header with this EtherType and a tag, then the frame.
const FABRIC_PATH: u16 = 0x8903;

/// An Ethernet frame that is the captured one: its addresses are those of the link.
#[inline]
pub fn outermost<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if let Some(&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]) = v.bytes.first_chunk() {
        ctx.dst_mac = Some(MacAddress([d0, d1, d2, d3, d4, d5]));
        ctx.src_mac = Some(MacAddress([s0, s1, s2, s3, s4, s5]));
    }
    frame(v, ctx)
}

/// An Ethernet frame, perhaps inside of something.
#[inline]
pub fn frame<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[d0, d1, d2, d3, d4, _, _, _, _, _, _, _, t0, t1], rest)) = v.split::<14>() else {
        return Decoded::Undecoded;
    };
    let ethertype = u16::from_be_bytes([t0, t1]);
    match ethertype {
        ..=MAX_LENGTH => {
            // Cisco's Inter-Switch Link has its own multicast addresses and 26 bytes of header.
            if matches!([d0, d1, d2, d3, d4], [1 | 0x0c, 0, 0x0c, 0, 0]) {
                return nested(v.skip(26), ctx);
            }
            llc::ieee_802_3(ethertype, rest, ctx)
        }
        FABRIC_PATH => nested(rest.skip(2), ctx),
        _ => payload(ethertype, rest, ctx),
    }
}

/// An Ethernet frame inside of another header.
pub fn nested<'a>(v: Option<View<'a>>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match (v, ctx.descend()) {
        (Some(v), Some(())) => frame(v, ctx),
        _ => Decoded::Undecoded,
    }
}

/// What an EtherType says follows.
#[inline]
pub fn payload<'a>(ethertype: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match ethertype {
        0x0800 => ip::v4(v, ctx),
        0x86dd => ip::v6(v, ctx),
        0x8100 | 0x88a8 | 0x9100 => vlan(v, ctx),
        _ => rare(ethertype, v, ctx),
    }
}

/// EtherTypes beside IP and VLAN (IANA "IEEE 802 Numbers", IEEE RA).
fn rare<'a>(ethertype: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    match ethertype {
        0x08ff => relay::ax25_over_ethernet(v, ctx),
        0x22f3 => metadata::trill(v, ctx),
        0x4305 => tunnel::batman(v, ctx),
        0x6558 => frame(v, ctx),
        0x8847 | 0x8848 => mpls::stack(v, ctx),
        0x8864 => ppp::pppoe(v, ctx),
        0x8870 => llc::llc(v, ctx),
        0x88bb | 0xbbbb => tunnel::lwapp(v, ctx),
        0x88e5 => metadata::macsec(v, ctx),
        0x88e7 => metadata::provider_backbone(v, ctx),
        0x8909 => metadata::then_ethertype(v, 6, ctx),
        0x8926 => metadata::then_ethertype(v, 4, ctx),
        0x892f => metadata::then_ethertype(v, 4, ctx),
        0x893f => metadata::then_ethertype(v, 6, ctx),
        0x894f => tunnel::nsh(v, ctx),
        0xd28b => metadata::arista(v, ctx),
        0xf1c1 => metadata::then_ethertype(v, 4, ctx),
        _ => Decoded::Other,
    }
}

/// IEEE 802.1Q and 802.1ad: tag control information, then the EtherType (or length) of what is tagged.
#[inline]
fn vlan<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    let Some((&[c0, c1, t0, t1], rest)) = v.split::<4>() else {
        return Decoded::Undecoded;
    };
    ctx.vlan = u16::from_be_bytes([c0, c1]) & 0x0fff;
    type_or_length(u16::from_be_bytes([t0, t1]), rest, ctx)
}

/// The field of an Ethernet header that is a length or an EtherType.
pub fn type_or_length<'a>(field: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match field {
        ..=MAX_LENGTH => llc::ieee_802_3(field, v, ctx),
        _ => payload(field, v, ctx),
    }
}
