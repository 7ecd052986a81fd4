//! Exchanges as most of HTTP is: each message all that a call brings, and nothing in them but what is told in a few words.

use std::num::NonZeroU16;

use super::entries::What;
use super::{ExchangeId, Ledger};
use crate::capture::FrameId;
use crate::dialogue::exchange::{Answer, Completeness, Exchange, Idempotence, Message, Request};
use crate::dialogue::fingerprint::Fingerprint;
use crate::dialogue::protocol::mark_at;
use crate::dialogue::summary::{RequestSummary, ShortWords};
use crate::dialogue::turn::{Reply, Turn};
use crate::flow::{Mark, Packer, Unpacker};
use crate::time::Timestamp;

/// A request that came whole and at once, may be repeated, and says nothing but its summary, which is short; and the response, once
/// that came whole and at once, too. All else of an [`Exchange`] follows from that: a third of its memory is enough.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AtOnce {
    words: ShortWords,
    /// The request: where it begins, and how many bytes it has.
    at: Mark,
    length: u32,
    /// The response likewise; anywhere while there is none.
    reply_at: Mark,
    reply_length: u32,
    /// That of the response, once it is there.
    status: Option<NonZeroU16>,
}

impl AtOnce {
    /// Looks at where it begins, and where it ends.
    #[inline(always)]
    pub(super) fn look(&self) -> u64 {
        self.at.offset ^ self.reply_at.offset
    }

    /// A request, in place of what was there before.
    #[inline(always)]
    pub(super) fn ask(
        &mut self,
        text: (&[u8; 32], usize),
        hash: &Fingerprint,
        (at, length): (&Mark, u32),
    ) {
        self.words.become_text(text, hash);
        self.at = *at;
        self.length = length;
        self.status = None;
    }

    /// Its response, of so many bytes.
    #[inline(always)]
    pub(super) fn answer(&mut self, status: NonZeroU16, at: &Mark, length: u32) {
        self.status = Some(status);
        self.reply_at = *at;
        self.reply_length = length;
    }

    /// Its response is there.
    pub(super) const fn is_answered(&self) -> bool {
        self.status.is_some()
    }

    /// See [`Turn::answered`].
    #[inline(always)]
    pub(super) fn answered(&self) -> Option<Timestamp> {
        self.is_answered().then_some(self.reply_at.time)
    }
}

impl Ledger {
    /// Looks at where the next exchange is written down.
    #[inline(always)]
    pub(in crate::dialogue) fn look(&self) -> u64 {
        self.next ^ self.entries.look()
    }

    /// All of a request of so many bytes was seen at once, that says [no more](AtOnce) than the first few of these bytes, which have
    /// this hash.
    #[inline(always)]
    pub(in crate::dialogue) fn open_at_once(
        &mut self,
        text: (&[u8; 32], usize),
        hash: &Fingerprint,
        place: (&Mark, u32),
    ) -> Option<ExchangeId> {
        let id = ExchangeId(self.next);
        let asked = self.entries.push_at_once(id)?;
        asked.ask(text, hash, place);
        self.next = self.next.wrapping_add(1);
        Some(id)
    }

    /// All of the response to the only open request, the newest, was seen at once, so many bytes of it from there on: that is written
    /// down if the request [was seen so, too](Self::open_at_once).
    #[inline(always)]
    pub(in crate::dialogue) fn answer_newest(
        &mut self,
        status: NonZeroU16,
        (at, length): (&Mark, u32),
    ) -> Option<ExchangeId> {
        let newest = self.entries.newest_mut()?;
        let id = newest.id;
        match &mut newest.what {
            What::AtOnce(asked) if !asked.is_answered() => asked.answer(status, at, length),
            _ => return None,
        }
        self.answered = self.answered.wrapping_add(1);
        self.settled_at_once(id);
        Some(id)
    }
}

impl From<&AtOnce> for Exchange {
    fn from(at_once: &AtOnce) -> Self {
        let message = |start: Mark, length: u32| Message {
            start,
            end: mark_at(start, length as usize),
            complete: Completeness::Complete,
            expected_end: None,
        };
        let AtOnce { words, .. } = at_once;
        let reply = message(at_once.reply_at, at_once.reply_length);
        Self {
            request: message(at_once.at, at_once.length),
            what: Request {
                summary: Some(RequestSummary::from(words)),
                idempotence: Some(Idempotence::Idempotent),
                stream_id: None,
                fingerprint: words.hash().get(),
                bytes: u64::from(words.len()),
                fingerprint_whole: true,
            },
            answer: Answer::Due,
            response: at_once.is_answered().then_some(reply),
            status: at_once.status.map(NonZeroU16::get),
        }
    }
}

impl From<&AtOnce> for Turn {
    #[inline(always)]
    fn from(at_once: &AtOnce) -> Self {
        let reply = Reply {
            start: at_once.reply_at.time,
            end: at_once.reply_at.time,
            complete: Completeness::Complete,
        };
        Self {
            start: at_once.at.time,
            frame: at_once.at.frame,
            asked: true,
            request: Completeness::Complete,
            answer: Answer::Due,
            reply: at_once.is_answered().then_some(reply),
            status: at_once.status,
            idempotence: Some(Idempotence::Idempotent),
            words: Some(at_once.words.hash()),
            fingerprint: at_once.words.hash().get(),
            fingerprint_whole: true,
        }
    }
}

/// Packed is what its turn does not tell.
impl AtOnce {
    pub(super) fn pack(&self, into: &mut Packer) {
        let reply = match self.is_answered() {
            true => (self.reply_at, self.reply_length),
            false => (self.at, 0),
        };
        let (reply_at, reply_length) = reply;
        let frame = self.at.frame.as_number();
        into.numbers(&[
            self.at.offset,
            u64::from(self.length),
            reply_at.offset,
            u64::from(reply_length),
            reply_at.frame.as_number().wrapping_sub(frame),
        ]);
        self.words.pack(into);
    }

    pub(super) fn unpack(turn: &Turn, from: &mut Unpacker<'_>) -> Self {
        let [offset, length, reply_offset, reply_length, frames] = from.numbers();
        let reply_frame = turn.frame.as_number().wrapping_add(frames);
        Self {
            words: ShortWords::unpack(turn.fingerprint, from),
            at: Mark {
                time: turn.start,
                frame: turn.frame,
                offset,
            },
            length: length as u32,
            reply_at: Mark {
                time: turn.reply.map(|reply| reply.start).unwrap_or_default(),
                frame: FrameId::from_number(reply_frame),
                offset: reply_offset,
            },
            reply_length: reply_length as u32,
            status: turn.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::{Listed, Packed};

    fn mark((time, frame, offset): (i64, u32, u32)) -> Mark {
        Mark {
            time: Timestamp::from_nanos(time),
            frame: FrameId::from_number(u64::from(frame)),
            offset: u64::from(offset),
        }
    }

    proptest! {
        #[test]
        fn few_words_tell_what_many_do(
            path in "/[a-z/]{0,26}",
            asked: (i64, u32, u32),
            length in 1..600_u32,
            reply: Option<((i64, u32, u32), u32, u8)>,
        ) {
            let mut bytes = [b' '; 32];
            let text = format!("GET {path}");
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            let mut ledger = Ledger::default();
            let hash = Fingerprint::of(text.as_bytes());
            ledger.open_at_once((&bytes, text.len()), &hash, (&mark(asked), length)).unwrap();
            if let Some((at, length, status)) = reply {
                let status = NonZeroU16::new(200 + u16::from(status)).unwrap();
                ledger.answer_newest(status, (&mark(at), length)).unwrap();
            }
            let What::AtOnce(at_once) = &ledger.entries[0].what else {
                panic!("it is short");
            };
            let (exchange, turn) = (Exchange::from(at_once), Turn::from(at_once));
            prop_assert_eq!(turn, Turn::from(&exchange));
            prop_assert_eq!(turn.key(), exchange.what.fingerprint);
            prop_assert_eq!(at_once.answered(), exchange.answered());
            prop_assert_eq!(exchange.response.is_some(), reply.is_some());
            prop_assert_eq!(exchange.what.summary.as_deref(), Some(text.as_str()));
            // Both are packed and come back.
            let mut packer = Packer::default();
            at_once.pack(&mut packer);
            exchange.pack(&mut packer);
            let mut from = Unpacker::new(packer.packed(), Timestamp::default());
            prop_assert_eq!(Exchange::from(&AtOnce::unpack(&turn, &mut from)), exchange.clone());
            prop_assert_eq!(Exchange::unpack(&mut from), exchange);
        }
    }
}
