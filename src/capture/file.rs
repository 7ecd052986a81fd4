//! One capture file, whatever its format and compression.

use std::io;
use std::sync::Arc;

use super::buffer::Window;
use super::compression::decompressed;
use super::damage::{Damage, DamageKind};
use super::error::CaptureError;
use super::facts::{FileFacts, Format, Noted};
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
    /// Read already, its turn has not come yet.
    waiting: Option<Record>,
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
            waiting: None,
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

    /// The record of the next frame; `None` at the end, whole or damaged.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Record> {
        let at_hand = match &self.reader {
            Reader::Pcap(reader) => reader.at_hand(&mut self.window),
            Reader::Pcapng(_) | Reader::Done => None,
        };
        let record = match at_hand {
            Some(record) => record,
            None => self.read_on()?,
        };
        self.note(&record);
        Some(record)
    }

    /// Hands on the next frames, at most so many, as long as the file has to be read no further for them. Returns how many; there may
    /// be more.
    #[inline]
    pub(super) fn frames_at_hand<E>(
        &mut self,
        most: u32,
        take: &mut impl FnMut(&Frame<'_>) -> Result<(), E>,
    ) -> Result<u32, E> {
        let (Reader::Pcap(reader), Some(mut noted)) = (&self.reader, Noted::after(&self.facts))
        else {
            return Ok(0);
        };
        let link = reader.link();
        let bytes = self.window.available();
        let mut rest = bytes;
        let mut frame = Frame {
            id: FrameId {
                capture: self.facts.id,
                number: FrameNumber(self.facts.frames as u32),
            },
            time: Timestamp::MIN,
            link,
            interface: 0,
            data: &[],
            original_len: 0,
        };
        let mut taken = Ok(());
        while noted.frames < most && taken.is_ok() {
            let Some((header, data, behind)) = reader.first_of(rest) else {
                break;
            };
            rest = behind;
            noted.note(header.time, data.len(), header.original);
            frame.id.number.0 = frame.id.number.0.wrapping_add(1);
            frame.time = header.time;
            frame.data = data;
            frame.original_len = header.original;
            taken = take(&frame);
        }
        let passed = bytes.len() - rest.len();
        self.window.consume(passed);
        self.facts.add(&noted);
        if noted.frames > 0 && self.last_link != Some(link) {
            self.note_link(link);
        }
        taken.map(|()| noted.frames)
    }

    /// Keeps a record until its turn comes.
    #[cold]
    pub(super) fn put_back(&mut self, record: Record) {
        self.waiting = Some(record);
    }

    /// When the record that was put back was captured.
    pub(super) fn waits(&self) -> Option<Timestamp> {
        Some(self.waiting.as_ref()?.time)
    }

    /// The record that was put back.
    pub(super) fn take_back(&mut self) -> Option<Record> {
        self.waiting.take()
    }

    /// Reads until there is a frame.
    #[inline(never)]
    fn read_on(&mut self) -> Option<Record> {
        loop {
            let offset = self.window.offset();
            let step = match &mut self.reader {
                Reader::Pcap(reader) => reader.next(&mut self.window),
                Reader::Pcapng(reader) => reader.next(&mut self.window),
                Reader::Done => return None,
            };
            match step {
                Ok(Step::Packet(record)) => return Some(record),
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

    /// The frame of the record that [`Self::advance`] came to last.
    #[inline]
    pub(super) fn frame(&self, record: &Record) -> Option<Frame<'_>> {
        Some(Frame {
            id: FrameId {
                capture: self.facts.id,
                number: FrameNumber(self.facts.frames as u32),
            },
            time: record.time,
            link: record.link,
            interface: record.interface,
            data: self.window.slice(record.data.clone())?,
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
        self.facts.note(record);
        if self.last_link != Some(record.link) {
            self.note_link(record.link);
        }
    }

    #[cold]
    fn note_link(&mut self, link: LinkType) {
        self.last_link = Some(link);
        let link_types = &mut self.facts.link_types;
        if !link_types.contains(&link) {
            link_types.push(link);
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
