//! All that the page tells of one finding.

use super::diagram::Diagram;
use crate::report::text::{clean, count, seconds};
use crate::report::{Evidence, Finding, Report, RequestInFlight, commands, frames, telling};

/// What stands behind a row.
pub struct Detail<'a> {
    pub explanation: String,
    /// Names and values.
    pub facts: Vec<(&'static str, String)>,
    /// What speaks for the verdict.
    pub evidence: Vec<String>,
    pub against: Vec<String>,
    pub advice: Vec<String>,
    pub command: Option<String>,
    pub diagram: Option<Diagram<'a>>,
}

impl<'a> Detail<'a> {
    pub fn of(report: &Report, finding: &'a Finding) -> Self {
        let capture = report.captures.get(usize::from(finding.capture));
        Self {
            explanation: clean(&finding.explanation).into_owned(),
            facts: facts(report, finding),
            evidence: finding.evidence.iter().take(12).map(fact).collect(),
            against: finding.evidence_against.iter().take(6).map(fact).collect(),
            advice: finding.advice.iter().take(6).cloned().collect(),
            command: capture.map(|capture| commands::tshark(capture, &finding.wireshark_filter)),
            diagram: Diagram::of(finding),
        }
    }
}

fn fact(evidence: &Evidence) -> String {
    let text = clean(&evidence.text);
    format!("{text}{}", frames::in_brackets(evidence))
}

/// `none, as far as was captured`
fn harm(finding: &Finding) -> String {
    match finding.harm_unclear {
        true => format!(
            "{}, as far as was captured: that does not show enough of what was said",
            finding.harm
        ),
        false => finding.harm.to_string(),
    }
}

fn facts(report: &Report, finding: &Finding) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value {
            facts.push((name, clean(&value).into_owned()));
        }
    };
    add("Cause", Some(cause(finding)));
    add("Sent by", sender(finding));
    add("Form", finding.form.map(|form| form.to_string()));
    add("Answers", trigger(finding));
    add("Silence before", idle(finding));
    add("FINs", fins(finding));
    add("Request", finding.request.as_ref().map(request));
    add("Harm", Some(harm(finding)));
    add("Retry", retry(finding));
    add("Effect", finding.effect.map(|effect| effect.to_string()));
    add("Also possible", rivals(finding));
    add("The victim sees", errors(finding));
    add("Text in the RST", finding.reset_text.clone());
    add("Other hop", hop(finding));
    add("The kernel says", kernel(finding));
    add("Packets", Some(packets(report, finding)));
    add("Captures", frames::legend(finding, &report.captures));
    add(
        "Community ID",
        Some(finding.connection.community_id.clone()).filter(|id| !id.is_empty()),
    );
    facts
}

fn cause(finding: &Finding) -> String {
    match &finding.detail {
        Some(detail) => format!("{} ({detail}), {}", finding.cause, finding.confidence),
        None => format!("{}, {}", finding.cause, finding.confidence),
    }
}

fn sender(finding: &Finding) -> Option<String> {
    let sender = finding.sender?;
    let sure = finding
        .sender_confidence
        .map(|c| format!(", {c}"))
        .unwrap_or_default();
    let claimed = finding
        .claimed_sender
        .filter(|claimed| claimed.as_str() != sender.as_str())
        .map(|claimed| format!("; it bears the {claimed}'s address"))
        .unwrap_or_default();
    Some(format!("{sender}{sure}{claimed}"))
}

fn trigger(finding: &Finding) -> Option<String> {
    let trigger = finding.trigger.as_ref()?;
    let mut out = match trigger.kind {
        crate::verdict::TriggerKind::None => "no packet: its sender's own decision".to_owned(),
        kind => kind.to_string(),
    };
    if let Some(from) = trigger.from {
        out.push_str(&format!(" from the {from}"));
    }
    if let Some(frame) = trigger.number() {
        out.push_str(&format!(" in frame {frame}"));
    }
    Some(out)
}

fn idle(finding: &Finding) -> Option<String> {
    let idle = &finding.idle;
    let mut parts = Vec::new();
    if let Some(s) = idle.application_s {
        parts.push(format!("{} for the application", seconds(s)));
    }
    if let Some(s) = idle.wire_s {
        parts.push(format!("{} on the wire", seconds(s)));
    }
    if parts.is_empty() {
        return None;
    }
    if idle.kind != crate::verdict::IdleKind::None {
        parts.push(idle.kind.to_string());
    }
    if let Some(frame) = idle.since() {
        parts.push(format!("since frame {frame}"));
    }
    if idle.keepalive_probes > 0 {
        parts.push(count(
            u64::from(idle.keepalive_probes),
            "keepalive probe",
            "keepalive probes",
        ));
    }
    Some(parts.join(", "))
}

fn fins(finding: &Finding) -> Option<String> {
    let fins = finding.fins_in_order().into_iter();
    let fins: Vec<String> = fins
        .map(|(who, fin)| {
            format!(
                "{who} in frame {} at {}",
                fin.number(),
                telling::milli(fin.at)
            )
        })
        .collect();
    (!fins.is_empty()).then(|| fins.join(", "))
}

fn request(request: &RequestInFlight) -> String {
    let what = request.summary.clone().or_else(|| {
        request
            .server_name
            .as_ref()
            .map(|name| format!("to {name}"))
    });
    let acked = if request.acked {
        "acknowledged by the peer's stack"
    } else {
        "never acknowledged"
    };
    let answered = if request.answered {
        "answered in part"
    } else {
        "unanswered"
    };
    match what {
        Some(what) => format!("{what}; {acked}, {answered}"),
        None => format!("{acked}, {answered}"),
    }
}

fn retry(finding: &Finding) -> Option<String> {
    let retry = finding.retry.as_ref()?;
    let why = retry.why.trim_end_matches('.');
    let mut out = format!("safe: {}; {why}", retry.safe);
    if let Some(seen) = &retry.seen {
        out.push_str(&format!(
            "; sent again {} in stream {} (frame {})",
            telling::again(seen),
            seen.stream,
            seen.number()
        ));
        if seen.answered {
            out.push_str(", answered");
        }
        if seen.may_have_run_twice {
            out.push_str("; it may have run twice");
        }
    }
    Some(out)
}

fn rivals(finding: &Finding) -> Option<String> {
    let rivals: Vec<String> = finding
        .alternatives
        .iter()
        .take(3)
        .map(|a| telling::rival(finding, a))
        .collect();
    (!rivals.is_empty()).then(|| rivals.join("; "))
}

fn errors(finding: &Finding) -> Option<String> {
    let errors: Vec<String> = finding
        .victim_errors
        .iter()
        .take(16)
        .map(|(runtime, error)| format!("{runtime}: {error}"))
        .collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}

fn hop(finding: &Finding) -> Option<String> {
    let hop = finding.hop.as_ref()?;
    let id = hop
        .finding
        .as_ref()
        .map(|id| format!(" ({id})"))
        .unwrap_or_default();
    let (here, there) = match hop.side.as_str() {
        "back" => ("behind", "in front of it"),
        _ => ("in front of", "behind it"),
    };
    Some(format!(
        "this is {here} a proxy; {there} is stream {} to {}{id}; its client got: {}; tied by {}",
        hop.number(),
        hop.server,
        hop.outcome,
        hop.tied_by
    ))
}

fn kernel(finding: &Finding) -> Option<String> {
    let word = finding.kernel.as_ref()?;
    let parts = [
        word.reason.clone(),
        word.state.clone(),
        word.process.clone(),
        word.pid.map(|pid| format!("pid {pid}")),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", ")).filter(|s| !s.is_empty())
}

fn packets(report: &Report, finding: &Finding) -> String {
    let from = report
        .captures
        .get(usize::from(finding.capture))
        .map(|c| format!(" of {}", c.path))
        .unwrap_or_default();
    let folded = match finding.connections {
        Some(n) => format!(" on {}", count(n, "connection", "connections")),
        None => String::new(),
    };
    format!(
        "{}{folded}, first in frame {}{from}, stream {}",
        count(finding.packets.max(1), "packet", "packets"),
        finding.frame,
        frames::list(finding.streams(), 4)
    )
}
