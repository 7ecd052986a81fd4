//! Which of several record layouts a pcap file has, where its magic number does not say.

use super::bytes::ByteOrder;

/// What a record has between the lengths and the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Nothing.
    Standard,
    /// Interface index, protocol and packet type, 8 bytes (A. Kuznetzov's patch to libpcap, 1999; with the standard
    /// magic number in Red Hat 6.1).
    Modified,
    /// The same and 8 bytes more (an earlier state of the patch, SuSE 6.3).
    ModifiedLonger,
    /// Four bytes of unknown meaning (Nokia firewalls, with the standard magic number).
    Nokia,
}

/// Records that are looked at before a layout is believed.
const RECORDS_TO_TRY: usize = 3;
/// No packet on a wire is longer; what says so is probably read in the wrong layout.
const ABSURD_LENGTH: u32 = 128 * 1024 * 1024;
/// Enough for the records to try, if they are the frames of a network.
pub(super) const BYTES_TO_TRY: usize = 256 * 1024;

impl Layout {
    /// Bytes before the packet.
    pub(super) fn record_header(self) -> usize {
        match self {
            Self::Standard => 16,
            Self::Nokia => 20,
            Self::Modified => 24,
            Self::ModifiedLonger => 32,
        }
    }

    /// The layouts that share this one's magic number, the likeliest first.
    fn candidates(self) -> &'static [Self] {
        match self {
            Self::Standard => &[Self::Standard, Self::Modified, Self::Nokia],
            _ => &[Self::Modified, Self::ModifiedLonger],
        }
    }
}

/// How the first records look in a layout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Right,
    /// Right as far as the bytes go.
    CutShort,
    Wrong,
}

/// What the file's header says about records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation {
    pub(super) order: ByteOrder,
    pub(super) snap_len: u32,
    pub(super) longest: u32,
}

impl Expectation {
    /// The stated layout if the first records look right in it, else another that they look right in.
    ///
    /// Wireshark (`libpcap_try_variants`) takes the one that looks least wrong; a damaged file is then easily taken for
    /// one of another kind. Here the other has to be right in every record, and a file that is merely cut short keeps
    /// the layout that its magic number states.
    pub(super) fn best_layout(self, stated: Layout, records: &[u8]) -> Layout {
        if self.look(stated, records) != Look::Wrong {
            return stated;
        }
        stated
            .candidates()
            .iter()
            .copied()
            .find(|layout| self.look(*layout, records) == Look::Right)
            .unwrap_or(stated)
    }

    fn look(self, layout: Layout, mut records: &[u8]) -> Look {
        for _ in 0..RECORDS_TO_TRY {
            if records.is_empty() {
                break;
            }
            let Some((header, rest)) = records.split_at_checked(layout.record_header()) else {
                return Look::CutShort;
            };
            let field = |at| self.order.u32(header, at).unwrap_or_default();
            let (fraction, captured, original) = (field(4), field(8), field(12));
            let right = fraction < 1_000_000
                && captured <= self.longest.min(self.snap_len)
                && captured <= original
                && original <= ABSURD_LENGTH
                && self.extras_look_right(layout, header);
            if !right {
                return Look::Wrong;
            }
            let Some(next) = rest.get(captured as usize..) else {
                return Look::CutShort;
            };
            records = next;
        }
        Look::Right
    }

    fn extras_look_right(self, layout: Layout, header: &[u8]) -> bool {
        if !matches!(layout, Layout::Modified | Layout::ModifiedLonger) {
            return true;
        }
        let interface = self.order.u32(header, 16).unwrap_or_default();
        let protocol = self.order.u16(header, 20).unwrap_or_default();
        let packet_type = header.get(22).copied().unwrap_or_default();
        // An EtherType, or one of Linux's own numbers for frames without one (linux/if_ether.h).
        let known_protocol =
            protocol >= 0x0600 || matches!(protocol, 0..=0x17 | 0x60 | 0x200 | 0x400);
        // linux/if_packet.h had five kinds of packet then.
        interface <= 10_000 && known_protocol && packet_type <= 4
    }
}
