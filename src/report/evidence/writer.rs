//! Writes the chosen frames.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::packet;
use super::selector::Chosen;
use crate::capture::{CaptureId, Frame, InterfaceId, LinkType, PcapngWriter};
use crate::report::Report;
use crate::report::redact::Redactor;
use crate::wire::{Decoded, Decoder};

/// IP packets without a link layer (`LINKTYPE_RAW`).
const RAW: LinkType = LinkType(101);

/// What becomes of payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payload {
    /// Only headers are written.
    #[default]
    Cut,
    /// Packets are written as captured.
    Keep,
}

/// How evidence is written.
#[derive(Clone, Copy, Default)]
pub struct EvidenceOptions<'a> {
    /// Payload; a redacted file never has any.
    pub payload: Payload,
    /// Who replaces addresses and names.
    pub redactor: Option<&'a Redactor>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvidenceSummary {
    /// Packets in the file.
    pub packets: u64,
    /// Packets of reported connections that could not be taken.
    pub left_out: u64,
}

/// Writes a pcapng file: show it the same frames as the [`Selector`](super::Selector), in the same order.
pub struct EvidenceWriter<'a, W: Write> {
    chosen: Chosen,
    options: EvidenceOptions<'a>,
    out: PcapngWriter<W>,
    /// Names of the captures.
    names: Vec<String>,
    interfaces: BTreeMap<(CaptureId, u32, LinkType), InterfaceId>,
    decoder: Decoder,
    written: u64,
}

impl<'a, W: Write> EvidenceWriter<'a, W> {
    /// `out` gets small writes and should be buffered.
    pub fn new(
        report: &Report,
        chosen: Chosen,
        options: EvidenceOptions<'a>,
        out: W,
    ) -> io::Result<Self> {
        let name = |path: &String| match options.redactor {
            Some(redactor) => redactor.file(path),
            None => path.clone(),
        };
        Ok(Self {
            names: report
                .captures
                .iter()
                .map(|capture| name(&capture.path))
                .collect(),
            chosen,
            options,
            out: PcapngWriter::new(out)?,
            interfaces: BTreeMap::new(),
            decoder: Decoder::new(),
            written: 0,
        })
    }

    /// Everything chosen has been written: the rest of the captures need not be read.
    pub fn is_complete(&self) -> bool {
        self.written as usize >= self.chosen.frames()
    }

    /// The next frame.
    pub fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        if !self.chosen.contains(frame.id) {
            return Ok(());
        }
        let comment = self.chosen.comment(frame.id);
        let Decoded::Tcp(segment) = self.decoder.decode(frame) else {
            return Ok(());
        };
        let rebuilt = self
            .options
            .redactor
            .map(|redactor| packet::redacted(&segment, redactor));
        let kept = match self.options.payload {
            Payload::Keep => frame.data.len(),
            Payload::Cut => packet::header_end(frame, &segment).unwrap_or(0),
        };
        let shown = match &rebuilt {
            Some(packet) => Frame {
                data: &packet.bytes,
                original_len: packet.original_len,
                link: RAW,
                ..*frame
            },
            None => Frame {
                data: frame.data.get(..kept).unwrap_or_default(),
                ..*frame
            },
        };
        let interface = self.interface(&shown)?;
        self.written += 1;
        self.out.write_frame(interface, &shown, comment.as_deref())
    }

    /// Interfaces of the captures stay apart; they are described when their first packet is written.
    fn interface(&mut self, frame: &Frame<'_>) -> io::Result<InterfaceId> {
        let key = (frame.id.capture, frame.interface, frame.link);
        if let Some(id) = self.interfaces.get(&key) {
            return Ok(*id);
        }
        let capture = self
            .names
            .get(usize::from(frame.id.capture.0))
            .map_or("", String::as_str);
        let name = format!("{capture} interface {}", frame.interface);
        let id = self.out.add_interface(frame.link, 0, &name)?;
        self.interfaces.insert(key, id);
        Ok(id)
    }

    /// Flushes and hands the destination back.
    pub fn finish(self) -> io::Result<(W, EvidenceSummary)> {
        let summary = EvidenceSummary {
            packets: self.written,
            left_out: self.chosen.left_out(),
        };
        Ok((self.out.finish()?, summary))
    }
}
