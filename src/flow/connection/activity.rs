//! Payload, and the silences between it.

use super::{Connection, SurvivedIdle};
use crate::capture::FrameId;
use crate::flow::assembler::Novelty;
use crate::flow::{Activity, LastActivity, Packet, PacketKind, Peer, StreamReader};
use crate::time::{Interval, Timestamp};
use crate::wire::Segment;

impl<R: StreamReader> Connection<R> {
    /// Hands payload on. Returns whether all of it was housekeeping.
    pub(super) fn take_payload(&mut self, packet: &Packet, segment: &Segment<'_>) -> bool {
        let probe = matches!(
            packet.kind,
            PacketKind::KeepaliveProbe | PacketKind::ZeroWindowProbe
        );
        if packet.kind == PacketKind::KeepaliveProbe {
            self.probes_since_activity = self.probes_since_activity.saturating_add(1);
        }
        if packet.head.flags.syn() {
            self.talk.begin(packet.from, packet.head.seq + 1);
        }
        if segment.head.payload_len == 0 || probe {
            return false;
        }
        self.cut_payload |= (segment.payload.len() as u64) < u64::from(segment.head.payload_len);
        self.first_to_speak.get_or_insert(packet.from);
        let server_port = self.server.1;
        match self.talk.take(packet.from, segment, server_port) {
            Novelty::New(Activity::Application) => {
                let head = &packet.head;
                self.note_activity(head.time, head.frame, packet.from, packet.previous_packet);
                false
            }
            Novelty::New(Activity::Housekeeping) => {
                self.last_housekeeping = Some(packet.head.time);
                true
            }
            Novelty::Old => false,
        }
    }

    /// The application did something; `previous` is when the packet before came.
    ///
    /// Each in a register: what is written to memory in parts and read as a whole has to wait for whatever was written before.
    #[inline(always)]
    pub(super) fn note_activity(
        &mut self,
        time: Timestamp,
        frame: FrameId,
        from: Peer,
        previous: Option<Timestamp>,
    ) {
        if let Some(pending) = &self.pending_survival
            && pending.resumed_by != from
        {
            self.survive();
        }
        let since = self
            .last_activity
            .map_or(self.opened, |activity| activity.time);
        let application = time - since;
        if application >= Self::SHORTEST_SURVIVAL {
            self.note_survival(application, (time, frame, from), previous);
        }
        self.last_activity = Some(LastActivity { time, frame, from });
        self.probes_since_activity = 0;
    }

    /// What was resumed was answered.
    #[cold]
    fn survive(&mut self) {
        if let Some(answered) = self.pending_survival.take() {
            self.keep_survival(answered);
        }
    }

    #[cold]
    fn note_survival(
        &mut self,
        application: Interval,
        (time, frame, from): (Timestamp, FrameId, Peer),
        previous: Option<Timestamp>,
    ) {
        let data = self
            .last_housekeeping
            .map_or(application, |kept| application.min(time - kept));
        let survival = SurvivedIdle {
            application,
            data,
            wire: previous.map_or(application, |previous| time - previous),
            after: self.last_activity.map(|activity| activity.from),
            resumed_by: from,
            frame,
        };
        let answers_nothing = self
            .last_activity
            .is_none_or(|activity| activity.from != from);
        match from {
            Peer::Server if answers_nothing => self.keep_survival(survival),
            _ => self.pending_survival = Some(survival),
        }
    }

    fn keep_survival(&mut self, survival: SurvivedIdle) {
        let place = self
            .survived
            .partition_point(|kept| kept.application >= survival.application);
        if place < Self::SURVIVALS_KEPT {
            self.survived.insert(place, survival);
            self.survived.truncate(Self::SURVIVALS_KEPT);
        }
    }
}
