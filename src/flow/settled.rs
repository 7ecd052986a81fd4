//! Connections as a table keeps them: whole while packets are expected, packed once both sides have closed.
//!
//! A closed connection is needed for the report and for the few packets that may still come. Packed it takes a third of its memory,
//! and most of a large capture's connections are closed. Nothing is lost by it: a late packet finds the connection as it was.

use std::borrow::Cow;
use std::hint::black_box;
use std::net::IpAddr;
use std::ops::Deref;

use crate::capture::CaptureId;
use crate::flow::archive::Archive;
use crate::flow::chunks::Run;
use crate::flow::outline::{Gist, Outline};
use crate::flow::redirects::Called;
use crate::flow::{Both, Connection, Items, Packet, StreamReader, Streams, TwoPlaces};
use crate::time::Timestamp;

/// A connection that has closed: where it is packed, and what has to be known of it without unpacking.
#[derive(Debug)]
pub struct Settled {
    pub(super) streams: Streams,
    pub(super) opened: Timestamp,
    pub(super) bytes: Run,
    /// Where in them its reader's list begins.
    pub(super) items: u32,
}

impl Settled {
    pub(super) fn new<R: StreamReader>(
        connection: &Connection<R>,
        bytes: Run,
        items: usize,
    ) -> Self {
        Self {
            streams: connection.streams.clone(),
            opened: connection.opened,
            bytes,
            items: items as u32,
        }
    }
}

/// A connection, whole or packed.
#[derive(Debug)]
pub enum Kept<R: StreamReader> {
    /// Packets are expected.
    Whole(Box<Connection<R>>),
    /// It has closed.
    Settled(Settled),
}

impl<R: StreamReader> Kept<R> {
    /// See [`Connection::streams`].
    pub(super) fn streams(&self) -> &Streams {
        match self {
            Self::Whole(connection) => &connection.streams,
            Self::Settled(settled) => &settled.streams,
        }
    }

    pub(super) fn streams_mut(&mut self) -> &mut Streams {
        match self {
            Self::Whole(connection) => &mut connection.streams,
            Self::Settled(settled) => &mut settled.streams,
        }
    }

    /// First packet.
    pub(super) fn opened(&self) -> Timestamp {
        match self {
            Self::Whole(connection) => connection.opened,
            Self::Settled(settled) => settled.opened,
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
    pub(super) fn into_whole(self, archive: &mut Archive) -> Box<Connection<R>> {
        match self {
            Self::Whole(connection) => connection,
            Self::Settled(settled) => archive.unpack(&settled),
        }
    }
}

/// So many connections are asked for before they are read: what is packed of them lies far apart, and memory brings many such pieces
/// in the time in which it brings one.
pub const AT_ONCE: usize = 32;

/// A connection that a table holds.
#[derive(Debug)]
pub struct Held<'a, R: StreamReader> {
    pub(super) kept: &'a Kept<R>,
    pub(super) archive: &'a Archive,
}

impl<R: StreamReader> Clone for Held<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: StreamReader> Copy for Held<'_, R> {}

impl<'a, R: StreamReader> Held<'a, R> {
    /// The capture that showed it first, and its `tcp.stream` there.
    pub fn first(&self) -> (CaptureId, u32) {
        self.kept.streams().first()
    }

    /// See [`Connection::streams`].
    pub fn streams(&self) -> &'a Streams {
        self.kept.streams()
    }

    /// See [`Streams::two_places`].
    #[inline]
    pub fn two_places(&self) -> Option<TwoPlaces<'a>> {
        self.kept.streams().two_places()
    }

    /// The number in the capture that showed it first.
    pub fn first_stream(&self) -> u32 {
        self.first().1
    }

    /// See [`Connection::called`]; what is packed was led nowhere.
    pub fn called(&self) -> Option<&'a Called> {
        self.kept.as_whole()?.called.as_deref()
    }

    /// First packet.
    pub fn opened(&self) -> Timestamp {
        self.kept.opened()
    }

    /// The client's and the server's address and port.
    pub fn ends(&self) -> Both<(IpAddr, u16)> {
        match self.kept {
            Kept::Whole(connection) => Both {
                client: connection.client,
                server: connection.server,
            },
            Kept::Settled(settled) => self.archive.ends(settled),
        }
    }

    /// Asks for these connections' [outlines](Self::outline): see [`AT_ONCE`].
    pub fn ask_for_outlines(connections: &[Self]) {
        Self::ask_for(connections, |_| 0);
    }

    /// The same for their [items](Self::items).
    pub fn ask_for_items(connections: &[Self]) {
        Self::ask_for(connections, |settled| settled.items as usize);
    }

    fn ask_for(connections: &[Self], place: impl Fn(&Settled) -> usize) {
        let bytes = connections.iter().map(|held| match held.kept {
            Kept::Whole(_) => 0,
            Kept::Settled(settled) => held.archive.ask_for(settled, place(settled)),
        });
        black_box(bytes.fold(0, u8::wrapping_add));
    }

    /// The connection as it can be read.
    pub fn known(&self) -> Known<'a, R> {
        match self.kept {
            Kept::Whole(connection) => Known::Whole(connection),
            Kept::Settled(settled) => Known::Unpacked(self.archive.whole(settled)),
        }
    }

    /// Its plain facts: enough where nothing went wrong, and nothing has to be unpacked for them.
    pub fn outline(&self) -> Outline<'a, R> {
        match self.kept {
            Kept::Whole(connection) => Outline::of(connection),
            Kept::Settled(settled) => self.archive.outline(settled),
        }
    }

    /// The same, without what its reader tells.
    pub fn gist(&self) -> Gist {
        match self.kept {
            Kept::Whole(connection) => Gist::of(connection),
            Kept::Settled(settled) => self.archive.gist(settled),
        }
    }

    /// Its first RST; what is packed has none.
    pub fn first_reset(&self) -> Option<&'a Packet> {
        match self.kept {
            Kept::Whole(connection) => connection.episodes.first()?.first(),
            Kept::Settled(_) => None,
        }
    }

    /// What its reader lists.
    pub fn items(&self) -> Items<'a, R::Item> {
        match self.kept {
            Kept::Settled(settled) => self.archive.items(settled),
            Kept::Whole(connection) => match connection.reader() {
                None => Items::default(),
                Some(Cow::Borrowed(reader)) => Items::List(reader.items()),
                Some(Cow::Owned(reader)) => Items::List(Cow::Owned(reader.items().into_owned())),
            },
        }
    }
}

/// A connection as it can be read, wherever it is kept.
#[derive(Debug)]
pub enum Known<'a, R: StreamReader> {
    /// It is whole.
    Whole(&'a Connection<R>),
    /// It was packed: a copy.
    Unpacked(Box<Connection<R>>),
}

impl<R: StreamReader> Deref for Known<'_, R> {
    type Target = Connection<R>;

    fn deref(&self) -> &Connection<R> {
        match self {
            Self::Whole(connection) => connection,
            Self::Unpacked(connection) => connection,
        }
    }
}
