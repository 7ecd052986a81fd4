//! The Linux kernel's own word for a reset, while live: the tracepoints `tcp:tcp_send_reset` and `tcp:tcp_receive_reset`
//! (the former says why since Linux 6.10), read through a tracefs instance of our own, and joined to the RST on the wire by addresses, ports
//! and time.
//!
//! Firewalls that reject with a RST (`nf_reject_ipv4.c`) and raw sockets pass neither tracepoint, so the kernel's silence says
//! something too, where the RST bears an address of this host.

mod event;
mod host;
mod instance;
mod log;
mod process;
mod reason;
mod settle;

pub use event::{ResetEvent, Side, Task, TraceLine, parse_trace_line, read_until};
pub use host::{OwnHost, WireReset};
pub use instance::{TraceError, TraceInstance, find_tracefs, remove_leftovers};
pub use log::{KernelLog, KernelSays};
pub use process::{ListenerTable, Process};
pub use reason::{Origin, ResetReason};
pub use settle::{Coverage, settle};
