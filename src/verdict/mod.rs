//! Step 5: judgement. Pure functions over frozen facts: who sent the reset, what triggered it, why, and what it cost.

mod cause;
mod ending;
mod form;
mod harm;
mod judge;
mod origin;
mod rules;
mod ruling;
pub(crate) mod runtime_errors;
mod situation;
mod words;

pub use cause::{CauseEntry, Detail, ExampleStep, Part, Remedy, Rival, Side};
pub use ending::{
    CaptureLosses, Ending, EndingKind, HostProfile, IdleTimer, Progress, ResetSighting,
    SHORTEST_IDLE, SentFrom, Surroundings, TwoEnds,
};
pub use judge::{ResetVerdict, Verdict, judge};
pub use ruling::{Fact, Ruling};
pub use situation::{Silence, turn_progress};
pub use words::{
    Cause, Confidence, Effect, Form, Harm, IdleKind, Passage, ResetSender, RetrySafety, TriggerKind,
};
