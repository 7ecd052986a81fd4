//! Both sides of a connection say the same again and again: of requests only the line differs, of responses the length of their
//! content. Those of the next connection may say it, too.

use std::num::NonZeroU16;

use super::fields::{Telling, Wishes};
use super::plain;

/// Longer texts are read anew each time.
const LONGEST: usize = 512;

/// Bytes that may be said again.
#[derive(Clone, Debug, Default)]
struct Said {
    /// Empty where there is nothing to compare with.
    text: Vec<u8>,
    telling: Telling,
}

impl Said {
    /// Looks at it: it is mostly short.
    #[inline(always)]
    fn look(&self) -> u64 {
        let at = |at: usize| self.text.get(at).copied().map_or(0, u64::from);
        at(0) ^ at(64) ^ self.text.last().copied().map_or(0, u64::from)
    }

    /// These parts, one after the other, unless they are too long.
    fn remember(&mut self, parts: [&[u8]; 2], telling: Telling) -> Option<()> {
        self.text.clear();
        let [one, other] = parts;
        if one.len() + other.len() > LONGEST {
            return None;
        }
        self.text.extend_from_slice(one);
        self.text.extend_from_slice(other);
        self.telling = telling;
        Some(())
    }

    /// Another connection would have to tell of itself what it tells: it is read there anew.
    fn is_of_one_connection(&self) -> bool {
        self.telling == Telling::Hints
    }
}

/// What stood behind the target of the request before: version and header section, if it says nothing of content. Whoever says it
/// again says nothing new.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeated {
    /// From the target to the empty line.
    said: Said,
    wishes: Wishes,
}

impl Repeated {
    /// Looks at what is compared.
    #[inline(always)]
    pub(super) fn look(&self) -> u64 {
        self.said.look()
    }

    /// What `behind` says that stands behind a target, and the length of it, where it was said before.
    #[inline]
    pub(super) fn again(&self, behind: &[u8]) -> Option<(Wishes, usize)> {
        let text = &self.said.text;
        let same = !text.is_empty() && behind.starts_with(text);
        same.then_some((self.wishes, text.len()))
    }

    /// The length of what stands before it, where `bytes` end with what was said before.
    #[inline(always)]
    pub(super) fn at_end(&self, bytes: &[u8]) -> Option<usize> {
        let text = &self.said.text;
        let line = bytes.strip_suffix(text.as_slice())?;
        (!text.is_empty()).then_some(line.len())
    }

    /// What was said before.
    pub(super) const fn wishes(&self) -> Wishes {
        self.wishes
    }

    /// A request was read that says this behind its target.
    pub(super) fn remember(&mut self, behind: &[u8], wishes: Wishes, telling: Telling) {
        if self.said.remember([behind, &[]], telling).is_some() {
            self.wishes = wishes;
        }
    }

    /// Another connection begins.
    pub(super) fn begin_anew(&mut self) {
        if self.said.is_of_one_connection() {
            self.forget();
        }
    }

    /// The request before this one was another one.
    pub(super) fn forget(&mut self) {
        self.said.text.clear();
    }
}

/// The first eight bytes of a text that mostly has no more, where the number is the last that a head says: those are looked at at once.
#[derive(Clone, Copy, Debug, Default)]
struct Ending {
    word: u64,
    /// Which bytes of the word it has.
    mask: u64,
}

impl Ending {
    fn of(text: &[u8]) -> Self {
        let mut first = [[0; 8]; 2];
        let [word, mask] = &mut first;
        for ((byte, kept), of_text) in word.iter_mut().zip(mask).zip(text) {
            (*byte, *kept) = (*of_text, 0xff);
        }
        let [word, mask] = first.map(u64::from_le_bytes);
        Self { word, mask }
    }

    /// `bytes` begin with `text`, whose ending this is.
    #[inline(always)]
    fn begins(self, bytes: &[u8], text: &[u8]) -> bool {
        match (bytes.split_first_chunk::<8>(), text.get(8..)) {
            (Some((first, _)), None) => (u64::from_le_bytes(*first) ^ self.word) & self.mask == 0,
            _ => bytes.starts_with(text),
        }
    }
}

/// The head of the response before, but for the length of its content, if that is all that it says of framing. Whoever says it again
/// says nothing else that is new.
#[derive(Clone, Debug, Default)]
pub(super) struct Formula {
    /// Without the digits.
    said: Said,
    /// Where those stood.
    number_at: usize,
    /// What stands behind them.
    ending: Ending,
    /// `None` where there is nothing to compare with.
    status: Option<NonZeroU16>,
}

/// A response as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Likewise {
    pub(super) status: NonZeroU16,
    /// How many bytes the head takes.
    pub(super) len: usize,
    /// How many the content.
    pub(super) content: u64,
}

impl Formula {
    /// Looks at what is compared.
    #[inline(always)]
    pub(super) fn look(&self) -> u64 {
        self.said.look()
    }

    /// What `bytes` begin with, where that was said before.
    #[inline(always)]
    pub(super) fn again(&self, bytes: &[u8]) -> Option<Likewise> {
        let (before, behind) = self.said.text.split_at_checked(self.number_at)?;
        let rest = bytes.strip_prefix(before)?;
        let (content, digits) = plain::number(rest);
        if digits == 0 || !self.ending.begins(rest.get(digits..)?, behind) {
            return None;
        }
        Some(Likewise {
            status: self.status?,
            len: self.said.text.len() + digits,
            content,
        })
    }

    /// A response was read with this head, whose digits stand there and say how long its content is.
    pub(super) fn remember(
        &mut self,
        head: &[u8],
        number_at: usize,
        status: u16,
        telling: Telling,
    ) {
        self.forget();
        if let Some((before, rest)) = head.split_at_checked(number_at)
            && let (_, digits) = plain::number(rest)
            && let Some(behind) = rest.get(digits..)
            && self.said.remember([before, behind], telling).is_some()
        {
            self.ending = Ending::of(behind);
            self.number_at = number_at;
            self.status = NonZeroU16::new(status);
        }
    }

    /// Another connection begins.
    pub(super) fn begin_anew(&mut self) {
        if self.said.is_of_one_connection() {
            self.forget();
        }
    }

    /// The response before this one was another one.
    pub(super) fn forget(&mut self) {
        self.status = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_begins_as_before_is_known() {
        let mut repeated = Repeated::default();
        assert_eq!(repeated.again(b""), None);
        assert_eq!(repeated.at_end(b""), None);
        let wishes = Wishes {
            expects_continue: true,
            ..Wishes::default()
        };
        let behind = b" HTTP/1.1\r\nHost: a\r\n\r\n";
        repeated.remember(behind, wishes, Telling::Nothing);
        assert_eq!(repeated.again(behind), Some((wishes, behind.len())));
        assert_eq!(repeated.at_end(behind), Some(0));
        let two = [&behind[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(repeated.again(&two), Some((wishes, behind.len())));
        assert_eq!(repeated.at_end(&two), None);
        let whole = [b"GET /a", &behind[..]].concat();
        assert_eq!(
            (repeated.at_end(&whole), repeated.wishes()),
            (Some(6), wishes)
        );
        assert_eq!(repeated.again(b" HTTP/1.1\r\nHost: b\r\n\r\n"), None);
        repeated.forget();
        assert_eq!(repeated.again(behind), None);
        assert_eq!(repeated.at_end(behind), None);
    }

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_the_same_text(text in "[ab]{0,10}", bytes in "[ab]{0,12}") {
            let ending = Ending::of(text.as_bytes());
            for bytes in [&bytes, &format!("{text}{bytes}")] {
                let same = bytes.starts_with(&text);
                prop_assert_eq!(ending.begins(bytes.as_bytes(), text.as_bytes()), same);
            }
        }
    }

    #[test]
    fn what_is_long_is_not_kept() {
        let mut repeated = Repeated::default();
        repeated.remember(b" HTTP/1.1\r\n\r\n", Wishes::default(), Telling::Nothing);
        let long = [b'a'; LONGEST + 1];
        repeated.remember(&long, Wishes::default(), Telling::Nothing);
        assert_eq!(repeated.again(&long), None);
        assert_eq!(repeated.again(b" HTTP/1.1\r\n\r\n"), None);
        let mut formula = Formula::default();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        formula.remember(head, 33, 200, Telling::Nothing);
        formula.remember(&long, 33, 200, Telling::Nothing);
        assert_eq!(formula.again(head), None);
    }

    #[test]
    fn only_the_length_of_the_content_may_differ() {
        let mut formula = Formula::default();
        let head = b"HTTP/1.1 203 \r\nContent-Length: 7\r\nServer: a\r\n\r\n";
        assert_eq!(formula.again(head), None);
        assert_eq!(formula.again(b""), None);
        formula.remember(head, 31, 203, Telling::Nothing);
        let content = |head: &[u8]| {
            let likewise = formula.again(head)?;
            assert_eq!((likewise.status.get(), likewise.len), (203, head.len() - 2));
            Some(likewise.content)
        };
        for (number, length) in [("7", Some(7)), ("123", Some(123)), ("", None), ("7 ", None)] {
            let head = format!("HTTP/1.1 203 \r\nContent-Length: {number}\r\nServer: a\r\n\r\nok");
            assert_eq!(content(head.as_bytes()), length);
        }
        let other = b"HTTP/1.1 203 \r\nContent-Length: 7\r\nServer: b\r\n\r\n";
        assert_eq!(formula.again(other), None);
        assert_eq!(formula.again(&head[..head.len() - 1]), None);
        formula.forget();
        assert_eq!(formula.again(head), None);
    }
}
