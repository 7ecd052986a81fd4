//! The Internet checksum (RFC 1071) over a TCP segment and its pseudo-header.

use super::Addresses;

const TCP: u32 = 6;

/// Ones' complement sum of 16-bit words, not yet folded.
fn sum(bytes: &[u8]) -> u64 {
    let (words, odd) = bytes.as_chunks::<2>();
    let even: u64 = words
        .iter()
        .map(|&w| u64::from(u16::from_be_bytes(w)))
        .sum();
    even + odd.first().map_or(0, |&b| u64::from(b) << 8)
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Whether the checksum of a TCP segment (header and payload, complete) is right: RFC 9293 section 3.1, RFC 8200 section 8.1.
pub(super) fn tcp_is_right(addresses: &Addresses, segment: &[u8]) -> bool {
    let ends = match addresses {
        Addresses::V4 { src, dst } => sum(&src.octets()) + sum(&dst.octets()),
        Addresses::V6 { src, dst } => sum(&src.octets()) + sum(&dst.octets()),
    };
    fold(ends + u64::from(TCP) + segment.len() as u64 + sum(segment)) == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn rfc1071_example() {
        assert_eq!(fold(sum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
    }

    #[test]
    fn one_flipped_bit_is_seen() {
        let addresses = Addresses::V4 {
            src: Ipv4Addr::LOCALHOST,
            dst: Ipv4Addr::LOCALHOST,
        };
        let mut segment = [0u8; 20];
        segment[12] = 0x50;
        segment[13] = 0x04;
        let ends = sum(&[127, 0, 0, 1]) * 2;
        let checksum = !fold(ends + 6 + 20 + sum(&segment));
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());
        assert!(tcp_is_right(&addresses, &segment));
        segment[5] ^= 0x10;
        assert!(!tcp_is_right(&addresses, &segment));
    }
}
