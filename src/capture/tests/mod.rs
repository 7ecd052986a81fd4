//! Capture files made by hand, byte by byte.

mod compression;
mod damage;
mod merge;
mod pcap;
mod pcapng;
mod writer;

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

/// Reads a whole file from memory.
fn read(bytes: Vec<u8>) -> (Vec<Seen>, FileFacts) {
    read_stream(Cursor::new(bytes))
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
