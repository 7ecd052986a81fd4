//! Connections whose answers bear another name than what they answer, and the streams that Wireshark makes of these.

use super::Table;
use crate::flow::key::Way;
use crate::flow::places::Place;
use crate::flow::redirects::{Answer, AnswerStreams, REACHED};
use crate::flow::remnants::Remnant;
use crate::flow::{Both, Kept, StreamReader};

impl<R: StreamReader> Table<R> {
    /// Answers bear this name from now on: what they would be numbered by themselves.
    pub(in crate::flow) fn number_answers(&mut self, answer: &Answer) -> u32 {
        let capture = answer.frame.capture;
        let (key, way) = answer.called_key();
        let known = match self.places.find(&key) {
            Some(Place::Kept(index)) => {
                let kept = self.kept.get(index as usize).and_then(Option::as_ref);
                kept.and_then(|kept| kept.streams().of(capture))
            }
            Some(Place::Remnant(index)) => {
                let remnant = self.remnants.get(index);
                let of_it = remnant.filter(|remnant| remnant.capture == capture);
                of_it.map(|remnant| remnant.stream)
            }
            None => None,
        };
        let name = (answer.client, answer.called);
        let of_it = self.answers.get(&name).into_iter().flatten();
        let mut of_it = of_it.filter(|(shown, _)| *shown == capture);
        let numbered = of_it.next_back().map(|(_, stream)| *stream);
        let known = known.or(numbered);
        let stream = known.unwrap_or_else(|| {
            let stream = self.numbering.next(answer.frame);
            if self.places.find(&key).is_none() {
                let Both { client, server } = answer.bases;
                let bases = match way {
                    Way::Forward => [client, server],
                    Way::Backward => [server, client],
                };
                let place = self.keep_remnant(Remnant::unseen((capture, stream), bases));
                self.places.insert(key, place);
            }
            stream
        });
        // The places still know those that are forgotten here, unless these are other captures' too.
        if self.answers.len() >= REACHED {
            self.answers.clear();
        }
        if numbered != Some(stream) {
            self.answers
                .entry(name)
                .or_default()
                .push((capture, stream));
        }
        stream
    }

    /// The connection that these answers belong to. Their stream's number, where it is known as yet, is told.
    pub(in crate::flow) fn take_answer(&mut self, answer: &Answer, stream: Option<u32>) {
        let place = self.places.find(&answer.key());
        let connection = place.and_then(Place::kept);
        if let Some(connection) = connection.and_then(|index| self.whole_mut(index)) {
            connection.is_called(answer.called);
            if let Some(stream) = stream {
                connection.is_answered_in(answer.frame.capture, stream);
            }
        }
    }

    /// The streams of all answers that this table numbered; to be asked for once.
    pub(in crate::flow) fn take_answer_streams(&mut self) -> AnswerStreams {
        std::mem::take(&mut self.answers)
    }

    /// Tells the connections of this table in which streams they are answered.
    pub(in crate::flow) fn tell_answer_streams(&mut self, streams: &AnswerStreams) {
        for kept in self.kept.iter_mut().flatten().chain(&mut self.replaced) {
            let Kept::Whole(connection) = kept else {
                continue;
            };
            let Some(called) = connection.called.as_ref().map(|called| called.server) else {
                continue;
            };
            let of_it = streams.get(&(connection.client, called));
            for (capture, stream) in of_it.into_iter().flatten() {
                connection.is_answered_in(*capture, *stream);
            }
        }
    }
}
