use super::*;
use crate::report::{Heading, headline, html, markdown, sample};

fn redactor() -> Redactor {
    Redactor::new(RedactionKey::from_secret(b"a key file's content"))
}

fn common_bits(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => panic!("families differ"),
    }
}

#[test]
fn pseudonyms_keep_prefixes_and_follow_the_key() {
    let redactor = redactor();
    for (a, b) in [
        ("10.77.1.2", "10.77.1.3"),
        ("10.77.1.2", "10.77.2.2"),
        ("10.0.0.1", "192.168.1.1"),
        ("2001:db8::1", "2001:db8::2"),
        ("2001:db8::1", "fe80::1"),
    ] {
        let (a, b): (IpAddr, IpAddr) = (a.parse().unwrap(), b.parse().unwrap());
        let (x, y) = (redactor.address(a), redactor.address(b));
        assert_eq!(common_bits(a, b), common_bits(x, y), "{a} {b} {x} {y}");
        assert_ne!(a, x);
    }
    let a = "10.77.1.2".parse().unwrap();
    assert_eq!(
        redactor.address(a),
        super::tests::redactor().address(a),
        "stable under a key"
    );
    let other = Redactor::new(RedactionKey::from_secret(b"another"));
    assert_ne!(redactor.address(a), other.address(a));
    assert_ne!(
        redactor.host("db.example.com"),
        other.host("db.example.com")
    );
}

/// Everything that is written, of a report with secrets in every text.
#[test]
fn no_view_shows_what_was_redacted() {
    let secrets = [
        "10.77.1.2",
        "10.77.1.3",
        "2001:db8::7",
        "/orders",
        "/etc/secret-path",
        "api.internal.example",
        "incident-acme.pcap",
        "00:1b:44:11:3a:b7",
        "acme-worker",
    ];
    let text = "10.77.1.2 → 10.77.1.3:8030, [2001:db8::7]:443 and 2001:db8::7 sent POST /orders to api.internal.example (incident-acme.pcap), 10.77.1.3.8030 via 00:1b:44:11:3a:b7; see /etc/secret-path, x=10.77.1.2.";
    let mut report = sample::report();
    report.heading = Heading {
        title: Some(text.to_owned()),
        ticket: None,
        note: None,
    };
    report.captures[0].path = "/home/ops/incident-acme.pcap".to_owned();
    report.captures[0].damage = Some(text.to_owned());
    report.caveats = vec![text.to_owned()];
    for finding in report.resets.iter_mut().chain(&mut report.hang_ups) {
        finding.explanation = text.to_owned();
        finding.evidence = vec![Evidence {
            text: text.to_owned(),
            frames: vec![],
            elsewhere: vec![],
        }];
        finding.evidence_against = finding.evidence.clone();
        finding.reset_text = Some(text.to_owned());
        finding.wireshark_filter = "tcp.stream eq 2 && ip.addr == 10.77.1.2".to_owned();
        finding
            .victim_errors
            .insert("node".into(), "connect ECONNREFUSED 10.77.1.3:80".into());
        finding.kernel = Some(crate::report::KernelWord {
            reason: None,
            state: None,
            process: Some("acme-worker".to_owned()),
            pid: None,
        });
        for step in &mut finding.ladder {
            step.note = Some(text.to_owned().into());
        }
    }
    report.resets[0].request.as_mut().unwrap().server_name =
        Some("api.internal.example".to_owned());
    // The title and other words of the user keep their paths, which are no secrets of the capture.
    report.heading.title = report
        .heading
        .title
        .map(|t| t.replace("/etc/secret-path", ""));
    let redacted = redactor().report(&report);
    let views = [
        serde_json::to_string(&redacted).unwrap(),
        markdown::markdown(&redacted),
        html::html(&redacted).unwrap(),
        headline::headline(&redacted),
    ];
    for view in &views {
        for secret in secrets {
            assert!(
                !view.contains(secret),
                "{secret} in {}",
                view.get(..2_000).unwrap_or(view)
            );
        }
        assert!(!view.contains(&report.resets[0].connection.community_id));
    }
}

#[test]
fn what_is_not_secret_stays() {
    let report = sample::report();
    let redacted = redactor().report(&report);
    assert_eq!(redacted.summary, report.summary);
    assert_eq!(redacted.advice[0].settings, report.advice[0].settings);
    for (a, b) in redacted.findings().zip(report.findings()) {
        assert_eq!(
            (a.connection.client.port, a.at, a.cause, &a.frames),
            (b.connection.client.port, b.at, b.cause, &b.frames)
        );
        assert_eq!(a.evidence.len(), b.evidence.len());
    }
    assert_eq!(
        redacted.resets[0].evidence[0].text,
        report.resets[0].evidence[0].text
    );
    let request = redacted.resets[0]
        .request
        .as_ref()
        .unwrap()
        .summary
        .as_ref()
        .unwrap();
    assert!(request.starts_with("POST /p-"), "{request}");
    assert!(
        redacted.resets[0].explanation.contains(request.as_str()),
        "the same name in text: {}",
        redacted.resets[0].explanation
    );
    assert_eq!(redactor().report(&report), redacted);
}

/// Thousands of findings with names of their own: searching must not take names times text.
#[test]
fn many_names_are_found_in_many_texts() {
    let mut report = sample::report();
    report.resets = (0..3_000)
        .map(|i| {
            let mut finding = sample::keepalive_race();
            finding.id = format!("r{i}");
            finding.explanation = format!(
                "{} POST /api/orders/{i} met /api/orders/{i}9.",
                "The server had closed. ".repeat(40)
            );
            finding.request.as_mut().unwrap().summary = Some(format!("POST /api/orders/{i}"));
            finding
        })
        .collect();
    let redacted = redactor().report(&report);
    for finding in &redacted.resets {
        let path = finding.request.as_ref().unwrap().summary.as_ref().unwrap();
        assert!(
            finding.explanation.contains(&format!("{path} met")),
            "{}",
            finding.explanation
        );
        assert!(!finding.explanation.contains("/api"));
    }
}

#[test]
fn text_that_only_looks_like_something_stays() {
    let names = Names::of(&[], std::iter::empty(), &redactor());
    for text in [
        "http/1.1 and/or 5.0 s",
        "12:34:56",
        "1.2.3",
        "tcp.stream eq 2",
        "dead beef: cafe",
        "std::net",
        "r1 at 2026-11-21T01:08:12.500Z",
        "HTTP/1.1 502 / 504",
    ] {
        assert_eq!(
            scan::rewritten(text, &redactor(), &names, Paths::Hidden),
            text
        );
    }
}
