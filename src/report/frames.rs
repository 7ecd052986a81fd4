//! Frames and streams as views name them: by number, and by capture where that is another one than the finding's.

use std::collections::BTreeSet;
use std::fmt;

use super::text::clean;
use super::{
    CaptureSummary, ConnectionId, Endpoint, Evidence, Fin, Finding, Fins, FrameElsewhere, Hop,
    Idle, LadderStep, RetrySeen, StreamElsewhere, Trigger,
};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::verdict::{Cause, ResetSender};

/// A frame's number or a stream's, and the capture that counts it, where that is another one than the finding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NumberIn {
    /// Index into the report's captures.
    pub capture: Option<u16>,
    /// It.
    pub number: u32,
}

/// `20`, or `20 (2)` where it is of the second capture.
impl fmt::Display for NumberIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.capture {
            None => self.number.fmt(f),
            Some(capture) => write!(f, "{} ({})", self.number, u32::from(capture) + 1),
        }
    }
}

impl NumberIn {
    /// Of the finding's capture.
    pub const fn own(number: u32) -> Self {
        Self {
            capture: None,
            number,
        }
    }

    /// The frame of this number; `finding` is the finding's capture.
    pub fn frame(self, finding: u16) -> FrameId {
        FrameId {
            capture: CaptureId(self.capture.unwrap_or(finding)),
            number: FrameNumber(self.number),
        }
    }
}

/// The capture, where it is another one than the finding's.
pub fn capture_if_other(capture: CaptureId, finding: u16) -> Option<u16> {
    (capture.0 != finding).then_some(capture.0)
}

impl From<&FrameElsewhere> for NumberIn {
    fn from(frame: &FrameElsewhere) -> Self {
        Self {
            capture: Some(frame.capture),
            number: frame.frame,
        }
    }
}

impl From<&StreamElsewhere> for NumberIn {
    fn from(stream: &StreamElsewhere) -> Self {
        Self {
            capture: Some(stream.capture),
            number: stream.stream,
        }
    }
}

impl From<&LadderStep> for NumberIn {
    fn from(step: &LadderStep) -> Self {
        Self {
            capture: step.capture,
            number: step.frame,
        }
    }
}

impl Trigger {
    /// Its frame.
    pub fn number(&self) -> Option<NumberIn> {
        let capture = self.capture;
        self.frame.map(|number| NumberIn { capture, number })
    }
}

impl Idle {
    /// Frame of the last application activity.
    pub fn since(&self) -> Option<NumberIn> {
        let capture = self.since_capture;
        self.since_frame.map(|number| NumberIn { capture, number })
    }
}

impl Fin {
    /// What Wireshark calls it.
    pub const fn name(&self) -> &'static str {
        match self.data_fin {
            true => "DATA_FIN",
            false => "FIN",
        }
    }

    /// Its frame.
    pub const fn number(&self) -> NumberIn {
        NumberIn {
            capture: self.capture,
            number: self.frame,
        }
    }
}

impl RetrySeen {
    /// The connection that it is on.
    pub const fn on_stream(&self) -> NumberIn {
        NumberIn {
            capture: self.capture,
            number: self.stream,
        }
    }

    /// Frame of its first byte.
    pub const fn number(&self) -> NumberIn {
        NumberIn {
            capture: self.capture,
            number: self.frame,
        }
    }
}

impl Hop {
    /// The other hop's connection.
    pub const fn number(&self) -> NumberIn {
        NumberIn {
            capture: self.capture,
            number: self.stream,
        }
    }
}

impl Evidence {
    /// Its frames: the finding's capture comes first.
    pub fn numbers(&self) -> impl Iterator<Item = NumberIn> {
        numbers(&self.frames, &self.elsewhere)
    }
}

impl Finding {
    /// Frames of all RST packets: the finding's capture comes first.
    pub fn numbers(&self) -> impl Iterator<Item = NumberIn> {
        numbers(&self.frames, &self.elsewhere)
    }

    /// Its connection's streams: the finding's capture comes first.
    pub fn streams(&self) -> impl Iterator<Item = NumberIn> {
        let Self { connection, .. } = self;
        let answers = connection.called.and_then(|called| called.stream);
        let own = std::iter::once(connection.stream).chain(answers);
        let own = own.map(NumberIn::own);
        own.chain(connection.elsewhere.iter().map(NumberIn::from))
    }

    /// The server as its client knows it: of packets that came untranslated, the one that was called.
    pub fn server(&self) -> Endpoint {
        let ConnectionId { server, called, .. } = self.connection;
        match called {
            Some(called) if self.is_untranslated() => called.endpoint,
            _ => server,
        }
    }

    /// The finding of a proxy's back connection, where this is its front one that the proxy ended for that reason: one loss, seen twice.
    pub fn passed_on(&self) -> Option<&str> {
        let by_proxy = match self.cause {
            Cause::HangUp => self.detail.is_none(),
            Cause::AbortiveClose => self.sender == Some(ResetSender::Server),
            _ => false,
        };
        let hop = self
            .hop
            .as_ref()
            .filter(|hop| by_proxy && hop.side == "front")?;
        hop.finding.as_deref()
    }

    /// Large packets got lost, and smaller ones did not.
    pub fn is_by_size(&self) -> bool {
        self.detail.as_deref() == Some("path-mtu")
    }

    /// Only one end spoke TLS.
    pub fn is_tls_mismatch(&self) -> bool {
        self.detail.as_deref() == Some("tls-mismatch")
    }

    /// A TLS handshake failed.
    pub fn is_tls_failure(&self) -> bool {
        let detail = self.detail.as_deref();
        matches!(detail, Some("tls-alert" | "client-certificate"))
            || self.is_tls_mismatch()
            || self.is_tls_unfinished()
    }

    /// One end left a TLS handshake, and did not say why.
    pub fn is_tls_unfinished(&self) -> bool {
        self.detail.as_deref() == Some("tls-unfinished")
    }

    /// The server's packets came under the address behind the published one.
    pub fn is_untranslated(&self) -> bool {
        self.detail.as_deref() == Some("untranslated")
    }

    /// Its FINs: who sent each, and when, in their order.
    pub fn fins_in_order(&self) -> Vec<(&'static str, &Fin)> {
        let Fins { client, server } = &self.fins;
        let both = [("client", client), ("server", server)].into_iter();
        let mut fins: Vec<_> = both
            .filter_map(|(who, fin)| Some((who, fin.as_ref()?)))
            .collect();
        fins.sort_by_key(|(_, fin)| (fin.at, fin.number()));
        fins
    }

    /// The captures that frames and streams are named of besides the finding's own.
    pub fn other_captures<'c>(
        &self,
        captures: &'c [CaptureSummary],
    ) -> Vec<(u16, &'c CaptureSummary)> {
        let single = [
            self.trigger.as_ref().and_then(Trigger::number),
            self.idle.since(),
            self.fins.client.as_ref().map(Fin::number),
            self.fins.server.as_ref().map(Fin::number),
            self.hop.as_ref().map(Hop::number),
            self.retry
                .as_ref()
                .and_then(|retry| retry.seen.as_ref())
                .map(RetrySeen::number),
        ];
        let evidence = self.evidence.iter().chain(&self.evidence_against);
        let mentioned = single
            .into_iter()
            .flatten()
            .chain(self.numbers())
            .chain(self.streams())
            .chain(evidence.flat_map(Evidence::numbers))
            .chain(self.ladder.iter().map(NumberIn::from));
        let others: BTreeSet<u16> = mentioned.filter_map(|number| number.capture).collect();
        let named = others.into_iter().filter_map(|index| {
            let capture = captures.get(usize::from(index))?;
            Some((index, capture))
        });
        named.collect()
    }
}

fn numbers(own: &[u32], elsewhere: &[FrameElsewhere]) -> impl Iterator<Item = NumberIn> {
    let own = own.iter().copied().map(NumberIn::own);
    own.chain(elsewhere.iter().map(NumberIn::from))
}

/// The first `most` of them as a list, with three dots where there are more.
pub fn list(numbers: impl Iterator<Item = NumberIn>, most: usize) -> String {
    let mut numbers = numbers;
    let shown = numbers.by_ref().take(most).map(|number| number.to_string());
    let shown = shown.collect::<Vec<_>>().join(", ");
    match numbers.next() {
        None => shown,
        Some(_) => format!("{shown} …"),
    }
}

/// The captures as frames name them: `(2) server.pcap`; by its path alone where there is one.
pub fn named(captures: &[CaptureSummary]) -> impl Iterator<Item = (String, &CaptureSummary)> {
    let number = |index: usize| match captures.len() {
        1 => String::new(),
        _ => format!("({}) ", index + 1),
    };
    let captures = captures.iter().enumerate();
    captures.map(move |(index, capture)| (number(index), capture))
}

/// What the numbers behind them mean, where there are any.
pub fn legend(finding: &Finding, captures: &[CaptureSummary]) -> Option<String> {
    let others = finding.other_captures(captures);
    let named = others
        .iter()
        .map(|(index, capture)| format!("({}) is {}", u32::from(*index) + 1, clean(&capture.path)));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| named.join("; "))
}

/// The frames that show a fact, behind its text.
pub fn in_brackets(evidence: &Evidence) -> String {
    match evidence.frames.len() + evidence.elsewhere.len() {
        0 => String::new(),
        1 => format!(" (frame {})", list(evidence.numbers(), 1)),
        _ => format!(" (frames {})", list(evidence.numbers(), 6)),
    }
}
