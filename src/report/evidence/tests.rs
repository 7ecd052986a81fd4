use std::path::{Path, PathBuf};

use super::*;
use crate::analysis::{AnalysisOptions, Analyzer};
use crate::capture::{Captures, Frame, Input};
use crate::report::redact::{RedactionKey, Redactor};
use crate::report::{CaptureSummary, Report};
use crate::wire::{Decoded, Decoder};

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

fn replay(path: &Path, mut take: impl FnMut(&Frame<'_>)) {
    let mut captures = Captures::open(&[Input::from_argument(path)]).unwrap();
    while let Some(frame) = captures.next_frame() {
        take(&frame);
    }
}

fn report(path: &Path) -> Report {
    let mut analyzer = Analyzer::new(AnalysisOptions::default());
    replay(path, |frame| analyzer.frame(frame));
    analyzer.report(vec![CaptureSummary {
        path: path.display().to_string(),
        ..CaptureSummary::default()
    }])
}

fn evidence(
    path: &Path,
    report: &Report,
    context: Context,
    options: EvidenceOptions<'_>,
) -> (Vec<u8>, EvidenceSummary) {
    let mut selector = Selector::new(report, context);
    replay(path, |frame| selector.frame(frame));
    let mut writer = EvidenceWriter::new(report, selector.finish(), options, Vec::new()).unwrap();
    replay(path, |frame| writer.frame(frame).unwrap());
    assert!(writer.is_complete());
    writer.finish().unwrap()
}

/// Time, addresses and ports, flags, captured payload and TTL of every TCP packet.
fn packets(path: &Path) -> Vec<(crate::Timestamp, String, String, usize, u8)> {
    let mut decoder = Decoder::new();
    let mut packets = Vec::new();
    replay(path, |frame| {
        if let Decoded::Tcp(s) = decoder.decode(frame) {
            let ends = format!(
                "{}:{} {}:{}",
                s.addresses.src(),
                s.src_port,
                s.addresses.dst(),
                s.dst_port
            );
            packets.push((
                s.head.time,
                ends,
                s.flags.unwrap_or_default().to_string(),
                s.payload.len(),
                s.head.ttl.0,
            ));
        }
    });
    packets
}

fn saved(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

const CAPTURES: [&str; 6] = [
    "keepalive-race.pcap",
    "stale-reuse.pcap",
    "refused.pcap",
    "injected-keyword.pcap",
    "hang-up.pcap",
    "nginx-upstream-race-any.pcap.gz",
];

#[test]
fn the_resets_in_it_are_the_resets_reported() {
    for name in CAPTURES {
        let path = capture(name);
        let report = report(&path);
        let (bytes, summary) = evidence(&path, &report, Context::Whole, EvidenceOptions::default());
        let file = saved(&bytes);
        let written = packets(file.path());
        let resets = written.iter().filter(|p| p.2.contains('R')).count();
        let reported: usize = report.resets.iter().map(|f| f.frames.len()).sum();
        assert_eq!(resets, reported, "{name}");
        assert_eq!(written.len() as u64, summary.packets, "{name}");
        assert_eq!(summary.left_out, 0, "{name}");
        assert!(written.iter().all(|p| p.3 == 0), "{name}: payload");
        let original = packets(&path);
        for packet in &written {
            assert!(
                original
                    .iter()
                    .any(|p| (p.0, &p.1, &p.2, p.4) == (packet.0, &packet.1, &packet.2, packet.4)),
                "{name}: {packet:?}"
            );
        }
    }
}

#[test]
fn a_comment_names_the_finding_and_counts_in_the_new_file() {
    let path = capture("keepalive-race.pcap");
    let report = report(&path);
    let mut selector = Selector::new(&report, Context::Whole);
    replay(&path, |frame| selector.frame(frame));
    let chosen = selector.finish();
    let (bytes, _) = evidence(&path, &report, Context::Whole, EvidenceOptions::default());
    let text = String::from_utf8_lossy(&bytes);
    let finding = report
        .resets
        .iter()
        .find(|f| f.trigger.is_some() && f.idle.since_frame.is_some())
        .unwrap();
    let id = crate::capture::FrameId {
        number: crate::capture::FrameNumber(finding.frame),
        ..Default::default()
    };
    let comment = chosen.comment(id).unwrap();
    assert!(
        comment.starts_with(&format!("whyrst {}: RST, keepalive-race, 5.9", finding.id)),
        "{comment}"
    );
    assert!(comment.contains(" s idle since packet "), "{comment}");
    assert!(text.contains(&comment));
    assert!(text.contains(&format!("whyrst {}: FIN of the server", finding.id)));
}

#[test]
fn context_bounds_the_packets_around_those_that_matter() {
    let path = capture("keepalive-race.pcap");
    let report = report(&path);
    let count = |context| {
        evidence(&path, &report, context, EvidenceOptions::default())
            .1
            .packets
    };
    let matter: std::collections::BTreeSet<u32> = report
        .findings()
        .flat_map(|f| {
            let fins = [&f.fins.client, &f.fins.server]
                .into_iter()
                .flatten()
                .map(|fin| fin.frame);
            let trigger = f.trigger.as_ref().and_then(|t| t.frame);
            f.frames
                .iter()
                .copied()
                .chain(fins)
                .chain(trigger)
                .chain(f.idle.since_frame)
                .chain([f.frame])
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(count(Context::Around(0)), matter.len() as u64);
    assert!(count(Context::Around(1)) > count(Context::Around(0)));
    assert!(count(Context::Whole) >= count(Context::Around(1)));
}

#[test]
fn payload_is_kept_only_when_asked_for() {
    let path = capture("keepalive-race.pcap");
    let report = report(&path);
    let keep = EvidenceOptions {
        payload: Payload::Keep,
        redactor: None,
    };
    let (bytes, _) = evidence(&path, &report, Context::Whole, keep);
    assert!(packets(saved(&bytes).path()).iter().any(|p| p.3 > 0));
}

#[test]
fn a_redacted_file_holds_the_same_story_without_addresses() {
    let redactor = Redactor::new(RedactionKey::from_secret(b"a key"));
    for name in CAPTURES {
        let path = capture(name);
        let report = report(&path);
        let options = EvidenceOptions {
            payload: Payload::Keep,
            redactor: Some(&redactor),
        };
        let (bytes, summary) = evidence(&path, &report, Context::Whole, options);
        let file = saved(&bytes);
        let written = packets(file.path());
        assert_eq!(written.len() as u64, summary.packets);
        for finding in report.findings() {
            for endpoint in [finding.connection.client, finding.connection.server] {
                if let std::net::IpAddr::V4(v4) = endpoint.addr {
                    let octets = v4.octets();
                    assert!(!bytes.windows(4).any(|w| w == octets), "{name}: {v4}");
                }
            }
        }
        // Requests can't be read any more, but who reset whom stays.
        let again = self::report(file.path());
        assert_eq!(again.resets.len(), report.resets.len(), "{name}");
        checksums_are_right(file.path(), &path);
    }
}

/// Of RSTs, which alone are checked, and which carry no payload that was cut.
fn checksums_are_right(redacted: &Path, original: &Path) {
    let right = |path: &Path| {
        let mut decoder = Decoder::new();
        let mut checks = Vec::new();
        replay(path, |frame| {
            if let Decoded::Tcp(s) = decoder.decode(frame)
                && s.flags.is_some_and(|f| f.rst())
                && s.head.payload_len == 0
            {
                checks.push((s.head.time, s.checksum_ok));
            }
        });
        checks
    };
    let before = right(original);
    for (time, ok) in right(redacted) {
        let original = before.iter().find(|(at, _)| *at == time).unwrap();
        assert_eq!(ok, original.1, "{time}");
    }
}

/// Where tshark is installed it has to open every file without a complaint and find the same packets.
#[test]
fn tshark_opens_it_without_a_complaint() {
    if std::process::Command::new("tshark")
        .arg("-v")
        .output()
        .is_err()
    {
        eprintln!("skipped: tshark is not installed");
        return;
    }
    let redactor = Redactor::new(RedactionKey::from_secret(b"a key"));
    for name in CAPTURES {
        let path = capture(name);
        let report = report(&path);
        for redactor in [None, Some(&redactor)] {
            let options = EvidenceOptions {
                payload: Payload::Cut,
                redactor,
            };
            let (bytes, summary) = evidence(&path, &report, Context::Whole, options);
            let file = saved(&bytes);
            let output = std::process::Command::new("tshark")
                .arg("-r")
                .arg(file.path())
                .args([
                    "-T",
                    "fields",
                    "-e",
                    "tcp.flags.reset",
                    "-e",
                    "_ws.malformed",
                    "-e",
                    "ip.checksum.status",
                    "-e",
                    "frame.comment",
                    "-o",
                    "ip.check_checksum:TRUE",
                ])
                .output()
                .unwrap();
            let complaints: Vec<_> = std::str::from_utf8(&output.stderr)
                .unwrap()
                .lines()
                .filter(|l| !l.contains("Running as user"))
                .collect();
            assert_eq!(complaints, Vec::<&str>::new(), "{name}");
            let rows = String::from_utf8(output.stdout).unwrap();
            // A row of a packet with two remarks goes over two lines.
            let packets: Vec<Vec<&str>> = rows
                .lines()
                .map(|l| l.split('\t').collect::<Vec<_>>())
                .filter(|r| r.len() > 1)
                .collect();
            assert_eq!(packets.len() as u64, summary.packets, "{name}");
            let resets = packets
                .iter()
                .filter(|p| matches!(p[0], "1" | "True"))
                .count();
            assert_eq!(
                resets,
                report.resets.iter().map(|f| f.frames.len()).sum::<usize>(),
                "{name}"
            );
            assert!(packets.iter().all(|p| p[1].is_empty()), "{name}: malformed");
            assert!(
                redactor.is_none() || packets.iter().all(|p| p[2] != "0"),
                "{name}: IP checksum"
            );
            assert!(
                packets.iter().any(|p| p[3].starts_with("whyrst ")),
                "{name}"
            );
        }
    }
}
