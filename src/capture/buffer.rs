//! A window over a byte stream: whole records are looked at in place and nothing is copied out.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// What a fresh window holds. Large enough that a read is rare, small enough to stay in the cache.
const INITIAL_CAPACITY: usize = 256 * 1024;

/// Bytes of a stream between `start` (first not consumed) and `end` (last read).
pub(super) struct Window<R> {
    source: R,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Position in the stream of the first of `bytes`.
    base: u64,
    ended: Option<Ended>,
}

/// Why no more bytes come.
#[derive(Debug)]
enum Ended {
    Whole,
    Broken(String),
}

impl<R: Read> Window<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            bytes: vec![0; INITIAL_CAPACITY],
            start: 0,
            end: 0,
            base: 0,
            ended: None,
        }
    }

    /// Position in the stream of the first byte not consumed.
    pub(super) fn offset(&self) -> u64 {
        self.base.wrapping_add(self.start as u64)
    }

    /// Position in the stream up to which bytes have been read: where the stream ended, once it has.
    pub(super) fn end_offset(&self) -> u64 {
        self.base.wrapping_add(self.end as u64)
    }

    /// Why the stream broke off, if it did not simply end.
    pub(super) fn broken(&self) -> Option<&str> {
        match &self.ended {
            Some(Ended::Broken(why)) => Some(why),
            _ => None,
        }
    }

    /// The bytes read and not consumed, without reading more.
    #[inline]
    pub(super) fn available(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or(&[])
    }

    /// The next `count` bytes, or `None` where the stream ends before them.
    ///
    /// Memory grows with the bytes that really come, never with what a length field promises.
    #[inline]
    pub(super) fn peek(&mut self, count: usize) -> Option<&[u8]> {
        if self.end - self.start < count && !self.fill(count) {
            return None;
        }
        self.bytes.get(self.start..)?.get(..count)
    }

    /// The next bytes, `count` of them if there are as many.
    pub(super) fn peek_up_to(&mut self, count: usize) -> &[u8] {
        self.fill(count);
        let available = self.available();
        available.get(..count).unwrap_or(available)
    }

    /// Whether the stream ends right here.
    pub(super) fn at_end(&mut self) -> bool {
        self.end == self.start && !self.fill(1)
    }

    /// Passes over `count` bytes that [`Self::peek`] has shown, and says where they lie until the next read.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) -> Range<usize> {
        let from = self.start;
        self.start = self.start.saturating_add(count).min(self.end);
        from..self.start
    }

    /// Bytes consumed before, as long as nothing has been read since.
    #[inline]
    pub(super) fn slice(&self, range: Range<usize>) -> Option<&[u8]> {
        self.bytes.get(range)
    }

    /// Passes over `count` bytes without keeping them; false where the stream ends before.
    pub(super) fn skip(&mut self, count: u64) -> bool {
        let mut left = count;
        loop {
            let here = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.end - self.start);
            self.consume(here);
            left -= here as u64;
            if left == 0 {
                return true;
            }
            if !self.fill(1) {
                return false;
            }
        }
    }

    #[cold]
    fn fill(&mut self, count: usize) -> bool {
        while self.end - self.start < count {
            if self.ended.is_some() {
                return false;
            }
            self.make_room(count);
            let Some(free) = self.bytes.get_mut(self.end..) else {
                return false;
            };
            match self.source.read(free) {
                Ok(0) => self.ended = Some(Ended::Whole),
                Ok(read) => self.end = self.end.saturating_add(read).min(self.bytes.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.ended = Some(Ended::Broken(describe(&error))),
            }
        }
        true
    }

    /// Moves what is left to the front, and doubles the window when a record fills all of it.
    fn make_room(&mut self, count: usize) {
        if self.start > 0 && self.start.saturating_add(count) > self.bytes.len()
            || self.start == self.end
        {
            self.bytes.copy_within(self.start..self.end, 0);
            self.base = self.base.wrapping_add(self.start as u64);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            self.bytes.resize(self.bytes.len().saturating_mul(2), 0);
        }
    }
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "the compressed data ends too early".to_owned(),
        ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            format!("the compressed data is corrupt ({error})")
        }
        _ => error.to_string(),
    }
}
