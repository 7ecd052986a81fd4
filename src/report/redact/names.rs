//! Names that the report's fields hold, wherever else they stand.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;

use super::Redactor;
use crate::report::{CaptureSummary, Finding};

/// A name shorter than this is not searched for in text: it would be found in words. Its own field is replaced all the same.
const SHORTEST: usize = 3;

/// What is replaced by what.
pub(super) struct Names {
    search: Option<AhoCorasick>,
    /// In the order of the searched names.
    pseudonyms: Vec<String>,
}

impl Names {
    pub(super) fn of<'a>(
        captures: &[CaptureSummary],
        findings: impl Iterator<Item = &'a Finding>,
        redactor: &Redactor,
    ) -> Self {
        let mut names = Vec::new();
        for capture in captures.iter().filter(|c| c.path != "-") {
            let pseudonym = redactor.file(&capture.path);
            if let Some(base) = capture.path.rsplit(['/', '\\']).next() {
                names.push((base.to_owned(), pseudonym.clone()));
            }
            names.push((capture.path.clone(), pseudonym));
        }
        for request in findings.filter_map(|f| f.request.as_ref()) {
            if let Some(name) = &request.server_name {
                names.push((name.clone(), redactor.host(name)));
            }
            if let Some(path) = request.summary.as_deref().and_then(path_of) {
                names.push((path.to_owned(), path_or_text(path, redactor)));
            }
        }
        names.retain(|(name, _)| name.chars().count() >= SHORTEST);
        names.sort();
        names.dedup_by(|a, b| a.0 == b.0);
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(names.iter().map(|(name, _)| name));
        Self {
            // It fails for more names than any report holds: billions.
            search: search.ok(),
            pseudonyms: names.into_iter().map(|(_, pseudonym)| pseudonym).collect(),
        }
    }

    /// Where names stand in a text as whole words, by their starts; the longest where several start.
    pub(super) fn in_text(&self, text: &str) -> BTreeMap<usize, (usize, &str)> {
        let mut found = BTreeMap::new();
        let matches = self
            .search
            .iter()
            .flat_map(|s| s.find_overlapping_iter(text));
        for hit in matches {
            let Some(pseudonym) = self.pseudonyms.get(hit.pattern().as_usize()) else {
                continue;
            };
            if is_whole(text, hit.start(), hit.end()) {
                let longest = found.entry(hit.start()).or_insert((0, ""));
                *longest = (*longest).max((hit.len(), pseudonym.as_str()));
            }
        }
        found
    }
}

/// The part of the text is not part of a longer word.
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let (Some(before), Some(name), Some(after)) =
        (text.get(..start), text.get(start..end), text.get(end..))
    else {
        return false;
    };
    let runs_on_before = before.ends_with(word) && name.starts_with(word);
    let runs_on_after = name.ends_with(word) && after.starts_with(word);
    !runs_on_before && !runs_on_after
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
