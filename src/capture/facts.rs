//! What a capture file tells about itself.

use super::compression::Compression;
use super::damage::Damage;
use super::error::CaptureError;
use super::frame::{CaptureId, LinkType};
use super::record::Record;
use super::source::Input;
use crate::time::{Interval, Timestamp};

/// Format of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// pcap, with any magic number.
    #[default]
    Pcap,
    /// pcapng.
    Pcapng,
}

impl Format {
    /// As reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

/// What is known of a capture file, as far as it has been read.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// The number in its frames' ids.
    pub id: CaptureId,
    /// As the user named it.
    pub input: Input,
    /// Its format.
    pub format: Format,
    /// Its compression.
    pub compression: Compression,
    /// Link types of its frames, in order of appearance.
    pub link_types: Vec<LinkType>,
    /// The earliest time of a frame.
    pub first: Option<Timestamp>,
    /// The latest time of a frame.
    pub last: Option<Timestamp>,
    /// How the times of neighbours lie to each other.
    pub(super) steps: Steps,
    /// Frames read, as Wireshark numbers them: the number of the last one.
    pub frames: u64,
    /// Frames of which fewer bytes were captured than were on the wire.
    pub truncated_frames: u64,
    /// Packets dropped while capturing, where the file tells.
    pub dropped_by_kernel: Option<u64>,
    /// What is wrong inside it; [`Damage`] prints as one line.
    pub damage: Option<Damage>,
    /// Why it could not be read at all.
    pub unreadable: Option<CaptureError>,
}

impl FileFacts {
    /// The step of a clock that always shows one time: a day, which no capture has to last.
    pub const STANDS_STILL: Interval = Interval::from_millis(24 * 60 * 60 * 1_000);

    pub(super) fn new(id: CaptureId, input: Input) -> Self {
        Self {
            id,
            input,
            format: Format::default(),
            compression: Compression::default(),
            link_types: Vec::new(),
            first: None,
            last: None,
            steps: Steps::default(),
            frames: 0,
            truncated_frames: 0,
            dropped_by_kernel: None,
            damage: None,
            unreadable: None,
        }
    }

    /// One more frame.
    #[inline]
    pub(super) fn note(&mut self, record: &Record) {
        let mut noted = Noted::after(self).unwrap_or(Noted::at(record.time));
        noted.note(record.time, record.data.len(), record.original_len);
        self.add(&noted);
    }

    /// Frames more.
    #[inline]
    pub(super) fn add(&mut self, noted: &Noted) {
        self.frames += u64::from(noted.frames);
        self.truncated_frames += u64::from(noted.truncated_frames);
        self.first = Some(noted.first);
        self.last = Some(noted.last);
        self.steps = noted.steps;
    }

    /// The steps in which the clock of this capture goes, where they are long: times that are less apart say nothing. Stamps may be taken
    /// of a clock that the system sets with its timer's ticks (pcap-tstamp(7)): WinPcap's `TimestampMode` 2 has steps of 10 or 15 ms
    /// (<https://github.com/nmap/npcap/issues/71>).
    pub fn clock_step(&self) -> Option<Interval> {
        /// Shorter ones do no harm.
        const LONG: Interval = Interval::from_millis(1);
        /// Chosen: so many neighbours have one time by chance before any two are less than such a step apart (the first frame counts, too).
        const SAME: u64 = 4;
        let step =
            i64::try_from(self.steps.shortest).map_or(Self::STANDS_STILL, Interval::from_nanos);
        (self.steps.none > SAME && step >= LONG).then_some(step)
    }

    pub(super) fn unreadable(id: CaptureId, input: &Input, error: CaptureError) -> Self {
        Self {
            unreadable: Some(error),
            ..Self::new(id, input.clone())
        }
    }
}

/// How the times of frames that follow on one another lie to each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// So many pairs have one time.
    none: u64,
    /// Nanoseconds of the shortest step forward; none yet if no number is greater.
    shortest: u64,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            none: 0,
            shortest: u64::MAX,
        }
    }
}

impl Steps {
    #[inline]
    const fn note(&mut self, step: Interval) {
        let nanos = step.as_nanos() as u64;
        self.none += (nanos == 0) as u64;
        // No step is the longest here.
        if nanos.wrapping_sub(1) < self.shortest {
            self.shortest = nanos;
        }
    }
}

/// What some frames add to the facts of their file.
#[derive(Debug)]
pub(super) struct Noted {
    pub frames: u32,
    truncated_frames: u32,
    /// The earliest and the latest of them and of those before them.
    first: Timestamp,
    last: Timestamp,
    steps: Steps,
}

impl Noted {
    /// Nothing but the time of a file's first frame.
    #[inline]
    fn at(time: Timestamp) -> Self {
        Self {
            frames: 0,
            truncated_frames: 0,
            first: time,
            last: time,
            steps: Steps::default(),
        }
    }

    /// Nothing yet after these frames, if there were any.
    #[inline]
    pub(super) fn after(known: &FileFacts) -> Option<Self> {
        Some(Self {
            last: known.last?,
            steps: known.steps,
            ..Self::at(known.first?)
        })
    }

    /// One more.
    #[inline]
    pub(super) fn note(&mut self, time: Timestamp, captured: usize, original: u32) {
        self.frames += 1;
        self.truncated_frames += u32::from(captured < original as usize);
        if time < self.last {
            self.note_earlier(time);
        } else {
            self.steps.note(time - self.last);
            self.last = time;
        }
    }

    /// Time goes backwards, as it seldom does.
    #[cold]
    fn note_earlier(&mut self, time: Timestamp) {
        self.first = self.first.min(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames at these times, in microseconds.
    fn step_of(times: impl IntoIterator<Item = i64>) -> Option<Interval> {
        let mut facts = FileFacts::new(CaptureId(0), Input::Stdin);
        for micros in times {
            facts.note(&Record {
                time: Timestamp::from_nanos(micros * 1_000),
                link: LinkType(1),
                interface: 0,
                original_len: 0,
                data: 0..0,
            });
        }
        facts.clock_step()
    }

    #[test]
    fn a_clock_with_long_steps_shows_many_frames_at_one_time() {
        let windows = [0, 0, 0, 15_625, 15_625, 15_625, 31_250, 31_250, 46_875];
        assert_eq!(step_of(windows), Some(Interval::from_nanos(15_625_000)));
        let seconds = (0..20).map(|frame| frame / 4 * 1_000_000);
        assert_eq!(step_of(seconds), Some(Interval::from_millis(1_000)));
        assert_eq!(step_of([5; 30]), Some(FileFacts::STANDS_STILL));
    }

    #[test]
    fn frames_that_are_seldom_say_nothing_of_the_clock() {
        assert_eq!(step_of((0..50).map(|frame| frame * 20_000)), None);
        assert_eq!(step_of([]), None);
        assert_eq!(step_of([5; 4]), None);
    }

    #[test]
    fn one_short_step_shows_a_good_clock() {
        assert_eq!(step_of([0, 0, 0, 0, 0, 0, 90, 9_000]), None);
    }
}
