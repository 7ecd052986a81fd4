//! Step 7: the [`Report`], and its views.

mod model;

pub use model::*;
