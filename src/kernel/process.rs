//! Which process listens on a local port: `/proc/net/tcp` names the socket's inode, `/proc/PID/fd` its holder.
//!
//! A socket that was reset is gone from both by the time that anyone can ask; the listener that it came from is still there.

use std::collections::BTreeMap;
use std::fs;
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
    by_port: BTreeMap<u16, Process>,
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
        let mut by_port = BTreeMap::new();
        if inodes.is_empty() {
            return Self { by_port };
        }
        for pid in process_ids(proc).take(PROCESSES) {
            for inode in socket_inodes(&proc.join(pid.to_string())) {
                if let Some(&port) = inodes.get(&inode) {
                    // Workers share a listener; the lowest id is usually their parent.
                    by_port.entry(port).or_insert_with(|| Process {
                        pid,
                        name: name_of(proc, pid),
                    });
                }
            }
        }
        Self { by_port }
    }

    /// Who listens there.
    pub fn holder(&self, port: u16) -> Option<&Process> {
        self.by_port.get(&port)
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

/// Inode and port of a listener's line (Documentation/networking/proc_net_tcp.rst): state 0A is LISTEN.
fn parse_listener(line: &str) -> Option<(u64, u16)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if *words.get(3)? != "0A" {
        return None;
    }
    let (_, port) = words.get(1)?.rsplit_once(':')?;
    Some((
        words.get(9)?.parse().ok()?,
        u16::from_str_radix(port, 16).ok()?,
    ))
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
        assert_eq!(found, [(40123, 3000)]);
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
        let holder = table.holder(3000).unwrap();
        assert_eq!((holder.pid, holder.name.as_str()), (77, "no?de"));
        assert_eq!(Process::parse(&holder.to_string()).as_ref(), Some(holder));
        assert!(table.holder(3001).is_none());
    }
}
