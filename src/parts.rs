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
    let parts = count.div_ceil(size);
    let helpers = cores().min(parts).saturating_sub(1);
    let next = AtomicUsize::new(0);
    let work_through = || {
        let mut done = Vec::new();
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return done;
            }
            let start = part * size;
            done.push((part, work(start..count.min(start + size))));
        }
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
    done.sort_by_key(|(part, _)| *part);
    done.into_iter().map(|(_, result)| result).collect()
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
    fn each_of_a_few_is_worked_on_once() {
        for count in [0, 1, 4, 9] {
            let mut things = vec![0; count];
            on_each(&mut things, 2, |thing| *thing += 1);
            assert_eq!(things, vec![1; count]);
        }
    }
}
