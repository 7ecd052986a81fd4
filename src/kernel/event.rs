//! One line of `trace_pipe`.

use std::net::{IpAddr, SocketAddr};

use super::{Process, ResetReason};

/// Which of the two tracepoints it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `tcp:tcp_send_reset`: a TCP of this host made the RST.
    Sent,
    /// `tcp:tcp_receive_reset`: a socket of this host took the RST (`tcp_reset()`; an ignored RST does not get there).
    Received,
}

/// The task that ran when the event fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its name (`comm`, at most 15 bytes).
    pub name: String,
    /// Its thread id.
    pub pid: u32,
}

/// The kernel made or took a RST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetEvent {
    /// When, in nanoseconds of the trace clock (`mono`: `CLOCK_MONOTONIC`), to the microsecond.
    pub clock_nanos: i64,
    /// Made or taken.
    pub side: Side,
    /// Source of the RST on the wire.
    pub from: SocketAddr,
    /// Destination of the RST on the wire.
    pub to: SocketAddr,
    /// Why it was made; absent for a RST taken.
    pub reason: Option<ResetReason>,
    /// State of the socket without `TCP_`; absent where there was no socket.
    pub state: Option<String>,
    /// The running task, where the event did not interrupt it: then its system call made the RST (`close`, `exit`, `ss -K` …).
    pub task: Option<Task>,
    /// Who listens on the local port, where the reader of the trace could look it up.
    pub listener: Option<Process>,
}

/// What a line of `trace_pipe` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceLine {
    /// A reset.
    Reset(ResetEvent),
    /// The ring buffer overflowed: that many events were lost on one CPU.
    Lost(u64),
    /// Our own reader's word: everything that fired before this, in nanoseconds of the trace clock, was read.
    Read(i64),
    /// Anything else (comments, other events).
    Other,
}

const SENT: &str = ": tcp_send_reset: ";
const RECEIVED: &str = ": tcp_receive_reset: ";
/// Appended by our own reader of the trace; the kernel writes no tab.
pub(super) const LISTENER: &str = "\tlistener=";
/// A line of our own reader of the trace: how far it has read.
const READ: &str = "\tread=";

/// Reads one line. Names of tasks are chosen by users and may hold anything (at most 15 bytes of it, less than either marker), hence from
/// the right.
pub fn parse_trace_line(line: &str) -> TraceLine {
    if let Some(lost) = parse_lost(line) {
        return TraceLine::Lost(lost);
    }
    if let Some(until) = line.strip_prefix(READ) {
        return until.parse().map_or(TraceLine::Other, TraceLine::Read);
    }
    let event = if let Some((head, fields)) = line.rsplit_once(SENT) {
        parse_sent(head, fields)
    } else if let Some((head, fields)) = line.rsplit_once(RECEIVED) {
        parse_received(head, fields)
    } else {
        None
    };
    event.map_or(TraceLine::Other, TraceLine::Reset)
}

/// The line that [`parse_trace_line`] reads as [`TraceLine::Read`].
pub fn read_until(clock_nanos: i64) -> String {
    format!("{READ}{clock_nanos}")
}

/// `CPU:1 [LOST 42 EVENTS]` (`print_trace_line()` in kernel/trace/trace.c).
fn parse_lost(line: &str) -> Option<u64> {
    let (_, rest) = line
        .trim_start()
        .strip_prefix("CPU:")?
        .split_once("[LOST ")?;
    rest.strip_suffix(" EVENTS]")?.parse().ok()
}

/// `skbaddr=… skaddr=… src=127.0.0.1:80 dest=127.0.0.1:4 state=TCP_CLOSE reason=TCP_STATE`
fn parse_sent(head: &str, fields: &str) -> Option<ResetEvent> {
    let head = Head::parse(head)?;
    let (fields, listener) = split_listener(fields);
    Some(ResetEvent {
        clock_nanos: head.clock_nanos,
        side: Side::Sent,
        from: parse_address(field(fields, "src")?)?,
        to: parse_address(field(fields, "dest")?)?,
        reason: field(fields, "reason").map(ResetReason::from_kernel),
        state: field(fields, "state")
            .filter(|&state| state != "UNKNOWN")
            .map(|state| state.strip_prefix("TCP_").unwrap_or(state).to_owned()),
        task: head.task,
        listener,
    })
}

/// `family=AF_INET sport=4 dport=80 saddr=… daddr=… saddrv6=… daddrv6=… sock_cookie=1`: `s…` is the local socket, which the RST was sent to.
fn parse_received(head: &str, fields: &str) -> Option<ResetEvent> {
    let head = Head::parse(head)?;
    let (fields, listener) = split_listener(fields);
    let names = match field(fields, "family")? {
        "AF_INET" => ["saddr", "daddr"],
        "AF_INET6" => ["saddrv6", "daddrv6"],
        _ => return None,
    };
    let [local, peer] = names.map(|name| field(fields, name)?.parse::<IpAddr>().ok());
    let local = SocketAddr::new(local?.to_canonical(), field(fields, "sport")?.parse().ok()?);
    let peer = SocketAddr::new(peer?.to_canonical(), field(fields, "dport")?.parse().ok()?);
    Some(ResetEvent {
        clock_nanos: head.clock_nanos,
        side: Side::Received,
        from: peer,
        to: local,
        reason: None,
        state: None,
        task: None,
        listener,
    })
}

fn split_listener(fields: &str) -> (&str, Option<Process>) {
    match fields.split_once(LISTENER) {
        Some((fields, process)) => (fields, Process::parse(process)),
        None => (fields, None),
    }
}

fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    fields
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// `%pISpc` writes `1.2.3.4:5` and `[::1]:5`; sockets of both families show IPv4 mapped into IPv6.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let address: SocketAddr = text.parse().ok()?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

struct Head {
    clock_nanos: i64,
    task: Option<Task>,
}

impl Head {
    /// `  python3-13134   [000] ..s2.  1222.355854`, from the right (trace_print_context() in kernel/trace/trace_output.c).
    fn parse(head: &str) -> Option<Self> {
        let (rest, time) = head.trim_end().rsplit_once(char::is_whitespace)?;
        let (rest, flags) = rest.trim_end().rsplit_once(char::is_whitespace)?;
        let (rest, _cpu) = rest.trim_end().rsplit_once('[')?;
        Some(Self {
            clock_nanos: parse_clock(time)?,
            task: parse_task(rest, flags),
        })
    }
}

/// Third flag: `.` outside of interrupts; a softirq borrows whatever task happens to run.
fn parse_task(text: &str, flags: &str) -> Option<Task> {
    if flags.as_bytes().get(2) != Some(&b'.') {
        return None;
    }
    let text = text.trim_end();
    // `record-tgid` puts `(  1234)` behind the task.
    let text = match text.strip_suffix(')').and_then(|t| t.rsplit_once('(')) {
        Some((task, _)) => task,
        None => text,
    };
    let (name, pid) = text.trim().rsplit_once('-')?;
    let pid = pid.parse().ok().filter(|&pid| pid != 0)?;
    Some(Task {
        name: name.to_owned(),
        pid,
    })
}

fn parse_clock(text: &str) -> Option<i64> {
    let (seconds, micros) = text.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    let micros: i64 = micros
        .parse()
        .ok()
        .filter(|micros| (0..1_000_000).contains(micros))?;
    seconds
        .checked_mul(1_000_000_000)?
        .checked_add(micros * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reset(line: &str) -> ResetEvent {
        match parse_trace_line(line) {
            TraceLine::Reset(event) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_close_with_unread_data_names_task_state_and_reason() {
        let event = reset(
            "         python3-13134   [000] .....  1222.355911: tcp_send_reset: skbaddr=0000000000000000 skaddr=00000000eb123f13 \
             src=127.0.0.1:54705 dest=127.0.0.1:37828 state=TCP_CLOSE reason=TCP_ABORT_ON_CLOSE",
        );
        assert_eq!(event.side, Side::Sent);
        assert_eq!(event.clock_nanos, 1_222_355_911_000);
        assert_eq!(event.from, "127.0.0.1:54705".parse().unwrap());
        assert_eq!(event.to, "127.0.0.1:37828".parse().unwrap());
        assert_eq!(event.reason, Some(ResetReason::AbortOnClose));
        assert_eq!(event.state.as_deref(), Some("CLOSE"));
        assert_eq!(
            event.task,
            Some(Task {
                name: "python3".into(),
                pid: 13134
            })
        );
    }

    #[test]
    fn a_softirq_blames_no_task_and_a_missing_socket_has_no_state() {
        let event = reset(
            "         python3-13134   [000] ..s1.  1222.356312: tcp_send_reset: skbaddr=000000001fe1280e skaddr=0000000000000000 \
             src=[::1]:9 dest=[::1]:48438 state=UNKNOWN reason=NO_SOCKET",
        );
        assert_eq!((event.task, event.state), (None, None));
        assert_eq!(event.from, "[::1]:9".parse().unwrap());
        assert_eq!(event.reason, Some(ResetReason::NoSocket));
    }

    #[test]
    fn a_reset_taken_points_from_the_peer_to_the_local_socket() {
        let event = reset(
            "  python3-13134 [000] ..s2.  1222.355854: tcp_receive_reset: family=AF_INET sport=37828 dport=54705 saddr=10.0.0.1 \
             daddr=10.0.0.2 saddrv6=::ffff:10.0.0.1 daddrv6=::ffff:10.0.0.2 sock_cookie=1",
        );
        assert_eq!(event.side, Side::Received);
        assert_eq!(event.from, "10.0.0.2:54705".parse().unwrap());
        assert_eq!(event.to, "10.0.0.1:37828".parse().unwrap());
        let event = reset(
            "x-1 [000] ..s2. 1.000001: tcp_receive_reset: family=AF_INET6 sport=1 dport=2 saddr=0.0.0.0 daddr=0.0.0.0 \
             saddrv6=::ffff:10.0.0.1 daddrv6=::ffff:10.0.0.2 sock_cookie=1",
        );
        assert_eq!(
            event.from,
            "10.0.0.2:2".parse().unwrap(),
            "mapped addresses are IPv4 on the wire"
        );
    }

    #[test]
    fn a_task_may_call_itself_anything() {
        let event = reset(
            " a [1] x: s-r - b-77 (  70) [001] d....  5.000009: tcp_send_reset: skbaddr=0 skaddr=1 src=1.2.3.4:5 dest=5.6.7.8:9 \
             state=TCP_ESTABLISHED reason=TCP_STATE",
        );
        assert_eq!(
            event.task,
            Some(Task {
                name: "a [1] x: s-r - b".into(),
                pid: 77
            })
        );
        assert_eq!(event.clock_nanos, 5_000_009_000);
    }

    #[test]
    fn lost_events_are_counted_and_rubbish_is_nothing() {
        assert_eq!(
            parse_trace_line("CPU:1 [LOST 42 EVENTS]"),
            TraceLine::Lost(42)
        );
        for line in [
            "",
            ": tcp_send_reset: ",
            "x: tcp_send_reset: src=1.2.3.4:5 dest=5.6.7.8:9",
            "a-1 [000] ..... 1.0: tcp_send_reset: src=nowhere dest=5.6.7.8:9 reason=NO_SOCKET",
            "a-1 [000] ..... 99999999999999999999.1: tcp_send_reset: src=1.2.3.4:5 dest=5.6.7.8:9",
            "a-1 [000] ..... 1.000001: tcp_receive_reset: family=AF_UNIX sport=1 dport=2",
            "# tracer: nop",
        ] {
            assert_eq!(parse_trace_line(line), TraceLine::Other, "{line}");
        }
    }

    #[test]
    fn how_far_our_reader_has_read_is_read_back() {
        let line = read_until(1_222_355_911_000);
        assert_eq!(parse_trace_line(&line), TraceLine::Read(1_222_355_911_000));
        for line in [
            "\tread=",
            "\tread=x",
            "read=1",
            " a-1 [000] ..... 1.0: read=1",
        ] {
            assert_eq!(parse_trace_line(line), TraceLine::Other, "{line}");
        }
    }

    #[test]
    fn the_listener_that_our_reader_appends_is_read_back() {
        let event = reset(
            "a-1 [000] ..s1. 1.000001: tcp_send_reset: skbaddr=0 skaddr=0 src=1.2.3.4:5 dest=5.6.7.8:9 state=TCP_LISTEN \
             reason=TCP_FLAGS\tlistener=812/node server",
        );
        assert_eq!(event.reason, Some(ResetReason::Flags));
        assert_eq!(
            event.listener,
            Some(Process {
                pid: 812,
                name: "node server".into()
            })
        );
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in "\\PC*") {
            parse_trace_line(&line);
        }
    }
}
