//! One packet without its payload, or without anything that tells who sent it.

use std::net::IpAddr;

use crate::capture::Frame;
use crate::report::redact::Redactor;
use crate::wire::{Addresses, Segment};

const TCP: u8 = 6;
const NO_OPERATION: u8 = 1;
const IPV4_HEADER: usize = 20;
const TCP_CHECKSUM: std::ops::Range<usize> = 16..18;

/// Where the TCP header ends in the frame; nothing for a segment that was put together from fragments.
pub fn header_end(frame: &Frame<'_>, segment: &Segment<'_>) -> Option<usize> {
    let start = (segment.header.as_ptr() as usize).checked_sub(frame.data.as_ptr() as usize)?;
    let end = start.checked_add(segment.header.len())?;
    (end <= frame.data.len()).then_some(end)
}

/// An IP packet of its own with pseudonyms for addresses: IP header without options, TCP header, no payload.
pub struct Redacted {
    pub bytes: Vec<u8>,
    /// Length with the payload that was on the wire.
    pub original_len: u32,
}

/// Builds a packet anew from the innermost headers.
pub fn redacted(segment: &Segment<'_>, redactor: &Redactor) -> Redacted {
    let (src, dst) = (segment.addresses.src(), segment.addresses.dst());
    let (new_src, new_dst) = (redactor.address(src), redactor.address(dst));
    let mut tcp = segment.header.to_vec();
    hide_options(&mut tcp);
    fix_checksum(segment.header, &mut tcp, &[src, dst], &[new_src, new_dst]);
    let wire_header = header_length(segment.header);
    let carried = wire_header.saturating_add(segment.head.payload_len);
    let mut bytes = match (segment.addresses, new_src, new_dst) {
        (Addresses::V4 { .. }, IpAddr::V4(src), IpAddr::V4(dst)) => {
            ipv4_header(segment, carried, src.octets(), dst.octets())
        }
        (_, src, dst) => ipv6_header(segment, carried, &octets(src), &octets(dst)),
    };
    let original_len = (bytes.len() as u32).saturating_add(carried);
    bytes.extend_from_slice(&tcp);
    Redacted {
        bytes,
        original_len,
    }
}

/// Length of the TCP header as it says itself.
fn header_length(header: &[u8]) -> u32 {
    header
        .get(12)
        .map_or(20, |offset| u32::from(offset >> 4) * 4)
}

/// RFC 791 section 3.1.
fn ipv4_header(segment: &Segment<'_>, carried: u32, src: [u8; 4], dst: [u8; 4]) -> Vec<u8> {
    // What segmentation offload handed over may be longer than a packet can be; a length of 0 says so, as Linux does.
    let length = u16::try_from(carried.saturating_add(IPV4_HEADER as u32)).unwrap_or(0);
    let fragment: u16 = if segment.head.dont_fragment {
        0x4000
    } else {
        0
    };
    let mut header = Vec::with_capacity(IPV4_HEADER + segment.header.len());
    header.extend_from_slice(&[0x45, segment.head.traffic_class]);
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&segment.head.ip_id.unwrap_or(0).to_be_bytes());
    header.extend_from_slice(&fragment.to_be_bytes());
    header.extend_from_slice(&[segment.head.ttl.0, TCP]);
    let fields: u64 = sum(&header) + sum(&src) + sum(&dst);
    header.extend_from_slice(&(!fold(fields)).to_be_bytes());
    header.extend_from_slice(&src);
    header.extend_from_slice(&dst);
    header
}

/// RFC 8200 section 3.
fn ipv6_header(segment: &Segment<'_>, carried: u32, src: &[u8], dst: &[u8]) -> Vec<u8> {
    let class = u32::from(segment.head.traffic_class);
    let length = u16::try_from(carried).unwrap_or(0);
    let mut header = Vec::with_capacity(40 + segment.header.len());
    header.extend_from_slice(&(0x6000_0000 | class << 20).to_be_bytes());
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&[TCP, segment.head.ttl.0]);
    header.extend_from_slice(src);
    header.extend_from_slice(dst);
    header
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Options that tell nothing of who is speaking: padding, MSS, window scale, SACK and timestamps. Others can hold addresses
/// (MPTCP's ADD_ADDR, balancers' client address) or cookies and become padding.
fn hide_options(header: &mut [u8]) {
    const HARMLESS: [u8; 5] = [2, 3, 4, 5, 8];
    let mut at = 20;
    while let Some(kind) = header.get(at).copied() {
        match kind {
            0 => break,
            NO_OPERATION => at += 1,
            _ => {
                let length = header.get(at + 1).map_or(2, |n| usize::from(*n).max(2));
                let end = at.saturating_add(length).min(header.len());
                if !HARMLESS.contains(&kind)
                    && let Some(option) = header.get_mut(at..end)
                {
                    option.fill(NO_OPERATION);
                }
                at = end;
            }
        }
    }
    // Behind the end of options may stand anything.
    if let Some(rest) = header.get_mut(at..) {
        rest.fill(0);
    }
}

/// A checksum that was right stays right, one that was wrong stays wrong (RFC 1624, equation 3).
fn fix_checksum(old: &[u8], new: &mut [u8], old_addresses: &[IpAddr], new_addresses: &[IpAddr]) {
    let addresses = |list: &[IpAddr]| -> u64 { list.iter().map(|a| address_sum(*a)).sum() };
    let without = |header: &[u8]| -> u64 {
        let checksum = header.get(TCP_CHECKSUM).map_or(0, sum);
        sum(header) - checksum
    };
    let before = fold(without(old) + addresses(old_addresses));
    let after = fold(without(new) + addresses(new_addresses));
    let Some([high, low]) = new.get_mut(TCP_CHECKSUM) else {
        return;
    };
    let checksum = u16::from_be_bytes([*high, *low]);
    let fixed = !fold(u64::from(!checksum) + u64::from(!before) + u64::from(after));
    [*high, *low] = fixed.to_be_bytes();
}

fn address_sum(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    }
}

/// Of 16-bit words, an odd byte at the end being a high one (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|word| match word {
            [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
            [high] => u64::from(*high) << 8,
            _ => 0,
        })
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
