//! What explains the closes of a group: a timer, or something else.

use super::cluster::{Cluster, densest, sorted};
use super::telling::seconds;
use super::{Group, POLLED, TIGHT, TIGHT_FRACTION};

/// Seconds: silences that differ by less are equal. Chosen, as is the next one.
const JITTER: f64 = 0.010;
/// Closes by an exit lie so many times closer together than the silences before them.
const CLOSER: f64 = 4.0;

/// Fewer closes don't speak against what else is known. Chosen, as is the next one.
const FEW: usize = 3;
/// A timer fires this near to what is announced: who announces leaves clients some time before it closes.
const EARLY: f64 = 0.8;

/// What explains the closes of a group.
pub(super) enum Explanation {
    Timer { cluster: Cluster, firing: Firing },
    NoTimer { name: &'static str, why: String },
}

/// When a timer that has run out is acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Firing {
    /// At once.
    AtOnce,
    /// When it is next looked at, about once a second.
    Polled,
}

pub(super) fn explain(group: &Group, values: &[f64], longest_survival: f64) -> Explanation {
    let slack = TIGHT.max(2.0 * group.round_trip.as_secs_f64());
    let tight = densest(values, |low| TIGHT.max(low * TIGHT_FRACTION));
    let most = |cluster: &Cluster| cluster.values.len() * 2 > values.len();
    let contradicted = |cluster: &Cluster| longest_survival > cluster.high() + slack;
    let lasted = group.lasted();
    let at_once = group.samples.len() >= 2 && lasted < Group::MOMENT;
    let together = group.samples.len() >= 3 && at_once;
    // Timers fire after equal silences, an exit ends them at one time.
    let by_exit = at_once && tight.spread() > JITTER && lasted * CLOSER < tight.spread();
    let left = by_exit || together && tight.values.len() < values.len();
    if most(&tight) && !contradicted(&tight) && !left {
        return Explanation::Timer {
            cluster: tight,
            firing: Firing::AtOnce,
        };
    }
    if together || by_exit {
        return Explanation::NoTimer {
            name: "restart",
            why: "they all came at one moment, after different silences: a restart or a drain"
                .to_owned(),
        };
    }
    let band = densest(values, |low| POLLED.min(low.max(0.5)));
    // What is looked at once a second is not set to less, and two closes make no band.
    let polled = band.values.len() >= 3 && band.median() >= 1.0;
    if polled && band.values.len() * 10 >= values.len() * 8 && !contradicted(&band) {
        return Explanation::Timer {
            cluster: band,
            firing: Firing::Polled,
        };
    }
    if let Some(why) = by_age(group) {
        return Explanation::NoTimer {
            name: "max-age",
            why,
        };
    }
    if let Some(why) = by_requests(group) {
        return Explanation::NoTimer {
            name: "max-requests",
            why,
        };
    }
    let why = if contradicted(&tight) {
        format!(
            "connections survived {} while others were closed earlier",
            seconds(longest_survival)
        )
    } else {
        "the silences before them differ too much".to_owned()
    };
    Explanation::NoTimer {
        name: "irregular",
        why,
    }
}

/// What else is known speaks against a timer that rests on few closes.
pub(super) fn refuted(
    group: &Group,
    values: &[f64],
    announced: Option<f64>,
) -> Option<Explanation> {
    if values.len() >= FEW {
        return None;
    }
    if group.came_with_cuts() {
        return Some(Explanation::NoTimer {
            name: "restart",
            why: "connections with work open were ended at the same moment: a restart or a crash"
                .to_owned(),
        });
    }
    let is_early = |announced: &f64| values.iter().all(|value| *value < announced * EARLY);
    let announced = announced.filter(is_early)?;
    Some(Explanation::NoTimer {
        name: "irregular",
        why: format!(
            "it announces {}, so something else closed so early",
            seconds(announced)
        ),
    })
}

fn by_age(group: &Group) -> Option<String> {
    let ages = sorted(group.samples.iter().filter_map(|sample| sample.age));
    let cluster = densest(&ages, |low| TIGHT.max(low * TIGHT_FRACTION));
    (ages.len() >= 3 && cluster.values.len() * 10 >= ages.len() * 8).then(|| {
        format!(
            "they came when the connections were {} old, whatever the silence: a maximum age",
            seconds(cluster.median())
        )
    })
}

fn by_requests(group: &Group) -> Option<String> {
    let first = group.samples.first()?.requests;
    (group.samples.len() >= 3
        && first > 1
        && group.samples.iter().all(|sample| sample.requests == first))
    .then(|| format!("they came after {first} requests each: a maximum number of requests"))
}
