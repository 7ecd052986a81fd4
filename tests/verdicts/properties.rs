//! What must not change a verdict.
