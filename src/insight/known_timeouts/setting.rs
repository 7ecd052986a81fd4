//! Setting lines with a value put in.

/// Puts a value into `{s:75}` and `{ms:75000}`; without one the examples stay.
pub(super) fn fill(template: &str, seconds: Option<f64>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, unit, example, after)) = next_placeholder(rest) {
        out.push_str(before);
        match seconds {
            None => out.push_str(example),
            Some(value) if unit == Unit::Milliseconds => {
                out.push_str(&format!("{:.0}", value * 1000.0));
            }
            // Most of these settings take whole seconds.
            Some(value) => out.push_str(&format!("{:.0}", value.floor().max(1.0))),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

fn next_placeholder(text: &str) -> Option<(&str, Unit, &str, &str)> {
    let seconds = text.find("{s:").map(|at| (at, Unit::Seconds, 3));
    let millis = text.find("{ms:").map(|at| (at, Unit::Milliseconds, 4));
    let (at, unit, width) = match (seconds, millis) {
        (Some(s), Some(m)) => {
            if s.0 < m.0 {
                s
            } else {
                m
            }
        }
        (s, m) => s.or(m)?,
    };
    let (before, from) = text.split_at_checked(at)?;
    let (example, after) = from.get(width..)?.split_once('}')?;
    Some((before, unit, example, after))
}
