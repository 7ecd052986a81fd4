//! What the captures' clocks allow: timers that were measured with long steps are less sure.

use crate::report::IdleTimeout;
use crate::time::Interval;
use crate::verdict::{Confidence, SHORTEST_IDLE};

/// A timer is not known at all where so many steps make up its silence, or fewer. Chosen: either end may be off by one.
const FEWEST_STEPS: f64 = 2.0;
/// As many let it be known well, as far as it is a matter of the clock. Chosen: 2 %.
const MANY_STEPS: f64 = 50.0;

/// Timers as sure as clocks that go in steps of `step` can make them (zero where they are good).
pub fn as_clocks_allow(timeouts: Vec<IdleTimeout>, step: Interval) -> Vec<IdleTimeout> {
    if step <= Interval::ZERO {
        return timeouts;
    }
    let seconds = step.as_secs_f64();
    let timeouts = timeouts.into_iter();
    timeouts
        .filter(|timeout| {
            timeout
                .estimate_s
                .is_none_or(|estimate| estimate > seconds * FEWEST_STEPS)
        })
        .map(|mut timeout| {
            timeout.lower_s = timeout.lower_s.map(|lower| (lower - seconds).max(0.0));
            timeout.upper_s = timeout.upper_s.map(|upper| upper + seconds);
            let well = timeout
                .estimate_s
                .is_some_and(|estimate| estimate >= seconds * MANY_STEPS);
            let most = match well {
                true => Confidence::Likely,
                false => Confidence::Possible,
            };
            timeout.confidence = timeout.confidence.max(most);
            timeout.text = format!("{}; the clock goes in steps of {step}", timeout.text);
            timeout
        })
        .collect()
}

/// Which side of a connection keeps it longer is often a matter of less than a second: with clocks of longer steps nobody can say.
pub fn tells_who_keeps_longer(step: Interval) -> bool {
    step < SHORTEST_IDLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn timer(step: Interval) -> Option<IdleTimeout> {
        let mut timeout = sample::report().idle_timeouts.remove(0);
        timeout.estimate_s = Some(5.0);
        timeout.lower_s = Some(4.9);
        timeout.upper_s = Some(5.1);
        timeout.confidence = Confidence::Certain;
        as_clocks_allow(vec![timeout], step).pop()
    }

    #[test]
    fn a_timer_is_no_surer_than_the_clock() {
        let sure = |step| {
            let timer = timer(step).expect("known");
            (timer.confidence, timer.lower_s, timer.upper_s)
        };
        let (certain, lower, upper) = sure(Interval::ZERO);
        assert_eq!(
            (certain, lower, upper),
            (Confidence::Certain, Some(4.9), Some(5.1))
        );
        assert_eq!(sure(Interval::from_millis(16)).0, Confidence::Likely);
        let (possible, lower, upper) = sure(Interval::from_millis(1_000));
        assert_eq!(possible, Confidence::Possible);
        assert!(lower < Some(4.0) && upper > Some(6.0));
    }

    #[test]
    fn a_clock_that_stands_still_knows_no_timer() {
        assert_eq!(timer(crate::capture::FileFacts::STANDS_STILL), None);
    }
}
