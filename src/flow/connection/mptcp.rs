//! A connection that is a subflow of MPTCP.

use super::Connection;
use crate::flow::{Peer, StreamReader, Told};
use crate::wire::{Head, Mptcp};

impl<R: StreamReader> Connection<R> {
    /// Takes what MPTCP says.
    #[cold]
    pub(super) fn take_mptcp(&mut self, from: Peer, head: &Head, said: &Mptcp) -> Told {
        let captured = self.directions.of(from.other()).snd_nxt;
        let lacks_none = captured.is_some_and(|next| !head.ack.is_after(next));
        let multipath = self.multipath.get_or_insert_default();
        let was_part = multipath.is_part;
        let told = multipath.take(from, head, said, lacks_none);
        if multipath.is_part && !was_part {
            self.talk.lose_track(self.server.1);
        }
        told
    }

    /// What was said went over other connections, too.
    pub(super) fn is_part(&self) -> bool {
        let multipath = self.multipath.as_ref();
        multipath.is_some_and(|multipath| multipath.is_part)
    }
}
