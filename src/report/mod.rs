//! Step 7: the [`Report`], and its views.

mod commands;
mod cost;
pub mod csv;
pub mod ecs;
pub mod evidence;
pub mod explain;
mod frames;
pub mod headline;
pub mod html;
pub mod json;
pub mod ladder;
pub mod markdown;
mod model;
pub mod redact;
#[cfg(test)]
pub mod sample;
pub mod select;
mod telling;
pub mod terminal;
mod text;
pub mod zeek;

pub use cost::Cost;
pub use frames::{NumberIn, capture_if_other};
pub use model::*;
