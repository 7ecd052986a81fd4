//! Names that the report's fields hold, wherever else they stand.

use super::Redactor;
use crate::report::Report;

/// A name shorter than this is not searched for in text: it would be found in words. Its own field is replaced all the same.
const SHORTEST: usize = 3;

/// What is replaced by what, longest first.
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    pub(super) fn of(report: &Report, redactor: &Redactor) -> Self {
        let mut names = Vec::new();
        for capture in report.captures.iter().filter(|c| c.path != "-") {
            let pseudonym = redactor.file(&capture.path);
            if let Some(base) = capture.path.rsplit(['/', '\\']).next() {
                names.push((base.to_owned(), pseudonym.clone()));
            }
            names.push((capture.path.clone(), pseudonym));
        }
        for request in report.findings().filter_map(|f| f.request.as_ref()) {
            if let Some(name) = &request.server_name {
                names.push((name.clone(), redactor.host(name)));
            }
            if let Some(path) = request.summary.as_deref().and_then(path_of) {
                names.push((path.to_owned(), path_or_text(path, redactor)));
            }
        }
        names.retain(|(name, _)| name.chars().count() >= SHORTEST);
        names.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        names.dedup();
        Self(names)
    }

    /// The pseudonym of a name that stands at the start of `text` as a whole word, and the name's length.
    pub(super) fn at_start(&self, text: &str, before: Option<char>) -> Option<(&str, usize)> {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if before.is_some_and(word) && text.starts_with(word) {
            return None;
        }
        self.0.iter().find_map(|(name, pseudonym)| {
            let start = text.get(..name.len())?;
            let next = text.get(name.len()..)?.chars().next();
            let whole = !(name.ends_with(word) && next.is_some_and(word));
            (whole && start.eq_ignore_ascii_case(name)).then_some((pseudonym.as_str(), name.len()))
        })
    }
}

/// `POST /orders` keeps its method; anything else that has more than one word keeps the first.
pub(super) fn request(summary: &str, redactor: &Redactor) -> String {
    match (summary.split_once(' '), path_of(summary)) {
        (Some((method, _)), Some(path)) => format!("{method} {}", path_or_text(path, redactor)),
        (_, Some(path)) => path_or_text(path, redactor),
        (_, None) => summary.to_owned(),
    }
}

/// What of a request's summary tells something: all but the method or command.
fn path_of(summary: &str) -> Option<&str> {
    let plain = |word: &str| {
        word.len() <= 20
            && word
                .chars()
                .all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_')
    };
    match summary.split_once(' ') {
        Some((method, rest)) if plain(method) => Some(rest),
        None if plain(summary) => None,
        _ => Some(summary),
    }
}

fn path_or_text(path: &str, redactor: &Redactor) -> String {
    if path.starts_with('/') {
        redactor.path(path)
    } else {
        redactor.token("p", path)
    }
}
