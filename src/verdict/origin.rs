//! Who really made a RST: the host whose address it bears, or a box in between. Judged apart from why.
//!
//! The tests are numbered as in the literature's practice of passive detection (Weaver, Sommer and Paxson, NDSS 2009, and the
//! INTANG and GFW fingerprint code); only contradictions decide alone, fingerprints have to agree.

mod both_ends;
mod ttl;

use crate::capture::FrameId;
use crate::flow::{Direction, History, Packet, PacketKind, Peer};
use crate::time::Interval;
use crate::verdict::ending::Ending;
use crate::verdict::form::Shape;
use crate::verdict::{Confidence, Fact, Form, ResetSender};

/// Captures reorder packets by less than this.
const REORDERING: Interval = Interval::from_millis(1);

/// How much a test says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Two of them make a box possible.
    Medium,
    /// One does.
    Fair,
    /// One makes it likely.
    Strong,
    /// One proves it.
    Decisive,
}

/// Who made the RST, how sure, and why.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who.
    pub sender: ResetSender,
    /// How sure.
    pub confidence: Confidence,
    /// What speaks for it.
    pub evidence: Vec<Fact>,
    /// The RST contradicts what its claimed sender did at the same time: not just another box's RST, but one sent past a living connection.
    pub contradicted: bool,
}

struct Findings {
    tests: Vec<(Weight, Fact)>,
}

impl Findings {
    fn add(&mut self, weight: Weight, text: String, frames: Vec<FrameId>) {
        self.tests.push((weight, Fact { text, frames }));
    }
}

/// Judges who made `reset`.
pub fn origin(ending: &Ending, reset: &Packet, shape: &Shape<'_>) -> Origin {
    let claimed = reset.from;
    let mut findings = Findings { tests: Vec::new() };
    life_after_reset(ending, reset, &mut findings);
    let contradicted = !findings.tests.is_empty();
    too_fast(ending, reset, shape, &mut findings);
    let seen = ending.at_place(reset);
    if let Some(seen) = &seen {
        ttl::hop_count(ending, seen, shape, &mut findings);
    }
    both_ends::not_from_sender(ending, reset, &mut findings);
    ttl::several_ttls(ending, claimed, &mut findings);
    impossible_reply(ending, reset, shape, &mut findings);
    sequence_ladder(ending, claimed, &mut findings);
    missing_timestamps(ending, reset, shape, &mut findings);
    odd_bare_reset(ending, reset, &mut findings);
    if ending.is_at_place(reset) {
        other_mac(ending, reset, &mut findings);
    }
    conclude(ending, (reset, seen), findings, contradicted)
}

fn conclude(
    ending: &Ending,
    (reset, seen): (&Packet, Option<Packet>),
    findings: Findings,
    contradicted: bool,
) -> Origin {
    let count = |weight: Weight| findings.tests.iter().filter(|(w, _)| *w == weight).count();
    let [decisive, strong, fair, medium] = [
        Weight::Decisive,
        Weight::Strong,
        Weight::Fair,
        Weight::Medium,
    ]
    .map(count);
    let (sender, confidence) = if decisive > 0 {
        (ResetSender::Middlebox, Confidence::Certain)
    } else if strong >= 1 {
        (ResetSender::Middlebox, Confidence::Likely)
    } else if fair >= 1 || medium >= 2 {
        (ResetSender::Middlebox, Confidence::Possible)
    } else {
        (
            claimed_sender(reset.from),
            claimed_confidence(ending, seen.as_ref(), medium),
        )
    };
    let mut evidence: Vec<Fact> = findings
        .tests
        .into_iter()
        .map(|(_, evidence)| evidence)
        .collect();
    if sender != ResetSender::Middlebox {
        evidence.extend(both_ends::from_sender(ending, reset));
        evidence.extend(seen.and_then(|seen| ttl::fits_claimed(ending, &seen)));
    }
    let confidence = if ending.lacks_the_middle() {
        // There is hardly a packet of its sender to hold it against.
        Confidence::Possible
    } else if ending.is_incomplete() {
        confidence.max(Confidence::Likely)
    } else {
        confidence
    };
    Origin {
        sender,
        confidence,
        evidence,
        contradicted,
    }
}

fn claimed_sender(peer: Peer) -> ResetSender {
    match peer {
        Peer::Client => ResetSender::Client,
        Peer::Server => ResetSender::Server,
    }
}

/// The address says so and nothing contradicts it; a hop count and a response time that fit make it likely. Never certain from
/// one capture: a box on the path could imitate both.
fn claimed_confidence(ending: &Ending, seen: Option<&Packet>, medium: usize) -> Confidence {
    let fits = |seen: &Packet| {
        let own = &ending.state.of(seen.from).ttl;
        let elsewhere = &ending.surroundings.hosts.of(seen.from).ttl;
        own.contains(seen.head.ttl) || elsewhere.contains(seen.head.ttl)
    };
    match medium == 0 && seen.is_some_and(fits) {
        true => Confidence::Likely,
        false => Confidence::Possible,
    }
}

/// F1: the claimed sender goes on after its own RST. A socket that aborted, or a stack that has no socket, sends nothing more
/// but RSTs.
fn life_after_reset(ending: &Ending, reset: &Packet, findings: &mut Findings) {
    if ending.fin(reset.from).is_some()
        || reset.from == Peer::Client && answers_old_state(ending, reset)
    {
        return;
    }
    let sender = ending.state.of(reset.from);
    // Of a sender that had said nothing, what lies far off may be of a connection whose SYN was not captured.
    let is_related = |packet: &Packet| {
        let off = packet.head.seq.offset_from(reset.head.seq);
        sender.snd_nxt.is_some() || off.unsigned_abs() < Direction::FAR
    };
    // Another SYN-ACK is of another connection, whose SYN was not captured.
    let receiver = ending.state.of(reset.from.other());
    let answers_same_syn = |packet: &Packet| {
        let reset_answers = reset.head.flags.ack().then_some(reset.head.ack);
        let answers = receiver.iss.map(|iss| iss + 1).or(reset_answers);
        answers == Some(packet.head.ack)
    };
    let goes_on = |packet: &Packet| {
        sender.could_send(packet.head.seq, receiver)
            && match packet.kind {
                PacketKind::SynAck => answers_same_syn(packet),
                PacketKind::Data | PacketKind::Fin => is_related(packet),
                PacketKind::Ack => sender.ack.is_some_and(|ack| packet.head.ack.is_after(ack)),
                _ => false,
            }
    };
    let own = ending
        .after
        .iter()
        .filter(|packet| packet.from == reset.from);
    let later: Vec<(&Packet, Interval)> = own
        .filter_map(|packet| Some((packet, ending.since_reset(reset, packet)?)))
        .filter(|(_, since)| *since > REORDERING + ending.surroundings.clock_step)
        .filter(|(packet, since)| !was_overtaken(ending, reset, packet, *since) && goes_on(packet))
        .collect();
    if let Some((_, since)) = later.first() {
        findings.add(
            Weight::Decisive,
            format!(
                "{} ms after its RST the {} goes on ({} more packets): whoever made the RST, that host did not",
                since.as_nanos() / 1_000_000,
                reset.from,
                later.len(),
            ),
            later.iter().take(3).map(|(packet, _)| packet.head.frame).collect(),
        );
    }
}

/// Sent before the RST and delivered after it: it lies below the RST's number, and comes within a round trip.
fn was_overtaken(ending: &Ending, reset: &Packet, packet: &Packet, since: Interval) -> bool {
    let flight = ending.round_trip().unwrap_or(Interval::ZERO);
    packet.head.payload_len > 0
        && !packet.end().is_after(reset.head.seq)
        && since <= flight.max(REORDERING)
}

/// A client that resets a foreign acknowledgement of its SYN goes on with the same SYN (RFC 9293 section 3.10.7.3).
fn answers_old_state(ending: &Ending, reset: &Packet) -> bool {
    let client = &ending.state.client;
    reset.from == Peer::Client
        && ending.state.server.iss.is_none()
        && client.iss.is_some()
        && client.packets == u64::from(client.syns)
}

/// Fewer packets than these hold no answer that is about as quick as the way allows. Chosen.
const FEW_ANSWERS: u64 = 4;

/// F3: sooner than the claimed sender ever answered.
fn too_fast(ending: &Ending, reset: &Packet, shape: &Shape<'_>, findings: &mut Findings) {
    let trigger = shape.trigger.or_else(|| {
        // An abort shaped RST right behind payload in flight: it can't be the far host's reaction.
        ending
            .newest_before(reset.from.other())
            .next()
            .filter(|packet| packet.head.payload_len > 0)
    });
    let (Some(trigger), Some(usual)) = (trigger, ending.shortest_response_of(reset.from)) else {
        return;
    };
    // Both may have been a step of the clock longer or shorter.
    let step = ending.surroundings.clock_step;
    let (took, at_least) = (reset.head.time - trigger.head.time, usual - step);
    let at_most = took + step;
    // Where packets are missing, it may answer an earlier one.
    if ending.place.is_some()
        || ending.is_incomplete()
        || seen_at_several_points(ending, trigger)
        || may_answer_a_forgotten_one(ending, reset, at_least)
    {
        return;
    }
    // Of few answers the quickest is no bound: ways vary.
    let share = if ending.state.of(reset.from).packets < FEW_ANSWERS {
        6
    } else {
        8
    };
    let reacts = shape.trigger.is_some() || acknowledges(reset, trigger);
    // Within a local network a stack's jitter is as long as the round trip.
    let margin = at_least - at_most;
    if reacts
        && took >= Interval::ZERO
        && at_most.as_nanos() * 10 < at_least.as_nanos() * share
        && margin > Interval::from_millis(2)
    {
        // Without the handshake the shortest answer may be an application's, slower than its kernel's.
        let kernel = ending.state.of(reset.from).answered_handshake;
        findings.add(
            if kernel { Weight::Strong } else { Weight::Medium },
            format!(
                "it came {took} after the packet that it answers; the {} never answered in less than {usual} here: its maker is nearer",
                reset.from
            ),
            vec![trigger.head.frame, reset.head.frame],
        );
    }
}

/// Of two sightings of one packet at different points, one says nothing of the time that an answer takes to the other: a stack gives
/// a packet that it repeats a new identification, a capture of two points does not.
fn seen_at_several_points(ending: &Ending, trigger: &Packet) -> bool {
    let several_macs = ending.state.client.several_macs && ending.state.server.several_macs;
    let again = ending.before.iter().any(|packet| {
        packet.head.frame != trigger.head.frame
            && packet.from == trigger.from
            && (packet.head.seq, packet.head.payload_len, packet.head.flags)
                == (
                    trigger.head.seq,
                    trigger.head.payload_len,
                    trigger.head.flags,
                )
            && packet.head.ip_id == trigger.head.ip_id
            && trigger.head.ip_id.is_some_and(|id| id != 0)
    });
    several_macs || again
}

/// A bare RST repeats an acknowledgement that a whole window of payload bears: where no packet is remembered from before that window,
/// nor from before an answer takes, what drew it may be one that is not remembered.
fn may_answer_a_forgotten_one(ending: &Ending, reset: &Packet, at_least: Interval) -> bool {
    let remembered = ending.before.get(History::HEAD..).unwrap_or_default();
    let oldest = remembered
        .iter()
        .find(|packet| packet.from != reset.from && packet.head.flags.ack());
    let reaches_back = oldest.is_some_and(|oldest| {
        oldest.head.ack != reset.head.seq || reset.head.time - oldest.head.time >= at_least
    });
    ending.before_skipped > 0 && !reset.head.flags.ack() && !reaches_back
}

fn acknowledges(reset: &Packet, packet: &Packet) -> bool {
    reset.head.flags.ack() && !reset.head.ack.is_before(packet.end())
}

/// F4: a bare RST whose sequence number no packet of the other side acknowledged (RFC 9293 section 3.5.2).
fn impossible_reply(ending: &Ending, reset: &Packet, shape: &Shape<'_>, findings: &mut Findings) {
    let sender = ending.state.of(reset.from);
    if shape.form != Form::Other
        || reset.head.flags.ack()
        || ending.is_incomplete()
        || !ending.handshake_seen()
    {
        return;
    }
    // What it answers may have been captured just after it.
    let drawn_out_of_order = ending.after.iter().any(|packet| {
        packet.from != reset.from
            && packet.head.flags.ack()
            && packet.head.ack == reset.head.seq
            && packet.head.time - reset.head.time <= REORDERING
    });
    // A closed socket answers what comes next with what that acknowledges, at most its FIN: it may be missing in the capture.
    let acknowledged = ending.state.of(reset.from.other()).ack;
    let closed = ending.fin(reset.from).is_some_and(|fin| {
        !reset.head.seq.is_after(fin.seq + 1)
            && acknowledged.is_some_and(|ack| !reset.head.seq.is_before(ack))
    });
    if closed {
        return;
    }
    if sender.snd_nxt != Some(reset.head.seq) && ending.before_skipped == 0 && !drawn_out_of_order {
        findings.add(
            Weight::Strong,
            format!(
                "a RST without ACK answers a packet that acknowledged its sequence number (relative {}); no such packet was seen, nor does it continue the {}'s own stream",
                ending.relative(reset.from, reset.head.seq),
                reset.from
            ),
            vec![reset.head.frame],
        );
    }
}

/// F9: RSTs back to back whose sequence numbers run ahead of everything sent or acknowledged, and of a FIN that may have been missed.
fn sequence_ladder(ending: &Ending, claimed: Peer, findings: &mut Findings) {
    let burst: Vec<&Packet> = ending
        .resets
        .iter()
        .filter(|reset| reset.from == claimed)
        .collect();
    let (Some(first), Some(highest)) = (burst.first(), ending.state.of(claimed).snd_nxt) else {
        return;
    };
    if ending.fin(claimed).is_some() {
        return;
    }
    let acknowledged = |seq| {
        ending
            .before
            .iter()
            .chain(ending.after.iter())
            .any(|packet| {
                packet.from != claimed && packet.head.flags.ack() && packet.head.ack == seq
            })
    };
    if let Some(ahead) = burst.iter().skip(1).find(|reset| {
        reset.head.seq.offset_from(first.head.seq) > 2
            && reset.head.time - first.head.time < Interval::from_millis(2000)
            && reset.head.seq.is_after(highest + 1)
            && !acknowledged(reset.head.seq)
    }) {
        findings.add(
            Weight::Strong,
            format!(
                "a second RST lies {} bytes ahead of the first and of everything that the {} had sent: somebody guesses the window",
                ahead.head.seq.offset_from(first.head.seq),
                claimed
            ),
            vec![first.head.frame, ahead.head.frame],
        );
    }
}

/// F5: an aborting socket keeps its timestamps option (Linux: RFC 7323 section 3.2 asks for it on every segment but RST, and its stack does).
fn missing_timestamps(ending: &Ending, reset: &Packet, shape: &Shape<'_>, findings: &mut Findings) {
    let sender = ending.state.of(reset.from);
    let linux_like = sender.timestamp_line.is_some_and(|line| line.samples >= 2);
    if shape.form == Form::Abort && linux_like && reset.head.timestamps.is_none() {
        findings.add(
            Weight::Medium,
            format!("it lacks the timestamps that the {}'s live sockets send (some stacks leave them out of RSTs)", reset.from),
            vec![reset.head.frame],
        );
    }
}

/// A bare RST with a window or without DF is no reply of Linux, BSD or Windows stacks.
fn odd_bare_reset(ending: &Ending, reset: &Packet, findings: &mut Findings) {
    let sender = ending.state.of(reset.from);
    if reset.head.flags.ack() || sender.packets == 0 {
        return;
    }
    let usual_df = ending
        .newest_before(reset.from)
        .next()
        .is_some_and(|packet| packet.head.dont_fragment);
    let mut odd = Vec::new();
    if reset.head.window != 0 {
        odd.push(format!("a window of {}", reset.head.window));
    }
    if usual_df && !reset.head.dont_fragment && reset.head.ip_id.is_some() {
        odd.push("DF clear, unlike its sender's other packets".to_owned());
    }
    if !odd.is_empty() {
        findings.add(
            Weight::Medium,
            format!(
                "a RST without ACK has no socket behind it, yet this one has {}",
                odd.join(" and ")
            ),
            vec![reset.head.frame],
        );
    }
}

/// F13: another neighbour on the link handed it over.
fn other_mac(ending: &Ending, reset: &Packet, findings: &mut Findings) {
    let sender = ending.state.of(reset.from);
    if let (Some(usual), Some(mac), false) = (sender.mac, reset.head.src_mac, sender.several_macs)
        && usual != mac
        && sender.packets >= 2
    {
        findings.add(
            Weight::Medium,
            format!(
                "its Ethernet source is another than that of the {}'s other frames",
                reset.from
            ),
            vec![reset.head.frame],
        );
    }
}
