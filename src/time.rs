//! Points in time and distances between them, as a capture records them.

use std::fmt;
use std::ops::{Add, Neg, Sub};

use chrono::{DateTime, SecondsFormat};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, taken from a capture.
///
/// Covers the years 1677 to 2262; construction from larger numbers saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest time that can be expressed.
    pub const MIN: Self = Self(i64::MIN);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the epoch and nanoseconds on top of them.
    pub const fn from_parts(seconds: i64, nanos: u32) -> Self {
        Self(
            seconds
                .saturating_mul(NANOS_PER_SECOND)
                .saturating_add(nanos as i64),
        )
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// RFC 3339 in UTC with nanoseconds, as every report prints it.
    pub fn to_rfc3339(self) -> String {
        self.to_datetime()
            .to_rfc3339_opts(SecondsFormat::Nanos, true)
    }

    /// The same point as a `chrono` value in UTC.
    pub fn to_datetime(self) -> DateTime<chrono::Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// A signed distance between two [`Timestamp`]s, in nanoseconds. Captures can go backwards in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(i64);

impl Interval {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From seconds; fractions are kept to the nanosecond.
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * NANOS_PER_SECOND as f64).round() as i64)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds as reports print them.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }

    /// The distance without its sign.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// This distance a whole number of times.
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Sub for Timestamp {
    type Output = Interval;
    fn sub(self, earlier: Self) -> Interval {
        Interval(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Interval> for Timestamp {
    type Output = Self;
    fn add(self, by: Interval) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}

impl Sub<Interval> for Timestamp {
    type Output = Self;
    fn sub(self, by: Interval) -> Self {
        Self(self.0.saturating_sub(by.0))
    }
}

impl Add for Interval {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Interval {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Interval {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Display for Interval {
    /// Seconds with three decimals, or milliseconds and microseconds where that says more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_secs_f64();
        match seconds.abs() {
            s if s >= 100.0 => write!(f, "{seconds:.1} s"),
            s if s >= 1.0 => write!(f, "{seconds:.3} s"),
            s if s >= 0.001 => write!(f, "{:.1} ms", seconds * 1e3),
            _ => write!(f, "{:.0} µs", seconds * 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_nanoseconds_in_utc() {
        let t = Timestamp::from_parts(1_795_223_291, 993_901_007);
        assert_eq!(t.to_rfc3339(), "2026-11-21T01:08:11.993901007Z");
    }

    #[test]
    fn time_may_go_backwards() {
        let (a, b) = (Timestamp::from_nanos(5), Timestamp::from_nanos(9));
        assert_eq!((a - b).as_nanos(), -4);
        assert_eq!((a - b).abs(), b - a);
    }

    #[test]
    fn extremes_saturate_and_never_panic() {
        assert_eq!(
            Timestamp::MIN - Timestamp::from_nanos(i64::MAX),
            Interval::from_nanos(i64::MIN)
        );
        assert_eq!(Interval::from_nanos(i64::MIN).abs().as_nanos(), i64::MAX);
    }
}
