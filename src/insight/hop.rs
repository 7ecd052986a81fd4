//! Ties what a proxy's client saw to what the proxy saw of its upstream, where a capture shows both.
//!
//! A proxy passes a request on within moments, and fails its own client as soon as the upstream failed it. So the front connection
//! is one to the host that opened the back connection, its request is the same and came before, and its 502, 504, reset or cut
//! answer came about when the back connection ended. Requests alike and at once are taken in the order in which they came, and
//! none is given to two failures at once.
//!
//! Where the front is encrypted, its requests can't be recognised: there [`veiled`] ties by time alone, and only what is alone.

mod asked;
mod proxies;
mod veiled;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU16;

use crate::capture::{CaptureId, FrameId};
use crate::flow::Peer;
use crate::insight::story::Route;
use crate::insight::{ConnectionStory, Lost, Teller};
use crate::parts::{LOOKED_AT, in_parts};
use crate::report::{Endpoint, Finding, Hop, RetrySeen, capture_if_other};
use crate::time::{Interval, Timestamp};
use crate::verdict::{Form, Harm, ResetSender};

use asked::{Asked, AskedIndex};
use proxies::{Bond, Proxies, Routes};

/// A proxy answers its client within this of the end of the back connection (and a RST comes one round trip after the FIN or the
/// request that it answers).
const SOON: Interval = Interval::from_millis(1_000);
/// A request is passed on at once, unless the proxy had to connect, wait in a queue or try elsewhere first.
const AT_ONCE: Interval = Interval::from_millis(100);
/// Requests that are open longer than this before the back connection fails are not looked at.
const OPEN_AT_MOST: Interval = Interval::from_millis(600_000);
/// Open requests with the same words, beyond which no more are compared.
const MOST_COMPARED: usize = 256;

/// Fills `hop` of the findings on both sides of a proxy. `connections` are all of the captures, whichever were lost; `routes` are
/// their [ends](Teller::ends), each at least once.
pub fn find_hops<'a, T: Teller<'a>>(
    findings: &mut [&mut Finding],
    lost: &[Lost<'a>],
    connections: &[T],
    routes: impl Iterator<Item = Route>,
) {
    if lost.is_empty() {
        return;
    }
    let failures = Failures::new(findings, lost);
    let routes = Routes::around(routes, &failures);
    if !routes.may_have_fronts() {
        return;
    }
    let parts = in_parts(connections.len(), LOOKED_AT, |range| {
        let near = connections[range]
            .iter()
            .filter(|connection| routes.are_near(connection.ends()));
        near.map(Teller::story).collect::<Vec<_>>()
    });
    let stories: Vec<ConnectionStory> = parts.into_iter().flatten().collect();
    let asked = AskedIndex::new(stories.iter().filter(|story| routes.matter(story.ends())));
    let proxies = Proxies::new(&asked, failures.backs.iter().map(|back| back.asked));
    let ties = failures.ties(&asked, &proxies);
    let tied: BTreeSet<usize> = ties.iter().map(|tie| tie.back_finding).collect();
    for tie in ties.iter().chain(&veiled::ties(&failures, &stories, &tied)) {
        apply(findings, tie);
    }
}

fn apply(findings: &mut [&mut Finding], tie: &Tie) {
    let id = |finding: usize| findings.get(finding).map(|finding| finding.id.clone());
    let (front_id, back_id) = (tie.front_finding.and_then(id), id(tie.back_finding));
    if let Some(back) = findings.get_mut(tie.back_finding) {
        back.hop = Some(Hop {
            side: "back".to_owned(),
            stream: tie.front.stream.1,
            capture: capture_if_other(CaptureId(tie.front.stream.0), back.capture),
            server: tie.front.server.into(),
            finding: front_id,
            outcome: tie.outcome.clone(),
            tied_by: tie.tied_by.clone(),
        });
        if let (Some(again), Some(retry)) = (&tie.again, back.retry.as_mut()) {
            // Requests alike come from many clients; this copy is known to be the proxy's.
            let may_have_run_twice = retry
                .seen
                .as_ref()
                .is_some_and(|seen| seen.may_have_run_twice);
            retry.seen = Some(RetrySeen {
                stream: again.stream,
                frame: again.frame.number.0,
                capture: capture_if_other(again.frame.capture, back.capture),
                after_s: (again.at - back.at).as_secs_f64(),
                answered: true,
                may_have_run_twice,
            });
        }
    }
    if let Some(front) = tie
        .front_finding
        .and_then(|finding| findings.get_mut(finding))
    {
        front.hop = Some(Hop {
            side: "front".to_owned(),
            stream: tie.back.stream.1,
            capture: capture_if_other(CaptureId(tie.back.stream.0), front.capture),
            server: tie.back.server.into(),
            finding: back_id,
            outcome: tie.outcome.clone(),
            tied_by: tie.tied_by.clone(),
        });
        if let Some(back) = front.passed_on().map(str::to_owned) {
            front.explanation.push_str(&format!(
                " It passed on what it had got from {}, where the reason is: {back}.",
                Endpoint::from(tie.back.server)
            ));
        }
    }
}

/// A failure and the request it cost: it may have been on the back side of a proxy, or on its front.
struct Failure<'a> {
    finding: usize,
    asked: Asked<'a>,
    /// Signs that it ended, oldest first: FINs after the request, the RST or whatever the finding is about.
    signs: Vec<Timestamp>,
    form: Option<Form>,
    harm: Harm,
    at: Timestamp,
    by_client: bool,
}

impl Failure<'_> {
    fn first_sign(&self) -> Timestamp {
        self.signs.first().copied().unwrap_or(self.at)
    }

    /// How far a moment is from the nearest sign.
    fn distance(&self, moment: Timestamp) -> Interval {
        self.signs
            .iter()
            .map(|sign| (moment - *sign).abs())
            .min()
            .unwrap_or((moment - self.at).abs())
    }
}

/// The front connection found for a back one.
struct Tie {
    back_finding: usize,
    back: Side,
    front_finding: Option<usize>,
    front: Side,
    outcome: String,
    tied_by: String,
    again: Option<Again>,
}

/// A connection on one side of a proxy.
#[derive(Clone, Copy)]
struct Side {
    stream: (u16, u32),
    server: SocketAddr,
}

impl Side {
    fn of(asked: &Asked) -> Self {
        Self {
            stream: asked.story.stream(),
            server: asked.story.server,
        }
    }
}

/// The proxy's second attempt, which was answered.
#[derive(Clone, Copy)]
struct Again {
    /// In the capture of that frame.
    stream: u32,
    frame: FrameId,
    at: Timestamp,
}

/// What the client of the proxy got.
struct Outcome {
    word: String,
    /// When it got it.
    at: Timestamp,
    finding: Option<usize>,
    /// What it was, for a sentence.
    what: String,
    again: Option<Again>,
}

struct Failures<'a> {
    /// In order of their requests.
    backs: Vec<Failure<'a>>,
    /// Those whose request can't be recognised elsewhere, by that request.
    veiled: BTreeMap<(u16, u32, Timestamp), Failure<'a>>,
    /// Indexes into `backs`, by connection.
    by_connection: BTreeMap<(u16, u32), Vec<usize>>,
}

impl<'a> Failures<'a> {
    fn new(findings: &[&mut Finding], lost: &'a [Lost<'a>]) -> Self {
        let (mut backs, unknown): (Vec<Failure>, Vec<Failure>) = lost
            .iter()
            .filter_map(|lost| Some(failure(findings.get(lost.finding)?, lost)))
            .partition(|failure| failure.asked.key().is_some());
        backs.sort_by_key(|back| (back.asked.start(), back.finding));
        let mut by_connection: BTreeMap<(u16, u32), Vec<usize>> = BTreeMap::new();
        for (index, back) in backs.iter().enumerate() {
            let story = back.asked.story;
            by_connection
                .entry((story.capture, story.stream))
                .or_default()
                .push(index);
        }
        let veiled = unknown.into_iter();
        Self {
            backs,
            veiled: veiled
                .map(|failure| (failure.asked.id(), failure))
                .collect(),
            by_connection,
        }
    }

    fn ties(&self, asked: &AskedIndex, proxies: &Proxies) -> Vec<Tie> {
        // Which front requests are explained, and when the attempt on the back side that explains them was over.
        let mut taken: BTreeMap<(u16, u32, Timestamp), Timestamp> = BTreeMap::new();
        let mut ties = Vec::new();
        for back in &self.backs {
            let mut fits = self.fits(back, asked, proxies);
            fits.retain(|fit| {
                taken
                    .get(&fit.front.id())
                    .is_none_or(|over| *over <= back.asked.start())
            });
            let best = fits.iter().min_by_key(|fit| {
                (
                    Reverse(fit.front.same_bytes(&back.asked)),
                    back.asked.lag(&fit.front) > AT_ONCE,
                    taken.contains_key(&fit.front.id()),
                    fit.front.id().2,
                    fit.front.id(),
                )
            });
            if let Some(best) = best {
                taken.insert(best.front.id(), back.first_sign());
                ties.push(tie(back, best, fits.len()));
            }
        }
        ties
    }

    fn fits<'b>(
        &'b self,
        back: &'b Failure,
        asked: &'b AskedIndex<'b>,
        proxies: &Proxies,
    ) -> Vec<Fit<'b>> {
        asked
            .alike_before(&back.asked, back.asked.start())
            .take_while(|front| back.asked.start() - front.start() <= OPEN_AT_MOST)
            .take(MOST_COMPARED)
            .filter(|front| front.is_open_at(back.asked.start()))
            .filter_map(|front| {
                let bond = proxies.bond(front, &back.asked)?;
                let outcome = self.outcome(back, front, asked)?;
                Some(Fit {
                    front: *front,
                    bond,
                    outcome,
                })
            })
            .collect()
    }

    /// What `front` got, if it follows from the end of `back`.
    fn outcome<'b>(
        &self,
        back: &'b Failure,
        front: &Asked,
        asked: &'b AskedIndex<'b>,
    ) -> Option<Outcome> {
        let reply = front.turn.reply;
        let own = self.of(front);
        let status = front.turn.status.map(NonZeroU16::get);
        if let (Some(status @ 500..), Some(reply)) = (status, reply) {
            let at = reply.start;
            return (back.distance(at) <= SOON).then(|| Outcome {
                word: status.to_string(),
                at,
                finding: own.map(|own| own.finding),
                what: format!("its {status}"),
                again: None,
            });
        }
        if let Some(own) = own {
            return failed_with(back, own);
        }
        let answered = reply?.start;
        let again = asked.answered_last(&back.asked, answered)?;
        let was_sent_again = again.start() > back.asked.start()
            && again.start() + AT_ONCE >= back.first_sign()
            && again.start() - back.first_sign() <= SOON
            && again.story.stream != back.asked.story.stream;
        was_sent_again.then(|| retried(again, answered))
    }

    /// The failure that cost this very request.
    fn of(&self, asked: &Asked) -> Option<&Failure<'a>> {
        self.by_connection
            .get(&(asked.story.capture, asked.story.stream))?
            .iter()
            .filter_map(|index| self.backs.get(*index))
            .find(|failure| failure.asked.id() == asked.id())
    }
}

/// The proxy asked again, and that answer was passed on at `at`.
fn retried(again: &Asked, at: Timestamp) -> Outcome {
    Outcome {
        word: "retried".to_owned(),
        at,
        finding: None,
        what: format!("its answer, from stream {},", again.stream_there()),
        again: Some(Again {
            stream: again.stream_there(),
            frame: again.turn.frame,
            at: again.start(),
        }),
    }
}

/// What the failure `own` on the front meant to its client, if it follows from the end of `back`.
fn failed_with(back: &Failure, own: &Failure) -> Option<Outcome> {
    if own.by_client || back.distance(own.first_sign()) > SOON {
        return None;
    }
    let (word, what) = match (own.harm, own.form) {
        (Harm::ResponseTruncated, _) => ("truncated", "the end of its cut answer"),
        (_, Some(_)) => ("reset", "its reset"),
        (_, None) => ("closed", "its hang-up"),
    };
    Some(Outcome {
        word: word.to_owned(),
        at: own.first_sign(),
        finding: Some(own.finding),
        what: what.to_owned(),
        again: None,
    })
}

struct Fit<'a> {
    front: Asked<'a>,
    bond: Bond,
    outcome: Outcome,
}

fn failure<'a>(finding: &Finding, lost: &'a Lost<'a>) -> Failure<'a> {
    let asked = Asked {
        story: &lost.story,
        turn: lost.turn,
    };
    let mut signs: Vec<Timestamp> = [&finding.fins.client, &finding.fins.server]
        .into_iter()
        .flatten()
        .map(|fin| fin.at)
        .chain([finding.at])
        .filter(|sign| *sign >= asked.start())
        .collect();
    signs.sort_unstable();
    let by_client = match finding.sender {
        Some(sender) => sender == ResetSender::Client,
        None => finding.claimed_sender == Some(Peer::Client),
    };
    Failure {
        finding: lost.finding,
        asked,
        signs,
        form: finding.form,
        harm: finding.harm,
        at: finding.at,
        by_client,
    }
}

/// `its 502 came 1 ms after the back connection ended`.
fn when(back: &Failure, outcome: &Outcome) -> String {
    let sign = back
        .signs
        .iter()
        .min_by_key(|sign| (outcome.at - **sign).abs())
        .copied()
        .unwrap_or(back.at);
    let after = outcome.at - sign;
    let order = if after.as_nanos() < 0 {
        "before"
    } else {
        "after"
    };
    format!(
        "{} came {} {order} the back connection ended",
        outcome.what,
        after.abs()
    )
}

fn tie(back: &Failure, fit: &Fit, fits: usize) -> Tie {
    let lag = back.asked.lag(&fit.front);
    let request = if fit.front.same_bytes(&back.asked) {
        "the same request and body"
    } else {
        "the same request"
    };
    let mut tied_by = format!(
        "{request}, passed on {lag} after it came; {}; {}",
        when(back, &fit.outcome),
        fit.bond.text()
    );
    if fits > 1 {
        tied_by.push_str(&format!(
            "; {fits} requests fit, taken in the order in which they came"
        ));
    }
    Tie {
        back_finding: back.finding,
        back: Side::of(&back.asked),
        front_finding: fit.outcome.finding,
        front: Side::of(&fit.front),
        outcome: fit.outcome.word.clone(),
        tied_by,
        again: fit.outcome.again,
    }
}

#[cfg(test)]
mod tests;
