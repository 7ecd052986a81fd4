//! Words for people: wrapping, plurals, seconds, colours; and nothing that could drive a terminal.

use std::borrow::Cow;

/// Without control characters: payloads, paths and foreign reports can carry escape sequences.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(hostile) {
        text.chars()
            .map(|c| if hostile(c) { '\u{fffd}' } else { c })
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

/// Breaks text between words so that no line is longer than `width`, except for words that are; every line gets the indent.
pub(super) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    hanging(text, width, indent, indent)
}

/// As [`wrapped`], with another indent on the first line.
pub(super) fn hanging(text: &str, width: usize, first: &str, rest: &str) -> String {
    let mut out = String::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in clean(text).split_whitespace() {
        let needed = line.chars().count() + word.chars().count() + usize::from(!empty);
        if !empty && needed > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

/// `1 reset`, `1,234 resets`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// `1,234,567`
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// From here on seconds, minutes and hours say little.
const DAYS: f64 = 172_800.0;

/// A silence or timeout: `350 s`, `2.401 s`, `21.0 ms`, `2 h 0 min`.
pub(super) fn seconds(s: f64) -> String {
    let magnitude = s.abs();
    if magnitude >= DAYS {
        format!("{:.1} days", s / 86_400.0)
    } else if magnitude >= 7200.0 {
        let minutes = (s / 60.0).round() as i64;
        format!("{} h {} min", minutes / 60, (minutes % 60).abs())
    } else if magnitude >= 100.0 {
        format!("{s:.1} s")
    } else if magnitude >= 1.0 {
        format!("{s:.3} s")
    } else if magnitude >= 0.001 {
        format!("{:.1} ms", s * 1e3)
    } else if magnitude == 0.0 {
        "0 s".to_owned()
    } else {
        format!("{:.0} µs", s * 1e6)
    }
}

/// A setting or an estimate without needless zeros: `60 s`, `4.6 s`, `29.812 s`.
pub(super) fn to_the_millisecond(s: f64) -> String {
    if s >= DAYS {
        return seconds(s);
    }
    format!("{} s", (s * 1e3).round() / 1e3)
}

/// A timeout for a sentence: `5 s`, `2.4 s`, `350 s`, `15 min`.
pub(super) fn about(s: f64) -> String {
    if s >= DAYS {
        format!("{:.1} days", s / 86_400.0)
    } else if s >= 600.0 && (s / 60.0 - (s / 60.0).round()).abs() < 0.02 {
        format!("{:.0} min", s / 60.0)
    } else if s >= 1.0 {
        let text = format!("{s:.1}");
        format!("{} s", text.strip_suffix(".0").unwrap_or(&text))
    } else {
        format!("{:.0} ms", s * 1e3)
    }
}

/// Whether a view may use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// ANSI escape sequences.
    Ansi,
    /// Plain text.
    #[default]
    Plain,
}

/// What a piece of text is, for colouring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Strong,
    Harm,
    Warning,
    Good,
    Faint,
}

impl Color {
    /// The text in that tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Strong => "1",
            Tone::Harm => "1;31",
            Tone::Warning => "33",
            Tone::Good => "32",
            Tone::Faint => "2",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_words_are_never_cut() {
        assert_eq!(
            wrapped("one two three averyveryverylongword four", 10, "  "),
            "  one two\n  three\n  averyveryverylongword\n  four\n"
        );
        assert_eq!(wrapped("", 10, "  "), "\n");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(clean("über → x"), "über → x");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(count(1, "reset", "resets"), "1 reset");
        assert_eq!(count(1_234_567, "reset", "resets"), "1,234,567 resets");
        assert_eq!(seconds(2.401_377), "2.401 s");
        assert_eq!(seconds(0.021), "21.0 ms");
        assert_eq!(seconds(350.04), "350.0 s");
        assert_eq!(seconds(7_260.0), "2 h 1 min");
        assert_eq!(seconds(2_667_724.1), "30.9 days");
        assert_eq!(about(6.0), "6 s");
        assert_eq!(about(2.44), "2.4 s");
        assert_eq!(about(900.0), "15 min");
    }
}
