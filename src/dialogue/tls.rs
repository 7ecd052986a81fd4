//! TLS (RFC 8446, RFC 5246) without keys: records by type and size, turns, alerts, the names in the hellos.

use super::exchange::{Completeness, Message};
use super::fingerprint::Fingerprint;
use super::guess::{self, Guess};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{ProtocolReader, Step, either, mark_at};
use super::tls_hello::{ClientHello, ServerHello};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// An alert in a TLS 1.3 record: two bytes, the inner type, a 16-byte tag (RFC 8446 section 5.2).
const ALERT_13: u64 = 19;
/// A Finished message in a TLS 1.3 record, for hashes of 32 and 48 bytes.
const FINISHED_13: [u64; 2] = [53, 69];
/// Most bytes of a hello that are read.
const HELLO: usize = 16 * 1024;
/// Records of a session ticket lie in this range with the stacks known.
const TICKET: std::ops::RangeInclusive<u64> = 80..=1400;

/// Reads both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    sides: [Side; 2],
    version_13: Option<bool>,
    client_finished: bool,
    server_records: u32,
    /// Length of the server's first record behind the handshake, and what had been asked then.
    first_server_record: Option<(u64, Option<ExchangeId>)>,
    speaker: Option<Peer>,
    exchange: Option<ExchangeId>,
    answered: bool,
    fingerprint: Fingerprint,
}

#[derive(Clone, Debug, Default)]
struct Side {
    header: Vec<u8>,
    left: u64,
    record: Record,
    hello: Vec<u8>,
    /// Level and code of an alert in clear text.
    alert: Vec<u8>,
    hello_done: bool,
    changed_cipher: bool,
    notified: Option<Mark>,
    lost: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Record {
    kind: u8,
    length: u64,
    role: Role,
}

/// What a record is to the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Handshake,
    Alert,
    Ticket,
    Payload,
}

impl Tls {
    fn side(&mut self, peer: Peer) -> &mut Side {
        match peer {
            Peer::Client => &mut self.sides[0],
            Peer::Server => &mut self.sides[1],
        }
    }

    /// The header of a record is whole: what is it?
    fn begin_record(&mut self, from: Peer, at: Mark, kind: u8, length: u64, ledger: &mut Ledger) {
        let role = match kind {
            CHANGE_CIPHER_SPEC => {
                self.side(from).changed_cipher = true;
                Role::Handshake
            }
            ALERT => Role::Alert,
            HANDSHAKE => {
                if self.side(from).changed_cipher && from == ledger.requester {
                    self.client_finished = true;
                }
                Role::Handshake
            }
            _ => self.application_record(from, length, ledger),
        };
        if role == Role::Alert {
            self.alert(from, at, ledger);
        } else if kind == APPLICATION_DATA
            && let Some(notified) = self.side(from).notified.take()
        {
            // It said more: what looked like a goodbye was a very short message.
            ledger.revoke_farewell(from, notified);
            ledger.tls().close_notify[from as usize & 1] = None;
        }
        self.side(from).alert.clear();
        self.side(from).record = Record { kind, length, role };
        self.side(from).left = length;
        if role == Role::Payload {
            ledger.tls().handshake_done = true;
            self.payload_begins(from, at, length, ledger);
        }
    }

    fn application_record(&mut self, from: Peer, length: u64, ledger: &Ledger) -> Role {
        if self.version_13 == Some(false)
            || self.version_13.is_none() && !self.sides.iter().any(|side| side.hello_done)
        {
            // TLS 1.2, or a capture that began behind the handshake: application data is what it says.
            return if length == ALERT_13 && self.version_13.is_none() {
                Role::Alert
            } else {
                Role::Payload
            };
        }
        if from == ledger.requester {
            if !self.client_finished {
                self.client_finished = FINISHED_13.contains(&length) || length < FINISHED_13[0];
                return Role::Handshake;
            }
            return if length == ALERT_13 {
                Role::Alert
            } else {
                Role::Payload
            };
        }
        if !self.client_finished {
            return Role::Handshake;
        }
        self.server_records = self.server_records.saturating_add(1);
        let asked = self.exchange;
        let first = *self.first_server_record.get_or_insert((length, asked));
        let unasked = self.exchange.is_none();
        match length {
            ALERT_13 => Role::Alert,
            _ if unasked => Role::Ticket,
            _ if self.server_records == 2
                && first == (length, asked)
                && TICKET.contains(&length) =>
            {
                Role::Ticket
            }
            _ => Role::Payload,
        }
    }

    fn alert(&mut self, from: Peer, at: Mark, ledger: &mut Ledger) {
        self.side(from).notified = Some(at);
        ledger.farewell(from, at, "close_notify");
        ledger.tls().close_notify[from as usize & 1] = Some(at);
    }

    fn payload_begins(&mut self, from: Peer, at: Mark, length: u64, ledger: &mut Ledger) {
        if from == ledger.requester {
            let new_turn = self.exchange.is_none() || self.answered;
            if new_turn {
                if let Some(previous) = self.exchange {
                    ledger.settle(previous);
                }
                self.fingerprint = Fingerprint::default();
                self.exchange = Some(ledger.begin(at));
                self.answered = false;
            }
            self.fingerprint.update_size(length);
            if let Some(exchange) = self.exchange.and_then(|id| ledger.exchange(id)) {
                exchange.what.fingerprint = self.fingerprint.value();
                exchange.what.bytes = self.fingerprint.bytes();
            }
        } else if let Some(exchange) = self.exchange.and_then(|id| ledger.exchange(id)) {
            exchange.response.get_or_insert(Message {
                start: at,
                end: at,
                ..Message::default()
            });
            self.answered = true;
        }
        self.speaker = Some(from);
    }

    /// Bytes of a record's body were seen up to `end`.
    fn body(&mut self, from: Peer, end: Mark, bytes: &[u8], ledger: &mut Ledger) -> Activity {
        let side = self.side(from);
        let (record, left) = (side.record, side.left);
        match record.role {
            Role::Handshake => {
                if record.kind == HANDSHAKE {
                    self.hello(from, bytes, ledger);
                }
                Activity::Application
            }
            Role::Alert => {
                let side = self.side(from);
                if record.kind == ALERT && !side.changed_cipher {
                    side.alert
                        .extend(bytes.iter().take(2usize.saturating_sub(side.alert.len())));
                    if let [2, code] = side.alert[..] {
                        ledger.tls().fatal_alert = Some((from, Some(code)));
                    }
                }
                Activity::Housekeeping
            }
            Role::Ticket => {
                if self.server_records == 2
                    && self.answered
                    && let Some(id) = self.exchange
                {
                    // Two records of one size before anything else: the first was a ticket as well.
                    ledger.revoke_response(id);
                    self.answered = false;
                }
                Activity::Housekeeping
            }
            Role::Payload => {
                let requester = ledger.requester;
                if let Some(exchange) = self.exchange.and_then(|id| ledger.exchange(id)) {
                    let message = if from == requester {
                        Some(&mut exchange.request)
                    } else {
                        exchange.response.as_mut()
                    };
                    if let Some(message) = message {
                        message.end = end;
                        message.complete = if left == 0 {
                            Completeness::Unknown
                        } else {
                            Completeness::Incomplete
                        };
                        message.expected_end = (left > 0).then(|| end.offset.saturating_add(left));
                    }
                }
                Activity::Application
            }
        }
    }

    fn hello(&mut self, from: Peer, bytes: &[u8], ledger: &mut Ledger) {
        let side = self.side(from);
        if side.hello_done {
            return;
        }
        let room = HELLO.saturating_sub(side.hello.len());
        side.hello
            .extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
        let complete = side.left == 0 || side.hello.len() >= HELLO;
        if from == ledger.requester {
            if complete && let Some(hello) = ClientHello::parse(&side.hello) {
                side.hello_done = true;
                side.hello = Vec::new();
                let facts = ledger.tls();
                facts.sni = hello.server_name;
                facts.alpn = hello.protocols;
                facts.hello_unanswered = true;
            }
        } else if complete && let Some(hello) = ServerHello::parse(&side.hello) {
            side.hello_done = true;
            side.hello = Vec::new();
            self.version_13 = Some(hello.version == "1.3");
            let facts = ledger.tls();
            facts.version = Some(hello.version.to_owned());
            if let Some(protocol) = hello.protocol {
                facts.alpn = vec![protocol];
            }
        }
    }

    fn read(&mut self, data: StreamBytes<'_>, ledger: &mut Ledger) -> Activity {
        let from = data.from;
        let mut activity = Activity::Housekeeping;
        let mut offset = 0;
        while let Some(&first) = data.bytes.get(offset) {
            let side = self.side(from);
            if side.left == 0 {
                side.header.push(first);
                offset += 1;
                if side.header.len() < 5 {
                    continue;
                }
                let header = std::mem::take(&mut side.header);
                let (kind, length) = match header.as_slice() {
                    [kind @ 20..=23, 3, _, high, low] => {
                        (*kind, u64::from(u16::from_be_bytes([*high, *low])))
                    }
                    _ => {
                        side.lost = true;
                        ledger.incomplete = true;
                        return Activity::Application;
                    }
                };
                let start = Mark {
                    offset: mark_at(data.at, offset).offset.saturating_sub(5),
                    ..data.at
                };
                self.begin_record(from, start, kind, length, ledger);
                continue;
            }
            let here =
                (data.bytes.len() - offset).min(usize::try_from(side.left).unwrap_or(usize::MAX));
            side.left -= here as u64;
            let bytes = data.bytes.get(offset..offset + here).unwrap_or_default();
            offset += here;
            activity = either(
                activity,
                self.body(from, mark_at(data.at, offset), bytes, ledger),
            );
        }
        if data.cut > 0 {
            activity = either(
                activity,
                self.skip(from, mark_at(data.at, offset), u64::from(data.cut), ledger),
            );
        }
        activity
    }

    /// Bytes that were not captured.
    fn skip(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) -> Activity {
        ledger.incomplete = true;
        let side = self.side(from);
        let end = Mark {
            offset: at.offset.saturating_add(missing),
            ..at
        };
        if side.left >= missing && side.left > 0 {
            side.left -= missing;
        } else {
            // A record header was among them.
            side.lost = true;
            side.left = 0;
            side.header.clear();
        }
        let whole = self.side(from).left == 0;
        let activity = self.body(from, end, &[], ledger);
        if whole && self.side(from).lost {
            self.turn(from, at, end, ledger);
        }
        activity
    }

    /// Framing is lost: bytes count by turns.
    fn turn(&mut self, from: Peer, at: Mark, end: Mark, ledger: &mut Ledger) {
        if from == ledger.requester {
            if self.exchange.is_none() || self.answered || self.speaker == Some(from.other()) {
                self.payload_begins(from, at, end.offset.saturating_sub(at.offset), ledger);
            }
            if let Some(exchange) = self.exchange.and_then(|id| ledger.exchange(id)) {
                exchange.request.end = end;
                exchange.request.complete = Completeness::Unknown;
                exchange.request.expected_end = None;
            }
        } else {
            self.payload_begins(from, at, 0, ledger);
            if let Some(response) = self
                .exchange
                .and_then(|id| ledger.exchange(id))
                .and_then(|exchange| exchange.response.as_mut())
            {
                response.end = end;
                response.complete = Completeness::Unknown;
                response.expected_end = None;
            }
        }
    }
}

impl ProtocolReader for Tls {
    fn data(&mut self, data: StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        if data.from != ledger.requester && (!data.bytes.is_empty() || data.cut > 0) {
            ledger.tls().hello_unanswered = false;
        }
        if self.side(data.from).lost {
            if !matches!(guess::tls(data.bytes), Guess::Protocol(_)) {
                let end = mark_at(data.at, data.bytes.len().saturating_add(data.cut as usize));
                self.turn(data.from, data.at, end, ledger);
                return Activity::Application.into();
            }
            let side = self.side(data.from);
            *side = Side {
                hello_done: side.hello_done,
                changed_cipher: true,
                ..Side::default()
            };
        }
        self.read(data, ledger).into()
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        let start = Mark {
            offset: at.offset.saturating_sub(missing),
            ..at
        };
        if missing > 0 {
            self.skip(from, start, missing, ledger);
        } else {
            self.side(from).lost = true;
        }
    }

    fn fin(&mut self, _from: Peer, _at: Mark, _ledger: &mut Ledger) {}
}

#[cfg(test)]
mod tests;
