//! Connections that were refused: kept apart while they are few, one entry of many otherwise.

use std::net::IpAddr;

use super::Table;
use super::memory::Refused;
use crate::flow::refused::{Fold, RefusedGroup};
use crate::flow::{Connection, Kept, PacketKind, Peer, StreamReader};
use crate::time::Timestamp;

impl<R: StreamReader> Table<R> {
    /// Refused connections beyond the number kept apart.
    pub fn refused_groups(&self) -> impl Iterator<Item = &RefusedGroup> {
        self.refusals.groups()
    }

    /// The plain refusals kept apart: whose, of which service.
    pub(in crate::flow) fn refusals_apart(&self) -> impl Iterator<Item = (IpAddr, (IpAddr, u16))> {
        self.each()
            .filter_map(Kept::as_whole)
            .filter(|connection| is_plain_refusal(connection))
            .map(|connection| (connection.client.0, connection.server))
    }

    /// There were too many refusals to keep any apart.
    pub(in crate::flow) fn folds_all_refusals(&self) -> bool {
        self.refusals.folds_all()
    }

    /// Refused connections that were kept apart become part of their groups.
    pub(in crate::flow) fn fold_refusals(
        &mut self,
        chosen: impl Fn(IpAddr, (IpAddr, u16)) -> bool,
    ) {
        self.fold_all(|connection| chosen(connection.client.0, connection.server));
    }

    /// A refusal beyond the number kept apart joins its group and leaves only a number behind.
    pub(super) fn note_refused(&mut self, index: u32) {
        let Some(connection) = self.whole_ref(index) else {
            return;
        };
        let (client, server) = (connection.client.0, connection.server);
        match self.refusals.note(client, server) {
            Fold::None => {}
            Fold::This => self.fold(index),
            Fold::Service => {
                self.fold_all(|other| other.client.0 == client && other.server == server);
            }
            Fold::All => self.fold_all(|_| true),
        }
    }

    fn fold_all(&mut self, chosen: impl Fn(&Connection<R>) -> bool) {
        let chosen =
            |connection: &Connection<R>| chosen(connection) && is_plain_refusal(connection);
        let mut members: Vec<(Timestamp, u32)> = Vec::new();
        for (index, kept) in self.kept.iter().enumerate() {
            if let Some(connection) = kept.as_ref().and_then(Kept::as_whole)
                && chosen(connection)
            {
                members.push((connection.opened, index as u32));
            }
        }
        members.sort_unstable();
        let (fold, keep): (Vec<_>, Vec<_>) = std::mem::take(&mut self.replaced)
            .into_iter()
            .partition(|old: &Kept<R>| old.as_whole().is_some_and(chosen));
        self.replaced = keep;
        for old in fold.iter().filter_map(Kept::as_whole) {
            self.refusals.fold(old);
        }
        for (_, index) in members {
            self.fold(index);
        }
    }

    fn fold(&mut self, index: u32) {
        let Some(kept) = self.kept.get_mut(index as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(index);
        let connection = kept.into_whole(&mut self.archive);
        self.refusals.fold(&connection);
        self.leave_remnant(&connection, Refused::Yes);
    }
}

/// Nothing but SYNs by the client and RSTs by the server's address that acknowledge them.
pub(super) fn is_plain_refusal<R: StreamReader>(connection: &Connection<R>) -> bool {
    connection.directions.server.packets == 0
        && connection.directions.client.syns > 0
        && connection.directions.client.packets == u64::from(connection.directions.client.syns)
        && connection.directions.client.resets == 0
        && connection.directions.client.bytes == 0
        && connection.icmp.is_empty()
        && connection.duplicates == 0
        && connection.packets_newest_first().all(|packet| {
            packet.kind == PacketKind::Syn
                || (packet.from == Peer::Server
                    && packet.head.flags.ack()
                    && connection
                        .directions
                        .client
                        .iss
                        .is_some_and(|iss| packet.head.ack == iss + 1))
        })
}
