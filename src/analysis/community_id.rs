//! Community ID version 1 (<https://github.com/corelight/community-id-spec>), of the innermost addresses.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

const SEED: u16 = 0;
const TCP: u8 = 6;

/// The identifier of a TCP flow: the same for both directions.
pub fn community_id(one: (IpAddr, u16), other: (IpAddr, u16)) -> String {
    let (low, high) = if (octets(one.0), one.1) <= (octets(other.0), other.1) {
        (one, other)
    } else {
        (other, one)
    };
    let mut hash = Sha1::new();
    hash.update(SEED.to_be_bytes());
    hash.update(octets(low.0));
    hash.update(octets(high.0));
    hash.update([TCP, 0]);
    hash.update(low.1.to_be_bytes());
    hash.update(high.1.to_be_bytes());
    format!("1:{}", STANDARD.encode(hash.finalize()))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value of the specification's own baseline (tcp.pcap).
    #[test]
    fn agrees_with_the_specification() {
        let client = ("128.232.110.120".parse().unwrap(), 34855);
        let server = ("66.35.250.204".parse().unwrap(), 80);
        assert_eq!(
            community_id(client, server),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(community_id(server, client), community_id(client, server));
    }
}
