//! Any bytes as a capture file, the whole way to a report: nothing panics, and the report is read back as it was written.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use whyrst::analysis::{AnalysisOptions, Analyzer};
use whyrst::capture::Captures;
use whyrst::report::{CaptureSummary, Report};

/// Compressed data may grow a thousandfold; more frames than this teach nothing new.
const ENOUGH_FRAMES: u32 = 20_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut captures) = Captures::from_stream("fuzz", Cursor::new(bytes.to_vec())) else {
        return;
    };
    let mut analyzer = Analyzer::new(AnalysisOptions::default());
    for _ in 0..ENOUGH_FRAMES {
        let Some(frame) = captures.next_frame() else {
            break;
        };
        analyzer.frame(&frame);
    }
    let report = analyzer.report(vec![CaptureSummary::default()]);
    let text = serde_json::to_string(&report).expect("a report is JSON");
    let again: Report = serde_json::from_str(&text).expect("a report is read back");
    assert_eq!(text, serde_json::to_string(&again).expect("JSON"));
});
