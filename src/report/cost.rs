//! What a finding cost, as the views tell it.

use std::fmt;

use super::Finding;
use crate::verdict::Harm;

/// The harm, and whether the capture shows it. The worst one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cost {
    /// A request was taken and never answered.
    OutcomeUnknown,
    /// A response was cut.
    ResponseTruncated,
    /// A request was never taken.
    RequestLost,
    /// The connection never came to be.
    Refused,
    /// Nothing as far as was captured, and that is not enough to tell.
    Unclear,
    /// Nothing.
    Nothing,
}

impl Cost {
    /// That of a finding.
    pub const fn of(finding: &Finding) -> Self {
        match finding.harm {
            Harm::RequestOutcomeUnknown => Self::OutcomeUnknown,
            Harm::ResponseTruncated => Self::ResponseTruncated,
            Harm::RequestLost => Self::RequestLost,
            Harm::Refused => Self::Refused,
            Harm::None if finding.harm_unclear => Self::Unclear,
            Harm::None => Self::Nothing,
        }
    }

    /// The harm's word in the report's JSON, or `unclear`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutcomeUnknown => Harm::RequestOutcomeUnknown.as_str(),
            Self::ResponseTruncated => Harm::ResponseTruncated.as_str(),
            Self::RequestLost => Harm::RequestLost.as_str(),
            Self::Refused => Harm::Refused.as_str(),
            Self::Unclear => "unclear",
            Self::Nothing => Harm::None.as_str(),
        }
    }

    /// It cost somebody a request or a response.
    pub const fn is_harmful(self) -> bool {
        matches!(
            self,
            Self::OutcomeUnknown | Self::ResponseTruncated | Self::RequestLost
        )
    }

    /// A sign: shape and colour say the same, so that neither is needed alone.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::OutcomeUnknown => "◆",
            Self::ResponseTruncated => "▲",
            Self::RequestLost => "●",
            Self::Refused => "■",
            Self::Unclear => "◌",
            Self::Nothing => "○",
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
