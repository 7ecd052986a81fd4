//! Frames from interfaces, as they pass: libpcap, read without blocking by one thread.
//!
//! Several interfaces are one capture, as in a pcapng file of several interfaces: frames are numbered through, and `interface` tells them
//! apart.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Active, Capture, Device, Linktype, Packet, Precision};
use thiserror::Error;

use super::frame::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
use crate::time::Timestamp;

/// The kernel hands over a block of packets when it is full or this old: part of how soon a finding is told.
const BLOCK_AGE: Duration = Duration::from_millis(100);
/// Packets taken from one interface before the others have their turn.
const TURN: usize = 8_192;
/// Turns after the stop.
const LAST_TURNS: usize = 64;

/// Why capturing does not work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LiveError {
    /// Rights are missing.
    #[error("{interface}: no permission to capture")]
    NotPermitted {
        /// The interface.
        interface: String,
    },
    /// The filter expression is refused.
    #[error("filter `{expression}` on {interface}: {why}")]
    Filter {
        /// The expression.
        expression: String,
        /// The interface.
        interface: String,
        /// libpcap's word.
        why: String,
    },
    /// libpcap refuses something else.
    #[error("{interface}: {why}")]
    Interface {
        /// The interface.
        interface: String,
        /// libpcap's word.
        why: String,
    },
    /// The list of interfaces can't be had.
    #[error("interfaces can't be listed: {0}")]
    List(String),
    /// Waiting failed.
    #[error("waiting for packets: {0}")]
    Wait(Errno),
}

/// Whether an interface takes packets that are not for this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promiscuity {
    /// Only what is for this host, or made by it.
    #[default]
    Own,
    /// All that passes.
    All,
}

/// How interfaces are opened.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Bytes taken of each packet.
    pub snap_len: u32,
    /// Bytes of the kernel's buffer for each interface.
    pub buffer: u32,
    /// Whose packets.
    pub promiscuity: Promiscuity,
    /// Filter expression (pcap-filter(7)), applied in the kernel.
    pub filter: Option<String>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            snap_len: 262_144,
            buffer: 32 << 20,
            promiscuity: Promiscuity::default(),
            filter: None,
        }
    }
}

/// Packets counted by the kernel since the interface was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Passed the filter.
    pub received: u64,
    /// Did not fit into the buffer.
    pub dropped: u64,
    /// Dropped by the interface or its driver.
    pub dropped_by_interface: u64,
}

/// An interface being captured from.
pub struct LiveInterface {
    name: String,
    link: LinkType,
    /// `None` once it failed.
    capture: Option<Capture<Active>>,
    counts: LiveCounts,
    /// The kernel's counters as last seen: 32 bits, they wrap in weeks.
    raw_counts: [u32; 3],
    failure: Option<String>,
}

impl LiveInterface {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its link type.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Why it gives no more packets, where it doesn't.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The kernel's counts, as of the last [`LiveCapture::count`].
    pub fn counts(&self) -> LiveCounts {
        self.counts
    }

    fn open(name: &str, options: &LiveOptions) -> Result<Self, LiveError> {
        let refused = |error: pcap::Error| refused(name, &error);
        let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        let inactive = Capture::from_device(name)
            .map_err(refused)?
            .snaplen(number(options.snap_len))
            .buffer_size(number(options.buffer))
            .timeout(BLOCK_AGE.as_millis() as i32)
            .precision(Precision::Nano)
            // `any` has no such mode, and libpcap's warning of that would count as an error.
            .promisc(options.promiscuity == Promiscuity::All && name != ANY);
        let mut capture = inactive.open().map_err(refused)?;
        if name == ANY {
            // The newer header names the interface of each packet; older libpcaps lack it.
            let _ = capture.set_datalink(Linktype(LINUX_SLL2));
        }
        if let Some(expression) = &options.filter {
            capture
                .filter(expression, true)
                .map_err(|error| LiveError::Filter {
                    expression: expression.clone(),
                    interface: name.to_owned(),
                    why: text(&error),
                })?;
        }
        let link = link_type(capture.get_datalink());
        Ok(Self {
            name: name.to_owned(),
            link,
            capture: Some(capture.setnonblock().map_err(refused)?),
            counts: LiveCounts::default(),
            raw_counts: [0; 3],
            failure: None,
        })
    }

    /// Takes what is there, at most [`TURN`] packets.
    fn dispatch(&mut self, take: impl FnMut(Packet<'_>)) -> usize {
        let Some(capture) = &mut self.capture else {
            return 0;
        };
        match capture.dispatch(Some(TURN), take) {
            Ok(packets) => packets,
            Err(pcap::Error::TimeoutExpired) => 0,
            Err(error) => {
                self.count();
                self.failure = Some(text(&error));
                self.capture = None;
                0
            }
        }
    }

    fn count(&mut self) {
        let Some(stats) = self
            .capture
            .as_mut()
            .and_then(|capture| capture.stats().ok())
        else {
            return;
        };
        let now = [stats.received, stats.dropped, stats.if_dropped];
        let [received, dropped, by_interface] = std::array::from_fn(|i| {
            let (now, before) = (now.get(i), self.raw_counts.get(i));
            u64::from(
                now.zip(before)
                    .map_or(0, |(now, before)| now.wrapping_sub(*before)),
            )
        });
        self.counts.received += received;
        self.counts.dropped += dropped;
        self.counts.dropped_by_interface += by_interface;
        self.raw_counts = now;
    }
}

/// All interfaces at once (Linux).
const ANY: &str = "any";
/// `DLT_LINUX_SLL2`
const LINUX_SLL2: i32 = 276;

/// `DLT_…` as libpcap names it on this system, to `LINKTYPE_…` as files name it (pcap-common.c): raw IP is the one that differs on Linux.
fn link_type(link: Linktype) -> LinkType {
    match link.0 {
        12 | 14 => LinkType(101),
        other => LinkType(u16::try_from(other).unwrap_or(u16::MAX)),
    }
}

fn text(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

fn refused(interface: &str, error: &pcap::Error) -> LiveError {
    let why = text(error);
    let interface = interface.to_owned();
    if ["ermission", "not permitted", "CAP_NET_RAW"]
        .iter()
        .any(|word| why.contains(word))
    {
        LiveError::NotPermitted { interface }
    } else {
        LiveError::Interface { interface, why }
    }
}

/// A packet of several interfaces that waits to be put in order.
struct Waiting {
    time: Timestamp,
    interface: u32,
    start: usize,
    len: usize,
    original_len: u32,
}

/// Interfaces, read as one capture.
pub struct LiveCapture {
    interfaces: Vec<LiveInterface>,
    taken: u32,
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
}

impl LiveCapture {
    /// Opens all of them, or none.
    pub fn open(names: &[String], options: &LiveOptions) -> Result<Self, LiveError> {
        let interfaces = names
            .iter()
            .map(|name| LiveInterface::open(name, options))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            interfaces,
            taken: 0,
            bytes: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// The interfaces, in the order given: a frame's `interface` counts in them.
    pub fn interfaces(&self) -> &[LiveInterface] {
        &self.interfaces
    }

    /// Every interface has failed.
    pub fn is_over(&self) -> bool {
        self.interfaces
            .iter()
            .all(|interface| interface.capture.is_none())
    }

    /// Asks the kernel for its counts.
    pub fn count(&mut self) {
        self.interfaces.iter_mut().for_each(LiveInterface::count);
    }

    /// Hands over the packets that are there; where there are none, waits for some, at most that long. Returns how many there were.
    ///
    /// Packets of several interfaces come in order of time as far as they were there together.
    pub fn read(
        &mut self,
        wait: Duration,
        mut take: impl FnMut(&Frame<'_>),
    ) -> Result<usize, LiveError> {
        let packets = self.take_turns(&mut take);
        if packets > 0 {
            return Ok(packets);
        }
        self.wait(wait)?;
        Ok(self.take_turns(&mut take))
    }

    /// Hands over everything that was captured until now, also what the kernel still holds in a block that is not full.
    pub fn drain(&mut self, mut take: impl FnMut(&Frame<'_>)) {
        // A block is handed over at the latest when it is of age.
        for _ in 0..3 {
            std::thread::sleep(BLOCK_AGE);
            // Traffic that goes on must not keep this going on.
            for _ in 0..LAST_TURNS {
                if self.take_turns(&mut take) == 0 {
                    break;
                }
            }
        }
        self.count();
    }

    fn wait(&self, at_most: Duration) -> Result<(), LiveError> {
        let mut fds: Vec<PollFd> = self
            .interfaces
            .iter()
            .filter_map(|interface| interface.capture.as_ref())
            .map(|capture| PollFd::new(capture.as_fd(), PollFlags::POLLIN))
            .collect();
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(LiveError::Wait(error)),
        }
    }

    fn take_turns(&mut self, take: &mut impl FnMut(&Frame<'_>)) -> usize {
        let taken = &mut self.taken;
        if let [only] = self.interfaces.as_mut_slice() {
            let link = only.link;
            return only.dispatch(|packet| {
                *taken = taken.wrapping_add(1);
                take(&Frame {
                    id: id(*taken),
                    time: time_of(&packet),
                    link,
                    interface: 0,
                    data: packet.data,
                    original_len: packet.header.len,
                });
            });
        }
        self.bytes.clear();
        self.waiting.clear();
        let (bytes, waiting) = (&mut self.bytes, &mut self.waiting);
        for (interface, number) in self.interfaces.iter_mut().zip(0..) {
            interface.dispatch(|packet| {
                waiting.push(Waiting {
                    time: time_of(&packet),
                    interface: number,
                    start: bytes.len(),
                    len: packet.data.len(),
                    original_len: packet.header.len,
                });
                bytes.extend_from_slice(packet.data);
            });
        }
        waiting.sort_by_key(|packet| packet.time);
        for packet in waiting.iter() {
            let link = self
                .interfaces
                .get(packet.interface as usize)
                .map(|i| i.link);
            let data = bytes.get(packet.start..packet.start + packet.len);
            if let (Some(link), Some(data)) = (link, data) {
                *taken = taken.wrapping_add(1);
                take(&Frame {
                    id: id(*taken),
                    time: packet.time,
                    link,
                    interface: packet.interface,
                    data,
                    original_len: packet.original_len,
                });
            }
        }
        waiting.len()
    }
}

fn id(number: u32) -> FrameId {
    FrameId {
        capture: CaptureId(0),
        number: FrameNumber(number),
    }
}

/// With nanosecond precision libpcap puts nanoseconds where microseconds used to be.
fn time_of(packet: &Packet<'_>) -> Timestamp {
    let stamp = packet.header.ts;
    Timestamp::from_parts(stamp.tv_sec, u32::try_from(stamp.tv_usec).unwrap_or(0))
}

/// An interface of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Its name, for `-i`.
    pub name: String,
    /// What libpcap says of it.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// It is up and running.
    pub is_running: bool,
}

/// Lists the interfaces that can be captured from.
pub fn interfaces() -> Result<Vec<InterfaceInfo>, LiveError> {
    let devices = Device::list().map_err(|error| LiveError::List(text(&error)))?;
    Ok(devices
        .into_iter()
        .map(|device| InterfaceInfo {
            is_running: device.flags.is_up() && device.flags.is_running(),
            name: device.name,
            description: device.desc,
            addresses: device
                .addresses
                .iter()
                .map(|address| address.addr)
                .collect(),
        })
        .collect())
}
