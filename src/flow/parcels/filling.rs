//! How a parcel is filled.

use super::trails::{TrailKey, Trails};
use super::{BYTES, Leader, Line, Link, NOWHERE, PACKETS, Parcel, Rare, Stage};
use crate::flow::key::{Key, Way};
use crate::flow::redirects::Answer;
use crate::wire::{Besides, IcmpQuote, PlainFrame, Segment};

/// Parcels of one table, filled one after the other.
#[derive(Debug, Default)]
pub(in crate::flow) struct Filling {
    parcel: Parcel,
    trails: Trails,
}

impl Filling {
    /// The parcel is to be handed over.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.parcel.count >= PACKETS || self.parcel.bytes.len() >= BYTES
    }

    /// How many packets are in it.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.parcel.count
    }

    /// What was filled; the next one is filled in its place.
    pub fn hand_over(&mut self, next: Parcel) -> Parcel {
        self.trails.end_all();
        std::mem::replace(&mut self.parcel, next)
    }

    /// Puts the segment of a plain frame in, where there is [room](Self::is_full); key, its spread and way are its own.
    #[inline(always)]
    pub fn put_plain<K: TrailKey>(
        &mut self,
        (key, spread): (K, u64),
        way: Way,
        plain: &PlainFrame<'_, '_>,
    ) -> Option<()> {
        let parcel = &mut self.parcel;
        let place = parcel.count;
        let Line(head) = parcel.heads.get_mut(place)?;
        let besides = plain.write_head(head);
        let leading = parcel.leading.len() as u16;
        let (before, leader) = self.trails.go_on((key, spread), place as u16, leading);
        // If one follows on another, it may be taken with it.
        match before.and_then(|before| parcel.links.get_mut(usize::from(before))) {
            Some(before) => before.next = place as u16,
            None => parcel.leading.push(Leader {
                place: place as u16,
                key: key.any(),
            }),
        }
        let payload = plain.payload();
        parcel.link(place, leader, (Stage::Plain, way), payload);
        parcel.count = place + 1;
        parcel.bytes.extend_from_slice(payload);
        if let Some(besides) = besides {
            parcel.put_besides(place, besides);
        }
        Some(())
    }

    /// Puts a segment in, likewise.
    pub fn put_segment(&mut self, key: &Key, segment: &Segment<'_>) {
        self.trails.end(key);
        let rare = Rare::Segment(segment.without_bytes());
        self.parcel.put_rare(rare, segment.payload);
    }

    /// Puts a quote in, likewise. What a conversation that goes on says is the same before and after it.
    pub fn put_quote(&mut self, quote: &IcmpQuote) {
        self.parcel.put_rare(Rare::Quote(*quote), &[]);
    }

    /// Puts the name in by which a connection is answered, likewise. It changes nothing of what is said.
    pub fn put_answer(&mut self, answer: &Answer) {
        self.parcel
            .put_rare(Rare::Answer(Box::new(answer.clone())), &[]);
    }

    /// Puts the same in where its stream is numbered.
    pub fn put_answer_to_number(&mut self, answer: &Answer) {
        self.parcel
            .put_rare(Rare::AnswerToNumber(Box::new(answer.clone())), &[]);
    }
}

impl Parcel {
    /// There is more of a plain segment.
    #[inline(never)]
    fn put_besides(&mut self, place: usize, besides: Besides) {
        if let Some(link) = self.links.get_mut(place) {
            link.stage = Stage::Rare;
            self.rare.push(Rare::Besides(besides));
        }
    }

    fn put_rare(&mut self, rare: Rare, payload: &[u8]) {
        let place = self.count;
        self.rare.push(rare);
        self.link(place, NOWHERE, (Stage::Rare, Way::default()), payload);
        self.count = place + 1;
        self.bytes.extend_from_slice(payload);
    }

    /// Notes the next packet, whose payload is to follow.
    #[inline(always)]
    fn link(&mut self, place: usize, leader: u16, (stage, way): (Stage, Way), payload: &[u8]) {
        if let Some(link) = self.links.get_mut(place) {
            *link = Link {
                start: self.bytes.len() as u32,
                len: payload.len() as u32,
                next: NOWHERE,
                leader,
                way,
                stage,
            };
        }
    }
}
