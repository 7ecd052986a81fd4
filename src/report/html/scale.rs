//! From a quantity to a place on a picture, in percent of its width.

/// Room at both ends, in percent, so that marks and labels are not cut.
const MARGIN: f64 = 3.0;

/// An axis.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// From `low` to `high`, evenly.
    pub fn linear(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            low,
            high,
            logarithmic: false,
        }
    }

    /// For silences: from zero where they are of one magnitude, logarithmic where they are not.
    pub fn of_silences(smallest: f64, largest: f64) -> Self {
        let smallest = smallest.max(0.001);
        if largest / smallest > 40.0 {
            Self {
                low: smallest * 0.8,
                high: largest * 1.3,
                logarithmic: true,
            }
        } else {
            Self::linear(0.0, largest.max(0.01) * 1.15)
        }
    }

    /// Percent from the left.
    pub fn place(self, x: f64) -> f64 {
        let share = if self.logarithmic {
            (x.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (x - self.low) / (self.high - self.low)
        };
        MARGIN + share.clamp(0.0, 1.0) * (100.0 - 2.0 * MARGIN)
    }

    /// Round numbers along it, at most about seven.
    pub fn ticks(self) -> Vec<f64> {
        if self.logarithmic {
            self.decades()
        } else {
            self.steps()
        }
    }

    fn steps(self) -> Vec<f64> {
        let raw = (self.high - self.low) / 5.0;
        let magnitude = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * magnitude)
            .find(|step| *step >= raw)
            .unwrap_or(raw);
        let first = (self.low / step).ceil() as i64;
        (0..8)
            .map(|i| (first + i) as f64 * step)
            .take_while(|x| *x <= self.high)
            .collect()
    }

    fn decades(self) -> Vec<f64> {
        let ticks: Vec<f64> = (-3..8)
            .flat_map(|e: i32| {
                [1.0, 3.0].map(|m| {
                    if e < 0 {
                        m / 10f64.powi(-e)
                    } else {
                        m * 10f64.powi(e)
                    }
                })
            })
            .filter(|x| (self.low..=self.high).contains(x))
            .collect();
        let sparse = ticks.len().div_ceil(7).max(1);
        ticks.into_iter().step_by(sparse).collect()
    }
}

/// As an attribute: percent with two decimals.
pub fn percent(x: f64) -> String {
    format!("{x:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(Scale::linear(0.0, 5.75).ticks(), [0.0, 2.0, 4.0]);
        assert_eq!(
            Scale::linear(0.0, 312.0).ticks(),
            [0.0, 100.0, 200.0, 300.0]
        );
        assert_eq!(
            Scale::of_silences(0.2, 300.0).ticks(),
            [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]
        );
    }

    #[test]
    fn everything_has_a_place_on_the_picture() {
        for scale in [
            Scale::linear(5.0, 5.0),
            Scale::of_silences(0.0, 0.0),
            Scale::of_silences(0.001, 1e9),
        ] {
            for x in [-1.0, 0.0, 5.0, 1e12, f64::MAX] {
                assert!((0.0..=100.0).contains(&scale.place(x)), "{scale:?} {x}");
            }
            assert!(scale.ticks().len() < 9);
        }
    }
}
