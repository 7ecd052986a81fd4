//! What the capture shows bounds how sure a verdict is, of its cause and of what it cost.

use super::{Case, carries_payload};
use crate::verdict::ruling::Ruling;
use crate::verdict::{Cause, Confidence, Harm};

impl Case<'_> {
    /// A verdict that the capture can't bear is taken down.
    pub fn capped(&self, ruling: Ruling) -> Ruling {
        let is_proved = is_proved_by_few(&ruling);
        let unseen = self.ending.is_incomplete() || !is_proved && self.lacks_context(&ruling);
        let perhaps_open = self.may_be_answering() || self.began_unheard();
        let lost_nothing = ruling.harm == Harm::None && !is_proved;
        // Without silence before it, as far as was seen.
        let without_idle = ruling.cause == Cause::DataAfterClose && self.began_unheard();
        let is_blurred = !self.ending.shows_silences() && !is_proved;
        let ruling = match unseen || lost_nothing && perhaps_open || without_idle || is_blurred {
            true => ruling.at_most(Confidence::Possible),
            false => ruling,
        };
        if !self.may_have_cost(&ruling, unseen || perhaps_open) {
            return ruling;
        }
        let was_told = ruling.harm_unclear || ruling.harm != Harm::None;
        let mut ruling = ruling.unclear();
        if !was_told {
            ruling.explanation.push_str(
                " That is what was captured and can be read; whether anything was lost it does not tell.",
            );
        }
        ruling
    }

    /// Begun before the capture, of which little or nothing was heard; or the RST answers what was not captured.
    fn lacks_context(&self, ruling: &Ruling) -> bool {
        let few = self.ending.before.len() < 3 || self.ending.dialogue.recent.is_empty();
        !self.ending.handshake_seen() && few || self.answers_the_unseen(ruling) && !self.by_box()
    }

    /// It may have cost something although nothing of that was seen.
    fn may_have_cost(&self, ruling: &Ruling, unseen: bool) -> bool {
        let ending = self.ending;
        let is_doubted = ruling.confidence == Confidence::Possible;
        match ruling.cause {
            Cause::ConnectionRefused | Cause::HandshakeAborted | Cause::TimeWaitCollision => false,
            // What it ended if it was obeyed was not asked.
            Cause::IgnoredRst => is_doubted,
            // Its sender lost what it was told, perhaps an answer on the way, too.
            Cause::HalfOpen if self.shape.trigger.is_some_and(carries_payload) => is_doubted,
            // Whether an answer was whole, only its framing tells.
            _ => {
                let is_readable =
                    ending.dialogue.recent.is_empty() || ending.is_framed() || ending.is_one_way();
                unseen || is_doubted && !is_readable
            }
        }
    }
}

/// What a handshake shows needs no more than the handshake, and who lived through a RST showed that.
fn is_proved_by_few(ruling: &Ruling) -> bool {
    match ruling.cause {
        Cause::ConnectionRefused | Cause::HandshakeAborted | Cause::TimeWaitCollision => true,
        Cause::IgnoredRst => ruling.confidence != Confidence::Possible,
        _ => false,
    }
}
