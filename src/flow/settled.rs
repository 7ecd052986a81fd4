//! Connections as a table keeps them: whole while packets are expected, packed once both sides have closed.
//!
//! A closed connection is needed for the report and for the few packets that may still come. Packed it takes a quarter of its memory,
//! and most of a large capture's connections are closed. Nothing is lost by it: a late packet finds the connection as it was.

use std::borrow::Cow;
use std::ops::Deref;

use crate::capture::CaptureId;
use crate::flow::packing::{Packed, Packer, Unpacker};
use crate::flow::{Connection, History, StreamReader};
use crate::time::Timestamp;

/// A connection that has closed, packed.
#[derive(Debug)]
pub struct Settled<R> {
    streams: Vec<(CaptureId, u32)>,
    opened: Timestamp,
    reader: Option<Box<R>>,
    packed: Box<[u8]>,
    /// Where its packets are in `packed`.
    history: usize,
}

impl<R: StreamReader> Settled<R> {
    fn pack(mut connection: Box<Connection<R>>, packer: &mut Packer) -> Self {
        let opened = connection.opened;
        packer.begin_part(opened);
        connection.pack(packer);
        let history = packer.begin_part(opened);
        connection.history.pack(packer);
        Self {
            streams: std::mem::take(&mut connection.streams),
            opened,
            reader: connection.take_reader(),
            packed: packer.finish(),
            history,
        }
    }

    fn outline(&self, streams: Vec<(CaptureId, u32)>) -> Connection<R> {
        let mut unpacker = Unpacker::new(&self.packed, self.opened);
        Connection::unpack(&mut unpacker, streams, self.opened)
    }

    fn history(&self) -> History {
        let packed = self.packed.get(self.history..).unwrap_or_default();
        History::unpack(&mut Unpacker::new(packed, self.opened))
    }
}

/// A connection, whole or packed.
#[derive(Debug)]
pub enum Kept<R: StreamReader> {
    /// Packets are expected.
    Whole(Box<Connection<R>>),
    /// It has closed.
    Settled(Settled<R>),
}

impl<R: StreamReader> Kept<R> {
    /// `tcp.stream` in each capture that shows it.
    pub fn streams(&self) -> &[(CaptureId, u32)] {
        match self {
            Self::Whole(connection) => &connection.streams,
            Self::Settled(settled) => &settled.streams,
        }
    }

    pub(super) fn streams_mut(&mut self) -> &mut [(CaptureId, u32)] {
        match self {
            Self::Whole(connection) => &mut connection.streams,
            Self::Settled(settled) => &mut settled.streams,
        }
    }

    /// The number in the capture that showed it first.
    pub fn first_stream(&self) -> u32 {
        self.streams().first().map_or(0, |(_, stream)| *stream)
    }

    /// First packet.
    pub fn opened(&self) -> Timestamp {
        match self {
            Self::Whole(connection) => connection.opened,
            Self::Settled(settled) => settled.opened,
        }
    }

    /// The connection as it can be read.
    pub fn known(&self) -> Known<'_, R> {
        match self {
            Self::Whole(connection) => Known::Whole(connection),
            Self::Settled(settled) => {
                let mut connection = Box::new(settled.outline(settled.streams.clone()));
                connection.history = settled.history();
                Known::Settled(connection, settled.reader.as_deref())
            }
        }
    }

    /// The same, but without its packets if it was packed: enough where nothing went wrong.
    pub fn outline(&self) -> Known<'_, R> {
        match self {
            Self::Whole(connection) => Known::Whole(connection),
            Self::Settled(settled) => Known::Settled(
                Box::new(settled.outline(settled.streams.clone())),
                settled.reader.as_deref(),
            ),
        }
    }

    /// The connection where it is whole.
    pub(super) fn as_whole(&self) -> Option<&Connection<R>> {
        match self {
            Self::Whole(connection) => Some(connection),
            Self::Settled(_) => None,
        }
    }

    /// The whole connection.
    pub(super) fn into_whole(self) -> Box<Connection<R>> {
        match self {
            Self::Whole(connection) => connection,
            Self::Settled(mut settled) => {
                let streams = std::mem::take(&mut settled.streams);
                let mut connection = Box::new(settled.outline(streams));
                connection.history = settled.history();
                connection.listen_again(settled.reader);
                connection
            }
        }
    }

    /// Packed, if nothing more is expected of it.
    pub(super) fn into_settled(self, packer: &mut Packer) -> Self {
        match self {
            Self::Whole(connection) if connection.can_be_packed() => {
                Self::Settled(Settled::pack(connection, packer))
            }
            other => other,
        }
    }
}

/// A connection as it can be read, wherever it is kept.
#[derive(Debug)]
pub enum Known<'a, R: StreamReader> {
    /// It is whole.
    Whole(&'a Connection<R>),
    /// Unpacked, without its reader, which is beside it.
    Settled(Box<Connection<R>>, Option<&'a R>),
}

impl<'a, R: StreamReader> Known<'a, R> {
    /// Who reads its dialogue; see [`Connection::reader`].
    pub fn reader(&self) -> Option<Cow<'a, R>> {
        match self {
            Self::Whole(connection) => connection.reader(),
            Self::Settled(_, reader) => reader.map(Cow::Borrowed),
        }
    }

    /// What was said; see [`Connection::dialogue`].
    pub fn dialogue(&self) -> R::Snapshot {
        match self {
            Self::Whole(connection) => connection.dialogue(),
            Self::Settled(_, reader) => {
                reader.map_or_else(R::Snapshot::default, StreamReader::snapshot)
            }
        }
    }
}

impl<R: StreamReader> Deref for Known<'_, R> {
    type Target = Connection<R>;

    fn deref(&self) -> &Connection<R> {
        match self {
            Self::Whole(connection) => connection,
            Self::Settled(connection, _) => connection,
        }
    }
}
