//! Work on many connections, done in parts on every core.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

/// Connections in a part: a second thread pays from the second part on. Parts do not depend on the number of cores, so neither does
/// what is made of them.
const PART: usize = 2_048;

/// Does `work` on every part of `0..count`; the results are in the order of the parts.
pub fn in_parts<T: Send>(count: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let parts = (0..count.div_ceil(PART)).map(|part| part * PART..count.min((part + 1) * PART));
    each(parts, work)
}

/// Does `work` on every part of `places`, of which it is told where the first one is; the results are in the order of the parts.
pub fn fill_in_parts<P: Send, T: Send>(
    places: &mut [P],
    work: impl Fn(usize, &mut [P]) -> T + Sync,
) -> Vec<T> {
    let parts = places.chunks_mut(PART).enumerate();
    each(parts, |(part, places)| work(part * PART, places))
}

fn each<P: Send, T: Send>(
    parts: impl ExactSizeIterator<Item = P> + Send,
    work: impl Fn(P) -> T + Sync,
) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let helpers = cores.min(parts.len()).saturating_sub(1);
    let waiting = Mutex::new(parts.enumerate());
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    let work_through = || {
        let mut done = Vec::new();
        while let Some((place, part)) = next() {
            done.push((place, work(part)));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        // Where the system gives no more threads, this one does all.
        let threads: Vec<_> = (0..helpers)
            .map_while(|_| Builder::new().spawn_scoped(scope, work_through).ok())
            .collect();
        let mut done = work_through();
        for thread in threads {
            done.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Does both at once where that pays.
pub fn at_once<A: Send, B>(
    count: usize,
    one: impl Fn() -> A + Sync,
    other: impl FnOnce() -> B,
) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = (count > PART).then(|| Builder::new().spawn_scoped(scope, &one).ok());
        let other = other();
        let one = match thread.flatten() {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            None => one(),
        };
        (one, other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        for count in [0, 1, PART, PART + 1, 7 * PART + 3] {
            let parts = in_parts(count, |range| range.collect::<Vec<_>>());
            let all: Vec<usize> = parts.into_iter().flatten().collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            let mut places = vec![0; count];
            let sums = fill_in_parts(&mut places, |first, part| {
                part.iter_mut()
                    .zip(first..)
                    .for_each(|(place, index)| *place += index);
                part.len()
            });
            assert_eq!(places, all);
            assert_eq!(sums.iter().sum::<usize>(), count);
        }
    }
}
