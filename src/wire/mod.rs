//! Step 2: from a [`Frame`](crate::capture::Frame) to the innermost TCP [`Segment`], through link layers, tunnels and fragments.

mod segment;
mod seq;

pub use segment::{
    Addresses, Decoded, IcmpQuote, IcmpReason, MacAddress, Segment, TcpFlags, TcpOptions,
    Timestamps, Ttl,
};
pub use seq::SeqNumber;
