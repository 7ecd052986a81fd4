use std::net::IpAddr;

use super::*;
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::{LastActivity, Peer};
use crate::time::Interval;
use crate::wire::{MacAddress, SeqNumber, Timestamps};
use proptest::prelude::*;

fn comes_back<T: Packed + PartialEq + std::fmt::Debug>(values: &[T]) -> Box<[u8]> {
    let mut packer = Packer::default();
    values.iter().for_each(|value| value.pack(&mut packer));
    let packed: Box<[u8]> = packer.packed().into();
    let mut unpacker = Unpacker::new(&packed, Timestamp::default());
    for value in values {
        assert_eq!(T::unpack(&mut unpacker), *value);
    }
    assert!(unpacker.bytes.is_empty());
    packed
}

#[test]
fn names_come_back() {
    comes_back(&[Peer::Client, Peer::Server]);
}

#[test]
fn numbers_together_take_what_the_largest_needs() {
    let mut packer = Packer::default();
    let mut length = |numbers: &[u64]| {
        let before = packer.packed().len();
        packer.numbers(numbers);
        packer.packed().len() - before
    };
    assert_eq!(length(&[0; 9]), 1);
    assert_eq!(length(&[0, 255, 7]), 1 + 3);
    assert_eq!(length(&[0, 256, 7]), 1 + 3 * 2);
    assert_eq!(length(&[1 << 16, 0]), 1 + 2 * 4);
    assert_eq!(length(&[0, 1 << 32]), 1 + 2 * 6);
    assert_eq!(length(&[u64::MAX, 0]), 1 + 2 * 8);
    assert_eq!(length(&[]), 1);
}

#[test]
fn times_nearby_are_short() {
    let times = [0, 100, 350, 200].map(|nanos| Timestamp::from_nanos(1 << 60 | nanos));
    assert_eq!(comes_back(&times).len(), 9 + 2 + 2 + 2);
}

proptest! {
    #[test]
    fn every_value_comes_back(
        numbers: Vec<u64>,
        shorts: Vec<(u16, bool)>,
        times: Vec<i64>,
        lengths: Vec<i64>,
        frames: Vec<(u16, u32)>,
        seqs: Vec<Option<u32>>,
        macs: Vec<[u8; 6]>,
        clocks: Vec<(u32, u32)>,
        v4: [u8; 4],
        v6: [u8; 16],
    ) {
        comes_back(&[numbers]);
        comes_back(&shorts);
        comes_back(&times.into_iter().map(Timestamp::from_nanos).collect::<Vec<_>>());
        comes_back(&lengths.into_iter().map(Interval::from_nanos).collect::<Vec<_>>());
        comes_back(&frames.into_iter().map(|(capture, number)| FrameId {
            capture: CaptureId(capture),
            number: FrameNumber(number),
        }).collect::<Vec<_>>());
        comes_back(&seqs.into_iter().map(|seq| seq.map(SeqNumber)).collect::<Vec<_>>());
        comes_back(&macs.into_iter().map(MacAddress).collect::<Vec<_>>());
        comes_back(&clocks.into_iter().map(|(value, echo)| Timestamps { value, echo }).collect::<Vec<_>>());
        comes_back(&[IpAddr::from(v4), IpAddr::from(v6)]);
    }
    #[test]
    fn numbers_come_back(few: [u64; 3], shifts: [u8; 3], many: Vec<[u64; 5]>) {
        let mut packer = Packer::default();
        let shifted: [u64; 3] = std::array::from_fn(|n| few[n] >> (shifts[n] % 64));
        packer.numbers(&shifted);
        many.iter().for_each(|numbers| packer.numbers(numbers));
        let mut unpacker = Unpacker::new(packer.packed(), Timestamp::default());
        prop_assert_eq!(unpacker.numbers(), shifted);
        for numbers in many {
            prop_assert_eq!(unpacker.numbers(), numbers);
        }
        prop_assert!(unpacker.bytes.is_empty());
    }

    #[test]
    fn what_was_put_on_a_sheet_comes_back(
        opened: i64,
        times: [Option<i64>; 4],
        frames: [(u16, u32); 2],
        counts: [Option<u64>; 3],
        words: [Option<u32>; 3],
        servers: [Option<bool>; 3],
    ) {
        let mut packer = Packer::default();
        packer.begin(Timestamp::from_nanos(opened));
        let peer = |server| if server { Peer::Server } else { Peer::Client };
        let frame = |(capture, number)| FrameId {
            capture: CaptureId(capture),
            number: FrameNumber(number),
        };
        let [one, two, three, four] = times.map(|time| time.map(Timestamp::from_nanos));
        let gap = three.map(|time| Interval::from_nanos(time.as_nanos()));
        let activity = four.map(|time| LastActivity {
            time,
            frame: frame(frames[1]),
            from: peer(servers[1].is_some()),
        });
        let mut sheet = Sheet::<4, 2, 3, 3>::begin(&packer);
        sheet.some_time(one);
        sheet.some_time(two);
        sheet.some_interval(gap);
        sheet.frame(frame(frames[0]));
        sheet.some_activity(activity);
        counts.iter().for_each(|count| sheet.some_count(*count));
        words.iter().for_each(|word| sheet.some_seq(word.map(SeqNumber)));
        servers.iter().for_each(|server| sheet.some_peer(server.map(peer)));
        sheet.pack(&mut packer);
        let mut unpacker = Unpacker::new(packer.packed(), Timestamp::from_nanos(opened));
        let mut back = Sheet::<4, 2, 3, 3>::unpack(&mut unpacker);
        prop_assert_eq!((back.take_some_time(), back.take_some_time()), (one, two));
        prop_assert_eq!(back.take_some_interval(), gap);
        prop_assert_eq!(back.take_frame(), frame(frames[0]));
        prop_assert_eq!(back.take_some_activity(), activity);
        prop_assert_eq!(counts.map(|_| back.take_some_count()), counts);
        prop_assert_eq!(words.map(|_| back.take_some_seq()), words.map(|word| word.map(SeqNumber)));
        prop_assert_eq!(servers.map(|_| back.take_some_peer()), servers.map(|server| server.map(peer)));
        prop_assert!(unpacker.bytes.is_empty());
    }
}
