//! A browser for the tests: chromedriver, spoken to in W3C WebDriver over plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One browser with one window; both programs end with it.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Kept open: a closed pipe would end chromedriver.
    _said: BufReader<ChildStdout>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`, with a word, where no Chromium is installed.
    pub fn start() -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = started else {
            eprintln!("skipped: chromedriver is not installed");
            return None;
        };
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = said
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ")?
                    .1
                    .trim_end_matches('.')
                    .parse()
                    .ok()
            })
            .expect("chromedriver names its port");
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            _said: said,
            _profile: profile,
        };
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            // Smooth scrolling would still be moving when the test clicks.
            "--force-prefers-reduced-motion",
        ];
        let mut args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        args.push(format!(
            "--user-data-dir={}",
            browser._profile.path().display()
        ));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let session = browser.ask("POST", "/session", &wanted);
        if session["message"]
            .as_str()
            .is_some_and(|m| m.contains("cannot find Chrome binary"))
        {
            eprintln!("skipped: chromedriver finds no Chromium");
            return None;
        }
        let id = session["sessionId"].as_str();
        browser.session = id
            .unwrap_or_else(|| panic!("no session: {session}"))
            .to_owned();
        Some(browser)
    }

    pub fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// Runs a function body and returns its value.
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Clicks what a CSS selector finds, as a person would: it must be visible.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Types into what a CSS selector finds.
    pub fn keys(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.command(
            &format!("element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    fn find(&self, selector: &str) -> String {
        let found = self.command(
            "element",
            &json!({"using": "css selector", "value": selector}),
        );
        let id = found
            .as_object()
            .and_then(|o| o.values().next())
            .and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{selector}: {found}"))
            .to_owned()
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, params: &Value) -> Value {
        self.command(
            "goog/cdp/execute",
            &json!({"cmd": command, "params": params}),
        )
    }

    /// Messages of the console so far, taken once.
    pub fn console(&self) -> Vec<String> {
        self.log("browser")
            .into_iter()
            .filter_map(|entry| Some(entry["message"].as_str()?.to_owned()))
            .collect()
    }

    /// Addresses that anything asked for so far, taken once.
    pub fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            let url = event["message"]["params"]["request"]["url"].as_str()?;
            sent.then(|| url.to_owned())
        });
        events.collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.command("se/log", &json!({ "type": kind }))
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.send("POST", &format!("/session/{}/{path}", self.session), body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.ask(method, path, body);
        assert!(
            value["error"].is_null(),
            "{path}: {}: {}",
            value["error"],
            value["message"]
        );
        value
    }

    /// The `value` of a response, which may tell of an error.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.port)).expect("chromedriver listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        answer(stream)["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Best effort: a failed test must not leave a browser behind.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let bye = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                self.session
            );
            if !self.session.is_empty() && stream.write_all(bye.as_bytes()).is_ok() {
                let _ = stream.read(&mut [0; 1024]);
            }
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The body of a response; chromedriver keeps the connection open, so its length counts.
fn answer(stream: TcpStream) -> Value {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a response");
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().expect("a length");
            }
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a whole response");
    serde_json::from_slice(&body).expect("JSON")
}
