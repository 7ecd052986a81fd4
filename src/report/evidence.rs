//! The packets behind a report as a pcapng file: evidence that Wireshark opens, with a comment on each packet that matters.
//!
//! A report comes before its evidence, so the captures are read again: once to choose frames ([`Selector`]), once to write
//! them ([`EvidenceWriter`]). The caller replays the frames in the same order both times; a capture that can't be read twice
//! (a pipe) has to be spooled by the caller.
//!
//! - All TCP packets of the reported connections are taken, or those around the packets that matter; both within bounds.
//! - The RST packets in the file are the RST packets reported: one of another, unreported event is left out.
//! - Times are those of the capture, and every interface of every capture stays one.
//! - Payload is cut off unless it is asked for; with redaction always.
//! - With redaction a packet is written anew from its innermost IP and TCP headers: link-layer addresses, tags, tunnels and
//!   IP options are not there to leak, addresses are pseudonyms, checksums are as right or wrong as they were.
//! - A segment that came in IP fragments is left out: its frames alone would not show it.

mod comments;
mod packet;
mod selector;
mod writer;

pub use selector::{Chosen, Context, Selector};
pub use writer::{EvidenceOptions, EvidenceSummary, EvidenceWriter, Payload};

#[cfg(test)]
mod tests;
