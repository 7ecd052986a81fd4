//! Packets of one connection, written as one reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::capture::CaptureId;
use crate::flow::{Both, Peer};
use crate::report::Finding;
use crate::testing::frames;
use crate::testing::trace::{ETHERNET, Trace, TraceFrame};
use crate::time::{Interval, Timestamp};
use crate::wire::{IcmpReason, TcpFlags};

/// A sequence or acknowledgement number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// Counted from the initial sequence number of its direction.
    Relative(u32),
    /// As it stands in the header.
    Raw(u32),
}

/// One packet.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub at: Interval,
    pub from: Peer,
    pub flags: TcpFlags,
    pub seq: Number,
    pub ack: Number,
    pub payload: Vec<u8>,
    pub window: u16,
    pub ttl: u8,
    pub ip_id: Option<u16>,
    pub has_options: bool,
    pub may_fragment: bool,
    pub checksum_wrong: bool,
    pub interface: u32,
    pub mac: u8,
    pub lost: bool,
    pub icmp: Option<(IcmpReason, IpAddr)>,
}

/// One connection's packets: times in milliseconds, flags in tcpdump's letters, sequence and acknowledgement numbers filled in as
/// two stacks would that have received everything written above. Each line adds a packet, or changes the one before it.
#[derive(Clone, Debug)]
pub struct Ladder {
    pub(super) ends: Both<(IpAddr, u16)>,
    pub(super) isn: Both<u32>,
    pub(super) steps: Vec<Step>,
    ttl: Both<u8>,
    begins: Timestamp,
    /// SND.NXT of each side, and what it was before its newest packet.
    next: Both<u32>,
    next_before: Both<u32>,
    has_timestamps: bool,
}

impl Ladder {
    /// A connection to a port, captured at the client: a Linux host; the server is 12 hops away.
    pub fn to(port: u16) -> Self {
        Self {
            ends: Both {
                client: (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), 40_001),
                server: (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 80)), port),
            },
            isn: Both {
                client: 1_000_000,
                server: 3_000_000_000,
            },
            steps: Vec::new(),
            ttl: Both {
                client: 64,
                server: 52,
            },
            begins: Timestamp::from_parts(1_700_000_000, 0),
            next: Both::default(),
            next_before: Both::default(),
            has_timestamps: true,
        }
    }

    /// From another client port.
    pub fn from_port(mut self, port: u16) -> Self {
        self.ends.client.1 = port;
        self
    }

    /// Between other addresses.
    pub fn between(mut self, client: IpAddr, server: IpAddr) -> Self {
        (self.ends.client.0, self.ends.server.0) = (client, server);
        self
    }

    /// To another port of the server.
    pub fn at_port(mut self, port: u16) -> Self {
        self.ends.server.1 = port;
        self
    }

    /// Over IPv6.
    pub fn over_ipv6(self) -> Self {
        let host = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        self.between(host(5), host(0x80))
    }

    /// Over which IP.
    pub fn is_ipv6(&self) -> bool {
        self.ends.client.0.is_ipv6()
    }

    /// With other initial sequence numbers.
    pub fn numbered_from(mut self, client: u32, server: u32) -> Self {
        self.isn = Both { client, server };
        self
    }

    /// Begun at another time.
    pub fn begun(mut self, at: Timestamp) -> Self {
        self.begins = at;
        self
    }

    /// Later (or earlier) by some milliseconds.
    pub fn later_by(mut self, millis: i64) -> Self {
        self.begins = self.begins + Interval::from_millis(millis);
        self
    }

    /// With other TTLs at the point of capture. For packets written below.
    pub fn ttls(mut self, client: u8, server: u8) -> Self {
        self.ttl = Both { client, server };
        self
    }

    /// Without timestamps, as Windows speaks. For packets written below.
    pub fn without_timestamps(mut self) -> Self {
        self.has_timestamps = false;
        self
    }

    /// SYN, SYN-ACK 20 ms later, ACK at once: captured at the client.
    pub fn handshake(self, at: impl Into<f64>) -> Self {
        let at = at.into();
        self.client(at, "S")
            .server(at + 20.0, "S.")
            .client(at + 20.1, ".")
    }

    /// A packet of the client.
    pub fn client(self, at: impl Into<f64>, flags: &str) -> Self {
        self.packet(Peer::Client, at.into(), flags)
    }

    /// A packet of the server.
    pub fn server(self, at: impl Into<f64>, flags: &str) -> Self {
        self.packet(Peer::Server, at.into(), flags)
    }

    /// A packet of a box in between, with a peer's address: three hops away, and no part of that peer's stream.
    pub fn forged(self, peer: Peer, at: impl Into<f64>, flags: &str) -> Self {
        let (next, before) = (*self.next.of(peer), *self.next_before.of(peer));
        let mut ladder = self.packet(peer, at.into(), flags).ttl(61).ip_id(0x4242);
        *ladder.next.of_mut(peer) = next;
        *ladder.next_before.of_mut(peer) = before;
        ladder
    }

    /// An ICMP error from an address that quotes the newest packet.
    pub fn icmp(mut self, at: impl Into<f64>, from: IpAddr, reason: IcmpReason) -> Self {
        if let Some(mut step) = self.steps.last().cloned() {
            step.at = millis(at.into());
            step.icmp = Some((reason, from));
            self.steps.push(step);
        }
        self
    }

    fn packet(mut self, from: Peer, at: f64, letters: &str) -> Self {
        let flags = flags(letters);
        let (own, other) = (*self.next.of(from), *self.next.of(from.other()));
        let bare_reset = flags.rst() && !flags.ack();
        let unknown = flags.rst() && own == 0;
        let seq = match self.acknowledged(from.other()) {
            Some(ack) if bare_reset => ack,
            _ if unknown => Number::Raw(0),
            _ => Number::Relative(own),
        };
        *self.next_before.of_mut(from) = own;
        self.steps.push(Step {
            at: millis(at),
            from,
            flags,
            seq,
            ack: if flags.ack() {
                Number::Relative(other)
            } else {
                Number::Raw(0)
            },
            payload: Vec::new(),
            window: match (bare_reset || unknown, flags.syn()) {
                (true, _) => 0,
                (_, true) => 64_240,
                _ => 501,
            },
            ttl: *self.ttl.of(from),
            ip_id: (bare_reset || unknown).then_some(0),
            has_options: self.has_timestamps && !(bare_reset || unknown) || flags.syn(),
            may_fragment: false,
            checksum_wrong: false,
            interface: 0,
            mac: 1,
            lost: false,
            icmp: None,
        });
        self.settle();
        self
    }

    pub(super) fn speaks_timestamps(&self) -> bool {
        self.has_timestamps
    }

    /// What a side acknowledged in its newest packet.
    fn acknowledged(&self, peer: Peer) -> Option<Number> {
        self.steps
            .iter()
            .rev()
            .find(|step| step.from == peer && step.icmp.is_none())
            .filter(|step| step.flags.ack())
            .map(|step| step.ack)
    }

    /// The newest packet moves its sender's stream on.
    fn settle(&mut self) {
        if let Some(step) = self.steps.last()
            && let Number::Relative(seq) = step.seq
            && !step.flags.rst()
        {
            let control = u32::from(step.flags.syn()) + u32::from(step.flags.fin());
            let end = seq
                .wrapping_add(step.payload.len() as u32)
                .wrapping_add(control);
            let before = *self.next_before.of(step.from);
            *self.next.of_mut(step.from) = before.max(end);
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Step)) -> Self {
        if let Some(step) = self.steps.last_mut() {
            change(step);
        }
        self.settle();
        self
    }

    /// It carries this.
    pub fn payload(self, bytes: impl AsRef<[u8]>) -> Self {
        self.change(|step| step.payload = bytes.as_ref().to_vec())
    }

    /// It has this relative sequence number (the SYN has 0).
    pub fn seq(self, seq: u32) -> Self {
        self.change(|step| step.seq = Number::Relative(seq))
    }

    /// It has this relative acknowledgement.
    pub fn ack(self, ack: u32) -> Self {
        self.change(|step| step.ack = Number::Relative(ack))
    }

    /// It left before the other side's newest packet arrived: it does not acknowledge that one.
    pub fn crossing(self) -> Self {
        let Some(from) = self.steps.last().map(|step| step.from) else {
            return self;
        };
        let ack = *self.next_before.of(from.other());
        self.ack(ack)
    }

    /// It answers the packet written for that time: a RST takes its sequence number from that one's acknowledgement.
    pub fn answering(mut self, at: impl Into<f64>) -> Self {
        let at = millis(at.into());
        let drew = self.steps.iter().find(|step| step.at == at);
        if let Some(ack) = drew.map(|step| step.ack)
            && let Some(reset) = self.steps.last_mut()
        {
            reset.seq = ack;
        }
        self
    }

    /// A keepalive probe: one below the next sequence number, no payload.
    pub fn probe(mut self) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.seq = Number::Relative(self.next.of(step.from).wrapping_sub(1));
        }
        self
    }

    /// The newest packet once more, as its stack sends it again: same numbers, new IP identification.
    pub fn again(mut self, at: impl Into<f64>) -> Self {
        if let Some(mut step) = self.steps.last().cloned() {
            step.at = millis(at.into());
            step.lost = false;
            step.ip_id = step.ip_id.filter(|id| *id == 0);
            self.steps.push(step);
        }
        self
    }

    /// With this TTL or hop limit.
    pub fn ttl(self, ttl: u8) -> Self {
        self.change(|step| step.ttl = ttl)
    }

    /// With this IPv4 identification.
    pub fn ip_id(self, id: u16) -> Self {
        self.change(|step| step.ip_id = Some(id))
    }

    /// With this window, unscaled.
    pub fn window(self, window: u16) -> Self {
        self.change(|step| step.window = window)
    }

    /// Without TCP options.
    pub fn bare(self) -> Self {
        self.change(|step| step.has_options = false)
    }

    /// With DF clear.
    pub fn may_fragment(self) -> Self {
        self.change(|step| step.may_fragment = true)
    }

    /// With a TCP checksum that is wrong.
    pub fn wrong_checksum(self) -> Self {
        self.change(|step| step.checksum_wrong = true)
    }

    /// With another Ethernet source.
    pub fn mac(self, last_byte: u8) -> Self {
        self.change(|step| step.mac = last_byte)
    }

    /// It was sent, and the capture has not got it.
    pub fn unseen(self) -> Self {
        self.change(|step| step.lost = true)
    }

    /// The capture began only now.
    pub fn captured_from_here(mut self) -> Self {
        self.steps.iter_mut().for_each(|step| step.lost = true);
        self
    }

    /// Only one side's packets were captured.
    pub fn only_from(mut self, peer: Peer) -> Self {
        self.steps
            .iter_mut()
            .for_each(|step| step.lost |= step.from != peer);
        self
    }

    /// The frames that were captured, in order of time.
    pub fn trace(&self) -> Trace {
        let mut ids = Both {
            client: 100_u16,
            server: 7_000_u16,
        };
        let frames = self.steps.iter().filter_map(|step| {
            let id = ids.of_mut(step.from);
            *id = id.wrapping_add(1);
            let bytes = frames::ethernet(self, step, step.ip_id.unwrap_or(*id));
            (!step.lost).then_some(TraceFrame {
                link: ETHERNET,
                time: self.begins + step.at,
                capture: CaptureId::default(),
                interface: step.interface,
                original_len: bytes.len() as u32,
                bytes,
            })
        });
        Trace::of(frames.collect())
    }

    /// What is found in it.
    pub fn findings(&self) -> Vec<Finding> {
        self.trace().findings()
    }

    /// The one finding.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn finding(&self) -> Finding {
        self.trace().finding()
    }
}

fn millis(millis: f64) -> Interval {
    Interval::from_secs_f64(millis / 1000.0)
}

/// tcpdump's letters; unknown ones say nothing.
fn flags(letters: &str) -> TcpFlags {
    letters
        .chars()
        .map(|letter| match letter {
            'S' => TcpFlags::SYN,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            'P' => TcpFlags::PSH,
            '.' => TcpFlags::ACK,
            'U' => TcpFlags::URG,
            _ => TcpFlags::default(),
        })
        .fold(TcpFlags::default(), TcpFlags::union)
}
