//! Formats and files: one place where a view is chosen.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use whyrst::report::headline::headline;
use whyrst::report::terminal::{self, TerminalOptions};
use whyrst::report::{Report, csv, ecs, html, json, markdown, zeek};

use super::evidence::is_evidence;
use super::screen::{self, Verbosity};

/// `--format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// The whole report as one document (`whyrst schema` describes it)
    Json,
    /// One finding per line
    Jsonl,
    /// One row per finding, for spreadsheets
    Csv,
    /// One row per connection, for spreadsheets
    ConnCsv,
    /// One row per connection, as Zeek's conn.log
    Zeek,
    /// One finding per line, in the words of the Elastic Common Schema
    Ecs,
    /// For a ticket in GitHub, GitLab or Jira
    Markdown,
    /// One page with pictures, without network access
    Html,
}

/// Endings of `-o FILE` and the formats they stand for; the longest one counts.
const ENDINGS: &[(&str, Format)] = &[
    ("txt", Format::Text),
    ("json", Format::Json),
    ("jsonl", Format::Jsonl),
    ("csv", Format::Csv),
    ("ndjson", Format::Ecs),
    ("md", Format::Markdown),
    ("html", Format::Html),
    ("conn.csv", Format::ConnCsv),
    ("log", Format::Zeek),
];

impl Format {
    /// The format that a file's ending stands for.
    pub(crate) fn of_file(path: &Path) -> anyhow::Result<Self> {
        let file = path
            .file_name()
            .map(|name| name.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        let has = |ending: &str| {
            let name = file.strip_suffix(ending);
            name.is_some_and(|name| {
                name.ends_with('.') || (name.is_empty() && ending.contains('.'))
            })
        };
        let endings = ENDINGS.iter().filter(|(ending, _)| has(ending));
        match endings.max_by_key(|(ending, _)| ending.len()) {
            Some((_, format)) => Ok(*format),
            None => {
                let known: Vec<_> = ENDINGS.iter().map(|(name, _)| format!(".{name}")).collect();
                bail!(
                    "{}: no format has that ending (known: {})",
                    path.display(),
                    known.join(" ")
                )
            }
        }
    }

    /// It has a row for every connection.
    const fn lists_connections(self) -> bool {
        matches!(self, Self::ConnCsv | Self::Zeek)
    }

    /// Writes the report in this format.
    pub(crate) fn write(
        self,
        report: &Report,
        view: &TerminalOptions,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => to.write_all(terminal::render(report, view).as_bytes()),
            Self::Json => json::write_json(report, to),
            Self::Jsonl => json::write_json_lines(report, to),
            Self::Csv => csv::write_csv(report, to),
            Self::ConnCsv => csv::write_connections_csv(report, to),
            Self::Zeek => zeek::write_conn_log(report, to),
            Self::Ecs => ecs::write_ecs(report, to),
            Self::Markdown => to.write_all(markdown::markdown(report).as_bytes()),
            Self::Html => {
                let page = html::html(report).map_err(io::Error::other)?;
                to.write_all(page.as_bytes())
            }
        }
    }
}

/// Where the report goes: files by `-o`, or standard output.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Format of standard output [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    format: Option<Format>,
    /// Write a file, its format by its ending (.txt .json .jsonl .csv .md .html, .ndjson for ecs, .pcapng for the packets, .conn.csv and .log for all connections); may be repeated
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Vec<PathBuf>,
}

impl OutputArgs {
    /// Fails before anything is read if a file's format is not known.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.views()
            .try_for_each(|path| Format::of_file(path).map(drop))
    }

    fn views(&self) -> impl Iterator<Item = &PathBuf> {
        self.output.iter().filter(|path| !is_evidence(path))
    }

    /// Something is to be written that has a row for every connection.
    pub(crate) fn lists_connections(&self) -> bool {
        let files = self.views().filter_map(|path| Format::of_file(path).ok());
        self.format
            .into_iter()
            .chain(files)
            .any(Format::lists_connections)
    }

    /// All files that are to be written.
    #[cfg(all(feature = "live", target_os = "linux"))]
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.output.iter()
    }

    /// Whether the report goes to standard output.
    #[cfg(all(feature = "live", target_os = "linux"))]
    pub(crate) fn prints(&self) -> bool {
        self.format.is_some() || self.output.is_empty()
    }

    /// Whether standard output is for a program: other lines there would break it.
    #[cfg(all(feature = "live", target_os = "linux"))]
    pub(crate) fn prints_for_programs(&self) -> bool {
        self.format.is_some_and(|format| format != Format::Text)
    }

    /// Files that are to hold packets.
    pub(crate) fn evidence(&self) -> impl Iterator<Item = &PathBuf> {
        self.output.iter().filter(|path| is_evidence(path))
    }

    /// Writes the files, and standard output where `--format` was given or no file was.
    ///
    /// Where only files are written, standard error says in a line what is in them.
    pub(crate) fn write(
        &self,
        report: &Report,
        view: &TerminalOptions,
        verbosity: Verbosity,
    ) -> anyhow::Result<()> {
        for path in self.views() {
            let format = Format::of_file(path)?;
            let plain = TerminalOptions {
                width: 100,
                color: terminal::Color::Plain,
                ..*view
            };
            write_file(path, |to| format.write(report, &plain, to))?;
        }
        if self.format.is_some() || self.output.is_empty() {
            let format = self.format.unwrap_or(Format::Text);
            screen::print_with(|to| format.write(report, view, to))?;
        } else if verbosity != Verbosity::Quiet {
            let files: Vec<_> = self
                .output
                .iter()
                .map(|p| p.display().to_string())
                .collect();
            screen::complain(&format!("{} ({})", headline(report), files.join(", ")));
        }
        Ok(())
    }
}

fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let doing = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(doing)?);
    write(&mut file)
        .and_then(|()| file.flush())
        .with_context(doing)
}
