use super::*;
use crate::report::{Heading, sample};

/// The page without its style and script, which are files of their own.
fn markup(page: &str) -> String {
    page.replace(STYLE, "…")
        .replace(SCRIPT, "…")
        .replace(&policy(), "…")
}

#[test]
fn a_page_tells_the_story_from_the_headline_down() {
    insta::assert_snapshot!(markup(&html(&sample::report()).unwrap()));
}

#[test]
fn nothing_found_is_a_short_page() {
    insta::assert_snapshot!(markup(&html(&sample::empty()).unwrap()));
}

#[test]
fn data_cannot_become_markup() {
    let nasty = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}&lt;<!--";
    let mut report = sample::report();
    report.heading = Heading {
        title: Some(nasty.to_owned()),
        ticket: Some(nasty.to_owned()),
        note: Some(nasty.to_owned()),
    };
    for finding in &mut report.resets {
        finding.explanation = nasty.to_owned();
        finding.detail = Some(nasty.to_owned());
        finding.reset_text = Some(nasty.to_owned());
        for step in &mut finding.ladder {
            step.note = Some(nasty.to_owned().into());
            step.flags = nasty.to_owned().into();
        }
        if let Some(request) = &mut finding.request {
            request.summary = Some(nasty.to_owned());
        }
    }
    report.captures[0].path = nasty.to_owned();
    report.captures[0].damage = Some(nasty.to_owned());
    report.advice[0].text = nasty.to_owned();
    report.advice[0].change = nasty.to_owned();
    report.advice[0].settings[0].line = nasty.to_owned();
    report.idle_timeouts[0].text = nasty.to_owned();
    report.idle_timeouts[0].matches[0].source = "javascript:alert(1)".to_owned();
    report.alignment[0].verdict = nasty.to_owned();
    report.caveats = vec![nasty.to_owned()];
    let page = markup(&html(&report).unwrap());
    assert!(!page.contains("<img"), "an element was made");
    assert!(!page.contains("javascript:"), "a link that acts");
    assert_eq!(page.matches("<script").count(), 2, "a script was added");
    assert_eq!(
        page.matches("</script").count(),
        2,
        "a script was ended early"
    );
    assert!(!page.contains("<!--"));
}

#[test]
fn the_policy_names_the_very_style_and_script() {
    let page = html(&sample::empty()).unwrap();
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let text = page
            .split_once(open)
            .unwrap()
            .1
            .split_once(close)
            .unwrap()
            .0;
        assert!(
            page.contains(&hash_source(text)),
            "{open} is not allowed to act"
        );
    }
    for loads in [
        "src=", "url(http", "@import", "<link", "style=\"", "onclick=",
    ] {
        assert!(!page.contains(loads), "{loads}");
    }
}

/// A page of 5,000 findings with long explanations and ladders.
pub fn large() -> Report {
    let mut report = sample::report();
    let kinds = report.resets.clone();
    report.resets = (0..5_000)
        .map(|i| {
            let mut finding = kinds[[0, 0, 0, 1, 2, 3][i % 6]].clone();
            finding.id = format!("r{}", i + 1);
            finding.at = finding.at + crate::Interval::from_millis(57 * i as i64);
            finding.connection.server.port = 3000 + (i % 17) as u16;
            finding.explanation =
                format!("{} It was the finding of number {i}.", finding.explanation);
            finding
        })
        .collect();
    report.summary.resets = 5_000;
    report
}

#[test]
fn five_thousand_findings_stay_below_five_megabytes_and_keep_their_anchors() {
    let report = large();
    let page = html(&report).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    for id in report.findings().map(|f| &f.id) {
        assert!(
            page.contains(&format!("<tr id=\"{id}\">")),
            "{id} has no anchor"
        );
    }
    assert_eq!(page, html(&report).unwrap(), "same report, same bytes");
}

/// Texts of their own for each finding, all of them to be escaped.
#[test]
fn five_thousand_findings_with_little_in_common_stay_below_five_megabytes() {
    let mut report = large();
    for (i, finding) in report.resets.iter_mut().enumerate() {
        finding.connection.server.port = i as u16;
        finding.explanation = format!("{i} {}", "<\">".repeat(200));
        if let Some(request) = &mut finding.request {
            request.summary = Some(format!("POST /<{i}>/{}", "<\">".repeat(20)));
        }
    }
    let page = html(&report).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut report = large();
    report.resets = vec![report.resets[0].clone(); 6_500];
    for finding in &mut report.resets {
        finding.explanation = "long ".repeat(200);
        finding.ladder = vec![finding.ladder[0].clone(); 100];
    }
    let page = html(&report).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.contains("501 more findings are in the JSON and CSV forms"));
}
