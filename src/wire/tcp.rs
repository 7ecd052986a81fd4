//! The TCP header.

use etherparse::IpNumber;
use etherparse::checksum::Sum16BitWords;

use super::decoder::Context;
use super::options::read_options;
use super::view::View;
use super::{Addresses, Decoded, Head, IcmpQuote, Segment, SeqNumber, TcpFlags};

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
    #[inline(always)]
    pub fn read(bytes: &[u8; PLACEABLE]) -> Self {
        let (words, _) = bytes.as_chunks();
        let word = |at| u32::from_be_bytes(words.get(at).copied().unwrap_or_default());
        let (ports, rest) = (word(0), word(3));
        Self {
            src_port: (ports >> 16) as u16,
            dst_port: ports as u16,
            seq: SeqNumber(word(1)),
            ack: SeqNumber(word(2)),
            header_len: (rest >> 28) as usize * 4,
            flags: TcpFlags((rest >> 16) as u16 & 0x0fff),
            window: rest as u16,
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
            Some(checksum_is_right(&ctx.ip.addresses, &[v.bytes]))
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

/// Whether the checksum of a segment (header and payload, complete) is right: RFC 9293 section 3.1, RFC 8200 section 8.1. It may be in
/// several parts, all but the last of an even length.
pub(super) fn checksum_is_right(addresses: &Addresses, parts: &[&[u8]]) -> bool {
    let mut sum = Sum16BitWords::new();
    let mut ends = match addresses {
        Addresses::V4 { src, dst } => sum.add_4bytes(src.octets()).add_4bytes(dst.octets()),
        Addresses::V6 { src, dst } => sum.add_16bytes(src.octets()).add_16bytes(dst.octets()),
    };
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let pseudo_header = ends
        .add_4bytes(length.to_be_bytes())
        .add_2bytes([0, IpNumber::TCP.0]);
    let sum = parts
        .iter()
        .fold(pseudo_header, |sum, part| sum.add_slice(part));
    sum.ones_complement() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(checksum_is_right(&localhost, &[&segment]));
        segment[5] ^= 0x10;
        assert!(!checksum_is_right(&localhost, &[&segment]));
    }
}
