//! Why was this TCP connection reset, by whom, and what should be changed?
//!
//! Data goes one way; each module is one step and knows only the steps before it:
//!
//! ```text
//! capture ─▶ wire ─▶ flow ─▶ dialogue ─▶ verdict ─▶ insight ─▶ report
//! Frame      Segment  Connection Exchange  Ending,    Pattern    Report ─▶ views
//!                                          Verdict
//! ```
//!
//! The library never asks the clock and knows no screen and no network: time comes in with the frames.

pub mod analysis;
pub mod capture;
pub mod dialogue;
pub mod flow;
pub mod insight;
pub mod kernel;
mod parts;
pub mod report;
#[doc(hidden)]
pub mod testing;
pub mod time;
pub mod verdict;
pub mod wire;

pub use time::{Interval, Timestamp};
