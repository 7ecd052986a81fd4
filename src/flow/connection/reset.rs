//! RSTs and what follows them.

use super::Connection;
use crate::flow::direction::Both;
use crate::flow::episode::Rejoined;
use crate::flow::{Episode, Packet, StreamReader};
use crate::wire::Segment;

impl<R: StreamReader> Connection<R> {
    pub(super) fn take_reset(&mut self, packet: Packet, segment: &Segment<'_>) {
        let direction = self.directions.of_mut(packet.from);
        direction.resets += 1;
        direction.first_packet.get_or_insert(packet.head.time);
        direction.base.get_or_insert(packet.head.seq);
        let full = self.episodes.len() >= Self::EPISODES_KEPT;
        match self.episodes.last_mut() {
            Some(episode) if full || !episode.resumed => episode.add(packet),
            _ => {
                let mut state = self.frozen_directions();
                state.of_mut(packet.from.other()).miss_before_reset(&packet);
                let mut episode = Episode {
                    resets: Vec::with_capacity(1),
                    frames: Vec::with_capacity(1),
                    packets: 0,
                    before: self.history.to_vec(),
                    before_skipped: self.history.skipped(),
                    state,
                    after: Vec::new(),
                    dialogue: self.dialogue(),
                    text: segment.payload.iter().copied().take(128).collect(),
                    checksum_ok: segment.checksum_ok,
                    mptcp_reason: segment.options.mptcp_reset_reason,
                    resumed: false,
                    later_data: Both::default(),
                    last: packet.head.time,
                };
                episode.add(packet);
                self.episodes.push(episode);
            }
        }
    }

    /// A packet after a RST: either it was captured a little late, or it tells what the RST did.
    pub(super) fn follow_reset(&mut self, packet: &Packet) {
        let Some(episode) = self.episodes.last() else {
            return;
        };
        let rejoined = episode.follows(packet).then(|| Rejoined {
            directions: self.frozen_directions(),
            dialogue: self.dialogue(),
            last_activity: self.last_activity,
        });
        let fin = self.directions.of(packet.from).fin;
        let Some(episode) = self.episodes.last_mut() else {
            return;
        };
        if let Some(now) = rejoined {
            episode.rejoin(packet, now);
        } else {
            episode.observe_later(packet);
            episode.observe_acknowledged_fin(packet.from, fin);
        }
    }
}
