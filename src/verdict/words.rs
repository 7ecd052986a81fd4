//! The words of a verdict. They are the public contract's words too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in reports and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                match s {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("`{s}` is none of: {}", [$($text),+].join(", "))),
                }
            }
        }
    };
}

words! {
    /// Why a connection ended as it did. `whyrst explain NAME` tells more of each.
    Cause {
        /// A SYN was answered by RST (or by an ICMP error).
        ConnectionRefused => "connection-refused",
        /// The client's side reset after the SYN-ACK.
        HandshakeAborted => "handshake-aborted",
        /// The handshake was done for the client, not for the server.
        AcceptQueueOverflow => "accept-queue-overflow",
        /// The server's idle close and the client's next request crossed.
        KeepaliveRace => "keepalive-race",
        /// The client wrote into a connection whose FIN it had already acknowledged.
        StaleReuse => "stale-reuse",
        /// State was lost in silence; the next packet drew the RST, or nothing at all.
        IdleExpiredSilently => "idle-expired-silently",
        /// Somebody reset at the idle timer itself.
        IdleTimeoutReset => "idle-timeout-reset",
        /// The one who waited gave up.
        ResponseTimeout => "response-timeout",
        /// An application closed with received data unread.
        CloseWithUnreadData => "close-with-unread-data",
        /// Data arrived at a fully closed socket, without idle.
        DataAfterClose => "data-after-close",
        /// An application chose RST.
        AbortiveClose => "abortive-close",
        /// TCP keepalive probes went unanswered.
        KeepaliveProbeFailure => "keepalive-probe-failure",
        /// A peer no longer knows the connection.
        HalfOpen => "half-open",
        /// All had been said; late bytes or ACKs drew the RST.
        TeardownNoise => "teardown-noise",
        /// A box in between forged it.
        Injected => "injected",
        /// A RST that its receiver did not obey.
        IgnoredRst => "ignored-rst",
        /// A new SYN met the old connection's state.
        TimeWaitCollision => "time-wait-collision",
        /// A FIN, no RST: a request unanswered or a response cut short.
        HangUp => "hang-up",
        /// None of these; the facts are printed.
        Unexplained => "unexplained",
    }
}

words! {
    /// How sure a statement is. `certain` is a claim that must never be wrong.
    Confidence {
        /// A contradiction or identity proves it.
        Certain => "certain",
        /// One mechanism fits all facts and rivals need an unlikely coincidence.
        Likely => "likely",
        /// It fits, but a named rival fits equally.
        Possible => "possible",
    }
}

words! {
    /// What the ending cost.
    Harm {
        /// Nothing.
        None => "none",
        /// The connection never came to be.
        Refused => "refused",
        /// The peer's stack never took the request: a retry is safe.
        RequestLost => "request-lost",
        /// Taken by a kernel, unanswered: only an idempotent retry is safe.
        RequestOutcomeUnknown => "request-outcome-unknown",
        /// Part of the response arrived.
        ResponseTruncated => "response-truncated",
    }
}

words! {
    /// The shape of a RST.
    Form {
        /// RST+ACK from a live socket.
        Abort => "abort",
        /// The answer of a stack without a socket for the segment that it answers.
        Reply => "reply",
        /// Neither.
        Other => "other",
    }
}

words! {
    /// Whether the RST ended the connection at its receiver.
    Effect {
        /// It did, as far as the capture shows.
        TookEffect => "took-effect",
        /// The receiver did not obey.
        Ignored => "ignored",
    }
}

words! {
    /// Which captures show a RST, where two were taken between client and server.
    Passage {
        /// Both do.
        Whole => "whole",
        /// The one nearer to the host whose address it bears shows that host's other packets and not this one.
        NotFromSender => "not-from-sender",
        /// The one nearer to the host that it is for shows its sender's other packets and not this one.
        NotArrived => "not-arrived",
    }
}

words! {
    /// Who made a RST.
    ResetSender {
        /// The client's host.
        Client => "client",
        /// The server's host.
        Server => "server",
        /// A device between them.
        Middlebox => "middlebox",
        /// The capture can't tell.
        Unknown => "unknown",
    }
}

words! {
    /// The packet that a RST answers.
    TriggerKind {
        /// A SYN.
        Syn => "syn",
        /// A SYN-ACK.
        SynAck => "syn-ack",
        /// The start of a request.
        Request => "request",
        /// Part of a response.
        Response => "response",
        /// Other payload.
        Data => "data",
        /// A pure ACK.
        Ack => "ack",
        /// A FIN.
        Fin => "fin",
        /// A TCP keepalive probe.
        KeepaliveProbe => "keepalive-probe",
        /// No packet: the sender's own decision or a timer.
        None => "none",
    }
}

words! {
    /// What the silence before the ending was.
    IdleKind {
        /// The last exchange was over and the next had not begun.
        BetweenRequests => "between-requests",
        /// Somebody waited for a response (or for the rest of a message).
        AwaitingResponse => "awaiting-response",
        /// The handshake waited.
        Handshake => "handshake",
        /// No silence worth naming.
        None => "none",
    }
}

words! {
    /// Whether sending the request again is safe.
    RetrySafety {
        /// The first copy was provably not taken, or the request is idempotent.
        Yes => "yes",
        /// The first copy may have been executed and is not idempotent.
        No => "no",
        /// Not decidable from this capture.
        Unknown => "unknown",
    }
}
