//! The pcap file format (<https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/>) and what was written before it was agreed.

use std::io::Read;
use std::ops::Range;

use super::buffer::Window;
use super::bytes::ByteOrder;
use super::damage::DamageKind;
use super::frame::LinkType;
use super::pcap_layout::{BYTES_TO_TRY, Expectation, Layout};
use super::record::{Record, Step, longest_packet};
use crate::time::Timestamp;

const FILE_HEADER: usize = 24;

/// Bits of the link type field that nobody uses; a header that has them is not what it says.
/// Above them: length of the frame check sequence and whether it is given; neither matters here.
const RESERVED_LINK_BITS: u32 = 0x03ff_0000;

/// Which machine and program wrote the file, as its first four bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic {
    order: ByteOrder,
    nanos_per_tick: i64,
    layout: Layout,
    extra_header: usize,
}

/// Whether the captured length stands before the original length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LengthOrder {
    CapturedFirst,
    OriginalFirst,
    /// Files of version 2.3 exist in both orders: the smaller is the captured length.
    Either,
}

/// Whether the first records may be waited for before the first frame is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookahead {
    /// A file: all of it is there.
    Allowed,
    /// A pipe: the next record may be hours away.
    No,
}

/// Why a header with the right magic is still not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderProblem {
    CutShort,
    Unsupported(String),
}

impl Magic {
    /// Recognises the magic; `None` when this is no pcap file.
    pub(super) fn of(first: [u8; 4]) -> Option<Self> {
        let (little, big) = (u32::from_le_bytes(first), u32::from_be_bytes(first));
        let read = |order, magic| {
            let (nanos_per_tick, layout, extra_header) = match magic {
                0xa1b2_c3d4 => (1_000, Layout::Standard, 0),
                0xa1b2_3c4d => (1, Layout::Standard, 0),
                0xa1b2_cd34 => (1_000, Layout::Modified, 0),
                // Ixia's, from hardware and software: the size of all records follows the header.
                0x1c00_01ac => (1, Layout::Standard, 4),
                0x1c00_01ab => (1_000, Layout::Standard, 4),
                _ => return None,
            };
            Some(Self {
                order,
                nanos_per_tick,
                layout,
                extra_header,
            })
        };
        read(ByteOrder::Little, little).or_else(|| read(ByteOrder::Big, big))
    }
}

/// Reads the records of a pcap file.
#[derive(Debug)]
pub(super) struct PcapReader {
    order: ByteOrder,
    nanos_per_tick: i64,
    header_len: u32,
    length_order: LengthOrder,
    link: LinkType,
    longest: u32,
}

impl PcapReader {
    /// Reads the file header, which the window is at.
    pub(super) fn open<R: Read>(
        magic: Magic,
        lookahead: Lookahead,
        window: &mut Window<R>,
    ) -> Result<Self, HeaderProblem> {
        let order = magic.order;
        let header_len = FILE_HEADER + magic.extra_header;
        let header = window.peek(header_len).ok_or(HeaderProblem::CutShort)?;
        let field = |at| order.u32(header, at).ok_or(HeaderProblem::CutShort);
        let major = order.u16(header, 4).ok_or(HeaderProblem::CutShort)?;
        let minor = order.u16(header, 6).ok_or(HeaderProblem::CutShort)?;
        let snap_len = field(16)?;
        let network = field(20)?;
        if major < 2 {
            let what = format!("a pcap file of version {major}.{minor}");
            return Err(HeaderProblem::Unsupported(what));
        }
        if network & RESERVED_LINK_BITS != 0 {
            let what = format!("a pcap file whose header has the link type {network:#010x}");
            return Err(HeaderProblem::Unsupported(what));
        }
        let link = LinkType(network as u16);
        let longest = longest_packet(link);
        window.consume(header_len);
        let length_order = length_order(major, minor);
        let mut layout = magic.layout;
        // The layouts that need guessing are all of version 2.4 and microseconds.
        if lookahead == Lookahead::Allowed
            && length_order == LengthOrder::CapturedFirst
            && magic.nanos_per_tick != 1
        {
            let expectation = Expectation {
                order,
                snap_len,
                longest,
            };
            layout = expectation.best_layout(layout, window.peek_up_to(BYTES_TO_TRY));
        }
        Ok(Self {
            order,
            nanos_per_tick: magic.nanos_per_tick,
            header_len: layout.record_header() as u32,
            length_order,
            link,
            longest,
        })
    }

    /// The first record of these bytes, where all of it is there and nothing is wrong with it, as it is nearly always: its header,
    /// its packet, and the bytes behind it. An empty packet needs a closer look: its header may be all zeros.
    #[inline]
    pub(super) fn first_of<'a>(
        &self,
        bytes: &'a [u8],
    ) -> Option<(RecordHeader, &'a [u8], &'a [u8])> {
        let header = self.header(bytes.first_chunk()?);
        if header.captured.wrapping_sub(1) >= self.longest {
            return None;
        }
        let before = self.header_len as usize;
        let (record, behind) = bytes.split_at_checked(before + header.captured as usize)?;
        Some((header, record.get(before..)?, behind))
    }

    /// The same, passed over.
    #[inline]
    pub(super) fn at_hand<R: Read>(&self, window: &mut Window<R>) -> Option<Record> {
        let (header, packet, _) = self.first_of(window.available())?;
        let len = packet.len();
        window.consume(self.header_len as usize);
        Some(self.record(&header, window.consume(len)))
    }

    /// The next record.
    pub(super) fn next<R: Read>(&self, window: &mut Window<R>) -> Result<Step, DamageKind> {
        let header_len = self.header_len as usize;
        let Some(bytes) = window.peek(header_len).and_then(<[u8]>::first_chunk) else {
            return end_or_cut_short(window);
        };
        let (header, is_zero) = (self.header(bytes), *bytes == [0; 16]);
        if header.captured > self.longest {
            return Err(DamageKind::TooLong {
                length: header.captured,
                limit: self.longest,
            });
        }
        if is_zero {
            window.consume(header_len);
            return Ok(Step::Zeros);
        }
        let whole = header_len + header.captured as usize;
        if window.peek(whole).is_none() {
            return end_or_cut_short(window);
        }
        window.consume(header_len);
        let data = window.consume(header.captured as usize);
        Ok(Step::Packet(self.record(&header, data)))
    }

    /// The link type of all its records.
    pub(super) const fn link(&self) -> LinkType {
        self.link
    }

    #[inline]
    fn header(&self, bytes: &[u8; 16]) -> RecordHeader {
        let [seconds, fraction, first, second] = self.order.words(bytes);
        let (captured, original) = match self.length_order == LengthOrder::CapturedFirst {
            true => (first, second),
            false => self.old_lengths(first, second),
        };
        let nanos = i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.nanos_per_tick;
        RecordHeader {
            time: Timestamp::from_nanos(nanos),
            captured,
            original,
        }
    }

    /// Captured and original length, as old files have them.
    #[cold]
    fn old_lengths(&self, first: u32, second: u32) -> (u32, u32) {
        match self.length_order {
            LengthOrder::CapturedFirst => (first, second),
            LengthOrder::OriginalFirst => (second, first),
            LengthOrder::Either => (first.min(second), first.max(second)),
        }
    }

    #[inline]
    fn record(&self, header: &RecordHeader, data: Range<usize>) -> Record {
        Record {
            time: header.time,
            link: self.link,
            interface: 0,
            original_len: header.original,
            data,
        }
    }
}

/// What stands before a packet.
pub(super) struct RecordHeader {
    pub(super) time: Timestamp,
    captured: u32,
    pub(super) original: u32,
}

/// Before version 2.3, and in files of DG/UX (version 543), the original length came first.
fn length_order(major: u16, minor: u16) -> LengthOrder {
    match (major, minor) {
        (2, 0..=2) | (543, _) => LengthOrder::OriginalFirst,
        (2, 3) => LengthOrder::Either,
        _ => LengthOrder::CapturedFirst,
    }
}

/// A record could not be read whole: the file ends here, or it is cut short.
#[cold]
pub(super) fn end_or_cut_short<R: Read>(window: &mut Window<R>) -> Result<Step, DamageKind> {
    let at_end = window.at_end();
    match window.broken() {
        Some(why) => Err(DamageKind::Unreadable {
            end: window.end_offset(),
            why: why.to_owned(),
        }),
        None if at_end => Ok(Step::End),
        None => Err(DamageKind::CutShort {
            end: window.end_offset(),
        }),
    }
}
