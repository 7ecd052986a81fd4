//! Step 7: the [`Report`], and its views.

pub mod csv;
pub mod explain;
pub mod headline;
pub mod json;
pub mod ladder;
mod model;
#[cfg(test)]
pub mod sample;
pub mod select;
pub mod terminal;
mod text;

pub use model::*;
