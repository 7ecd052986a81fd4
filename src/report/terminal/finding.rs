//! Everything about one finding.

use super::TerminalOptions;
use super::insight::advice_lines;
use crate::flow::Orientation;
use crate::report::ladder::{self, Columns};
use crate::report::text::{Tone, clean, count, hanging, seconds, wrapped};
use crate::report::{Cost, Evidence, Finding, HandshakeSeen, Report, commands, frames, telling};
use crate::verdict::{Effect, IdleKind, ResetSender, RetrySafety, TriggerKind};

/// Draws one finding with all that the report knows of it.
pub fn render(report: &Report, finding: &Finding, options: &TerminalOptions) -> String {
    let cause = match &finding.detail {
        Some(detail) => format!("{} / {}", finding.cause, clean(detail)),
        None => finding.cause.to_string(),
    };
    let title = format!(
        "{}  {cause} ({}): {}",
        finding.id,
        finding.confidence,
        cost(finding)
    );
    let tone = if finding.is_harmful() {
        Tone::Harm
    } else {
        Tone::Strong
    };
    let mut out = format!("{}\n", options.color.paint(tone, &title));
    if !finding.explanation.is_empty() {
        out.push_str(&wrapped(&finding.explanation, options.width, ""));
    }
    out.push('\n');
    for (name, text) in facts(report, finding) {
        out.push_str(&hanging(
            &text,
            options.width,
            &format!("  {name:<13}"),
            &" ".repeat(15),
        ));
    }
    if !finding.ladder.is_empty() {
        out.push_str(&options.heading("The packets that matter"));
        out.push_str(&ladder::render(
            &finding.ladder,
            &Columns::of(finding),
            options.ladder(),
        ));
    }
    out.push_str(&judgement(finding, options));
    out.push_str(&victim(finding, options));
    out.push_str(&remedies(report, finding, options));
    out.push_str(&commands(report, finding, options));
    out
}

const fn cost(finding: &Finding) -> &'static str {
    match Cost::of(finding) {
        Cost::Nothing => "nothing was lost",
        Cost::Unclear => "what it cost can't be told",
        Cost::Refused => "the connection never came to be",
        Cost::RequestLost => "a request was lost, the peer never took it",
        Cost::OutcomeUnknown => "a request was taken and never answered, its outcome is unknown",
        Cost::ResponseTruncated => "a response was cut short",
    }
}

fn facts(report: &Report, finding: &Finding) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("connection", connection(finding)),
        ("ended", ended(report, finding)),
    ];
    facts.extend(frames::legend(finding, &report.captures).map(|text| ("captures", text)));
    facts.extend(sent_by(finding).map(|text| ("sent by", text)));
    facts.extend(answering(finding).map(|text| ("answering", text)));
    facts.extend(silence(finding).map(|text| ("silence", text)));
    facts.extend(fins(finding).map(|text| ("FINs before", text)));
    facts.extend(request(finding).map(|text| ("request", text)));
    facts.extend(retry(finding).map(|text| ("retry", text)));
    facts.extend(hop(finding).map(|text| ("other hop", text)));
    facts.extend(
        finding
            .reset_text
            .as_ref()
            .map(|text| ("RST says", format!("“{text}”"))),
    );
    facts.extend(kernel(finding).map(|text| ("kernel says", text)));
    facts
}

fn connection(finding: &Finding) -> String {
    let id = &finding.connection;
    let handshake = match id.handshake {
        HandshakeSeen::Seen => "handshake seen",
        HandshakeSeen::Partly => "handshake partly seen",
        HandshakeSeen::Unseen => "handshake not captured",
    };
    let roles = match id.orientation {
        Orientation::Syn => "",
        Orientation::Port => ", client and server told apart by their ports",
        Orientation::FirstSender => ", client taken to be who spoke first",
    };
    let others = match finding.connections {
        Some(n) if n > 1 => format!(", the first of {}", count(n, "connection", "connections")),
        _ => String::new(),
    };
    let called = match id.called {
        Some(called) => format!(" (called {})", called.endpoint),
        None => String::new(),
    };
    format!(
        "{} → {}{called}, {} {}, opened {}, {handshake}{roles}{others}",
        id.client,
        id.server,
        match finding.streams().nth(1) {
            None => "stream",
            Some(_) => "streams",
        },
        frames::list(finding.streams(), 4),
        id.opened
    )
}

fn ended(report: &Report, finding: &Finding) -> String {
    let mut text = format!("{}, frame {}", finding.at, finding.frame);
    if let Some(capture) = report.captures.get(usize::from(finding.capture)) {
        text.push_str(&format!(" of {}", capture.path));
    }
    if finding.packets > 1 {
        text.push_str(&format!(
            ", {} ({})",
            count(finding.packets, "RST packet", "RST packets"),
            frames::list(finding.numbers(), 12)
        ));
    }
    if let (Some(first), Some(last)) = (finding.first, finding.last) {
        text.push_str(&format!(", from {first} to {last}"));
    }
    text
}

fn sent_by(finding: &Finding) -> Option<String> {
    let Some(sender) = finding.sender else {
        return finding
            .claimed_sender
            .map(|peer| format!("nobody sent a RST; the {peer} sent the FIN"));
    };
    let sure = finding
        .sender_confidence
        .map(|c| format!(" ({c})"))
        .unwrap_or_default();
    let who = match sender {
        ResetSender::Client => "the client's host",
        ResetSender::Server => "the server's host",
        ResetSender::Middlebox => "a device in between",
        ResetSender::Unknown => "not decidable here",
    };
    let mut text = format!("{who}{sure}");
    if let Some(claimed) = finding
        .claimed_sender
        .filter(|peer| peer.as_str() != sender.as_str())
    {
        text.push_str(&format!("; the packet bears the {claimed}'s address"));
    }
    if let Some(form) = finding.form {
        text.push_str(&format!("; form: {form}"));
    }
    if finding.effect == Some(Effect::Ignored) {
        text.push_str("; its receiver did not obey");
    }
    Some(text)
}

fn answering(finding: &Finding) -> Option<String> {
    let trigger = finding.trigger.as_ref()?;
    if trigger.kind == TriggerKind::None {
        return Some("no packet: its sender's own decision, or a timer".to_owned());
    }
    let mut text = format!("{}", trigger.kind);
    if let Some(from) = trigger.from {
        text.push_str(&format!(" of the {from}"));
    }
    if let Some(frame) = trigger.number() {
        text.push_str(&format!(", frame {frame}"));
    }
    Some(text)
}

fn silence(finding: &Finding) -> Option<String> {
    let idle = &finding.idle;
    let mut parts = Vec::new();
    if let Some(s) = idle.application_s {
        parts.push(format!("{} of the application", seconds(s)));
    }
    if let Some(s) = idle.wire_s {
        parts.push(format!("{} on the wire", seconds(s)));
    }
    match idle.kind {
        IdleKind::BetweenRequests => parts.push("between requests".to_owned()),
        IdleKind::AwaitingResponse => parts.push("awaiting a response".to_owned()),
        IdleKind::Handshake => parts.push("during the handshake".to_owned()),
        IdleKind::None => {}
    }
    if parts.is_empty() {
        return None;
    }
    if let (Some(frame), Some(from)) = (idle.since(), idle.last_from) {
        parts.push(format!("last activity: frame {frame} of the {from}"));
    }
    if idle.keepalive_probes > 0 {
        parts.push(count(
            idle.keepalive_probes.into(),
            "keepalive probe",
            "keepalive probes",
        ));
    }
    Some(parts.join(", "))
}

fn fins(finding: &Finding) -> Option<String> {
    let fins = finding.fins_in_order().into_iter();
    let texts: Vec<String> = fins
        .map(|(who, fin)| {
            let name = if fin.data_fin { "DATA_FIN in " } else { "" };
            format!("{who}: {name}frame {} at {}", fin.number(), fin.at)
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn request(finding: &Finding) -> Option<String> {
    let request = finding.request.as_ref()?;
    let protocol = serde_json::to_value(request.protocol).ok();
    let protocol = protocol
        .as_ref()
        .and_then(|p| p.as_str())
        .unwrap_or("unknown");
    let mut text = match &request.summary {
        Some(summary) => format!("{summary} ({protocol})"),
        None if protocol == "unknown" => "of an unknown protocol".to_owned(),
        None => format!("not readable ({protocol})"),
    };
    if let Some(name) = &request.server_name {
        text.push_str(&format!(" to {name}"));
    }
    text.push_str(if request.acked {
        ", acknowledged by the peer's stack"
    } else {
        ", not acknowledged"
    });
    text.push_str(if request.answered {
        ", answered in part"
    } else {
        ", unanswered"
    });
    Some(text)
}

fn retry(finding: &Finding) -> Option<String> {
    let retry = finding.retry.as_ref()?;
    let safe = match retry.safe {
        RetrySafety::Yes => "safe",
        RetrySafety::No => "not safe",
        RetrySafety::Unknown => "not known to be safe",
    };
    let mut text = format!("{safe}: {}", retry.why.trim_end_matches('.'));
    if let Some(seen) = &retry.seen {
        let outcome = if seen.answered {
            "answered"
        } else {
            "not answered"
        };
        text.push_str(&format!(
            "; sent again {} on stream {} (frame {}), {outcome}",
            telling::again(seen),
            seen.stream,
            seen.number()
        ));
        if seen.may_have_run_twice {
            text.push_str("; it may have run twice");
        }
    }
    Some(text)
}

fn hop(finding: &Finding) -> Option<String> {
    let hop = finding.hop.as_ref()?;
    let which = hop
        .finding
        .as_ref()
        .map(|id| format!(" ({id})"))
        .unwrap_or_default();
    Some(format!(
        "this is the {} of a proxy; the other side is stream {} to {}{which}, outcome in front: {}; tied by: {}",
        hop.side,
        hop.number(),
        hop.server,
        hop.outcome,
        hop.tied_by
    ))
}

fn kernel(finding: &Finding) -> Option<String> {
    let word = finding.kernel.as_ref()?;
    let mut text = word
        .reason
        .clone()
        .unwrap_or_else(|| "it sent no RST here".to_owned());
    if let Some(state) = &word.state {
        text.push_str(&format!(", state {state}"));
    }
    if let Some(process) = &word.process {
        text.push_str(&format!(", process {process}"));
        if let Some(pid) = word.pid {
            text.push_str(&format!(" ({pid})"));
        }
    }
    Some(text)
}

fn evidence_line(mark: &str, evidence: &Evidence, options: &TerminalOptions) -> String {
    let frames: Vec<_> = evidence.numbers().map(|f| format!("#{f}")).collect();
    let text = if frames.is_empty() {
        evidence.text.clone()
    } else {
        format!("{} ({})", evidence.text, frames.join(" "))
    };
    hanging(&text, options.width, &format!("  {mark} "), "    ")
}

fn judgement(finding: &Finding, options: &TerminalOptions) -> String {
    let mut out = String::new();
    if !finding.evidence.is_empty() || !finding.evidence_against.is_empty() {
        out.push_str(&options.heading("Evidence for (+) and against (-)"));
        for evidence in &finding.evidence {
            out.push_str(&evidence_line("+", evidence, options));
        }
        for evidence in &finding.evidence_against {
            out.push_str(&evidence_line("-", evidence, options));
        }
    }
    if !finding.alternatives.is_empty() {
        out.push_str(&options.heading("What else it could be, and what would tell"));
        for other in &finding.alternatives {
            let text = telling::rival(finding, other);
            out.push_str(&hanging(&text, options.width, "  ", "    "));
        }
    }
    out
}

fn victim(finding: &Finding, options: &TerminalOptions) -> String {
    if finding.victim_errors.is_empty() {
        return String::new();
    }
    let who = finding.victim.map_or("the victim", |peer| peer.as_str());
    let mut out = options.heading(&format!(
        "What the {} prints",
        who.trim_start_matches("the ")
    ));
    let longest = finding
        .victim_errors
        .keys()
        .map(|k| k.chars().count())
        .max()
        .unwrap_or(0);
    for (runtime, error) in &finding.victim_errors {
        let name = format!("  {:<longest$}  ", clean(runtime));
        out.push_str(&hanging(
            error,
            options.width,
            &name,
            &" ".repeat(longest + 4),
        ));
    }
    out
}

fn remedies(report: &Report, finding: &Finding, options: &TerminalOptions) -> String {
    let advice: Vec<_> = report
        .advice
        .iter()
        .filter(|a| finding.advice.contains(&a.id))
        .collect();
    if advice.is_empty() {
        return String::new();
    }
    let mut out = options.heading("What to change");
    for advice in advice {
        out.push_str(&advice_lines(advice, options));
    }
    out
}

fn commands(report: &Report, finding: &Finding, options: &TerminalOptions) -> String {
    let mut out = options.heading("See it for yourself");
    let capture = report.captures.get(usize::from(finding.capture));
    if let Some(capture) = capture.filter(|c| c.path != "-" && c.format != "live") {
        let command = commands::tshark(capture, &finding.wireshark_filter);
        out.push_str(&format!("  {command}\n"));
    } else {
        out.push_str(&format!(
            "  Wireshark display filter: {}\n",
            clean(&finding.wireshark_filter)
        ));
    }
    out.push_str(&format!("  whyrst explain {}\n", finding.cause));
    out
}
