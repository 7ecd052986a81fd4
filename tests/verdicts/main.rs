//! Verdicts on packet ladders: each cause, each pair of rivals, and what is healthy.
//!
//! A verdict is written in one line: how sure, why, who made the RST, what drew it, what it cost, and what was waited for.

use whyrst::report::{Cost, Finding};
use whyrst::testing::{Ladder, Trace};
use whyrst::verdict::IdleKind;

/// Ladders with the verdict that each deserves. `all()` is every one of them, for the properties.
macro_rules! ladders {
    ($($(#[$attribute:meta])* $name:ident: $told:literal => $ladder:expr;)+) => {
        /// Every ladder of this file.
        pub fn all() -> Vec<(&'static str, whyrst::testing::Ladder)> {
            vec![$((stringify!($name), $ladder)),+]
        }

        $(#[test]
        $(#[$attribute])*
        fn $name() {
            assert_eq!(crate::told(&$ladder.findings()), $told);
        })+
    };
}

// One packet a line: it has to look like a ladder.
#[rustfmt::skip]
mod boxes;
#[rustfmt::skip]
mod closing;
mod both_ends;
mod damage;
#[rustfmt::skip]
mod filtered;
#[rustfmt::skip]
mod goaway;
#[rustfmt::skip]
mod healthy;
#[rustfmt::skip]
mod idle;
#[rustfmt::skip]
mod opening;
mod properties;
#[rustfmt::skip]
mod tls;
#[rustfmt::skip]
mod unreadable;
#[rustfmt::skip]
mod vantage;
#[rustfmt::skip]
mod waiting;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd";
const UPLOAD: &str = "POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const PART: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nbegin";
const TOO_LARGE: &str =
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const CLOSE_DELIMITED: &str =
    "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall that there is";

/// Connected, one exchange, idle from 45 ms on: captured at the client, 20 ms from the server.
#[rustfmt::skip]
fn served() -> Ladder {
    Ladder::to(80)
        .handshake(0)
        .client(21, "P.").payload(GET)
        .server(41, ".")
        .server(45, "P.").payload(OK)
        .client(45.1, ".")
}

/// A verdict in one line.
fn line(finding: &Finding) -> String {
    let mut words = vec![format!("{} {}", finding.confidence, finding.cause)];
    if let Some(sender) = finding.sender {
        words.push(format!("by {sender}"));
    }
    if let Some(trigger) = &finding.trigger {
        words.push(format!("drawn by {}", trigger.kind));
    }
    words.push(Cost::of(finding).to_string());
    if finding.idle.kind != IdleKind::None {
        words.push(finding.idle.kind.to_string());
    }
    words.join(" · ")
}

/// All verdicts, one a line.
fn told(findings: &[Finding]) -> String {
    match findings {
        [] => "nothing".to_owned(),
        _ => findings.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}

/// Every ladder of every file.
fn every_ladder() -> Vec<(&'static str, Ladder)> {
    [
        boxes::all(),
        closing::all(),
        filtered::all(),
        goaway::all(),
        healthy::all(),
        idle::all(),
        opening::all(),
        tls::all(),
        unreadable::all(),
        vantage::all(),
        waiting::all(),
    ]
    .concat()
}

#[test]
fn every_cause_has_a_ladder() {
    let found: Vec<_> = every_ladder()
        .iter()
        .flat_map(|(_, ladder)| ladder.findings())
        .map(|finding| finding.cause)
        .collect();
    for cause in whyrst::verdict::Cause::ALL {
        assert!(found.contains(cause), "no ladder for {cause}");
    }
}

/// Several connections in one capture.
fn together<'a>(ladders: impl IntoIterator<Item = &'a Ladder>) -> Trace {
    ladders.into_iter().fold(Trace::default(), |trace, ladder| {
        trace.with(&ladder.trace())
    })
}
