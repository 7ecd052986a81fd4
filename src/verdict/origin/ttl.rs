//! Tests of a RST's TTL against those of its claimed sender, all of them as one place shows them.

use super::{Findings, Weight};
use crate::flow::{Packet, Peer};
use crate::time::Interval;
use crate::verdict::ending::Ending;
use crate::verdict::form::Shape;
use crate::verdict::{Fact, Form};
use crate::wire::Ttl;

pub(super) fn fits_claimed(ending: &Ending, seen: &Packet) -> Option<Fact> {
    let own = ending.state.of(seen.from).ttl;
    own.contains(seen.head.ttl).then(|| Fact {
        text: format!(
            "{} is that of {} other packets of the {} on this connection",
            ttl_words(ending, seen),
            own.total(),
            seen.from
        ),
        frames: vec![seen.head.frame],
    })
}

/// The TTL as it is held against others: that of the same place.
fn ttl_words(ending: &Ending, seen: &Packet) -> String {
    let ttl = seen.head.ttl;
    match ending.is_at_place(seen) {
        true => format!("its TTL {ttl}"),
        false => format!("its TTL in the capture that shows the connection first, {ttl},"),
    }
}

/// F6: another distance than every other packet of that host.
pub(super) fn hop_count(
    ending: &Ending,
    reset: &Packet,
    shape: &Shape<'_>,
    findings: &mut Findings,
) {
    let mut profile = ending.state.of(reset.from).ttl;
    profile.merge(&ending.surroundings.hosts.of(reset.from).ttl);
    let Some((mode, count)) = profile.mode() else {
        return;
    };
    let only_syns =
        ending.state.of(reset.from).packets == u64::from(ending.state.of(reset.from).syns);
    if profile.distinct() >= 3 || reset.from == Peer::Client && only_syns {
        // No line to compare with; a scanner makes up the TTL of its SYNs.
        return;
    }
    if profile.contains(reset.head.ttl) {
        return two_devices(ending, reset, findings);
    }
    let (hops, usual) = (reset.head.ttl.hops(), mode.hops());
    let difference = i16::from(usual) - i16::from(hops);
    let weight = if difference.abs() >= 2 {
        Weight::Strong
    } else if hops == 0 && usual > 0 && reset.head.ttl.0 >= 64 {
        // On the very link of the capture, where that host is not.
        Weight::Strong
    } else if difference.abs() == 1 {
        return;
    } else {
        return different_initial(ending, reset, mode, shape, findings);
    };
    if mode.0 <= 2 {
        // A routing protocol's socket limits its own TTL; the stack's RSTs do not (GTSM, RFC 5082).
        return;
    }
    findings.add(
        weight,
        format!(
            "{} means {hops} hops; the {}'s other packets bear {mode} ({usual} hops, {count} packets)",
            ttl_words(ending, reset), reset.from
        ),
        vec![reset.head.frame],
    );
}

/// A live socket's RST leaves with that socket's TTL (Linux `tcp_send_active_reset`). Network devices begin at 255, hosts that
/// speak from 64 or 128 never do.
fn different_initial(
    ending: &Ending,
    reset: &Packet,
    mode: Ttl,
    shape: &Shape<'_>,
    findings: &mut Findings,
) {
    if reset.head.ttl.likely_initial() != mode.likely_initial() {
        let device = shape.form == Form::Abort && reset.head.ttl.likely_initial() == 255;
        findings.add(
            if device { Weight::Strong } else { Weight::Medium },
            format!(
                "{} starts from another value than the {}'s other packets ({mode}): another stack at the same distance",
                ttl_words(ending, reset), reset.from
            ),
            vec![reset.head.frame],
        );
    }
}

/// The handshake (and the RST) bear one TTL, the data another, hops apart: a proxy or balancer in front speaks for the host.
fn two_devices(ending: &Ending, reset: &Packet, findings: &mut Findings) {
    let own = &ending.state.of(reset.from).ttl;
    let data_differs = ending
        .newest_before(reset.from)
        .find(|packet| packet.head.payload_len > 0 && ending.is_at_place(packet))
        .filter(|packet| packet.head.ttl != reset.head.ttl && packet.head.ttl.0 > 2)
        .filter(|packet| packet.head.ttl.hops().abs_diff(reset.head.ttl.hops()) >= 2);
    if let Some(data) = data_differs
        && own.contains(reset.head.ttl)
    {
        findings.add(
            Weight::Strong,
            format!(
                "the {}'s data has TTL {}, its handshake and this RST {}: two devices answer for that address, and the nearer one reset",
                reset.from, data.head.ttl, reset.head.ttl
            ),
            vec![data.head.frame, reset.head.frame],
        );
    }
}

/// RSTs of one burst with different TTLs.
pub(super) fn several_ttls(ending: &Ending, claimed: Peer, findings: &mut Findings) {
    let first = ending.resets.first().filter(|reset| reset.from == claimed);
    let is_own = |seen: Packet| ending.state.of(claimed).ttl.contains(seen.head.ttl);
    if first
        .and_then(|reset| ending.at_place(reset))
        .is_some_and(is_own)
    {
        // The first one is the host's own; what follows answers it.
        return;
    }
    let burst = ending.resets.iter().filter(|reset| reset.from == claimed);
    let mut burst = burst.filter_map(|reset| ending.at_place(reset));
    let Some(first) = burst.next() else { return };
    if let Some(other) = burst.find(|reset| {
        reset.head.ttl.0.abs_diff(first.head.ttl.0) >= 2
            && reset.head.time - first.head.time < Interval::from_millis(50)
    }) {
        findings.add(
            Weight::Strong,
            format!(
                "two RSTs of one burst bear TTL {} and {}",
                first.head.ttl, other.head.ttl
            ),
            vec![first.head.frame, other.head.frame],
        );
    }
}
