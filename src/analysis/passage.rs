//! What two captures show of one connection.

use crate::analysis::circumstances::{CaptureQuality, Circumstances, Places};
use crate::analysis::judges::Tracked;
use crate::capture::CaptureId;
use crate::dialogue::Dialogue;
use crate::flow::{Both, Episode, Packet, Peer, TwoPlaces};
use crate::verdict::{Passage, ResetSighting, SentFrom, TwoEnds};

/// What both captures show of each RST of an event that is remembered; none where one capture shows the connection.
pub fn sightings(
    connection: &Tracked,
    episode: &Episode<Dialogue>,
    circumstances: Circumstances,
) -> Vec<ResetSighting> {
    let Some(places) = two_places(connection, circumstances) else {
        return Vec::new();
    };
    let resets = episode.resets.iter().enumerate();
    let sightings = resets.map(|(place, reset)| {
        let own = &reset.head;
        let (ttl, time) = episode.elsewhere(place).unzip();
        ResetSighting {
            passage: passage(&places, episode, (place, reset), circumstances),
            ttl: match own.frame.capture == places.first() {
                true => Some(own.ttl),
                false => {
                    ttl.or_else(|| places.ttl_elsewhere(reset.from, own.frame.capture, own.ttl))
                }
            },
            elsewhere: time.or_else(|| {
                let [_, latest] = places.passed(reset.from, own.frame.capture, own.time)?;
                Some(latest)
            }),
        }
    });
    sightings.collect()
}

/// What both captures show of the connection, where it is known which is nearer to whom and neither is known to lack packets.
pub fn two_ends(connection: &Tracked, circumstances: Circumstances) -> Option<TwoEnds> {
    let places = two_places(connection, circumstances)?;
    let end = |from: Peer| {
        let near = places.nearest(from)?;
        let span = circumstances.span_of(places.other(near))?;
        let (ttl, _) = connection.directions.of(from).ttl.mode()?;
        let ttl = match near == places.first() {
            true => ttl,
            false => places.ttl_elsewhere(from, places.first(), ttl)?,
        };
        Some(SentFrom {
            near,
            is_at_host: ttl.hops() == 0,
            crossed: places.end_of(from)?,
            watched: places.overlap(from, near, span)?,
        })
    };
    let is_whole = circumstances.quality == CaptureQuality::Whole;
    is_whole.then_some(Both {
        client: end(Peer::Client)?,
        server: end(Peer::Server)?,
    })
}

/// Files that follow on one another are of one place: what one of them lacks stands in the other one.
fn two_places<'a>(
    connection: &'a Tracked<'_>,
    circumstances: Circumstances,
) -> Option<TwoPlaces<'a>> {
    let are_several = circumstances.places == Places::Several;
    connection.streams.two_places().filter(|_| are_several)
}

fn passage(
    places: &TwoPlaces,
    episode: &Episode<Dialogue>,
    (place, reset): (usize, &Packet),
    circumstances: Circumstances,
) -> Option<Passage> {
    let near = places.nearest(reset.from)?;
    if episode.elsewhere(place).is_some() {
        return Some(Passage::Whole);
    }
    let shown = reset.head.frame.capture;
    let is_missing = circumstances.quality == CaptureQuality::Whole
        && shows_the_rest(places, reset.from)
        && was_running(places, reset, circumstances)
        && !shows_another(episode, reset.from, places.other(shown));
    is_missing.then_some(match shown == near {
        true => Passage::NotArrived,
        false => Passage::NotFromSender,
    })
}

/// Both captures show nearly all packets of a side, nine of ten at least: what one of them lacks is nothing that it never shows. How
/// much the lack of one packet says is for the verdict, by how often these captures lose one.
fn shows_the_rest(places: &TwoPlaces, from: Peer) -> bool {
    const LEAST: u64 = 2;
    const FOR_EACH_MISSING: u64 = 9;
    let (in_both, in_one) = places.packets_of(from);
    in_both >= LEAST && in_one * FOR_EACH_MISSING <= in_both
}

/// The other capture had begun and was not over when the RST passed it.
fn was_running(places: &TwoPlaces, reset: &Packet, circumstances: Circumstances) -> bool {
    let shown = reset.head.frame.capture;
    let passed = places.passed(reset.from, shown, reset.head.time);
    let span = circumstances.span_of(places.other(shown));
    passed
        .zip(span)
        .is_some_and(|([earliest, latest], [first, last])| first <= earliest && latest <= last)
}

/// This capture shows a RST of that side in the same event: whether it is the same one, changed on its way, nobody knows.
fn shows_another(episode: &Episode<Dialogue>, from: Peer, capture: CaptureId) -> bool {
    let is_such = |(place, reset): (usize, &Packet)| {
        reset.from == from
            && (reset.head.frame.capture == capture || episode.elsewhere(place).is_some())
    };
    let are_all = episode.packets == episode.resets.len() as u64;
    !are_all || episode.resets.iter().enumerate().any(is_such)
}
