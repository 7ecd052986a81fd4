//! How a history begins, in few bytes.

use super::{Numbers, activity_numbers, activity_of, after, clocks, counted, nanos};
use crate::capture::FrameId;
use crate::flow::packet::{LastActivity, Packet, PacketKind};
use crate::flow::packing::{Packer, Unpacker};
use crate::flow::{Both, Direction, Peer};
use crate::time::Timestamp;
use crate::wire::{Head, SeqNumber, Timestamps};

/// How a history begins: what of its first packets is told instead of what came before them.
pub(super) struct Opening {
    /// When the packet before them came, and the activity before them.
    time: Timestamp,
    activity: Option<LastActivity>,
    /// Who sent the first one, and its numbers.
    from: Peer,
    numbers: Numbers,
    /// What each sender's first one [counted](counted).
    counted: Both<[u32; 2]>,
}

impl Opening {
    pub(super) fn of(packets: &[Packet], opened: Timestamp) -> Self {
        let counts = |peer: Peer| {
            let first = packets.iter().find(|packet| packet.from == peer);
            first.map_or([0; 2], |first| counted(&first.head))
        };
        let first = packets.first();
        let numbers = |Packet { head, .. }: &Packet| [head.seq.0, head.ack.0, clocks(head).1];
        Self {
            time: first
                .and_then(|first| first.previous_packet)
                .unwrap_or(opened),
            activity: first.and_then(|first| first.last_activity),
            from: first.map_or(Peer::Client, |first| first.from),
            numbers: first.map_or([0; 3], numbers),
            counted: Both {
                client: counts(Peer::Client),
                server: counts(Peer::Server),
            },
        }
    }

    /// Packs it, and with it the places in the history.
    pub(super) fn pack(&self, used: u8, next: u8, into: &mut Packer) {
        let opened = into.opened();
        let [active, frame, active_from] = activity_numbers(self.activity);
        let bits = active_from as u8 | (self.from as u8) << 2;
        into.array([used, next, bits]);
        let since = nanos(opened, self.time);
        into.numbers(&[since]);
        let Both { client, server } = self.counted;
        let [seq, ack, echo] = self.numbers;
        let [ids, clock] = client;
        let [server_ids, server_clock] = server;
        into.words32(&[
            ids,
            clock,
            server_ids,
            server_clock,
            seq,
            ack,
            echo,
            frame as u32,
        ]);
        let before_time = (self.time.as_nanos() as u64).wrapping_sub(active);
        into.rare(&[before_time, frame >> 32]);
    }

    pub(super) fn unpack(from: &mut Unpacker<'_>) -> (Self, [u8; 2]) {
        let [used, next, bits] = from.array();
        let [since] = from.numbers();
        let time = after(from.opened(), since);
        let [ids, clock, server_ids, server_clock, seq, ack, echo, frame] = from.words32();
        let [before_time, capture] = from.rare();
        let active = (time.as_nanos() as u64).wrapping_sub(before_time);
        let frame = u64::from(frame) | capture << 32;
        let opening = Self {
            time,
            activity: activity_of([active, frame, u64::from(bits & 0b11)]),
            from: match bits >> 2 {
                0 => Peer::Client,
                _ => Peer::Server,
            },
            numbers: [seq, ack, echo],
            counted: Both {
                client: [ids, clock],
                server: [server_ids, server_clock],
            },
        };
        (opening, [used, next])
    }

    /// What is taken to have come before, of which all of this follows: otherwise each sender's packets are like its newest one.
    pub(super) fn before(&self, directions: &Both<Direction>) -> (Packet, Both<Head>) {
        let head = |direction: &Direction, [ids, clock]: [u32; 2]| {
            let (ttl, ip_id) = direction.last_ip.unwrap_or_default();
            let line = direction.timestamp_line;
            Head {
                ttl,
                ip_id: ip_id.map(|_| (ids as u16).wrapping_sub(1)),
                window: (ids >> 16) as u16,
                src_mac: direction.mac,
                dont_fragment: true,
                has_options: line.is_some(),
                timestamps: line.map(|_| Timestamps {
                    value: clock,
                    echo: 0,
                }),
                ..Head::default()
            }
        };
        let heads = Both {
            client: head(&directions.client, self.counted.client),
            server: head(&directions.server, self.counted.server),
        };
        let [seq, ack, echo] = self.numbers;
        let previous = Packet {
            head: Head {
                time: self.time,
                frame: self
                    .activity
                    .map_or(FrameId::default(), |active| active.frame),
                seq: SeqNumber(seq),
                ack: SeqNumber(ack),
                timestamps: Some(Timestamps { value: 0, echo }),
                ..Head::default()
            },
            from: self.from,
            kind: PacketKind::Ack,
            housekeeping: false,
            previous_packet: None,
            last_activity: self.activity,
            probes_since_activity: 0,
        };
        (previous, heads)
    }
}
