//! What an outline leaves out of a direction, in few bytes.

use super::{Direction, FinSeen, TimestampLine};
use crate::flow::outline::Side;
use crate::flow::packing::{Packer, Sheet, Unpacker};
use crate::time::{Interval, Timestamp};
use crate::wire::{MacAddress, SeqNumber, Ttl};

type DirectionSheet = Sheet<2, 0, 2, 5, 19>;

/// One past a FIN: where numbers mostly end.
fn behind(side: (Option<SeqNumber>, Option<FinSeen>)) -> SeqNumber {
    let (iss, fin) = side;
    fin.map_or(iss.unwrap_or_default(), |fin| fin.seq + 1)
}

impl Direction {
    /// Packs what its [`Side`] has not.
    pub(in crate::flow) fn pack(&self, into: &mut Packer) {
        let Self {
            packets,
            bytes,
            new_bytes,
            iss,
            base,
            snd_nxt,
            ack,
            window,
            window_scale,
            mss,
            sack_permitted,
            fin,
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
        let mut sheet = DirectionSheet::begin(into);
        sheet.some_time(*first_packet);
        sheet.some_time(*last_packet);
        let first_time = first_packet.unwrap_or(sheet.opened());
        let last_time = last_packet.unwrap_or(sheet.opened());
        sheet.count(*new_bytes);
        sheet.count(*zero_ip_ids);
        sheet.some_seq(*ack);
        sheet.word(u32::from(*window) | u32::from(mss.unwrap_or_default()) << 16);
        let (ttl, ip_id) = last_ip.unwrap_or_default();
        let scale = u32::from(window_scale.unwrap_or_default()) << 24;
        sheet.word(u32::from(ip_id.unwrap_or_default()) | u32::from(ttl.0) << 16 | scale);
        for known in [
            window_scale.is_some(),
            mss.is_some(),
            last_ip.is_some(),
            ip_id.is_some(),
            mac.is_some(),
            missing.is_some(),
            *sack_permitted,
            *several_macs,
            *answered_handshake,
        ] {
            sheet.flag(known);
        }
        sheet.flag(timestamp_line.is_some());
        let line = timestamp_line.unwrap_or(TimestampLine {
            first: (0, first_time),
            last: (0, last_time),
            samples: *packets as u32,
        });
        sheet.word(line.first.0);
        sheet.word(line.last.0);
        sheet.same_time(line.first.1, first_time);
        sheet.same_time(line.last.1, last_time);
        sheet.rare(line.samples ^ *packets as u32);
        sheet.flag(syn_times.is_some());
        let (first_syn, last_syn) = syn_times.unwrap_or((first_time, first_time));
        sheet.same_time(first_syn, first_time);
        sheet.same_time(last_syn, first_syn);
        sheet.same_seq(*base, iss.unwrap_or_default());
        sheet.same_seq(*snd_nxt, behind((*iss, *fin)));
        sheet.some_rare(sack_edge.map(|edge| edge.0));
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
        sheet.pack(into);
        if let Some(mac) = mac {
            into.array(mac.0);
        }
        if let Some((start, end, since)) = missing {
            let since = since.as_nanos() as u64;
            into.words(16, [u64::from(start.0) | u64::from(end.0) << 32, since]);
        }
    }

    /// What was packed, of the one with this side.
    pub(in crate::flow) fn unpack(from: &mut Unpacker<'_>, side: Side) -> Self {
        let mut sheet = DirectionSheet::unpack(from);
        let (first_packet, last_packet) = (sheet.take_some_time(), sheet.take_some_time());
        let first_time = first_packet.unwrap_or(sheet.opened());
        let last_time = last_packet.unwrap_or(sheet.opened());
        let (new_bytes, zero_ip_ids) = (sheet.take_count(), sheet.take_count() as u32);
        let ack = sheet.take_some_seq();
        let (windows, ip) = (sheet.take_word(), sheet.take_word());
        let [
            has_scale,
            has_mss,
            has_last_ip,
            has_ip_id,
            has_mac,
            has_missing,
            sack_permitted,
            several_macs,
            answered_handshake,
        ] = std::array::from_fn(|_| sheet.take_flag());
        let has_line = sheet.take_flag();
        let (first_clock, last_clock) = (sheet.take_word(), sheet.take_word());
        let line = TimestampLine {
            first: (first_clock, sheet.take_same_time(first_time)),
            last: (last_clock, sheet.take_same_time(last_time)),
            samples: side.packets as u32 ^ sheet.take_rare() as u32,
        };
        let has_syn_times = sheet.take_flag();
        let first_syn = sheet.take_same_time(first_time);
        let last_syn = sheet.take_same_time(first_syn);
        let base = sheet.take_same_seq(side.iss.unwrap_or_default());
        let snd_nxt = sheet.take_same_seq(behind((side.iss, side.fin)));
        let sack_edge = sheet.take_some_rare().map(|edge| SeqNumber(edge as u32));
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
        let missed_bytes = sheet.take_rare();
        let lateness = Interval::from_nanos(sheet.take_rare() as i64);
        let resets = sheet.take_rare();
        let ip_id = has_ip_id.then_some(ip as u16);
        let mac = has_mac.then(|| MacAddress(from.array()));
        let missing = has_missing.then(|| {
            let [numbers, since] = from.words();
            let (start, end) = (SeqNumber(numbers as u32), SeqNumber((numbers >> 32) as u32));
            (start, end, Timestamp::from_nanos(since as i64))
        });
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
            missed_bytes,
            missing,
            lateness,
            answered_handshake,
            sack_edge,
            resets,
            first_packet,
            last_packet,
        }
    }
}
