//! Connections whose two directions a capture shows under two names.
//!
//! A rule of the capturing host (netfilter's REDIRECT, as in front of a sidecar proxy, or DNAT in its output) leads what a program says to
//! another server than the one that it called. Such a packet goes over the loopback interface, where captures show it behind the rule.
//! What comes back is translated before it gets there: it bears the address that the program called. Wireshark sees two conversations of
//! one direction each. (Linux: `nf_nat_redirect_ipv4()` leads what is sent from the host itself to 127.0.0.1, `nf_nat_redirect_ipv6()` to
//! ::1; `nf_nat_packet()` undoes it for answers in the hook after routing, before the interface shows them.)

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use ahash::RandomState;

use crate::capture::{CaptureId, Frame, FrameId};
use crate::flow::Both;
use crate::flow::key::{Key, Way};
use crate::wire::{Addresses, Ends, PlainFrame, Segment, SeqNumber, TcpFlags};

/// An address and a port.
pub(super) type End = (IpAddr, u16);

/// SYNs that are remembered until somebody answers. When there are more, the oldest are forgotten.
const ASKED: usize = 4_096;
/// Bytes that a first answer acknowledges: a SYN-ACK or a refusal one, and what is captured in its stead not much more. By chance, one
/// of 65,536 packets does.
const AT_FIRST: u32 = 1 << 16;
/// Connections that were redirected. When there are more, the oldest are forgotten: what they say from then on stays apart.
pub(super) const REACHED: usize = 1 << 16;

/// What redirected connections are called by whom.
#[derive(Debug, Default)]
pub(super) struct Redirects {
    /// By client: SYNs that a rule may have led elsewhere, and that nobody answered as yet.
    asked: HashMap<End, Asked, RandomState>,
    /// The same, oldest first; some of them were answered since.
    oldest: VecDeque<(End, SeqNumber)>,
    /// By client and the server that it called.
    reached: HashMap<(End, End), Reached, RandomState>,
    /// The same, oldest first; some of them were opened anew since.
    first_reached: VecDeque<(End, End)>,
    /// Any of both is remembered.
    knows_any: bool,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    iss: SeqNumber,
    server: End,
}

/// The server that a client reached.
#[derive(Clone, Copy, Debug)]
struct Reached {
    server: End,
    /// The capture whose stream of answers was [told](Answer) of last: each numbers its own.
    told: CaptureId,
}

/// The server of a connection answers by the name that its client called.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub client: End,
    /// The server that it reached.
    pub server: End,
    /// The server that it called.
    pub called: End,
    pub frame: FrameId,
    /// Base sequence numbers of the stream that it opens (Wireshark's rule of port re-use).
    pub bases: Both<Option<SeqNumber>>,
}

impl Answer {
    fn of(client: End, server: End, segment: &Segment<'_>) -> Self {
        let head = &segment.head;
        let begins = !segment.header_past_end;
        let before = match head.flags.syn() {
            true => head.seq,
            false => head.seq - 1,
        };
        Self {
            client,
            server,
            called: (segment.addresses.src(), segment.src_port),
            frame: head.frame,
            bases: Both {
                client: (begins && head.flags.ack()).then_some(head.ack - 1),
                server: begins.then_some(before),
            },
        }
    }

    /// Of the connection.
    pub fn key(&self) -> Key {
        key(self.client, self.server).0
    }

    /// Of its answers, as they are captured, and which way the client would send.
    pub fn called_key(&self) -> (Key, Way) {
        key(self.client, self.called)
    }
}

fn key(client: End, server: End) -> (Key, Way) {
    let addresses = Addresses::between(client.0, server.0);
    Key::new(&addresses, client.1, server.1)
}

/// By client and the server that it called: numbers, by capture, of the streams that hold but the answers of redirected connections.
pub(super) type AnswerStreams = HashMap<(End, End), Vec<(CaptureId, u32)>, RandomState>;

/// How the client of a redirected connection names its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The server's address and port, as answers bear them.
    pub server: (IpAddr, u16),
    /// Wireshark's number of the answers' stream, by capture.
    streams: Vec<(CaptureId, u32)>,
}

impl Called {
    pub(super) const fn new(server: End) -> Self {
        Self {
            server,
            streams: Vec::new(),
        }
    }

    /// `tcp.stream` of the answers in a capture, where it shows any.
    pub fn stream(&self, capture: CaptureId) -> Option<u32> {
        let found = self.streams.iter().find(|(shown, _)| *shown == capture);
        found.map(|&(_, stream)| stream)
    }

    pub(super) fn push(&mut self, capture: CaptureId, stream: u32) {
        if self.stream(capture).is_none() {
            self.streams.push((capture, stream));
        }
    }
}

impl Redirects {
    /// A frame with these flags may be one that is to be [heard](Self::hear). Of nearly all captures, SYNs alone may.
    #[inline(always)]
    pub fn may_concern(&self, flags: TcpFlags) -> bool {
        opens(flags) || self.knows_any
    }

    /// The frame is to be heard.
    #[inline(never)]
    pub fn concern(&self, frame: &Frame<'_>) -> bool {
        let Some(plain) = PlainFrame::of(frame) else {
            return true;
        };
        let Ends { addresses, ports } = plain.ends();
        let (src, dst) = ((addresses.src(), ports.0), (addresses.dst(), ports.1));
        opens(plain.flags()) && may_be_redirected(&addresses)
            || self.asked.contains_key(&dst)
            || self.reached.contains_key(&(dst, src))
            || self.reached.contains_key(&(src, dst))
    }

    /// Hears a segment. Returns it as the server that was reached sent it, where it bears the name of another one; and, where
    /// that one answers for the first time, whose connection it is.
    pub fn hear<'a>(&mut self, segment: &Segment<'a>) -> Option<(Segment<'a>, Option<Answer>)> {
        let flags = segment.flags?;
        let src = (segment.addresses.src(), segment.src_port);
        let dst = (segment.addresses.dst(), segment.dst_port);
        if opens(flags) {
            self.hear_syn(src, dst, segment);
            self.knows_any = !self.asked.is_empty() || !self.reached.is_empty();
            return None;
        }
        if !self.knows_any {
            return None;
        }
        let answers = self.hear_answer(src, dst, flags, segment);
        self.knows_any = !self.asked.is_empty() || !self.reached.is_empty();
        let capture = segment.head.frame.capture;
        let reached = self.reached.get_mut(&(dst, src))?;
        let is_news = answers || reached.told != capture;
        reached.told = capture;
        let (addr, src_port) = reached.server;
        let answer = is_news.then(|| Answer::of(dst, reached.server, segment));
        let sent = Segment {
            addresses: Addresses::between(addr, dst.0),
            src_port,
            ..*segment
        };
        Some((sent, answer))
    }

    fn hear_syn(&mut self, client: End, server: End, segment: &Segment<'_>) {
        // Who opens a connection under these names is led nowhere.
        self.reached.remove(&(client, server));
        self.reached.remove(&(server, client));
        if !may_be_redirected(&segment.addresses) {
            return;
        }
        let iss = segment.head.seq;
        let before = self.asked.insert(client, Asked { iss, server });
        if before.is_some_and(|before| before.iss == iss) {
            return;
        }
        self.oldest.push_back((client, iss));
        if self.oldest.len() > ASKED
            && let Some((client, iss)) = self.oldest.pop_front()
            && self
                .asked
                .get(&client)
                .is_some_and(|asked| asked.iss == iss)
        {
            self.asked.remove(&client);
        }
    }

    /// The first word to a client that asked acknowledges its SYN, and little else: `true` if it comes by another name than was asked.
    fn hear_answer(
        &mut self,
        from: End,
        client: End,
        flags: TcpFlags,
        segment: &Segment<'_>,
    ) -> bool {
        let Some(&Asked { iss, server }) = self.asked.get(&client) else {
            return false;
        };
        let acknowledged = segment.head.ack.0.wrapping_sub(iss.0);
        let answers = flags.ack() && (1..=AT_FIRST).contains(&acknowledged);
        let name = (client, from);
        let known = self.reached.get(&name);
        let is_known = known.is_some_and(|known| known.server == server);
        if from == server || answers || is_known {
            self.asked.remove(&client);
        }
        let is_led = from != server && (is_known || answers);
        if is_led {
            let told = segment.head.frame.capture;
            let before = self.reached.insert(name, Reached { server, told });
            if before.is_none() {
                self.first_reached.push_back(name);
            }
            if self.first_reached.len() > REACHED
                && let Some(oldest) = self.first_reached.pop_front()
            {
                self.reached.remove(&oldest);
            }
        }
        is_led
    }
}

/// A SYN without ACK.
#[inline(always)]
const fn opens(flags: TcpFlags) -> bool {
    flags.syn() && !flags.ack()
}

/// From a host to itself: to its loopback address from one that could not send there over a wire, or to the very address that it is from.
#[inline(always)]
fn may_be_redirected(addresses: &Addresses) -> bool {
    match addresses {
        Addresses::V4 { src, dst } => src == dst || dst.is_loopback() && !src.is_loopback(),
        Addresses::V6 { src, dst } => src == dst || dst.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Ladder, Trace};

    fn led(port: u16) -> Trace {
        led_to(80, port)
    }

    fn led_to(service: u16, port: u16) -> Trace {
        let called = Ladder::to(service)
            .from_port(port)
            .client(0, "S")
            .server(1, "S.");
        let proxy = called
            .clone()
            .between([10, 0, 0, 5].into(), [127, 0, 0, 1].into());
        proxy.at_port(15_001).trace().answered_by(&called.trace())
    }

    /// Who sent it, and whether that was news.
    fn heard(redirects: &mut Redirects, trace: &Trace) -> Vec<Option<(IpAddr, u16, bool)>> {
        let mut heard = Vec::new();
        trace.segments(|segment| {
            let told = redirects.hear(segment);
            heard.push(
                told.map(|(sent, answer)| (sent.addresses.src(), sent.src_port, answer.is_some())),
            );
        });
        heard
    }

    #[test]
    fn an_answer_is_the_servers_that_was_reached() {
        let mut redirects = Redirects::default();
        let sidecar = IpAddr::from([127, 0, 0, 1]);
        let first = heard(&mut redirects, &led(40_001));
        assert_eq!(first, [None, Some((sidecar, 15_001, true))]);
        let again = heard(&mut redirects, &led(40_001).only(|place, _| place == 1));
        assert_eq!(again, [Some((sidecar, 15_001, false))], "sent once more");
        // The same client calls that server, and no rule leads it elsewhere any more.
        let straight = Ladder::to(80)
            .from_port(40_001)
            .client(0, "S")
            .server(1, "S.");
        assert_eq!(heard(&mut redirects, &straight.trace()), [None, None]);
        assert!(redirects.reached.is_empty());
    }

    /// A flood of SYNs to the host itself, which nobody answers, and of redirected connections.
    #[test]
    fn it_stays_bounded() {
        let mut redirects = Redirects::default();
        for port in 1..20_000 {
            heard(&mut redirects, &led(port).only(|place, _| place == 0));
        }
        assert_eq!(redirects.asked.len(), ASKED);
        assert_eq!(redirects.oldest.len(), ASKED);
        for host in 1..=2 {
            for port in 20_000..60_000 {
                heard(&mut redirects, &led_to(host, port));
            }
        }
        assert_eq!(redirects.reached.len(), REACHED);
        assert_eq!(redirects.first_reached.len(), REACHED);
        assert!(redirects.asked.len() < ASKED && redirects.oldest.len() == ASKED);
    }

    #[test]
    fn a_syn_that_is_sent_again_waits_once() {
        let mut redirects = Redirects::default();
        let syn = led(40_001).frames.remove(0);
        heard(&mut redirects, &Trace::of(vec![syn.clone(), syn]));
        assert_eq!((redirects.asked.len(), redirects.oldest.len()), (1, 1));
    }
}
