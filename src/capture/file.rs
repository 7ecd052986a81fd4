//! One capture file, whatever its format and compression.

use std::io;
use std::sync::Arc;

use super::buffer::Window;
use super::compression::decompressed;
use super::damage::{Damage, DamageKind};
use super::error::CaptureError;
use super::facts::{FileFacts, Format};
use super::frame::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
use super::pcap::{HeaderProblem, Lookahead, Magic, PcapReader};
use super::pcapng::{PcapngReader, SECTION_HEADER};
use super::record::{Record, Step};
use super::source::{Access, Input, Stream, is_regular, raw};
use crate::time::Timestamp;

enum Reader {
    Pcap(PcapReader),
    Pcapng(PcapngReader),
    /// Damage in the file's header, or the end of the file, has been met.
    Done,
}

/// A capture file being read.
pub(super) struct CaptureFile {
    window: Window<Stream>,
    reader: Reader,
    record: Option<Record>,
    last_link: Option<LinkType>,
    facts: FileFacts,
}

impl CaptureFile {
    /// Opens and reads the header.
    pub(super) fn open(
        id: CaptureId,
        input: &Input,
        access: &Access,
    ) -> Result<Self, CaptureError> {
        let refused = |error| CaptureError::Io {
            input: input.clone(),
            source: Arc::new(error),
        };
        let stream = raw(input, access).map_err(refused)?;
        let lookahead = match is_regular(input) {
            true => Lookahead::Allowed,
            false => Lookahead::No,
        };
        Self::over(id, input, lookahead, stream)
    }

    /// As [`Self::open`], from a stream that is open already.
    pub(super) fn over(
        id: CaptureId,
        input: &Input,
        lookahead: Lookahead,
        stream: Stream,
    ) -> Result<Self, CaptureError> {
        let (compression, stream) = decompressed(stream).map_err(|error| CaptureError::Io {
            input: input.clone(),
            source: Arc::new(error),
        })?;
        let mut facts = FileFacts::new(id, input.clone());
        facts.compression = compression;
        let mut file = Self {
            window: Window::new(stream),
            reader: Reader::Done,
            record: None,
            last_link: None,
            facts,
        };
        file.read_header(lookahead)?;
        Ok(file)
    }

    fn read_header(&mut self, lookahead: Lookahead) -> Result<(), CaptureError> {
        let magic = match self.window.peek(4).and_then(<[u8]>::first_chunk) {
            Some(magic) => *magic,
            None => return Err(self.no_capture()),
        };
        if u32::from_be_bytes(magic) == SECTION_HEADER {
            self.facts.format = Format::Pcapng;
            self.reader = Reader::Pcapng(PcapngReader::new());
            // The first section's header decides whether this is a capture at all.
            return match self.window.peek(12).and_then(|head| head.get(8..)) {
                Some([0x1a, 0x2b, 0x3c, 0x4d] | [0x4d, 0x3c, 0x2b, 0x1a]) | None => Ok(()),
                Some(_) => Err(self.no_capture()),
            };
        }
        let Some(magic) = Magic::of(magic) else {
            return Err(self.no_capture());
        };
        match PcapReader::open(magic, lookahead, &mut self.window) {
            Ok(reader) => self.reader = Reader::Pcap(reader),
            Err(HeaderProblem::CutShort) => {
                let end = self.window.end_offset();
                self.damaged(DamageKind::CutShort { end });
            }
            Err(HeaderProblem::Unsupported(what)) => {
                return Err(CaptureError::Unsupported {
                    input: self.facts.input.clone(),
                    what,
                });
            }
        }
        Ok(())
    }

    fn no_capture(&mut self) -> CaptureError {
        let input = self.facts.input.clone();
        if let Some(why) = self.window.broken() {
            return CaptureError::Io {
                input,
                source: Arc::new(io::Error::other(why.to_owned())),
            };
        }
        match self.window.peek_up_to(8) {
            [] => CaptureError::Empty { input },
            start => CaptureError::NotACapture {
                input,
                starts_with: describe_start(start),
            },
        }
    }

    /// Goes to the next frame and says when it was captured; `None` at the end, whole or damaged.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Timestamp> {
        loop {
            let offset = self.window.offset();
            let step = match &mut self.reader {
                Reader::Pcap(reader) => reader.next(&mut self.window),
                Reader::Pcapng(reader) => reader.next(&mut self.window),
                Reader::Done => return None,
            };
            match step {
                Ok(Step::Packet(record)) => {
                    self.note(&record);
                    let time = record.time;
                    self.record = Some(record);
                    return Some(time);
                }
                Ok(Step::NotAPacket) => self.facts.frames += 1,
                Ok(Step::Zeros) => self.zeros(offset),
                Ok(Step::End) => {
                    self.finish();
                    return None;
                }
                Err(kind) => {
                    self.finish();
                    self.damaged(kind);
                    return None;
                }
            }
        }
    }

    /// The frame that [`Self::advance`] has gone to.
    #[inline]
    pub(super) fn frame(&self) -> Option<Frame<'_>> {
        let record = self.record.as_ref()?;
        Some(Frame {
            id: FrameId {
                capture: self.facts.id,
                number: FrameNumber(self.facts.frames as u32),
            },
            time: record.time,
            link: record.link,
            interface: record.interface,
            data: self.window.slice(record.data.clone()),
            original_len: record.original_len,
        })
    }

    /// What is known so far.
    pub(super) fn facts(&self) -> FileFacts {
        let mut facts = self.facts.clone();
        if let Reader::Pcapng(reader) = &self.reader {
            facts.dropped_by_kernel = reader.dropped();
        }
        facts
    }

    #[inline]
    fn note(&mut self, record: &Record) {
        let facts = &mut self.facts;
        facts.frames += 1;
        facts.truncated_frames += u64::from(record.data.len() < record.original_len as usize);
        if facts.first.is_none_or(|first| record.time < first) {
            facts.first = Some(record.time);
        }
        if facts.last.is_none_or(|last| record.time > last) {
            facts.last = Some(record.time);
        }
        if self.last_link != Some(record.link) {
            self.last_link = Some(record.link);
            if !facts.link_types.contains(&record.link) {
                facts.link_types.push(record.link);
            }
        }
    }

    #[cold]
    fn zeros(&mut self, offset: u64) {
        let frame = self.next_number();
        self.facts.frames += 1;
        match &mut self.facts.damage {
            Some(Damage {
                kind: DamageKind::Zeros { records },
                ..
            }) => *records += 1,
            _ => {
                self.facts.damage = Some(Damage {
                    kind: DamageKind::Zeros { records: 1 },
                    frame,
                    offset,
                });
            }
        }
    }

    #[cold]
    fn damaged(&mut self, kind: DamageKind) {
        let zeros = self.facts.damage.is_some();
        let rest = self.window.available();
        if zeros
            && matches!(kind, DamageKind::CutShort { .. })
            && rest.iter().all(|byte| *byte == 0)
        {
            // The last of the zeros, not enough for a record.
            return;
        }
        // Zeros earlier in the file matter less than what ended it.
        self.facts.damage = Some(Damage {
            kind,
            frame: self.next_number(),
            offset: self.window.offset(),
        });
    }

    fn next_number(&self) -> FrameNumber {
        FrameNumber(self.facts.frames.saturating_add(1) as u32)
    }

    fn finish(&mut self) {
        self.facts = self.facts();
        self.reader = Reader::Done;
        self.record = None;
    }
}

/// The first bytes for people: text as text, else hexadecimal.
fn describe_start(start: &[u8]) -> String {
    if start
        .iter()
        .all(|byte| (b' '..=b'~').contains(byte) || matches!(byte, b'\n' | b'\r' | b'\t'))
    {
        return format!("the text \"{}\"", start.escape_ascii());
    }
    let bytes: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}
