//! Connections that never came to be.

use super::{CauseEntry, Part, Side, client, detail, remedy, rival, server};
use crate::verdict::Cause;

pub(super) const CONNECTION_REFUSED: CauseEntry = CauseEntry {
    cause: Cause::ConnectionRefused,
    meaning: "a SYN was answered by RST, or by an ICMP error",
    explanation: "The client asked to connect and was told no: nothing listens on that port, or a firewall rule, load balancer or security \
        policy answers in the host's name. RFC 9293 (3.10.7.1) has a host without a listener answer every SYN with RST and ACK, acknowledging \
        the SYN. Applications print ECONNREFUSED, \"connection refused\".",
    ladder: &[
        client(0, "S", 0).part(Part::Trigger),
        server(40, "R.", 0).ack(1).part(Part::Rst),
    ],
    proof: &[
        "RST with ACK that acknowledges exactly the SYN (its data included), right after it",
        "or an ICMP unreachable error that quotes the SYN",
    ],
    rivals: &[
        rival(
            Cause::HandshakeAborted,
            "a SYN-ACK came first, and the RST came from the client's side",
        ),
        rival(
            Cause::AcceptQueueOverflow,
            "a SYN-ACK came first, and the server's side reset after it",
        ),
    ],
    harm: "The connection never came to be; nothing was sent. A retry is safe and will fail again until something listens.",
    remedies: &[
        remedy(
            Side::Server,
            "Start the service, or have it listen on that address and port (127.0.0.1 is not 0.0.0.0); wait for readiness before sending clients.",
        ),
        remedy(
            Side::Client,
            "Check address and port; retry with a pause while a deployment is under way.",
        ),
        remedy(
            Side::Path,
            "Detail policy-reject: look for a REJECT rule or a balancer without a healthy target; the host itself did not answer.",
        ),
    ],
    details: &[
        detail("icmp", "an ICMP error answered the SYN; there was no RST"),
        detail(
            "policy-reject",
            "hop count or response time are not those of the host: a device in between refused",
        ),
        detail(
            "mptcp-subflow",
            "one more subflow of MPTCP was refused; the connection goes on over those that it has",
        ),
    ],
};

pub(super) const HANDSHAKE_ABORTED: CauseEntry = CauseEntry {
    cause: Cause::HandshakeAborted,
    meaning: "the client's side reset after the server's SYN-ACK",
    explanation: "The server agreed to the connection and the client's side took it back: a port scan that only wants to see the SYN-ACK, \
        a connect that was cancelled or timed out (a second address was faster), or a SYN whose address was forged, so that the real owner \
        of the address answers the unexpected SYN-ACK with RST.",
    ladder: &[
        client(0, "S", 0),
        server(40, "S.", 0).ack(1).part(Part::Trigger),
        client(40, "R", 1).part(Part::Rst),
    ],
    proof: &[
        "the RST answers the SYN-ACK: its sequence number is the SYN-ACK's acknowledgement",
        "or the client resets after its ACK, before any data",
    ],
    rivals: &[
        rival(
            Cause::TimeWaitCollision,
            "the server's answer acknowledges something else than the SYN, and the client tries again at once",
        ),
        rival(
            Cause::AbortiveClose,
            "the handshake was complete and data had been exchanged",
        ),
    ],
    harm: "Nothing was sent on it. From a scanner it is noise; from your own client, look for a connect timeout.",
    remedies: &[
        remedy(
            Side::Client,
            "Raise the connect timeout where it is below the time that the SYN-ACK takes; a cancelled attempt of several parallel ones is normal.",
        ),
        remedy(
            Side::Path,
            "Many different sources without data afterwards are a scan or backscatter: filter or ignore them.",
        ),
    ],
    details: &[
        detail(
            "connect-timeout",
            "the SYN-ACK came too late or never: the client had given its attempt up",
        ),
        detail(
            "syn-again",
            "the client's host resets the SYN-ACK and its socket goes on asking: the answer is not from the address that was called \
            (a translation is missing on the way back), or a firewall on that host rejects it",
        ),
        detail(
            "untranslated",
            "the SYN-ACK came with the address of the server behind the published one (hairpin: client and server in one network; or another way back): \
            the client's host does not know it and resets it, and the connect times out",
        ),
    ],
};

pub(super) const ACCEPT_QUEUE_OVERFLOW: CauseEntry = CauseEntry {
    cause: Cause::AcceptQueueOverflow,
    meaning: "the handshake was done for the client, but not for the server",
    explanation: "The server's queue of finished but not yet accepted connections was full. Linux then drops the last ACK of the handshake \
        (tcp_v4_syn_recv_sock): the client believes it is connected and sends, the server keeps repeating its SYN-ACK, and later answers \
        with RST. With net.ipv4.tcp_abort_on_overflow=1 it resets at once.",
    ladder: &[
        client(0, "S", 0),
        server(40, "S.", 0).ack(1),
        client(40, ".", 1).ack(1),
        client(41, "P.", 1).ack(1).len(118, "request"),
        server(1_050, "S.", 0).ack(1).note("SYN-ACK again"),
        client(63_000, "P.", 1)
            .ack(1)
            .len(118, "request again")
            .part(Part::Trigger),
        server(63_040, "R", 1).part(Part::Rst),
    ],
    proof: &[
        "the server repeats its SYN-ACK although the client's ACK had been sent",
        "or a RST with the server's first sequence number + 1 within about one round trip of the handshake's ACK, while SYNs to the same port go unanswered",
    ],
    rivals: &[
        rival(
            Cause::AbortiveClose,
            "the server accepted: it acknowledged the request or sent data",
        ),
        rival(Cause::HalfOpen, "the connection had worked before"),
        rival(
            Cause::Injected,
            "the RST's distance (hop count, response time) is not the server's",
        ),
    ],
    harm: "The request was never taken: a retry is safe, and adds to the load.",
    remedies: &[
        remedy(
            Side::Server,
            "Accept faster (a blocked event loop or a starved thread pool is the usual reason), then raise the backlog of listen() and net.core.somaxconn together. nstat's TcpExtListenOverflows counts the cases.",
        ),
        remedy(
            Side::Client,
            "Open fewer connections at once; reuse them; retry with back-off.",
        ),
    ],
    details: &[],
};

pub(super) const TIME_WAIT_COLLISION: CauseEntry = CauseEntry {
    cause: Cause::TimeWaitCollision,
    meaning: "a new SYN met what the server still knew of an old connection",
    explanation: "The client reused a port while the server still held the old connection with the same four addresses and ports. The server \
        answers the SYN with an ACK for the old connection, the client finds it absurd and resets that, and its next SYN gets through.",
    ladder: &[
        client(0, "S", 0).note("port used before"),
        server(40, ".", 7_200_501)
            .ack(3_100_422)
            .note("for the old connection")
            .part(Part::Trigger),
        client(40, "R", 3_100_422).part(Part::Rst),
        client(1_030, "S", 0).note("again"),
        server(1_070, "S.", 0).ack(1),
        client(1_070, ".", 1).ack(1),
    ],
    proof: &[
        "SYN, then an ACK that does not acknowledge it, then a RST whose sequence number is that acknowledgement, then the same SYN again",
    ],
    rivals: &[
        rival(
            Cause::HandshakeAborted,
            "the server's answer is a SYN-ACK that acknowledges the SYN",
        ),
        rival(
            Cause::ConnectionRefused,
            "the RST comes from the server and acknowledges the SYN",
        ),
    ],
    harm: "A second of delay where the next SYN succeeds; otherwise the connection never came to be.",
    remedies: &[
        remedy(
            Side::Client,
            "Keep connections instead of opening so many; widen net.ipv4.ip_local_port_range; leave TCP timestamps on, so that servers can recycle TIME-WAIT.",
        ),
        remedy(
            Side::Path,
            "A NAT that hands out the same source port again too early does this as well: give it more addresses or a longer port hold time.",
        ),
    ],
    details: &[],
};
