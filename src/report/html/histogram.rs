//! How long connections had been idle when an endpoint closed them, with the defaults that fit drawn in.

use super::link;
use super::scale::{Scale, percent};
use crate::report::text::{about, count, seconds};
use crate::report::{IdleTimeout, TimeoutMatch, telling};

/// Bars across the picture.
const BARS: usize = 80;

/// Height of the bars' area in pixels.
const HEIGHT: f64 = 96.0;

/// Defaults drawn in.
const DEFAULTS: usize = 5;

/// One endpoint's picture.
pub struct Histogram<'a> {
    pub timeout: &'a IdleTimeout,
    pub endpoint: String,
    pub estimate: Option<String>,
    pub bounds: Option<Band>,
    pub bars: Vec<Bar>,
    pub ticks: Vec<Tick>,
    pub survived: Option<Line>,
    pub announced: Option<Line>,
    pub defaults: Vec<Default<'a>>,
    pub description: String,
}

/// The range that the estimate may lie in.
pub struct Band {
    pub x: String,
    pub width: String,
}

/// Closes after about one silence.
pub struct Bar {
    pub x: String,
    pub width: String,
    pub y: String,
    pub height: String,
    pub label: String,
}

/// A round number on the axis.
pub struct Tick {
    pub at: String,
    pub label: String,
}

/// A vertical line.
pub struct Line {
    pub at: String,
    pub label: String,
}

/// A known timeout that fits.
pub struct Default<'a> {
    pub letter: char,
    pub at: Option<String>,
    /// Shift of its letter in pixels, inwards, so that neighbours do not cover each other.
    pub shift: i32,
    pub product: &'a str,
    pub setting: &'a str,
    pub value: String,
    pub why: &'a str,
    pub source: Option<&'a str>,
}

impl<'a> Histogram<'a> {
    pub fn of(timeout: &'a IdleTimeout) -> Self {
        let samples: Vec<f64> = timeout
            .samples_s
            .iter()
            .copied()
            .filter(|s| s.is_finite() && *s >= 0.0)
            .collect();
        let scale = scale(timeout);
        let bars = bars(&samples, scale);
        let line = |s: Option<f64>, what: &str| {
            s.map(|s| Line {
                at: percent(scale.place(s)),
                label: format!("{what} {}", about(s)),
            })
        };
        Self {
            timeout,
            endpoint: telling::timer_of(timeout),
            estimate: timeout.estimate_s.map(about),
            bounds: band(timeout, scale),
            ticks: scale
                .ticks()
                .into_iter()
                .map(|t| Tick {
                    at: percent(scale.place(t)),
                    label: tick(t),
                })
                .collect(),
            survived: line(timeout.survived_longest_s, "longest survived"),
            announced: line(timeout.announced_s, "announced"),
            defaults: defaults(timeout, scale),
            description: description(&samples),
            bars,
        }
    }
}

/// Defaults further out than that, as multiples of the longest silence measured, would squeeze all else into a corner.
const FAR: f64 = 2.5;

/// Everything measured at the endpoint.
fn measured(timeout: &IdleTimeout) -> impl Iterator<Item = f64> {
    let others = [
        timeout.estimate_s,
        timeout.upper_s,
        timeout.survived_longest_s,
        timeout.announced_s,
    ];
    let samples = timeout.samples_s.iter().copied();
    samples
        .chain(others.into_iter().flatten())
        .filter(|s| s.is_finite() && *s > 0.0)
}

/// The default, where it has a place on the picture.
fn drawn(timeout: &IdleTimeout, fits: &TimeoutMatch) -> Option<f64> {
    let longest = measured(timeout).fold(0.0, f64::max);
    fits.default_s
        .filter(|s| s.is_finite() && *s > 0.0 && (longest == 0.0 || *s <= longest * FAR))
}

fn scale(timeout: &IdleTimeout) -> Scale {
    let defaults = timeout.matches.iter().take(DEFAULTS);
    let defaults = defaults.filter_map(|fits| drawn(timeout, fits));
    let (low, high) = measured(timeout)
        .chain(defaults)
        .fold((f64::INFINITY, 0.0f64), |(low, high), s| {
            (low.min(s), high.max(s))
        });
    Scale::of_silences(low.min(high), high)
}

fn bars(samples: &[f64], scale: Scale) -> Vec<Bar> {
    let mut bins: Vec<(usize, f64, f64)> = vec![(0, f64::INFINITY, 0.0); BARS];
    for sample in samples {
        let i = (scale.place(*sample) / 100.0 * BARS as f64) as usize;
        if let Some((n, low, high)) = bins.get_mut(i.min(BARS - 1)) {
            (*n, *low, *high) = (*n + 1, low.min(*sample), high.max(*sample));
        }
    }
    let most = bins.iter().map(|(n, ..)| *n).max().unwrap_or(1).max(1);
    let width = 100.0 / BARS as f64;
    bins.into_iter()
        .enumerate()
        .filter(|(_, (n, ..))| *n > 0)
        .map(|(i, (n, low, high))| {
            // A single close among hundreds stays visible.
            let height = (n as f64 / most as f64 * HEIGHT).max(3.0);
            Bar {
                x: percent(i as f64 * width),
                width: percent(width * 0.9),
                y: format!("{:.1}", 20.0 + HEIGHT - height),
                height: format!("{height:.1}"),
                label: if low < high {
                    format!(
                        "{} after {} to {}",
                        count(n as u64, "close", "closes"),
                        seconds(low),
                        seconds(high)
                    )
                } else {
                    format!(
                        "{} after {}",
                        count(n as u64, "close", "closes"),
                        seconds(low)
                    )
                },
            }
        })
        .collect()
}

fn band(timeout: &IdleTimeout, scale: Scale) -> Option<Band> {
    let (left, right) = (scale.place(timeout.lower_s?), scale.place(timeout.upper_s?));
    Some(Band {
        x: percent(left - 0.3),
        width: percent((right - left).max(0.0) + 0.6),
    })
}

fn defaults(timeout: &IdleTimeout, scale: Scale) -> Vec<Default<'_>> {
    let mut places: Vec<f64> = Vec::new();
    let matches = timeout.matches.iter().take(DEFAULTS).zip('A'..='Z');
    matches
        .map(|(fits, letter)| {
            let place = drawn(timeout, fits).map(|s| scale.place(s));
            let value = fits.default_s.map(|s| format!(", default {}", about(s)));
            let shift = place.map_or(0, |place| shift(&places, place));
            places.extend(place);
            Default {
                letter,
                at: place.map(percent),
                shift,
                product: &fits.product,
                setting: &fits.setting,
                value: value.unwrap_or_default(),
                why: &fits.why,
                source: link(&fits.source),
            }
        })
        .collect()
}

/// Pixels, inwards, past the letters that stand at about the same place.
fn shift(others: &[f64], place: f64) -> i32 {
    let near = others.iter().filter(|other| (*other - place).abs() < 4.0);
    let away = 12 * near.count() as i32;
    if place > 60.0 { -away } else { away }
}

fn description(samples: &[f64]) -> String {
    let middle = samples.get(samples.len() / 2);
    match (samples.first(), middle, samples.last()) {
        (Some(low), Some(middle), Some(high)) => format!(
            "{} after silences from {} to {}, half of them at most {}",
            count(samples.len() as u64, "close", "closes"),
            seconds(*low),
            seconds(*high),
            seconds(*middle)
        ),
        _ => "No single closes are listed".to_owned(),
    }
}

fn tick(s: f64) -> String {
    match s {
        s if s >= 7200.0 => format!("{} h", s / 3600.0),
        s if s >= 600.0 && s % 60.0 == 0.0 => format!("{} min", s / 60.0),
        s => format!("{} s", (s * 1000.0).round() / 1000.0),
    }
}
