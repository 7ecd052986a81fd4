//! Step 3: segments become [`Connection`]s: both directions' sequence space, FINs, resets and the two idle clocks.
//! Facts only; what they mean is judged in [`verdict`](crate::verdict).

mod archive;
mod assembler;
mod chunks;
mod connection;
mod direction;
mod episode;
mod history;
mod items;
mod key;
mod limits;
mod numbering;
mod outline;
mod packet;
mod packing;
mod parcels;
mod peer;
mod places;
mod reassembly;
mod refused;
mod remnants;
mod settled;
mod shards;
mod sitting;
mod stream;
mod table;
mod talk;
mod workers;

pub use connection::{Connection, IcmpSeen, SurvivedIdle};
pub use direction::{Both, Direction, FinSeen, TimestampLine, TtlProfile};
pub use episode::{Episode, Moment};
pub use history::Letters;
pub use items::{Items, ItemsIter, Listed};
pub use limits::{Limits, SittingsKept};
pub use outline::{Gist, Outline, Side};
pub use packet::{History, LastActivity, Packet, PacketKind, Packets};
pub use packing::{Packed, Packer, Unpacker};
pub(crate) use packing::{Sheet, packed, packed_names};
pub use peer::{Orientation, Peer};
pub use refused::{FirstRefusal, RefusedGroup, RefusedScope};
pub use settled::{AT_ONCE, Held, Kept, Known, Settled};
pub use shards::Shards;
pub use sitting::{EndState, Sitting, Sittings};
pub use stream::{Activity, Mark, StreamBytes, StreamReader};
pub use table::Table;
