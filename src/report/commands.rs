//! The very commands that show a report's facts again.

use super::text::clean;
use super::{CaptureSummary, Report, telling};

/// Command lines for a POSIX shell: this program over the same input, then tshark for one finding of each cause.
pub(super) fn of(report: &Report) -> Vec<String> {
    let (live, files): (Vec<_>, Vec<_>) = report.captures.iter().partition(|c| c.format == "live");
    let mut lines = Vec::new();
    if !files.is_empty() {
        let paths: Vec<String> = files.iter().map(|c| quoted(&c.path)).collect();
        lines.push(format!(
            "whyrst {}{}",
            filter_option(report),
            paths.join(" ")
        ));
    }
    for interface in live {
        lines.push(format!(
            "whyrst live {}-i {}",
            filter_option(report),
            quoted(&interface.path)
        ));
    }
    for finding in telling::one_per_cause(report) {
        if let Some(capture) = report.captures.get(usize::from(finding.capture)) {
            lines.push(format!(
                "{}  # {}",
                tshark(capture, &finding.wireshark_filter),
                finding.id
            ));
        }
    }
    lines
}

/// The filter expression that chose the packets, as an option and a space.
pub(super) fn filter_option(report: &Report) -> String {
    let filter = report.captures.iter().find_map(|c| c.filter.as_deref());
    filter.map_or_else(String::new, |filter| format!("-f {} ", quoted(filter)))
}

/// The command that prints a connection's packets.
pub(super) fn tshark(capture: &CaptureSummary, filter: &str) -> String {
    let from = if capture.format == "live" { "-i" } else { "-r" };
    format!(
        "tshark {from} {} -Y {}",
        quoted(&capture.path),
        quoted(filter)
    )
}

/// As one word of a POSIX shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '+' | ':' | ',' | '%')
    };
    if word == "-" || (!word.is_empty() && !word.starts_with('-') && word.chars().all(plain)) {
        return word.to_owned();
    }
    let lead = if word.starts_with('-') { "./" } else { "" };
    format!("'{lead}{}'", clean(word).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_whole() {
        assert_eq!(quoted("a/b-1.pcap"), "a/b-1.pcap");
        assert_eq!(quoted("-"), "-");
        assert_eq!(quoted("tcp.stream eq 2"), "'tcp.stream eq 2'");
        assert_eq!(quoted("it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
        assert_eq!(quoted("-w"), "'./-w'");
    }
}
