//! Request lines as most are: so short that all of their bytes are looked at together.

#[cfg(doc)]
use super::plain;
use super::plain::{HIGH, ONES};
use crate::dialogue::summary::{SHORT, ShortWords};

/// How they begin.
const VERB: &[u8; 4] = b"GET ";

/// Makes another byte of the space among the first eight, which a path has not.
const SPACE: u64 = 0x40 << 24;

/// Reads a request line of `len` bytes, its target included: GET and a short path. More bytes follow.
#[inline(always)]
pub(super) fn line(bytes: &[u8], len: usize) -> Option<ShortWords> {
    if !(VERB.len() + 1..=SHORT).contains(&len) {
        return None;
    }
    let bytes = bytes.first_chunk::<32>()?;
    let is_line = bytes.starts_with(VERB) && matches!(bytes.get(VERB.len()), Some(b'/' | b'*'));
    if !is_line {
        return None;
    }
    let (words, found) = ShortWords::of(bytes, len, |index, word| match index {
        0 => unusual(word | SPACE),
        _ => unusual(word),
    });
    (found & HIGH == 0).then_some(words)
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
    use crate::dialogue::summary::RequestSummary;

    proptest! {
        #[test]
        fn a_short_line_is_a_line(
            start in prop_oneof![9 => Just("GET "), 1 => Just("PUT "), 1 => Just("GET")],
            path in prop_oneof!["[/*][!-~]{0,32}", "[/a][a-z]{0,32}"],
            rest in prop_oneof![9 => Just(" HTTP/1.1\r\nHost: example\r\n\r\n"), 1 => Just(" ")],
        ) {
            let said = format!("{start}{path}");
            let bytes = format!("{said}{rest}").into_bytes();
            if let Some(words) = line(&bytes, said.len()) {
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
