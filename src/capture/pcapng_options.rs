//! Options of pcapng blocks, and the blocks that are little else.

use super::bytes::ByteOrder;
use super::frame::LinkType;
use crate::time::Timestamp;

const END_OF_OPTIONS: u16 = 0;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;
const EPB_DROPCOUNT: u16 = 4;
const NANOS: u128 = 1_000_000_000;

/// Walks options. Yields `None` once where an option overruns the block, and stops there.
struct Options<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.split();
        match item {
            None => self.rest = &[],
            Some((END_OF_OPTIONS, _)) => {
                self.rest = &[];
                return None;
            }
            Some(_) => {}
        }
        Some(item)
    }
}

impl<'a> Options<'a> {
    fn split(&mut self) -> Option<(u16, &'a [u8])> {
        let code = self.order.u16(self.rest, 0)?;
        let length = usize::from(self.order.u16(self.rest, 2)?);
        let value = self.rest.get(4..4 + length)?;
        self.rest = self.rest.get(4 + length.next_multiple_of(4)..)?;
        Some((code, value))
    }
}

/// Whether the options stay inside their block.
pub(super) fn well_formed(order: ByteOrder, options: &[u8]) -> bool {
    let mut walk = Options {
        order,
        rest: options,
    };
    walk.all(|option| option.is_some())
}

/// What an interface description block says.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) link: LinkType,
    /// 0: no limit.
    pub(super) snap_len: u32,
    resolution: Resolution,
    offset_seconds: i64,
    /// From the interface's statistics blocks.
    pub(super) dropped: Option<u64>,
}

impl Interface {
    /// From the block's body; `None` where its options overrun it.
    pub(super) fn parse(order: ByteOrder, body: &[u8]) -> Option<Self> {
        let mut interface = Self {
            link: LinkType(order.u16(body, 0)?),
            snap_len: order.u32(body, 4)?,
            resolution: Resolution::NanosPerTick(1_000),
            offset_seconds: 0,
            dropped: None,
        };
        let rest = body.get(8..)?;
        for option in (Options { order, rest }) {
            let (code, value) = option?;
            match code {
                IF_TSRESOL => {
                    if let [resolution] = value {
                        interface.resolution = Resolution::from_option(*resolution);
                    }
                }
                IF_TSOFFSET if value.len() == 8 => {
                    interface.offset_seconds = order.u64(value, 0)?.cast_signed();
                }
                _ => {}
            }
        }
        Some(interface)
    }

    /// The point in time that a packet's time stamp means.
    #[inline]
    pub(super) fn time(&self, ticks: u64) -> Timestamp {
        let nanos = match self.resolution {
            Resolution::NanosPerTick(nanos) => i64::try_from(ticks)
                .unwrap_or(i64::MAX)
                .saturating_mul(nanos),
            Resolution::TicksPerSecond(per_second) => {
                let ticks = u128::from(ticks);
                let (seconds, rest) = (ticks / per_second, ticks % per_second);
                // A fraction finer than 2^-64 s is far below a nanosecond: the overflow can only round it to none.
                let fraction = rest.saturating_mul(NANOS) / per_second;
                i64::try_from(seconds * NANOS + fraction).unwrap_or(i64::MAX)
            }
        };
        let offset = self.offset_seconds.saturating_mul(NANOS as i64);
        Timestamp::from_nanos(nanos.saturating_add(offset))
    }
}

/// How long a unit of time stamps is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// Milliseconds, microseconds, nanoseconds and such: no division.
    NanosPerTick(i64),
    /// Powers of two, and what is finer than a nanosecond.
    TicksPerSecond(u128),
}

impl Resolution {
    /// Option `if_tsresol`: the high bit chooses powers of two, else of ten; the rest is the negative exponent.
    /// Wireshark's newest versions refuse what 64 bits can't hold; here time then hardly moves.
    fn from_option(option: u8) -> Self {
        let exponent = u32::from(option & 0x7f);
        if option & 0x80 != 0 {
            return Self::TicksPerSecond(1 << exponent);
        }
        match 9_u32.checked_sub(exponent) {
            Some(coarser) => Self::NanosPerTick(10_i64.pow(coarser)),
            None => Self::TicksPerSecond(10_u128.checked_pow(exponent).unwrap_or(u128::MAX)),
        }
    }
}

/// What an interface statistics block says.
pub(super) struct InterfaceStatistics {
    pub(super) interface: u32,
    /// Dropped by the interface and by the operating system together.
    pub(super) dropped: Option<u64>,
}

impl InterfaceStatistics {
    pub(super) fn parse(order: ByteOrder, body: &[u8]) -> Option<Self> {
        let interface = order.u32(body, 0)?;
        let rest = body.get(12..)?;
        let dropped = Options { order, rest }
            .map_while(|option| option)
            .filter(|(code, _)| matches!(*code, ISB_IFDROP | ISB_OSDROP))
            .filter_map(|(_, value)| order.u64(value, 0))
            .reduce(u64::saturating_add);
        Some(Self { interface, dropped })
    }
}

/// What matters of a packet block's options.
pub(super) struct EnhancedOptions {
    /// Packets lost between the one before and this one.
    pub(super) dropped: Option<u64>,
}

impl EnhancedOptions {
    /// `None` where an option overruns the block or has a length that its kind can't have
    /// (Wireshark takes both for a damaged file).
    pub(super) fn parse(order: ByteOrder, rest: &[u8]) -> Option<Self> {
        let mut dropped = None;
        for option in (Options { order, rest }) {
            let (code, value) = option?;
            let fits = match code {
                // epb_flags, epb_queue
                2 | 6 => value.len() == 4,
                // epb_hash, epb_verdict
                3 | 7 => !value.is_empty(),
                // epb_dropcount, epb_packetid
                4 | 5 => value.len() == 8,
                // custom, with the enterprise number first
                2988 | 2989 | 19372 | 19373 => value.len() >= 4,
                _ => true,
            };
            if !fits {
                return None;
            }
            if code == EPB_DROPCOUNT {
                dropped = order.u64(value, 0);
            }
        }
        Some(Self { dropped })
    }
}
