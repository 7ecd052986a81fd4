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
        (137, _) => return redirect(quoted, ctx),
        _ => return Decoded::Other,
    };
    quote(quoted, reason, ctx, ip::v6)
}

/// A redirect (RFC 4861 section 4.5): two addresses, then options, one of which quotes the packet.
fn redirect<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    const REDIRECTED_HEADER: u8 = 4;
    let mut options = v.skip(32);
    while let Some(option) = options {
        let (Some(kind), Some(words @ 1..)) = (option.u8(0), option.u8(1)) else {
            break;
        };
        let len = usize::from(words) * 8;
        if kind == REDIRECTED_HEADER {
            return match option.clip(len as u32).skip(8) {
                Some(quoted) => quote(quoted, IcmpReason::Other, ctx, ip::v6),
                None => Decoded::Other,
            };
        }
        options = option.skip(len);
    }
    Decoded::Other
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
