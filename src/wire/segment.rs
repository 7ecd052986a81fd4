//! A TCP segment as seen in a capture, and the ICMP errors that quote one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Head, SeqNumber};
use crate::capture::FrameId;
use crate::time::Timestamp;

/// Source and destination of the innermost IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// `ip.src`
        src: Ipv4Addr,
        /// `ip.dst`
        dst: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// `ipv6.src`
        src: Ipv6Addr,
        /// `ipv6.dst`
        dst: Ipv6Addr,
    },
}

impl Default for Addresses {
    fn default() -> Self {
        Self::V4 {
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
        }
    }
}

impl Addresses {
    /// From one address to another of the same family: packets have no others. Otherwise the first one stands for both.
    pub const fn between(src: IpAddr, dst: IpAddr) -> Self {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Self::V4 { src, dst },
            (IpAddr::V6(src), IpAddr::V6(dst)) => Self::V6 { src, dst },
            (IpAddr::V4(src), IpAddr::V6(_)) => Self::V4 { src, dst: src },
            (IpAddr::V6(src), IpAddr::V4(_)) => Self::V6 { src, dst: src },
        }
    }

    /// Source address.
    pub const fn src(&self) -> IpAddr {
        match self {
            Self::V4 { src, .. } => IpAddr::V4(*src),
            Self::V6 { src, .. } => IpAddr::V6(*src),
        }
    }

    /// Destination address.
    pub const fn dst(&self) -> IpAddr {
        match self {
            Self::V4 { dst, .. } => IpAddr::V4(*dst),
            Self::V6 { dst, .. } => IpAddr::V6(*dst),
        }
    }
}

impl Addresses {
    /// Those of a packet in the other direction.
    #[inline]
    pub const fn reversed(self) -> Self {
        match self {
            Self::V4 { src, dst } => Self::V4 { src: dst, dst: src },
            Self::V6 { src, dst } => Self::V6 { src: dst, dst: src },
        }
    }
}

/// The nine flags of RFC 9293 and RFC 3540, with `tcp.flags`' bit values.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgement field is significant.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x020);

    /// All flags of `other` are set in `self`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// SYN is set.
    pub const fn syn(self) -> bool {
        self.contains(Self::SYN)
    }

    /// ACK is set.
    pub const fn ack(self) -> bool {
        self.contains(Self::ACK)
    }

    /// FIN is set.
    pub const fn fin(self) -> bool {
        self.contains(Self::FIN)
    }

    /// RST is set.
    pub const fn rst(self) -> bool {
        self.contains(Self::RST)
    }

    /// Both sets together.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for TcpFlags {
    /// tcpdump's letters: `S`, `S.`, `P.`, `F.`, `R`, `R.`, `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(u16, char); 9] = [
            (0x001, 'F'),
            (0x002, 'S'),
            (0x004, 'R'),
            (0x008, 'P'),
            (0x010, '.'),
            (0x020, 'U'),
            (0x040, 'E'),
            (0x080, 'W'),
            (0x100, 'e'),
        ];
        if self.0 & 0x1ff == 0 {
            return f.write_str("none");
        }
        LETTERS
            .iter()
            .filter(|(bit, _)| self.0 & bit != 0)
            .try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// IPv4 time to live or IPv6 hop limit, as captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(pub u8);

impl Ttl {
    /// The usual initial value at or above this one: 64, 128 or 255 (32 where 32 or less is left; ancient Windows and some boxes).
    pub const fn likely_initial(self) -> u8 {
        match self.0 {
            0..=32 => 32,
            33..=64 => 64,
            65..=128 => 128,
            129.. => 255,
        }
    }

    /// Hops travelled if the sender started at [`likely_initial`](Self::likely_initial).
    pub const fn hops(self) -> u8 {
        self.likely_initial() - self.0
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The timestamps option (RFC 7323).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the newest TSval that the sender had from its peer.
    pub echo: u32,
}

/// The TCP options that tracking and verdicts use, but for [timestamps](Head::timestamps).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size (SYN only).
    pub mss: Option<u16>,
    /// Window scale shift (SYN only; RFC 7323).
    pub window_scale: Option<u8>,
    /// SACK permitted (SYN only; RFC 2018).
    pub sack_permitted: bool,
    /// Right edge of the highest SACK block (RFC 2018).
    pub sack_right_edge: Option<SeqNumber>,
    /// Left edge of the first SACK block; a D-SACK where it lies below the acknowledgement (RFC 2883).
    pub sack_first_left: Option<SeqNumber>,
    /// What its MPTCP options say, where it has any.
    pub mptcp: Option<Mptcp>,
}

/// What the MPTCP options of a segment say (RFC 8684 section 3); of data sequence numbers the low 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mptcp {
    /// MP_JOIN: this is one more subflow of a connection.
    pub join: bool,
    /// MP_FASTCLOSE: the sender's application has aborted the whole connection.
    pub fast_close: bool,
    /// Reason of an MP_TCPRST option.
    pub reset_reason: Option<u8>,
    /// The data of the peer, on whatever subflow it came, that has arrived in order.
    pub data_ack: Option<u32>,
    /// What of the sender's data this subflow bears.
    pub mapping: Option<DataMapping>,
}

/// Where a subflow's bytes stand in the data of all subflows (RFC 8684 section 3.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataMapping {
    /// The data sequence number of the first byte; of the DATA_FIN where there is none.
    pub data_seq: u32,
    /// The first byte's number in the subflow, whose SYN is 0; 0 where it bears a DATA_FIN alone.
    pub subflow_seq: u32,
    /// Bytes, a DATA_FIN counted as one. 0: all that follows, as plain TCP.
    pub len: u16,
    /// The sender has no more data (RFC 8684 section 3.3.3).
    pub data_fin: bool,
}

/// One TCP segment as seen. Borrows its payload from the frame (or from the fragment buffer).
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    /// What all segments have, and stays.
    pub head: Head,
    /// Innermost addresses.
    pub addresses: Addresses,
    /// `tcp.srcport`
    pub src_port: u16,
    /// `tcp.dstport`
    pub dst_port: u16,
    /// `tcp.flags`; `None` where the header is too broken to have any (data offset below 5), as in Wireshark, whose rule of port
    /// re-use reads the [bits](Head::flags) that stand there even so.
    pub flags: Option<TcpFlags>,
    /// The data offset points behind the end of the segment.
    pub header_past_end: bool,
    /// Options besides timestamps.
    pub options: TcpOptions,
    /// The TCP header as captured, options included; its payload follows it.
    pub header: &'a [u8],
    /// The payload bytes that were captured.
    pub payload: &'a [u8],
    /// Whether the TCP checksum is right: `None` where it could not be computed (cut packet, offloaded fragments).
    /// Only RSTs are checked; checksums of other segments are often offloaded and cost time.
    pub checksum_ok: Option<bool>,
}

impl Segment<'_> {
    /// What most are: headers with sound flags, without SACK blocks and without MPTCP, and payload.
    #[inline]
    pub fn as_plain(&self) -> Option<(&Head, &[u8])> {
        let options = &self.options;
        let is_plain =
            self.flags.is_some() && options.sack_right_edge.is_none() && options.mptcp.is_none();
        is_plain.then_some((&self.head, self.payload))
    }

    /// The same without header and payload bytes, to be kept beyond them.
    #[inline]
    pub const fn without_bytes(&self) -> Segment<'static> {
        Segment {
            head: self.head,
            addresses: self.addresses,
            src_port: self.src_port,
            dst_port: self.dst_port,
            flags: self.flags,
            header_past_end: self.header_past_end,
            options: self.options,
            header: &[],
            payload: &[],
            checksum_ok: self.checksum_ok,
        }
    }
}

/// Why an ICMP error was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpReason {
    /// Port unreachable (ICMP 3/3, ICMPv6 1/4).
    PortUnreachable,
    /// Administratively prohibited (ICMP 3/9, 3/10, 3/13; ICMPv6 1/1, 1/5, 1/6).
    Prohibited,
    /// Host or network unreachable (other ICMP 3, ICMPv6 1).
    Unreachable,
    /// Fragmentation needed or packet too big (ICMP 3/4, ICMPv6 2).
    TooBig,
    /// Time exceeded (ICMP 11, ICMPv6 3).
    TimeExceeded,
    /// Anything else that quotes a packet.
    Other,
}

/// An ICMP error that quotes a TCP header: not a TCP packet, but worth remembering for the connection.
#[derive(Clone, Copy, Debug)]
pub struct IcmpQuote {
    /// Capture and number of the frame.
    pub frame: FrameId,
    /// When it was captured.
    pub time: Timestamp,
    /// Who sent the error.
    pub from: IpAddr,
    /// Its reason.
    pub reason: IcmpReason,
    /// Addresses of the quoted packet (its source is who gets the error).
    pub addresses: Addresses,
    /// `tcp.srcport` of the quoted packet.
    pub src_port: u16,
    /// `tcp.dstport` of the quoted packet.
    pub dst_port: u16,
    /// Sequence number of the quoted packet.
    pub seq: SeqNumber,
    /// Flags of the quoted packet, where enough of it was quoted. Wireshark gives such a quote a `tcp.stream`.
    pub flags: Option<TcpFlags>,
}

/// What one frame turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// An ICMP error that quotes TCP.
    Icmp(IcmpQuote),
    /// Understood, and not TCP (ARP, UDP, an IP fragment still waiting for others …).
    Other,
    /// TCP, but too little of its header was captured to place it in a connection.
    CutTcp,
    /// A link type, encapsulation or header that is not understood.
    Undecoded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_as_tcpdump_prints_them() {
        assert_eq!(TcpFlags::SYN.to_string(), "S");
        assert_eq!(TcpFlags::RST.union(TcpFlags::ACK).to_string(), "R.");
        assert_eq!(TcpFlags(0x18).to_string(), "P.");
        assert_eq!(TcpFlags(0).to_string(), "none");
    }

    #[test]
    fn hops_are_counted_from_the_usual_initial_values() {
        assert_eq!(Ttl(64).hops(), 0);
        assert_eq!(Ttl(52).hops(), 12);
        assert_eq!(Ttl(117).hops(), 11);
        assert_eq!(Ttl(239).hops(), 16);
    }
}
