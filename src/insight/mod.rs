//! Step 6: what many endings say together: idle timeouts, alignment, retries, hops, advice.

mod advice;
mod alignment;
mod chain;
mod clock;
mod hop;
mod idle_timeout;
mod known_timeouts;
mod loss;
mod matching;
mod observation;
mod retry;
mod silences;
mod story;

pub use advice::{Grounds, advise};
pub use alignment::align;
pub use chain::{ChainError, check_chain};
pub use clock::{as_clocks_allow, tells_who_keeps_longer};
pub use hop::find_hops;
pub use idle_timeout::{Owner, infer};
pub use known_timeouts::{
    AtExpiry, Comparison, Knowledge, KnownTimeout, KnownTimeouts, KnownTimeoutsError, TimeoutRole,
};
pub use loss::Lost;
pub use observation::{IdleEnd, IdleEndBy, IdleObservation, IdleSurvival};
pub use retry::find_retries;
pub use silences::Silences;
pub use story::{ConnectionStory, Teller};
