//! What a load balancer says first about its client: the PROXY protocol, versions 1 and 2 (HAProxy's `doc/proxy-protocol.txt`,
//! sections 2.1 and 2.2). It asks nothing and is never answered; the protocol proper begins behind it.

use super::exchange::Forwarding;
use super::ledger::Ledger;
use super::protocol::{Handover, ProtocolReader, Step, Successor};
use crate::flow::{Activity, Mark, Peer, StreamBytes};

/// How a line of version 1 begins: a client that is known, and one that is not.
const LINES: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];

/// Longest line of version 1, its end included.
const LINE: usize = 107;

/// How version 2 begins.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Whether a header begins so; `None`: more bytes are needed.
pub(super) fn begins(bytes: &[u8]) -> Option<bool> {
    let mut openings = LINES.iter().copied().chain([SIGNATURE]);
    if openings.clone().any(|opening| bytes.starts_with(opening)) {
        return Some(true);
    }
    match openings.any(|opening| opening.starts_with(bytes)) {
        true => None,
        false => Some(false),
    }
}

/// Reads a header, and hands over to the guess behind it.
#[derive(Clone, Debug)]
pub(super) struct ProxyHeader {
    from: Peer,
    /// What was seen, as long as it does not say how long the header is.
    seen: Vec<u8>,
    /// How many bytes of it are still to come.
    left: Option<u64>,
}

impl ProxyHeader {
    /// One that `from` begins.
    pub(super) fn of(from: Peer) -> Self {
        Self {
            from,
            seen: Vec::new(),
            left: None,
        }
    }

    /// What still follows `seen`, once that is known. Nothing follows what is no header.
    fn length_behind(seen: &[u8]) -> Option<u64> {
        if seen.starts_with(b"P") {
            return (seen.ends_with(b"\r\n") || seen.len() >= LINE).then_some(0);
        }
        // Version and command, families, length.
        match seen.strip_prefix(SIGNATURE) {
            Some([_, _, high, low]) => Some(u16::from_be_bytes([*high, *low]).into()),
            _ => None,
        }
    }

    /// How many of these bytes are the header's.
    fn take(&mut self, data: &StreamBytes<'_>) -> u64 {
        let mut taken = 0;
        while self.left.is_none()
            && let Some(byte) = data.bytes.get(taken)
        {
            self.seen.push(*byte);
            taken += 1;
            self.left = Self::length_behind(&self.seen);
        }
        let (taken, all) = (taken as u64, data.bytes.len() as u64 + u64::from(data.cut));
        if let Some(left) = &mut self.left {
            let more = (*left).min(all - taken);
            *left -= more;
            return taken + more;
        }
        if data.cut > 0 {
            // A line whose end was not captured: all of a short segment is it, and a long one holds more.
            self.left = Some(0);
            return if all <= LINE as u64 { all } else { taken };
        }
        taken
    }
}

impl ProtocolReader for ProxyHeader {
    fn data(&mut self, data: &StreamBytes<'_>, ledger: &mut Ledger) -> Step {
        ledger.hints().forwarding = Some(Forwarding::ProxyHeader);
        let taken = match data.from == self.from {
            true => self.take(data),
            false => {
                self.left = Some(0);
                0
            }
        };
        Step {
            activity: Activity::Housekeeping,
            handover: (self.left == Some(0)).then(|| Handover {
                to: Successor::Guess,
                consumed: u32::try_from(taken).unwrap_or(u32::MAX),
            }),
        }
    }

    fn gap(&mut self, from: Peer, _at: Mark, missing: u64, _ledger: &mut Ledger) {
        if from == self.from {
            self.left = Some(self.left.unwrap_or(0).saturating_sub(missing));
        }
    }

    fn fin(&mut self, _from: Peer, _at: Mark, _ledger: &mut Ledger) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Protocol;
    use crate::dialogue::script::Script;

    const GET: &str = "GET / HTTP/1.1\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    /// LOCAL, no addresses, and a TLV of three bytes.
    const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\x06\x04\0\x03abc";

    #[test]
    fn first_bytes_tell_a_header() {
        for (bytes, told) in [
            (&b"PROXY TCP4 10.0.0.1"[..], Some(true)),
            (b"PROXY UNKNOWN\r\n", Some(true)),
            (&LOCAL[..12], Some(true)),
            (&LOCAL[..11], None),
            (b"PROXY TCP", None),
            (b"PROXY UDP4 10.0.0.1", Some(false)),
            (b"PROXY / HTTP/1.1\r\n", Some(false)),
            (b"\r\n\r\nGET", Some(false)),
        ] {
            assert_eq!(begins(bytes), told, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_header_is_no_request() {
        let dialogue = Script::to(80).client(LOCAL).dialogue();
        assert_eq!((dialogue.requests, dialogue.recent.len()), (0, 0));
        assert_eq!(dialogue.hints.forwarding, Some(Forwarding::ProxyHeader));
    }

    #[test]
    fn what_follows_a_header_is_read_in_the_same_segment_and_the_next() {
        for pieces in [
            vec![format!("PROXY UNKNOWN\r\n{GET}")],
            vec!["PROXY UNKNOWN\r\n".to_owned(), GET.to_owned()],
        ] {
            let mut script = Script::to(80);
            for piece in pieces {
                script = script.client(piece);
            }
            let dialogue = script.server(OK).dialogue();
            assert_eq!(dialogue.protocol, Protocol::Http1);
            assert_eq!((dialogue.requests, dialogue.answered), (1, 1));
            assert_eq!(dialogue.recent[0].what.summary.as_deref(), Some("GET /"));
            assert_eq!(dialogue.recent[0].request.start.offset, 15);
        }
    }

    #[test]
    fn a_field_of_a_request_tells_more_than_the_header() {
        let dialogue = Script::to(80)
            .client("PROXY UNKNOWN\r\n")
            .client("GET / HTTP/1.1\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
            .dialogue();
        assert_eq!(dialogue.hints.forwarding, Some(Forwarding::ForwardedFor));
    }

    #[test]
    fn a_header_may_be_cut_by_the_snap_length() {
        let dialogue = Script::to(80).client_cut(&LOCAL[..16], 6).dialogue();
        assert_eq!(dialogue.requests, 0);
        let dialogue = Script::to(80).client_cut(&LOCAL[..16], 7).dialogue();
        assert_eq!(dialogue.requests, 1);
        assert_eq!(dialogue.recent[0].request.start.offset, 22);
    }

    #[test]
    fn a_line_whose_end_is_cut_is_the_whole_of_a_short_segment_only() {
        for (cut, requests) in [(80, 0), (200, 1)] {
            let dialogue = Script::to(80)
                .client_cut("PROXY TCP4 10.0.0.", cut)
                .dialogue();
            assert_eq!(dialogue.requests, requests);
        }
    }

    #[test]
    fn a_server_that_speaks_before_the_header_ends_is_heard() {
        let dialogue = Script::to(80)
            .client("PROXY TCP4 10.0.0.")
            .server("220 ready\r\n")
            .client("EHLO a\r\n")
            .server("250\r\n")
            .dialogue();
        assert_eq!(dialogue.requests, 1);
        assert!(dialogue.recent[0].response.is_some());
    }

    #[test]
    fn headers_without_end_are_not_read_for_ever() {
        let dialogue = Script::to(80)
            .client("PROXY UNKNOWN\r\n".repeat(4000))
            .dialogue();
        assert_eq!(dialogue.protocol, Protocol::Opaque);
        assert_eq!(dialogue.requests, 1);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, begin in 0usize..4, cut in 0u32..300) {
            let opening = LINES.iter().copied().chain([SIGNATURE]).nth(begin).unwrap();
            let bytes = [opening, &bytes].concat();
            Script::to(80).client_cut(&bytes, cut).client(bytes.clone()).gap(Peer::Client, 9).client(bytes).read(|n| n % 5 + 1);
        }
    }
}
