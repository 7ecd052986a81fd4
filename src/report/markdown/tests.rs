use super::*;
use crate::report::{ConnectionRow, Finding, Heading, sample};

#[test]
fn a_ticket_tells_the_story_from_the_headline_down() {
    let mut report = sample::report();
    report.heading = Heading {
        title: Some("Orders fail | at random".to_owned()),
        ticket: Some("OPS-1234".to_owned()),
        note: Some("Seen since <yesterday>.\nAsk @oncall.".to_owned()),
    };
    insta::assert_snapshot!(markdown(&report));
}

#[test]
fn connections_that_were_asked_for_are_a_table() {
    let text = markdown(&sample::with_connections());
    let begin = text.find("## Connections").unwrap();
    let end = text.find("## How to reproduce").unwrap();
    insta::assert_snapshot!(&text[begin..end]);
}

#[test]
fn nothing_found_is_a_short_ticket() {
    insta::assert_snapshot!(markdown(&sample::empty()));
}

/// Every text is as long and as nasty as a capture can make it, and there are thousands of everything.
#[test]
fn a_ticket_fits_whatever_the_report_holds() {
    let nasty = "|`*_[x](y)<b>\n# @you ```` \u{1b}[31m".repeat(60);
    let mut report = sample::report();
    let swollen = |finding: &Finding, i: usize| {
        let mut finding = finding.clone();
        finding.id = format!("r{i}");
        finding.explanation = nasty.clone();
        for evidence in &mut finding.evidence {
            evidence.text = nasty.clone();
            evidence.frames = (0..10_000).collect();
        }
        if let Some(request) = &mut finding.request {
            request.summary = Some(nasty.clone());
        }
        for step in &mut finding.ladder {
            step.note = Some(nasty.clone().into());
        }
        finding
    };
    report.resets = (0..5_000)
        .map(|i| swollen(&report.resets[i % 4], i))
        .collect();
    report.summary.resets = 5_000;
    report.captures = vec![report.captures[0].clone(); 500];
    for capture in &mut report.captures {
        capture.path = nasty.clone();
        capture.damage = Some(nasty.clone());
    }
    report.idle_timeouts = vec![report.idle_timeouts[0].clone(); 500];
    report.alignment = vec![report.alignment[0].clone(); 500];
    report.advice = vec![report.advice[0].clone(); 500];
    for advice in &mut report.advice {
        advice.text = nasty.clone();
        advice.settings[0].line = nasty.clone();
        advice.because = (0..5_000).map(|i| format!("r{i}")).collect();
    }
    report.connections = Some(
        (0..50_000)
            .map(|i| ConnectionRow {
                finding: (i % 7 == 0).then(|| nasty.clone()),
                ..sample::with_connections().connections.unwrap()[0].clone()
            })
            .collect(),
    );
    report.caveats = vec![nasty.clone(); 500];
    report.heading = Heading {
        title: Some(nasty.clone()),
        ticket: Some(nasty.clone()),
        note: Some(nasty.clone()),
    };
    let text = markdown(&report);
    let length = text.chars().count();
    assert!(length < LIMIT, "{length} characters");
    assert!(
        text.contains("more findings that cost something"),
        "the rest is counted"
    );
    assert!(!text.contains('\u{1b}'));
    rows_have_the_columns_of_their_header(&text);
}

/// A bar in data would move every cell after it.
fn rows_have_the_columns_of_their_header(text: &str) {
    let bars = |line: &str| {
        line.replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count()
    };
    let mut header = None;
    let mut rows = 0;
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) if line == open => fence = None,
            Some(_) => continue,
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {}
        }
        if line.starts_with("| ") {
            let expected = *header.get_or_insert(bars(line));
            assert_eq!(bars(line), expected, "{line}");
            rows += 1;
        } else {
            header = None;
        }
    }
    assert!(fence.is_none(), "an open code block");
    assert!(rows > 10);
}

#[test]
fn a_table_row_survives_bars_in_its_data() {
    let mut report = sample::report();
    report.resets[0].request.as_mut().unwrap().summary = Some("GET /a|b\\|c`d".to_owned());
    report.alignment[0].why = "a | b".to_owned();
    rows_have_the_columns_of_their_header(&markdown(&report));
}

#[test]
fn the_head_holds_what_to_do_first_and_counts_the_rest() {
    let mut report = sample::report();
    report.advice = vec![report.advice[0].clone(); 9];
    let text = markdown(&report);
    let head = &text[..text.find("\n## ").unwrap()];
    assert_eq!(head.matches("has to change").count(), 5, "{head}");
    assert!(head.contains("- 4 more pieces of advice below."), "{head}");
}
