//! Wireshark's `tcp.stream`: streams of a capture are counted in the order in which their first packets stand.

use crate::capture::{CaptureId, FrameId};

/// How a table numbers the streams that it opens.
#[derive(Debug)]
pub(super) enum Numbering {
    /// The next number of each capture: for a table that sees all of it.
    AsTheyCome(Vec<u32>),
    /// For one of several tables: each counts its own, until all are seen together. The frames that opened them, by capture.
    InPart(Vec<Vec<u32>>),
}

impl Numbering {
    pub const fn as_they_come() -> Self {
        Self::AsTheyCome(Vec::new())
    }

    pub const fn in_part() -> Self {
        Self::InPart(Vec::new())
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
            Self::InPart(opened) => {
                let opened = of_capture(opened, opening.capture);
                let stream = opened.len() as u32;
                opened.push(opening.number.0);
                stream
            }
        }
    }

    /// The frames that opened streams, in order and by capture, where tables count their own; to be asked for once.
    pub fn take_opened(&mut self) -> Vec<Vec<u32>> {
        match self {
            Self::AsTheyCome(_) => Vec::new(),
            Self::InPart(opened) => std::mem::take(opened),
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

/// The numbers of a table's streams among those of all tables: by capture, in the order in which that table opened them.
#[derive(Debug, Default)]
pub(super) struct StreamNumbers {
    by_capture: Vec<Vec<u32>>,
}

impl StreamNumbers {
    /// Of each table, by what all of them [opened](Numbering::take_opened).
    pub fn of(tables: &[Vec<Vec<u32>>]) -> Vec<Self> {
        let mut numbers: Vec<Self> = tables.iter().map(|_| Self::default()).collect();
        let captures = tables.iter().map(Vec::len).max().unwrap_or_default();
        for capture in 0..captures {
            let opened = tables.iter().map(|table| table.get(capture));
            let opened: Vec<&[u32]> = opened
                .map(|opened| opened.map_or(&[][..], Vec::as_slice))
                .collect();
            for (table, numbers) in numbers.iter_mut().zip(numbered(&opened)) {
                table.by_capture.push(numbers);
            }
        }
        numbers
    }

    /// The number of the stream that the table counted so.
    pub fn number(&self, capture: CaptureId, stream: u32) -> u32 {
        let streams = self.by_capture.get(usize::from(capture.0));
        let number = streams.and_then(|streams| streams.get(stream as usize));
        number.copied().unwrap_or_default()
    }
}

/// The numbers of one capture's streams, which several tables opened with these frames.
fn numbered(opened: &[&[u32]]) -> Vec<Vec<u32>> {
    let room = opened.iter().map(|opened| Vec::with_capacity(opened.len()));
    let mut numbers: Vec<Vec<u32>> = room.collect();
    let mut heads: Vec<(u32, usize, &[u32])> = Vec::with_capacity(opened.len());
    for (table, opened) in opened.iter().enumerate() {
        heads.extend(
            opened
                .split_first()
                .map(|(frame, rest)| (*frame, table, rest)),
        );
    }
    for number in 0.. {
        let first = heads.iter_mut().min_by_key(|(frame, ..)| *frame);
        let Some((frame, table, rest)) = first else {
            break;
        };
        if let Some(numbers) = numbers.get_mut(*table) {
            numbers.push(number);
        }
        match rest.split_first() {
            Some((next, after)) => (*frame, *rest) = (*next, after),
            None => {
                let over = *table;
                heads.retain(|(_, table, _)| *table != over);
            }
        }
    }
    numbers
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
        let mut parts = [(); 2].map(|()| Numbering::in_part());
        let provisional: Vec<u32> = openings
            .iter()
            .enumerate()
            .map(|(index, &(c, n))| parts[index % 2].next(frame(c, n)))
            .collect();
        let opened: Vec<_> = parts.iter_mut().map(Numbering::take_opened).collect();
        let numbers = StreamNumbers::of(&opened);
        let streams = openings.iter().zip(&provisional).zip(&expected);
        for (index, ((&(c, _), stream), number)) in streams.enumerate() {
            assert_eq!(numbers[index % 2].number(CaptureId(c), *stream), *number);
        }
        assert_eq!(expected, [0, 1, 0, 2, 1, 3]);
    }
}
