//! The frames of a run once more: files are read again, streams were spooled.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};

use anyhow::{Context, bail};
use whyrst::Timestamp;
use whyrst::capture::{
    CaptureFilter, CaptureId, Frame, FrameId, FrameNumber, Input, LinkType, StopFlag,
};

use super::reading::{self, Ending};
use super::screen::Verbosity;

/// Bytes of a stream that are spooled for evidence.
const SPOOL_MOST: u64 = 16 << 30;

/// Where the packets of a report can be had again.
pub(crate) enum Packets {
    /// From the same files through the same filter.
    Files {
        inputs: Vec<Input>,
        filter: Option<String>,
        stop: StopFlag,
    },
    /// From a temporary file.
    Spool(Spool),
    /// Nowhere: a saved report has none.
    None,
}

/// Frames that can be shown again, in the same order each time.
pub(crate) trait Replay {
    /// Shows them.
    fn replay(&mut self, take: &mut dyn FnMut(&Frame<'_>)) -> anyhow::Result<()>;
}

impl Replay for Packets {
    fn replay(&mut self, take: &mut dyn FnMut(&Frame<'_>)) -> anyhow::Result<()> {
        match self {
            Self::Files {
                inputs,
                filter,
                stop,
            } => {
                let filter = filter.as_deref().map(CaptureFilter::new).transpose()?;
                match reading::read(inputs, filter, stop, Verbosity::Quiet, take)?.1 {
                    Ending::Complete => Ok(()),
                    Ending::Interrupted => bail!("interrupted"),
                }
            }
            Self::Spool(spool) => spool
                .replay(take)
                .context("cannot read the spooled packets"),
            Self::None => bail!("a saved report has no packets: name the captures to get evidence"),
        }
    }
}

/// Frames of a stream in a temporary file that has no name and goes with the process.
pub(crate) struct Spool {
    file: BufWriter<File>,
    bytes: u64,
    /// The first error; evidence then ends before it.
    error: Option<io::Error>,
}

/// Bytes before each frame's data.
const HEADER: usize = 32;

impl Spool {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let file = tempfile::tempfile()
            .context("cannot make a temporary file for the packets of a stream")?;
        Ok(Self {
            file: BufWriter::new(file),
            bytes: 0,
            error: None,
        })
    }

    /// Keeps a frame, as long as there is room.
    pub(crate) fn frame(&mut self, frame: &Frame<'_>) {
        if self.error.is_some() {
            return;
        }
        if let Err(error) = self.write(frame) {
            self.error = Some(error);
        }
    }

    fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.bytes += (HEADER + frame.data.len()) as u64;
        if self.bytes > SPOOL_MOST {
            return Err(io::Error::new(
                ErrorKind::StorageFull,
                "more than 16 GiB of packets",
            ));
        }
        let length = u32::try_from(frame.data.len()).map_err(|_| ErrorKind::InvalidInput)?;
        self.file.write_all(&frame.time.as_nanos().to_le_bytes())?;
        self.file.write_all(&frame.id.number.0.to_le_bytes())?;
        self.file.write_all(&frame.interface.to_le_bytes())?;
        self.file.write_all(&frame.original_len.to_le_bytes())?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file
            .write_all(&u32::from(frame.id.capture.0).to_le_bytes())?;
        self.file
            .write_all(&u32::from(frame.link.0).to_le_bytes())?;
        self.file.write_all(frame.data)
    }

    fn replay(&mut self, mut take: impl FnMut(&Frame<'_>)) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        let mut from = BufReader::new(file);
        let mut data = Vec::new();
        while let Some(header) = header(&mut from)? {
            data.resize(header.length, 0);
            from.read_exact(&mut data)?;
            take(&Frame {
                data: &data,
                ..header.frame
            });
        }
        Ok(())
    }
}

/// What is known of a frame before its data.
struct Header {
    frame: Frame<'static>,
    length: usize,
}

/// The next header, or nothing at the end.
fn header(from: &mut impl Read) -> io::Result<Option<Header>> {
    let mut time = [0; 8];
    match from.read_exact(&mut time) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let mut number = || -> io::Result<u32> {
        let mut bytes = [0; 4];
        from.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    };
    let (frame, interface, original_len, length, capture, link) = (
        number()?,
        number()?,
        number()?,
        number()?,
        number()?,
        number()?,
    );
    let id = FrameId {
        capture: CaptureId(capture as u16),
        number: FrameNumber(frame),
    };
    Ok(Some(Header {
        frame: Frame {
            id,
            time: Timestamp::from_nanos(i64::from_le_bytes(time)),
            link: LinkType(link as u16),
            interface,
            data: &[],
            original_len,
        },
        length: length as usize,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_comes_back_as_it_went_in() {
        let frames: Vec<Frame> = [&b"one"[..], b"", b"three"]
            .iter()
            .zip(1..)
            .map(|(data, n)| Frame {
                id: FrameId {
                    capture: CaptureId(n as u16),
                    number: FrameNumber(n * 1_000_000),
                },
                time: Timestamp::from_nanos(i64::from(n) - 2),
                link: LinkType(276),
                interface: n,
                data,
                original_len: 1500,
            })
            .collect();
        let mut spool = Spool::new().unwrap();
        frames.iter().for_each(|frame| spool.frame(frame));
        for _ in 0..2 {
            let mut back = Vec::new();
            spool
                .replay(|f| {
                    back.push((
                        f.id,
                        f.time,
                        f.link,
                        f.interface,
                        f.data.to_vec(),
                        f.original_len,
                    ))
                })
                .unwrap();
            let sent: Vec<_> = frames
                .iter()
                .map(|f| {
                    (
                        f.id,
                        f.time,
                        f.link,
                        f.interface,
                        f.data.to_vec(),
                        f.original_len,
                    )
                })
                .collect();
            assert_eq!(back, sent);
        }
    }
}
