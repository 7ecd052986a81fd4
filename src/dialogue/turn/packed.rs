//! A turn in few bytes.

use std::num::{NonZeroU16, NonZeroU64};

use super::{Reply, Turn};
use crate::capture::{CaptureId, FrameId};
use crate::dialogue::exchange::{Answer, Completeness, Idempotence};
use crate::flow::{Listed, Packer, Unpacker};
use crate::time::Timestamp;

/// What few turns have, all 0 in others: the highest parts of the three times between.
type Rare = [u64; 3];

/// Bits of a turn's head: its words have a hash of their own, or there are none; some of it needs another word, and some even more
/// than that.
const OWN_WORDS: u64 = 1 << 12;
const NO_WORDS: u64 = 1 << 13;
const WIDE: u64 = 1 << 14;
const RARE: u64 = 1 << 15;

/// What is there in all of them goes at once. Requests are looked for by their fingerprints.
impl Listed for Turn {
    #[inline(always)]
    fn key(&self) -> u64 {
        self.fingerprint
    }

    #[inline(always)]
    fn pack(&self, into: &mut Packer) {
        let between =
            |from: Timestamp, to: Timestamp| to.as_nanos().wrapping_sub(from.as_nanos()) as u64;
        let bits = u64::from(self.asked)
            | (u64::from(self.fingerprint_whole) << 1)
            | ((self.request as u64) << 2)
            | ((self.answer as u64) << 5)
            | (self.idempotence.map_or(0, |known| known as u64 + 1) << 10)
            | u64::from(self.status.map_or(0, NonZeroU16::get)) << 16;
        let (complete, until_reply, reply_takes) = match self.reply {
            Some(reply) => (
                (reply.complete as u64 + 1) << 7,
                between(self.start, reply.start),
                between(reply.start, reply.end),
            ),
            None => (0, 0, 0),
        };
        let since = into.since_last(self.start);
        let frames = u64::from(into.frames_since_last(self.frame.number));
        let head = bits | complete | frames << 32 & 0xffff << 32 | reply_takes << 48;
        let times = since & 0xffff_ffff | until_reply << 32;
        let capture = u64::from(self.frame.capture.0);
        let beyond = (since | until_reply) >> 32 | (frames | reply_takes) >> 16 | capture;
        let words = self.words.map_or(0, NonZeroU64::get);
        if beyond != 0 || words != self.fingerprint {
            let wide = frames >> 16 | capture << 16 | reply_takes >> 16 << 32;
            let rare = [since >> 32, until_reply >> 32, reply_takes >> 48];
            return pack_more([head, times], (words, self.fingerprint), wide, rare, into);
        }
        into.words(16, [head, times]);
    }

    #[inline(always)]
    fn unpack(fingerprint: u64, from: &mut Unpacker<'_>) -> Self {
        let [head, times] = from.words();
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
        let start = from.after_last(since << 32 | times & 0xffff_ffff);
        let after = |time: Timestamp, nanos: u64| {
            Timestamp::from_nanos(time.as_nanos().wrapping_add(nanos as i64))
        };
        let part = |shift: u32, bits: u32| (head >> shift) as usize & ((1 << bits) - 1);
        let reply = part(7, 3).checked_sub(1).map(|complete| {
            let begins = after(start, until_reply << 32 | times >> 32);
            let takes = reply_takes << 48 | wide >> 32 << 16 | head >> 48;
            Reply {
                start: begins,
                end: after(begins, takes),
                complete: at(&COMPLETENESS, complete),
            }
        });
        let idempotence = part(10, 2).checked_sub(1);
        let frames = u32::from((head >> 32) as u16) | u32::from(wide as u16) << 16;
        Self {
            start,
            frame: FrameId {
                capture: CaptureId((wide >> 16) as u16),
                number: from.frames_after_last(frames),
            },
            asked: head & 1 != 0,
            request: at(&COMPLETENESS, part(2, 3)),
            answer: at(&ANSWERS, part(5, 2)),
            reply,
            status: NonZeroU16::new((head >> 16) as u16),
            idempotence: idempotence.map(|known| at(&IDEMPOTENCE, known)),
            words: NonZeroU64::new(words),
            fingerprint,
            fingerprint_whole: head & 2 != 0,
        }
    }
}

/// A turn of which two words are not enough.
#[inline(never)]
fn pack_more(
    [head, times]: [u64; 2],
    (words, fingerprint): (u64, u64),
    wide: u64,
    rare: Rare,
    into: &mut Packer,
) {
    let is_rare = rare != Rare::default();
    let what_words = match words {
        0 => NO_WORDS,
        _ if words == fingerprint => 0,
        _ => OWN_WORDS,
    };
    let bit = |set: bool, bit: u64| if set { bit } else { 0 };
    let more = what_words | bit(wide != 0, WIDE) | bit(is_rare, RARE);
    into.words(16, [head | more, times]);
    if what_words == OWN_WORDS {
        into.words(8, [words]);
    }
    if wide != 0 {
        into.words(8, [wide]);
    }
    if is_rare {
        into.numbers(&rare);
    }
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
