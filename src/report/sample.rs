//! Reports for the tests of the views: one finding of each kind that a view treats differently.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::dialogue::Protocol;
use crate::flow::{Orientation, Peer};
use crate::time::{Interval, Timestamp};
use crate::verdict::{
    Cause, Confidence, Effect, Form, Harm, IdleKind, ResetSender, RetrySafety, TriggerKind,
};

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_parts(1_795_223_280, 0) + Interval::from_secs_f64(seconds)
}

fn endpoint(last: u8, port: u16) -> Endpoint {
    Endpoint {
        addr: IpAddr::V4(Ipv4Addr::new(10, 77, 1, last)),
        port,
    }
}

fn connection(port: u16, server_port: u16, stream: u32) -> ConnectionId {
    ConnectionId {
        client: endpoint(2, port),
        server: endpoint(3, server_port),
        stream,
        called: None,
        elsewhere: vec![],
        community_id: "1:LQU9qZlK+B5F3KDmev6m5PMibrg=".to_owned(),
        opened: at(f64::from(stream)),
        handshake: HandshakeSeen::Seen,
        orientation: Orientation::Syn,
    }
}

fn evidence(text: &str, frames: &[u32]) -> Evidence {
    Evidence {
        text: text.to_owned(),
        frames: frames.to_vec(),
        elsewhere: vec![],
    }
}

fn step(frame: u32, at_s: f64, from: Peer, flags: &str, seq: i64, ack: Option<i64>) -> LadderStep {
    LadderStep {
        frame,
        capture: None,
        at_s,
        from,
        flags: flags.to_owned().into(),
        seq,
        ack,
        len: 0,
        note: None,
        mark: None,
        skipped_before: 0,
    }
}

fn said(step: LadderStep, len: u32, note: &str) -> LadderStep {
    LadderStep {
        len,
        note: Some(note.to_owned().into()),
        ..step
    }
}

fn marked(step: LadderStep, mark: LadderMark) -> LadderStep {
    LadderStep {
        mark: Some(mark),
        ..step
    }
}

/// A finding without anything special.
fn plain(id: &str, frame: u32, connection: ConnectionId, cause: Cause) -> Finding {
    let wireshark_filter = format!("tcp.stream eq {}", connection.stream);
    Finding {
        id: id.to_owned(),
        at: connection.opened + Interval::from_millis(2_500),
        connection,
        capture: 0,
        frame,
        packets: 1,
        frames: vec![frame],
        elsewhere: vec![],
        form: Some(Form::Reply),
        sender: Some(ResetSender::Server),
        claimed_sender: Some(Peer::Server),
        sender_confidence: Some(Confidence::Likely),
        passage: None,
        effect: Some(Effect::TookEffect),
        cause,
        confidence: Confidence::Certain,
        detail: None,
        alternatives: vec![],
        trigger: None,
        idle: Idle::NONE,
        fins: Fins::default(),
        harm: Harm::None,
        harm_unclear: false,
        retry: None,
        request: None,
        victim: None,
        victim_errors: BTreeMap::new(),
        evidence: vec![],
        evidence_against: vec![],
        explanation: String::new(),
        advice: vec![],
        wireshark_filter,
        reset_text: None,
        connections: None,
        first: None,
        last: None,
        hop: None,
        kernel: None,
        ladder: vec![],
    }
}

/// The idle close of a server and the client's request cross.
pub fn keepalive_race() -> Finding {
    use Peer::{Client, Server};
    Finding {
        at: at(12.5),
        trigger: Some(Trigger {
            frame: Some(107),
            capture: None,
            kind: TriggerKind::Request,
            from: Some(Client),
        }),
        idle: Idle {
            kind: IdleKind::BetweenRequests,
            application_s: Some(2.401_377),
            wire_s: Some(2.401_377),
            since_frame: Some(11),
            since_capture: None,
            last_from: Some(Server),
            keepalive_probes: 0,
        },
        fins: Fins {
            client: None,
            server: Some(Fin {
                frame: 106,
                capture: None,
                at: at(12.48),
                data_fin: false,
            }),
        },
        harm: Harm::RequestLost,
        retry: Some(Retry {
            safe: RetrySafety::Yes,
            why: "the server's stack threw the request away".to_owned(),
            seen: Some(RetrySeen {
                stream: 5,
                capture: None,
                frame: 120,
                after_s: 0.021,
                answered: true,
                may_have_run_twice: false,
            }),
        }),
        request: Some(RequestInFlight {
            protocol: Protocol::Http1,
            summary: Some("POST /orders".to_owned()),
            acked: false,
            answered: false,
            server_name: None,
        }),
        victim: Some(Client),
        victim_errors: BTreeMap::from([
            ("curl".into(), "(52) Empty reply from server".into()),
            ("node".into(), "socket hang up".into()),
        ]),
        evidence: vec![
            evidence("the request does not acknowledge the server's FIN: it was sent before the FIN arrived", &[106, 107]),
            evidence("RST without ACK, window 0, no options: the reply of a stack without that socket", &[108]),
        ],
        explanation: "The server had closed the connection after 2.4 s of idleness; the client's POST /orders was already under way and met a closed socket.".to_owned(),
        alternatives: vec![Alternative {
            cause: Cause::DataAfterClose,
            decided_by: "whether the server closes other idle connections after the same silence".to_owned(),
        }],
        evidence_against: vec![evidence("the retransmission was not answered", &[109])],
        advice: vec!["a1".to_owned()],
        ladder: vec![
            step(1, 0.0, Client, "S", 0, None),
            step(2, 0.064, Server, "S.", 0, Some(1)),
            said(step(4, 0.065, Client, "P.", 1, Some(1)), 118, "request"),
            marked(said(step(11, 0.130, Server, "P.", 1, Some(119)), 153, "response"), LadderMark::LastActivity),
            LadderStep {
                skipped_before: 1,
                ..marked(step(106, 2.51, Server, "F.", 154, Some(119)), LadderMark::Fin)
            },
            marked(said(step(107, 2.531, Client, "P.", 119, Some(154)), 131, "request"), LadderMark::Trigger),
            marked(step(108, 2.596, Server, "R", 154, None), LadderMark::Rst),
        ],
        ..plain("r1", 108, connection(44_836, 8030, 2), Cause::KeepaliveRace)
    }
}

/// A port without a listener, asked 2,000 times.
pub fn refused() -> Finding {
    Finding {
        harm: Harm::Refused,
        packets: 2000,
        frames: (200..2200).collect(),
        connections: Some(2000),
        first: Some(at(20.0)),
        last: Some(at(29.0)),
        trigger: Some(Trigger {
            frame: Some(199),
            capture: None,
            kind: TriggerKind::Syn,
            from: Some(Peer::Client),
        }),
        explanation: "Nothing listens on 10.77.1.3:9999, or a rule rejects.".to_owned(),
        ..plain(
            "r2",
            200,
            connection(50_000, 9999, 7),
            Cause::ConnectionRefused,
        )
    }
}

/// A TLS client that closed before the server's close_notify came.
pub fn teardown_noise() -> Finding {
    Finding {
        form: Some(Form::Reply),
        sender: Some(ResetSender::Client),
        claimed_sender: Some(Peer::Client),
        detail: Some("tls-close".to_owned()),
        explanation: "The client had closed; the server's TLS goodbye came too late.".to_owned(),
        fins: Fins {
            client: Some(Fin {
                frame: 2300,
                capture: None,
                at: at(30.0),
                data_fin: false,
            }),
            server: None,
        },
        ..plain("r3", 2301, connection(51_000, 443, 9), Cause::TeardownNoise)
    }
}

/// A forged RST, with a text that carries terminal control characters.
pub fn injected() -> Finding {
    Finding {
        form: Some(Form::Other),
        sender: Some(ResetSender::Middlebox),
        claimed_sender: Some(Peer::Server),
        confidence: Confidence::Likely,
        harm: Harm::ResponseTruncated,
        packets: 3,
        frames: vec![2400, 2401, 2402],
        reset_text: Some("blocked\u{1b}[2J".to_owned()),
        explanation: "A device about 3 hops from the capture forged this RST.".to_owned(),
        ..plain("r4", 2400, connection(52_000, 80, 11), Cause::Injected)
    }
}

/// A FIN with a request unanswered.
pub fn hang_up() -> Finding {
    Finding {
        form: None,
        sender: None,
        sender_confidence: None,
        effect: None,
        packets: 0,
        frames: vec![],
        harm: Harm::RequestOutcomeUnknown,
        retry: Some(Retry {
            safe: RetrySafety::No,
            why: "the server's kernel acknowledged the request, and POST is not idempotent"
                .to_owned(),
            seen: None,
        }),
        idle: Idle {
            kind: IdleKind::AwaitingResponse,
            application_s: Some(3.0),
            wire_s: Some(1.5),
            since_frame: Some(2490),
            since_capture: None,
            last_from: Some(Peer::Client),
            keepalive_probes: 2,
        },
        fins: Fins {
            client: None,
            server: Some(Fin {
                frame: 2500,
                capture: None,
                at: at(40.0),
                data_fin: false,
            }),
        },
        explanation: "The server closed while the request was unanswered.".to_owned(),
        ..plain("h1", 2500, connection(53_000, 3000, 13), Cause::HangUp)
    }
}

/// A report with a bit of everything.
pub fn report() -> Report {
    let resets = vec![keepalive_race(), refused(), teardown_noise(), injected()];
    let hang_ups = vec![hang_up()];
    let mut by_cause = BTreeMap::new();
    for finding in resets.iter().chain(&hang_ups) {
        *by_cause.entry(finding.cause).or_insert(0) += 1;
    }
    Report {
        captures: vec![capture()],
        summary: Summary {
            connections: 2057,
            resets: 4,
            hang_ups: 1,
            harmful: 3,
            benign: 1,
            unclear: 0,
            refused: 2000,
            by_cause,
            evicted_connections: 0,
        },
        resets,
        hang_ups,
        idle_timeouts: vec![idle_timeout()],
        alignment: vec![Alignment {
            client: "10.77.1.2".to_owned(),
            server: "10.77.1.3:8030".to_owned(),
            client_keeps_s: Some(29.8),
            server_keeps_s: Some(2.4),
            verdict: "broken".to_owned(),
            why:
                "the client reuses connections for up to 29.8 s, the server closes them after 2.4 s"
                    .to_owned(),
        }],
        advice: vec![advice()],
        caveats: vec!["the kernel dropped 3 packets while capturing".to_owned()],
        ..empty()
    }
}

fn capture() -> CaptureSummary {
    CaptureSummary {
        path: "client.pcap".to_owned(),
        format: "pcap".to_owned(),
        compression: "none".to_owned(),
        link_types: vec!["EN10MB".to_owned()],
        first: Some(at(0.0)),
        last: Some(at(312.0)),
        frames: 12_345,
        tcp_segments: 12_300,
        ..CaptureSummary::default()
    }
}

fn idle_timeout() -> IdleTimeout {
    IdleTimeout {
        endpoint: IdleEndpoint {
            addr: endpoint(3, 0).addr,
            port: Some(8030),
        },
        role: "server".to_owned(),
        closes_by: "fin".to_owned(),
        clock: "application".to_owned(),
        estimate_s: Some(2.4),
        lower_s: Some(2.398),
        upper_s: Some(2.402),
        closes: 42,
        survived_longest_s: Some(2.31),
        survivals: 17,
        spread_s: Some(0.004),
        announced_s: None,
        confidence: Confidence::Likely,
        text: "42 closes between 2.398 s and 2.402 s of application idle".to_owned(),
        no_timer: None,
        samples_s: vec![2.398, 2.4, 2.402],
        matches: vec![TimeoutMatch {
            id: "example-server-idle".to_owned(),
            product: "Example server".to_owned(),
            setting: "idle_timeout".to_owned(),
            default_s: Some(2.4),
            named_by: vec![],
            why: "the default fits".to_owned(),
            source: "https://example.com/timeouts".to_owned(),
        }],
    }
}

fn advice() -> Advice {
    Advice {
        id: "a1".to_owned(),
        change: "client".to_owned(),
        action: "let 10.77.1.2 drop idle connections to 10.77.1.3:8030 after 1.9 s or less".to_owned(),
        text: "Let the client drop idle connections before 2.4 s, or raise the server's timeout above 29.8 s.".to_owned(),
        settings: vec![SettingLine {
            product: "agentkeepalive".to_owned(),
            line: "freeSocketTimeout: 1400".to_owned(),
        }],
        will_not_help: Some("TCP keepalive: probes are no activity for an HTTP server".to_owned()),
        because: vec!["r1".to_owned()],
    }
}

/// A report in which nothing was found.
pub fn empty() -> Report {
    Report {
        schema_version: SCHEMA_VERSION.to_owned(),
        tool: Tool {
            name: "whyrst".to_owned(),
            version: "0.0.0".to_owned(),
        },
        heading: Heading::default(),
        captures: vec![CaptureSummary {
            path: "quiet.pcap".to_owned(),
            ..capture()
        }],
        summary: Summary {
            connections: 3,
            ..Summary::default()
        },
        resets: vec![],
        hang_ups: vec![],
        idle_timeouts: vec![],
        alignment: vec![],
        advice: vec![],
        connections: None,
        caveats: vec![],
    }
}

fn row(client_port: u16, server_port: u16, stream: u32, finding: Option<&str>) -> ConnectionRow {
    let (conn_state, history) = match finding {
        Some(_) => ("RSTO", "ShADadfR"),
        None => ("SHR", "^fA"),
    };
    ConnectionRow {
        stream,
        capture: 0,
        client: endpoint(2, client_port),
        server: endpoint(3, server_port),
        opened: at(f64::from(stream)),
        duration_s: 2.401_5,
        conn_state: conn_state.to_owned(),
        history: history.to_owned(),
        client_packets: 6,
        server_packets: 4,
        client_bytes: 790,
        server_bytes: 171_000,
        finding: finding.map(str::to_owned),
    }
}

/// The same with rows of connections: most of them went well, some have findings.
pub fn with_connections() -> Report {
    let report = report();
    let quiet = (0..3).map(|i| row(40_000 + i, 8030, u32::from(i), None));
    let told = report.findings().map(|finding| {
        let id = &finding.connection;
        row(id.client.port, id.server.port, id.stream, Some(&finding.id))
    });
    let connections = Some(quiet.chain(told).collect());
    Report {
        connections,
        ..report
    }
}
