//! The same request again, on another connection, after a loss.

use std::net::{IpAddr, SocketAddr};

use ahash::RandomState;
use hashbrown::HashMap;

use crate::capture::FrameId;
use crate::dialogue::{Idempotence, Turn};
use crate::flow::AT_ONCE;
use crate::insight::{Lost, Teller};
use crate::parts::{LOOKED_AT, in_parts};
use crate::report::{Finding, RetrySeen, capture_if_other};
use crate::time::{Interval, Timestamp};
use crate::verdict::Harm;

/// A request that comes later than this after a loss is a new one.
const PATIENCE: Interval = Interval::from_millis(10_000);
/// Clients hedge: a copy may start a little before the loss is seen.
const BEFORE: Interval = Interval::from_millis(50);

/// One request as it can be recognised: who sent it, and its hash. A sidecar asks with the address of its own client: what that one
/// says to it over the loopback interface is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Signature {
    client: IpAddr,
    to_loopback: bool,
    fingerprint: u64,
}

impl Signature {
    fn new((client, server): (IpAddr, SocketAddr), fingerprint: u64) -> Self {
        Self {
            client,
            to_loopback: server.ip().is_loopback(),
            fingerprint,
        }
    }
}

/// One request as it was seen somewhere: of some there are many.
#[derive(Clone, Copy)]
struct Seen {
    /// Of which connection: capture and stream.
    stream: (u16, u32),
    start: Timestamp,
    frame: FrameId,
    /// The connection's `tcp.stream` in that frame's capture.
    number: u32,
    answered: bool,
}

/// Fills `retry.seen` of the findings that cost a request. `connections` are all of the captures, whichever were lost.
pub fn find_retries<'a, T: Teller<'a>>(
    findings: &mut [&mut Finding],
    lost: &[Lost<'a>],
    connections: &[T],
) {
    let copies = copies_of(lost, connections);
    for lost in lost {
        let Some(finding) = findings.get_mut(lost.finding) else {
            continue;
        };
        let Some(copy) = signature_of(lost)
            .and_then(|signature| copies.get(&signature))
            .and_then(|copies| first_after(copies, lost, finding.at))
        else {
            continue;
        };
        if let Some(retry) = finding.retry.as_mut() {
            let write = lost.turn.idempotence != Some(Idempotence::Idempotent);
            let maybe_run = matches!(
                finding.harm,
                Harm::RequestOutcomeUnknown | Harm::ResponseTruncated
            );
            retry.seen = Some(RetrySeen {
                stream: copy.number,
                frame: copy.frame.number.0,
                capture: capture_if_other(copy.frame.capture, finding.capture),
                after_s: (copy.start - finding.at).as_secs_f64(),
                answered: copy.answered,
                may_have_run_twice: write && maybe_run,
            });
            if write && maybe_run {
                let what = finding
                    .request
                    .as_ref()
                    .and_then(|request| request.summary.as_deref())
                    .unwrap_or("The request");
                retry.why = format!(
                    "{} {what} may have run twice: it was sent again.",
                    retry.why
                );
            }
        }
    }
}

/// Everything that looks like one of the lost requests, in order of time.
fn copies_of<'a, T: Teller<'a>>(
    lost: &[Lost],
    connections: &[T],
) -> HashMap<Signature, Vec<Seen>, RandomState> {
    let signatures = lost.iter().filter_map(signature_of);
    let mut copies: HashMap<Signature, Vec<Seen>, RandomState> = signatures
        .map(|signature| (signature, Vec::new()))
        .collect();
    if copies.is_empty() {
        return copies;
    }
    let marks = Marks::of(copies.keys().map(|signature| signature.fingerprint));
    let alike = in_parts(connections.len(), LOOKED_AT, |range| {
        let mut alike = Vec::new();
        for connections in connections[range].chunks(AT_ONCE) {
            T::ask_for_turns(connections);
            for connection in connections {
                let turns = connection.turns();
                // Nearly all connections have none of them.
                if !turns.any_key(|fingerprint| marks.may_have(fingerprint)) {
                    continue;
                }
                let ends = connection.ends();
                for turn in turns.iter() {
                    let signature = Signature::new(ends, turn.fingerprint);
                    if copies.contains_key(&signature) {
                        alike.push((signature, Seen::of(connection, &turn)));
                    }
                }
            }
        }
        alike
    });
    for (signature, copy) in alike.into_iter().flatten() {
        copies.entry(signature).or_default().push(copy);
    }
    for alike in copies.values_mut() {
        alike.sort_by_key(|copy| (copy.start, copy.stream.1));
    }
    copies
}

impl Seen {
    fn of<'a>(connection: &impl Teller<'a>, turn: &Turn) -> Self {
        let stream = connection.stream();
        let there = connection.stream_in(turn.frame.capture.0);
        Self {
            stream,
            number: there.unwrap_or(stream.1),
            start: turn.start,
            frame: turn.frame,
            answered: turn.reply.is_some(),
        }
    }
}

/// A bit for each fingerprint of some: nearly all others are told apart without a look into a table.
struct Marks(Box<[u64; Marks::WORDS]>);

impl Marks {
    const WORDS: usize = 1 << 12;

    fn of(fingerprints: impl Iterator<Item = u64>) -> Self {
        let mut marks = Self(Box::new([0; Self::WORDS]));
        for fingerprint in fingerprints {
            let (word, bit) = Self::place(fingerprint);
            marks.0[word] |= bit;
        }
        marks
    }

    const fn place(fingerprint: u64) -> (usize, u64) {
        let word = (fingerprint >> 6) as usize % Self::WORDS;
        (word, 1 << (fingerprint % 64))
    }

    fn may_have(&self, fingerprint: u64) -> bool {
        let (word, bit) = Self::place(fingerprint);
        self.0[word] & bit != 0
    }
}

/// The first one on another connection within the time in which a loss is repaired.
fn first_after(copies: &[Seen], lost: &Lost, loss: Timestamp) -> Option<Seen> {
    let earlier =
        copies.partition_point(|copy| copy.start < loss - BEFORE || copy.start <= lost.turn.start);
    copies
        .iter()
        .skip(earlier)
        .take_while(|copy| copy.start - loss <= PATIENCE)
        .find(|copy| copy.stream != lost.story.stream())
        .copied()
}

/// `None` where no byte of the request was seen.
fn signature_of(lost: &Lost) -> Option<Signature> {
    let fingerprint = lost.turn.fingerprint;
    (fingerprint != 0).then(|| Signature::new(lost.story.ends(), fingerprint))
}
