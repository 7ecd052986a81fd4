//! For tests: packet ladders in a few readable lines, and the frames, files and findings that they make.
//!
//! ```
//! use whyrst::testing::Ladder;
//!
//! let finding = Ladder::to(80)
//!     .handshake(0)
//!     .client(21, "P.").payload("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
//!     .server(60, "P.").payload("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
//!     .client(61, ".")
//!     .server(5060, "F.")
//!     .client(5055, "P.").payload("GET / HTTP/1.1\r\nHost: a\r\n\r\n").crossing()
//!     .server(5075, "R")
//!     .finding();
//! assert_eq!(finding.cause.as_str(), "keepalive-race");
//! ```

#[cfg(test)]
pub(crate) mod conversation;
mod frames;
mod ladder;
mod trace;

pub use ladder::Ladder;
pub use trace::{Trace, TraceFrame};
