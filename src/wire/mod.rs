//! Step 2: from a [`Frame`](crate::capture::Frame) to the innermost TCP [`Segment`], through link layers, tunnels and fragments.
//!
//! `etherparse` reads the headers that it knows: Ethernet, VLAN and MACsec tags, IPv4, IPv6 and their extensions, UDP, ICMP. Ours
//! beside it are the other link types and tunnels, fragments, TCP headers (which the snap length may have cut) and their options, and
//! the lengths: its slices end where the captured bytes do, a `View` also knows how much there was on the wire.
//!
//! Nearly all frames are plain (see [`PlainFrame`]) and read straight, without going through all that.
//!
//! A new link type or encapsulation is one function and one row in the `match` of its kind: `link::frame`,
//! `link::ethertype`, `tunnel::over_ip` or `tunnel::over_udp`.

mod decoder;
mod fragment;
mod head;
mod icmp;
mod ip;
mod link;
mod options;
mod plain;
mod segment;
mod seq;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;
mod view;

pub use decoder::{Decoder, DecoderCounters};
pub use head::{Besides, Ends, Head};
pub use plain::PlainFrame;
pub use segment::{
    Addresses, DataMapping, Decoded, IcmpQuote, IcmpReason, MacAddress, Mptcp, Segment, TcpFlags,
    TcpOptions, Timestamps, Ttl,
};
pub use seq::SeqNumber;
