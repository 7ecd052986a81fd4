//! What an outline leaves out of both directions, in few bytes.

use super::{Both, Direction, FinSeen, TimestampLine};
use crate::flow::outline::Side;
use crate::flow::packing::{Packer, Sheet, Unpacker};
use crate::time::{Interval, Timestamp};
use crate::wire::{SeqNumber, Ttl};

/// Of both directions.
type DirectionsSheet = Sheet<2, 2, 4, 6, 44>;

/// Initial sequence number and FIN.
type Ends<'a> = (Option<SeqNumber>, Option<&'a FinSeen>);

/// What nearly always follows from both directions' ends.
struct Course {
    /// The first number that its sender used.
    start: SeqNumber,
    /// One past its FIN: where numbers end.
    behind: SeqNumber,
    /// One past the other one's FIN.
    acked: SeqNumber,
    /// Payload: what is neither SYN nor FIN.
    bytes: u64,
    /// Its newest packet: who closes first acknowledges the other one's FIN, with the connection's newest packet.
    last: Timestamp,
}

impl Course {
    #[inline(always)]
    fn of(own: Ends<'_>, other: Ends<'_>, last: Timestamp) -> Self {
        let behind = |(start, fin): Ends<'_>| match fin {
            Some(fin) => fin.seq + 1,
            None => start.unwrap_or_default(),
        };
        let start = own.0.unwrap_or_default();
        let payload = behind(own).0.wrapping_sub(start.0).wrapping_sub(2);
        Self {
            start,
            behind: behind(own),
            acked: behind(other),
            bytes: u64::from(payload),
            last: match (own.1, other.1) {
                (Some(fin), Some(other)) if fin.frame.as_number() > other.frame.as_number() => {
                    fin.time
                }
                _ => last,
            },
        }
    }
}

impl Both<Direction> {
    /// Packs what the [sides](Side) have not, of a connection with this newest packet.
    pub(in crate::flow) fn pack(&self, last: Timestamp, into: &mut Packer) {
        let Self { client, server } = self;
        let mut sheet = DirectionsSheet::begin(into);
        let of_client = (client.iss, client.fin.as_ref());
        let of_server = (server.iss, server.fin.as_ref());
        client.list(&Course::of(of_client, of_server, last), &mut sheet);
        server.list(&Course::of(of_server, of_client, last), &mut sheet);
        sheet.pack(into);
        for direction in [client, server] {
            if let Some((start, end, since)) = direction.missing {
                let since = since.as_nanos() as u64;
                into.words(16, [u64::from(start.0) | u64::from(end.0) << 32, since]);
            }
        }
    }

    /// What was packed, of those with these sides.
    pub(in crate::flow) fn unpack(
        from: &mut Unpacker<'_>,
        sides: Both<Side>,
        last: Timestamp,
    ) -> Self {
        let Both { client, server } = sides;
        let mut sheet = DirectionsSheet::unpack(from);
        let of_client = (client.iss, client.fin.as_ref());
        let of_server = (server.iss, server.fin.as_ref());
        let course = Course::of(of_client, of_server, last);
        let other_course = Course::of(of_server, of_client, last);
        let mut both = Self {
            client: Direction::listed(client, &course, &mut sheet),
            server: Direction::listed(server, &other_course, &mut sheet),
        };
        for direction in [&mut both.client, &mut both.server] {
            if let Some(missing) = &mut direction.missing {
                let [numbers, since] = from.words();
                let (start, end) = (SeqNumber(numbers as u32), SeqNumber((numbers >> 32) as u32));
                *missing = (start, end, Timestamp::from_nanos(since as i64));
            }
        }
        both
    }
}

impl Direction {
    #[inline(always)]
    fn list(&self, course: &Course, sheet: &mut DirectionsSheet) {
        let Self {
            packets,
            bytes,
            new_bytes,
            iss: _,
            base,
            snd_nxt,
            ack,
            window,
            window_scale,
            mss,
            sack_permitted,
            fin: _,
            ttl: _,
            last_ip,
            zero_ip_ids,
            mac,
            several_macs,
            timestamp_line,
            syn_times,
            syns,
            syn_acks_after_ack: _,
            retransmissions,
            unanswered_retransmissions: _,
            out_of_order,
            keepalive_probes,
            unanswered_probes,
            zero_window_probes,
            zero_windows,
            missed_bytes,
            missing,
            lateness,
            answered_handshake,
            sack_edge,
            resets,
            first_packet,
            last_packet,
        } = self;
        let (ttl, ip_id) = last_ip.unwrap_or_default();
        for known in [
            window_scale.is_some(),
            mss.is_some(),
            last_ip.is_some(),
            ip_id.is_some(),
            missing.is_some(),
            *sack_permitted,
            *several_macs,
            *answered_handshake,
        ] {
            sheet.flag(known);
        }
        sheet.word(u32::from(*window) | u32::from(mss.unwrap_or_default()) << 16);
        let scale = u32::from(window_scale.unwrap_or_default()) << 24;
        sheet.word(u32::from(ip_id.unwrap_or_default()) | u32::from(ttl.0) << 16 | scale);
        sheet.some_time(*first_packet);
        let first = first_packet.unwrap_or(sheet.opened());
        let last = last_packet.unwrap_or(course.last);
        sheet.flag(last_packet.is_some());
        sheet.same_time(last, course.last);
        sheet.some_mac(*mac);
        sheet.count(*zero_ip_ids);
        sheet.flag(timestamp_line.is_some());
        let line = timestamp_line.unwrap_or(TimestampLine {
            first: (0, first),
            last: (0, last),
            samples: *packets as u32,
        });
        sheet.word(line.first.0);
        sheet.count(line.last.0.wrapping_sub(line.first.0));
        sheet.same_time(line.first.1, first);
        sheet.same_time(line.last.1, last);
        sheet.rare(line.samples ^ *packets as u32);
        sheet.flag(syn_times.is_some());
        let (first_syn, last_syn) = syn_times.unwrap_or((first, first));
        sheet.same_time(first_syn, first);
        sheet.same_time(last_syn, first_syn);
        sheet.same_seq(*base, course.start);
        sheet.same_seq(*snd_nxt, course.behind);
        sheet.same_seq(*ack, course.acked);
        sheet.some_rare(sack_edge.map(|edge| edge.0));
        sheet.rare(new_bytes.wrapping_sub(course.bytes));
        sheet.rare(bytes.wrapping_sub(*new_bytes));
        sheet.rare(*syns ^ 1);
        for count in [
            retransmissions,
            out_of_order,
            keepalive_probes,
            unanswered_probes,
            zero_window_probes,
            zero_windows,
        ] {
            sheet.rare(*count);
        }
        sheet.rare(*missed_bytes);
        sheet.rare(lateness.as_nanos() as u64);
        sheet.rare(*resets);
    }

    #[inline(always)]
    fn listed(side: Side, course: &Course, sheet: &mut DirectionsSheet) -> Self {
        let [
            has_scale,
            has_mss,
            has_last_ip,
            has_ip_id,
            has_missing,
            sack_permitted,
            several_macs,
            answered_handshake,
        ] = std::array::from_fn(|_| sheet.take_flag());
        let (windows, ip) = (sheet.take_word(), sheet.take_word());
        let ip_id = has_ip_id.then_some(ip as u16);
        let first_packet = sheet.take_some_time();
        let first = first_packet.unwrap_or(sheet.opened());
        let has_last = sheet.take_flag();
        let last = sheet.take_same_time(course.last);
        let mac = sheet.take_some_mac();
        let zero_ip_ids = sheet.take_count() as u32;
        let has_line = sheet.take_flag();
        let first_clock = sheet.take_word();
        let last_clock = first_clock.wrapping_add(sheet.take_count() as u32);
        let line = TimestampLine {
            first: (first_clock, sheet.take_same_time(first)),
            last: (last_clock, sheet.take_same_time(last)),
            samples: side.packets as u32 ^ sheet.take_rare() as u32,
        };
        let has_syn_times = sheet.take_flag();
        let first_syn = sheet.take_same_time(first);
        let last_syn = sheet.take_same_time(first_syn);
        let base = sheet.take_same_seq(course.start);
        let snd_nxt = sheet.take_same_seq(course.behind);
        let ack = sheet.take_same_seq(course.acked);
        let sack_edge = sheet.take_some_rare().map(|edge| SeqNumber(edge as u32));
        let new_bytes = course.bytes.wrapping_add(sheet.take_rare());
        let bytes = new_bytes.wrapping_add(sheet.take_rare());
        let syns = sheet.take_rare() as u32 ^ 1;
        let [
            retransmissions,
            out_of_order,
            keepalive_probes,
            unanswered_probes,
            zero_window_probes,
            zero_windows,
        ] = std::array::from_fn(|_| sheet.take_rare() as u32);
        Self {
            packets: side.packets,
            bytes,
            new_bytes,
            iss: side.iss,
            base,
            snd_nxt,
            ack,
            window: windows as u16,
            window_scale: has_scale.then_some((ip >> 24) as u8),
            mss: has_mss.then_some((windows >> 16) as u16),
            sack_permitted,
            fin: side.fin,
            ttl: side.ttl,
            last_ip: has_last_ip.then_some((Ttl((ip >> 16) as u8), ip_id)),
            zero_ip_ids,
            mac,
            several_macs,
            timestamp_line: has_line.then_some(line),
            syn_times: has_syn_times.then_some((first_syn, last_syn)),
            syns,
            syn_acks_after_ack: side.syn_acks_after_ack,
            retransmissions,
            unanswered_retransmissions: side.unanswered_retransmissions,
            out_of_order,
            keepalive_probes,
            unanswered_probes,
            zero_window_probes,
            zero_windows,
            missed_bytes: sheet.take_rare(),
            // What is missing comes behind the sheet.
            missing: has_missing.then_some(Default::default()),
            lateness: Interval::from_nanos(sheet.take_rare() as i64),
            answered_handshake,
            sack_edge,
            resets: sheet.take_rare(),
            first_packet,
            last_packet: has_last.then_some(last),
        }
    }
}
