//! Step 1: bytes from files, standard input and interfaces, as [`Frame`]s with time and number.
//!
//! [`Captures`] reads files; a [`Frame`] borrows its bytes from the reader until the next one is asked for.

mod buffer;
mod bytes;
mod captures;
mod compression;
mod damage;
mod error;
mod facts;
mod file;
mod filter;
mod frame;
mod link_type;
#[cfg(all(feature = "live", unix))]
pub mod live;
mod pcap;
mod pcap_layout;
mod pcapng;
mod pcapng_options;
mod pcapng_writer;
mod record;
mod source;
#[cfg(test)]
mod tests;

pub use captures::{Captures, Progress};
pub use compression::Compression;
pub use damage::{Damage, DamageKind};
pub use error::CaptureError;
pub use facts::{FileFacts, Format};
pub use filter::{CaptureFilter, FilterError};
pub use frame::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
pub use link_type::link_type_name;
pub use pcapng_writer::{InterfaceId, PcapngWriter};
pub use source::{Input, StopFlag};
