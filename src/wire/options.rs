//! The options behind a TCP header.

use etherparse::{TcpOptionElement, TcpOptionsIterator};

use super::{SeqNumber, TcpOptions, Timestamps};

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
        None => of_linux_syn(bytes).unwrap_or_else(|| Options::parse(bytes)),
    }
}

/// What every segment of most connections carries: timestamps after two NOPs (RFC 7323 appendix A), and nothing else.
#[inline(always)]
pub(super) fn timestamps_alone(options: &[u8]) -> Option<Timestamps> {
    /// Two NOPs, kind and length.
    const BEFORE: [u8; 4] = [1, 1, 8, 10];
    let &[n0, n1, kind, len, a, b, c, d, e, f, g, h] = <&[u8; 12]>::try_from(options).ok()?;
    ([n0, n1, kind, len] == BEFORE).then_some(Timestamps {
        value: u32::from_be_bytes([a, b, c, d]),
        echo: u32::from_be_bytes([e, f, g, h]),
    })
}

/// What nearly every SYN carries: the order in which Linux writes its options (`tcp_options_write` in net/ipv4/tcp_output.c).
fn of_linux_syn(options: &[u8]) -> Option<Options> {
    let &[
        2,
        4,
        m,
        n,
        4,
        2,
        8,
        10,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        1,
        3,
        3,
        shift,
    ] = <&[u8; 20]>::try_from(options).ok()?
    else {
        return None;
    };
    Some(Options {
        any: true,
        timestamps: Some(Timestamps {
            value: u32::from_be_bytes([a, b, c, d]),
            echo: u32::from_be_bytes([e, f, g, h]),
        }),
        others: TcpOptions {
            mss: Some(u16::from_be_bytes([m, n])),
            sack_permitted: true,
            window_scale: Some(shift),
            ..TcpOptions::default()
        },
    })
}

impl Options {
    fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::default();
        let mut elements = TcpOptionsIterator::from_slice(bytes);
        loop {
            let at = elements.rest();
            match elements.next() {
                None => return options,
                Some(Ok(TcpOptionElement::Noop)) => {}
                Some(Ok(element)) => options.take(element),
                // The iterator ends at a kind or a length that it doesn't know; the length leads on to the next option.
                Some(Err(_)) => match options.take_unknown(at) {
                    Some(rest) => elements = TcpOptionsIterator::from_slice(rest),
                    None => return options,
                },
            }
        }
    }

    fn take(&mut self, element: TcpOptionElement) {
        self.any = true;
        let others = &mut self.others;
        match element {
            TcpOptionElement::Noop => {}
            TcpOptionElement::MaximumSegmentSize(size) => others.mss = Some(size),
            TcpOptionElement::WindowScale(shift) => others.window_scale = Some(shift),
            TcpOptionElement::SelectiveAcknowledgementPermitted => others.sack_permitted = true,
            TcpOptionElement::Timestamp(value, echo) => {
                self.timestamps = Some(Timestamps { value, echo });
            }
            TcpOptionElement::SelectiveAcknowledgement(first, more) => {
                others.sack_first_left.get_or_insert(SeqNumber(first.0));
                for (_, right) in std::iter::once(first).chain(more.into_iter().flatten()) {
                    let right = SeqNumber(right);
                    let known = others.sack_right_edge;
                    others.sack_right_edge = Some(known.map_or(right, |known| known.later(right)));
                }
            }
        }
    }

    /// Reads an option that `etherparse` has no element for; the options after it, `None` where it is broken.
    fn take_unknown<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        /// IANA "TCP Option Kind Numbers".
        const MPTCP: u8 = 30;
        /// Subtype of MP_TCPRST (RFC 8684 section 3.6).
        const MP_TCPRST: u8 = 8;
        self.any = true;
        let (&[kind, len], _) = bytes.split_first_chunk()?;
        let body = bytes.get(2..usize::from(len))?;
        if let (MPTCP, &[subtype, reason, ..]) = (kind, body)
            && subtype >> 4 == MP_TCPRST
        {
            self.others.mptcp_reset_reason = Some(reason);
        }
        bytes.get(usize::from(len)..)
    }
}

#[cfg(test)]
mod tests {
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

    proptest! {
        /// Whatever its numbers are, and where one byte is another.
        #[test]
        fn a_linux_syn_is_read_at_once_as_step_by_step(
            numbers: [u8; 11],
            other in proptest::option::of((0_usize..20, any::<u8>())),
        ) {
            let [m, n, a, b, c, d, e, f, g, h, shift] = numbers;
            let mut bytes = [2, 4, m, n, 4, 2, 8, 10, a, b, c, d, e, f, g, h, 1, 3, 3, shift];
            if let Some((at, byte)) = other {
                bytes[at] = byte;
            }
            let known = of_linux_syn(&bytes);
            prop_assert!(known.is_some() || other.is_some());
            prop_assert_eq!(read_options(&bytes), Options::parse(&bytes));
        }

        #[test]
        fn any_bytes_as_options(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let options = Options::parse(&bytes);
            prop_assert!(options.any || options == Options::default());
        }
    }
}
