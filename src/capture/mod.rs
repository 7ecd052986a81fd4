//! Step 1: bytes from files, standard input and interfaces, as [`Frame`]s with time and number.
//!
//! [`Captures`] reads files; a [`Frame`] borrows its bytes from the reader until the next one is asked for.

mod buffer;
mod bytes;
mod captures;
mod damage;
mod file;
mod frame;
mod link_type;
mod pcap;
mod pcapng;
mod pcapng_options;
mod record;
mod source;

pub use captures::{Captures, Progress};
pub use damage::{Damage, DamageKind};
pub use file::{CaptureError, FileFacts, Format};
pub use frame::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
pub use link_type::link_type_name;
pub use source::{Compression, Input};
