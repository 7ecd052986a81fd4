//! Which protocol is it? From the first bytes; ports only decide between readings that the bytes leave open.

use super::exchange::Protocol;

/// What some bytes at the beginning of a turn suggest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// They are this.
    Protocol(Protocol),
    /// A load balancer speaks of its client first.
    ProxyHeader,
    /// More are needed.
    Undecided,
    /// No protocol known here.
    Nothing,
}

/// Longest method that is believed (`VERSION-CONTROL`, `UPDATEREDIRECTREF`).
pub(super) const METHOD_LEN: usize = 17;

/// Looks for protocols in some bytes.
type Reading = fn(&[u8]) -> Guess;

/// The first bytes of a connection, as far as seen.
pub(super) fn opening(bytes: &[u8], _port: u16) -> Guess {
    best(&[midway, postgresql, mysql, redis, proxy_header], bytes)
}

fn postgresql(bytes: &[u8]) -> Guess {
    match super::postgresql::is_startup(bytes) {
        Some(true) => Guess::Protocol(Protocol::PostgreSql),
        None if bytes.iter().take(2).all(|byte| *byte == 0) => Guess::Undecided,
        _ => Guess::Nothing,
    }
}

fn mysql(bytes: &[u8]) -> Guess {
    told(super::mysql::is_greeting(bytes), Protocol::MySql)
}

fn redis(bytes: &[u8]) -> Guess {
    told(super::redis::is_command(bytes), Protocol::Redis)
}

fn proxy_header(bytes: &[u8]) -> Guess {
    match super::proxy_header::begins(bytes) {
        Some(true) => Guess::ProxyHeader,
        Some(false) => Guess::Nothing,
        None => Guess::Undecided,
    }
}

const fn told(answer: Option<bool>, protocol: Protocol) -> Guess {
    match answer {
        Some(true) => Guess::Protocol(protocol),
        Some(false) => Guess::Nothing,
        None => Guess::Undecided,
    }
}

/// Bytes at the beginning of a turn somewhere in a connection: only evidence that chance does not make.
pub(super) fn midway(bytes: &[u8]) -> Guess {
    best(&[http1, http2, tls, redis], bytes)
}

/// The first one that knows a protocol decides.
fn best(readings: &[Reading], bytes: &[u8]) -> Guess {
    let mut best = Guess::Nothing;
    for reading in readings {
        match reading(bytes) {
            known @ (Guess::Protocol(_) | Guess::ProxyHeader) => return known,
            Guess::Undecided => best = Guess::Undecided,
            Guess::Nothing => {}
        }
    }
    best
}

fn http2(bytes: &[u8]) -> Guess {
    let preface = super::http2::PREFACE.get(..16).unwrap_or_default();
    literal(bytes, preface, Protocol::Http2)
}

/// A request line (RFC 9112 section 3) or a status line (section 4).
pub(super) fn http1(bytes: &[u8]) -> Guess {
    best(&[request_line, status_line], bytes)
}

fn status_line(bytes: &[u8]) -> Guess {
    literal(bytes, b"HTTP/1.", Protocol::Http1)
}

/// Method, space, and the beginning of a request target in one of its four forms (RFC 9112 section 3.2). Redis' inline commands,
/// SIP and RTSP differ in the target.
pub(super) fn request_line(bytes: &[u8]) -> Guess {
    let letters = bytes
        .iter()
        .take_while(|b| b.is_ascii_uppercase() || **b == b'-')
        .count();
    // HTTP/2 opens with a request line that no HTTP/1 server understands.
    if letters > METHOD_LEN || (letters == 0 && !bytes.is_empty()) || bytes.starts_with(b"PRI ") {
        return Guess::Nothing;
    }
    match (bytes.get(letters), bytes.get(letters + 1)) {
        (None, _) | (Some(b' '), None) => Guess::Undecided,
        (Some(b' '), Some(b'/' | b'*')) if letters >= 3 => Guess::Protocol(Protocol::Http1),
        (Some(b' '), Some(_)) if letters >= 3 => {
            let target = bytes.get(letters + 1..).unwrap_or_default();
            let connect = bytes.starts_with(b"CONNECT ");
            if connect
                && target
                    .first()
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'[')
            {
                return Guess::Protocol(Protocol::Http1);
            }
            literal(target, b"http", Protocol::Http1)
        }
        _ => Guess::Nothing,
    }
}

/// A record header (RFC 8446 section 5.1): content type, legacy version, a length within the limit.
pub(super) fn tls(bytes: &[u8]) -> Guess {
    let plausible = |index: usize, fits: fn(u8) -> bool| bytes.get(index).is_none_or(|b| fits(*b));
    // 16384 bytes of content and 2048 of expansion at most (RFC 5246 section 6.2.3).
    let shape = plausible(0, |b| (20..=23).contains(&b))
        && plausible(1, |b| b == 3)
        && plausible(2, |b| b <= 4)
        && plausible(3, |b| b <= 0x48);
    match (shape, bytes.get(..5)) {
        (false, _) => Guess::Nothing,
        (true, None) => Guess::Undecided,
        (true, Some(header)) => match header {
            [.., 0, 0] => Guess::Nothing,
            // The handshake's first record carries a message header: ClientHello or ServerHello.
            [22, ..] if bytes.get(5).is_some_and(|t| !matches!(t, 0..=24)) => Guess::Nothing,
            _ => Guess::Protocol(Protocol::Tls),
        },
    }
}

/// `bytes` begin with `text`, or are a beginning of it.
#[inline]
pub(super) fn literal(bytes: &[u8], text: &[u8], protocol: Protocol) -> Guess {
    if bytes.starts_with(text) {
        Guess::Protocol(protocol)
    } else if text.starts_with(bytes) {
        Guess::Undecided
    } else {
        Guess::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        use Guess::{Nothing, Undecided};
        const HTTP: Guess = Guess::Protocol(Protocol::Http1);
        const TLS: Guess = Guess::Protocol(Protocol::Tls);
        for (bytes, guess) in [
            (&b"GET / HTTP/1.1\r\n"[..], HTTP),
            (b"G", Undecided),
            (b"POST http://a/ HTTP/1.1", HTTP),
            (b"POST htt", Undecided),
            (b"CONNECT a:443 HTTP/1.1", HTTP),
            (b"OPTIONS * HTTP/1.1", HTTP),
            (b"OPTIONS rtsp://a RTSP/1.0", Nothing),
            (b"GET key\r\n", Nothing),
            (b"HTTP/1.1 200 OK", HTTP),
            (b"HT", Undecided),
            (b"EHLO x", Nothing),
            (b"\x16\x03\x01\x02\x00\x01", TLS),
            (b"\x16\x03", Undecided),
            (b"\x17\x03\x03\x00\x35", TLS),
            (b"\x17\x03\x03\xff\x35", Nothing),
            (b"\x00\x00", Nothing),
        ] {
            assert_eq!(midway(bytes), guess, "{}", bytes.escape_ascii());
        }
    }
}
