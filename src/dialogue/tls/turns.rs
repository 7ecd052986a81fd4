//! Exchanges inferred from who sent application data.

use super::record::Record;
use super::size;
use crate::dialogue::exchange::{Completeness, Message};
use crate::dialogue::fingerprint::Fingerprint;
use crate::dialogue::ledger::{ExchangeId, Ledger};
use crate::flow::{Mark, Peer};

/// The current exchange, and which of the server's first records were session tickets.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    current: Option<ExchangeId>,
    fingerprint: Fingerprint,
    tickets: Tickets,
}

/// TLS 1.3 servers send tickets when they have the client's Finished, often together with or just before the first response.
/// OpenSSL's, the most common ones, are two of one size.
#[derive(Clone, Copy, Debug, Default)]
enum Tickets {
    /// None seen.
    #[default]
    Awaited,
    /// One of this length before any request.
    One(u16),
    /// The first record after a request: a ticket if the next one has its length.
    Perhaps(u16),
    /// No more are expected.
    Over,
}

impl Turns {
    /// Whether a record of the server is a ticket and no part of a response. May find that the one before it was, too.
    pub(super) fn is_ticket(&mut self, len: u16, ledger: &mut Ledger) -> bool {
        let Some(current) = self.current else {
            self.tickets = match self.tickets {
                Tickets::Awaited => Tickets::One(len),
                _ => Tickets::Over,
            };
            return size::may_be_ticket(len);
        };
        let (ticket, next) = match self.tickets {
            Tickets::Awaited if size::may_be_ticket(len) => (false, Tickets::Perhaps(len)),
            Tickets::One(first) if first == len => (true, Tickets::Over),
            Tickets::Perhaps(first) if first == len => {
                ledger.revoke_response(current);
                (true, Tickets::Over)
            }
            _ => (false, Tickets::Over),
        };
        self.tickets = next;
        ticket
    }

    /// Application data of either side; gives the exchange whose message it belongs to.
    pub(super) fn application(
        &mut self,
        from: Peer,
        record: &Record,
        ledger: &mut Ledger,
    ) -> Option<ExchangeId> {
        let asks = from == ledger.requester;
        let part_of = self.take_turn(from, record.start, ledger);
        if asks {
            self.fingerprint.update_size(record.wire_len());
        }
        if let (true, Some(exchange)) = (asks, part_of.and_then(|id| ledger.exchange(id))) {
            exchange.what.fingerprint = self.fingerprint.value();
            exchange.what.bytes = self.fingerprint.bytes();
        }
        if let Some(message) = message(part_of, from, ledger) {
            message.complete = Completeness::Incomplete;
            message.expected_end = Some(record.end_offset());
        }
        part_of
    }

    /// Bytes whose records are not known.
    pub(super) fn unknown(&mut self, from: Peer, start: Mark, end: Mark, ledger: &mut Ledger) {
        let part_of = self.take_turn(from, start, ledger);
        if from == ledger.requester {
            self.fingerprint
                .update_size(end.offset.saturating_sub(start.offset));
        }
        extend(part_of, from, end, ledger);
        close_record(part_of, from, ledger);
    }

    /// The message that `from` is in the middle of.
    pub(super) fn ongoing(&self, from: Peer, ledger: &mut Ledger) -> Option<ExchangeId> {
        let exchange = ledger.exchange(self.current?)?;
        let answering = exchange.response.is_some();
        (answering != (from == ledger.requester)).then_some(self.current?)
    }

    fn take_turn(&mut self, from: Peer, start: Mark, ledger: &mut Ledger) -> Option<ExchangeId> {
        retract_close_notify(from, ledger);
        if from != ledger.requester {
            let response = ledger
                .exchange(self.current?)?
                .response
                .get_or_insert(Message {
                    start,
                    end: start,
                    ..Message::default()
                });
            response.complete = Completeness::Unknown;
            return self.current;
        }
        if let Some(current) = self.current {
            let answered = ledger
                .exchange(current)
                .is_none_or(|e| e.response.is_some());
            if !answered {
                return self.current;
            }
            ledger.settle(current);
            if let Tickets::Perhaps(_) = self.tickets {
                self.tickets = Tickets::Over;
            }
        }
        self.fingerprint = Fingerprint::default();
        self.current = Some(ledger.begin(start));
        self.current
    }
}

/// A record that says goodbye, or has the size of one.
pub(super) fn close_notify(from: Peer, at: Mark, ledger: &mut Ledger) {
    retract_close_notify(from, ledger);
    if let Some(slot) = ledger.tls().close_notify.get_mut(from as usize) {
        *slot = Some(at);
    }
    ledger.farewell(from, at, "close_notify");
}

/// More came after it: it was none.
fn retract_close_notify(from: Peer, ledger: &mut Ledger) {
    let slot = ledger.tls().close_notify.get_mut(from as usize);
    if let Some(at) = slot.and_then(Option::take) {
        ledger.revoke_farewell(from, at);
    }
}

/// The message of `from` in an exchange reaches to `end`.
pub(super) fn extend(part_of: Option<ExchangeId>, from: Peer, end: Mark, ledger: &mut Ledger) {
    if let Some(message) = message(part_of, from, ledger) {
        message.end = end;
    }
}

/// A record of it is whole: whether more will come is not known.
pub(super) fn close_record(part_of: Option<ExchangeId>, from: Peer, ledger: &mut Ledger) {
    if let Some(message) = message(part_of, from, ledger) {
        message.complete = Completeness::Unknown;
        message.expected_end = None;
    }
}

fn message(part_of: Option<ExchangeId>, from: Peer, ledger: &mut Ledger) -> Option<&mut Message> {
    let asks = from == ledger.requester;
    let exchange = ledger.exchange(part_of?)?;
    match asks {
        true => Some(&mut exchange.request),
        false => exchange.response.as_mut(),
    }
}
