//! The clocks by which a silence can be measured, and which of them a timer went by.

use super::cluster::{densest, longest, median, sorted};
use super::explanation::{Explanation, explain};
use super::{Group, POLLED, SHORTEST, TIGHT, TIGHT_FRACTION, closes_by};
use crate::insight::IdleEndBy;
use crate::time::Interval;

/// One silence by each clock, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// Since the application's last words: what an HTTP keep-alive timer counts.
    pub application: f64,
    /// Since the newest payload, pings included: what a proxy counts that only copies bytes.
    pub data: f64,
    /// Since the newest packet, probes and acknowledgements included: what a device counts that sees packets.
    pub wire: f64,
}

impl Silence {
    pub(super) fn of(clocks: [Interval; 3]) -> Self {
        let [application, data, wire] = clocks.map(Interval::as_secs_f64);
        Self {
            application,
            data,
            wire,
        }
    }
}

/// One clock's view of a group.
pub(super) struct Clock {
    pub name: &'static str,
    /// Silences before the closes, the shortest first.
    pub values: Vec<f64>,
    /// Those that were survived, in no order.
    pub survivals: Vec<f64>,
}

impl Clock {
    fn of(group: &Group, name: &'static str, read: impl Fn(&Silence) -> f64) -> Self {
        Self {
            name,
            values: sorted(group.samples.iter().map(|sample| read(&sample.silence))),
            survivals: group.survived.iter().map(read).collect(),
        }
    }

    pub(super) fn longest(&self) -> f64 {
        longest(&self.survivals).unwrap_or_default()
    }

    fn spread(&self) -> f64 {
        densest(&self.values, |low| POLLED.min(low.max(0.5))).spread()
    }

    /// How many closes came after about the same silence.
    fn regular(&self) -> usize {
        let tight = densest(&self.values, |low| TIGHT.max(low * TIGHT_FRACTION));
        tight.values.len()
    }

    /// A goodbye just before the FIN (close_notify, GOAWAY) is a packet, and payload: where it makes the silence vanish, this clock
    /// says nothing.
    fn is_meaningful(&self) -> bool {
        median(&self.values) >= SHORTEST.as_secs_f64()
    }

    fn explains(&self, group: &Group) -> bool {
        let explanation = explain(group, &self.values, self.longest());
        self.is_meaningful() && matches!(explanation, Explanation::Timer { .. })
    }
}

/// The clock whose silences one timer explains; of several, the application's unless another one is more regular.
pub(super) fn clock_of(group: &Group) -> Clock {
    let application = Clock::of(group, "application", |silence| silence.application);
    let data = Clock::of(group, "data", |silence| silence.data);
    let wire = Clock::of(group, "wire", |silence| silence.wire);
    if group
        .samples
        .iter()
        .any(|sample| sample.how == IdleEndBy::Silence)
    {
        return wire;
    }
    // A FIN comes from a socket; what closes it counts what it reads, and neither probes nor acknowledgements reach that.
    let by_socket = closes_by(group) == "fin";
    let read = match (application.explains(group), data.explains(group)) {
        (true, true) if data.regular() > application.regular() => data,
        (false, true) => data,
        _ => application,
    };
    let counts_packets = !by_socket
        && wire.explains(group)
        && (!read.explains(group) || wire.spread() + 0.001 < read.spread());
    if counts_packets { wire } else { read }
}
