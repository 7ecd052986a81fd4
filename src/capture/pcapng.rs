//! The pcapng file format (<https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>).

use std::io::Read;

use super::buffer::Window;
use super::bytes::ByteOrder;
use super::damage::DamageKind;
use super::pcap::end_or_cut_short;
use super::pcapng_options::{EnhancedOptions, Interface, InterfaceStatistics, well_formed};
use super::record::{Record, Step, longest_packet};
use crate::time::Timestamp;

/// First four bytes of a file and of each section; reads the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Blocks that are no packets and yet have a frame number in Wireshark: systemd journal entries,
/// sysdig events (three generations), custom blocks of anybody.
const NUMBERED_BLOCKS: [u32; 6] = [9, 0x204, 0x216, 0x221, 0x0bad, 0x4000_0bad];

/// Type and length before a block's body, length after it.
const AROUND_BODY: usize = 12;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// The largest block that is looked into: the longest packet with its options. Others are skipped, however long.
const LARGEST_BLOCK: u32 = 129 * 1024 * 1024;

/// Interfaces in one section; more are taken for damage.
const MOST_INTERFACES: usize = 65_536;

/// Reads the packets of a pcapng file.
#[derive(Debug)]
pub(super) struct PcapngReader {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// Interfaces in the sections before this one.
    interfaces_before: u32,
    /// Drops in sections before this one, where any were reported.
    dropped_before: Option<u64>,
    /// Drops between packets, as their blocks report them.
    dropped_between: Option<u64>,
    last_time: Timestamp,
}

/// A block's head.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    /// As it stands in the file.
    stated: u32,
    /// Rounded up to four bytes: files of 2004 to 2006 (`.ntar`) left the padding out of the length.
    length: u32,
}

impl PcapngReader {
    /// Starts before the first section header.
    pub(super) fn new() -> Self {
        Self {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            interfaces_before: 0,
            dropped_before: None,
            dropped_between: None,
            last_time: Timestamp::default(),
        }
    }

    /// Packets dropped while capturing: what the statistics blocks say, else what the packets' blocks say.
    pub(super) fn dropped(&self) -> Option<u64> {
        let here = self.dropped_in_section();
        match (self.dropped_before, here) {
            (None, None) => self.dropped_between,
            (before, here) => Some(before.unwrap_or(0).saturating_add(here.unwrap_or(0))),
        }
    }

    fn dropped_in_section(&self) -> Option<u64> {
        self.interfaces
            .iter()
            .filter_map(|interface| interface.dropped)
            .reduce(u64::saturating_add)
    }

    /// The next packet.
    #[inline]
    pub(super) fn next<R: Read>(&mut self, window: &mut Window<R>) -> Result<Step, DamageKind> {
        loop {
            let Some(head) = window.peek(8) else {
                return end_or_cut_short(window);
            };
            let (Some(kind), Some(stated)) = (self.order.u32(head, 0), self.order.u32(head, 4))
            else {
                return end_or_cut_short(window);
            };
            if kind == SECTION_HEADER {
                match self.section_header(window)? {
                    Some(end) => return Ok(end),
                    None => continue,
                }
            }
            let block = Block::new(kind, stated)?;
            match kind {
                ENHANCED_PACKET | PACKET | SIMPLE_PACKET => return self.packet(block, window),
                INTERFACE_DESCRIPTION | INTERFACE_STATISTICS => {
                    let Some(body) = block.body(self.order, window)? else {
                        return end_or_cut_short(window);
                    };
                    match kind {
                        INTERFACE_DESCRIPTION => self.interface(block, body)?,
                        _ => self.statistics(body),
                    }
                    window.consume(block.length as usize);
                }
                _ => {
                    if !block.skip(self.order, window)? {
                        return end_or_cut_short(window);
                    }
                    if NUMBERED_BLOCKS.contains(&kind) {
                        return Ok(Step::NotAPacket);
                    }
                }
            }
        }
    }

    /// Reads a section header; a step only when the file ends in it.
    #[cold]
    fn section_header<R: Read>(
        &mut self,
        window: &mut Window<R>,
    ) -> Result<Option<Step>, DamageKind> {
        let Some(head) = window.peek(12) else {
            return end_or_cut_short(window).map(Some);
        };
        let magic = ByteOrder::Big.u32(head, 8).unwrap_or_default();
        let order = match magic {
            BYTE_ORDER_MAGIC => ByteOrder::Big,
            magic if magic.swap_bytes() == BYTE_ORDER_MAGIC => ByteOrder::Little,
            magic => return Err(DamageKind::ByteOrder { magic }),
        };
        let block = Block::new(SECTION_HEADER, order.u32(head, 4).unwrap_or_default())?;
        let Some(body) = block.body(order, window)? else {
            return end_or_cut_short(window).map(Some);
        };
        let (Some(major), Some(minor), Some(options)) =
            (order.u16(body, 4), order.u16(body, 6), body.get(16..))
        else {
            return Err(block.bad_length());
        };
        // 1.2 is written by some programs and means the same.
        if major != 1 || (minor != 0 && minor != 2) {
            return Err(DamageKind::Version { major, minor });
        }
        if !well_formed(order, options) {
            return Err(block.bad_options());
        }
        window.consume(block.length as usize);
        self.order = order;
        if let Some(here) = self.dropped_in_section() {
            self.dropped_before = Some(self.dropped_before.unwrap_or(0).saturating_add(here));
        }
        let described = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces_before = self.interfaces_before.saturating_add(described);
        self.interfaces.clear();
        Ok(None)
    }

    fn interface(&mut self, block: Block, body: &[u8]) -> Result<(), DamageKind> {
        if body.len() < 8 {
            return Err(block.bad_length());
        }
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(DamageKind::Interface {
                interface: MOST_INTERFACES as u32,
                described: MOST_INTERFACES,
            });
        }
        let interface = Interface::parse(self.order, body).ok_or_else(|| block.bad_options())?;
        self.interfaces.push(interface);
        Ok(())
    }

    /// The statistics count from the start of the capture: a later block replaces an earlier one.
    fn statistics(&mut self, body: &[u8]) {
        let Some(statistics) = InterfaceStatistics::parse(self.order, body) else {
            return;
        };
        if let Some(interface) = self.interfaces.get_mut(statistics.interface as usize)
            && statistics.dropped.is_some()
        {
            interface.dropped = statistics.dropped;
        }
    }

    #[inline]
    fn packet<R: Read>(
        &mut self,
        block: Block,
        window: &mut Window<R>,
    ) -> Result<Step, DamageKind> {
        let order = self.order;
        let Some(body) = block.body(order, window)? else {
            return end_or_cut_short(window);
        };
        let head = match block.kind {
            ENHANCED_PACKET => PacketHead::enhanced(order, body),
            PACKET => PacketHead::obsolete(order, body),
            _ => PacketHead::simple(order, body, self.interfaces.first()),
        }
        .ok_or_else(|| block.bad_length())?;
        let interface =
            self.interfaces
                .get(head.interface as usize)
                .ok_or(DamageKind::Interface {
                    interface: head.interface,
                    described: self.interfaces.len(),
                })?;
        let padded = u64::from(head.captured).next_multiple_of(4);
        let options = usize::try_from(padded)
            .ok()
            .and_then(|padded| body.get(head.data_at.checked_add(padded)?..))
            .ok_or(DamageKind::PacketInBlock {
                length: head.captured,
                block_length: block.stated,
            })?;
        let limit = longest_packet(interface.link);
        if head.captured > limit {
            return Err(DamageKind::TooLong {
                length: head.captured,
                limit,
            });
        }
        let mut dropped = head.dropped;
        if !options.is_empty() && block.kind != SIMPLE_PACKET {
            let options =
                EnhancedOptions::parse(order, options).ok_or_else(|| block.bad_options())?;
            dropped = options.dropped.or(dropped);
        }
        if let Some(dropped) = dropped {
            self.dropped_between = Some(self.dropped_between.unwrap_or(0).saturating_add(dropped));
        }
        if let Some(ticks) = head.ticks {
            self.last_time = interface.time(ticks);
        }
        let record = |data| Record {
            time: self.last_time,
            link: interface.link,
            interface: self.interfaces_before.saturating_add(head.interface),
            original_len: head.original,
            data,
        };
        window.consume(8 + head.data_at);
        let data = window.consume(head.captured as usize);
        window.consume(block.length as usize - 8 - head.data_at - head.captured as usize);
        Ok(Step::Packet(record(data)))
    }
}

impl Block {
    fn new(kind: u32, stated: u32) -> Result<Self, DamageKind> {
        let length = stated.checked_next_multiple_of(4).unwrap_or(0);
        let block = Self {
            kind,
            stated,
            length,
        };
        if length < AROUND_BODY as u32 {
            return Err(block.bad_length());
        }
        Ok(block)
    }

    fn bad_length(self) -> DamageKind {
        DamageKind::BlockLength {
            block: self.kind,
            length: self.stated,
        }
    }

    fn bad_options(self) -> DamageKind {
        DamageKind::Options { block: self.kind }
    }

    /// What lies between the two lengths, once they agree. `None` where the file ends before.
    #[inline]
    fn body<R: Read>(
        self,
        order: ByteOrder,
        window: &mut Window<R>,
    ) -> Result<Option<&[u8]>, DamageKind> {
        if self.length > LARGEST_BLOCK {
            return Err(self.bad_length());
        }
        let length = self.length as usize;
        let Some(whole) = window.peek(length) else {
            return Ok(None);
        };
        let trailer = order.u32(whole, length - 4).unwrap_or_default();
        self.check_trailer(trailer)?;
        Ok(whole.get(8..length - 4))
    }

    /// Passes over the block without keeping it; false where the file ends before.
    fn skip<R: Read>(self, order: ByteOrder, window: &mut Window<R>) -> Result<bool, DamageKind> {
        if !window.skip(u64::from(self.length) - 4) {
            return Ok(false);
        }
        let Some(trailer) = window.peek(4) else {
            return Ok(false);
        };
        let trailer = order.u32(trailer, 0).unwrap_or_default();
        window.consume(4);
        self.check_trailer(trailer)?;
        Ok(true)
    }

    #[inline]
    fn check_trailer(self, trailer: u32) -> Result<(), DamageKind> {
        if trailer != self.stated && trailer != self.length {
            return Err(DamageKind::Trailer {
                block: self.kind,
                length: self.stated,
                trailer,
            });
        }
        Ok(())
    }
}

/// The fixed fields of the three kinds of packet block.
struct PacketHead {
    interface: u32,
    /// Units of the interface's resolution; simple packets have no time.
    ticks: Option<u64>,
    captured: u32,
    original: u32,
    /// Where the packet begins in the block's body.
    data_at: usize,
    dropped: Option<u64>,
}

impl PacketHead {
    #[inline]
    fn enhanced(order: ByteOrder, body: &[u8]) -> Option<Self> {
        let body = body.first_chunk::<20>()?;
        Some(Self {
            interface: order.u32(body, 0)?,
            ticks: Some(ticks(order, body)?),
            captured: order.u32(body, 12)?,
            original: order.u32(body, 16)?,
            data_at: 20,
            dropped: None,
        })
    }

    fn obsolete(order: ByteOrder, body: &[u8]) -> Option<Self> {
        let body = body.first_chunk::<20>()?;
        // All ones: not known.
        let dropped = order.u16(body, 2).filter(|dropped| *dropped != u16::MAX);
        Some(Self {
            interface: u32::from(order.u16(body, 0)?),
            ticks: Some(ticks(order, body)?),
            captured: order.u32(body, 12)?,
            original: order.u32(body, 16)?,
            data_at: 20,
            dropped: dropped.map(u64::from),
        })
    }

    /// Belongs to the section's first interface, whose snap length says how much was captured.
    fn simple(order: ByteOrder, body: &[u8], interface: Option<&Interface>) -> Option<Self> {
        let original = order.u32(body, 0)?;
        let snap_len = interface.map_or(0, |interface| interface.snap_len);
        let captured = match snap_len {
            0 => original,
            snap_len => original.min(snap_len),
        };
        Some(Self {
            interface: 0,
            ticks: None,
            captured,
            original,
            data_at: 4,
            dropped: None,
        })
    }
}

#[inline]
fn ticks(order: ByteOrder, body: &[u8]) -> Option<u64> {
    Some(u64::from(order.u32(body, 4)?) << 32 | u64::from(order.u32(body, 8)?))
}
