//! What one connection says about idle timers.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::capture::FrameId;
use crate::dialogue::{Hints, Protocol};
use crate::flow::Peer;
use crate::time::{Interval, Timestamp};
use crate::verdict::{Cause, IdleKind};

/// A silence after which the connection still worked: a lower bound for every timer on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleSurvival {
    /// Silence of the application.
    pub application: Interval,
    /// Time since the newest payload, housekeeping (a WebSocket's or HTTP/2's ping) included: what a proxy's timer counts.
    pub data: Interval,
    /// Silence on the wire (shorter where keepalive probes were sent).
    pub wire: Interval,
    /// Who broke it.
    pub resumed_by: Peer,
    /// With which frame.
    pub frame: FrameId,
    /// What was being waited for: a keep-alive timer runs only [`IdleKind::BetweenRequests`], a response timer only
    /// [`IdleKind::AwaitingResponse`]; [`IdleKind::Handshake`] stands for the wait before the first request. A box in between
    /// counts all of them.
    pub kind: IdleKind,
}

/// How an idle connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleEndBy {
    /// A FIN.
    Fin,
    /// A RST made by the one who ended it, unprovoked.
    Rst,
    /// Nothing was said; the next packet met silence or a RST of something that had forgotten the connection.
    Silence,
}

/// The end of a connection that had been idle (or not) until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleEnd {
    /// Who ended it; `None` for a box in between or where that is not known.
    pub by: Option<Peer>,
    /// How.
    pub how: IdleEndBy,
    /// When.
    pub at: Timestamp,
    /// Frame of the FIN or RST, or of the packet that met silence.
    pub frame: FrameId,
    /// Silence of the application before it (before the packet that met silence, for [`IdleEndBy::Silence`]).
    pub application: Interval,
    /// Time since the newest payload before it, housekeeping included.
    pub data: Interval,
    /// Silence on the wire before it.
    pub wire: Interval,
    /// A request was unanswered: this is a response timeout or an error, and no idle timer.
    pub awaiting_response: bool,
    /// The FIN or RST came at once after the peer's FIN or farewell, or after an announced close: no timer fired.
    pub prompted: bool,
    /// What the verdict says, where there was one.
    pub cause: Option<Cause>,
    /// That verdict is no more than possible, and nothing else says that a timer fired.
    pub doubtful: bool,
}

/// Everything one connection says about idle timers.
#[derive(Clone, Debug)]
pub struct IdleObservation<'a> {
    /// `tcp.stream`.
    pub stream: u32,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port.
    pub client_port: u16,
    /// The server's address and port.
    pub server: SocketAddr,
    /// When it was first seen.
    pub opened: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
    /// The opening SYN was seen (its age is known).
    pub handshake_seen: bool,
    /// Round trip between both ends, where measured.
    pub round_trip: Option<Interval>,
    /// Requests made.
    pub requests: u64,
    /// Silences survived, at most [`IdleObservation::KEPT`], the longest ones.
    pub survived: Vec<IdleSurvival>,
    /// Its end, if it was seen to end.
    pub end: Option<IdleEnd>,
    /// The silence of the application that was still going on when the capture ended or the connection was last seen to be whole.
    pub open_idle: Option<Interval>,
    /// The application protocol.
    pub protocol: Protocol,
    /// Headers that name products and announce timers.
    pub hints: Cow<'a, Hints>,
}

impl IdleObservation<'_> {
    /// How many survived silences are kept.
    pub const KEPT: usize = 16;

    /// Silences survived that a clock can have measured.
    pub fn survivals(&self) -> impl Iterator<Item = &IdleSurvival> {
        self.survived
            .iter()
            .filter(|survival| is_believable(survival.application) && is_believable(survival.wire))
    }

    /// The end, if a clock can have measured the silence before it.
    pub fn believable_end(&self) -> Option<&IdleEnd> {
        self.end
            .as_ref()
            .filter(|end| is_believable(end.application) && is_believable(end.wire))
    }
}

/// No silence longer than this makes a timer or a setting. Of the timers in `known_timeouts.toml`, Linux connection tracking has the
/// longest, five days (`nf_conntrack_tcp_timeout_established`); a day is added to catch what outlives it. Longer ones come from
/// damaged timestamps and clocks that were set: a record of 1970 among those of today is no idle timeout of fifty years.
pub const LONGEST_SILENCE: Interval = Interval::from_millis(6 * 24 * 3_600 * 1_000);

/// It lasted no less than no time (a clock set back), and not longer than [`LONGEST_SILENCE`].
pub fn is_believable(silence: Interval) -> bool {
    (Interval::ZERO..=LONGEST_SILENCE).contains(&silence)
}

/// The same of a silence in seconds, as findings have it.
pub(super) fn believable(seconds: &f64) -> bool {
    (0.0..=LONGEST_SILENCE.as_secs_f64()).contains(seconds)
}
