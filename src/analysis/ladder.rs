//! Chooses the packets that tell the story of an ending.

use crate::capture::{CaptureId, FrameId};
use crate::flow::{Packet, PacketKind};
use crate::report::{LadderMark, LadderStep, Text, capture_if_other};
use crate::verdict::{Ending, Verdict};
use crate::wire::TcpFlags;

/// Most steps of a ladder.
const MOST: usize = 16;

/// The packets that matter, oldest first, with what was left out between them.
pub fn ladder(ending: &Ending, verdict: &Verdict) -> Vec<LadderStep> {
    let all = ending.before.iter();
    let mut all: Vec<&Packet> = all
        .chain(ending.resets.iter())
        .chain(ending.after.iter())
        .collect();
    all.sort_by_key(|packet| (packet.head.time, packet.head.frame));
    let marks = Marks::of(ending, verdict);
    let marked: Vec<(&Packet, Option<LadderMark>)> = all
        .into_iter()
        .map(|packet| (packet, marks.of_packet(packet)))
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
        let own = verdict.at.head.frame.capture;
        steps.push(step((packet, *mark), skipped, ending, own));
        previous = Some(index);
    }
    steps
}

/// Frames that are marked.
struct Marks {
    trigger: Option<FrameId>,
    fins: [Option<FrameId>; 2],
    since: Option<FrameId>,
}

impl Marks {
    fn of(ending: &Ending, verdict: &Verdict) -> Self {
        let reset = verdict.reset.as_ref();
        let trigger = reset.and_then(|reset| reset.trigger.1.as_ref());
        let silence = verdict.ruling.silence.as_ref();
        let fins = [&ending.state.client.fin, &ending.state.server.fin];
        Self {
            trigger: trigger.map(|packet| packet.head.frame),
            fins: fins.map(|fin| fin.as_ref().map(|fin| fin.frame)),
            since: silence.and_then(|silence| Some(silence.since?.frame)),
        }
    }

    fn of_packet(&self, packet: &Packet) -> Option<LadderMark> {
        let frame = Some(packet.head.frame);
        if packet.kind == PacketKind::Rst {
            Some(LadderMark::Rst)
        } else if self.trigger == frame {
            Some(LadderMark::Trigger)
        } else if self.fins.contains(&frame) {
            Some(LadderMark::Fin)
        } else if self.since == frame {
            Some(LadderMark::LastActivity)
        } else {
            None
        }
    }
}

/// Marked packets first, then the handshake, then neighbours of marked packets, while there is room.
fn choose(packets: &[(&Packet, Option<LadderMark>)]) -> Vec<usize> {
    let is_marked = |place: usize| packets.get(place).is_some_and(|(_, mark)| mark.is_some());
    let mut resets = 0;
    let classes = packets.iter().enumerate().map(|(index, (packet, mark))| {
        let near = |distance: usize| {
            is_marked(index + distance) || index.checked_sub(distance).is_some_and(is_marked)
        };
        let class = match mark {
            Some(LadderMark::Rst) => {
                resets += 1;
                if resets <= 3 { 0 } else { 5 }
            }
            Some(_) => 0,
            None if matches!(packet.kind, PacketKind::Syn | PacketKind::SynAck) => 1,
            None if packet.head.payload_len > 0 && (near(1) || near(2)) => 2,
            None if near(1) => 3,
            None if packet.kind == PacketKind::KeepaliveProbe => 4,
            None => LEFT_OUT,
        };
        (class, index)
    });
    let mut chosen: Vec<(u8, usize)> = classes.filter(|(class, _)| *class < LEFT_OUT).collect();
    chosen.sort_unstable();
    chosen.truncate(MOST);
    let mut chosen: Vec<usize> = chosen.into_iter().map(|(_, index)| index).collect();
    chosen.sort_unstable();
    chosen
}

/// Nothing speaks for showing it.
const LEFT_OUT: u8 = 6;

/// `finding` is the capture that the finding is of.
fn step(
    (packet, mark): (&Packet, Option<LadderMark>),
    skipped_before: u64,
    ending: &Ending,
    finding: CaptureId,
) -> LadderStep {
    let FrameId { capture, number } = packet.head.frame;
    let own = ending.state.of(packet.from);
    let other = ending.state.of(packet.from.other());
    LadderStep {
        frame: number.0,
        capture: capture_if_other(capture, finding.0),
        at_s: (packet.head.time - ending.opened).as_secs_f64(),
        from: packet.from,
        flags: letters(packet.head.flags),
        seq: own.relative(packet.head.seq),
        ack: packet
            .head
            .flags
            .ack()
            .then(|| other.relative(packet.head.ack)),
        len: packet.head.payload_len,
        note: note(packet, ending),
        mark,
        skipped_before,
    }
}

/// tcpdump's letters; those of nearly all packets are not written anew.
fn letters(flags: TcpFlags) -> Text {
    use TcpFlags as Flags;
    const COMMON: [(Flags, &str); 8] = [
        (Flags::ACK, "."),
        (Flags::PSH.union(Flags::ACK), "P."),
        (Flags::SYN, "S"),
        (Flags::SYN.union(Flags::ACK), "S."),
        (Flags::FIN.union(Flags::ACK), "F."),
        (Flags::FIN.union(Flags::PSH).union(Flags::ACK), "FP."),
        (Flags::RST, "R"),
        (Flags::RST.union(Flags::ACK), "R."),
    ];
    let common = COMMON.iter().find(|(common, _)| *common == flags);
    match common {
        Some((_, letters)) => Text::Borrowed(letters),
        None => Text::Owned(flags.to_string()),
    }
}

fn note(packet: &Packet, ending: &Ending) -> Option<Text> {
    let dialogue = &ending.dialogue;
    let text = match packet.kind {
        PacketKind::Syn | PacketKind::SynAck | PacketKind::Rst | PacketKind::Fin => return None,
        PacketKind::Retransmission => "sent again".into(),
        PacketKind::KeepaliveProbe => "keepalive probe".into(),
        PacketKind::ZeroWindowProbe => "zero-window probe".into(),
        PacketKind::Ack if ending.has_data_fin(packet) => "DATA_FIN".into(),
        PacketKind::Ack => return (packet.head.window == 0).then_some("window full".into()),
        PacketKind::Data if packet.housekeeping => "housekeeping".into(),
        PacketKind::Data if packet.from == dialogue.requester => {
            let begun = dialogue
                .recent
                .iter()
                .find(|exchange| exchange.request.start.frame == packet.head.frame);
            match begun.and_then(|exchange| exchange.what.summary.as_deref()) {
                Some(summary) => summary.to_owned().into(),
                None => "request".into(),
            }
        }
        PacketKind::Data => {
            let answered = dialogue.recent.iter().find(|exchange| {
                exchange
                    .response
                    .is_some_and(|response| response.start.frame == packet.head.frame)
            });
            match answered.and_then(|exchange| exchange.status) {
                Some(200) => "response 200".into(),
                Some(status) => format!("response {status}").into(),
                None => "response".into(),
            }
        }
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_as_they_are_displayed() {
        for flags in (0..0x1000).map(TcpFlags) {
            assert_eq!(letters(flags), flags.to_string());
        }
    }
}
