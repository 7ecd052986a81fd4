//! Step 6: what many endings say together: idle timeouts, alignment, retries, hops, advice.

mod alignment;
mod chain;
mod idle_timeout;
mod known_timeouts;
mod matching;
mod observation;
mod story;

pub use alignment::align;
pub use chain::{ChainError, check_chain};
pub use idle_timeout::{Owner, infer};
pub use known_timeouts::{
    AtExpiry, Comparison, KnownTimeout, KnownTimeouts, KnownTimeoutsError, TimeoutRole,
};
pub use observation::{IdleEnd, IdleEndBy, IdleObservation, IdleSurvival};
pub use story::ConnectionStory;
