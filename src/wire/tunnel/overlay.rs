//! Overlays of data centres, and IPv6 through IPv4's UDP.

use etherparse::IpNumber;

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::ip;
use super::super::link::{self, ethernet, mpls};
use super::super::view::View;

/// Teredo (RFC 4380 section 5.1.1): authentication and origin indications may come before the packet.
pub fn teredo<'a>(mut v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    if v.u16(0)? == 0x0001 {
        let (client, authentication) = (usize::from(v.u8(2)?), usize::from(v.u8(3)?));
        v = v.skip(4 + client + authentication + 9)?;
    }
    if v.u16(0)? == 0x0000 {
        v = v.skip(8)?;
    }
    match v.u8(0)? >> 4 {
        6 => Some(ip::v6(v, ctx)),
        _ => Some(Decoded::Other),
    }
}

/// GENEVE (RFC 8926 section 3.4): options by the header's length, EtherType.
pub fn geneve<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let options = usize::from(v.u8(0)? & 0x3f) * 4;
    let protocol = v.u16(2)?;
    Some(ethernet::payload(protocol, v.skip(8 + options)?, ctx))
}

/// VXLAN with a protocol of its own (draft-ietf-nvo3-vxlan-gpe).
pub fn vxlan_gpe<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    Some(next_protocol(v.u8(3)?, v.skip(8)?, ctx))
}

/// The network service header (RFC 8300 section 2.2): its length in words, what it carries.
pub fn nsh<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let (Some(length), Some(next)) = (v.u8(1), v.u8(3)) else {
        return Decoded::Undecoded;
    };
    match v.skip(usize::from(length & 0x3f) * 4) {
        Some(rest) if length & 0x3f >= 2 => next_protocol(next, rest, ctx),
        _ => Decoded::Undecoded,
    }
}

/// The numbers that NSH and VXLAN-GPE share (RFC 8300 section 9.1.6).
fn next_protocol<'a>(next: u8, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    match next {
        1 => ip::any_version(v, ctx),
        2 => ip::v6(v, ctx),
        3 => ethernet::frame(v, ctx),
        4 => nsh(v, ctx),
        5 => mpls::stack(v, ctx),
        _ => Decoded::Other,
    }
}

/// AYIYA (draft-massar-v6ops-ayiya): lengths of identity and signature, operation, next header.
pub fn ayiya<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const FORWARD: u8 = 1;
    let identity = 1_usize << (v.u8(0)? >> 4);
    let signature = usize::from(v.u8(1)? >> 4) * 4;
    if v.u8(2)? & 0x0f != FORWARD {
        return Some(Decoded::Other);
    }
    let next = IpNumber(v.u8(3)?);
    Some(ip::protocol(next, v.skip(8 + identity + signature)?, ctx))
}

/// Batman-adv's unicast packets, version 15: type, version, time to live, table version, destination; then Ethernet.
pub fn batman<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match (v.u8(0), v.u8(1)) {
        (Some(0x40), Some(15)) => ethernet::nested(v.skip(10), ctx),
        // With the source's address, subtype and padding.
        (Some(0x42), Some(15)) => ethernet::nested(v.skip(18), ctx),
        (Some(3), Some(14)) => ethernet::nested(v.skip(10), ctx),
        _ => Decoded::Other,
    }
}

/// sFlow version 5: sampled packets' headers. The last TCP of them counts.
pub fn sflow<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const MAX_SAMPLES: u32 = 64;
    const FLOW_SAMPLE: u32 = 1;
    const EXPANDED_FLOW_SAMPLE: u32 = 3;
    if v.u32(0)? != 5 {
        return Some(Decoded::Other);
    }
    let agent = if v.u32(4)? == 2 { 16 } else { 4 };
    let samples = v.u32(8 + agent + 12)?;
    let mut rest = v.skip(8 + agent + 16)?;
    let mut found = Decoded::Other;
    for _ in 0..samples.min(MAX_SAMPLES) {
        let (Some(kind), Some(len)) = (rest.u32(0), rest.u32(4)) else {
            break;
        };
        let Some(sample) = rest.skip(8).map(|s| s.clip(len)) else {
            break;
        };
        let records = match kind {
            FLOW_SAMPLE => sample.skip(28),
            EXPANDED_FLOW_SAMPLE => sample.skip(40),
            _ => None,
        };
        if let Some(records) = records {
            found = ctx.beside(found, |ctx| sampled_headers(records, ctx));
        }
        match rest.skip((len as usize).saturating_add(8)) {
            Some(next) => rest = next,
            None => break,
        }
    }
    Some(found)
}

/// A sample's records: a count, then format, length and data of each.
fn sampled_headers<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const MAX_RECORDS: u32 = 64;
    const RAW_HEADER: u32 = 1;
    let (Some(count), Some(mut rest)) = (v.u32(0), v.skip(4)) else {
        return Decoded::Other;
    };
    let mut found = Decoded::Other;
    for _ in 0..count.min(MAX_RECORDS) {
        let (Some(format), Some(len)) = (rest.u32(0), rest.u32(4)) else {
            break;
        };
        if let (RAW_HEADER, Some(record)) = (format, rest.skip(8)) {
            found = ctx.beside(found, |ctx| sampled_header(record.clip(len), ctx));
        }
        match rest.skip((len as usize).saturating_add(8)) {
            Some(next) => rest = next,
            None => break,
        }
    }
    found
}

/// Protocol, length of the frame, bytes removed from it, length of the header, header.
fn sampled_header<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let (Some(protocol), Some(frame_len), Some(len), Some(header)) =
        (v.u32(0), v.u32(4), v.u32(12), v.skip(16))
    else {
        return Decoded::Other;
    };
    let mut header = header.clip(len);
    header.wire = header.wire.max(frame_len);
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    match protocol {
        1 => ethernet::frame(header, ctx),
        5 => link::relay::frame_relay(header, ctx).unwrap_or(Decoded::Other),
        7 => link::ppp::with_hdlc(header, ctx),
        11 | 12 => ip::any_version(header, ctx),
        13 => mpls::stack(header, ctx),
        _ => Decoded::Other,
    }
}
