//! Step 3: segments become [`Connection`]s: both directions' sequence space, FINs, resets and the two idle clocks.
//! Facts only; what they mean is judged in [`verdict`](crate::verdict).

mod peer;
mod stream;

pub use peer::Peer;
pub use stream::{Activity, Mark, StreamBytes, StreamReader};
