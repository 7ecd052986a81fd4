//! What to change, which side, to what value. Findings with one reason get one piece of advice.

mod settings;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::insight::{IdleObservation, KnownTimeout, KnownTimeouts};
use crate::report::{Advice, Alignment, Finding, IdleTimeout, SettingLine};
use crate::verdict::{Cause, Harm, RetrySafety};
use settings::{below, idle_settings};

/// What advice is drawn from, besides the findings.
pub struct Grounds<'a> {
    /// Timers inferred.
    pub timeouts: &'a [IdleTimeout],
    /// Pairs held against each other.
    pub alignment: &'a [Alignment],
    /// The table.
    pub known: &'a KnownTimeouts,
    /// Products that the user named (`--stack`).
    pub stack: &'a [String],
    /// Where clients name themselves.
    pub observations: &'a [IdleObservation],
}

impl<'a> Grounds<'a> {
    fn timer(&self, role: &str, addr: IpAddr, port: u16) -> Option<&'a IdleTimeout> {
        self.timeouts.iter().find(|timeout| {
            timeout.role == role
                && timeout.endpoint.addr == addr
                && timeout.endpoint.port == Some(port)
        })
    }

    /// The products of a client, by its `User-Agent`.
    fn clients(&self, client: IpAddr, server: SocketAddr) -> Vec<&'a KnownTimeout> {
        let known = self.known;
        let agent = self
            .observations
            .iter()
            .filter(|observation| observation.client == client && observation.server == server)
            .find_map(|observation| observation.hints.user_agent.as_ref());
        let Some(agent) = agent.map(|agent| agent.to_lowercase()) else {
            return Vec::new();
        };
        let names = |entry: &&KnownTimeout| {
            let mut words = entry.user_agent.iter();
            entry.role.ends_as_client() && words.any(|word| agent.contains(&word.to_lowercase()))
        };
        known.iter().filter(names).collect()
    }
}

/// The reason that findings share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    IdleReuse(IpAddr, SocketAddr),
    SilentExpiry(SocketAddr),
    IdleReset(SocketAddr),
    Waiting(SocketAddr),
    Queue(SocketAddr),
    SuddenClose(SocketAddr),
    Upload(SocketAddr),
    Restart(SocketAddr),
    Filter(SocketAddr),
    Refused(SocketAddr),
}

/// Draws advice and ties it to the findings. Order: most findings first.
pub fn advise(findings: &mut [&mut Finding], grounds: &Grounds<'_>) -> Vec<Advice> {
    let mut groups: BTreeMap<Reason, Vec<usize>> = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        if let Some(reason) = reason(finding) {
            groups.entry(reason).or_default().push(index);
        }
    }
    let mut groups: Vec<(Reason, Vec<usize>)> = groups.into_iter().collect();
    groups.sort_by(|one, other| other.1.len().cmp(&one.1.len()).then(one.0.cmp(&other.0)));
    let mut advice = Vec::new();
    for (reason, members) in groups {
        let cited: Vec<&Finding> = members
            .iter()
            .filter_map(|&index| findings.get(index).map(|finding| &**finding))
            .collect();
        let mut piece = piece(reason, &cited, grounds);
        piece.id = format!("a{}", advice.len() + 1);
        piece.because = cited.iter().map(|finding| finding.id.clone()).collect();
        for index in members {
            if let Some(finding) = findings.get_mut(index) {
                finding.advice.push(piece.id.clone());
            }
        }
        advice.push(piece);
    }
    advice
}

fn reason(finding: &Finding) -> Option<Reason> {
    let server = SocketAddr::new(
        finding.connection.server.addr,
        finding.connection.server.port,
    );
    let harmful = finding.harm != Harm::None;
    match finding.cause {
        Cause::KeepaliveRace | Cause::StaleReuse if harmful => {
            Some(Reason::IdleReuse(finding.connection.client.addr, server))
        }
        Cause::IdleExpiredSilently | Cause::HalfOpen | Cause::KeepaliveProbeFailure
            if harmful || finding.cause == Cause::IdleExpiredSilently =>
        {
            Some(Reason::SilentExpiry(server))
        }
        Cause::IdleTimeoutReset => Some(Reason::IdleReset(server)),
        Cause::ResponseTimeout => Some(Reason::Waiting(server)),
        Cause::AcceptQueueOverflow => Some(Reason::Queue(server)),
        Cause::DataAfterClose if harmful && finding.detail.as_deref() == Some("next-request") => {
            Some(Reason::SuddenClose(server))
        }
        Cause::DataAfterClose | Cause::CloseWithUnreadData if harmful => {
            Some(Reason::Upload(server))
        }
        Cause::HangUp | Cause::AbortiveClose if harmful => Some(Reason::Restart(server)),
        Cause::Injected => Some(Reason::Filter(server)),
        Cause::ConnectionRefused => Some(Reason::Refused(server)),
        _ => None,
    }
}

fn piece(reason: Reason, cited: &[&Finding], grounds: &Grounds<'_>) -> Advice {
    match reason {
        Reason::IdleReuse(client, server) => idle_reuse(client, server, cited, grounds),
        Reason::SilentExpiry(server) => silent_expiry(server, cited, grounds),
        Reason::IdleReset(server) => plain(
            "server",
            format!(
                "close idle connections to {server} in the client, before something else resets them"
            ),
            format!(
                "Something closes idle connections to {server} with a RST. Let the client close them earlier, or let the closer send a FIN: a RST may meet a request that is on its way."
            ),
            Some(
                "Keepalive probes, if the timer is an application's: they only keep a device on the path awake.",
            ),
        ),
        Reason::Waiting(server) => waiting(server, cited),
        Reason::Queue(server) => queue(server),
        Reason::SuddenClose(server) => plain(
            "server",
            format!("let {server} say Connection: close in its last answer"),
            format!(
                "{server} closes connections right after an answer without having announced it (a limit on requests or age, or a drain). Let its last answer carry Connection: close, then no client sends another request there; or raise the limit."
            ),
            Some("Idle timeouts on either side: there is no silence before these closes."),
        ),
        Reason::Upload(server) => plain(
            "server",
            format!("let {server} read the whole request before it closes"),
            format!(
                "{server} closes before it has read the whole request. Let it read (or discard) the rest before it closes, or let clients ask first with Expect: 100-continue; then its answer arrives instead of a reset."
            ),
            None,
        ),
        Reason::Restart(server) => plain(
            "server",
            format!("find in the log of {server} why it ended connections with work open"),
            format!(
                "{server} ended connections that had work open: look in its log at these times for a crash, a kill, a deploy or a limit. On a deploy, stop accepting, answer what is open, then exit."
            ),
            retries_of_writes(cited),
        ),
        Reason::Filter(server) => plain(
            "path",
            format!("find the device on the path to {server} that resets in somebody else's name"),
            format!(
                "A device on the path to {server} resets connections in somebody else's name. A capture at both ends proves it to whoever runs the device: the RST that arrives was never sent."
            ),
            Some("Any timeout setting."),
        ),
        Reason::Refused(server) => plain(
            "server",
            format!("start the service on {server}, or correct the address, port or firewall rule"),
            format!(
                "Nothing accepted connections on {server} at these times: start the service, or correct the address, port or firewall rule."
            ),
            None,
        ),
    }
}

fn queue(server: SocketAddr) -> Advice {
    Advice {
        settings: vec![
            line("Linux", "sysctl -w net.core.somaxconn=4096"),
            line("any server", "listen(fd, 4096), or its backlog setting"),
        ],
        ..plain(
            "server",
            format!("raise the listen backlog of {server}, and find what keeps it from accepting"),
            format!(
                "{server} did not accept() fast enough and its queue was full. Raise the listen backlog and net.core.somaxconn together (the smaller one counts), and look for what keeps it from accepting. `nstat -az TcpExtListenOverflows TcpExtListenDrops` on the server confirms it."
            ),
            Some(
                "A longer queue alone, where the server is too slow: it hides that and does not make it faster.",
            ),
        )
    }
}

fn plain(change: &str, action: String, text: String, will_not_help: Option<&str>) -> Advice {
    Advice {
        id: String::new(),
        change: change.to_owned(),
        action,
        text,
        settings: Vec::new(),
        will_not_help: will_not_help.map(str::to_owned),
        because: Vec::new(),
    }
}

fn line(product: &str, line: &str) -> SettingLine {
    SettingLine {
        product: product.to_owned(),
        line: line.to_owned(),
    }
}

fn retries_of_writes(cited: &[&Finding]) -> Option<&'static str> {
    cited
        .iter()
        .any(|finding| {
            finding
                .retry
                .as_ref()
                .is_some_and(|retry| retry.safe == RetrySafety::No)
        })
        .then_some(
            "Blind retries of POST: the first copy may have been executed. Use an idempotency key.",
        )
}

/// The side that sends requests has to close first. Its value: the server's timer less a margin of one second or a fifth, a round
/// trip and the timer's spread at least.
fn idle_reuse(
    client: IpAddr,
    server: SocketAddr,
    cited: &[&Finding],
    grounds: &Grounds<'_>,
) -> Advice {
    let timer = grounds.timer("server", server.ip(), server.port());
    let pair = grounds
        .alignment
        .iter()
        .find(|pair| pair.client == client.to_string() && pair.server == server.to_string());
    let keeps = timer.and_then(|timer| timer.estimate_s);
    let client_keeps = pair.and_then(|pair| pair.client_keeps_s);
    let spread = timer.and_then(|timer| timer.spread_s).unwrap_or(0.0);
    let mut advice = plain(
        "client",
        match keeps {
            Some(keeps) => format!(
                "let {client} drop idle connections to {server} after {} s or less",
                below(keeps, spread)
            ),
            None => {
                format!("let {client} drop idle connections to {server} before the server does")
            }
        },
        match keeps {
            Some(keeps) => {
                let below = below(keeps, spread);
                format!(
                    "{server} closes idle connections after {keeps:.2} s; the client {client} keeps and reuses them longer{}. The side that sends requests must close first: let the client drop idle connections after {below} s or less, or raise the server's idle timeout above the client's (then the client's must be finite).",
                    client_keeps
                        .map_or_else(String::new, |kept| format!(" (at least {kept:.2} s)")),
                )
            }
            None => format!(
                "{server} closed connections that the client {client} used again. The side that sends requests must close first: let the client drop idle connections sooner than the server does, or raise the server's idle timeout above the client's."
            ),
        },
        Some("TCP keepalive: its probes are no activity for an application's idle timer."),
    );
    if retries_of_writes(cited).is_some() {
        advice.will_not_help = Some("TCP keepalive (its probes are no activity for an application's idle timer), and blind retries of POST.".to_owned());
    }
    if let Some(keeps) = keeps {
        let value = below(keeps, spread);
        advice.settings = idle_settings((client, server), timer, value, client_keeps, grounds);
    }
    advice
}

fn silent_expiry(server: SocketAddr, cited: &[&Finding], grounds: &Grounds<'_>) -> Advice {
    let path = grounds.timer("path", server.ip(), server.port());
    let shortest = cited
        .iter()
        .filter_map(|finding| finding.idle.wire_s)
        .fold(f64::MAX, f64::min);
    let limit = path
        .and_then(|path| path.lower_s.or(path.upper_s))
        .unwrap_or(shortest);
    let probe = (limit / 2.0).floor().max(1.0);
    let known = limit < f64::MAX;
    let mut advice = plain(
        "path",
        if known {
            format!(
                "send TCP keepalive probes after {probe:.0} s of silence on connections to {server}"
            )
        } else {
            format!("send TCP keepalive probes more often on connections to {server}")
        },
        if known {
            format!(
                "Something on the way to {server} (a NAT, firewall, balancer, or the host itself) forgets silent connections: the shortest silence lost here was {shortest:.2} s. Send TCP keepalive probes after {probe:.0} s of silence, or drop idle connections in the client before that."
            )
        } else {
            format!(
                "Something on the way to {server} had forgotten the connection. Send TCP keepalive probes more often, or drop idle connections earlier."
            )
        },
        Some("Longer timeouts in the applications: what forgets is between them."),
    );
    if known {
        advice.settings = vec![
            line(
                "any socket (Linux)",
                &format!(
                    "setsockopt SO_KEEPALIVE=1, TCP_KEEPIDLE={probe:.0}, TCP_KEEPINTVL=10, TCP_KEEPCNT=3"
                ),
            ),
            line(
                "Node.js client",
                &format!("socket.setKeepAlive(true, {:.0})", probe * 1000.0),
            ),
        ];
    }
    advice
}

fn waiting(server: SocketAddr, cited: &[&Finding]) -> Advice {
    let waited = cited
        .iter()
        .filter_map(|finding| finding.idle.application_s)
        .fold(0.0, f64::max);
    plain(
        "server",
        format!("answer faster on {server}, or let its callers wait longer than {waited:.2} s"),
        format!(
            "{server} took longer than its caller was ready to wait (up to {waited:.2} s here). Make the answer faster, or raise the caller's response timeout above the slowest honest answer; each hop's timeout has to be longer than the next hop's."
        ),
        retries_of_writes(cited),
    )
}

#[cfg(test)]
mod tests;
