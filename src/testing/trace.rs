//! Frames of any number of ladders, as one capture.

use std::collections::BTreeMap;

use crate::analysis::{AnalysisOptions, Analyzer, ConnectionRows};
use crate::capture::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
use crate::report::{CaptureSummary, Finding, Report};
use crate::time::{Interval, Timestamp};
use crate::wire::{Decoded, Decoder, Segment};

pub(super) const ETHERNET: LinkType = LinkType(1);
const ETHERNET_LENGTH: usize = 14;
const LINUX_SLL2: LinkType = LinkType(276);
/// The byte that tells both hosts apart, and the server's.
const SOURCE_MAC: usize = 10;
const SERVER_MAC: u8 = 9;
/// Behind Ethernet's header, in IPv4's.
const TTL: usize = 14 + 8;

/// One frame of a [`Trace`].
#[derive(Clone, Debug)]
pub struct TraceFrame {
    /// Ethernet, unless it was [cooked](Trace::cooked).
    pub link: LinkType,
    /// When it was captured.
    pub time: Timestamp,
    /// In which of several captures.
    pub capture: CaptureId,
    /// On which interface.
    pub interface: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many it had on the wire.
    pub original_len: u32,
}

/// A capture in memory, or several of them, merged.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Its frames, in order of capture.
    pub frames: Vec<TraceFrame>,
}

impl Trace {
    /// A capture of these frames, sorted by time; equal times keep their order.
    pub fn of(mut frames: Vec<TraceFrame>) -> Self {
        frames.sort_by_key(|frame| frame.time);
        Self { frames }
    }

    /// With the frames of another one among them.
    pub fn with(self, other: &Self) -> Self {
        Self::of([self.frames, other.frames.clone()].concat())
    }

    /// Each frame seen a second time on another interface, some microseconds later, as `tcpdump -i any` sees bridged packets.
    pub fn seen_twice(self, micros: i64) -> Self {
        let second = self.frames.iter().map(|frame| TraceFrame {
            time: frame.time + Interval::from_nanos(micros * 1000),
            interface: frame.interface + 1,
            ..frame.clone()
        });
        let frames = self.frames.iter().cloned().chain(second).collect();
        Self::of(frames)
    }

    /// As the server's host captures it, so far from here: what it sends is captured sooner, and what comes later, with a lower TTL.
    pub fn at_server(&self, millis: i64) -> Self {
        const HOPS: u8 = 12;
        let way = Interval::from_millis(millis);
        let frames = self.frames.iter().map(|frame| {
            let mut there = frame.clone();
            there.capture = CaptureId(1);
            let is_servers = frame.bytes[SOURCE_MAC] == SERVER_MAC;
            let ttl = &mut there.bytes[TTL];
            (there.time, *ttl) = match is_servers {
                true => (frame.time - way, ttl.saturating_add(HOPS)),
                false => (frame.time + way, ttl.saturating_sub(HOPS)),
            };
            there
        });
        Self::of(frames.collect())
    }

    /// What the client says of this one, and what the server says of another one that is the same between other addresses or ports: as
    /// a host captures it on its loopback interface where a rule leads the client elsewhere than it called.
    pub fn answered_by(&self, called: &Self) -> Self {
        let both = self.frames.iter().zip(&called.frames);
        let frames = both.map(|(reached, called)| match reached.bytes[SOURCE_MAC] {
            SERVER_MAC => called.clone(),
            _ => reached.clone(),
        });
        Self::of(frames.collect())
    }

    /// Each frame later by as many microseconds as the list says, over and over: neighbours change places.
    pub fn jittered(mut self, micros: &[i64]) -> Self {
        for (frame, late) in self.frames.iter_mut().zip(micros.iter().cycle()) {
            frame.time = frame.time + Interval::from_nanos(late * 1000);
        }
        Self::of(self.frames)
    }

    /// As `tcpdump -i any` captures it: with a header that names the interface instead of Ethernet's (LINKTYPE_LINUX_SLL2).
    pub fn cooked(mut self) -> Self {
        for frame in &mut self.frames {
            let [index @ .., a, b] = frame.interface.to_be_bytes();
            let protocol = [frame.bytes[12], frame.bytes[13]];
            // Reserved, index, ARPHRD_ETHER, PACKET_HOST, six bytes of address and two that are not used.
            let mut bytes = [
                &protocol[..],
                &[0, 0],
                &index,
                &[a, b, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0],
            ]
            .concat();
            bytes.extend(&frame.bytes[ETHERNET_LENGTH..]);
            frame.original_len += (bytes.len() - frame.bytes.len()) as u32;
            (frame.link, frame.bytes) = (LINUX_SLL2, bytes);
        }
        self
    }

    /// Captured with a snap length.
    pub fn cut_at(mut self, length: usize) -> Self {
        for frame in &mut self.frames {
            frame.bytes.truncate(length);
        }
        self
    }

    /// Only the frames that `keep` wants; it is told their place, counted from 0.
    pub fn only(mut self, mut keep: impl FnMut(usize, &TraceFrame) -> bool) -> Self {
        let mut place = 0;
        self.frames.retain(|frame| {
            place += 1;
            keep(place - 1, frame)
        });
        self
    }

    /// Hands every frame to `take`, with numbers from 1 in each capture.
    pub fn each(&self, mut take: impl FnMut(&Frame<'_>)) {
        let mut numbers = BTreeMap::new();
        for frame in &self.frames {
            let number = numbers.entry(frame.capture.0).or_default();
            *number += 1;
            take(&Frame {
                id: FrameId {
                    capture: frame.capture,
                    number: FrameNumber(*number),
                },
                time: frame.time,
                link: frame.link,
                interface: frame.interface,
                data: &frame.bytes,
                original_len: frame.original_len,
            });
        }
    }

    /// Hands every TCP segment to `take`.
    pub fn segments(&self, mut take: impl FnMut(&Segment<'_>)) {
        let mut decoder = Decoder::new();
        self.each(|frame| {
            if let Decoded::Tcp(segment) = decoder.decode(frame) {
                take(&segment);
            }
        });
    }

    /// What is found in it.
    pub fn findings(&self) -> Vec<Finding> {
        let mut analyzer = Analyzer::new(AnalysisOptions::default());
        self.each(|frame| analyzer.frame(frame));
        analyzer.findings()
    }

    /// The whole report, with a row for each connection.
    pub fn report(&self) -> Report {
        let mut analyzer = Analyzer::new(AnalysisOptions {
            connections: ConnectionRows::All,
            ..AnalysisOptions::default()
        });
        self.each(|frame| analyzer.frame(frame));
        analyzer.report(self.summaries())
    }

    /// What a reader knows of its captures.
    fn summaries(&self) -> Vec<CaptureSummary> {
        let count = self.frames.iter().map(|frame| frame.capture.0 + 1).max();
        let summary = |capture: u16| {
            let frames = self.frames.iter();
            let times = frames.filter(|frame| frame.capture == CaptureId(capture));
            let times = times.map(|frame| frame.time);
            CaptureSummary {
                first: times.clone().min(),
                last: times.max(),
                ..CaptureSummary::default()
            }
        };
        (0..count.unwrap_or_default()).map(summary).collect()
    }

    /// The one finding.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn finding(&self) -> Finding {
        let findings = self.findings();
        match <[Finding; 1]>::try_from(findings) {
            Ok([finding]) => finding,
            Err(findings) => panic!("{} findings instead of one: {findings:#?}", findings.len()),
        }
    }

    /// A pcap file with nanoseconds (little endian). Interfaces are lost.
    pub fn pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let link = self.frames.first().map_or(ETHERNET, |frame| frame.link);
        for word in [
            0xa1b2_3c4d_u32,
            0x0004_0002,
            0,
            0,
            262_144,
            u32::from(link.0),
        ] {
            file.extend(word.to_le_bytes());
        }
        for frame in &self.frames {
            let nanos = frame.time.as_nanos();
            let (length, original) = (frame.bytes.len() as u32, frame.original_len);
            let (seconds, rest) = (
                nanos.div_euclid(1_000_000_000),
                nanos.rem_euclid(1_000_000_000),
            );
            for word in [seconds as u32, rest as u32, length, original] {
                file.extend(word.to_le_bytes());
            }
            file.extend(&frame.bytes);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use crate::dialogue::DialogueReader;
    use crate::flow::PacketKind;
    use crate::flow::{Limits, Peer, Table};
    use crate::testing::Ladder;

    fn talk() -> Ladder {
        Ladder::to(80)
            .handshake(0)
            .client(30, "P.")
            .payload("abc")
            .server(50, ".")
            .client(9000, ".")
            .probe()
            .server(9020, "R")
    }

    #[test]
    fn a_ladder_becomes_the_packets_that_it_shows() {
        let mut table = Table::<DialogueReader>::new(Limits::default());
        talk().over_ipv6().trace().segments(|segment| {
            table.take(segment);
        });
        let connections = table.connections();
        let connection = connections[0].known();
        let packets = connection.packets();
        let kinds: Vec<_> = packets.iter().map(|packet| packet.kind).collect();
        use PacketKind::{Ack, Data, KeepaliveProbe, Rst, Syn, SynAck};
        assert_eq!(kinds, [Syn, SynAck, Ack, Data, Ack, KeepaliveProbe, Rst]);
        assert_eq!(
            packets[6].head.seq, packets[5].head.ack,
            "the RST answers the probe"
        );
        assert_eq!(packets[4].head.ack, packets[3].end());
        assert_eq!(connection.directions.of(Peer::Client).missed_bytes, 0);
        assert_eq!(connection.episodes[0].checksum_ok, Some(true));
    }

    #[test]
    fn the_file_holds_every_frame() {
        let trace = talk().trace();
        let bytes: usize = trace
            .frames
            .iter()
            .map(|frame| frame.bytes.len() + 16)
            .sum();
        assert_eq!(trace.pcap().len(), 24 + bytes);
    }
}
