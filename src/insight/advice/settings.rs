//! Values and the very lines that set them.

use std::net::{IpAddr, SocketAddr};

use super::Grounds;
use super::handing_on::HandsOn;
use crate::dialogue::Protocol;
use crate::insight::silences::Words;
use crate::insight::{KnownTimeout, TimeoutRole};
use crate::report::{IdleTimeout, SettingLine};

/// A value safely below a timer: whole seconds where it has some.
pub(super) fn below(keeps: f64, spread: f64) -> f64 {
    let margin = (keeps * 0.2).clamp(0.5, 5.0).max(spread + 0.2);
    let value = (keeps - margin).max(keeps * 0.5);
    if value >= 2.0 {
        value.floor()
    } else {
        (value * 10.0).floor() / 10.0
    }
}

/// A value safely above the time for which a client keeps connections; a minute at least.
pub(super) fn longer_than(client_keeps: Option<f64>) -> f64 {
    (client_keeps.unwrap_or(60.0).max(60.0) + 5.0).ceil()
}

/// Whose pool has to change.
pub(super) struct Pool {
    /// Its address, and the server that it calls.
    pub ends: (IpAddr, SocketAddr),
    pub hands_on: Option<HandsOn>,
    /// What its timer should be at most, in seconds, where it is what has to change.
    pub value: Option<f64>,
    /// How long it was seen to keep a connection, in seconds.
    pub keeps: Option<f64>,
}

/// Lines for the products that the user named and those that name themselves; where none is a client, for the commonest ones. A
/// product that only the number speaks for is no ground for a line.
pub(super) fn idle_settings(
    pool: &Pool,
    timer: Option<&IdleTimeout>,
    grounds: &Grounds<'_>,
) -> Vec<SettingLine> {
    let mut lines = Vec::new();
    let recognised = timer
        .and_then(|timer| timer.matches.first())
        .filter(|first| !first.named_by.is_empty())
        .and_then(|first| grounds.known.table().get(&first.id));
    let server_value = longer_than(pool.keeps);
    let named = grounds
        .stack
        .iter()
        .flat_map(|word| grounds.known.table().named(word));
    let itself = match pool.hands_on {
        Some(_) => Vec::new(),
        None => grounds.clients(pool.ends),
    };
    let mut entries: Vec<&KnownTimeout> = named.chain(itself).chain(recognised).collect();
    if !entries.iter().any(|entry| entry.role.ends_as_client()) {
        entries.extend(commonest(grounds, pool));
    }
    for entry in entries {
        if entry.role.ends_as_client() {
            if let Some(value) = pool.value.filter(|_| !entry.ends_responses) {
                push(&mut lines, entry, value);
            }
        } else if entry.role.ends_as_server() {
            push(&mut lines, entry, server_value);
        }
    }
    // The client has to change: its lines come first.
    lines.sort_by_key(|line| !line.product.ends_with(CLIENT));
    lines
}

/// Pools that a client of that protocol may have: the well-known ones of HTTP, those that a database's clients have.
fn commonest<'a>(grounds: &Grounds<'a>, pool: &Pool) -> Vec<&'a KnownTimeout> {
    const MOST: usize = 4;
    let words = grounds.silences.words(pool.ends.0, pool.ends.1);
    let protocol = words.map(Words::protocol);
    let database = |protocol: &Protocol| {
        matches!(
            protocol,
            Protocol::PostgreSql | Protocol::MySql | Protocol::Redis
        )
    };
    let known = grounds.known.table();
    let Some(protocol) = protocol.filter(database) else {
        if let Some(hands_on) = &pool.hands_on {
            return hands_on.products(pool.ends, grounds);
        }
        return PROGRAMS
            .iter()
            .filter_map(|word| {
                let mut named = known.named(word).into_iter();
                named.find(|entry| entry.role.ends_as_client())
            })
            .collect();
    };
    let speaks = |entry: &&KnownTimeout| {
        entry.role == TimeoutRole::ClientPoolIdle
            && !entry.speaks.iter().any(|word| word == "any")
            && entry.speaks_protocol(protocol, None) == Some(true)
            && entry.setting_line(1.0).is_some()
    };
    known.iter().filter(speaks).take(MOST).collect()
}

/// Of programs that ask for themselves, the commonest.
const PROGRAMS: &[&str] = &["node", "go", "httpx"];

/// How a setting's product is marked where the line goes into a client, and into a server.
pub(super) const CLIENT: &str = "(client)";
const SERVER: &str = "(server)";

fn push(lines: &mut Vec<SettingLine>, entry: &KnownTimeout, value: f64) {
    let Some(text) = entry.setting_line(value) else {
        return;
    };
    if lines.len() < 8 && !lines.iter().any(|known| known.line == text) {
        let side = if entry.role.ends_as_client() {
            CLIENT
        } else {
            SERVER
        };
        lines.push(SettingLine {
            product: format!("{} {side}", entry.product),
            line: text,
        });
    }
}
