//! Zeek's `conn.log` (<https://docs.zeek.org/en/master/logs/conn.html>), in its tab-separated form: for `zeek-cut` and whatever else
//! reads it.
//!
//! What is not known of a connection is `-`, as in Zeek's own: its service, whether an end is local, bytes missed.

use std::io::{self, Write};

use super::{ConnectionRow, Report};

/// Names and types, as Zeek declares them.
const FIELDS: [(&str, &str); 17] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("resp_pkts", "count"),
    // Not Zeek's: which finding of the report is about it.
    ("whyrst", "string"),
];

/// What Zeek writes for something that it does not know.
const UNSET: &str = "-";

/// Writes the header and one row per connection, in the report's order.
pub fn write_conn_log(report: &Report, mut to: impl Write) -> io::Result<()> {
    let names = FIELDS.map(|(name, _)| name).join("\t");
    let types = FIELDS.map(|(_, kind)| kind).join("\t");
    write!(
        to,
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t{UNSET}\n#path\tconn\n\
         #fields\t{names}\n#types\t{types}\n"
    )?;
    for (index, connection) in report.connections.iter().flatten().enumerate() {
        writeln!(to, "{}", row(index, connection).join("\t"))?;
    }
    to.flush()
}

fn row(index: usize, c: &ConnectionRow) -> [String; FIELDS.len()] {
    let nanos = c.opened.as_nanos();
    let micros = nanos.rem_euclid(1_000_000_000) / 1_000;
    // Zeek knows no duration of a single packet.
    let duration = if c.client_packets + c.server_packets > 1 {
        format!("{:.6}", c.duration_s)
    } else {
        UNSET.to_owned()
    };
    [
        format!("{}.{micros:06}", nanos.div_euclid(1_000_000_000)),
        format!("C{:x}{:08x}n{index}", c.capture, c.stream),
        c.client.addr.to_string(),
        c.client.port.to_string(),
        c.server.addr.to_string(),
        c.server.port.to_string(),
        "tcp".to_owned(),
        UNSET.to_owned(),
        duration,
        c.client_bytes.to_string(),
        c.server_bytes.to_string(),
        c.conn_state.clone(),
        UNSET.to_owned(),
        c.history.clone(),
        c.client_packets.to_string(),
        c.server_packets.to_string(),
        c.finding.clone().unwrap_or_else(|| UNSET.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_log_that_zeek_s_own_tools_read() {
        let mut bytes = Vec::new();
        write_conn_log(&sample::with_connections(), &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
    }

    #[test]
    fn every_row_has_every_field() {
        let mut bytes = Vec::new();
        write_conn_log(&sample::with_connections(), &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows.len(), 8);
        assert!(
            rows.iter()
                .all(|row| row.split('\t').count() == FIELDS.len())
        );
    }
}
