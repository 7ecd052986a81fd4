//! Packets that a firewall logged: pf, IPsec's enc interface, Netfilter.

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::ip;
use super::super::view::View;
use super::ethernet;

/// BSD's address families.
fn bsd_family<'a>(family: u32, v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match family {
        2 => ip::v4(v, ctx),
        24 | 28 | 30 => ip::v6(v, ctx),
        _ => Decoded::Other,
    }
}

/// `LINKTYPE_PFLOG`: the header's length, padded to four, then the address family.
pub fn pflog<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let len = usize::from(v.u8(0)?).next_multiple_of(4);
    Some(bsd_family(u32::from(v.u8(1)?), v.skip(len)?, ctx))
}

/// pf's log before OpenBSD 3.4: the address family first, 28 bytes in all.
pub fn pflog_old<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    Some(bsd_family(v.u32(0)?, v.skip(28)?, ctx))
}

/// `LINKTYPE_ENC`: address family in the capturing host's order, security parameter index, flags.
pub fn enc<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let family = v.u32(0)?;
    let family = if family > 0xffff {
        family.swap_bytes()
    } else {
        family
    };
    let rest = v.skip(12)?;
    Some(match family {
        2 => ip::v4(rest, ctx),
        24 => ip::v6(rest, ctx),
        _ => Decoded::Other,
    })
}

/// Linux's address families.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Attributes of a logged packet (`linux/netfilter/nfnetlink_log.h`).
const NFULA_PACKET_HDR: u16 = 1;
const NFULA_PAYLOAD: u16 = 9;

/// Numbers in the byte order of the host that captured.
#[derive(Clone, Copy)]
enum HostOrder {
    Little,
    Big,
}

impl HostOrder {
    fn u16(self, v: View<'_>, at: usize) -> Option<u16> {
        let bytes = v.array(at)?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    fn u32(self, v: View<'_>, at: usize) -> Option<u32> {
        let bytes = v.array(at)?;
        Some(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }
}

/// `LINKTYPE_NFLOG`: family, version, resource, then attributes. No header says whose byte order they have.
pub fn nflog<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let attributes = v.skip(4)?;
    // A first attribute of 256 bytes and more is rather one read in the wrong order.
    let order = match HostOrder::Little.u16(attributes, 0)? {
        len if u32::from(len) <= attributes.wire => HostOrder::Little,
        _ => HostOrder::Big,
    };
    Some(logged_packet(v.u8(0)?, attributes, order, ctx))
}

fn logged_packet<'a>(
    family: u8,
    mut v: View<'a>,
    order: HostOrder,
    ctx: &mut Context<'_>,
) -> Decoded<'a> {
    const LENGTH_AND_KIND: u16 = 4;
    let mut ethertype = None;
    while let (Some(len), Some(kind)) = (order.u16(v, 0), order.u16(v, 2)) {
        let Some(body_len) = len.checked_sub(LENGTH_AND_KIND) else {
            break;
        };
        let Some(body) = v.skip(4).filter(|body| u32::from(body_len) <= body.wire) else {
            break;
        };
        let body = body.clip(u32::from(body_len));
        match kind & 0x7fff {
            NFULA_PACKET_HDR => ethertype = body.u16(0),
            NFULA_PAYLOAD => {
                return match (family, ethertype) {
                    (AF_INET, _) => ip::v4(body, ctx),
                    (AF_INET6, _) => ip::v6(body, ctx),
                    (_, Some(ethertype)) => ethernet::payload(ethertype, body, ctx),
                    _ => Decoded::Other,
                };
            }
            _ => {}
        }
        match v.skip(usize::from(len).next_multiple_of(4)) {
            Some(rest) => v = rest,
            None => break,
        }
    }
    Decoded::Other
}

/// `LINKTYPE_NETLINK`: a cooked header whose protocol is the netlink family.
pub fn netlink_cooked<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let family = v.u16(14)?;
    Some(netlink(family, v.skip(16)?, ctx))
}

/// Netlink messages (RFC 3549 section 2.3.2); those of Netfilter's log hold packets. The last TCP of them counts.
pub fn netlink<'a>(family: u16, mut v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const NETFILTER: u16 = 12;
    const LOG_PACKET: u16 = 4 << 8;
    let order = match HostOrder::Little.u32(v, 0) {
        Some(len) if len <= v.wire => HostOrder::Little,
        _ => HostOrder::Big,
    };
    let mut found = Decoded::Other;
    while let (NETFILTER, Some(len), Some(kind)) = (family, order.u32(v, 0), order.u16(v, 4)) {
        let message = v.clip(len).skip(16);
        if let (LOG_PACKET, Some(message)) = (kind, message)
            && let (Some(family), Some(attributes)) = (message.u8(0), message.skip(4))
        {
            found = ctx.beside(found, |ctx| logged_packet(family, attributes, order, ctx));
        }
        match v.skip((len as usize).saturating_add(3) & !3) {
            Some(rest) if len >= 16 => v = rest,
            _ => break,
        }
    }
    found
}
