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

impl Packet {
    /// Writes down what stays of a segment, over whatever stood here.
    #[inline]
    pub(super) const fn write(
        &mut self,
        from: Peer,
        kind: PacketKind,
        head: &Head,
        before: Before,
    ) {
        self.head = *head;
        self.from = from;
        self.kind = kind;
        self.housekeeping = false;
        self.previous_packet = before.packet;
        self.last_activity = before.activity;
        self.probes_since_activity = before.probes;
    }
}
