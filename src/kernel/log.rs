//! What the kernel said lately, to be asked about a RST on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::{Coverage, ResetEvent, Side, WireReset};
use crate::time::{Interval, Timestamp};

/// Events kept; the oldest go first.
const CAPACITY: usize = 65_536;
/// A RST is captured and traced within microseconds of each other on one host. Stamps of network cards, busy softirqs and the
/// microsecond of the trace clock stretch that; port reuse within this time is told apart by taking the nearest.
const TOLERANCE: Interval = Interval::from_millis(500);
/// A RST that leaves with another address than its socket has (Docker's published ports, a mesh's sidecar) is known by its other end alone,
/// and has to be this near.
const TRANSLATED_WITHIN: Interval = Interval::from_millis(2);
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
    /// It made another RST at that time that this one may be, with an address translated: silence says nothing.
    pub perhaps_translated: bool,
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

    /// What was said about a RST: the nearest in time of each side, or the only one at that time that bears the remote end's address
    /// and port.
    pub fn about(&self, reset: &WireReset) -> KernelSays {
        let names = std::iter::once((reset.from, reset.to)).chain(reset.called);
        let of_pair = names.filter_map(|pair| self.by_pair.get(&pair));
        let nearest = |side: Side| {
            of_pair
                .clone()
                .flatten()
                .filter(|(_, event)| event.side == side)
                .map(|(time, event)| ((*time - reset.at).abs(), event))
                .filter(|(distance, _)| *distance <= TOLERANCE)
                .min_by_key(|(distance, _)| *distance)
        };
        let mut perhaps_translated = false;
        let sent = nearest(Side::Sent).or_else(|| {
            let candidates = self.translated(reset, Side::Sent);
            perhaps_translated = !candidates.is_empty();
            only(candidates)
        });
        let received =
            nearest(Side::Received).or_else(|| only(self.translated(reset, Side::Received)));
        KernelSays {
            sent: sent.map(|(_, event)| event.clone()),
            sent_off: sent.map_or(Interval::ZERO, |(distance, _)| distance),
            received: received.map(|(_, event)| event.clone()),
            coverage: Coverage::None,
            perhaps_translated,
        }
    }

    /// Events about a RST with the same remote end and another local one, and how far off they are.
    fn translated(&self, reset: &WireReset, side: Side) -> Vec<(Interval, &ResetEvent)> {
        // A rule of this host may have led it to its loopback address; then only the sender's own end is as its socket knows it.
        let may_be_led = reset.to.ip().is_loopback();
        let is_it = |from: SocketAddr, to: SocketAddr| match side {
            Side::Sent if may_be_led => (to == reset.to) != (from == reset.from),
            Side::Sent => to == reset.to && from != reset.from,
            Side::Received => from == reset.from && to != reset.to,
        };
        // In order but for CPUs that are read in turns: hence twice the tolerance.
        let slack = TOLERANCE.times(2);
        let first = self
            .order
            .partition_point(|(at, ..)| *at + slack < reset.at);
        self.order
            .range(first..)
            .take_while(|(at, ..)| *at <= reset.at + slack)
            .filter(|(at, from, to)| is_it(*from, *to) && (*at - reset.at).abs() <= TOLERANCE)
            .filter_map(|(at, from, to)| {
                let events = self.by_pair.get(&(*from, *to))?;
                let (_, event) = events
                    .iter()
                    .find(|(time, event)| time == at && event.side == side)?;
                Some(((*at - reset.at).abs(), event))
            })
            .collect()
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

/// The one that is near enough; none where several are.
fn only(candidates: Vec<(Interval, &ResetEvent)>) -> Option<(Interval, &ResetEvent)> {
    let mut near = candidates
        .into_iter()
        .filter(|(distance, _)| *distance <= TRANSLATED_WITHIN);
    near.next().filter(|_| near.next().is_none())
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

    fn reset(from: &str, to: &str, clock_micros: i64) -> WireReset {
        WireReset {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            called: None,
            at: wire(clock_micros),
            ttl: None,
        }
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
        let first = log.about(&reset(server, client, 1_000_020));
        assert_eq!(first.sent.unwrap().reason, Some(ResetReason::NoSocket));
        let second = log.about(&reset(server, client, 1_199_990));
        assert_eq!(second.sent.unwrap().reason, Some(ResetReason::State));
        assert!(second.received.is_some());
        assert_eq!(
            log.about(&reset(client, server, 1_000_020)),
            KernelSays::default(),
            "the other direction"
        );
        assert_eq!(
            log.about(&reset(server, client, 9_000_000)),
            KernelSays::default(),
            "another time"
        );
    }

    /// A container's socket behind a published port.
    #[test]
    fn a_socket_behind_an_address_translation_is_known_by_the_remote_end() {
        let (container, client) = ("172.17.0.2:80", "192.0.2.1:4000");
        let published = "10.0.0.2:8080";
        let mut log = KernelLog::new();
        let made = |at, from| event(at, Side::Sent, from, client, ResetReason::State);
        log.add(made(1_000_000, container), BOOT);

        let says = log.about(&reset(published, client, 1_000_050));
        assert_eq!(says.sent.unwrap().from, container.parse().unwrap());
        let late = log.about(&reset(published, client, 1_050_000));
        assert!(late.sent.is_none(), "50 ms later it may be another one");
        assert!(late.perhaps_translated, "or the same");
        let other = log.about(&reset(published, "192.0.2.1:4001", 1_000_050));
        assert_eq!(other, KernelSays::default());

        log.add(made(1_000_100, "172.17.0.3:80"), BOOT);
        let two = log.about(&reset(published, client, 1_000_050));
        assert!(
            two.sent.is_none() && two.perhaps_translated,
            "which of them?"
        );
        let own = log.about(&reset(container, client, 1_000_050));
        assert!(own.sent.is_some(), "the address itself goes before");
    }

    /// A sidecar's REDIRECT: the client's socket knows the server that it called, the sidecar's socket itself.
    #[test]
    fn a_client_that_was_led_elsewhere_is_known_by_its_own_end() {
        let (client, called, sidecar) = ("10.0.0.1:4000", "192.0.2.1:80", "127.0.0.1:15001");
        let mut log = KernelLog::new();
        let made = |at, side| event(at, side, client, called, ResetReason::AbortOnClose);
        log.add(made(1_000_000, Side::Sent), BOOT);
        let half = log.about(&reset(client, sidecar, 1_000_050));
        assert!(half.sent.is_some(), "nothing is known but the RST");
        let late = log.about(&reset(client, sidecar, 1_050_000));
        assert!(late.sent.is_none() && late.perhaps_translated);
        let elsewhere = log.about(&reset(client, "192.0.2.2:80", 1_000_050));
        assert_eq!(elsewhere, KernelSays::default(), "over a wire");

        let parse = |end: &str| end.parse().unwrap();
        let whole = WireReset {
            called: Some((parse(client), parse(called))),
            ..reset(client, sidecar, 1_050_000)
        };
        assert!(log.about(&whole).sent.is_some(), "its connection is known");
        let back = event(
            1_100_000,
            Side::Received,
            called,
            client,
            ResetReason::State,
        );
        log.add(back, BOOT);
        let answer = WireReset {
            called: Some((parse(called), parse(client))),
            ..reset(sidecar, client, 1_100_010)
        };
        assert!(log.about(&answer).received.is_some());
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
