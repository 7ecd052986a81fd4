//! The table of known timeouts in text: what `whyrst timeouts` prints.

use super::TerminalOptions;
use super::table::table;
use crate::insight::KnownTimeout;
use crate::report::text::{Tone, clean, count, hanging, to_the_millisecond};

/// Up to this many entries are told in full.
const IN_FULL: usize = 12;

/// Draws entries of the table: a few in full, many as one row each.
pub fn render_known(entries: &[&KnownTimeout], options: &TerminalOptions) -> String {
    if entries.is_empty() {
        return "No known timeout has all these words.\n".to_owned();
    }
    if entries.len() > IN_FULL {
        let rows = entries.iter().map(|entry| row(entry)).collect();
        let mut out = table(
            &["product", "setting", "default", "whose", "id"],
            rows,
            options,
        );
        let total = count(entries.len() as u64, "entry", "entries");
        let text = format!("\n{total}; whyrst timeouts WORDS tells the matching ones in full.\n");
        out.push_str(&options.color.paint(Tone::Faint, &text));
        return out;
    }
    entries
        .iter()
        .map(|entry| in_full(entry, options))
        .collect::<Vec<_>>()
        .join("\n")
}

fn product(entry: &KnownTimeout) -> String {
    [entry.product.as_str(), entry.component.as_str()]
        .join(" ")
        .trim()
        .to_owned()
}

fn default(entry: &KnownTimeout) -> String {
    let documented = entry
        .default_s
        .map_or_else(|| "no limit".to_owned(), to_the_millisecond);
    match (entry.observed_s, entry.observed_max_s) {
        (None, None) => documented,
        (low, high) => {
            let low = low
                .or(entry.default_s)
                .map(to_the_millisecond)
                .unwrap_or_default();
            let high = high
                .map(|s| format!(" to {}", to_the_millisecond(s)))
                .unwrap_or_default();
            format!("{documented}, seen as {low}{high}")
        }
    }
}

fn row(entry: &KnownTimeout) -> Vec<String> {
    vec![
        product(entry),
        entry.setting.clone(),
        default(entry),
        entry.role.as_str().to_owned(),
        entry.id.clone(),
    ]
}

fn in_full(entry: &KnownTimeout, options: &TerminalOptions) -> String {
    let title = format!("{}: {}", product(entry), entry.setting);
    let mut out = format!("{}\n", options.color.paint(Tone::Strong, &clean(&title)));
    let mut line = |name: &str, text: &str| {
        let start = format!("  {name:<11}");
        out.push_str(&hanging(text, options.width, &start, "             "));
    };
    line("default", &default(entry));
    line("whose", entry.role.as_str());
    line("at expiry", &entry.on_the_wire());
    if let Some(announced) = entry.announces_s {
        line("announces", &format!("Keep-Alive: timeout={announced}"));
    }
    line("change", &entry.example_line());
    let versions = match (&entry.since, &entry.until) {
        (None, None) => None,
        (Some(since), None) => Some(format!("since {since}")),
        (None, Some(until)) => Some(format!("until {until}")),
        (Some(since), Some(until)) => Some(format!("{since} to {until}")),
    };
    if let Some(versions) = versions {
        line("versions", &versions);
    }
    if let Some(note) = &entry.note {
        line("note", note);
    }
    line("source", &entry.source);
    line("id", &entry.id);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::KnownTimeouts;
    use crate::report::terminal::TerminalOptions;

    #[test]
    fn a_few_entries_are_told_in_full() {
        let entries = KnownTimeouts::built_in().search("node-http-keepalive");
        insta::assert_snapshot!(render_known(&entries, &TerminalOptions::default()));
    }

    #[test]
    fn the_whole_table_fits_and_names_every_id() {
        let table = KnownTimeouts::built_in();
        let entries: Vec<_> = table.iter().collect();
        let text = render_known(&entries, &TerminalOptions::default());
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        assert!(entries.iter().all(|entry| text.contains(&entry.id)));
    }

    #[test]
    fn nothing_found_is_said() {
        let entries = KnownTimeouts::built_in().search("no such product");
        assert!(
            render_known(&entries, &TerminalOptions::default()).starts_with("No known timeout")
        );
    }
}
