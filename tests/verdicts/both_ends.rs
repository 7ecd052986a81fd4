//! What captures of both ends decide that one of them leaves open.

use whyrst::capture::CaptureId;
use whyrst::report::Finding;
use whyrst::testing::{Ladder, Trace, TraceFrame};

use crate::{GET, POST, served};

const SERVER: CaptureId = CaptureId(1);
/// Connections of the client's host bear its address here, behind Ethernet's header.
const SOURCE: std::ops::Range<usize> = 26..30;

/// Captured at the client and, 9 ms away, at the server; another connection is opened after everything else.
fn both(ladder: &Ladder) -> Trace {
    let here = ladder.trace();
    let last = here.frames.last().expect("frames").time - here.frames[0].time;
    let later = Ladder::to(80)
        .from_port(40_009)
        .later_by(last.as_nanos() / 1_000_000 + 1_000)
        .handshake(0);
    let here = here.with(&later.trace());
    here.clone().with(&here.at_server(9))
}

fn findings(trace: &Trace) -> Vec<Finding> {
    let report = trace.report();
    [report.resets, report.hang_ups].concat()
}

/// The same without what the client sends later than so many milliseconds, at the server.
fn dropped_after(trace: Trace, millis: i64) -> Trace {
    let first = trace.frames[0].clone();
    let opened = first.bytes[SOURCE].to_vec();
    let is_dropped = move |frame: &TraceFrame| {
        let port = &frame.bytes[34..36];
        let is_same = frame.bytes[SOURCE] == opened && port == &first.bytes[34..36];
        let since = (frame.time - first.time).as_nanos() / 1_000_000;
        frame.capture == SERVER && is_same && since > millis
    };
    trace.only(|_, frame| !is_dropped(frame))
}

fn into_silence() -> Ladder {
    served()
        .client(350_045, "P.")
        .payload(POST)
        .again(350_245)
        .again(350_645)
        .again(351_445)
        .again(353_045)
}

#[test]
fn a_request_that_no_longer_crosses_is_lost() {
    let dropped = dropped_after(both(&into_silence()), 300_000);
    let told = crate::told(&findings(&dropped));
    assert_eq!(
        told,
        "likely idle-expired-silently · request-lost · between-requests"
    );
    let alternatives = &findings(&dropped)[0].alternatives;
    assert!(alternatives.is_empty(), "{alternatives:?}");
}

#[test]
fn a_request_that_arrives_may_have_been_executed() {
    let [finding] = &findings(&both(&into_silence()))[..] else {
        panic!("one finding");
    };
    let told = crate::told(std::slice::from_ref(finding));
    assert_eq!(
        told,
        "possible idle-expired-silently · request-outcome-unknown · between-requests"
    );
    let decided_by = &finding.alternatives[0].decided_by;
    assert!(decided_by.contains("got so far"), "{decided_by}");
}

/// Nobody knows what the server's capture would have shown.
#[test]
fn a_capture_that_was_over_decides_nothing() {
    let here = into_silence().trace();
    let there = served().trace().at_server(9);
    assert_eq!(
        crate::told(&findings(&here.clone().with(&there))),
        crate::told(&findings(&here))
    );
}

#[test]
fn a_server_that_resets_what_arrives_forgot_it_itself() {
    let forgot = served()
        .client(350_045, "P.")
        .payload(GET)
        .server(350_065, "R");
    assert_eq!(
        crate::told(&findings(&both(&forgot))),
        "likely half-open · by server · drawn by request · request-lost · between-requests"
    );
}

/// The client's capture lost it.
#[test]
fn a_request_that_only_the_far_capture_shows_has_crossed() {
    let both = dropped_after(both(&into_silence()), 350_100);
    let first = both.frames[0].time;
    let both = both.only(|_, frame| {
        let since = (frame.time - first).as_nanos() / 1_000_000;
        frame.capture == SERVER || since != 350_045
    });
    let told = crate::told(&findings(&both));
    assert!(told.contains("request-outcome-unknown"), "{told}");
}
