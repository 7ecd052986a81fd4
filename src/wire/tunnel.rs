//! Packets within packets: what carries IP or Ethernet over IP, UDP or Ethernet.

mod gre;
mod l2tp;
mod mobile;
mod overlay;
mod udp;

pub(super) use gre::payload as gre_payload;
pub(super) use mobile::lwapp;
pub(super) use overlay::{batman, nsh};

use std::io::Read as _;

use etherparse::{IpAuthHeaderSlice, IpNumber};

use super::decoder::{Carried, Context, Datagram};
use super::link::{ethernet, mpls};
use super::view::View;
use super::{Decoded, ip};

/// What an IP protocol number other than TCP and ICMP carries (IANA "Assigned Internet Protocol Numbers").
pub(super) fn over_ip<'a>(protocol: IpNumber, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match protocol {
        IpNumber::IPV4 => ip::any_version(v, ctx),
        IpNumber::UDP => udp::datagram(v, ctx),
        IpNumber::IPV6 => ip::v6(v, ctx),
        IpNumber::GRE => gre::packet(v, ctx),
        IpNumber::AUTHENTICATION_HEADER => authenticated(v, ctx).unwrap_or(Decoded::Undecoded),
        IpNumber::AX25 => super::link::relay::ax25(v, ctx).unwrap_or(Decoded::Undecoded),
        IpNumber::ETHER_IP => ethernet::nested(v.skip(2), ctx),
        IpNumber::PIM => registered(v, ctx).unwrap_or(Decoded::Other),
        IpNumber::IP_COMP => compressed(v, ctx).unwrap_or(Decoded::Undecoded),
        IpNumber::UDP_LITE => udp::lite(v, ctx),
        IpNumber::MPLS_IN_IP => mpls::stack(v, ctx),
        ETHERNET => ethernet::nested(Some(v), ctx),
        // ESP is encrypted; L2TP version 3 says what it carries in control messages.
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD | L2TP => Decoded::Undecoded,
        _ => Decoded::Other,
    }
}

/// Numbers that `etherparse` has no or another name for.
const L2TP: IpNumber = IpNumber(115);
const ETHERNET: IpNumber = IpNumber(143);

/// The authentication header (RFC 4302 section 2).
fn authenticated<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let header = IpAuthHeaderSlice::from_slice(v.bytes).ok()?;
    ctx.descend()?;
    let rest = v.skip(header.slice().len())?;
    Some(ip::protocol(header.next_header(), rest, ctx))
}

/// A PIM register message (RFC 7761 section 4.9.3): eight bytes, then the packet.
fn registered<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const VERSION_AND_TYPE: u8 = 0x21;
    match v.u8(0)? {
        VERSION_AND_TYPE => Some(ip::any_version(v.skip(8)?, ctx)),
        _ => Some(Decoded::Other),
    }
}

/// A compressed payload (RFC 3173) comes out no longer than the largest IP packet.
const MAX_INFLATED: u64 = 65_535;

/// IPComp (RFC 3173 section 3): next header, flags, compression parameter index; DEFLATE (RFC 2394) is the one in use.
fn compressed<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let next = IpNumber(v.u8(0)?);
    ctx.descend()?;
    let mut payload = Vec::new();
    let deflated = v.skip(4)?.bytes;
    // What came out before an error is still the head of the packet.
    let inflated = if has_zlib_header(deflated) {
        flate2::read::ZlibDecoder::new(deflated)
            .take(MAX_INFLATED)
            .read_to_end(&mut payload)
    } else {
        flate2::read::DeflateDecoder::new(deflated)
            .take(MAX_INFLATED)
            .read_to_end(&mut payload)
    };
    if inflated.is_err() && payload.is_empty() {
        return None;
    }
    ctx.datagram = Some(Datagram {
        payload,
        header: ctx.ip,
        carried: Carried::Ip(next),
        quoted_by: ctx.quoted_by,
    });
    Some(Decoded::Other)
}

/// zlib's two bytes (RFC 1950 section 2.2), which RFC 2394 leaves out and some implementations don't.
fn has_zlib_header(bytes: &[u8]) -> bool {
    bytes.first_chunk::<2>().is_some_and(|&[method, flags]| {
        method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0
    })
}
