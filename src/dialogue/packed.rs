//! Dialogues in few bytes: of connections that have closed.

use std::num::{NonZeroU16, NonZeroU64};

use super::exchange::{
    Answer, Completeness, Exchange, Farewell, Hints, Idempotence, Message, Protocol, Request,
    TlsFacts,
};
use super::summary::RequestSummary;
use super::turn::{Reply, Turn};
use crate::capture::{CaptureId, FrameId};
use crate::flow::{Listed, Mark, Packed, Packer, Sheet, Unpacker, packed, packed_names};
use crate::time::Timestamp;

impl Packed for RequestSummary {
    fn pack(&self, into: &mut Packer) {
        into.text(self);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        from.text().as_ref().into()
    }
}

packed_names!(Protocol {
    Http1,
    Http2,
    Tls,
    WebSocket,
    PostgreSql,
    MySql,
    Redis,
    Opaque,
});
packed_names!(Completeness {
    Complete,
    Incomplete,
    HeadIncomplete,
    UntilClose,
    Unknown,
});
packed_names!(Idempotence {
    Idempotent,
    NotIdempotent,
});
packed_names!(Answer {
    Due,
    NotDue,
    Refused,
});
packed!(Farewell { from, at, what });
packed!(Hints {
    server,
    via,
    keep_alive_timeout_s,
    keep_alive_max,
    user_agent,
    close_announced,
});
packed!(TlsFacts {
    sni,
    alpn,
    version,
    handshake_done,
    hello_unanswered,
    close_notify,
    fatal_alert,
});

/// What the two messages of an exchange have.
type ExchangeSheet = Sheet<2, 2, 6, 0, 7>;

/// All but how whole it is.
#[inline(always)]
fn list(message: &Message, sheet: &mut ExchangeSheet) {
    let Message {
        start,
        end,
        complete: _,
        expected_end,
    } = message;
    sheet.time(start.time);
    sheet.frame(start.frame);
    sheet.count(start.offset);
    sheet.same_time(end.time, start.time);
    sheet.same_frame(end.frame, start.frame);
    sheet.count(end.offset.wrapping_sub(start.offset));
    sheet.some_rare(*expected_end);
}

#[inline(always)]
fn listed(sheet: &mut ExchangeSheet, complete: Completeness) -> Message {
    let start = Mark {
        time: sheet.take_time(),
        frame: sheet.take_frame(),
        offset: sheet.take_count(),
    };
    Message {
        start,
        end: Mark {
            time: sheet.take_same_time(start.time),
            frame: sheet.take_same_frame(start.frame),
            offset: start.offset.wrapping_add(sheet.take_count()),
        },
        complete,
        expected_end: sheet.take_some_rare(),
    }
}

impl Packed for Exchange {
    fn pack(&self, into: &mut Packer) {
        let Self {
            request,
            what,
            answer,
            response,
            status,
        } = self;
        let Request {
            summary,
            idempotence,
            stream_id,
            fingerprint,
            bytes,
            fingerprint_whole,
        } = what;
        request.complete.pack(into);
        answer.pack(into);
        let mut sheet = ExchangeSheet::begin(into);
        list(request, &mut sheet);
        sheet.flag(summary.is_some());
        sheet.flag(idempotence.is_some());
        sheet.flag(*fingerprint_whole);
        sheet.some_rare(*stream_id);
        sheet.flag(status.is_some());
        sheet.count(status.unwrap_or_default());
        sheet.count(*bytes);
        sheet.flag(response.is_some());
        list(&response.unwrap_or(nowhere(&sheet)), &mut sheet);
        sheet.pack(into);
        into.array(fingerprint.to_le_bytes());
        if let Some(response) = response {
            response.complete.pack(into);
        }
        if let Some(summary) = summary {
            summary.pack(into);
        }
        if let Some(idempotence) = idempotence {
            idempotence.pack(into);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let complete = Packed::unpack(from);
        let answer = Packed::unpack(from);
        let mut sheet = ExchangeSheet::unpack(from);
        let request = listed(&mut sheet, complete);
        let [has_summary, has_idempotence, fingerprint_whole] =
            std::array::from_fn(|_| sheet.take_flag());
        let stream_id = sheet.take_some_rare().map(|id| id as u32);
        let (has_status, status) = (sheet.take_flag(), sheet.take_count() as u16);
        let bytes = sheet.take_count();
        let has_response = sheet.take_flag();
        let response = listed(&mut sheet, Completeness::default());
        let fingerprint = u64::from_le_bytes(from.array());
        let response = has_response.then(|| Message {
            complete: Packed::unpack(from),
            ..response
        });
        Self {
            request,
            what: Request {
                summary: has_summary.then(|| Packed::unpack(from)),
                idempotence: has_idempotence.then(|| Packed::unpack(from)),
                stream_id,
                fingerprint,
                bytes,
                fingerprint_whole,
            },
            answer,
            response,
            status: has_status.then_some(status),
        }
    }
}

/// A message that is packed as 0.
#[inline(always)]
fn nowhere(sheet: &ExchangeSheet) -> Message {
    let place = Mark {
        time: sheet.opened(),
        ..Mark::default()
    };
    Message {
        start: place,
        end: place,
        ..Message::default()
    }
}

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
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::dialogue::DialogueReader;
    use crate::dialogue::script::Script;
    use crate::flow::Peer::{Client, Server};
    use crate::flow::{Items, StreamReader};

    /// Everything that a reader knows, before and after.
    fn comes_back(script: Script) {
        let script = script.fin(Client).fin(Server);
        let mut reader = script.reader();
        assert!(!reader.is_over());
        reader.close();
        assert!(reader.is_over());
        let mut packer = Packer::default();
        reader.pack(&mut packer);
        let turns = reader.turns().into_owned();
        let unpacker = || Unpacker::new(packer.packed(), Timestamp::default());
        let listed = Items::List(Cow::Borrowed(&turns));
        let back = DialogueReader::unpack(&mut unpacker(), listed);
        let mut brief = reader.clone();
        brief.give_back();
        assert_eq!(brief.snapshot(), reader.snapshot());
        assert_eq!(format!("{back:?}"), format!("{brief:?}"));
        let mut again = Packer::default();
        brief.pack(&mut again);
        assert_eq!(again.packed(), packer.packed());
        for reader in [&reader, &brief] {
            let mut packer = Packer::default();
            reader.pack_items(&mut packer);
            let items = Items::<Turn>::Packed(packer.packed(), Timestamp::default());
            assert_eq!(items.into_list().as_ref(), turns);
        }
        assert_eq!(back.turns(), reader.turns());
        let outline = DialogueReader::unpack_outline(&mut unpacker());
        assert_eq!(outline, reader.outline());
        assert_eq!(outline.requests, reader.requests());
        assert_eq!(outline.goodbyes.len(), reader.farewells().len());
        if let Some(newest) = outline.answered {
            let turns = reader.turns();
            assert!(turns.iter().all(|turn| turn.answered().is_some()));
            let starts = turns.iter().filter_map(|turn| Some(turn.reply?.start));
            assert_eq!(starts.max(), Some(newest));
        }
        // Its memory serves another connection, which learns nothing of this one.
        reader.begin_anew(script.port());
        script.tell(&mut reader, |_| usize::MAX);
        assert_eq!(format!("{reader:?}"), format!("{:?}", script.reader()));
    }

    #[test]
    fn what_was_said_is_not_forgotten() {
        let get = "GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: undici/6\r\n\r\n";
        let long = format!(
            "POST /{} HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
            "x".repeat(90)
        );
        let ok = "HTTP/1.1 200 OK\r\nServer: nginx/1\r\nVia: 1.1 v\r\nKeep-Alive: timeout=5, max=9\r\nContent-Length: 2\r\n\r\nok";
        let late = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";
        comes_back(Script::to(80));
        comes_back(Script::to(80).client(get).server(ok));
        comes_back(
            Script::to(80)
                .client(get)
                .server(ok)
                .client(long)
                .server(ok)
                .server(late),
        );
        comes_back(Script::to(80).server(get).client(ok));
        comes_back(
            Script::to(9)
                .client("hello")
                .server("you")
                .client("and you?"),
        );
        comes_back(
            Script::to(6379)
                .client("*1\r\n$4\r\nPING\r\n")
                .server("+PONG\r\n"),
        );
        let record = |kind: u8, length: u8| {
            let mut bytes = vec![kind, 3, 3, 0, length];
            bytes.resize(5 + usize::from(length), 7);
            bytes
        };
        let tls = Script::to(443)
            .client(record(23, 80))
            .server(record(23, 90));
        comes_back(tls.server(record(21, 26)));
    }
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
