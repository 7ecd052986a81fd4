//! The table of causes: what each one is, what proves it, what else it could be and what to do.
//!
//! `whyrst explain`, the reports and the documentation print it from here. Sequence rules follow RFC 9293; what Linux sends
//! when is named with the kernel's function.

mod exchange;
mod idle;
mod opening;
mod other;

use super::Cause;
use crate::flow::Peer;

/// What is known of one cause.
#[derive(Clone, Copy, Debug)]
pub struct CauseEntry {
    /// Which one.
    pub cause: Cause,
    /// One line, lower case, without a full stop.
    pub meaning: &'static str,
    /// What happens, in a paragraph.
    pub explanation: &'static str,
    /// The packets of a typical case.
    pub ladder: &'static [ExampleStep],
    /// What a capture must show for it.
    pub proof: &'static [&'static str],
    /// What it is mistaken for.
    pub rivals: &'static [Rival],
    /// What it costs, and whether a retry is safe.
    pub harm: &'static str,
    /// What to change, by side.
    pub remedies: &'static [Remedy],
    /// Finer names.
    pub details: &'static [Detail],
}

/// Another cause that looks alike.
#[derive(Clone, Copy, Debug)]
pub struct Rival {
    /// The other cause.
    pub cause: Cause,
    /// The observation that separates both.
    pub separates: &'static str,
}

/// Who can change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's operator or author.
    Client,
    /// The server's.
    Server,
    /// Whoever runs what lies between.
    Path,
}

impl Side {
    /// `client`, `server` or `path`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Path => "path",
        }
    }
}

/// What one side can do.
#[derive(Clone, Copy, Debug)]
pub struct Remedy {
    /// Which side.
    pub side: Side,
    /// What.
    pub text: &'static str,
}

/// A finer name within a cause, as in a finding's `detail`.
#[derive(Clone, Copy, Debug)]
pub struct Detail {
    /// The name.
    pub name: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// A packet's part in an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The last application activity before the silence.
    LastActivity,
    /// The FIN.
    Fin,
    /// What the RST answers.
    Trigger,
    /// The RST.
    Rst,
}

/// One packet of an example. Sequence and acknowledgement numbers are relative to the connection's first ones.
#[derive(Clone, Copy, Debug)]
pub struct ExampleStep {
    /// Milliseconds from the first packet.
    pub at_ms: u32,
    /// Who sent it.
    pub from: Peer,
    /// tcpdump's flags.
    pub flags: &'static str,
    /// Relative sequence number.
    pub seq: u32,
    /// Relative acknowledgement, where ACK is set.
    pub ack: Option<u32>,
    /// Payload bytes.
    pub len: u32,
    /// What it is.
    pub note: Option<&'static str>,
    /// Its part.
    pub part: Option<Part>,
}

const fn client(at_ms: u32, flags: &'static str, seq: u32) -> ExampleStep {
    ExampleStep {
        at_ms,
        from: Peer::Client,
        flags,
        seq,
        ack: None,
        len: 0,
        note: None,
        part: None,
    }
}

const fn server(at_ms: u32, flags: &'static str, seq: u32) -> ExampleStep {
    ExampleStep {
        from: Peer::Server,
        ..client(at_ms, flags, seq)
    }
}

impl ExampleStep {
    const fn ack(self, ack: u32) -> Self {
        Self {
            ack: Some(ack),
            ..self
        }
    }

    const fn len(self, len: u32, note: &'static str) -> Self {
        Self {
            len,
            note: Some(note),
            ..self
        }
    }

    const fn note(self, note: &'static str) -> Self {
        Self {
            note: Some(note),
            ..self
        }
    }

    const fn part(self, part: Part) -> Self {
        Self {
            part: Some(part),
            ..self
        }
    }
}

const fn rival(cause: Cause, separates: &'static str) -> Rival {
    Rival { cause, separates }
}

const fn remedy(side: Side, text: &'static str) -> Remedy {
    Remedy { side, text }
}

const fn detail(name: &'static str, text: &'static str) -> Detail {
    Detail { name, text }
}

impl Cause {
    /// Its row of the table.
    pub const fn entry(self) -> &'static CauseEntry {
        match self {
            Self::ConnectionRefused => &opening::CONNECTION_REFUSED,
            Self::HandshakeAborted => &opening::HANDSHAKE_ABORTED,
            Self::AcceptQueueOverflow => &opening::ACCEPT_QUEUE_OVERFLOW,
            Self::TimeWaitCollision => &opening::TIME_WAIT_COLLISION,
            Self::KeepaliveRace => &idle::KEEPALIVE_RACE,
            Self::StaleReuse => &idle::STALE_REUSE,
            Self::IdleExpiredSilently => &idle::IDLE_EXPIRED_SILENTLY,
            Self::IdleTimeoutReset => &idle::IDLE_TIMEOUT_RESET,
            Self::KeepaliveProbeFailure => &idle::KEEPALIVE_PROBE_FAILURE,
            Self::HalfOpen => &idle::HALF_OPEN,
            Self::ResponseTimeout => &exchange::RESPONSE_TIMEOUT,
            Self::CloseWithUnreadData => &exchange::CLOSE_WITH_UNREAD_DATA,
            Self::DataAfterClose => &exchange::DATA_AFTER_CLOSE,
            Self::AbortiveClose => &exchange::ABORTIVE_CLOSE,
            Self::HangUp => &exchange::HANG_UP,
            Self::TeardownNoise => &other::TEARDOWN_NOISE,
            Self::Injected => &other::INJECTED,
            Self::IgnoredRst => &other::IGNORED_RST,
            Self::Unexplained => &other::UNEXPLAINED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_row_and_the_row_is_whole() {
        for cause in Cause::ALL {
            let entry = cause.entry();
            assert_eq!(entry.cause, *cause);
            assert!(
                !entry.meaning.ends_with('.') && entry.meaning.len() < 90,
                "{cause}"
            );
            assert!(entry.explanation.ends_with('.'), "{cause}");
            if *cause != Cause::Unexplained {
                assert!(
                    !entry.ladder.is_empty() && !entry.rivals.is_empty(),
                    "{cause}"
                );
            }
            assert!(
                !entry.proof.is_empty() && !entry.remedies.is_empty() && !entry.harm.is_empty(),
                "{cause}"
            );
            assert!(
                entry.rivals.iter().all(|r| r.cause != *cause),
                "{cause} is its own rival"
            );
        }
    }

    #[test]
    fn examples_go_forward_in_time_and_only_hang_ups_lack_a_rst() {
        for cause in Cause::ALL {
            let ladder = cause.entry().ladder;
            assert!(
                ladder.windows(2).all(|w| w[0].at_ms <= w[1].at_ms),
                "{cause}"
            );
            let resets = ladder.iter().filter(|s| s.part == Some(Part::Rst));
            assert!(resets.clone().all(|s| s.flags.contains('R')), "{cause}");
            let expected = !matches!(cause, Cause::HangUp | Cause::Unexplained);
            assert_eq!(resets.count() > 0, expected, "{cause}");
        }
    }

    /// RFC 9293 3.10.7.1: the RST that answers a segment with ACK takes its sequence number from that acknowledgement.
    #[test]
    fn replies_in_examples_take_their_number_from_what_they_answer() {
        for cause in Cause::ALL {
            let ladder = cause.entry().ladder;
            for (i, step) in ladder.iter().enumerate() {
                if step.flags != "R" || *cause == Cause::Injected || *cause == Cause::IgnoredRst {
                    continue;
                }
                let trigger = ladder[..i]
                    .iter()
                    .rev()
                    .find(|s| s.from != step.from && s.part == Some(Part::Trigger));
                let trigger =
                    trigger.unwrap_or_else(|| panic!("{cause}: a bare RST answers something"));
                assert_eq!(trigger.ack, Some(step.seq), "{cause}");
            }
        }
    }
}
