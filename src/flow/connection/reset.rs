//! RSTs and what follows them.

use std::borrow::Cow;

use super::Connection;
use crate::flow::direction::Both;
use crate::flow::packing::Packer;
use crate::flow::{Episode, Moment, Packet, StreamReader};
use crate::wire::Segment;

impl<R: StreamReader> Connection<R> {
    pub(super) fn take_reset(&mut self, packet: Packet, segment: &Segment<'_>) {
        self.keep_moment();
        let direction = self.directions.of_mut(packet.from);
        direction.resets += 1;
        direction.first_packet.get_or_insert(packet.head.time);
        direction.base.get_or_insert(packet.head.seq);
        let full = self.episodes.len() >= Self::EPISODES_KEPT;
        match self.episodes.last_mut() {
            Some(episode) if full || !episode.resumed => episode.add(packet),
            _ => {
                let before_skipped = self.packets_skipped();
                let mut episode = Episode {
                    resets: Vec::with_capacity(1),
                    frames: Vec::with_capacity(1),
                    packets: 0,
                    elsewhere: Vec::new(),
                    before: self.hand_over_packets().into(),
                    rejoined: 0,
                    before_skipped,
                    after: Vec::new(),
                    moment: None,
                    text: segment.payload.iter().copied().take(128).collect(),
                    checksum_ok: segment.checksum_ok,
                    mptcp: segment.options.mptcp,
                    resumed: false,
                    later_data: Both::default(),
                    last: packet.head.time,
                };
                episode.add(packet);
                // Mostly there is but one, and it is big.
                self.episodes.reserve_exact(1);
                self.episodes.push(episode);
            }
        }
    }

    /// Nothing more is expected: the reset events take less memory from here on.
    pub(in crate::flow) fn pack_episodes(&mut self, packer: &mut Packer) {
        for episode in &mut self.episodes {
            episode.before.pack(packer);
        }
    }

    /// Another packet comes: the packets before it are looked at.
    pub(super) fn unpack_episode(&mut self) {
        if let Some(episode) = self.episodes.last_mut() {
            episode.before.whole_mut();
        }
    }

    /// Another packet comes: what was known when the newest event's first RST came is written down.
    pub(super) fn keep_moment(&mut self) {
        let newest = self.episodes.last();
        if let Some(episode) = newest.filter(|episode| episode.moment.is_none()) {
            let moment = Some(Box::new(self.moment_before(episode)));
            if let Some(episode) = self.episodes.last_mut() {
                episode.moment = moment;
            }
        }
    }

    /// What was known when the first RST of an event came.
    pub fn moment_of<'a>(&self, episode: &'a Episode<R::Snapshot>) -> Cow<'a, Moment<R::Snapshot>> {
        match &episode.moment {
            Some(moment) => Cow::Borrowed(moment),
            None => Cow::Owned(self.moment_before(episode)),
        }
    }

    /// What is known now, before the first RST of an event.
    fn moment_before(&self, episode: &Episode<R::Snapshot>) -> Moment<R::Snapshot> {
        let mut state = self.frozen_directions();
        if let Some(reset) = episode.first() {
            let receiver = state.of_mut(reset.from.other());
            receiver.miss_before_reset(reset);
        }
        Moment {
            state,
            dialogue: self.dialogue(),
        }
    }

    /// A packet after a RST: either it was captured a little late, or it tells what the RST did.
    pub(super) fn follow_reset(&mut self, packet: &Packet) {
        let Some(episode) = self.episodes.last() else {
            return;
        };
        let follows = episode.follows(packet);
        let rejoined = follows.then(|| self.moment_before(episode));
        let fin = self.directions.of(packet.from).fin;
        let Some(episode) = self.episodes.last_mut() else {
            return;
        };
        if let Some(now) = rejoined {
            episode.rejoin(packet, now, self.last_activity);
        } else {
            episode.observe_later(packet);
            episode.observe_acknowledged_fin(packet.from, fin);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialogue::DialogueReader;
    use crate::flow::connection::Taken;
    use crate::flow::{History, Limits, Orientation, Peer, Table};
    use crate::testing::Ladder;
    use crate::testing::conversation::conversation;

    /// What was copied of a connection when its newest RST event began, or a packet rejoined those before it.
    struct Copied {
        events: usize,
        rejoined: usize,
        /// FINs that the RST acknowledges, whenever they were captured.
        fins: usize,
        told: String,
    }

    impl Copied {
        fn of(connection: &Connection<DialogueReader>) -> Option<Self> {
            let newest = connection.episodes.last()?;
            let acknowledged = newest.first()?.head.ack;
            let moment = connection.moment_of(newest);
            let Both { client, server } = &moment.state;
            let fins = [client.fin, server.fin].into_iter().flatten();
            Some(Self {
                events: connection.episodes.len(),
                rejoined: newest.rejoined,
                fins: fins.filter(|fin| fin.seq + 1 == acknowledged).count(),
                told: format!("{moment:?} {:?}", newest.before),
            })
        }

        /// Nothing came that belongs before the newest RST event.
        fn is_comparable(&self, later: &Self) -> bool {
            let events = |copied: &Self| (copied.events, copied.rejoined, copied.fins);
            events(self) == events(later)
        }
    }

    #[test]
    fn no_more_packets_than_captures_exchange_rejoin_those_before_a_reset() {
        let talk = Ladder::to(80).handshake(0).client(30, "P.").payload("abc");
        let late = (1..=1_100).map(|number| 40.0 + f64::from(number) / 1e4);
        let reset = talk.server(40, "R");
        let trace = late
            .fold(reset, |ladder, at| ladder.client(at, "."))
            .trace();
        let mut table = Table::<DialogueReader>::new(Limits::default());
        trace.segments(|segment| {
            table.take(segment);
        });
        let connections = table.connections();
        let connection = connections[0].known();
        let [episode] = connection.episodes.as_slice() else {
            panic!("it was reset once");
        };
        let most = Episode::<()>::REJOINED;
        assert_eq!(episode.before.read().len(), 4 + most);
        assert_eq!(
            connection.packets_skipped(),
            4 + 1 + 1_100 - History::KEPT as u64
        );
    }

    proptest! {
        /// Episodes share memory with their connection, and are packed: neither loses anything by it.
        #[test]
        fn what_came_before_a_reset_stays_as_it_was(trace in conversation(Ladder::to(80))) {
            let mut connection = None::<Connection<DialogueReader>>;
            let mut all = History::default();
            let mut copied = None::<Copied>;
            let mut told = Vec::new();
            let mut packer = Packer::default();
            trace.segments(|segment| {
                let ends = [(segment.addresses.src(), segment.src_port), (segment.addresses.dst(), segment.dst_port)];
                let (from, [client, server]) = match ends {
                    [client, server @ (_, 80)] => (Peer::Client, [client, server]),
                    [server, client] => (Peer::Server, [client, server]),
                };
                let connection = connection.get_or_insert_with(|| {
                    Connection::new(client, server, Orientation::Syn, segment.head.time)
                });
                let before = all.clone();
                let flags = segment.flags.unwrap_or_default();
                if connection.take(from, flags, segment) == Taken::Packet {
                    connection.packets_newest_first().take(1).for_each(|packet| all.push(packet));
                }
                if segment.head.frame.number.0 % 3 == 0 {
                    connection.pack_episodes(&mut packer);
                }
                let expected = format!("{:?} {}", all.clone().take(), all.skipped());
                told.push(format!("{:?} {}", connection.packets(), connection.packets_skipped()) == expected);
                let now = Copied::of(connection);
                match (&copied, &now) {
                    (Some(then), Some(now)) if then.is_comparable(now) => {
                        told.push(then.told == now.told);
                    }
                    (then, Some(now)) if then.as_ref().is_none_or(|then| then.events < now.events) => {
                        let before = format!(" {:?}", before.clone().take());
                        told.push(now.told.ends_with(&before));
                    }
                    _ => {}
                }
                copied = now;
            });
            prop_assert!(told.iter().all(|same| *same), "{told:?}");
        }
    }
}
