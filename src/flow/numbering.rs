//! Wireshark's `tcp.stream`: streams of a capture are counted in the order in which their first packets stand.

use crate::capture::{CaptureId, FrameId};

/// How a table numbers the streams that it opens.
#[derive(Debug)]
pub(super) enum Numbering {
    /// The next number of each capture: for a table that sees all of it.
    AsTheyCome(Vec<u32>),
    /// By the number of the frame that opened it, until all tables are seen together. By capture.
    ByOpeningFrame(Vec<Vec<u32>>),
}

impl Numbering {
    pub const fn as_they_come() -> Self {
        Self::AsTheyCome(Vec::new())
    }

    pub const fn by_opening_frame() -> Self {
        Self::ByOpeningFrame(Vec::new())
    }

    /// A number for a stream that this frame opens.
    pub fn next(&mut self, opening: FrameId) -> u32 {
        match self {
            Self::AsTheyCome(next) => {
                let next = of_capture(next, opening.capture);
                let stream = *next;
                *next = stream.wrapping_add(1);
                stream
            }
            Self::ByOpeningFrame(opened) => {
                of_capture(opened, opening.capture).push(opening.number.0);
                opening.number.0
            }
        }
    }

    /// The frames that opened streams, by capture.
    pub fn opened(&self) -> &[Vec<u32>] {
        match self {
            Self::AsTheyCome(_) => &[],
            Self::ByOpeningFrame(opened) => opened,
        }
    }
}

fn of_capture<T: Default + Clone>(list: &mut Vec<T>, capture: CaptureId) -> &mut T {
    let slot = usize::from(capture.0);
    if list.len() <= slot {
        list.resize(slot + 1, T::default());
    }
    &mut list[slot]
}

/// The numbers of all streams, once all were opened.
#[derive(Debug, Default)]
pub(super) struct StreamNumbers {
    /// Opening frames in order, by capture.
    opened: Vec<Vec<u32>>,
}

impl StreamNumbers {
    /// Adds what one table opened.
    pub fn add(&mut self, opened: &[Vec<u32>]) {
        for (capture, frames) in opened.iter().enumerate() {
            of_capture(&mut self.opened, CaptureId(capture as u16)).extend(frames);
        }
    }

    /// To be called once all were added.
    pub fn sort(&mut self) {
        for frames in &mut self.opened {
            // What each table added is in order: a sort that sees such runs only merges them.
            frames.sort();
        }
    }

    /// The number of the stream that a frame opened. It is looked for from number `near` on first.
    pub fn of(&self, capture: CaptureId, frame: u32, near: u32) -> u32 {
        let Some(frames) = self.opened.get(usize::from(capture.0)) else {
            return 0;
        };
        let ahead = near as usize..frames.len().min(near as usize + Self::NEAR);
        let found = frames
            .get(ahead)
            .and_then(|ahead| ahead.iter().position(|opened| *opened == frame));
        match found {
            Some(steps) => near + steps as u32,
            None => frames.partition_point(|opened| *opened < frame) as u32,
        }
    }

    /// How far ahead a table's next stream is mostly found.
    const NEAR: usize = 16;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::FrameNumber;

    fn frame(capture: u16, number: u32) -> FrameId {
        FrameId {
            capture: CaptureId(capture),
            number: FrameNumber(number),
        }
    }

    #[test]
    fn however_streams_are_spread_over_tables_they_have_one_order() {
        let openings = [(0, 1), (0, 4), (1, 2), (0, 9), (1, 3), (0, 12)];
        let mut whole = Numbering::as_they_come();
        let expected: Vec<u32> = openings.map(|(c, n)| whole.next(frame(c, n))).to_vec();
        let mut parts = [Numbering::by_opening_frame(), Numbering::by_opening_frame()];
        let provisional: Vec<u32> = openings
            .iter()
            .enumerate()
            .map(|(index, &(c, n))| parts[index % 2].next(frame(c, n)))
            .collect();
        let mut numbers = StreamNumbers::default();
        parts.iter().for_each(|part| numbers.add(part.opened()));
        numbers.sort();
        for near in [0, 1, 2, 7] {
            let found: Vec<u32> = openings
                .iter()
                .zip(&provisional)
                .map(|(&(c, _), stream)| numbers.of(CaptureId(c), *stream, near))
                .collect();
            assert_eq!(found, expected);
        }
        assert_eq!(expected, [0, 1, 0, 2, 1, 3]);
    }
}
