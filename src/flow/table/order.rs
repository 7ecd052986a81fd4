//! The order in which connections were opened, and the numbers that they have by it.

use super::Table;
use crate::flow::numbering::StreamNumbers;
use crate::flow::{Held, StreamReader};

impl<R: StreamReader> Table<R> {
    /// Every connection still held, in the order in which they were opened.
    pub fn connections(&self) -> Vec<Held<'_, R>> {
        in_order(std::slice::from_ref(self))
    }

    fn each_held(&self) -> impl Iterator<Item = Held<'_, R>> + Clone {
        self.each().map(|kept| self.held_as(kept))
    }

    /// The frames that opened streams, by capture, where streams are not numbered as they come; to be asked for once.
    pub(in crate::flow) fn take_opened(&mut self) -> Vec<Vec<u32>> {
        self.numbering.take_opened()
    }

    /// Streams get the numbers that they have among those of all tables. Nothing can be taken any more after this.
    pub(in crate::flow) fn renumber(&mut self, numbers: &StreamNumbers) {
        // The report is written in the memory that waited for connections.
        self.spare = Vec::new();
        let held = self.kept.iter_mut().flatten().chain(&mut self.replaced);
        for connection in held {
            connection
                .streams_mut()
                .renumber(|capture, stream| numbers.number(capture, stream));
        }
        for (capture, stream) in self.answers.values_mut().flatten() {
            *stream = numbers.number(*capture, *stream);
        }
        for group in self.refusals.groups_mut() {
            let (capture, stream) = group.first.stream;
            group.first.stream = (capture, numbers.number(capture, stream));
        }
    }
}

/// All that these tables hold, in the order in which it was opened: by the stream that it was seen as first, then by time.
pub(in crate::flow) fn in_order<R: StreamReader>(tables: &[Table<R>]) -> Vec<Held<'_, R>> {
    let each = || tables.iter().flat_map(Table::each_held);
    let mut keys = Vec::with_capacity(tables.iter().map(Table::held).sum());
    each().for_each(|held| {
        let (capture, stream) = held.first();
        keys.push(u64::from(capture.0) << 32 | u64::from(stream));
    });
    sorted(each(), &keys, |held| (held.first(), held.opened()))
}

/// These in the order of their `keys`, and those of one key in their own order.
///
/// Streams are numbered in the order in which they were opened, and most of them are held: put into about as many buckets as there are
/// connections, each mostly has one of its own.
fn sorted<T: Copy, O: Ord>(
    each: impl Iterator<Item = T> + Clone,
    keys: &[u64],
    order: impl Fn(&T) -> O,
) -> Vec<T> {
    let any = each.clone().next();
    let (Some(any), Some(least), Some(most)) = (any, keys.iter().min(), keys.iter().max()) else {
        return Vec::new();
    };
    let room = 2 * keys.len() as u64;
    let shift = (0..u64::BITS).find(|shift| (most - least) >> shift <= room);
    let shift = shift.unwrap_or_default();
    let bucket = |key: u64| (key.wrapping_sub(*least) >> shift) as usize;
    let mut ends = vec![0_u32; bucket(*most) + 1];
    for key in keys {
        ends[bucket(*key)] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    let mut all = vec![any; keys.len()];
    let mut keys = keys.iter();
    each.for_each(|thing| {
        if let Some(key) = keys.next() {
            let end = &mut ends[bucket(*key)];
            all[*end as usize] = thing;
            *end += 1;
        }
    });
    let mut start = 0;
    for end in ends.into_iter().map(|end| end as usize) {
        if end - start > 1 {
            all[start..end].sort_by_key(&order);
        }
        start = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sorted;

    proptest! {
        #[test]
        fn buckets_change_no_order(
            things: Vec<(u16, u8)>,
            (capture, spread) in (0_u64..3, 0_u32..40),
        ) {
            let key = |thing: &(u16, u8)| (u64::from(thing.0) << spread) + (capture << 32);
            let keys: Vec<u64> = things.iter().map(key).collect();
            let mut expected = things.clone();
            expected.sort();
            prop_assert_eq!(sorted(things.iter().copied(), &keys, |thing| *thing), expected);
        }
    }
}
