//! What can be wrong inside a capture file. Damage ends that file; what was whole before it has been delivered.

use std::fmt;

use super::frame::FrameNumber;

/// Where and how a capture file is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong.
    pub kind: DamageKind,
    /// The frame that could not be read: one more than the last that was.
    pub frame: FrameNumber,
    /// Where its record begins, in bytes from the start of the (decompressed) file.
    pub offset: u64,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The file ends inside a record.
    #[error("cut short: the file ends at byte {end}")]
    CutShort {
        /// Length of the (decompressed) file.
        end: u64,
    },
    /// Reading failed or the compressed data is corrupt.
    #[error("reading stopped at byte {end}: {why}")]
    Unreadable {
        /// How far the (decompressed) file could be read.
        end: u64,
        /// The operating system's or the decompressor's word.
        why: String,
    },
    /// A record says that it is longer than any packet is; Wireshark refuses the same.
    #[error("a packet of {length} bytes, more than the {limit} that a packet can have")]
    TooLong {
        /// The length in the record.
        length: u32,
        /// The longest that is taken for a packet.
        limit: u32,
    },
    /// Records of nothing but zeros, as a crash or a hole in the file leaves them.
    #[error("{records} records of nothing but zeros")]
    Zeros {
        /// How many.
        records: u64,
    },
    /// A pcapng block whose length can't be right.
    #[error("a block (type {block:#x}) of {length} bytes")]
    BlockLength {
        /// Type of the block.
        block: u32,
        /// Its length field.
        length: u32,
    },
    /// A pcapng block whose length before and after differ.
    #[error("a block (type {block:#x}) says {length} bytes at its start and {trailer} at its end")]
    Trailer {
        /// Type of the block.
        block: u32,
        /// The length at its start.
        length: u32,
        /// The length at its end.
        trailer: u32,
    },
    /// A packet that is longer than the pcapng block around it.
    #[error("a packet of {length} bytes in a block of {block_length}")]
    PacketInBlock {
        /// The packet's captured length.
        length: u32,
        /// The block's length.
        block_length: u32,
    },
    /// A packet of an interface that the section has not described.
    #[error("a packet of interface {interface}, where the section describes {described}")]
    Interface {
        /// The interface's id.
        interface: u32,
        /// How many there are.
        described: usize,
    },
    /// Options that overrun their pcapng block or have a length that their kind can't have.
    #[error("malformed options in a block (type {block:#x})")]
    Options {
        /// Type of the block.
        block: u32,
    },
    /// A pcapng section with an unknown byte-order magic.
    #[error("a section with the byte-order magic {magic:#010x}")]
    ByteOrder {
        /// The magic, read as big-endian.
        magic: u32,
    },
    /// A pcapng section of a version that nobody has defined.
    #[error("a section of version {major}.{minor}, which is unknown")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// A time stamp resolution that 64 bits can't hold.
    #[error("an interface with the time stamp resolution {resolution:#04x}, which is out of range")]
    Resolution {
        /// The option `if_tsresol`.
        resolution: u8,
    },
}

impl fmt::Display for Damage {
    /// One line: `frame 1234, which begins at byte 72: cut short: the file ends at byte 99`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "frame {} at byte {}: {}",
            self.frame, self.offset, self.kind
        )
    }
}
