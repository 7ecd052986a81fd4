//! The project's captures, packet by packet.

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
