//! Metrics in Prometheus' text format (version 0.0.4), served or written to a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use whyrst::analysis::Event;
use whyrst::report::{Cost, Finding, IdleTimeout};

use super::arguments::LiveArgs;
use super::source::{Drops, Seen};

/// Server endpoints that have a label of their own; the others are `other`. First come, first named: labels never change.
const SERVERS: usize = 100;
/// Idle timeouts shown.
const TIMEOUTS: usize = 100;
/// A request for metrics has a line and some headers.
const LONGEST_REQUEST: u64 = 16 << 10;
/// Whoever asks and does not talk, or does not listen, is left.
const PATIENCE: Duration = Duration::from_secs(2);

/// Labels of a count of findings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    cause: &'static str,
    harm: &'static str,
    sender: &'static str,
    server: String,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    findings: BTreeMap<Labels, u64>,
    servers: std::collections::BTreeSet<String>,
    amended: u64,
    withdrawn: u64,
    frames: u64,
    connections: u64,
    drops: Drops,
    evicted: u64,
    timeouts: Vec<Timeout>,
}

#[derive(Debug)]
struct Timeout {
    endpoint: String,
    role: String,
    closes_by: String,
    seconds: f64,
}

impl Metrics {
    /// A counter can't go back: a finding counts as it was first told, amendments are counted by themselves.
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::New(finding) => {
                let weight = finding.connections.unwrap_or(1);
                self.add(finding, weight);
            }
            Event::Amended { before, now } => {
                // An entry for many refused connections grows.
                let grown = match (before.connections, now.connections) {
                    (Some(before), Some(now)) => now.saturating_sub(before),
                    _ => 0,
                };
                if grown > 0 {
                    self.add(now, grown);
                } else {
                    self.amended += 1;
                }
            }
            Event::Withdrawn(_) => self.withdrawn += 1,
        }
    }

    fn add(&mut self, finding: &Finding, weight: u64) {
        let mut server = finding.connection.server.to_string();
        if !self.servers.contains(&server) {
            if self.servers.len() < SERVERS {
                self.servers.insert(server.clone());
            } else {
                server = "other".to_owned();
            }
        }
        let labels = Labels {
            cause: finding.cause.as_str(),
            harm: Cost::of(finding).as_str(),
            sender: finding.sender.map_or("none", |sender| sender.as_str()),
            server,
        };
        *self.findings.entry(labels).or_default() += weight;
    }

    pub(super) fn set(&mut self, seen: &Seen, connections: u64, evicted: u64, drops: Drops) {
        self.frames = seen.frames;
        self.connections = connections;
        self.evicted = evicted;
        self.drops = drops;
    }

    pub(super) fn set_timeouts(&mut self, timeouts: &[IdleTimeout]) {
        self.timeouts = timeouts
            .iter()
            .filter_map(|timeout| {
                let endpoint = &timeout.endpoint;
                Some(Timeout {
                    endpoint: match endpoint.port {
                        Some(port) => std::net::SocketAddr::new(endpoint.addr, port).to_string(),
                        None => endpoint.addr.to_string(),
                    },
                    role: timeout.role.clone(),
                    closes_by: timeout.closes_by.clone(),
                    seconds: timeout.estimate_s?,
                })
            })
            .take(TIMEOUTS)
            .collect();
    }

    /// The page. `resident` is the process' memory in bytes, where it is known.
    pub(super) fn render(&self, resident: Option<u64>) -> String {
        let mut page = Page::default();
        self.findings(&mut page);
        self.counters(&mut page);
        self.drops(&mut page);
        self.idle_timeouts(&mut page);
        if let Some(resident) = resident {
            page.family(
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory of this process.",
            );
            page.sample("process_resident_memory_bytes", &[], resident as f64);
        }
        page.0
    }

    fn findings(&self, page: &mut Page) {
        const NAME: &str = "whyrst_findings_total";
        let help = "Resets and hang-ups as they were first told; one for each refused connection.";
        page.family(NAME, "counter", help);
        for (labels, count) in &self.findings {
            let labels = [
                ("cause", labels.cause),
                ("harm", labels.harm),
                ("sender", labels.sender),
                ("server", &labels.server),
            ];
            page.sample(NAME, &labels, *count as f64);
        }
    }

    /// Counters without labels.
    fn counters(&self, page: &mut Page) {
        for (name, help, value) in [
            (
                "whyrst_findings_amended_total",
                "Findings that a later packet changed.",
                self.amended,
            ),
            (
                "whyrst_findings_withdrawn_total",
                "Findings taken back.",
                self.withdrawn,
            ),
            ("whyrst_packets_total", "Packets analysed.", self.frames),
            (
                "whyrst_connections_total",
                "TCP connections and attempts seen.",
                self.connections,
            ),
            (
                "whyrst_connections_evicted_total",
                "Connections forgotten early to stay within the memory limit.",
                self.evicted,
            ),
        ] {
            page.family(name, "counter", help);
            page.sample(name, &[], value as f64);
        }
    }

    fn drops(&self, page: &mut Page) {
        const NAME: &str = "whyrst_packets_dropped_total";
        let help = "Packets that were not captured, by who dropped them.";
        page.family(NAME, "counter", help);
        for (by, value) in [
            ("kernel", self.drops.by_kernel),
            ("interface", self.drops.by_interface),
        ] {
            page.sample(NAME, &[("by", by)], value as f64);
        }
    }

    fn idle_timeouts(&self, page: &mut Page) {
        const NAME: &str = "whyrst_idle_timeout_seconds";
        let help = "Idle timeout inferred from how connections ended.";
        page.family(NAME, "gauge", help);
        for timeout in &self.timeouts {
            let labels = [
                ("endpoint", timeout.endpoint.as_str()),
                ("role", &timeout.role),
                ("closes_by", &timeout.closes_by),
            ];
            page.sample(NAME, &labels, timeout.seconds);
        }
    }
}

/// Text in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        if !labels.is_empty() {
            let labels: Vec<_> = labels
                .iter()
                .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
                .collect();
            let _ = write!(self.0, "{{{}}}", labels.join(","));
        }
        let _ = writeln!(self.0, " {value}");
    }
}

/// Backslash, quote and line feed, as the format's description says.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Resident memory, from `/proc/self/status`.
pub(super) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The metrics of a run, and where they go.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Metrics>>);

impl Shared {
    pub(super) fn update(&self, change: impl FnOnce(&mut Metrics)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn render(&self) -> String {
        let resident = resident();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .render(resident)
    }

    /// Writes a file in one step, as the textfile collector wants it.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        let unfinished = PathBuf::from(unfinished);
        std::fs::write(&unfinished, self.render())?;
        std::fs::rename(&unfinished, path)
    }
}

/// Where metrics are served, bound while there were rights.
pub(super) struct Endpoint {
    listener: Option<TcpListener>,
    wanted: bool,
}

impl Endpoint {
    pub(super) fn bind(args: &LiveArgs) -> anyhow::Result<Self> {
        let listener = args
            .metrics
            .map(|address| {
                TcpListener::bind(address)
                    .with_context(|| format!("cannot serve metrics on {address}"))
            })
            .transpose()?;
        Ok(Self {
            wanted: listener.is_some() || args.metrics_file.is_some(),
            listener,
        })
    }

    /// Serves from a thread of its own, one request at a time.
    pub(super) fn serve(self) -> anyhow::Result<Option<Shared>> {
        if !self.wanted {
            return Ok(None);
        }
        let shared = Shared(Arc::default());
        if let Some(listener) = self.listener {
            let metrics = shared.clone();
            thread::Builder::new()
                .name("metrics".to_owned())
                .spawn(move || {
                    for stream in listener.incoming().flatten() {
                        // Whoever went away has no use for the error.
                        let _ = answer(&stream, &metrics);
                    }
                })
                .context("cannot start a thread")?;
        }
        Ok(Some(shared))
    }
}

fn answer(stream: &TcpStream, metrics: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = BufReader::new(stream.take(LONGEST_REQUEST));
    let mut line = String::new();
    request.read_line(&mut line)?;
    // The rest is read so that closing does not reset the connection (of all programs).
    let mut header = String::new();
    while request.read_line(&mut header)? > 2 {
        header.clear();
    }
    let (status, kind, body) = match page_of(&line) {
        Some(()) => (
            "200 OK",
            "text/plain; version=0.0.4; charset=utf-8",
            metrics.render(),
        ),
        None => (
            "404 Not Found",
            "text/plain; charset=utf-8",
            "metrics are at /metrics\n".to_owned(),
        ),
    };
    let mut out = stream;
    write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    out.flush()
}

/// `GET /metrics HTTP/1.1`
fn page_of(request: &str) -> Option<()> {
    let mut words = request.split_ascii_whitespace();
    let is_get = words.next() == Some("GET");
    let path = words.next()?.split('?').next()?;
    (is_get && path == "/metrics").then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_as_the_format_says() {
        let mut page = Page::default();
        page.family("x_total", "counter", "a\\b\nc");
        page.sample("x_total", &[("path", "a\\b\"c\nd")], 3.0);
        assert_eq!(
            page.0,
            "# HELP x_total a\\\\b\\nc\n# TYPE x_total counter\nx_total{path=\"a\\\\b\\\"c\\nd\"} 3\n"
        );
    }

    #[test]
    fn only_one_page_is_served() {
        assert!(page_of("GET /metrics HTTP/1.1\r\n").is_some());
        assert!(page_of("GET /metrics?x=1 HTTP/1.0\r\n").is_some());
        for other in [
            "GET / HTTP/1.1",
            "POST /metrics HTTP/1.1",
            "",
            "GET",
            "\u{0}",
        ] {
            assert!(page_of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_page_has_every_family_once_and_ends_in_a_line() {
        let metrics = Metrics::default();
        let page = metrics.render(Some(4096));
        assert!(page.ends_with('\n'));
        let types: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect();
        let mut unique = types.clone();
        unique.dedup();
        assert_eq!(types, unique);
        assert!(page.contains("\nwhyrst_packets_dropped_total{by=\"kernel\"} 0\n"));
        assert!(page.contains("\nprocess_resident_memory_bytes 4096\n"));
    }
}
