//! What the kernel of this host would have to do with a RST that bears one of its addresses.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::time::Timestamp;
use crate::wire::Ttl;

/// A RST as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireReset {
    /// Its source.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Both as the client's socket names them, where a rule of this host led it to another server than it called.
    pub called: Option<(SocketAddr, SocketAddr)>,
    /// When it was captured.
    pub at: Timestamp,
    /// TTL or hop limit.
    pub ttl: Option<Ttl>,
}

/// The network namespace that is captured in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnHost {
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// It passes packets of others on, perhaps with its own address on them: containers, pods, whatever is behind it.
    pub forwards: bool,
    /// What the TTL of its own packets begins with (`net.ipv4.ip_default_ttl`), and their hop limit.
    pub initial_ttl: Ttl,
    /// The same for IPv6 (`net.ipv6.conf.default.hop_limit`).
    pub initial_hop_limit: Ttl,
}

/// Linux' own (IPDEFTTL, IPV6_DEFAULT_HOPLIMIT).
const USUAL: Ttl = Ttl(64);

impl Default for OwnHost {
    fn default() -> Self {
        Self::with_addresses([])
    }
}

impl OwnHost {
    /// One that has these addresses and forwards nothing.
    pub fn with_addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            forwards: false,
            initial_ttl: USUAL,
            initial_hop_limit: USUAL,
        }
    }

    /// Asks a procfs (`/proc`) how the caller's network namespace handles packets. What it does not say is as Linux has it at first.
    pub fn read(proc: &Path, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let number = |name: &str| -> Option<u8> {
            let text = fs::read_to_string(proc.join("sys/net").join(name)).ok()?;
            text.trim().parse().ok()
        };
        let is_set = |name: &str| number(name).is_some_and(|value| value != 0);
        Self {
            forwards: is_set("ipv4/ip_forward") || is_set("ipv6/conf/all/forwarding"),
            initial_ttl: number("ipv4/ip_default_ttl").map_or(USUAL, Ttl),
            initial_hop_limit: number("ipv6/conf/default/hop_limit").map_or(USUAL, Ttl),
            ..Self::with_addresses(addresses)
        }
    }

    /// It bears an address of this host.
    pub fn is_named_by(&self, reset: &WireReset) -> bool {
        self.addresses.contains(&reset.from.ip())
    }

    /// One end of the connection has an address of this host.
    pub fn takes_part_in(&self, reset: &WireReset) -> bool {
        self.is_named_by(reset) || self.addresses.contains(&reset.to.ip())
    }

    /// Something on this host made it, and did not just put its address on it: forwarding lowers the TTL (`ip_forward()`), and
    /// rejecting firewalls begin with that of the host (`nf_reject_iphdr_put()`).
    pub fn made(&self, reset: &WireReset) -> bool {
        let initial = match reset.from.ip() {
            IpAddr::V4(_) => self.initial_ttl,
            IpAddr::V6(_) => self.initial_hop_limit,
        };
        self.is_named_by(reset) && (!self.forwards || reset.ttl == Some(initial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reset(from: &str, ttl: u8) -> WireReset {
        WireReset {
            from: from.parse().unwrap(),
            to: "192.0.2.7:4000".parse().unwrap(),
            called: None,
            at: Timestamp::from_nanos(0),
            ttl: Some(Ttl(ttl)),
        }
    }

    #[test]
    fn what_is_passed_on_bears_the_address_and_not_the_ttl() {
        let mut host = OwnHost::with_addresses(["10.0.0.2".parse().unwrap()]);
        let of_a_container = reset("10.0.0.2:3000", 63);
        assert!(host.made(&of_a_container), "it passes nothing on");
        host.forwards = true;
        assert!(!host.made(&of_a_container));
        assert!(host.made(&reset("10.0.0.2:3000", 64)));
        assert!(!host.made(&reset("10.0.0.3:3000", 64)), "another's address");
        assert!(!host.made(&WireReset {
            ttl: None,
            ..of_a_container
        }));
    }

    #[test]
    fn procfs_says_what_the_host_does() {
        let proc = tempfile::tempdir().unwrap();
        assert_eq!(
            OwnHost::read(proc.path(), []),
            OwnHost::with_addresses([]),
            "nothing is said"
        );
        for (name, value) in [
            ("ipv4/ip_forward", "0\n"),
            ("ipv6/conf/all/forwarding", "1\n"),
            ("ipv4/ip_default_ttl", "128\n"),
            ("ipv6/conf/default/hop_limit", "32\n"),
        ] {
            let path = proc.path().join("sys/net").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        }
        let host = OwnHost::read(proc.path(), []);
        assert!(host.forwards);
        assert_eq!(
            (host.initial_ttl, host.initial_hop_limit),
            (Ttl(128), Ttl(32))
        );
    }
}
