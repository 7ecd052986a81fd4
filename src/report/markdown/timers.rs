//! Idle timeouts, and who keeps connections longer.

use super::escape::{cell, text};
use super::sections::{COUNTING, NOTHING, fill};
use crate::report::text::{about, count, grouped, seconds};
use crate::report::{IdleTimeout, Report, telling};

pub(super) fn timeouts(report: &Report, share: usize) -> String {
    if report.idle_timeouts.is_empty() {
        return String::new();
    }
    let mut out = "## Idle timeouts seen\n\n\
        | endpoint | role | closes after | by | closes | longest survived | what fits |\n\
        | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let left_out = fill(
        &mut out,
        report.idle_timeouts.iter().map(timeout_row),
        share - COUNTING,
    );
    if left_out > 0 {
        out.push_str(&format!(
            "\nand {}.\n",
            count(left_out as u64, "more endpoint", "more endpoints")
        ));
    }
    out
}

fn timeout_row(timeout: &IdleTimeout) -> String {
    let estimate = match (timeout.estimate_s, &timeout.no_timer) {
        (Some(s), _) => {
            let bounds = match (timeout.lower_s, timeout.upper_s) {
                (Some(low), Some(high)) => format!(" ({} to {})", seconds(low), seconds(high)),
                _ => String::new(),
            };
            format!(
                "{}{bounds}, {} clock, {}",
                about(s),
                text(&timeout.clock),
                timeout.confidence
            )
        }
        (None, Some(why)) => format!("no fixed timer: {}", text(telling::no_timer(why))),
        (None, None) => match (timeout.lower_s, timeout.upper_s) {
            (Some(low), Some(high)) => {
                format!(
                    "between {} and {}, {}",
                    seconds(low),
                    seconds(high),
                    timeout.confidence
                )
            }
            (None, Some(high)) => format!("at most {}, {}", seconds(high), timeout.confidence),
            (Some(low), None) => format!("more than {}", seconds(low)),
            (None, None) => NOTHING.to_owned(),
        },
    };
    let fits = timeout.matches.iter().take(2).map(|m| {
        let default = m
            .default_s
            .map(|s| format!(", default {}", about(s)))
            .unwrap_or_default();
        format!("{} {}{default}", text(&m.product), cell(&m.setting))
    });
    let mut fits: Vec<String> = fits.collect();
    if let Some(s) = timeout.announced_s {
        fits.insert(0, format!("announced {}", about(s)));
    }
    let cells = [
        cell(&telling::timer_of(timeout)),
        text(&timeout.role),
        estimate,
        text(&timeout.closes_by),
        grouped(timeout.closes),
        timeout
            .survived_longest_s
            .map_or(NOTHING.to_owned(), seconds),
        if fits.is_empty() {
            NOTHING.to_owned()
        } else {
            fits.join("; ")
        },
    ];
    format!("| {} |\n", cells.join(" | "))
}

pub(super) fn alignment(report: &Report, share: usize) -> String {
    let (known, unknown) = telling::alignment(report);
    let unaligned = telling::unaligned(unknown, known.len());
    let mut out = "## Who keeps connections longer\n\n".to_owned();
    if known.is_empty() {
        return unaligned.map_or(String::new(), |text| out + &text);
    }
    out.push_str(
        "| client | server | client keeps | server keeps | verdict | why |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    let keeps = |s: Option<f64>| s.map_or(NOTHING.to_owned(), about);
    let rows = known.into_iter().map(|row| {
        format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            cell(&row.client),
            cell(&row.server),
            keeps(row.client_keeps_s),
            keeps(row.server_keeps_s),
            text(&row.verdict),
            text(&row.why),
        )
    });
    let left_out = fill(&mut out, rows, share - COUNTING);
    if left_out > 0 {
        out.push_str(&format!(
            "\nand {}.\n",
            count(left_out as u64, "more pair", "more pairs")
        ));
    }
    if let Some(text) = unaligned {
        out.push_str(&format!("\n{text}\n"));
    }
    out
}
