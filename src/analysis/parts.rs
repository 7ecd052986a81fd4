//! Work on many connections, done in parts on every core.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Connections in a part: a second thread pays from the second part on. Parts do not depend on the number of cores, so neither does
/// what is made of them.
const PART: usize = 2_048;

/// Does `work` on every part of `0..count`; the results are in the order of the parts.
pub fn in_parts<T: Send>(count: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let parts = count.div_ceil(PART);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let helpers = cores.min(parts).saturating_sub(1);
    let next = AtomicUsize::new(0);
    let work_through = || {
        let mut done = Vec::new();
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return done;
            }
            let start = part * PART;
            done.push((part, work(start..count.min(start + PART))));
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
        }
    }
}
