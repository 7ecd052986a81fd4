//! The request line: what is shown of it, and what it says about the exchange.

use std::borrow::Cow;

use super::fields::printable;
use crate::dialogue::exchange::{Idempotence, Request};
use crate::dialogue::fingerprint::Fingerprint;
use crate::dialogue::summary::RequestSummary;

/// Paths longer than this are cut: they are for recognising, not for replaying.
pub(super) const PATH_LEN: usize = 200;

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

/// What a method means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verb {
    method: Method,
    idempotence: Idempotence,
}

impl Verb {
    /// That of most requests.
    pub(super) const GET: Self = Self {
        method: Method::Other,
        idempotence: Idempotence::Idempotent,
    };

    pub(super) fn of(method: &[u8]) -> Self {
        Self {
            method: match method {
                b"HEAD" => Method::Head,
                b"CONNECT" => Method::Connect,
                _ => Method::Other,
            },
            idempotence: idempotence(method),
        }
    }
}

/// A request's first line, where it lies.
#[derive(Clone, Debug)]
pub(super) enum RequestLine<'a> {
    /// `text` is the method, a space and the target, all visible ASCII. The method, `method` bytes, is not CONNECT; the target is a
    /// path of `path` bytes and maybe a query, and there is nothing else in it that has to stay out.
    Plain {
        text: &'a [u8],
        method: usize,
        verb: Verb,
        path: usize,
    },
    /// Any other one.
    Any {
        method: &'a str,
        target: Cow<'a, str>,
    },
}

impl RequestLine<'_> {
    pub(super) const NONE: Self = Self::Plain {
        text: &[],
        method: 0,
        verb: Verb::GET,
        path: 0,
    };

    fn verb(&self) -> Verb {
        match self {
            Self::Plain { verb, .. } => *verb,
            Self::Any { method, .. } => Verb::of(method.as_bytes()),
        }
    }

    pub(super) fn method(&self) -> Method {
        self.verb().method
    }

    /// Writes down what is shown of it, and gives the hash of method, space and target.
    #[inline(always)]
    pub(super) fn describe(&self, what: &mut Request) -> Fingerprint {
        what.idempotence = Some(self.verb().idempotence);
        match self {
            Self::Plain {
                text, method, path, ..
            } => {
                let shown = text.get(..method + 1 + path).unwrap_or(text);
                what.summary = Some(RequestSummary::ascii(shown));
                Fingerprint::of(text)
            }
            Self::Any { method, target } => describe(method, target, what),
        }
    }
}

#[inline(never)]
fn describe(method: &str, target: &str, what: &mut Request) -> Fingerprint {
    what.summary = Some(summary(method, target));
    let mut fingerprint = Fingerprint::of(method.as_bytes());
    fingerprint.update(b" ");
    fingerprint.update(target.as_bytes());
    fingerprint
}

/// RFC 9110 section 9.2.2; the methods of WebDAV that it leaves to their own specification count as not idempotent.
fn idempotence(method: &[u8]) -> Idempotence {
    match method {
        b"GET" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"TRACE" => Idempotence::Idempotent,
        _ => Idempotence::NotIdempotent,
    }
}

/// Method and path; no query and no authority.
fn summary(method: &str, target: &str) -> RequestSummary {
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
    let path = printable(path.as_bytes(), PATH_LEN);
    format!("{method} {path}").as_str().into()
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
            assert_eq!(&*summary("GET", target), shown);
        }
        assert_eq!(&*summary("CONNECT", "inside.example:443"), "CONNECT");
    }
}
