//! Step 5: judgement. Pure functions over frozen facts: who sent the reset, what triggered it, why, and what it cost.

mod words;

pub use words::{
    Cause, Confidence, Effect, Form, Harm, IdleKind, ResetSender, RetrySafety, TriggerKind,
};
