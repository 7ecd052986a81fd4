//! Why a capture can't be read.

use std::io;
use std::sync::Arc;

use super::source::Input;

/// Why a file could not be read at all. What is merely damaged is read as far as it goes, see [`Damage`](super::Damage).
#[derive(Clone, Debug, thiserror::Error)]
pub enum CaptureError {
    /// The operating system refused.
    #[error("{input}: {source}")]
    Io {
        /// What was to be opened.
        input: Input,
        /// The operating system's word.
        source: Arc<io::Error>,
    },
    /// Nothing in it.
    #[error("{input}: not a capture file (it is empty)")]
    Empty {
        /// The file.
        input: Input,
    },
    /// Neither pcap nor pcapng.
    #[error("{input}: not a capture file (it starts with {starts_with})")]
    NotACapture {
        /// The file.
        input: Input,
        /// Its first bytes, or the name of what they are known to be.
        starts_with: String,
    },
    /// A capture of a kind that nobody has defined.
    #[error("{input}: {what}, which is not supported")]
    Unsupported {
        /// The file.
        input: Input,
        /// What it is.
        what: String,
    },
    /// More files than frames can be told apart by.
    #[error("{count} captures are more than the 65535 that can be read together")]
    TooMany {
        /// How many were given.
        count: usize,
    },
    /// There was nothing to open.
    #[error("no capture was given")]
    NoInput,
}
