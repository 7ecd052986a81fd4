//! Live, on real stacks: what happens is told, by its name, with the kernel's word; and the capture beside it says the same.
//!
//! Each test makes two network namespaces, which needs root; without, it says so and passes.
#![cfg(all(feature = "live", target_os = "linux"))]

#[path = "live/net.rs"]
mod net;
#[path = "live/tracefs.rs"]
mod tracefs;

use std::time::Duration;

use net::{At, Net, Watch, has, skip};
use serde_json::Value;
use tracefs::{are_gone, instances_of, kernel_speaks};

fn only_finding(report: &Value) -> &Value {
    let resets = report["resets"].as_array().unwrap();
    assert_eq!(resets.len(), 1, "{resets:#?}");
    &resets[0]
}

/// The report at the end says what was told, and so does the capture beside it, as far as packets can.
fn agree(told: &Value, watch: Watch) {
    let (live, offline) = watch.end();
    let (live, offline) = (only_finding(&live), only_finding(&offline));
    for key in [
        "id",
        "cause",
        "confidence",
        "detail",
        "sender",
        "harm",
        "kernel",
    ] {
        assert_eq!(
            told[key], live[key],
            "{key} of what was told and of the report"
        );
    }
    let settled = offline["alternatives"]
        .as_array()
        .is_some_and(|rivals| rivals.iter().any(|rival| rival["cause"] == live["cause"]));
    assert!(
        offline["cause"] == live["cause"] || settled,
        "live {live:#}, offline {offline:#}"
    );
    assert_eq!(live["harm"], offline["harm"]);
}

#[track_caller]
fn says(finding: &Value, cause: &str, sender: &str) {
    assert_eq!(finding["event"], "new", "{finding:#}");
    assert_eq!(finding["cause"], cause, "{finding:#}");
    assert_eq!(finding["sender"], sender, "{finding:#}");
}

#[track_caller]
fn kernel_says(finding: &Value, reason: &str) {
    if kernel_speaks() {
        assert_eq!(finding["kernel"]["reason"], reason, "{finding:#}");
    }
}

#[test]
fn a_refused_connection() {
    let Some(net) = Net::new("refused") else {
        return;
    };
    let watch = Watch::start(&net, At::Server, &[]);
    let client = net.python(
        At::Client,
        "try: connect(3000)\nexcept ConnectionRefusedError: say('refused')",
    );
    client.expect("refused");
    let finding = watch.finding();
    says(&finding, "connection-refused", "server");
    kernel_says(&finding, "NO_SOCKET");
    agree(&finding, watch);
}

#[test]
fn a_close_with_unread_data() {
    let Some(net) = Net::new("unread") else {
        return;
    };
    let watch = Watch::start(&net, At::Server, &[]);
    let mut server = net.python(
        At::Server,
        "l = listen(3000); say('ready'); s, _ = l.accept(); wait(); s.close(); wait()",
    );
    server.expect("ready");
    let client = net.python(
        At::Client,
        "s = connect(3000); s.sendall(GET); say('asked')\ntry: s.recv(1)\nexcept ConnectionResetError: say('reset')",
    );
    client.expect("asked");
    std::thread::sleep(Duration::from_millis(50));
    server.tell("close");
    client.expect("reset");
    let finding = watch.finding();
    if kernel_speaks() {
        says(&finding, "close-with-unread-data", "server");
        assert_eq!(finding["confidence"], "certain");
        assert!(
            finding["kernel"]["process"]
                .as_str()
                .unwrap()
                .starts_with("python"),
            "{finding:#}"
        );
    }
    kernel_says(&finding, "TCP_ABORT_ON_CLOSE");
    agree(&finding, watch);
}

#[test]
fn a_linger_of_zero() {
    let Some(net) = Net::new("linger") else {
        return;
    };
    let watch = Watch::start(&net, At::Server, &[]);
    let server = net.python(
        At::Server,
        "l = listen(3000); say('ready'); s, _ = l.accept(); s.recv(999); time.sleep(.05); linger0(s); s.close(); say('closed')",
    );
    server.expect("ready");
    let client = net.python(
        At::Client,
        "s = connect(3000); s.sendall(GET)\ntry: s.recv(1)\nexcept ConnectionResetError: say('reset')",
    );
    client.expect("reset");
    let finding = watch.finding();
    if kernel_speaks() {
        says(&finding, "abortive-close", "server");
        assert_eq!(finding["confidence"], "certain");
    }
    kernel_says(&finding, "TCP_STATE");
    agree(&finding, watch);
}

/// Node.js closes an idle connection after a second; its FIN is kept from the client's stack (as if it were still on its way) when the client
/// asks again.
#[test]
fn a_keepalive_race_with_node() {
    if !has("node") || !has("nft") {
        return skip("needs node and nft");
    }
    let Some(net) = Net::new("race") else { return };
    let watch = Watch::start(&net, At::Server, &[]);
    let mut node = net.command(At::Server, "node");
    node.args(["-e", NODE_SERVER]);
    let node = net::Program::start(node);
    node.expect("ready");
    hold_back_fins(&net);
    let mut client = net.python(
        At::Client,
        "s = connect(3000); s.sendall(GET); s.recv(999); say('answered'); wait(); s.sendall(GET)\ntry: s.recv(1)\nexcept ConnectionResetError: say('reset')",
    );
    client.expect("answered");
    node.expect("closed");
    client.tell("again");
    client.expect("reset");
    let finding = watch.finding();
    says(&finding, "keepalive-race", "server");
    assert_eq!(finding["harm"], "request-lost");
    assert_eq!(finding["request"]["summary"], "GET /orders");
    kernel_says(&finding, "TCP_ABORT_ON_DATA");
    agree(&finding, watch);
}

/// The server's FINs do not reach the client's stack.
fn hold_back_fins(net: &Net) {
    let rules = "table inet t { chain c { type filter hook input priority 0; tcp sport 3000 tcp flags & fin == fin drop; }; }";
    net.run(At::Client, "nft", &[rules]);
}

const NODE_SERVER: &str = "
const server = require('http').createServer((request, response) => response.end('ok'));
server.keepAliveTimeout = 1000;
if ('keepAliveTimeoutBuffer' in server) server.keepAliveTimeoutBuffer = 0;
server.on('connection', socket => socket.on('close', () => console.log('closed')));
server.listen(3000, '10.66.0.2', () => console.log('ready'));
";

/// nginx in the server's namespace, with these directives.
fn nginx(net: &Net, directives: &str) -> Option<net::Program> {
    if !has("nginx") || !has("nft") {
        skip("needs nginx and nft");
        return None;
    }
    let directory = net.directory.path().display();
    let config = net.path("nginx.conf");
    let text = format!(
        "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr notice;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
             uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
             {directives}
             server {{ listen 10.66.0.2:3000; location / {{ return 200 ok; }} }}
         }}"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = net.command(At::Server, "nginx");
    command
        .arg("-c")
        .arg(&config)
        .arg("-p")
        .arg(net.directory.path());
    let nginx = net::Program::start(command);
    nginx.error_with("getrlimit");
    Some(nginx)
}

/// As with Node.js: the FIN after a second of silence is still on its way when the client asks again.
#[test]
fn a_keepalive_race_with_nginx() {
    let Some(net) = Net::new("nginx") else { return };
    let Some(_nginx) = nginx(&net, "keepalive_timeout 1s;") else {
        return;
    };
    let watch = Watch::start(&net, At::Server, &[]);
    let mut client = net.python(
        At::Client,
        "s = connect(3000); s.sendall(GET); s.recv(999); say('answered'); wait(); s.sendall(GET)\ntry: s.recv(1)\nexcept ConnectionResetError: say('reset')",
    );
    client.expect("answered");
    hold_back_fins(&net);
    std::thread::sleep(Duration::from_millis(1_300));
    client.tell("again");
    client.expect("reset");
    let finding = watch.finding();
    says(&finding, "keepalive-race", "server");
    assert_eq!(finding["harm"], "request-lost");
    kernel_says(&finding, "TCP_ABORT_ON_DATA");
    agree(&finding, watch);
}

/// `reset_timedout_connection`: a client that never finishes its request is got rid of with SO_LINGER 0.
#[test]
fn a_timeout_that_resets_with_nginx() {
    let Some(net) = Net::new("slow") else { return };
    let directives = "reset_timedout_connection on; client_header_timeout 1s;";
    let Some(_nginx) = nginx(&net, directives) else {
        return;
    };
    let watch = Watch::start(&net, At::Server, &[]);
    let client = net.python(
        At::Client,
        "s = connect(3000); s.sendall(GET[:20])\ntry: s.recv(1)\nexcept ConnectionResetError: say('reset')",
    );
    client.expect("reset");
    let finding = watch.finding();
    if kernel_speaks() {
        says(&finding, "abortive-close", "server");
        assert_eq!(finding["confidence"], "certain");
    }
    kernel_says(&finding, "TCP_STATE");
    agree(&finding, watch);
}

#[test]
fn a_firewall_rejects_on_this_host() {
    if !has("nft") {
        return skip("needs nft");
    }
    let Some(net) = Net::new("reject") else {
        return;
    };
    let rules = "table inet t { chain c { type filter hook input priority 0; tcp dport 3000 reject with tcp reset; }; }";
    net.run(At::Server, "nft", &[rules]);
    let server = net.python(At::Server, "l = listen(3000); say('ready'); wait()");
    server.expect("ready");
    let watch = Watch::start(&net, At::Server, &[]);
    let client = net.python(
        At::Client,
        "try: connect(3000)\nexcept ConnectionRefusedError: say('refused')",
    );
    client.expect("refused");
    let finding = watch.finding();
    if kernel_speaks() {
        says(&finding, "connection-refused", "middlebox");
        assert_eq!(finding["detail"], "policy-reject");
    }
    assert!(
        finding.get("kernel").is_none(),
        "a firewall's RST fires no tracepoint: {finding:#}"
    );
    agree(&finding, watch);
}

/// Docker's published ports: the RST leaves with the host's address, and its socket is another namespace's.
#[test]
fn a_container_behind_a_published_port() {
    if !has("nft") {
        return skip("needs nft");
    }
    let Some(net) = Net::new("published") else {
        return;
    };
    let Some(()) = net.publish() else { return };
    let server = net.python(
        At::Container,
        "SERVER = '10.67.0.2'; l = listen(80); say('ready'); s, _ = l.accept(); s.recv(999); time.sleep(.05); linger0(s); s.close(); wait()",
    );
    server.expect("ready");
    let watch = Watch::start(&net, At::Server, &[]);
    let client = net.python(
        At::Client,
        "s = connect(3000); s.sendall(GET)\ntry: s.recv(1)\nexcept ConnectionResetError: say('reset')",
    );
    client.expect("reset");
    let finding = watch.finding();
    if kernel_speaks() {
        says(&finding, "abortive-close", "server");
        assert_eq!(finding["confidence"], "certain");
        let evidence = finding["evidence"].to_string();
        let behind = "its socket is 10.67.0.2:80, behind an address translation";
        assert!(evidence.contains(behind), "{finding:#}");
    }
    kernel_says(&finding, "TCP_STATE");
    agree(&finding, watch);
}

/// A sidecar's REDIRECT: the client's socket knows the server that it called, and the packet bears the sidecar's address.
#[test]
fn a_client_that_was_led_to_a_sidecar() {
    if !has("nft") {
        return skip("needs nft");
    }
    let Some(net) = Net::new("led") else { return };
    let Some(()) = net.redirect() else { return };
    let sidecar = net.python(
        At::Client,
        "SERVER = '127.0.0.1'; l = listen(15001); say('ready'); s, _ = l.accept(); s.recv(999); s.sendall(OK); wait()",
    );
    sidecar.expect("ready");
    let watch = Watch::on("lo", &net, At::Client, &[]);
    let client = net.python(
        At::Client,
        "s = connect(80); s.sendall(GET); s.recv(999); linger0(s); s.close(); say('reset')",
    );
    client.expect("reset");
    let finding = watch.finding();
    let cause = match kernel_speaks() {
        true => "abortive-close",
        false => "teardown-noise",
    };
    says(&finding, cause, "client");
    let connection = &finding["connection"];
    assert_eq!(connection["server"]["port"], 15_001, "{finding:#}");
    assert_eq!(connection["called"]["addr"], "10.66.0.2", "{finding:#}");
    if kernel_speaks() {
        assert_eq!(finding["sender_confidence"], "certain", "{finding:#}");
        assert!(finding["kernel"]["reason"].is_string(), "{finding:#}");
    }
    agree(&finding, watch);
}

/// What is passed on bears the host's address and is not the host's: its kernel's silence accuses nobody.
#[test]
fn a_firewall_of_a_container_is_not_this_hosts() {
    if !has("nft") {
        return skip("needs nft");
    }
    let Some(net) = Net::new("passed") else {
        return;
    };
    let Some(()) = net.publish() else { return };
    let rules = "table inet t { chain c { type filter hook input priority 0; tcp dport 80 reject with tcp reset; }; }";
    net.run(At::Container, "nft", &[rules]);
    let watch = Watch::start(&net, At::Server, &[]);
    let client = net.python(
        At::Client,
        "try: connect(3000)\nexcept ConnectionRefusedError: say('refused')",
    );
    client.expect("refused");
    let finding = watch.finding();
    says(&finding, "connection-refused", "server");
    assert_ne!(finding["sender_confidence"], "certain", "{finding:#}");
    assert!(finding.get("kernel").is_none(), "{finding:#}");
    agree(&finding, watch);
}

/// A forged RST in the server's name, from a raw socket, as an injector on the path sends it; the server goes on as if nothing had happened.
#[test]
fn an_injected_reset() {
    let Some(net) = Net::new("injected") else {
        return;
    };
    let watch = Watch::start(&net, At::Client, &[]);
    let mut server = net.python(
        At::Server,
        "l = listen(3000); say('ready'); s, _ = l.accept(); s.recv(999); s.sendall(OK); s.recv(999); say('asked'); wait()\n\
         for _ in range(3): s.sendall(OK); time.sleep(.1)",
    );
    server.expect("ready");
    let injector = net.python(At::Server, INJECTOR);
    injector.expect("ready");
    let client = net.python(
        At::Client,
        "s = connect(3000); s.sendall(GET); s.recv(999); time.sleep(.1); s.sendall(GET.replace(b'orders', b'forbidden'))\n\
         try: s.recv(1)\nexcept ConnectionResetError: say('reset')",
    );
    injector.expect("injected");
    client.expect("reset");
    server.expect("asked");
    server.tell("answer");
    let finding = watch.finding();
    says(&finding, "injected", "middlebox");
    if kernel_speaks() {
        assert!(
            finding["kernel"].get("reason").is_none(),
            "no stack made it: {finding:#}"
        );
    }
    agree(&finding, watch);
}

/// Waits for the forbidden word on the wire and answers in the server's name: RST with the right number, a TTL of its own and no options.
const INJECTOR: &str = r#"
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)); tap.bind(("wire", 0))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def sum16(data):
    if len(data) % 2: data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
say("ready")
while True:
    ip = tap.recv(65535)[14:]
    if b"/forbidden" not in ip: continue
    tcp = ip[(ip[0] & 15) * 4:]
    sport, dport, seq, ack = struct.unpack("!HHII", tcp[:12])
    src, dst = ip[16:20], ip[12:16]
    head = struct.pack("!HHIIBBHHH", dport, sport, ack, 0, 5 << 4, 4, 1152, 0, 0)
    check = sum16(src + dst + struct.pack("!BBH", 0, 6, 20) + head)
    head = head[:16] + struct.pack("!H", check) + head[18:]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 4711, 0, 113, 6, 0, src, dst) + head, (CLIENT, 0))
    say("injected"); break
wait()
"#;

/// One page of metrics.
fn metrics(net: &Net, port: u16) -> String {
    let program = format!(
        "import urllib.request\nprint(urllib.request.urlopen('http://10.66.0.2:{port}/metrics').read().decode())"
    );
    let output = net
        .command(At::Client, "python3")
        .args(["-c", &program])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn metrics_and_evidence_come_along() {
    let Some(net) = Net::new("metrics") else {
        return;
    };
    let evidence = net.path("evidence");
    let file = net.path("whyrst.prom");
    let watch = Watch::start(
        &net,
        At::Server,
        &[
            "--metrics",
            "10.66.0.2:9464",
            "--metrics-file",
            file.to_str().unwrap(),
            "-w",
            evidence.to_str().unwrap(),
            "tcp port 3000",
        ],
    );
    let client = net.python(
        At::Client,
        "try: connect(3000)\nexcept ConnectionRefusedError: say('refused')",
    );
    client.expect("refused");
    watch.finding();
    let wanted = "whyrst_findings_total{cause=\"connection-refused\",harm=\"refused\",sender=\"server\",server=\"10.66.0.2:3000\"} 1";
    let page = metrics(&net, 9464);
    assert!(page.contains(wanted), "{page}");
    let mut whyrst = watch.whyrst;
    let (status, _) = whyrst.end();
    assert_eq!(status, 0);
    assert!(std::fs::read_to_string(&file).unwrap().contains(wanted));

    let files: Vec<_> = std::fs::read_dir(&evidence)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let report = net::analyse(&files[0]);
    assert_eq!(only_finding(&report)["cause"], "connection-refused");
}

#[test]
fn rights_are_dropped_and_the_instance_goes() {
    let Some(net) = Net::new("rights") else {
        return;
    };
    let mut command = net.command(At::Server, env!("CARGO_BIN_EXE_whyrst"));
    command
        .args(["live", "-i", net::WIRE])
        .env_remove("SUDO_UID");
    let mut whyrst = net::Program::start(command);
    whyrst.error_with("watching");
    let status = std::fs::read_to_string(format!("/proc/{}/status", whyrst.pid())).unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(!field("Uid:").contains(&"0".to_owned()), "{status}");
    for set in ["CapPrm:", "CapEff:", "CapInh:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    let instances = instances_of(whyrst.pid());
    if kernel_speaks() {
        assert_eq!(instances.len(), 1);
    }
    let (status, _) = whyrst.end();
    assert_eq!(status, 0);
    assert!(are_gone(&instances));
}

/// `ip netns exec` mounts a /sys of its own, without tracefs.
#[test]
fn a_hidden_tracefs_is_found() {
    let Some(net) = Net::new("hidden") else {
        return;
    };
    if !kernel_speaks() {
        return;
    }
    let mut command = std::process::Command::new("ip");
    command
        .args(["netns", "exec", net.name(At::Server)])
        .arg(env!("CARGO_BIN_EXE_whyrst"))
        .args(["live", "--kernel", "on", "-i", net::WIRE]);
    let mut whyrst = net::Program::start(command);
    whyrst.error_with("watching");
    assert_eq!(whyrst.end().0, 0);
}

#[test]
fn a_run_that_was_killed_leaves_no_instance() {
    let Some(net) = Net::new("killed") else {
        return;
    };
    if !kernel_speaks() {
        return;
    }
    let mut command = net.command(At::Server, env!("CARGO_BIN_EXE_whyrst"));
    command.args(["live", "-i", net::WIRE]);
    let whyrst = net::Program::start(command);
    whyrst.error_with("watching");
    let instances = instances_of(whyrst.pid());
    assert_eq!(instances.len(), 1);
    whyrst.signal("-KILL");
    let gone = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        are_gone(&instances)
    });
    assert!(
        gone,
        "the helper removes the instance when its reader is gone"
    );
}

/// whyrst as a user who is not root and has these capabilities (in the words of setpriv).
fn as_nobody(net: &Net, capabilities: &str) -> net::Program {
    use std::os::unix::fs::PermissionsExt;
    // The build's directory may be nobody's business.
    let program = net.path("whyrst");
    std::fs::copy(env!("CARGO_BIN_EXE_whyrst"), &program).unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(net.directory.path(), open).unwrap();
    let mut command = net.command(At::Server, "setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["--inh-caps", capabilities, "--ambient-caps", capabilities])
        .arg(&program)
        .args(["live", "-v", "-i", net::WIRE]);
    net::Program::start(command)
}

#[test]
fn cap_net_raw_is_enough_for_an_ordinary_user() {
    if !has("setpriv") {
        return skip("needs setpriv");
    }
    let Some(net) = Net::new("ordinary") else {
        return;
    };
    let mut whyrst = as_nobody(&net, "-all,+net_raw");
    whyrst.error_with("without the kernel's own reasons: that needs root");
    whyrst.error_with("watching");
    let client = net.python(
        At::Client,
        "try: connect(3000)\nexcept ConnectionRefusedError: say('refused')",
    );
    client.expect("refused");
    assert!(whyrst.line().contains("r1 connection-refused"));
    assert_eq!(whyrst.end().0, 0);
}

#[test]
fn without_rights_one_line_says_what_helps() {
    if !has("setpriv") {
        return skip("needs setpriv");
    }
    let Some(net) = Net::new("norights") else {
        return;
    };
    let mut whyrst = as_nobody(&net, "-all");
    let line = whyrst.error_with("setcap cap_net_raw=ep");
    assert!(
        line.starts_with("whyrst: ") && line.contains("wire"),
        "{line}"
    );
    assert_eq!(whyrst.wait(), 2);
}

/// libpcap holds packets back for up to a tenth of a second; those of the last moment count all the same.
#[test]
fn nothing_is_lost_at_the_end() {
    let Some(net) = Net::new("end") else { return };
    let mut watch = Watch::start(&net, At::Server, &["--kernel", "off"]);
    let mut client = net.python(
        At::Client,
        "say('ready'); wait()\nfor i in range(20):\n try: connect(3000)\n except ConnectionRefusedError: pass\nsay('refused')",
    );
    client.expect("ready");
    client.tell("go");
    client.expect("refused");
    // At once: less than a block's age after the packets.
    let (status, _) = watch.whyrst.end();
    assert_eq!(status, 0);
    let report = std::fs::read_to_string(&watch.report).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["summary"]["connections"], 20);
    assert_eq!(report["summary"]["refused"], 20);
}

#[test]
fn usr1_prints_statistics_and_a_count_ends_the_run() {
    let Some(net) = Net::new("count") else { return };
    let mut command = net.command(At::Server, env!("CARGO_BIN_EXE_whyrst"));
    command.args(["live", "-i", net::WIRE, "--kernel", "off", "-Z", "root"]);
    command.args(["-c", "4", "--format", "csv", "tcp port 3000"]);
    let mut whyrst = net::Program::start(command);
    whyrst.error_with("watching");
    whyrst.signal("-USR1");
    whyrst.error_with("0 packets, 0 connections, no finding yet, 0 dropped");
    whyrst.error_with("0 packets received by filter, 0 dropped by kernel");
    let client = net.python(
        At::Client,
        "for i in range(2):\n try: connect(3000)\n except ConnectionRefusedError: pass\nsay('refused')",
    );
    client.expect("refused");
    assert_eq!(whyrst.wait(), 0, "four packets came, nobody interrupted");
    whyrst.error_with("4 packets, 2 connections, 2 connection-refused, 0 dropped");
}

/// `tcpdump -w - | whyrst live -r -`
#[test]
fn a_growing_pipe_is_as_good_as_an_interface() {
    let Some(net) = Net::new("pipe") else { return };
    let mut tcpdump = net.command(At::Server, "tcpdump");
    tcpdump
        .args(["-i", net::WIRE, "-U", "--immediate-mode", "-w", "-"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut tcpdump = tcpdump.spawn().unwrap();
    let mut live = std::process::Command::new(env!("CARGO_BIN_EXE_whyrst"));
    live.args(["live", "-r", "-", "--json-lines"])
        .stdin(tcpdump.stdout.take().unwrap())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut live = live.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let client = net.python(
        At::Client,
        "try: connect(3000)\nexcept ConnectionRefusedError: say('refused')",
    );
    client.expect("refused");
    let mut line = String::new();
    let mut lines = std::io::BufReader::new(live.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    let finding: Value = serde_json::from_str(&line).unwrap();
    says(&finding, "connection-refused", "server");
    // While the pipe still grows: nothing had to end for it to be told.
    assert!(live.try_wait().unwrap().is_none());
    tcpdump.kill().unwrap();
    tcpdump.wait().unwrap();
    assert!(live.wait().unwrap().success());
}

/// A service manager has to know that nothing is watched any more; the report is written all the same.
#[test]
fn an_interface_that_goes_ends_the_run_with_an_error() {
    let Some(net) = Net::new("gone") else { return };
    let mut watch = Watch::start(&net, At::Server, &["--kernel", "off"]);
    net.run(At::Server, "ip", &["link", "delete", net::WIRE]);
    watch.whyrst.error_with("nothing is left to watch: wire: ");
    assert_eq!(watch.whyrst.wait(), 2);
    let report = std::fs::read_to_string(&watch.report).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["summary"]["connections"], 0);
}

/// Evidence that can't be written (a full disk, a directory that went) does not end the watch, and is no silent loss either.
#[test]
fn evidence_that_cannot_be_written_is_said_and_the_watch_goes_on() {
    let Some(net) = Net::new("disk") else { return };
    let evidence = net.path("evidence");
    let mut watch = Watch::start(
        &net,
        At::Server,
        &["--kernel", "off", "-w", evidence.to_str().unwrap()],
    );
    std::fs::remove_dir(&evidence).unwrap();
    let refused = || {
        let client = net.python(
            At::Client,
            "try: connect(3000)\nexcept ConnectionRefusedError: say('refused')",
        );
        client.expect("refused");
    };
    refused();
    says(&watch.finding(), "connection-refused", "server");
    watch.whyrst.error_with("cannot write ");
    refused();
    says(&watch.finding(), "connection-refused", "server");
    let (status, _) = watch.whyrst.end();
    assert_eq!(status, 2);
    watch
        .whyrst
        .error_with("2 files of evidence could not be written");
    let report = std::fs::read_to_string(&watch.report).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["summary"]["connections"], 2);
}

/// Several interfaces are one capture, with one numbering; `any` sees them all.
#[test]
fn several_interfaces_are_one_capture() {
    let Some(net) = Net::new("several") else {
        return;
    };
    let watch = Watch::start(&net, At::Server, &["-i", "lo", "-s", "96", "tcp"]);
    let mut any = net.command(At::Server, env!("CARGO_BIN_EXE_whyrst"));
    any.args(["live", "-i", "any", "--json-lines", "--kernel", "off"]);
    let mut any = net::Program::start(any);
    any.error_with("watching any (LINUX_SLL2)");
    for (at, address) in [(At::Client, "10.66.0.2"), (At::Server, "127.0.0.1")] {
        let client = net.python(
            at,
            &format!("SERVER = '{address}'\ntry: connect(3000)\nexcept ConnectionRefusedError: say('refused')"),
        );
        client.expect("refused");
        let by_any: Value = serde_json::from_str(&any.line()).unwrap();
        for finding in [watch.finding(), by_any] {
            says(&finding, "connection-refused", "server");
            assert_eq!(finding["connection"]["server"]["addr"], address);
        }
    }
    assert_eq!(any.end().0, 0);
    let (report, _) = watch.end();
    assert_eq!(report["captures"][0]["path"], "wire,lo");
    assert_eq!(report["summary"]["refused"], 2);
    let streams: Vec<_> = report["resets"].as_array().unwrap().iter().collect();
    assert_eq!(streams[1]["connection"]["stream"], 1, "{streams:#?}");
}

/// The unit parses, and its command is one that this program takes.
#[test]
fn the_systemd_unit_is_sound() {
    if !has("systemd-analyze") {
        return skip("needs systemd-analyze");
    }
    let unit = include_str!("../docs/whyrst.service");
    let program = env!("CARGO_BIN_EXE_whyrst");
    let unit = unit.replace("/usr/bin/whyrst", program);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("whyrst.service");
    std::fs::write(&path, &unit).unwrap();
    let output = std::process::Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && !said.contains("whyrst.service"),
        "{said}"
    );

    // With nothing to listen to: every argument is understood before that is found out.
    let command = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let mut words = command.split_whitespace();
    let output = std::process::Command::new(words.next().unwrap())
        .args(words.map(|word| {
            if word == "any" {
                "no-such-interface"
            } else {
                word
            }
        }))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.starts_with("whyrst: no-such-interface: ") || said.contains("setcap"),
        "{said}"
    );
}
