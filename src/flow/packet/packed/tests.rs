use proptest::prelude::*;

use super::*;

type Fields = (
    (i64, u16, u32, bool, u8, u16),
    (u32, u32, u32, u16, u8, u8),
    (Option<u16>, Option<(u32, u32)>, Option<[u8; 6]>, u32, u16),
    ([bool; 3], Option<i64>, Option<(i64, u32, bool)>),
    [u8; 8],
);

fn peer(is_server: bool) -> Peer {
    if is_server {
        Peer::Server
    } else {
        Peer::Client
    }
}

/// A packet of these fields, each of them mostly as it is expected after those before it.
fn packet(fields: Fields, before: &Before<'_>) -> Packet {
    let (
        (time, capture, number, from_server, kind, flags),
        (seq, ack, len, window, ttl, traffic_class),
        (ip_id, timestamps, mac, interface, probes_since_activity),
        ([dont_fragment, has_options, housekeeping], previous, activity),
        chances,
    ) = fields;
    let [
        soon,
        same_capture,
        same_numbers,
        same_shape,
        same_window,
        counts_on,
        follows,
        idle,
    ] = chances.map(|chance| chance % 8 != 0);
    let from = peer(from_server);
    let (earlier, own) = (&before.previous.head, *before.heads.of(from));
    let [next_seq, next_ack, next_echo] = before.numbers(from);
    let (seq, ack) = match same_numbers {
        true => (next_seq, next_ack),
        false => (seq, ack),
    };
    let (clock, echo) = timestamps.unwrap_or_default();
    let clock = match counts_on {
        true => clocks(own).0.wrapping_add(clock & 0x3ff),
        false => clock,
    };
    let timestamps = Timestamps {
        value: clock,
        echo: if same_numbers { next_echo } else { echo },
    };
    let has_timestamps = match same_shape {
        true => own.timestamps.is_some(),
        false => clock & 1 != 0,
    };
    let head = Head {
        time: match soon {
            true => after(earlier.time, (time as u64) >> 33),
            false => Timestamp::from_nanos(time),
        },
        frame: FrameId {
            capture: match same_capture {
                true => earlier.frame.capture,
                false => CaptureId(capture),
            },
            number: FrameNumber(match soon {
                true => earlier.frame.number.0.wrapping_add(number >> 17),
                false => number,
            }),
        },
        interface: if same_capture {
            own.interface
        } else {
            interface
        },
        seq: SeqNumber(seq),
        ack: SeqNumber(ack),
        payload_len: if soon { len & 0xffff } else { len },
        timestamps: has_timestamps.then_some(timestamps),
        flags: TcpFlags(if soon { flags & 0xfff } else { flags }),
        window: if same_window { own.window } else { window },
        ip_id: match counts_on {
            true => next_ip_id(own),
            false => ip_id,
        },
        src_mac: match same_shape {
            true => own.src_mac,
            false => mac.map(MacAddress),
        },
        ttl: if same_shape { own.ttl } else { Ttl(ttl) },
        traffic_class: match same_shape {
            true => own.traffic_class,
            false => traffic_class,
        },
        dont_fragment: match same_shape {
            true => own.dont_fragment,
            false => dont_fragment,
        },
        has_options: match same_shape {
            true => own.has_options,
            false => has_options,
        },
    };
    Packet {
        head,
        from,
        kind: PacketKind::at(kind % 9),
        housekeeping,
        previous_packet: match follows {
            true => Some(earlier.time),
            false => previous.map(Timestamp::from_nanos),
        },
        last_activity: match idle {
            true => before.activity(),
            false => activity.map(|(time, number, server)| LastActivity {
                time: Timestamp::from_nanos(time),
                frame: FrameId {
                    number: FrameNumber(number),
                    capture: CaptureId(capture),
                },
                from: peer(server),
            }),
        },
        probes_since_activity: if idle { 0 } else { probes_since_activity },
    }
}

type LastIp = Option<(u8, Option<u16>)>;

fn directions(ips: [LastIp; 2], macs: [Option<[u8; 6]>; 2], window: u16) -> Both<Direction> {
    let [client, server] = [0, 1].map(|place: usize| Direction {
        last_ip: ips[place].map(|(ttl, ip_id)| (Ttl(ttl), ip_id)),
        mac: macs[place].map(MacAddress),
        window,
        ..Direction::default()
    });
    Both { client, server }
}

/// A history of these packets, one after the other.
fn history(all: Vec<Fields>, directions: &Both<Direction>, opened: Timestamp) -> History {
    let mut history = History::default();
    let (mut previous, mut heads) = Opening::of(&[], opened).before(directions);
    for fields in all {
        let before = Before::new(&previous, &heads);
        previous = packet(fields, &before);
        *heads.of_mut(previous.from) = previous.head;
        history.push(previous);
    }
    history
}

fn packed(history: &History, directions: &Both<Direction>, opened: Timestamp) -> Vec<u8> {
    let mut packer = Packer::default();
    packer.pack(opened, |packer| history.pack(directions, packer));
    packer.packed().to_vec()
}

proptest! {
    #[test]
    fn any_history_comes_back(
        opened: i64,
        ips: [LastIp; 2],
        macs: [Option<[u8; 6]>; 2],
        window: u16,
        all: Vec<Fields>,
        keep in 0..2 * History::KEPT,
    ) {
        let opened = Timestamp::from_nanos(opened);
        let directions = directions(ips, macs, window);
        let mut history = history(all, &directions, opened);
        if keep < History::KEPT {
            history.keep_newest(keep);
        }
        let packed = packed(&history, &directions, opened);
        let mut unpacker = Unpacker::new(&packed, opened);
        let back = History::unpack(&directions, &mut unpacker);
        prop_assert_eq!(format!("{back:?}"), format!("{history:?}"));
    }
}
