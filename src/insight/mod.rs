//! Step 6: what many endings say together: idle timeouts, alignment, retries, hops, advice.

mod observation;
mod story;

pub use observation::{IdleEnd, IdleEndBy, IdleObservation, IdleSurvival};
pub use story::ConnectionStory;
