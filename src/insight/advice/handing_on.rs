//! Clients that hand on what others ask: their own pool is what has to change, and a `User-Agent` names somebody else.

use std::net::{IpAddr, SocketAddr};

use super::Grounds;
use crate::dialogue::Forwarding;
use crate::report::Finding;

/// Proxies whose upstream timer can be set, the commonest first.
const PROXIES: &[&str] = &["nginx", "envoy", "traefik"];

/// What takes connections that a pod's rules lead elsewhere, by its port: Istio's Envoy on 15001 (Istio, "Ports used by Istio"),
/// Linkerd's proxy on 4140 (Linkerd, "IPTables Reference").
const SIDECARS: &[(u16, &[&str])] = &[(15001, &["istio"]), (4140, &["linkerd"])];

/// Why a client is a proxy or a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HandsOn {
    /// Other connections of its host to the same server are led to the proxy there.
    Exempt { from: SocketAddr },
    /// What it asked had come in on another connection.
    Asked { finding: String, front: u32 },
    /// Its requests say so.
    Says(Forwarding),
}

impl HandsOn {
    /// What the captures show of the client of these findings.
    pub(super) fn of(
        (client, server): (IpAddr, SocketAddr),
        cited: &[&Finding],
        grounds: &Grounds<'_>,
    ) -> Option<Self> {
        let exempt = || {
            let from = *grounds.redirected.get(&(client, server))?;
            Some(Self::Exempt { from })
        };
        let asked = || {
            cited.iter().find_map(|finding| {
                let hop = finding.hop.as_ref().filter(|hop| hop.side == "back")?;
                Some(Self::Asked {
                    finding: finding.id.clone(),
                    front: hop.stream,
                })
            })
        };
        let says = || {
            let words = grounds.silences.words(client, server)?;
            words.forwarding().map(Self::Says)
        };
        exempt().or_else(asked).or_else(says)
    }

    /// Who the client is, and what shows it.
    pub(super) fn text(&self, client: IpAddr, server: SocketAddr) -> String {
        match self {
            Self::Exempt { from } => format!(
                "A rule of that host leads connections to {server} to the proxy at {from}: these, which it does not lead there, are likely that proxy's own."
            ),
            Self::Asked { finding, front } => format!(
                "{client} is a proxy there: what it asks comes in on other connections (stream {front} before {finding})."
            ),
            Self::Says(field) => format!(
                "Requests of {client} bear {}: it is a proxy or a load balancer.",
                field.as_str()
            ),
        }
    }

    /// Names of products that it may be.
    pub(super) fn products(&self) -> &'static [&'static str] {
        let Self::Exempt { from } = self else {
            return PROXIES;
        };
        let sidecar = SIDECARS.iter().find(|(port, _)| *port == from.port());
        sidecar.map_or(PROXIES, |(_, names)| names)
    }
}
