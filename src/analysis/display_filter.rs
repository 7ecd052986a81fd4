//! Wireshark's display filters (wireshark-filter(4)): what shows a finding's packets in the capture.

use std::net::IpAddr;

use crate::flow::{RefusedGroup, RefusedScope};
use crate::report::{ConnectionId, Endpoint};

/// What finds a connection in the whole capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindBy {
    /// Its stream's number.
    Stream,
    /// Its addresses and ports: a filter expression chose the packets, and streams are numbered among those.
    Ends,
}

/// Of one connection.
pub fn of_connection(by: FindBy, connection: &ConnectionId) -> String {
    let called = connection.called;
    match by {
        FindBy::Stream => {
            let answers = called.and_then(|called| called.stream);
            let streams = std::iter::once(connection.stream).chain(answers);
            let each: Vec<_> = streams
                .map(|stream| format!("tcp.stream eq {stream}"))
                .collect();
            each.join(" || ")
        }
        FindBy::Ends => {
            let called = called.map(|called| called.endpoint);
            let servers = std::iter::once(connection.server).chain(called);
            let each: Vec<_> = servers
                .map(|server| between(connection.client, server))
                .collect();
            each.join(" || ")
        }
    }
}

fn between(client: Endpoint, server: Endpoint) -> String {
    let each =
        [client, server].map(|end| format!("{} && tcp.port == {}", address(end.addr), end.port));
    each.join(" && ")
}

/// Of refusals that are told of together.
pub fn of_group(group: &RefusedGroup) -> String {
    let (client, server) = (address(group.client), address(group.server.0));
    let common = match group.scope {
        RefusedScope::Service => {
            format!("{client} && {server} && tcp.port == {} && ", group.server.1)
        }
        RefusedScope::Host => format!("{client} && {server} && "),
        RefusedScope::Client => format!("{client} && "),
        RefusedScope::Anyone => String::new(),
    };
    format!("{common}tcp.flags.reset == 1")
}

fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("ip.addr == {address}"),
        IpAddr::V6(_) => format!("ipv6.addr == {address}"),
    }
}
