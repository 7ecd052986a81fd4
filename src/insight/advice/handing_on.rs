//! Clients that hand on what others ask: their own pool is what has to change, and a `User-Agent` names somebody else.

use std::net::{IpAddr, SocketAddr};

use super::Grounds;
use crate::dialogue::Forwarding;
use crate::insight::silences::Words;
use crate::insight::{KnownTimeout, TimeoutRole};
use crate::report::Finding;

/// Proxies whose upstream timer can be set, the commonest first.
const PROXIES: &[&str] = &["nginx", "envoy", "traefik"];

/// Those among them that begin connections with the PROXY protocol's header.
const PROXY_HEADERS: &[&str] = &["haproxy", "envoy", "traefik"];

/// What takes connections that a pod's rules lead elsewhere, by its port: Istio's Envoy on 15001 (Istio, "Ports used by Istio"),
/// Linkerd's proxy on 4140 (Linkerd, "IPTables Reference").
const SIDECARS: &[(u16, &[&str])] = &[(15001, &["istio"]), (4140, &["linkerd"])];

/// Why a client is a proxy or a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HandsOn {
    /// Other connections of its host to the same server are led to the proxy there.
    Exempt { from: SocketAddr },
    /// What it asked had come in on another connection.
    Asked {
        finding: String,
        front: u32,
        at: SocketAddr,
    },
    /// Its requests or its connections say so.
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
                    at: hop.server.into(),
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
            Self::Asked { finding, front, at } => format!(
                "{client} is a proxy there: what it asks comes in on connections to {at} (stream {front} before {finding})."
            ),
            Self::Says(Forwarding::ProxyHeader) => format!(
                "Connections of {client} begin with the PROXY protocol's header: it is a proxy or a load balancer."
            ),
            Self::Says(field) => format!(
                "Requests of {client} bear {}: it is a proxy or a load balancer.",
                field.as_str()
            ),
        }
    }

    /// Timers of the products that it may be: of what it calls itself towards its own clients, or of the commonest.
    pub(super) fn products<'a>(
        &self,
        (client, server): (IpAddr, SocketAddr),
        grounds: &Grounds<'a>,
    ) -> Vec<&'a KnownTimeout> {
        let table = grounds.known.table();
        let name = grounds.silences.name_of(|server| match self {
            Self::Exempt { from: at } | Self::Asked { at, .. } => server == *at,
            Self::Says(_) => server.ip() == client,
        });
        // Some hand on what the server behind them calls itself.
        let behind = grounds.silences.words(client, server);
        let handed_on = behind.and_then(Words::server);
        if let Some(name) = name.filter(|name| handed_on != Some(name)) {
            let name = name.to_lowercase();
            let calls_itself = |entry: &&KnownTimeout| {
                let mut words = entry.server.iter();
                entry.role == TimeoutRole::ProxyUpstreamIdle
                    && words.any(|word| name.contains(&word.to_lowercase()))
            };
            let named: Vec<_> = table.iter().filter(calls_itself).collect();
            if !named.is_empty() {
                return named;
            }
        }
        let sidecar = match self {
            Self::Exempt { from } => SIDECARS.iter().find(|(port, _)| *port == from.port()),
            Self::Asked { .. } | Self::Says(_) => None,
        };
        let proxies = match self {
            Self::Says(Forwarding::ProxyHeader) => PROXY_HEADERS,
            _ => PROXIES,
        };
        let names = sidecar.map_or(proxies, |(_, names)| names);
        let first = |name: &&str| {
            let mut named = table.named(name).into_iter();
            named.find(|entry| entry.role == TimeoutRole::ProxyUpstreamIdle)
        };
        names.iter().filter_map(first).collect()
    }
}
