//! TLS without keys: record types and sizes, the hellos, alerts, and exchanges by turns of application data.

mod hello;
#[cfg(test)]
mod ladders;
mod loss;
mod meaning;
mod record;
mod size;
#[cfg(test)]
mod tests;
mod turns;

use self::hello::First;
use self::record::{Kind, Read, Record, RecordLayer};
use self::turns::Turns;
use super::exchange::FatalAlert;
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{ProtocolReader, Step, either, mark_at};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// A hello longer than this is read no further (post-quantum key shares make about 2 KiB).
const HELLO_LIMIT: usize = 16 * 1024;

/// Reads both directions of a TLS connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    sides: [Side; 2],
    version: Version,
    cipher_suite: u16,
    application: Application,
    /// Data was sent before the server's hello (RFC 8446 section 2.3).
    early_data: bool,
    turns: Turns,
}

/// What the records may carry, as far as ALPN says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Application {
    #[default]
    Unknown,
    /// HTTP/2 was offered, or chosen.
    PerhapsHttp2,
}

/// Which record protection is in use, as far as it changes what sizes mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Version {
    #[default]
    Unknown,
    /// Up to TLS 1.2: types are in clear text.
    Typed,
    /// TLS 1.3: all that is encrypted looks like application data.
    Hidden,
}

/// One direction.
#[derive(Clone, Debug)]
struct Side {
    records: RecordLayer,
    /// The first handshake message in clear text, until it is whole; at most [`HELLO_LIMIT`].
    hello: Vec<u8>,
    hello_read: bool,
    kind: Kind,
    /// Where the current record begins.
    start: Mark,
    /// The current alert's first two bytes, and how many bytes it has had.
    alert: [u8; 2],
    alert_len: u8,
    /// What the current record was.
    activity: Activity,
    /// The message that the current record belongs to.
    part_of: Option<ExchangeId>,
    /// Its ChangeCipherSpec was seen.
    changed_cipher: bool,
    /// Its part of the handshake is over.
    finished: bool,
    /// In TLS 1.3, it has sent encrypted records that belong to the handshake.
    encrypted_flight: bool,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            records: RecordLayer::default(),
            hello: Vec::new(),
            hello_read: false,
            kind: Kind::Handshake,
            start: Mark::default(),
            alert: [0; 2],
            alert_len: 0,
            activity: Activity::Application,
            part_of: None,
            changed_cipher: false,
            finished: false,
            encrypted_flight: false,
        }
    }
}

impl ProtocolReader for Tls {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        let from = data.from;
        if from != ledger.requester {
            ledger.tls().hello_unanswered = false;
        }
        let mut activity = Activity::Housekeeping;
        let mut used = 0;
        if !data.bytes.is_empty() && !self.side(from).records.resynchronise(data.bytes) {
            let end = mark_at(data.at, data.bytes.len());
            activity = self.unknown(from, data.at, end, ledger);
            used = data.bytes.len();
        }
        while let Some(rest) = data.bytes.get(used..).filter(|r| !r.is_empty()) {
            let at = mark_at(data.at, used);
            let (n, read) = self.side(from).records.read(at, rest);
            used += n;
            let end = mark_at(data.at, used);
            match read {
                Read::PartialHeader => continue,
                Read::Header(record) => self.begin_record(from, record, end, ledger),
                Read::Fragment { last } => {
                    self.fragment(from, rest.get(..n).unwrap_or(rest), end, ledger);
                    if last {
                        self.end_record(from, ledger);
                    }
                }
                Read::Lost => {
                    self.note_clear_answer(from, ledger);
                    ledger.incomplete = true;
                    let end = mark_at(data.at, data.bytes.len());
                    let unknown = self.unknown(from, at, end, ledger);
                    activity = either(activity, unknown);
                    break;
                }
            }
            activity = either(activity, self.side(from).activity);
        }
        if data.cut > 0 {
            let end = mark_at(data.at, data.bytes.len().saturating_add(data.cut as usize));
            let skipped = self.skip(from, end, u64::from(data.cut), ledger);
            activity = either(activity, skipped);
        }
        activity.into()
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        if from != ledger.requester {
            ledger.tls().hello_unanswered = false;
        }
        self.skip(from, at, missing, ledger);
    }

    fn fin(&mut self, _from: Peer, _at: Mark, _ledger: &mut Ledger) {}

    fn has_pending(&self) -> bool {
        self.sides.iter().any(|side| !side.hello_read)
    }

    fn note_pending(&self, ledger: &mut Ledger) {
        let side = &self.sides[Peer::Client as usize];
        let other = &self.sides[Peer::Server as usize];
        for (from, side) in [(Peer::Client, side), (Peer::Server, other)] {
            if let (false, Some(first)) = (side.hello_read, hello::read(&side.hello)) {
                note_hello(from, &first, ledger);
            }
        }
    }
}

/// Records.
impl Tls {
    fn side(&mut self, peer: Peer) -> &mut Side {
        match peer {
            Peer::Client => &mut self.sides[0],
            Peer::Server => &mut self.sides[1],
        }
    }

    fn begin_record(&mut self, from: Peer, record: Record, end: Mark, ledger: &mut Ledger) {
        let side = self.side(from);
        side.kind = record.kind;
        side.start = record.start;
        side.alert_len = 0;
        side.part_of = None;
        side.activity = Activity::Application;
        match record.kind {
            Kind::ApplicationData => self.application_record(from, record, ledger),
            Kind::Alert => self.alert_record(from, record, ledger),
            Kind::Heartbeat => side.activity = Activity::Housekeeping,
            Kind::ChangeCipherSpec => side.changed_cipher = true,
            // Finished, encrypted. In TLS 1.3 it would not bear this type: there it is the second hello after a HelloRetryRequest.
            Kind::Handshake if side.changed_cipher && self.version != Version::Hidden => {
                self.side(from).finished = true;
                self.version = Version::Typed;
                let done = self.sides.iter().all(|s| s.finished);
                ledger.tls().handshake_done |= done;
            }
            Kind::Handshake => {
                if from == ledger.requester && !self.sides.iter().any(|s| s.finished) {
                    let tls = ledger.tls();
                    (tls.began, tls.hello_unanswered) = (true, true);
                }
            }
        }
        let part_of = self.side(from).part_of;
        turns::extend(part_of, from, end, ledger);
        if record.len == 0 {
            self.end_record(from, ledger);
        }
    }

    fn fragment(&mut self, from: Peer, bytes: &[u8], end: Mark, ledger: &mut Ledger) {
        let side = self.side(from);
        match side.kind {
            Kind::ApplicationData => {
                let part_of = side.part_of;
                turns::extend(part_of, from, end, ledger);
            }
            Kind::Handshake if !side.hello_read && !side.changed_cipher => {
                let room = HELLO_LIMIT.saturating_sub(side.hello.len());
                side.hello
                    .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                let whole = hello::message_len(&side.hello).is_some_and(|n| side.hello.len() >= n);
                if whole || side.hello.len() >= HELLO_LIMIT {
                    self.read_hello(from, ledger);
                }
            }
            Kind::Alert => {
                for byte in bytes {
                    if let Some(slot) = side.alert.get_mut(usize::from(side.alert_len)) {
                        *slot = *byte;
                    }
                    side.alert_len = side.alert_len.saturating_add(1);
                }
            }
            Kind::Handshake | Kind::ChangeCipherSpec | Kind::Heartbeat => {}
        }
    }

    fn end_record(&mut self, from: Peer, ledger: &mut Ledger) {
        let side = self.side(from);
        let part_of = side.part_of;
        if let (Kind::Alert, 2, [level, description]) = (side.kind, side.alert_len, side.alert) {
            side.alert_len = 0;
            // close_notify (0), or fatal (level 2; TLS 1.3 treats all others as fatal) (RFC 8446 section 6).
            match (level, description) {
                (_, 0) => turns::close_notify(from, side.start, ledger),
                (2, _) => {
                    let alert = FatalAlert {
                        from,
                        description: Some(description),
                        at: side.start,
                    };
                    ledger.tls().fatal_alert.get_or_insert(alert);
                }
                _ => {}
            }
        }
        turns::close_record(part_of, from, ledger);
    }

    fn read_hello(&mut self, from: Peer, ledger: &mut Ledger) {
        let side = self.side(from);
        let message = std::mem::take(&mut side.hello);
        side.hello_read = true;
        let Some(first) = hello::read(&message) else {
            return;
        };
        if matches!(first, First::Client(_)) && from != ledger.requester {
            self.turn_round(ledger);
        }
        note_hello(from, &first, ledger);
        self.application = match ledger.tls().alpn.iter().any(|p| p == "h2") {
            true => Application::PerhapsHttp2,
            false => Application::Unknown,
        };
        if let First::Server(hello) = first {
            self.cipher_suite = hello.cipher_suite;
            self.version = match hello.version {
                Some(..=0x0303) => Version::Typed,
                Some(_) => Version::Hidden,
                None => self.version,
            };
        }
    }

    /// The roles were guessed wrong: what was said so far belongs to no message that goes on.
    fn turn_round(&mut self, ledger: &mut Ledger) {
        ledger.unframe();
        self.turns = Turns::default();
        for side in &mut self.sides {
            side.part_of = None;
        }
    }

    /// No records, from the first byte on, in answer to a ClientHello.
    #[cold]
    fn note_clear_answer(&mut self, from: Peer, ledger: &mut Ledger) {
        let start = self.side(from).records.start();
        let is_answer = from != ledger.requester && self.side(from.other()).hello_read;
        if is_answer && start.offset == 0 && !ledger.incomplete {
            ledger.tls().answered_in_clear.get_or_insert(start);
        }
    }

    fn alert_record(&mut self, from: Peer, record: Record, ledger: &mut Ledger) {
        self.side(from).activity = Activity::Housekeeping;
        // Two bytes are in clear text and read when they are there; an encrypted alert has a tag besides, and after the handshake
        // nearly all of them are close_notify.
        if record.len > 2 {
            turns::close_notify(from, record.start, ledger);
        }
    }
}

fn note_hello(from: Peer, first: &First, ledger: &mut Ledger) {
    match first {
        First::Client(hello) => {
            ledger.requester = from;
            let tls = ledger.tls();
            tls.sni.clone_from(&hello.sni);
            tls.alpn.clone_from(&hello.alpn);
            (tls.began, tls.hello_unanswered) = (true, true);
        }
        First::Server(hello) => {
            let tls = ledger.tls();
            tls.version = hello.version.map(hello::version_name);
            if !hello.alpn.is_empty() {
                tls.alpn.clone_from(&hello.alpn);
            }
        }
    }
}
