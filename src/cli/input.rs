//! From the arguments to a report: which captures, which frames, which findings.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use chrono::{NaiveDateTime, NaiveTime, TimeZone, Utc};
use whyrst::Timestamp;

use super::Outcome;
use super::evidence::KeyOfCaptures;
use super::interrupt::on_interrupt;
use super::packets::{Packets, Spool};
use super::reading::{self, Ending};
use super::screen::{ScreenArgs, Verbosity};
use whyrst::analysis::{self, AnalysisOptions, Analyzer, ConnectionRows};
use whyrst::capture::{CaptureFilter, Input};
use whyrst::flow::Limits;
use whyrst::insight::KnownTimeouts;
use whyrst::report::Report;
use whyrst::report::redact::{KeyFromFrames, RedactionKey};
use whyrst::report::select::Selection;

/// What to read and what of it to keep: shared by all subcommands that analyse.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InputArgs {
    /// Captures of one place (pcap or pcapng, compressed or not, `-` for standard input), or a report that whyrst wrote as JSON
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The same, as tcpdump and tshark name it
    #[arg(short, long = "read", value_name = "FILE", help_heading = "Input")]
    read: Vec<PathBuf>,
    /// Only findings with this address at either end; may be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Input")]
    host: Vec<IpAddr>,
    /// Only findings with this port at either end; may be repeated
    #[arg(long, value_name = "PORT", help_heading = "Input")]
    port: Vec<u16>,
    /// Only findings of this stream (Wireshark's tcp.stream); may be repeated
    #[arg(long, value_name = "N", help_heading = "Input")]
    stream: Vec<u32>,
    /// Only findings from this time on: 2026-11-21T10:00:00Z, or 10:00[:00] UTC on the day the capture begins
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "Input")]
    since: Option<When>,
    /// Only findings up to this time
    #[arg(long, value_name = "TIME", value_parser = When::parse, help_heading = "Input")]
    until: Option<When>,
    /// Only packets that this filter expression of tcpdump lets pass; streams are then numbered among those
    #[arg(short, long, value_name = "EXPRESSION", help_heading = "Input")]
    filter: Option<String>,
    /// Memory to stay within, roughly: 500M, 2G; connections that closed quietly are forgotten first, and counted
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Input")]
    max_memory: Option<u64>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    /// A filter expression, as with -f
    #[arg(value_name = "EXPRESSION", last = true, conflicts_with = "filter")]
    expression: Vec<String>,
}

/// What the user knows of the path: shared with `live`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KnowledgeArgs {
    /// Known timeouts of your own (TOML), added to the table or in place of entries of the same id
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    known: Option<PathBuf>,
    /// Products on the path, for setting lines in the advice: node,nginx
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        help_heading = "Report"
    )]
    stack: Vec<String>,
}

impl KnowledgeArgs {
    /// Puts it into the options of an analysis; reads the file.
    pub(crate) fn options(&self) -> anyhow::Result<AnalysisOptions> {
        Ok(AnalysisOptions {
            stack: self.stack.clone(),
            known_timeouts: self.known.as_deref().map(known_timeouts).transpose()?,
            ..AnalysisOptions::default()
        })
    }
}

/// The built-in table with a user's own entries on top.
fn known_timeouts(path: &std::path::Path) -> anyhow::Result<KnownTimeouts> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let own = KnownTimeouts::parse(&text).with_context(|| path.display().to_string())?;
    Ok(KnownTimeouts::built_in().overlaid(own))
}

/// A time on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    At(Timestamp),
    /// On the first day of the capture.
    Clock(NaiveTime),
}

impl When {
    fn parse(text: &str) -> Result<Self, String> {
        let nanos = |t: chrono::DateTime<Utc>| {
            t.timestamp_nanos_opt()
                .map(|n| Self::At(Timestamp::from_nanos(n)))
        };
        let with_zone = chrono::DateTime::parse_from_rfc3339(text).map(|t| t.to_utc());
        let without = [
            "%Y-%m-%d %H:%M:%S%.f",
            "%Y-%m-%dT%H:%M:%S%.f",
            "%Y-%m-%d %H:%M",
        ]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        let clock = ["%H:%M:%S%.f", "%H:%M"]
            .iter()
            .find_map(|format| NaiveTime::parse_from_str(text, format).ok());
        let absolute = with_zone
            .ok()
            .or_else(|| without.map(|t| Utc.from_utc_datetime(&t)));
        absolute
            .and_then(nanos)
            .or_else(|| clock.map(Self::Clock))
            .ok_or_else(|| {
                "no time as 2026-11-21T10:00:00Z, \"2026-11-21 10:00:00\" or 10:00:00".to_owned()
            })
    }

    fn on(self, first: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Clock(clock) => {
                let day = first?.to_datetime().date_naive();
                let nanos = day.and_time(clock).and_utc().timestamp_nanos_opt()?;
                Some(Timestamp::from_nanos(nanos))
            }
        }
    }
}

impl InputArgs {
    /// The captures, in the order given.
    fn inputs(&self) -> anyhow::Result<Vec<Input>> {
        let inputs: Vec<Input> = self
            .files
            .iter()
            .chain(&self.read)
            .map(Input::from_argument)
            .collect();
        let streams = inputs.iter().filter(|i| **i == Input::Stdin).count();
        match inputs.len() {
            0 => bail!("no capture was given (`-` reads standard input); see whyrst --help"),
            _ if streams > 1 => bail!("standard input can be read only once"),
            _ => Ok(inputs),
        }
    }

    /// Keeps what `--host`, `--port`, `--stream`, `--since` and `--until` name.
    fn select(&self, report: &mut Report) {
        let first = report.captures.iter().filter_map(|c| c.first).min();
        let selection = Selection {
            hosts: self.host.clone(),
            ports: self.port.clone(),
            streams: self.stream.clone(),
            causes: Vec::new(),
            since: self.since.and_then(|when| when.on(first)),
            until: self.until.and_then(|when| when.on(first)),
        };
        selection.apply(report);
    }

    /// The filter expression, from `-f` or from behind `--`.
    fn filter(&self) -> anyhow::Result<Option<CaptureFilter>> {
        Ok(self
            .expression()
            .map(|text| CaptureFilter::new(&text))
            .transpose()?)
    }

    fn expression(&self) -> Option<String> {
        let trailing = (!self.expression.is_empty()).then(|| self.expression.join(" "));
        self.filter.clone().or(trailing)
    }

    /// Reads and analyses everything.
    pub(crate) fn report(&self, request: &Request<'_>) -> anyhow::Result<Analysed> {
        let inputs = self.inputs()?;
        let filter = self.filter()?;
        let saved = match inputs.as_slice() {
            [Input::File(path)] => saved_report(path)?,
            _ => None,
        };
        let mut analysed = match saved {
            Some(_) if filter.is_some() => {
                bail!("a filter expression selects packets, and a saved report has none")
            }
            Some(report) => Analysed {
                report,
                packets: Packets::None,
                key: None,
                ending: Ending::Complete,
            },
            None => self.analyse(inputs, filter, request)?,
        };
        self.select(&mut analysed.report);
        if request.rows == ConnectionRows::None {
            analysed.report.connections = None;
        }
        Ok(analysed)
    }

    fn analyse(
        &self,
        inputs: Vec<Input>,
        filter: Option<CaptureFilter>,
        request: &Request<'_>,
    ) -> anyhow::Result<Analysed> {
        // The rows of all connections say how many of them a selection keeps.
        let counting = self.selects();
        let mut analyzer = Analyzer::new(AnalysisOptions {
            connections: if counting {
                ConnectionRows::All
            } else {
                request.rows
            },
            limits: self.max_memory.map(Limits::within).unwrap_or_default(),
            filter: self.expression(),
            prefers: analysis::Selection {
                hosts: self.host.clone(),
                ports: self.port.clone(),
                streams: self.stream.clone(),
                ..analysis::Selection::default()
            },
            ..self.knowledge.options()?
        });
        let stop = on_interrupt()?;
        let mut spool = match request.spooling {
            Spooling::Streams if self.is_streamed() => Some(Spool::new()?),
            _ => None,
        };
        let mut key = match request.key {
            KeyOfCaptures::Needed => Some(KeyFromFrames::new()),
            KeyOfCaptures::NotNeeded => None,
        };
        let verbosity = request.verbosity;
        let (facts, ending) = match (&mut spool, &mut key) {
            (None, None) => reading::read(&inputs, filter, &stop, verbosity, |frame| {
                analyzer.frame(frame);
            })?,
            (spool, key) => reading::read(&inputs, filter, &stop, verbosity, |frame| {
                analyzer.frame(frame);
                if let Some(spool) = spool {
                    spool.frame(frame);
                }
                if let Some(key) = key {
                    key.frame(frame);
                }
            })?,
        };
        let summaries = reading::summaries(&facts, request.vantage, ending);
        let report = analyzer.report(summaries);
        // The process ends soon: giving back every connection by itself takes time and brings nothing.
        std::mem::forget(analyzer);
        Ok(Analysed {
            report,
            packets: match spool {
                Some(spool) => Packets::Spool(spool),
                None => Packets::Files {
                    inputs,
                    filter: self.expression(),
                    stop,
                },
            },
            key: key.map(KeyFromFrames::finish),
            ending,
        })
    }

    fn selects(&self) -> bool {
        !(self.host.is_empty() && self.port.is_empty() && self.stream.is_empty())
            || self.since.is_some()
            || self.until.is_some()
    }

    /// An interrupt leaves a report only of what streams in: half of a file is an answer to nothing.
    pub(crate) fn is_streamed(&self) -> bool {
        self.files
            .iter()
            .chain(&self.read)
            .any(|path| path.as_os_str() == "-")
    }
}

/// `500M`, `2G`, `1048576`: bytes, in powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let unit = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let shift = match unit
        .trim()
        .to_ascii_uppercase()
        .trim_end_matches("IB")
        .trim_end_matches('B')
    {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err("no size as 500M or 2G".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "no size as 500M or 2G".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "too large".to_owned())
}

/// What a subcommand wants of the analysis.
pub(crate) struct Request<'a> {
    /// Whether it lists all connections.
    pub(crate) rows: ConnectionRows,
    /// `--vantage`
    pub(crate) vantage: Option<&'a str>,
    /// How much is said on standard error.
    pub(crate) verbosity: Verbosity,
    /// What has to be had again after the analysis.
    pub(crate) spooling: Spooling,
    /// Whether a redaction key is to be made of the frames.
    pub(crate) key: KeyOfCaptures,
}

/// What is spooled while it is analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spooling {
    /// Nothing.
    Nothing,
    /// What can't be read twice.
    Streams,
}

impl Request<'_> {
    /// Nothing special.
    pub(crate) fn plain(screen: &ScreenArgs) -> Self {
        Self {
            rows: ConnectionRows::None,
            vantage: None,
            verbosity: screen.verbosity(),
            spooling: Spooling::Nothing,
            key: KeyOfCaptures::NotNeeded,
        }
    }
}

/// A report and how reading ended.
pub(crate) struct Analysed {
    /// The report.
    pub(crate) report: Report,
    /// Where its packets can be had again.
    pub(crate) packets: Packets,
    /// The redaction key of its captures, where one was asked for.
    pub(crate) key: Option<RedactionKey>,
    ending: Ending,
}

impl Analysed {
    /// The outcome once the report has been written.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.ending {
            Ending::Complete => Outcome::Done,
            Ending::Interrupted => Outcome::Interrupted,
        }
    }
}

/// A report that was written as JSON, if the file begins like one.
fn saved_report(path: &std::path::Path) -> anyhow::Result<Option<Report>> {
    let doing = || path.display().to_string();
    let mut file = File::open(path).with_context(doing)?;
    if !file.metadata().with_context(doing)?.is_file() {
        return Ok(None);
    }
    let mut start = [0_u8; 1];
    if file.read(&mut start).with_context(doing)? == 0 || start != *b"{" {
        return Ok(None);
    }
    let mut text = String::from("{");
    file.read_to_string(&mut text).with_context(doing)?;
    let report = serde_json::from_str(&text)
        .with_context(|| format!("{}: not a report of whyrst", path.display()))?;
    Ok(Some(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(bytes("500M"), Ok(500 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("4096"), Ok(4096));
        for wrong in ["", "M", "12X", "-1", "99999999999999999999", "99999999999G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_points_or_hours_of_the_first_day() {
        let first = Timestamp::from_parts(1_795_223_291, 0);
        let at = |text: &str| {
            When::parse(text)
                .unwrap()
                .on(Some(first))
                .unwrap()
                .to_rfc3339()
        };
        assert_eq!(at("01:14:40.5"), "2026-11-21T01:14:40.500000000Z");
        assert_eq!(at("01:14"), "2026-11-21T01:14:00.000000000Z");
        assert_eq!(at("2026-11-22 02:00:00"), "2026-11-22T02:00:00.000000000Z");
        assert_eq!(
            at("2026-11-22T02:00:00+02:00"),
            "2026-11-22T00:00:00.000000000Z"
        );
        assert!(When::parse("25:00").is_err() && When::parse("1700000000").is_err());
    }
}
