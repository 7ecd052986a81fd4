//! What stays of a segment: its header's fields, and what had been going on when it came.

use super::Connection;
use crate::flow::{LastActivity, Packet, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;
use crate::wire::Head;

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
pub(super) const fn remembered(
    from: Peer,
    kind: PacketKind,
    head: &Head,
    before: Before,
) -> Packet {
    Packet {
        head: *head,
        from,
        kind,
        housekeeping: false,
        previous_packet: before.packet,
        last_activity: before.activity,
        probes_since_activity: before.probes,
    }
}
