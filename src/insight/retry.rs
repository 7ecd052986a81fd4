//! The same request again, on another connection, after a loss.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::dialogue::{Answer, Completeness, Dialogue, Exchange, Idempotence};
use crate::insight::ConnectionStory;
use crate::report::{Finding, RetrySeen};
use crate::time::{Interval, Timestamp};
use crate::verdict::Harm;

/// A request that comes later than this after a loss is a new one.
const PATIENCE: Interval = Interval::from_millis(10_000);
/// Clients hedge: a copy may start a little before the loss is seen.
const BEFORE: Interval = Interval::from_millis(50);

/// One request as it can be recognised: who sent it, its hash, how many bytes that covers.
type Signature = (IpAddr, u64, u64);

/// Fills `retry.seen` of the findings that cost a request.
pub fn find_retries(findings: &mut [&mut Finding], stories: &[ConnectionStory]) {
    let by_signature = index(stories);
    let by_connection: BTreeMap<(u16, u32), &ConnectionStory> = stories
        .iter()
        .map(|story| ((story.capture, story.stream), story))
        .collect();
    for finding in findings.iter_mut().filter(|finding| finding.is_harmful()) {
        let Some(story) = by_connection.get(&(finding.capture, finding.connection.stream)) else {
            continue;
        };
        let Some(lost) = lost_exchange(&story.dialogue, finding) else {
            continue;
        };
        let Some(signature) = signature(story, lost) else {
            continue;
        };
        let Some(candidates) = by_signature.get(&signature) else {
            continue;
        };
        let seen = candidates
            .iter()
            .filter(|(other, _)| other.stream != story.stream || other.capture != story.capture)
            .filter(|(_, exchange)| {
                let after = exchange.request.start.time - finding.at;
                after >= -BEFORE
                    && after <= PATIENCE
                    && exchange.request.start.time > lost.request.start.time
            })
            .min_by_key(|(other, exchange)| (exchange.request.start.time, other.stream));
        if let (Some((other, exchange)), Some(retry)) = (seen, finding.retry.as_mut()) {
            let write = lost.what.idempotence != Some(Idempotence::Idempotent);
            let maybe_run = matches!(
                finding.harm,
                Harm::RequestOutcomeUnknown | Harm::ResponseTruncated
            );
            retry.seen = Some(RetrySeen {
                stream: other.stream,
                frame: exchange.request.start.frame.number.0,
                after_s: (exchange.request.start.time - finding.at).as_secs_f64(),
                answered: exchange.response.is_some(),
                may_have_run_twice: write && maybe_run,
            });
            if write && maybe_run {
                let what = lost.what.summary.as_deref().unwrap_or("The request");
                retry.why = format!(
                    "{} {what} may have run twice: it was sent again.",
                    retry.why
                );
            }
        }
    }
}

fn index(stories: &[ConnectionStory]) -> BTreeMap<Signature, Vec<(&ConnectionStory, &Exchange)>> {
    let mut by_signature: BTreeMap<Signature, Vec<(&ConnectionStory, &Exchange)>> = BTreeMap::new();
    for story in stories {
        for exchange in &story.dialogue.recent {
            if let Some(signature) = signature(story, exchange) {
                by_signature
                    .entry(signature)
                    .or_default()
                    .push((story, exchange));
            }
        }
    }
    by_signature
}

fn signature(story: &ConnectionStory, exchange: &Exchange) -> Option<Signature> {
    (exchange.what.bytes > 0 && exchange.what.fingerprint != 0).then_some((
        story.client.ip(),
        exchange.what.fingerprint,
        exchange.what.bytes,
    ))
}

/// The exchange that the ending cost: the first one open when it came.
pub(super) fn lost_exchange<'a>(dialogue: &'a Dialogue, finding: &Finding) -> Option<&'a Exchange> {
    let before = |time: Timestamp| time <= finding.at;
    let cut = |exchange: &&Exchange| {
        before(exchange.request.start.time)
            && exchange
                .response
                .is_some_and(|response| response.complete != Completeness::Complete)
    };
    if finding.harm == Harm::ResponseTruncated
        && let Some(newest) = dialogue.recent.iter().rev().find(cut)
    {
        return Some(newest);
    }
    let open = |exchange: &&Exchange| {
        exchange.answer != Answer::NotDue
            && before(exchange.request.start.time)
            && exchange
                .response
                .is_none_or(|response| response.start.time > finding.at)
    };
    let late = |exchange: &&Exchange| exchange.response.is_none();
    dialogue
        .recent
        .iter()
        .find(open)
        .or_else(|| dialogue.recent.iter().find(late))
}
