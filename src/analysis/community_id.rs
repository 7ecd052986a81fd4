//! Community ID version 1 (<https://github.com/corelight/community-id-spec>), of the innermost addresses.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

const SEED: u16 = 0;
const TCP: u8 = 6;
/// Of a SHA-1 hash in base64.
const LETTERS: usize = 28;

/// The identifier of a TCP flow: the same for both directions.
pub fn community_id(one: (IpAddr, u16), other: (IpAddr, u16)) -> String {
    let mut rooms = [[0; 16]; 2];
    let [room, other_room] = &mut rooms;
    let ends = [
        (octets(one.0, room), one.1),
        (octets(other.0, other_room), other.1),
    ];
    let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    let mut hash = Sha1::new();
    hash.update(SEED.to_be_bytes());
    hash.update(low.0);
    hash.update(high.0);
    hash.update([TCP, 0]);
    hash.update(low.1.to_be_bytes());
    hash.update(high.1.to_be_bytes());
    let mut id = String::with_capacity(2 + LETTERS);
    id.push_str("1:");
    STANDARD.encode_string(hash.finalize(), &mut id);
    id
}

fn octets(address: IpAddr, room: &mut [u8; 16]) -> &[u8] {
    match address {
        IpAddr::V4(address) => {
            room[..4].copy_from_slice(&address.octets());
            &room[..4]
        }
        IpAddr::V6(address) => {
            *room = address.octets();
            room
        }
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
