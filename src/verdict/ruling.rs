//! What a rule says.

use crate::capture::FrameId;
use crate::flow::{Packet, Peer};
use crate::report::Alternative;
use crate::verdict::situation::Silence;
use crate::verdict::{Cause, Confidence, Harm, IdleKind};

/// What the captures show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// In a few words.
    pub text: String,
    /// Where.
    pub frames: Vec<FrameId>,
}

/// The outcome of the rule that fits.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Why.
    pub cause: Cause,
    /// How sure.
    pub confidence: Confidence,
    /// A finer name.
    pub detail: Option<&'static str>,
    /// What it cost.
    pub harm: Harm,
    /// It cost nothing as far as was captured, and that is not enough to tell.
    pub harm_unclear: bool,
    /// What was being waited for.
    pub idle_kind: IdleKind,
    /// The silence that counts.
    pub silence: Option<Silence>,
    /// For and against.
    pub evidence: Vec<Fact>,
    /// Against.
    pub against: Vec<Fact>,
    /// What else fits.
    pub alternatives: Vec<Alternative>,
    /// One or two sentences.
    pub explanation: String,
    /// Who is hurt, where somebody is.
    pub victim: Option<Peer>,
}

impl Ruling {
    /// A ruling without harm.
    pub fn new(cause: Cause, confidence: Confidence, explanation: impl Into<String>) -> Self {
        Self {
            cause,
            confidence,
            detail: None,
            harm: Harm::None,
            harm_unclear: false,
            idle_kind: IdleKind::None,
            silence: None,
            evidence: Vec::new(),
            against: Vec::new(),
            alternatives: Vec::new(),
            explanation: explanation.into(),
            victim: None,
        }
    }

    /// With a finer name.
    pub fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// With harm to somebody.
    pub fn harm(mut self, harm: Harm, victim: Peer) -> Self {
        self.harm = harm;
        self.victim = (harm != Harm::None).then_some(victim);
        self
    }

    /// Whether it cost anything was not captured.
    pub fn unclear(mut self) -> Self {
        self.harm_unclear = self.harm == Harm::None;
        self
    }

    /// With the silence before it.
    pub fn idle(mut self, kind: IdleKind, silence: Silence) -> Self {
        self.idle_kind = kind;
        self.silence = Some(silence);
        self
    }

    /// With a fact that speaks for it.
    pub fn because(self, text: impl Into<String>, packets: &[&Packet]) -> Self {
        self.because_of(text, frames_of(packets))
    }

    /// The same, where some of the frames are known without their packets.
    pub fn because_of(mut self, text: impl Into<String>, frames: impl Into<Vec<FrameId>>) -> Self {
        self.evidence.push(Fact {
            text: text.into(),
            frames: frames.into(),
        });
        self
    }

    /// With a fact that speaks against it.
    pub fn although(mut self, text: impl Into<String>, packets: &[&Packet]) -> Self {
        self.against.push(Fact {
            text: text.into(),
            frames: frames_of(packets),
        });
        self
    }

    /// With a rival and what would decide between them.
    pub fn or(mut self, cause: Cause, decided_by: impl Into<String>) -> Self {
        self.alternatives.push(Alternative {
            cause,
            decided_by: decided_by.into(),
        });
        self
    }

    /// At most this sure.
    pub fn at_most(mut self, confidence: Confidence) -> Self {
        self.confidence = self.confidence.max(confidence);
        self
    }
}

fn frames_of(packets: &[&Packet]) -> Vec<FrameId> {
    packets.iter().map(|packet| packet.head.frame).collect()
}
