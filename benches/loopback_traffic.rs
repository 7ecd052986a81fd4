//! Makes real TCP traffic on the loopback interface for `make bench` to capture, bounded in count.
//!
//! ```text
//! loopback_traffic exchanges CONNECTIONS   kept-alive HTTP connections, of which some end in a reset
//! loopback_traffic crowd CONNECTIONS       the same, many more of them open at once and each with fewer requests
//! loopback_traffic refused CONNECTIONS     connections to ports where nothing listens
//! ```
//!
//! One thread plays both ends of a connection in turn: on loopback a written byte is there to be read when `write`
//! returns, so nothing waits and the kernel's stack is the only thing that takes time.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::process::ExitCode;

/// How busy the servers are.
#[derive(Clone, Copy)]
struct Load {
    /// Connections that are open at the same time, each with two open files.
    open_at_once: usize,
    /// Requests on each connection.
    rounds: usize,
}

/// Stays below the usual limit of 1024 open files.
const FEW: Load = Load {
    open_at_once: 400,
    rounds: 12,
};
/// Needs a limit of 16,100.
const CROWD: Load = Load {
    open_at_once: 8_000,
    rounds: 4,
};
/// Hosts on the loopback network that serve.
const SERVERS: u8 = 16;
const SERVER_PORT: u16 = 8080;
/// Connections to one refusing port, few enough for each to get a client port of its own.
const REFUSED_PER_PORT: usize = 10_000;
/// A port where nothing is expected to listen.
const CLOSED_PORT: u16 = 9;
/// Every third connection of the refused ones belongs to a scan, which asks each port once.
const SCAN_SHARE: usize = 3;
const SCAN_PORTS: usize = 30_000;
const SCAN_FIRST_PORT: usize = 1_100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let connections = arguments.get(2).and_then(|count| count.parse().ok());
    let done = match (arguments.get(1).map(String::as_str), connections) {
        (Some("exchanges"), Some(connections)) => exchanges(connections, FEW),
        (Some("crowd"), Some(connections)) => exchanges(connections, CROWD),
        (Some("refused"), Some(connections)) => refused(connections),
        _ => {
            eprintln!("usage: loopback_traffic exchanges|crowd|refused CONNECTIONS");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loopback_traffic: {error}");
            ExitCode::from(2)
        }
    }
}

/// How a connection of the first kind comes to its end.
enum Parting {
    /// The client closes, then the server.
    Orderly,
    /// The client closes with a response unread, so that its kernel resets.
    Unread,
    /// The server closes, the client writes all the same and draws a RST.
    Stale,
}

impl Parting {
    fn of(number: usize) -> Self {
        match number % 100 {
            0 => Self::Unread,
            50 => Self::Stale,
            _ => Self::Orderly,
        }
    }
}

/// Both ends of one connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    number: usize,
}

fn exchanges(connections: usize, load: Load) -> io::Result<()> {
    let listeners = (1..=SERVERS)
        .map(|host| {
            TcpListener::bind(SocketAddrV4::new(
                Ipv4Addr::new(127, 0, 1, host),
                SERVER_PORT,
            ))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut number = 0;
    while number < connections {
        let mut open = Vec::with_capacity(load.open_at_once);
        while open.len() < load.open_at_once && number < connections {
            let listener = &listeners[number % listeners.len()];
            let client = TcpStream::connect(listener.local_addr()?)?;
            let (server, _) = listener.accept()?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            open.push(Pair {
                client,
                server,
                number,
            });
            number += 1;
        }
        for round in 0..load.rounds {
            for pair in &mut open {
                pair.exchange(round)?;
            }
        }
        for pair in open {
            pair.part(load.rounds)?;
        }
    }
    Ok(())
}

impl Pair {
    fn exchange(&mut self, round: usize) -> io::Result<()> {
        self.ask(round)?;
        let body = 40 + (self.number * 31 + round * 977) % 2_400;
        let mut response =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {body}\r\n\r\n").into_bytes();
        response.resize(response.len() + body, b'x');
        self.server.write_all(&response)?;
        self.client.read_exact(&mut response)
    }

    /// The client's request, read by the server.
    fn ask(&mut self, round: usize) -> io::Result<()> {
        let mut request = format!(
            "GET /item/{}/{round} HTTP/1.1\r\nHost: bench.example\r\n\r\n",
            self.number
        )
        .into_bytes();
        self.client.write_all(&request)?;
        self.server.read_exact(&mut request)
    }

    fn part(mut self, round: usize) -> io::Result<()> {
        match Parting::of(self.number) {
            Parting::Orderly => {
                self.client.shutdown(Shutdown::Write)?;
                drop(self.server);
                drop(self.client);
            }
            Parting::Unread => {
                self.ask(round)?;
                self.server
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
                drop(self.client);
                drop(self.server);
            }
            Parting::Stale => {
                drop(self.server);
                self.client
                    .write_all(b"GET /late HTTP/1.1\r\nHost: bench.example\r\n\r\n")?;
                drop(self.client);
            }
        }
        Ok(())
    }
}

fn refused(connections: usize) -> io::Result<()> {
    let mut scanned = 0;
    let mut asked = 0;
    for number in 0..connections {
        let target = if number % SCAN_SHARE == 0 {
            scanned += 1;
            let port = SCAN_FIRST_PORT + scanned % SCAN_PORTS;
            SocketAddrV4::new(host(200, scanned / SCAN_PORTS), port as u16)
        } else {
            asked += 1;
            SocketAddrV4::new(host(2, asked / REFUSED_PER_PORT), CLOSED_PORT)
        };
        match TcpStream::connect(target) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
            Ok(_) => eprintln!("somebody listens at {target}"),
        }
    }
    Ok(())
}

/// The address number `index` of a loopback network.
fn host(network: u8, index: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, network, (index / 250) as u8, (index % 250 + 1) as u8)
}
