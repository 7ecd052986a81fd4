//! Work on many connections, done in parts on every core.

use std::num::NonZero;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Builder, available_parallelism};

/// Connections in a part that are looked at: a second thread pays from the second part on. Parts do not depend on the number of
/// cores, so neither does what is made of them.
pub const LOOKED_AT: usize = 2_048;
/// Those that are judged, which takes a hundred times as long.
pub const JUDGED: usize = 32;
/// Findings that are compared with a connection.
pub const COMPARED: usize = 256;

/// Threads that can run at once. The system is asked only once: it looks into several files for that.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, NonZero::get))
}

/// Does `work` on every part of `0..count`, each so large; the results are in the order of the parts.
pub fn in_parts<T: Send>(
    count: usize,
    size: usize,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    gather(count, size, || (), |(), range| work(range)).1
}

/// The same; each thread gathers something besides. Which parts it gathered it from depends on chance, so what is made of all that was
/// gathered must not.
pub fn gather<S: Send, T: Send>(
    count: usize,
    size: usize,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Range<usize>) -> T + Sync,
) -> (Vec<S>, Vec<T>) {
    let parts = count.div_ceil(size);
    let helpers = cores().min(parts).saturating_sub(1);
    let next = AtomicUsize::new(0);
    let work_through = || {
        let (mut gathered, mut done) = (begin(), Vec::new());
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return (gathered, done);
            }
            let start = part * size;
            let range = start..count.min(start + size);
            done.push((part, work(&mut gathered, range)));
        }
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        // Where the system gives no more threads, this one does all.
        let threads: Vec<_> = (0..helpers)
            .map_while(|_| Builder::new().spawn_scoped(scope, work_through).ok())
            .collect();
        let own = work_through();
        let others = threads.into_iter();
        let others =
            others.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(own).chain(others).collect()
    });
    let (gathered, done): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_by_key(|(part, _)| *part);
    (
        gathered,
        done.into_iter().map(|(_, result)| result).collect(),
    )
}

/// Does `work` on each of a few things, in parts of so many.
pub fn on_each<T: Send>(things: &mut [T], size: usize, work: impl Fn(&mut T) + Sync) {
    let things: Vec<Mutex<&mut T>> = things.iter_mut().map(Mutex::new).collect();
    in_parts(things.len(), size, |range| {
        for thing in &things[range] {
            work(&mut thing.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
}

/// Does both at once where that pays.
pub fn at_once<A: Send, B>(
    count: usize,
    one: impl Fn() -> A + Sync,
    other: impl FnOnce() -> B,
) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = (count > LOOKED_AT).then(|| Builder::new().spawn_scoped(scope, &one).ok());
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
        for count in [0, 1, 64, 65, 7 * 64 + 3] {
            let parts = in_parts(count, 64, |range| range.collect::<Vec<_>>());
            let all: Vec<usize> = parts.into_iter().flatten().collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn all_that_is_gathered_is_there_once() {
        for count in [0, 1, 7 * 64 + 3] {
            let (gathered, sizes) = gather(count, 64, Vec::new, |all: &mut Vec<usize>, range| {
                all.extend(range.clone());
                range.len()
            });
            let mut all = gathered.concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            assert_eq!(sizes.iter().sum::<usize>(), count);
        }
    }

    #[test]
    fn each_of_a_few_is_worked_on_once() {
        for count in [0, 1, 4, 9] {
            let mut things = vec![0; count];
            on_each(&mut things, 2, |thing| *thing += 1);
            assert_eq!(things, vec![1; count]);
        }
    }
}
