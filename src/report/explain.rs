//! The table of causes for a terminal: what `whyrst explain` prints.

use super::ladder;
use super::text::{Color, Tone, hanging, wrapped};
use crate::verdict::Cause;

/// Longest line of prose, whatever the screen: longer ones are hard to read.
const PROSE: usize = 100;

/// One line per cause.
pub fn list(width: usize, color: Color) -> String {
    let longest = Cause::ALL
        .iter()
        .map(|c| c.as_str().len())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for cause in Cause::ALL {
        let indent = " ".repeat(longest + 2);
        let text = hanging(cause.entry().meaning, width, &indent, &indent);
        let name = color.paint(Tone::Strong, &format!("{:<longest$}", cause.as_str()));
        out.push_str(&name);
        out.push_str(text.get(longest..).unwrap_or(&text));
    }
    out.push_str("\nwhyrst explain CAUSE tells all about one of them.\n");
    out
}

/// All about one cause.
pub fn cause(cause: Cause, width: usize, color: Color) -> String {
    let entry = cause.entry();
    let prose = width.min(PROSE);
    let heading = |text: &str| format!("\n{}\n", color.paint(Tone::Strong, text));
    let mut out = hanging(&format!("{cause}: {}", entry.meaning), prose, "", "  ");
    out.push('\n');
    out.push_str(&wrapped(entry.explanation, prose, ""));
    if !entry.ladder.is_empty() {
        out.push('\n');
        out.push_str(&ladder::render_example(entry.ladder, width, color));
    }
    out.push_str(&heading("What proves it"));
    for proof in entry.proof {
        out.push_str(&hanging(proof, prose, "  - ", "    "));
    }
    if !entry.rivals.is_empty() {
        out.push_str(&heading("What else it could be"));
        for rival in entry.rivals {
            out.push_str(&hanging(
                &format!("{}, if {}", rival.cause, rival.separates),
                prose,
                "  - ",
                "    ",
            ));
        }
    }
    out.push_str(&heading("What it costs"));
    out.push_str(&wrapped(entry.harm, prose, "  "));
    out.push_str(&heading("What to change"));
    for remedy in entry.remedies {
        let side = format!("  {:<8}", format!("{}:", remedy.side.as_str()));
        out.push_str(&hanging(remedy.text, prose, &side, "          "));
    }
    if !entry.details.is_empty() {
        out.push_str(&heading("Finer names"));
        for detail in entry.details {
            out.push_str(&hanging(
                &format!("{}: {}", detail.name, detail.text),
                prose,
                "  - ",
                "    ",
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_explained_within_the_screen() {
        for one in Cause::ALL {
            let text = cause(*one, 100, Color::Plain);
            assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
            insta::assert_snapshot!(one.as_str(), text);
        }
    }

    #[test]
    fn the_list_names_them_all() {
        insta::assert_snapshot!(list(100, Color::Plain));
    }
}
