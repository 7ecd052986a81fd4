//! All captures of one vantage as a single source of frames.

use super::file::{CaptureError, CaptureFile, FileFacts};
use super::frame::{CaptureId, Frame};
use super::source::{ByteCount, Input};

/// How far reading has come, in bytes as they lie on the disk (compressed where they are).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read: u64,
    /// Bytes that there are, where all sizes are known.
    pub total: Option<u64>,
}

/// Captures of one vantage.
pub struct Captures {
    files: Vec<Slot>,
    count: ByteCount,
    total: Option<u64>,
    current: usize,
}

enum Slot {
    Open(Box<CaptureFile>),
    Unreadable(Box<FileFacts>),
}

impl Captures {
    /// Opens the inputs. A file that can't be read at all is noted in its [`FileFacts::unreadable`];
    /// an error only when none can be read (the first file's).
    pub fn open(inputs: &[Input]) -> Result<Self, CaptureError> {
        let count = ByteCount::default();
        let mut files = Vec::new();
        let mut first_error = None;
        for (index, input) in inputs.iter().enumerate() {
            let id = CaptureId(u16::try_from(index).unwrap_or(u16::MAX));
            match CaptureFile::open(id, input, &count) {
                Ok(file) => files.push(Slot::Open(Box::new(file))),
                Err(error) => {
                    let mut facts = FileFacts::new(id, input.clone());
                    facts.unreadable = Some(error.clone());
                    first_error.get_or_insert(error);
                    files.push(Slot::Unreadable(Box::new(facts)));
                }
            }
        }
        if !files.iter().any(|slot| matches!(slot, Slot::Open(_))) {
            return Err(first_error.unwrap_or(CaptureError::NoInput));
        }
        let total = inputs.iter().map(size).sum();
        Ok(Self {
            files,
            count,
            total,
            current: 0,
        })
    }

    /// The next frame. Damage ends its file, is kept in the facts, and is no error here.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        while let Some(slot) = self.files.get_mut(self.current) {
            if let Slot::Open(file) = slot
                && file.advance().is_some()
            {
                break;
            }
            self.current += 1;
        }
        match self.files.get(self.current)? {
            Slot::Open(file) => file.frame(),
            Slot::Unreadable(_) => None,
        }
    }

    /// What is known of each input, in the order given.
    pub fn facts(&self) -> Vec<FileFacts> {
        self.files
            .iter()
            .map(|slot| match slot {
                Slot::Open(file) => file.facts(),
                Slot::Unreadable(facts) => (**facts).clone(),
            })
            .collect()
    }

    /// How far reading has come.
    pub fn progress(&self) -> Progress {
        Progress {
            read: self.count.get(),
            total: self.total,
        }
    }
}

/// Size on the disk; pipes have none.
fn size(input: &Input) -> Option<u64> {
    match input {
        Input::Stdin => None,
        Input::File(path) => std::fs::metadata(path)
            .ok()
            .filter(|metadata| metadata.is_file())
            .map(|metadata| metadata.len()),
    }
}
