//! Both directions' payload, handed to the reader in the order in which it was said.
//!
//! Captures on several queues, taps or interfaces show an answer before its question now and then. What acknowledges payload that
//! was not seen yet waits for it, up to [`HOLE_PATIENCE`](super::assembler::HOLE_PATIENCE).

use std::borrow::Cow;

use crate::flow::assembler::{Assembler, Novelty};
use crate::flow::{Activity, Both, Mark, Peer, StreamReader};
use crate::wire::{Head, Segment, SeqNumber};

const PEERS: [Peer; 2] = [Peer::Client, Peer::Server];

/// Both directions and their reader.
#[derive(Clone, Debug)]
pub(super) struct Talk<R> {
    directions: Both<Assembler>,
    reader: Option<Box<R>>,
    /// One that read another connection, while there is no reader.
    spare: Option<Box<R>>,
}

impl<R> Default for Talk<R> {
    fn default() -> Self {
        Self {
            directions: Both::default(),
            reader: None,
            spare: None,
        }
    }
}

/// The reader, from here on.
#[inline]
fn listening<'a, R: StreamReader>(
    reader: &'a mut Option<Box<R>>,
    spare: &mut Option<Box<R>>,
    server_port: u16,
) -> &'a mut R {
    reader.get_or_insert_with(|| begin_to_listen(spare, server_port))
}

#[cold]
fn begin_to_listen<R: StreamReader>(spare: &mut Option<Box<R>>, server_port: u16) -> Box<R> {
    match spare.take() {
        Some(mut reader) => {
            reader.begin_anew(server_port);
            reader
        }
        None => Box::new(R::new(server_port)),
    }
}

impl<R: StreamReader> Talk<R> {
    /// A new one in the memory of this one, which is needed no more.
    pub fn begin_anew(&mut self) {
        self.directions = Both::default();
        if let Some(reader) = self.reader.take() {
            self.spare = Some(reader);
        }
    }

    /// One direction.
    pub fn of(&self, peer: Peer) -> &Assembler {
        self.directions.of(peer)
    }

    /// A direction begins here (one past its SYN, or with what its peer acknowledges first).
    pub fn begin(&mut self, peer: Peer, first: SeqNumber) {
        self.directions.of_mut(peer).begin(first);
    }

    /// What `from` acknowledges with `ack` was said before what it says now.
    pub fn acknowledged(&mut self, from: Peer, head: &Head, ack: SeqNumber, server_port: u16) {
        let peer = from.other();
        if self.reader.is_none() && self.of(peer).beyond_seen(ack).is_some() {
            listening(&mut self.reader, &mut self.spare, server_port);
        }
        if let Some(reader) = self.reader.as_mut() {
            let (now, reader) = ((head.time, head.frame), reader.as_mut());
            self.directions
                .of_mut(from)
                .give_up_before(from, head, reader);
            self.directions
                .of_mut(peer)
                .acknowledged(peer, ack, now, reader);
            // What waits for a hole comes right behind it.
            self.release();
        }
        if let Some(reader) = self.reader.as_mut() {
            self.directions
                .of_mut(peer)
                .let_go_late(peer, head.time, reader.as_mut());
            self.release();
        }
    }

    /// Takes a segment's payload.
    pub fn take(&mut self, from: Peer, segment: &Segment<'_>, server_port: u16) -> Novelty {
        let waits_for = segment.flags.filter(|flags| flags.ack()).and_then(|_| {
            self.directions
                .of(from.other())
                .beyond_seen(segment.head.ack)
        });
        let other = self.of(from.other()).seen();
        let reader = listening(&mut self.reader, &mut self.spare, server_port);
        let own = self.directions.of_mut(from);
        let novelty = match waits_for {
            Some(offset) => own.hold(from, segment, (offset, other), reader),
            None => own.take(from, segment, other, reader),
        };
        self.release();
        novelty
    }

    /// All that was said was seen, up to these numbers, and nothing is held back or waited for.
    pub fn flows(&self, next: &Both<Option<SeqNumber>>) -> bool {
        PEERS.iter().all(|peer| {
            let direction = self.of(*peer);
            next.of(*peer).is_some_and(|next| direction.is_at(next)) && direction.is_at_rest()
        })
    }

    /// While all [flows](Self::flows), takes payload that follows on what was seen.
    #[inline]
    pub fn go_on(&mut self, from: Peer, head: &Head, payload: &[u8], server_port: u16) -> Activity {
        let reader = listening(&mut self.reader, &mut self.spare, server_port);
        let own = self.directions.of_mut(from);
        own.go_on(from, head, payload, reader)
    }

    /// Looks at what [the next payload](Self::go_on) changes.
    #[inline(always)]
    pub fn look(&self) -> u64 {
        let Both { client, server } = &self.directions;
        let reader = self.reader.as_ref().map_or(0, |reader| reader.look());
        reader ^ client.look() ^ server.look()
    }

    /// What is said goes over other connections, too: nothing of it can be read from here on.
    #[cold]
    pub fn lose_track(&mut self, server_port: u16) {
        listening(&mut self.reader, &mut self.spare, server_port).lose_track();
    }

    /// A direction ended with FIN.
    pub fn fin(&mut self, from: Peer, at: Mark, server_port: u16) {
        let reader = listening(&mut self.reader, &mut self.spare, server_port);
        self.directions.of_mut(from).fin(from, at, reader);
    }

    /// Hands on what waited for payload that has come meanwhile.
    fn release(&mut self) {
        let Some(reader) = self.reader.as_mut() else {
            return;
        };
        if !PEERS
            .iter()
            .any(|peer| self.directions.of(*peer).holds_back())
        {
            return;
        }
        for peer in [Peer::Server, Peer::Client, Peer::Server, Peer::Client] {
            let other = self.directions.of(peer.other()).seen();
            self.directions
                .of_mut(peer)
                .release(peer, other, reader.as_mut());
        }
    }

    /// Nothing waits for an answer.
    pub fn is_settled(&self) -> bool {
        self.reader
            .as_ref()
            .is_none_or(|reader| reader.is_settled())
    }

    /// What was said. What still waits is not waited for any longer.
    pub fn snapshot(&self) -> R::Snapshot {
        let Some(reader) = self.reader.as_ref() else {
            return R::Snapshot::default();
        };
        if !PEERS.iter().any(|peer| self.of(*peer).is_waiting()) {
            return reader.snapshot();
        }
        let mut now = self.clone();
        now.stop_waiting();
        now.reader
            .as_ref()
            .map(|reader| reader.snapshot())
            .unwrap_or_default()
    }

    /// Who reads it, as if nothing were waited for any longer; `None` before anything was said.
    pub fn reader(&self) -> Option<Cow<'_, R>> {
        let reader = self.reader.as_deref()?;
        if !PEERS.iter().any(|peer| self.of(*peer).is_waiting()) {
            return Some(Cow::Borrowed(reader));
        }
        let mut now = self.clone();
        now.stop_waiting();
        now.reader.map(|reader| Cow::Owned(*reader))
    }

    /// Nothing more is to come, and nothing is open.
    pub fn close(&mut self) {
        self.stop_waiting();
        if let Some(reader) = &mut self.reader {
            reader.close();
        }
    }

    /// Less memory will do, most of all once closed.
    pub fn give_back(&mut self) {
        self.spare = None;
        if let Some(reader) = &mut self.reader {
            reader.give_back();
        }
    }

    /// Nothing is held back or waited for, and the reader was closed.
    pub fn is_at_rest(&self) -> bool {
        PEERS.iter().all(|peer| self.of(*peer).is_at_rest())
            && self.reader.as_ref().is_none_or(|reader| reader.is_over())
    }

    /// One that [is at rest](Self::is_at_rest).
    pub const fn at_rest(directions: Both<Assembler>, reader: Option<Box<R>>) -> Self {
        Self {
            directions,
            reader,
            spare: None,
        }
    }

    /// Who reads, where nothing is waited for.
    pub fn reader_at_rest(&self) -> Option<&R> {
        self.reader.as_deref()
    }

    fn stop_waiting(&mut self) {
        if PEERS.iter().all(|peer| self.of(*peer).is_at_rest()) {
            return;
        }
        for peer in [Peer::Client, Peer::Server, Peer::Client] {
            if let Some(reader) = self.reader.as_mut() {
                self.directions
                    .of_mut(peer)
                    .give_up_acknowledged(peer, reader.as_mut());
            }
            self.release();
        }
        for peer in PEERS {
            if let Some(reader) = self.reader.as_mut() {
                self.directions
                    .of_mut(peer)
                    .stop_waiting(peer, reader.as_mut());
            }
        }
    }
}

/// Payload whose reader's opinion has to wait counts as the application's.
pub(super) const HELD: Novelty = Novelty::New(Activity::Application);
