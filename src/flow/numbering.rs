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

    /// The frames that opened streams, in order and by capture, where those are their numbers; to be asked for once.
    pub fn take_opened(&mut self) -> Vec<Vec<u32>> {
        match self {
            Self::AsTheyCome(_) => Vec::new(),
            Self::ByOpeningFrame(opened) => std::mem::take(opened),
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

/// The numbers of a table's streams, once those of all tables were opened.
#[derive(Debug, Default)]
pub(super) struct StreamNumbers {
    by_capture: Vec<OfCapture>,
}

/// The same of one capture.
#[derive(Clone, Debug, Default)]
struct OfCapture {
    /// Frames that opened a stream, in order.
    opened: Vec<u32>,
    /// The number of each of them.
    numbers: Vec<u32>,
    /// Where the newest one that was asked for stands.
    newest: usize,
}

impl StreamNumbers {
    /// Of each table, by what all of them [opened](Numbering::take_opened).
    pub fn of(tables: Vec<Vec<Vec<u32>>>) -> Vec<Self> {
        let of_table = |opened: Vec<Vec<u32>>| {
            let by_capture = opened.into_iter().map(|opened| OfCapture {
                numbers: Vec::with_capacity(opened.len()),
                opened,
                newest: 0,
            });
            Self {
                by_capture: by_capture.collect(),
            }
        };
        let mut tables: Vec<Self> = tables.into_iter().map(of_table).collect();
        let captures = tables.iter().map(|table| table.by_capture.len()).max();
        for capture in 0..captures.unwrap_or_default() {
            let of_capture = tables
                .iter_mut()
                .filter_map(|table| table.by_capture.get_mut(capture));
            count(&mut of_capture.collect::<Vec<_>>());
        }
        tables
    }

    /// The number of the stream that a frame opened.
    pub fn number(&mut self, capture: CaptureId, frame: u32) -> u32 {
        let Some(streams) = self.by_capture.get_mut(usize::from(capture.0)) else {
            return 0;
        };
        streams.newest = place(frame, &streams.opened, streams.newest);
        let number = streams.numbers.get(streams.newest);
        number.copied().unwrap_or_default()
    }
}

/// Numbers the streams of one capture in the order of their frames.
fn count(tables: &mut [&mut OfCapture]) {
    let next = |table: &OfCapture| table.opened.get(table.numbers.len()).copied();
    for number in 0.. {
        let first = tables
            .iter_mut()
            .filter_map(|table| Some((next(table)?, table)))
            .min_by_key(|(frame, _)| *frame);
        match first {
            Some((_, table)) => table.numbers.push(number),
            None => return,
        }
    }
}

/// Where a frame stands among these; it mostly is the next one after `near`.
fn place(frame: u32, opened: &[u32], near: usize) -> usize {
    const AHEAD: usize = 16;
    let ahead = opened.get(near..).unwrap_or_default().iter().take(AHEAD);
    match ahead.clone().position(|opened| *opened == frame) {
        Some(steps) => near + steps,
        None => opened.partition_point(|opened| *opened < frame),
    }
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
        let mut parts = [(); 2].map(|()| Numbering::by_opening_frame());
        let provisional: Vec<u32> = openings
            .iter()
            .enumerate()
            .map(|(index, &(c, n))| parts[index % 2].next(frame(c, n)))
            .collect();
        let opened = parts.iter_mut().map(Numbering::take_opened).collect();
        let mut numbers = StreamNumbers::of(opened);
        let streams = || openings.iter().zip(&provisional).zip(&expected).enumerate();
        for (index, ((&(c, _), stream), number)) in streams().chain(streams().rev()) {
            let found = numbers[index % 2].number(CaptureId(c), *stream);
            assert_eq!(found, *number);
        }
        assert_eq!(expected, [0, 1, 0, 2, 1, 3]);
    }

    #[test]
    fn a_place_does_not_depend_on_where_it_is_looked_for_first() {
        let opened: Vec<u32> = (0..200).map(|n| n * n / 3 + n).collect();
        for (index, frame) in opened.iter().enumerate() {
            for near in [0, 1, 7, 40, 199, 200, 300] {
                assert_eq!(place(*frame, &opened, near), index);
            }
        }
    }
}
