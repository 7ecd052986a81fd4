//! What the readers of both formats find: one packet record, its bytes still in the window.

use std::ops::Range;

use super::frame::LinkType;
use crate::time::Timestamp;

/// A packet record. `data` says where its bytes lie in the window until the next read.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) time: Timestamp,
    pub(super) link: LinkType,
    pub(super) interface: u32,
    pub(super) original_len: u32,
    pub(super) data: Range<usize>,
}

/// One step of a reader.
#[derive(Debug)]
pub(super) enum Step {
    /// A packet.
    Packet(Record),
    /// Something that takes a frame number in Wireshark and isn't a packet.
    NotAPacket,
    /// Records of zeros: they take frame numbers as well, and are damage.
    Zeros,
    /// The end of a whole file.
    End,
}

/// The longest packet that a record may have, by link type, as Wireshark refuses longer ones
/// (`wtap_max_snaplen_for_encap`): D-Bus messages, USB transfers and EBHSCR records can be larger than any frame.
pub(super) fn longest_packet(link: LinkType) -> u32 {
    match link.0 {
        189 | 220 | 231 | 249 => 128 * 1024 * 1024,
        279 => 8 * 1024 * 1024,
        _ => 262_144,
    }
}
