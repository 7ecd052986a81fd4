//! Bytes that a capture lacks, or whose records are not known.

use super::record::{Kind, Skipped};
use super::{Tls, Version, turns};
use crate::dialogue::ledger::Ledger;
use crate::flow::{Activity, Mark, Peer};

impl Tls {
    /// `missing` bytes before `end` are not there to be read.
    pub(super) fn skip(
        &mut self,
        from: Peer,
        end: Mark,
        missing: u64,
        ledger: &mut Ledger,
    ) -> Activity {
        ledger.incomplete = true;
        let side = self.side(from);
        let skipped = side.records.skip(end, missing);
        let (part_of, activity) = (side.part_of, side.activity);
        side.alert_len = u8::MAX;
        if side.kind == Kind::Handshake && !side.hello.is_empty() {
            self.read_hello(from, ledger);
        }
        match skipped {
            Skipped::Within => {
                turns::extend(part_of, from, end, ledger);
                activity
            }
            Skipped::RecordEnded => {
                turns::extend(part_of, from, end, ledger);
                self.end_record(from, ledger);
                activity
            }
            Skipped::Lost {
                record_ended,
                unknown_from,
            } => {
                if record_ended {
                    turns::extend(part_of, from, unknown_from, ledger);
                    self.end_record(from, ledger);
                }
                self.unknown(from, unknown_from, end, ledger)
            }
        }
    }

    /// Bytes whose place in a record is not known: after the handshake they are taken for content.
    pub(super) fn unknown(
        &mut self,
        from: Peer,
        start: Mark,
        end: Mark,
        ledger: &mut Ledger,
    ) -> Activity {
        let asks = from == ledger.requester;
        let client_finished = self.side(ledger.requester).finished;
        let after_handshake = match self.version {
            Version::Hidden => client_finished,
            Version::Typed => self.sides.iter().all(|s| s.finished),
            // Neither hello was captured: the handshake is long over.
            Version::Unknown => !self.sides.iter().any(|s| s.hello_read),
        };
        ledger.tls().handshake_done |= after_handshake || asks && self.version == Version::Hidden;
        if after_handshake {
            self.turns.unknown(from, start, end, ledger);
        } else if asks && self.version == Version::Hidden {
            // The client's Finished was among them.
            self.side(from).finished = true;
        }
        Activity::Application
    }
}
