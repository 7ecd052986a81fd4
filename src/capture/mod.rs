//! Step 1: bytes from files, standard input and interfaces, as [`Frame`]s with time and number.

mod frame;

pub use frame::{CaptureId, Frame, FrameId, FrameNumber, LinkType};
