//! Advice that needs no server's numbers: said once, however many servers it is about.

use std::collections::{BTreeMap, BTreeSet};

use super::{line, plain, retries_of_writes};
use crate::insight::observation::believable;
use crate::report::{Advice, Endpoint, Finding};
use crate::verdict::{Cause, Confidence, Harm, Passage};

/// What has to change, whichever server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum General {
    IdleReset,
    Waiting,
    Queue,
    SuddenClose,
    Upload,
    Restart,
    Filter,
    Refused,
    /// Packets reached a client under the address of the server behind a published one.
    Untranslated,
    /// So do the answers to their SYNs.
    WayBack,
    /// A client's host resets the answers to its SYNs.
    Unrecognised,
    /// A host or a path forgot connections in the middle of what was said.
    Forgotten,
    /// Nobody hears what is sent to a host.
    Unreachable,
    /// The path takes smaller packets than are sent.
    PacketSize,
    /// Some packets got through, and others not.
    Loss,
    /// TLS handshakes fail.
    Tls,
    /// TLS handshakes are not finished, and nobody says why.
    TlsUnfinished,
    /// Only one end speaks TLS.
    Scheme,
    /// A server of HTTP/2 gets more than it puts up with.
    Calm,
    /// An end of HTTP/2 does not accept what the other one does.
    Http2,
}

impl General {
    pub(super) fn of(finding: &Finding) -> Option<Self> {
        let harmful = finding.harm != Harm::None;
        let detail = finding.detail.as_deref();
        match finding.cause {
            _ if finding.is_tls_mismatch() => Some(Self::Scheme),
            _ if finding.is_tls_unfinished() => harmful.then_some(Self::TlsUnfinished),
            _ if finding.is_tls_failure() => Some(Self::Tls),
            _ if detail == Some("goaway-calm") => Some(Self::Calm),
            _ if detail == Some("goaway-error") => Some(Self::Http2),
            Cause::ResponseTimeout | Cause::HangUp if finding.is_by_size() => {
                Some(Self::PacketSize)
            }
            Cause::ResponseTimeout | Cause::HangUp if detail == Some("undelivered") => {
                Some(Self::Loss)
            }
            Cause::IdleTimeoutReset => Some(Self::IdleReset),
            Cause::HalfOpen if finding.is_untranslated() => Some(Self::Untranslated),
            Cause::HalfOpen if detail == Some("unreachable") => Some(Self::Unreachable),
            Cause::ResponseTimeout if detail == Some("unacknowledged") => Some(Self::Unreachable),
            Cause::ResponseTimeout => Some(Self::Waiting),
            Cause::AcceptQueueOverflow => Some(Self::Queue),
            Cause::DataAfterClose if harmful && detail == Some("next-request") => {
                Some(Self::SuddenClose)
            }
            Cause::CloseWithUnreadData if harmful && detail == Some("process-ended") => {
                Some(Self::Restart)
            }
            Cause::DataAfterClose | Cause::CloseWithUnreadData if harmful => Some(Self::Upload),
            Cause::HangUp | Cause::AbortiveClose if harmful => Some(Self::Restart),
            Cause::Injected => Some(Self::Filter),
            Cause::ConnectionRefused => Some(Self::Refused),
            Cause::HandshakeAborted if finding.is_untranslated() => Some(Self::WayBack),
            Cause::HandshakeAborted if detail == Some("syn-again") => Some(Self::Unrecognised),
            _ => None,
        }
    }

    pub(super) fn piece(self, cited: &[&Finding]) -> Advice {
        let at = servers(cited);
        match self {
            Self::IdleReset => plain(
                "client",
                format!("close idle connections to {at} before something else resets them"),
                format!(
                    "Something closes idle connections to {at} with a RST. Let the client close them earlier, or let the closer send a FIN: a RST may meet a request that is on its way."
                ),
                Some(
                    "Keepalive probes, if the timer is an application's: they only keep a device on the path awake.",
                ),
            ),
            Self::Waiting => waiting(&at, cited),
            Self::Queue => queue(&at),
            Self::SuddenClose => plain(
                "server",
                format!("announce the end with Connection: close in the last answer of {at}"),
                format!(
                    "Connections to {at} are closed right after an answer that did not announce it (a limit on requests or age, or a drain). Let the last answer carry Connection: close, then no client sends another request there; or raise the limit."
                ),
                Some("Idle timeouts on either side: there is no silence before these closes."),
            ),
            Self::Upload => plain(
                "server",
                format!("read the whole request at {at} before closing"),
                format!(
                    "Connections to {at} are closed before the whole request was read. Let the server read (or discard) the rest before it closes, or let clients ask first with Expect: 100-continue; then its answer arrives instead of a reset."
                ),
                None,
            ),
            Self::Restart => plain(
                "server",
                format!("find in the log of {at} why connections ended with work open"),
                format!(
                    "Connections to {at} ended with work open: look in the log at these times for a crash, a kill, a deploy or a limit. On a deploy, stop accepting, answer what is open, then exit."
                ),
                retries_of_writes(cited),
            ),
            Self::Filter => filter(&at, cited),
            Self::Refused => plain(
                "server",
                format!(
                    "start what should listen on {at}, or correct address, port or firewall rule"
                ),
                format!(
                    "Nothing accepted connections on {at} at these times: start the service, or correct the address, port or firewall rule."
                ),
                None,
            ),
            Self::Untranslated => untranslated(&at),
            Self::Forgotten => plain(
                "server",
                format!("find out why {at} no longer knew connections that were in use"),
                format!(
                    "Connections to {at} were in use and suddenly not known there any more: look at these times for a restart or a failover, an address or a balancer that changed hands, or packets of one connection that take two ways. Before a server or a balancer goes, let it end its connections."
                ),
                Some("Timeouts and keepalive probes: no silence came before."),
            ),
            Self::Unreachable => unreachable(&at),
            Self::PacketSize => packet_size(&at),
            Self::Loss => loss(&at),
            Self::Tls => tls(&at),
            Self::TlsUnfinished => tls_unfinished(&at),
            Self::Scheme => scheme(&at),
            Self::Calm => calm(&at),
            Self::Http2 => http2(&at),
            Self::WayBack => way_back(&at),
            Self::Unrecognised => plain(
                "path",
                format!("find out why the client's host rejects answers of {at}"),
                format!(
                    "The client's host resets the SYN-ACKs of {at} while its program still waits for them. Capture at the client: if they come from another address than it called, let the answers pass whoever translated it (source NAT there); if not, look for a firewall rule on that host that rejects them."
                ),
                Some("A longer connect timeout: every answer is rejected."),
            ),
        }
    }
}

fn untranslated(at: &str) -> Advice {
    Advice {
        settings: vec![line(
            "Linux host that translates (a Kubernetes node)",
            "sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1",
        )],
        ..plain(
            "path",
            format!("look why packets of connections to {at} leave untranslated"),
            format!(
                "Packets of connections to {at} reached the client with the address of the server behind, without a silence before: whoever translates took them for invalid (`conntrack -S`: `invalid` grows) or had lost the entry. Let it take packets outside its window for valid, or drop what is invalid instead of forwarding it."
            ),
            Some("Timeouts and keepalive probes: no silence came before."),
        )
    }
}

fn unreachable(at: &str) -> Advice {
    Advice {
        settings: vec![line(
            "any socket (Linux)",
            "setsockopt TCP_USER_TIMEOUT=10000 (ms): fails after 10 s without an acknowledgement",
        )],
        ..plain(
            "path",
            format!("find out why nobody heard what was sent to {at}"),
            format!(
                "What was sent to {at} at these times was not acknowledged by anybody: look for a host or container that went away or moved, a route, a network policy, a link. Before a server goes, let it end its connections, and take it out of whatever spreads connections: then its clients meet a FIN and not silence."
            ),
            Some("A faster answer, or more patience: the requests were not heard."),
        )
    }
}

fn packet_size(at: &str) -> Advice {
    Advice {
        settings: vec![
            line(
                "Linux host where the tunnel begins, or any router before it",
                "iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
            ),
            line(
                "Linux sender (until then: it finds out after some seconds of repetitions)",
                "sysctl -w net.ipv4.tcp_mtu_probing=1",
            ),
        ],
        ..plain(
            "path",
            format!("let large packets on the way to {at} through, or have smaller ones sent"),
            format!(
                "Packets of full size on connections to {at} got lost, however often they were sent, and smaller ones did not. `ping -M do -s 1472` (1500 bytes with its headers) and the same with 1200, from either host to the other, tell whether it is the size: then find where the path takes less (tunnel, VPN, overlay, PPPoE), and let its ICMP errors through to the sender (type 3 code 4; ICMPv6 type 2), lower the MTU of the hosts' interfaces, or clamp the MSS."
            ),
            Some("Timeouts and retries: the same packets are lost again."),
        )
    }
}

fn loss(at: &str) -> Advice {
    plain(
        "path",
        format!("find where packets of connections to {at} get lost"),
        format!(
            "Packets of connections to {at} were sent again and again and did not get through, while others of the same connections did. Capture at both ends and hand both files to this tool: it shows on which side they go missing. Look at drop counters of interfaces and firewalls there (`ip -s link`, `nstat`, rate limits, inspection)."
        ),
        Some("A faster answer: it had been given, or the request never came."),
    )
}

fn tls(at: &str) -> Advice {
    plain(
        "client",
        format!("compare what the client and {at} want of TLS"),
        format!(
            "TLS handshakes with {at} fail; each finding names the alert and who sent it. `openssl s_client -connect HOST:PORT -servername NAME` on the client's host shows the certificates and what is agreed on. After a client's alert look at the server's certificate (expired, another name, an intermediate one missing) and at the client's trust store; after a server's, at what the client offers: name (SNI), versions, ALPN, a certificate of its own."
        ),
        Some("Retries and timeouts: every handshake fails in the same way."),
    )
}

fn tls_unfinished(at: &str) -> Advice {
    plain(
        "server",
        format!("find out why TLS handshakes with {at} stop"),
        format!(
            "TLS handshakes with {at} stopped half-way, and no alert says why. Its log may; a capture there shows whether the ClientHello comes in, and whether the RST or FIN is its own. `openssl s_client -connect HOST:PORT` with and without `-servername NAME` tells whether it is the name that is objected to."
        ),
        None,
    )
}

fn scheme(at: &str) -> Advice {
    Advice {
        settings: vec![
            line(
                "nginx",
                "proxy_pass https://…; towards a server that speaks TLS, http:// towards one that does not",
            ),
            line(
                "HAProxy",
                "server NAME ADDRESS:PORT ssl verify required ca-file FILE, or the same without ssl",
            ),
        ],
        ..plain(
            "client",
            format!("use the scheme, http or https, that is spoken by {at}"),
            format!(
                "On connections to {at} one end speaks TLS and the other does not. Correct scheme or port where the client (or the proxy before the server) is told whom to call, or let the server speak TLS on that port."
            ),
            Some("Retries and timeouts: every connection fails in the same way."),
        )
    }
}

fn calm(at: &str) -> Advice {
    Advice {
        settings: vec![
            line(
                "gRPC (client)",
                "keepalive time of 5 minutes or more (Go: keepalive.ClientParameters.Time, else GRPC_ARG_KEEPALIVE_TIME_MS), none without calls",
            ),
            line(
                "gRPC (server, Go)",
                "keepalive.EnforcementPolicy{MinTime: …, PermitWithoutStream: true}",
            ),
            line(
                "gRPC (server, others)",
                "GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS; Java: permitKeepAliveTime",
            ),
        ],
        ..plain(
            "client",
            format!("send fewer PINGs on the HTTP/2 sessions with {at}"),
            format!(
                "HTTP/2 sessions with {at} are broken off with GOAWAY ENHANCE_YOUR_CALM: it gets more than it puts up with. Mostly these are keepalive PINGs (gRPC says too_many_pings): let the client ping less often than the server permits (gRPC servers: every 5 minutes unless told otherwise), or let the server permit more. Else look for streams that the client resets by the hundred."
            ),
            Some("Retries alone: the next session ends the same way."),
        )
    }
}

fn http2(at: &str) -> Advice {
    plain(
        "server",
        format!("find out what HTTP/2 sessions with {at} break off for"),
        format!(
            "HTTP/2 sessions with {at} are broken off with an error, which each finding names with the one who sent it. The log of that one says more; a proxy in between that changes frames or fields, or an old library, is the usual cause."
        ),
        None,
    )
}

fn way_back(at: &str) -> Advice {
    Advice {
        settings: vec![
            line(
                "Linux host that translates (client and server in one network)",
                "iptables -t nat -A POSTROUTING -m conntrack --ctstate DNAT -j MASQUERADE",
            ),
            line(
                "Kubernetes node, Docker host (bridged pods and containers)",
                "sysctl -w net.bridge.bridge-nf-call-iptables=1",
            ),
        ],
        ..plain(
            "path",
            format!("let the answers of {at} pass whoever translates that address"),
            format!(
                "{at} is a published address: the answers come back on another way, past whoever translates it, and bear the server's own address. Let that host translate the client's address, too (source NAT, masquerade), or route the answers through it; or let clients of the same network call the server's own address."
            ),
            Some("A longer connect timeout: every answer is rejected."),
        )
    }
}

fn filter(at: &str, cited: &[&Finding]) -> Advice {
    let is_shown = |finding: &&Finding| {
        finding.passage == Some(Passage::NotFromSender)
            && finding.sender_confidence != Some(Confidence::Possible)
    };
    let proof = match cited.iter().any(is_shown) {
        true => "The captures of both sides show it",
        false => "A capture at both ends proves it",
    };
    plain(
        "path",
        format!("find what resets connections to {at} in somebody else's name"),
        format!(
            "A device on the path resets connections to {at} in somebody else's name. {proof} to whoever runs the device: the RST that arrives was never sent."
        ),
        Some("Any timeout setting."),
    )
}

/// Servers named one by one.
const NAMED: usize = 3;

/// `10.0.0.1:80`; `10.0.0.1:80 and 10.0.0.2:80`; `995 ports of 10.0.0.1`; `10.0.0.1:80 and 16 other servers`, the one with most
/// findings first.
fn servers(cited: &[&Finding]) -> String {
    let mut servers: BTreeMap<Endpoint, usize> = BTreeMap::new();
    for finding in cited {
        *servers.entry(finding.server()).or_default() += 1;
    }
    let hosts: BTreeSet<_> = servers.keys().map(|server| server.addr).collect();
    match (servers.len(), hosts.first()) {
        (1..=NAMED, _) => {
            let names: Vec<String> = servers.keys().map(Endpoint::to_string).collect();
            match names.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
                _ => names.concat(),
            }
        }
        (many, Some(host)) if hosts.len() == 1 => format!("{many} ports of {host}"),
        (many, _) => {
            let most = servers
                .iter()
                .max_by_key(|(server, number)| (**number, std::cmp::Reverse(**server)));
            let most = most
                .map(|(server, _)| server.to_string())
                .unwrap_or_default();
            format!("{most} and {} other servers", many - 1)
        }
    }
}

fn queue(at: &str) -> Advice {
    Advice {
        settings: vec![
            line("Linux", "sysctl -w net.core.somaxconn=4096"),
            line("any server", "listen(fd, 4096), or its backlog setting"),
        ],
        ..plain(
            "server",
            format!("raise the listen backlog of {at}, and find what keeps it from accepting"),
            format!(
                "Connections to {at} were not accepted in time: the accept queue was full. Raise the listen backlog and net.core.somaxconn together (the smaller one counts), and look for what keeps the server from accepting. `nstat -az TcpExtListenOverflows TcpExtListenDrops` on the server confirms it."
            ),
            Some(
                "A longer queue alone, where the server is too slow: it hides that and does not make it faster.",
            ),
        )
    }
}

fn waiting(at: &str, cited: &[&Finding]) -> Advice {
    let waited = cited
        .iter()
        .filter_map(|finding| finding.idle.application_s)
        .filter(believable)
        .fold(0.0, f64::max);
    // A caller that gives up within a blink was not waiting for the answer.
    let (longer, here) = if waited >= 0.1 {
        (
            format!(" than {waited:.2} s"),
            format!(" (up to {waited:.2} s here)"),
        )
    } else {
        (String::new(), String::new())
    };
    // In answers that had begun, the wait is between two parts.
    let had_begun = |finding: &&Finding| finding.harm == Harm::ResponseTruncated;
    if waited >= 0.1 && cited.iter().all(had_begun) {
        return plain(
            "server",
            format!(
                "let {at} say something during long answers, or let callers wait longer{longer}"
            ),
            format!(
                "Answers of {at} began and then paused for longer than their callers were ready to wait{here}. Let the server send something meanwhile (in an event stream a comment line every few seconds), or raise the timeout between two reads of every hop on the way (nginx: proxy_read_timeout, HAProxy: timeout server)."
            ),
            Some("A faster first byte: the answers had begun in time."),
        );
    }
    plain(
        "server",
        format!("answer faster at {at}, or let callers wait longer{longer}"),
        format!(
            "Answers of {at} took longer than their callers were ready to wait{here}. Make the answer faster, or raise the caller's response timeout above the slowest honest answer; each hop's timeout has to be longer than the next hop's."
        ),
        retries_of_writes(cited),
    )
}
