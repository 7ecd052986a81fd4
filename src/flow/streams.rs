//! Stream numbers of a connection, in each capture that shows it.

use crate::capture::CaptureId;
use crate::flow::Peer;
use crate::flow::crossing::{Crossings, TwoPlaces};
use crate::wire::Head;

/// `tcp.stream` in each capture that shows a connection, in order of appearance. Nearly always there is one: it stands with the
/// connection itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    capture: CaptureId,
    /// That capture showed it.
    is_shown: bool,
    /// What one of them showed, another one showed again.
    overlap: bool,
    number: u32,
    further: Box<[Further]>,
}

/// What a capture shows of a connection that another one showed first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Further {
    capture: CaptureId,
    number: u32,
    /// Packets that the first one shows, too.
    crossings: Crossings,
}

impl Streams {
    /// The capture that showed it first, and its number there; 0 of the first capture before any did.
    #[inline]
    pub const fn first(&self) -> (CaptureId, u32) {
        (self.capture, self.number)
    }

    /// The number in one capture.
    #[inline]
    pub fn of(&self, capture: CaptureId) -> Option<u32> {
        if self.is_shown && self.capture == capture {
            return Some(self.number);
        }
        let found = self
            .further
            .iter()
            .find(|further| further.capture == capture);
        found.map(|further| further.number)
    }

    /// Every capture that shows it, and its number there, in order of appearance.
    pub fn all(&self) -> impl Iterator<Item = (CaptureId, u32)> {
        let further = self.further.iter();
        let further = further.map(|further| (further.capture, further.number));
        let first = self.is_shown.then_some((self.capture, self.number));
        first.into_iter().chain(further)
    }

    /// Its first capture, where others show the same packets: they were not taken one after the other at one place.
    #[inline]
    pub(super) fn place(&self) -> Option<CaptureId> {
        self.overlap.then_some(self.capture)
    }

    /// One of them showed what another one had shown.
    pub(super) const fn note_overlap(&mut self) {
        self.overlap = true;
    }

    /// Two sightings of a packet, in different captures, of so many that its sender has sent.
    pub(super) fn note_crossing(&mut self, from: Peer, sightings: [&Head; 2], sent: u64) {
        let [one, other] = sightings;
        let (first, other) = match one.frame.capture == self.capture {
            true => (one, other),
            false => (other, one),
        };
        let is_other = |further: &&mut Further| further.capture == other.frame.capture;
        if first.frame.capture == self.capture
            && let Some(further) = self.further.iter_mut().find(is_other)
        {
            further.crossings.note(from, first, other, sent);
        }
    }

    /// One of two captures shows what the other one showed.
    pub(super) fn note_shown_by_both(&mut self, from: Peer, head: &Head) {
        if let [further] = &mut *self.further {
            further.crossings.note_end(from, head);
        }
    }

    /// Both captures that show it, where there are two.
    pub fn two_places(&self) -> Option<TwoPlaces<'_>> {
        match &*self.further {
            [further] => Some(TwoPlaces {
                captures: [self.capture, further.capture],
                crossings: &further.crossings,
            }),
            _ => None,
        }
    }

    /// More than one capture shows it.
    #[inline]
    pub const fn are_several(&self) -> bool {
        !self.further.is_empty()
    }

    /// Another capture shows it.
    pub(super) fn push(&mut self, capture: CaptureId, number: u32) {
        if self.is_shown {
            let mut further = std::mem::take(&mut self.further).into_vec();
            further.push(Further {
                capture,
                number,
                crossings: Crossings::default(),
            });
            self.further = further.into();
        } else {
            (self.capture, self.is_shown, self.number) = (capture, true, number);
        }
    }

    /// Numbers them anew, from capture and number.
    pub(super) fn renumber(&mut self, number: impl Fn(CaptureId, u32) -> u32) {
        self.number = number(self.capture, self.number);
        for further in &mut self.further {
            further.number = number(further.capture, further.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_capture_has_its_number() {
        let mut streams = Streams::default();
        assert_eq!(streams.of(CaptureId(0)), None);
        for (capture, number) in [(3, 7), (0, 5), (1, 7)] {
            streams.push(CaptureId(capture), number);
        }
        streams.renumber(|CaptureId(capture), number| number + 10 * u32::from(capture));
        assert_eq!(streams.first(), (CaptureId(3), 37));
        let numbers = [0, 1, 2, 3].map(|capture| streams.of(CaptureId(capture)));
        assert_eq!(numbers, [Some(5), Some(17), None, Some(37)]);
    }
}
