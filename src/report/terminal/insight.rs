//! Idle timeouts, alignment and advice in text.

use super::table::table;
use super::{Listing, ROWS, TerminalOptions, and_more};
use crate::report::text::{Tone, clean, count, hanging, seconds, to_the_millisecond, wrapped};
use crate::report::{Advice, Alignment, IdleTimeout, Report, telling};

/// The section on idle timeouts; empty without any.
pub(super) fn timeouts_section(report: &Report, options: &TerminalOptions) -> String {
    if report.idle_timeouts.is_empty() {
        return String::new();
    }
    let mut out = options.heading("Idle timeouts");
    out.push_str(&timeouts(report, options));
    if options.listing == Listing::Full {
        out.push_str(&what_they_rest_on(report, options));
    }
    out
}

/// Each estimate's sentence and the products whose defaults fit, with their sources.
fn what_they_rest_on(report: &Report, options: &TerminalOptions) -> String {
    let mut out = String::new();
    for timeout in &report.idle_timeouts {
        out.push_str(&format!(
            "\n{}\n",
            options.color.paint(Tone::Strong, &endpoint(timeout))
        ));
        out.push_str(&wrapped(&timeout.text, options.width, "  "));
        for known in &timeout.matches {
            let default = known
                .default_s
                .map(|s| format!(", default {}", seconds(s)))
                .unwrap_or_default();
            let text = format!(
                "{} {}{default}: {} <{}>",
                known.product, known.setting, known.why, known.source
            );
            out.push_str(&hanging(&text, options.width, "  - ", "    "));
        }
    }
    out
}

fn timeouts(report: &Report, options: &TerminalOptions) -> String {
    let all = &report.idle_timeouts;
    let (listed, rest) = all.split_at(options.listing.shown(all.len(), ROWS));
    let rows = listed.iter().map(timeout_row).collect();
    let mut out = table(
        &["whose", "idle timeout", "by", "rests on", "fits"],
        rows,
        options,
    );
    out.push_str(&and_more(rest.len(), options));
    out
}

fn endpoint(timeout: &IdleTimeout) -> String {
    format!("{} ({})", telling::timer_of(timeout), timeout.role)
}

fn timeout_row(timeout: &IdleTimeout) -> Vec<String> {
    let mut estimate = match (&timeout.no_timer, timeout.estimate_s) {
        (Some(reason), _) => {
            format!(
                "no fixed timer:\n{}",
                telling::no_timer(reason).replace(", ", ",\n")
            )
        }
        (None, Some(s)) => seconds(s),
        (None, None) => match (timeout.lower_s, timeout.upper_s) {
            (Some(low), Some(high)) => format!("{} to {}", seconds(low), seconds(high)),
            (None, Some(high)) => format!("at most {}", seconds(high)),
            (Some(low), None) => format!("more than {}", seconds(low)),
            (None, None) => "unknown".to_owned(),
        },
    };
    if let (None, Some(_), Some(lower), Some(upper)) = (
        &timeout.no_timer,
        timeout.estimate_s,
        timeout.lower_s,
        timeout.upper_s,
    ) {
        estimate.push_str(&format!("\n{} to {}", seconds(lower), seconds(upper)));
    }
    if let Some(announced) = timeout.announced_s {
        estimate.push_str(&format!("\nannounced: {}", seconds(announced)));
    }
    let mut rests = vec![count(timeout.closes, "close", "closes")];
    if let Some(longest) = timeout.survived_longest_s {
        rests.push(format!("survived {}", seconds(longest)));
    }
    rests.push(timeout.confidence.to_string());
    let fits = timeout.matches.first().map_or_else(
        || "–".to_owned(),
        |m| {
            let more = timeout.matches.len() - 1;
            let others = if more > 0 {
                format!("\n(and {more} more)")
            } else {
                String::new()
            };
            format!("{}\n{}{others}", m.product, m.setting)
        },
    );
    vec![
        endpoint(timeout).replacen(" (", "\n(", 1),
        estimate,
        format!(
            "{}\n{} clock",
            timeout.closes_by.to_uppercase(),
            timeout.clock
        ),
        rests.join("\n"),
        fits,
    ]
}

/// The section on alignment; empty without any.
pub(super) fn alignment_section(report: &Report, options: &TerminalOptions) -> String {
    if report.alignment.is_empty() {
        return String::new();
    }
    let mut out = options.heading("Who keeps connections longer");
    let (known, unknown) = match options.listing {
        Listing::Short => telling::alignment(report),
        Listing::Full => (report.alignment.iter().collect(), 0),
    };
    let (listed, rest) = known.split_at(options.listing.shown(known.len(), ROWS));
    for alignment in listed {
        out.push_str(&alignment_lines(alignment, options));
    }
    out.push_str(&and_more(rest.len(), options));
    if let Some(text) = telling::unaligned(unknown, known.len()) {
        out.push_str(&wrapped(&text, options.width, "  "));
    }
    out
}

/// What `whyrst align` prints.
pub fn render_alignment(rows: &[Alignment], options: &TerminalOptions) -> String {
    rows.iter()
        .map(|row| alignment_lines(row, options))
        .collect()
}

fn alignment_lines(alignment: &Alignment, options: &TerminalOptions) -> String {
    let tone = match alignment.verdict.as_str() {
        "ok" => Tone::Good,
        "broken" => Tone::Harm,
        "at-risk" => Tone::Warning,
        _ => Tone::Faint,
    };
    let keeps = |s: Option<f64>| s.map_or_else(|| "no limit seen".to_owned(), to_the_millisecond);
    let mut out = format!(
        "  {} {} (keeps {}) → {} (keeps {})\n",
        options
            .color
            .paint(tone, &format!("{:<8}", clean(&alignment.verdict))),
        clean(&alignment.client),
        keeps(alignment.client_keeps_s),
        clean(&alignment.server),
        keeps(alignment.server_keeps_s),
    );
    out.push_str(&wrapped(&alignment.why, options.width, "           "));
    out
}

/// The section on what to change; empty without any advice.
pub(super) fn advice_section(report: &Report, options: &TerminalOptions) -> String {
    if report.advice.is_empty() {
        return String::new();
    }
    let mut out = options.heading("What to change");
    for advice in &report.advice {
        out.push_str(&advice_lines(advice, options));
    }
    out
}

/// One piece of advice.
pub(super) fn advice_lines(advice: &Advice, options: &TerminalOptions) -> String {
    let who = match advice.change.as_str() {
        "none" => "nothing to change".to_owned(),
        side => format!("change the {side}"),
    };
    let because = match advice.because.as_slice() {
        [] => String::new(),
        ids if ids.len() <= 6 => format!(" (for {})", ids.join(", ")),
        [first, rest @ ..] => format!(" (for {first} and {} more)", rest.len()),
    };
    let text = format!("{} {who}: {}{because}", advice.id, advice.text);
    let mut out = hanging(&text, options.width, "  ", "     ");
    for setting in &advice.settings {
        out.push_str(&format!(
            "       {}: {}\n",
            clean(&setting.product),
            options.color.paint(Tone::Strong, &clean(&setting.line))
        ));
    }
    if let Some(vain) = &advice.will_not_help {
        out.push_str(&hanging(
            &format!("Will not help: {vain}"),
            options.width,
            "     ",
            "       ",
        ));
    }
    out
}
