//! Which hosts pass requests on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::asked::{Asked, AskedIndex};
use super::{AT_ONCE, Failures, MOST_COMPARED};
use crate::insight::Teller;
use crate::insight::story::Route;
use crate::time::Interval;

/// A proxy that connects first passes the request on within this.
const CONNECTED: Interval = Interval::from_millis(10_000);

/// Why the server of the front connection and the client of the back connection are one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bond {
    /// One address.
    Address,
    /// A server on the loopback interface is on its client's host, and that one's address is the client's behind: a sidecar.
    Loopback,
    /// Two addresses of one host: so many requests of so many to the back server followed one to the front.
    Habit { passed_on: u32, of: u32 },
}

impl Bond {
    /// For the end of a sentence.
    pub(super) fn text(self) -> String {
        match self {
            Self::Address => "one address is the server in front and the client behind".to_owned(),
            Self::Loopback => {
                "the server in front is on the loopback interface of the client's host, whose address is the client's behind".to_owned()
            }
            Self::Habit { passed_on, of } => format!(
                "{passed_on} of {of} requests behind follow one in front at once and are answered before it: one host with two addresses"
            ),
        }
    }
}

/// The routes on which hops can lie, found before any request is looked at: most captures show one side of a proxy only.
pub(super) struct Routes {
    callers: BTreeSet<IpAddr>,
    fronts: BTreeSet<Route>,
}

impl Routes {
    /// Those around the requests that were lost, of all that there are.
    pub(super) fn around(all: impl Iterator<Item = Route>, failures: &Failures) -> Self {
        let backs: BTreeSet<Route> = failures
            .backs
            .iter()
            .map(|back| caller(&back.asked))
            .collect();
        let can_lead = |front: &Route| backs.iter().any(|back| can_lead(*front, *back));
        Self {
            callers: backs.iter().map(|(client, _)| *client).collect(),
            fronts: all.filter(can_lead).collect(),
        }
    }

    pub(super) fn may_have_fronts(&self) -> bool {
        !self.fronts.is_empty()
    }

    /// Requests on it may be in front of a lost one, or a further attempt behind.
    pub(super) fn matter(&self, route: Route) -> bool {
        self.callers.contains(&route.0) || self.fronts.contains(&route)
    }

    /// It [matters](Self::matter), or leads to one who lost a request: under TLS that may be its front.
    pub(super) fn are_near(&self, route: Route) -> bool {
        self.matter(route) || self.callers.contains(&route.1.ip())
    }
}

/// One host may take requests on the one route and pass them on over the other. One client that calls two servers is no proxy, unless
/// one of them is on its own host.
fn can_lead(front: Route, back: Route) -> bool {
    front.1 != back.1 && (known_bond(front, back).is_some() || front.0 != back.0)
}

/// What the addresses tell of the server of `front` and the client of `back`.
fn known_bond((in_front, server): Route, (behind, _): Route) -> Option<Bond> {
    // Among loopback addresses, that two are of one host says nothing.
    let is_sidecar = server.ip().is_loopback() && !behind.is_loopback() && in_front == behind;
    match server.ip() {
        address if address == behind => Some(Bond::Address),
        _ if is_sidecar => Some(Bond::Loopback),
        _ => None,
    }
}

/// A front address, and who calls which server behind.
type Pair = (IpAddr, IpAddr, SocketAddr);

/// What is known of hosts with several addresses.
pub(super) struct Proxies {
    passed_on: BTreeMap<Pair, u32>,
    of: BTreeMap<Route, u32>,
}

impl Proxies {
    /// One coincidence is none.
    const FEWEST: u32 = 2;

    /// Counts the habits of those that lost a request in `backs`.
    pub(super) fn new<'a>(asked: &AskedIndex<'a>, backs: impl Iterator<Item = Asked<'a>>) -> Self {
        let callers: BTreeSet<Route> = backs.map(|back| caller(&back)).collect();
        let mut proxies = Self {
            passed_on: BTreeMap::new(),
            of: BTreeMap::new(),
        };
        for back in asked.all().filter(|back| callers.contains(&caller(back))) {
            *proxies.of.entry(caller(back)).or_default() += 1;
            let fronts: BTreeSet<IpAddr> = asked
                .alike_before(back, back.start())
                .take(MOST_COMPARED)
                .take_while(|front| back.start() - front.start() <= CONNECTED)
                .filter(|front| back.lag(front) <= AT_ONCE && is_around(front, back))
                .map(|front| front.story.server.ip())
                .collect();
            for front in fronts {
                let (client, server) = caller(back);
                *proxies
                    .passed_on
                    .entry((front, client, server))
                    .or_default() += 1;
            }
        }
        proxies
    }

    /// Why `front` can have led to `back`, if it can.
    pub(super) fn bond(&self, front: &Asked, back: &Asked) -> Option<Bond> {
        let (front, back) = (caller(front), caller(back));
        let known = || known_bond(front, back).or_else(|| self.habit(front, back));
        can_lead(front, back).then(known)?
    }

    fn habit(&self, front: Route, back: Route) -> Option<Bond> {
        let passed_on = *self.passed_on.get(&(front.1.ip(), back.0, back.1))?;
        let of = *self.of.get(&back)?;
        (passed_on >= Self::FEWEST && passed_on * 5 >= of * 4)
            .then_some(Bond::Habit { passed_on, of })
    }
}

fn caller(asked: &Asked) -> Route {
    asked.story.ends()
}

/// `back` began and was answered while `front` waited.
fn is_around(front: &Asked, back: &Asked) -> bool {
    let answers = (front.turn.reply, back.turn.reply);
    front.story.server != back.story.server
        && front.story.client.ip() != back.story.client.ip()
        && front.is_open_at(back.start())
        && match answers {
            (Some(front), Some(back)) => back.start <= front.start,
            _ => true,
        }
}
