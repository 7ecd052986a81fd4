//! The table of findings, and the data that its rows open with.

use std::collections::BTreeMap;

use serde::Serialize;

use super::detail::Detail;
use super::packed::{Packed, Texts};
use crate::report::text::{clean, count, seconds};
use crate::report::{Cost, Endpoint, Finding, Report, telling};
use crate::verdict::Cause;

/// `<` could close the script element or open a comment in it (HTML, restrictions for contents of script elements).
pub const ESCAPED: &str = "\\u003c";

/// Rows at most; the most telling ones.
const ROWS: usize = 6_000;

/// Characters of a request that a row shows.
const REQUEST: usize = 60;

/// Endpoints offered for filtering, the most frequent ones.
const ENDPOINTS: usize = 100;

/// The table.
pub struct Table<'a> {
    pub rows: Vec<Row<'a>>,
    /// What did not fit.
    pub left_out: Option<String>,
    pub causes: Vec<(Cause, u64)>,
    pub harms: Vec<(Cost, u64)>,
    pub endpoints: Vec<String>,
    /// JSON for the script, safe inside a script element.
    pub data: String,
    shown: Vec<&'a Finding>,
    /// What `shown` holds, most telling first, and its row.
    told: Vec<(&'a Finding, usize)>,
}

/// A row.
pub struct Row<'a> {
    pub id: &'a str,
    pub time: String,
    pub client: String,
    pub server: String,
    pub cause: Cause,
    pub idle: String,
    pub cost: Cost,
    pub request: String,
}

#[derive(Serialize)]
struct Data {
    /// Cause, harm, its rank, silence in seconds, milliseconds since the first finding.
    rows: Vec<(&'static str, &'static str, u8, Option<f64>, i64)>,
    /// By row.
    details: BTreeMap<usize, Packed>,
    texts: Vec<String>,
}

impl<'a> Table<'a> {
    pub fn of(report: &'a Report) -> Self {
        let all: Vec<&Finding> = report.findings().collect();
        let mut chosen: Vec<usize> = telling::order(&all).into_iter().take(ROWS).collect();
        let telling_order = chosen.clone();
        chosen.sort_unstable();
        let place: BTreeMap<usize, usize> = chosen
            .iter()
            .enumerate()
            .map(|(row, i)| (*i, row))
            .collect();
        let findings: Vec<&Finding> = chosen.iter().filter_map(|i| all.get(*i).copied()).collect();
        let dated = spans_days(&findings);
        let told = telling_order
            .iter()
            .filter_map(|i| Some((*all.get(*i)?, *place.get(i)?)))
            .collect();
        let left_out = all.len() - findings.len();
        Self {
            rows: findings
                .iter()
                .map(|finding| Row::of(finding, dated))
                .collect(),
            left_out: (left_out > 0)
                .then(|| count(left_out as u64, "more finding is", "more findings are")),
            causes: tally(findings.iter().map(|f| f.cause)),
            harms: tally(findings.iter().map(|f| Cost::of(f))),
            endpoints: endpoints(&findings),
            data: data(&findings, BTreeMap::new(), Vec::new()),
            shown: findings,
            told,
        }
    }

    /// Adds what rows open with: of the most telling findings, as much as `bytes` hold. The others say where to look.
    pub fn fill(&mut self, report: &Report, bytes: usize) {
        let (details, texts) = details(report, &self.told, bytes);
        self.data = data(&self.shown, details, texts.into_list());
    }
}

impl<'a> Row<'a> {
    fn of(finding: &'a Finding, dated: Dated) -> Self {
        Self {
            id: &finding.id,
            time: match dated {
                Dated::Day => telling::milli(finding.at),
                Dated::Time => finding.at.to_datetime().format("%H:%M:%S%.3f").to_string(),
            },
            client: finding.connection.client.to_string(),
            server: finding.connection.server.to_string(),
            cause: finding.cause,
            idle: silence(finding).map(seconds).unwrap_or_default(),
            cost: Cost::of(finding),
            request: what(finding),
        }
    }
}

fn silence(finding: &Finding) -> Option<f64> {
    finding.idle.application_s.or(finding.idle.wire_s)
}

/// What was under way, or how many connections a folded row stands for.
fn what(finding: &Finding) -> String {
    if let Some(n) = finding.connections {
        return count(n, "connection", "connections");
    }
    let Some(request) = &finding.request else {
        return String::new();
    };
    let text = request
        .summary
        .as_deref()
        .or(request.server_name.as_deref())
        .unwrap_or_default();
    let text = clean(text);
    if text.chars().count() <= REQUEST {
        return text.into_owned();
    }
    text.chars().take(REQUEST).chain(['…']).collect()
}

#[derive(Clone, Copy)]
enum Dated {
    /// The findings are of several days.
    Day,
    Time,
}

fn spans_days(findings: &[&Finding]) -> Dated {
    let day = |f: &&Finding| f.at.to_datetime().date_naive();
    let mut days = findings.iter().map(day);
    let first = days.next();
    if days.all(|day| Some(day) == first) {
        Dated::Time
    } else {
        Dated::Day
    }
}

/// Most frequent first.
fn tally<T: Ord + Copy>(items: impl Iterator<Item = T>) -> Vec<(T, u64)> {
    let mut numbers: BTreeMap<T, u64> = BTreeMap::new();
    for item in items {
        *numbers.entry(item).or_default() += 1;
    }
    let mut numbers: Vec<(T, u64)> = numbers.into_iter().collect();
    numbers.sort_by_key(|(item, n)| (std::cmp::Reverse(*n), *item));
    numbers
}

fn endpoints(findings: &[&Finding]) -> Vec<String> {
    let servers: Vec<(Endpoint, u64)> = tally(findings.iter().map(|f| f.connection.server));
    servers
        .into_iter()
        .take(ENDPOINTS)
        .map(|(server, _)| server.to_string())
        .collect()
}

/// Details by row, as many as fit.
fn details(
    report: &Report,
    findings: &[(&Finding, usize)],
    most: usize,
) -> (BTreeMap<usize, Packed>, Texts) {
    let mut texts = Texts::default();
    let mut details = BTreeMap::new();
    let mut bytes = 0;
    for (finding, row) in findings {
        let packed = Packed::of(&Detail::of(report, finding), &mut texts);
        bytes += serde_json::to_string(&packed).map_or(usize::MAX, |json| json.len() + 9);
        if bytes.saturating_add(texts.bytes()) > most {
            break;
        }
        details.insert(*row, packed);
    }
    (details, texts)
}

fn data(findings: &[&Finding], details: BTreeMap<usize, Packed>, texts: Vec<String>) -> String {
    let first = findings.iter().map(|f| f.at).min().unwrap_or_default();
    let rows = findings.iter().map(|f| {
        let since = (f.at - first).as_nanos() / 1_000_000;
        (
            f.cause.as_str(),
            Cost::of(f).as_str(),
            Cost::of(f) as u8,
            silence(f),
            since,
        )
    });
    let data = Data {
        rows: rows.collect(),
        details,
        texts,
    };
    let json = serde_json::to_string(&data).unwrap_or_else(|_| "{}".to_owned());
    json.replace('<', ESCAPED)
}
