//! ICMP and ICMPv6 errors: what they say and the packet that they quote.

use etherparse::{Icmpv4Slice, Icmpv6Slice, icmpv4, icmpv6};

use super::decoder::Context;
use super::view::View;
use super::{Decoded, IcmpReason, ip};

/// Type, code, checksum and four bytes by type; the quoted packet follows.
const HEADER_LEN: usize = 8;

/// ICMP for IPv4 (RFC 792).
pub(super) fn v4<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    use icmpv4::*;
    let (Ok(message), Some(quoted)) = (Icmpv4Slice::from_slice(v.bytes), v.skip(HEADER_LEN)) else {
        return Decoded::Other;
    };
    // By number: codes that nobody assigned say "unreachable" too.
    let reason = match (message.type_u8(), message.code_u8()) {
        (TYPE_DEST_UNREACH, CODE_DST_UNREACH_PORT) => IcmpReason::PortUnreachable,
        (
            TYPE_DEST_UNREACH,
            CODE_DST_UNREACH_NET_PROHIB
            | CODE_DST_UNREACH_HOST_PROHIB
            | CODE_DST_UNREACH_FILTER_PROHIB,
        ) => IcmpReason::Prohibited,
        (TYPE_DEST_UNREACH, CODE_DST_UNREACH_NEED_FRAG) => IcmpReason::TooBig,
        (TYPE_DEST_UNREACH, _) => IcmpReason::Unreachable,
        (TYPE_TIME_EXCEEDED, _) => IcmpReason::TimeExceeded,
        (TYPE_SOURCE_QUENCH | TYPE_PARAMETER_PROBLEM, _) => IcmpReason::Other,
        // A redirect's packet went on its way; Wireshark gives its quote no stream either.
        _ => return Decoded::Other,
    };
    quote(quoted, reason, ctx, ip::v4)
}

/// ICMPv6 (RFC 4443): errors have types below 128.
pub(super) fn v6<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    use icmpv6::*;
    let (Ok(message), Some(quoted)) = (Icmpv6Slice::from_slice(v.bytes), v.skip(HEADER_LEN)) else {
        return Decoded::Other;
    };
    let reason = match (message.type_u8(), message.code_u8()) {
        (TYPE_DST_UNREACH, CODE_DST_UNREACH_PORT) => IcmpReason::PortUnreachable,
        (
            TYPE_DST_UNREACH,
            CODE_DST_UNREACH_PROHIBITED
            | CODE_DST_UNREACH_SOURCE_ADDRESS_FAILED_POLICY
            | CODE_DST_UNREACH_REJECT_ROUTE_TO_DEST,
        ) => IcmpReason::Prohibited,
        (TYPE_DST_UNREACH, _) => IcmpReason::Unreachable,
        (TYPE_PACKET_TOO_BIG, _) => IcmpReason::TooBig,
        (TYPE_TIME_EXCEEDED, _) => IcmpReason::TimeExceeded,
        (TYPE_PARAMETER_PROBLEM, _) => IcmpReason::Other,
        (TYPE_REDIRECT_MESSAGE, _) => return redirect(quoted, ctx),
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
