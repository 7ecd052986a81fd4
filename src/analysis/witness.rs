//! The kernel of the host that captures, asked about each RST.

use std::net::SocketAddr;

use crate::analysis::judges::Tracked;
use crate::flow::Peer;
use crate::kernel::{
    Coverage, KernelLog, KernelSays, OwnHost, TraceLine, WireReset, parse_trace_line, settle,
};
use crate::report::{Endpoint, Finding};
use crate::time::{Interval, Timestamp};

/// An event may fire after its RST was captured: `tcp_send_active_reset()` transmits first, and whoever called it may be preempted
/// in between. Chosen, as the time is that a RST takes to settle.
const FIRES_WITHIN: Interval = Interval::from_millis(250);
/// The time of day was set where the trace clock's zero has moved by more than what reading both clocks takes.
const CLOCK_WAS_SET: Interval = Interval::from_millis(100);
/// After that, silence says nothing for this long: more than the trace is read late.
const SILENT_FOR: Interval = Interval::from_millis(3_000);

/// What the kernel said so far, and where its silence counts.
#[derive(Debug, Default)]
pub struct Witness {
    log: KernelLog,
    host: OwnHost,
    /// Nothing is known of resets before this.
    since: Option<Timestamp>,
    /// Every event before this was read.
    until: Option<Timestamp>,
    /// The time of day when the trace clock was zero.
    boot: Option<Timestamp>,
    is_over: bool,
}

impl Witness {
    /// `since`: when the kernel began to be listened to.
    pub fn new(host: OwnHost, since: Timestamp) -> Self {
        Self {
            host,
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

    /// What the log holds about a RST.
    pub(super) fn says(&self, reset: &WireReset) -> KernelSays {
        let mut says = self.log.about(reset);
        if self.host.made(reset) && !says.perhaps_translated && self.has_heard_all_of(reset.at) {
            says.coverage = Coverage::Complete;
        }
        says
    }

    /// The kernel may yet say something about a RST.
    pub(super) fn is_awaited(&self, reset: &WireReset) -> bool {
        self.host.takes_part_in(reset) && !self.is_over && self.is_behind(reset.at)
    }

    /// Lets the kernel's word, kept from an earlier look or asked for now, change the finding.
    pub(super) fn testify(
        &self,
        finding: &mut Finding,
        reset: &WireReset,
        kept: Option<&KernelSays>,
    ) {
        match kept {
            Some(kept) => settle(finding, reset, kept),
            None => settle(finding, reset, &self.says(reset)),
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

/// The RST that a finding is about; none for a hang-up.
pub(super) fn reset_of(connection: &Tracked, finding: &Finding) -> Option<WireReset> {
    let claimed = finding.claimed_sender?;
    let id = &finding.connection;
    let ends = |server: Endpoint| {
        let [client, server] = [id.client, server].map(SocketAddr::from);
        match claimed {
            Peer::Client => (client, server),
            Peer::Server => (server, client),
        }
    };
    let (from, to) = ends(id.server);
    let mut resets = connection
        .episodes
        .iter()
        .flat_map(|episode| &episode.resets);
    let packet = resets.find(|packet| packet.head.frame.number.0 == finding.frame);
    Some(WireReset {
        from,
        to,
        called: id.called.map(|called| ends(called.endpoint)),
        at: finding.at,
        ttl: packet.map(|packet| packet.head.ttl),
    })
}
