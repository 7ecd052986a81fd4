//! Request lines as most are: so short that all of their bytes are looked at together.

use crate::dialogue::summary::{SHORT, ShortWords};

/// How a short line begins.
const VERB: &[u8; 4] = b"GET ";

/// Which bytes of so many there are, for each number of bytes.
const KEPT: [[u8; 32]; 32] = first_bytes(0);
/// And which of them have to be of a path's [usual](is_usual) ones: all but the space.
const USUAL: [[u8; 32]; 32] = first_bytes(1 << 3);

/// All bits of the first bytes, but for `others`.
const fn first_bytes(others: u32) -> [[u8; 32]; 32] {
    let mut first = [[0; 32]; 32];
    let mut len = 0;
    while len < 32 {
        let mut index = 0;
        while index < len {
            if others >> index & 1 == 0 {
                first[len][index] = 0xff;
            }
            index += 1;
        }
        len += 1;
    }
    first
}

/// Reads a request line of `len` bytes, its target included: GET and a short path, so that it can be looked at as a whole. More bytes
/// follow.
#[inline(always)]
pub(super) fn line(bytes: &[u8], len: usize) -> Option<ShortWords> {
    if !(VERB.len() + 1..=SHORT).contains(&len) {
        return None;
    }
    let bytes = bytes.first_chunk::<32>()?;
    let mut text = *bytes;
    for (byte, kept) in text.iter_mut().zip(KEPT.get(len)?) {
        *byte &= kept;
    }
    let mut usual = text;
    for byte in &mut usual {
        *byte = is_usual(*byte);
    }
    let is_line = usual == *USUAL.get(len)?
        && bytes.starts_with(VERB)
        && matches!(bytes.get(VERB.len()), Some(b'/' | b'*'));
    match is_line {
        true => Some(ShortWords::new(text, len as u8)),
        false => None,
    }
}

/// All bits of `$` to `9` and of `@` to `~`, of which nearly all paths consist, and none of another byte, without a branch: many are
/// looked at in a few steps. Something is added so that they are the highest ones there are.
#[inline(always)]
fn is_usual(byte: u8) -> u8 {
    let above = |byte: u8, limit: u8| u8::from(byte as i8 > limit as i8).wrapping_neg();
    let sign_or_digit = above(byte.wrapping_add(0x7f - b'9'), 0x7f - b'9' + b'$' - 1);
    let letter_or_sign = above(byte.wrapping_add(0x7f - b'~'), 0x7f - b'~' + b'@' - 1);
    sign_or_digit | letter_or_sign
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line::Method;
    use super::super::plain::{is_path, request_line};
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
                let is_path = path.bytes().all(|byte| is_usual(byte) != 0) && path.starts_with(['/', '*']);
                prop_assert!(!(is_short && is_path));
            }
        }

        #[test]
        fn usual_bytes_are_some_of_a_path(byte: u8) {
            let is_some = matches!(byte, b'$'..=b'9' | b'@'..=b'~');
            prop_assert_eq!(is_usual(byte), if is_some { 0xff } else { 0 });
            prop_assert!(is_path(byte) || !is_some);
        }
    }
}
