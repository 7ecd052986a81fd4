//! Link types with a small header of their own: loopback, Linux cooked, capture hardware.

use etherparse::ArpHardwareId;

use super::super::decoder::Context;
use super::super::view::View;
use super::super::{Decoded, MacAddress, ip, tunnel};
use super::{ethernet, llc, log, ppp, relay, wifi};

/// BSD loopback: the address family in the byte order of whoever captured (or, in OpenBSD's, in network order).
pub fn null<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&family, rest)) = v.split::<4>() else {
        return Decoded::Undecoded;
    };
    if let [0xff, 0x03, ..] = family {
        return ppp::with_hdlc(v, ctx);
    }
    let family = match u32::from_le_bytes(family) {
        little @ ..=0xffff => little,
        // Some keep 16 bits in the first two bytes.
        little @ ..0x0006_0000 => little >> 16,
        little => little.swap_bytes(),
    };
    match family {
        2 | 0x0200 => ip::any_version(rest, ctx),
        // NetBSD, OpenBSD; FreeBSD; Darwin.
        24 | 28 | 30 => ip::v6(rest, ctx),
        1501.. => ethernet::payload(family as u16, rest, ctx),
        _ => Decoded::Other,
    }
}

/// OpenBSD's loopback: the address family in network order; some tools write their host's.
pub fn loopback<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match v.split::<4>() {
        Some(([0, 0, 0, 2] | [2, 0, 0, 0], rest)) => ip::any_version(rest, ctx),
        Some(([0, 0, 0, 24 | 28 | 30] | [24 | 28 | 30, 0, 0, 0], rest)) => ip::v6(rest, ctx),
        Some(_) => Decoded::Other,
        None => Decoded::Undecoded,
    }
}

/// `LINKTYPE_LINUX_SLL`: packet type, hardware type, address length, address, protocol.
pub fn linux_cooked<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[_, _, h0, h1, l0, l1, s0, s1, s2, s3, s4, s5, _, _, p0, p1], rest)) =
        v.split::<16>()
    else {
        return Decoded::Undecoded;
    };
    if [l0, l1] == [0, 6] {
        ctx.src_mac = Some(MacAddress([s0, s1, s2, s3, s4, s5]));
    }
    let (hardware, protocol) = ([h0, h1], [p0, p1]).map_be();
    cooked_payload(hardware, protocol, rest, ctx)
}

/// `LINKTYPE_LINUX_SLL2`: protocol, reserved, interface, hardware type, packet type, address length, address.
pub fn linux_cooked_2<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((
        &[
            p0,
            p1,
            _,
            _,
            _,
            _,
            _,
            _,
            h0,
            h1,
            _,
            len,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            _,
            _,
        ],
        rest,
    )) = v.split::<20>()
    else {
        return Decoded::Undecoded;
    };
    if len == 6 {
        ctx.src_mac = Some(MacAddress([s0, s1, s2, s3, s4, s5]));
    }
    let (hardware, protocol) = ([h0, h1], [p0, p1]).map_be();
    cooked_payload(hardware, protocol, rest, ctx)
}

/// Two big-endian numbers.
trait BigEndianPair {
    fn map_be(self) -> (u16, u16);
}

impl BigEndianPair for ([u8; 2], [u8; 2]) {
    #[inline]
    fn map_be(self) -> (u16, u16) {
        (u16::from_be_bytes(self.0), u16::from_be_bytes(self.1))
    }
}

/// Small protocol numbers are Linux's own (`linux/if_ether.h`, `ETH_P_…`), large ones EtherTypes.
#[inline]
fn cooked_payload<'a>(
    hardware: u16,
    protocol: u16,
    v: View<'a>,
    ctx: &mut Context<'_>,
) -> Decoded<'a> {
    match (ArpHardwareId(hardware), protocol) {
        (ArpHardwareId::NETLINK, family) => log::netlink(family, v, ctx),
        (ArpHardwareId::IPGRE, 1501..) => tunnel::gre_payload(protocol, v, ctx),
        (ArpHardwareId::IEEE80211_RADIOTAP, ..=1500) => {
            wifi::radiotap(v, ctx).unwrap_or(Decoded::Undecoded)
        }
        (ArpHardwareId::FRAD, ..=1500) => relay::frame_relay(v, ctx).unwrap_or(Decoded::Undecoded),
        (_, 0x0003) => ethernet::nested(Some(v), ctx),
        (_, 0x0004) => llc::llc(v, ctx),
        (_, 0x0007) => ppp::with_hdlc(v, ctx),
        (_, 1501..) => ethernet::payload(protocol, v, ctx),
        _ => Decoded::Other,
    }
}

/// Symantec Enterprise Firewall: the EtherType of version 2 at 6, of version 3 at 20.
pub fn symantec<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    match (v.u16(6)?, v.u16(20).unwrap_or(0)) {
        (0, 0) => None,
        (ethertype, 0) => Some(ethernet::payload(ethertype, v.skip(44)?, ctx)),
        (0, ethertype) => Some(ethernet::payload(ethertype, v.skip(56)?, ctx)),
        _ => None,
    }
}

/// IP over IEEE 1394: two addresses of eight bytes, EtherType.
pub fn ieee1394<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    Some(ethernet::payload(v.u16(16)?, v.skip(18)?, ctx))
}

/// DOCSIS MAC header: frame control, parameter, length, perhaps an extended header, check; then Ethernet.
pub fn docsis<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const EXTENDED_HEADER: u8 = 1;
    let (control, parameter) = (v.u8(0)?, v.u8(1)?);
    let extended = match control & EXTENDED_HEADER {
        0 => 0,
        _ => usize::from(parameter),
    };
    match control >> 6 {
        // Packet data and isolation packet data.
        0 | 2 => Some(ethernet::outermost(v.skip(6 + extended)?, ctx)),
        _ => Some(Decoded::Other),
    }
}

/// Endace's record: time, type, flags, lengths; extension headers; for Ethernet two bytes more.
pub fn erf<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const MORE_EXTENSIONS: u8 = 0x80;
    const MAX_EXTENSIONS: usize = 16;
    let kind = v.u8(8)?;
    let mut rest = v.skip(16)?;
    let mut more = kind & MORE_EXTENSIONS != 0;
    for _ in 0..MAX_EXTENSIONS {
        if !more {
            break;
        }
        more = rest.u8(0)? & MORE_EXTENSIONS != 0;
        rest = rest.skip(8)?;
    }
    Some(match kind & 0x7f {
        1 => ppp::with_hdlc(rest, ctx),
        // ATM cells' header, then LLC if it shows itself.
        4 if rest.array(4) == Some([0xaa, 0xaa, 0x03]) => llc::llc(rest.skip(4)?, ctx),
        2 | 11 | 16 | 20 => ethernet::outermost(rest.skip(2)?, ctx),
        22 => ip::any_version(rest, ctx),
        23 => ip::v6(rest, ctx),
        _ => return None,
    })
}

/// Solaris IP observability: version, address family, then 22 bytes of interfaces and zones.
pub fn ipnet<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let (&[_, family, ..], rest) = v.split::<24>()?;
    Some(match family {
        2 => ip::v4(rest, ctx),
        26 => ip::v6(rest, ctx),
        _ => Decoded::Other,
    })
}

/// Darwin's tap: its own length, a record type, then the link type of what follows.
pub fn pktap<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let length = u32::from_le_bytes(v.array(0)?);
    let link = u32::from_le_bytes(v.array(8)?);
    ctx.descend()?;
    let rest = v.skip(usize::try_from(length).ok()?)?;
    Some(super::frame(u16::try_from(link).ok()?, rest, ctx))
}

/// IEEE 802.3br: preamble and start delimiter, the frame, its check.
pub fn mpacket<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const PREAMBLE: u8 = 0x55;
    const MAX_PREAMBLE: usize = 8;
    const EXPRESS: u8 = 0xd5;
    let delimiter = v
        .bytes
        .iter()
        .take(MAX_PREAMBLE)
        .position(|&b| b != PREAMBLE)?;
    match v.u8(delimiter)? {
        EXPRESS => Some(ethernet::outermost(v.skip(delimiter + 1)?.trim_end(4), ctx)),
        _ => None,
    }
}

/// netANALYZER: four bytes, of which bits 10 to 13 are the version, in transparent mode the preamble; the frame, its check.
pub fn netanalyzer<'a>(v: View<'a>, header: usize, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;
    let version = (u32::from_le_bytes(v.array(0)?) >> 10) & 0x0f;
    VERSIONS
        .contains(&version)
        .then_some(ethernet::outermost(v.skip(header)?.trim_end(4), ctx))
}

/// What Wireshark exports: tags with lengths, one of which names the protocol; after the end tag, its packet.
pub fn exported<'a>(mut v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const END: u16 = 0;
    const PROTOCOL_NAME: u16 = 12;
    let mut name: &[u8] = &[];
    loop {
        let (tag, len) = (v.u16(0)?, usize::from(v.u16(2)?));
        let body = v.skip(4)?;
        v = body.skip(len)?;
        match tag {
            END => break,
            PROTOCOL_NAME => name = body.bytes.get(..len)?.trim_ascii_end(),
            _ => {}
        }
    }
    let name = name.split(|&byte| byte == 0).next()?;
    Some(match name {
        b"ip" => ip::v4(v, ctx),
        b"ipv6" => ip::v6(v, ctx),
        b"eth_withoutfcs" | b"eth_maybefcs" => ethernet::outermost(v, ctx),
        b"wlan" => wifi::frame(v, ctx),
        _ => return None,
    })
}
