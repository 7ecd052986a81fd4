//! Tunnels over UDP, known by their ports.

use etherparse::UdpHeaderSlice;

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::ip;
use super::super::link::{ethernet, mpls, wifi};
use super::super::view::View;
use super::{gre, l2tp, mobile, overlay};

/// A UDP datagram (RFC 768). Where both ports are known, the lower one decides, as in Wireshark.
pub fn datagram<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((header, rest)) = split(v) else {
        return Decoded::Other;
    };
    let payload = match header.length() {
        // A jumbogram (RFC 2675 section 4) or a datagram for the card to cut up.
        0 => rest,
        len @ 8.. => rest.clip(u32::from(len) - 8),
        _ => return Decoded::Other,
    };
    by_ports(&header, payload, ctx)
}

/// UDP-Lite (RFC 3828), whose length is how far the checksum reaches.
pub fn lite<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match split(v) {
        Some((header, rest)) => by_ports(&header, rest, ctx),
        None => Decoded::Other,
    }
}

fn split(v: View<'_>) -> Option<(UdpHeaderSlice<'_>, View<'_>)> {
    let header = UdpHeaderSlice::from_slice(v.bytes).ok()?;
    let rest = v.skip(header.slice().len())?;
    Some((header, rest))
}

fn by_ports<'a>(
    header: &UdpHeaderSlice<'_>,
    payload: View<'a>,
    ctx: &mut Context<'_>,
) -> Decoded<'a> {
    if ctx.descend().is_none() {
        return Decoded::Undecoded;
    }
    let (source, destination) = (header.source_port(), header.destination_port());
    let (low, high) = (source.min(destination), source.max(destination));
    by_port(low, payload, ctx)
        .or_else(|| by_port(high, payload, ctx))
        .or_else(|| mobile::peek_remote(payload, ctx))
        .unwrap_or(Decoded::Other)
}

/// What a port carries (IANA "Service Name and Transport Protocol Port Number Registry"); `None` if it carries no packets.
fn by_port<'a>(port: u16, v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    match port {
        1701 => l2tp::over_udp(v, ctx),
        // User data over the ports of control and of charging too.
        2123 | 2152 | 3386 => mobile::gtp_user(v, ctx),
        3544 => overlay::teredo(v, ctx),
        4341 => v.skip(8).map(|v| ip::any_version(v, ctx)),
        4754 => Some(gre::packet(v, ctx)),
        4789 => Some(ethernet::nested(v.skip(8), ctx)),
        4790 => overlay::vxlan_gpe(v, ctx),
        5072 => overlay::ayiya(v, ctx),
        5247 => mobile::capwap(v, ctx),
        6081 => overlay::geneve(v, ctx),
        6343 => overlay::sflow(v, ctx),
        6635 => Some(mpls::stack(v, ctx)),
        12222 | 12223 => mobile::lwapp_over_udp(v, ctx),
        37008 => wifi::tzsp(v, ctx),
        _ => None,
    }
}
