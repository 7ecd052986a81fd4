//! The TCP header and its options.

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpNumber, TcpOptionElement, TcpOptionsIterator};

use super::decoder::Context;
use super::view::View;
use super::{
    Addresses, Decoded, Head, IcmpQuote, Segment, SeqNumber, TcpFlags, TcpOptions, Timestamps,
};

/// Bytes of a header that must be there to place it in a connection: up to and with the window.
/// Wireshark reads as much before it looks a conversation up.
pub(super) const PLACEABLE: usize = 16;
/// A header without options.
const MIN_HEADER: usize = 20;

/// What stands in the first 16 bytes. `etherparse::TcpHeaderSlice` wants all of a sound header, and has no reserved flags.
pub(super) struct Fixed {
    pub src_port: u16,
    pub dst_port: u16,
    pub seq: SeqNumber,
    pub ack: SeqNumber,
    pub header_len: usize,
    pub flags: TcpFlags,
    pub window: u16,
}

impl Fixed {
    #[inline]
    pub fn read(bytes: &[u8; PLACEABLE]) -> Self {
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
    let end = fixed.header_len.min(v.bytes.len());
    let options = read_options(v.bytes.get(MIN_HEADER..end).unwrap_or(&[]));
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
            Some(checksum_is_right(&ctx.ip.addresses, v.bytes))
        }
        _ => None,
    };
    Decoded::Tcp(Segment {
        head: Head {
            time: ctx.time,
            frame: ctx.frame,
            interface: ctx.interface,
            seq: fixed.seq,
            ack: fixed.ack,
            payload_len,
            timestamps: options.timestamps,
            flags: fixed.flags,
            window: fixed.window,
            ip_id: ctx.ip.id,
            src_mac: ctx.src_mac,
            ttl: ctx.ip.ttl,
            traffic_class: ctx.ip.traffic_class,
            dont_fragment: ctx.ip.dont_fragment,
            has_options: options.any,
        },
        addresses: ctx.ip.addresses,
        src_port: fixed.src_port,
        dst_port: fixed.dst_port,
        flags,
        header_past_end: fixed.header_len as u32 > v.wire,
        options: options.others,
        header: v.bytes.get(..header_end).unwrap_or(v.bytes),
        payload,
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

/// Whether the checksum of a segment (header and payload, complete) is right: RFC 9293 section 3.1, RFC 8200 section 8.1.
pub(super) fn checksum_is_right(addresses: &Addresses, segment: &[u8]) -> bool {
    let mut sum = Sum16BitWords::new();
    let mut ends = match addresses {
        Addresses::V4 { src, dst } => sum.add_4bytes(src.octets()).add_4bytes(dst.octets()),
        Addresses::V6 { src, dst } => sum.add_16bytes(src.octets()).add_16bytes(dst.octets()),
    };
    let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    let pseudo_header = ends
        .add_4bytes(length.to_be_bytes())
        .add_2bytes([0, IpNumber::TCP.0]);
    pseudo_header.add_slice(segment).ones_complement() == 0
}

/// What a header's options say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// There is any besides padding.
    pub any: bool,
    pub timestamps: Option<Timestamps>,
    pub others: TcpOptions,
}

/// Reads what can be read; a broken option ends the list (RFC 9293 section 3.1).
#[inline]
pub(super) fn read_options(bytes: &[u8]) -> Options {
    match timestamps_alone(bytes) {
        Some(timestamps) => Options {
            any: true,
            timestamps: Some(timestamps),
            ..Options::default()
        },
        None if bytes.is_empty() => Options::default(),
        None => parse_options(bytes),
    }
}

/// What every segment of most connections carries: timestamps after two NOPs (RFC 7323 appendix A), and nothing else.
#[inline(always)]
pub(super) fn timestamps_alone(options: &[u8]) -> Option<Timestamps> {
    /// The NOPs, kind and length.
    const BEFORE: [u8; 4] = [1, 1, 8, 10];
    let &[n0, n1, kind, len, a, b, c, d, e, f, g, h] = <&[u8; 12]>::try_from(options).ok()?;
    ([n0, n1, kind, len] == BEFORE).then_some(Timestamps {
        value: u32::from_be_bytes([a, b, c, d]),
        echo: u32::from_be_bytes([e, f, g, h]),
    })
}

fn parse_options(bytes: &[u8]) -> Options {
    let mut options = Options::default();
    let mut elements = TcpOptionsIterator::from_slice(bytes);
    loop {
        let at = elements.rest();
        match elements.next() {
            None => return options,
            Some(Ok(TcpOptionElement::Noop)) => {}
            Some(Ok(element)) => options.take(element),
            // The iterator ends at a kind or a length that it doesn't know; the length leads on to the next option.
            Some(Err(_)) => match options.take_unknown(at) {
                Some(rest) => elements = TcpOptionsIterator::from_slice(rest),
                None => return options,
            },
        }
    }
}

impl Options {
    fn take(&mut self, element: TcpOptionElement) {
        self.any = true;
        match element {
            TcpOptionElement::Noop => {}
            TcpOptionElement::MaximumSegmentSize(size) => self.others.mss = Some(size),
            TcpOptionElement::WindowScale(shift) => self.others.window_scale = Some(shift),
            TcpOptionElement::SelectiveAcknowledgementPermitted => {
                self.others.sack_permitted = true;
            }
            TcpOptionElement::Timestamp(value, echo) => {
                self.timestamps = Some(Timestamps { value, echo });
            }
            TcpOptionElement::SelectiveAcknowledgement(first, more) => {
                let (left, _) = first;
                let Self { others, .. } = self;
                others.sack_first_left.get_or_insert(SeqNumber(left));
                for (_, right) in std::iter::once(first).chain(more.into_iter().flatten()) {
                    let right = SeqNumber(right);
                    let known = others.sack_right_edge;
                    others.sack_right_edge = Some(known.map_or(right, |known| known.later(right)));
                }
            }
        }
    }

    /// Reads an option that `etherparse` has no element for; the options after it, `None` where it is broken.
    fn take_unknown<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        /// IANA "TCP Option Kind Numbers".
        const MPTCP: u8 = 30;
        /// Subtype of MP_TCPRST (RFC 8684 section 3.6).
        const MP_TCPRST: u8 = 8;
        self.any = true;
        let (&[kind, len], _) = bytes.split_first_chunk()?;
        let body = bytes.get(2..usize::from(len))?;
        if let (MPTCP, &[subtype, reason, ..]) = (kind, body)
            && subtype >> 4 == MP_TCPRST
        {
            self.others.mptcp_reset_reason = Some(reason);
        }
        bytes.get(usize::from(len)..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    #[test]
    fn one_flipped_bit_makes_a_checksum_wrong() {
        let localhost = Addresses::V4 {
            src: Ipv4Addr::LOCALHOST,
            dst: Ipv4Addr::LOCALHOST,
        };
        // Twice 7f00 + 0001, 0006, 0014 (the length) and 5004: 4e21, of which this is the complement.
        let mut segment = [0u8; 20];
        segment[12..14].copy_from_slice(&[0x50, 0x04]);
        segment[16..18].copy_from_slice(&[0xb1, 0xde]);
        assert!(checksum_is_right(&localhost, &segment));
        segment[5] ^= 0x10;
        assert!(!checksum_is_right(&localhost, &segment));
    }

    #[test]
    fn an_unknown_option_is_stepped_over() {
        // Fast open (34), and a maximum segment size of the wrong length, before a window scale.
        let options = parse_options(&[34, 4, 1, 2, 2, 5, 5, 0xb4, 0, 3, 3, 7]);
        assert_eq!(
            (options.others.mss, options.others.window_scale),
            (None, Some(7))
        );
    }

    #[test]
    fn a_linux_syn() {
        let options = parse_options(&[
            2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
        ]);
        assert_eq!(options.others.mss, Some(1460));
        assert!(options.any && options.others.sack_permitted);
        assert_eq!(options.others.window_scale, Some(7));
        assert_eq!(options.timestamps, Some(Timestamps { value: 7, echo: 0 }));
    }

    #[test]
    fn sack_blocks_give_the_first_left_and_the_highest_right_edge() {
        let mut bytes = vec![1, 1, 5, 18];
        for edge in [3000u32, 4000, 5000, 6000] {
            bytes.extend(edge.to_be_bytes());
        }
        let options = parse_options(&bytes);
        assert_eq!(options.others.sack_first_left, Some(SeqNumber(3000)));
        assert_eq!(options.others.sack_right_edge, Some(SeqNumber(6000)));
    }

    #[test]
    fn mp_tcprst_gives_its_reason() {
        assert_eq!(
            parse_options(&[30, 4, 0x80, 0x03])
                .others
                .mptcp_reset_reason,
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
            prop_assert!(options.any || options == Options::default());
        }
    }
}
