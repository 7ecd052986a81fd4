//! One row per connection, in Zeek's words (conn_state as in Zeek's `base/protocols/conn/main.zeek`).

use std::collections::BTreeMap;

use crate::dialogue::DialogueReader;
use crate::flow::{Connection, Direction, Orientation};
use crate::report::{ConnectionRow, Endpoint};

/// A row; `finding` is the id of what is reported of it.
pub fn row(
    connection: &Connection<DialogueReader>,
    findings: &BTreeMap<(u16, u32), String>,
) -> ConnectionRow {
    let (capture, stream) = connection.streams.first().copied().unwrap_or_default();
    let (client, server) = (&connection.directions.client, &connection.directions.server);
    ConnectionRow {
        stream,
        capture: capture.0,
        client: Endpoint {
            addr: connection.client.0,
            port: connection.client.1,
        },
        server: Endpoint {
            addr: connection.server.0,
            port: connection.server.1,
        },
        opened: connection.opened,
        duration_s: (connection.last - connection.opened).as_secs_f64(),
        conn_state: state(connection).to_owned(),
        history: connection.letters.as_str(),
        client_packets: client.packets + client.resets,
        server_packets: server.packets + server.resets,
        client_bytes: client.new_bytes,
        server_bytes: server.new_bytes,
        finding: findings.get(&(capture.0, stream)).cloned(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Inactive,
    Partial,
    SynSent,
    SynAckSent,
    Established,
    Closed,
    Reset,
}

fn state(connection: &Connection<DialogueReader>) -> &'static str {
    let (client, server) = (&connection.directions.client, &connection.directions.server);
    let both_closed = client.fin.is_some() && server.fin.is_some();
    let first_reset = connection
        .episodes
        .first()
        .and_then(|episode| episode.first());
    let reset_after_close = first_reset.is_some_and(|reset| {
        [client, server]
            .iter()
            .all(|direction| direction.fin.is_some_and(|fin| fin.time <= reset.time))
    });
    let end = |direction: &Direction, other: &Direction| -> End {
        if direction.resets > 0 && !reset_after_close {
            End::Reset
        } else if direction.fin.is_some() {
            End::Closed
        } else if direction.packets == 0 {
            End::Inactive
        } else if direction.iss.is_some() {
            let answered = direction.packets > u64::from(direction.syns)
                || other
                    .ack
                    .is_some_and(|ack| direction.iss.is_some_and(|iss| ack.is_after(iss)));
            match (
                answered,
                connection.orientation,
                direction.syns > 0 && other.iss.is_some(),
            ) {
                (true, _, true) => End::Established,
                (true, _, false) => End::Established,
                (false, Orientation::Syn, true) => End::SynAckSent,
                (false, ..) => End::SynSent,
            }
        } else {
            End::Partial
        }
    };
    let (mut origin, mut responder) = (end(client, server), end(server, client));
    if client.iss.is_some()
        && client.packets == u64::from(client.syns)
        && server.packets == 0
        && origin == End::Established
    {
        origin = End::SynSent;
    }
    if server.iss.is_some()
        && client.iss.is_none()
        && server.packets == u64::from(server.syns)
        && responder == End::Established
    {
        responder = End::SynAckSent;
    }
    let inactive = |end: End| matches!(end, End::Inactive | End::Partial);
    match (origin, responder) {
        (End::SynSent | End::SynAckSent, End::Reset) => "REJ",
        (End::Reset, End::Reset) if client.new_bytes == 0 && server.new_bytes == 0 => "REJ",
        (origin, End::Reset) if inactive(origin) => "RSTRH",
        (_, End::Reset) => "RSTR",
        (End::Reset, responder) if inactive(responder) => "RSTOS0",
        (End::Reset, _) => "RSTO",
        (End::Closed, End::Closed) if both_closed => "SF",
        (End::Closed, responder) if inactive(responder) => "SH",
        (End::Closed, _) => "S2",
        (origin, End::Closed) if inactive(origin) => "SHR",
        (_, End::Closed) => "S3",
        (End::SynSent, End::Inactive) => "S0",
        (End::Established, End::Established) => "S1",
        _ => "OTH",
    }
}
