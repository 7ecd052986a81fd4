//! Dialogues in few bytes: of connections that have closed.

use super::exchange::{
    Answer, Completeness, Exchange, Farewell, Hints, Idempotence, Message, Protocol, Request,
    TlsFacts,
};
use crate::flow::{packed, packed_names};

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
packed!(Message {
    start,
    end,
    complete,
    expected_end,
});
packed!(Request {
    summary,
    idempotence,
    stream_id,
    fingerprint,
    bytes,
    fingerprint_whole,
});
packed!(Exchange {
    request,
    what,
    answer,
    response,
    status,
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

#[cfg(test)]
mod tests {
    use crate::dialogue::DialogueReader;
    use crate::dialogue::script::Script;
    use crate::flow::Peer::{Client, Server};
    use crate::flow::{Packer, StreamReader, Unpacker};
    use crate::time::Timestamp;

    /// Everything that a reader knows, before and after.
    fn comes_back(script: Script) {
        let mut reader = script.fin(Client).fin(Server).reader();
        assert!(!reader.is_over());
        reader.close();
        assert!(reader.is_over());
        let (mut packer, mut turns) = (Packer::default(), Vec::new());
        reader.pack(&mut packer, &mut turns);
        let unpacker = || Unpacker::new(packer.packed(), Timestamp::default());
        let back = DialogueReader::unpack(&mut unpacker(), &turns);
        assert_eq!(format!("{back:?}"), format!("{reader:?}"));
        assert_eq!(back.turns(), reader.turns());
        let outline = DialogueReader::outline(&mut unpacker());
        assert_eq!(outline.protocol(), reader.protocol());
        assert_eq!(outline.requester(), reader.requester());
        assert_eq!(outline.requests(), reader.requests());
        assert_eq!(outline.hints(), reader.hints());
        assert_eq!(outline.farewells(), reader.farewells());
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
}
