//! What an outline leaves out of a direction, in few bytes.

use super::{Direction, TimestampLine};
use crate::flow::outline::Side;
use crate::flow::packing::{Packer, Sheet, Unpacker};
use crate::time::Interval;
use crate::wire::{MacAddress, SeqNumber, Ttl};

type DirectionSheet = Sheet<7, 0, 5, 10>;

/// Counts of what rarely happens: they are all 0 in most directions.
const RARE: usize = 9;

impl Direction {
    /// Packs what its [`Side`] has not.
    pub(in crate::flow) fn pack(&self, into: &mut Packer) {
        let Self {
            packets: _,
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
        let mut sheet = DirectionSheet::begin(into);
        sheet.count(*bytes);
        sheet.count(*new_bytes);
        sheet.count(*syns);
        sheet.count(*zero_ip_ids);
        sheet.some_seq(*base);
        sheet.some_seq(*snd_nxt);
        sheet.some_seq(*ack);
        sheet.some_seq(*sack_edge);
        sheet.flag(*sack_permitted);
        sheet.flag(*several_macs);
        sheet.flag(*answered_handshake);
        sheet.flag(window_scale.is_some());
        sheet.flag(mss.is_some());
        sheet.flag(last_ip.is_some());
        let (ttl, ip_id) = last_ip.unwrap_or_default();
        sheet.flag(ip_id.is_some());
        sheet.word(u32::from(*window) | u32::from(mss.unwrap_or_default()) << 16);
        let scale = u32::from(window_scale.unwrap_or_default());
        let ip_id = u32::from(ip_id.unwrap_or_default());
        sheet.word(ip_id | u32::from(ttl.0) << 16 | scale << 24);
        sheet.flag(mac.is_some());
        sheet.flag(timestamp_line.is_some());
        if let Some(TimestampLine {
            first,
            last,
            samples,
        }) = timestamp_line
        {
            sheet.word(first.0);
            sheet.time(first.1);
            sheet.word(last.0);
            sheet.time(last.1);
            sheet.count(*samples);
        }
        sheet.flag(syn_times.is_some());
        if let Some((first, last)) = syn_times {
            sheet.time(*first);
            sheet.time(*last);
        }
        sheet.flag(missing.is_some());
        if let Some((start, end, since)) = missing {
            sheet.word(start.0);
            sheet.word(end.0);
            sheet.time(*since);
        }
        sheet.some_time(*first_packet);
        sheet.some_time(*last_packet);
        sheet.pack(into);
        if let Some(mac) = mac {
            into.array(mac.0);
        }
        let rare: [u64; RARE] = [
            u64::from(*retransmissions),
            u64::from(*out_of_order),
            u64::from(*keepalive_probes),
            u64::from(*unanswered_probes),
            u64::from(*zero_window_probes),
            u64::from(*zero_windows),
            *missed_bytes,
            lateness.as_nanos() as u64,
            *resets,
        ];
        into.numbers(&rare);
    }

    /// What was packed, of the one with this side.
    pub(in crate::flow) fn unpack(from: &mut Unpacker<'_>, side: Side) -> Self {
        let mut sheet = DirectionSheet::unpack(from);
        let bytes = sheet.take_count();
        let new_bytes = sheet.take_count();
        let syns = sheet.take_count() as u32;
        let zero_ip_ids = sheet.take_count() as u32;
        let (base, snd_nxt) = (sheet.take_some_seq(), sheet.take_some_seq());
        let (ack, sack_edge) = (sheet.take_some_seq(), sheet.take_some_seq());
        let [sack_permitted, several_macs, answered_handshake] =
            std::array::from_fn(|_| sheet.take_flag());
        let [has_scale, has_mss, has_last_ip, has_ip_id] =
            std::array::from_fn(|_| sheet.take_flag());
        let (words, ip) = (sheet.take_word(), sheet.take_word());
        let ip_id = has_ip_id.then_some(ip as u16);
        let has_mac = sheet.take_flag();
        let timestamp_line = sheet.take_flag().then(|| TimestampLine {
            first: (sheet.take_word(), sheet.take_time()),
            last: (sheet.take_word(), sheet.take_time()),
            samples: sheet.take_count() as u32,
        });
        let times = sheet.take_flag();
        let syn_times = times.then(|| (sheet.take_time(), sheet.take_time()));
        let missing = sheet.take_flag().then(|| {
            let [start, end] = std::array::from_fn(|_| SeqNumber(sheet.take_word()));
            (start, end, sheet.take_time())
        });
        let (first_packet, last_packet) = (sheet.take_some_time(), sheet.take_some_time());
        let mac = has_mac.then(|| MacAddress(from.array()));
        let rare: [u64; RARE] = from.numbers();
        let [
            retransmissions,
            out_of_order,
            keepalive_probes,
            unanswered_probes,
            zero_window_probes,
            zero_windows,
            missed_bytes,
            lateness,
            resets,
        ] = rare;
        Self {
            packets: side.packets,
            bytes,
            new_bytes,
            iss: side.iss,
            base,
            snd_nxt,
            ack,
            window: words as u16,
            window_scale: has_scale.then_some((ip >> 24) as u8),
            mss: has_mss.then_some((words >> 16) as u16),
            sack_permitted,
            fin: side.fin,
            ttl: side.ttl,
            last_ip: has_last_ip.then_some((Ttl((ip >> 16) as u8), ip_id)),
            zero_ip_ids,
            mac,
            several_macs,
            timestamp_line,
            syn_times,
            syns,
            syn_acks_after_ack: side.syn_acks_after_ack,
            retransmissions: retransmissions as u32,
            unanswered_retransmissions: side.unanswered_retransmissions,
            out_of_order: out_of_order as u32,
            keepalive_probes: keepalive_probes as u32,
            unanswered_probes: unanswered_probes as u32,
            zero_window_probes: zero_window_probes as u32,
            zero_windows: zero_windows as u32,
            missed_bytes,
            missing,
            lateness: Interval::from_nanos(lateness as i64),
            answered_handshake,
            sack_edge,
            resets,
            first_packet,
            last_packet,
        }
    }
}
