//! A turn in few bytes.

use std::num::{NonZeroU16, NonZeroU64};

use super::{Reply, Turn};
use crate::capture::{CaptureId, FrameId};
use crate::dialogue::exchange::{Answer, Completeness, Idempotence};
use crate::flow::{Listed, Packer, Unpacker};
use crate::time::Timestamp;

/// What few turns have, all 0 in others: the highest parts of the three times between.
type Rare = [u64; 3];

/// The lowest bits of a turn's first word say how it is packed. Nearly all are like the one before, but for when they were said: a few
/// times and frames, which [take](Times) eight bytes together, or four more.
const SOON: u64 = 0b01;
const LATER: u64 = 0b10;
const FORM: u64 = 0b11;

/// Any other one has its kind above them, ...
const KIND: u64 = ((1 << 34) - 1) ^ (FORM | MORE);
const ASKED: u64 = 1 << 2;
const WHOLE: u64 = 1 << 3;
const REQUEST_AT: u32 = 4;
const ANSWER_AT: u32 = 7;
const REPLY_AT: u32 = 9;
const IDEMPOTENCE_AT: u32 = 12;
const STATUS_AT: u32 = 18;

/// ... and what else there is: its words have a hash of their own, or there are none; some of it needs another word, and some even
/// more than that.
const OWN_WORDS: u64 = 1 << 14;
const NO_WORDS: u64 = 1 << 15;
const WIDE: u64 = 1 << 16;
const RARE: u64 = 1 << 17;
const MORE: u64 = OWN_WORDS | NO_WORDS | WIDE | RARE;

/// Frames since the last turn, and how long the reply takes: of both, the lowest bits.
const FRAMES_AT: u32 = 34;
const TAKES_AT: u32 = 49;
const FEW: u32 = 15;

/// The kind of most: a whole request that may be repeated, answered with 200 and all that belongs to it. It is told as 0.
const USUAL: u64 = ASKED | WHOLE | 1 << REPLY_AT | 1 << IDEMPOTENCE_AT | 200 << STATUS_AT;

/// When a turn was.
#[derive(Clone, Copy)]
struct Times {
    /// Since the last one.
    since: u64,
    frames: u64,
    until_reply: u64,
}

impl Times {
    /// A word for what lies near, or more for what lies farther away; if it is not even that.
    #[inline(always)]
    fn pack(self, into: &mut Packer) -> Option<()> {
        let Self {
            since,
            frames,
            until_reply,
        } = self;
        if since >> 30 | frames >> 13 | until_reply >> 20 == 0 {
            into.words(8, [SOON | frames << 1 | until_reply << 14 | since << 34]);
            return Some(());
        }
        pack_later(since, frames, until_reply, into)
    }

    /// Those that begin with that word, if it is not another turn's.
    #[inline(always)]
    fn unpack(word: u64, from: &mut Unpacker<'_>) -> Option<Self> {
        let part = |shift: u32, bits: u32| word >> shift & ((1 << bits) - 1);
        match word & FORM {
            0 => None,
            LATER => Some(Self {
                since: word >> 24,
                frames: part(2, 22),
                until_reply: u64::from(u32::from_le_bytes(from.array())),
            }),
            _ => Some(Self {
                since: word >> 34,
                frames: part(1, 13),
                until_reply: part(14, 20),
            }),
        }
    }
}

#[inline(never)]
fn pack_later(since: u64, frames: u64, until_reply: u64, into: &mut Packer) -> Option<()> {
    let fits = since >> 40 | frames >> 22 | until_reply >> 32 == 0;
    fits.then(|| into.words(12, [LATER | frames << 2 | since << 24, until_reply]))
}

/// What a turn has to be packed in full with.
pub(in crate::dialogue) struct Rest {
    kind: u64,
    times: Times,
    reply_takes: u64,
}

/// Requests are looked for by their fingerprints.
impl Listed for Turn {
    #[inline(always)]
    fn key(&self) -> u64 {
        self.fingerprint
    }

    fn pack(&self, into: &mut Packer) {
        if let Err(rest) = self.pack_as_last(into) {
            self.pack_in_full(&rest, into);
        }
    }

    #[inline(always)]
    fn unpack(fingerprint: u64, from: &mut Unpacker<'_>) -> Self {
        let head = u64::from_le_bytes(from.array());
        match Times::unpack(head, from) {
            Some(times) => {
                let kind = from.last_kind() ^ USUAL;
                Self::of(kind, times, fingerprint, from)
            }
            None => Self::unpack_in_full(head, fingerprint, from),
        }
    }
}

impl Turn {
    /// A turn of that kind.
    #[inline(always)]
    fn of(kind: u64, times: Times, fingerprint: u64, from: &mut Unpacker<'_>) -> Self {
        let part = |shift: u32, bits: u32| (kind >> shift) as usize & ((1 << bits) - 1);
        let start = from.after_last(times.since);
        let reply = part(REPLY_AT, 3).checked_sub(1).map(|complete| {
            let begins = after(start, times.until_reply);
            Reply {
                start: begins,
                end: begins,
                complete: at(&COMPLETENESS, complete),
            }
        });
        let idempotence = part(IDEMPOTENCE_AT, 2).checked_sub(1);
        Self {
            start,
            frame: FrameId {
                capture: CaptureId(0),
                number: from.frames_after_last(times.frames as u32),
            },
            asked: kind & ASKED != 0,
            request: at(&COMPLETENESS, part(REQUEST_AT, 3)),
            answer: at(&ANSWERS, part(ANSWER_AT, 2)),
            reply,
            status: NonZeroU16::new((kind >> STATUS_AT) as u16),
            idempotence: idempotence.map(|known| at(&IDEMPOTENCE, known)),
            words: NonZeroU64::new(fingerprint),
            fingerprint,
            fingerprint_whole: kind & WHOLE != 0,
        }
    }

    /// Packs it if it is like the one before.
    #[inline(always)]
    pub(in crate::dialogue) fn pack_as_last(&self, into: &mut Packer) -> Result<(), Rest> {
        let between =
            |from: Timestamp, to: Timestamp| to.as_nanos().wrapping_sub(from.as_nanos()) as u64;
        let (complete, until_reply, reply_takes) = match self.reply {
            Some(reply) => (
                reply.complete as u64 + 1,
                between(self.start, reply.start),
                between(reply.start, reply.end),
            ),
            None => (0, 0, 0),
        };
        let kind = bit(self.asked, ASKED)
            | bit(self.fingerprint_whole, WHOLE)
            | (self.request as u64) << REQUEST_AT
            | (self.answer as u64) << ANSWER_AT
            | complete << REPLY_AT
            | self.idempotence.map_or(0, |known| known as u64 + 1) << IDEMPOTENCE_AT
            | u64::from(self.status.map_or(0, NonZeroU16::get)) << STATUS_AT;
        let times = Times {
            since: into.since_last(self.start),
            frames: u64::from(into.frames_since_last(self.frame.number)),
            until_reply,
        };
        let words = self.words.map_or(0, NonZeroU64::get);
        let is_like_last = into.is_like_last(kind ^ USUAL);
        let differs = reply_takes | u64::from(self.frame.capture.0) | (words ^ self.fingerprint);
        if is_like_last && differs == 0 && times.pack(into).is_some() {
            return Ok(());
        }
        Err(Rest {
            kind,
            times,
            reply_takes,
        })
    }

    /// Packs any one.
    #[inline(never)]
    pub(in crate::dialogue) fn pack_in_full(&self, rest: &Rest, into: &mut Packer) {
        let Rest {
            kind,
            times,
            reply_takes,
        } = *rest;
        let Times {
            since,
            frames,
            until_reply,
        } = times;
        let few = |number: u64| number & ((1 << FEW) - 1);
        let capture = u64::from(self.frame.capture.0);
        let wide = frames >> FEW | capture << 17 | reply_takes >> FEW << 33;
        let rare: Rare = [since >> 32, until_reply >> 32, reply_takes >> (FEW + 31)];
        let own_words = match self.words.map(NonZeroU64::get) {
            None => NO_WORDS,
            Some(words) if words == self.fingerprint => 0,
            Some(_) => OWN_WORDS,
        };
        let more = own_words | bit(wide != 0, WIDE) | bit(rare != Rare::default(), RARE);
        let head = kind | more | few(frames) << FRAMES_AT | few(reply_takes) << TAKES_AT;
        into.words(16, [head, since & 0xffff_ffff | until_reply << 32]);
        if own_words == OWN_WORDS {
            into.words(8, [self.words.map_or(0, NonZeroU64::get)]);
        }
        if wide != 0 {
            into.words(8, [wide]);
        }
        if more & RARE != 0 {
            into.numbers(&rare);
        }
    }

    #[inline(never)]
    fn unpack_in_full(head: u64, fingerprint: u64, from: &mut Unpacker<'_>) -> Self {
        let times = u64::from_le_bytes(from.array());
        let words = match head & (OWN_WORDS | NO_WORDS) {
            0 => fingerprint,
            OWN_WORDS => u64::from_le_bytes(from.array()),
            _ => 0,
        };
        let wide = match head & WIDE {
            0 => 0,
            _ => u64::from_le_bytes(from.array()),
        };
        let [since, until_reply, reply_takes] = match head & RARE {
            0 => Rare::default(),
            _ => from.numbers(),
        };
        let few = |shift: u32| head >> shift & ((1 << FEW) - 1);
        let kind = head & KIND;
        from.next_kind(kind ^ USUAL);
        let times = Times {
            since: since << 32 | times & 0xffff_ffff,
            frames: few(FRAMES_AT) | (wide & 0x1_ffff) << FEW,
            until_reply: until_reply << 32 | times >> 32,
        };
        let reply_takes = few(TAKES_AT) | wide >> 33 << FEW | reply_takes << (FEW + 31);
        let mut turn = Self::of(kind, times, fingerprint, from);
        turn.frame.capture = CaptureId((wide >> 17) as u16);
        turn.words = NonZeroU64::new(words);
        if let Some(reply) = &mut turn.reply {
            reply.end = after(reply.start, reply_takes);
        }
        turn
    }
}

const fn bit(set: bool, bit: u64) -> u64 {
    if set { bit } else { 0 }
}

/// So many nanoseconds later, modulo 2^64.
const fn after(time: Timestamp, nanos: u64) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos().wrapping_add(nanos as i64))
}

const COMPLETENESS: [Completeness; 5] = [
    Completeness::Complete,
    Completeness::Incomplete,
    Completeness::HeadIncomplete,
    Completeness::UntilClose,
    Completeness::Unknown,
];
const ANSWERS: [Answer; 3] = [Answer::Due, Answer::NotDue, Answer::Refused];
const IDEMPOTENCE: [Idempotence; 2] = [Idempotence::Idempotent, Idempotence::NotIdempotent];

/// The name at this place of its declaration.
fn at<T: Copy, const N: usize>(names: &[T; N], place: usize) -> T {
    names.get(place).copied().unwrap_or(names[0])
}
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::Items;

    type Fields = (
        (i64, u16, u32, [bool; 3], u64, u64),
        (usize, usize, Option<usize>),
        (Option<(i64, i64, usize)>, u16),
    );

    fn turn(fields: Fields) -> Turn {
        let (
            (start, capture, number, [asked, fingerprint_whole, words_hashed], words, fingerprint),
            (request, answer, idempotence),
            (reply, status),
        ) = fields;
        Turn {
            start: Timestamp::from_nanos(start),
            frame: FrameId::from_number(u64::from(capture) << 32 | u64::from(number)),
            asked,
            request: COMPLETENESS[request % 5],
            answer: ANSWERS[answer % 3],
            reply: reply.map(|(start, end, complete)| Reply {
                start: Timestamp::from_nanos(start),
                end: Timestamp::from_nanos(end),
                complete: COMPLETENESS[complete % 5],
            }),
            status: NonZeroU16::new(status),
            idempotence: idempotence.map(|known| IDEMPOTENCE[known % 2]),
            words: NonZeroU64::new(words),
            fingerprint: if words_hashed { words } else { fingerprint },
            fingerprint_whole,
        }
    }

    proptest! {
        #[test]
        fn any_turns_come_back(opened: i64, all: Vec<Fields>, near: Vec<(u32, u16, u16)>) {
            let mut turns: Vec<Turn> = all.into_iter().map(turn).collect();
            // Those of one conversation.
            let mut now = opened;
            for (later, takes, lasts) in near {
                now = now.wrapping_add(i64::from(later));
                let reply = now.wrapping_add(i64::from(takes));
                let end = reply.wrapping_add(i64::from(lasts));
                let asked = (now, 0, later, [true; 3], 1, 2);
                turns.push(turn((asked, (0, 0, None), (Some((reply, end, 0)), 200))));
            }
            let opened = Timestamp::from_nanos(opened);
            let mut packer = Packer::default();
            packer.pack(opened, |packer| packer.list(turns.iter().copied()));
            let items = Items::<Turn>::Packed(packer.packed(), opened);
            prop_assert_eq!(items.len(), turns.len());
            prop_assert!(items.iter().eq(turns.iter().copied()));
            for turn in &turns {
                prop_assert!(items.any_key(|key| key == turn.key()));
            }
            let keys: Vec<u64> = turns.iter().map(Turn::key).collect();
            prop_assert!(!items.any_key(|key| !keys.contains(&key)));
            prop_assert_eq!(items.into_list().into_owned(), turns);
        }
    }

    #[test]
    fn names_stand_at_their_places() {
        let places = |names: &[usize]| assert!(names.iter().copied().eq(0..names.len()));
        places(&COMPLETENESS.map(|name| name as usize));
        places(&ANSWERS.map(|name| name as usize));
        places(&IDEMPOTENCE.map(|name| name as usize));
    }
}
