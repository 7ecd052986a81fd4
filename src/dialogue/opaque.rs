//! Any protocol: what can be told from who spoke last.

use super::exchange::{Completeness, Message};
use super::fingerprint::Fingerprint;
use super::guess::{self, Guess};
use super::ledger::{ExchangeId, Ledger};
use super::protocol::{Handover, ProtocolReader, Step, Successor, mark_at};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// Turns after which a connection that showed no known protocol is no longer looked at for one.
const TURNS_LOOKED_AT: u8 = 8;

/// How much of a request is hashed.
const HASHED: u64 = 4096;

/// A request is what the requester says after the other side spoke (or at the beginning); a response is what comes back. What the
/// other side says first is a banner and no response.
#[derive(Clone, Debug, Default)]
pub(super) struct Opaque {
    speaker: Option<Peer>,
    turns: u8,
    exchange: Option<ExchangeId>,
    fingerprint: Fingerprint,
}

impl Opaque {
    /// One that looks for no other protocol any more.
    pub(super) fn tired() -> Self {
        Self {
            turns: TURNS_LOOKED_AT,
            ..Self::default()
        }
    }

    /// A known protocol may begin at any turn: a capture that began late, STARTTLS.
    fn recognise(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Option<Step> {
        if self.speaker == Some(data.from) || self.turns >= TURNS_LOOKED_AT {
            return None;
        }
        self.turns += 1;
        match guess::midway(data.bytes) {
            Guess::Protocol(protocol) => {
                // The next reader knows an answer whose question was not captured when it sees one.
                if let Some(asked) = self.exchange.filter(|_| data.from != ledger.requester) {
                    ledger.withdraw_unanswered(asked);
                }
                Some(Step {
                    activity: Activity::Housekeeping,
                    handover: Some(Handover {
                        to: Successor::Protocol(protocol),
                        consumed: 0,
                    }),
                })
            }
            Guess::ProxyHeader | Guess::Undecided | Guess::Nothing => None,
        }
    }

    fn request(&mut self, at: Mark, end: Mark, data: &StreamBytes<'_>, ledger: &mut Ledger) {
        let answered_before = self.speaker == Some(data.from.other());
        let id = match self.exchange {
            Some(id) if !answered_before => id,
            previous => {
                if let Some(previous) = previous {
                    ledger.settle(previous);
                }
                self.fingerprint = Fingerprint::default();
                let id = ledger.begin(at);
                self.exchange = Some(id);
                id
            }
        };
        let room = HASHED.saturating_sub(self.fingerprint.bytes());
        let hashed = data
            .bytes
            .get(..usize::try_from(room).unwrap_or(usize::MAX))
            .unwrap_or(data.bytes);
        self.fingerprint.update(hashed);
        if let Some(exchange) = ledger.exchange(id) {
            exchange.request.end = end;
            exchange.request.complete = Completeness::Unknown;
            exchange.what.fingerprint = self.fingerprint.value();
            exchange.what.bytes = self.fingerprint.bytes();
            exchange.what.fingerprint_whole = self.fingerprint.bytes()
                == end.offset.saturating_sub(exchange.request.start.offset);
        }
    }

    fn response(&mut self, at: Mark, end: Mark, ledger: &mut Ledger) {
        let Some(exchange) = self.exchange.and_then(|id| ledger.exchange(id)) else {
            return;
        };
        exchange
            .response
            .get_or_insert(Message {
                start: at,
                ..Message::default()
            })
            .end = end;
    }

    fn bytes(&mut self, at: Mark, end: Mark, data: &StreamBytes<'_>, ledger: &mut Ledger) {
        if data.from == ledger.requester {
            self.request(at, end, data, ledger);
        } else {
            self.response(at, end, ledger);
        }
        self.speaker = Some(data.from);
    }
}

impl ProtocolReader for Opaque {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        if let Some(step) = self.recognise(data, ledger) {
            return step;
        }
        ledger.incomplete |= data.cut > 0;
        let end = mark_at(data.at, data.bytes.len().saturating_add(data.cut as usize));
        self.bytes(data.at, end, data, ledger);
        Activity::Application.into()
    }

    fn gap(&mut self, from: Peer, at: Mark, missing: u64, ledger: &mut Ledger) {
        ledger.incomplete = true;
        // Where the missing bytes stood, they were said: they take their turn.
        if missing > 0 {
            let start = Mark {
                offset: at.offset.saturating_sub(missing),
                ..at
            };
            let nothing = StreamBytes {
                from,
                at: start,
                bytes: &[],
                cut: 0,
            };
            self.bytes(start, at, &nothing, ledger);
        }
    }

    fn fin(&mut self, _from: Peer, _at: Mark, _ledger: &mut Ledger) {}
}

#[cfg(test)]
mod tests {
    use crate::dialogue::script::Script;
    use crate::dialogue::{Completeness, Protocol};
    use crate::flow::Peer::{Client, Server};

    #[test]
    fn turns_make_exchanges_and_a_banner_is_none() {
        let dialogue = Script::to(2525)
            .server("220 hello\r\n")
            .client("EHLO x\r\n")
            .server("250-a\r\n")
            .server("250 b\r\n")
            .client("MAIL FROM:<a@b>\r\n")
            .dialogue();
        assert_eq!(dialogue.protocol, Protocol::Opaque);
        assert_eq!((dialogue.requests, dialogue.answered), (2, 1));
        let [hello, mail] = dialogue.recent.as_slice() else {
            panic!("{dialogue:?}");
        };
        assert_eq!(hello.response.unwrap().start.frame.number.0, 3);
        assert_eq!(hello.response.unwrap().end.frame.number.0, 4);
        assert_eq!(hello.request.complete, Completeness::Unknown);
        assert!(mail.response.is_none());
        assert_eq!(mail.request.start.offset, 8);
        assert_eq!(mail.request.end.offset, 25);
    }

    #[test]
    fn the_same_bytes_have_the_same_fingerprint_however_they_were_cut() {
        let whole = Script::to(9).client("some binary request").dialogue();
        let cut = Script::to(9)
            .client("some bin")
            .client("ary request")
            .dialogue();
        assert_eq!(
            whole.recent[0].what.fingerprint,
            cut.recent[0].what.fingerprint
        );
        assert!(whole.recent[0].what.fingerprint_whole);
    }

    #[test]
    fn cut_and_missing_bytes_count_as_said() {
        let dialogue = Script::to(9)
            .client_cut("abc", 500)
            .gap(Server, 300)
            .server("x")
            .dialogue();
        assert!(dialogue.incomplete);
        let exchange = &dialogue.recent[0];
        assert_eq!(exchange.request.end.offset, 503);
        assert!(!exchange.what.fingerprint_whole);
        assert_eq!(exchange.response.unwrap().start.offset, 0);
        assert_eq!(exchange.response.unwrap().end.offset, 301);
    }

    #[test]
    fn one_direction_alone_is_one_long_request_or_nothing() {
        let client = Script::to(9).client("a").client("b").fin(Client).dialogue();
        assert_eq!(client.requests, 1);
        let server = Script::to(9).server("a").server("b").dialogue();
        assert_eq!(server.requests, 0);
    }
}
