//! The page in a real browser: it is clicked, filtered and read.

use serde_json::{Value, json};

use super::tests::large;
use super::webdriver::Browser;
use super::*;
use crate::report::{Report, sample};

/// A page on disk, opened.
struct Opened {
    browser: Browser,
    url: String,
    _directory: tempfile::TempDir,
}

impl Opened {
    fn of(report: &Report) -> Option<Self> {
        let browser = Browser::start()?;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.html");
        std::fs::write(&path, html(report).unwrap()).unwrap();
        let url = format!("file://{}", path.display());
        browser.open("about:blank");
        browser.requests();
        browser.open(&url);
        Some(Self {
            browser,
            url,
            _directory: directory,
        })
    }

    fn run(&self, script: &str) -> Value {
        self.browser.run(script)
    }

    /// Ids of the findings that are shown, top to bottom.
    fn shown(&self) -> Vec<String> {
        let ids = self.run("return [...document.querySelectorAll('#table tbody tr[id]')].filter(r => r.offsetParent).map(r => r.id)");
        serde_json::from_value(ids).unwrap()
    }

    fn choose(&self, select: &str, value: &str) {
        self.browser
            .click(&format!("#{select} option[value='{value}']"));
    }

    /// Nothing went wrong and nothing was asked of the network.
    fn is_quiet(&self) {
        assert_eq!(self.browser.console(), Vec::<String>::new());
        let elsewhere: Vec<String> = self
            .browser
            .requests()
            .into_iter()
            .filter(|url| !url.starts_with(&self.url))
            .collect();
        assert_eq!(elsewhere, Vec::<String>::new());
    }

    fn fits(&self, width: u32) {
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.browser
            .devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let overflow = self.run("return [document.documentElement.scrollWidth, innerWidth]");
        let [content, window] = [overflow[0].as_u64().unwrap(), overflow[1].as_u64().unwrap()];
        assert_eq!(window, u64::from(width));
        assert!(content <= window, "{content} px of content in {window} px");
    }
}

#[test]
fn findings_are_filtered_sorted_and_opened() {
    let Some(page) = Opened::of(&sample::report()) else {
        return;
    };
    assert_eq!(page.shown(), ["r1", "r2", "r3", "r4", "h1"]);

    page.choose("by-cause", "keepalive-race");
    assert_eq!(page.shown(), ["r1"]);
    assert_eq!(
        page.run("return document.getElementById('shown').textContent"),
        "1 of 5 found"
    );
    page.choose("by-cause", "");
    page.choose("by-harm", "harmful");
    assert_eq!(page.shown(), ["r1", "r4", "h1"]);
    page.choose("by-harm", "");
    page.browser.keys("#by-text", ":9999");
    assert_eq!(page.shown(), ["r2"]);
    page.run("const t = document.getElementById('by-text'); t.value = ''; t.dispatchEvent(new Event('input'))");
    page.choose("sort", "silence");
    assert_eq!(page.shown()[..2], ["h1", "r1"]);
    page.choose("sort", "harm");
    assert_eq!(page.shown()[..2], ["h1", "r4"]);
    page.choose("sort", "time");

    page.browser.click("#r1 td:nth-child(4)");
    let text = page.run("return document.querySelector('#table .open').textContent");
    for word in [
        "met a closed socket",
        "yes; the server's stack threw",
        "tshark -r client.pcap",
        "2.380 s compressed",
    ] {
        assert!(text.as_str().unwrap().contains(word), "{word}: {text}");
    }
    page.browser.click("#table .open .packet.rst");
    let caption =
        page.run("return document.querySelector('#table .open .packet-detail').textContent");
    assert_eq!(
        caption,
        "Frame 108 at 2.596000 s, from the server: [R] seq 154, 0 bytes of payload; the RST"
    );
    page.browser.click("#r1 td:nth-child(4)");
    assert_eq!(
        page.run("return document.querySelectorAll('#table .open').length"),
        0
    );
    page.is_quiet();
}

/// What the script draws is what stands in the page for those without scripts.
#[test]
fn both_drawings_of_a_diagram_are_the_same() {
    let Some(page) = Opened::of(&sample::report()) else {
        return;
    };
    page.run("location.hash = '#r1'");
    let [from_page, from_script] = ["#examples ~ .example .diagram", "#table .open .diagram"].map(|selector| {
        page.run(&format!(
            "return document.querySelector('{selector}').outerHTML.replace(/\\s+/g, ' ').replace(/> </g, '><')"
        ))
    });
    assert!(from_page.as_str().unwrap().len() > 1_000);
    assert_eq!(from_page, from_script);
}

#[test]
fn the_keyboard_reaches_findings_and_packets() {
    let Some(page) = Opened::of(&sample::report()) else {
        return;
    };
    page.browser.keys("#r4 a", "\u{e007}");
    assert_eq!(
        page.run("return document.querySelector('#r4 a').getAttribute('aria-expanded')"),
        "true"
    );
    page.run("location.hash = '#r1'");
    page.browser.keys("#r1 + .open .packet.fin", "\u{e008}");
    let caption =
        page.run("return document.querySelector('#r1 + .open .packet-detail').textContent");
    assert!(caption.as_str().unwrap().contains("the FIN"), "{caption}");
    let unnamed = page.run("return [...document.querySelectorAll('svg[role]')].filter(e => !e.getAttribute('aria-label')).length");
    assert_eq!(unnamed, 0, "pictures without words");
    page.is_quiet();
}

#[test]
fn an_anchor_opens_its_finding_even_when_filtered_out() {
    let Some(page) = Opened::of(&sample::report()) else {
        return;
    };
    page.choose("by-cause", "keepalive-race");
    page.run("location.hash = '#h1'");
    page.run("return new Promise(done => setTimeout(done, 50))");
    assert_eq!(page.shown().len(), 5);
    assert_eq!(page.run("return document.activeElement.textContent"), "h1");
    assert_eq!(
        page.run("return document.querySelector('#h1').classList.contains('opened')"),
        true
    );
    page.is_quiet();
}

#[test]
fn nothing_is_wider_than_the_window() {
    let Some(page) = Opened::of(&sample::report()) else {
        return;
    };
    page.run("location.hash = '#r1'");
    for width in [390, 700, 1280] {
        page.fits(width);
    }
    page.is_quiet();
}

#[test]
fn five_thousand_findings_are_usable() {
    let Some(page) = Opened::of(&large()) else {
        return;
    };
    let opened = page.run("const t = performance.timing; return t.domComplete - t.navigationStart");
    eprintln!("5,000 findings opened in {opened} ms");
    let found = || page.run("return document.getElementById('shown').textContent");
    assert_eq!(page.shown().len(), 300);
    page.choose("by-cause", "teardown-noise");
    assert_eq!(found(), "833 of 5,001 found");
    page.browser.click("#more");
    assert_eq!(page.shown().len(), 833);
    page.choose("sort", "endpoint");
    page.choose("by-cause", "");
    assert_eq!(found(), "5,001 of 5,001 found");
    page.run("location.hash = '#r4999'");
    page.run("return new Promise(done => setTimeout(done, 50))");
    let text = page.run("return document.querySelector('#r4999 + .open').textContent");
    assert!(text.as_str().unwrap().contains("number 4998"), "{text}");
    for width in [390, 1280] {
        page.fits(width);
    }
    page.is_quiet();
}
