//! For tests: heads as they come, tidy and untidy.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "DELETE", "REPORT", "VERSION-CONTROL"];

const TARGETS: &[&str] = &[
    "/",
    "/a/b?c=d#e",
    "/a#b?c",
    "/v1/orders:cancel?x",
    "/to://host/c",
    "http://user@host/a?b",
    "http://host",
    "*",
    "/\u{fc}ber",
];

const REQUEST_FIELDS: &[&str] = &[
    "Host: a.example",
    "user-agent: curl/8.5 (x)",
    "User-Agent: undici",
    "Content-Type: text/plain",
    "CONTENT-TYPE:  a/b ",
    "Connection: keep-alive, close",
    "Expect: 100-continue",
    "X-Tab:\tvalue\t",
    "X-Empty:",
    "X-High: \u{fc}",
    "Accept: */*",
];

const RESPONSE_FIELDS: &[&str] = &[
    "Server: nginx/1.22",
    "server: \u{fc}x",
    "Via: 1.1 cache",
    "Keep-Alive: timeout=5, max=100",
    "Connection: close",
    "Upgrade: h2c",
    "X-Space : value",
    "X-Folded: one\r\n two",
    "X-Empty:  ",
    "Date: Thu, 01 Jan 1970 00:00:00 GMT",
];

/// Framing of a message, and its body.
const BODIES: &[(&str, &str)] = &[
    ("", ""),
    ("Content-Length: 0", ""),
    ("content-length:4", "body"),
    ("Content-Length: 12", "a long body."),
    ("Content-Length: 4 \r\nContent-Length: 4", "body"),
    ("Transfer-Encoding: gzip, chunked", "4\r\nbody\r\n0\r\n\r\n"),
];

/// A whole request.
pub(super) fn request() -> impl Strategy<Value = Vec<u8>> {
    let long = "/long".repeat(60);
    let targets = TARGETS.iter().map(|target| (*target).to_owned());
    let target = select(targets.chain([long]).collect::<Vec<_>>());
    let line = (select(METHODS), target, 0..=1u8)
        .prop_map(|(method, target, minor)| format!("{method} {target} HTTP/1.{minor}"));
    message(line, REQUEST_FIELDS)
}

/// A whole response.
pub(super) fn response() -> impl Strategy<Value = Vec<u8>> {
    let statuses = &[
        "200 OK",
        "204",
        "304 ",
        "404 Not Found",
        "500 \u{fc}",
        "100 Continue",
    ];
    let line =
        (select(statuses), 0..=1u8).prop_map(|(status, minor)| format!("HTTP/1.{minor} {status}"));
    message(line, RESPONSE_FIELDS)
}

fn message(
    line: impl Strategy<Value = String>,
    fields: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let fields = subsequence(fields, 0..=4);
    let ends = prop_oneof![4 => Just("\r\n"), 1 => Just("\n")];
    (line, fields, select(BODIES), ends).prop_map(|(line, fields, (framing, body), end)| {
        let fields = fields.into_iter().chain([framing]);
        let lines = [line.as_str()].into_iter().chain(fields);
        let lines = lines.filter(|line| !line.is_empty());
        let mut head: String = lines.flat_map(|line| [line, end]).collect();
        head.push_str(end);
        head.push_str(body);
        head.into_bytes()
    })
}

/// The same with one byte changed.
pub(super) fn damaged(message: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (message, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut message, at, byte)| {
        let at = at.index(message.len().max(1));
        if let Some(place) = message.get_mut(at) {
            *place = byte;
        }
        message
    })
}
