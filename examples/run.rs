use whyrst::analysis::*;
use whyrst::capture::*;
use whyrst::report::CaptureSummary;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let path = &a[2];
    let mut c = match Captures::open(&[Input::from_argument(path)]) {
        Ok(c) => c,
        Err(e) => {
            eprintln!("whyrst: {e}");
            std::process::exit(2)
        }
    };
    let mut an = Analyzer::new(AnalysisOptions {
        connections: if a.iter().any(|x| x == "--connections") {
            ConnectionRows::All
        } else {
            ConnectionRows::None
        },
        ..Default::default()
    });
    while let Some(f) = c.next_frame() {
        an.frame(&f);
    }
    let s = c
        .facts()
        .into_iter()
        .map(|_f| CaptureSummary {
            path: path.clone(),
            ..Default::default()
        })
        .collect();
    println!("{}", serde_json::to_string(&an.report(s)).unwrap());
}
