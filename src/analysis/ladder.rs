//! Chooses the packets that tell the story of an ending.

use crate::dialogue::Dialogue;
use crate::flow::{Packet, PacketKind};
use crate::report::{LadderMark, LadderStep};
use crate::verdict::{Ending, Verdict};

/// Most steps of a ladder.
const MOST: usize = 16;

/// The packets that matter, oldest first, with what was left out between them.
pub fn ladder(ending: &Ending, verdict: &Verdict) -> Vec<LadderStep> {
    let all: Vec<&Packet> = ending
        .before
        .iter()
        .chain(&ending.resets)
        .chain(&ending.after)
        .collect();
    let mut all = all;
    all.sort_by_key(|packet| (packet.time, packet.frame));
    let marked: Vec<(&Packet, Option<LadderMark>)> = all
        .iter()
        .map(|packet| (*packet, mark(packet, ending, verdict)))
        .collect();
    let chosen = choose(&marked);
    let mut steps = Vec::with_capacity(chosen.len());
    let mut previous = None;
    for index in chosen {
        let Some((packet, mark)) = marked.get(index) else {
            continue;
        };
        let mut skipped = previous.map_or(index, |previous: usize| index - previous - 1) as u64;
        let behind_the_head =
            previous.is_some_and(|previous| previous < crate::flow::History::HEAD);
        if behind_the_head && index >= crate::flow::History::HEAD {
            skipped += ending.before_skipped;
        }
        steps.push(step(packet, *mark, skipped, ending));
        previous = Some(index);
    }
    steps
}

fn mark(packet: &Packet, ending: &Ending, verdict: &Verdict) -> Option<LadderMark> {
    let trigger = verdict.reset.as_ref().and_then(|reset| reset.trigger.1);
    let since = verdict.ruling.silence.and_then(|silence| silence.since);
    let fin = |fin: Option<&crate::flow::FinSeen>| fin.is_some_and(|fin| fin.frame == packet.frame);
    if packet.kind == PacketKind::Rst {
        Some(LadderMark::Rst)
    } else if trigger.is_some_and(|trigger| trigger.frame == packet.frame) {
        Some(LadderMark::Trigger)
    } else if fin(ending.state.client.fin.as_ref()) || fin(ending.state.server.fin.as_ref()) {
        Some(LadderMark::Fin)
    } else if since.is_some_and(|since| since.frame == packet.frame) {
        Some(LadderMark::LastActivity)
    } else {
        None
    }
}

/// Marked packets first, then the handshake, then neighbours of marked packets, while there is room.
fn choose(packets: &[(&Packet, Option<LadderMark>)]) -> Vec<usize> {
    let mut rank: Vec<(u8, usize)> = Vec::with_capacity(packets.len());
    let mut resets = 0;
    for (index, (packet, mark)) in packets.iter().enumerate() {
        let near = |distance: usize| {
            let from = index.saturating_sub(distance);
            packets
                .iter()
                .take(index + distance + 1)
                .skip(from)
                .any(|(_, mark)| mark.is_some())
        };
        let class = match mark {
            Some(LadderMark::Rst) => {
                resets += 1;
                if resets <= 3 { 0 } else { 5 }
            }
            Some(_) => 0,
            None if matches!(packet.kind, PacketKind::Syn | PacketKind::SynAck) => 1,
            None if packet.len > 0 && near(2) => 2,
            None if near(1) => 3,
            None if packet.kind == PacketKind::KeepaliveProbe => 4,
            None => 6,
        };
        rank.push((class, index));
    }
    rank.sort_unstable();
    let mut chosen: Vec<usize> = rank
        .into_iter()
        .filter(|(class, _)| *class < 6)
        .take(MOST)
        .map(|(_, index)| index)
        .collect();
    chosen.sort_unstable();
    chosen
}

fn step(
    packet: &Packet,
    mark: Option<LadderMark>,
    skipped_before: u64,
    ending: &Ending,
) -> LadderStep {
    let own = ending.state.of(packet.from);
    let other = ending.state.of(packet.from.other());
    LadderStep {
        frame: packet.frame.number.0,
        at_s: (packet.time - ending.opened).as_secs_f64(),
        from: packet.from,
        flags: packet.flags.to_string(),
        seq: own.relative(packet.seq),
        ack: packet.flags.ack().then(|| other.relative(packet.ack)),
        len: packet.len,
        note: note(packet, &ending.dialogue),
        mark,
        skipped_before,
    }
}

fn note(packet: &Packet, dialogue: &Dialogue) -> Option<String> {
    let text = match packet.kind {
        PacketKind::Syn | PacketKind::SynAck | PacketKind::Rst | PacketKind::Fin => return None,
        PacketKind::Retransmission => "sent again".to_owned(),
        PacketKind::KeepaliveProbe => "keepalive probe".to_owned(),
        PacketKind::ZeroWindowProbe => "zero-window probe".to_owned(),
        PacketKind::Ack => return (packet.window == 0).then(|| "window full".to_owned()),
        PacketKind::Data if packet.housekeeping => "housekeeping".to_owned(),
        PacketKind::Data if packet.from == dialogue.requester => {
            let begun = dialogue
                .recent
                .iter()
                .find(|exchange| exchange.request.start.frame == packet.frame);
            begun
                .and_then(|exchange| exchange.what.summary.as_deref())
                .unwrap_or("request")
                .to_owned()
        }
        PacketKind::Data => {
            let answered = dialogue.recent.iter().find(|exchange| {
                exchange
                    .response
                    .is_some_and(|response| response.start.frame == packet.frame)
            });
            match answered.and_then(|exchange| exchange.status) {
                Some(status) => format!("response {status}"),
                None => "response".to_owned(),
            }
        }
    };
    Some(text)
}
