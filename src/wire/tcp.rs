//! The TCP header and its options.

use super::decoder::Context;
use super::view::View;
use super::{Decoded, IcmpQuote, Segment, SeqNumber, TcpFlags, TcpOptions, Timestamps, checksum};

/// Bytes of a header that must be there to place it in a connection: up to and with the window.
/// Wireshark reads as much before it looks a conversation up.
const PLACEABLE: usize = 16;
/// A header without options.
const MIN_HEADER: usize = 20;

/// What stands in the first 16 bytes.
struct Fixed {
    src_port: u16,
    dst_port: u16,
    seq: SeqNumber,
    ack: SeqNumber,
    header_len: usize,
    flags: TcpFlags,
    window: u16,
}

impl Fixed {
    #[inline]
    fn read(bytes: &[u8; PLACEABLE]) -> Self {
        let [
            s0,
            s1,
            d0,
            d1,
            q0,
            q1,
            q2,
            q3,
            a0,
            a1,
            a2,
            a3,
            offset,
            flags,
            w0,
            w1,
        ] = *bytes;
        Self {
            src_port: u16::from_be_bytes([s0, s1]),
            dst_port: u16::from_be_bytes([d0, d1]),
            seq: SeqNumber(u32::from_be_bytes([q0, q1, q2, q3])),
            ack: SeqNumber(u32::from_be_bytes([a0, a1, a2, a3])),
            header_len: usize::from(offset >> 4) * 4,
            flags: TcpFlags(u16::from_be_bytes([offset & 0x0f, flags])),
            window: u16::from_be_bytes([w0, w1]),
        }
    }

    /// The flags, unless the data offset is too small for any header (RFC 9293 section 3.1: at least 5 words).
    #[inline]
    fn believable_flags(&self) -> Option<TcpFlags> {
        (self.header_len >= MIN_HEADER).then_some(self.flags)
    }
}

/// Reads a TCP segment, the payload of `ctx.ip`.
#[inline]
pub(super) fn segment<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    if ctx.quoted_by.is_some() {
        return quoted(v, ctx);
    }
    let Some(fixed) = v.bytes.first_chunk::<PLACEABLE>().map(Fixed::read) else {
        return Decoded::CutTcp;
    };
    let flags = fixed.believable_flags();
    let mut options = TcpOptions::default();
    if fixed.header_len > MIN_HEADER {
        let end = fixed.header_len.min(v.bytes.len());
        options = parse_options(v.bytes.get(MIN_HEADER..end).unwrap_or(&[]));
    }
    let header_end = fixed.header_len.max(PLACEABLE);
    // A broken data offset leaves no place to begin the payload at.
    let (payload, payload_len) = match flags {
        Some(_) => (
            v.bytes.get(fixed.header_len..).unwrap_or(&[]),
            v.wire.saturating_sub(fixed.header_len as u32),
        ),
        None => (&[][..], 0),
    };
    let checksum_ok = match flags {
        Some(flags) if flags.rst() && v.is_whole() && !ctx.cut_fragment => {
            Some(checksum::tcp_is_right(&ctx.ip.addresses, v.bytes))
        }
        _ => None,
    };
    Decoded::Tcp(Segment {
        frame: ctx.frame,
        time: ctx.time,
        interface: ctx.interface,
        addresses: ctx.ip.addresses,
        src_port: fixed.src_port,
        dst_port: fixed.dst_port,
        seq: fixed.seq,
        ack: fixed.ack,
        flags,
        window: fixed.window,
        options,
        header: v.bytes.get(..header_end).unwrap_or(v.bytes),
        payload,
        payload_len,
        ttl: ctx.ip.ttl,
        ip_id: ctx.ip.id,
        dont_fragment: ctx.ip.dont_fragment,
        traffic_class: ctx.ip.traffic_class,
        src_mac: ctx.src_mac,
        dst_mac: ctx.dst_mac,
        checksum_ok,
    })
}

/// Reads the TCP header that an ICMP error quotes. RFC 792 promises its first 8 bytes.
fn quoted<'a>(v: View<'a>, ctx: &Context<'_>) -> Decoded<'a> {
    let Some((from, reason)) = ctx.quoted_by else {
        return Decoded::Other;
    };
    let (Some(src_port), Some(dst_port), Some(seq)) = (v.u16(0), v.u16(2), v.u32(4)) else {
        return Decoded::Other;
    };
    let flags = v
        .bytes
        .first_chunk::<PLACEABLE>()
        .and_then(|bytes| Fixed::read(bytes).believable_flags());
    Decoded::Icmp(IcmpQuote {
        frame: ctx.frame,
        time: ctx.time,
        from,
        reason,
        addresses: ctx.ip.addresses,
        src_port,
        dst_port,
        seq: SeqNumber(seq),
        flags,
    })
}

/// IANA "TCP Option Kind Numbers".
mod kind {
    pub const END: u8 = 0;
    pub const NOP: u8 = 1;
    pub const MSS: u8 = 2;
    pub const WINDOW_SCALE: u8 = 3;
    pub const SACK_PERMITTED: u8 = 4;
    pub const SACK: u8 = 5;
    pub const TIMESTAMPS: u8 = 8;
    pub const MPTCP: u8 = 30;
}

/// Subtype of MP_TCPRST (RFC 8684 section 3.6).
const MP_TCPRST: u8 = 8;

/// Reads what can be read; a broken option ends the list (RFC 9293 section 3.1).
#[inline]
fn parse_options(mut bytes: &[u8]) -> TcpOptions {
    let mut options = TcpOptions::default();
    // What every segment of most connections carries: two NOPs and timestamps (RFC 7323 appendix A).
    if let [1, 1, 8, 10, a, b, c, d, e, f, g, h] = *bytes {
        options.any = true;
        options.timestamps = Some(Timestamps {
            value: u32::from_be_bytes([a, b, c, d]),
            echo: u32::from_be_bytes([e, f, g, h]),
        });
        return options;
    }
    while let Some((&kind, rest)) = bytes.split_first() {
        match kind {
            kind::END => break,
            kind::NOP => {
                bytes = rest;
                continue;
            }
            _ => options.any = true,
        }
        let Some(len) = rest.first().map(|&len| usize::from(len)) else {
            break;
        };
        let Some(body) = bytes.get(2..len) else { break };
        read_option(kind, body, &mut options);
        bytes = bytes.get(len..).unwrap_or(&[]);
    }
    options
}

fn read_option(kind: u8, body: &[u8], options: &mut TcpOptions) {
    match (kind, body) {
        (kind::MSS, &[a, b]) => options.mss = Some(u16::from_be_bytes([a, b])),
        (kind::WINDOW_SCALE, &[shift]) => options.window_scale = Some(shift),
        (kind::SACK_PERMITTED, []) => options.sack_permitted = true,
        (kind::TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
            options.timestamps = Some(Timestamps {
                value: u32::from_be_bytes([a, b, c, d]),
                echo: u32::from_be_bytes([e, f, g, h]),
            });
        }
        (kind::SACK, blocks) => {
            for block in blocks.as_chunks::<8>().0 {
                let [a, b, c, d, e, f, g, h] = *block;
                let left = SeqNumber(u32::from_be_bytes([a, b, c, d]));
                let right = SeqNumber(u32::from_be_bytes([e, f, g, h]));
                options.sack_first_left.get_or_insert(left);
                options.sack_right_edge =
                    Some(options.sack_right_edge.map_or(right, |r| r.later(right)));
            }
        }
        (kind::MPTCP, &[subtype, reason, ..]) if subtype >> 4 == MP_TCPRST => {
            options.mptcp_reset_reason = Some(reason);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_linux_syn() {
        let options = parse_options(&[
            2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
        ]);
        assert_eq!(options.mss, Some(1460));
        assert!(options.any && options.sack_permitted);
        assert_eq!(options.window_scale, Some(7));
        assert_eq!(options.timestamps, Some(Timestamps { value: 7, echo: 0 }));
    }

    #[test]
    fn sack_blocks_give_the_first_left_and_the_highest_right_edge() {
        let mut bytes = vec![1, 1, 5, 18];
        for edge in [3000u32, 4000, 5000, 6000] {
            bytes.extend(edge.to_be_bytes());
        }
        let options = parse_options(&bytes);
        assert_eq!(options.sack_first_left, Some(SeqNumber(3000)));
        assert_eq!(options.sack_right_edge, Some(SeqNumber(6000)));
    }

    #[test]
    fn mp_tcprst_gives_its_reason() {
        assert_eq!(
            parse_options(&[30, 4, 0x80, 0x03]).mptcp_reset_reason,
            Some(3)
        );
    }

    #[test]
    fn padding_alone_is_no_option_and_a_cut_one_is() {
        assert!(!parse_options(&[1, 1, 1, 0]).any);
        assert!(parse_options(&[8, 10, 0, 0]).any);
        assert_eq!(parse_options(&[8, 10, 0, 0]).timestamps, None);
        assert!(
            parse_options(&[2, 0, 2, 0]).any,
            "a length of 0 must not loop"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_as_options(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let options = parse_options(&bytes);
            prop_assert!(options.any || options == TcpOptions::default());
        }
    }
}
