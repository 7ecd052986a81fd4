//! The options behind a TCP header.

use super::{SeqNumber, TcpOptions, Timestamps};

/// IANA "TCP Option Kind Numbers".
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NO_OPERATION: u8 = 1;
    pub(super) const MAXIMUM_SEGMENT_SIZE: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
    pub(super) const MPTCP: u8 = 30;
}

/// What a header's options say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// There is any besides padding.
    pub any: bool,
    pub timestamps: Option<Timestamps>,
    pub others: TcpOptions,
}

/// Reads what can be read; a broken option ends the list (RFC 9293 section 3.1).
#[inline]
pub(super) fn read_options(bytes: &[u8]) -> Options {
    match timestamps_alone(bytes) {
        Some(timestamps) => Options {
            any: true,
            timestamps: Some(timestamps),
            ..Options::default()
        },
        None if bytes.is_empty() => Options::default(),
        None => Options::parse(bytes),
    }
}

/// What every segment of most connections carries: timestamps after two NOPs (RFC 7323 appendix A), and nothing else.
#[inline(always)]
pub(super) fn timestamps_alone(options: &[u8]) -> Option<Timestamps> {
    /// The NOPs, kind and length.
    const BEFORE: [u8; 4] = [kind::NO_OPERATION, kind::NO_OPERATION, kind::TIMESTAMPS, 10];
    let &[n0, n1, kind, len, a, b, c, d, e, f, g, h] = <&[u8; 12]>::try_from(options).ok()?;
    ([n0, n1, kind, len] == BEFORE).then_some(Timestamps {
        value: u32::from_be_bytes([a, b, c, d]),
        echo: u32::from_be_bytes([e, f, g, h]),
    })
}

impl Options {
    fn parse(mut bytes: &[u8]) -> Self {
        let mut options = Self::default();
        while let Some((&kind, rest)) = bytes.split_first() {
            match kind {
                kind::END => break,
                kind::NO_OPERATION => bytes = rest,
                _ => {
                    options.any = true;
                    // The length counts kind and length, too.
                    let len = rest.first().map_or(0, |len| usize::from(*len));
                    let Some(body) = bytes.get(2..len) else {
                        break;
                    };
                    options.take(kind, body);
                    bytes = bytes.get(len..).unwrap_or_default();
                }
            }
        }
        options
    }

    /// An option of a kind that is not known, or of another length than its kind has, says nothing.
    fn take(&mut self, kind: u8, body: &[u8]) {
        /// Subtype of MP_TCPRST (RFC 8684 section 3.6).
        const MP_TCPRST: u8 = 8;
        let others = &mut self.others;
        match (kind, body) {
            (kind::MAXIMUM_SEGMENT_SIZE, &[a, b]) => {
                others.mss = Some(u16::from_be_bytes([a, b]));
            }
            (kind::WINDOW_SCALE, &[shift]) => others.window_scale = Some(shift),
            (kind::SACK_PERMITTED, []) => others.sack_permitted = true,
            (kind::TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                self.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([a, b, c, d]),
                    echo: u32::from_be_bytes([e, f, g, h]),
                });
            }
            (kind::SACK, blocks) => {
                // One to four (RFC 2018 section 3).
                if let (blocks @ [_, ..], []) = blocks.as_chunks()
                    && blocks.len() <= 4
                {
                    blocks.iter().for_each(|block| others.take_block(block));
                }
            }
            (kind::MPTCP, &[subtype, reason, ..]) if subtype >> 4 == MP_TCPRST => {
                others.mptcp_reset_reason = Some(reason);
            }
            _ => {}
        }
    }
}

impl TcpOptions {
    fn take_block(&mut self, &[a, b, c, d, e, f, g, h]: &[u8; 8]) {
        let left = SeqNumber(u32::from_be_bytes([a, b, c, d]));
        let right = SeqNumber(u32::from_be_bytes([e, f, g, h]));
        self.sack_first_left.get_or_insert(left);
        let known = self.sack_right_edge;
        self.sack_right_edge = Some(known.map_or(right, |known| known.later(right)));
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{TcpOptionElement, TcpOptionsIterator};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_unknown_option_is_stepped_over() {
        // Fast open (34), and a maximum segment size of the wrong length, before a window scale.
        let options = Options::parse(&[34, 4, 1, 2, 2, 5, 5, 0xb4, 0, 3, 3, 7]);
        assert_eq!(
            (options.others.mss, options.others.window_scale),
            (None, Some(7))
        );
    }

    #[test]
    fn a_linux_syn() {
        let options = Options::parse(&[
            2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
        ]);
        assert_eq!(options.others.mss, Some(1460));
        assert!(options.any && options.others.sack_permitted);
        assert_eq!(options.others.window_scale, Some(7));
        assert_eq!(options.timestamps, Some(Timestamps { value: 7, echo: 0 }));
    }

    #[test]
    fn sack_blocks_give_the_first_left_and_the_highest_right_edge() {
        let mut bytes = vec![1, 1, 5, 18];
        for edge in [3000u32, 4000, 5000, 6000] {
            bytes.extend(edge.to_be_bytes());
        }
        let options = Options::parse(&bytes);
        assert_eq!(options.others.sack_first_left, Some(SeqNumber(3000)));
        assert_eq!(options.others.sack_right_edge, Some(SeqNumber(6000)));
    }

    #[test]
    fn mp_tcprst_gives_its_reason() {
        assert_eq!(
            Options::parse(&[30, 4, 0x80, 0x03])
                .others
                .mptcp_reset_reason,
            Some(3)
        );
    }

    #[test]
    fn padding_alone_is_no_option_and_a_cut_one_is() {
        assert!(!Options::parse(&[1, 1, 1, 0]).any);
        assert!(Options::parse(&[8, 10, 0, 0]).any);
        assert_eq!(Options::parse(&[8, 10, 0, 0]).timestamps, None);
        assert!(
            Options::parse(&[2, 0, 2, 0]).any,
            "a length of 0 must not loop"
        );
    }

    /// What `etherparse` reads of options up to the first that it doesn't know.
    fn second_opinion(bytes: &[u8]) -> Options {
        let mut options = Options::default();
        let others = &mut options.others;
        for element in TcpOptionsIterator::from_slice(bytes).map_while(Result::ok) {
            options.any |= element != TcpOptionElement::Noop;
            match element {
                TcpOptionElement::Noop => {}
                TcpOptionElement::MaximumSegmentSize(size) => others.mss = Some(size),
                TcpOptionElement::WindowScale(shift) => others.window_scale = Some(shift),
                TcpOptionElement::SelectiveAcknowledgementPermitted => others.sack_permitted = true,
                TcpOptionElement::Timestamp(value, echo) => {
                    options.timestamps = Some(Timestamps { value, echo });
                }
                TcpOptionElement::SelectiveAcknowledgement(first, more) => {
                    others.sack_first_left.get_or_insert(SeqNumber(first.0));
                    for (_, right) in std::iter::once(first).chain(more.into_iter().flatten()) {
                        let known = others.sack_right_edge.unwrap_or(SeqNumber(right));
                        others.sack_right_edge = Some(known.later(SeqNumber(right)));
                    }
                }
            }
        }
        options
    }

    /// Any option that `etherparse` knows, or padding.
    fn option() -> impl Strategy<Value = Vec<u8>> {
        let of = |kind: u8, body: Vec<u8>| {
            let mut bytes = vec![kind, body.len() as u8 + 2];
            bytes.extend(body);
            bytes
        };
        let body = |len| proptest::collection::vec(any::<u8>(), len);
        prop_oneof![
            Just(vec![1]),
            body(2).prop_map(move |body| of(2, body)),
            body(1).prop_map(move |body| of(3, body)),
            body(0).prop_map(move |body| of(4, body)),
            (1usize..5)
                .prop_flat_map(move |blocks| body(8 * blocks))
                .prop_map(move |body| of(5, body)),
            body(8).prop_map(move |body| of(8, body)),
        ]
    }

    proptest! {
        #[test]
        fn etherparse_reads_the_same(
            known in proptest::collection::vec(option(), 0..8),
            padding in proptest::collection::vec(Just(0), 0..4),
        ) {
            let bytes = [known.concat(), padding].concat();
            prop_assert_eq!(Options::parse(&bytes), second_opinion(&bytes));
        }

        #[test]
        fn any_bytes_as_options(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let options = Options::parse(&bytes);
            prop_assert!(options.any || options == Options::default());
        }
    }
}
