//! The kernel of the host that captures, asked about each RST.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::kernel::{
    Coverage, KernelLog, KernelSays, TraceLine, direction, parse_trace_line, settle,
};
use crate::report::Finding;
use crate::time::{Interval, Timestamp};

/// What the kernel said so far, and of which addresses its silence counts.
#[derive(Debug, Default)]
pub struct Witness {
    log: KernelLog,
    local: BTreeSet<IpAddr>,
    /// Nothing is known of resets before this.
    since: Option<Timestamp>,
}

impl Witness {
    /// `local`: addresses of the network namespace that is captured in; `since`: when the kernel began to be listened to.
    pub fn new(local: impl IntoIterator<Item = IpAddr>, since: Timestamp) -> Self {
        Self {
            log: KernelLog::new(),
            local: local.into_iter().collect(),
            since: Some(since),
        }
    }

    /// Takes a line of the kernel's trace. `boot` is the time of day when the trace clock was zero.
    pub fn line(&mut self, line: &str, boot: Timestamp) {
        match parse_trace_line(line) {
            TraceLine::Reset(event) => {
                self.log.add(event, Interval::from_nanos(boot.as_nanos()));
            }
            TraceLine::Lost(events) => self.log.add_lost(events),
            TraceLine::Other => {}
        }
    }

    /// Events that the kernel's buffer lost.
    pub fn lost(&self) -> u64 {
        self.log.lost()
    }

    /// What the log holds about a finding's RST.
    pub(super) fn says(&self, finding: &Finding) -> KernelSays {
        direction(finding)
            .map(|(from, to)| self.log.about(from, to, finding.at))
            .unwrap_or_default()
    }

    /// Lets the kernel's word, kept from an earlier look or asked for now, change the finding.
    pub(super) fn testify(&self, finding: &mut Finding, kept: Option<&KernelSays>) {
        let says = match kept {
            Some(kept) => kept.clone(),
            None => self.says(finding),
        };
        settle(finding, &says, self.coverage(finding));
    }

    fn coverage(&self, finding: &Finding) -> Coverage {
        let own = direction(finding).is_some_and(|(from, _)| self.local.contains(&from.ip()));
        let listening = self.since.is_some_and(|since| finding.at >= since);
        if own && listening && self.log.lost() == 0 {
            Coverage::Complete
        } else {
            Coverage::None
        }
    }
}
