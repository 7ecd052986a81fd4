//! Clients say the same with every request of a connection: only the line differs.

use super::fields::Wishes;

/// Longer header sections are read anew each time.
const LONGEST: usize = 512;

/// What stood behind the target of the request before: version and header section, if it says nothing of content. Whoever says it
/// again says nothing new.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeated {
    /// From the target to the empty line; empty where there is nothing to compare with.
    text: Vec<u8>,
    wishes: Wishes,
}

impl Repeated {
    /// What `behind` says that stands behind a target, and the length of it, where it was said before.
    #[inline]
    pub(super) fn again(&self, behind: &[u8]) -> Option<(Wishes, usize)> {
        let same = !self.text.is_empty() && behind.starts_with(&self.text);
        same.then_some((self.wishes, self.text.len()))
    }

    /// A request was read that says this behind its target.
    pub(super) fn remember(&mut self, behind: &[u8], wishes: Wishes) {
        self.text.clear();
        if behind.len() <= LONGEST {
            self.text.extend_from_slice(behind);
            self.wishes = wishes;
        }
    }

    /// The request before this one was another one.
    pub(super) fn forget(&mut self) {
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_as_before_is_known() {
        let mut repeated = Repeated::default();
        assert_eq!(repeated.again(b""), None);
        let wishes = Wishes {
            expects_continue: true,
            ..Wishes::default()
        };
        let behind = b" HTTP/1.1\r\nHost: a\r\n\r\n";
        repeated.remember(behind, wishes);
        assert_eq!(repeated.again(behind), Some((wishes, behind.len())));
        let two = [&behind[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(repeated.again(&two), Some((wishes, behind.len())));
        assert_eq!(repeated.again(b" HTTP/1.1\r\nHost: b\r\n\r\n"), None);
        repeated.forget();
        assert_eq!(repeated.again(behind), None);
    }

    #[test]
    fn what_is_long_is_not_kept() {
        let mut repeated = Repeated::default();
        repeated.remember(b" HTTP/1.1\r\n\r\n", Wishes::default());
        let long = [b'a'; LONGEST + 1];
        repeated.remember(&long, Wishes::default());
        assert_eq!(repeated.again(&long), None);
        assert_eq!(repeated.again(b" HTTP/1.1\r\n\r\n"), None);
    }
}
