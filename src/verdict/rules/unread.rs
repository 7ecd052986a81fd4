//! The server's idle timer ran out while the next request lay unread in its socket.
//!
//! Linux closes a socket with unread data with a RST (`__tcp_close()`): no FIN is there to race with, and the RST answers no packet. An
//! event loop that was busy when the request came runs timers that are over before it looks at its sockets (Node.js: the timers phase
//! comes before the poll phase), and closes connections on which a request had come in time.

use crate::dialogue::Exchange;
use crate::flow::Peer;
use crate::time::Interval;
use crate::verdict::rules::Case;
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::Silence;
use crate::verdict::{Cause, Confidence, IdleKind, IdleTimer};

/// Timers are not looked at more exactly than this.
const LATE: Interval = Interval::from_millis(60);
/// What a server adds to the time that it announces (Node.js: `keepAliveTimeoutBuffer`).
const BUFFER: Interval = Interval::from_millis(1_000);
/// A wait shorter than this part of the whole silence hardly spans the end of a timer by chance. Chosen.
const SHORT_PART: i64 = 4;

/// A request that the server reset while its idle timer ran out.
pub(super) struct Unread<'a> {
    request: &'a Exchange,
    /// From the end of the server's last answer to the request.
    before: Interval,
    /// From the same to the RST.
    until: Interval,
    timer: Timer,
}

#[derive(Clone, Copy)]
enum Timer {
    Seen(IdleTimer),
    Announced(Interval),
}

impl<'a> Unread<'a> {
    /// Where a timer is known that ran out between the request and its reset.
    pub(super) fn of(case: &Case<'a>, request: &'a Exchange) -> Option<Self> {
        if case.claimed() != Peer::Server || case.situation.requester != Peer::Client {
            return None;
        }
        let answers = case.ending.dialogue.recent.iter().rev();
        let answered = answers
            .filter_map(|exchange| Some(exchange.response?.end.time))
            .find(|end| *end <= request.request.start.time)?;
        let (before, until) = (
            request.request.start.time - answered,
            case.reset.head.time - answered,
        );
        let survived = case.ending.surroundings.longest_survived;
        let (timer, shortest, longest) = match case.ending.surroundings.idle_timer {
            Some(timer) => {
                let (shortest, longest) = (timer.after - LATE, timer.after + LATE);
                (Timer::Seen(timer), shortest, longest)
            }
            None => {
                let said = case.ending.dialogue.hints.keep_alive_timeout_s?;
                let said = Interval::from_secs_f64(f64::from(said));
                (Timer::Announced(said), said - LATE, said + BUFFER)
            }
        };
        // A connection that was quiet for longer met no such timer.
        let fits = before < longest
            && until >= shortest
            && survived.is_none_or(|survived| survived <= longest);
        fits.then_some(Self {
            request,
            before,
            until,
            timer,
        })
    }

    fn waited(&self) -> Interval {
        self.until - self.before
    }

    /// What else resets a request waits as long at any other time, too.
    pub(super) fn is_no_chance(&self) -> bool {
        self.waited().as_nanos() <= self.until.as_nanos() / SHORT_PART
    }

    fn confidence(&self, case: &Case<'_>) -> Confidence {
        match self.timer {
            Timer::Seen(timer)
                if timer.closes >= IdleTimer::FEWEST
                    && (self.until - timer.after).abs() <= timer.tolerance()
                    && !case.by_box() =>
            {
                Confidence::Likely
            }
            _ => Confidence::Possible,
        }
    }

    /// What shows the timer.
    fn timer(&self) -> String {
        match self.timer {
            Timer::Seen(IdleTimer { after, closes: 1 }) => {
                format!("the server ended another idle connection after {after}")
            }
            Timer::Seen(IdleTimer { after, closes }) => {
                format!("the server ended {closes} other idle connections after {after}")
            }
            Timer::Announced(said) => {
                format!("the server had announced that it keeps idle connections for {said}")
            }
        }
    }

    pub(super) fn ruling(&self, case: &Case<'_>) -> Ruling {
        let (waited, first) = (self.waited(), self.request.request.start.frame);
        let mut packets = case.ending.before.iter();
        let silence = packets.find(|packet| packet.head.frame == first);
        let silence = silence.map_or(
            Silence {
                application: Some(self.before),
                ..case.silence
            },
            Silence::before,
        );
        Ruling::new(
            Cause::KeepaliveRace,
            self.confidence(case),
            format!(
                "The server's idle timer ran out with the client's next request unread in its socket, as where it is too busy to look: the close became a RST, {waited} after the request and {} after the server's last answer.",
                self.until
            ),
        )
        .detail("unread")
        .because(self.timer(), &[])
        .idle(IdleKind::BetweenRequests, silence)
        .or(
            Cause::AbortiveClose,
            "the server's log: a crash, a kill or a limit at that moment",
        )
    }

    /// What would tell that it was this and not what else it looks like.
    pub(super) fn decided_by(&self) -> String {
        format!(
            "whether the server was too busy to read ({}, and that time ran out before the RST)",
            self.timer()
        )
    }
}
