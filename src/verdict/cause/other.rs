//! Resets that mean nothing, that are not what they seem, or that nothing explains.

use super::{CauseEntry, Part, Side, client, detail, remedy, rival, server};
use crate::verdict::Cause;

pub(super) const TEARDOWN_NOISE: CauseEntry = CauseEntry {
    cause: Cause::TeardownNoise,
    meaning: "all had been said; late bytes or ACKs drew the RST",
    explanation: "Both messages were complete. One end closed its socket fully, and a goodbye (TLS close_notify, session tickets, QUIT) or \
        an ACK of the other came after that, to a socket that was gone. Dashboards count these resets; no request is harmed by them.",
    ladder: &[
        server(0, "P.", 1)
            .ack(119)
            .len(1_200, "response, complete")
            .part(Part::LastActivity),
        client(1, "F.", 119).ack(1_201).part(Part::Fin),
        server(65, "P.", 1_201)
            .ack(120)
            .len(24, "TLS close_notify")
            .part(Part::Trigger),
        client(65, "R", 120).part(Part::Rst),
    ],
    proof: &[
        "no exchange was open: every request has its complete response",
        "what drew the RST is a FIN, an ACK or a goodbye, and no request",
    ],
    rivals: &[
        rival(Cause::StaleReuse, "what followed the FIN was a request"),
        rival(Cause::AbortiveClose, "an exchange was still open"),
        rival(
            Cause::ResponseTimeout,
            "what drew the RST was a late response",
        ),
    ],
    harm: "None.",
    remedies: &[
        remedy(
            Side::Client,
            "Nothing has to change. Waiting for the server's close_notify before closing makes the counters quieter.",
        ),
        remedy(Side::Server, "Nothing has to change."),
    ],
    details: &[
        detail(
            "state-gone",
            "a FIN found a peer that no longer knew the connection",
        ),
        detail(
            "tls-close",
            "a goodbye (TLS: close_notify, session tickets; HTTP/2: GOAWAY) met a closed socket",
        ),
        detail(
            "mptcp-subflow",
            "one subflow of MPTCP, where others bore some of what was said: from this one nobody can tell what was lost",
        ),
        detail(
            "unread-tickets",
            "TLS session tickets were never read before the close",
        ),
        detail(
            "abrupt-close",
            "RST in place of FIN after a complete exchange",
        ),
        detail(
            "late-data",
            "bytes that mattered to nobody came after the close",
        ),
    ],
};

pub(super) const INJECTED: CauseEntry = CauseEntry {
    cause: Cause::Injected,
    meaning: "a box between both ends forged the RST",
    explanation: "A firewall, filter, balancer or censor ended the connection in the name of one end, or of both. The address is the \
        peer's, the packet is not: it has come from another distance, carries another machine's habits, or contradicts what the peer itself \
        sends afterwards. A sequence number that fits proves nothing: the box reads along.",
    ladder: &[
        client(0, "P.", 1)
            .ack(1)
            .len(118, "request")
            .part(Part::Trigger),
        server(9, "R", 1).note("TTL 61, after 9 ms").part(Part::Rst),
        server(9, "R.", 1)
            .ack(119)
            .note("TTL 61, again")
            .part(Part::Rst),
        server(64, "P.", 1).ack(119).len(153, "response, TTL 52"),
    ],
    proof: &[
        "the peer goes on as if it had sent no RST (data or acknowledgements that contradict it)",
        "or the RST came sooner than the peer can answer, or from another hop count, together with a second independent difference (IP ID, TCP options, window, MAC address)",
    ],
    rivals: &[
        rival(
            Cause::AbortiveClose,
            "distance and habits are the peer's own, and it says nothing more",
        ),
        rival(
            Cause::IdleExpiredSilently,
            "a box that had forgotten an idle connection answered for want of state, with nothing in the content to object to",
        ),
        rival(
            Cause::HalfOpen,
            "the peer itself answers, from its own distance",
        ),
    ],
    harm: "As much as was open. The real server may have executed the request all the same.",
    remedies: &[
        remedy(
            Side::Path,
            "Find the box by its hop count (the report names it) and ask its owner which rule fired; capture on both sides of it at once for proof.",
        ),
        remedy(
            Side::Client,
            "A rule on names or words sees clear text and TLS server names.",
        ),
    ],
    details: &[],
};

pub(super) const IGNORED_RST: CauseEntry = CauseEntry {
    cause: Cause::IgnoredRst,
    meaning: "a RST that its receiver did not obey",
    explanation: "RFC 5961 has a receiver obey a RST only at exactly the next expected sequence number; inside the window it answers with a \
        challenge ACK, outside it drops it in silence. A late, duplicated or blindly forged RST is \
        such a one. The connection went on, or ended for another reason.",
    ladder: &[
        client(0, "P.", 1).ack(1).len(118, "request"),
        server(20, "R", 5_000).part(Part::Rst),
        client(20, ".", 119).ack(1).note("challenge ACK"),
        server(64, "P.", 1).ack(119).len(153, "response"),
        client(65, ".", 119).ack(154),
    ],
    proof: &[
        "the RST's sequence number is not the next one expected, and the receiver goes on: new data or acknowledgements of both sides follow",
        "or the receiver answers with a challenge ACK",
    ],
    rivals: &[
        rival(
            Cause::Injected,
            "it is also forged: then somebody tries, without success",
        ),
        rival(
            Cause::TeardownNoise,
            "the connection was over already, and the RST came late",
        ),
    ],
    harm: "None by this packet.",
    remedies: &[
        remedy(
            Side::Path,
            "Repeated ones from nowhere are an attempt to break connections: find their origin.",
        ),
        remedy(Side::Client, "Nothing has to change."),
    ],
    details: &[],
};

pub(super) const UNEXPLAINED: CauseEntry = CauseEntry {
    cause: Cause::Unexplained,
    meaning: "none of the known causes fits; the facts are printed",
    explanation: "The capture shows the RST and too little around it: it began too late, misses packets or one direction, or something \
        happened that the rules do not know. The facts stand in the report; no story is made up for them.",
    ladder: &[],
    proof: &["no other cause's conditions hold"],
    rivals: &[],
    harm: "Judged from the open exchange alone, as far as the capture shows one.",
    remedies: &[
        remedy(
            Side::Client,
            "Capture again from before the connection opens, with both directions and at least 128 bytes of each packet.",
        ),
        remedy(
            Side::Server,
            "A second capture at the other end decides most of these.",
        ),
    ],
    details: &[],
};
