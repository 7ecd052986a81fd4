//! The same report for people who may not know where it comes from.
//!
//! Addresses become pseudonyms that keep prefixes: two addresses of one subnet stay in one subnet (ipcrypt's `pfx` mode,
//! <https://datatracker.ietf.org/doc/draft-denis-ipcrypt/>). Host names, paths, file names, MACs and processes become short
//! keyed hashes. Ports, times, sizes and TCP's own numbers stay. The same key gives the same pseudonyms in every report, view
//! and evidence file, so that several can be read together; whoever has the key can undo the addresses.
//!
//! Text is searched for whatever looks like an address, and for every name that the report's fields hold.

mod names;
mod scan;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipcrypt_rs::IpcryptPfx;
use sha2::{Digest, Sha256};

use super::{
    Advice, Alignment, CaptureSummary, ConnectionId, ConnectionRow, Endpoint, Evidence, Finding,
    IdleTimeout, Report,
};
use crate::analysis::community_id;
use crate::capture::Frame;
use names::Names;
use scan::Paths;

/// What pseudonyms depend on.
#[derive(Clone)]
pub struct RedactionKey([u8; 32]);

impl RedactionKey {
    /// From a secret of the user's: the whole content of a key file.
    pub fn from_secret(secret: &[u8]) -> Self {
        Self(digest(&[b"whyrst redaction key", secret]))
    }
}

impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedactionKey(…)")
    }
}

/// A key out of the captures themselves, for those who keep none: the same captures give the same pseudonyms, and nobody
/// without the captures can make the key again. Whoever has them needs no key to know the addresses.
#[derive(Default)]
pub struct KeyFromFrames(Sha256);

impl KeyFromFrames {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next frame of the captures.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.0.update(frame.time.as_nanos().to_le_bytes());
        self.0.update((frame.data.len() as u64).to_le_bytes());
        self.0.update(frame.data);
    }

    /// The key of all that was seen.
    pub fn finish(self) -> RedactionKey {
        RedactionKey::from_secret(&self.0.finalize())
    }
}

/// Replaces what tells who and where.
pub struct Redactor {
    key: RedactionKey,
    addresses: IpcryptPfx,
}

impl Redactor {
    /// With a key.
    pub fn new(key: RedactionKey) -> Self {
        let mut halves = digest(&[b"addresses", &key.0]);
        let (one, other) = halves.split_at_mut(16);
        if *one == *other {
            // The cipher refuses equal halves. It does not happen: one chance in 2 to the 128.
            one.reverse();
            other.fill(0x5c);
        }
        Self {
            addresses: IpcryptPfx::new(halves),
            key,
        }
    }

    /// The pseudonym of an address, of the same family.
    pub fn address(&self, address: IpAddr) -> IpAddr {
        let pseudonym = self.addresses.encrypt_ipaddr(address);
        match (address, pseudonym) {
            (IpAddr::V6(_), IpAddr::V4(v4)) => IpAddr::V6(v4.to_ipv6_mapped()),
            _ => pseudonym,
        }
    }

    fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        Endpoint {
            addr: self.address(endpoint.addr),
            ..endpoint
        }
    }

    /// A short name that stands for a text of some kind.
    fn token(&self, kind: &str, text: &str) -> String {
        let hash = digest(&[kind.as_bytes(), &self.key.0, text.as_bytes()]);
        let short: String = hash
            .iter()
            .take(5)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{kind}-{short}")
    }

    /// The pseudonym of a host name.
    pub fn host(&self, name: &str) -> String {
        self.token("host", &name.to_ascii_lowercase())
    }

    /// The pseudonym of a path of a request.
    pub fn path(&self, path: &str) -> String {
        format!("/{}", self.token("p", path))
    }

    /// The pseudonym of a file or an interface. Standard input has no name to hide.
    pub fn file(&self, name: &str) -> String {
        if name == "-" {
            name.to_owned()
        } else {
            self.token("capture", name)
        }
    }

    /// The pseudonym of a MAC address: locally administered, unicast.
    fn mac(&self, mac: [u8; 6]) -> String {
        let hash = digest(&[b"mac", &self.key.0, &mac]);
        let rest: Vec<String> = hash
            .iter()
            .take(5)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("02:{}", rest.join(":"))
    }

    /// One finding, as it is told while capturing. It names nothing that it does not hold in a field.
    pub fn finding(&self, finding: &Finding) -> Finding {
        let pass = Pass {
            redactor: self,
            names: Names::of(&[], std::iter::once(finding), self),
        };
        let mut redacted = finding.clone();
        pass.finding(&mut redacted);
        redacted
    }

    /// The report without anything that tells who and where.
    pub fn report(&self, report: &Report) -> Report {
        let names = Names::of(&report.captures, report.findings(), self);
        let pass = Pass {
            redactor: self,
            names,
        };
        let mut redacted = report.clone();
        pass.report(&mut redacted);
        redacted
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// One report being rewritten.
struct Pass<'a> {
    redactor: &'a Redactor,
    names: Names,
}

impl Pass<'_> {
    /// Text about the capture: addresses, known names, and paths.
    fn text(&self, text: &mut String) {
        *text = scan::rewritten(text, self.redactor, &self.names, Paths::Hidden);
    }

    /// Text of our own or of the user, in which a path is a setting's or a figure of speech.
    fn words(&self, text: &mut String) {
        *text = scan::rewritten(text, self.redactor, &self.names, Paths::Kept);
    }

    fn texts(&self, texts: &mut Option<String>) {
        if let Some(text) = texts {
            self.text(text);
        }
    }

    fn report(&self, report: &mut Report) {
        let Report {
            schema_version: _,
            tool: _,
            heading,
            captures,
            summary: _,
            resets,
            hang_ups,
            idle_timeouts,
            alignment,
            advice,
            connections,
            caveats,
        } = report;
        for words in [&mut heading.title, &mut heading.ticket, &mut heading.note]
            .into_iter()
            .flatten()
        {
            self.words(words);
        }
        captures
            .iter_mut()
            .for_each(|capture| self.capture(capture));
        resets
            .iter_mut()
            .chain(hang_ups)
            .for_each(|finding| self.finding(finding));
        idle_timeouts
            .iter_mut()
            .for_each(|timeout| self.idle_timeout(timeout));
        alignment.iter_mut().for_each(|row| self.alignment(row));
        advice.iter_mut().for_each(|advice| self.advice(advice));
        connections
            .iter_mut()
            .flatten()
            .for_each(|row| self.connection_row(row));
        caveats.iter_mut().for_each(|caveat| self.text(caveat));
    }

    fn capture(&self, capture: &mut CaptureSummary) {
        capture.path = self.redactor.file(&capture.path);
        if let Some(vantage) = &mut capture.vantage {
            self.words(vantage);
        }
        // What names it has, nobody knows.
        if let Some(filter) = &mut capture.filter {
            "…".clone_into(filter);
        }
        self.texts(&mut capture.damage);
    }

    fn connection(&self, connection: &mut ConnectionId) {
        let (client, server) = (
            self.redactor.endpoint(connection.client),
            self.redactor.endpoint(connection.server),
        );
        connection.client = client;
        connection.server = server;
        if let Some(called) = &mut connection.called {
            called.endpoint = self.redactor.endpoint(called.endpoint);
        }
        // The real one is a hash that can be guessed from all addresses and ports.
        connection.community_id =
            community_id((client.addr, client.port), (server.addr, server.port));
    }

    fn finding(&self, finding: &mut Finding) {
        self.connection(&mut finding.connection);
        if let Some(request) = &mut finding.request {
            request.summary = request
                .summary
                .as_deref()
                .map(|summary| names::request(summary, self.redactor));
            request.server_name = request
                .server_name
                .as_deref()
                .map(|name| self.redactor.host(name));
        }
        self.texts(&mut finding.detail);
        finding.victim_errors = std::mem::take(&mut finding.victim_errors)
            .into_iter()
            .map(|(runtime, mut error)| {
                self.text(error.to_mut());
                (runtime, error)
            })
            .collect::<BTreeMap<_, _>>();
        for Evidence {
            text,
            frames: _,
            elsewhere: _,
        } in finding
            .evidence
            .iter_mut()
            .chain(&mut finding.evidence_against)
        {
            self.text(text);
        }
        for rival in &mut finding.alternatives {
            self.text(&mut rival.decided_by);
        }
        if let Some(retry) = &mut finding.retry {
            self.text(&mut retry.why);
        }
        self.text(&mut finding.explanation);
        self.words(&mut finding.wireshark_filter);
        if let Some(text) = &mut finding.reset_text {
            *text = format!("({} characters, redacted)", text.chars().count());
        }
        if let Some(hop) = &mut finding.hop {
            hop.server = self.redactor.endpoint(hop.server);
            self.text(&mut hop.outcome);
            self.text(&mut hop.tied_by);
        }
        if let Some(process) = finding
            .kernel
            .as_mut()
            .and_then(|word| word.process.as_mut())
        {
            *process = self.redactor.token("process", process);
        }
        for step in &mut finding.ladder {
            if let Some(note) = &mut step.note {
                self.text(note.to_mut());
            }
        }
    }

    fn idle_timeout(&self, timeout: &mut IdleTimeout) {
        timeout.endpoint.addr = self.redactor.address(timeout.endpoint.addr);
        self.text(&mut timeout.text);
        for fits in &mut timeout.matches {
            self.words(&mut fits.why);
        }
    }

    fn alignment(&self, row: &mut Alignment) {
        self.words(&mut row.client);
        self.words(&mut row.server);
        self.text(&mut row.why);
    }

    fn advice(&self, advice: &mut Advice) {
        self.words(&mut advice.action);
        self.words(&mut advice.text);
        for setting in &mut advice.settings {
            self.words(&mut setting.line);
        }
        if let Some(useless) = &mut advice.will_not_help {
            self.words(useless);
        }
    }

    fn connection_row(&self, row: &mut ConnectionRow) {
        row.client = self.redactor.endpoint(row.client);
        row.server = self.redactor.endpoint(row.server);
    }
}

#[cfg(test)]
mod tests;
