//! What to change, which side, to what value. Findings with one reason get one piece of advice.

mod general;
mod handing_on;
mod idle_reuse;
mod settings;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::insight::observation::believable;
use crate::insight::{Knowledge, KnownTimeout, Silences};
use crate::report::{Advice, Alignment, Finding, IdleTimeout, SettingLine};
use crate::verdict::{Cause, Harm, IdleKind, RetrySafety};
use general::General;
use idle_reuse::IdleReuse;

/// What advice is drawn from, besides the findings.
pub struct Grounds<'a> {
    /// Timers inferred.
    pub timeouts: &'a [IdleTimeout],
    /// Pairs held against each other.
    pub alignment: &'a [Alignment],
    /// The table.
    pub known: Knowledge<'a>,
    /// Products that the user named (`--stack`).
    pub stack: &'a [String],
    /// Where clients name themselves.
    pub silences: &'a Silences,
    /// Servers that clients called and that a rule of their host led them from, with where it led them to.
    pub redirected: &'a BTreeMap<(IpAddr, SocketAddr), SocketAddr>,
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
    fn clients(&self, (client, server): (IpAddr, SocketAddr)) -> Vec<&'a KnownTimeout> {
        let words = self.silences.words(client, server);
        let agent = words.and_then(|words| words.user_agent());
        let Some(agent) = agent.map(str::to_lowercase) else {
            return Vec::new();
        };
        let names = |entry: &&KnownTimeout| {
            let mut words = entry.user_agent.iter();
            entry.role.ends_as_client() && words.any(|word| agent.contains(&word.to_lowercase()))
        };
        self.known.table().iter().filter(names).collect()
    }
}

/// The reason that findings share. Numbers are a server's own; what needs none is said once for all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    IdleReuse(IpAddr, SocketAddr),
    SilentExpiry(SocketAddr),
    General(General),
}

/// Draws advice and ties it to the findings. Order: what cost most first, then most findings.
pub fn advise(findings: &mut [&mut Finding], grounds: &Grounds<'_>) -> Vec<Advice> {
    let mut groups: BTreeMap<Reason, Vec<usize>> = BTreeMap::new();
    let (own, mut passed_on) = reasons(findings);
    for (index, reason) in own {
        groups.entry(reason).or_default().push(index);
    }
    let cost = |members: &[usize]| {
        let members = members.iter().filter_map(|&index| findings.get(index));
        members.filter(|finding| finding.is_harmful()).count()
    };
    let mut groups: Vec<(usize, Reason, Vec<usize>)> = groups
        .into_iter()
        .map(|(reason, members)| (cost(&members), reason, members))
        .collect();
    groups.sort_by(|one, other| {
        let rank = |(cost, _, members): &(usize, Reason, Vec<usize>)| (*cost, members.len());
        rank(other).cmp(&rank(one)).then(one.1.cmp(&other.1))
    });
    let mut advice = Vec::new();
    for (_, reason, members) in groups {
        let cited: Vec<&Finding> = members
            .iter()
            .filter_map(|&index| findings.get(index).map(|finding| &**finding))
            .collect();
        let mut piece = match reason {
            Reason::IdleReuse(client, server) => {
                IdleReuse::new((client, server), &cited, grounds).piece(&cited, grounds)
            }
            Reason::SilentExpiry(server) => silent_expiry(server, &cited, grounds),
            Reason::General(general) => general.piece(&cited),
        };
        let behind = |index| passed_on.remove(index).unwrap_or_default();
        let fronts: Vec<usize> = members.iter().flat_map(behind).collect();
        let members: Vec<usize> = members.into_iter().chain(fronts).collect();
        let because = members.iter().filter_map(|&index| findings.get(index));
        piece.id = format!("a{}", advice.len() + 1);
        piece.because = because.map(|finding| finding.id.clone()).collect();
        for index in members {
            if let Some(finding) = findings.get_mut(index) {
                finding.advice.push(piece.id.clone());
            }
        }
        advice.push(piece);
    }
    advice
}

/// What proxies passed on, by what happened behind: indexes of findings.
type Fronts = BTreeMap<usize, Vec<usize>>;

/// Proxies in a row that are followed.
const MOST_PROXIES: usize = 8;

/// The reason of each finding that has one, and what proxies passed on, by the finding behind: what has to change is there.
fn reasons(findings: &[&mut Finding]) -> (Vec<(usize, Reason)>, Fronts) {
    let numbers: BTreeMap<&str, usize> = findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.is_harmful() && reason(finding).is_some())
        .map(|(index, finding)| (&*finding.id, index))
        .collect();
    let behind = |finding: &Finding| {
        finding
            .passed_on()
            .and_then(|back| numbers.get(back))
            .copied()
    };
    // Of a chain of proxies, what the last one met.
    let last = |first: usize| {
        let further = std::iter::successors(Some(first), |&index| behind(findings.get(index)?));
        further.take(MOST_PROXIES).last()
    };
    let mut passed_on = Fronts::new();
    let mut own = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        match behind(finding).and_then(last) {
            Some(back) => passed_on.entry(back).or_default().push(index),
            None => own.extend(reason(finding).map(|reason| (index, reason))),
        }
    }
    (own, passed_on)
}

fn reason(finding: &Finding) -> Option<Reason> {
    let server = finding.server().into();
    let harmful = finding.harm != Harm::None;
    match finding.cause {
        Cause::HalfOpen if finding.detail.is_some() => General::of(finding).map(Reason::General),
        Cause::KeepaliveRace | Cause::StaleReuse if harmful => {
            Some(Reason::IdleReuse(finding.connection.client.addr, server))
        }
        // Without a silence before it, no timer had run out.
        Cause::HalfOpen if harmful && finding.idle.kind == IdleKind::None => {
            Some(Reason::General(General::Forgotten))
        }
        Cause::IdleExpiredSilently | Cause::HalfOpen | Cause::KeepaliveProbeFailure
            if harmful || finding.cause == Cause::IdleExpiredSilently =>
        {
            Some(Reason::SilentExpiry(server))
        }
        _ => General::of(finding).map(Reason::General),
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

fn silent_expiry(server: SocketAddr, cited: &[&Finding], grounds: &Grounds<'_>) -> Advice {
    let path = grounds.timer("path", server.ip(), server.port());
    let shortest = cited
        .iter()
        .filter_map(|finding| finding.idle.wire_s)
        .filter(believable)
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

#[cfg(test)]
mod tests;
