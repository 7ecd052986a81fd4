//! Arguments of `live`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use whyrst::capture::live::{LiveOptions, Promiscuity};

use crate::cli::analyze::ReportArgs;
use crate::cli::evidence::EvidenceArgs;
use crate::cli::input::{KnowledgeArgs, bytes};
use crate::cli::output::OutputArgs;
use crate::cli::screen::ScreenArgs;

/// `--kernel`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KernelWord {
    /// Where the kernel can be asked
    Auto,
    /// Or fail
    On,
    /// Not at all
    Off,
}

/// Arguments of `live`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli) struct LiveArgs {
    /// Interface to watch, `any` for all; may be repeated (-D lists them)
    #[arg(short, long = "interface", value_name = "NAME", help_heading = "Capture", required_unless_present_any = ["read", "list_interfaces", "kernel_helper"])]
    pub(super) interfaces: Vec<String>,
    /// Instead of interfaces: a capture that is still being written, `-` for standard input
    #[arg(
        short,
        long,
        value_name = "FILE",
        help_heading = "Capture",
        conflicts_with = "interfaces"
    )]
    pub(super) read: Option<PathBuf>,
    /// List the interfaces
    #[arg(short = 'D', long, help_heading = "Capture")]
    pub(super) list_interfaces: bool,
    /// Filter expression of tcpdump
    #[arg(value_name = "EXPRESSION")]
    pub(super) expression: Vec<String>,
    /// Filter expression, as tshark names it
    #[arg(
        short,
        long,
        value_name = "EXPRESSION",
        conflicts_with = "expression",
        help_heading = "Capture"
    )]
    filter: Option<String>,
    /// Bytes to take of each packet; 0 for all
    #[arg(
        short,
        long,
        value_name = "BYTES",
        default_value_t = 0,
        help_heading = "Capture"
    )]
    snaplen: u32,
    /// The kernel's buffer for each interface, in KiB [default: 32768, or what a quarter of --max-memory gives each]
    #[arg(short = 'B', long, value_name = "KIB", value_parser = clap::value_parser!(u32).range(64..2_000_000), help_heading = "Capture")]
    buffer_size: Option<u32>,
    /// Take packets that are not for this host, too
    #[arg(long, help_heading = "Capture")]
    promiscuous: bool,
    /// Stop after that many packets
    #[arg(short, long, value_name = "PACKETS", help_heading = "Capture")]
    pub(super) count: Option<u64>,
    /// Stop after that time: 90, 90s, 10m, 2h
    #[arg(short = 'a', long, value_name = "TIME", value_parser = duration, help_heading = "Capture")]
    pub(super) duration: Option<Duration>,
    /// Resident memory to stay within, buffers and evidence included; connections that closed quietly are forgotten first, and counted
    #[arg(long, value_name = "SIZE", value_parser = bytes, default_value = "512M", help_heading = "Capture")]
    max_memory: u64,
    /// Ask the Linux kernel why it sent a RST (needs root and Linux 6.10)
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = KernelWord::Auto, help_heading = "Capture")]
    pub(super) kernel: KernelWord,
    /// User to become once everything is open [default: the user of sudo, else nobody; `root` stays root without capabilities]
    #[arg(short = 'Z', long, value_name = "NAME", help_heading = "Capture")]
    pub(super) user: Option<String>,
    /// One finding per line as JSON, as they come, instead of text; the report then goes only to files
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    pub(super) json_lines: bool,
    /// Write the packets of each finding to DIR when it is told, one .pcapng each
    #[arg(short = 'w', long, value_name = "DIR", help_heading = "Output")]
    pub(super) write_evidence: Option<PathBuf>,
    /// Files kept in DIR: of more than that the oldest of this run go
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 10_000,
        help_heading = "Output"
    )]
    pub(super) evidence_files: usize,
    /// Memory for packets that may become evidence [default: an eighth of --max-memory]
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Output")]
    evidence_memory: Option<u64>,
    /// Serve metrics in Prometheus' text format on this address and port
    #[arg(long, value_name = "ADDRESS", help_heading = "Output")]
    pub(super) metrics: Option<SocketAddr>,
    /// Write metrics to a file every 15 s, for the node exporter's textfile collector
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) metrics_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) evidence: EvidenceArgs,
    #[command(flatten)]
    pub(super) knowledge: KnowledgeArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    #[command(flatten)]
    pub(super) screen: ScreenArgs,
    /// Be the process that reads the kernel's trace
    #[arg(long, hide = true)]
    pub(super) kernel_helper: bool,
}

impl LiveArgs {
    /// Fails before anything is opened.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.output.check()?;
        self.evidence.check()?;
        if self.evidence_memory.is_some() && !self.keeps_packets() {
            bail!("--evidence-memory needs -w DIR or -o FILE.pcapng");
        }
        let set_aside = self.buffers() + self.evidence_memory();
        if set_aside > self.max_memory / 4 * 3 {
            bail!(
                "capture buffers and evidence take {} MiB of the {} MiB of --max-memory: too little is left for connections",
                set_aside >> 20,
                self.max_memory >> 20
            );
        }
        Ok(())
    }

    /// Resident memory to stay within.
    pub(super) fn max_memory(&self) -> u64 {
        self.max_memory
    }

    /// What of it is for connections, findings and the program itself.
    pub(super) fn memory_for_analysis(&self) -> u64 {
        let set_aside = self.buffers() + self.evidence_memory();
        self.max_memory.saturating_sub(set_aside)
    }

    /// Bytes of packets that may become evidence.
    pub(super) fn evidence_memory(&self) -> u64 {
        if self.keeps_packets() {
            self.evidence_memory.unwrap_or(self.max_memory / 8)
        } else {
            0
        }
    }

    /// Whether packets are to become evidence.
    pub(super) fn keeps_packets(&self) -> bool {
        self.write_evidence.is_some() || self.output.evidence().next().is_some()
    }

    /// Bytes of each interface's buffer, which the kernel shares with this process.
    fn buffer(&self) -> u32 {
        let share = self.max_memory / 4 / (self.interfaces.len() as u64).max(1);
        let default = u64::from(LiveOptions::default().buffer).min(share);
        let asked = self.buffer_size.map(|kib| u64::from(kib) << 10);
        u32::try_from(asked.unwrap_or(default)).unwrap_or(u32::MAX)
    }

    fn buffers(&self) -> u64 {
        u64::from(self.buffer()) * self.interfaces.len() as u64
    }

    /// The filter, from `-f` or from the words at the end.
    pub(super) fn filter(&self) -> Option<String> {
        let words = (!self.expression.is_empty()).then(|| self.expression.join(" "));
        self.filter.clone().or(words)
    }

    /// How interfaces are to be opened.
    pub(super) fn options(&self) -> LiveOptions {
        let defaults = LiveOptions::default();
        LiveOptions {
            snap_len: if self.snaplen == 0 {
                defaults.snap_len
            } else {
                self.snaplen
            },
            buffer: self.buffer(),
            promiscuity: if self.promiscuous {
                Promiscuity::All
            } else {
                Promiscuity::Own
            },
            filter: self.filter(),
        }
    }
}

/// `90`, `90s`, `1.5m`, `2h`
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "no time as 90s, 10m or 2h".to_owned();
    let unit = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7_200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "s", "5x", "-1", "1e99d", "..s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
