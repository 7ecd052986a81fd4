//! What the kernel said lately, to be asked about a RST on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::{Coverage, ResetEvent, Side};
use crate::time::{Interval, Timestamp};

/// Events kept; the oldest go first.
const CAPACITY: usize = 65_536;
/// A RST is captured and traced within microseconds of each other on one host. Stamps of network cards, busy softirqs and the
/// microsecond of the trace clock stretch that; port reuse within this time is told apart by taking the nearest.
const TOLERANCE: Interval = Interval::from_millis(500);
/// Events older than this are forgotten.
const KEPT_FOR: Interval = Interval::from_millis(120_000);

/// What the kernel of this host said about one RST on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelSays {
    /// It made it.
    pub sent: Option<ResetEvent>,
    /// How far apart the RST's two times are, on the wire and in the kernel.
    pub sent_off: Interval,
    /// A socket of this host took it.
    pub received: Option<ResetEvent>,
    /// What it means that it did not make it.
    pub coverage: Coverage,
}

impl KernelSays {
    /// No later event is waited for: it spoke, or its silence says something.
    pub fn is_settled(&self) -> bool {
        self.sent.is_some() || self.received.is_some() || self.coverage == Coverage::Complete
    }
}

/// Recent [`ResetEvent`]s by source and destination of the RST.
#[derive(Debug, Default)]
pub struct KernelLog {
    by_pair: BTreeMap<(SocketAddr, SocketAddr), Vec<(Timestamp, ResetEvent)>>,
    order: VecDeque<(Timestamp, SocketAddr, SocketAddr)>,
    /// The newest event that was forgotten.
    forgotten: Option<Timestamp>,
    lost: u64,
}

impl KernelLog {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event. `boot` is what has to be added to the trace clock to get the time of day.
    pub fn add(&mut self, event: ResetEvent, boot: Interval) {
        let at = Timestamp::from_nanos(event.clock_nanos) + boot;
        self.forget_before(at - KEPT_FOR);
        while self.order.len() >= CAPACITY {
            self.forget_oldest();
        }
        self.order.push_back((at, event.from, event.to));
        self.by_pair
            .entry((event.from, event.to))
            .or_default()
            .push((at, event));
    }

    /// The kernel's ring buffer overflowed.
    pub fn add_lost(&mut self, events: u64) {
        self.lost = self.lost.saturating_add(events);
    }

    /// Events that were lost; with any, silence proves nothing.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Events held.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// No event is held.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether any event about a RST that was captured at `at` would still be here.
    pub fn remembers(&self, at: Timestamp) -> bool {
        self.lost == 0 && self.forgotten.is_none_or(|newest| newest + TOLERANCE < at)
    }

    /// What was said about the RST that was captured at `at`, going from `from` to `to`: the nearest in time of each side.
    pub fn about(&self, from: SocketAddr, to: SocketAddr, at: Timestamp) -> KernelSays {
        let Some(events) = self.by_pair.get(&(from, to)) else {
            return KernelSays::default();
        };
        let nearest = |side: Side| {
            events
                .iter()
                .filter(|(_, event)| event.side == side)
                .map(|(time, event)| ((*time - at).abs(), event))
                .filter(|(distance, _)| *distance <= TOLERANCE)
                .min_by_key(|(distance, _)| *distance)
        };
        let sent = nearest(Side::Sent);
        KernelSays {
            sent: sent.map(|(_, event)| event.clone()),
            sent_off: sent.map_or(Interval::ZERO, |(distance, _)| distance),
            received: nearest(Side::Received).map(|(_, event)| event.clone()),
            coverage: Coverage::None,
        }
    }

    fn forget_before(&mut self, limit: Timestamp) {
        while self.order.front().is_some_and(|(at, ..)| *at < limit) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((at, from, to)) = self.order.pop_front() else {
            return;
        };
        self.forgotten = self.forgotten.max(Some(at));
        if let Some(events) = self.by_pair.get_mut(&(from, to)) {
            if !events.is_empty() {
                events.remove(0);
            }
            if events.is_empty() {
                self.by_pair.remove(&(from, to));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ResetReason;

    const BOOT: Interval = Interval::from_millis(1_000_000);

    fn event(
        clock_micros: i64,
        side: Side,
        from: &str,
        to: &str,
        reason: ResetReason,
    ) -> ResetEvent {
        ResetEvent {
            clock_nanos: clock_micros * 1_000,
            side,
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            reason: Some(reason),
            state: None,
            task: None,
            listener: None,
        }
    }

    fn wire(clock_micros: i64) -> Timestamp {
        Timestamp::from_nanos(clock_micros * 1_000) + BOOT
    }

    #[test]
    fn the_nearest_event_of_the_same_addresses_answers() {
        let (server, client) = ("10.0.0.2:80", "10.0.0.1:4000");
        let mut log = KernelLog::new();
        log.add(
            event(1_000_000, Side::Sent, server, client, ResetReason::NoSocket),
            BOOT,
        );
        log.add(
            event(1_200_000, Side::Sent, server, client, ResetReason::State),
            BOOT,
        );
        log.add(
            event(
                1_200_001,
                Side::Received,
                server,
                client,
                ResetReason::NotSpecified,
            ),
            BOOT,
        );
        let (from, to) = (server.parse().unwrap(), client.parse().unwrap());

        let first = log.about(from, to, wire(1_000_020));
        assert_eq!(first.sent.unwrap().reason, Some(ResetReason::NoSocket));
        let second = log.about(from, to, wire(1_199_990));
        assert_eq!(second.sent.unwrap().reason, Some(ResetReason::State));
        assert!(second.received.is_some());
        assert_eq!(
            log.about(to, from, wire(1_000_020)),
            KernelSays::default(),
            "the other direction"
        );
        assert_eq!(
            log.about(from, to, wire(9_000_000)),
            KernelSays::default(),
            "another time"
        );
    }

    #[test]
    fn it_stays_bounded() {
        let mut log = KernelLog::new();
        for n in 0..(CAPACITY as i64 + 10) {
            let client = format!("10.{}.{}.{}:4000", n >> 16, (n >> 8) & 255, n & 255);
            log.add(
                event(n, Side::Sent, "10.0.0.2:80", &client, ResetReason::NoSocket),
                BOOT,
            );
        }
        assert_eq!(log.len(), CAPACITY);
        assert_eq!(log.by_pair.len(), CAPACITY);
        assert!(!log.remembers(wire(0)), "ten are gone");
        assert!(log.remembers(wire(1_000_000)));
        log.add(
            event(
                10_000_000_000,
                Side::Sent,
                "10.0.0.2:80",
                "10.0.0.1:1",
                ResetReason::State,
            ),
            BOOT,
        );
        assert_eq!(log.len(), 1, "old ones go with time");
        assert_eq!(log.by_pair.len(), 1);
    }
}
