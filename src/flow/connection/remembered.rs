//! What stays of a segment: its header's fields, and what had been going on when it came.

use super::Connection;
use crate::flow::{LastActivity, Packet, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;
use crate::wire::{Head, TcpFlags};

impl<R: StreamReader> Connection<R> {
    /// What had been going on before the packet at hand.
    #[inline]
    pub(super) fn before(&self) -> Before {
        Before {
            packet: (!self.history.is_empty()).then_some(self.last),
            activity: self.last_activity,
            probes: self.probes_since_activity,
        }
    }
}

/// What had been going on before a packet.
#[derive(Clone, Copy)]
pub(super) struct Before {
    /// When the packet before it came.
    pub packet: Option<Timestamp>,
    /// The application's last activity.
    pub activity: Option<LastActivity>,
    /// Keepalive probes since that activity.
    pub probes: u16,
}

/// A segment as it is remembered.
#[inline]
pub(super) fn remembered(
    from: Peer,
    flags: TcpFlags,
    kind: PacketKind,
    segment: &impl Head,
    before: Before,
) -> Packet {
    Packet {
        time: segment.time(),
        frame: segment.frame(),
        from,
        kind,
        flags,
        seq: segment.seq(),
        ack: segment.ack(),
        len: segment.payload_len(),
        window: segment.window(),
        ttl: segment.ttl(),
        ip_id: segment.ip_id(),
        dont_fragment: segment.dont_fragment(),
        has_options: segment.has_options(),
        housekeeping: false,
        traffic_class: segment.traffic_class(),
        timestamps: segment.timestamps(),
        src_mac: segment.src_mac(),
        interface: segment.interface(),
        previous_packet: before.packet,
        last_activity: before.activity,
        probes_since_activity: before.probes,
    }
}
