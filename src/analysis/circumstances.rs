//! How captures were taken, and what can therefore be inferred from them.

use crate::analysis::Analyzer;
use crate::analysis::display_filter::FindBy;
use crate::capture::CaptureId;
use crate::report::CaptureSummary;
use crate::time::{Interval, Timestamp};

/// Whether the capture may lack packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureQuality {
    /// As far as is known it has all.
    Whole,
    /// Drops were counted, or the file is damaged.
    Incomplete,
}

/// Where captures were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// They are parts of one, as far as is known.
    One,
    /// At the same time: they may show one packet, or what became of it behind a box that changes addresses.
    Several,
}

impl Places {
    /// Files of one place that follow on one another share less, and less than half of their time.
    const SHARED: Interval = Interval::from_millis(1_000);
    /// Where one ends, what `-i any` shows twice may stand in both: so many packets at most.
    const SHARED_PACKETS: u64 = 16;

    /// The clocks may differ so much that nothing was captured at the same time, but for what all of them show.
    fn of(captures: &[CaptureSummary], seen_elsewhere: u64) -> Self {
        if seen_elsewhere > Self::SHARED_PACKETS * captures.len() as u64 {
            return Self::Several;
        }
        let times = captures
            .iter()
            .map(|capture| capture.first.zip(capture.last));
        let mut times: Vec<_> = times.flatten().collect();
        times.sort_unstable();
        let mut before = None;
        for (first, last) in times {
            let shared = before.map(|before| last.min(before) - first);
            if shared.is_some_and(|shared| shared > Self::SHARED || shared.times(2) > last - first)
            {
                return Self::Several;
            }
            before = before.max(Some(last));
        }
        Self::One
    }

    /// The place of this capture.
    pub fn place(self, capture: CaptureId) -> CaptureId {
        match self {
            Self::One => CaptureId::default(),
            Self::Several => capture,
        }
    }
}

/// What is known of how the captures were taken.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'c> {
    /// Whether they may lack packets.
    pub quality: CaptureQuality,
    /// Where they were taken.
    pub places: Places,
    /// What finds a connection in the whole capture.
    pub find_by: FindBy,
    /// The longest steps in which one of the clocks goes; none where they are good.
    pub clock_step: Interval,
    /// Those that are over.
    captures: &'c [CaptureSummary],
}

impl<'c> Circumstances<'c> {
    /// Of what this analyzer saw; `captures` as far as they are over.
    pub fn new(
        analyzer: &Analyzer,
        quality: CaptureQuality,
        captures: &'c [CaptureSummary],
    ) -> Self {
        let steps = captures.iter().filter_map(|capture| capture.clock_step_s);
        Self {
            find_by: match analyzer.options.filter {
                None => FindBy::Stream,
                Some(_) => FindBy::Ends,
            },
            clock_step: Interval::from_secs_f64(steps.fold(0.0, f64::max)),
            quality,
            places: Places::of(captures, analyzer.table.seen_elsewhere()),
            captures,
        }
    }

    /// The first and the last time in a capture that is over.
    pub fn span_of(self, capture: CaptureId) -> Option<[Timestamp; 2]> {
        let capture = self.captures.get(usize::from(capture.0))?;
        Some([capture.first?, capture.last?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_follow_on_one_another_are_of_one_place() {
        let capture = |(first, last): (i64, i64)| CaptureSummary {
            first: Some(Timestamp::from_nanos(first * 1_000_000)),
            last: Some(Timestamp::from_nanos(last * 1_000_000)),
            ..CaptureSummary::default()
        };
        let places_of = |times: &[(i64, i64)], seen_elsewhere| {
            let captures: Vec<_> = times.iter().copied().map(capture).collect();
            Places::of(&captures, seen_elsewhere)
        };
        let places = |times: &[(i64, i64)]| places_of(times, 0);
        assert_eq!(places(&[]), Places::One);
        assert_eq!(places(&[(0, 9_000), (9_000, 12_000)]), Places::One);
        assert_eq!(
            places(&[(8_990, 12_000), (0, 9_000)]),
            Places::One,
            "in any order"
        );
        assert_eq!(places(&[(0, 9_000), (2_000, 12_000)]), Places::Several);
        assert_eq!(places(&[(0, 300), (20, 310)]), Places::Several, "short");
        assert_eq!(places(&[(0, 300), (280, 600)]), Places::One);
        let within = [(0, 90_000), (2_000, 3_000), (60_000, 99_000)];
        assert_eq!(places(&within), Places::Several);
        let far = [(0, 9_000), (3_600_000, 3_609_000)];
        assert_eq!(places_of(&far, 9), Places::One, "where a file ends");
        assert_eq!(places_of(&far, 900), Places::Several, "their clocks differ");
    }
}
