//! Data that cannot become markup.

use crate::report::text::clean;

/// Longest piece of foreign text that is shown whole.
const LONGEST: usize = 400;

/// One line of plain text: whitespace runs become one space, control characters are replaced, long text is cut and marked.
fn flat(text: &str, longest: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = clean(&line);
    if line.chars().count() <= longest {
        return line.into_owned();
    }
    line.chars().take(longest).chain(['…']).collect()
}

/// Text in a sentence or a table cell.
///
/// Backslash escapes are CommonMark's (0.31, section 2.4). A zero-width space keeps `@name`, `#12` and `!12` from
/// notifying people and linking issues: those are found after the escapes are resolved.
pub fn text(data: &str) -> String {
    let data = flat(data, LONGEST);
    let mut out = String::with_capacity(data.len() + 8);
    let mut following = data.chars().skip(1);
    for (at, c) in data.chars().enumerate() {
        let next = following.next();
        let special = match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' => true,
            // Only at the start of a line do these begin a heading, a list or an underline.
            '#' | '+' | '-' | '=' => at == 0,
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
        if matches!(c, '@' | '#' | '!') && next.is_some_and(char::is_alphanumeric) {
            out.push('\u{200b}');
        }
    }
    out
}

/// A code span outside tables.
pub fn code(data: &str) -> String {
    let data = flat(data, LONGEST);
    if data.is_empty() {
        return "–".to_owned();
    }
    let fence = "`".repeat(longest_run(&data, '`') + 1);
    if data.starts_with('`') || data.ends_with('`') {
        format!("{fence} {data} {fence}")
    } else {
        format!("{fence}{data}{fence}")
    }
}

/// A code span in a table cell. A bar inside one is read differently by each site, so such data is text.
pub fn cell(data: &str) -> String {
    if data.contains('|') {
        text(data)
    } else {
        code(data)
    }
}

/// A fenced block. Lines of `content` are kept; the fence is longer than any run of backticks inside.
pub fn block(language: &str, content: &str) -> String {
    let fence = "`".repeat((longest_run(content, '`') + 1).max(3));
    let mut out = format!("{fence}{language}\n");
    for line in content.lines() {
        out.push_str(clean(line).trim_end());
        out.push('\n');
    }
    out.push_str(&fence);
    out.push('\n');
    out
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of)
        .map(|run| run.chars().count())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_sentence_becomes_markup() {
        assert_eq!(
            text("a|b `c` *d* <img src=x> [e](f) \\| ping @ops, see #12"),
            "a\\|b \\`c\\` \\*d\\* \\<img src=x\\> \\[e\\](f) \\\\\\| ping @\u{200b}ops, see #\u{200b}12"
        );
        assert_eq!(text("# no heading"), "\\# no heading");
        assert_eq!(text("one\r\n\r\n# two"), "one # two");
        assert_eq!(text("\u{1b}[2J"), "\u{fffd}\\[2J");
    }

    #[test]
    fn code_spans_outgrow_the_backticks_in_them() {
        assert_eq!(code("GET /a"), "`GET /a`");
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(code("two\nlines"), "`two lines`");
        assert_eq!(cell("a|b"), "a\\|b");
    }

    #[test]
    fn a_block_cannot_be_closed_from_inside() {
        assert_eq!(block("", "a\n```\nb"), "````\na\n```\nb\n````\n");
    }

    #[test]
    fn long_data_is_cut_and_says_so() {
        let cut = text(&"x".repeat(10_000));
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with('…'));
    }
}
