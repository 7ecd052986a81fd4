//! Dialogues in few bytes: of connections that have closed.

use std::num::{NonZeroU16, NonZeroU64};

use super::exchange::{
    Answer, Completeness, Exchange, Farewell, Hints, Idempotence, Message, Protocol, Request,
    TlsFacts,
};
use super::summary::RequestSummary;
use super::turn::{Reply, Turn};
use crate::capture::FrameId;
use crate::flow::{Mark, Packed, Packer, Sheet, Unpacker, packed, packed_names};
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
type ExchangeSheet = Sheet<4, 4, 9, 0>;

fn list_mark(mark: &Mark, sheet: &mut ExchangeSheet) {
    let Mark {
        time,
        frame,
        offset,
    } = mark;
    sheet.time(*time);
    sheet.frame(*frame);
    sheet.count(*offset);
}

fn listed_mark(sheet: &mut ExchangeSheet) -> Mark {
    Mark {
        time: sheet.take_time(),
        frame: sheet.take_frame(),
        offset: sheet.take_count(),
    }
}

/// All but how whole it is.
fn list(message: &Message, sheet: &mut ExchangeSheet) {
    let Message {
        start,
        end,
        complete: _,
        expected_end,
    } = message;
    list_mark(start, sheet);
    list_mark(end, sheet);
    sheet.some_count(*expected_end);
}

fn listed(sheet: &mut ExchangeSheet, complete: Completeness) -> Message {
    Message {
        start: listed_mark(sheet),
        end: listed_mark(sheet),
        complete,
        expected_end: sheet.take_some_count(),
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
        sheet.some_count(*stream_id);
        sheet.some_count(*status);
        sheet.count(*bytes);
        sheet.flag(response.is_some());
        if let Some(response) = response {
            list(response, &mut sheet);
        }
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
        let stream_id = sheet.take_some_count().map(|id| id as u32);
        let status = sheet.take_some_count().map(|status| status as u16);
        let bytes = sheet.take_count();
        let fingerprint = u64::from_le_bytes(from.array());
        let response = sheet
            .take_flag()
            .then(|| listed(&mut sheet, Packed::unpack(from)));
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
            status,
        }
    }
}

/// What few turns have, all 0 in others: the higher halves of the three times between, and the capture.
type Rare = [u64; 4];

const RARE: u64 = 1 << 15;
const LOW: u64 = u32::MAX as u64;
/// Bytes of what all turns have: all but the higher half of how long the reply takes.
const TURN: usize = 4 * 8 + 4;

/// What is there in all of them goes at once.
impl Packed for Turn {
    #[inline]
    fn pack(&self, into: &mut Packer) {
        let Self {
            start,
            frame,
            asked,
            request,
            answer,
            reply,
            status,
            idempotence,
            words,
            fingerprint,
            fingerprint_whole,
        } = *self;
        let between =
            |from: Timestamp, to: Timestamp| to.as_nanos().wrapping_sub(from.as_nanos()) as u64;
        let since = into.since_last(start);
        let (until_reply, reply_takes) = reply.map_or((0, 0), |reply| {
            (between(start, reply.start), between(reply.start, reply.end))
        });
        let capture = u64::from(frame.capture.0);
        let rare: Rare = [since >> 32, until_reply >> 32, reply_takes >> 32, capture];
        let is_rare = rare.iter().fold(0, |all, one| all | one) != 0;
        let bits = u64::from(asked)
            | (u64::from(fingerprint_whole) << 1)
            | ((request as u64) << 2)
            | ((answer as u64) << 5)
            | (reply.map_or(0, |reply| reply.complete as u64 + 1) << 7)
            | (idempotence.map_or(0, |known| known as u64 + 1) << 10)
            | if is_rare { RARE } else { 0 };
        let status = u64::from(status.map_or(0, NonZeroU16::get));
        let head = bits | status << 16 | u64::from(frame.number.0) << 32;
        let times = since & LOW | until_reply << 32;
        let words = words.map_or(0, NonZeroU64::get);
        into.words(TURN, [head, times, words, fingerprint, reply_takes]);
        if is_rare {
            into.numbers(&rare);
        }
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let [head, times, words, fingerprint] = from.words();
        let reply_takes = u32::from_le_bytes(from.array());
        let rare: Rare = match head & RARE {
            0 => Rare::default(),
            _ => from.numbers(),
        };
        let [since, until_reply, reply_beyond, capture] = rare.map(|high| high << 32);
        let start = from.after_last(since | times & LOW);
        let after = |time: Timestamp, nanos: u64| {
            Timestamp::from_nanos(time.as_nanos().wrapping_add(nanos as i64))
        };
        let part = |shift: u32, bits: u32| (head >> shift) as usize & ((1 << bits) - 1);
        let reply = part(7, 3).checked_sub(1).map(|complete| {
            let begins = after(start, until_reply | times >> 32);
            Reply {
                start: begins,
                end: after(begins, reply_beyond | u64::from(reply_takes)),
                complete: at(&COMPLETENESS, complete),
            }
        });
        let idempotence = part(10, 2).checked_sub(1);
        Self {
            start,
            frame: FrameId::from_number(capture | head >> 32),
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
        (i64, u16, u32, [bool; 2], u64, u64),
        (usize, usize, Option<usize>),
        (Option<(i64, i64, usize)>, u16),
    );

    fn turn(fields: Fields) -> Turn {
        let (
            (start, capture, number, [asked, fingerprint_whole], words, fingerprint),
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
            fingerprint,
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
                let asked = (now, 0, later, [true; 2], 1, 2);
                turns.push(turn((asked, (0, 0, None), (Some((reply, end, 0)), 200))));
            }
            let opened = Timestamp::from_nanos(opened);
            let mut packer = Packer::default();
            packer.begin(opened);
            turns.pack(&mut packer);
            let items = Items::<Turn>::Packed(packer.packed(), opened);
            prop_assert_eq!(items.len(), turns.len());
            prop_assert!(items.iter().eq(turns.iter().copied()));
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
