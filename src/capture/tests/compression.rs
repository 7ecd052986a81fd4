use std::io::Write;

use super::*;

/// Large enough for several blocks of every compression, and hard to compress.
fn plain() -> Vec<u8> {
    let mut state = 1_u32;
    let records: Vec<_> = (0..400)
        .map(|second| {
            let data: Vec<u8> = (0..1000)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            record(second + 1, 0, &data)
        })
        .collect();
    pcap(&records)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;

const ALL: [(Compression, Compress); 3] = [
    (Compression::Gzip, gzip),
    (Compression::Zstd, zstd),
    (Compression::Lz4, lz4),
];

#[test]
fn compression_is_known_by_content() {
    let plain = plain();
    let (expected, _) = read(plain.clone());
    assert_eq!(expected.len(), 400);
    for (compression, compress) in ALL {
        let (frames, facts) = read(compress(&plain));
        assert_eq!((facts.compression, facts.damage), (compression, None));
        assert_eq!(frames, expected);
    }
}

#[test]
fn several_compressed_pieces_are_one_file() {
    let plain = plain();
    let (head, tail) = plain.split_at(100_001);
    for (compression, compress) in ALL {
        let (frames, facts) = read([compress(head), compress(tail)].concat());
        assert_eq!((facts.compression, facts.damage), (compression, None));
        assert_eq!(frames.len(), 400, "{compression:?}");
    }
}

#[test]
fn a_skippable_zstd_frame_is_skipped() {
    let mut file = words(&[0x184d_2a50, 5]);
    file.extend(b"aside");
    file.extend(zstd(&plain()));
    let (frames, facts) = read(file);
    assert_eq!(
        (frames.len(), facts.compression, facts.damage),
        (400, Compression::Zstd, None)
    );
}

#[test]
fn compressed_data_cut_short_gives_what_is_whole_before() {
    let (expected, _) = read(plain());
    for (compression, compress) in ALL {
        let mut file = compress(&plain());
        file.truncate(file.len() * 2 / 3);
        let (frames, facts) = read(file);
        assert!(
            frames.len() > 150,
            "{compression:?}: {} frames",
            frames.len()
        );
        assert_eq!(frames, expected[..frames.len()], "{compression:?}");
        let damage = damage_of(&facts);
        assert!(
            damage.contains("the compressed data ends too early"),
            "{compression:?}: {damage}"
        );
    }
}

#[test]
fn corrupt_compressed_data_is_damage() {
    for (compression, compress) in ALL {
        let mut file = compress(&plain());
        let middle = file.len() / 2;
        file.truncate(middle);
        file.extend([0xff; 3000]);
        let (frames, facts) = read(file);
        assert!(
            frames.len() > 100,
            "{compression:?}: {} frames",
            frames.len()
        );
        assert!(facts.damage.is_some(), "{compression:?}");
    }
}
