//! IEEE 802.11 data frames, and the headers that capture cards put before them.

use super::super::Decoded;
use super::super::decoder::{Carried, Context, Datagram};
use super::super::fragment::Tail;
use super::super::view::View;
use super::wifi_fragment::{FrameKey, Joined};
use super::{ethernet, llc};

/// How a frame lies in the capture.
#[derive(Clone, Copy, Default)]
struct Layout {
    /// The header is padded to four bytes before the payload, as some drivers do.
    padded: bool,
    /// The two bytes of frame control are swapped, as some controllers send them.
    swapped: bool,
}

/// A frame without any radio header.
pub fn frame<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    data(v, Layout::default(), ctx).unwrap_or(Decoded::Undecoded)
}

/// The same with the two bytes of frame control swapped (CAPWAP, LWAPP).
pub fn swapped_frame<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let layout = Layout {
        swapped: true,
        ..Layout::default()
    };
    data(v, layout, ctx).unwrap_or(Decoded::Undecoded)
}

/// Frame control, second byte (IEEE 802.11 clause 9.2.4.1).
const TO_AND_FROM_DS: u8 = 0x03;
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// QoS control.
const AMSDU: u8 = 0x80;
const MESH_CONTROL: u8 = 0x01;

fn data<'a>(v: View<'a>, layout: Layout, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let (mut first, mut flags) = (v.u8(0)?, v.u8(1)?);
    if layout.swapped {
        std::mem::swap(&mut first, &mut flags);
    }
    // Version 0, type 2.
    let is_data = first & 0x0f == 0x08;
    let (qos, null) = (first & 0x80 != 0, first & 0x40 != 0);
    if !is_data || null {
        return Some(Decoded::Other);
    }
    let mut header = 24;
    if flags & TO_AND_FROM_DS == TO_AND_FROM_DS {
        header += 6;
    }
    let mut qos_control = [0, 0];
    if qos {
        qos_control = v.array(header)?;
        header += 2;
        if flags & ORDER != 0 {
            header += 4;
        }
    }
    if flags & PROTECTED != 0 {
        return None;
    }
    let sequence = u16::from_le_bytes(v.array(22)?);
    if layout.padded {
        header = header.next_multiple_of(4);
    }
    let mut body = v.skip(header)?;
    let group_addressed = v.u8(4)? & 1 != 0;
    let in_mesh = match flags & TO_AND_FROM_DS {
        TO_AND_FROM_DS => true,
        FROM_DS => group_addressed,
        _ => false,
    };
    if in_mesh && qos_control[1] & MESH_CONTROL != 0 {
        body = after_mesh_control(body)?;
    }
    if qos_control[0] & AMSDU != 0 {
        return Some(aggregate(body, ctx));
    }
    if let Joining::Waits = join(sequence, flags, v, body, ctx)? {
        return Some(Decoded::Other);
    }
    Some(payload(ends(flags, v), body, ctx))
}

/// Whether a frame can be read by itself.
enum Joining {
    Whole,
    /// It is a fragment. If it was the last, the whole is in `Context::datagram`.
    Waits,
}

/// Puts fragments together: the sequence control's low four bits number them.
fn join(
    sequence: u16,
    flags: u8,
    frame: View<'_>,
    body: View<'_>,
    ctx: &mut Context<'_>,
) -> Option<Joining> {
    let number = (sequence & 0x0f) as u8;
    let tail = match flags & MORE_FRAGMENTS {
        0 => Tail::Last,
        _ => Tail::More,
    };
    if number == 0 && tail == Tail::Last {
        return Some(Joining::Whole);
    }
    if !body.is_whole() {
        return Some(Joining::Waits);
    }
    let key = FrameKey {
        addresses: frame.array(4)?,
        sequence: sequence >> 4,
    };
    Some(
        match ctx.fragments.frames.add(key, number, tail, body.bytes) {
            Joined::Alone => Joining::Whole,
            Joined::Nothing => Joining::Waits,
            Joined::Whole(payload) => {
                ctx.datagram = Some(Datagram {
                    payload,
                    header: ctx.ip,
                    carried: Carried::Llc,
                    quoted_by: ctx.quoted_by,
                });
                Joining::Waits
            }
        },
    )
}

/// Mesh flags, time to live, sequence number, and addresses by the flags (IEEE 802.11 clause 9.2.4.7.3).
fn after_mesh_control(v: View<'_>) -> Option<View<'_>> {
    match v.u8(0)? {
        0 => v.skip(6),
        1 => v.skip(12),
        2 => v.skip(18),
        _ => Some(v),
    }
}

/// Who a frame comes from and goes to in the end.
struct Ends {
    destination: Option<[u8; 6]>,
    source: Option<[u8; 6]>,
}

/// Which of the addresses those are says the way through the distribution system (IEEE 802.11 table 9-30).
fn ends(flags: u8, v: View<'_>) -> Ends {
    let (destination, source) = match flags & TO_AND_FROM_DS {
        TO_DS => (16, 10),
        FROM_DS => (4, 16),
        TO_AND_FROM_DS => (16, 24),
        _ => (4, 10),
    };
    Ends {
        destination: v.array(destination),
        source: v.array(source),
    }
}

/// LLC; but some bridges leave an Ethernet header or two zeros before it.
fn payload<'a>(ends: Ends, body: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    match body.u16(0) {
        Some(0xaaaa) => llc::llc(body, ctx),
        Some(0xffff) => Decoded::Other,
        _ if body.array(0) == ends.destination || body.array(6) == ends.source => {
            ethernet::nested(Some(body), ctx)
        }
        Some(0) => body
            .skip(2)
            .map_or(Decoded::Undecoded, |body| llc::llc(body, ctx)),
        _ => llc::llc(body, ctx),
    }
}

/// An A-MSDU (IEEE 802.11 clause 9.3.2.2): addresses, length, LLC, padding to four. The last TCP of them counts.
fn aggregate<'a>(mut v: View<'a>, ctx: &mut Context<'_>) -> Decoded<'a> {
    let mut found = Decoded::Other;
    while let (Some(len), Some(body)) = (v.u16(12), v.skip(14)) {
        found = ctx.beside(found, |ctx| llc::llc(body.clip(u32::from(len)), ctx));
        match v.skip((14 + usize::from(len)).next_multiple_of(4)) {
            Some(rest) => v = rest,
            None => break,
        }
    }
    found
}

/// Radiotap (<https://www.radiotap.org>): version, length, words that say which fields are there.
pub fn radiotap<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const TIMESTAMP: u32 = 1;
    const FLAGS: u32 = 2;
    const MORE_WORDS: u32 = 1 << 31;
    const FRAME_CHECK_AT_END: u8 = 0x10;
    const DATA_PAD: u8 = 0x20;
    const MAX_WORDS: usize = 32;
    let len = usize::from(u16::from_le_bytes(v.array(2)?));
    let present = u32::from_le_bytes(v.array(4)?);
    let mut at = 8;
    let mut word = present;
    for _ in 0..MAX_WORDS {
        if word & MORE_WORDS == 0 {
            break;
        }
        word = u32::from_le_bytes(v.array(at)?);
        at += 4;
    }
    if present & TIMESTAMP != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    let flags = match present & FLAGS {
        0 => 0,
        _ => v.u8(at)?,
    };
    let layout = Layout {
        padded: flags & DATA_PAD != 0,
        ..Layout::default()
    };
    let frame = v.skip(len)?;
    let check = if flags & FRAME_CHECK_AT_END != 0 {
        4
    } else {
        0
    };
    data(frame.trim_end(check), layout, ctx)
}

/// Per-Packet Information: version, flags, length, then the link type of what follows.
pub fn ppi<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let len = usize::from(u16::from_le_bytes(v.array(2)?));
    let link = u32::from_le_bytes(v.array(4)?);
    ctx.descend()?;
    Some(super::frame(u16::try_from(link).ok()?, v.skip(len)?, ctx))
}

/// The first words of AVS headers, versions 1 and 2; they come under Prism's link type too.
const AVS_VERSIONS: [u32; 2] = [0x8021_1001, 0x8021_1002];

/// Prism: always 144 bytes.
pub fn prism<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    if AVS_VERSIONS.contains(&v.u32(0)?) {
        return avs(v, ctx);
    }
    data(v.skip(144)?, Layout::default(), ctx)
}

/// AVS: version, its own length.
pub fn avs<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    let len = usize::try_from(v.u32(4)?).ok()?;
    data(v.skip(len)?, Layout::default(), ctx)
}

/// Tazmen Sniffer Protocol: version, type, what it carries, tagged fields up to the end tag.
pub fn tzsp<'a>(v: View<'a>, ctx: &mut Context<'_>) -> Option<Decoded<'a>> {
    const PADDING: u8 = 0;
    const END: u8 = 1;
    let carried = v.u16(2)?;
    let mut rest = v.skip(4)?;
    loop {
        match rest.u8(0)? {
            PADDING => rest = rest.skip(1)?,
            END => {
                rest = rest.skip(1)?;
                break;
            }
            _ => rest = rest.skip(2 + usize::from(rest.u8(1)?))?,
        }
    }
    ctx.descend()?;
    match carried {
        1 => Some(ethernet::frame(rest, ctx)),
        18 => data(rest, Layout::default(), ctx),
        119 => prism(rest, ctx),
        127 => avs(rest, ctx),
        _ => None,
    }
}
