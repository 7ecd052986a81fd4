//! Setting lines with a value put in.

/// Puts a value into `{s:75}` (whole seconds), `{f:4}` (seconds, may have a fraction) and `{ms:75000}`. `None`: the setting can't
/// say so short a time; most of those in whole seconds take 0 for "never".
pub(super) fn fill(template: &str, seconds: f64) -> Option<String> {
    replace(template, |unit, _| unit.say(seconds))
}

/// The line with the examples of the template.
pub(super) fn example(template: &str) -> String {
    let examples = replace(template, |_, example| Some(example.to_owned()));
    examples.unwrap_or_default()
}

/// The line has a place for a value.
pub(super) fn takes_a_value(template: &str) -> bool {
    next_placeholder(template).is_some()
}

#[derive(Clone, Copy)]
enum Unit {
    WholeSeconds,
    Seconds,
    Milliseconds,
}

impl Unit {
    const MARKS: [(&str, Self); 3] = [
        ("{s:", Self::WholeSeconds),
        ("{f:", Self::Seconds),
        ("{ms:", Self::Milliseconds),
    ];

    fn say(self, seconds: f64) -> Option<String> {
        match self {
            Self::WholeSeconds => (seconds >= 1.0).then(|| format!("{:.0}", seconds.floor())),
            // Milliseconds are more than any of these timers keeps.
            Self::Seconds => Some(format!("{}", (seconds * 1000.0).round() / 1000.0)),
            Self::Milliseconds => Some(format!("{:.0}", seconds * 1000.0)),
        }
    }
}

fn replace(template: &str, say: impl Fn(Unit, &str) -> Option<String>) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, unit, example, after)) = next_placeholder(rest) {
        out.push_str(before);
        out.push_str(&say(unit, example)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn next_placeholder(text: &str) -> Option<(&str, Unit, &str, &str)> {
    let found = Unit::MARKS
        .iter()
        .filter_map(|(mark, unit)| Some((text.find(mark)?, mark.len(), *unit)));
    let (at, width, unit) = found.min_by_key(|(at, ..)| *at)?;
    let (before, from) = text.split_at_checked(at)?;
    let (example, after) = from.get(width..)?.split_once('}')?;
    Some((before, unit, example, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_longer_than_the_value_that_was_advised() {
        assert_eq!(fill("keep {s:75}s", 1.9).as_deref(), Some("keep 1s"));
        assert_eq!(fill("keep {f:4}", 0.5).as_deref(), Some("keep 0.5"));
        assert_eq!(fill("keep {f:4}", 3.0).as_deref(), Some("keep 3"));
        assert_eq!(fill("keep {ms:4000}", 0.5).as_deref(), Some("keep 500"));
        // A whole second would be longer, and 0 means for ever.
        assert_eq!(fill("keep {s:75}s", 0.9), None);
        assert_eq!(
            fill("{ms:4000} {s:4}", 2.5).as_deref(),
            Some("2500 2"),
            "several places"
        );
    }

    #[test]
    fn without_a_value_the_examples_stay() {
        assert_eq!(example("keep {s:75}s or {ms:750}"), "keep 75s or 750");
        assert!(takes_a_value("keep {f:4}") && !takes_a_value("options { timeout: 3 }"));
    }
}
