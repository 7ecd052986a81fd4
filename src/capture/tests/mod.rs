//! Capture files made by hand, byte by byte.

mod compression;
mod damage;
mod merge;
mod pcap;
mod pcapng;
mod writer;

use std::convert::Infallible;
use std::io::{Cursor, Read};

use super::*;

/// A frame, owned: number, time in nanoseconds, link type, interface, bytes, original length.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    number: u32,
    nanos: i64,
    link: u16,
    interface: u32,
    data: Vec<u8>,
    original_len: u32,
}

fn seen(frame: &Frame<'_>) -> Seen {
    Seen {
        number: frame.id.number.0,
        nanos: frame.time.as_nanos(),
        link: frame.link.0,
        interface: frame.interface,
        data: frame.data.to_vec(),
        original_len: frame.original_len,
    }
}

/// Reads a whole file from memory, frame by frame and several at once.
fn read(bytes: Vec<u8>) -> (Vec<Seen>, FileFacts) {
    for most in [1, 2, 1000] {
        let mut captures = Captures::from_stream("test", Cursor::new(bytes.clone())).unwrap();
        let several = all_by(&mut captures, most, seen);
        let (frames, facts) = read_stream(Cursor::new(bytes.clone()));
        assert_eq!(several, frames, "{most} at once");
        let facts_of_several = captures.facts().remove(0);
        assert_eq!(format!("{facts_of_several:?}"), format!("{facts:?}"));
    }
    read_stream(Cursor::new(bytes))
}

/// All frames, at most so many at once.
fn all_by<T>(captures: &mut Captures, most: u32, tell: impl Fn(&Frame<'_>) -> T) -> Vec<T> {
    let mut frames = Vec::new();
    loop {
        let before = frames.len();
        let read = captures.next_frames(most, |frame| -> Result<(), Infallible> {
            frames.push(tell(frame));
            Ok(())
        });
        assert_eq!(read, Ok((frames.len() - before) as u32));
        if read != Ok(most) {
            return frames;
        }
    }
}

fn read_stream(stream: impl Read + Send + 'static) -> (Vec<Seen>, FileFacts) {
    let mut captures = Captures::from_stream("test", stream).expect("a capture");
    let mut frames = Vec::new();
    while let Some(frame) = captures.next_frame() {
        frames.push(seen(&frame));
    }
    assert!(captures.next_frame().is_none(), "the end stays the end");
    (frames, captures.facts().remove(0))
}

#[test]
fn what_does_not_want_more_frames_ends_their_reading() {
    let file = pcap(&[1, 2, 3].map(|second| record(second, 0, b"x")));
    let mut captures = Captures::from_stream("test", Cursor::new(file)).unwrap();
    let second = |frame: &Frame<'_>| frame.time.as_nanos() / 1_000_000_000;
    let ended = captures.next_frames(9, |frame| match second(frame) {
        2 => Err("enough"),
        _ => Ok(()),
    });
    assert_eq!(ended, Err("enough"));
    assert_eq!(captures.facts()[0].frames, 2);
    assert_eq!(captures.next_frame().map(|frame| second(&frame)), Some(3));
}

fn refusal(bytes: &[u8]) -> String {
    let stream = Cursor::new(bytes.to_vec());
    match Captures::from_stream("test", stream) {
        Ok(_) => panic!("this should be no capture"),
        Err(error) => error.to_string(),
    }
}

fn damage_of(facts: &FileFacts) -> String {
    facts
        .damage
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Little-endian words one after the other.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Little-endian pcap, version 2.4, Ethernet, microseconds.
fn pcap(records: &[Vec<u8>]) -> Vec<u8> {
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1]);
    file.extend(records.concat());
    file
}

/// A record of such a file, with as many bytes captured as were on the wire.
fn record(seconds: u32, micros: u32, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    let mut record = words(&[seconds, micros, length, length]);
    record.extend(data);
    record
}

/// A little-endian pcapng block with its lengths.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 12;
    let mut block = words(&[kind, length]);
    block.extend(body);
    block.extend(words(&[length]));
    block
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]))
}

fn interface(link: u16, snap_len: u32, options: &[u8]) -> Vec<u8> {
    let mut body = words(&[u32::from(link), snap_len]);
    body.extend(options);
    block(1, &body)
}

/// An option with its padding.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = words(&[u32::from(code) | (value.len() as u32) << 16]);
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn enhanced(interface: u32, ticks: u64, data: &[u8], options: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    let mut body = words(&[
        interface,
        (ticks >> 32) as u32,
        ticks as u32,
        length,
        length,
    ]);
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    block(6, &body)
}
