//! Rows per connection, in Zeek's words (conn_state as in Zeek's `base/protocols/conn/main.zeek`).

use std::collections::BTreeMap;

use crate::analysis::judges::Tracked;
use crate::flow::{EndState, Sitting};
use crate::report::{ConnectionRow, Endpoint, Finding};

/// Rows that share a connection with findings name them.
pub struct Rows<'a> {
    by_stream: BTreeMap<(u16, u32), Vec<&'a Finding>>,
}

impl<'a> Rows<'a> {
    /// `findings` in the order of their ids.
    pub fn new(findings: &'a [Finding]) -> Self {
        let mut by_stream: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
        for finding in findings {
            for stream in finding.streams() {
                let capture = stream.capture.unwrap_or(finding.capture);
                let here: &mut Vec<_> = by_stream.entry((capture, stream.number)).or_default();
                here.push(finding);
            }
        }
        Self { by_stream }
    }

    /// One row, or several where Zeek would have forgotten the connection in between.
    pub fn of(&self, connection: &Tracked) -> Vec<ConnectionRow> {
        let (capture, stream) = connection.streams.first();
        let findings = self
            .by_stream
            .get(&(capture.0, stream))
            .map_or(&[][..], Vec::as_slice);
        let sittings = connection.sittings.as_deref();
        let mut sittings = sittings.iter().flat_map(|kept| kept.iter()).peekable();
        let mut rows = Vec::with_capacity(1);
        let mut told = 0;
        while let Some(sitting) = sittings.next() {
            let until = sittings.peek().map(|next| next.opened);
            let here = findings
                .iter()
                .skip(told)
                .take_while(|finding| until.is_none_or(|until| finding.at < until));
            let count = here.clone().count();
            let finding = findings
                .get(told)
                .filter(|_| count > 0)
                .map(|finding| finding.id.clone());
            told += count;
            // A segment that could not be followed is no packet of a connection.
            if sitting.packets.client + sitting.packets.server > 0 {
                rows.push(row(connection, sitting, finding));
            }
        }
        rows
    }
}

fn row(connection: &Tracked, sitting: &Sitting, finding: Option<String>) -> ConnectionRow {
    let (capture, stream) = connection.streams.first();
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
        opened: sitting.opened,
        duration_s: (sitting.last - sitting.opened).as_secs_f64(),
        conn_state: state(sitting).to_owned(),
        history: sitting.letters.as_str(),
        client_packets: sitting.packets.client,
        server_packets: sitting.packets.server,
        client_bytes: sitting.bytes.client,
        server_bytes: sitting.bytes.server,
        finding,
    }
}

fn state(sitting: &Sitting) -> &'static str {
    use EndState::{Closed, Established, Inactive, Reset, SynAckSent, SynSent};
    let silent = sitting.bytes.client == 0 && sitting.bytes.server == 0;
    match (sitting.ends.client, sitting.ends.server) {
        (SynSent | SynAckSent, Reset) => "REJ",
        (Reset, Reset) if silent => "REJ",
        (client, Reset) if client.never_opened() => "RSTRH",
        (_, Reset) => "RSTR",
        (Reset, server) if server.never_opened() => "RSTOS0",
        (Reset, _) => "RSTO",
        (Closed, Closed) => "SF",
        (Closed, server) if server.never_opened() => "SH",
        (Closed, _) => "S2",
        (client, Closed) if client.never_opened() => "SHR",
        (_, Closed) => "S3",
        (SynSent, Inactive) => "S0",
        (Established, Established) => "S1",
        _ => "OTH",
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Ladder;

    fn rows(ladder: &Ladder) -> Vec<(String, Option<String>)> {
        let rows = ladder.trace().report().connections.unwrap();
        rows.into_iter()
            .map(|row| (row.conn_state, row.finding))
            .collect()
    }

    fn states(ladder: &Ladder) -> Vec<String> {
        rows(ladder).into_iter().map(|(state, _)| state).collect()
    }

    #[test]
    fn a_reset_after_both_fins_changes_nothing() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .client(100, "F.")
            .client(110, "R")
            .server(111, "F.")
            .client(112, "R");
        assert_eq!(states(&ladder), ["SF"]);
    }

    #[test]
    fn a_reset_of_an_open_side_counts() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .server(100, "F.")
            .client(110, "R.");
        assert_eq!(states(&ladder), ["RSTO"]);
    }

    #[test]
    fn attempts_refused_one_by_one_are_rows_of_their_own() {
        let ladder = Ladder::to(110)
            .client(0, "S")
            .server(50, "R.")
            .client(550, "S")
            .seq(0)
            .server(600, "R.");
        assert_eq!(ladder.trace().report().summary.connections, 1);
        assert_eq!(states(&ladder), ["REJ", "REJ"]);
    }

    #[test]
    fn what_comes_long_after_a_reset_is_a_new_row_and_names_what_was_found_in_it() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .client(100, "P.")
            .payload("GET / HTTP/1.1\r\n\r\n")
            .client(200, "R.")
            .server(18_000, "R.");
        let rows = rows(&ladder);
        let states: Vec<&str> = rows.iter().map(|(state, _)| state.as_str()).collect();
        assert_eq!(states, ["RSTO", "RSTRH"]);
        assert!(rows[0].1.is_some());
    }

    #[test]
    fn a_connection_seen_from_its_close_on_is_forgotten_soon() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .captured_from_here()
            .server(1_000, "F.")
            .client(1_001, ".")
            .client(11_000, "F.")
            .server(11_080, ".");
        assert_eq!(states(&ladder), ["SHR", "SH"]);
    }

    #[test]
    fn five_minutes_of_silence_make_a_new_row() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .client(100, "P.")
            .payload("hello")
            .client(299_000, "P.")
            .payload("hello")
            .client(700_000, "P.")
            .payload("hello");
        assert_eq!(states(&ladder), ["S1", "OTH"]);
    }

    fn histories(ladder: &Ladder) -> Vec<String> {
        let rows = ladder.trace().report().connections.unwrap();
        rows.into_iter().map(|row| row.history).collect()
    }

    #[test]
    fn an_acknowledgement_that_carries_data_is_data_alone() {
        let ladder = Ladder::to(110)
            .handshake(0)
            .server(50, "P.")
            .payload("+OK\r\n")
            .client(60, "P.")
            .payload("QUIT\r\n")
            .server(100, ".")
            .server(110, "PF.")
            .payload("+OK bye\r\n")
            .client(111, "F.");
        assert_eq!(histories(&ladder), ["ShAdDafF"]);
    }

    #[test]
    fn who_speaks_first_from_the_server_s_port_is_the_server() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .captured_from_here()
            .server(1_000, "F.")
            .client(1_001, ".");
        assert_eq!(histories(&ladder), ["^fA"]);
    }

    #[test]
    fn retransmissions_and_closed_windows_are_told_the_first_and_the_tenth_time() {
        let mut ladder = Ladder::to(80)
            .handshake(0)
            .client(500, "P.")
            .payload("GET / HTTP/1.1\r\n\r\n");
        for again in 1..=10 {
            ladder = ladder.again(500 + 200 * again);
        }
        let ladder = ladder.server(2_700, ".").window(0);
        assert_eq!(histories(&ladder), ["ShADTTaw"]);
    }

    #[test]
    fn what_comes_after_both_sides_closed_does_not_count_towards_the_duration() {
        let ladder = Ladder::to(80)
            .handshake(0)
            .client(100, "F.")
            .server(150, "F.")
            .client(400, ".");
        let rows = ladder.trace().report().connections.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].duration_s < 0.2, "{}", rows[0].duration_s);
    }
}
