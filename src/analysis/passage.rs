//! What two captures show of a RST.

use crate::analysis::circumstances::{CaptureQuality, Circumstances};
use crate::analysis::judges::Tracked;
use crate::capture::CaptureId;
use crate::dialogue::Dialogue;
use crate::flow::{Episode, Packet, Peer, TwoPlaces};
use crate::verdict::{Passage, ResetSighting};

/// What both captures show of each RST of an event that is remembered; none where one capture shows the connection.
pub fn sightings(
    connection: &Tracked,
    episode: &Episode<Dialogue>,
    circumstances: Circumstances,
) -> Vec<ResetSighting> {
    let Some(places) = connection.streams.two_places() else {
        return Vec::new();
    };
    let resets = episode.resets.iter().enumerate();
    let sightings = resets.map(|(place, reset)| {
        let own = &reset.head;
        let (ttl, time) = episode.elsewhere(place).unzip();
        ResetSighting {
            passage: passage(connection, episode, (place, reset), circumstances),
            ttl: match own.frame.capture == places.first() {
                true => Some(own.ttl),
                false => ttl.or_else(|| places.ttl_in_first(reset.from, own.ttl)),
            },
            elsewhere: time.or_else(|| places.passed(reset.from, own.frame.capture, own.time)),
        }
    });
    sightings.collect()
}

fn passage(
    connection: &Tracked,
    episode: &Episode<Dialogue>,
    (place, reset): (usize, &Packet),
    circumstances: Circumstances,
) -> Option<Passage> {
    let places = connection.streams.two_places()?;
    let near = places.nearest(reset.from)?;
    if episode.elsewhere(place).is_some() {
        return Some(Passage::Whole);
    }
    let shown = reset.head.frame.capture;
    let packets = connection.directions.of(reset.from).packets;
    let is_missing = circumstances.quality == CaptureQuality::Whole
        && shows_the_rest(&places, reset.from, packets)
        && ran_on(&places, reset, circumstances)
        && !shows_another(episode, reset.from, places.other(shown));
    is_missing.then_some(match shown == near {
        true => Passage::NotArrived,
        false => Passage::NotFromSender,
    })
}

/// Both captures show nearly all of so many packets of a side: neither lacks one by chance.
fn shows_the_rest(places: &TwoPlaces, from: Peer, packets: u64) -> bool {
    let crossed = places.packets_of(from);
    crossed >= 2 && crossed * 10 >= packets * 9
}

/// The other capture was not over when the RST passed it.
fn ran_on(places: &TwoPlaces, reset: &Packet, circumstances: Circumstances) -> bool {
    let shown = reset.head.frame.capture;
    let passed = places.passed(reset.from, shown, reset.head.time);
    let last = circumstances.last_of(places.other(shown));
    passed
        .zip(last)
        .is_some_and(|(passed, last)| passed <= last)
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
