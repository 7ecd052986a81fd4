//! Finds addresses, MACs, names and paths in text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Redactor;
use super::names::Names;

/// What becomes of words that begin with a slash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Paths {
    /// They are paths of requests.
    Hidden,
    /// They are our own words, or the user's.
    Kept,
}

/// The text with pseudonyms.
pub(super) fn rewritten(text: &str, redactor: &Redactor, names: &Names, paths: Paths) -> String {
    let mut out = String::with_capacity(text.len());
    let known = names.in_text(text);
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let found = known
            .get(&(text.len() - rest.len()))
            .map(|(length, pseudonym)| ((*pseudonym).to_owned(), *length))
            .or_else(|| numbers(rest, before, redactor))
            .or_else(|| path(rest, before, redactor, paths));
        let taken = match found {
            Some((pseudonym, length)) if length > 0 => {
                out.push_str(&pseudonym);
                length
            }
            _ => {
                out.push(first);
                first.len_utf8()
            }
        };
        let (done, left) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        before = done.chars().next_back();
        rest = left;
    }
    out
}

/// An address or a MAC at the start of `text`.
fn numbers(text: &str, before: Option<char>, redactor: &Redactor) -> Option<(String, usize)> {
    if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == ':') {
        return None;
    }
    let end = text
        .find(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'))
        .unwrap_or(text.len());
    let run = text.get(..end)?;
    if let Some(mac) = mac(run) {
        return Some((redactor.mac(mac), MAC_LENGTH));
    }
    let (address, length) = ipv6(run).or_else(|| ipv4(run))?;
    Some((redactor.address(address).to_string(), length))
}

const MAC_LENGTH: usize = 17;

fn mac(run: &str) -> Option<[u8; 6]> {
    let text = run.get(..MAC_LENGTH)?;
    if run
        .get(MAC_LENGTH..)
        .is_some_and(|more| more.starts_with(|c: char| c != '.'))
    {
        return None;
    }
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// The longest start of the run that is an IPv6 address.
fn ipv6(run: &str) -> Option<(IpAddr, usize)> {
    if run.matches(':').count() < 2 {
        return None;
    }
    (2..=run.len()).rev().find_map(|length| {
        let address: Ipv6Addr = run.get(..length)?.parse().ok()?;
        Some((IpAddr::V6(address), length))
    })
}

/// The longest start of the run that is an IPv4 address; `10.0.0.1.3000`, as tcpdump writes it, is one with a port behind.
fn ipv4(run: &str) -> Option<(IpAddr, usize)> {
    (7..=run.len().min(15)).rev().find_map(|length| {
        let whole = !run
            .get(length..)?
            .starts_with(|c: char| c.is_ascii_hexdigit());
        let address: Ipv4Addr = run.get(..length)?.parse().ok()?;
        whole.then_some((IpAddr::V4(address), length))
    })
}

/// A word that begins with a slash: a path that no field names.
fn path(
    text: &str,
    before: Option<char>,
    redactor: &Redactor,
    paths: Paths,
) -> Option<(String, usize)> {
    let opens = before.is_none_or(|c| c.is_whitespace() || "\"'`(=".contains(c));
    if paths == Paths::Kept || !opens || !text.starts_with('/') {
        return None;
    }
    let ends = |c: char| c.is_whitespace() || "\"'`),;".contains(c);
    let word = text.get(..text.find(ends).unwrap_or(text.len()))?;
    let word = word.trim_end_matches(['.', ':', '?', '!']);
    (word.len() > 1).then(|| (redactor.path(word), word.len()))
}
