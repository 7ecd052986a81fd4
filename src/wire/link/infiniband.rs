//! IP over InfiniBand (RFC 4391).

use super::super::Decoded;
use super::super::decoder::Context;
use super::super::view::View;
use super::ethernet;

/// `LINKTYPE_IPOIB`: forty bytes of addresses, then EtherType and two reserved bytes (RFC 4391 section 6).
pub fn ipoib<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let ethertype = v.u16(40)?;
    Some(ethernet::payload(ethertype, v.skip(44)?, ctx))
}

/// A packet from its local route header on; a global route header may follow (InfiniBand volume 1, 7.7).
pub fn local_route<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const LINK_NEXT_HEADER: u8 = 3;
    let (&[_, flags, ..], rest) = v.split::<8>()?;
    match flags & LINK_NEXT_HEADER {
        2 => Some(base_transport(rest, ctx)),
        3 => Some(base_transport(rest.skip(40)?, ctx)),
        _ => Some(Decoded::Other),
    }
}

/// The base transport header; IPoIB travels in unreliable datagrams (opcode 0x64) behind eight bytes more.
fn base_transport<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const UNRELIABLE_DATAGRAM: u8 = 0x64;
    const CHECKSUMS: u32 = 6;
    if v.u8(0) != Some(UNRELIABLE_DATAGRAM) {
        return Decoded::Other;
    }
    match (v.u16(20), v.skip(24)) {
        (Some(ethertype), Some(rest)) => {
            ethernet::payload(ethertype, rest.trim_end(CHECKSUMS), ctx)
        }
        _ => Decoded::Other,
    }
}
