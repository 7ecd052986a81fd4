//! Verdicts become findings, findings become the report.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::analysis::community_id::community_id;
use crate::analysis::endings::{CaptureQuality, of_episode, without_reset};
use crate::analysis::insight::{observation, story};
use crate::analysis::ladder::ladder;
use crate::analysis::neighbours::Neighbours;
use crate::analysis::rows::Rows;
use crate::analysis::watch::{Numbers, Watch};
use crate::analysis::{Analyzer, ConnectionRows, Selection, Witness};
use crate::capture::FrameId;
use crate::dialogue::{DialogueReader, Protocol, Turn};
use crate::flow::{Connection, FinSeen, FirstRefusal, Peer, RefusedGroup, RefusedScope};
use crate::insight::{
    ConnectionStory, Grounds, IdleObservation, KnownTimeouts, advise, align, find_hops,
    find_retries, infer,
};
use crate::report::{
    CaptureSummary, ConnectionId, Endpoint, Evidence, Fin, Finding, Fins, HandshakeSeen, Idle,
    IdleTimeout, Report, SCHEMA_VERSION, Summary, Tool, Trigger,
};
use crate::time::Timestamp;
use crate::verdict::{
    Cause, Confidence, Effect, Ending, Form, Harm, IdleKind, Progress, ResetSender, TriggerKind,
    Verdict, judge, turn_progress,
};

type Tracked = Connection<DialogueReader>;

/// What was found on some of the connections.
#[derive(Default)]
struct Part<'a> {
    findings: Vec<Finding>,
    observations: Vec<IdleObservation<'a>>,
    stories: Vec<ConnectionStory<'a>>,
}

/// Judges connections one by one: each needs the others only through `neighbours`, which are settled before.
pub struct Judges<'a> {
    watch: Option<&'a Watch>,
    witness: Option<&'a Witness>,
    neighbours: Neighbours,
    capture_end: Timestamp,
}

impl<'a> Judges<'a> {
    /// `connections` are all that the analyzer holds: indexes count in them.
    pub fn new(analyzer: &'a Analyzer, connections: &[&Tracked], quality: CaptureQuality) -> Self {
        Self {
            watch: analyzer.watch.as_ref(),
            witness: analyzer.witness.as_ref(),
            neighbours: Neighbours::new(connections, quality),
            capture_end: analyzer.last.unwrap_or_default(),
        }
    }

    /// Connections below which a second thread costs more than it brings.
    const WORTH_A_THREAD: usize = 2_000;

    /// In order, on all cores: the parts do not depend on each other, so neither does the outcome on their number.
    fn judge_in_parts<'c>(&self, connections: &[&'c Tracked]) -> Vec<Part<'c>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let size = connections.len().div_ceil(cores).max(Self::WORTH_A_THREAD);
        if connections.len() <= size {
            return vec![self.judge_part(0, connections)];
        }
        std::thread::scope(|scope| {
            let parts: Vec<_> = connections
                .chunks(size)
                .enumerate()
                .map(|(number, part)| scope.spawn(move || self.judge_part(number * size, part)))
                .collect();
            parts
                .into_iter()
                .map(|part| {
                    part.join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        })
    }

    fn judge_part<'c>(&self, first: usize, connections: &[&'c Tracked]) -> Part<'c> {
        let mut part = Part::default();
        for (index, connection) in connections.iter().enumerate() {
            self.judge_one(first + index, connection, &mut part);
        }
        part
    }

    fn judge_one<'c>(&self, index: usize, connection: &'c Tracked, part: &mut Part<'c>) {
        let turns = turns(connection);
        let (mut findings, last) = self.findings(index, connection, &turns);
        if let Some(watch) = self.watch {
            watch.name(connection.first_stream(), &mut findings);
        }
        part.findings.append(&mut findings);
        part.observations.push(observation(
            connection,
            &turns,
            last.as_ref(),
            self.capture_end,
        ));
        part.stories.push(story(connection, turns));
    }

    /// The findings of one connection, in order, and its last verdict.
    pub fn findings(
        &self,
        index: usize,
        connection: &Tracked,
        turns: &[Turn],
    ) -> (Vec<Finding>, Option<Verdict>) {
        let mut findings = Vec::new();
        let mut last = None;
        for episode in &connection.episodes {
            let Some(ending) = of_episode(
                connection,
                episode,
                index,
                &self.neighbours,
                self.capture_end,
            ) else {
                continue;
            };
            let Some(verdict) = judge(&ending) else {
                continue;
            };
            findings.push(finding(connection, &ending, &verdict, &episode.frames));
            if verdict.ruling.cause != Cause::IgnoredRst || last.is_none() {
                last = Some(verdict);
            }
        }
        let still_open = last
            .as_ref()
            .is_none_or(|verdict: &Verdict| verdict.ruling.cause == Cause::IgnoredRst);
        if still_open && !ended_well(connection, turns) {
            let ending = without_reset(connection, index, &self.neighbours, self.capture_end);
            if let Some(verdict) = judge(&ending) {
                findings.push(finding(connection, &ending, &verdict, &[]));
                last = Some(verdict);
            }
        }
        self.hear_witness(connection, &mut findings);
        (findings, last)
    }

    /// What the kernel of the capturing host says of them, where it is heard.
    fn hear_witness(&self, connection: &Tracked, findings: &mut [Finding]) {
        let Some(witness) = self.witness else {
            return;
        };
        for finding in findings {
            let kept = self
                .watch
                .and_then(|watch| watch.said(connection.first_stream(), finding));
            witness.testify(finding, kept);
        }
    }
}

/// The exchanges of a connection, in brief.
pub fn turns(connection: &Tracked) -> Cow<'_, [Turn]> {
    match connection.reader() {
        None => Cow::Borrowed(&[]),
        Some(Cow::Borrowed(reader)) => reader.turns(),
        Some(Cow::Owned(reader)) => Cow::Owned(reader.turns().into_owned()),
    }
}

/// Both sides closed in order and every question was answered: no rule for endings without RST finds anything
/// (`verdict::rules::no_reset` looks for an ICMP error to a SYN, packets sent again to nobody, an open exchange, or a cut WebSocket).
fn ended_well(connection: &Tracked, turns: &[Turn]) -> bool {
    let protocol = connection.reader().map(|reader| reader.protocol());
    let unanswered = |peer: Peer| connection.directions.of(peer).unanswered_retransmissions;
    connection.closed.is_some()
        && connection.episodes.is_empty()
        && connection.icmp.is_empty()
        && unanswered(Peer::Client) == 0
        && unanswered(Peer::Server) == 0
        && protocol != Some(Protocol::WebSocket)
        && turns
            .iter()
            .all(|turn| turn_progress(turn, connection.last) == Progress::Answered)
}

/// Findings so far, and what insight reads.
pub fn judge_all(
    analyzer: &Analyzer,
    quality: CaptureQuality,
) -> (
    Vec<Finding>,
    Vec<IdleObservation<'_>>,
    Vec<ConnectionStory<'_>>,
) {
    let connections = analyzer.table.connections();
    let judges = Judges::new(analyzer, &connections, quality);
    let mut findings = Vec::new();
    let mut observations = Vec::with_capacity(connections.len());
    let mut stories = Vec::with_capacity(connections.len());
    for part in judges.judge_in_parts(&connections) {
        findings.extend(part.findings);
        observations.extend(part.observations);
        stories.extend(part.stories);
    }
    let mut groups: Vec<Finding> = refused(analyzer);
    if let Some(watch) = &analyzer.watch {
        watch.name_groups(&mut groups);
        findings.extend(watch.outlived(&connections));
    }
    findings.append(&mut groups);
    findings.retain(|finding| selected(&analyzer.options.selection, finding));
    let numbers = analyzer.watch.as_ref().map(Watch::numbers);
    number(&mut findings, numbers.unwrap_or_default());
    (findings, observations, stories)
}

/// Idle timeouts alone, without the findings and stories that a report holds at once.
pub fn idle_timeouts(analyzer: &Analyzer) -> Vec<IdleTimeout> {
    let connections = analyzer.table.connections();
    let judges = Judges::new(analyzer, &connections, analyzer.quality);
    let observations: Vec<_> = connections
        .iter()
        .enumerate()
        .map(|(index, connection)| {
            let turns = turns(connection);
            let (_, verdict) = judges.findings(index, connection, &turns);
            observation(connection, &turns, verdict.as_ref(), judges.capture_end)
        })
        .collect();
    infer(&observations, known(analyzer))
}

fn known(analyzer: &Analyzer) -> &KnownTimeouts {
    let own = analyzer.options.known_timeouts.as_ref();
    own.unwrap_or_else(|| KnownTimeouts::built_in())
}

/// Entries that stand for many refused connections.
pub fn refused(analyzer: &Analyzer) -> Vec<Finding> {
    analyzer.table.refused_groups().map(refused_group).collect()
}

/// The whole report.
pub fn report(analyzer: &Analyzer, captures: Vec<CaptureSummary>) -> Report {
    let quality = quality(&captures);
    let (findings, observations, stories) = judge_all(analyzer, quality);
    let connections =
        (analyzer.options.connections == ConnectionRows::All).then(|| rows(analyzer, &findings));
    let mut report = Report {
        schema_version: SCHEMA_VERSION.to_owned(),
        tool: Tool::this(),
        heading: analyzer.options.heading.clone(),
        summary: Summary::default(),
        resets: Vec::new(),
        hang_ups: Vec::new(),
        idle_timeouts: Vec::new(),
        alignment: Vec::new(),
        advice: Vec::new(),
        connections,
        caveats: caveats(analyzer, &captures),
        captures,
    };
    let known = known(analyzer);
    report.idle_timeouts = infer(&observations, known);
    report.alignment = align(&observations, &report.idle_timeouts);
    (report.hang_ups, report.resets) = findings
        .into_iter()
        .partition(|finding| finding.form.is_none());
    let mut all: Vec<&mut Finding> = report
        .resets
        .iter_mut()
        .chain(&mut report.hang_ups)
        .collect();
    find_retries(&mut all, &stories);
    find_hops(&mut all, &stories);
    let grounds = Grounds {
        timeouts: &report.idle_timeouts,
        alignment: &report.alignment,
        known,
        stack: &analyzer.options.stack,
        observations: &observations,
    };
    report.advice = advise(&mut all, &grounds);
    report.summary = summary(analyzer, &report);
    report
}

fn quality(captures: &[CaptureSummary]) -> CaptureQuality {
    if captures.iter().any(|capture| capture.dropped_by_kernel > 0) {
        CaptureQuality::Incomplete
    } else {
        CaptureQuality::Whole
    }
}

fn caveats(analyzer: &Analyzer, captures: &[CaptureSummary]) -> Vec<String> {
    let mut caveats = Vec::new();
    for capture in captures {
        if let Some(damage) = &capture.damage {
            caveats.push(format!(
                "{}: {damage}; what was read before it is reported",
                capture.path
            ));
        }
        if capture.dropped_by_kernel > 0 {
            caveats.push(format!(
                "{}: {} packets were dropped while capturing; verdicts that rest on what was not seen are weakened",
                capture.path, capture.dropped_by_kernel
            ));
        }
    }
    if analyzer.table.evicted() > 0 {
        caveats.push(format!(
            "{} connections were forgotten early to stay within the memory limit",
            analyzer.table.evicted()
        ));
    }
    if analyzer.table.numbers_forgotten() > 0 {
        caveats.push(format!(
            "{} refused or forgotten connections lost their number to stay within the memory limit; later stream numbers may differ from Wireshark's",
            analyzer.table.numbers_forgotten()
        ));
    }
    let forgotten = analyzer.watch.as_ref().map_or(0, Watch::forgotten);
    if forgotten > 0 {
        caveats.push(format!(
            "{forgotten} findings were told while live and are not in this report, to stay within the memory limit"
        ));
    }
    let fragments = analyzer.decoder.counters();
    if fragments.datagrams_dropped > 0 {
        caveats.push(format!(
            "{} fragmented IP datagrams were dropped to stay within the memory limit",
            fragments.datagrams_dropped
        ));
    }
    caveats
}

fn rows(analyzer: &Analyzer, findings: &[Finding]) -> Vec<crate::report::ConnectionRow> {
    let rows = Rows::new(findings);
    analyzer
        .table
        .connections()
        .into_iter()
        .flat_map(|connection| rows.of(connection))
        .collect()
}

fn summary(analyzer: &Analyzer, report: &Report) -> Summary {
    let mut summary = Summary {
        connections: analyzer.table.connections_seen(),
        resets: report.resets.len() as u64,
        hang_ups: report.hang_ups.len() as u64,
        evicted_connections: analyzer.table.evicted(),
        ..Summary::default()
    };
    for finding in report.resets.iter().chain(&report.hang_ups) {
        *summary.by_cause.entry(finding.cause).or_default() += 1;
        match finding.harm {
            Harm::Refused => summary.refused += finding.connections.unwrap_or(1),
            _ if finding.is_harmful() => summary.harmful += 1,
            _ => summary.benign += 1,
        }
    }
    summary
}

/// The user asked for it.
pub fn selected(selection: &Selection, finding: &Finding) -> bool {
    let connection = &finding.connection;
    let ends = [connection.client, connection.server];
    (selection.hosts.is_empty() || ends.iter().any(|end| selection.hosts.contains(&end.addr)))
        && (selection.ports.is_empty()
            || ends.iter().any(|end| selection.ports.contains(&end.port)))
        && (selection.streams.is_empty() || selection.streams.contains(&connection.stream))
        && selection.since.is_none_or(|since| finding.at >= since)
        && selection.until.is_none_or(|until| finding.at <= until)
}

/// Order of time; `r1` … for resets, `h1` … for endings without one. Those that were shown while live have their number, and the
/// others count on from there.
fn number(findings: &mut [Finding], taken: Numbers) {
    findings.sort_by(|one, other| {
        (one.at, one.capture, one.frame, one.connection.stream).cmp(&(
            other.at,
            other.capture,
            other.frame,
            other.connection.stream,
        ))
    });
    let (mut resets, mut hang_ups) = (taken.resets, taken.hang_ups);
    for finding in findings {
        if !finding.id.is_empty() {
            continue;
        }
        let (letter, count) = if finding.form.is_some() {
            ('r', &mut resets)
        } else {
            ('h', &mut hang_ups)
        };
        *count += 1;
        finding.id = format!("{letter}{count}");
    }
}

fn finding(
    connection: &Tracked,
    ending: &Ending,
    verdict: &Verdict,
    frames: &[FrameId],
) -> Finding {
    let at = verdict.at;
    let capture = at.frame.capture;
    let stream = connection
        .stream_in(capture)
        .unwrap_or_else(|| connection.first_stream());
    let ruling = &verdict.ruling;
    let reset = verdict.reset.as_ref();
    let silence = ruling.silence;
    Finding {
        id: String::new(),
        connection: ConnectionId {
            client: Endpoint {
                addr: connection.client.0,
                port: connection.client.1,
            },
            server: Endpoint {
                addr: connection.server.0,
                port: connection.server.1,
            },
            stream,
            community_id: community_id(connection.client, connection.server),
            opened: connection.opened,
            handshake: handshake(connection),
            orientation: connection.orientation,
        },
        at: at.time,
        capture: capture.0,
        frame: at.frame.number.0,
        packets: ending.reset_packets,
        frames: frames
            .iter()
            .filter(|frame| frame.capture == capture)
            .map(|frame| frame.number.0)
            .collect(),
        form: reset.map(|reset| reset.form),
        sender: reset.map(|reset| reset.sender),
        claimed_sender: (reset.is_some() || at.flags.fin()).then_some(at.from),
        sender_confidence: reset.map(|reset| reset.sender_confidence),
        effect: reset.map(|reset| reset.effect),
        cause: ruling.cause,
        confidence: ruling.confidence,
        detail: ruling.detail.map(str::to_owned),
        alternatives: ruling.alternatives.clone(),
        trigger: reset.map(|reset| Trigger {
            frame: reset.trigger.1.map(|packet| packet.frame.number.0),
            kind: reset.trigger.0,
            from: reset.trigger.1.map(|packet| packet.from),
        }),
        idle: Idle {
            kind: ruling.idle_kind,
            application_s: silence
                .and_then(|silence| silence.application)
                .map(|idle| idle.as_secs_f64()),
            wire_s: silence
                .and_then(|silence| silence.wire)
                .map(|idle| idle.as_secs_f64()),
            since_frame: silence
                .and_then(|silence| silence.since)
                .map(|since| since.frame.number.0),
            last_from: silence
                .and_then(|silence| silence.since)
                .map(|since| since.from),
            keepalive_probes: silence.map_or(0, |silence| u32::from(silence.probes)),
        },
        fins: Fins {
            client: fin(ending.fin(Peer::Client)),
            server: fin(ending.fin(Peer::Server)),
        },
        harm: ruling.harm,
        retry: verdict.retry.clone(),
        request: verdict.request.clone(),
        victim: ruling.victim,
        victim_errors: verdict.victim_errors.clone(),
        evidence: ruling.evidence.clone(),
        evidence_against: ruling.against.clone(),
        explanation: ruling.explanation.clone(),
        advice: Vec::new(),
        wireshark_filter: format!("tcp.stream eq {stream}"),
        reset_text: reset_text(&ending.reset_text),
        connections: None,
        first: None,
        last: None,
        hop: None,
        kernel: None,
        ladder: ladder(ending, verdict),
    }
}

fn handshake(connection: &Tracked) -> HandshakeSeen {
    let (client, server) = (&connection.directions.client, &connection.directions.server);
    match (
        client.iss.is_some(),
        server.iss.is_some(),
        connection.established.is_some(),
    ) {
        (true, true, true) => HandshakeSeen::Seen,
        (false, false, _) => HandshakeSeen::Unseen,
        _ => HandshakeSeen::Partly,
    }
}

fn fin(seen: Option<&FinSeen>) -> Option<Fin> {
    seen.map(|fin| Fin {
        frame: fin.frame.number.0,
        at: fin.time,
    })
}

/// Printable ASCII of a RST's payload; dots for the rest. It explains the reset (RFC 9293 SHLD-2), it is not the connection's data.
fn reset_text(bytes: &[u8]) -> Option<String> {
    let printable = bytes
        .iter()
        .filter(|byte| (0x20..0x7f).contains(*byte))
        .count();
    if bytes.is_empty() || printable * 4 < bytes.len() * 3 {
        return None;
    }
    Some(
        bytes
            .iter()
            .map(|&byte| {
                if (0x20..0x7f).contains(&byte) {
                    char::from(byte)
                } else {
                    '.'
                }
            })
            .collect(),
    )
}

/// Refusals beyond the number kept apart: one entry for all.
/// An entry that stands for many.
pub fn refused_group(group: &RefusedGroup) -> Finding {
    let FirstRefusal {
        time: first,
        frame,
        client_port,
        stream: (_, stream),
    } = group.first;
    let client = (group.client, client_port);
    Finding {
        id: String::new(),
        connection: ConnectionId {
            client: Endpoint {
                addr: client.0,
                port: client.1,
            },
            server: Endpoint {
                addr: group.server.0,
                port: group.server.1,
            },
            stream,
            community_id: community_id(client, group.server),
            opened: first,
            handshake: HandshakeSeen::Partly,
            orientation: crate::flow::Orientation::Syn,
        },
        at: first,
        capture: frame.capture.0,
        frame: frame.number.0,
        packets: group.packets,
        frames: group
            .frames
            .iter()
            .filter(|other| other.capture == frame.capture)
            .map(|frame| frame.number.0)
            .collect(),
        form: Some(Form::Reply),
        sender: Some(ResetSender::Server),
        claimed_sender: Some(Peer::Server),
        sender_confidence: Some(Confidence::Possible),
        effect: Some(Effect::TookEffect),
        cause: Cause::ConnectionRefused,
        confidence: Confidence::Certain,
        detail: None,
        alternatives: Vec::new(),
        trigger: Some(Trigger {
            frame: None,
            kind: TriggerKind::Syn,
            from: Some(Peer::Client),
        }),
        idle: Idle {
            kind: IdleKind::None,
            application_s: None,
            wire_s: None,
            since_frame: None,
            last_from: None,
            keepalive_probes: 0,
        },
        fins: Fins::default(),
        harm: Harm::Refused,
        retry: None,
        request: None,
        victim: Some(Peer::Client),
        victim_errors: BTreeMap::new(),
        evidence: vec![Evidence {
            text: format!(
                "{} connections were answered by RST,ACK to their SYN; they are one entry",
                group.connections
            ),
            frames: vec![frame.number.0],
        }],
        evidence_against: Vec::new(),
        explanation: match group.scope {
            RefusedScope::Service => format!(
                "Nothing accepts connections on port {} at that address: attempts from one address were refused ({} in all).",
                group.server.1, group.connections
            ),
            RefusedScope::Host => format!(
                "One address tried many ports of this server, as a scan does: {} further attempts were refused, the first of them at port {}.",
                group.connections, group.server.1
            ),
            RefusedScope::Client => format!(
                "One address tried many servers, as a scan does: {} further attempts were refused; the first of them is named here.",
                group.connections
            ),
            RefusedScope::Anyone => format!(
                "{} further attempts of too many addresses to tell apart were refused; the first of them is named here.",
                group.connections
            ),
        },
        advice: Vec::new(),
        wireshark_filter: group_filter(group),
        reset_text: None,
        connections: Some(group.connections),
        first: Some(first),
        last: Some(group.last.0),
        hop: None,
        kernel: None,
        ladder: Vec::new(),
    }
}

fn group_filter(group: &RefusedGroup) -> String {
    let address = match group.client {
        IpAddr::V4(_) => "ip.addr",
        IpAddr::V6(_) => "ipv6.addr",
    };
    let common = match group.scope {
        RefusedScope::Service => format!(
            "{address} == {} && {address} == {} && tcp.port == {} && ",
            group.client, group.server.0, group.server.1
        ),
        RefusedScope::Host => format!(
            "{address} == {} && {address} == {} && ",
            group.client, group.server.0
        ),
        RefusedScope::Client => format!("{address} == {} && ", group.client),
        RefusedScope::Anyone => String::new(),
    };
    format!("{common}tcp.flags.reset == 1")
}
