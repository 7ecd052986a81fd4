//! Live: a RST is told with what this host's kernel says of it, however close before a look it comes, and silence speaks only where
//! the kernel was heard.

use std::net::IpAddr;

use whyrst::analysis::{AnalysisOptions, Analyzer, Event, Witness};
use whyrst::kernel::{OwnHost, read_until};
use whyrst::report::Finding;
use whyrst::testing::Ladder;
use whyrst::{Interval, Timestamp};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// Less than between two looks of a live run: the RST comes just before one of them.
const LOOK: Interval = Interval::from_millis(10);
/// A chosen zero of the trace clock, in seconds of the time of day.
const BOOT: i64 = 1_699_999_000;
const AT_BOOT: Timestamp = Timestamp::from_parts(BOOT, 0);

const fn millis(millis: i64) -> Interval {
    Interval::from_millis(millis)
}

/// Captured at the server, which closes after a second; the request that crosses its FIN arrives `after_fin` milliseconds later.
#[rustfmt::skip]
fn race(after_fin: i32) -> Ladder {
    let asked = 1_022 + after_fin;
    Ladder::to(80)
        .ttls(52, 64)
        .client(0, "S")
        .server(0.02, "S.")
        .client(20, ".")
        .client(21, "P.").payload(GET)
        .server(22, "P.").payload(OK)
        .client(42, ".")
        .server(1_022, "F.")
        .client(asked, "P.").payload(GET).crossing()
        .server(f64::from(asked) + 0.02, "R").answering(asked)
}

/// What this host's kernel does.
#[derive(Clone, Copy)]
struct Kernel {
    /// Its TCP made the RST.
    made_it: bool,
    /// How long its trace takes to be read; `None`: nobody reads it.
    behind: Option<Interval>,
    /// When, after the begin of the capture, the time of day is set, and by how much.
    clock_set: Option<(Interval, Interval)>,
}

const PROMPT: Kernel = Kernel {
    made_it: true,
    behind: Some(millis(20)),
    clock_set: None,
};

/// A live run: frames, what the trace says of the RST, and looks between them.
struct Run {
    kernel: Kernel,
    analyzer: Analyzer,
    begin: Timestamp,
    now: Timestamp,
    reset: Timestamp,
    /// The line about the RST, until it is read.
    made: Option<String>,
    events: Vec<(Interval, Event)>,
}

impl Run {
    fn until(&mut self, time: Timestamp) {
        while self.now + LOOK <= time {
            self.now = self.now + LOOK;
            self.read_trace();
            let after = self.now - self.reset;
            let told = self.analyzer.tick(self.now);
            self.events
                .extend(told.into_iter().map(|event| (after, event)));
        }
    }

    fn read_trace(&mut self) {
        let Some(behind) = self.kernel.behind else {
            return;
        };
        let boot = match self.kernel.clock_set {
            Some((at, by)) if self.now >= self.begin + at => AT_BOOT + by,
            _ => AT_BOOT,
        };
        let until = self.now - behind;
        let witness = self.analyzer.witness().unwrap();
        if self.reset <= until
            && let Some(line) = self.made.take()
        {
            witness.line(&line, boot);
        }
        witness.line(&read_until((until - AT_BOOT).as_nanos()), boot);
    }
}

/// What a live run tells, and how long after the RST.
fn told(ladder: &Ladder, kernel: Kernel) -> Vec<(Interval, Event)> {
    let trace = ladder.trace();
    let begin = trace.frames.first().unwrap().time;
    let reset = trace.frames.last().unwrap().time;
    let mut analyzer = Analyzer::new(AnalysisOptions::default());
    analyzer.watch();
    let server: IpAddr = "192.0.2.80".parse().unwrap();
    analyzer.hear(Witness::new(OwnHost::with_addresses([server]), begin));
    let made = format!(
        " nginx-7 [000] ..s1. {}: tcp_send_reset: skbaddr=1 skaddr=1 src=192.0.2.80:80 dest=10.0.0.5:40001 state=TCP_CLOSE \
         reason=TCP_ABORT_ON_DATA",
        clock(reset)
    );
    let mut run = Run {
        kernel,
        analyzer,
        begin,
        now: begin,
        reset,
        made: kernel.made_it.then_some(made),
        events: Vec::new(),
    };
    trace.each(|frame| {
        run.until(frame.time);
        run.analyzer.frame(frame);
    });
    run.until(reset + millis(15_000));
    run.events
}

/// As the kernel writes it: seconds since boot.
fn clock(at: Timestamp) -> String {
    let nanos = (at - AT_BOOT).as_nanos();
    format!("{}.{:06}", nanos / 1_000_000_000, nanos / 1_000 % 1_000_000)
}

fn only(events: Vec<(Interval, Event)>) -> (Interval, Finding) {
    let [(after, Event::New(finding))] = events.as_slice() else {
        panic!("{events:#?}");
    };
    (*after, finding.as_ref().clone())
}

fn sender(finding: &Finding) -> String {
    finding.sender.unwrap().to_string()
}

#[test]
fn the_word_comes_with_the_finding_however_close_the_look() {
    for after_fin in (1..640).step_by(7) {
        let (after, finding) = only(told(&race(after_fin), PROMPT));
        assert_eq!(sender(&finding), "server", "{after_fin} ms after the FIN");
        assert!(finding.kernel.is_some(), "{after_fin} ms after the FIN");
        assert!(after < millis(500), "told {after} after the RST");
    }
}

/// On a host so busy that the reader of the trace gets no processor.
#[test]
fn a_word_that_comes_late_is_waited_for() {
    for behind in [100, 400, 900, 2_500] {
        let late = Kernel {
            behind: Some(millis(behind)),
            ..PROMPT
        };
        let (after, finding) = only(told(&race(290), late));
        assert_eq!(sender(&finding), "server", "{behind} ms behind");
        assert!(finding.kernel.is_some(), "{behind} ms behind");
        assert!(after < millis(behind + 500), "told {after} after the RST");
    }
}

#[test]
fn a_word_that_comes_after_the_finding_amends_it() {
    let late = Kernel {
        behind: Some(millis(6_000)),
        ..PROMPT
    };
    let events = told(&race(290), late);
    let [(_, Event::New(first)), (_, Event::Amended { now, .. })] = events.as_slice() else {
        panic!("{events:#?}");
    };
    assert_eq!(
        sender(first),
        "server",
        "silence that nobody heard says nothing"
    );
    assert!(first.kernel.is_none());
    assert!(now.kernel.is_some());
    assert_eq!(first.cause, now.cause);
}

#[test]
fn silence_that_was_heard_is_a_firewall_or_a_raw_socket() {
    for after_fin in (1..640).step_by(7) {
        let firewall = Kernel {
            made_it: false,
            ..PROMPT
        };
        let (after, finding) = only(told(&race(after_fin), firewall));
        assert_eq!(
            sender(&finding),
            "middlebox",
            "{after_fin} ms after the FIN"
        );
        assert!(after < millis(500), "told {after} after the RST");
    }
}

/// Its reader is stuck, or was killed.
#[test]
fn silence_that_nobody_heard_says_nothing() {
    let stuck = Kernel {
        behind: None,
        ..PROMPT
    };
    let (after, finding) = only(told(&race(290), stuck));
    assert_eq!(sender(&finding), "server");
    assert!(after > millis(2_000) && after < millis(4_000), "{after}");
}

/// The trace's clock is not that of the packets any more: the event is not found beside its RST.
#[test]
fn silence_while_the_clock_is_set_says_nothing() {
    for (at, by) in [(1_313, 5_000), (1_320, -5_000), (1_400, 60_000)] {
        let set = Kernel {
            clock_set: Some((millis(at), millis(by))),
            ..PROMPT
        };
        let (_, finding) = only(told(&race(290), set));
        assert_eq!(sender(&finding), "server", "set {by} ms at {at} ms");
    }
}
