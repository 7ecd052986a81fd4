use std::net::IpAddr;

use super::*;
use crate::capture::{CaptureId, FrameId, FrameNumber};
use crate::flow::{Orientation, Peer};
use crate::time::Interval;
use crate::wire::{SeqNumber, Timestamps};
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
    comes_back(&[
        Orientation::Syn,
        Orientation::Port,
        Orientation::FirstSender,
    ]);
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Sparse {
    number: u64,
    maybe: Option<u16>,
    yes: bool,
    none: Option<Timestamp>,
    last: u32,
}
packed_sparsely!(Sparse {
    number,
    maybe,
    yes,
    none,
    last,
});

#[test]
fn what_is_usual_takes_a_bit() {
    let some = Sparse {
        maybe: Some(0),
        yes: true,
        ..Sparse::default()
    };
    let all = Sparse {
        number: u64::MAX,
        none: Some(Timestamp::default()),
        last: 3,
        ..some.clone()
    };
    assert_eq!(comes_back(&[Sparse::default()]).len(), 1);
    assert_eq!(comes_back(std::slice::from_ref(&some)).len(), 2);
    comes_back(&[all.clone(), some, Sparse::default(), all]);
}

#[test]
fn two_macs_in_turn_take_a_byte_each() {
    let (one, other) = (MacAddress([1; 6]), MacAddress([2; 6]));
    let packed = comes_back(&[one, other, one, other, MacAddress([3; 6]), other, one]);
    assert_eq!(packed.len(), 4 * 7 + 3);
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
}
