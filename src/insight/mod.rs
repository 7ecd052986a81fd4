//! Step 6: what many endings say together: idle timeouts, alignment, retries, hops, advice.

mod chain;
mod known_timeouts;
mod observation;
mod story;

pub use chain::{ChainError, check_chain};
pub use known_timeouts::{
    AtExpiry, Comparison, KnownTimeout, KnownTimeouts, KnownTimeoutsError, TimeoutRole,
};
pub use observation::{IdleEnd, IdleEndBy, IdleObservation, IdleSurvival};
pub use story::ConnectionStory;
