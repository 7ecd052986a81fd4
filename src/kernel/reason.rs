//! `enum sk_rst_reason` (include/net/rstreason.h), and what each value settles.

/// Why the kernel made a RST. Values that Linux may add later are kept by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// `NO_SOCKET`: nobody has a socket for the segment (`tcp_v4_rcv()`).
    NoSocket,
    /// `TCP_INVALID_ACK_SEQUENCE`: a handshake's acknowledgement is wrong.
    InvalidAckSequence,
    /// `TCP_RFC7323_PAWS`: a handshake's timestamp is wrong.
    Paws,
    /// `TCP_TOO_OLD_ACK`, `TCP_ACK_UNSENT_DATA` or `TCP_OLD_ACK`: the handshake's last ACK does not fit.
    BadHandshakeAck,
    /// `TCP_FLAGS`: a listening socket got a segment of a connection that it does not know (`tcp_rcv_state_process()`).
    Flags,
    /// `TCP_ABORT_ON_DATA`: data arrived after the application had closed for both directions.
    AbortOnData,
    /// `TCP_TIMEWAIT_SOCKET`: the same, when the socket was in FIN-WAIT-2 or TIME-WAIT.
    TimeWaitSocket,
    /// `INVALID_SYN`: the request was refused by the listener, with `tcp_abort_on_overflow` for a full accept queue (`tcp_check_req()`).
    InvalidSyn,
    /// `TCP_ABORT_ON_CLOSE`: the application closed with received data unread (`__tcp_close()`).
    AbortOnClose,
    /// `TCP_ABORT_ON_LINGER`: TCP_LINGER2 below zero.
    AbortOnLinger,
    /// `TCP_ABORT_ON_MEMORY`: too many orphaned sockets or no memory for TCP.
    AbortOnMemory,
    /// `TCP_STATE`: disconnected at once: SO_LINGER 0, a listener that closed with connections in its queue, `ss -K`
    /// (`tcp_disconnect()`, `tcp_abort()`).
    State,
    /// `TCP_KEEPALIVE_TIMEOUT`: probes went unanswered (`tcp_keepalive_timer()`).
    KeepaliveTimeout,
    /// `TCP_DISCONNECT_WITH_DATA`: disconnected with data unsent.
    DisconnectWithData,
    /// `NOT_SPECIFIED`: the kernel does not say.
    NotSpecified,
    /// Any other, by the kernel's name (`MPTCP_RST_…`, `ERROR`).
    Other(String),
}

/// What made the kernel speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An application's call, a timer or a limit ended a live socket: `tcp_send_active_reset()`.
    LocalDecision,
    /// A segment arrived that nobody wants: `tcp_v4_send_reset()`.
    Segment,
    /// Not known.
    Unknown,
}

/// Name in the kernel, value, what it means in words.
const TABLE: &[(&str, ResetReason, &str)] = &[
    (
        "NO_SOCKET",
        ResetReason::NoSocket,
        "no socket for the segment that arrived",
    ),
    (
        "TCP_INVALID_ACK_SEQUENCE",
        ResetReason::InvalidAckSequence,
        "the acknowledgement in the handshake was wrong",
    ),
    (
        "TCP_RFC7323_PAWS",
        ResetReason::Paws,
        "the timestamp in the handshake was wrong",
    ),
    (
        "TCP_FLAGS",
        ResetReason::Flags,
        "the port is listening, but the segment belongs to no connection of it",
    ),
    (
        "TCP_ABORT_ON_DATA",
        ResetReason::AbortOnData,
        "data arrived after the application had closed the socket",
    ),
    (
        "TCP_TIMEWAIT_SOCKET",
        ResetReason::TimeWaitSocket,
        "data arrived for a socket that was closed and in FIN-WAIT-2 or TIME-WAIT",
    ),
    (
        "INVALID_SYN",
        ResetReason::InvalidSyn,
        "the listener refused the handshake's end (with tcp_abort_on_overflow: its accept queue was full)",
    ),
    (
        "TCP_ABORT_ON_CLOSE",
        ResetReason::AbortOnClose,
        "the application closed the socket with received data unread",
    ),
    (
        "TCP_ABORT_ON_LINGER",
        ResetReason::AbortOnLinger,
        "TCP_LINGER2 is negative",
    ),
    (
        "TCP_ABORT_ON_MEMORY",
        ResetReason::AbortOnMemory,
        "too many orphaned sockets, or TCP is out of memory",
    ),
    (
        "TCP_STATE",
        ResetReason::State,
        "disconnected at once with nothing unread (SO_LINGER 0, a listener closed before it accepted, or ss -K)",
    ),
    (
        "TCP_KEEPALIVE_TIMEOUT",
        ResetReason::KeepaliveTimeout,
        "TCP keepalive probes went unanswered",
    ),
    (
        "TCP_DISCONNECT_WITH_DATA",
        ResetReason::DisconnectWithData,
        "disconnected with data still to be sent",
    ),
    (
        "NOT_SPECIFIED",
        ResetReason::NotSpecified,
        "the kernel does not say why",
    ),
];

impl ResetReason {
    /// From the name that the tracepoint prints.
    pub fn from_kernel(name: &str) -> Self {
        match name {
            "TCP_TOO_OLD_ACK" | "TCP_ACK_UNSENT_DATA" | "TCP_OLD_ACK" => Self::BadHandshakeAck,
            _ => TABLE.iter().find(|(known, ..)| *known == name).map_or_else(
                || Self::Other(name.to_owned()),
                |(_, reason, _)| reason.clone(),
            ),
        }
    }

    /// The kernel's name for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            Self::BadHandshakeAck => "TCP_OLD_ACK",
            known => TABLE
                .iter()
                .find(|(_, reason, _)| reason == known)
                .map_or("NOT_SPECIFIED", |(name, ..)| *name),
        }
    }

    /// What it means, in words that follow "the kernel says:".
    pub fn meaning(&self) -> &str {
        match self {
            Self::Other(_) => "see include/net/rstreason.h",
            Self::BadHandshakeAck => "the acknowledgement that ends the handshake did not fit",
            known => TABLE
                .iter()
                .find(|(_, reason, _)| reason == known)
                .map_or("", |(.., meaning)| *meaning),
        }
    }

    /// Whether a decision on this host or a segment from the peer came first.
    pub const fn origin(&self) -> Origin {
        match self {
            Self::AbortOnClose
            | Self::AbortOnLinger
            | Self::AbortOnMemory
            | Self::State
            | Self::KeepaliveTimeout
            | Self::DisconnectWithData => Origin::LocalDecision,
            Self::NoSocket
            | Self::InvalidAckSequence
            | Self::Paws
            | Self::BadHandshakeAck
            | Self::Flags
            | Self::AbortOnData
            | Self::TimeWaitSocket
            | Self::InvalidSyn => Origin::Segment,
            Self::NotSpecified | Self::Other(_) => Origin::Unknown,
        }
    }
}

impl std::fmt::Display for ResetReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_reads_back_as_itself() {
        for (name, reason, meaning) in TABLE {
            assert_eq!(&ResetReason::from_kernel(name), reason);
            assert_eq!(reason.as_str(), *name);
            assert_eq!(reason.meaning(), *meaning);
        }
    }

    #[test]
    fn a_reason_of_a_later_kernel_keeps_its_name() {
        let reason = ResetReason::from_kernel("TCP_SOMETHING_NEW");
        assert_eq!(reason.as_str(), "TCP_SOMETHING_NEW");
        assert_eq!(reason.origin(), Origin::Unknown);
    }
}
