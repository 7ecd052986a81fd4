//! Step 5: judgement. Pure functions over frozen facts: who sent the reset, what triggered it, why, and what it cost.

mod cause;
mod words;

pub use cause::{CauseEntry, Detail, ExampleStep, Part, Remedy, Rival, Side};

pub use words::{
    Cause, Confidence, Effect, Form, Harm, IdleKind, ResetSender, RetrySafety, TriggerKind,
};
