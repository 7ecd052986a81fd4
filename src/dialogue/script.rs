//! For tests: a dialogue in a few readable lines.

use super::{Dialogue, DialogueReader};
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::{Activity, Mark, Peer, StreamBytes, StreamReader};
use crate::time::Timestamp;

#[derive(Clone, Debug)]
enum Event {
    Data(Peer, Vec<u8>, u32),
    Gap(Peer, u64),
    Fin(Peer),
}

/// What both sides say, one frame and one millisecond after the other.
#[derive(Clone, Debug)]
pub(super) struct Script {
    port: u16,
    events: Vec<Event>,
}

impl Script {
    pub(super) fn to(port: u16) -> Self {
        Self {
            port,
            events: Vec::new(),
        }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    fn with(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    pub(super) fn say(self, from: Peer, bytes: impl AsRef<[u8]>) -> Self {
        self.with(Event::Data(from, bytes.as_ref().to_vec(), 0))
    }

    pub(super) fn client(self, bytes: impl AsRef<[u8]>) -> Self {
        self.say(Peer::Client, bytes)
    }

    pub(super) fn server(self, bytes: impl AsRef<[u8]>) -> Self {
        self.say(Peer::Server, bytes)
    }

    pub(super) fn client_cut(self, bytes: impl AsRef<[u8]>, cut: u32) -> Self {
        self.with(Event::Data(Peer::Client, bytes.as_ref().to_vec(), cut))
    }

    pub(super) fn server_cut(self, bytes: impl AsRef<[u8]>, cut: u32) -> Self {
        self.with(Event::Data(Peer::Server, bytes.as_ref().to_vec(), cut))
    }

    pub(super) fn gap(self, from: Peer, missing: u64) -> Self {
        self.with(Event::Gap(from, missing))
    }

    pub(super) fn fin(self, from: Peer) -> Self {
        self.with(Event::Fin(from))
    }

    /// What a reader makes of it.
    pub(super) fn dialogue(&self) -> Dialogue {
        let dialogue = self.read(|_| usize::MAX).0;
        let bytewise = self.read(|_| 1).0;
        if !self
            .events
            .iter()
            .any(|e| !matches!(e, Event::Data(_, _, 0) | Event::Fin(_)))
        {
            assert_eq!(dialogue, bytewise, "the same bytes, one at a time");
        }
        dialogue
    }

    /// What each call was, gaps and FINs left out.
    pub(super) fn activities(&self) -> Vec<Activity> {
        self.read(|_| usize::MAX).1
    }

    /// Reads it with every piece of data cut into pieces of `size(n)` bytes, n counting pieces. All pieces of one line bear the
    /// same frame and time, so that snapshots can be compared.
    pub(super) fn read(&self, size: impl FnMut(usize) -> usize) -> (Dialogue, Vec<Activity>) {
        let (reader, activities) = self.told(size);
        (reader.snapshot(), activities)
    }

    /// The reader that has read it.
    pub(super) fn reader(&self) -> DialogueReader {
        self.told(|_| usize::MAX).0
    }

    fn told(&self, size: impl FnMut(usize) -> usize) -> (DialogueReader, Vec<Activity>) {
        let mut reader = DialogueReader::new(self.port);
        let activities = self.tell(&mut reader, size);
        (reader, activities)
    }

    /// Lets a reader read it that knows nothing yet.
    pub(super) fn tell(
        &self,
        reader: &mut DialogueReader,
        mut size: impl FnMut(usize) -> usize,
    ) -> Vec<Activity> {
        let mut offsets = [0u64; 2];
        let mut activities = Vec::new();
        let mut pieces = 0;
        for (number, event) in (1..).zip(&self.events) {
            let mark = |offset| Mark {
                time: Timestamp::from_nanos(i64::from(number) * 1_000_000),
                frame: FrameId {
                    capture: CaptureId(0),
                    number: FrameNumber(number),
                },
                offset,
            };
            match event {
                Event::Data(from, bytes, cut) => {
                    let offset = &mut offsets[*from as usize];
                    let mut rest = bytes.as_slice();
                    let mut activity = Activity::Housekeeping;
                    loop {
                        let n = size(pieces).clamp(1, rest.len().max(1)).min(rest.len());
                        pieces += 1;
                        let (now, later) = rest.split_at(n);
                        let cut = if later.is_empty() { *cut } else { 0 };
                        if reader.data(StreamBytes {
                            from: *from,
                            at: mark(*offset),
                            bytes: now,
                            cut,
                        }) == Activity::Application
                        {
                            activity = Activity::Application;
                        }
                        *offset += n as u64 + u64::from(cut);
                        rest = later;
                        if rest.is_empty() {
                            break;
                        }
                    }
                    activities.push(activity);
                }
                Event::Gap(from, missing) => {
                    let offset = &mut offsets[*from as usize];
                    *offset += missing;
                    reader.gap(*from, mark(*offset), *missing);
                }
                Event::Fin(from) => reader.fin(*from, mark(offsets[*from as usize])),
            }
        }
        activities
    }
}
