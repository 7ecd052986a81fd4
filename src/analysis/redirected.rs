//! Connections that a rule of the capturing host led to another server than their client called.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::analysis::judges::Held;

/// Who was led from where to where.
#[derive(Debug, Default)]
pub struct Redirected {
    /// By the server that was called and the one that was reached.
    ways: BTreeMap<(SocketAddr, SocketAddr), u64>,
    /// By client and the server that it called, the one that it reached.
    pub reached: BTreeMap<(IpAddr, SocketAddr), SocketAddr>,
}

impl Redirected {
    /// Of these connections.
    pub fn of(connections: &[Held]) -> Self {
        let mut all = Self::default();
        for held in connections {
            if let Some(called) = held.called() {
                let (called, reached) = (called.server.into(), held.ends().server.into());
                *all.ways.entry((called, reached)).or_default() += 1;
                all.reached.insert((held.ends().client.0, called), reached);
            }
        }
        all
    }

    /// What a reader has to know of them.
    pub fn caveat(&self) -> Option<String> {
        /// So many are named.
        const NAMED: usize = 3;
        let all: u64 = self.ways.values().sum();
        let named = self.ways.keys().take(NAMED);
        let mut named: Vec<_> = named
            .map(|(called, reached)| format!("{called} → {reached}"))
            .collect();
        if self.ways.len() > NAMED {
            named.push("…".to_owned());
        }
        (all > 0).then(|| {
            format!(
                "{all} connections were led by a rule of the capturing host (REDIRECT, as of a sidecar proxy) to another server than their client called, and are told of with the one that took them: {}",
                named.join(", ")
            )
        })
    }
}
