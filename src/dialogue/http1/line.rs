//! The request line: what is shown of it, and what it says about the exchange.

use compact_str::CompactString;

use super::fields::printable;
use crate::dialogue::exchange::Idempotence;
use crate::dialogue::fingerprint::Fingerprint;

/// Paths longer than this are cut: they are for recognising, not for replaying.
const PATH_LEN: usize = 200;

/// Request methods that change how a response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// Its response has no body.
    Head,
    /// A success makes a tunnel.
    Connect,
    /// Any other.
    #[default]
    Other,
}

/// A request's first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) idempotence: Idempotence,
    pub(super) summary: CompactString,
    /// Of method, space and target, and then of what the head says of the content.
    pub(super) fingerprint: Fingerprint,
}

impl RequestLine {
    pub(super) fn new(method: &str, target: &str) -> Self {
        let mut fingerprint = Fingerprint::default();
        fingerprint.update(method.as_bytes());
        fingerprint.update(b" ");
        fingerprint.update(target.as_bytes());
        Self::of(method.as_bytes(), summary(method, target), fingerprint)
    }

    /// The same where it lies: `line` is method (not CONNECT), space and target, all visible ASCII, and the target is a path of `path`
    /// bytes and maybe a query. `None` where the summary needs more than cutting the query off.
    pub(super) fn plain(line: &[u8], method: &[u8], path: usize) -> Option<Self> {
        let shown = line.get(..method.len() + 1 + path)?;
        if path > PATH_LEN {
            return None;
        }
        let summary = short(shown)?;
        let mut fingerprint = Fingerprint::default();
        fingerprint.update(line);
        Some(Self::of(method, summary, fingerprint))
    }

    fn of(method: &[u8], summary: CompactString, fingerprint: Fingerprint) -> Self {
        Self {
            method: match method {
                b"HEAD" => Method::Head,
                b"CONNECT" => Method::Connect,
                _ => Method::Other,
            },
            idempotence: idempotence(method),
            summary,
            fingerprint,
        }
    }
}

/// RFC 9110 section 9.2.2; the methods of WebDAV that it leaves to their own specification count as not idempotent.
fn idempotence(method: &[u8]) -> Idempotence {
    match method {
        b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"TRACE" => Idempotence::Idempotent,
        _ => Idempotence::NotIdempotent,
    }
}

/// Text that mostly is short: validation runs fast over whole words, slowly over what begins or ends between them.
fn short(text: &[u8]) -> Option<CompactString> {
    let mut words = [0; 32];
    let Some(room) = words.get_mut(..text.len()) else {
        return CompactString::from_utf8(text).ok();
    };
    room.copy_from_slice(text);
    let padded = std::str::from_utf8(&words).ok()?;
    padded.get(..text.len()).map(CompactString::from)
}

/// Method and path; no query and no authority.
fn summary(method: &str, target: &str) -> CompactString {
    if method == "CONNECT" {
        return method.into();
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/"),
        None => path,
    };
    let mut summary = CompactString::from(method);
    summary.push(' ');
    summary.push_str(&printable(path.as_bytes(), PATH_LEN));
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_authority_stay_out() {
        for (target, shown) in [
            ("/a?token=1", "GET /a"),
            ("/a#x", "GET /a"),
            ("http://user:secret@host/a?b", "GET /a"),
            ("http://host", "GET /"),
            ("/\u{1}", "GET /\u{fffd}"),
        ] {
            assert_eq!(summary("GET", target), shown);
        }
        assert_eq!(summary("CONNECT", "inside.example:443"), "CONNECT");
    }
}
