//! Compression, known by its first bytes and never by a file's name.

use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder as ZstdDecoder};

use super::source::Stream;

/// How a capture file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, RFC 1952, of one or several members.
    Gzip,
    /// Zstandard, RFC 8878, of one or several frames; windows of up to 128 MiB (`--long=27`).
    Zstd,
    /// LZ4 frames (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>), one or several.
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
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame in front, as `pzstd` and seekable formats write it.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            _ => Self::None,
        }
    }
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
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(SmallReads(flate2::read::MultiGzDecoder::new(whole))),
        Compression::Zstd => Box::new(ZstdFrames::new(BufReader::new(whole))),
        Compression::Lz4 => Box::new(Lz4Frames::new(BufReader::new(whole))),
    };
    Ok((compression, stream))
}

/// Reads little at a time: the gzip decoder drops what it decoded in the call in which it meets corrupt data.
struct SmallReads<R>(R);

impl<R: Read> Read for SmallReads<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = into.len().min(4096);
        self.0.read(into.get_mut(..length).unwrap_or_default())
    }
}

/// Notices whether a decoder asked for bytes after the last one: then the data was cut short.
struct NoticeEnd<R> {
    source: R,
    ran_out: bool,
}

impl<R: Read> Read for NoticeEnd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        self.ran_out |= read == 0 && !into.is_empty();
        Ok(read)
    }
}

/// A decoder's error, told apart from data that simply ends too early.
fn decoding_error<R>(source: &NoticeEnd<R>, error: impl ToString) -> io::Error {
    if source.ran_out {
        io::Error::from(ErrorKind::UnexpectedEof)
    } else {
        io::Error::new(ErrorKind::InvalidData, error.to_string())
    }
}

/// Zstandard frames one after the other.
struct ZstdFrames<R> {
    source: NoticeEnd<R>,
    decoder: ZstdDecoder,
    state: FrameState,
}

enum FrameState {
    Between,
    Inside,
    /// Decoding failed; what had been decoded before is still to be handed out.
    Failed(io::Error),
}

/// An empty last block (RFC 8878 3.1.1.2) and four bytes for a checksum. The decoder keeps a window's worth of
/// decoded bytes to itself until a frame ends: this ends a broken one, so that nothing whole is lost.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> Self {
        Self {
            source: NoticeEnd {
                source,
                ran_out: false,
            },
            decoder: ZstdDecoder::new(),
            state: FrameState::Between,
        }
    }

    /// Starts the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        if self.source.source.fill_buf()?.is_empty() {
            return Ok(false);
        }
        match self.decoder.reset(&mut self.source) {
            Ok(()) => self.state = FrameState::Inside,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let mut skipped = (&mut self.source).take(u64::from(length));
                io::copy(&mut skipped, &mut io::sink())?;
            }
            Err(error) => return Err(decoding_error(&self.source, error)),
        }
        Ok(true)
    }

    fn end(&mut self) -> io::Result<()> {
        self.state = FrameState::Between;
        let stated = self.decoder.get_checksum_from_data();
        if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the checksum of the compressed data is wrong",
            ));
        }
        Ok(())
    }
}

impl<R: BufRead> ZstdFrames<R> {
    fn decode_block(&mut self) -> io::Result<()> {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        let Err(error) = self.decoder.decode_blocks(&mut self.source, one) else {
            return Ok(());
        };
        let error = decoding_error(&self.source, error);
        let one = BlockDecodingStrategy::UptoBlocks(1);
        match self.decoder.decode_blocks(LAST_BLOCK.as_slice(), one) {
            Ok(true) => self.state = FrameState::Failed(error),
            _ => return Err(error),
        }
        Ok(())
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match &self.state {
                FrameState::Between => {
                    if !self.begin()? {
                        return Ok(0);
                    }
                }
                _ if self.decoder.can_collect() > 0 => return self.decoder.read(into),
                FrameState::Failed(error) => {
                    return Err(io::Error::new(error.kind(), error.to_string()));
                }
                FrameState::Inside if self.decoder.is_finished() => self.end()?,
                FrameState::Inside => self.decode_block()?,
            }
        }
    }
}

/// LZ4 frames one after the other.
struct Lz4Frames<R: Read> {
    decoder: lz4_flex::frame::FrameDecoder<NoticeEnd<R>>,
}

impl<R: BufRead> Lz4Frames<R> {
    fn new(source: R) -> Self {
        Self {
            decoder: lz4_flex::frame::FrameDecoder::new(NoticeEnd {
                source,
                ran_out: false,
            }),
        }
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match self.decoder.read(into) {
                Ok(0) => {}
                Ok(read) => return Ok(read),
                Err(error) => return Err(decoding_error(self.decoder.get_ref(), error)),
            }
            // The decoder takes data cut short between two blocks for its end; a whole frame says where it ends.
            let source = self.decoder.get_mut();
            if source.ran_out {
                return Err(io::Error::from(ErrorKind::UnexpectedEof));
            }
            if source.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
        }
    }
}
