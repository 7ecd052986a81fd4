//! Ethernet, EtherTypes, and the tags that stand before them.

use etherparse::{EtherType, Ethernet2HeaderSlice, SingleVlanHeaderSlice};

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
    let Some((header, rest)) = split(v) else {
        return Decoded::Undecoded;
    };
    ctx.src_mac = Some(MacAddress(header.source()));
    after(&header, v, rest, ctx)
}

/// An Ethernet frame, perhaps inside of something.
#[inline]
pub fn frame<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match split(v) {
        Some((header, rest)) => after(&header, v, rest, ctx),
        None => Decoded::Undecoded,
    }
}

#[inline]
fn split(v: View<'_>) -> Option<(Ethernet2HeaderSlice<'_>, View<'_>)> {
    let header = Ethernet2HeaderSlice::from_slice(v.bytes).ok()?;
    let rest = v.skip(header.slice().len())?;
    Some((header, rest))
}

/// What follows the header of the frame `v`.
#[inline]
fn after<'a>(
    header: &Ethernet2HeaderSlice<'_>,
    v: View<'a>,
    rest: View<'a>,
    ctx: &mut Context<'_>,
) -> Decoded<'a> {
    match header.ether_type() {
        EtherType(len @ ..=MAX_LENGTH) => {
            // Cisco's Inter-Switch Link has its own multicast addresses and 26 bytes of header.
            if let [1 | 0x0c, 0, 0x0c, 0, 0, _] = header.destination() {
                return nested(v.skip(26), ctx);
            }
            llc::ieee_802_3(len, rest, ctx)
        }
        EtherType(FABRIC_PATH) => nested(rest.skip(2), ctx),
        EtherType(ethertype) => payload(ethertype, rest, ctx),
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
    match EtherType(ethertype) {
        EtherType::IPV4 => ip::v4(v, ctx),
        EtherType::IPV6 => ip::v6(v, ctx),
        EtherType::VLAN_TAGGED_FRAME
        | EtherType::PROVIDER_BRIDGING
        | EtherType::VLAN_DOUBLE_TAGGED_FRAME => vlan(v, ctx),
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
    let Ok(tag) = SingleVlanHeaderSlice::from_slice(v.bytes) else {
        return Decoded::Undecoded;
    };
    let Some(rest) = v.skip(tag.slice().len()) else {
        return Decoded::Undecoded;
    };
    ctx.vlan = tag.vlan_identifier().value();
    type_or_length(tag.ether_type().0, rest, ctx)
}

/// The field of an Ethernet header that is a length or an EtherType.
pub fn type_or_length<'a>(field: u16, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match field {
        ..=MAX_LENGTH => llc::ieee_802_3(field, v, ctx),
        _ => payload(field, v, ctx),
    }
}
