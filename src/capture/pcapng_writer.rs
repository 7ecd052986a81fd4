//! Writes frames to a pcapng file: evidence that any other tool can open.

use std::io::{self, ErrorKind, Write};

use super::frame::{Frame, LinkType};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const SHB_USERAPPL: u16 = 4;
const IF_TSRESOL: u16 = 9;

/// Nanoseconds: ten to the minus nine.
const RESOLUTION: u8 = 9;

/// An interface of a [`PcapngWriter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(u32);

/// Writes one section in little-endian byte order, with times in nanoseconds.
pub struct PcapngWriter<W: Write> {
    out: W,
    /// The block being built, so that its length is known before it is written.
    body: Vec<u8>,
    interfaces: u32,
}

impl<W: Write> PcapngWriter<W> {
    /// Starts a file. `out` gets small writes and should be buffered.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            body: Vec::new(),
            interfaces: 0,
        };
        writer.put_u32(0x1a2b_3c4d);
        writer.put_u16(1);
        writer.put_u16(0);
        // The section's length is not known beforehand.
        writer.body.extend_from_slice(&u64::MAX.to_le_bytes());
        writer.put_option(
            SHB_USERAPPL,
            concat!("whyrst ", env!("CARGO_PKG_VERSION")).as_bytes(),
        );
        writer.put_option(END_OF_OPTIONS, &[]);
        writer.write_block(SECTION_HEADER)?;
        Ok(writer)
    }

    /// Describes an interface; may come at any time before its first frame. A snap length of 0 means no limit.
    pub fn add_interface(
        &mut self,
        link: LinkType,
        snap_len: u32,
        name: &str,
    ) -> io::Result<InterfaceId> {
        self.put_u16(link.0);
        self.put_u16(0);
        self.put_u32(snap_len);
        if !name.is_empty() {
            self.put_text_option(IF_NAME, name);
        }
        self.put_option(IF_TSRESOL, &[RESOLUTION]);
        self.put_option(END_OF_OPTIONS, &[]);
        self.write_block(INTERFACE_DESCRIPTION)?;
        let id = InterfaceId(self.interfaces);
        self.interfaces = self.interfaces.saturating_add(1);
        Ok(id)
    }

    /// Writes a frame with its own time and lengths, and a comment that Wireshark shows above it.
    /// The format has no times before 1970: those are written as 1970.
    pub fn write_frame(
        &mut self,
        interface: InterfaceId,
        frame: &Frame<'_>,
        comment: Option<&str>,
    ) -> io::Result<()> {
        let captured = u32::try_from(frame.data.len())
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "a frame of more than 4 GiB"))?;
        let nanos = u64::try_from(frame.time.as_nanos()).unwrap_or(0);
        self.put_u32(interface.0);
        self.put_u32((nanos >> 32) as u32);
        self.put_u32(nanos as u32);
        self.put_u32(captured);
        self.put_u32(frame.original_len);
        self.put_padded(frame.data);
        if let Some(comment) = comment {
            self.put_text_option(COMMENT, comment);
            self.put_option(END_OF_OPTIONS, &[]);
        }
        self.write_block(ENHANCED_PACKET)
    }

    /// Flushes and hands the destination back.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn put_u16(&mut self, value: u16) {
        self.body.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.body.extend_from_slice(&value.to_le_bytes());
    }

    fn put_padded(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    /// Text longer than an option can be is cut at a character.
    fn put_text_option(&mut self, code: u16, text: &str) {
        let longest = usize::from(u16::MAX).min(text.len());
        let cut = (0..=longest).rev().find_map(|end| text.get(..end));
        self.put_option(code, cut.unwrap_or_default().as_bytes());
    }

    fn put_option(&mut self, code: u16, value: &[u8]) {
        self.put_u16(code);
        self.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        self.put_padded(value);
    }

    fn write_block(&mut self, kind: u32) -> io::Result<()> {
        let length = u32::try_from(self.body.len() + 12)
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "a block of more than 4 GiB"))?;
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.body)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.body.clear();
        Ok(())
    }
}
