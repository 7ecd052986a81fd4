//! Which process listens on a local port: `/proc/net/tcp` names the socket's inode, `/proc/PID/fd` its holder.
//!
//! A socket that was reset is gone from both by the time that anyone can ask; the listener that it came from is still there.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A process of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name (`comm`), printable characters only.
    pub name: String,
}

impl Process {
    /// `812/node`
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (pid, name) = text.split_once('/')?;
        Some(Self {
            pid: pid.parse().ok()?,
            name: printable(name),
        })
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.pid, self.name)
    }
}

/// Processes that are looked at; a host with more of them gets no complete answer.
const PROCESSES: usize = 20_000;

/// Listening ports and who holds them, as far as rights allow to see.
#[derive(Debug, Default)]
pub struct ListenerTable {
    /// By port: where each listens, and who.
    by_port: BTreeMap<u16, Vec<(IpAddr, Process)>>,
}

impl ListenerTable {
    /// Reads it from a procfs (`/proc`), in the network namespace of the caller.
    pub fn read(proc: &Path) -> Self {
        let mut inodes = BTreeMap::new();
        for table in ["net/tcp", "net/tcp6"] {
            if let Ok(text) = fs::read_to_string(proc.join(table)) {
                inodes.extend(text.lines().filter_map(parse_listener));
            }
        }
        let mut by_port: BTreeMap<u16, Vec<(IpAddr, Process)>> = BTreeMap::new();
        if inodes.is_empty() {
            return Self { by_port };
        }
        for pid in process_ids(proc).take(PROCESSES) {
            for inode in socket_inodes(&proc.join(pid.to_string())) {
                let Some(socket) = inodes.get(&inode) else {
                    continue;
                };
                let at_port = by_port.entry(socket.port()).or_default();
                // Workers share a listener; the lowest id is usually their parent.
                if !at_port.iter().any(|(address, _)| *address == socket.ip()) {
                    let name = name_of(proc, pid);
                    at_port.push((socket.ip(), Process { pid, name }));
                }
            }
        }
        Self { by_port }
    }

    /// Who listens there: at that address, or at every one (`::` takes IPv4, too, unless IPV6_V6ONLY is set).
    pub fn holder(&self, local: SocketAddr) -> Option<&Process> {
        let at_port = self.by_port.get(&local.port())?;
        let listens_at = |wanted: IpAddr| {
            let found = at_port.iter().find(|(address, _)| *address == wanted);
            found.map(|(_, process)| process)
        };
        listens_at(local.ip())
            .or_else(|| listens_at(Ipv4Addr::UNSPECIFIED.into()).filter(|_| local.is_ipv4()))
            .or_else(|| listens_at(Ipv6Addr::UNSPECIFIED.into()))
    }
}

fn process_ids(proc: &Path) -> impl Iterator<Item = u32> {
    let mut ids: Vec<u32> = fs::read_dir(proc)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    ids.sort_unstable();
    ids.into_iter()
}

/// Inodes of the sockets that a process holds; none where rights are missing.
fn socket_inodes(process: &Path) -> impl Iterator<Item = u64> {
    fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            inode.parse().ok()
        })
}

fn name_of(proc: &Path, pid: u32) -> String {
    let comm = fs::read(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
    printable(String::from_utf8_lossy(&comm).trim_end())
}

/// Processes choose their names; control characters must not reach a terminal or break a line.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Inode and address of a listener's line (Documentation/networking/proc_net_tcp.rst): state 0A is LISTEN.
fn parse_listener(line: &str) -> Option<(u64, SocketAddr)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if *words.get(3)? != "0A" {
        return None;
    }
    let (address, port) = words.get(1)?.rsplit_once(':')?;
    let local = SocketAddr::new(parse_address(address)?, u16::from_str_radix(port, 16).ok()?);
    Some((words.get(9)?.parse().ok()?, local))
}

/// Words of 32 bits, each written as this machine reads it from memory in network order (`get_tcp4_sock()`, `get_tcp6_sock()`).
fn parse_address(text: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let words = text.len() / 8;
    for (at, place) in bytes.chunks_exact_mut(4).enumerate().take(words) {
        let word = u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?;
        place.copy_from_slice(&word.to_ne_bytes());
    }
    match (text.len(), bytes) {
        (8, [a, b, c, d, ..]) => Some(Ipv4Addr::new(a, b, c, d).into()),
        (32, bytes) => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 40123 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0BB8 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 40999 1 0000000000000000 20 4 30 10 -1
";

    #[test]
    fn only_listeners_are_taken() {
        let found: Vec<_> = TABLE.lines().filter_map(parse_listener).collect();
        assert_eq!(found, [(40123, "127.0.0.1:3000".parse().unwrap())]);
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let of = |bytes: &[[u8; 4]]| -> String {
            let words = bytes.iter().map(|word| u32::from_ne_bytes(*word));
            words.map(|word| format!("{word:08X}")).collect()
        };
        let zero = [0; 4];
        for (words, address) in [
            (vec![[10, 0, 0, 2]], "10.0.0.2"),
            (vec![zero], "0.0.0.0"),
            (vec![zero; 4], "::"),
            (
                vec![[0x20, 1, 0xd, 0xb8], zero, zero, [0, 0, 0, 5]],
                "2001:db8::5",
            ),
            (
                vec![zero, zero, [0, 0, 0xff, 0xff], [10, 0, 0, 2]],
                "10.0.0.2",
            ),
        ] {
            let read = parse_address(&of(&words));
            assert_eq!(read, Some(address.parse().unwrap()));
        }
        for bad in ["", "0100007", "0100007G", "0100007F00", "é100007F"] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_listener_elsewhere_is_not_the_holder() {
        let process = |pid| Process {
            pid,
            name: "x".to_owned(),
        };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let table = ListenerTable {
            by_port: BTreeMap::from([
                (
                    80,
                    vec![
                        (address("127.0.0.1"), process(1)),
                        (address("::"), process(2)),
                    ],
                ),
                (81, vec![(address("127.0.0.1"), process(3))]),
                (82, vec![(address("0.0.0.0"), process(4))]),
            ]),
        };
        let holder = |local: &str| Some(table.holder(local.parse().unwrap())?.pid);
        assert_eq!(holder("127.0.0.1:80"), Some(1));
        assert_eq!(holder("10.0.0.2:80"), Some(2));
        assert_eq!(holder("[::1]:80"), Some(2));
        assert_eq!(holder("10.0.0.2:81"), None);
        assert_eq!(holder("10.0.0.2:82"), Some(4));
        assert_eq!(holder("[::1]:82"), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_holder_of_a_port_is_found_through_its_inode() {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir_all(proc.path().join("net")).unwrap();
        fs::write(proc.path().join("net/tcp"), TABLE).unwrap();
        for pid in ["90", "77"] {
            fs::create_dir_all(proc.path().join(pid).join("fd")).unwrap();
            fs::write(proc.path().join(pid).join("comm"), "no\u{1b}de\n").unwrap();
            std::os::unix::fs::symlink("socket:[40123]", proc.path().join(pid).join("fd/5"))
                .unwrap();
        }
        let table = ListenerTable::read(proc.path());
        let holder = table.holder("127.0.0.1:3000".parse().unwrap()).unwrap();
        assert_eq!((holder.pid, holder.name.as_str()), (77, "no?de"));
        assert_eq!(Process::parse(&holder.to_string()).as_ref(), Some(holder));
        let other = "127.0.0.1:3001".parse().unwrap();
        assert!(table.holder(other).is_none());
    }
}
