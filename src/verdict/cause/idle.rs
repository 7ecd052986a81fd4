//! Connections that had been idle.

use super::{CauseEntry, Part, Side, client, detail, remedy, rival, server};
use crate::verdict::Cause;

pub(super) const KEEPALIVE_RACE: CauseEntry = CauseEntry {
    cause: Cause::KeepaliveRace,
    meaning: "the server's idle close and the client's next request crossed",
    explanation: "Both sides kept the connection for the next request. The server's idle timer fired and it sent FIN; before that FIN \
        arrived, the client sent a request. The request meets a socket that is closed, and the server's kernel answers RST. Neither side \
        is broken: their timers are. Whoever sends requests has to give up idle connections earlier than the other side does.",
    ladder: &[
        client(0, "P.", 1).ack(1).len(118, "request"),
        server(64, "P.", 1)
            .ack(119)
            .len(153, "response")
            .part(Part::LastActivity),
        server(5_064, "F.", 154).ack(119).part(Part::Fin),
        client(5_070, "P.", 119)
            .ack(154)
            .len(131, "next request")
            .part(Part::Trigger),
        server(5_134, "R", 154).part(Part::Rst),
    ],
    proof: &[
        "the server sent FIN after idling, and the request that follows does not acknowledge that FIN (its ACK is at most the FIN's sequence number): it was sent before the FIN had arrived",
        "the RST is a closed socket's reply: no ACK, window 0, its sequence number is the request's acknowledgement",
    ],
    rivals: &[
        rival(
            Cause::StaleReuse,
            "the request acknowledges the FIN: the client's kernel had it already",
        ),
        rival(
            Cause::IdleExpiredSilently,
            "no FIN was seen before the request",
        ),
        rival(
            Cause::DataAfterClose,
            "the client was in the middle of sending, without idle",
        ),
        rival(
            Cause::AbortiveClose,
            "no FIN, and a RST that answers no packet: whether the server's idle timer ran out while the request lay unread",
        ),
    ],
    harm: "The request is lost, but the server's application never saw it: its kernel threw it away. A retry on a new connection is safe, for POST too.",
    remedies: &[
        remedy(
            Side::Client,
            "Let the pool drop connections that have idled for longer than the server's timeout minus a round trip and a second; obey Keep-Alive: timeout=. Retry once when a reused connection dies before any response byte.",
        ),
        remedy(
            Side::Server,
            "Raise the idle (keep-alive) timeout above that of whatever stands before it: load balancer, proxy, client pool.",
        ),
        remedy(
            Side::Path,
            "A proxy in between is the client of the server behind it: set its upstream idle timeout below that server's.",
        ),
    ],
    details: &[detail(
        "unread",
        "the server's idle timer ran out with the request unread in its socket (a busy event loop runs timers first): Linux closes such \
        a socket with a RST and no FIN; its kernel had acknowledged the request, so that nobody can be sure that it was not read",
    )],
};

pub(super) const STALE_REUSE: CauseEntry = CauseEntry {
    cause: Cause::StaleReuse,
    meaning: "the client wrote into a connection whose FIN it had already acknowledged",
    explanation: "The server had closed the idle connection, the client's kernel had acknowledged the FIN, and the client's pool used the \
        connection all the same: it does not watch its idle sockets, or a busy event loop had not come round to reading the close. A longer \
        server timeout makes it rarer and does not cure it.",
    ladder: &[
        client(0, "P.", 1).ack(1).len(118, "request"),
        server(64, "P.", 1)
            .ack(119)
            .len(153, "response")
            .part(Part::LastActivity),
        server(5_064, "F.", 154).ack(119).part(Part::Fin),
        client(5_100, ".", 119)
            .ack(155)
            .note("acknowledges the FIN"),
        client(8_200, "P.", 119)
            .ack(155)
            .len(131, "next request")
            .part(Part::Trigger),
        server(8_264, "R", 155).part(Part::Rst),
    ],
    proof: &[
        "the request acknowledges the server's FIN (its ACK is the FIN's sequence number + 1)",
        "the RST is a closed socket's reply to it",
    ],
    rivals: &[
        rival(
            Cause::KeepaliveRace,
            "the request does not acknowledge the FIN: it was under way already",
        ),
        rival(
            Cause::DataAfterClose,
            "what follows the FIN is no new request but the rest of a message",
        ),
        rival(
            Cause::TeardownNoise,
            "what follows the FIN is a goodbye (TLS close_notify, QUIT) and no request",
        ),
    ],
    harm: "The request is lost and the server's application never saw it: a retry on a new connection is safe.",
    remedies: &[
        remedy(
            Side::Client,
            "Check an idle connection for a close before reuse (most pools can), watch idle sockets, and drop idle connections before the server does. Unblock the event loop (detail event-loop).",
        ),
        remedy(
            Side::Server,
            "A longer idle timeout makes it rarer, no more.",
        ),
    ],
    details: &[detail(
        "event-loop",
        "the FIN came only milliseconds before the request: the application could hardly have known",
    )],
};

pub(super) const IDLE_EXPIRED_SILENTLY: CauseEntry = CauseEntry {
    cause: Cause::IdleExpiredSilently,
    meaning: "state was lost during a silence; the next packet drew the RST, or nothing at all",
    explanation: "A NAT, firewall, load balancer or the peer itself forgot the idle connection and told nobody. The next packet finds no \
        state: a box or a host without that connection answers RST, or the packet and its retransmissions vanish. Boxes count packets, so \
        TCP keepalive probes keep their entries alive; servers' HTTP timers do not count them.",
    ladder: &[
        client(0, "P.", 1).ack(1).len(118, "request"),
        server(64, "P.", 1)
            .ack(119)
            .len(153, "response")
            .part(Part::LastActivity),
        client(350_500, "P.", 119)
            .ack(154)
            .len(131, "next request")
            .part(Part::Trigger),
        server(350_503, "R", 154).part(Part::Rst),
    ],
    proof: &[
        "no FIN, a silence, then a RST without ACK that takes its sequence number from the packet that broke the silence",
        "or that packet and its retransmissions stay unanswered",
        "a hop count or response time that is not the server's shows the box that answered",
    ],
    rivals: &[
        rival(
            Cause::HalfOpen,
            "no silence worth the name went before, or the peer restarted (its next connections start with a new clock)",
        ),
        rival(
            Cause::KeepaliveRace,
            "a capture nearer to the server shows a FIN that was lost on the way",
        ),
        rival(
            Cause::IdleTimeoutReset,
            "the RST came at the timer, before any packet broke the silence",
        ),
    ],
    harm: "The request is lost. The stack that answered had no connection to deliver it to: a retry is safe. Where nothing answers, minutes of retransmission are lost too.",
    remedies: &[
        remedy(
            Side::Client,
            "Send TCP keepalive probes, or drop idle connections, well below the box's timeout (AWS NLB 350 s, Azure 240 s, many firewalls 3600 s).",
        ),
        remedy(
            Side::Server,
            "TCP keepalive from the server's side keeps the entry alive as well.",
        ),
        remedy(
            Side::Path,
            "Raise the idle timeout of the box, or have it send RST on expiry, so that both ends learn of it.",
        ),
    ],
    details: &[detail(
        "untranslated",
        "an answer came with the address of the server behind a published one: whoever translates (kube-proxy, a balancer, a NAT) had forgotten the connection, \
        the client's host did not know it and reset it, and its program waits in vain",
    )],
};

pub(super) const IDLE_TIMEOUT_RESET: CauseEntry = CauseEntry {
    cause: Cause::IdleTimeoutReset,
    meaning: "somebody reset the connection when an idle timer ran out",
    explanation: "Instead of closing with FIN, a load balancer, firewall or server ended the idle connection by RST the moment its timer \
        fired. No packet provoked it, nothing was outstanding, and the same silence comes again on other connections.",
    ladder: &[
        client(0, "P.", 1).ack(1).len(118, "request"),
        server(64, "P.", 1)
            .ack(119)
            .len(153, "response")
            .part(Part::LastActivity),
        client(65, ".", 119).ack(154),
        server(240_065, "R.", 154).ack(119).part(Part::Rst),
    ],
    proof: &[
        "a RST that answers no packet, with nothing outstanding in either direction, after a silence that repeats on other connections or is a known timeout",
    ],
    rivals: &[
        rival(
            Cause::IdleExpiredSilently,
            "a packet broke the silence just before the RST",
        ),
        rival(
            Cause::AbortiveClose,
            "the silence repeats nowhere, or many connections end at one moment (a restart)",
        ),
        rival(Cause::ResponseTimeout, "a request was unanswered"),
    ],
    harm: "None in itself; a request that crosses the RST is lost.",
    remedies: &[
        remedy(
            Side::Client,
            "Drop idle connections before that timer, and take a reset of an idle connection as a normal close.",
        ),
        remedy(Side::Path, "Raise the box's idle timeout above the pool's."),
        remedy(
            Side::Server,
            "Where the server itself resets: close with FIN (no SO_LINGER 0, no reset_timedout_connection) for idle connections.",
        ),
    ],
    details: &[],
};

pub(super) const KEEPALIVE_PROBE_FAILURE: CauseEntry = CauseEntry {
    cause: Cause::KeepaliveProbeFailure,
    meaning: "TCP keepalive probes went unanswered, and the prober gave up",
    explanation: "One end probed the idle connection (a segment with the sequence number before the next one), got no answer several times \
        in equal intervals, and then reset: as far as it can tell, the peer is gone. Its application gets ETIMEDOUT. The RST most likely \
        reaches nobody.",
    ladder: &[
        server(0, "P.", 1)
            .ack(119)
            .len(153, "response")
            .part(Part::LastActivity),
        client(60_000, ".", 118).ack(154).note("keepalive probe"),
        client(70_000, ".", 118).ack(154).note("keepalive probe"),
        client(80_000, ".", 118).ack(154).note("keepalive probe"),
        client(90_000, "R.", 119).ack(154).part(Part::Rst),
    ],
    proof: &[
        "two or more equal intervals between unanswered probes, and the RST one interval after the last one (tcp_keepalive_timer)",
    ],
    rivals: &[
        rival(
            Cause::IdleExpiredSilently,
            "a probe was answered by RST, or data and not a probe broke the silence",
        ),
        rival(
            Cause::IdleTimeoutReset,
            "the probes were answered: the RST is not theirs",
        ),
    ],
    harm: "None by the RST: the connection was dead before. What killed it (host down, path cut, state lost) is the finding.",
    remedies: &[
        remedy(
            Side::Path,
            "Find what swallowed the probes: a firewall that drops what it has forgotten, a route, a host that went down.",
        ),
        remedy(
            Side::Client,
            "Probes that begin below the path's idle timeout keep its state alive instead of finding it gone.",
        ),
        remedy(Side::Server, "The same holds where the server probes."),
    ],
    details: &[],
};

pub(super) const HALF_OPEN: CauseEntry = CauseEntry {
    cause: Cause::HalfOpen,
    meaning: "a peer no longer knows the connection",
    explanation: "One end goes on as if the connection existed; the other has lost it: host or container restarted, failed over, its address \
        moved, or its state was flushed in the middle of traffic. The next packet or keepalive probe is answered by a stack without that \
        socket (RFC 9293 3.5.1, half-open connections).",
    ladder: &[
        client(0, "P.", 1).ack(1).len(118, "request"),
        server(64, "P.", 1).ack(119).len(153, "response"),
        client(300, "P.", 119)
            .ack(154)
            .len(131, "next request")
            .part(Part::Trigger),
        server(364, "R", 154).part(Part::Rst),
    ],
    proof: &[
        "a RST without ACK that takes its sequence number from the packet it answers, no FIN before it, and no idle that a timer would explain",
        "or the packet that drew it is a keepalive probe",
    ],
    rivals: &[
        rival(
            Cause::IdleExpiredSilently,
            "a silence as long as a known timer, or one that repeats, went before",
        ),
        rival(
            Cause::Injected,
            "hop count, IP ID, window or timing of the RST are not the peer's",
        ),
        rival(Cause::DataAfterClose, "a FIN of the peer went before"),
    ],
    harm: "A request that drew the RST is lost and was not taken; an earlier one that had been acknowledged and not answered has an unknown outcome. Found by a probe, nothing is lost.",
    remedies: &[
        remedy(
            Side::Server,
            "Drain connections before a restart or a failover; have the address move only after that.",
        ),
        remedy(
            Side::Client,
            "Expect it during deployments: retry on a new connection.",
        ),
        remedy(
            Side::Path,
            "Keep flows on one target (sticky hashing) when targets come and go; look for flushed connection tracking.",
        ),
    ],
    details: &[
        detail(
            "unreachable",
            "nobody answered any more, or only ICMP errors came, and connects to the same port failed, too: the host or the way to it was gone, \
            whether or not the connection had been idle",
        ),
        detail(
            "untranslated",
            "an answer came with the address of the server behind a published one: whoever translates (kube-proxy, a balancer, a NAT) no longer knew the connection or took the packet for invalid, \
        the client's host did not know it and reset it, and its program waits in vain",
        ),
    ],
};
