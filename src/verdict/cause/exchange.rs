//! Connections that ended in the middle of, or right after, an exchange.

use super::{CauseEntry, Part, Side, client, detail, remedy, rival, server};
use crate::verdict::Cause;

pub(super) const RESPONSE_TIMEOUT: CauseEntry = CauseEntry {
    cause: Cause::ResponseTimeout,
    meaning: "the one who waited for an answer gave up",
    explanation: "A request was sent and taken, and its sender lost patience: it reset the connection, or closed it with FIN and the late \
        answer then drew a RST. The RST is the messenger; the slow answer is the story. How long was waited is in the report: a round \
        figure that repeats is a configured timeout.",
    ladder: &[
        client(0, "P.", 1)
            .ack(1)
            .len(118, "request")
            .part(Part::LastActivity),
        server(64, ".", 1).ack(119),
        client(30_000, "F.", 119).ack(1).part(Part::Fin),
        server(31_500, "P.", 1)
            .ack(120)
            .len(153, "response, too late")
            .part(Part::Trigger),
        client(31_500, "R", 120).part(Part::Rst),
    ],
    proof: &[
        "a request was unanswered when its own sender sent FIN or RST",
        "the late answer drew the RST, where there was a FIN",
    ],
    rivals: &[
        rival(
            Cause::AbortiveClose,
            "the wait is short, or no round figure that repeats: a user or a program cancelled",
        ),
        rival(Cause::HangUp, "it was the server that closed"),
        rival(Cause::IdleTimeoutReset, "nothing was unanswered"),
    ],
    harm: "The outcome of the request is unknown: the server had it. Only an idempotent request may be sent again.",
    remedies: &[
        remedy(Side::Server, "Find out why the answer took that long."),
        remedy(
            Side::Client,
            "Raise the response timeout where the work really takes that long; give non-idempotent requests an idempotency key before retrying them.",
        ),
        remedy(
            Side::Path,
            "Timeouts should shrink towards the server: the outermost waits longest.",
        ),
    ],
    details: &[
        detail(
            "path-mtu",
            "request or answer filled packets of full size, and none of that size ever got through, while smaller ones did: the path takes \
             smaller packets only, and the ICMP error that should say so (RFC 1191, RFC 8201) is not sent, or is filtered (RFC 2923 section 2.1)",
        ),
        detail(
            "unacknowledged",
            "the request was sent again and again and not even acknowledged: the host, or the way to it, was gone; the answer was not slow",
        ),
        detail(
            "undelivered",
            "part of the request or of the answer was sent and never got through, while other packets did; the answer was not slow",
        ),
        detail("tls-unfinished", "a ClientHello was not answered"),
    ],
};

pub(super) const CLOSE_WITH_UNREAD_DATA: CauseEntry = CauseEntry {
    cause: Cause::CloseWithUnreadData,
    meaning: "an application closed its socket with received data unread",
    explanation: "Closing a socket whose receive buffer is not empty makes most stacks (Linux: __tcp_close) send RST instead of FIN, so that \
        the peer learns that its data was thrown away (RFC 9293 3.6.1, RFC 2525 2.17). Typical: an error answered before the upload was read, a worker killed \
        with requests waiting, a bridge that stops reading. The RST can also destroy a response on its way: the peer's kernel may drop what \
        it has not delivered yet.",
    ladder: &[
        client(0, ".", 1).ack(1).len(14_480, "upload"),
        server(65, "P.", 1).ack(14_481).len(190, "413 response"),
        server(65, "R.", 191).ack(14_481).part(Part::Rst),
        client(66, ".", 14_481)
            .ack(1)
            .len(14_480, "upload, in flight"),
    ],
    proof: &[
        "RST with ACK from a live socket, at its next sequence number",
        "its kernel had acknowledged data that no answer shows to have been read, or data was still arriving",
    ],
    rivals: &[
        rival(
            Cause::AbortiveClose,
            "the same packet: SO_LINGER 0 is as good an explanation where all that was received had been answered; the host's TCPAbortOnClose and TCPAbortOnData counters tell",
        ),
        rival(
            Cause::DataAfterClose,
            "a FIN came first, and later data drew a RST without ACK",
        ),
        rival(
            Cause::ResponseTimeout,
            "the one who reset was waiting for an answer",
        ),
    ],
    harm: "Unread requests have an unknown outcome (a kernel had them, the application probably not); a response just before the RST may be lost.",
    remedies: &[
        remedy(
            Side::Server,
            "Read, or drain up to a limit, what the client is sending before closing (nginx: lingering_close); shut down by draining connections.",
        ),
        remedy(
            Side::Client,
            "Use Expect: 100-continue for large uploads and read the response while sending.",
        ),
    ],
    details: &[
        detail(
            "early-answer",
            "it had answered before it had read the whole request",
        ),
        detail(
            "process-ended",
            "other connections of the endpoint ended in the same instant and its port then refused",
        ),
    ],
};

pub(super) const DATA_AFTER_CLOSE: CauseEntry = CauseEntry {
    cause: Cause::DataAfterClose,
    meaning: "data arrived at a fully closed socket, without idle before it",
    explanation: "One end closed (FIN) while the other was in the middle of sending. A half-closed peer would still take the data, a fully \
        closed socket can't: Linux answers RST (TCP_ABORT_ON_DATA). Typical: a server that answers an upload early and closes, or a client \
        that has seen enough of a download.",
    ladder: &[
        client(0, ".", 1)
            .ack(1)
            .len(1_448, "upload")
            .part(Part::LastActivity),
        server(64, "P.", 1).ack(1_449).len(190, "response"),
        server(64, "F.", 191).ack(1_449).part(Part::Fin),
        client(66, ".", 1_449)
            .ack(1)
            .len(1_448, "upload")
            .part(Part::Trigger),
        server(130, "R", 1).part(Part::Rst),
    ],
    proof: &[
        "a FIN of the one who resets, then more data of a message that had begun before it, and a RST that takes its sequence number from that data's acknowledgement",
    ],
    rivals: &[
        rival(
            Cause::KeepaliveRace,
            "the data starts a new request after idle",
        ),
        rival(
            Cause::CloseWithUnreadData,
            "no FIN: the socket itself sent RST with ACK on closing",
        ),
        rival(
            Cause::TeardownNoise,
            "the late bytes were goodbyes, and both messages were complete",
        ),
    ],
    harm: "The message that was being sent is cut; a response may be lost at its receiver together with it.",
    remedies: &[
        remedy(
            Side::Server,
            "Drain the request before closing, or answer and close only after its end.",
        ),
        remedy(
            Side::Client,
            "Read while writing; stop sending when a final response has come.",
        ),
    ],
    details: &[
        detail(
            "early-answer",
            "it had answered and closed while the rest of the request was still coming",
        ),
        detail(
            "next-request",
            "it had closed right after an answer, and the next request was already on its way",
        ),
        detail(
            "upload-cut",
            "it had closed in the middle of what the other side was sending",
        ),
    ],
};

pub(super) const ABORTIVE_CLOSE: CauseEntry = CauseEntry {
    cause: Cause::AbortiveClose,
    meaning: "an application, or the end of its process, chose RST over FIN",
    explanation: "A live socket was aborted on purpose: SO_LINGER with time 0, destroy or reset calls (Node.js resetAndDestroy), a process \
        that died with data unread, a listening socket closed with connections waiting. The RST carries ACK and fits the connection's \
        numbers exactly.",
    ladder: &[
        client(0, "P.", 1).ack(1).len(118, "request"),
        server(64, "P.", 1)
            .ack(119)
            .len(1_448, "first part of the response")
            .part(Part::LastActivity),
        client(65, ".", 119).ack(1_449),
        server(400, "R.", 1_449).ack(119).part(Part::Rst),
    ],
    proof: &[
        "RST with ACK at the sender's next sequence number, answering no packet",
        "no better explanation: no timer, no unread data, no unanswered wait",
    ],
    rivals: &[
        rival(
            Cause::CloseWithUnreadData,
            "the same packet: data that nothing answered, or that was still arriving, speaks for unread data",
        ),
        rival(
            Cause::IdleTimeoutReset,
            "the silence before it repeats on other connections",
        ),
        rival(
            Cause::ResponseTimeout,
            "the one who reset was waiting for an answer, for a round time",
        ),
        rival(
            Cause::Injected,
            "hop count, IP ID or timing are not the sender's",
        ),
    ],
    harm: "Whatever was unanswered: a request with unknown outcome or a response cut short. After a complete exchange, nothing.",
    remedies: &[
        remedy(
            Side::Server,
            "Look in its log at that second: a crash, a deployment, a limit. Close with FIN, and drain before stopping.",
        ),
        remedy(
            Side::Client,
            "Where the client resets (detail reader-cancelled), it wanted no more: usually harmless.",
        ),
    ],
    details: &[
        detail(
            "reader-cancelled",
            "the receiver of a response stopped it half-way",
        ),
        detail(
            "listener-closed",
            "connections that nobody had accepted died with their listening socket",
        ),
        detail(
            "response-aborted",
            "the server reset in the middle of its response",
        ),
        detail(
            "restart-burst",
            "many connections ended within one moment: a restart or a drain",
        ),
        detail(
            "health-check",
            "connect and reset without data, regularly: a balancer's check",
        ),
        detail(
            "tls-alert",
            "the TLS handshake failed: one end broke it off with an alert, which the explanation names; nothing could be asked",
        ),
        detail(
            "tls-mismatch",
            "only one end spoke TLS: a ClientHello was answered in clear text, or HTTP met a server that speaks TLS on this port",
        ),
        detail(
            "tls-unfinished",
            "one end left before the TLS handshake was over, and did not say why",
        ),
        detail(
            "client-certificate",
            "the server wanted a client certificate and broke off right after the client's part of the handshake",
        ),
        detail(
            "goaway-calm",
            "an HTTP/2 session was broken off with GOAWAY ENHANCE_YOUR_CALM: too many PINGs (gRPC: too_many_pings) or streams that were reset",
        ),
        detail(
            "goaway-error",
            "an HTTP/2 session was broken off with GOAWAY and another error, which the explanation names",
        ),
        detail(
            "mptcp-subflow",
            "one subflow of MPTCP, where others bore some of what was said: from this one nobody can tell what was lost",
        ),
    ],
};

pub(super) const HANG_UP: CauseEntry = CauseEntry {
    cause: Cause::HangUp,
    meaning: "a FIN, no RST: a request stayed unanswered, or a response was cut short",
    explanation: "No packet says reset, and yet an application may print it: Node.js calls an orderly close before the response ECONNRESET \
        (\"socket hang up\"), others say \"empty reply\", \"remote end closed connection\", \"unexpected EOF\". The one who owed the answer \
        closed instead.",
    ladder: &[
        client(0, "P.", 1)
            .ack(1)
            .len(118, "request")
            .part(Part::LastActivity),
        server(64, ".", 1).ack(119),
        server(2_064, "F.", 1).ack(119).part(Part::Fin),
        client(2_064, "F.", 119).ack(2),
        server(2_128, ".", 2).ack(120),
    ],
    proof: &[
        "a FIN from the one who owed an answer, after the whole request had been acknowledged, or before the response's announced length was reached",
        "no RST on the connection",
    ],
    rivals: &[
        rival(
            Cause::KeepaliveRace,
            "the request was sent when the FIN was under way, and a RST followed",
        ),
        rival(Cause::ResponseTimeout, "the one who waited closed first"),
    ],
    harm: "The outcome is unknown, or a response is cut short: only an idempotent request may be sent again.",
    remedies: &[
        remedy(
            Side::Server,
            "Look for a crashed worker, an exception before the first byte, a limit (nginx 444), a shutdown that does not wait for requests in flight.",
        ),
        remedy(Side::Client, "Retry idempotent requests only."),
    ],
    details: &[
        detail(
            "path-mtu",
            "the request filled packets of full size, and none of that size ever got through, while smaller ones did: see response-timeout",
        ),
        detail(
            "undelivered",
            "part of the request was sent again and again and never got through, while other packets did",
        ),
        detail(
            "process-ended",
            "other connections of the endpoint ended in the same instant and its port then refused",
        ),
        detail(
            "websocket-cut",
            "a WebSocket ended without a Close frame; applications see code 1006",
        ),
        detail(
            "tls-alert",
            "the TLS handshake failed: one end broke it off with an alert, which the explanation names; nothing could be asked",
        ),
        detail(
            "tls-mismatch",
            "only one end spoke TLS: a ClientHello was answered in clear text, or HTTP met a server that speaks TLS on this port",
        ),
        detail(
            "tls-unfinished",
            "one end left before the TLS handshake was over, and did not say why",
        ),
        detail(
            "client-certificate",
            "the server wanted a client certificate and broke off right after the client's part of the handshake",
        ),
        detail(
            "goaway-calm",
            "an HTTP/2 session was broken off with GOAWAY ENHANCE_YOUR_CALM: too many PINGs (gRPC: too_many_pings) or streams that were reset",
        ),
        detail(
            "goaway-error",
            "an HTTP/2 session was broken off with GOAWAY and another error, which the explanation names",
        ),
    ],
};
