use super::*;
use crate::report::sample;

fn wide(width: usize) -> TerminalOptions {
    TerminalOptions {
        width,
        ..TerminalOptions::default()
    }
}

#[test]
fn a_piped_report_fits_a_hundred_columns() {
    let text = render(&sample::report(), &wide(100));
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn everything_with_ladders() {
    let options = TerminalOptions {
        listing: Listing::Full,
        ladders: Ladders::Drawn,
        ..wide(100)
    };
    insta::assert_snapshot!(render(&sample::report(), &options));
}

#[test]
fn nothing_found_is_a_short_answer() {
    insta::assert_snapshot!(render(&sample::empty(), &wide(100)));
}

#[test]
fn what_the_capture_does_not_show_stands_apart() {
    let mut report = sample::report();
    report.resets = vec![sample::teardown_noise()];
    report.resets[0].harm_unclear = true;
    report.hang_ups.clear();
    (report.summary.harmful, report.summary.benign) = (0, 0);
    (report.summary.refused, report.summary.unclear) = (0, 1);
    report.resets[0].confidence = Confidence::Likely;
    let likely = render(&report, &wide(100));
    assert!(likely.contains("\n  1 × teardown-noise"), "{likely}");
    report.resets[0].confidence = Confidence::Possible;
    let text = render(&report, &wide(100));
    assert!(text.contains("0 harmful, 0 benign, 1 unclear."), "{text}");
    assert!(
        text.contains("\nUnclear: the capture does not show enough of what was said\n  1 × perhaps teardown-noise"),
        "{text}"
    );
    let one = finding::render(&report, &report.resets[0], &wide(100));
    assert!(one.contains("what it cost can't be told"), "{one}");
}

#[test]
fn a_narrow_screen_wraps_and_loses_nothing() {
    let text = render(&sample::report(), &wide(80));
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    let squeezed: String = text
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '.')
        .collect();
    for evidence in ["10.77.1.2", "44836", "tcp.stream", "108"] {
        assert!(squeezed.contains(evidence), "{evidence} in\n{text}");
    }
}

#[test]
fn one_finding_tells_everything() {
    let report = sample::report();
    insta::assert_snapshot!(render_finding(&report, &report.resets[0], &wide(100)));
    insta::assert_snapshot!(render_finding(&report, &report.resets[1], &wide(100)));
    insta::assert_snapshot!(render_finding(&report, &report.hang_ups[0], &wide(100)));
}

#[test]
fn a_long_group_is_shortened_and_says_so() {
    let mut report = sample::report();
    report.resets = (0..50).map(|_| sample::keepalive_race()).collect();
    assert!(render(&report, &wide(100)).contains("and 40 more"));
    let all = TerminalOptions {
        listing: Listing::Full,
        ..wide(100)
    };
    assert!(!render(&report, &all).contains("more (--all"));
}

#[test]
fn escape_sequences_come_from_us_alone() {
    let report = sample::report();
    let text = render_finding(&report, &report.resets[3], &wide(100));
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let colored = TerminalOptions {
        color: Color::Ansi,
        ..wide(100)
    };
    assert!(render(&report, &colored).contains("\u{1b}[1;31m"));
}

/// Every string of a report that a file or a packet can have written.
#[test]
fn hostile_words_do_not_drive_the_terminal() {
    fn poison(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text)
                if text.contains([' ', '.']) && !text.starts_with("20") && !is_fixed(text) =>
            {
                text.push_str("\u{1b}]0;owned\u{7}\r\u{9b}2J\u{202e}");
            }
            serde_json::Value::Array(all) => all.iter_mut().for_each(poison),
            serde_json::Value::Object(all) => all.values_mut().for_each(poison),
            _ => {}
        }
    }
    /// Addresses and words of closed sets would not parse any more.
    fn is_fixed(text: &str) -> bool {
        text.parse::<std::net::IpAddr>().is_ok() || text.starts_with("http/")
    }
    let mut value = serde_json::to_value(sample::report()).unwrap();
    poison(&mut value);
    let report: Report = serde_json::from_value(value).unwrap();
    assert!(
        report.resets[0].explanation.contains('\u{1b}') && report.captures[0].path.contains('\r')
    );
    let mut texts = vec![
        render(
            &report,
            &TerminalOptions {
                listing: Listing::Full,
                ladders: Ladders::Drawn,
                ..wide(100)
            },
        ),
        render_alignment(&report.alignment, &wide(100)),
    ];
    texts.extend(
        report
            .findings()
            .map(|f| render_finding(&report, f, &wide(60))),
    );
    for text in texts {
        assert!(
            !text.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')),
            "{text:?}"
        );
    }
}
