//! Idle timeouts, inferred from many endings: closes are samples of a timer, survivals are lower bounds for it.
//!
//! A timer that starts with the last response and ends in a FIN shows the same silence at both ends of the path, because both packets
//! travel the same way. It fires late, never early: by its granularity, by jitter, by up to a second where it is polled.

mod clock;
mod cluster;
mod explanation;
mod telling;

use std::net::{IpAddr, SocketAddr};

use crate::flow::Peer;
use crate::insight::matching::{Measured, matches};
use crate::insight::silences::Words;
use crate::insight::{IdleEnd, IdleEndBy, IdleObservation, Knowledge, Silences};
use crate::parts::on_each;
use crate::report::{IdleEndpoint, IdleTimeout};
use crate::time::{Interval, Timestamp};
use crate::verdict::{Cause, Confidence, IdleKind};
use clock::{Silence, clock_of};
use cluster::{densest, longest, sorted};
use telling::{rounded, silent, timed};

/// Silences shorter than this are pauses within an exchange.
const SHORTEST: Interval = Interval::from_millis(150);
/// Samples kept for pictures.
const SAMPLES: usize = 500;
/// A timer that fires within this fraction of itself, or within [`TIGHT`], is regular.
const TIGHT_FRACTION: f64 = 0.02;
const TIGHT: f64 = 0.060;
/// How late a polled timer may be (Redis, gunicorn and others look about once a second).
const POLLED: f64 = 1.2;

/// Whose timer a group of closes shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The server endpoint.
    Server(SocketAddr),
    /// A client address towards a server endpoint.
    Client(IpAddr, SocketAddr),
    /// Something between them.
    Path(IpAddr, SocketAddr),
}

/// One close after silence.
#[derive(Clone, Copy, Debug)]
struct Sample {
    silence: Silence,
    at: f64,
    age: Option<f64>,
    requests: u64,
    how: IdleEndBy,
    doubtful: bool,
}

/// What the connections of one owner tell of its timer.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    samples: Vec<Sample>,
    /// Closes that came at one moment after different silences, beside others: an exit or a drain, not the timer.
    departures: u64,
    /// When it ended connections with work open, as an exit does.
    cuts: Vec<f64>,
    survived: Vec<Silence>,
    round_trip: Interval,
}

/// The same of all who may have one on a connection.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub server: Group,
    pub client: Group,
    pub path: Group,
}

/// Infers the timers of all endpoints, in the order of their addresses.
pub fn infer(silences: &Silences, known: Knowledge<'_>) -> Vec<IdleTimeout> {
    let groups = silences.groups().into_iter();
    let mut groups: Vec<_> = groups.map(|group| (group, None)).collect();
    on_each(&mut groups, 1, |((owner, group, words), told)| {
        group.set_departures_apart();
        *told = Some(timeout(*owner, group, words, known));
    });
    groups.into_iter().filter_map(|(_, told)| told).collect()
}

/// The close of a connection if it says something of a timer, and who closed: nobody where something on the path did.
fn sample(observation: &IdleObservation) -> Option<(Option<Peer>, Sample)> {
    let end: &IdleEnd = observation.believable_end()?;
    let by_hand = matches!(end.how, IdleEndBy::Fin | IdleEndBy::Rst);
    let other_reason = matches!(
        end.cause,
        Some(
            Cause::ConnectionRefused
                | Cause::HandshakeAborted
                | Cause::AcceptQueueOverflow
                | Cause::Injected
                | Cause::CloseWithUnreadData
                | Cause::ResponseTimeout
                | Cause::KeepaliveProbeFailure
        )
    );
    let spoke = observation.requests > 0 || !observation.survived.is_empty();
    if end.application < SHORTEST
        || end.by.is_some() && !by_hand
        || end.awaiting_response
        || end.prompted
        || other_reason
        || !spoke
    {
        return None;
    }
    let sample = Sample {
        silence: Silence::of([end.application, end.data, end.wire]),
        at: seconds_of(end.at),
        age: observation
            .handshake_seen
            .then(|| (end.at - observation.opened).as_secs_f64()),
        requests: observation.requests,
        how: end.how,
        doubtful: end.doubtful,
    };
    Some((end.by, sample))
}

/// Who ended a connection with work open, and when.
fn cut(observation: &IdleObservation) -> Option<(Peer, f64)> {
    let end = observation.end.as_ref()?;
    let is_cut = matches!(
        end.cause,
        Some(Cause::HangUp | Cause::AbortiveClose | Cause::CloseWithUnreadData)
    );
    let by = end.by.filter(|_| is_cut && end.awaiting_response)?;
    Some((by, seconds_of(end.at)))
}

/// Seconds since 1970.
fn seconds_of(at: Timestamp) -> f64 {
    (at - Timestamp::default()).as_secs_f64()
}

impl Groups {
    /// Adds what one connection tells.
    pub(super) fn add(&mut self, observation: &IdleObservation) {
        // A keep-alive timer runs between requests only, a device on the path counts all silences.
        for survival in observation.survivals() {
            let silence = Silence::of([survival.application, survival.data, survival.wire]);
            self.path.survived.push(silence);
            if survival.kind == IdleKind::BetweenRequests {
                self.server.survived.push(silence);
                self.client.survived.push(silence);
            }
        }
        let round_trip = observation.round_trip.unwrap_or(Interval::ZERO);
        for group in [&mut self.server, &mut self.client, &mut self.path] {
            group.round_trip = group.round_trip.max(round_trip);
        }
        if let Some((by, sample)) = sample(observation) {
            self.of(by).samples.push(sample);
        }
        if let Some((by, at)) = cut(observation) {
            self.of(Some(by)).cuts.push(at);
        }
    }

    fn of(&mut self, by: Option<Peer>) -> &mut Group {
        match by {
            Some(Peer::Server) => &mut self.server,
            Some(Peer::Client) => &mut self.client,
            None => &mut self.path,
        }
    }

    /// Adds what other connections tell.
    pub(super) fn join(&mut self, other: Self) {
        self.server.join(other.server);
        self.client.join(other.client);
        self.path.join(other.path);
    }
}

impl Group {
    /// A close shows the timer.
    pub(super) const fn fired(&self) -> bool {
        !self.samples.is_empty()
    }

    /// Adds what other connections tell.
    pub(super) fn join(&mut self, other: Self) {
        self.survived.extend(other.survived);
        self.samples.extend(other.samples);
        self.cuts.extend(other.cuts);
        self.departures += other.departures;
        self.round_trip = self.round_trip.max(other.round_trip);
    }

    /// Closes within this time of each other came at one moment.
    const MOMENT: f64 = 0.25;
    /// So many moments, those with most closes, are asked whether they were an exit.
    const MOMENTS: usize = 4;

    /// Seconds from the first close to the last.
    fn lasted(&self) -> f64 {
        let times = self.samples.iter().map(|sample| sample.at);
        let first = times.clone().min_by(f64::total_cmp);
        let last = times.max_by(f64::total_cmp);
        last.zip(first).map_or(0.0, |(last, first)| last - first)
    }

    /// Every close came at a moment at which connections with work open were ended, too.
    fn came_with_cuts(&self) -> bool {
        let near = |at: f64| self.cuts.iter().any(|cut| (cut - at).abs() < Self::MOMENT);
        self.samples.iter().all(|sample| near(sample.at))
    }

    /// A process that exits closes all its idle connections at once, however long each was silent: that would hide the timer by
    /// which it closed others before.
    fn set_departures_apart(&mut self) {
        let mut times = sorted(self.samples.iter().map(|sample| sample.at));
        // Connections that were opened together run out together, too.
        for _ in 0..Self::MOMENTS {
            let moment = densest(&times, |_| Self::MOMENT);
            let (begin, end) = (moment.low(), moment.high());
            let leaving = |sample: &Sample| (begin..=end).contains(&sample.at);
            if self.is_departure(leaving) {
                let all = self.samples.len();
                self.samples.retain(|sample| !leaving(sample));
                self.departures = (all - self.samples.len()) as u64;
                return;
            }
            times.retain(|at| !(begin..=end).contains(at));
        }
    }

    /// Some came after different silences, and without them the others came after equal ones.
    fn is_departure(&self, leaving: impl Fn(&Sample) -> bool) -> bool {
        let silences = |leave: bool| {
            let samples = self.samples.iter().filter(|s| leaving(s) == leave);
            sorted(samples.map(|sample| sample.silence.application))
        };
        let (left, stayed) = (silences(true), silences(false));
        let regular = |values: &[f64]| {
            let tight = densest(values, |low| TIGHT.max(low * TIGHT_FRACTION));
            tight.values.len() * 2 > values.len()
        };
        left.len() >= 3 && stayed.len() >= 3 && !regular(&left) && regular(&stayed)
    }
}

fn timeout(owner: Owner, group: &Group, words: &Words, known: Knowledge<'_>) -> IdleTimeout {
    let clock = clock_of(group);
    let silence = group
        .samples
        .iter()
        .any(|sample| sample.how == IdleEndBy::Silence);
    let mut timeout = blank(owner, group, words, clock.name);
    timeout.samples_s = clock
        .values
        .iter()
        .copied()
        .take(SAMPLES)
        .map(rounded)
        .collect();
    timeout.survived_longest_s = longest(&clock.survivals).map(rounded);
    timeout.survivals = clock.survivals.len() as u64;
    if silence {
        silent(&mut timeout, &clock.values, &clock.survivals);
    } else {
        timed(&mut timeout, group, &clock.values, clock.longest());
    }
    if group.samples.iter().all(|sample| sample.doubtful) {
        timeout.confidence = Confidence::Possible;
    }
    if let Some(estimate) = timeout.estimate_s {
        let round_trip = group.round_trip.as_secs_f64();
        let measured = Measured::new(owner, &timeout, estimate, round_trip, words);
        timeout.matches = matches(&measured, known.table());
    }
    timeout
}

fn closes_by(group: &Group) -> &'static str {
    let count = |how: IdleEndBy| {
        group
            .samples
            .iter()
            .filter(|sample| sample.how == how)
            .count()
    };
    if count(IdleEndBy::Silence) > 0 {
        "silence"
    } else if count(IdleEndBy::Rst) > count(IdleEndBy::Fin) {
        "rst"
    } else {
        "fin"
    }
}

fn blank(owner: Owner, group: &Group, words: &Words, clock: &str) -> IdleTimeout {
    let (role, addr, port) = match owner {
        Owner::Server(server) => ("server", server.ip(), server.port()),
        Owner::Client(client, server) => ("client", client, server.port()),
        Owner::Path(_, server) => ("path", server.ip(), server.port()),
    };
    let announced = words.announced();
    IdleTimeout {
        endpoint: IdleEndpoint {
            addr,
            port: Some(port),
        },
        role: role.to_owned(),
        closes_by: closes_by(group).to_owned(),
        clock: clock.to_owned(),
        estimate_s: None,
        lower_s: None,
        upper_s: None,
        closes: group.samples.len() as u64,
        survived_longest_s: None,
        survivals: 0,
        spread_s: None,
        announced_s: announced.filter(|_| role == "server").map(f64::from),
        confidence: Confidence::Possible,
        text: String::new(),
        no_timer: None,
        samples_s: Vec::new(),
        matches: Vec::new(),
    }
}

#[cfg(test)]
#[path = "idle_timeout_tests.rs"]
mod tests;
