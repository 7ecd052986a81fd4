//! The two ends of a connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An end of a connection. The client is the one that opened it (see [`Orientation`](Orientation)).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Sent the first SYN.
    Client,
    /// Was connected to.
    Server,
}

impl Peer {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// `client` or `server`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How client and server were told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// By the SYN or SYN-ACK.
    Syn,
    /// By the port numbers.
    Port,
    /// By who spoke first.
    FirstSender,
}

impl Orientation {
    const ALL: [Self; 3] = [Self::Syn, Self::Port, Self::FirstSender];

    /// The one that stands at this place of the declaration.
    pub(super) fn at(place: u8) -> Self {
        let way = Self::ALL.get(usize::from(place));
        way.copied().unwrap_or(Self::FirstSender)
    }
}
