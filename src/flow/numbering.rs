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
    /// Of one table, by what all of them [opened](Numbering::take_opened).
    pub fn of(table: usize, opened: &[Vec<Vec<u32>>]) -> Self {
        let captures = opened.get(table).map_or(0, Vec::len);
        let by_capture = (0..captures).map(|capture| {
            let of_capture = opened.iter().map(|opened| opened.get(capture));
            let of_capture: Vec<&[u32]> = of_capture
                .map(|opened| opened.map_or(&[][..], Vec::as_slice))
                .collect();
            numbered(table, &of_capture)
        });
        Self {
            by_capture: by_capture.collect(),
        }
    }

    /// The number of the stream that the table counted so.
    pub fn number(&self, capture: CaptureId, stream: u32) -> u32 {
        let streams = self.by_capture.get(usize::from(capture.0));
        let number = streams.and_then(|streams| streams.get(stream as usize));
        number.copied().unwrap_or_default()
    }
}

/// The numbers of one table's streams in a capture, where tables opened streams with these frames: each stream comes behind those that
/// its own table opened before, and those that the others did.
fn numbered(table: usize, opened: &[&[u32]]) -> Vec<u32> {
    let own = opened.get(table).copied().unwrap_or_default();
    let mut numbers: Vec<u32> = (0..own.len() as u32).collect();
    for (other, opened) in opened
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != table)
    {
        let mut before = 0;
        for (number, frame) in numbers.iter_mut().zip(own) {
            let rest = opened.get(before..).unwrap_or_default();
            let more = rest
                .iter()
                .take_while(|opened| (**opened, other) < (*frame, table));
            before += more.count();
            *number += before as u32;
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
        let numbers = [0, 1].map(|table| StreamNumbers::of(table, &opened));
        let streams = openings.iter().zip(&provisional).zip(&expected);
        for (index, ((&(c, _), stream), number)) in streams.enumerate() {
            assert_eq!(numbers[index % 2].number(CaptureId(c), *stream), *number);
        }
        assert_eq!(expected, [0, 1, 0, 2, 1, 3]);
    }
}
