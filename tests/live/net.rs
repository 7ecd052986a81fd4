//! Two network namespaces with a wire between them, and programs in them.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The machine lacks something: said aloud, and the test ends.
pub fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a program can be run.
pub fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|directory: PathBuf| directory.join(program).is_file())
    })
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A client's and a server's namespace: 10.66.0.1 and 10.66.0.2 on `wire`. Behind the server's, on demand, that of a container:
/// 10.67.0.2.
pub struct Net {
    names: [String; 3],
    pub directory: tempfile::TempDir,
}

pub const CLIENT: &str = "10.66.0.1";
pub const SERVER: &str = "10.66.0.2";
pub const CONTAINER: &str = "10.67.0.2";
pub const WIRE: &str = "wire";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Client,
    Server,
    Container,
}

impl Net {
    /// Makes them; `None`, and a word, where that is not permitted.
    pub fn new(name: &str) -> Option<Self> {
        if !["ip", "nsenter", "python3", "tcpdump"]
            .iter()
            .all(|program| has(program))
        {
            skip("needs ip, nsenter, python3 and tcpdump");
            return None;
        }
        let pid = std::process::id();
        let net = Self {
            names: [
                format!("whyrst-{pid}-{name}-c"),
                format!("whyrst-{pid}-{name}-s"),
                format!("whyrst-{pid}-{name}-k"),
            ],
            directory: tempfile::tempdir().unwrap(),
        };
        let [client, server, _] = &net.names;
        for namespace in [client, server] {
            if !succeeds(Command::new("ip").args(["netns", "add", namespace])) {
                skip("needs root, to make network namespaces");
                return None;
            }
        }
        let run = |words: &str| succeeds(Command::new("ip").args(words.split(' ')));
        let ip = |words: &str| assert!(run(words), "ip {words}");
        // A container or a chroot may let one make namespaces and not enter them, or have no veth.
        if !run(&format!(
            "-n {client} link add {WIRE} type veth peer name {WIRE} netns {server}"
        )) {
            skip("network namespaces can't be joined by a veth pair here");
            return None;
        }
        for (namespace, address) in [(client, CLIENT), (server, SERVER)] {
            ip(&format!(
                "-n {namespace} address add {address}/24 dev {WIRE}"
            ));
            ip(&format!("-n {namespace} link set lo up"));
            ip(&format!("-n {namespace} link set {WIRE} up"));
        }
        Some(net)
    }

    /// A namespace's name.
    pub fn name(&self, at: At) -> &str {
        let [client, server, container] = &self.names;
        match at {
            At::Client => client,
            At::Server => server,
            At::Container => container,
        }
    }

    /// Makes the container's namespace; the server's host publishes its port 80 as its own port 3000. `None`, and a word, where addresses
    /// can't be translated.
    pub fn publish(&self) -> Option<()> {
        let [_, host, container] = &self.names;
        let ip = |words: &str| {
            let done = succeeds(Command::new("ip").args(words.split(' ')));
            assert!(done, "ip {words}");
        };
        ip(&format!("netns add {container}"));
        ip(&format!(
            "-n {host} link add inner type veth peer name {WIRE} netns {container}"
        ));
        ip(&format!("-n {host} address add 10.67.0.1/24 dev inner"));
        ip(&format!(
            "-n {container} address add {CONTAINER}/24 dev {WIRE}"
        ));
        ip(&format!("-n {host} link set inner up"));
        ip(&format!("-n {container} link set {WIRE} up"));
        ip(&format!("-n {container} route add default via 10.67.0.1"));
        let rules = format!(
            "table ip nat {{ chain c {{ type nat hook prerouting priority dstnat; tcp dport 3000 dnat to {CONTAINER}:80; }}; }}"
        );
        let translates = succeeds(self.command(At::Server, "nft").arg(rules));
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        if !translates || !succeeds(self.command(At::Server, "sh").args(["-c", forward])) {
            skip("addresses can't be translated here");
            return None;
        }
        Some(())
    }

    /// Leads what the client's host says to port 80 of others to its own port 15001, as a sidecar's rules do. `None`, and a word, where
    /// that can't be done.
    pub fn redirect(&self) -> Option<()> {
        let rules = "table ip nat { chain c { type nat hook output priority -100; tcp dport 80 redirect to :15001; }; }";
        let leads = succeeds(self.command(At::Client, "nft").arg(rules));
        if !leads {
            skip("addresses can't be translated here");
        }
        leads.then_some(())
    }

    /// A command inside. `ip netns exec` would hide tracefs.
    pub fn command(&self, at: At, program: &str) -> Command {
        let name = self.name(at);
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{name}")).arg(program);
        command
    }

    /// Runs to its end.
    pub fn run(&self, at: At, program: &str, args: &[&str]) {
        let output = self.command(at, program).args(args).output().unwrap();
        assert!(
            output.status.success(),
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts a Python program with the helpers below; it talks by lines.
    pub fn python(&self, at: At, program: &str) -> Program {
        let mut command = self.command(at, "python3");
        command.args(["-u", "-c", &format!("{PRELUDE}\n{program}")]);
        Program::start(command)
    }

    /// A file in the test's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            succeeds(Command::new("ip").args(["netns", "delete", name]));
        }
    }
}

const PRELUDE: &str = r#"
import socket, struct, sys, time
SERVER, CLIENT = "10.66.0.2", "10.66.0.1"
def say(*words): print(*words, flush=True)
def wait(): return sys.stdin.readline().strip()
def listen(port):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((SERVER, port)); s.listen(16); return s
def connect(port): return socket.create_connection((SERVER, port), 5)
def linger0(s): s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
GET = b"GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
"#;

/// A program that is ended when it is dropped.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let lines = lines_of(child.stdout.take().unwrap());
        let errors = lines_of(child.stderr.take().unwrap());
        Self {
            child,
            input,
            lines,
            errors,
        }
    }

    /// The next line of its output.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let errors: Vec<_> = self.errors.try_iter().collect();
            panic!("no further line; standard error: {errors:#?}")
        })
    }

    /// Waits for a line.
    pub fn expect(&self, text: &str) {
        assert_eq!(self.line(), text);
    }

    /// Waits for a line on standard error that contains `text`, and returns it.
    pub fn error_with(&self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.errors.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no `{text}` on standard error: {seen:#?}"),
            }
        }
    }

    pub fn tell(&mut self, text: &str) {
        writeln!(self.input.as_mut().unwrap(), "{text}").unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        // The shell's own: a small system has no other kill.
        let kill = format!("kill {signal} {}", self.child.id());
        assert!(succeeds(Command::new("sh").args(["-c", &kill])));
    }

    /// Asks it to end, and waits for that. Returns what it wrote since it was last read.
    pub fn end(&mut self) -> (i32, Vec<String>) {
        self.signal("-INT");
        let status = self.wait();
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(2)) {
            lines.push(line);
        }
        (status, lines)
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `whyrst live` and `tcpdump` side by side.
pub struct Watch {
    pub whyrst: Program,
    tcpdump: Program,
    pub capture: PathBuf,
    pub report: PathBuf,
}

impl Watch {
    pub fn start(net: &Net, at: At, args: &[&str]) -> Self {
        Self::on(WIRE, net, at, args)
    }

    pub fn on(interface: &str, net: &Net, at: At, args: &[&str]) -> Self {
        let capture = net.path("beside.pcap");
        let report = net.path("report.json");
        let mut tcpdump = net.command(at, "tcpdump");
        tcpdump
            .args([
                "-i",
                interface,
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-w",
            ])
            .arg(&capture);
        let tcpdump = Program::start(tcpdump);
        tcpdump.error_with("listening on");
        let mut whyrst = net.command(at, env!("CARGO_BIN_EXE_whyrst"));
        whyrst
            .args([
                "live",
                "-v",
                "-i",
                interface,
                "-Z",
                "root",
                "--json-lines",
                "-o",
            ])
            .arg(&report)
            .args(args);
        let whyrst = Program::start(whyrst);
        whyrst.error_with("watching");
        Self {
            whyrst,
            tcpdump,
            capture,
            report,
        }
    }

    /// The next finding told.
    pub fn finding(&self) -> serde_json::Value {
        serde_json::from_str(&self.whyrst.line()).unwrap()
    }

    /// Ends both. Returns the report of the live run and that of the capture beside it.
    pub fn end(mut self) -> (serde_json::Value, serde_json::Value) {
        let (status, _) = self.whyrst.end();
        assert_eq!(status, 0, "an interrupted live run is a good one");
        self.tcpdump.end();
        let live = std::fs::read_to_string(&self.report).unwrap();
        (serde_json::from_str(&live).unwrap(), analyse(&self.capture))
    }
}

/// The report on a capture.
pub fn analyse(capture: &Path) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_whyrst"))
        .args(["--format", "json"])
        .arg(capture)
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
