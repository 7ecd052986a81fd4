//! `-o FILE.pcapng`, and who may see what: `--payload`, `--redact`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use whyrst::report::Report;
use whyrst::report::evidence::{Context, EvidenceOptions, EvidenceWriter, Payload, Selector};
use whyrst::report::redact::{RedactionKey, Redactor};

use super::packets::Replay;
use super::screen::{self, Verbosity};

/// Options of evidence and redaction.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct EvidenceArgs {
    /// In a .pcapng: only so many packets of a connection on each side of those that matter [default: the whole connection]
    #[arg(long, value_name = "PACKETS", help_heading = "Output")]
    context: Option<u32>,
    /// In a .pcapng: `cut` packets to their headers, or `keep` them as captured
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "cut",
        help_heading = "Output"
    )]
    payload: PayloadChoice,
    /// Replace addresses, host names, paths and file names by pseudonyms in everything that is written or printed
    #[arg(long, help_heading = "Output")]
    redact: bool,
    /// File with a secret that makes the pseudonyms the same in every run; implies --redact. Without it they depend on the captures; live they are new in each run
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    redact_key: Option<PathBuf>,
}

/// `--payload`
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PayloadChoice {
    Cut,
    Keep,
}

/// Whether a key has to be made of the captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOfCaptures {
    Needed,
    NotNeeded,
}

/// Shorter secrets can be found by trying.
const SHORTEST_SECRET: usize = 16;

/// Whether a file is to hold packets.
pub(crate) fn is_evidence(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("pcapng"))
}

impl EvidenceArgs {
    pub(super) fn key_of_captures(&self) -> KeyOfCaptures {
        match (self.redact, &self.redact_key) {
            (true, None) => KeyOfCaptures::Needed,
            _ => KeyOfCaptures::NotNeeded,
        }
    }

    /// Fails before anything is read if the options contradict each other.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if matches!(self.payload, PayloadChoice::Keep) && (self.redact || self.redact_key.is_some())
        {
            bail!("--payload keep would show what --redact hides");
        }
        Ok(())
    }

    /// Who replaces what, where redaction was asked for. `of_captures` is the key for those who gave none.
    pub(super) fn redactor(
        &self,
        of_captures: Option<RedactionKey>,
    ) -> anyhow::Result<Option<Redactor>> {
        let key = match (&self.redact_key, self.redact) {
            (Some(path), _) => secret(path)?,
            (None, true) => of_captures.context(
                "a saved report needs --redact-key FILE: it has no packets to make a key of",
            )?,
            (None, false) => return Ok(None),
        };
        Ok(Some(Redactor::new(key)))
    }

    /// Writes the packets of the report's findings. The report is the one with the real addresses.
    pub(super) fn write(
        &self,
        path: &Path,
        report: &Report,
        redactor: Option<&Redactor>,
        packets: &mut impl Replay,
        verbosity: Verbosity,
    ) -> anyhow::Result<()> {
        let doing = || format!("cannot write {}", path.display());
        let mut selector =
            Selector::new(report, self.context.map_or(Context::Whole, Context::Around));
        packets.replay(&mut |frame| selector.frame(frame))?;
        let payload = match self.payload {
            PayloadChoice::Cut => Payload::Cut,
            PayloadChoice::Keep => Payload::Keep,
        };
        let options = EvidenceOptions { payload, redactor };
        let file = BufWriter::new(File::create(path).with_context(doing)?);
        let mut writer =
            EvidenceWriter::new(report, selector.finish(), options, file).with_context(doing)?;
        let mut result: io::Result<()> = Ok(());
        packets.replay(&mut |frame| {
            if result.is_ok() {
                result = writer.frame(frame);
            }
        })?;
        result.with_context(doing)?;
        let (_, summary) = writer.finish().with_context(doing)?;
        if summary.left_out > 0 {
            screen::warn(
                &format!(
                    "{}: {} packets of reported connections were left out",
                    path.display(),
                    summary.left_out
                ),
                verbosity,
            );
        }
        Ok(())
    }
}

fn secret(path: &Path) -> anyhow::Result<RedactionKey> {
    let secret = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if secret.len() < SHORTEST_SECRET {
        bail!(
            "{}: a key needs at least {SHORTEST_SECRET} bytes (head -c 32 /dev/urandom > {})",
            path.display(),
            path.display()
        );
    }
    Ok(RedactionKey::from_secret(&secret))
}
