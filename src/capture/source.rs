//! Where the bytes of a capture come from: a file or standard input.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

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

/// A stream of bytes.
pub(super) type Stream = Box<dyn Read + Send>;

/// Raised by a signal handler: standard input then ends where it is, even while nothing comes.
pub type StopFlag = Arc<AtomicBool>;

/// What opening needs beside the name.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    pub(super) count: ByteCount,
    pub(super) stop: Option<StopFlag>,
}

/// Opens a file or standard input, counting what is read.
pub(super) fn raw(input: &Input, access: &Access) -> io::Result<Stream> {
    let count = access.count.clone();
    Ok(match input {
        Input::Stdin => match &access.stop {
            None => Box::new(Counted {
                source: io::stdin(),
                count,
            }),
            Some(stop) => Box::new(Counted {
                source: Stoppable::new(io::stdin(), stop.clone()),
                count,
            }),
        },
        Input::File(path) => Box::new(Counted {
            source: open_file(path)?,
            count,
        }),
    })
}

/// Whether a file can be opened a second time and be the same: no pipe, no standard input.
pub(super) fn is_regular(input: &Input) -> bool {
    regular_size(input).is_some()
}

/// Size on the disk; pipes have none.
pub(super) fn regular_size(input: &Input) -> Option<u64> {
    match input {
        Input::Stdin => None,
        Input::File(path) => std::fs::metadata(path)
            .ok()
            .filter(|metadata| metadata.is_file())
            .map(|metadata| metadata.len()),
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "is a directory"));
    }
    Ok(file)
}

/// A stream read by a thread of its own, so that a signal can end it while it is silent.
struct Stoppable {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Cursor<Vec<u8>>,
    stop: StopFlag,
}

impl Stoppable {
    const CHUNK: usize = 64 * 1024;
    /// How long a raised flag may go unnoticed.
    const LOOK_AGAIN: Duration = Duration::from_millis(100);

    fn new(mut source: impl Read + Send + 'static, stop: StopFlag) -> Self {
        let (send, chunks) = sync_channel(4);
        // Ends with the process at the latest; it owns nothing that must be put away.
        thread::spawn(move || {
            loop {
                let mut chunk = vec![0; Self::CHUNK];
                let message = source.read(&mut chunk).map(|read| {
                    chunk.truncate(read);
                    chunk
                });
                let last = match &message {
                    Ok(chunk) => chunk.is_empty(),
                    Err(error) => error.kind() != ErrorKind::Interrupted,
                };
                if send.send(message).is_err() || last {
                    return;
                }
            }
        });
        Self {
            chunks,
            chunk: Cursor::default(),
            stop,
        }
    }
}

impl Read for Stoppable {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            match self.chunks.recv_timeout(Self::LOOK_AGAIN) {
                Ok(Ok(chunk)) if chunk.is_empty() => return Ok(0),
                Ok(Ok(chunk)) => self.chunk = Cursor::new(chunk),
                Ok(Err(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
                    return Ok(0);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_silent_stream_ends_when_the_flag_is_raised() {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let stop = StopFlag::default();
        let mut stoppable = Stoppable::new(reader, stop.clone());
        writer.write_all(b"all that ever comes").unwrap();
        let mut into = [0; 19];
        stoppable.read_exact(&mut into).unwrap();
        assert_eq!(&into, b"all that ever comes");
        stop.store(true, Ordering::Relaxed);
        assert_eq!(stoppable.read(&mut into).unwrap(), 0);
        // Open until here: without the flag the stream would still be waited for.
        drop(writer);
    }

    #[test]
    fn a_stream_that_ends_by_itself_is_read_whole() {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let mut stoppable = Stoppable::new(reader, StopFlag::default());
        let sent = vec![7; 200_000];
        let copy = sent.clone();
        let sender = thread::spawn(move || writer.write_all(&copy));
        let mut got = Vec::new();
        stoppable.read_to_end(&mut got).unwrap();
        sender.join().unwrap().unwrap();
        assert_eq!(got, sent);
    }

    #[test]
    fn a_dash_is_standard_input_and_a_file_may_still_be_called_so() {
        assert_eq!(Input::from_argument("-"), Input::Stdin);
        assert_eq!(Input::from_argument("./-"), Input::File("./-".into()));
    }
}
