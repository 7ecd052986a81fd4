//! Where the bytes of a capture come from: a file or standard input, compressed or not.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A capture as the user named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Standard input, named `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// From an argument of the command line: `-` is standard input.
    pub fn from_argument(argument: impl Into<PathBuf>) -> Self {
        let path = argument.into();
        if path.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::File(path)
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// How a capture file is compressed, known by its first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, RFC 1952, of one or several members.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
    /// LZ4 frames.
    Lz4,
}

impl Compression {
    /// As reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    fn of(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            _ => Self::None,
        }
    }
}

/// How many bytes have been read from the inputs, as they lie on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct ByteCount(Arc<AtomicU64>);

impl ByteCount {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts what passes.
struct Counted<R> {
    source: R,
    count: ByteCount,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        self.count.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A stream of bytes that are no longer compressed.
pub(super) type Stream = Box<dyn Read + Send>;

/// Opens a file or standard input, counting what is read.
pub(super) fn raw(input: &Input, count: &ByteCount) -> io::Result<Stream> {
    let count = count.clone();
    Ok(match input {
        Input::Stdin => Box::new(Counted {
            source: io::stdin(),
            count,
        }),
        Input::File(path) => Box::new(Counted {
            source: open_file(path)?,
            count,
        }),
    })
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "is a directory"));
    }
    Ok(file)
}

/// Looks at the first bytes and takes the compression off.
pub(super) fn decompressed(mut raw: Stream) -> io::Result<(Compression, Stream)> {
    let mut first = [0; 4];
    let mut have = 0;
    while let Some(free) = first.get_mut(have..).filter(|free| !free.is_empty()) {
        match raw.read(free) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let seen = first.get(..have).unwrap_or_default().to_vec();
    let compression = Compression::of(&seen);
    let whole = Cursor::new(seen).chain(raw);
    let stream: Stream = match compression {
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        _ => Box::new(whole),
    };
    Ok((compression, stream))
}
