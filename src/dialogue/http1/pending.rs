//! Requests whose responses have not ended.

use std::collections::VecDeque;

use super::fields::{Upgrade, Wishes};
use super::line::Method;
use crate::dialogue::ledger::ExchangeId;

/// More pipelined ones than this are forgotten, oldest first.
const MOST: usize = 1024;

/// A request whose response has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) id: ExchangeId,
    pub(super) asked: Asked,
}

/// What a request's head says about its response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) upgrade: Upgrade,
    /// It waits for `100 Continue` before it sends its body, none of which has been seen.
    pub(super) expects_continue: bool,
}

impl Asked {
    /// With that method, and what else is said of the response.
    pub(super) const fn with(method: Method, wishes: Wishes) -> Self {
        Self {
            method,
            upgrade: wishes.upgrade,
            expects_continue: wishes.expects_continue,
        }
    }
}

/// Requests in the order in which they are answered. Nearly always there is one or none, which takes no memory but its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    first: Option<Pending>,
    /// Empty where there is no first one.
    further: VecDeque<Pending>,
}

impl Queue {
    /// Adds the newest, and gives the one forgotten for it.
    #[inline]
    pub(super) fn push(&mut self, pending: Pending) -> Option<Pending> {
        match self.first {
            Some(first) => self.push_further(first, pending),
            None => {
                self.first = Some(pending);
                None
            }
        }
    }

    #[inline(never)]
    fn push_further(&mut self, first: Pending, pending: Pending) -> Option<Pending> {
        let full = self.further.len() + 1 >= MOST;
        self.further.push_back(pending);
        full.then(|| {
            self.pop();
            first
        })
    }

    /// The oldest, which is answered next.
    pub(super) const fn first(&self) -> Option<Pending> {
        self.first
    }

    /// Adds one to none.
    #[inline(always)]
    pub(super) const fn begin(&mut self, only: Pending) {
        debug_assert!(self.first.is_none());
        self.first = Some(only);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.further.len()
    }

    /// The only one was answered.
    #[inline(always)]
    pub(super) fn end(&mut self) {
        debug_assert!(!self.is_pipelined());
        self.first = None;
    }

    /// The newest.
    pub(super) fn last_mut(&mut self) -> Option<&mut Pending> {
        self.further.back_mut().or(self.first.as_mut())
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.first = None;
        self.further.clear();
    }

    /// There are several.
    pub(super) fn is_pipelined(&self) -> bool {
        !self.further.is_empty()
    }

    /// The oldest was answered.
    #[inline]
    pub(super) fn pop(&mut self) {
        match self.further.is_empty() {
            true => self.first = None,
            false => self.pop_further(),
        }
    }

    #[inline(never)]
    fn pop_further(&mut self) {
        self.first = self.further.pop_front();
    }

    /// That one waits no more.
    pub(super) fn remove(&mut self, id: ExchangeId) {
        if self.first.is_some_and(|first| first.id == id) {
            self.pop();
        }
        self.further.retain(|pending| pending.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::ledger::Ledger;
    use crate::flow::Mark;

    fn some(count: usize) -> Vec<Pending> {
        let mut ledger = Ledger::default();
        let begin = |_| Pending {
            id: ledger.begin(Mark::default()),
            asked: Asked::default(),
        };
        (0..count).map(begin).collect()
    }

    #[test]
    fn the_oldest_comes_first() {
        let [a, b, c] = some(3).try_into().unwrap();
        let mut queue = Queue::default();
        for pending in [a, b, c] {
            assert_eq!(queue.push(pending), None);
            assert_eq!(queue.first(), Some(a));
            assert_eq!(queue.last_mut(), Some(&mut pending.clone()));
        }
        assert!(queue.is_pipelined());
        queue.remove(b.id);
        queue.pop();
        assert_eq!(queue.first(), Some(c));
        assert!(!queue.is_pipelined());
        queue.remove(c.id);
        assert_eq!(queue.first(), None);
        assert_eq!(queue.last_mut(), None);
        queue.push(a);
        queue.push(b);
        queue.remove(a.id);
        assert_eq!(queue.first(), Some(b));
    }

    #[test]
    fn the_oldest_make_room() {
        let all = some(MOST + 2);
        let mut queue = Queue::default();
        let forgotten: Vec<_> = all.iter().filter_map(|one| queue.push(*one)).collect();
        assert_eq!(forgotten, all[..2]);
        assert_eq!(queue.first(), Some(all[2]));
    }
}
