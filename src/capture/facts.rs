//! What a capture file tells about itself.

use super::compression::Compression;
use super::damage::Damage;
use super::error::CaptureError;
use super::frame::{CaptureId, LinkType};
use super::record::Record;
use super::source::Input;
use crate::time::Timestamp;

/// Format of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// pcap, with any magic number.
    #[default]
    Pcap,
    /// pcapng.
    Pcapng,
}

impl Format {
    /// As reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

/// What is known of a capture file, as far as it has been read.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// The number in its frames' ids.
    pub id: CaptureId,
    /// As the user named it.
    pub input: Input,
    /// Its format.
    pub format: Format,
    /// Its compression.
    pub compression: Compression,
    /// Link types of its frames, in order of appearance.
    pub link_types: Vec<LinkType>,
    /// The earliest time of a frame.
    pub first: Option<Timestamp>,
    /// The latest time of a frame.
    pub last: Option<Timestamp>,
    /// Frames read, as Wireshark numbers them: the number of the last one.
    pub frames: u64,
    /// Frames of which fewer bytes were captured than were on the wire.
    pub truncated_frames: u64,
    /// Packets dropped while capturing, where the file tells.
    pub dropped_by_kernel: Option<u64>,
    /// What is wrong inside it; [`Damage`] prints as one line.
    pub damage: Option<Damage>,
    /// Why it could not be read at all.
    pub unreadable: Option<CaptureError>,
}

impl FileFacts {
    pub(super) fn new(id: CaptureId, input: Input) -> Self {
        Self {
            id,
            input,
            format: Format::default(),
            compression: Compression::default(),
            link_types: Vec::new(),
            first: None,
            last: None,
            frames: 0,
            truncated_frames: 0,
            dropped_by_kernel: None,
            damage: None,
            unreadable: None,
        }
    }

    /// One more frame.
    #[inline]
    pub(super) fn note(&mut self, record: &Record) {
        let mut noted = Noted::after(self).unwrap_or(Noted::at(record.time));
        noted.note(record.time, record.data.len(), record.original_len);
        self.add(&noted);
    }

    /// Frames more.
    #[inline]
    pub(super) fn add(&mut self, noted: &Noted) {
        self.frames += u64::from(noted.frames);
        self.truncated_frames += u64::from(noted.truncated_frames);
        self.first = Some(noted.first);
        self.last = Some(noted.last);
    }

    pub(super) fn unreadable(id: CaptureId, input: &Input, error: CaptureError) -> Self {
        Self {
            unreadable: Some(error),
            ..Self::new(id, input.clone())
        }
    }
}

/// What some frames add to the facts of their file.
#[derive(Debug)]
pub(super) struct Noted {
    pub frames: u32,
    truncated_frames: u32,
    /// The earliest and the latest of them and of those before them.
    first: Timestamp,
    last: Timestamp,
}

impl Noted {
    /// Nothing but the time of a file's first frame.
    #[inline]
    const fn at(time: Timestamp) -> Self {
        Self {
            frames: 0,
            truncated_frames: 0,
            first: time,
            last: time,
        }
    }

    /// Nothing yet after these frames, if there were any.
    #[inline]
    pub(super) fn after(known: &FileFacts) -> Option<Self> {
        Some(Self {
            last: known.last?,
            ..Self::at(known.first?)
        })
    }

    /// One more.
    #[inline]
    pub(super) fn note(&mut self, time: Timestamp, captured: usize, original: u32) {
        self.frames += 1;
        self.truncated_frames += u32::from(captured < original as usize);
        if time < self.last {
            self.note_earlier(time);
        } else {
            self.last = time;
        }
    }

    /// Time goes backwards, as it seldom does.
    #[cold]
    fn note_earlier(&mut self, time: Timestamp) {
        self.first = self.first.min(time);
    }
}
