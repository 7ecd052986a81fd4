//! The capture from left to right: one lane per cause, a mark where findings are.

use std::collections::BTreeMap;

use super::scale::{Scale, percent};
use crate::report::text::{count, seconds};
use crate::report::{Cost, Finding, Report, telling};
use crate::verdict::Cause;

/// Places in a lane; findings nearer than that share a mark.
const PLACES: f64 = 150.0;

/// Marks that the Tab key stops at. With more of them it passes by; the table below holds the same findings.
const STOPS: usize = 60;

/// The picture.
pub struct Timeline {
    pub lanes: Vec<Lane>,
    pub ticks: Vec<Tick>,
    pub tab_index: &'static str,
}

/// A cause.
pub struct Lane {
    pub cause: Cause,
    pub number: String,
    pub marks: Vec<Mark>,
}

/// Findings at about one time.
pub struct Mark {
    pub at: String,
    pub id: String,
    pub cost: Cost,
    pub several: &'static str,
    pub label: String,
}

/// A round number on the axis.
pub struct Tick {
    pub at: String,
    pub label: String,
}

impl Timeline {
    /// Nothing where there is nothing to show.
    pub fn of(report: &Report) -> Option<Self> {
        let first = report
            .captures
            .iter()
            .filter_map(|c| c.first)
            .chain(report.findings().map(|f| f.at))
            .min()?;
        let last = report
            .captures
            .iter()
            .filter_map(|c| c.last)
            .chain(report.findings().map(|f| f.at))
            .max()?;
        let scale = Scale::linear(0.0, (last - first).as_secs_f64());
        let mut lanes: BTreeMap<Cause, BTreeMap<i64, Vec<&Finding>>> = BTreeMap::new();
        for finding in report.findings() {
            let at = scale.place((finding.at - first).as_secs_f64());
            let place = (at / 100.0 * PLACES).round() as i64;
            lanes
                .entry(finding.cause)
                .or_default()
                .entry(place)
                .or_default()
                .push(finding);
        }
        if lanes.is_empty() {
            return None;
        }
        let mut lanes: Vec<Lane> = lanes
            .into_iter()
            .map(|(cause, places)| lane(cause, places))
            .collect();
        let number = |cause: Cause| report.summary.by_cause.get(&cause).copied().unwrap_or(0);
        lanes.sort_by_key(|lane| {
            let worst = lane.marks.iter().map(|m| m.cost).min();
            (
                !worst.is_some_and(Cost::is_harmful),
                std::cmp::Reverse(number(lane.cause)),
                lane.cause,
            )
        });
        let marks: usize = lanes.iter().map(|lane| lane.marks.len()).sum();
        let ticks = scale.ticks().into_iter().map(|t| Tick {
            at: percent(scale.place(t)),
            label: since(t),
        });
        Some(Self {
            ticks: ticks.collect(),
            lanes,
            tab_index: if marks > STOPS { "-1" } else { "0" },
        })
    }
}

fn lane(cause: Cause, places: BTreeMap<i64, Vec<&Finding>>) -> Lane {
    let number: usize = places.values().map(Vec::len).sum();
    let marks = places.into_iter().filter_map(|(place, findings)| {
        let worst = findings.iter().min_by_key(|f| Cost::of(f))?;
        let cost = Cost::of(worst);
        let label = match findings.as_slice() {
            [only] => format!(
                "{} at {}: {cause}, harm {}",
                only.id,
                telling::milli(only.at),
                cost
            ),
            several => format!(
                "{} from {} on, from {}: {cause}, worst harm {}",
                count(several.len() as u64, "finding", "findings"),
                several.first().map_or("", |f| f.id.as_str()),
                several
                    .first()
                    .map_or(String::new(), |f| telling::milli(f.at)),
                cost
            ),
        };
        Some(Mark {
            at: percent(place as f64 / PLACES * 100.0),
            id: worst.id.clone(),
            cost,
            several: if findings.len() > 1 { " several" } else { "" },
            label,
        })
    });
    Lane {
        cause,
        number: number.to_string(),
        marks: marks.collect(),
    }
}

/// Time since the first packet, in the unit that suits.
fn since(s: f64) -> String {
    match s {
        0.0 => "start".to_owned(),
        s if s >= 7200.0 => format!("{} h", (s / 360.0).round() / 10.0),
        s if s >= 900.0 => format!("{} min", (s / 6.0).round() / 10.0),
        s if s >= 1.0 => format!("{} s", (s * 10.0).round() / 10.0),
        s => seconds(s),
    }
}
