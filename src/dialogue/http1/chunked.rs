//! Chunked bodies (RFC 9112 section 7.1).

/// Where in a chunked body the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In a chunk's size; `digits` seen so far.
    Size { value: u64, digits: u8 },
    /// Behind the size, before the line's end.
    Extension { size: u64 },
    /// In a chunk's data.
    Data { left: u64 },
    /// Between a chunk's data and the next size line.
    DataEnd,
    /// In the trailer section, `line` bytes into a line (CR not counted, saturating).
    Trailer { line: u8 },
}

/// What some bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// `used` bytes of framing or, with `data`, of content.
    Going { used: usize, data: bool },
    /// `used` bytes, and the body is over.
    Over { used: usize },
    /// No chunked body.
    Invalid,
}

impl Chunked {
    pub(super) const START: Self = Self::Size {
        value: 0,
        digits: 0,
    };

    /// Reads on; `bytes` is not empty.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Progress {
        if let Self::Data { left } = self {
            let used = usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            *left -= used as u64;
            if *left == 0 {
                *self = Self::DataEnd;
            }
            return Progress::Going { used, data: true };
        }
        for (index, byte) in bytes.iter().enumerate() {
            match self.framing(*byte) {
                Ok(false) if matches!(self, Self::Data { .. }) => {
                    return Progress::Going {
                        used: index + 1,
                        data: false,
                    };
                }
                Ok(false) => {}
                Ok(true) => return Progress::Over { used: index + 1 },
                Err(()) => return Progress::Invalid,
            }
        }
        Progress::Going {
            used: bytes.len(),
            data: false,
        }
    }

    /// One byte of framing; true where it was the body's last.
    fn framing(&mut self, byte: u8) -> Result<bool, ()> {
        *self = match (*self, byte) {
            (Self::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).ok_or(())?;
                let value = value.checked_mul(16).ok_or(())?;
                Self::Size {
                    value: value.checked_add(u64::from(digit)).ok_or(())?,
                    digits: digits.checked_add(1).ok_or(())?,
                }
            }
            (Self::Size { digits: 0, .. }, _) => return Err(()),
            (Self::Size { value, .. }, b'\n') | (Self::Extension { size: value }, b'\n') => {
                match value {
                    0 => Self::Trailer { line: 0 },
                    left => Self::Data { left },
                }
            }
            (Self::Size { value, .. }, b'\r' | b';' | b' ' | b'\t') => {
                Self::Extension { size: value }
            }
            (Self::Size { .. }, _) => return Err(()),
            (Self::Extension { .. }, _) => *self,
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::START,
            (Self::DataEnd, _) => return Err(()),
            (Self::Trailer { line: 0 }, b'\n') => return Ok(true),
            (Self::Trailer { .. }, b'\n') => Self::Trailer { line: 0 },
            (Self::Trailer { .. }, b'\r') => *self,
            (Self::Trailer { line }, _) => Self::Trailer {
                line: line.saturating_add(1),
            },
            (Self::Data { .. }, _) => return Err(()),
        };
        Ok(false)
    }

    /// The next `missing` bytes are a chunk's data, whatever they are.
    pub(super) const fn covers(&self, missing: u64) -> bool {
        matches!(self, Self::Data { left } if *left >= missing)
    }

    /// Passes over bytes that it [covers](Self::covers).
    pub(super) const fn pass(&mut self, missing: u64) {
        if let Self::Data { left } = self {
            *left = left.saturating_sub(missing);
            if *left == 0 {
                *self = Self::DataEnd;
            }
        }
    }
}
