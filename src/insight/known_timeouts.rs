//! The table of timeouts that products ship, and how a capture shows them.
//!
//! A new entry is one `[[timeout]]` in `known_timeouts.toml`. A user's own file has the same form and adds to the table, or
//! replaces entries of the same id.

mod entry;
mod setting;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use entry::*;

const TABLE: &str = include_str!("known_timeouts.toml");

static BUILT_IN: LazyLock<KnownTimeouts> = LazyLock::new(|| {
    // The table is part of the program; a test parses it, so that this can't be wrong in a release.
    KnownTimeouts::parse(TABLE).unwrap_or_default()
});
/// Why a table can't be used.
#[derive(Debug, Error)]
pub enum KnownTimeoutsError {
    /// Not TOML, a field missing, or a word that is not known.
    #[error("table of timeouts: {0}")]
    Syntax(#[from] toml::de::Error),
    /// An id twice.
    #[error("table of timeouts: id `{0}` stands twice")]
    Twice(String),
    /// A duration that is none.
    #[error("table of timeouts: `{id}`: {field} must be a number of seconds above 0, not {value}")]
    Duration {
        /// Entry.
        id: String,
        /// Field.
        field: &'static str,
        /// Value.
        value: f64,
    },
}

/// Where timeouts are looked up. The table that comes with the program is read when it is needed: most captures need none.
#[derive(Clone, Copy, Debug, Default)]
pub enum Knowledge<'a> {
    /// The [built-in table](KnownTimeouts::built_in).
    #[default]
    BuiltIn,
    /// Another one.
    Own(&'a KnownTimeouts),
}

impl<'a> Knowledge<'a> {
    /// The table.
    pub fn table(self) -> &'a KnownTimeouts {
        match self {
            Self::BuiltIn => KnownTimeouts::built_in(),
            Self::Own(table) => table,
        }
    }
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KnownTimeouts {
    #[serde(default, rename = "timeout")]
    entries: Vec<KnownTimeout>,
}

impl KnownTimeouts {
    /// The table that comes with the program, read once.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// A table from TOML text.
    pub fn parse(text: &str) -> Result<Self, KnownTimeoutsError> {
        let table: Self = toml::from_str(text)?;
        let mut ids = BTreeSet::new();
        for entry in &table.entries {
            if !ids.insert(entry.id.as_str()) {
                return Err(KnownTimeoutsError::Twice(entry.id.clone()));
            }
            for (field, value) in [
                ("default_s", entry.default_s),
                ("observed_s", entry.observed_s),
                ("observed_max_s", entry.observed_max_s),
                ("announces_s", entry.announces_s),
                ("buffer_s", entry.buffer_s),
            ] {
                if let Some(value) = value.filter(|v| !v.is_finite() || *v <= 0.0) {
                    let id = entry.id.clone();
                    return Err(KnownTimeoutsError::Duration { id, field, value });
                }
            }
        }
        Ok(table)
    }

    /// This table with another one on top: same ids are replaced, the rest is added in front (a user's own words come first).
    #[must_use]
    pub fn overlaid(&self, own: Self) -> Self {
        let replaced: BTreeSet<_> = own.entries.iter().map(|e| e.id.clone()).collect();
        let mut entries = own.entries;
        entries.extend(
            self.entries
                .iter()
                .filter(|e| !replaced.contains(&e.id))
                .cloned(),
        );
        Self { entries }
    }

    /// All entries, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &KnownTimeout> {
        self.entries.iter()
    }

    /// The entry of this id.
    pub fn get(&self, id: &str) -> Option<&KnownTimeout> {
        self.entries.iter().find(|e| e.id == id)
    }

    /// Entries in which every word of `search` occurs (product, setting, id, role, or a number of seconds).
    pub fn search(&self, search: &str) -> Vec<&KnownTimeout> {
        let words: Vec<_> = search.split_whitespace().map(str::to_lowercase).collect();
        self.entries
            .iter()
            .filter(|e| words.iter().all(|word| e.matches_search(word)))
            .collect()
    }

    /// Entries of the product that `name` stands for (an id or one of its words).
    pub fn named(&self, name: &str) -> Vec<&KnownTimeout> {
        let name = name.to_lowercase();
        self.entries
            .iter()
            .filter(|e| e.id == name || e.words.iter().any(|w| w.to_lowercase() == name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_the_table_is_sane() {
        let table = KnownTimeouts::parse(TABLE).expect("the built-in table parses");
        assert!(table.entries.len() >= 258, "{}", table.entries.len());
        for e in table.iter() {
            assert!(
                e.source.starts_with("https://"),
                "{}: source {}",
                e.id,
                e.source
            );
            assert!(!e.product.is_empty() && !e.setting.is_empty(), "{}", e.id);
            assert!(!e.at_expiry.is_empty() && !e.words.is_empty(), "{}", e.id);
            assert!(!e.change.is_empty(), "{}", e.id);
            assert_ne!(e.on_the_wire(), "not known", "{}", e.id);
            if e.comparison == Comparison::Range {
                let (low, high) = e.seen_s().expect("a range has numbers");
                assert!(low < high, "{}: {low} to {high}", e.id);
            }
            if let Some((low, high)) = e.seen_s() {
                assert!(low <= high && high < 1e7, "{}", e.id);
            }
            assert!(
                !["{s:", "{f:", "{ms:"]
                    .iter()
                    .any(|mark| e.example_line().contains(mark)),
                "{}: {}",
                e.id,
                e.example_line()
            );
        }
    }

    #[test]
    fn a_setting_line_bears_the_value_in_the_products_own_unit() {
        let table = KnownTimeouts::built_in();
        let line = |id: &str, s| table.get(id).and_then(|e| e.setting_line(s));
        assert_eq!(
            line("node-http-keepalive-6s", 65.0).as_deref(),
            Some("server.keepAliveTimeout = 65000")
        );
        assert_eq!(
            line("nginx-keepalive", 75.9).as_deref(),
            Some("keepalive_timeout 75s;")
        );
        assert_eq!(line("gcp-alb-backend-keepalive", 5.0), None);
        // Below one second: where the setting can say it.
        assert_eq!(
            line("go-transport-idle", 0.5).as_deref(),
            Some("t.IdleConnTimeout = 500 * time.Millisecond")
        );
        assert_eq!(line("ruby-net-http-keepalive", 0.5), None);
    }

    #[test]
    fn a_users_table_adds_and_replaces() {
        let own = KnownTimeouts::parse(
            "[[timeout]]\nid = \"our-gateway\"\nproduct = \"Our gateway\"\nsetting = \"idle\"\ndefault_s = 42\nrole = \"proxy-frontend-idle\"\n\
             [[timeout]]\nid = \"nginx-keepalive\"\nproduct = \"nginx\"\nsetting = \"keepalive_timeout\"\ndefault_s = 30\nrole = \"proxy-frontend-idle\"\n",
        )
        .expect("parses");
        let all = KnownTimeouts::built_in().overlaid(own);
        assert_eq!(
            all.get("nginx-keepalive").and_then(|e| e.default_s),
            Some(30.0)
        );
        assert_eq!(
            all.iter().next().map(|e| e.id.as_str()),
            Some("our-gateway")
        );
        assert_eq!(
            all.iter().count(),
            KnownTimeouts::built_in().iter().count() + 1
        );
    }

    #[test]
    fn mistakes_in_a_users_table_are_named() {
        let bad = |text: &str| KnownTimeouts::parse(text).expect_err("refused").to_string();
        let head = "[[timeout]]\nid = \"x\"\nproduct = \"X\"\nsetting = \"y\"\n";
        assert!(bad(&format!("{head}role = \"server-idle\"\ndefualt_s = 3")).contains("defualt_s"));
        assert!(bad(&format!("{head}role = \"server-idle\"\ndefault_s = -3")).contains("above 0"));
        assert!(
            bad(&format!(
                "{head}role = \"server-idle\"\nat_expiry = [\"bang\"]"
            ))
            .contains("bang")
        );
        assert!(
            bad(&format!(
                "{head}role = \"server-idle\"\n{head}role = \"server-idle\""
            ))
            .contains("twice")
        );
    }

    #[test]
    fn search_takes_words_and_numbers() {
        let table = KnownTimeouts::built_in();
        let ids = |s: &str| {
            table
                .search(s)
                .iter()
                .map(|e| e.id.as_str())
                .collect::<Vec<_>>()
        };
        assert!(ids("350").contains(&"aws-nlb-tcp-idle"));
        assert!(ids("nginx upstream").contains(&"nginx-upstream-keepalive"));
        assert!(ids("no such product").is_empty());
        assert_eq!(ids("").len(), table.iter().count());
    }

    #[test]
    fn the_example_of_the_manual_is_a_table() {
        let manual = include_str!("../../docs/timeouts.md");
        let example = manual
            .split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        let own = KnownTimeouts::parse(example).unwrap();
        let gateway = &own.named("gateway")[0];
        assert_eq!(
            gateway.setting_line(30.0).as_deref(),
            Some("upstream_idle: 30")
        );
    }

    #[test]
    fn what_the_manual_calls_needed_is_enough() {
        let own = "[[timeout]]\nid = \"a\"\nproduct = \"A\"\nsetting = \"idle\"\nrole = \"server-idle\"\n";
        assert_eq!(KnownTimeouts::parse(own).unwrap().iter().count(), 1);
        for needed in ["id", "product", "setting", "role"] {
            let lines: Vec<&str> = own.lines().collect();
            let without = lines
                .into_iter()
                .filter(|line| !line.starts_with(&format!("{needed} ")));
            let without = without.collect::<Vec<_>>().join("\n");
            assert!(KnownTimeouts::parse(&without).is_err(), "{needed}");
        }
    }
}
