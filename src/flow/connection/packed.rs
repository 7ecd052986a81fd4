//! A closed connection in few bytes.

use super::{Connection, SurvivedIdle};
use crate::flow::assembler::Assembler;
use crate::flow::direction::{Both, Direction};
use crate::flow::outline::Gist;
use crate::flow::packing::{Packed, Packer, Sheet, Unpacker, packed};
use crate::flow::talk::Talk;
use crate::flow::{History, Orientation, Peer, StreamReader, Streams};
use crate::time::Timestamp;
use crate::wire::SeqNumber;

/// What a connection has besides its directions.
pub(in crate::flow) type RestSheet = Sheet<0, 0, 0, 0, 13>;

impl<R: StreamReader> Connection<R> {
    /// It has closed quietly, every question was answered, and nothing that packing has no place for is remembered.
    pub(in crate::flow) fn can_be_packed(&self) -> bool {
        self.is_quietly_closed()
            && self.is_settled()
            && self.icmp.is_empty()
            && self.called.is_none()
            && self.multipath.is_none()
            && self.sittings.is_none()
            && self.talk.is_at_rest()
    }

    /// Packs what belongs to neither outline nor history nor reader nor [bases](Self::bases), where it [can be](Self::can_be_packed).
    pub(in crate::flow) fn pack(&self, into: &mut Packer) {
        let Self {
            client: _,
            server: _,
            orientation,
            streams: _,
            opened: _,
            last,
            directions,
            history: _,
            episodes: _,
            last_activity: _,
            probes_since_activity,
            survived: _,
            first_to_speak,
            icmp: _,
            duplicates,
            cut_payload,
            response_time: _,
            sittings: _,
            established: _,
            closed: _,
            talk,
            pending_survival,
            last_housekeeping: _,
            pending_acks,
            wireshark_base: _,
            called: _,
            multipath: _,
            under_way: _,
        } = self;
        directions.pack(*last, into);
        let mut sheet = RestSheet::begin(into);
        sheet.rare(*orientation as u8);
        sheet.rare(*probes_since_activity);
        sheet.rare(*duplicates);
        sheet.some_peer(*first_to_speak);
        sheet.flag(*cut_payload);
        for peer in [Peer::Client, Peer::Server] {
            let pending = pending_acks.of(peer);
            sheet.some_rare(pending.map(|(end, _)| end.0));
            let since = pending.map_or(sheet.opened(), |(_, since)| since);
            sheet.same_time(since, sheet.opened());
            talk.of(peer).list(directions.of(peer), &mut sheet);
        }
        sheet.flag(pending_survival.is_some());
        sheet.pack(into);
        if let Some(survival) = pending_survival {
            survival.pack(into);
        }
    }

    /// The connection that was packed, as yet without history and bases.
    pub(in crate::flow) fn unpack(
        from: &mut Unpacker<'_>,
        (streams, opened): (Streams, Timestamp),
        gist: Gist,
        reader: Option<Box<R>>,
    ) -> Self {
        let Both { client, server } = gist.sides;
        let response_time = Both {
            client: client.response_time,
            server: server.response_time,
        };
        let directions = Both::<Direction>::unpack(from, Both { client, server }, gist.last);
        let mut sheet = RestSheet::unpack(from);
        let orientation = Orientation::at(sheet.take_rare() as u8);
        let probes_since_activity = sheet.take_rare() as u16;
        let duplicates = sheet.take_rare();
        let first_to_speak = sheet.take_some_peer();
        let cut_payload = sheet.take_flag();
        let mut pending_acks = Both::default();
        let mut assemblers = Both::<Assembler>::default();
        for peer in [Peer::Client, Peer::Server] {
            let end = sheet.take_some_rare();
            let since = sheet.take_same_time(opened);
            *pending_acks.of_mut(peer) = end.map(|end| (SeqNumber(end as u32), since));
            *assemblers.of_mut(peer) = Assembler::listed(directions.of(peer), &mut sheet);
        }
        let pending_survival = sheet.take_flag().then(|| Packed::unpack(from));
        Self {
            client: gist.client,
            server: gist.server,
            orientation,
            streams,
            opened,
            last: gist.last,
            directions,
            history: History::default(),
            episodes: Vec::new(),
            last_activity: gist.last_activity,
            probes_since_activity,
            survived: gist.survived,
            first_to_speak,
            icmp: Vec::new(),
            duplicates,
            cut_payload,
            response_time,
            sittings: None,
            established: gist.established,
            closed: gist.closed,
            talk: Talk::at_rest(assemblers, reader),
            pending_survival,
            last_housekeeping: gist.last_housekeeping,
            pending_acks,
            wireshark_base: Both::default(),
            called: None,
            multipath: None,
            under_way: None,
        }
    }

    /// Whoever reads its dialogue.
    pub(in crate::flow) fn reader_at_rest(&self) -> Option<&R> {
        self.talk.reader_at_rest()
    }
}

packed!(SurvivedIdle {
    application,
    data,
    wire,
    after,
    resumed_by,
    frame,
});
