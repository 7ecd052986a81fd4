//! Step 6: what many endings say together: idle timeouts, alignment, retries, hops, advice.

mod known_timeouts;
mod observation;
mod story;

pub use known_timeouts::{
    AtExpiry, Comparison, KnownTimeout, KnownTimeouts, KnownTimeoutsError, TimeoutRole,
};
pub use observation::{IdleEnd, IdleEndBy, IdleObservation, IdleSurvival};
pub use story::ConnectionStory;
