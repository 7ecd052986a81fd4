//! ICMP and ICMPv6 errors: what they say and the packet that they quote.

use super::decoder::Context;
use super::view::View;
use super::{Decoded, IcmpReason, ip};

/// ICMP for IPv4 (RFC 792): type, code, checksum, four bytes by type, then the quoted packet.
pub(super) fn v4<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[kind, code, ..], quoted)) = v.split::<8>() else {
        return Decoded::Other;
    };
    let reason = match (kind, code) {
        (3, 3) => IcmpReason::PortUnreachable,
        (3, 9 | 10 | 13) => IcmpReason::Prohibited,
        (3, 4) => IcmpReason::TooBig,
        (3, _) => IcmpReason::Unreachable,
        (11, _) => IcmpReason::TimeExceeded,
        // Source quench, redirect, parameter problem.
        (4 | 5 | 12, _) => IcmpReason::Other,
        _ => return Decoded::Other,
    };
    quote(quoted, reason, ctx, ip::v4)
}

/// ICMPv6 (RFC 4443): errors have types below 128.
pub(super) fn v6<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let Some((&[kind, code, ..], quoted)) = v.split::<8>() else {
        return Decoded::Other;
    };
    let reason = match (kind, code) {
        (1, 4) => IcmpReason::PortUnreachable,
        (1, 1 | 5 | 6) => IcmpReason::Prohibited,
        (1, _) => IcmpReason::Unreachable,
        (2, _) => IcmpReason::TooBig,
        (3, _) => IcmpReason::TimeExceeded,
        (4, _) => IcmpReason::Other,
        _ => return Decoded::Other,
    };
    quote(quoted, reason, ctx, ip::v6)
}

fn quote<'a, 'f>(
    quoted: View<'a>,
    reason: IcmpReason,
    ctx: &mut Context<'f>,
    read: fn(View<'a>, &mut Context<'f>) -> Decoded<'a>,
) -> Decoded<'a> {
    let from = ctx.ip.addresses.src();
    let outer = ctx.quoted_by;
    ctx.quoted_by.get_or_insert((from, reason));
    let decoded = read(quoted, ctx);
    ctx.quoted_by = outer;
    match decoded {
        Decoded::Icmp(quote) => Decoded::Icmp(quote),
        // The error itself was understood, whatever it quotes.
        _ => Decoded::Other,
    }
}
