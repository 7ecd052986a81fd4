//! Captures for tests, and their packets.

// Each test uses some of it.
#![allow(dead_code, reason = "compiled into several tests")]

use std::path::{Path, PathBuf};

/// pcap, little-endian, microseconds.
const MAGIC: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];

/// A capture's header and its packets, each with its own header.
pub struct Pcap {
    pub header: Vec<u8>,
    pub records: Vec<Vec<u8>>,
}

impl Pcap {
    pub fn read(capture: &Path) -> Self {
        let bytes = std::fs::read(capture).expect("readable");
        assert_eq!(bytes[..4], MAGIC, "{}", capture.display());
        let (header, mut rest) = bytes.split_at(24);
        let mut records = Vec::new();
        while let Some(length) = rest.get(8..12) {
            let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
            let (record, others) = rest.split_at(16 + length);
            records.push(record.to_vec());
            rest = others;
        }
        Self {
            header: header.to_vec(),
            records,
        }
    }
}

/// Client's and server's captures of each of the lab's recordings, where they are at hand.
pub fn recorded() -> Vec<[PathBuf; 2]> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared =
        std::env::var_os("WHYRST_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let lab = shared.join("captures/lab");
    let Ok(folders) = std::fs::read_dir(&lab) else {
        eprintln!("skipped: no {}", lab.display());
        return Vec::new();
    };
    let mut folders: Vec<_> = folders
        .filter_map(|folder| Some(folder.ok()?.path()))
        .collect();
    folders.sort();
    let pairs = folders.into_iter();
    pairs
        .map(|folder| ["client.pcap", "server.pcap"].map(|file| folder.join(file)))
        .collect()
}

/// A number for what a test does to a capture, drawn from its name: another capture beside it changes nothing.
pub fn seed_of(file: &Path) -> usize {
    let parts: Vec<_> = file.iter().rev().take(2).collect();
    let name = parts.iter().flat_map(|part| part.as_encoded_bytes());
    // FNV-1a (Fowler, Noll, Vo).
    let hash = name.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    // Small enough to be multiplied.
    hash as usize % 100_000
}

/// The project's captures that are plain pcap.
pub fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let files = std::fs::read_dir(folder).expect("captures");
    let files = files.filter_map(|file| Some(file.ok()?.path()));
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|end| end == "pcap"))
        .collect();
    files.sort();
    files
}
