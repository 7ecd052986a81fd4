//! The reader that a connection owns: guesses the protocol and delegates to it.

use std::borrow::Cow;

use super::exchange::{Dialogue, Farewell, Hints, Protocol};
use super::guess::{self, Guess};
use super::http1::Http1;
use super::http2::Http2;
use super::ledger::Ledger;
use super::mysql::MySql;
use super::opaque::Opaque;
use super::outline::DialogueOutline;
use super::postgresql::PostgreSql;
use super::protocol::{Handover, ProtocolReader, Step, Successor, either, mark_at};
use super::proxy_header::ProxyHeader;
use super::redis::Redis;
use super::tls::Tls;
use super::turn::Turn;
use super::websocket::WebSocket;
use crate::flow::{
    Activity, Items, Mark, Packed, Packer, Peer, StreamBytes, StreamReader, Unpacker,
};

/// How often a connection may change its protocol (CONNECT, upgrades, STARTTLS) before it is read as an opaque one.
const HANDOVERS: u8 = 8;

/// How many bytes the guess may wait for.
const GUESS_BYTES: usize = 64;

/// Reads the dialogue of one connection, whatever its protocol.
///
/// Cheap to make, a few hundred bytes while nothing is waited for; at most [`Dialogue::KEPT`] exchanges, one message head per
/// direction (16 KiB) and the heads of the exchange before (512 bytes each) are held.
#[derive(Clone, Debug)]
pub struct DialogueReader {
    server_port: u16,
    handovers: u8,
    state: State,
    ledger: Ledger,
    /// HTTP/1's reader, while it is not needed: its memory serves another one.
    spare: Option<Box<Http1>>,
}

#[derive(Clone, Debug)]
enum State {
    Guessing(Vec<Piece>),
    ProxyHeader(ProxyHeader),
    Opaque(Opaque),
    Http1(Box<Http1>),
    Tls(Box<Tls>),
    Http2(Box<Http2>),
    WebSocket(Box<WebSocket>),
    PostgreSql(Box<PostgreSql>),
    MySql(Box<MySql>),
    Redis(Box<Redis>),
    /// The connection is closed.
    Over(Protocol),
}

/// Bytes that wait for the guess.
#[derive(Clone, Debug)]
struct Piece {
    from: Peer,
    at: Mark,
    bytes: Vec<u8>,
}

impl DialogueReader {
    /// A reader for a connection to `server_port`, which is a hint and no more.
    pub fn new(server_port: u16) -> Self {
        Self {
            server_port,
            handovers: 0,
            state: State::Guessing(Vec::new()),
            ledger: Ledger::default(),
            spare: None,
        }
    }

    /// What was said so far. Copies the kept exchanges: meant for endings, not for every segment.
    pub fn snapshot(&self) -> Dialogue {
        let mut ledger = self.ledger.clone();
        if let State::Guessing(pieces) = &self.state {
            let mut opaque = Opaque::default();
            for piece in pieces {
                opaque.data(&piece.as_stream_bytes(), &mut ledger);
            }
        }
        if let Some(reader) = self.state.reader() {
            reader.note_pending(&mut ledger);
        }
        ledger.into_dialogue(self.state.protocol())
    }

    /// The protocol, as far as the bytes show it.
    pub fn protocol(&self) -> Protocol {
        self.state.protocol()
    }

    /// Who sends the requests (see [`Dialogue::requester`]).
    pub fn requester(&self) -> Peer {
        self.ledger.requester
    }

    /// Exchanges begun in all.
    pub fn requests(&self) -> u64 {
        self.ledger.requests()
    }

    /// Headers that name products, where any were seen.
    pub fn hints(&self) -> Option<&Hints> {
        self.ledger.known_hints()
    }

    /// Goodbyes, oldest first; the newest few.
    pub fn farewells(&self) -> &[Farewell] {
        self.ledger.farewells()
    }

    /// The newest exchanges in brief, oldest first; as many as a [`snapshot`](Self::snapshot) holds, and after the close of the
    /// connection as many as it held before.
    pub fn turns(&self) -> Cow<'_, [Turn]> {
        let pending = match &self.state {
            State::Guessing(pieces) => !pieces.is_empty(),
            state => state.reader().is_some_and(|reader| reader.has_pending()),
        };
        if pending {
            let dialogue = self.snapshot();
            return Cow::Owned(dialogue.recent.iter().map(Turn::from).collect());
        }
        self.ledger.turns()
    }

    /// Bytes before the protocol is known.
    #[inline(never)]
    fn guess(&mut self, data: &StreamBytes<'_>) -> Activity {
        let State::Guessing(pieces) = &mut self.state else {
            return Activity::Application;
        };
        if pieces.is_empty() && self.says_again(data).is_some() {
            return Activity::Application;
        }
        let State::Guessing(pieces) = &mut self.state else {
            return Activity::Application;
        };
        let waiting = pieces
            .iter()
            .filter(|p| p.from == data.from)
            .flat_map(|p| p.bytes.iter().copied());
        let first: Vec<u8>;
        let bytes = if pieces.is_empty() {
            data.bytes
        } else {
            first = waiting
                .chain(data.bytes.iter().copied().take(GUESS_BYTES))
                .collect();
            &first
        };
        let state = match guess::opening(bytes, self.server_port) {
            Guess::Protocol(protocol) => State::of(protocol, &mut self.spare),
            Guess::ProxyHeader => State::ProxyHeader(ProxyHeader::of(data.from)),
            Guess::Undecided if data.cut == 0 && bytes.len() < GUESS_BYTES => {
                pieces.push(Piece {
                    from: data.from,
                    at: data.at,
                    bytes: data.bytes.to_vec(),
                });
                return Activity::Application;
            }
            Guess::Undecided | Guess::Nothing => State::Opaque(Opaque::default()),
        };
        if bytes.starts_with(b"HTTP/1.") {
            self.ledger.requester = data.from.other();
        } else if matches!(state, State::Http1(_)) {
            self.ledger.requester = data.from;
        }
        self.become_reader(state);
        StreamReader::data(self, *data)
    }

    /// The request that another connection made before, in the same memory: it need not be guessed what that is.
    fn says_again(&mut self, data: &StreamBytes<'_>) -> Option<()> {
        let mut reader = self.spare.take()?;
        reader.begin_anew();
        let requester = std::mem::replace(&mut self.ledger.requester, data.from);
        let said = reader.said_again(data, &mut self.ledger);
        match said {
            Some(()) => self.state = State::Http1(reader),
            None => {
                self.ledger.requester = requester;
                self.spare = Some(reader);
            }
        }
        said
    }

    /// It is known from here on who reads; what waited for that is read first.
    fn become_reader(&mut self, state: State) {
        let waiting = match std::mem::replace(&mut self.state, state) {
            State::Guessing(pieces) => pieces,
            _ => Vec::new(),
        };
        for piece in waiting {
            self.read(&piece.as_stream_bytes());
        }
    }

    fn take_over(&mut self, to: Successor) {
        self.handovers = self.handovers.saturating_add(1);
        self.state = match to {
            _ if self.handovers > HANDOVERS => State::Opaque(Opaque::tired()),
            Successor::Guess => State::Guessing(Vec::new()),
            Successor::Protocol(protocol) => State::of(protocol, &mut self.spare),
        };
    }

    #[inline(never)]
    fn read_any(&mut self, data: &StreamBytes<'_>) -> Activity {
        match data.bytes.is_empty() && data.cut == 0 {
            true => Activity::Housekeeping,
            false => self.read(data),
        }
    }

    fn read(&mut self, data: &StreamBytes<'_>) -> Activity {
        let step = self.step(data);
        match step.handover {
            None => step.activity,
            Some(handover) => either(step.activity, self.read_on(data, handover)),
        }
    }

    fn step(&mut self, data: &StreamBytes<'_>) -> Step {
        match &mut self.state {
            State::Opaque(reader) => reader.data(data, &mut self.ledger),
            State::Http1(reader) => reader.data(data, &mut self.ledger),
            State::Tls(reader) => reader.data(data, &mut self.ledger),
            State::Redis(reader) => reader.data(data, &mut self.ledger),
            State::MySql(reader) => reader.data(data, &mut self.ledger),
            State::PostgreSql(reader) => reader.data(data, &mut self.ledger),
            State::WebSocket(reader) => reader.data(data, &mut self.ledger),
            State::Http2(reader) => reader.data(data, &mut self.ledger),
            State::ProxyHeader(reader) => reader.data(data, &mut self.ledger),
            State::Guessing(_) => self.guess(data).into(),
            State::Over(_) => Activity::Housekeeping.into(),
        }
    }

    /// Another reader goes on, and maybe another one after it.
    #[cold]
    fn read_on(&mut self, data: &StreamBytes<'_>, mut handover: Handover) -> Activity {
        let mut data = *data;
        let mut activity = Activity::Housekeeping;
        loop {
            self.take_over(handover.to);
            if let Successor::Protocol(Protocol::Http1) = handover.to {
                self.ledger.requester = match data.bytes.starts_with(b"HTTP/1.") {
                    true => data.from.other(),
                    false => data.from,
                };
            }
            data = behind(&data, handover.consumed);
            if data.bytes.is_empty() && data.cut == 0 {
                return activity;
            }
            let step = self.step(&data);
            activity = either(activity, step.activity);
            match step.handover {
                None => return activity,
                Some(next) => handover = next,
            }
        }
    }

    /// Something else than bytes came: the guess has to do with what it has.
    fn stop_guessing(&mut self) {
        if matches!(self.state, State::Guessing(_)) {
            self.become_reader(State::Opaque(Opaque::default()));
        }
    }
}

impl StreamReader for DialogueReader {
    type Snapshot = Dialogue;
    type Outline = DialogueOutline;
    type Item = Turn;

    fn new(server_port: u16) -> Self {
        Self::new(server_port)
    }

    fn begin_anew(&mut self, server_port: u16) {
        self.server_port = server_port;
        self.handovers = 0;
        self.state = State::Guessing(Vec::new());
        self.ledger.begin_anew();
    }

    fn is_settled(&self) -> bool {
        self.ledger.is_settled()
    }

    fn snapshot(&self) -> Dialogue {
        self.snapshot()
    }

    fn close(&mut self) {
        self.stop_guessing();
        if let Some(reader) = self.state.reader() {
            reader.note_pending(&mut self.ledger);
        }
        let over = State::Over(self.state.protocol());
        if let State::Http1(reader) = std::mem::replace(&mut self.state, over) {
            self.spare = Some(reader);
        }
        self.ledger.close();
    }

    fn lose_track(&mut self) {
        self.state = State::Over(Protocol::Opaque);
        self.ledger.begin_anew();
    }

    fn give_back(&mut self) {
        self.spare = None;
        self.ledger.give_back();
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_)) && self.ledger.is_over()
    }

    fn outline(&self) -> DialogueOutline {
        self.ledger.outline(self.state.protocol())
    }

    fn items(&self) -> Cow<'_, [Turn]> {
        self.turns()
    }

    fn pack(&self, into: &mut Packer) {
        self.state.protocol().pack(into);
        self.ledger.pack(into);
        into.array(self.server_port.to_le_bytes());
        into.array([self.handovers]);
    }

    fn pack_items(&self, into: &mut Packer) {
        self.ledger.pack_turns(into);
    }

    fn unpack(from: &mut Unpacker<'_>, turns: Items<'_, Turn>) -> Self {
        Self {
            state: State::Over(Packed::unpack(from)),
            ledger: Ledger::unpack(from, turns.into_list().into()),
            spare: None,
            server_port: u16::from_le_bytes(from.array()),
            handovers: u8::from_le_bytes(from.array()),
        }
    }

    fn unpack_outline(from: &mut Unpacker<'_>) -> DialogueOutline {
        let protocol = Packed::unpack(from);
        Ledger::unpack_outline(from, protocol)
    }

    #[inline(always)]
    fn look(&self) -> u64 {
        match &self.state {
            State::Http1(reader) => self.ledger.look() ^ reader.look(),
            _ => 0,
        }
    }

    #[inline]
    fn data(&mut self, data: StreamBytes<'_>) -> Activity {
        if let State::Http1(reader) = &mut self.state
            && let Some(()) = reader.said_again(&data, &mut self.ledger)
        {
            return Activity::Application;
        }
        self.read_any(&data)
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64) {
        self.stop_guessing();
        if let Some(reader) = self.state.reader_mut() {
            reader.gap(from, at, missing, &mut self.ledger);
        }
    }

    fn fin(&mut self, from: Peer, at: Mark) {
        if let Some(reader) = self.state.reader_mut() {
            reader.fin(from, at, &mut self.ledger);
        }
    }
}

impl State {
    /// At its beginning; within `spare` if it fits.
    fn of(protocol: Protocol, spare: &mut Option<Box<Http1>>) -> Self {
        match protocol {
            Protocol::Http1 => Self::Http1(match spare.take() {
                Some(mut reader) => {
                    reader.begin_anew();
                    reader
                }
                None => Box::default(),
            }),
            Protocol::Tls => Self::Tls(Box::default()),
            Protocol::Redis => Self::Redis(Box::default()),
            Protocol::MySql => Self::MySql(Box::default()),
            Protocol::PostgreSql => Self::PostgreSql(Box::default()),
            Protocol::WebSocket => Self::WebSocket(Box::default()),
            Protocol::Http2 => Self::Http2(Box::default()),
            _ => Self::Opaque(Opaque::default()),
        }
    }

    fn protocol(&self) -> Protocol {
        match self {
            Self::Guessing(_) | Self::ProxyHeader(_) | Self::Opaque(_) => Protocol::Opaque,
            Self::Http1(_) => Protocol::Http1,
            Self::Tls(_) => Protocol::Tls,
            Self::Redis(_) => Protocol::Redis,
            Self::MySql(_) => Protocol::MySql,
            Self::PostgreSql(_) => Protocol::PostgreSql,
            Self::WebSocket(_) => Protocol::WebSocket,
            Self::Http2(_) => Protocol::Http2,
            Self::Over(protocol) => *protocol,
        }
    }

    fn reader(&self) -> Option<&dyn ProtocolReader> {
        match self {
            Self::Guessing(_) | Self::Over(_) => None,
            Self::ProxyHeader(reader) => Some(reader),
            Self::Opaque(reader) => Some(reader),
            Self::Http1(reader) => Some(reader.as_ref()),
            Self::Tls(reader) => Some(reader.as_ref()),
            Self::Redis(reader) => Some(reader.as_ref()),
            Self::MySql(reader) => Some(reader.as_ref()),
            Self::PostgreSql(reader) => Some(reader.as_ref()),
            Self::WebSocket(reader) => Some(reader.as_ref()),
            Self::Http2(reader) => Some(reader.as_ref()),
        }
    }

    fn reader_mut(&mut self) -> Option<&mut dyn ProtocolReader> {
        match self {
            Self::Guessing(_) | Self::Over(_) => None,
            Self::ProxyHeader(reader) => Some(reader),
            Self::Opaque(reader) => Some(reader),
            Self::Http1(reader) => Some(reader.as_mut()),
            Self::Tls(reader) => Some(reader.as_mut()),
            Self::Redis(reader) => Some(reader.as_mut()),
            Self::MySql(reader) => Some(reader.as_mut()),
            Self::PostgreSql(reader) => Some(reader.as_mut()),
            Self::WebSocket(reader) => Some(reader.as_mut()),
            Self::Http2(reader) => Some(reader.as_mut()),
        }
    }
}

/// What follows the first `consumed` bytes, of which the last ones may not have been captured.
fn behind<'a>(data: &StreamBytes<'a>, consumed: u32) -> StreamBytes<'a> {
    let captured = data.bytes.len().min(consumed as usize);
    StreamBytes {
        from: data.from,
        at: mark_at(data.at, consumed as usize),
        bytes: data.bytes.get(captured..).unwrap_or_default(),
        cut: data.cut.saturating_sub(consumed - captured as u32),
    }
}

impl Piece {
    fn as_stream_bytes(&self) -> StreamBytes<'_> {
        StreamBytes {
            from: self.from,
            at: self.at,
            bytes: &self.bytes,
            cut: 0,
        }
    }
}
