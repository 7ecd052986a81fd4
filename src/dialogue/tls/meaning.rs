//! What a record of application data is, when all that is encrypted bears that type.

use super::record::Record;
use super::{Application, Tls, Version, size, turns};
use crate::dialogue::exchange::FatalAlert;
use crate::dialogue::ledger::Ledger;
use crate::flow::{Activity, Peer};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Encrypted handshake messages.
    Handshake,
    /// An alert before the handshake was over: it failed.
    HandshakeAlert,
    /// A record of the size of an alert.
    CloseNotify,
    /// A session ticket.
    Ticket,
    /// HTTP/2's housekeeping, by its size.
    Control,
    /// Part of a request or a response.
    Content,
}

impl Tls {
    /// A record of type application_data begins.
    pub(super) fn application_record(&mut self, from: Peer, record: Record, ledger: &mut Ledger) {
        let meaning = self.meaning(from, &record, ledger);
        let (activity, part_of) = match meaning {
            Meaning::Handshake => (Activity::Application, None),
            Meaning::HandshakeAlert => {
                let alert = FatalAlert {
                    from,
                    description: None,
                    at: record.start,
                };
                ledger.tls().fatal_alert.get_or_insert(alert);
                (Activity::Housekeeping, None)
            }
            Meaning::CloseNotify => {
                turns::close_notify(from, record.start, ledger);
                (Activity::Housekeeping, None)
            }
            Meaning::Ticket => (Activity::Housekeeping, None),
            Meaning::Control => (Activity::Housekeeping, self.turns.ongoing(from, ledger)),
            Meaning::Content => {
                ledger.tls().handshake_done = true;
                let part_of = self.turns.application(from, &record, ledger);
                (Activity::Application, part_of)
            }
        };
        let side = self.side(from);
        side.activity = activity;
        side.part_of = part_of;
    }

    fn meaning(&mut self, from: Peer, record: &Record, ledger: &mut Ledger) -> Meaning {
        let asks = from == ledger.requester;
        let side = self.side(from);
        // The cipher was changed and no encrypted handshake record followed: only TLS 1.3 does that (RFC 8446 appendix D.4).
        if side.changed_cipher && !side.finished && self.version == Version::Unknown {
            self.version = Version::Hidden;
        }
        let handshake = match (self.version, asks) {
            (Version::Hidden, true) => self.client_handshake(from, record.len),
            (Version::Hidden, false) => self.server_handshake(from, record.len),
            (Version::Typed | Version::Unknown, _) => None,
        };
        if let Some(meaning) = handshake {
            let (finished, certificate) = match asks {
                true => (self.side(from).finished, self.side(from).encrypted_flight),
                false => (false, false),
            };
            let tls = ledger.tls();
            tls.handshake_done |= finished;
            tls.client_certificate |= certificate;
            return meaning;
        }
        if self.version != Version::Typed {
            if record.len == size::ALERT {
                return Meaning::CloseNotify;
            }
            if !asks && self.version == Version::Hidden && self.turns.is_ticket(record.len, ledger)
            {
                return Meaning::Ticket;
            }
        }
        let control = self.application == Application::PerhapsHttp2
            && size::is_http2_control(record.len, self.version, self.cipher_suite);
        match control {
            true => Meaning::Control,
            false => Meaning::Content,
        }
    }

    /// TLS 1.3's client sends Finished, perhaps a certificate before it, perhaps early data before all that.
    fn client_handshake(&mut self, from: Peer, len: u16) -> Option<Meaning> {
        let server_spoke = self.side(from.other()).hello_read;
        let early_data = self.early_data;
        let side = self.side(from);
        if side.finished {
            return None;
        }
        if size::is_finished(len) {
            side.finished = true;
            return Some(Meaning::Handshake);
        }
        if !server_spoke {
            self.early_data = true;
            return None;
        }
        Some(match len {
            size::ALERT => Meaning::HandshakeAlert,
            size::END_OF_EARLY_DATA if early_data => Meaning::Handshake,
            _ => {
                side.encrypted_flight = true;
                Meaning::Handshake
            }
        })
    }

    /// TLS 1.3's server sends its handshake before the client's Finished.
    fn server_handshake(&mut self, from: Peer, len: u16) -> Option<Meaning> {
        let client = self.side(from.other());
        if client.finished {
            return None;
        }
        if client.encrypted_flight {
            // A Finished that shared a record with the certificate.
            client.finished = true;
            return None;
        }
        if len == size::ALERT {
            return Some(Meaning::HandshakeAlert);
        }
        self.side(from).encrypted_flight = true;
        Some(Meaning::Handshake)
    }
}
