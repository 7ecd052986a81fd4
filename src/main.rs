//! The `whyrst` command: arguments in, exit status out.

fn main() {}
