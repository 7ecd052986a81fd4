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
    fn length<const N: usize>(numbers: [u64; N]) -> usize {
        let mut packer = Packer::default();
        packer.numbers(&numbers);
        assert_eq!(
            Unpacker::new(packer.packed(), Timestamp::default()).numbers(),
            numbers
        );
        packer.packed().len()
    }
    assert_eq!(length([0; 9]), 1);
    assert_eq!(length([0, 255, 7]), 1 + 3);
    assert_eq!(length([0, 256, 7]), 1 + 3 * 2);
    assert_eq!(length([0xffff, 0]), 1 + 2 * 2);
    assert_eq!(length([1 << 16, 0]), 1 + 2 * 4);
    assert_eq!(length([0, 1 << 32]), 1 + 2 * 6);
    assert_eq!(length([0, 1 << 48]), 1 + 2 * 8);
    assert_eq!(length([u64::MAX, 0]), 1 + 2 * 8);
    assert_eq!(length([]), 0);
}

#[test]
fn what_needs_more_room_is_packed_again() {
    let mut packer = Packer::default();
    for length in [
        3, 32_760, 32_761, 32_762, 32_763, 32_767, 32_768, 300_000, 3,
    ] {
        let opened = Timestamp::from_nanos(7);
        let text = "x".repeat(length);
        let behind = packer.pack(opened, |packer| {
            text.pack(packer);
            packer.words(3, [0x30201]);
            packer.begin_part(opened)
        });
        assert_eq!(packer.packed().len(), behind);
        let mut unpacker = Unpacker::new(packer.packed(), opened);
        assert_eq!(String::unpack(&mut unpacker), text);
        assert_eq!(unpacker.array(), [1, 2, 3]);
        assert!(unpacker.bytes.is_empty());
    }
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
    fn rare_numbers_come_back(all: Vec<[Option<u64>; 5]>) {
        let all: Vec<[u64; 5]> = all.iter().map(|few| few.map(Option::unwrap_or_default)).collect();
        let mut packer = Packer::default();
        all.iter().for_each(|numbers| packer.rare(numbers));
        packer.rare(&[0; 64]);
        packer.rare(&[u64::MAX; 64]);
        let mut unpacker = Unpacker::new(packer.packed(), Timestamp::default());
        for numbers in all {
            prop_assert_eq!(unpacker.rare(), numbers);
        }
        prop_assert_eq!(unpacker.rare(), [0; 64]);
        prop_assert_eq!(unpacker.rare(), [u64::MAX; 64]);
        prop_assert!(unpacker.bytes.is_empty());
    }

    #[test]
    fn what_was_put_on_a_sheet_comes_back(
        opened: i64,
        times: [Option<i64>; 5],
        frames: [(u16, u32); 3],
        counts: [u64; 2],
        rare: [Option<u64>; 2],
        words: [Option<u32>; 4],
        servers: [Option<bool>; 3],
        is_same: bool,
        now: i64,
        mac: Option<[u8; 6]>,
    ) {
        let mut packer = Packer::default();
        packer.begin(Timestamp::from_nanos(opened));
        let peer = |server| if server { Peer::Server } else { Peer::Client };
        let frame = |(capture, number)| FrameId {
            capture: CaptureId(capture),
            number: FrameNumber(number),
        };
        let [one, two, three, four, five] = times.map(|time| time.map(Timestamp::from_nanos));
        let now = Timestamp::from_nanos(now);
        let gap = three.map(|time| Interval::from_nanos(time.as_nanos()));
        let activity = |time: Option<Timestamp>, place: usize| time.map(|time| LastActivity {
            time,
            frame: frame(frames[place]),
            from: peer(servers[place].is_some()),
        });
        let idle = activity(four, 1);
        let other = activity(five, 2);
        let same = if is_same { idle } else { other };
        let numbers = words.map(|word| word.map(SeqNumber));
        let expected = numbers[3].unwrap_or_default();
        let last = if is_same { expected } else { SeqNumber(7) };
        let mut sheet = Sheet::<4, 5, 3, 4, 7>::begin(&packer);
        let reference = idle.unwrap_or(sheet.no_activity());
        sheet.some_time(one);
        sheet.some_time(two);
        sheet.some_gap(gap);
        sheet.gap(now, sheet.opened());
        sheet.time_since(now, two.unwrap_or_default());
        sheet.some_mac(mac.map(MacAddress));
        sheet.near_frame(frame(frames[2]), frame(frames[1]));
        sheet.frame(frame(frames[1]));
        sheet.frame(frame(frames[0]));
        sheet.some_activity(idle);
        counts.iter().for_each(|count| sheet.count(*count));
        rare.iter().for_each(|number| sheet.some_rare(*number));
        numbers[..3].iter().for_each(|word| sheet.some_seq(*word));
        servers.iter().for_each(|server| sheet.some_peer(server.map(peer)));
        sheet.same_time(two.unwrap_or_default(), sheet.opened());
        sheet.same_activity(same, reference);
        sheet.same_seq(Some(last), expected);
        sheet.pack(&mut packer);
        let mut unpacker = Unpacker::new(packer.packed(), Timestamp::from_nanos(opened));
        let mut back = Sheet::<4, 5, 3, 4, 7>::unpack(&mut unpacker);
        prop_assert_eq!((back.take_some_time(), back.take_some_time()), (one, two));
        prop_assert_eq!(back.take_some_gap(), gap);
        prop_assert_eq!(back.take_gap(back.opened()), now);
        prop_assert_eq!(back.take_time_since(two.unwrap_or_default()), now);
        prop_assert_eq!(back.take_some_mac(), mac.map(MacAddress));
        prop_assert_eq!(back.take_near_frame(frame(frames[1])), frame(frames[2]));
        prop_assert_eq!(back.take_frame(), frame(frames[1]));
        prop_assert_eq!(back.take_frame(), frame(frames[0]));
        prop_assert_eq!(back.take_some_activity(), idle);
        prop_assert_eq!(counts.map(|_| back.take_count()), counts);
        prop_assert_eq!(rare.map(|_| back.take_some_rare()), rare);
        for number in &numbers[..3] {
            prop_assert_eq!(back.take_some_seq(), *number);
        }
        prop_assert_eq!(servers.map(|_| back.take_some_peer()), servers.map(|server| server.map(peer)));
        prop_assert_eq!(back.take_same_time(back.opened()), two.unwrap_or_default());
        prop_assert_eq!(back.take_same_activity(reference), same);
        prop_assert_eq!(back.take_same_seq(expected), Some(last));
        prop_assert!(unpacker.bytes.is_empty());
    }

    #[test]
    fn what_is_as_expected_takes_a_byte(opened: i64, time: i64, number: u32, seq: u32) {
        let mut packer = Packer::default();
        packer.begin(Timestamp::from_nanos(opened));
        let mut sheet = Sheet::<0, 0, 0, 0, 6>::begin(&packer);
        let time = Timestamp::from_nanos(time);
        let frame = FrameId { number: FrameNumber(number), ..FrameId::default() };
        sheet.same_time(time, time);
        sheet.same_frame(frame, frame);
        let activity = LastActivity { time, frame, from: Peer::Server };
        sheet.same_activity(Some(activity), activity);
        sheet.same_seq(Some(SeqNumber(seq)), SeqNumber(seq));
        sheet.rare(0_u8);
        sheet.pack(&mut packer);
        // So do the flags.
        prop_assert_eq!(packer.packed().len(), 2 + 1);
    }
}
