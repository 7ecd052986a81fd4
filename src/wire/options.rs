//! The options behind a TCP header.

use etherparse::{TcpOptionElement, TcpOptionsIterator};

use super::{DataMapping, Mptcp, SeqNumber, TcpOptions, Timestamps};

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
        self.any = true;
        let (&[kind, len], _) = bytes.split_first_chunk()?;
        let body = bytes.get(2..usize::from(len))?;
        if kind == MPTCP {
            self.others.mptcp.get_or_insert_default().take(body);
        }
        bytes.get(usize::from(len)..)
    }
}

impl Mptcp {
    /// Reads one of a segment's MPTCP options, behind its length. What is too short says nothing.
    fn take(&mut self, option: &[u8]) {
        /// Subtypes (RFC 8684 section 8.2).
        const MP_JOIN: u8 = 1;
        const DSS: u8 = 2;
        const MP_FASTCLOSE: u8 = 7;
        const MP_TCPRST: u8 = 8;
        let &[subtype, ref rest @ ..] = option else {
            return;
        };
        match (subtype >> 4, rest) {
            (MP_JOIN, _) => self.join = true,
            (MP_FASTCLOSE, _) => self.fast_close = true,
            (MP_TCPRST, &[reason, ..]) => self.reset_reason = Some(reason),
            (DSS, &[flags, ref numbers @ ..]) => {
                self.take_signal(flags, numbers);
            }
            _ => {}
        }
    }

    /// Data sequence signal (RFC 8684 section 3.3).
    fn take_signal(&mut self, flags: u8, numbers: &[u8]) -> Option<()> {
        const DATA_ACK: u8 = 0x01;
        const LONG_DATA_ACK: u8 = 0x02;
        const MAPPING: u8 = 0x04;
        const LONG_DATA_SEQ: u8 = 0x08;
        const DATA_FIN: u8 = 0x10;
        let has = |flag: u8| flags & flag != 0;
        let mut numbers = numbers;
        if has(DATA_ACK) {
            let (ack, behind) = low_half(numbers, has(LONG_DATA_ACK))?;
            self.data_ack = Some(ack);
            numbers = behind;
        }
        if has(MAPPING) {
            let (data_seq, behind) = low_half(numbers, has(LONG_DATA_SEQ))?;
            let (subflow_seq, behind) = low_half(behind, false)?;
            let (len, _) = behind.split_first_chunk()?;
            self.mapping = Some(DataMapping {
                data_seq,
                subflow_seq,
                len: u16::from_be_bytes(*len),
                data_fin: has(DATA_FIN),
            });
        }
        Some(())
    }
}

/// The low 32 bits of a number of 32 or 64, and what stands behind it.
fn low_half(bytes: &[u8], is_long: bool) -> Option<(u32, &[u8])> {
    let bytes = bytes.get(if is_long { 4 } else { 0 }..)?;
    let (number, behind) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), behind))
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
        let mptcp = Options::parse(&[30, 4, 0x80, 0x03]).others.mptcp;
        assert_eq!(mptcp.and_then(|said| said.reset_reason), Some(3));
    }

    #[test]
    fn a_data_sequence_signal_of_either_length() {
        let short = [
            30, 20, 0x20, 0x05, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 9, 0, 100, 0xca, 0xfe,
        ];
        let long = [
            30, 26, 0x20, 0x1f, 9, 9, 9, 9, 0, 0, 0, 7, 8, 8, 8, 8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1,
        ];
        let [short, long] = [&short[..], &long[..]].map(|bytes| {
            let mptcp = Options::parse(bytes).others.mptcp.expect("MPTCP");
            (mptcp.data_ack, mptcp.mapping.expect("mapping"))
        });
        let mapping = DataMapping {
            data_seq: 256,
            subflow_seq: 9,
            len: 100,
            data_fin: false,
        };
        assert_eq!(short, (Some(7), mapping));
        let fin = DataMapping {
            subflow_seq: 0,
            len: 1,
            data_fin: true,
            ..mapping
        };
        assert_eq!(long, (Some(7), fin));
    }

    #[test]
    fn options_of_mptcp_in_one_segment_add_up() {
        let mptcp = Options::parse(&[30, 4, 0x20, 0x01, 30, 3, 0x10, 30, 12, 0x70])
            .others
            .mptcp;
        let joined = Mptcp {
            join: true,
            ..Mptcp::default()
        };
        assert_eq!(mptcp, Some(joined), "the first and the last are cut short");
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
