//! The kernel of the host that captures, asked about each RST.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::kernel::{
    Coverage, KernelLog, KernelSays, TraceLine, direction, parse_trace_line, settle,
};
use crate::report::Finding;
use crate::time::{Interval, Timestamp};

/// An event may fire after its RST was captured: `tcp_send_active_reset()` transmits first, and whoever called it may be preempted
/// in between. Chosen, as the time is that a RST takes to settle.
const FIRES_WITHIN: Interval = Interval::from_millis(250);
/// The time of day was set where the trace clock's zero has moved by more than what reading both clocks takes.
const CLOCK_WAS_SET: Interval = Interval::from_millis(100);
/// After that, silence says nothing for this long: more than the trace is read late.
const SILENT_FOR: Interval = Interval::from_millis(3_000);

/// What the kernel said so far, and of which addresses its silence counts.
#[derive(Debug, Default)]
pub struct Witness {
    log: KernelLog,
    local: BTreeSet<IpAddr>,
    /// Nothing is known of resets before this.
    since: Option<Timestamp>,
    /// Every event before this was read.
    until: Option<Timestamp>,
    /// The time of day when the trace clock was zero.
    boot: Option<Timestamp>,
    is_over: bool,
}

impl Witness {
    /// `local`: addresses of the network namespace that is captured in; `since`: when the kernel began to be listened to.
    pub fn new(local: impl IntoIterator<Item = IpAddr>, since: Timestamp) -> Self {
        Self {
            local: local.into_iter().collect(),
            since: Some(since),
            ..Self::default()
        }
    }

    /// Takes a line of the kernel's trace. `boot` is the time of day when the trace clock was zero.
    pub fn line(&mut self, line: &str, boot: Timestamp) {
        match parse_trace_line(line) {
            TraceLine::Reset(event) => {
                self.log.add(event, Interval::from_nanos(boot.as_nanos()));
            }
            TraceLine::Lost(events) => self.log.add_lost(events),
            TraceLine::Read(clock_nanos) => {
                self.read(boot + Interval::from_nanos(clock_nanos), boot)
            }
            TraceLine::Other => {}
        }
    }

    fn read(&mut self, until: Timestamp, boot: Timestamp) {
        let before = self.boot.replace(boot);
        if before.is_some_and(|before| (boot - before).abs() > CLOCK_WAS_SET) {
            // Which of the packets bear the old time and which the new one, nobody knows. The trace is read a little later than they.
            self.since = self
                .until
                .max(Some(until))
                .map(|until| until + SILENT_FOR)
                .max(self.since);
        }
        self.until = Some(until);
    }

    /// Nothing more will be heard.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Events that the kernel's buffer lost.
    pub fn lost(&self) -> u64 {
        self.log.lost()
    }

    /// What the log holds about a finding's RST.
    pub(super) fn says(&self, finding: &Finding) -> KernelSays {
        let Some((from, to)) = direction(finding) else {
            return KernelSays::default();
        };
        let mut says = self.log.about(from, to, finding.at);
        if self.local.contains(&from.ip()) && self.has_heard_all_of(finding.at) {
            says.coverage = Coverage::Complete;
        }
        says
    }

    /// The kernel may yet say something about a finding's RST.
    pub(super) fn is_awaited(&self, finding: &Finding) -> bool {
        let is_ours = direction(finding).is_some_and(|(from, to)| {
            self.local.contains(&from.ip()) || self.local.contains(&to.ip())
        });
        is_ours && !self.is_over && self.is_behind(finding.at)
    }

    /// Lets the kernel's word, kept from an earlier look or asked for now, change the finding.
    pub(super) fn testify(&self, finding: &mut Finding, kept: Option<&KernelSays>) {
        match kept {
            Some(kept) => settle(finding, kept),
            None => settle(finding, &self.says(finding)),
        }
    }

    fn is_behind(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| until < at + FIRES_WITHIN)
    }

    fn has_heard_all_of(&self, at: Timestamp) -> bool {
        let was_listening = self.since.is_some_and(|since| since <= at);
        was_listening && !self.is_behind(at) && self.log.remembers(at)
    }
}
