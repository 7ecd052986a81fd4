//! One captured frame and how it is named.

use std::fmt;

use crate::time::Timestamp;

/// Which of the captures of a run a frame came from: the index into the report's `captures`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaptureId(pub u16);

/// 1-based number of a frame in its file, Wireshark's `frame.number` (32 bits there too).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNumber(pub u32);

impl fmt::Display for FrameNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A frame of one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId {
    /// The capture.
    pub capture: CaptureId,
    /// The number in that capture.
    pub number: FrameNumber,
}

/// A link-layer type as pcap files number them (`LINKTYPE_…`, <https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

/// One frame as captured. The bytes borrow from the reader.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Capture and number.
    pub id: FrameId,
    /// When it was captured.
    pub time: Timestamp,
    /// How `data` begins.
    pub link: LinkType,
    /// Interface of the capture (pcapng's interface id over the whole file; 0 for pcap).
    pub interface: u32,
    /// The bytes captured, possibly fewer than were on the wire.
    pub data: &'a [u8],
    /// How many bytes the frame had on the wire.
    pub original_len: u32,
}
