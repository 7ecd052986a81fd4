//! All captures of one vantage as a single source of frames, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Read;

use super::error::CaptureError;
use super::facts::FileFacts;
use super::file::CaptureFile;
use super::frame::{CaptureId, Frame};
use super::pcap::Lookahead;
use super::record::Record;
use super::source::{Access, Input, StopFlag, is_regular, regular_size};
use crate::time::Timestamp;

/// How far reading has come, in bytes as they lie on the disk (compressed where they are).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read: u64,
    /// Bytes that there are, where all sizes are known.
    pub total: Option<u64>,
}

/// Captures of one vantage, read as one.
///
/// Files are sorted by the time of their first frame (those of `tcpdump -C` and `-G` in any order) and merged: the next
/// frame is the earliest of the files' next frames, of the earlier file where two are equal. Within a file the order
/// is never changed, even where its time goes backwards. A file is open only from its first frame to its last, so
/// that thousands of rotated files need neither memory nor descriptors.
///
/// ```no_run
/// use whyrst::capture::{Captures, Input};
///
/// let mut captures = Captures::open(&[Input::from_argument("incident.pcap.gz")])?;
/// while let Some(frame) = captures.next_frame() {
///     println!("{} {} {} bytes", frame.id.number, frame.time, frame.original_len);
/// }
/// for facts in captures.facts() {
///     if let Some(damage) = facts.damage {
///         eprintln!("{}: {damage}", facts.input);
///     }
/// }
/// # Ok::<(), whyrst::capture::CaptureError>(())
/// ```
pub struct Captures {
    /// In the order of the command line: the index is the [`CaptureId`].
    files: Vec<File>,
    /// Files not yet at their end, by the time of their next frame, then by rank.
    waiting: BinaryHeap<Reverse<(Timestamp, Place)>>,
    /// The file whose frame was handed out last, taken out of `files`.
    current: Option<(Place, Box<CaptureFile>)>,
    access: Access,
    total: Option<u64>,
}

/// A file's place among the files, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// By the time of its first frame.
    rank: usize,
    /// In the order of the command line.
    index: usize,
}

enum File {
    /// Looked at and closed again until its first frame's turn comes.
    Closed(Box<FileFacts>),
    /// Being read; its next frame is at hand.
    Open(Box<CaptureFile>),
    /// It is the current one.
    Current,
    /// Read to its end, or not readable.
    Done(Box<FileFacts>),
}

impl Captures {
    /// Opens the inputs. A file that can't be read at all is noted in its `FileFacts::unreadable` and the others
    /// are read; an error only when none can be (the first file's). Whether one unreadable file among
    /// others is an error is for the caller to say.
    pub fn open(inputs: &[Input]) -> Result<Self, CaptureError> {
        Self::open_with(inputs, Access::default())
    }

    /// As [`Self::open`]; raising the flag ends standard input where it is.
    pub fn open_stoppable(inputs: &[Input], stop: StopFlag) -> Result<Self, CaptureError> {
        let access = Access {
            stop: Some(stop),
            ..Access::default()
        };
        Self::open_with(inputs, access)
    }

    /// Reads one capture from any stream, compressed or not; `name` stands for it in reports.
    ///
    /// Up to 256 KiB may be read before the first frame is delivered.
    pub fn from_stream(
        name: &str,
        stream: impl Read + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let input = Input::File(name.into());
        let stream = Box::new(stream);
        let mut file = CaptureFile::over(CaptureId(0), &input, Lookahead::Allowed, stream)?;
        let place = Place { rank: 0, index: 0 };
        let waiting = look_ahead(&mut file).map(|first| Reverse((first, place)));
        Ok(Self {
            files: vec![File::Open(Box::new(file))],
            waiting: waiting.into_iter().collect(),
            current: None,
            access: Access::default(),
            total: None,
        })
    }

    fn open_with(inputs: &[Input], access: Access) -> Result<Self, CaptureError> {
        if inputs.len() > usize::from(u16::MAX) {
            return Err(CaptureError::TooMany {
                count: inputs.len(),
            });
        }
        let mut captures = Self {
            files: Vec::with_capacity(inputs.len()),
            waiting: BinaryHeap::with_capacity(inputs.len()),
            current: None,
            access,
            total: inputs.iter().map(regular_size).sum(),
        };
        let mut first_frames = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.iter().enumerate() {
            let (file, first) = captures.look_at(index, input, inputs.len());
            captures.files.push(file);
            first_frames.extend(first.map(|first| (first, index)));
        }
        captures.fail_if_none_is_readable()?;
        first_frames.sort_unstable();
        for (rank, (first, index)) in first_frames.into_iter().enumerate() {
            captures
                .waiting
                .push(Reverse((first, Place { rank, index })));
        }
        Ok(captures)
    }

    /// Finds a file's first frame. One of many is closed again, unless it can be read only once.
    fn look_at(&self, index: usize, input: &Input, of: usize) -> (File, Option<Timestamp>) {
        let id = CaptureId(u16::try_from(index).unwrap_or(u16::MAX));
        let reopened = of > 1 && is_regular(input);
        let scratch = Access::default();
        let access = if reopened { &scratch } else { &self.access };
        let mut file = match CaptureFile::open(id, input, access) {
            Ok(file) => file,
            Err(error) => {
                return (
                    File::Done(Box::new(FileFacts::unreadable(id, input, error))),
                    None,
                );
            }
        };
        if !reopened {
            let first = look_ahead(&mut file);
            return (File::Open(Box::new(file)), first);
        }
        let nothing_yet = file.facts();
        match file.advance() {
            Some(first) => (File::Closed(Box::new(nothing_yet)), Some(first.time)),
            None => (File::Done(Box::new(file.facts())), None),
        }
    }

    fn fail_if_none_is_readable(&self) -> Result<(), CaptureError> {
        let mut error = CaptureError::NoInput;
        for file in self.files.iter().rev() {
            match file {
                File::Done(facts) => match &facts.unreadable {
                    Some(unreadable) => error = unreadable.clone(),
                    None => return Ok(()),
                },
                _ => return Ok(()),
            }
        }
        Err(error)
    }

    /// The next frame; its bytes stay until the next call. Damage ends its file, is kept in the facts, and is no error here.
    #[inline]
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let record = match self.advance() {
            Some(record) => record,
            None => self.change()?,
        };
        let (_, file) = self.current.as_ref()?;
        file.frame(&record)
    }

    /// Hands on the next frames: at most so many, fewer at the end only. Returns how many.
    ///
    /// # Errors
    /// The first of `take`'s own, which ends it.
    #[inline]
    pub fn next_frames<E>(
        &mut self,
        most: u32,
        mut take: impl FnMut(&Frame<'_>) -> Result<(), E>,
    ) -> Result<u32, E> {
        let mut count = 0;
        while count < most {
            if let (Some((_, file)), None) = (&mut self.current, self.waiting.peek()) {
                count += file.frames_at_hand(most - count, &mut take)?;
            }
            if count < most {
                let Some(frame) = self.next_frame() else {
                    break;
                };
                take(&frame)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// The current file's next record, if that is the next of all.
    #[inline]
    fn advance(&mut self) -> Option<Record> {
        let (place, file) = self.current.as_mut()?;
        let record = file.advance()?;
        if let Some(Reverse(other)) = self.waiting.peek()
            && *other <= (record.time, *place)
        {
            file.put_back(record);
            return None;
        }
        Some(record)
    }

    /// The current file is at its end or has to wait: it is put back, and another is the current one.
    #[cold]
    fn change(&mut self) -> Option<Record> {
        if let Some((place, file)) = self.current.take() {
            let put_back = match file.waits() {
                Some(time) => {
                    self.waiting.push(Reverse((time, place)));
                    File::Open(file)
                }
                None => File::Done(Box::new(file.facts())),
            };
            if let Some(slot) = self.files.get_mut(place.index) {
                *slot = put_back;
            }
        }
        let (place, mut file) = self.take_next()?;
        let record = file.take_back();
        self.current = Some((place, file));
        record
    }

    /// The file whose turn it is, opened if it isn't.
    fn take_next(&mut self) -> Option<(Place, Box<CaptureFile>)> {
        loop {
            let Reverse((_, place)) = self.waiting.pop()?;
            let slot = self.files.get_mut(place.index)?;
            match std::mem::replace(slot, File::Current) {
                File::Open(file) => return Some((place, file)),
                File::Closed(facts) => match reopen(&facts, &self.access) {
                    Ok(file) => return Some((place, file)),
                    Err(facts) => *slot = File::Done(facts),
                },
                // Neither waits.
                other @ (File::Current | File::Done(_)) => *slot = other,
            }
        }
    }

    /// What is known of each input so far, in the order given.
    pub fn facts(&self) -> Vec<FileFacts> {
        let current = self.current.as_ref().map(|(_, file)| file);
        self.files
            .iter()
            .filter_map(|file| match file {
                File::Open(file) => Some(file.facts()),
                File::Current => current.map(|file| file.facts()),
                File::Closed(facts) | File::Done(facts) => Some((**facts).clone()),
            })
            .collect()
    }

    /// How far reading has come.
    pub fn progress(&self) -> Progress {
        Progress {
            read: self.access.count.get(),
            total: self.total,
        }
    }
}

/// Reads a file's first record, which waits then, and says when it was captured.
fn look_ahead(file: &mut CaptureFile) -> Option<Timestamp> {
    let record = file.advance()?;
    file.put_back(record);
    file.waits()
}

/// Opens a file again, its first record waits. What is known of it where it can't be read any more.
fn reopen(facts: &FileFacts, access: &Access) -> Result<Box<CaptureFile>, Box<FileFacts>> {
    match CaptureFile::open(facts.id, &facts.input, access) {
        Ok(mut file) => match look_ahead(&mut file) {
            Some(_) => Ok(Box::new(file)),
            None => Err(Box::new(file.facts())),
        },
        Err(error) => {
            let unreadable = FileFacts::unreadable(facts.id, &facts.input, error);
            Err(Box::new(unreadable))
        }
    }
}
