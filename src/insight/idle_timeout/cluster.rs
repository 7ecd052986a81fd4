//! Runs of silences.

/// A run of samples that one timer explains.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) values: Vec<f64>,
}

impl Cluster {
    pub(super) fn low(&self) -> f64 {
        self.values.first().copied().unwrap_or_default()
    }

    pub(super) fn high(&self) -> f64 {
        self.values.last().copied().unwrap_or_default()
    }

    pub(super) fn spread(&self) -> f64 {
        self.high() - self.low()
    }

    pub(super) fn median(&self) -> f64 {
        median(&self.values)
    }
}

pub(super) fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted.get(n / 2).copied().unwrap_or_default(),
        n => {
            let (low, high) = (sorted.get(n / 2 - 1), sorted.get(n / 2));
            low.zip(high).map_or(0.0, |(low, high)| (low + high) / 2.0)
        }
    }
}

/// The window of width `width(start)` that holds most values; the earliest of equals. A later start ends no earlier.
pub(super) fn densest(sorted: &[f64], width: impl Fn(f64) -> f64) -> Cluster {
    let mut best = 0..0;
    let mut end = 0;
    for (start, &low) in sorted.iter().enumerate() {
        let high = low + width(low);
        while sorted.get(end).is_some_and(|value| *value <= high) {
            end += 1;
        }
        if end - start > best.len() {
            best = start..end;
        }
    }
    Cluster {
        values: sorted.get(best).unwrap_or_default().to_vec(),
    }
}

pub(super) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

pub(super) fn longest(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}
