//! The promise: what Wireshark takes for TCP is TCP here, whatever it is wrapped in, and every RST has Wireshark's fields.
//!
//! Needs the captures of public projects that lie outside the repository, and says so where they are absent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use whyrst::capture::{Captures, Input};
use whyrst::wire::{Decoded, Decoder, Segment};

fn real_captures() -> Option<PathBuf> {
    let shared = std::env::var_os("WHYRST_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let real = shared.join("captures/real");
    if real.join("MANIFEST.tsv").is_file() {
        return Some(real);
    }
    println!("skipped: no captures at {}", real.display());
    None
}

/// Frame, addresses, ports, sequence numbers, length, flags and time to live, as Wireshark's columns have them.
fn row(segment: &Segment<'_>) -> String {
    format!(
        "{} {} {} {} {} {} {} {} {:#06x} {}",
        segment.head.frame.number,
        segment.addresses.src(),
        segment.src_port,
        segment.addresses.dst(),
        segment.dst_port,
        segment.head.seq,
        segment.head.ack,
        segment.head.payload_len,
        segment.flags.unwrap_or_default().0,
        segment.head.ttl,
    )
}

/// TCP frames and rows of RSTs, as decoded here.
fn decoded(path: &Path) -> (u64, BTreeSet<String>) {
    let (mut tcp, mut resets) = (0, BTreeSet::new());
    let Ok(mut captures) = Captures::open(&[Input::File(path.to_owned())]) else {
        return (tcp, resets);
    };
    let mut decoder = Decoder::new();
    while let Some(frame) = captures.next_frame() {
        match decoder.decode(&frame) {
            Decoded::Tcp(segment) => {
                tcp += 1;
                if segment.flags.is_some_and(|flags| flags.rst()) {
                    resets.insert(row(&segment));
                }
            }
            Decoded::CutTcp => tcp += 1,
            Decoded::Icmp(_) | Decoded::Other | Decoded::Undecoded => {}
        }
    }
    (tcp, resets)
}

/// Rows of RSTs, as Wireshark has them; `None` without an answer for that file.
fn wiresharks(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let rows = text.lines().filter(|line| !line.starts_with(['#', 'f']));
    rows.map(|line| {
        let column: Vec<&str> = line.split('\t').collect();
        // A segment shorter than its header says has no length in Wireshark, here it has none to carry.
        let fields = [0, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(|index| match column[index] {
            "" => "0",
            field => field,
        });
        fields.join(" ")
    })
    .collect()
}

#[test]
fn tcp_frames_and_resets_are_wiresharks() {
    let Some(real) = real_captures() else { return };
    let manifest = std::fs::read_to_string(real.join("MANIFEST.tsv")).expect("the manifest");
    let mut wrong = Vec::new();
    for line in manifest.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (name, packets) = (columns[0], columns[9]);
        let expected = wiresharks(&real.join("oracle").join(format!("{name}.tsv")));
        let (tcp, resets) = decoded(&real.join(name));
        if tcp.to_string() != packets {
            wrong.push(format!("{name}: {tcp} TCP frames, {packets} expected"));
        }
        let missed = expected.difference(&resets).map(|row| ("missed", row));
        let invented = resets.difference(&expected).map(|row| ("invented", row));
        wrong.extend(
            missed
                .chain(invented)
                .map(|(what, row)| format!("{name}: {what} {row}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
