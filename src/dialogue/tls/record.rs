//! The record layer: where records begin and end (RFC 8446 section 5.1).

use crate::dialogue::guess::{self, Guess};
use crate::dialogue::protocol::mark_at;
use crate::flow::Mark;

/// Record types. Heartbeats (RFC 6520) are read over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
}

/// A record, known from its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Of the fragment, the header not counted.
    pub(super) len: u16,
    /// Where its header begins.
    pub(super) start: Mark,
}

impl Record {
    const HEADER: usize = 5;

    /// Offset one past its last byte.
    pub(super) fn end_offset(&self) -> u64 {
        self.start
            .offset
            .saturating_add(Self::HEADER as u64)
            .saturating_add(u64::from(self.len))
    }

    /// Its bytes on the wire.
    pub(super) fn wire_len(&self) -> u64 {
        Self::HEADER as u64 + u64::from(self.len)
    }
}

/// One direction's place in the record layer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RecordLayer {
    header: [u8; Record::HEADER],
    have: u8,
    start: Mark,
    /// Bytes of the current record that are still to come.
    left: u32,
    /// The next bytes' place in a record is not known.
    lost: bool,
}

/// What some bytes were.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    /// The beginning of a header.
    PartialHeader,
    /// A header's end.
    Header(Record),
    /// Fragment bytes; `last` where they end the record.
    Fragment { last: bool },
    /// No records: nothing was taken.
    Lost,
}

impl RecordLayer {
    /// Reads on; `bytes` is not empty. Gives how many were taken.
    pub(super) fn read(&mut self, at: Mark, bytes: &[u8]) -> (usize, Read) {
        if self.left > 0 {
            let n = usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            self.left -= n as u32;
            return (
                n,
                Read::Fragment {
                    last: self.left == 0,
                },
            );
        }
        if self.have == 0 {
            self.start = at;
        }
        let mut used = 0;
        for (slot, byte) in self
            .header
            .iter_mut()
            .skip(usize::from(self.have))
            .zip(bytes)
        {
            *slot = *byte;
            used += 1;
        }
        self.have += used as u8;
        if usize::from(self.have) < Record::HEADER {
            return (used, Read::PartialHeader);
        }
        self.have = 0;
        let [kind, major, minor, high, low] = self.header;
        let kind = match kind {
            20 => Kind::ChangeCipherSpec,
            21 => Kind::Alert,
            22 => Kind::Handshake,
            23 => Kind::ApplicationData,
            24 => Kind::Heartbeat,
            _ => return self.lose(used),
        };
        // 16384 bytes of content and at most 2048 of expansion (RFC 5246 section 6.2.3).
        if major != 3 || minor > 4 || high > 0x48 {
            return self.lose(used);
        }
        let len = u16::from_be_bytes([high, low]);
        self.left = u32::from(len);
        let start = self.start;
        (used, Read::Header(Record { kind, len, start }))
    }

    fn lose(&mut self, used: usize) -> (usize, Read) {
        self.lost = true;
        self.left = 0;
        (used, Read::Lost)
    }

    /// Where the newest header begins.
    pub(super) const fn start(&self) -> Mark {
        self.start
    }

    /// Passes over missing bytes. Gives where unknown bytes begin if the record's end was among the missing (`end` being the end of
    /// what is missing), and whether a record ended.
    pub(super) fn skip(&mut self, end: Mark, missing: u64) -> Skipped {
        let begin = Mark {
            offset: end.offset.saturating_sub(missing),
            ..end
        };
        if missing > 0 && missing <= u64::from(self.left) {
            self.left -= missing as u32;
            return match self.left {
                0 => Skipped::RecordEnded,
                _ => Skipped::Within,
            };
        }
        let unknown_from = mark_at(begin, self.left as usize);
        let had_record = self.left > 0 && missing > 0;
        self.have = 0;
        self.left = 0;
        self.lost = true;
        Skipped::Lost {
            record_ended: had_record,
            unknown_from: if had_record { unknown_from } else { begin },
        }
    }

    /// Believes a header at the beginning of a segment. True if the layer is in step (again).
    pub(super) fn resynchronise(&mut self, bytes: &[u8]) -> bool {
        if self.lost && matches!(guess::tls(bytes), Guess::Protocol(_)) {
            self.lost = false;
            self.have = 0;
        }
        !self.lost
    }
}

/// What missing bytes did to the record layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// They were part of a record that goes on.
    Within,
    /// They were the rest of a record.
    RecordEnded,
    /// More than that, or no record was open.
    Lost {
        record_ended: bool,
        unknown_from: Mark,
    },
}
