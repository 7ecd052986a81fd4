//! Dialogues in few bytes: of connections that have closed.

use super::exchange::{
    Answer, Completeness, Exchange, Farewell, FatalAlert, Forwarding, Hints, Idempotence, Message,
    Protocol, Request, TlsFacts,
};
use super::summary::RequestSummary;
use crate::flow::{Mark, Packed, Packer, Sheet, Unpacker, packed, packed_names};

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
packed_names!(Forwarding {
    Via,
    Forwarded,
    ForwardedFor,
    ForwardedProto,
    RealIp,
    ProxyHeader,
});
packed!(Farewell { from, at, what });
packed!(Hints {
    server,
    via,
    keep_alive_timeout_s,
    keep_alive_max,
    user_agent,
    forwarding,
    close_announced,
});
packed!(TlsFacts {
    sni,
    alpn,
    version,
    began,
    handshake_done,
    hello_unanswered,
    close_notify,
    fatal_alert,
    answered_in_clear,
    client_certificate,
});
packed!(FatalAlert {
    from,
    description,
    at,
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::dialogue::script::Script;
    use crate::dialogue::{DialogueReader, Turn};
    use crate::flow::Peer::{Client, Server};
    use crate::flow::{Items, StreamReader};
    use crate::time::Timestamp;

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
        let get =
            "GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: undici/6\r\nX-Real-IP: 10.0.0.1\r\n\r\n";
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
        // From the second one on, they are written down in few words.
        let plain = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let again = || {
            let once = Script::to(80).client(plain).server(short);
            once.client(plain).server(short).client(plain)
        };
        comes_back(again());
        comes_back(again().server(short));
        comes_back(again().server(late));
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
}
