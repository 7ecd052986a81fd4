//! Request lines as most are: so short that all of their bytes are looked at together.

use std::fmt;

#[cfg(doc)]
use super::plain;
use super::plain::{HIGH, ONES};
use crate::dialogue::fingerprint::Fingerprint;
use crate::dialogue::summary::SHORT;

/// How they begin.
const VERB: &[u8; 4] = b"GET ";

/// Makes another byte of the space among the first eight, which a path has not.
const SPACE: u64 = 0x40 << 24;

/// The first eight bytes of a line: the next one mostly begins so, too, and they need not be looked at again.
#[derive(Clone, Copy)]
pub(super) struct Start {
    word: u64,
    hash: Fingerprint,
}

/// As any.
impl Default for Start {
    fn default() -> Self {
        let word = *b"GET /api";
        Self {
            word: u64::from_le_bytes(word),
            hash: Fingerprint::of(&word),
        }
    }
}

/// Which one it is makes no difference.
impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Start")
    }
}

impl Start {
    /// The first bytes, if they begin with a request line of `len` bytes, its target included: GET and a short path. And that line's
    /// hash.
    #[inline(always)]
    pub(super) fn line<'a>(
        &mut self,
        bytes: &'a [u8],
        len: usize,
    ) -> Option<(&'a [u8; 32], Fingerprint)> {
        if len > SHORT {
            return None;
        }
        let bytes = bytes.first_chunk::<32>()?;
        let (words, _) = bytes.as_chunks::<8>();
        let (first, further) = words.split_first()?;
        let first = u64::from_le_bytes(*first);
        if len < 8 {
            return tiny(first, len).map(|hash| (bytes, hash));
        }
        if first != self.word {
            *self = Self::of(first)?;
        }
        let mut hash = self.hash;
        let mut found = 0;
        for (index, word) in (1..).zip(further) {
            let word = u64::from_le_bytes(*word);
            if index == len / 8 {
                let of_text = of_text(len);
                found |= unusual(word) & of_text;
                hash.end(word & of_text, len);
                break;
            }
            found |= unusual(word);
            hash.add(word);
        }
        (found & HIGH == 0).then_some((bytes, hash))
    }

    #[inline(never)]
    fn of(word: u64) -> Option<Self> {
        let mut hash = Fingerprint::default();
        hash.add(word);
        is_start(word, u64::MAX).then_some(Self { word, hash })
    }
}

/// Hash of the line if it has fewer than eight bytes.
#[inline(never)]
fn tiny(word: u64, len: usize) -> Option<Fingerprint> {
    let mut hash = Fingerprint::default();
    hash.end(word & of_text(len), len);
    (len > VERB.len() && is_start(word, of_text(len))).then_some(hash)
}

/// Which bits of the last word are of a text of so many bytes.
#[inline(always)]
const fn of_text(len: usize) -> u64 {
    !(u64::MAX << (len % 8 * 8))
}

/// A line may begin with these bytes.
fn is_start(word: u64, of_text: u64) -> bool {
    let [verb @ .., target, _, _, _] = word.to_le_bytes();
    verb == *VERB && matches!(target, b'/' | b'*') && unusual(word | SPACE) & of_text & HIGH == 0
}

/// Neither `$` to `9` nor `@` to `~`, of which nearly all paths consist: the high bits of [such](plain::run) bytes. Less is to be
/// looked at than for all that a path may have.
const fn unusual(word: u64) -> u64 {
    let from_dollar = word.wrapping_add(ONES * (0x80 - b'$' as u64));
    let above_nine = word.wrapping_add(ONES * (0x7f - b'9' as u64));
    // Those are above nine, too.
    let from_at = word.wrapping_add(ONES * (0x80 - b'@' as u64));
    !from_dollar | (above_nine ^ from_at) | word.wrapping_add(ONES) | word
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line::Method;
    use super::super::plain::{is_path, request_line, run};
    use super::*;
    use crate::dialogue::exchange::{Idempotence, Request};
    use crate::dialogue::summary::{RequestSummary, ShortWords};

    proptest! {
        #[test]
        fn a_short_line_is_a_line(
            start in prop_oneof![9 => Just("GET "), 1 => Just("PUT "), 1 => Just("GET")],
            path in prop_oneof!["[/*][!-~]{0,32}", "[/a][a-z]{0,32}"],
            rest in prop_oneof![9 => Just(" HTTP/1.1\r\nHost: example\r\n\r\n"), 1 => Just(" ")],
        ) {
            let said = format!("{start}{path}");
            let bytes = format!("{said}{rest}").into_bytes();
            let mut before = Start::default();
            for _ in 0..2 {
            if let Some((text, hash)) = before.line(&bytes, said.len()) {
                let mut words = ShortWords::default();
                words.become_text((text, said.len()), &hash);
                let (any, behind) = request_line(&bytes).unwrap();
                let mut what = Request::default();
                what.fingerprint = any.describe(&mut what).value();
                prop_assert_eq!(any.method(), Method::Other);
                prop_assert_eq!(what.idempotence, Some(Idempotence::Idempotent));
                prop_assert_eq!(what.summary, Some(RequestSummary::from(&words)));
                prop_assert_eq!(what.fingerprint, words.hash().get());
                prop_assert_eq!(behind, rest.as_bytes());
            } else {
                let is_short = start == "GET " && said.len() <= SHORT && bytes.len() >= 32;
                let is_path = path.bytes().all(is_usual) && path.starts_with(['/', '*']);
                prop_assert!(!(is_short && is_path));
            }
            }
        }

        #[test]
        fn eight_usual_bytes_are_those_of_paths(
            text in prop_oneof!["[!-~]{0,20}", "[a-z/0-9]{0,20}"],
            bytes: Vec<u8>,
        ) {
            let message = [text.as_bytes(), &bytes].concat();
            let len = |kind: fn(u8) -> bool| message.iter().take_while(|b| kind(**b)).count();
            prop_assert_eq!(run(&message, unusual, is_usual), len(is_usual));
            prop_assert!(message.iter().all(|b| is_path(*b) || !is_usual(*b)));
        }
    }

    fn is_usual(byte: u8) -> bool {
        matches!(byte, b'$'..=b'9' | b'@'..=b'~')
    }
}
